"""How long the parts of a piece of work take, one after another."""

from __future__ import annotations

import time

from app.metrics.tallies import Histogram

_WORK = Histogram("work_duration_seconds")


class Laps:
    """Measures the parts of one piece of work."""

    def __init__(self, work: str) -> None:
        self._work = work
        self._begun = time.perf_counter()

    def end(self, step: str) -> None:
        """The step has ended, and the next one begins."""
        now = time.perf_counter()
        _WORK.observe(now - self._begun, self._work, step)
        self._begun = now

"""What may happen very often is logged now and then, with the number of times."""

from __future__ import annotations

import threading
import time

SECONDS = 60.0
"""Seconds between two lines about the same."""


class Seldom:
    """Says when a line is due: at the first time, and then once in `seconds`, if it happened again."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._times = 0
        self._next = 0.0
        self._lock = threading.Lock()

    def due(self, times: int = 1) -> int | None:
        """Count what happened. Returns how often it happened since the last line, if a line is due now."""
        with self._lock:
            self._times += times
            if time.monotonic() < self._next:
                return None
            self._next = time.monotonic() + self._seconds
            found, self._times = self._times, 0
            return found

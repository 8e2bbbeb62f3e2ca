"""What keeps a process honest: threads that go on whatever happens, and a watchdog that ends it when others do not."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

import structlog

logger = structlog.get_logger(__name__)

HUNG = 70
"""Exit code of a process that ended itself (EX_SOFTWARE)."""


class Routine(threading.Thread):
    """Does its work now and every few seconds, until `stopping` is set. Errors are logged: it outlives them."""

    def __init__(self, name: str, work: Callable[[], object], *, seconds: float, stopping: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._seconds, self._stopping = work, seconds, stopping

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 (it goes on)
                what = f"{type(error).__name__}: {error}"
                logger.warning("failed; the next time follows", routine=self.name, error=what)
            self._stopping.wait(self._seconds)


class Watchdog:
    """Ends the process at once, for its supervisor to start another, when something that must go on has stopped.

    `ages` answers, by name, for how many seconds each such thing has not gone on. What the process had in hand is done
    by others: a proper stop would wait for the very thread that hangs.
    """

    def __init__(
        self,
        ages: Callable[[], Mapping[str, float]],
        *,
        limit: float,
        stopping: threading.Event,
        end: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ages, self._limit, self._stopping, self._end, self._clock = ages, limit, stopping, end, clock
        self._looked = self._awake = clock()

    def look(self) -> None:
        """To be called a few times in `limit` seconds."""
        now = self._clock()
        if now - self._looked > self._limit / 2:
            # The whole process stood still (it was stopped, or its machine suspended): everything is late.
            self._awake = now
        self._looked = now
        for name, age in self._ages().items():
            if min(age, now - self._awake) > self._limit and not self._stopping.is_set():
                logger.critical("hangs: ending this process", what=name, seconds=round(age, 1))
                self._end(HUNG)

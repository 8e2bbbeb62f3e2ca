"""Threads that go on whatever happens, and a watchdog that ends the process when another thread hangs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from queue import SimpleQueue

import structlog

from app.store.lending import Away

logger = structlog.get_logger(__name__)

HUNG = 70
"""The exit code of a process that ended itself (EX_SOFTWARE)."""


class Routine(threading.Thread):
    """A thread that does its work now and every few seconds, until `stopping` is set. It logs errors and goes on."""

    def __init__(self, name: str, work: Callable[[], object], *, seconds: float, stopping: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._seconds, self._stopping = work, seconds, stopping

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 (it goes on)
                what = f"{type(error).__name__}: {error}"
                logger.warning("routine_failed", routine=self.name, error=what)
            self._stopping.wait(self._seconds)


class Errands:
    """A few threads that do what they are given, and one errand at a time for each key.

    The threads are daemons: an errand that hangs does not keep the process from ending.
    """

    def __init__(self, name: str, *, threads: int) -> None:
        self._name, self._most = name, threads
        self._waiting: SimpleQueue[tuple[Hashable, Callable[[], object]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._under_way = set[Hashable]()
        self._threads: list[threading.Thread] = []

    def run(self, key: Hashable, work: Callable[[], object]) -> bool:
        """Do the work on a thread. Returns False if work for this key waits or goes on: then nothing is done."""
        with self._lock:
            if key in self._under_way:
                return False
            self._under_way.add(key)
            if len(self._threads) < min(self._most, len(self._under_way)):
                thread = threading.Thread(target=self._go, name=f"{self._name} {len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._waiting.put((key, work))
        return True

    def _go(self) -> None:
        while True:
            key, work = self._waiting.get()
            try:
                work()
            except Away as error:
                logger.debug("routine_away", routine=self._name, error=str(error))
            except Exception as error:  # noqa: BLE001 (it goes on)
                what = f"{type(error).__name__}: {error}"
                logger.warning("routine_failed", routine=self._name, error=what)
            finally:
                with self._lock:
                    self._under_way.discard(key)


class Watchdog:
    """Ends the process at once when a part of the process hangs, so that its supervisor starts another process.

    `ages` returns, by name, for how many seconds each part has made no progress. Other processes do the work that this
    process had taken. A proper stop would wait for the very thread that hangs.
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
        """Look at every part once. To be called a few times within `limit` seconds."""
        now = self._clock()
        if now - self._looked > self._limit / 2:
            # The whole process stood still, because it was stopped or its machine suspended: every part is late.
            self._awake = now
        self._looked = now
        for name, age in self._ages().items():
            if min(age, now - self._awake) > self._limit and not self._stopping.is_set():
                logger.critical("process_hangs", what=name, seconds=round(age, 1))
                self._end(HUNG)

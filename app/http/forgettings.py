"""What this process does about people to be forgotten: on threads of its own, whether the client waits or not.

The event loop's own threads are for short work, such as looking up a key: work of minutes there would hold up requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeAlias

import structlog

log = structlog.get_logger(__name__)

THREADS = 4

Work: TypeAlias = Callable[[Callable[[int], object]], Any]
"""Gets a function to call with the erasure's id, once the person is left out of every count."""


class Job:
    """One person, for whom several requests may wait."""

    def __init__(self) -> None:
        self.begun = Future[int]()
        self.done = Future[Any]()


class Forgettings:
    """Jobs, and the threads that do them. The threads are daemons: a process that ends waits for no job."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[tuple[Hashable, Job, Work]] = SimpleQueue()
        self._lock = threading.Lock()
        self._jobs = dict[Hashable, Job]()
        self._threads = 0

    def start(self, key: Hashable, work: Work) -> Job:
        """Do the work, or find the job that does it already."""
        with self._lock:
            if key in self._jobs:
                return self._jobs[key]
            job = self._jobs[key] = Job()
            if self._threads < min(THREADS, len(self._jobs)):
                threading.Thread(target=self._go, name=f"forget {self._threads}", daemon=True).start()
                self._threads += 1
        self._waiting.put((key, job, work))
        return job

    def _go(self) -> None:
        while True:
            key, job, work = self._waiting.get()
            try:
                found = work(job.begun.set_result)
            except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
                if job.begun.done():
                    # The message may quote what the person is called.
                    log.warning("forgetting_stopped", error=type(error).__name__)
                else:
                    job.begun.set_exception(error)
                self._end(key)
                job.done.set_exception(error)
            else:
                self._end(key)
                job.done.set_result(found)

    def _end(self, key: Hashable) -> None:
        """Before the result is there: whoever asks after it begins anew."""
        with self._lock:
            del self._jobs[key]

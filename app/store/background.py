"""One thread that runs tasks one after the other, so that nobody who hands one in waits for it.

The API needs this: its requests share a few threads, and a thread that waits for an absent Redis stages no upload.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

log = structlog.get_logger(__name__)

MOST_WAITING = 10_000


class Background:
    """Runs tasks in the order in which they were handed in. The first task starts the thread."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Callable[[], object] | None] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, task: Callable[[], object]) -> bool:
        """Hand a task in. Returns False, and drops the task, if too many wait."""
        with self._lock:
            if self._thread is None:
                # A daemon: a process that ends does not wait for the thread.
                self._thread = threading.Thread(target=self._run, name="background", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(task)
        except queue.Full:
            return False
        return True

    def close(self, patience: float) -> None:
        """Wait up to `patience` seconds for the tasks that were handed in. Later ones may run or not."""
        deadline = time.monotonic() + patience
        if self._thread is not None:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=patience)
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            try:
                task()
            except Exception:
                log.exception("background_task_failed")

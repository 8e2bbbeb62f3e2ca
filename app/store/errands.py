"""Errands on a thread of their own: who sends one does not wait for it.

For the API, whose requests share a few threads: each that waited for a Redis that is away would be missing where an
upload is staged.
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


class Errands:
    """Run one after the other, in the order in which they were sent. The thread starts with the first."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Callable[[], object] | None] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, errand: Callable[[], object]) -> bool:
        """False, and nothing is done, if too many wait."""
        with self._lock:
            if self._thread is None:
                # A daemon: a process that ends does not wait for it.
                self._thread = threading.Thread(target=self._run, name="errands", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(errand)
        except queue.Full:
            return False
        return True

    def close(self, patience: float) -> None:
        """Wait up to so many seconds for those that were sent; what is left then may be done or not."""
        deadline = time.monotonic() + patience
        if self._thread is not None:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=patience)
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (errand := self._waiting.get()) is not None:
            try:
                errand()
            except Exception:
                log.exception("an errand failed; the next one follows")

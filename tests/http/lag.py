"""A probe of an event loop: how long its callbacks have to wait, told by a thread that calls it back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

_PAUSE = 0.002


class Lag:
    """What the probe saw."""

    def __init__(self) -> None:
        self.blocked = 0.0
        """The most processor seconds that the loop's thread spent between two callbacks of the probe."""
        self.beats = 0


@contextmanager
def probing(loop: asyncio.AbstractEventLoop) -> Generator[Lag]:
    """Probes the loop while the block runs.

    The processor time of the loop's thread is measured, and not the clock on the wall: other processes of a busy
    machine slow the loop down, and no protection of ours can help that.
    """
    lag = Lag()
    over = threading.Event()
    last: list[float] = []

    def beat() -> None:
        now = time.thread_time()
        if last:
            lag.blocked = max(lag.blocked, now - last[0])
        last[:] = [now]
        lag.beats += 1
        if not over.is_set():
            loop.call_later(_PAUSE, beat)

    loop.call_soon_threadsafe(beat)
    try:
        yield lag
    finally:
        over.set()

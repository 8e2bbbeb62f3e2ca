"""Admission: which uploads and previews may arrive at once, by the bytes of memory that they hold in this process.

Each request says what it holds before it allocates that: its buffers, the windows of its decoders, and its work on
zips, workbooks and Parquet. A request for which there is no room is put off (429). What is reserved at the end is for
requests that hold little, so a small upload gets in beside big ones.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from app.errors import ReceivingFull

BASE_BYTES = 128 << 10
"""What a request holds from its begin on: the server's buffers, the tasks, and a first piece of the body."""
SMALL_BYTES = 512 << 10
"""A request that holds no more may take of the reserve."""
_RESERVE = 8
"""The share of all bytes that is the reserve."""


class Admission:
    """The memory that receiving may hold in this process. Threads may use it."""

    def __init__(self, most: int, *, idle: Callable[[], None] | None = None) -> None:
        """`idle` is called whenever the last request has given its memory back."""
        self.held = 0
        self._idle = idle
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    @contextmanager
    def enter(self) -> Generator[Share]:
        """The share of one request, which ends with the block. Raises ReceivingFull."""
        share = Share(self)
        share.hold("base", BASE_BYTES)
        try:
            yield share
        finally:
            share.close()

    def take(self, size: int, own: int) -> bool:
        """Take `size` more bytes, for a request that then holds `own`. Returns whether there is room."""
        most = self._most if own <= SMALL_BYTES else self._most - self._most // _RESERVE
        with self._lock:
            if size > 0 and self.held + size > most:
                return False
            self.held += size
            waiting, self._waiting = (self._waiting, []) if size < 0 else ([], self._waiting)
            is_idle = size < 0 and not self.held
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)
        if is_idle and self._idle is not None:
            self._idle()
        return True

    async def change(self, seconds: float) -> None:
        """Wait until a request gives memory back, for so many seconds at most."""
        event = asyncio.Event()
        with self._lock:
            self._waiting.append((asyncio.get_running_loop(), event))
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return

    def full(self, size: int) -> ReceivingFull:
        return ReceivingFull(
            f"the uploads that arrive hold {self.held} bytes of memory, and with {size} more they would hold more than "
            f"they may; send it later. More API processes take more; MENTIONGRAPH_RECEIVING_BYTES ({self._most}) is "
            "the bound of each."
        )


class Share:
    """What one request holds, by part."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._parts: dict[object, int] = {}
        self._lock = threading.Lock()
        self._closed = False

    def hold(self, part: object, size: int) -> None:
        """`part` holds so many bytes from now on. Raises ReceivingFull, and changes nothing, if there is no room."""
        if not self.try_hold(part, size):
            raise self._admission.full(size)

    def try_hold(self, part: object, size: int) -> bool:
        """As `hold`. Returns whether there is room."""
        with self._lock:
            more = size - self._parts.get(part, 0)
            if self._closed or more == 0:
                return True
            if not self._admission.take(more, sum(self._parts.values()) + more):
                return False
            self._parts[part] = size
            if not size:
                del self._parts[part]
            return True

    async def wait_to_hold(self, part: object, size: int, seconds: float) -> None:
        """As `hold`, after waiting for so many seconds at most until there is room."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not self.try_hold(part, size):
            left = end - loop.time()
            if left <= 0:
                raise self._admission.full(size)
            await self._admission.change(min(left, 1.0))

    def close(self) -> None:
        """Give all of it back. A thread that still works on the request takes no more."""
        with self._lock:
            self._closed = True
            held = sum(self._parts.values())
            self._parts.clear()
        self._admission.take(-held, 0)

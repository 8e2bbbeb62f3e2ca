"""Turns: a pool whose connections go to the clients in turn, so that no client's flood holds up the others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar

from psycopg_pool import AsyncConnectionPool, PoolTimeout

from app.store.postgres import AsyncConnection
from app.store.waits import waited

_CLIENT: ContextVar[str] = ContextVar("client", default="")


@contextmanager
def turns_of(client: str) -> Generator[None]:
    """In the block, and in the tasks that begin in it, connections are for this client, such as an address."""
    token = _CLIENT.set(client)
    try:
        yield
    finally:
        _CLIENT.reset(token)


class Turns:
    """Places for a number of clients' steps at once. All callers are in one event loop.

    Of the steps that wait, the newest of the client with the fewest steps goes next. So a step behind a flood is soon
    done, even if the flood has the same address. Every second time, the step that waits the longest goes next. So no
    step waits more than twice as long as it would in a queue.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._steps: Counter[str] = Counter()
        """Steps that wait or run, by client."""
        self._waiting: dict[asyncio.Future[None], str] = {}
        """The clients of the steps that wait, the longest first."""
        self._longest_next = False

    @asynccontextmanager
    async def taken(self, client: str) -> AsyncGenerator[None]:
        """A place for the block."""
        self._steps[client] += 1
        try:
            await self._wait(client)
            try:
                yield
            finally:
                self._give_back()
        finally:
            self._steps[client] -= 1
            if not self._steps[client]:
                del self._steps[client]

    async def _wait(self, client: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = client
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.pop(turn, None)
            if not turn.cancelled():
                self._give_back()  # the place came together with the end
            raise

    def _give_back(self) -> None:
        """Give a place to the step that is next."""
        while self._waiting:
            turn = next(iter(self._waiting))
            if not self._longest_next:
                turn = min(reversed(self._waiting), key=lambda each: self._steps[self._waiting[each]])
            del self._waiting[turn]
            # A step that was cancelled a moment ago does not know that yet.
            if not turn.cancelled():
                self._longest_next = not self._longest_next
                turn.set_result(None)
                return
        self._free += 1


class PoolInTurns(AsyncConnectionPool[AsyncConnection]):
    """A pool that gives its connections to the clients of `turns_of` in turn."""

    _turns: Turns | None = None

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncGenerator[AsyncConnection]:
        """A connection for the block. Raises PoolTimeout if none becomes free in time."""
        self._turns = self._turns or Turns(self.max_size)
        loop = asyncio.get_running_loop()
        seconds = self.timeout if timeout is None else timeout
        begun, end = time.perf_counter(), loop.time() + seconds
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(end):
                    await stack.enter_async_context(self._turns.taken(_CLIENT.get()))
            except TimeoutError:
                raise PoolTimeout(f"no turn within {seconds:g} s") from None
            conn = await stack.enter_async_context(super().connection(timeout=end - loop.time()))
            waited(self.name, begun)
            yield conn

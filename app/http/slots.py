"""Slots: what is expensive runs beside few others of its kind, so that it never takes the connections of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from psycopg_pool import AsyncConnectionPool

from app.errors import MentiongraphError, TookTooLong, TooManyReads
from app.store.postgres import AsyncConnection

EXPENSIVE_READS = 4
"""Expensive questions about the graph that run at once. Each keeps a processor of PostgreSQL busy."""
PATIENCE = 3.0
"""Seconds that a request waits for a slot."""


@asynccontextmanager
async def taken(slots: asyncio.Semaphore, patience: float, refusal: MentiongraphError) -> AsyncGenerator[None]:
    """A slot for the block. Raises `refusal` if none becomes free in time."""
    try:
        async with asyncio.timeout(patience):
            await slots.acquire()
    except TimeoutError:
        raise refusal from None
    try:
        yield
    finally:
        slots.release()


class ExpensiveReads:
    """The slots of expensive questions, with a connection for each, and a deadline."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], *, seconds: float, slots: int | None = None) -> None:
        self.pool = pool
        """For a block that holds a slot."""
        self.slots = asyncio.Semaphore(EXPENSIVE_READS if slots is None else slots)
        self._seconds = seconds

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """A slot for the block, which uses no more than one connection at a time. Raises TooManyReads, TookTooLong.

        A block that takes too long is cancelled. psycopg then cancels its statement in PostgreSQL.
        """
        busy = TooManyReads("as many expensive questions are being answered as may be at once; ask again later.")
        async with taken(self.slots, PATIENCE, busy):
            try:
                async with asyncio.timeout(self._seconds):
                    yield
            except TimeoutError:
                raise TookTooLong(
                    f"this took longer than {self._seconds:g} s; ask for less, or again when PostgreSQL has less to do."
                ) from None

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for one expensive question. Raises TooManyReads, TookTooLong."""
        async with self.slot(), self.pool.connection() as conn:
            yield conn


class Lane:
    """A part of a pool: whoever takes connections through the lane holds no more than `width` of them together."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], width: int) -> None:
        self._pool = pool
        self._slots = asyncio.Semaphore(width)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        async with self._slots, self._pool.connection() as conn:
            yield conn

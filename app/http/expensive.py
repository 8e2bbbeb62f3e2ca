"""Expensive questions about the graph: few run at once, and each ends in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from psycopg_pool import AsyncConnectionPool

from app.errors import TookTooLong, TooManyReads
from app.http import quotas
from app.http.quotas import Kind
from app.http.slots import PATIENCE, taken
from app.store.postgres import AsyncConnection

EXPENSIVE_READS = 4
"""Expensive questions that run at once. Each keeps a processor of PostgreSQL busy."""


class ExpensiveReads:
    """The slots of expensive questions, with a connection for each, and a deadline.

    An owner has so many of these questions at once (app.http.quotas). The owner's turn comes before the slot, so that a
    question that waits for its turn holds nothing that others need.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], *, seconds: float, slots: int | None = None) -> None:
        self.pool = pool
        """For a block that holds a slot."""
        self.slots = asyncio.Semaphore(EXPENSIVE_READS if slots is None else slots)
        self._seconds = seconds

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """A slot for the block, which uses no more than one connection at a time.

        Raises LimitReached, TooManyReads, TookTooLong.

        A block that takes too long is cancelled. psycopg then cancels its statement in PostgreSQL.
        """
        busy = TooManyReads("as many expensive questions are being answered as may be at once; ask again later.")
        async with quotas.one(Kind.READS), taken(self.slots, PATIENCE, busy):
            try:
                async with asyncio.timeout(self._seconds):
                    yield
            except TimeoutError:
                raise TookTooLong(
                    f"this took longer than {self._seconds:g} s; ask for less, or again when PostgreSQL has less to do."
                ) from None

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for one expensive question. Raises as `slot` does."""
        async with self.slot(), self.pool.connection() as conn:
            yield conn

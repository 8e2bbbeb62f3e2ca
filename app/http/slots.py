"""Slots: what is expensive runs beside few others of its kind, so that it never takes the connections of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from psycopg_pool import AsyncConnectionPool

from app.errors import MentiongraphError
from app.store.postgres import AsyncConnection

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


class Lane:
    """A part of a pool: whoever takes connections through the lane holds no more than `width` of them together."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], width: int) -> None:
        self._pool = pool
        self._slots = asyncio.Semaphore(width)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        async with self._slots, self._pool.connection() as conn:
            yield conn

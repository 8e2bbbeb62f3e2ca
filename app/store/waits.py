"""How long callers wait for a connection to PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from app.metrics.tallies import Histogram

_WAITS = Histogram("db_pool_wait_seconds")


def waited(pool: str, begun: float) -> None:
    """Count a wait that began at this `time.perf_counter`, and ended now."""
    _WAITS.observe(time.perf_counter() - begun, pool)


class MeasuredPool(ConnectionPool[psycopg.Connection[Any]]):
    """A pool for threads that measures the waits for its connections."""

    @contextmanager
    def connection(self, timeout: float | None = None) -> Generator[psycopg.Connection[Any]]:
        begun = time.perf_counter()
        with super().connection(timeout) as conn:
            waited(self.name, begun)
            yield conn


class MeasuredAsyncPool(AsyncConnectionPool[psycopg.AsyncConnection[Any]]):
    """A pool for request handlers that measures the waits for its connections."""

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
        begun = time.perf_counter()
        async with super().connection(timeout) as conn:
            waited(self.name, begun)
            yield conn

"""Pools whose connections are all lost at once, as when PostgreSQL restarts."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import psycopg

from app.store import postgres

SIZE = 6
"""More connections than a pool checks before its patience ends."""


def lose_all(conn: psycopg.Connection[Any]) -> None:
    lost = postgres.scalars(
        conn,
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()",
    )
    assert lost == [True] * SIZE


def test_the_first_request_after_it_is_served(conn: psycopg.Connection[Any], dsn: str) -> None:
    async def ask() -> None:
        async with postgres.async_pool(dsn, role="test", size=SIZE, statement_timeout=10) as pool:
            async with AsyncExitStack() as stack:
                for _ in range(SIZE):
                    await stack.enter_async_context(pool.connection())
            lose_all(conn)

            async with pool.connection() as found:
                await found.execute("select 1")

    asyncio.run(ask())


def test_the_first_thread_after_it_is_served(conn: psycopg.Connection[Any], dsn: str) -> None:
    with postgres.pool(dsn, role="test", size=SIZE, statement_timeout=10) as pool:
        with ExitStack() as stack:
            for _ in range(SIZE):
                stack.enter_context(pool.connection())
        lose_all(conn)

        with pool.connection() as found:
            found.execute("select 1")

"""What the handlers of one app share: settings, clock, pools, broker. Opened and closed with the app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import TypeAlias

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from psycopg_pool import AsyncConnectionPool

from app import graph
from app.broker import FailOverRedisBroker, redis_client
from app.db import AsyncConnection, async_pool
from app.ledger import GraphParameters
from app.settings import Settings

Clock: TypeAlias = Callable[[], datetime]

EXPORTS = 2
"""Exports at once. They have connections of their own: a slow download takes none from the other requests."""


CLOSE_SECONDS = 1.0


class Services:
    """Nothing in here is connected until it is used: PostgreSQL and Redis may be away when the app starts."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.pool = async_pool(
            settings.database_url,
            role="api",
            size=settings.database_pool,
            statement_timeout=settings.statement_timeout,
        )
        # No time-out: how long an export takes depends on its client. A client that stands still is hung up on.
        self.exports: AsyncConnectionPool[AsyncConnection] = async_pool(
            settings.database_url, role="export", size=EXPORTS, statement_timeout=0
        )
        # By name, without middleware: the API enqueues, and runs no actor.
        self.broker = FailOverRedisBroker(
            client=redis_client(settings.redis_url),
            namespace=settings.namespace,
            enqueue_timeout=settings.enqueue_timeout,
            middleware=[],
        )
        self.migrated = False
        """Whether the schema was found complete; it does not become less so."""
        self._parameters: GraphParameters | None = None

    async def parameters(self, conn: AsyncConnection) -> GraphParameters:
        """The graph's parameters, read once: they are fixed."""
        if self._parameters is None:
            self._parameters = await graph.parameters(conn)
        return self._parameters

    async def open(self) -> None:
        await self.pool.open(wait=False)
        await self.exports.open(wait=False)

    async def close(self) -> None:
        # Where PostgreSQL is away, they would wait for connections that are still being made.
        await asyncio.gather(self.exports.close(CLOSE_SECONDS), self.pool.close(CLOSE_SECONDS))
        self.broker.client.close()


Injected: TypeAlias = NamedDependency[SkipValidation[Services]]


def provide_services(state: State) -> Services:
    """The services of the app that a request came to."""
    return state["services"]


def lifespan(settings: Settings, clock: Clock) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Opens the services with the app and closes them with it."""

    @asynccontextmanager
    async def open_services(app: Litestar) -> AsyncGenerator[None]:
        services = Services(settings, clock)
        app.state["services"] = services
        try:
            await services.open()
            yield
        finally:
            await services.close()

    return open_services

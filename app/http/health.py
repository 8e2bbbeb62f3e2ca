"""Whether the API is alive, and whether it can do its work."""

from __future__ import annotations

import asyncio

import msgspec
import psycopg
import redis
import structlog
from litestar import Response, get

from app.db import where
from app.http import examples
from app.http.examples import answering
from app.http.services import Injected, Services
from app.migrations import pending_migrations

log = structlog.get_logger(__name__)

PATIENCE = 3.0
"""Seconds a server may take to answer."""


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Ready(msgspec.Struct, frozen=True):
    """`ready` only if PostgreSQL answers and has the schema; uploads are taken while Redis is away."""

    status: str
    postgresql: str
    redis: str


@get(
    "/health/live",
    tags=["health"],
    summary="Is the process alive?",
    operation_class=answering(examples.LIVE),
    sync_to_thread=False,
)
def live() -> Live:
    """Asks nobody else: a restart would not help against a database that is away."""
    return Live("live")


@get(
    "/health/ready",
    tags=["health"],
    summary="Can it do its work?",
    operation_class=answering(examples.READY),
    description="200 if PostgreSQL answers and is migrated, 503 otherwise. Redis is reported, and not needed: uploads "
    "wait in the ledger until it is back.",
)
async def ready(services: Injected) -> Response[Ready]:
    postgresql, bell = await asyncio.gather(_postgresql(services), _redis(services))
    is_ready = postgresql == "ready"
    return Response(
        Ready("ready" if is_ready else "not ready", postgresql, bell),
        status_code=200 if is_ready else 503,
        headers={"Cache-Control": "no-store"},
    )


async def _postgresql(services: Services) -> str:
    try:
        # The pool asks the server whether a connection still works before it hands it out.
        async with services.pool.connection(timeout=PATIENCE):
            pass
        if not services.migrated:
            missing = await asyncio.to_thread(pending_migrations, services.settings.database_url)
            if missing:
                return f"lacks {', '.join(missing)}: run `mentiongraph migrate`"
            services.migrated = True
    except psycopg.OperationalError as error:
        log.warning("not ready", server=where(services.settings.database_url), error=str(error))
        return "does not answer"
    return "ready"


async def _redis(services: Services) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(services.broker.client.ping)
    except (redis.RedisError, TimeoutError):
        return "does not answer"
    return "ready"

"""Health over HTTP: of this process, of its servers, of workers and schedulers, of queues, decay and the cache."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import partial

import msgspec
import psycopg
import redis
import structlog
from litestar import Response, Router, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from app.control import graphs
from app.control.ailing import Ailing, Condition
from app.control.ailing import ailing as in_trouble
from app.control.callers import Scope
from app.errors import DatabaseUnavailable, SchemaTooNew
from app.graph import decay
from app.http import problems
from app.http.cached.cache import Counters
from app.http.calling import Calling
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.probe import Probe
from app.http.scopes import PUBLIC
from app.http.services import Injected, Services
from app.http.structs import struct_of
from app.ledger import backlog, bells, fleet, periods, space
from app.posts.options import Priority
from app.settings import as_text
from app.store.addresses import where
from app.store.migrations import pending_migrations
from app.store.postgres import clock

log = structlog.get_logger(__name__)

PATIENCE = 3.0
"""Seconds that a server may take to answer."""

SCHEMA_SECONDS = 60.0
"""Seconds for which a schema that was found good is not looked at again. A newer release may migrate meanwhile."""

SILENCE = "does not answer"
NOT_STORED = {"Cache-Control": "no-store"}
RUNS = 30
"""Decay runs that are listed."""


class Live(msgspec.Struct, frozen=True):
    """The process answers requests."""

    status: str


class Ready(msgspec.Struct, frozen=True):
    """`ready` only if PostgreSQL answers and has the schema. Redis may be away, and room may be short."""

    status: str
    postgresql: str
    redis: str
    disk: str
    """`enough`, or why uploads are refused and batches wait. `unknown`: no bound is set that this process can see. A
    short disk makes nothing unready: the API answers everything else."""


class Fleet(msgspec.Struct, frozen=True):
    """Every worker process and scheduler, and when periodic work was done and will be done."""

    processes: list[fleet.FleetMember]
    periods: list[periods.Schedule]
    """Of the graph `default`. Each graph has its own periods, of the same lengths."""
    graphs: list[Ailing]
    """Graphs whose database is in trouble, as an API process saw within the last half minute; empty if none is."""


class Queue(msgspec.Struct, frozen=True):
    """Work of one priority that waits to be counted."""

    priority: str
    batches: int
    """Batches that wait, those that a worker counts now included."""
    batches_claimed: int
    """Batches that a worker counts now."""
    bytes: int
    """Bytes of the batches, decompressed."""
    oldest: datetime | None
    """When the oldest of the batches was staged; null if none waits."""
    seconds: float | None
    """Seconds for which the oldest batch has waited; null if none waits."""


class Queues(msgspec.Struct, frozen=True):
    """What of the graph waits, and how long the latest uploads took."""

    as_of: datetime
    staged: list[Queue]
    """Batches that wait to be counted, by priority, the urgent ones first."""
    unmerged: backlog.Unmerged
    """What is counted, and waits to be merged."""
    max_backlog_bytes: int
    """The API refuses new uploads (429) while so many bytes wait to be counted. MENTIONGRAPH_MAX_BACKLOG_BYTES."""
    applied: backlog.Applied
    """How long uploads took until they were applied, of those among the latest 1,000 uploads that are."""
    messages: dict[str, int] | None
    """Messages that wait in each queue of Redis, of all graphs. Null while Redis is away, and for keys for some
    graphs."""


class Decay(msgspec.Struct, frozen=True):
    """How weights decay, and what the latest runs did."""

    half_life: str | None
    """Null: weights do not decay."""
    stale_after_days: float
    """A run writes down edges that nobody has touched for so many days."""
    archive_below: float
    """A run archives stale edges that weigh less."""
    every: str
    """Length of a period, in which one run begins."""
    archived_edges: int
    """Number of edges in the archive; an estimate, if there are many."""
    written_down_today: int
    """Edges that the listed runs wrote down, of those that began on this day (UTC)."""
    archived_today: int
    runs: list[decay.PastRun]
    """The latest runs, the newest first, 30 at most."""


class Conditions(msgspec.Struct, frozen=True):
    """How the graphs are, `default` first and the others by name."""

    graphs: list[Condition]


class CacheHealth(msgspec.Struct, frozen=True):
    """The cache, as the API process that answers sees it."""

    state: str
    """`ready`, `full` (Redis gives answers and takes none), `away` or `off`."""
    since_start: Counters


@get(
    "/live",
    summary="Is the process alive?",
    scope=PUBLIC,
    operation_class=answering(examples.LIVE),
    responses=problems.responses(),
    sync_to_thread=False,
)
def live() -> Live:
    """Answers 200 without asking another server, since a restart does not help against a database that is away."""
    return Live("live")


@get(
    "/ready",
    summary="Can it do its work?",
    scope=PUBLIC,
    operation_class=answering(examples.READY),
    responses={
        503: ResponseSpec(
            Ready,
            generate_examples=False,
            description="The API cannot do its work: PostgreSQL does not answer, or lacks the schema.",
            examples=[Example(summary="not ready", value=examples.NOT_READY)],
        ),
        **problems.responses(),
    },
    description="Answers 200 if PostgreSQL answers and has a schema that this release works with, and 503 otherwise. "
    "Redis is reported, but not needed: while Redis is away, workers find their work by sweeping, more slowly. The "
    "answer comes within a few seconds, whatever hangs.",
)
async def ready(services: Injected) -> Response[Ready]:
    postgresql, bell, disk = await asyncio.gather(
        *(_probe(services, server).ask(seconds=PATIENCE) for server in ("postgresql", "redis", "disk"))
    )
    is_ready = postgresql == "ready"
    if not is_ready:
        log.warning("not_ready", server=where(services.settings.database_url), postgresql=postgresql)
    return Response(
        Ready("ready" if is_ready else "not ready", postgresql, bell, disk),
        status_code=200 if is_ready else 503,
        headers=NOT_STORED,
    )


@get(
    "/processes",
    summary="Are the workers and schedulers healthy?",
    scope=Scope.METRICS,
    everywhere=True,
    operation_class=answering(examples.FLEET),
    responses=problems.responses(*problems.DATABASE),
    description="Lists every worker and scheduler with its last heartbeat in PostgreSQL, and each graph whose database "
    "is in trouble. A killed process stays listed as silent: for five minutes if another of its role has started on "
    "its host since, else for a day.",
    sync_to_thread=True,
)
def list_processes(control: Injected) -> Response[Fleet]:
    with control.sync_pool.connection() as conn:
        seen = fleet.seen(conn)
        schedules = periods.schedules(conn, settings=control.settings, now=clock())
        listed = graphs.every(conn)
    # Without a connection, of which there are few: asking the graphs may take seconds.
    ailing = in_trouble(control.looks.conditions(listed, control.settings))
    members = [fleet.FleetMember.of(process, control.settings) for process in seen]
    return Response(Fleet(members, schedules, ailing), headers=NOT_STORED)


@get(
    "/queues",
    summary="What waits?",
    scope=Scope.METRICS,
    operation_class=answering(examples.QUEUES),
    responses=problems.responses(*problems.DATABASE),
)
async def list_queues(services: Injected, caller: Calling) -> Response[Queues]:
    """Says how many batches and bytes of the graph wait to be counted, by priority, and to be merged; since when the
    oldest waits; and how long the latest uploads took."""
    now = services.clock()
    async with services.pool.connection() as conn:
        waiting = {each.priority: each for each in await backlog.waiting(conn, now=now)}
        unmerged = await backlog.unmerged(conn)
        applied = await backlog.applied(conn)
    found = Queues(
        as_of=now,
        staged=[_queue(priority, waiting.get(priority), now) for priority in Priority],
        unmerged=unmerged,
        max_backlog_bytes=services.settings.max_backlog_bytes,
        applied=applied,
        # The queues are shared, so they tell of other graphs.
        messages=await asyncio.to_thread(_messages, services) if caller.graphs is None else None,
    )
    return Response(found, headers=NOT_STORED)


@get(
    "/decay",
    summary="What does decay do?",
    scope=Scope.METRICS,
    operation_class=answering(examples.DECAY),
    responses=problems.responses(*problems.DATABASE),
)
async def list_decay(services: Injected) -> Response[Decay]:
    """Says how the weights of the graph decay, and what the latest decay runs did."""
    settings, today = services.settings, services.clock().astimezone(UTC).date()
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
        runs = await decay.latest(conn, limit=RUNS)
        archived = await decay.archived(conn)
    begun_today = [each for each in runs if each.started_at.astimezone(UTC).date() == today]
    found = Decay(
        half_life=None if parameters.half_life is None else as_text(parameters.half_life),
        stale_after_days=settings.stale_after_days,
        archive_below=settings.archive_below,
        every=as_text(settings.decay_every),
        archived_edges=archived,
        written_down_today=sum(each.written_down for each in begun_today),
        archived_today=sum(each.archived for each in begun_today),
        runs=runs,
    )
    return Response(found, headers=NOT_STORED)


@get(
    "/graphs",
    summary="Are the graphs well?",
    scope=Scope.METRICS,
    listed=True,
    operation_class=answering(examples.CONDITIONS),
    responses=problems.responses(*problems.DATABASE),
    description="Lists every graph that the caller may see, with its state and whether its database answers and has "
    "the schema, as an API process saw within the last half minute.",
    sync_to_thread=True,
)
def list_conditions(control: Injected, caller: Calling) -> Response[Conditions]:
    with control.sync_pool.connection() as conn:
        listed = graphs.every(conn)
    found = control.looks.conditions(listed, control.settings)
    return Response(Conditions([each for each in found if caller.may(Scope.METRICS, each.graph)]), headers=NOT_STORED)


@get(
    "/cache",
    summary="What does the cache do?",
    scope=Scope.METRICS,
    operation_class=answering(examples.CACHE),
    responses=problems.responses(),
    description="Says whether Redis caches answers about the graph now, and how many answers came from the cache "
    "since this API process started. Every request is answered, whatever the state of the cache.",
    sync_to_thread=False,
)
def cache(services: Injected) -> Response[CacheHealth]:
    answers = services.answers.cache
    return Response(CacheHealth(state=answers.state, since_start=answers.counters), headers=NOT_STORED)


ROUTER = Router(
    "/health",
    tags=["health"],
    route_handlers=[live, ready, list_processes, list_conditions, list_queues, list_decay, cache],
)


def _queue(priority: Priority, found: backlog.Waiting | None, now: datetime) -> Queue:
    if found is None:
        return Queue(priority, 0, 0, 0, None, None)
    seconds = max(0.0, (now - found.oldest).total_seconds())
    return struct_of(Queue, found, seconds=seconds)


def _messages(services: Services) -> dict[str, int] | None:
    try:
        return bells.waiting(services.broker)
    except redis.RedisError:
        return None


def _probe(services: Services, server: str) -> Probe:
    if server not in services.probes:
        question = {"postgresql": _postgresql, "redis": _redis, "disk": _disk}[server]
        services.probes[server] = Probe(partial(question, services), silence=SILENCE)
    return services.probes[server]


async def _postgresql(services: Services) -> str:
    try:
        # The pool asks the server whether a connection still works before it hands it out.
        async with services.health.connection(timeout=PATIENCE):
            pass
        if time.monotonic() > services.schema_is_good_until:
            missing = await asyncio.to_thread(pending_migrations, services.settings.database_url)
            if missing:
                return f"lacks {', '.join(missing)}: run `mentiongraph migrate`"
            services.schema_is_good_until = time.monotonic() + SCHEMA_SECONDS
    except SchemaTooNew as error:
        log.warning("schema_too_new", error=error.detail)  # it names the server, and anybody may ask
        return "has a schema of a later release: install that release"
    except (psycopg.OperationalError, DatabaseUnavailable):
        return SILENCE
    return "ready"


async def _redis(services: Services) -> str:
    try:
        await asyncio.to_thread(services.broker.client.ping)
    except redis.RedisError:
        return SILENCE
    return "ready"


async def _disk(services: Services) -> str:
    known = space.of_pool(services.pool, services.settings)
    if not known.bounded:
        return "unknown"
    return await known.async_shortage(services.health) or "enough"

"""What the handlers of one app share: settings, clock, pools and broker, for each graph that the app serves."""

from __future__ import annotations

import asyncio
import copy
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from types import FrameType
from typing import Any, TypeAlias, cast

from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from app.control.ailing import Looks
from app.control.graphs import DEFAULT, Graph
from app.graph.parameters import GraphParameters, async_read_parameters
from app.http.cached.answers import Answers
from app.http.cached.handlers import SERVICES
from app.http.cached.standbys import Lanes
from app.http.denials import Denials
from app.http.expensive import EXPENSIVE_READS, ExpensiveReads
from app.http.forgettings import Forgettings
from app.http.keyring import Keyring
from app.http.probe import Probe
from app.http.slots import Lane
from app.http.trimming import Trimmer
from app.ledger import space
from app.ledger.admission import Admission
from app.ledger.events import Hub
from app.metrics import listening
from app.metrics.tallies import Families
from app.reads.metrics.graphs import Watch
from app.settings import Settings
from app.store.bounded import BoundedPool, LatePool
from app.store.broker import FailOverRedisBroker, redis_client
from app.store.postgres import AsyncConnection, Connection, Now, async_pool, pool
from app.store.turns import PoolInTurns

EXPORTS = 2
"""Exports that may run at once. They have a pool of their own, so slow downloads leave the other requests alone."""

REJECT_FILES = 2
"""Files of rejects that may be sent at once."""

EVENT_CONNECTIONS = 2
"""Connections of the pool that all event streams together may hold."""

SYNC_CONNECTIONS = 2
RECEIVING, ASIDE = 5, 2
"""Connections of uploads: for what their clients wait for, and for heartbeats and ends that nobody waits for."""

GRAPH_POOL = 3
"""Connections to each graph but `default` for all of its requests, and one each for exports and for changes."""
GRAPH_CONNECTIONS = 20
"""Connections that requests for all graphs but `default` use at once."""
GRAPH_EXPORTS = 4
"""Exports of all graphs but `default` together that may run at once. Each has a thread, and connections of its own."""

CLOSE_SECONDS = 1.0


class Shared:
    """What all graphs of a process share. It connects at its first use: Redis may be away when the app starts."""

    def __init__(self, settings: Settings) -> None:
        # Without middleware: the API enqueues by name, and runs no actor.
        self.broker = FailOverRedisBroker(
            client=redis_client(settings.redis_url),
            namespace=settings.namespace,
            enqueue_timeout=settings.enqueue_timeout,
            middleware=[],
            background=True,
        )
        self.hub = Hub(self.broker)
        self.trimmer = Trimmer()
        self.admission = Admission(settings.receiving_bytes, idle=self.trimmer)
        self.connections = asyncio.Semaphore(GRAPH_CONNECTIONS)
        self.exports = asyncio.Semaphore(GRAPH_EXPORTS)
        self.forgettings = Forgettings()

    async def close(self) -> None:
        self.hub.close()
        self.trimmer.close()
        await asyncio.to_thread(self.broker.close, CLOSE_SECONDS)


class Services:
    """The services of one graph. Each connects on its first use: PostgreSQL may be away when the app starts."""

    def __init__(self, settings: Settings, clock: Now, shared: Shared, listed: Graph | None = None) -> None:
        """`settings`: those of the graph. `listed`: the graph as the list has it; None for `default`."""
        self.settings = settings
        self.clock = clock
        self.shared = shared
        self.listed = listed
        self.graph = DEFAULT if listed is None else listed.name
        self.base = "" if listed is None else f"/graphs/{listed.name}"
        """Every path in an answer begins with this."""
        self.profile = None if listed is None else listed.profile
        """Mention profile of uploads that name none. None: that of the file's tool."""
        self.broker, self.hub, self.admission = shared.broker, shared.hub, shared.admission
        common: dict[str, Any] = {"statement_timeout": settings.statement_timeout, "pgbouncer": settings.pgbouncer}
        if listed is None:
            self._have_many_connections(common)
        else:
            self._have_few_connections(common)
            # Whoever is refused for want of room is told of the bound by its name.
            space.of_pool(self.pool, settings, quota_of=None if listed.quota_bytes is None else listed.name)
        # As many as there are connections: an export that waited for one would take its server for away.
        self.export_slots = (asyncio.Semaphore(EXPORTS),) if listed is None else (asyncio.Semaphore(1), shared.exports)
        """An export takes a slot of each, in this order: of its graph, then of all graphs together."""
        self.reject_slots = asyncio.Semaphore(REJECT_FILES)
        self.event_lane = Lane(self.pool, EVENT_CONNECTIONS)
        self.probes: dict[str, Probe] = {}
        self.schema_is_good_until = 0.0
        """Until which `time.monotonic` the schema need not be looked at again."""
        self._parameters: list[GraphParameters] = []

    def on(self, lanes: Lanes | None) -> Services:
        """The services for a question that a standby answers; None: the primary."""
        if lanes is None:
            return self
        there = copy.copy(self)
        there.pool, there.expensive = lanes
        return there

    def _have_many_connections(self, common: dict[str, Any]) -> None:
        settings = self.settings
        connections = partial(async_pool, settings.database_url, **common)
        sync_connections = partial(pool, settings.database_url, **common)
        self.pool = connections(role="api", size=settings.database_pool)
        # Uploads have connections of their own, so a flood of them leaves the reads alone. What nobody waits for, as
        # the end of an upload whose client is gone, has two more, and does not hold up the next upload.
        self.receiving = connections(role="api", size=RECEIVING, kind=PoolInTurns)
        self.aside = connections(role="api", size=ASIDE)
        self.exports: ConnectionPool[Connection] = sync_connections(role="export", size=EXPORTS)
        self.expensive = ExpensiveReads(
            connections(role="read", size=EXPENSIVE_READS, statement_timeout=settings.read_timeout),
            seconds=settings.read_timeout,
        )
        # Cancel, retract and replay share functions with the workers, which use synchronous connections.
        self.sync_pool = sync_connections(role="api", size=SYNC_CONNECTIONS)
        # Health has a connection of its own: requests that wait for the other connections are no illness.
        self.health: AsyncConnectionPool[AsyncConnection] = connections(role="health", size=1)
        # Keys are looked up on the same connection: requests under way keep nobody from being recognised.
        self.keyring = Keyring(self.health, self.clock)
        self.denials = Denials(self.aside)
        self.looks = Looks()
        self.answers = Answers(settings, self.clock)
        self.watch = Watch(settings, self.clock)

    def _have_few_connections(self, common: dict[str, Any]) -> None:
        """There may be hundreds of graphs: one pool serves all requests of this graph, and keeps nothing open."""
        settings = self.settings
        url, kind = settings.database_url, partial(BoundedPool, bound=self.shared.connections)
        self.pool = async_pool(url, role="api", size=GRAPH_POOL, kind=kind, **common)
        self.receiving = self.aside = self.health = self.pool
        self.expensive = ExpensiveReads(self.pool, seconds=settings.read_timeout, slots=GRAPH_POOL - 1)
        self.exports = pool(url, role="export", size=1, kind=LatePool, **common)
        self.sync_pool = pool(url, role="api", size=1, kind=LatePool, **common)
        self.answers = Answers(settings, self.clock, graph=self.graph, pool=self.pool)

    async def parameters(self, conn: AsyncConnection) -> GraphParameters:
        """The graph's parameters, read once, since they never change."""
        if not self._parameters:
            self._parameters.append(await async_read_parameters(conn))
        return self._parameters[0]

    async def open(self) -> None:
        for each in self._pools():
            await each.open(wait=False)
        if self.listed is None:
            self.exports.open(wait=False)
            self.sync_pool.open(wait=False)
        await self.answers.open()

    async def close(self) -> None:
        # While PostgreSQL is away, closing would wait for connections that are still being made.
        if self.listed is None:
            self.watch.close()
            await self.denials.close()
            await self.keyring.close()
        await asyncio.gather(*(probe.close(seconds=CLOSE_SECONDS) for probe in self.probes.values()))
        await self.answers.close(CLOSE_SECONDS)
        await asyncio.gather(
            *(each.close(CLOSE_SECONDS) for each in self._pools()),
            *(asyncio.to_thread(each.close, CLOSE_SECONDS) for each in (self.exports, self.sync_pool)),
        )

    def collect_metrics(self) -> Families:
        """What the API tells of the ledgers, the servers and itself. May take two seconds."""
        return self.watch.collect()

    def _pools(self) -> set[AsyncConnectionPool[AsyncConnection]]:
        return {self.pool, self.receiving, self.aside, self.health, self.expensive.pool}


Injected: TypeAlias = NamedDependency[SkipValidation[Services]]


def provide_services(request: Request[Any, Any, Any]) -> Services:
    """The services of the graph that the request is for."""
    found = cast("dict[str, Any]", request.scope).get(SERVICES)
    return request.app.state["services"] if found is None else found


def provide_control(state: State) -> Services:
    """The services of the graph `default`, whose database has the keys and lists the graphs."""
    return state["services"]


def lifespan(settings: Settings, clock: Now) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """A lifespan that opens the services when the app starts and closes them when it stops."""

    @asynccontextmanager
    async def open_services(app: Litestar) -> AsyncGenerator[None]:
        where = listening.parse(settings.metrics_listen, "MENTIONGRAPH_METRICS_LISTEN")
        shared = Shared(settings)
        services = Services(settings, clock, shared)
        served = None
        app.state["services"] = services
        try:
            await services.open()
            served = listening.listen(where, services.collect_metrics)
            with _told_to_stop(services.hub.close):
                yield
        finally:
            shared.hub.close()
            if served is not None:
                await asyncio.to_thread(served.close)
            await services.close()
            await shared.close()

    return open_services


@contextmanager
def _told_to_stop(do: Callable[[], None]) -> Generator[None]:
    """Call `do` also when the process gets the signal to stop. The server closes the app only after the last answer has
    ended, and an answer that waits for events never ends by itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(do)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

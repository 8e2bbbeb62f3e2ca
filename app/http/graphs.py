"""Which graph a request is for: the path's prefix `/graphs/{graph}`, and the services of that graph while it is used.

A process opens a graph at its first request and closes it when nobody has used it for a while. It reads the list of
graphs at most once in a few seconds. If the database of `default` is away, the list that was read last still holds.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import cast
from urllib.parse import unquote

import psycopg
import structlog
from litestar import Litestar
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.control import graphs
from app.control.graphs import DEFAULT, FRESH_SECONDS, Graph, settings_of
from app.errors import DatabaseUnavailable, GraphNotReady, MentiongraphError, NotFound, TooManyGraphs
from app.http import problems
from app.http.cached.handlers import SERVICES
from app.http.calling import GRAPH, PREFIX, caller_of, graph_of, prefix_of
from app.http.probe import Probe
from app.http.services import Services
from app.settings import Settings
from app.store.bounded import BoundedPool
from app.store.postgres import AsyncConnection, async_pool

log = structlog.get_logger(__name__)

IDLE_SECONDS = 60.0
"""Seconds after which a process closes a graph that nobody uses."""
LOOK_SECONDS = 5.0
"""Seconds between two looks for graphs to close."""
MOST_IDLE = 10
"""Graphs that a process keeps open although no request uses them."""
MOST_OPEN = 200
"""Graphs that a process has open at once."""
UNKNOWN_SECONDS = 1.0
"""Seconds for which a name that is not on the list is believed to be unknown."""
LIST_SECONDS = 2.0
"""Seconds in which the list has to be read."""
PROBE_SECONDS = 1.0
"""Seconds in which the server of a graph has to answer that did not answer the request before."""
_THERE, _AWAY = "there", "away"

_OF_THE_SERVICE = (
    "/graphs",
    "/keys",
    "/doc",
    "/guide",
    "/static",
    "/health/live",
    "/health/ready",
    "/health/graphs",
    "/metrics",
)
"""Paths that no graph has."""
_SLASHES = re.compile(rb"//+")


class _Open:
    """A graph that this process has open."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.users = 0
        """Requests that use it."""
        self.used = time.monotonic()
        self.suspect = False
        """Whether its server may be away."""
        self.probe = Probe(self._ask, silence=_AWAY)

    async def _ask(self) -> str:
        with suppress(psycopg.Error):
            async with self.services.pool.connection(timeout=PROBE_SECONDS):
                return _THERE
        return _AWAY

    async def close(self) -> None:
        await self.probe.close(seconds=PROBE_SECONDS)
        await self.services.close()


class Graphs:
    """The graphs of a process, but for `default`."""

    def __init__(self, default: Services) -> None:
        self._default = default
        settings = default.settings
        self._pool = async_pool(
            settings.database_url,
            role="graphs",
            size=1,
            statement_timeout=settings.statement_timeout,
            pgbouncer=settings.pgbouncer,
            kind=partial(BoundedPool, bound=asyncio.Semaphore(1)),
        )
        self._reading = asyncio.Lock()
        self._listed: dict[str, Graph] | None = None
        self._read_at = -FRESH_SECONDS
        self._failed = False
        self._open: dict[str, _Open] = {}
        self._closing = set[asyncio.Task[None]]()
        self._again: asyncio.Task[None] | None = None

    # The list

    async def listed(self, *, seconds: float = FRESH_SECONDS) -> dict[str, Graph]:
        """The list as it was at most so many seconds ago; older only while the database of `default` is away. Raises
        DatabaseUnavailable if the list was never read."""
        if time.monotonic() > self._read_at + seconds:
            if self._failed and self._listed is not None:
                # Nobody waits again for a server that was away a moment ago.
                if self._again is None or self._again.done():
                    self._again = asyncio.create_task(self._read(seconds))
            else:
                await self._read(seconds)
        if self._listed is None:
            raise DatabaseUnavailable("the list of graphs cannot be read: PostgreSQL does not answer.")
        return self._listed

    async def _read(self, seconds: float) -> None:
        async with self._reading:
            if time.monotonic() <= self._read_at + seconds:
                return  # somebody else has just read it
            try:
                if self._pool.closed:  # whoever has one graph needs no connection for a list of graphs
                    await self._pool.open(wait=False)
                async with asyncio.timeout(LIST_SECONDS), self._pool.connection() as conn:
                    found = await self._every(conn)
            except (psycopg.Error, TimeoutError) as error:
                if not self._failed:
                    log.warning("the list of graphs cannot be read", error=str(error) or type(error).__name__)
                self._failed = True
            else:
                self._listed, self._failed = {graph.name: graph for graph in found}, False
                self._close_changed()
            self._read_at = time.monotonic()

    @staticmethod
    async def _every(conn: AsyncConnection) -> list[Graph]:
        try:
            return await graphs.async_every(conn)
        except psycopg.errors.UndefinedTable:  # a schema of an earlier release
            return []

    async def find(self, name: str) -> Graph:
        """The graph of this name, ready for use. Raises NotFound, GraphNotReady, DatabaseUnavailable."""
        found = (await self.listed()).get(name) or (await self.listed(seconds=UNKNOWN_SECONDS)).get(name)
        if found is None and self._failed:
            raise DatabaseUnavailable("the list of graphs cannot be read: PostgreSQL does not answer.")
        if found is None or found.state == "dropping":
            raise graphs.no_graph(name)
        if found.state == "creating":
            raise GraphNotReady(f"the graph {name!r} is being created.")
        return found

    def knows(self, name: str) -> bool:
        """Whether a graph had this name when the list was read last."""
        return name in (self._listed or {})

    async def settings(self, name: str) -> Settings:
        """The settings of a graph, `default` included. Raises NotFound, GraphNotReady, DatabaseUnavailable."""
        own = self._default.settings
        return own if name == DEFAULT else settings_of(own, await self.find(name))

    async def is_dropped(self, opened: _Open) -> bool:
        """Whether the list has the open graph no more, under whatever name. False if nobody can say."""
        try:
            listed = await self.listed(seconds=0)
        except DatabaseUnavailable:
            return False
        there = {_lasting(each) for each in listed.values() if each.state != "dropping"}
        return not self._failed and opened.services.listed is not None and _lasting(opened.services.listed) not in there

    def changed(self) -> None:
        """The list was changed here: the next request reads it again."""
        self._read_at = -FRESH_SECONDS

    # What is open

    @asynccontextmanager
    async def using(self, name: str) -> AsyncGenerator[_Open]:
        """The graph, open for the block. Raises NotFound, GraphNotReady, DatabaseUnavailable, TooManyGraphs."""
        opened = await self._opened(await self.find(name))
        opened.users += 1
        try:
            if opened.suspect:
                if await opened.probe.ask(seconds=PROBE_SECONDS) == _AWAY:
                    raise DatabaseUnavailable(f"the server of the graph {name!r} does not answer.")
                opened.suspect = False
            yield opened
        finally:
            opened.users -= 1
            opened.used = time.monotonic()
            if not opened.users and self._open.get(name) is not opened:
                self._close(opened)

    async def _opened(self, graph: Graph) -> _Open:
        opened = self._open.get(graph.name)
        if opened is not None and opened.services.listed == graph:
            return opened
        if opened is not None:
            self._forget(graph.name)
        self._make_room()
        default = self._default
        services = Services(settings_of(default.settings, graph), default.clock, default.shared, graph)
        opened = self._open[graph.name] = _Open(services)
        await services.open()
        return opened

    def _make_room(self) -> None:
        """Raises TooManyGraphs if every open graph is in use, and there are as many as may be."""
        idle = sorted((each for each in self._open.items() if not each[1].users), key=lambda each: each[1].used)
        for name, _ in idle[: max(0, len(idle) - MOST_IDLE + 1)]:
            self._forget(name)
        if len(self._open) >= MOST_OPEN:
            raise TooManyGraphs(f"this process has {MOST_OPEN} graphs in use; ask again later.")

    def _close_changed(self) -> None:
        """Let go of the graphs that are not what they were: renamed, changed, or dropped."""
        for name, opened in list(self._open.items()):
            if (self._listed or {}).get(name) != opened.services.listed:
                self._forget(name)

    def _forget(self, name: str) -> None:
        """Let nobody else use the open graph, and close it when its last request has ended."""
        opened = self._open.pop(name)
        if not opened.users:
            self._close(opened)

    def _close(self, opened: _Open) -> None:
        task = asyncio.create_task(opened.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close_idle(self) -> None:
        """Close what nobody uses, again and again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            before = time.monotonic() - IDLE_SECONDS
            for name in [name for name, each in self._open.items() if not each.users and each.used < before]:
                self._forget(name)

    async def close(self) -> None:
        if self._again is not None:
            self._again.cancel()
        for name in list(self._open):
            self._close(self._open.pop(name))
        if self._closing:
            await asyncio.wait(self._closing)
        await self._pool.close(PROBE_SECONDS)

    @property
    def open_now(self) -> int:
        """How many graphs are open."""
        return len(self._open)


def _lasting(graph: Graph) -> tuple[str | None, str | None]:
    """What no change of a graph changes, and no two graphs have in common."""
    return graph.database, graph.database_url


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncGenerator[None]:
    """Opens and closes the graphs, within the lifespan of the services."""
    found = Graphs(app.state["services"])
    app.state["graphs"] = found
    tidying = asyncio.create_task(found.close_idle())
    try:
        yield
    finally:
        tidying.cancel()
        await found.close()


def of_app(app: Litestar) -> Graphs:
    """The graphs of the process."""
    return app.state["graphs"]


# Around the app -------------------------------------------------------------------------------------------------------


def prefixed(app: ASGIApp) -> ASGIApp:
    """The app. It sees no prefix `/graphs/{graph}` before a path; the scope says which graph the request is for."""

    async def strip(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and b"//" in scope["raw_path"]:
            # The router takes several slashes for one. Whoever looks at the path before it has to do the same.
            scope = _at(scope, _SLASHES.sub(b"/", scope["raw_path"]))
        if scope["type"] == "http" and scope["raw_path"].startswith(b"/graphs/"):
            _, _, name, *rest = scope["raw_path"].split(b"/", 3)
            if rest and rest[0]:
                sent = name.decode("ascii")
                # Not in ASGI's root_path: Litestar looks for that everywhere in a path, and cuts the path there.
                scope = _at(scope, b"/" + rest[0], **{PREFIX: f"/graphs/{sent}", GRAPH: unquote(sent)})
        await app(scope, receive, send)

    return strip


def _at(scope: Scope, raw_path: bytes, **more: str) -> Scope:
    """The scope of a request with another path."""
    return cast("Scope", {**scope, "raw_path": raw_path, "path": unquote(raw_path.decode("ascii")), **more})


def in_graph(app: ASGIApp) -> ASGIApp:
    """The app. It gets a request for a graph with the services of that graph, or the request gets a problem."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        name, prefix = graph_of(scope), prefix_of(scope)
        of_the_service = scope["type"] != "http" or scope["path"].startswith(_OF_THE_SERVICE)
        if not prefix and (of_the_service or name == DEFAULT):
            await app(scope, receive, send)
            return
        if not of_the_service and not caller_of(scope).uses(name):
            # The guard of the handler refuses the request. Whoever may not use a graph is not told whether it exists.
            await app(scope, receive, send)
            return
        async with AsyncExitStack() as held:
            try:
                if of_the_service:
                    raise NotFound("nothing is at this path of a graph; /doc lists all paths.")
                opened = None
                if name != DEFAULT:
                    opened = await held.enter_async_context(of_app(scope["litestar_app"]).using(name))
            except MentiongraphError as error:
                await problems.refuse(scope, receive, send, error)
                return
            if opened is None:
                await app(scope, receive, send)
                return
            its = cast("Scope", {**scope, SERVICES: opened.services})
            await app(its, receive, _noting(opened, scope, receive, send))

    return run


def _noting(opened: _Open, scope: Scope, receive: Receive, send: Send) -> Send:
    """Note whether the graph's server may be away, so that later requests do not wait for it long. If the graph was
    dropped meanwhile, the answer says so in place of 503."""
    answered = False

    async def note(message: Message) -> None:
        nonlocal answered
        if answered:
            return
        if message["type"] == "http.response.start" and message["status"] == DatabaseUnavailable.status:
            opened.suspect = True
            if await of_app(scope["litestar_app"]).is_dropped(opened):
                answered = True
                dropped = NotFound(f"the graph {graph_of(scope)!r} was dropped while this request ran.")
                await problems.refuse(scope, receive, send, dropped)
                return
        await send(message)

    return note

"""The graphs over HTTP: which there are, and for administrators also to create, change, rename and drop them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
import psycopg
import structlog
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.datastructures import ResponseHeader
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import PathParameter, QueryParameter
from msgspec import UNSET, UnsetType

from app.control import databases, graphs
from app.control.callers import Caller, Scope
from app.control.graphs import DEFAULT, Graph, settings_of
from app.errors import (
    BadRequest,
    DatabaseUnavailable,
    GraphExists,
    GraphNotReady,
    MayNotCreate,
    NotAllowed,
    NotFound,
    TooManyGraphs,
    UploadCutOff,
)
from app.graph.profiles import PROFILES, profile_named
from app.http import bodies, problems
from app.http.calling import Calling
from app.http.graphs import of_app
from app.http.openapi import examples
from app.http.openapi.examples import answering, asking
from app.http.parameters import Limit, next_page
from app.http.services import Injected, Services
from app.reads.sizes import async_sizes
from app.store.postgres import connect

log = structlog.get_logger(__name__)

CREATE_SECONDS = 20.0
"""Seconds that a request waits for its graph. After that the answer is 202, and the work goes on."""
SIZE_SECONDS = 3.0

_UNDER_WAY = set[asyncio.Task[Graph]]()

Name = Annotated[str, PathParameter(description="Name of the graph. `default` is there from the start.")]
NO_GRAPH = NotFound("there is no graph 'elections'. GET /graphs or `mentiongraph graphs list` lists the graphs.")


class GraphLinks(msgspec.Struct, frozen=True):
    """Paths of the graph: its entry, and what every path of the API stands behind for this graph."""

    graph: str
    base: str


class GraphAnswer(msgspec.Struct, frozen=True):
    """A graph: a database of its own, with its own uploads, users and edges."""

    name: str
    state: str
    """`creating`, `ready` or `dropping`."""
    half_life: str
    """The time in which a weight halves, such as `7d`, or `none`."""
    shards: int
    profile: str | None
    """Mention profile of uploads that name none. Null: that of the file's tool, or twitter."""
    days_kept: int
    """Days for which daily numbers are kept."""
    retention_days: float
    """Days for which a finished upload can be replayed and retracted."""
    quota_bytes: int | None
    """Uploads are refused while the database is larger. Null: no bound."""
    created_at: datetime | None
    """Null for `default`."""
    links: GraphLinks


class GraphDetail(GraphAnswer, frozen=True):
    """A graph, and how large it is. Sizes are null while the graph's server is away or the graph is not ready."""

    size_bytes: int | None
    edges: int | None
    """About how many edges, since large tables are estimated; likewise users and uploads."""
    users: int | None
    uploads: int | None


class GraphsAnswer(msgspec.Struct, frozen=True):
    """Graphs by name. `default` is the first of them."""

    graphs: list[GraphAnswer]
    next: str | None
    """Path of the next page; null on the last page."""


class NewGraph(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A graph to create."""

    name: str
    half_life: str = "7d"
    shards: int = 8
    profile: str | None = None
    days_kept: int | None = None
    retention_days: int | None = None
    quota_bytes: int | None = None
    database_url: str | None = None
    take_over: bool = False


_RESERVED = frozenset({"name", "retention_days", "quota_bytes"})
"""Fields that need a key for all graphs."""


class GraphChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to change of a graph. Null: as the service has it."""

    name: str | UnsetType = UNSET
    profile: str | UnsetType | None = UNSET
    days_kept: int | UnsetType | None = UNSET
    retention_days: int | UnsetType | None = UNSET
    quota_bytes: int | UnsetType | None = UNSET


_NUMBER = Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL])
_CHANGEABLE: Mapping[str, Schema] = {
    "profile": Schema(
        type=[OpenAPIType.STRING, OpenAPIType.NULL],
        enum=[*PROFILES, None],
        description="Mention profile of uploads that name none.",
    ),
    "days_kept": _NUMBER,
    "retention_days": _NUMBER,
    "quota_bytes": _NUMBER,
}


_NEW = Schema(
    type=OpenAPIType.OBJECT,
    required=["name"],
    additional_properties=False,
    properties={
        "name": Schema(type=OpenAPIType.STRING, pattern=f"^{graphs.NAME}$"),
        "half_life": Schema(
            type=OpenAPIType.STRING, description="A duration such as 30d or 12h, or none. Fixed for ever."
        ),
        "shards": Schema(type=OpenAPIType.INTEGER, enum=list(graphs.SHARDS)),
        "database_url": Schema(
            type=[OpenAPIType.STRING, OpenAPIType.NULL], description="A database on another server."
        ),
        "take_over": Schema(
            type=OpenAPIType.BOOLEAN,
            description="Whether the database at `database_url` may be a graph of another service, which is gone.",
        ),
        **_CHANGEABLE,
    },
)
_CHANGES = Schema(
    type=OpenAPIType.OBJECT,
    additional_properties=False,
    properties={"name": Schema(type=OpenAPIType.STRING), **_CHANGEABLE},
)


@get(
    "/",
    summary="List graphs",
    operation_class=answering(examples.GRAPHS),
    responses=problems.responses(
        BadRequest("query parameter 'limit' has to be a whole number from 1 to 500."), *problems.DATABASE
    ),
    opt={"scope": Scope.GRAPH_READ, "listed": True},
)
async def list_graphs(
    control: Injected,
    request: Request[Any, Any, Any],
    caller: Calling,
    limit: Limit = 100,
    after: Annotated[str | None, QueryParameter(description="Only names behind this one. `next` has it.")] = None,
) -> GraphsAnswer:
    """Lists the graphs that the caller may read, by name, and `default` first."""
    listed = await of_app(request.app).listed(seconds=0)
    found: list[GraphAnswer] = []
    if after is None and caller.may(Scope.GRAPH_READ, DEFAULT):
        found.append(await _default(control))
    last = "" if after is None or after == DEFAULT else after  # `default` stands before every other name
    names = sorted(name for name in listed if caller.may(Scope.GRAPH_READ, name) and name > last)
    found += [_answer(control, listed[name]) for name in names[: limit - len(found) + 1]]
    page = found[:limit]
    following = next_page("/graphs", limit=limit, after=page[-1].name) if len(found) > limit else None
    return GraphsAnswer(graphs=page, next=following)


@get(
    "/{graph:str}",
    summary="One graph",
    operation_class=answering(examples.GRAPH_DETAIL),
    responses=problems.responses(NO_GRAPH, *problems.DATABASE),
    opt={"scope": Scope.GRAPH_READ, "listed": True},
)
async def get_graph(control: Injected, request: Request[Any, Any, Any], caller: Calling, graph: Name) -> GraphDetail:
    """Says what was given for the graph, and how large it is."""
    _require(caller, Scope.GRAPH_READ, graph)
    sizes: dict[str, int | None] = dict.fromkeys(("size_bytes", "edges", "users", "uploads"))
    if graph == DEFAULT:
        answer, services = await _default(control), control
        sizes |= await _sizes(services)
    else:
        found = (await of_app(request.app).listed(seconds=0)).get(graph)
        if found is None:
            raise graphs.no_graph(graph)
        answer = _answer(control, found)
        with suppress(DatabaseUnavailable, GraphNotReady, NotFound, TooManyGraphs):
            async with of_app(request.app).using(graph) as opened:
                sizes |= await _sizes(opened.services)
    return msgspec.convert(msgspec.structs.asdict(answer) | sizes, GraphDetail)


@post(
    "/",
    summary="Create a graph",
    status_code=201,
    response_description="The graph is ready. `Location` is its entry.",
    response_headers=[ResponseHeader("Location", documentation_only=True, description="Path of the graph's entry.")],
    operation_class=asking(_NEW, {"name": "elections", "half_life": "30d"}, examples.GRAPH),
    responses=problems.responses(
        BadRequest("the half-life has to be none, or a duration from 1m to 36500d such as 30d or 12h, not '7'."),
        GraphExists("there is a graph 'elections' already."),
        GraphNotReady("the graph 'elections' is just being created or dropped."),
        MayNotCreate,
        UploadCutOff,
        *problems.DATABASE,
    ),
    opt={"scope": Scope.ADMIN, "everywhere": True},
)
async def create_graph(control: Injected, request: Request[Any, Any, Any], caller: Calling) -> Response[GraphAnswer]:
    """Creates a graph with a database of its own, on the server of `default` or at `database_url`. That takes seconds.
    If it takes longer, the answer is 202, and the entry says when the graph is `ready`. A repeated request finishes
    what an earlier one began. Half-life and shards are fixed for ever."""
    new = await bodies.json_of(request, control.settings, NewGraph)
    if new.profile is not None:
        profile_named(new.profile)
    given = msgspec.structs.asdict(new)
    take_over = given.pop("take_over")
    wanted = graphs.wanted(now=control.clock(), **given)
    create = partial(
        databases.create, control.settings, wanted, clock=control.clock, take_over=take_over, caller=caller
    )
    making = asyncio.create_task(asyncio.to_thread(create))
    # It goes on, whether or not the client waits for it.
    _UNDER_WAY.add(making)
    making.add_done_callback(_UNDER_WAY.discard)
    done, _ = await asyncio.wait({making}, timeout=CREATE_SECONDS)
    of_app(request.app).changed()
    if not done:
        making.add_done_callback(partial(_log_failure, wanted.name))
    made = making.result() if done else wanted
    return Response(
        _answer(control, made), status_code=201 if done else 202, headers={"Location": f"/graphs/{made.name}"}
    )


@patch(
    "/{graph:str}",
    summary="Change or rename a graph",
    operation_class=asking(_CHANGES, {"quota_bytes": 10737418240}, examples.GRAPH),
    responses=problems.responses(
        BadRequest("the field 'quota_bytes' has to be a whole number from 1 to 9007199254740991, not 0."),
        NO_GRAPH,
        GraphExists("there is a graph 'elections' already."),
        GraphNotReady("the graph 'elections' is creating, not ready."),
        UploadCutOff,
        *problems.DATABASE,
    ),
    opt={"scope": Scope.ADMIN, "listed": True},
)
async def change_graph(control: Injected, request: Request[Any, Any, Any], caller: Calling, graph: Name) -> GraphAnswer:
    """Changes profile, retention, quota and days kept, or the name. Other processes notice within five seconds. The
    paths of a renamed graph change, and its keys stay good for it. `default` is as the settings say. A key for some
    graphs may change only profile and days kept: the other fields bound what the graph takes, or are the operator's."""
    _require(caller, Scope.ADMIN, graph)
    changes = await bodies.json_of(request, control.settings, GraphChanges)
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    if caller.graphs is not None and (reserved := sorted(_RESERVED.intersection(given))):
        error = NotAllowed(
            f"changing {' and '.join(map(repr, reserved))} needs a key for all graphs; yours is for some."
        )
        error.scopes = Scope.ADMIN
        raise error
    new = given.pop("name", graph)
    if new != graph:
        graphs.require_name(new)
    if given.get("profile") is not None:
        profile_named(given["profile"])
    graphs.check(**{name: value for name, value in given.items() if name != "profile"})
    graphs.require_changeable(graph)

    def change() -> Graph:
        with connect(control.settings.database_url, role="graphs") as conn, conn.transaction():
            changed = graphs.change(conn, graph, caller=caller, **given)
            return graphs.rename(conn, graph, new, caller=caller) if new != graph else changed

    changed = await asyncio.to_thread(change)
    of_app(request.app).changed()
    return _answer(control, changed)


@delete(
    "/{graph:str}",
    summary="Drop a graph",
    status_code=204,
    operation_class=answering(None),
    responses=problems.responses(
        BadRequest("the graph 'default' cannot be dropped."),
        NO_GRAPH,
        GraphNotReady("the graph 'elections' is just being created or dropped."),
        GraphExists("PostgreSQL at db:5432, database elections is a graph of another service by now."),
        MayNotCreate,
        *problems.DATABASE,
    ),
    opt={"scope": Scope.ADMIN, "everywhere": True},
)
async def drop_graph(
    control: Injected,
    request: Request[Any, Any, Any],
    caller: Calling,
    graph: Name,
    drop_database: Annotated[
        bool,
        QueryParameter(
            description="Whether to drop also a database on another server. Without it, such a database is only taken "
            "off the list."
        ),
    ] = False,
) -> None:
    """Drops the graph with everything in it, at once and for ever, whoever works with it. A database on another server
    is only taken off the list, unless `drop_database` says otherwise. Keys that were good for this graph alone are
    revoked. The key has to be for all graphs."""
    _require(caller, Scope.ADMIN, graph)
    if graph == DEFAULT:
        raise BadRequest("the graph 'default' cannot be dropped.")
    drop = partial(databases.drop, control.settings, graph, clock=control.clock, elsewhere=drop_database, caller=caller)
    await asyncio.shield(asyncio.to_thread(drop))
    of_app(request.app).changed()


def _log_failure(name: str, making: asyncio.Task[Graph]) -> None:
    """The client was answered before the graph was made: the log has to tell why a graph is not."""
    error = None if making.cancelled() else making.exception()
    if error is not None:
        log.error("graph_not_created", graph=name, exc_info=error)


def _require(caller: Caller, scope: Scope, graph: str) -> None:
    """Raises NotFound: whoever may not use a graph is not told whether there is one."""
    if not graphs.is_name(graph) or not caller.may(scope, graph):
        raise graphs.no_graph(graph)


async def _default(control: Services) -> GraphAnswer:
    async with control.pool.connection() as conn:
        parameters = await control.parameters(conn)
    settings = control.settings
    return GraphAnswer(
        name=DEFAULT,
        state="ready",
        half_life=graphs.half_life_text(parameters.half_life),
        shards=parameters.shards,
        profile=None,
        days_kept=settings.days_kept,
        retention_days=settings.retention_days,
        quota_bytes=settings.max_database_bytes or None,
        created_at=None,
        links=GraphLinks(graph="/graphs/default", base=""),
    )


def _answer(control: Services, graph: Graph) -> GraphAnswer:
    settings = settings_of(control.settings, graph)
    return GraphAnswer(
        name=graph.name,
        state=graph.state,
        half_life=graphs.half_life_text(graph.half_life),
        shards=graph.shards,
        profile=graph.profile,
        days_kept=settings.days_kept,
        retention_days=settings.retention_days,
        quota_bytes=settings.max_database_bytes or None,
        created_at=graph.created_at,
        links=GraphLinks(graph=f"/graphs/{graph.name}", base=f"/graphs/{graph.name}"),
    )


async def _sizes(services: Services) -> dict[str, int | None]:
    with suppress(psycopg.Error, TimeoutError):  # of any kind: its schema may be another release's
        async with asyncio.timeout(SIZE_SECONDS), services.pool.connection() as conn:
            return msgspec.structs.asdict(await async_sizes(conn))
    return {}


ROUTER = Router(
    "/graphs", tags=["graphs"], route_handlers=[list_graphs, create_graph, get_graph, change_graph, drop_graph]
)

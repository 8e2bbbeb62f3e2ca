"""Comparing two graphs over HTTP: what both have, what only one of them has, and how ranks differ."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeAlias

import litestar
import msgspec
from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter, SkipValidation
from litestar.response.base import ASGIResponse
from psycopg_pool import ConnectionPool

from app.control.audit_events import Action, record
from app.control.callers import Caller, Scope
from app.control.graphs import NAME
from app.errors import BadRequest, NotFound, TooManyExports
from app.graph.half_life import in_seconds
from app.graph.parameters import read_parameters
from app.http import problems, quotas
from app.http.calling import Calling
from app.http.download import Download
from app.http.graphs import of_app
from app.http.head import asks_for_head
from app.http.openapi.graph_examples import COMPARISON
from app.http.parameters import TOO_EARLY, Archived, AsOf, SelfMentions, view_of
from app.http.quotas import Kind
from app.http.routes.exports import AS_OF_HEADER, blocks, made_in
from app.http.services import Injected, Services
from app.http.signatures import Wanted
from app.reads.comparing import Compared, Comparison, Side, What, comparing
from app.reads.exports.selection import Selection
from app.store.postgres import Connection, connect

HttpRequest: TypeAlias = litestar.Request[Any, Any, Any]

MAX_ENTRIES = 1000
_NAME = f"^{NAME}$"
_WEIGHT = "a number from 0 to 1e300"


class ComparedUser(msgspec.Struct, frozen=True):
    """A user in two graphs. What belongs to a graph without the user is null."""

    handle: str
    mentions_received_left: int | None
    mentions_received_right: int | None
    weight_received_left: float | None
    weight_received_right: float | None
    rank_left: int | None
    """Rank by received mentions. Users with equally many have one rank."""
    rank_right: int | None
    weight_rank_left: int | None
    """Rank by the weight of received mentions."""
    weight_rank_right: int | None
    rank_change: int | None
    """Number of ranks by which the user stands higher in the right graph than in the left one."""
    weight_rank_change: int | None


class ComparedTie(msgspec.Struct, frozen=True):
    """An edge in two graphs. What belongs to a graph without the edge is null."""

    source: str
    target: str
    mention_count_left: int | None
    mention_count_right: int | None
    weight_left: float | None
    weight_right: float | None


class SharedAnswer(msgspec.Struct, frozen=True):
    """How much both graphs have, and how much only one of them has."""

    both: int
    left_only: int
    right_only: int
    jaccard: float | None
    """Share of what both have in what any of them has; null where neither has anything."""


class UserLists(msgspec.Struct, frozen=True):
    """Users by who has them, those with the most mentions first."""

    both: list[ComparedUser]
    left_only: list[ComparedUser]
    right_only: list[ComparedUser]


class TieLists(msgspec.Struct, frozen=True):
    """Ties by who has them, the heaviest first."""

    both: list[ComparedTie]
    left_only: list[ComparedTie]
    right_only: list[ComparedTie]


class ComparisonAnswer(msgspec.Struct, frozen=True):
    """Two graphs compared: numbers first, then the first entries of each list."""

    with_: str = msgspec.field(name="with")
    """Name of the right graph. The left graph is the one of the path."""
    as_of: datetime
    users: SharedAnswer
    ties: SharedAnswer
    user_lists: UserLists
    tie_lists: TieLists


class _Asked(msgspec.Struct, frozen=True):
    """What a request compares."""

    graph: str
    selection: Selection


async def read_asked(  # noqa: PLR0917 (each is a query parameter)
    services: Injected,
    graph: Annotated[
        str,
        QueryParameter(name="with", description="Name of the graph to compare with, the right one.", pattern=_NAME),
        Wanted("the name of a graph"),
    ],
    as_of: AsOf = None,
    min_weight: Annotated[
        float,
        QueryParameter(description="Only edges with at least this effective weight.", ge=0, le=1e300),
        Wanted(_WEIGHT),
    ] = 0.0,
    archived: Archived = None,
    self_mentions: SelfMentions = False,
) -> _Asked:
    """What the query asks to compare. Raises BadRequest."""
    view = view_of(as_of, archived, services.clock())
    return _Asked(
        graph,
        Selection(
            as_of=view.as_of,
            min_weight=min_weight or None,
            archived=archived,
            archived_after=view.archived_after,
            self_mentions=self_mentions,
            past=view.past,
        ),
    )


Asked: TypeAlias = NamedDependency[SkipValidation[_Asked]]


class _Making:
    """One comparison, as exports are made: it holds a connection to each graph from `begin` to `close`."""

    def __init__(
        self, left: str, url: str, caller: Caller, asked: _Asked, write: Callable[[Comparison], Generator[bytes]]
    ) -> None:
        """`left`: the name of the left graph. `url`: the address of the right graph's database."""
        self._left = left
        self._url = url
        self._caller = caller
        self._asked = asked
        self._write = write
        self._conns: list[Connection] = []
        self._parts: Generator[bytes] | None = None

    def begin(self, pool: ConnectionPool[Connection]) -> bytes:
        self._parts = self._written(pool)
        return next(self._parts)

    def next(self) -> bytes | None:
        return None if self._parts is None else next(self._parts, None)

    def cancel(self) -> None:
        for conn in list(self._conns):
            conn.cancel_safe(timeout=1)

    def close(self) -> None:
        if self._parts is not None:
            self._parts.close()

    def _written(self, pool: ConnectionPool[Connection]) -> Generator[bytes]:
        with pool.connection() as left, connect(self._url, role="compare") as right:
            self._conns += [left, right]
            try:
                # Each graph tells of it, as of exports: before the first byte.
                for conn, name, other in (
                    (left, self._left, self._asked.graph),
                    (right, self._asked.graph, self._left),
                ):
                    record(conn, self._caller, Action.GRAPH_COMPARE, name, detail={"with": other})
                with comparing(_side(left), _side(right), self._asked.selection) as comparison:
                    yield from self._write(comparison)
            finally:
                self._conns.clear()


def _side(conn: Connection) -> Side:
    return Side(conn, in_seconds(read_parameters(conn).half_life))


_PROBLEMS = (
    BadRequest("query parameter 'with' has to be the name of a graph."),
    TOO_EARLY,
    NotFound("there is no graph 'insta'."),
    TooManyExports("2 exports are running already; try again when one has ended."),
    *problems.DATABASE,
)
_COMPARED = (
    "The graph of the path is the left one, the graph that `with` names the right one. Users are the ends of the edges "
    "that the other parameters select. Handles are compared in lower case. Each graph is read in one snapshot."
)


async def _answer(
    services: Services,
    http: HttpRequest,
    caller: Caller,
    asked: _Asked,
    write: Callable[[Comparison], Generator[bytes]],
    *,
    name: str,
    media_type: str,
) -> ASGIResponse:
    if asked.graph == services.graph:
        raise BadRequest(
            f"query parameter 'with' has to name another graph than {asked.graph!r}, which the path is for."
        )
    head = {AS_OF_HEADER: asked.selection.as_of.isoformat()}
    if asks_for_head(http.scope):
        return Download.empty(media_type=media_type, filename=name, settings=services.settings, headers=head)
    right = await of_app(http.app).settings(asked.graph)
    making = _Making(services.graph, right.database_url, caller, asked, write)

    async def begin(thread: ThreadPoolExecutor) -> bytes:
        return await made_in(thread, making, partial(making.begin, services.exports))

    return await Download.begin(
        quotas.one_of(Kind.EXPORTS, blocks(services, making, begin)),
        http.receive,
        media_type=media_type,
        filename=name,
        settings=services.settings,
        headers=lambda: head,
    )


def _allow(caller: Calling, scope: Scope, graph: str) -> None:
    """Raises NotFound for a graph that the caller may not use: nobody else learns that it exists."""
    if not caller.may(scope, graph):
        raise NotFound(f"there is no graph {graph!r}.")


@get(
    "/",
    summary="Two graphs compared",
    scope=Scope.GRAPH_READ,
    dependencies={"asked": Provide(read_asked)},
    responses={
        200: ResponseSpec(
            ComparisonAnswer,
            generate_examples=False,
            description="Numbers, and the first entries of each list.",
            examples=[Example(summary="comparison.json", value=COMPARISON)],
        ),
        **problems.responses(*_PROBLEMS),
    },
    description="Says how many users and ties both graphs have and how many only one of them has, and lists the first "
    f"of each. {_COMPARED}",
)
async def compare(
    request: HttpRequest,
    services: Injected,
    caller: Calling,
    asked: Asked,
    limit: Annotated[int, QueryParameter(description="Entries of each list, at most.", ge=0, le=MAX_ENTRIES)] = 20,
) -> ASGIResponse:
    _allow(caller, Scope.GRAPH_READ, asked.graph)

    def write(comparison: Comparison) -> Generator[bytes]:
        users, ties = (comparison.compared(what, most=limit) for what in ("users", "ties"))
        yield msgspec.json.encode(
            ComparisonAnswer(
                with_=asked.graph,
                as_of=asked.selection.as_of,
                users=_shared(users),
                ties=_shared(ties),
                user_lists=msgspec.convert(_lists(users), UserLists),
                tie_lists=msgspec.convert(_lists(ties), TieLists),
            )
        )

    return await _answer(services, request, caller, asked, write, name="comparison.json", media_type="application/json")


def _shared(found: Compared) -> SharedAnswer:
    shared = found.shared
    return SharedAnswer(shared.both, shared.left_only, shared.right_only, shared.jaccard)


def _lists(found: Compared) -> dict[str, list[dict[str, Any]]]:
    return {"both": found.both, "left_only": found.left_only, "right_only": found.right_only}


def _table(what: What, summary: str, example: str) -> Any:  # noqa: ANN401 (Litestar's decorated handler)
    name = f"{what}.csv"

    @get(
        f"/{name}",
        stream="export",
        summary=summary,
        scope=Scope.GRAPH_EXPORT,
        operation_id=f"Compare{what.title()}",
        dependencies={"asked": Provide(read_asked)},
        responses={
            200: ResponseSpec(
                str,
                media_type="text/csv",
                generate_examples=False,
                description="A header line, then a line each, in the order of handles.",
                examples=[Example(summary=name, value=example)],
            ),
            **problems.responses(*_PROBLEMS),
        },
        description=f"All {what} of both graphs. The column `in` says which graph has each: both, left or right. "
        f"Fields of the other graph are empty. {_COMPARED}",
    )
    async def table(
        request: HttpRequest,
        services: Injected,
        caller: Calling,
        asked: Asked,
        guard: Annotated[
            bool, QueryParameter(description="Whether handles are made harmless to spreadsheets, as in exports.")
        ] = True,
    ) -> ASGIResponse:
        _allow(caller, Scope.GRAPH_EXPORT, asked.graph)

        def write(comparison: Comparison) -> Generator[bytes]:
            return comparison.table(what, guard=guard)

        return await _answer(services, request, caller, asked, write, name=name, media_type="text/csv; header=present")

    return table


ROUTER = Router(
    "/comparison",
    tags=["comparing"],
    route_handlers=[
        compare,
        _table(
            "users",
            "All users of two graphs as CSV",
            "handle,in,mentions_received_left,mentions_received_right,weight_received_left,weight_received_right,"
            "rank_left,rank_right,weight_rank_left,weight_rank_right\nada,both,9,4,2.714,3.2,1,2,1,1\n",
        ),
        _table(
            "ties",
            "All ties of two graphs as CSV",
            "source,target,in,mention_count_left,mention_count_right,weight_left,weight_right\n"
            "grace,ada,left,3,,2.714,\n",
        ),
    ],
)

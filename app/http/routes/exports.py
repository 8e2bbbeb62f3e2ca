"""Exports over HTTP: the graph as files for other tools."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Annotated, Any, Literal, Protocol, TypeAlias, TypeVar

import litestar
import psycopg
from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter, SkipValidation
from litestar.response.base import ASGIResponse
from msgspec.structs import asdict

from app.control.audit_events import Action, async_record
from app.control.callers import Caller, Scope
from app.errors import BadRequest, NotFound, TooManyExports
from app.graph import versions
from app.graph.half_life import in_seconds
from app.graph.versions import Behind
from app.http import problems, quotas
from app.http.cached.standbys import Standby
from app.http.calling import Calling
from app.http.download import Download
from app.http.head import asks_for_head
from app.http.parameters import INSTANT, TOO_EARLY, Archived, AsOf, SelfMentions, moment, view_of
from app.http.quotas import Kind
from app.http.services import Injected, Services
from app.http.signatures import Wanted
from app.http.slots import taken
from app.reads import users
from app.reads.exports.cells import FULL, Style
from app.reads.exports.emptiness import REASONS, Empty
from app.reads.exports.formats import FORMS, Export, Request
from app.reads.exports.selection import Selection
from app.reads.exports.snapshot import Unfit
from app.reads.exports.tables import DIGITS

T = TypeVar("T")
HttpRequest: TypeAlias = litestar.Request[Any, Any, Any]

COUNT_HEADER = "Mentiongraph-Count"
"""Header with the number of records in the file: edges, or users in nodes.csv."""
AS_OF_HEADER = "Mentiongraph-As-Of"
WARNING_HEADER = "Mentiongraph-Warning"
"""Header that says why a file has no records: a code, a colon, and a sentence."""

MAX_DEPTH = 2
_WEIGHT = "a number that is not negative"
MAX_USERS = 100
PATIENCE = 3.0
"""Seconds that an export waits for another export to end."""
CATCHING_UP = (0.01, 0.02, 0.04, 0.08, 0.16)
"""Seconds that an export waits for a standby to catch up, each time that it is behind."""
CANCEL_SECONDS = 0.1
"""Seconds between two tries to cancel the statement of an export."""

TABLES = ("edges.csv", "gephi.csv", "nodes.csv")
"""Tables that people may open in a spreadsheet."""
NETWORKS = ("graph.gexf", "graph.graphml")
"""Files whose users have the ids that the tables have."""

_PROBLEMS = (
    BadRequest("query parameter 'depth' has to be a whole number from 0 to 2."),
    TOO_EARLY,
    NotFound("nobody called 'ada' mentions anybody or is mentioned in a post that was counted."),
    TooManyExports("2 exports are running already; try again when one has ended."),
    *problems.DATABASE,
)
_COUNTED = (
    f"The header `{COUNT_HEADER}` has the number of records. If there are none, `{WARNING_HEADER}` says why. A file "
    "that is cut off lacks its last chunk."
)
_ABOUT: dict[str, tuple[str, str]] = {
    "edges.csv": ("Edges as CSV", "A header line, then a line an edge, in no particular order."),
    "gephi.csv": ("Edges as CSV for Gephi", "Gephi reads it with File, Import spreadsheet, as an edges table."),
    "nodes.csv": ("Users as CSV for Gephi", "Gephi reads it as a nodes table, beside gephi.csv: `Id` is its Source."),
    "graph.gexf": ("The graph as GEXF 1.3", "For Gephi: File, Open. The last comment counts users and edges again."),
    "graph.graphml": ("The graph as GraphML", "For igraph, networkx, yEd, … The last comment counts users and edges."),
    "edges.parquet": ("Edges as Parquet", "For polars, pandas, DuckDB, … in row groups of 131,072 edges."),
    "edges.jsonl": ("Edges as JSON Lines", "An object a line, in no particular order."),
    "neo4j.zip": ("The graph for Neo4j", "nodes.csv and relationships.csv for `neo4j-admin database import full`."),
}

_EXAMPLES = {
    "edges.csv": """\
source,target,mention_count,weight,first_seen,last_seen
Grace,ada,3,2.714,2026-01-12T09:30:00.000000Z,2026-01-15T12:00:00.000000Z
""",
    "gephi.csv": """\
Source,Target,Weight,Type,mention_count,first_seen,last_seen
Grace,ada,2.714,Directed,3,2026-01-12T09:30:00.000000Z,2026-01-15T12:00:00.000000Z
""",
    "nodes.csv": """\
Id,Label,mentions_made,mentions_received
Grace,Grace,31,9
""",
    "edges.jsonl": """\
{"source":"Grace","target":"ada","mention_count":3,"weight":2.7143,"first_seen":"2026-01-12T09:30:00.000000Z",\
"last_seen":"2026-01-15T12:00:00.000000Z","archived_at":null}
""",
    "graph.gexf": """\
<?xml version="1.0" encoding="UTF-8"?>
<gexf xmlns="http://gexf.net/1.3" version="1.3">
…
<node id="Grace" label="Grace"><attvalues><attvalue for="handle" value="grace"/>…</attvalues></node>
…
<edge source="Grace" target="ada" weight="2.714"><attvalues><attvalue for="count" value="3"/>…</attvalues></edge>
…
<!-- complete: 2 users, 1 edges -->
</gexf>
""",
    "graph.graphml": """\
<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" …>
…
<node id="Grace"><data key="label">Grace</data>…</node>
…
<edge source="Grace" target="ada"><data key="weight">2.7143</data><data key="count">3</data>…</edge>
…
<!-- complete: 2 users, 1 edges -->
</graphml>
""",
    "edges.parquet": "PAR1…",
    "neo4j.zip": "PK…",
}


async def read_selection(  # noqa: PLR0917 (each is a query parameter)
    services: Injected,
    as_of: AsOf = None,
    min_weight: Annotated[
        float,
        QueryParameter(description="Only edges with at least this effective weight.", ge=0, le=1e300),
        Wanted(_WEIGHT),
    ] = 0.0,
    since: Annotated[
        str | None,
        QueryParameter(
            format="date-time",
            description="Only edges whose last mention is not earlier than this instant, in ISO 8601 with an offset.",
        ),
        Wanted(INSTANT),
    ] = None,
    until: Annotated[
        str | None,
        QueryParameter(
            format="date-time",
            description="Only edges whose first mention is earlier than this instant. With `since`: edges whose time, "
            "from the first mention to the last, touches the time from `since` (included) to `until` (left out). "
            "Counts and weights are those of all the edge's mentions.",
        ),
        Wanted(INSTANT),
    ] = None,
    user: Annotated[
        list[str] | None,
        QueryParameter(
            description="Only the surroundings of these users: `user=ada&user=grace`, in any spelling.",
            max_items=MAX_USERS,
        ),
        Wanted(f"given at most {MAX_USERS} times"),
    ] = None,
    depth: Annotated[
        int,
        QueryParameter(
            description="Steps from the users to the end of their surroundings. 0: the users alone. 1: also those "
            "whom they mention or who mention them. 2: one step further. Steps follow the edges that the other "
            "parameters select.",
            ge=0,
            le=MAX_DEPTH,
        ),
    ] = 1,
    touching: Annotated[
        bool,
        QueryParameter(
            description="Whether the file has edges with only one end in the surroundings, too. All edges of one user: "
            "`user=ada&depth=0&touching=true`."
        ),
    ] = False,
    archived: Archived = None,
    self_mentions: SelfMentions = False,
) -> Selection:
    """The query as a selection. Raises NotFound for an unknown user, BadRequest for a wrong handle or instant."""
    if math.isnan(min_weight):
        raise BadRequest(f"query parameter 'min_weight' has to be {_WEIGHT}.")
    begin, end = (None if text is None else moment(text, name) for text, name in ((since, "since"), (until, "until")))
    if begin is not None and end is not None and begin >= end:
        raise BadRequest("query parameter 'until' has to be later than 'since'.")
    # A form sends an empty value for a field that was left empty.
    handles = [handle for handle in user or () if handle]
    view = view_of(as_of, archived, services.clock())
    return Selection(
        as_of=view.as_of,
        min_weight=min_weight or None,
        since=begin,
        until=end,
        around=await _ids_of(services, handles) if handles else None,
        depth=depth,
        touching=touching,
        archived=archived,
        archived_after=view.archived_after,
        self_mentions=self_mentions,
        past=view.past,
    )


async def _ids_of(services: Services, handles: list[str]) -> tuple[int, ...]:
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
        return tuple(user.id for user in await users.find_users(conn, handles, parameters))


Selected: TypeAlias = NamedDependency[SkipValidation[Selection]]
Guard: TypeAlias = Annotated[
    bool,
    QueryParameter(
        description="Whether handles that a spreadsheet would run as a formula (`=`, `+`, `-` or `@` at its "
        "beginning, or behind a delimiter in it) get an apostrophe there, and apostrophes before such a sign get one "
        "more. In GEXF and GraphML, the same happens to users' ids, so that ids are those of the tables."
    ),
]
Digits: TypeAlias = Annotated[
    int | None,
    QueryParameter(
        description="Significant digits of weights. A digit in front of the point is never rounded away. "
        f"{FULL}: all that a weight has. By default: {DIGITS} in CSV and GEXF, all in other formats.",
        ge=1,
        le=FULL,
    ),
]
_DELIMITERS = {"tab": "\t"}


def read_table(
    digits: Digits = None,
    delimiter: Annotated[
        Literal[",", ";", "|", "tab"],
        QueryParameter(description="The character between two fields. Excel in German, French, … wants `;` (`%3B`)."),
    ] = ",",
    decimal: Annotated[
        Literal[".", ","],
        QueryParameter(description="The character before the fraction of a weight. Excel in German, … wants `,`."),
    ] = ".",
    bom: Annotated[
        bool,
        QueryParameter(
            description="Whether the file begins with a byte order mark. Without one, Excel takes UTF-8 for another "
            "encoding, and shows other letters than A to Z wrongly."
        ),
    ] = False,
) -> Style:
    """How the query wants a table written. Raises BadRequest."""
    if delimiter == decimal:
        raise BadRequest("query parameter 'decimal' is the delimiter, too: give another one, such as delimiter=;.")
    return Style(digits, _DELIMITERS.get(delimiter, delimiter), decimal, bom)


def read_digits(digits: Digits = None) -> Style:
    """How the query wants the numbers of a network written."""
    return Style(digits)


Styled: TypeAlias = NamedDependency[SkipValidation[Style]]


async def _answer(services: Services, caller: Caller, name: str, asked: Request, http: HttpRequest) -> ASGIResponse:
    form, as_of = FORMS[name], asked.selection.as_of.isoformat()
    if asks_for_head(http.scope):
        # Without the number of records, which only the export finds out.
        return Download.empty(
            media_type=form.media_type, filename=name, settings=services.settings, headers={AS_OF_HEADER: as_of}
        )
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
    export = Export(form, asked, in_seconds(parameters.half_life))
    return await Download.begin(
        quotas.one_of(Kind.EXPORTS, blocks(services, export, partial(_begin, services, caller, name, asked, export))),
        http.receive,
        media_type=form.media_type,
        filename=name,
        settings=services.settings,
        headers=lambda: {COUNT_HEADER: str(export.count), AS_OF_HEADER: as_of, **_warned(export.empty)},
    )


def _warned(empty: Empty | None) -> dict[str, str]:
    """The header that tells why an export has no edges."""
    return {WARNING_HEADER: f"{empty}: {REASONS[empty].said} {REASONS[empty].to_do}"} if empty else {}


class Made(Protocol):
    """A file that is made block by block, over connections of its own."""

    def next(self) -> bytes | None: ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...


async def blocks(
    services: Services, export: Made, begin: Callable[[ThreadPoolExecutor], Awaitable[bytes]]
) -> AsyncGenerator[bytes]:
    """The export, made in a thread: it computes, and its connection waits. `begin` makes the first block."""
    full = TooManyExports("as many exports are running as may run at once; try again when one has ended.")
    async with AsyncExitStack() as held:
        for slots in services.export_slots:
            await held.enter_async_context(taken(slots, PATIENCE, full))
        # One thread for all of it, of its own: memory that one thread has freed is little use to others.
        thread = ThreadPoolExecutor(1, "export")
        try:
            block: bytes | None = await begin(thread)
            while block is not None:
                yield block
                block = await made_in(thread, export, export.next)
        finally:
            # Submitted first: where the request is cancelled meanwhile, the connection comes back all the same.
            closing = asyncio.wrap_future(thread.submit(export.close))
            thread.shutdown(wait=False)
            await asyncio.shield(closing)


async def _begin(  # noqa: PLR0917 (what an export has)
    services: Services, caller: Caller, name: str, asked: Request, export: Export, thread: ThreadPoolExecutor
) -> bytes:
    # Before the first byte: whoever takes the graph out leaves a trace, or takes nothing.
    async with services.pool.connection() as conn:
        await async_record(conn, caller, Action.GRAPH_EXPORT, name, detail=_told(asked.selection))
    block = await _on_standby(services, thread, export)
    if block is None:
        block = await made_in(thread, export, partial(export.begin, services.exports))
    return block


async def _on_standby(services: Services, thread: ThreadPoolExecutor, export: Export) -> bytes | None:
    """The first block of the export from a standby that has everything; None if the primary is to write the export."""
    standbys = services.answers.standbys
    if not standbys:
        return None
    least = await services.answers.vector()
    for standby in standbys.fit():
        try:
            block = await _caught_up(standby, thread, export, least)
        except Behind:
            standby.behind(least)
        except psycopg.errors.QueryCanceled:
            raise
        except psycopg.Error as error:
            standby.failed(error, least)
        except Unfit:
            continue
        else:
            if export.vector == least or versions.holds(await services.answers.vector(), export.vector):
                standbys.counters.answered += 1
                return block
            standbys.counters.ahead += 1
            await made_in(thread, export, export.close)
    return None


async def _caught_up(standby: Standby, thread: ThreadPoolExecutor, export: Export, least: str) -> bytes:
    """The first block, maybe after a moment. Raises Behind, Unfit, psycopg.Error."""
    for pause in CATCHING_UP:
        if (pools := standby.pools) is None:
            break
        try:
            return await made_in(thread, export, partial(export.begin, pools.exports, least))
        except Behind:
            await asyncio.sleep(pause)
    raise Behind


def _told(selection: Selection) -> dict[str, Any]:
    """What an audit event tells of the selection: what was asked for. Users are named by id."""
    whole = Selection(as_of=selection.as_of)
    asked = {name: value for name, value in asdict(selection).items() if value != getattr(whole, name)}
    users = asked.pop("around", None)
    asked.pop("past", None)
    return {"as_of": selection.as_of, **asked, **({} if users is None else {"users": users})}


async def made_in(thread: ThreadPoolExecutor, export: Made, step: Callable[[], T]) -> T:
    """What the step returns, in the thread. If nobody waits any more, the export's statement is cancelled."""
    running = asyncio.wrap_future(thread.submit(step))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        # Again and again: it may be between two statements, which no cancelling reaches.
        while not running.done():
            with suppress(psycopg.Error):
                await asyncio.to_thread(export.cancel)
            await asyncio.wait({running}, timeout=CANCEL_SECONDS)
        running.exception()  # seen
        raise


def _handler(name: str) -> HTTPRouteHandler:
    title, text = _ABOUT[name]
    form = FORMS[name]
    decorate = get(
        f"/{name}",
        stream="export",
        summary=title,
        scope=Scope.GRAPH_EXPORT,
        description=f"{text} {_COUNTED}",
        operation_id="Export" + "".join(part.title() for part in name.split(".")),
        dependencies={"selected": Provide(read_selection), **_style_of(name)},
        responses={
            200: ResponseSpec(
                str,
                media_type=form.media_type.partition(";")[0],
                generate_examples=False,
                description=text,
                examples=[Example(summary=name, value=_EXAMPLES[name])],
            ),
            **problems.responses(*_PROBLEMS),
        },
    )

    async def export(request: HttpRequest, services: Injected, caller: Calling, selected: Selected) -> ASGIResponse:
        return await _answer(services, caller, name, Request(selected, guard=False), request)

    async def export_for_people(  # noqa: PLR0917 (what a request has)
        request: HttpRequest,
        services: Injected,
        caller: Calling,
        selected: Selected,
        style: Styled,
        guard: Guard = True,
    ) -> ASGIResponse:
        return await _answer(services, caller, name, Request(selected, guard, style), request)

    return decorate(export_for_people if _style_of(name) else export)


def _style_of(name: str) -> dict[str, Provide]:
    if name in TABLES:
        return {"style": Provide(read_table, sync_to_thread=False)}
    return {"style": Provide(read_digits, sync_to_thread=False)} if name in NETWORKS else {}


ROUTER = Router("/export", tags=["exports"], route_handlers=[_handler(name) for name in FORMS])

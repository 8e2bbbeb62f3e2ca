"""Edges over HTTP: one edge, its days, the batches where it comes from, and the lines that made it."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated, TypeAlias

import msgspec
from litestar import Router, get
from litestar.params import PathParameter, QueryParameter

from app.control.callers import Scope
from app.graph.delta_days import day_of
from app.graph.previews import Mark
from app.http import problems, quotas, segments
from app.http.cached.handlers import get_cached
from app.http.calling import Calling
from app.http.openapi import examples, graph_examples, rankings_examples
from app.http.openapi.examples import answering
from app.http.parameters import (
    MAX_NUMBER,
    AsOf,
    Cursor,
    Days,
    Limit,
    cursor_of_numbers,
    instant,
    next_page,
    numbers_of,
)
from app.http.quotas import Kind
from app.http.routes.uploads import only_of
from app.http.routes.users import EXPENSIVE, NO_USER, named, path_of
from app.http.services import Injected
from app.http.structs import struct_of
from app.reads import edges, history, lines, rankings
from app.reads.history import Contribution
from app.reads.lines import LineOf, Position, Unread, Why
from app.reads.rankings import Day
from app.reads.view import View

Source: TypeAlias = Annotated[str, QueryParameter(description="Handle of the user who mentions, in any spelling.")]
Target: TypeAlias = Annotated[str, QueryParameter(description="Handle of the user who is mentioned, in any spelling.")]

SourcePart: TypeAlias = Annotated[str, PathParameter(description="Handle of the user who mentions, in any spelling.")]
TargetPart: TypeAlias = Annotated[
    str, PathParameter(description="Handle of the user who is mentioned, in any spelling.")
]


class EdgeLinks(msgspec.Struct, frozen=True):
    """Paths of the users at the two ends of an edge."""

    source: str
    target: str


class EdgeAnswer(msgspec.Struct, frozen=True):
    """Source mentions target: how often, and with what weight at an instant. Handles are spelt as first seen."""

    source: str
    target: str
    as_of: datetime
    """The instant that the weight is for."""
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None
    """When decay archived the edge, as too light; null for an edge that is not archived. A new mention brings the edge
    back."""
    links: EdgeLinks


class EdgeDays(msgspec.Struct, frozen=True):
    """How often source mentions target, by UTC day of the post."""

    source: str
    target: str
    as_of: datetime
    stale_since: datetime | None
    """When the first mention was merged that the days still lack; null if they lack none."""
    days_from: date | None
    """The first day that the service keeps; null where it keeps no days."""
    last_7_days: int | None
    """Mentions in seven days, the day of `as_of` included; null where not all of these days are kept."""
    previous_7_days: int | None
    days: list[Day]


class HistoryAnswer(msgspec.Struct, frozen=True):
    """A page of the batches that made an edge, the newest batch first."""

    source: str
    target: str
    contributions: list[Contribution]
    purged: bool
    """Whether older uploads added mentions to the edge that this list lacks, because their retention time is over."""
    next: str | None
    """Path of the next page; null on the last page. A page looks into a bounded number of batches, so a page before the
    last may be empty."""


class LineAnswer(msgspec.Struct, frozen=True):
    """A post in which source mentions target, and the upload that brought the post."""

    upload_id: uuid.UUID
    filename: str | None
    batch_id: int
    line: int
    """Physical line of the file on which the post begins."""
    at: datetime
    """The instant of the post."""
    text: str
    """The text of the post. Of a long text, 400 characters with the mention among them."""
    cut_before: bool
    """Whether the post's text begins before `text`."""
    cut_after: bool
    """Whether the post's text goes on behind `text`."""
    mention_count: int
    """How often the post mentions the target."""
    mentions: list[Mark]
    """Where `text` mentions the target, in characters. `start` is null where only a column names the target."""
    repeated: bool
    """Whether another row counts the post, by its id. The mentions of a repeated post add nothing to the edge."""
    retracted: bool
    """Whether the batch was taken out again, or is being taken out."""


class UnreadAnswer(msgspec.Struct, frozen=True):
    """A batch that added mentions to the edge, and whose lines can't be shown."""

    upload_id: uuid.UUID
    filename: str | None
    batch_id: int
    mention_count: int
    retracted: bool
    why: Why
    """`purged`: the payload's retention time is over. `erased`: the payload held a person who was forgotten.
    `unknown_profile`: another release counted the batch, by a rule that this one does not have."""


class LinesAnswer(msgspec.Struct, frozen=True):
    """A page of the lines that made an edge: the newest batch first, and of a batch the last line first."""

    source: str
    target: str
    lines: list[LineAnswer]
    unread: list[UnreadAnswer]
    """Batches that the page came to, and whose lines can't be shown."""
    purged: bool
    """Whether older uploads added mentions to the edge that this list lacks, because their retention time is over."""
    next: str | None
    """Path of the next page; null on the last page. A page reads a bounded number of bytes again, so a page before the
    last may be short or empty."""


@get_cached("/", summary="One edge", example=graph_examples.EDGE, responses=problems.responses(*NO_USER))
async def get_edge(services: Injected, source: Source, target: Target, as_of: AsOf = None) -> EdgeAnswer:
    """Says how often and how heavily one user mentions another, whether the edge is archived or not."""
    view = View(instant(as_of, services.clock()))
    async with services.pool.connection() as conn:
        from_user, to_user = await named(services, conn, source, target)
        found = await edges.edge(conn, from_user, to_user, await services.parameters(conn), view)
    return struct_of(
        EdgeAnswer,
        found,
        source=from_user.spelling,
        target=to_user.spelling,
        as_of=view.as_of,
        links=EdgeLinks(source=path_of(services, from_user), target=path_of(services, to_user)),
    )


@get_cached(
    "/days",
    summary="One edge by day",
    example=rankings_examples.EDGE_DAYS,
    weighs=False,
    responses=problems.responses(*NO_USER),
)
async def get_edge_days(
    services: Injected, source: Source, target: Target, days: Days = 14, as_of: AsOf = None
) -> EdgeDays:
    """Counts how often one user mentions another, in posts of each day, of the last week and of the week before. Two
    users without an edge get zeros."""
    at = instant(as_of, services.clock())
    async with services.pool.connection() as conn:
        from_user, to_user = await named(services, conn, source, target)
        how_stale = await rankings.staleness(conn)
        calendar = rankings.calendar(day_of(at), max(days, 2 * rankings.WEEK), how_stale.days_from)
        found = await rankings.edge_days(conn, from_user, to_user, await services.parameters(conn), calendar)
    last, previous = rankings.weeks([each.mentions for each in found])
    return EdgeDays(
        source=from_user.spelling,
        target=to_user.spelling,
        as_of=at,
        stale_since=how_stale.stale_since,
        days_from=how_stale.days_from,
        last_7_days=last,
        previous_7_days=previous,
        days=found[-days:],
    )


@get(
    "/{source:str}/{target:str}/history",
    summary="Where an edge comes from",
    scope=(frozenset({Scope.GRAPH_READ, Scope.UPLOADS_READ}),),
    operation_class=answering(examples.HISTORY),
    responses=problems.responses(*EXPENSIVE),
)
async def get_history(
    services: Injected,
    source: SourcePart,
    target: TargetPart,
    limit: Limit = 50,
    before: Annotated[
        int, QueryParameter(description="Only batches before this batch. `next` has it.", ge=1, le=MAX_NUMBER)
    ] = MAX_NUMBER,
) -> HistoryAnswer:
    """Lists the uploads and batches that made this edge, with counts. Those that were taken out of the graph again are
    marked `retracted`."""
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
        from_user, to_user = await named(services, conn, source, target)
    async with services.expensive.slot():
        found = await history.history(
            services.expensive.pool, from_user, to_user, parameters, before=before, limit=limit
        )
    path = f"{services.base}/edges/{segments.segment(from_user.handle)}/{segments.segment(to_user.handle)}/history"
    return HistoryAnswer(
        source=from_user.spelling,
        target=to_user.spelling,
        contributions=found.contributions,
        purged=found.purged,
        next=next_page(path, before=found.before, limit=limit) if found.before is not None else None,
    )


@get(
    "/{source:str}/{target:str}/lines",
    summary="The lines that made an edge",
    scope=(frozenset({Scope.GRAPH_READ, Scope.UPLOADS_READ}),),
    operation_class=answering(examples.LINES),
    responses=problems.responses(*EXPENSIVE),
)
async def get_lines(  # noqa: PLR0917 (each is a parameter of the request)
    services: Injected,
    caller: Calling,
    source: SourcePart,
    target: TargetPart,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> LinesAnswer:
    """Lists the physical lines of files that made this edge, each with its upload and text. The service reads the
    files again that made the edge. The mentions of all lines add up to those of the edge, but for lines that are
    `repeated` or `retracted`, for `unread` batches, and for uploads that were purged."""
    before = Position(*numbers_of(cursor)) if cursor else lines.START
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
        from_user, to_user = await named(services, conn, source, target)
    async with quotas.one(Kind.READS), services.expensive.slot():
        found = await lines.lines_of(
            services.expensive.pool,
            from_user,
            to_user,
            parameters,
            before=before,
            limit=limit,
            owner=only_of(caller),
        )
    path = f"{services.base}/edges/{segments.segment(from_user.handle)}/{segments.segment(to_user.handle)}/lines"
    return LinesAnswer(
        source=from_user.spelling,
        target=to_user.spelling,
        lines=[_line(each) for each in found.lines],
        unread=[_unread(each) for each in found.unread],
        purged=found.purged,
        next=next_page(path, limit=limit, cursor=cursor_of_numbers(*found.before)) if found.before else None,
    )


def _line(found: LineOf) -> LineAnswer:
    batch = found.contribution
    return struct_of(
        LineAnswer,
        found.line,
        upload_id=batch.upload_id,
        filename=batch.filename,
        batch_id=batch.batch_id,
        retracted=batch.retracted,
    )


def _unread(found: Unread) -> UnreadAnswer:
    return struct_of(UnreadAnswer, found.contribution, why=found.why)


ROUTER = Router("/edges", tags=["graph"], route_handlers=[get_edge, get_edge_days, get_history, get_lines])

"""The whole graph over HTTP: its heaviest ties, how many mentions its ties have, and its mentions by day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
from litestar import Router
from litestar.params import QueryParameter

from app.errors import BadRequest, TooManyReads
from app.graph.delta_days import day_of
from app.http import problems, quotas
from app.http.cached.handlers import get_cached
from app.http.openapi import graph_examples, rankings_examples
from app.http.parameters import INSTANT, MAX_NUMBER, TOO_EARLY, AsOf, Days, instant, moment
from app.http.quotas import Kind
from app.http.routes.networks import EdgeBetween, edges_between, totals_of
from app.http.services import Injected
from app.http.signatures import Wanted as InWords
from app.http.structs import struct_of
from app.reads import heaviest, rankings
from app.reads.heaviest import MOST_EDGES, MOST_USERS, Bucket, Wanted
from app.reads.rankings import Day

FEW = 2_000
"""Edges of an answer, and users, that need no slot for expensive questions."""


class UserDrawn(msgspec.Struct, frozen=True):
    """A user of the answer, with totals of the whole graph. The totals are null until the first summary."""

    handle: str
    spelling: str
    mentions_made: int | None
    """Mentions of others by the user, in the whole graph."""
    mentions_received: int | None
    """Mentions of the user by others, in the whole graph."""
    weight_made: float | None
    weight_received: float | None


class LeftOut(msgspec.Struct, frozen=True):
    """What passes the filters and did not fit. It is nothing where both numbers are 0."""

    users: int
    edges: int


class NetworkAnswer(msgspec.Struct, frozen=True):
    """The heaviest edges of the graph that pass the filters, and their users."""

    as_of: datetime
    stale_since: datetime | None
    """When the first mention was merged that the totals of users still lack; null if they lack none."""
    users: list[UserDrawn]
    """The users with the heaviest edges come first."""
    edges: list[EdgeBetween]
    """The heaviest edges come first."""
    cut: LeftOut
    looked_at: int
    """The heaviest edges of the graph, among which the service looked for those that pass the filters."""
    is_all: bool
    """Whether the service looked at every edge. If not, lighter edges may pass the filters, too."""
    edges_in_graph: int
    """Number of edges of the graph, without archived ones."""
    edges_estimated: bool
    """Whether `edges_in_graph` is an estimate, as it is for a large graph."""


class HistogramAnswer(msgspec.Struct, frozen=True):
    """How many edges of the graph have how many mentions."""

    buckets: list[Bucket]
    """Only buckets that have an edge, those with few mentions first."""
    sampled: float
    """Share of the graph that was counted. Below 1, the numbers are estimates from this share."""


class GraphDays(msgspec.Struct, frozen=True):
    """How often users of the graph mention others, by UTC day of the post."""

    as_of: datetime
    stale_since: datetime | None
    """When the first mention was merged or summarized that the days still lack; null if they lack none."""
    days_from: date | None
    """The first day that the service keeps; null where it keeps no days."""
    last_7_days: int | None
    """Mentions in seven days, the day of `as_of` included; null where not all of these days are kept."""
    previous_7_days: int | None
    days: list[Day]


@get_cached(
    "/network",
    summary="The heaviest ties of the graph",
    example=graph_examples.NETWORK,
    responses=problems.responses(
        BadRequest("query parameter 'edges' has to be a whole number from 1 to 20000."),
        TOO_EARLY,
        TooManyReads("as many expensive questions are being answered as may be at once; ask again later."),
        *problems.DATABASE,
    ),
)
async def get_network(  # noqa: PLR0917 (each is a parameter of the request)
    services: Injected,
    users: Annotated[int, QueryParameter(description="Users in the answer, at most.", ge=1, le=MOST_USERS)] = FEW,
    edges: Annotated[int, QueryParameter(description="Edges in the answer, at most.", ge=1, le=MOST_EDGES)] = FEW,
    min_mentions: Annotated[
        int, QueryParameter(description="Only edges with at least so many mentions.", ge=1, le=MAX_NUMBER)
    ] = 1,
    min_weight: Annotated[
        float,
        QueryParameter(description="Only edges with at least this effective weight.", ge=0, le=1e300),
        InWords("a number from 0 to 1e300"),
    ] = 0.0,
    since: Annotated[
        str | None,
        QueryParameter(format="date-time", description="Only edges whose last mention is of this instant or later."),
        InWords(INSTANT),
    ] = None,
    until: Annotated[
        str | None,
        QueryParameter(format="date-time", description="Only edges whose first mention is before this instant."),
        InWords(INSTANT),
    ] = None,
    as_of: AsOf = None,
) -> NetworkAnswer:
    """Lists the heaviest edges of the whole graph, and their users with totals. Archived edges and mentions of oneself
    are left out. Users come with their heaviest edges, until there are `users`; then only edges between these users
    follow.

    Of a large graph, the service looks at the edges that are surely the heaviest: some thousands of them, 20,000 at
    most. The filters apply to these. Of edges that weigh the same, any may come first. `cut`, `looked_at` and
    `edges_in_graph` say what the answer leaves out.
    """
    at = instant(as_of, services.clock())
    wanted = Wanted(
        as_of=at,
        edges=edges,
        users=users,
        min_mentions=min_mentions,
        min_weight=min_weight or None,
        since=None if since is None else moment(since, "since"),
        until=None if until is None else moment(until, "until"),
    )
    async with quotas.one(Kind.READS), services.expensive.connection() as conn:
        how_stale = await rankings.staleness(conn)
        found = await heaviest.heaviest(conn, await services.parameters(conn), wanted)
    return NetworkAnswer(
        as_of=at,
        stale_since=how_stale.stale_since,
        users=[struct_of(UserDrawn, user, **totals_of(sums)) for user, sums in found.users],
        edges=edges_between(found.edges, {user.id: user.handle for user, _ in found.users}),
        cut=LeftOut(users=found.users_cut, edges=found.edges_cut),
        looked_at=found.looked_at,
        is_all=found.is_all,
        edges_in_graph=found.edges_in_graph,
        edges_estimated=found.estimated,
    )


@get_cached(
    "/network/histogram",
    summary="How many mentions ties have",
    example=graph_examples.HISTOGRAM,
    responses=problems.responses(
        TooManyReads("as many expensive questions are being answered as may be at once; ask again later."),
        *problems.DATABASE,
    ),
)
async def get_histogram(services: Injected) -> HistogramAnswer:
    """Counts the edges of the whole graph by their number of mentions. Archived edges and mentions of oneself are left
    out. Of a large graph, the service counts a part that is chosen at random, and multiplies."""
    async with quotas.one(Kind.READS), services.expensive.connection() as conn:
        found = await heaviest.histogram(conn)
    return HistogramAnswer(buckets=found.buckets, sampled=found.share)


@get_cached(
    "/days",
    summary="The whole graph by day",
    example=rankings_examples.GRAPH_DAYS,
    weighs=False,
    responses=problems.responses(
        BadRequest("query parameter 'days' has to be a whole number from 1 to 366."), *problems.DATABASE
    ),
)
async def get_days(services: Injected, days: Days = 14, as_of: AsOf = None) -> GraphDays:
    """Counts how often users mention others, in posts of each day, of the last week and of the week before. Mentions of
    oneself are left out."""
    at = instant(as_of, services.clock())
    async with services.pool.connection() as conn:
        how_stale = await rankings.staleness(conn)
        calendar = rankings.calendar(day_of(at), max(days, 2 * rankings.WEEK), how_stale.days_from)
        found = await rankings.graph_days(conn, calendar)
    last, previous = rankings.weeks([each.mentions for each in found])
    return GraphDays(
        as_of=at,
        stale_since=min((each for each in (how_stale.stale_since, how_stale.trends_stale_since) if each), default=None),
        days_from=how_stale.days_from,
        last_7_days=last,
        previous_7_days=previous,
        days=found[-days:],
    )


ROUTER = Router("/", tags=["graph"], route_handlers=[get_network, get_histogram, get_days])

"""Rankings and days over HTTP: read from what was worked out beforehand, each with how stale that is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from app.errors import BadRequest
from app.graph.delta_days import day_of
from app.http import problems
from app.http.cached.handlers import get_cached
from app.http.openapi import rankings_examples as examples
from app.http.openapi.examples import answering
from app.http.parameters import AsOf, instant
from app.http.routes.graph import NO_USER, Handle, Source, Target, named
from app.http.services import Injected
from app.reads import rankings
from app.reads.rankings import Day, RankedEdge, RankedUser, TrendingUser, UserDay

MOST = 1_000
MOST_DAYS = 366

_REFUSED = (BadRequest("query parameter 'limit' has to be a whole number from 1 to 1000."), *problems.DATABASE)

RankingLimit: TypeAlias = Annotated[int, QueryParameter(description="How many at most.", ge=1, le=MOST)]
Days: TypeAlias = Annotated[
    int,
    QueryParameter(
        description="How many days, that of `as_of` being the last; those that are kept.", ge=1, le=MOST_DAYS
    ),
]


class EdgeRanking(msgspec.Struct, frozen=True):
    """The heaviest edges of the graph."""

    as_of: datetime
    stale_since: datetime | None
    """Always null: it is kept with the edges."""
    edges: list[RankedEdge]


class UserRanking(msgspec.Struct, frozen=True):
    """The users with the heaviest mentions, made or received."""

    as_of: datetime
    stale_since: datetime | None
    """When the first mention was merged that is in the graph and not in here. Null: there is none."""
    users: list[RankedUser]


class Trending(msgspec.Struct, frozen=True):
    """The users who are mentioned more than before."""

    days: int
    until: date | None
    """The last day of the period, as far as it had come. Null: nothing was worked out yet."""
    worked_out_at: datetime | None
    stale_since: datetime | None
    """When the first mention was merged, or summarized, that is not in here. Null: there is none."""
    users: list[TrendingUser]


class EdgeDays(msgspec.Struct, frozen=True):
    """How often source mentions target, by UTC day of the post."""

    source: str
    target: str
    as_of: datetime
    stale_since: datetime | None
    days_from: date | None
    """The first day that is kept. Null: days are not told apart."""
    last_7_days: int | None
    """Mentions, the day of `as_of` included. Null: not all of these days are kept."""
    previous_7_days: int | None
    days: list[Day]


class UserDays(msgspec.Struct, frozen=True):
    """How often a user mentions others, and is mentioned by others, by UTC day of the post."""

    user: str
    as_of: datetime
    stale_since: datetime | None
    days_from: date | None
    """The first day that is kept. Null: days are not told apart."""
    made_last_7_days: int | None
    """Mentions, the day of `as_of` included. Null: not all of these days are kept."""
    made_previous_7_days: int | None
    received_last_7_days: int | None
    received_previous_7_days: int | None
    days: list[UserDay]


@get_cached(
    "/rankings/edges",
    tags=["rankings"],
    summary="Strongest ties",
    operation_class=answering(examples.EDGE_RANKING),
    responses=problems.responses(*_REFUSED),
)
async def rank_edges(services: Injected, limit: RankingLimit = 50, as_of: AsOf = None) -> EdgeRanking:
    """The edges of the whole graph with the most weight. Their order is the same at every instant; archived edges and
    mentions of oneself are left out."""
    at = instant(as_of, services.clock())
    async with services.pool.connection() as conn:
        found = await rankings.edges(conn, await services.parameters(conn), as_of=at, limit=limit)
    return EdgeRanking(at, None, found)


def _users_handler(path: str, direction: str, summary: str, doc: str) -> HTTPRouteHandler:
    async def rank_users(services: Injected, limit: RankingLimit = 50, as_of: AsOf = None) -> UserRanking:
        at = instant(as_of, services.clock())
        async with services.pool.connection() as conn:
            how_stale = await rankings.staleness(conn)
            found = await rankings.users(conn, await services.parameters(conn), direction, as_of=at, limit=limit)
        return UserRanking(at, how_stale.stale_since, found)

    rank_users.__name__, rank_users.__doc__ = f"rank_{direction}", doc
    decorate = get_cached(
        path,
        tags=["rankings"],
        summary=summary,
        operation_class=answering(examples.USER_RANKING),
        responses=problems.responses(*_REFUSED),
    )
    return decorate(rank_users)


rank_mentioned = _users_handler(
    "/rankings/mentioned",
    "received",
    "Most mentioned users",
    "By the weight of what others mention of them, archived edges included. The order is the same at every instant.",
)
rank_mentioning = _users_handler(
    "/rankings/mentioning",
    "made",
    "Most mentioning users",
    "By the weight of their mentions of others, archived edges included. The order is the same at every instant.",
)


@get_cached(
    "/rankings/trending",
    tags=["rankings"],
    summary="Trending users",
    operation_class=answering(examples.TRENDING),
    responses=problems.responses(*_REFUSED),
)
async def rank_trending(
    services: Injected,
    period: Annotated[Literal[1, 7, 14], QueryParameter(name="days", description="Days of the period.")] = 7,
    limit: RankingLimit = 50,
) -> Trending:
    """Who is mentioned more in the period, which ends today, than in the one before: by (mentions + 10) / (mentions
    before + 10), so that from one to three is no more than from a hundred to two hundred."""
    async with services.pool.connection() as conn:
        how_stale = await rankings.staleness(conn)
        found = await rankings.trending(conn, period, limit=limit)
    since = min((each for each in (how_stale.stale_since, how_stale.trends_stale_since) if each), default=None)
    return Trending(period, how_stale.trends_until, how_stale.trends_ended_at, since, found)


@get_cached(
    "/edges/days",
    tags=["rankings"],
    summary="One edge by day",
    operation_class=answering(examples.EDGE_DAYS),
    responses=problems.responses(*NO_USER),
)
async def get_edge_days(
    services: Injected, source: Source, target: Target, days: Days = 14, as_of: AsOf = None
) -> EdgeDays:
    """How often one user mentions another in posts of each day, this week, and the week before. Not at all is no
    error."""
    at = instant(as_of, services.clock())
    async with services.pool.connection() as conn:
        from_user, to_user = await named(services, conn, source, target)
        how_stale = await rankings.staleness(conn)
        calendar = rankings.calendar(day_of(at), max(days, 2 * rankings.WEEK), how_stale.days_from)
        found = await rankings.edge_days(conn, from_user, to_user, await services.parameters(conn), calendar)
    return EdgeDays(
        from_user.spelling,
        to_user.spelling,
        at,
        how_stale.stale_since,
        how_stale.days_from,
        *rankings.weeks([each.mentions for each in found]),
        found[-days:],
    )


@get_cached(
    "/users/{handle:str}/days",
    tags=["rankings"],
    summary="One user by day",
    operation_class=answering(examples.USER_DAYS),
    responses=problems.responses(*NO_USER),
)
async def get_user_days(services: Injected, handle: Handle, days: Days = 14, as_of: AsOf = None) -> UserDays:
    """How often a user mentions others, and is mentioned by others, in posts of each day, this week, and the week
    before."""
    at = instant(as_of, services.clock())
    async with services.pool.connection() as conn:
        (user,) = await named(services, conn, handle)
        how_stale = await rankings.staleness(conn)
        calendar = rankings.calendar(day_of(at), max(days, 2 * rankings.WEEK), how_stale.days_from)
        found = await rankings.user_days(conn, user, await services.parameters(conn), calendar)
    return UserDays(
        user.spelling,
        at,
        how_stale.stale_since,
        how_stale.days_from,
        *rankings.weeks([each.made for each in found]),
        *rankings.weeks([each.received for each in found]),
        found[-days:],
    )


HANDLERS = (rank_edges, rank_mentioned, rank_mentioning, rank_trending, get_edge_days, get_user_days)

"""Rankings over HTTP: read from what the summaries worked out beforehand, each with how stale it is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from litestar import Router
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from app.errors import BadRequest
from app.http import problems
from app.http.cached.handlers import get_cached
from app.http.openapi import rankings_examples as examples
from app.http.parameters import TOO_EARLY, AsOf, instant
from app.http.services import Injected
from app.reads import rankings
from app.reads.rankings import RankedEdge, RankedUser, TrendingUser

MOST = 1_000

_REFUSED = (
    BadRequest("query parameter 'limit' has to be a whole number from 1 to 1000."),
    TOO_EARLY,
    *problems.DATABASE,
)

RankingLimit: TypeAlias = Annotated[int, QueryParameter(description="Entries in the ranking, at most.", ge=1, le=MOST)]


class EdgeRanking(msgspec.Struct, frozen=True):
    """The heaviest edges of the graph."""

    as_of: datetime
    stale_since: datetime | None
    """Always null: this ranking is never stale."""
    edges: list[RankedEdge]


class UserRanking(msgspec.Struct, frozen=True):
    """The users with the heaviest mentions, made or received."""

    as_of: datetime
    stale_since: datetime | None
    """When the first mention was merged that the ranking still lacks; null if the ranking lacks none."""
    users: list[RankedUser]


class Trending(msgspec.Struct, frozen=True):
    """The users whom others mention more than before."""

    days: int
    until: date | None
    """The last day of the period, which may be unfinished; null where nothing was worked out yet."""
    worked_out_at: datetime | None
    """When a worker worked the ranking out; null where nothing was worked out yet."""
    stale_since: datetime | None
    """When the first mention was merged or summarized that the ranking still lacks; null if the ranking lacks none."""
    users: list[TrendingUser]


@get_cached(
    "/edges",
    summary="Strongest ties",
    example=examples.EDGE_RANKING,
    responses=problems.responses(*_REFUSED),
)
async def rank_edges(services: Injected, limit: RankingLimit = 50, as_of: AsOf = None) -> EdgeRanking:
    """Ranks the edges of the whole graph by weight. Their order is the same at every instant. Archived edges and
    mentions of oneself are left out."""
    at = instant(as_of, services.clock())
    async with services.pool.connection() as conn:
        found = await rankings.edges(conn, await services.parameters(conn), as_of=at, limit=limit)
    return EdgeRanking(as_of=at, stale_since=None, edges=found)


def _users_handler(path: str, direction: str, summary: str, doc: str) -> HTTPRouteHandler:
    async def rank_users(services: Injected, limit: RankingLimit = 50, as_of: AsOf = None) -> UserRanking:
        at = instant(as_of, services.clock())
        async with services.pool.connection() as conn:
            how_stale = await rankings.staleness(conn)
            found = await rankings.users(conn, await services.parameters(conn), direction, as_of=at, limit=limit)
        return UserRanking(as_of=at, stale_since=how_stale.stale_since, users=found)

    rank_users.__name__, rank_users.__doc__ = f"rank_{direction}", doc
    decorate = get_cached(
        path,
        summary=summary,
        example=examples.USER_RANKING,
        responses=problems.responses(*_REFUSED),
    )
    return decorate(rank_users)


rank_mentioned = _users_handler(
    "/mentioned",
    "received",
    "Most mentioned users",
    "Ranks users by the weight of the mentions that others make of them, archived edges included. Their order is the "
    "same at every instant.",
)
rank_mentioning = _users_handler(
    "/mentioning",
    "made",
    "Most mentioning users",
    "Ranks users by the weight of their mentions of others, archived edges included. Their order is the same at every "
    "instant.",
)


@get_cached(
    "/trending",
    summary="Trending users",
    example=examples.TRENDING,
    responses=problems.responses(*_REFUSED),
)
async def rank_trending(
    services: Injected,
    period: Annotated[
        Literal[1, 7, 14], QueryParameter(name="days", description="Days in the period, which ends today.")
    ] = 7,
    limit: RankingLimit = 50,
) -> Trending:
    """Ranks users by how much more others mention them in the period, which ends today, than in the period before:
    (mentions + 10) / (mentions before + 10). The tens keep small numbers from the top."""
    async with services.pool.connection() as conn:
        how_stale = await rankings.staleness(conn)
        found = await rankings.trending(conn, period, limit=limit)
    since = min((each for each in (how_stale.stale_since, how_stale.trends_stale_since) if each), default=None)
    return Trending(
        days=period,
        until=how_stale.trends_until,
        worked_out_at=how_stale.trends_ended_at,
        stale_since=since,
        users=found,
    )


ROUTER = Router(
    "/rankings", tags=["rankings"], route_handlers=[rank_edges, rank_mentioned, rank_mentioning, rank_trending]
)

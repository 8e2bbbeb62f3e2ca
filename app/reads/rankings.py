"""Reading what was worked out beforehand: rankings, and mentions by day. No request looks at more than it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec
import polars as pl

import sql
from app.graph import delta_days
from app.graph.deltas import unpack
from app.graph.parameters import GraphParameters
from app.graph.shards import shard_of_id
from app.reads.users import User
from app.store.postgres import AsyncConnection, async_exactly_one, async_rows, async_scalars
from app.summaries import days

_EDGES = sql.query("reads/rankings/edges")
_USERS = sql.query("reads/rankings/users")
_TRENDING = sql.query("reads/rankings/trending")
_STALENESS = sql.query("reads/rankings/staleness")
_PROBE = sql.query("reads/rankings/probe_days")

WEEK = 7


class Staleness(msgspec.Struct, frozen=True):
    """How far the summaries are."""

    stale_since: datetime | None
    """When the first mention that is not in them was merged. None: every one is."""
    days_from: date | None
    """The first day that is kept. None: days are not told apart."""
    trends_until: date | None
    """The last day of what is trending. None: it was never worked out."""
    trends_ended_at: datetime | None
    trends_stale_since: datetime | None


class RankedEdge(msgspec.Struct, frozen=True):
    """An edge of the graph with its users."""

    source: str
    source_spelling: str
    target: str
    target_spelling: str
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime


class RankedUser(msgspec.Struct, frozen=True):
    """A user, and the user's mentions in one direction."""

    handle: str
    spelling: str
    mentions: int
    weight: float


class TrendingUser(msgspec.Struct, frozen=True):
    """A user, and how often the user was mentioned in a period and in the one before."""

    handle: str
    spelling: str
    mentions: int
    mentions_before: int
    growth: float
    """(mentions + 10) / (mentions_before + 10)"""


class Day(msgspec.Struct, frozen=True):
    """Mentions in posts of one UTC day."""

    day: date
    mentions: int


class UserDay(msgspec.Struct, frozen=True):
    """A user's mentions in posts of one UTC day."""

    day: date
    made: int
    received: int


def calendar(until: date, count: int, days_from: date | None) -> list[date]:
    """The last so many days, of those that are kept."""
    if days_from is None:
        return []
    first = max(days_from, delta_days.first_day(until, count))
    return [first + timedelta(days=number) for number in range((until - first).days + 1)]


def weeks(mentions: Sequence[int]) -> tuple[int | None, int | None]:
    """The sums of the last seven days and of the seven before; None where they are not all kept."""
    this, last = mentions[-WEEK:], mentions[-2 * WEEK : -WEEK]
    return sum(this) if len(this) == WEEK else None, sum(last) if len(last) == WEEK else None


async def staleness(conn: AsyncConnection) -> Staleness:
    """To be asked before what it is about: then that is no staler."""
    return await async_exactly_one(conn, Staleness, _STALENESS)


async def edges(conn: AsyncConnection, parameters: GraphParameters, *, as_of: datetime, limit: int) -> list[RankedEdge]:
    """The heaviest edges of the graph, mentions of oneself left out. Never stale."""
    weighing = {"as_of": as_of, "half_life_seconds": parameters.half_life.total_seconds()}
    return await async_rows(conn, RankedEdge, _EDGES, {**weighing, "limit": limit})


async def users(
    conn: AsyncConnection, parameters: GraphParameters, direction: str, *, as_of: datetime, limit: int
) -> list[RankedUser]:
    """The users with the heaviest mentions `made` or `received`; archived edges count, mentions of oneself do not."""
    weighing = {"as_of": as_of, "half_life_seconds": parameters.half_life.total_seconds()}
    return await async_rows(conn, RankedUser, _USERS, {**weighing, "direction": direction, "limit": limit})


async def trending(conn: AsyncConnection, period: int, *, limit: int) -> list[TrendingUser]:
    """The users who are mentioned more in so many days than in as many before, as of when it was worked out."""
    return await async_rows(conn, TrendingUser, _TRENDING, {"days": period, "limit": limit})


async def edge_days(
    conn: AsyncConnection, source: User, target: User, parameters: GraphParameters, calendar: list[date]
) -> list[Day]:
    """How often one user mentions another on each of these days, which are in order."""
    part = shard_of_id(source.id, parameters.shards)
    found = await _days(conn, part, source.id, [target.id], calendar)
    return [Day(*each) for each in zip(calendar, found[target.id], strict=True)]


async def user_days(
    conn: AsyncConnection, user: User, parameters: GraphParameters, calendar: list[date]
) -> list[UserDay]:
    """How often a user mentions others, and is mentioned by others, on each of these days, which are in order."""
    part = days.part_of_users(shard_of_id(user.id, parameters.shards))
    found = await _days(conn, part, user.id, [days.MADE, days.RECEIVED], calendar)
    return [UserDay(*each) for each in zip(calendar, found[days.MADE], found[days.RECEIVED], strict=True)]


async def _days(
    conn: AsyncConnection, part: int, source_id: int, target_ids: list[int], calendar: list[date]
) -> dict[int, list[int]]:
    """Of each target the mentions on each of these days."""
    if not calendar:
        return {target: [] for target in target_ids}
    keys = {"source_ids": [source_id] * len(target_ids), "target_ids": target_ids}
    payloads: list[bytes] = await async_scalars(conn, _PROBE, {"part": part, "first_day": calendar[0], **keys})
    return await asyncio.to_thread(_add_up, payloads, source_id, target_ids, calendar)


def _add_up(
    payloads: Sequence[bytes], source_id: int, target_ids: list[int], calendar: list[date]
) -> dict[int, list[int]]:
    blocks = [unpack(payload).filter(pl.col("source_id") == source_id) for payload in payloads]
    together = pl.concat([pl.DataFrame(schema=delta_days.SCHEMA), *blocks]).filter(
        pl.col("target_id").is_in(target_ids)
    )
    mentions = dict.fromkeys(((target, day) for target in target_ids for day in calendar), 0)
    for _, target, day, number in together.iter_rows():
        if (target, day) in mentions:
            mentions[target, day] += number
    return {target: [mentions[target, day] for day in calendar] for target in target_ids}

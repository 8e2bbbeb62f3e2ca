"""This module reads summaries: rankings, and mentions by day.

Workers compute the summaries beforehand. So no request reads more than it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec
import polars as pl

import sql
from app.graph import delta_days
from app.graph.deltas import unpack_rows
from app.graph.half_life import in_seconds
from app.graph.parameters import GraphParameters
from app.graph.shards import shard_of_id
from app.reads.users import User
from app.store.postgres import AsyncConnection, async_exactly_one, async_rows, async_scalars
from app.summaries import days

_EDGES = sql.query("reads/rankings/edges")
_USERS = sql.query("reads/rankings/users")
_TRENDING = sql.query("reads/rankings/trending")
_STALENESS = sql.query("reads/rankings/staleness")
_GRAPH_DAYS = sql.query("reads/rankings/graph_days")
_PROBE = sql.query("reads/rankings/probe_days")

WEEK = 7


class Staleness(msgspec.Struct, frozen=True):
    """How up to date the summaries are."""

    stale_since: datetime | None
    """When the first mention that the summaries lack was merged. None: the summaries have every mention."""
    days_from: date | None
    """The first day that the summaries keep. None: the summaries keep no days."""
    trends_until: date | None
    """The last day of the trends. None: trends were never computed."""
    trends_ended_at: datetime | None
    trends_stale_since: datetime | None


class RankedEdge(msgspec.Struct, frozen=True):
    """An edge of the graph, with the handles and spellings of its users."""

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
    """A user, with the numbers of mentions received in a period and in the period before."""

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
    """Returns the last `count` days to `until`, without the days that the summaries do not keep."""
    if days_from is None:
        return []
    first = max(days_from, delta_days.first_day(until, count))
    return [first + timedelta(days=number) for number in range((until - first).days + 1)]


def weeks(mentions: Sequence[int]) -> tuple[int | None, int | None]:
    """Returns the sums of the last seven days and of the seven days before.

    A sum is None if the summaries do not keep all of its days.
    """
    this, last = mentions[-WEEK:], mentions[-2 * WEEK : -WEEK]
    return sum(this) if len(this) == WEEK else None, sum(last) if len(last) == WEEK else None


async def staleness(conn: AsyncConnection) -> Staleness:
    """Returns how stale the summaries are.

    A caller asks before it reads a summary. So the summary is no staler than the answer says.
    """
    return await async_exactly_one(conn, Staleness, _STALENESS)


async def edges(conn: AsyncConnection, parameters: GraphParameters, *, as_of: datetime, limit: int) -> list[RankedEdge]:
    """Returns the heaviest edges of the graph, without self-mentions. This ranking is never stale."""
    weighing = {"as_of": as_of, "half_life_seconds": in_seconds(parameters.half_life)}
    return await async_rows(conn, RankedEdge, _EDGES, {**weighing, "limit": limit})


async def users(
    conn: AsyncConnection, parameters: GraphParameters, direction: str, *, as_of: datetime, limit: int
) -> list[RankedUser]:
    """Returns the users with the heaviest mentions `made` or `received`.

    Archived edges count. Self-mentions do not count.
    """
    weighing = {"as_of": as_of, "half_life_seconds": in_seconds(parameters.half_life)}
    return await async_rows(conn, RankedUser, _USERS, {**weighing, "direction": direction, "limit": limit})


async def trending(conn: AsyncConnection, period: int, *, limit: int) -> list[TrendingUser]:
    """Returns the users with more mentions in the last `period` days than in as many days before.

    The list is as of the last time that a worker computed the trends.
    """
    return await async_rows(conn, TrendingUser, _TRENDING, {"days": period, "limit": limit})


async def edge_days(
    conn: AsyncConnection, source: User, target: User, parameters: GraphParameters, calendar: list[date]
) -> list[Day]:
    """Returns the mentions of `target` by `source` on each day of `calendar`. The days are in order."""
    part = shard_of_id(source.id, parameters.shards)
    found = await _days(conn, part, source.id, [target.id], calendar)
    return [Day(*each) for each in zip(calendar, found[target.id], strict=True)]


async def user_days(
    conn: AsyncConnection, user: User, parameters: GraphParameters, calendar: list[date]
) -> list[UserDay]:
    """Returns the mentions that the user makes and receives on each day of `calendar`.

    The days are in order. Self-mentions do not count.
    """
    part = days.part_of_users(shard_of_id(user.id, parameters.shards))
    found = await _days(conn, part, user.id, [days.MADE, days.RECEIVED], calendar)
    return [UserDay(*each) for each in zip(calendar, found[days.MADE], found[days.RECEIVED], strict=True)]


async def graph_days(conn: AsyncConnection, calendar: list[date]) -> list[Day]:
    """Returns the mentions in the whole graph on each day of `calendar`, as a worker added them up the last time.

    The days are in order. Self-mentions do not count.
    """
    if not calendar:
        return []
    rows = await async_rows(conn, Day, _GRAPH_DAYS, {"first": calendar[0], "last": calendar[-1]})
    found = {each.day: each.mentions for each in rows}
    return [Day(day, found.get(day, 0)) for day in calendar]


async def _days(
    conn: AsyncConnection, part: int, source_id: int, target_ids: list[int], calendar: list[date]
) -> dict[int, list[int]]:
    """Returns the mentions of each target on each of these days."""
    if not calendar:
        return {target: [] for target in target_ids}
    keys = {"source_ids": [source_id] * len(target_ids), "target_ids": target_ids}
    payloads: list[bytes] = await async_scalars(conn, _PROBE, {"part": part, "first_day": calendar[0], **keys})
    return await asyncio.to_thread(_add_up, payloads, source_id, target_ids, calendar)


def _add_up(
    payloads: Sequence[bytes], source_id: int, target_ids: list[int], calendar: list[date]
) -> dict[int, list[int]]:
    blocks = [unpack_rows(payload).filter(pl.col("source_id") == source_id) for payload in payloads]
    together = pl.concat([pl.DataFrame(schema=delta_days.SCHEMA), *blocks]).filter(
        pl.col("target_id").is_in(target_ids)
    )
    mentions = dict.fromkeys(((target, day) for target in target_ids for day in calendar), 0)
    for _, target, day, number in together.iter_rows():
        if (target, day) in mentions:
            mentions[target, day] += number
    return {target: [mentions[target, day] for day in calendar] for target in target_ids}

"""Summaries as a plain count has them, mention by mention, and as they are in a database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import psycopg
import pytest

from app.graph.half_life import HalfLife, in_seconds
from app.graph.parameters import read_parameters
from app.summaries import days

EdgeDay = tuple[str, str, date]


class Mention(NamedTuple):
    """Handles folded; when the post was made, when it counts as made, and when its upload was received."""

    source: str
    target: str
    at: datetime
    weighed: datetime
    received: datetime

    @property
    def day(self) -> date:
        return self.at.astimezone(UTC).date()

    @property
    def in_time(self) -> bool:
        """Whether its day is no day of the future."""
        return self.day <= self.received.astimezone(UTC).date()


class Totals(NamedTuple):
    """Counts made, received, of oneself; weights made and received."""

    made: int
    received: int
    own: int
    weight_made: float
    weight_received: float


def totals(mentions: Iterable[Mention], at: datetime, half_life: HalfLife) -> dict[str, Totals]:
    """Of every user who mentions or is mentioned."""
    found = defaultdict[str, list[float]](lambda: [0, 0, 0, 0, 0])
    for each in mentions:
        if each.source == each.target:
            found[each.source][2] += 1
            continue
        weight = 2.0 ** -((at - each.weighed).total_seconds() / in_seconds(half_life))
        found[each.source][0] += 1
        found[each.source][3] += weight
        found[each.target][1] += 1
        found[each.target][4] += weight
    return {
        user: Totals(int(made), int(received), int(own), *weights)
        for user, (made, received, own, *weights) in found.items()
    }


def edge_days(mentions: Iterable[Mention], first: date) -> dict[EdgeDay, int]:
    """Mentions by edge and day, from a day on."""
    return Counter((each.source, each.target, each.day) for each in mentions if each.in_time and each.day >= first)


def user_days(mentions: Iterable[Mention], first: date) -> dict[tuple[str, int, date], int]:
    """Mentions by user, side (made or received) and day, from a day on."""
    found = Counter[tuple[str, int, date]]()
    for (source, target, day), number in edge_days(mentions, first).items():
        if source != target:
            found[source, days.MADE, day] += number
            found[target, days.RECEIVED, day] += number
    return found


def held_totals(conn: psycopg.Connection[Any], at: datetime) -> dict[str, Totals]:
    half_life = in_seconds(read_parameters(conn).half_life)
    rows = conn.execute(
        """
        SELECT handle, mentions_made, mentions_received, self_mentions,
               effective_weight(weight_made, weighed_at, %(at)s, %(half_life)s),
               effective_weight(weight_received, weighed_at, %(at)s, %(half_life)s)
        FROM user_totals JOIN users ON id = user_id
        """,
        {"at": at, "half_life": half_life},
    ).fetchall()
    return {handle: Totals(*values) for handle, *values in rows}


def held_top(conn: psycopg.Connection[Any], direction: str) -> list[str]:
    rows = conn.execute(
        "SELECT handle FROM top_users JOIN users ON id = user_id WHERE direction = %s ORDER BY score DESC, user_id",
        [direction],
    ).fetchall()
    return [handle for (handle,) in rows]


def _entries(conn: psycopg.Connection[Any], first: date, parts: Iterable[int]) -> Counter[tuple[int, int, date]]:
    found = Counter[tuple[int, int, date]]()
    for part in parts:
        for block in days.since(conn, part, first):
            for source, target, day, number in block.iter_rows():
                found[source, target, day] += number
    return found


def held_edge_days(conn: psycopg.Connection[Any], first: date) -> dict[EdgeDay, int]:
    shards = read_parameters(conn).shards
    handles = dict(conn.execute("SELECT id, handle FROM users").fetchall())
    entries = _entries(conn, first, range(shards))
    return {(handles[source], handles[target], day): n for (source, target, day), n in entries.items() if n}


def held_user_days(conn: psycopg.Connection[Any], first: date) -> dict[tuple[str, int, date], int]:
    shards = read_parameters(conn).shards
    handles = dict(conn.execute("SELECT id, handle FROM users").fetchall())
    entries = _entries(conn, first, map(days.part_of_users, range(shards)))
    return {(handles[user], side, day): n for (user, side, day), n in entries.items() if n}


def assert_same_totals(found: dict[str, Totals], wanted: dict[str, Totals]) -> None:
    assert {user: each[:3] for user, each in found.items()} == {user: each[:3] for user, each in wanted.items()}
    for side in (3, 4):
        assert {user: each[side] for user, each in found.items()} == pytest.approx(
            {user: each[side] for user, each in wanted.items()}, rel=1e-9, abs=1e-12
        )


def empty(conn: psycopg.Connection[Any]) -> None:
    """As if nothing had ever been summarized."""
    conn.execute("TRUNCATE user_totals, top_users, trending_users, day_runs CASCADE")
    conn.execute("UPDATE top_user_floors SET score = '-infinity', user_id = 9223372036854775807")
    conn.execute(
        "UPDATE summaries SET ended_at = NULL, seconds = 0, days_kept = 0, days_from = NULL, days_since = NULL, "
        "trends_ended_at = NULL, trends_seconds = 0, trends_until = NULL, trends_stale_since = NULL"
    )

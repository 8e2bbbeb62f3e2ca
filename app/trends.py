"""Who is trending: mentioned more in the last days than in as many days before.

Worked out from the days of all users, now and then (see app.summaries), and kept as a short list for each period.

growth = (mentions + 10) / (mentions before + 10): the ten are there so that a user who was mentioned once, and now
three times, is not ahead of one who went from a hundred to two hundred. Days are UTC days of the posts; the last one is
the present day, as far as it has come, for everybody.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

import sql
from app import days
from app.arrays import Float8Array, Int8Array
from app.db import Connection, execute

_CLEAR = sql.query("trending_users/clear")
_INSERT = sql.query("trending_users/insert")

PERIODS = (1, 7, 14)
"""Days that may be asked for, where as many before are kept as well."""
LISTED = 1_000
PRIOR = 10


def list_anew(conn: Connection, *, shards: int, today: date, days_from: date | None) -> None:
    """Make the lists for periods that end today. In a transaction; the summaries' lock is held."""
    periods = [period for period in PERIODS if days_from and days.first_day(today, 2 * period) >= days_from]
    found: dict[int, list[pl.DataFrame]] = {period: [] for period in periods}
    for shard in range(shards) if periods else ():
        first = days.first_day(today, 2 * periods[-1])
        entries = days.since(conn, days.part_of_users(shard), first)
        received = entries.filter(pl.col("target_id") == days.RECEIVED, pl.col("day") <= today)
        for period in periods:
            found[period].append(_growing(received, period, today))
    execute(conn, _CLEAR)
    for period, parts in found.items():
        _keep(conn, period, _first(pl.concat(parts)))


def _growing(entries: pl.DataFrame, period: int, today: date) -> pl.DataFrame:
    """The first users of a shard; a user is in one shard."""
    begin = days.first_day(today, period)
    recent = pl.col("day") >= begin
    mentions = pl.col("mentions").cast(pl.Int64)
    totals = (
        entries.filter(pl.col("day") >= begin - timedelta(days=period))
        .group_by(user_id="source_id")
        .agg(mentions=mentions.filter(recent).sum(), mentions_before=mentions.filter(~recent).sum())
        .filter(pl.col("mentions") > pl.col("mentions_before"))
    )
    growth = (pl.col("mentions") + PRIOR) / (pl.col("mentions_before") + PRIOR)
    return _first(totals.with_columns(growth=growth))


def _first(users: pl.DataFrame) -> pl.DataFrame:
    return users.sort("growth", "mentions", "user_id", descending=[True, True, False]).head(LISTED)


def _keep(conn: Connection, period: int, users: pl.DataFrame) -> None:
    execute(
        conn,
        _INSERT,
        {
            "days": period,
            "user_ids": Int8Array(users["user_id"].to_numpy()),
            "mentions": Int8Array(users["mentions"].to_numpy()),
            "mentions_before": Int8Array(users["mentions_before"].to_numpy()),
            "growths": Float8Array(users["growth"].to_numpy()),
        },
    )

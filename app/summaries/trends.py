"""This module lists the trending users: users with more mentions in the last days than in as many days before.

Workers compute the lists now and then from the days of all users (see app.summaries). Each period has a short list.
The mentions of the whole graph by day come from the same days, so workers compute them at the same time.

growth = (mentions + 10) / (mentions before + 10). Without the tens, a rise from one mention to three would count more
than a rise from a hundred to two hundred. Days are UTC days of the posts. For all users the last day is the present
day, which is not complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

import sql
from app.graph import delta_days
from app.store.params import Float8Array, Int8Array
from app.store.postgres import Connection, execute
from app.summaries import days

_CLEAR = sql.query("summaries/trends/clear")
_INSERT = sql.query("summaries/trends/insert")

PERIODS = (1, 7, 14)
"""Periods in days that a request may ask for, if the summaries also keep as many days before."""
LISTED = 1_000
PRIOR = 10


def list_anew(conn: Connection, *, shards: int, today: date, days_from: date | None) -> None:
    """Make new lists for the periods that end today, and new totals of the graph by day.

    The caller has a transaction open and holds the summaries' lock.
    """
    periods = [period for period in PERIODS if days_from and delta_days.first_day(today, 2 * period) >= days_from]
    found: dict[int, list[pl.DataFrame]] = {period: [] for period in periods}
    by_day, first = [pl.DataFrame(schema=days.TOTALS)], days_from or today
    for shard in range(shards) if days_from else ():
        # The days are added up block by block, because the days of all users would take much memory.
        blocks: list[pl.DataFrame] = []
        for entries in days.since(conn, days.part_of_users(shard), first):
            known = entries.filter(pl.col("day") <= today)
            by_day.append(days.totals(known))
            if periods:
                blocks.append(_sums(known, periods, today))
        if blocks:
            sums = pl.concat(blocks).group_by("user_id").sum()
            for period in periods:
                found[period].append(_growing(sums, period))
        by_day = [days.summed_totals(by_day)]
    days.keep_totals(conn, by_day[0])
    execute(conn, _CLEAR)
    for period, parts in found.items():
        if parts:
            _keep(conn, period, _first(pl.concat(parts)))


def _sums(entries: pl.DataFrame, periods: Sequence[int], today: date) -> pl.DataFrame:
    """Returns the mentions that each user received in each period, and in the period before."""
    day, mentions = pl.col("day"), pl.col("mentions").cast(pl.Int64)
    begins = {period: delta_days.first_day(today, period) for period in periods}
    recent = {f"in {period}": day >= begin for period, begin in begins.items()}
    before = {
        f"before {period}": day.is_between(begin - timedelta(days=period), begin, closed="left")
        for period, begin in begins.items()
    }
    first = delta_days.first_day(today, 2 * periods[-1])
    received = entries.filter(pl.col("target_id") == days.RECEIVED, day >= first)
    return received.group_by(user_id="source_id").agg(
        **{name: mentions.filter(which).sum() for name, which in (recent | before).items()}
    )


def _growing(sums: pl.DataFrame, period: int) -> pl.DataFrame:
    """Returns the users of a shard who grew most. Each user is in one shard only."""
    mentions, before = pl.col("mentions"), pl.col("mentions_before")
    totals = sums.select("user_id", mentions=f"in {period}", mentions_before=f"before {period}")
    growing = totals.filter(mentions > before)
    return _first(growing.with_columns(growth=(mentions + PRIOR) / (before + PRIOR)))


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

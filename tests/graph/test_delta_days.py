"""Mentions by day: of which days, from a delta's edges and from its entries of several days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from app.graph import delta_days, half_life
from app.graph.deltas import pack, unpack_rows

DAY = timedelta(days=1)
FIRST, LAST = date(2026, 1, 10), date(2026, 1, 12)
SEVERAL = {"source_id": pl.Int64, "target_id": pl.Int64, "day": pl.Date, "mentions": pl.Int32}


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def test_days_from_the_first_to_the_last_are_of_a_delta() -> None:
    days = [FIRST - DAY, FIRST, LAST, LAST + DAY]
    edges = pl.DataFrame(
        {
            "source_id": [1, 2, 3, 4, 5],
            "target_id": [9, 9, 9, 9, 9],
            "first_seen": [at(day) for day in (*days, FIRST)],
            "last_seen": [at(day) for day in (*days, LAST)],
            "mention_count": [1, 2, 3, 4, 2],
        }
    )
    entries = pl.DataFrame({"source_id": 5, "target_id": 9, "day": days, "mentions": 1}, schema=SEVERAL)

    alone = delta_days.of_delta(edges, b"", first=FIRST, last=LAST)
    assert alone.rows() == [(2, 9, FIRST, 2), (3, 9, LAST, 3)]
    with_several = delta_days.of_delta(edges, pack(entries), first=FIRST, last=LAST)
    assert with_several.rows() == [*alone.rows(), (5, 9, FIRST, 1), (5, 9, LAST, 1)]


def test_entries_are_packed_by_the_shard_of_their_source() -> None:
    ids = np.array([-(2**62), 2**62, 5], np.int64)
    counted = pl.DataFrame({"source": [0, 1], "target": [2, 2], "day": [FIRST, LAST], "mentions": [1, 2]})

    packed = delta_days.by_shard(counted, ids, 2)

    assert {shard: unpack_rows(each).rows() for shard, each in packed.items()} == {
        0: [(-(2**62), 5, FIRST, 1)],
        1: [(2**62, 5, LAST, 2)],
    }
    assert delta_days.by_shard(None, ids, 2) == delta_days.by_shard(counted.clear(), ids, 2) == {}


def test_without_a_half_life_no_time_is_a_part_of_it() -> None:
    assert (half_life.in_seconds(7 * DAY), half_life.in_microseconds(7 * DAY)) == (604_800.0, 604_800_000_000.0)
    assert 1e30 / half_life.in_seconds(None) == 1e30 / half_life.in_microseconds(None) == 0

"""Mentions by UTC day as a delta holds them: of edges mentioned on several days within one batch. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from app.graph.deltas import KEYS, pack, unpack_rows
from app.graph.shards import Ints, shard_of

SCHEMA = pl.Schema({"source_id": pl.Int64, "target_id": pl.Int64, "day": pl.Date, "mentions": pl.Int32})
"""An entry's columns."""


def day_of(instant: datetime) -> date:
    """The UTC day of the instant."""
    return instant.astimezone(UTC).date()


def first_day(today: date, days_kept: int) -> date:
    """The first of `days_kept` days that end with `today`, or the first day that a date can be."""
    return date.fromordinal(max(1, today.toordinal() - days_kept + 1))


def by_shard(counted: pl.DataFrame | None, ids: Ints, shards: int) -> dict[int, bytes]:
    """The packed entries of edges mentioned on several days, by shard. Source and target are rows of `ids`."""
    if counted is None or counted.is_empty():
        return {}
    ends = {key: ids[counted[end].to_numpy()] for key, end in zip(KEYS, ("source", "target"), strict=True)}
    entries = pl.DataFrame(ends).hstack(counted.select("day", "mentions")).sort([*KEYS, "day"])
    numbers = shard_of(entries["source_id"].to_numpy(), shards)
    return {shard: pack(entries.filter(pl.Series(numbers == shard))) for shard in np.unique(numbers).tolist()}


def of_delta(edges: pl.DataFrame, on_several: bytes, *, first: date, last: date) -> pl.DataFrame:
    """The mentions by day, from a delta's edges and from its entries of edges mentioned on several days."""
    seen, until = pl.col("first_seen").dt.date(), pl.col("last_seen").dt.date()
    found = edges.filter(seen == until, seen >= first, seen <= last).select(
        *KEYS, day=seen, mentions=pl.col("mention_count").cast(pl.Int32)
    )
    if not on_several:
        return found
    return pl.concat([found, unpack_rows(on_several).filter(pl.col("day").is_between(first, last))])

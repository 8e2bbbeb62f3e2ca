"""This module keeps mentions by UTC day of the post, for each edge and each user, for the last days.

The days are kept as sorted runs. A run holds entries of a shard's edges or of a shard's users. An entry is a key, a day
and a number. The entries of one key and day add up over all runs. So an entry with a negative number takes mentions
out.

A run is cut into compressed blocks, and a block is found by its first key. Eight runs of a level are merged into one
run of the next level. So there are few runs, and an entry is written only a few times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import msgspec
import numpy as np
import polars as pl

import sql
from app.graph.delta_days import SCHEMA
from app.graph.deltas import KEYS, pack, unpack_rows
from app.graph.groups import Groups
from app.graph.shards import MAX_SHARDS, shard_of
from app.store.params import Int8Array
from app.store.postgres import Connection, execute, one, scalars

_INSERT = sql.query("summaries/days/insert")
_INSERT_BLOCK = sql.query("summaries/days/insert_block")
_FULL_LEVEL = sql.query("summaries/days/full_level")
_BLOCKS = sql.query("summaries/days/blocks")
_DELETE = sql.query("summaries/days/delete")
_EXPIRE = sql.query("summaries/days/expire")
_CLEAR = sql.query("summaries/days/clear")
_CLEAR_TOTALS = sql.query("summaries/days/clear_totals")
_INSERT_TOTALS = sql.query("summaries/days/insert_totals")
_SINCE = sql.query("summaries/days/since")

BLOCK_ENTRIES = 2048
"""Entries of a block, about 20 kB. Reading a block takes about 60 µs."""

FAN_IN = 8

MOST_ENTRIES = 8_000_000
"""The most entries that are merged at once. An entry takes about 28 bytes.

Bigger runs are not merged, so that reading looks into more runs.
"""

MADE, RECEIVED = 0, 1
"""The target ids of a user's entries."""

TOTALS = pl.Schema({"day": pl.Date, "mentions": pl.Int64})
"""Mentions of the whole graph by day."""

_ENTRY = [*KEYS, "day"]

_DAYS_BEFORE_1970 = 1 - date.min.toordinal() + date(1970, 1, 1).toordinal()


class _Full(msgspec.Struct, frozen=True):
    part: int
    level: int
    runs: list[int]


def part_of_users(shard: int) -> int:
    """Returns the part that holds the users with ids of this shard."""
    return MAX_SHARDS + shard


def of_users(entries: pl.DataFrame) -> pl.DataFrame:
    """Returns the entries of users that the entries of edges add up to, without self-mentions."""
    others = entries.filter(pl.col("source_id") != pl.col("target_id"))
    user_ids, users = np.unique(np.concatenate([others[key].to_numpy() for key in KEYS]), return_inverse=True)
    made_on, made = (others[name].to_physical().to_numpy() for name in ("day", "mentions"))
    sides = np.repeat([MADE, RECEIVED], len(others))
    # User, side and day fit one number, which stays far below 2^63.
    groups = Groups.of((users * 2 + sides) << 24 | np.concatenate([made_on, made_on]) + _DAYS_BEFORE_1970)
    keys = {"source_id": user_ids[groups.first(users)], "target_id": groups.first(sides)}
    found = {**keys, "day": groups.first(np.concatenate([made_on, made_on]))}
    return pl.DataFrame({**found, "mentions": groups.sum(np.concatenate([made, made]))}).cast(SCHEMA)


def together(entries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Returns all entries, in the order of keys and days."""
    return pl.concat([pl.DataFrame(schema=SCHEMA), *entries]).sort(_ENTRY)


def summed(entries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Returns the sums of the entries by key and day, sorted, without sums of zero."""
    ordered = together(entries)
    columns = [ordered[name].to_physical().to_numpy() for name in _ENTRY]
    differs = np.zeros(max(0, len(ordered) - 1), np.bool_)
    for column in columns:
        differs |= column[1:] != column[:-1]
    begins = np.flatnonzero(np.r_[len(ordered) > 0, differs][: len(ordered)])
    mentions = ordered["mentions"].to_numpy()
    sums = np.add.reduceat(mentions, begins) if len(begins) else mentions
    return ordered[begins].with_columns(mentions=pl.Series(sums, dtype=pl.Int32)).filter(pl.col("mentions") != 0)


def add_edges(conn: Connection, shard: int, entries: Sequence[pl.DataFrame]) -> None:
    """Add entries of a shard's edges. The caller holds the summaries' lock."""
    _write(conn, shard, together(entries), level=0)  # an edge twice in a run is rare and harmless


def add_users(conn: Connection, entries: Sequence[pl.DataFrame], shards: int) -> None:
    """Add entries of users. The caller holds the summaries' lock."""
    by_day = summed(entries)
    numbers = shard_of(by_day["source_id"].to_numpy(), shards)
    for shard in np.unique(numbers).tolist():
        _write(conn, part_of_users(shard), by_day.filter(pl.Series(numbers == shard)), level=0)


def _write(conn: Connection, part: int, entries: pl.DataFrame, *, level: int) -> None:
    """Write a new run of sorted entries, if there are entries."""
    if entries.is_empty():
        return
    last_day = entries["day"].max()
    [run] = scalars(conn, _INSERT, {"part": part, "level": level, "entries": len(entries), "last_day": last_day})
    with conn.cursor() as cursor:
        cursor.executemany(
            _INSERT_BLOCK,
            (
                {
                    "part": part,
                    "run": run,
                    "source_id": block["source_id"][0],
                    "target_id": block["target_id"][0],
                    "payload": pack(block),
                }
                for block in _blocks(entries)
            ),
        )


def _blocks(entries: pl.DataFrame) -> Iterable[pl.DataFrame]:
    """Returns slices of at least `BLOCK_ENTRIES` entries. Only the last slice may be shorter.

    All entries of a key are in one slice.
    """
    sources, targets = entries["source_id"].to_numpy(), entries["target_id"].to_numpy()
    begins = np.flatnonzero(np.r_[True, (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1])])
    starts = np.unique(np.r_[begins[np.searchsorted(begins, np.arange(0, begins[-1] + 1, BLOCK_ENTRIES))]])
    ends = np.r_[starts[1:], len(entries)]
    return (entries.slice(start, end - start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True))


def merge_runs(conn: Connection, *, first: date) -> bool:
    """Merge the runs of a full level into one run, without days before `first`. Returns False if no level is full.

    The caller has a transaction open and holds the summaries' lock.
    """
    full = one(conn, _Full, _FULL_LEVEL, {"fan_in": FAN_IN, "most_entries": MOST_ENTRIES})
    if full is None:
        return False
    runs = {"part": full.part, "runs": full.runs}
    entries = summed(unpack_rows(payload).filter(pl.col("day") >= first) for payload in scalars(conn, _BLOCKS, runs))
    execute(conn, _DELETE, runs)
    _write(conn, full.part, entries, level=full.level + 1)
    return True


def expire(conn: Connection, *, first: date) -> int:
    """Delete the runs that are older than `first`. Returns the number of deleted runs.

    The caller holds the summaries' lock.
    """
    return execute(conn, _EXPIRE, {"first_day": first})


def clear(conn: Connection) -> None:
    """Delete every day. The caller holds the summaries' lock."""
    execute(conn, _CLEAR)


def since(conn: Connection, part: int, first: date) -> Iterator[pl.DataFrame]:
    """Yields the entries of a part from the day `first` on, block by block, as the runs of the part hold the blocks.

    The caller adds up the entries of the same key and day.
    """
    for run in scalars(conn, _SINCE, {"part": part, "first_day": first}):
        for payload in scalars(conn, _BLOCKS, {"part": part, "runs": [run]}):
            yield unpack_rows(payload).filter(pl.col("day") >= first)


def totals(entries: pl.DataFrame) -> pl.DataFrame:
    """Returns the mentions by day that entries of users add up to. A mention counts where it was made."""
    made = entries.filter(pl.col("target_id") == MADE).select(pl.col("day"), pl.col("mentions").cast(pl.Int64))
    return summed_totals([made])


def summed_totals(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Returns the sums of the parts by day."""
    return pl.concat(parts).group_by("day").sum().cast(TOTALS)


def keep_totals(conn: Connection, found: pl.DataFrame) -> None:
    """Replace the mentions of the whole graph by day.

    The caller has a transaction open and holds the summaries' lock.
    """
    execute(conn, _CLEAR_TOTALS)
    execute(conn, _INSERT_TOTALS, {"days": found["day"].to_list(), "mentions": Int8Array(found["mentions"].to_numpy())})

"""Mentions by UTC day of the post: of each edge, and of each user, for the last days.

Kept as sorted runs, of a shard's edges or of its users: an entry is a key, a day and a number, and those of a key and
day add up over all runs, so what is taken out again is an entry with a negative number. A run is cut into compressed
blocks that are found by their first key. Eight runs of a level are merged into one of the next, so there are few, and
an entry is written a few times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import msgspec
import numpy as np
import polars as pl

import sql
from app.graph.delta_days import SCHEMA
from app.graph.deltas import KEYS, pack, unpack
from app.graph.groups import Groups
from app.graph.shards import MAX_SHARDS, shard_of
from app.store.postgres import Connection, execute, one, scalars

_INSERT = sql.query("summaries/days/insert")
_INSERT_BLOCK = sql.query("summaries/days/insert_block")
_FULL_LEVEL = sql.query("summaries/days/full_level")
_BLOCKS = sql.query("summaries/days/blocks")
_DELETE = sql.query("summaries/days/delete")
_EXPIRE = sql.query("summaries/days/expire")
_CLEAR = sql.query("summaries/days/clear")
_SINCE = sql.query("summaries/days/since")

BLOCK_ENTRIES = 2048
"""Entries of a block, about 20 kB; one is read in some 60 µs."""

FAN_IN = 8

MOST_ENTRIES = 8_000_000
"""Entries that are merged at once, about 28 bytes each; bigger runs stay as they are, and reading looks into more."""

MADE, RECEIVED = 0, 1
"""The target ids of a user's entries."""

_ENTRY = [*KEYS, "day"]

_DAYS_BEFORE_1970 = 1 - date.min.toordinal() + date(1970, 1, 1).toordinal()


class _Full(msgspec.Struct, frozen=True):
    part: int
    level: int
    runs: list[int]


def part_of_users(shard: int) -> int:
    """Where the users are that have this shard's ids."""
    return MAX_SHARDS + shard


def of_users(entries: pl.DataFrame) -> pl.DataFrame:
    """What entries of edges add up to by user; mentions of oneself are left out."""
    others = entries.filter(pl.col("source_id") != pl.col("target_id"))
    user_ids, users = np.unique(np.concatenate([others[key].to_numpy() for key in KEYS]), return_inverse=True)
    made_on, made = (others[name].to_physical().to_numpy() for name in ("day", "mentions"))
    sides = np.repeat([MADE, RECEIVED], len(others))
    # User, side and day as one number: far fewer than 2^63.
    groups = Groups.of((users * 2 + sides) << 24 | np.concatenate([made_on, made_on]) + _DAYS_BEFORE_1970)
    keys = {"source_id": user_ids[groups.first(users)], "target_id": groups.first(sides)}
    found = {**keys, "day": groups.first(np.concatenate([made_on, made_on]))}
    return pl.DataFrame({**found, "mentions": groups.sum(np.concatenate([made, made]))}).cast(SCHEMA)


def together(entries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Entries in the order of keys and days."""
    return pl.concat([pl.DataFrame(schema=SCHEMA), *entries]).sort(_ENTRY)


def summed(entries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Entries by key and day, sorted; none that comes to nothing."""
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
    """Add entries of a shard's edges. The summaries' lock is held."""
    _write(conn, shard, together(entries), level=0)  # the same edge twice is rare, and does no harm


def add_users(conn: Connection, entries: Sequence[pl.DataFrame], shards: int) -> None:
    """Add entries of users. The summaries' lock is held."""
    by_day = summed(entries)
    numbers = shard_of(by_day["source_id"].to_numpy(), shards)
    for shard in np.unique(numbers).tolist():
        _write(conn, part_of_users(shard), by_day.filter(pl.Series(numbers == shard)), level=0)


def _write(conn: Connection, part: int, entries: pl.DataFrame, *, level: int) -> None:
    """A new run of sorted entries, if there are any."""
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
    """Slices of at least so many entries, but the last; a key is in one."""
    sources, targets = entries["source_id"].to_numpy(), entries["target_id"].to_numpy()
    begins = np.flatnonzero(np.r_[True, (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1])])
    starts = np.unique(np.r_[begins[np.searchsorted(begins, np.arange(0, begins[-1] + 1, BLOCK_ENTRIES))]])
    ends = np.r_[starts[1:], len(entries)]
    return (entries.slice(start, end - start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True))


def merge_runs(conn: Connection, *, first: date) -> bool:
    """Make one run of those of a full level, without days before `first`. False: there is none. In a transaction; the
    summaries' lock is held."""
    full = one(conn, _Full, _FULL_LEVEL, {"fan_in": FAN_IN, "most_entries": MOST_ENTRIES})
    if full is None:
        return False
    runs = {"part": full.part, "runs": full.runs}
    entries = summed(unpack(payload).filter(pl.col("day") >= first) for payload in scalars(conn, _BLOCKS, runs))
    execute(conn, _DELETE, runs)
    _write(conn, full.part, entries, level=full.level + 1)
    return True


def expire(conn: Connection, *, first: date) -> int:
    """Forget runs that are older than `first`; how many. The summaries' lock is held."""
    return execute(conn, _EXPIRE, {"first_day": first})


def clear(conn: Connection) -> None:
    """Forget every day. The summaries' lock is held."""
    execute(conn, _CLEAR)


def since(conn: Connection, part: int, first: date) -> Iterator[pl.DataFrame]:
    """The entries of a part from a day on, block by block as they are in its runs: those of a key and day are still to
    be added up."""
    for run in scalars(conn, _SINCE, {"part": part, "first_day": first}):
        for payload in scalars(conn, _BLOCKS, {"part": part, "runs": [run]}):
            yield unpack(payload).filter(pl.col("day") >= first)

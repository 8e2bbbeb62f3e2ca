"""Merge a shard: its pending deltas become edges, in the transaction that says so in the ledger.

Two merges never touch the same edge: each works under its shard's advisory lock. A backlog makes merges bigger, and
cheaper per edge.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import cast

import msgspec
import polars as pl
import structlog

import sql
from app.errors import MergeFailed
from app.graph import decay_ranges, versions
from app.graph.deltas import DELTA_SCHEMA, KEYS, sum_by_edge, unpack
from app.graph.edges import add_edges, key_arrays, subtract_edges
from app.graph.parameters import GraphParameters
from app.graph.shards import shard_range
from app.ledger import passes, transitions
from app.metrics.laps import Laps
from app.store import locks
from app.store.locks import Part
from app.store.postgres import Connection, execute, rows, scalars

log = structlog.get_logger(__name__)

_TAKE = sql.query("graph/merging/take")
_SET_MERGED = sql.query("graph/merging/set_merged")
_SET_ASIDE = sql.query("graph/merging/set_aside")
_NOTE_ERROR = sql.query("graph/merging/note_error")
_PENDING = sql.query("graph/merging/pending")
_ARCHIVE_HOLDS = sql.query("graph/merging/archived")
_TAKE_BACK = sql.query("graph/merging/take_back")


class _DeltaRow(msgspec.Struct):
    batch_id: int
    part: int
    sign: int
    payload: bytes


class _EdgeRow(msgspec.Struct):
    source_id: int
    target_id: int
    mention_count: int
    weight: float
    weighed_at: datetime
    first_seen: datetime
    last_seen: datetime


def merge_shard(
    conn: Connection, shard: int, parameters: GraphParameters, *, most_edges: int, now: datetime
) -> int | None:
    """Merge a shard's pending deltas, up to `most_edges` together but at least one. Returns the number of deltas, or
    None if the shard is already being merged.

    The merging worker asks `has_pending` after it released its lock, and merges again while the answer is yes. So a
    delta that was committed during a merge is never left behind.
    """
    began = time.monotonic()
    with conn.transaction():
        if not locks.try_take_part(conn, Part.MERGE, shard):
            return None
        locks.take_shard(conn, shard)
        taken = rows(conn, _DeltaRow, _TAKE, {"shard": shard, "most_edges": most_edges})
        if not taken:
            return 0
        laps = Laps("merge")
        half_life = parameters.half_life
        added = sum_by_edge([unpack(delta.payload) for delta in taken if delta.sign > 0], half_life=half_life)
        removed = sum_by_edge([unpack(delta.payload) for delta in taken if delta.sign < 0], half_life=half_life)
        laps.end("read")
        keys = pl.concat([added.select(KEYS), removed.select(KEYS)])
        merged, unarchived = _with_archived(conn, shard, added, keys, parameters)
        updated = add_edges(conn, shard, merged, half_life)
        subtract_edges(conn, shard, removed, parameters)
        laps.end("edges")
        _note_old(conn, merged, removed, now=now)
        versions.advance(conn, [shard], last_mention=cast("datetime | None", added["weighed_at"].max()))
        batch_ids = [delta.batch_id for delta in taken]
        parts = [delta.part for delta in taken]
        wrote = {"new": len(merged) - updated - unarchived, "updated": updated, "unarchived": unarchived}
        execute(
            conn,
            _SET_MERGED,
            {"shard": shard, "batch_ids": batch_ids, "parts": parts, "now": now, "removed": len(removed), **wrote},
        )
        seconds = time.monotonic() - began
        passes.note(conn, passes.Kind.MERGE, batch_ids, began_at=now, seconds=seconds, shard=shard)
        finished = transitions.finish_batches(conn, batch_ids, now=now)
    laps.end("finish")
    log.info(
        "merged",
        shard=shard,
        deltas=len(taken),
        edges=len(merged),
        edges_removed=len(removed),
        seconds=round(time.monotonic() - began, 3),
    )
    transitions.log_finished(finished)
    return len(taken)


def _note_old(conn: Connection, merged: pl.DataFrame, removed: pl.DataFrame, *, now: datetime) -> None:
    """Note for decay the edges that came in long after their instant, and those that a retraction may have moved."""
    old = pl.concat([merged.filter(pl.col("weighed_at") < now - decay_ranges.LATE).select(KEYS), removed.select(KEYS)])
    if not old.is_empty():
        decay_ranges.note(conn, **key_arrays(old), now=now)


def set_aside(conn: Connection, shard: int, error: Exception) -> int | None:
    """Hold the shard's next delta, which cannot be merged, and write the reason to its batch. Returns the batch's id,
    or None if the shard is already being merged.

    The delta's upload can then be cancelled or retracted, and sent again. The other uploads go on.
    """
    with conn.transaction():
        if not locks.try_take_part(conn, Part.MERGE, shard):
            return None
        locks.take_shard(conn, shard)
        taken = rows(conn, _DeltaRow, _TAKE, {"shard": shard, "most_edges": 1})
        if not taken:
            return None
        batch_id = taken[0].batch_id
        failed = MergeFailed(
            f"shard {shard}: {type(error).__name__}: {error}. Cancel or retract the upload, and send it again."
        )
        execute(conn, _SET_ASIDE, {"shard": shard, "batch_id": batch_id, "part": taken[0].part})
        execute(conn, _NOTE_ERROR, {"batch_id": batch_id, "error": msgspec.json.encode(failed.problem()).decode()})
    return batch_id


def has_pending(conn: Connection, shard: int) -> bool:
    """Whether the shard has deltas to merge."""
    return scalars(conn, _PENDING, {"shard": shard}) == [True]


def with_archived(
    conn: Connection, shard: int, edges: pl.DataFrame, keys: pl.DataFrame, parameters: GraphParameters
) -> pl.DataFrame:
    """The edges, and with them the archived edges of these keys, which leave the archive."""
    return _with_archived(conn, shard, edges, keys, parameters)[0]


def _with_archived(
    conn: Connection, shard: int, edges: pl.DataFrame, keys: pl.DataFrame, parameters: GraphParameters
) -> tuple[pl.DataFrame, int]:
    """See `with_archived`; and the number of archived edges."""
    lowest, highest = shard_range(shard, parameters.shards)
    if scalars(conn, _ARCHIVE_HOLDS, {"lowest_id": lowest, "highest_id": highest}) != [True]:
        return edges, 0
    archived = rows(conn, _EdgeRow, _TAKE_BACK, key_arrays(keys))
    if not archived:
        return edges, 0
    back = pl.DataFrame([msgspec.structs.asdict(row) for row in archived], schema=DELTA_SCHEMA)
    return sum_by_edge([edges, back], half_life=parameters.half_life), len(archived)

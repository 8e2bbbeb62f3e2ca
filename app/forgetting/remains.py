"""What is left of a person after all deltas: edges whose deltas were purged, mentions by day, and who is trending."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import polars as pl

import sql
from app.graph import top_edges, versions
from app.graph.delta_days import SCHEMA
from app.graph.deltas import DELTA_SCHEMA, KEYS, pack, unpack_rows
from app.graph.parameters import GraphParameters
from app.graph.shards import shard_range
from app.store import locks
from app.store.postgres import Connection, execute, rows, scalars
from app.summaries import days, user_totals

_TAKE_EDGES = sql.query("forgetting/remains/take_edges")
_TAKE_ARCHIVED = sql.query("forgetting/remains/take_archived")
_RUNS = sql.query("forgetting/remains/runs")
_BLOCKS = sql.query("forgetting/remains/blocks")
_SET_BLOCK = sql.query("forgetting/remains/set_block")
_DROP_BLOCK = sql.query("forgetting/remains/drop_block")
_SHRINK_RUN = sql.query("forgetting/remains/shrink_run")
_DROP_RUN = sql.query("forgetting/remains/drop_run")
_DROP_TRENDING = sql.query("forgetting/remains/drop_trending")


class _Edge(msgspec.Struct, frozen=True):
    source_id: int
    target_id: int
    mention_count: int
    weight: float
    weighed_at: datetime
    first_seen: datetime
    last_seen: datetime


class _Block(msgspec.Struct, frozen=True):
    source_id: int
    target_id: int
    payload: bytes


def take_edges(conn: Connection, shard: int, ids: Sequence[int], parameters: GraphParameters, *, now: datetime) -> int:
    """Delete a shard's edges from and to users, in the caller's transaction. Returns the number of their mentions.

    Deltas with these users hold nothing any more, so the mentions were counted by batches whose deltas were purged.
    """
    locks.take_shard(conn, shard)
    locks.take(conn, locks.SUMMARIES)
    lowest, highest = shard_range(shard, parameters.shards)
    theirs = {"lowest_id": lowest, "highest_id": highest, "ids": list(ids)}
    held = rows(conn, _Edge, _TAKE_EDGES, theirs)
    taken = [*held, *rows(conn, _Edge, _TAKE_ARCHIVED, theirs)]
    if not taken:
        return 0
    if held:
        frame = _frame(held)
        top_edges.lower(conn, shard, frame["source_id"].to_numpy(), frame["target_id"].to_numpy(), parameters)
    nothing, half_life = pl.DataFrame(schema=user_totals.SCHEMA), parameters.half_life
    user_totals.apply(conn, nothing, user_totals.by_user([_frame(taken)], half_life), half_life, now=now)
    versions.advance(conn, [shard, versions.SUMMARIES])
    return sum(edge.mention_count for edge in taken)


def _frame(edges: Sequence[_Edge]) -> pl.DataFrame:
    return pl.DataFrame([msgspec.structs.asdict(edge) for edge in edges], schema=DELTA_SCHEMA)


def take_days(conn: Connection, shard: int, ids: Sequence[int], parameters: GraphParameters) -> bool:
    """Take users out of the days of a shard's edges and users, and out of the days of the users they have edges with.
    In the caller's transaction. Returns whether anything changed."""
    locks.take(conn, locks.SUMMARIES)
    of_edges = _filter_part(conn, shard, ids, KEYS)
    of_users = _filter_part(conn, days.part_of_users(shard), ids, KEYS[:1])
    if not len(of_edges) and not len(of_users):
        return False
    others = days.of_users(of_edges) if len(of_edges) else pl.DataFrame(schema=SCHEMA)
    others = others.filter(~pl.col("source_id").is_in(list(ids)))
    if len(others):
        minus = others.with_columns(-pl.col("mentions"))
        days.add_users(conn, [minus], parameters.shards)
    versions.advance(conn, [versions.SUMMARIES])
    return True


def drop_trending(conn: Connection, ids: Sequence[int]) -> None:
    """Take users out of what is trending, in the caller's transaction."""
    locks.take(conn, locks.SUMMARIES)
    execute(conn, _DROP_TRENDING, {"ids": list(ids)})
    versions.advance(conn, [versions.SUMMARIES])


def _filter_part(conn: Connection, part: int, ids: Sequence[int], keys: Sequence[str]) -> pl.DataFrame:
    """Rewrite the blocks of a part without entries that have a user at one of these ends. Returns these entries."""
    taken = [pl.DataFrame(schema=SCHEMA)]
    for run in scalars(conn, _RUNS, {"part": part}):
        blocks = rows(conn, _Block, _BLOCKS, {"part": part, "run": run})
        gone, left = 0, 0
        for block in blocks:
            entries = unpack_rows(block.payload)
            hits = entries.select(pl.any_horizontal(pl.col(key).is_in(list(ids)) for key in keys)).to_series()
            stays = entries.filter(~hits)
            left += len(stays)
            if hits.any():
                gone += len(entries) - len(stays)
                taken.append(entries.filter(hits))
                _replace(conn, part, run, block, stays)
        if gone and left:
            execute(conn, _SHRINK_RUN, {"part": part, "run": run, "gone": gone})
        elif gone:
            execute(conn, _DROP_RUN, {"part": part, "run": run})
    return pl.concat(taken)


def _replace(conn: Connection, part: int, run: int, block: _Block, stays: pl.DataFrame) -> None:
    place = {"part": part, "run": run, "source_id": block.source_id, "target_id": block.target_id}
    if stays.is_empty():
        execute(conn, _DROP_BLOCK, place)
        return
    first = {"first_source": stays["source_id"][0], "first_target": stays["target_id"][0]}
    execute(conn, _SET_BLOCK, {**place, **first, "payload": pack(stays)})

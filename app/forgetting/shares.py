"""Deltas without a person, and with each of them the graph, the totals and the numbers of its batch, in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

import sql
from app.graph import merging, versions
from app.graph.deltas import DELTA_SCHEMA, KEYS, pack, sum_by_edge, unpack_rows
from app.graph.edges import add_edges, subtract_edges
from app.graph.parameters import GraphParameters
from app.ledger import transitions
from app.store import locks
from app.store.postgres import Connection, execute, rows
from app.summaries import user_totals

_PAGE = sql.query("forgetting/shares/page")
_LOCK = sql.query("forgetting/shares/lock")
_SET = sql.query("forgetting/shares/set")
_DROP = sql.query("forgetting/shares/drop")
_SUBTRACT = sql.query("forgetting/shares/subtract")

AT_ONCE = 16
"""Deltas that are read at once, some MB each at most."""


class _Page(msgspec.Struct, frozen=True):
    batch_id: int
    part: int
    payload: bytes


class Share(msgspec.Struct, frozen=True):
    """A delta that holds a person."""

    batch_id: int
    part: int


class _Delta(msgspec.Struct, frozen=True):
    batch_id: int
    part: int
    payload: bytes
    days: bytes | None
    mentions: int
    held: bool
    merged: bool
    sign: int
    summarized: bool

    @property
    def in_graph(self) -> bool:
        """Whether its mentions are in the graph: merged, or not yet taken out again."""
        return self.merged == (self.sign == 1)


class Taken(msgspec.Struct):
    """What was taken out of deltas."""

    deltas: int = 0
    mentions: int = 0


def holding(conn: Connection, shard: int, ids: Sequence[int]) -> Iterator[list[Share]]:
    """The deltas of a shard that hold edges from or to these users, a few at a time. Reads every delta."""
    after = {"after_batch": 0, "after_part": 0}
    while page := rows(conn, _Page, _PAGE, {"shard": shard, **after, "limit": AT_ONCE}):
        after = {"after_batch": page[-1].batch_id, "after_part": page[-1].part}
        found = [Share(each.batch_id, each.part) for each in page if _of(unpack_rows(each.payload), ids).any()]
        yield found


def _of(edges: pl.DataFrame, ids: Sequence[int]) -> pl.Series:
    """Which edges come from or lead to these users."""
    return edges.select(pl.any_horizontal(pl.col(key).is_in(list(ids)) for key in KEYS)).to_series()


def take_out(
    conn: Connection, shard: int, found: Sequence[Share], ids: Sequence[int], parameters: GraphParameters,
    *, now: datetime,
) -> Taken:  # fmt: skip
    """Take users out of some deltas, in the caller's transaction: out of the graph, too, where the deltas are in it."""
    locks.take_shard(conn, shard)
    locks.take(conn, locks.SUMMARIES)
    batch_ids = sorted({each.batch_id for each in found})
    transitions.lock_batches(conn, batch_ids)
    keys = {"batch_ids": [each.batch_id for each in found], "parts": [each.part for each in found]}
    deltas = rows(conn, _Delta, _LOCK, {"shard": shard, **keys})
    gone = [_rewrite(conn, shard, delta, ids) for delta in deltas]
    pairs = list(zip(deltas, gone, strict=True))
    _out_of_graph(conn, shard, [edges for delta, edges in pairs if delta.in_graph], parameters)
    half_life = parameters.half_life
    if summed := [edges for delta, edges in pairs if delta.summarized and len(edges)]:
        nothing = pl.DataFrame(schema=user_totals.SCHEMA)
        user_totals.apply(conn, nothing, user_totals.by_user(summed, half_life), half_life, now=now)
    counts = [int(edges["mention_count"].sum()) for edges in gone]
    subtracted: dict[str, Any] = {
        "batch_ids": [delta.batch_id for delta in deltas],
        "mentions": counts,
        "edges": [len(edges) for edges in gone],
    }
    execute(conn, _SUBTRACT, subtracted)
    versions.advance(conn, [shard, versions.SUMMARIES])
    # A batch whose last pending delta is gone has nothing to wait for. Held deltas wait for a decision on their upload.
    transitions.finish_batches(conn, sorted({each.batch_id for each in deltas if not each.held}), now=now)
    return Taken(sum(1 for edges in gone if len(edges)), sum(counts))


def _rewrite(conn: Connection, shard: int, delta: _Delta, ids: Sequence[int]) -> pl.DataFrame:
    """Rewrite a delta without these users. Returns the edges that went, with a delta's columns."""
    edges = unpack_rows(delta.payload)
    gone = _of(edges, ids)
    place = {"shard": shard, "batch_id": delta.batch_id, "part": delta.part}
    left = edges.filter(~gone)
    if left.is_empty():
        execute(conn, _DROP, place)
    elif gone.any():
        days = delta.days
        if days:
            entries = unpack_rows(days)
            stays = entries.filter(~_of(entries, ids))
            days = pack(stays) if len(stays) else b""
        columns = {"payload": pack(left), "days": days, "edges": len(left)}
        execute(conn, _SET, {**place, **columns, "mentions": int(left["mention_count"].sum())})
    return edges.filter(gone).select(DELTA_SCHEMA.names())


def _out_of_graph(conn: Connection, shard: int, gone: list[pl.DataFrame], parameters: GraphParameters) -> None:
    edges = sum_by_edge(gone, half_life=parameters.half_life)
    if edges.is_empty():
        return
    nothing = pl.DataFrame(schema=DELTA_SCHEMA)
    archived = merging.with_archived(conn, shard, nothing, edges.select(KEYS), parameters)
    add_edges(conn, shard, archived, parameters.half_life)
    subtract_edges(conn, shard, edges, parameters)

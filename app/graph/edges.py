"""Writing the graph's edges. The caller holds the shard's lock, so no other transaction writes its rows.

What the graph holds is updated, what is new is copied in: that costs PostgreSQL a fifth less than INSERT … ON CONFLICT,
which locks each row before it updates it, looks for each new one twice, and writes a record for that to the WAL. No
other transaction can add a row between the two steps; if one did, the primary key would refuse the second.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl

import sql
from app.graph import top_edges
from app.graph.deltas import KEYS
from app.graph.groups import Numbers
from app.graph.half_life import HalfLife, in_seconds
from app.graph.parameters import GraphParameters
from app.store.params import Float8Array, Int8Array, TimestamptzArray, copy_rows
from app.store.postgres import Connection, exactly_one, execute

_NESTED_LOOPS = sql.query("graph/edges/nested_loops")
_MERGE = sql.query("graph/edges/merge")
_SUBTRACT = sql.query("graph/edges/subtract")
_DELETE_EMPTY = sql.query("graph/edges/delete_empty")
_COPY = sql.query("graph/edges/copy")

INSTANTS = ("weighed_at", "first_seen", "last_seen")
COLUMNS = (*KEYS, "mention_count", "weight", *INSTANTS)

COPY_BLOCK_BYTES = 1 << 20


class _Merged(msgspec.Struct):
    """Positions of the edges that the graph held. For the heaviest: their weights, and the instants of these weights in
    microseconds since 1970."""

    merged: list[int]
    heavy: list[int]
    weights: list[float]
    weighed_at: list[int]


def add_edges(conn: Connection, shard: int, edges: pl.DataFrame, half_life: HalfLife) -> int:
    """Add a shard's edges (a delta's columns, unique by key) to the graph, and keep its heaviest. Returns the number of
    edges that the graph held already."""
    if edges.is_empty():
        return 0
    columns = _columns(edges)
    floor = top_edges.floor(conn, shard)
    latest = datetime.fromtimestamp(int(columns["weighed_at"].max()) / 1e6, UTC)
    execute(conn, _NESTED_LOOPS)
    found = exactly_one(
        conn,
        _Merged,
        _MERGE,
        {**_merge_arrays(columns, half_life), "light": floor.light(latest, half_life) * (1 - 1e-9), "latest": latest},
    )
    scores = top_edges.score(columns["weight"], columns["weighed_at"], half_life)
    new = np.ones(len(edges), np.bool_)
    new[found.merged] = False
    scores[found.merged] = -np.inf
    scores[found.heavy] = top_edges.score(np.array(found.weights), np.array(found.weighed_at), half_life)
    _copy(conn, {name: values[new] for name, values in columns.items()})
    top_edges.hold(conn, shard, floor, columns["source_id"], columns["target_id"], scores)
    return len(found.merged)


def _copy(conn: Connection, columns: dict[str, Numbers]) -> None:
    by_target = np.argsort(columns["target_id"])
    if not len(by_target):
        return
    data = memoryview(copy_rows([columns[name][by_target] for name in COLUMNS], instants=slice(4, 7)))
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        for start in range(0, len(data), COPY_BLOCK_BYTES):
            copy.write(data[start : start + COPY_BLOCK_BYTES])


def subtract_edges(conn: Connection, shard: int, edges: pl.DataFrame, parameters: GraphParameters) -> None:
    """Take a shard's edges (a delta's columns, unique by key) out of the graph again. Raises LookupError if the
    graph does not hold all of them."""
    if edges.is_empty():
        return
    params = merge_arrays(edges, parameters.half_life)
    touched = execute(conn, _SUBTRACT, params)
    if touched != len(edges):
        raise LookupError(f"{len(edges) - touched} edges to take counts out of are not in the graph")
    execute(conn, _DELETE_EMPTY, params)
    top_edges.lower(conn, shard, edges["source_id"].to_numpy(), edges["target_id"].to_numpy(), parameters)


def merge_arrays(edges: pl.DataFrame, half_life: HalfLife) -> dict[str, Any]:
    """The parameters of graph/edges/merge and proofs/rebuild/add: a delta's columns, and the half-life."""
    return _merge_arrays(_columns(edges), half_life)


def key_arrays(edges: pl.DataFrame) -> dict[str, Int8Array]:
    return {
        "source_ids": Int8Array(edges["source_id"].to_numpy()),
        "target_ids": Int8Array(edges["target_id"].to_numpy()),
    }


def _columns(edges: pl.DataFrame) -> dict[str, Numbers]:
    return {name: edges[name].to_physical().to_numpy() for name in COLUMNS}


def _merge_arrays(columns: dict[str, Numbers], half_life: HalfLife) -> dict[str, Any]:
    return {
        "source_ids": Int8Array(columns["source_id"]),
        "target_ids": Int8Array(columns["target_id"]),
        "mention_counts": Int8Array(columns["mention_count"]),
        "weights": Float8Array(columns["weight"]),
        **{name: TimestamptzArray(columns[name].view("datetime64[us]")) for name in INSTANTS},
        "half_life_seconds": in_seconds(half_life),
    }

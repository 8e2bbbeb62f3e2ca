"""A delta: what one batch adds to the edges of one shard; its columns, its payload, and sums of several. Pure."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import polars as pl

from app.graph.groups import Groups
from app.graph.half_life import HalfLife, in_microseconds
from app.graph.kinds import KINDS
from app.graph.shards import Ints

KEYS = ["source_id", "target_id"]

_INSTANT = pl.Datetime("us", "UTC")

DELTA_SCHEMA = pl.Schema(
    {
        "source_id": pl.Int64,
        "target_id": pl.Int64,
        "mention_count": pl.Int64,
        "weight": pl.Float64,
        "weighed_at": _INSTANT,
        "first_seen": _INSTANT,
        "last_seen": _INSTANT,
    }
)
"""A delta's columns; sorted by the first two."""


def by_id(edges: pl.DataFrame, ids: Ints) -> pl.DataFrame:
    """Edges with source and target as rows of `ids`, by id: sorted by (source_id, target_id), instants as they are."""
    ends = ids[edges["source"].to_numpy()], ids[edges["target"].to_numpy()]
    order = np.lexsort(ends[::-1])
    keys = {name: end[order] for name, end in zip(KEYS, ends, strict=True)}
    rest = edges.select(*DELTA_SCHEMA.names()[2:], *(name for name in KINDS if name in edges.columns))[order]
    return pl.DataFrame(keys).hstack(rest)


def pack(rows: pl.DataFrame) -> bytes:
    """The payload of a delta's edges, or of its days: an Arrow IPC stream, compressed with Zstandard."""
    out = io.BytesIO()
    rows.write_ipc_stream(out, compression="zstd")
    return out.getvalue()


def unpack_rows(payload: bytes) -> pl.DataFrame:
    """The rows of a payload that `pack` made, with all of their columns."""
    return pl.read_ipc_stream(io.BytesIO(payload))


def unpack(payload: bytes) -> pl.DataFrame:
    """The edges of a delta's payload, without the kinds of their mentions."""
    return pl.read_ipc_stream(io.BytesIO(payload), columns=DELTA_SCHEMA.names())


def unpack_kinds(payload: bytes) -> pl.DataFrame:
    """source_id, target_id, and by edge the mentions of each of KINDS: 0 in deltas that have none."""
    edges = unpack_rows(payload)
    missing = [pl.lit(0, pl.UInt32).alias(name) for name in KINDS if name not in edges.columns]
    return edges.with_columns(missing).select(*KEYS, *KINDS)


def sum_by_edge(deltas: Sequence[pl.DataFrame], *, half_life: HalfLife) -> pl.DataFrame:
    """Sum deltas by edge, sorted by (source_id, target_id): counts add up, weights meet at their latest instant."""
    if not deltas:
        return pl.DataFrame(schema=DELTA_SCHEMA)
    if len(deltas) == 1:
        return deltas[0]
    values = {name: column.to_physical().to_numpy() for name, column in pl.concat(deltas).to_dict().items()}
    groups = Groups.of(*(values[key] for key in KEYS))
    latest = groups.max(values["weighed_at"])
    half_lives = (groups.spread(latest) - values["weighed_at"]) / in_microseconds(half_life)
    folded = {
        **{key: groups.first(values[key]) for key in KEYS},
        "mention_count": groups.sum(values["mention_count"]),
        "weight": groups.sum(values["weight"] * np.exp2(-half_lives)),
        "weighed_at": latest,
        "first_seen": groups.min(values["first_seen"]),
        "last_seen": groups.max(values["last_seen"]),
    }
    return pl.DataFrame(folded).cast(DELTA_SCHEMA)

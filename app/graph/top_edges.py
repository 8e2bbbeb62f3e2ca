"""The heaviest edges of each shard, kept by the transactions that change edges, under the shard's lock.

All weights shrink alike, so the order of edges by weight is that of log2(weight) + weighed_at / half-life, their score,
at every instant. Each shard holds all of its edges above a floor, some thousands; mentions of oneself are left out. An
edge's score only ever rises while it is mentioned, so a merge need not look at those that were below.
"""

from __future__ import annotations

import math
from datetime import datetime

import msgspec
import numpy as np

import sql
from app.graph.groups import Numbers
from app.graph.half_life import HalfLife, in_microseconds, in_seconds
from app.graph.parameters import GraphParameters
from app.graph.shards import shard_range
from app.store.params import Float8Array, Int8Array
from app.store.postgres import Connection, execute, one, rows, scalars

_FLOOR = sql.query("graph/top_edges/floor")
_RAISE_FLOOR = sql.query("graph/top_edges/raise_floor")
_HOLD = sql.query("graph/top_edges/hold")
_HELD = sql.query("graph/top_edges/held")
_TRIM = sql.query("graph/top_edges/trim")
_DROP_OTHERS = sql.query("graph/top_edges/drop_others")
_FORGET = sql.query("graph/top_edges/forget")
_WEIGHTS = sql.query("graph/top_edges/weights")
_EMPTY = sql.query("graph/top_edges/empty")
_REFILL = sql.query("graph/top_edges/refill")

LEAST = 1000
"""The fewest edges that a shard holds, if it has so many. A ranking is no longer than this."""
KEEP, MOST = 2 * LEAST, 4 * LEAST
"""A shard with more than MOST held edges goes back to KEEP. Below LEAST, every edge of the shard is read for KEEP."""


class Floor(msgspec.Struct, frozen=True):
    """Every edge of a shard with a higher score, or with this one and a lower key, is held."""

    score: float
    source_id: int
    target_id: int

    def light(self, at: datetime, half_life: HalfLife) -> float:
        """The weight at this instant of an edge on the floor."""
        halvings = self.score - at.timestamp() / in_seconds(half_life)
        return 2.0 ** min(1000.0, max(-1000.0, halvings))

    def has_above(self, sources: Numbers, targets: Numbers, scores: Numbers) -> Numbers:
        """For each of these edges, whether the edge is above the floor."""
        before = (sources < self.source_id) | ((sources == self.source_id) & (targets < self.target_id))
        return (scores > self.score) | ((scores == self.score) & before)


NO_FLOOR = Floor(-math.inf, 2**63 - 1, 2**63 - 1)


class _Weight(msgspec.Struct):
    source_id: int
    target_id: int
    weight: float
    weighed_at: datetime


def score(weights: Numbers, weighed_at: Numbers, half_life: HalfLife) -> Numbers:
    """The scores of weights at instants in microseconds since 1970. An edge without weight has the lowest score."""
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.where(weights > 0, np.log2(weights), -np.inf)
    return heights + weighed_at / in_microseconds(half_life)


def floor(conn: Connection, shard: int) -> Floor:
    """The shard's floor."""
    return one(conn, Floor, _FLOOR, {"shard": shard}) or NO_FLOOR


def hold(  # noqa: PLR0917 (three columns of one table)
    conn: Connection, shard: int, above: Floor, sources: Numbers, targets: Numbers, scores: Numbers
) -> None:
    """Hold those of these edges that are above the shard's floor, with the scores they have now."""
    wanted = above.has_above(sources, targets, scores) & (sources != targets) & np.isfinite(scores)
    sources, targets, scores = sources[wanted], targets[wanted], scores[wanted]
    if not len(scores):
        return
    if len(scores) > MOST:
        order = np.lexsort((targets, sources, -scores))
        first, next_one = order[:KEEP], order[KEEP]
        _raise(conn, shard, Floor(float(scores[next_one]), int(sources[next_one]), int(targets[next_one])))
        sources, targets, scores = sources[first], targets[first], scores[first]
    params = {**_keys(sources, targets), "scores": Float8Array(scores)}
    execute(conn, _HOLD, {"shard": shard, **params})
    if _held(conn, shard) > MOST:
        cut = one(conn, Floor, _TRIM, {"shard": shard, "keep": KEEP})
        if cut is not None:
            _raise(conn, shard, cut)


def lower(conn: Connection, shard: int, sources: Numbers, targets: Numbers, parameters: GraphParameters) -> None:
    """Hold these edges, which became lighter or left the graph, with their new scores or no longer."""
    # What was below the floor is no less so now.
    held = conn.execute(_FORGET, _keys(sources, targets)).fetchall()
    if not held:
        return
    sources, targets = np.array(held, np.int64).T
    left = rows(conn, _Weight, _WEIGHTS, _keys(sources, targets))
    if left:
        weights = np.array([edge.weight for edge in left])
        instants = np.array([edge.weighed_at.timestamp() * 1e6 for edge in left])
        hold(
            conn,
            shard,
            floor(conn, shard),
            np.array([edge.source_id for edge in left]),
            np.array([edge.target_id for edge in left]),
            score(weights, instants, parameters.half_life),
        )
    if _held(conn, shard) < LEAST and floor(conn, shard) is not NO_FLOOR:
        refill(conn, shard, parameters)


def refill(conn: Connection, shard: int, parameters: GraphParameters) -> None:
    """Read every edge of the shard to find those to hold."""
    lowest, highest = shard_range(shard, parameters.shards)
    execute(conn, _EMPTY, {"shard": shard})
    execute(
        conn,
        _REFILL,
        {
            "shard": shard,
            "lowest_id": lowest,
            "highest_id": highest,
            "keep": KEEP,
            "half_life_seconds": in_seconds(parameters.half_life),
        },
    )


def _raise(conn: Connection, shard: int, to: Floor) -> None:
    execute(conn, _RAISE_FLOOR, {"shard": shard, **msgspec.structs.asdict(to)})
    execute(conn, _DROP_OTHERS, {"shard": shard})


def _held(conn: Connection, shard: int) -> int:
    return int(scalars(conn, _HELD, {"shard": shard})[0])


def _keys(sources: Numbers, targets: Numbers) -> dict[str, Int8Array]:
    return {"source_ids": Int8Array(sources), "target_ids": Int8Array(targets)}

"""The audit: the graph against the ledger, the ledger against itself, in one snapshot, exact while work goes on.

Counts are compared as a whole. Weights are recomputed for a sample of edges from every delta that is in the graph,
which proves at the same time that each of these edges has the count it should have.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

import msgspec
import numpy as np
import polars as pl
from psycopg import IsolationLevel

import sql
from app.graph.deltas import DELTA_SCHEMA, KEYS, sum_by_edge, unpack
from app.graph.half_life import HalfLife, in_microseconds, in_seconds
from app.graph.parameters import GraphParameters, read_parameters
from app.graph.shards import shard_of
from app.store.postgres import Connection, exactly_one, rows, scalars

_AUDIT = sql.query("proofs/audit/audit")
_SAMPLE = sql.query("proofs/audit/sample")
_DELTAS = sql.query("proofs/audit/deltas")
_PURGED = sql.query("proofs/audit/purged")
_USERS = sql.query("proofs/audit/users")

DELTAS_AT_ONCE = 32
LARGEST_DEVIATION = 1e-6
"""The largest relative deviation of a weight that counts as equal. Sums in another order differ by 1e-15, and a
retraction leaves its rounding behind."""
LIGHT = 1e-3
"""Weights below it are compared as if they were this heavy: an edge out of which a million times as much was retracted
keeps the rounding of that."""

_LIGHTEST, _HEAVIEST = 1e-250, 1e250
"""The bounds of an effective weight. A lighter one is 0, a heavier one is the heaviest."""


class Weights(msgspec.Struct, frozen=True):
    """What a recount of a sample of edges gave."""

    sampled: int
    """The number of edges recounted."""
    purged: int
    """The number of edges that cannot be recounted, since some of their deltas were purged."""
    differing_counts: int
    differing_weights: int
    largest_deviation: float
    """The largest relative deviation of an effective weight."""
    users: int = 0
    """The number of users whose totals were compared with their edges: none while anything waits to be summarized."""
    differing_users: int = 0

    @property
    def differing(self) -> int:
        """The number of edges and users that differ."""
        return self.differing_counts + self.differing_weights + self.differing_users


class Audit(msgspec.Struct, frozen=True):
    """What was compared: mentions in edges, archive and pending deltas with those of counted and applied batches, …"""

    mentions_in_edges: int
    mentions_in_archive: int
    mentions_pending: int
    mentions_in_summaries: int
    mentions_unsummarized: int
    received_unlike_made: int
    """Mentions, over all users' totals: each is made by one and received by another."""
    mentions_in_ledger: int
    edges_archived_and_not: int
    edges_without_users: int
    batches_with_lost_rejects: int
    orphaned_deltas: int
    batches_unlike_their_deltas: int
    batches_unlike_their_ids: int
    """Batches in the graph that own more or fewer posts than they say, and batches outside of it that own any."""
    batches_left_counted: int
    uploads_missing_batches: int
    uploads_finished_early: int
    uploads_left_unfinished: int
    uploads_unlike_their_batches: int
    weights: Weights | None = None
    """None where no sample was asked for."""

    @property
    def difference(self) -> int:
        """Mentions in the graph, or on their way into it, less those in the ledger."""
        return self.mentions_in_edges + self.mentions_in_archive + self.mentions_pending - self.mentions_in_ledger

    @property
    def summary_difference(self) -> int:
        """Mentions in users' totals, or on their way into them, less those in the graph."""
        return (
            self.mentions_in_summaries + self.mentions_unsummarized - self.mentions_in_edges - self.mentions_in_archive
        )

    @property
    def exact(self) -> bool:
        """Whether nothing is out of step."""
        return not any(
            (
                self.difference,
                self.summary_difference,
                self.received_unlike_made,
                self.edges_archived_and_not,
                self.edges_without_users,
                self.batches_with_lost_rejects,
                self.orphaned_deltas,
                self.batches_unlike_their_deltas,
                self.batches_unlike_their_ids,
                self.batches_left_counted,
                self.uploads_missing_batches,
                self.uploads_finished_early,
                self.uploads_left_unfinished,
                self.uploads_unlike_their_batches,
                self.weights is not None and self.weights.differing,
            )
        )


class _User(msgspec.Struct, frozen=True):
    counts_agree: bool
    deviation: float


class _Edge(msgspec.Struct, frozen=True):
    source_id: int
    target_id: int
    mention_count: int
    weight: float
    weighed_at: datetime
    first_seen: datetime
    last_seen: datetime


class _Delta(msgspec.Struct, frozen=True):
    batch_id: int
    part: int
    payload: bytes


@contextmanager
def snapshot(conn: Connection) -> Generator[None]:
    """A transaction in which everything is read as it was at one instant: edges, deltas and ledger agree."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with conn.transaction():
            yield
    finally:
        if not conn.closed:
            conn.isolation_level = None


def audit(conn: Connection) -> Audit:
    """Compare graph and ledger. Reads every edge."""
    with snapshot(conn):
        return _compared(conn)


def audit_with_weights(conn: Connection, *, sample: int, now: datetime) -> Audit:
    """As `audit`, and recount the weights of `sample` edges, and the totals of as many users, as they are at `now`.
    Reads every edge and delta."""
    with snapshot(conn):
        return compared(conn, sample=sample, now=now)


def compared(conn: Connection, *, sample: int, now: datetime) -> Audit:
    """What the audit finds, in the snapshot that the caller holds. A sample of 0 edges recounts no weights."""
    found = _compared(conn)
    if not sample:
        return found
    return msgspec.structs.replace(found, weights=_weights(conn, read_parameters(conn), sample, now))


def _compared(conn: Connection) -> Audit:
    return exactly_one(conn, Audit, _AUDIT)


def _weights(conn: Connection, graph: GraphParameters, sample: int, now: datetime) -> Weights:
    edges = [msgspec.structs.asdict(edge) for edge in rows(conn, _Edge, _SAMPLE, {"limit": sample})]
    sampled = pl.DataFrame(edges, schema=DELTA_SCHEMA)
    recounted = _recount(conn, sampled, graph)
    purged = scalars(conn, _PURGED) == [True]
    compared = sampled.join(recounted, on=KEYS, how="left", suffix="_again").with_columns(
        pl.col("mention_count_again").fill_null(0)
    )
    # Counts only add up, so where a sum of what is left is the whole, nothing is missing from it.
    lacking = pl.col("mention_count_again") < pl.col("mention_count") if purged else pl.lit(value=False)
    unknown = compared.filter(lacking)
    known = compared.filter(~lacking)
    same = known.filter(pl.col("mention_count_again") == pl.col("mention_count"))
    heavy = effective_weight(same["weight"], same["weighed_at"], now, graph.half_life)
    again = effective_weight(same["weight_again"], same["weighed_at_again"], now, graph.half_life)
    deviation = np.abs(heavy - again) / np.maximum(np.maximum(heavy, again), LIGHT)
    users = rows(
        conn,
        _User,
        _USERS,
        {"limit": sample, "now": now, "half_life_seconds": in_seconds(graph.half_life), "light": LIGHT},
    )
    return Weights(
        sampled=len(sampled),
        purged=len(unknown),
        differing_counts=len(known) - len(same),
        differing_weights=int((deviation > LARGEST_DEVIATION).sum()),
        largest_deviation=float(deviation.max(initial=0.0)),
        users=len(users),
        differing_users=sum(not each.counts_agree or each.deviation > LARGEST_DEVIATION for each in users),
    )


def _recount(conn: Connection, edges: pl.DataFrame, graph: GraphParameters) -> pl.DataFrame:
    """These edges, recounted from the deltas in the graph."""
    keys = edges.select(KEYS)
    parts = [pl.DataFrame(schema=DELTA_SCHEMA)]
    for shard in np.unique(shard_of(keys["source_id"].to_numpy(), graph.shards)).tolist():
        after = {"after_batch": 0, "after_part": 0}
        while page := rows(conn, _Delta, _DELTAS, {"shard": shard, **after, "limit": DELTAS_AT_ONCE}):
            parts.extend(unpack(delta.payload).join(keys, on=KEYS, how="semi") for delta in page)
            after = {"after_batch": page[-1].batch_id, "after_part": page[-1].part}
    return sum_by_edge(parts, half_life=graph.half_life)


def effective_weight(weight: pl.Series, weighed_at: pl.Series, now: datetime, half_life: HalfLife) -> np.ndarray:
    """The weights at `now`, by the rule of the database's function of this name: at most 1e250, and 0 below 1e-250."""
    age = pl.DataFrame({"at": weighed_at}).select((pl.lit(now) - pl.col("at")).dt.total_microseconds())["literal"]
    half_lives = age.to_numpy().astype(np.float64) / in_microseconds(half_life)
    weights = weight.to_numpy() * np.exp2(np.clip(-half_lives, -950, 950))
    return np.where(weights < _LIGHTEST, 0.0, np.minimum(weights, _HEAVIEST))

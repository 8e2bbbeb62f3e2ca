"""A worker without Redis, for tests: it counts and merges whatever the ledger has due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from app.graph import counting, merging
from app.graph.half_life import in_seconds
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import sweeping, transitions
from app.settings import Settings
from app.store import postgres
from app.summaries import summarizing

Edge = tuple[str, str]


class Held(NamedTuple):
    """An edge's count and effective weight."""

    mention_count: int
    weight: float


def apply_all(settings: Settings, *, now: datetime) -> None:
    """Count every due batch and merge every shard, until the sweep finds nothing; then make summaries."""
    with postgres.connect(settings.database_url, role="test") as conn:
        parameters = read_parameters(conn)
        user_ids = UserIds(bits=parameters.handle_bits, memory=1000)
        while True:
            now += timedelta(seconds=settings.ring_again_seconds + 1)
            found = sweeping.sweep(conn, settings=settings, now=now, queues_empty=True)
            assert found is not None
            for ring in found.batches:
                claim = transitions.claim(conn, ring.id, settings=settings, now=now)
                if claim is not None:
                    counting.count_batch(
                        conn,
                        claim,
                        parameters,
                        user_ids,
                        now=now,
                        days_kept=settings.days_kept,
                        rejects_kept=settings.rejects_kept,
                    )
            for ring in found.shards:
                merging.merge_shard(conn, ring.id, parameters, most_edges=10_000, now=now)
            if not found.batches and not found.shards:
                break
        while summarizing.summarize(conn, parameters, days_kept=settings.days_kept, now=now):
            pass


def edges(conn: psycopg.Connection[Any], at: datetime, *, table: str = "edges") -> dict[Edge, Held]:
    """The edges of the graph, or of its archive, as they weigh at an instant."""
    half_life = in_seconds(read_parameters(conn).half_life)
    statement = sql.SQL(
        """
        SELECT s.handle, t.handle, mention_count, effective_weight(weight, weighed_at, %s, %s)
        FROM {table} JOIN users s ON s.id = source_id JOIN users t ON t.id = target_id
        """
    ).format(table=sql.Identifier(table))
    rows = conn.execute(statement, [at, half_life]).fetchall()
    return {(source, target): Held(count, weight) for source, target, count, weight in rows}

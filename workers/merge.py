"""Merge a shard's pending deltas into the edges until none is left."""

from __future__ import annotations

import dramatiq
import structlog
from psycopg.errors import QueryCanceled

from app.graph import merging
from app.ledger import bells, events
from app.posts.options import Priority
from app.store import postgres
from app.store.messages import Shard
from app.store.postgres import Connection
from workers.process import process

log = structlog.get_logger(__name__)

MOST_RUNG = 1000


def _merge(shard: Shard) -> None:
    most_edges, merged_any = process.settings.merge_edges, False
    with process.connection() as conn:
        if shard >= process.graph(conn).parameters.shards:
            return  # a message for another graph, or one that somebody forged
        while not process.stopping:
            try:
                merged = _once(conn, shard, most_edges)
            except Exception as error:
                if isinstance(error, QueryCanceled) or postgres.server_failed(error):
                    raise  # the database is in trouble: the sweeper rings again
                log.exception("merge failed", shard=shard, most_edges=most_edges)
                if most_edges == 1:
                    merging.set_aside(conn, shard, error)
                most_edges = 1  # one delta at a time: those before the bad one, then the bad one, then those after
                continue
            merged_any = merged_any or bool(merged)
            if merged is None or (merged == 0 and not merging.has_pending(conn, shard)):
                break
    if merged_any:
        bells.ring_summaries(process.broker)


def _once(conn: Connection, shard: int, most_edges: int) -> int | None:
    waiting = events.waiting(conn, shard, limit=MOST_RUNG)
    parameters = process.graph(conn).parameters
    merged = merging.merge_shard(conn, shard, parameters, most_edges=most_edges, now=postgres.clock())
    if merged:
        bells.ring(process.broker, uploads=waiting)
    return merged


# A Dramatiq actor has one queue, so each priority has its own actor. Within a process, urgent work goes first.
merge, merge_urgent = (
    dramatiq.actor(
        actor_name=bells.actor_name(bells.MERGE, priority),
        queue_name=bells.QUEUES[priority],
        priority=bells.RANKS[priority],
    )(_merge)
    for priority in (Priority.BULK, Priority.URGENT)
)

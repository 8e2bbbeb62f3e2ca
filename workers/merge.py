"""Merge a shard's pending deltas into the edges until there are none."""

from __future__ import annotations

import dramatiq

from app import db, deltas, dispatch, events
from app.ledger import Priority
from workers import process

MOST_ANNOUNCED = 1000


def _merge(shard: int) -> None:
    most_edges = process.settings.merge_edges
    with process.connection() as conn:
        parameters = process.graph(conn).parameters
        while not process.stopping:
            waiting = events.waiting(conn, shard, limit=MOST_ANNOUNCED)
            merged = deltas.merge_shard(conn, shard, parameters, most_edges=most_edges, now=db.clock())
            if merged:
                events.announce(process.broker, waiting)
            if merged is None or (merged == 0 and not deltas.has_pending(conn, shard)):
                return


# A Dramatiq actor has one queue, so each priority has its own; within a process, the urgent one goes first.
merge, merge_urgent = (
    dramatiq.actor(
        actor_name=dispatch.actor_name(dispatch.MERGE, priority),
        queue_name=dispatch.QUEUES[priority],
        priority=dispatch.RANKS[priority],
    )(_merge)
    for priority in (Priority.BULK, Priority.URGENT)
)

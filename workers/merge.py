"""Merge a shard's pending deltas into the edges until there are none."""

from __future__ import annotations

import dramatiq

from app import db, deltas, dispatch, events
from app.ledger import Priority
from workers import process


def _merge(shard: int) -> None:
    limit = process.settings.merge_deltas
    with process.connection() as conn:
        parameters = process.graph(conn).parameters
        while True:
            waiting = events.waiting(conn, shard, limit=limit)
            merged = deltas.merge_shard(conn, shard, parameters, limit=limit, now=db.clock())
            if merged:
                events.announce(process.broker, waiting)
            if merged is None or (merged < limit and not deltas.has_pending(conn, shard)):
                return


# A Dramatiq actor has one queue, so each priority has its own.
merge, merge_urgent = (
    dramatiq.actor(actor_name=dispatch.actor_name(dispatch.MERGE, priority), queue_name=dispatch.QUEUES[priority])(
        _merge
    )
    for priority in (Priority.BULK, Priority.URGENT)
)

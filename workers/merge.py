"""Merge a shard's pending deltas into the edges until there are none."""

from __future__ import annotations

import dramatiq

from app import db, deltas, dispatch
from app.ledger import Priority
from workers import process


def _merge(shard: int) -> None:
    limit = process.settings.merge_deltas
    with process.connection() as conn:
        parameters = process.parameters(conn)
        while True:
            merged = deltas.merge_shard(conn, shard, parameters, limit=limit, now=db.clock())
            if merged is None or (merged < limit and not deltas.has_pending(conn, shard)):
                return


merge = dramatiq.actor(_merge, actor_name=dispatch.MERGE, queue_name=dispatch.QUEUES[Priority.BULK])
merge_urgent = dramatiq.actor(
    _merge,
    actor_name=dispatch.actor_name(dispatch.MERGE, Priority.URGENT),
    queue_name=dispatch.QUEUES[Priority.URGENT],
)

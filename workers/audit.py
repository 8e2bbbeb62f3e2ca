"""Run the audit of a graph that somebody asked for over HTTP, if there is one."""

from __future__ import annotations

import dramatiq
import structlog

from app.control.graphs import DEFAULT
from app.ledger import bells
from app.proofs import audits
from app.store import postgres
from app.store.messages import GraphName
from workers.process import process
from workers.rooms import Room

log = structlog.get_logger(__name__)


def _work(room: Room) -> None:
    with room.connection() as conn:
        found = audits.work(conn, clock=postgres.clock)
    if found is not None:
        log.info("audited", graph=room.name, exact=found.exact, difference=found.difference)


@dramatiq.actor(actor_name=bells.AUDIT, queue_name=bells.MAINTENANCE_QUEUE)
def audit(graph: GraphName = DEFAULT) -> None:
    if process.long_work.acquire(blocking=False):  # else a sweep rings again
        try:
            process.visit(graph, _work)
        finally:
            process.long_work.release()

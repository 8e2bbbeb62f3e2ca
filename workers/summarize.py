"""Make summaries of merged deltas: each minute, and when a worker has nothing else to do."""

from __future__ import annotations

import dramatiq
import structlog

from app.control.graphs import DEFAULT
from app.ledger import bells
from app.ledger.periods import Period
from app.store import postgres
from app.store.messages import GraphName
from app.summaries import summarizing
from workers.periodic import periodic
from workers.process import process
from workers.rooms import Room

log = structlog.get_logger(__name__)


def work(room: Room) -> None:
    """Summarize what waits, if it is time."""
    with room.connection() as conn:
        deltas = summarizing.work(
            conn,
            room.graph(conn).parameters,
            days_kept=room.settings.days_kept,
            clock=postgres.clock,
            stopping=lambda: process.stopping,
        )
    if deltas:
        log.info("summarized", graph=room.name, deltas=deltas)


@periodic(bells.SUMMARIZE)
def summarize(room: Room, period: Period) -> bool:  # noqa: ARG001 (whatever waits, waits now)
    work(room)
    return True


def _summarize_soon(graph: GraphName = DEFAULT) -> None:
    process.visit(graph, work)


summarize_soon = dramatiq.actor(
    actor_name=bells.SUMMARIZE_SOON, queue_name=bells.MAINTENANCE_QUEUE, priority=bells.IDLE_RANK
)(_summarize_soon)

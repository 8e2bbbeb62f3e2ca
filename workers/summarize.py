"""Make summaries of merged deltas: each minute, and when a worker has nothing else to do."""

from __future__ import annotations

import dramatiq
import structlog

from app.ledger import bells
from app.ledger.periods import Period
from app.store import postgres
from app.summaries import summarizing
from workers.periodic import periodic
from workers.process import process

log = structlog.get_logger(__name__)


def work() -> None:
    """Summarize what waits, if it is time."""
    with process.connection() as conn:
        deltas = summarizing.work(
            conn,
            process.graph(conn).parameters,
            days_kept=process.settings.days_kept,
            clock=postgres.clock,
            stopping=lambda: process.stopping,
        )
    if deltas:
        log.info("summarized", deltas=deltas)


@periodic(bells.SUMMARIZE)
def summarize(period: Period) -> bool:  # noqa: ARG001 (whatever waits, waits now)
    work()
    return True


summarize_soon = dramatiq.actor(
    actor_name=bells.SUMMARIZE_SOON, queue_name=bells.MAINTENANCE_QUEUE, priority=bells.IDLE_RANK
)(work)

"""Make summaries of what was merged: each minute, and once there is nothing else to do."""

from __future__ import annotations

import dramatiq
import structlog

from app.ledger import dispatch
from app.ledger.periods import Period
from app.store import db
from app.summaries import summaries
from workers.periodic import MINUTE, periodic
from workers.process import process

log = structlog.get_logger(__name__)


def work() -> None:
    """If it is time."""
    with process.connection() as conn:
        deltas = summaries.work(
            conn,
            process.graph(conn).parameters,
            days_kept=process.settings.days_kept,
            clock=db.clock,
            stopping=lambda: process.stopping,
        )
    if deltas:
        log.info("summarized", deltas=deltas)


@periodic(dispatch.SUMMARIZE, every=MINUTE)
def summarize(period: Period) -> bool:  # noqa: ARG001 (whatever waits, waits now)
    work()
    return True


summarize_soon = dramatiq.actor(
    actor_name=dispatch.SUMMARIZE_SOON, queue_name=dispatch.MAINTENANCE_QUEUE, priority=dispatch.IDLE_RANK
)(work)

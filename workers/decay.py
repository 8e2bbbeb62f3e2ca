"""Write stale edges down to the present and archive the lightest, once a day."""

from __future__ import annotations

import dramatiq
import structlog
from periodiq import cron

from app import db, dispatch
from app import decay as domain
from workers import process

log = structlog.get_logger(__name__)


# Asked for often, so that a missed or killed run is caught up; PostgreSQL knows whether the day's run was done.
@dramatiq.actor(actor_name=dispatch.DECAY, queue_name=dispatch.MAINTENANCE_QUEUE, periodic=cron("*/10 * * * *"))
def decay() -> None:
    now = db.clock()
    with process.connection() as conn:
        run = domain.begin(conn, settings=process.settings, now=now, period=domain.period_start(now))
        if run is None:
            return
        if not domain.work(conn, run, process.graph(conn).parameters, page=process.settings.decay_page, clock=db.clock):
            return
        totals = domain.totals(conn, run)
    log.info("decayed", run=run.id, written_down=totals.written_down, archived=totals.archived)

"""Write stale edges down to the present and archive the lightest, once a day."""

from __future__ import annotations

import structlog

from app.graph import decay as domain
from app.ledger import bells
from app.ledger.periods import Period
from app.store import postgres
from workers.periodic import DAY, periodic
from workers.process import process

log = structlog.get_logger(__name__)


@periodic(bells.DECAY, every=DAY)
def decay(period: Period) -> bool:
    with process.connection() as conn:
        run = domain.begin(conn, settings=process.settings, now=postgres.clock())
        if run is None:
            return False
        if not domain.work(conn, run, process.graph(conn).parameters, clock=postgres.clock):
            return False
        totals = domain.totals(conn, run)
    log.info("decayed", run=run.id, written_down=totals.written_down, archived=totals.archived)
    # An earlier one that was killed is finished now; this period's is still to come.
    return run.as_of >= period.start

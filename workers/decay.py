"""Store the present weight of stale edges and archive the lightest, once in each MENTIONGRAPH_DECAY_EVERY."""

from __future__ import annotations

import structlog

from app.graph import decay as domain
from app.ledger import bells
from app.ledger.periods import Period
from app.store import postgres
from workers.periodic import periodic
from workers.rooms import Room

log = structlog.get_logger(__name__)


@periodic(bells.DECAY, long=True)
def decay(room: Room, period: Period) -> bool:
    with room.connection() as conn:
        batch_edges, parameters = room.settings.decay_batch_edges, room.graph(conn).parameters
        run = domain.begin(conn, settings=room.settings, now=postgres.clock())
        if run is None:
            return False
        if not domain.work(conn, run, parameters, clock=postgres.clock, batch_edges=batch_edges):
            return False
        totals = domain.totals(conn, run)
    log.info("decayed", graph=room.name, run=run.id, written_down=totals.written_down, archived=totals.archived)
    # The run may have been an earlier one whose worker was killed: then this period's run is still to come.
    return run.as_of >= period.start

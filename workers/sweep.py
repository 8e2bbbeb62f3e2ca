"""Ring again for work whose ring was lost, end batches and uploads whose process is gone, and forget uploads of which
nothing is in the graph. A flood of refused uploads is not to wait for the next purge. An audit that somebody asked for
is such work, too.
"""

from __future__ import annotations

from app.ledger import bells, passes, retention
from app.ledger.periods import Period
from app.proofs import audits
from app.store import postgres
from workers.periodic import periodic
from workers.process import process
from workers.rooms import Room


@periodic(bells.SWEEP)
def sweep(room: Room, period: Period) -> bool:  # noqa: ARG001 (one sweep is like another)
    process.sweep(room)
    with room.connection() as conn:
        retention.forget_unapplied(conn, settings=room.settings, now=postgres.clock())
        passes.forget(conn, now=postgres.clock())
        unfinished = audits.waiting(conn)
    if unfinished:
        bells.ring_audit(process.broker, graph=room.name)
    return True

"""Purge payloads, deltas and rejects whose retention time is over, once in each MENTIONGRAPH_PURGE_EVERY."""

from __future__ import annotations

import structlog

from app.ledger import bells, fleet, retention
from app.ledger.periods import Period
from app.proofs import rebuild
from app.store import postgres
from workers.periodic import periodic
from workers.rooms import Room

log = structlog.get_logger(__name__)


@periodic(bells.PURGE, long=True)
def purge(room: Room, period: Period) -> bool:  # noqa: ARG001 (each purge takes everything that is due)
    with room.connection() as conn:
        purged = retention.purge(conn, settings=room.settings, now=postgres.clock())
        fleet.forget(conn)
        rebuild.clear_left_over(conn)
    if purged != retention.Purged():
        log.info(
            "purged",
            graph=room.name,
            payloads=purged.payloads,
            deltas=purged.deltas,
            rejects=purged.rejects,
            uploads=purged.uploads,
            audit_events=purged.audit_events,
        )
    return True

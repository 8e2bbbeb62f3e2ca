"""Purge payloads, deltas and rejects whose retention time is over."""

from __future__ import annotations

import dramatiq
import structlog
from periodiq import cron

from app import db, dispatch, retention
from workers import process

log = structlog.get_logger(__name__)


@dramatiq.actor(actor_name=dispatch.PURGE, queue_name=dispatch.MAINTENANCE_QUEUE, periodic=cron("17 * * * *"))
def purge() -> None:
    with process.connection() as conn:
        purged = retention.purge(conn, settings=process.settings, now=db.clock())
    if purged != retention.Purged():
        log.info("purged", payloads=purged.payloads, deltas=purged.deltas, rejects=purged.rejects)

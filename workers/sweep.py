"""Ring again for work whose message was lost, and end what nobody will end."""

from __future__ import annotations

import dramatiq
from periodiq import cron

from app import dispatch
from workers import process


@dramatiq.actor(actor_name=dispatch.SWEEP, queue_name=dispatch.MAINTENANCE_QUEUE, periodic=cron("* * * * *"))
def sweep() -> None:
    process.sweep()

"""Actors that are asked for every minute, and work once in each period."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import dramatiq
import structlog
from dramatiq import Actor
from periodiq import cron

from app.ledger import bells, periods
from app.ledger.periods import Period
from app.store import postgres
from workers.process import process

log = structlog.get_logger(__name__)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

LONGEST_SECONDS = 6 * 3600.0
"""Beyond it a period's claim is not renewed any more: whoever holds it is stuck, and another shall try."""

Work = Callable[[Period], bool]


def periodic(verb: str, *, every: timedelta) -> Callable[[Work], Actor[[], None]]:
    """Make an actor of a function that does a period's work. It answers whether that is done; if not, or if it raises
    or is killed, it is called again. Two at once are possible after a claim has expired, and must do no harm."""

    def register(work: Work) -> Actor[[], None]:
        def guarded() -> None:
            with process.connection() as conn:
                period = periods.begin(conn, verb, every=every, settings=process.settings, now=postgres.clock())
            if period is None:
                return
            with process.holding(period, seconds=LONGEST_SECONDS):
                done = work(period)
            if done:
                with process.connection() as conn:
                    periods.finish(conn, period, now=postgres.clock())
                log.debug("period worked", actor=verb, period=period.start.isoformat())

        actor = dramatiq.actor(actor_name=verb, queue_name=bells.MAINTENANCE_QUEUE, periodic=cron(bells.ASKED_FOR))
        return actor(guarded)

    return register

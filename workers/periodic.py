"""Actors that schedulers ask for every minute, and that work once in each period (see app.ledger.periods)."""

from __future__ import annotations

from collections.abc import Callable

import dramatiq
import structlog
from dramatiq import Actor
from periodiq import cron

from app.ledger import bells, periods
from app.ledger.periods import Period
from app.store import postgres
from workers.process import process

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 6 * 3600.0
"""A claim is not renewed for longer than this: its worker is stuck, and another one shall try."""

Work = Callable[[Period], bool]


def periodic(verb: str) -> Callable[[Work], Actor[[], None]]:
    """Make an actor of a function that does a period's work and returns whether the work is done.

    The function is called again if the work is not done, if the function raises or if its process is killed. After a
    claim has expired, two processes may call the function at once: that must do no harm.
    """

    def register(work: Work) -> Actor[[], None]:
        def guarded() -> None:
            every = periods.lengths(process.settings)[verb]
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

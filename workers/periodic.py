"""Actors that schedulers ask for every minute, and that work once in each period (see app.ledger.periods)."""

from __future__ import annotations

from collections.abc import Callable

import dramatiq
import structlog
from dramatiq import Actor
from periodiq import cron

from app.control.graphs import DEFAULT
from app.ledger import bells, periods
from app.ledger.periods import Period
from app.store import postgres
from app.store.messages import GraphName
from workers.process import process
from workers.rooms import Room

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 6 * 3600.0
"""A claim is not renewed for longer than this: its worker is stuck, and another one shall try."""

Work = Callable[[Room, Period], bool]


def periodic(verb: str, *, long: bool = False) -> Callable[[Work], Actor[..., None]]:
    """Make an actor of a function that does a period's work in a graph and returns whether the work is done.

    Each graph has its own periods, in its own database. The function is called again if the work is not done, if the
    function raises or if its process is killed. After a claim has expired, two processes may call the function at once:
    that must do no harm. Long work of graphs beside `default` leaves a thread of its process free.
    """

    def register(work: Work) -> Actor[[GraphName], None]:
        def once(room: Room) -> None:
            every = periods.lengths(room.settings)[verb]
            with room.connection() as conn:
                period = periods.begin(conn, verb, every=every, settings=room.settings, now=postgres.clock())
            if period is None:
                return
            with room.holding(period, seconds=LONGEST_SECONDS):
                done = work(room, period)
            if done:
                with room.connection() as conn:
                    periods.finish(conn, period, now=postgres.clock())
                log.debug("period_worked", actor=verb, graph=room.name, period=period.start.isoformat())

        def guarded(graph: GraphName = DEFAULT) -> None:
            if not long:
                return process.visit(graph, once)
            counts = process.long_work.acquire(blocking=False)
            if not counts and graph != DEFAULT:
                return None  # rung again within a minute
            try:
                return process.visit(graph, once)
            finally:
                if counts:
                    process.long_work.release()

        actor = dramatiq.actor(actor_name=verb, queue_name=bells.MAINTENANCE_QUEUE, periodic=cron(bells.ASKED_FOR))
        return actor(guarded)

    return register

"""The scheduler: each minute it asks the workers to do what is done now and then. Start as many as you like.

periodiq's own process ends when Redis is away at the instant of a tick. This one leaves that tick out, and leaves signs
of life. What is asked twice, by two of them, is done once (see app.periods); what nobody asked is done after the next
tick.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from queue import Empty
from types import FrameType
from typing import Any

import dramatiq
import periodiq
import psycopg
import structlog

from app import log
from app import settings as environment
from app.ledger import bells, fleet
from app.store import postgres
from app.store.broker import FailOverRedisBroker, redis_client
from workers.routines import Routine, Watchdog

logger = structlog.get_logger(__name__)


class Scheduler(periodiq.Scheduler):
    """periodiq's, that survives whatever Redis does. `ticked`: the `time.monotonic` of the last tick."""

    def __init__(self, broker: dramatiq.Broker) -> None:
        # Under the actors' names, without what they do: their modules would double this process's memory.
        when = {"periodic": periodiq.cron(bells.ASKED_FOR)}
        actor = partial(dramatiq.actor, broker=broker, queue_name=bells.MAINTENANCE_QUEUE, **when)
        super().__init__([actor(_elsewhere, actor_name=name) for name in bells.PERIODIC])
        self.ticked = time.monotonic()

    def loop(self) -> None:
        """Wakes up each second. A signal, and the alarm is one, may come to another thread (after a SIGSTOP, to the
        first that runs): then it does not wake this one, which is to act on it."""
        while True:
            with suppress(Empty):
                self.alarm_q.get(timeout=1)
                self.schedule()

    def send_actors(self, actors: list[Any], now: object) -> None:
        """One tick."""
        for actor in actors:
            try:
                super().send_actors([actor], now)
            except Exception as error:  # noqa: BLE001 (asked again at the next tick)
                what = f"{type(error).__name__}: {error}"
                logger.warning("could not be asked; asked again in a minute", actor=actor.actor_name, error=what)
        self.ticked = time.monotonic()


def _elsewhere() -> None:
    """What is asked for is done by workers."""
    raise NotImplementedError


def main() -> None:
    """Tick until SIGTERM or SIGINT."""
    settings = environment.load()
    log.configure(settings)
    broker = FailOverRedisBroker(
        client=redis_client(settings.redis_url),
        namespace=settings.namespace,
        enqueue_timeout=settings.enqueue_timeout,
        middleware=[periodiq.PeriodiqMiddleware()],
    )
    pool = postgres.pool(
        settings.database_url,
        role="scheduler",
        size=1,
        statement_timeout=settings.statement_timeout,
        pgbouncer=settings.pgbouncer,
    )
    scheduler, me, stopping = Scheduler(broker), fleet.Me(fleet.Role.SCHEDULER), threading.Event()

    def idle() -> float:
        return time.monotonic() - scheduler.ticked

    def heartbeat() -> None:
        with pool.connection() as conn:
            me.heartbeat(conn, idle=idle())

    limit = fleet.TICK + 2 * settings.silence_seconds
    watchdog = Watchdog(lambda: {"the tick": idle()}, limit=limit, stopping=stopping)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    pool.open()
    seconds = settings.heartbeat_seconds
    Routine("heartbeat", heartbeat, seconds=seconds, stopping=stopping).start()
    Routine("watchdog", watchdog.look, seconds=seconds, stopping=stopping).start()
    try:
        scheduler.schedule()
        scheduler.loop()
    finally:
        stopping.set()
        try:
            with pool.connection() as conn:
                me.leave(conn)
        except psycopg.Error as error:
            logger.info("this process stays listed for a day", error=str(error))
        pool.close()


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a signal handler's signature)
    sys.exit(0)

"""The scheduler: each minute it rings workers for periodic work. Start as many schedulers as you like.

periodiq's own process ends if Redis is away at the instant of a tick. This scheduler skips that tick, and leaves
heartbeats. When two schedulers ring for the same period, a worker works the period once (see app/ledger/periods.py).
A period that nobody rang for is worked after the next tick.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty
from types import FrameType
from typing import Any

import dramatiq
import msgspec
import periodiq
import psycopg
import structlog
from psycopg_pool import ConnectionPool

from app import log
from app import settings as environment
from app.control import graphs
from app.ledger import bells, fleet
from app.metrics import listening
from app.metrics.tallies import Gauge
from app.store import postgres
from app.store.broker import FailOverRedisBroker, redis_client
from app.store.postgres import Connection
from workers.routines import Routine, Watchdog

logger = structlog.get_logger(__name__)

_TICKED = Gauge("scheduler_last_tick_timestamp_seconds")


class Scheduler(periodiq.Scheduler):
    """periodiq's scheduler, made to survive whatever Redis does. `ticked` is the `time.monotonic` of the last tick.

    `names` returns the names of all graphs but `default`.
    """

    def __init__(self, broker: FailOverRedisBroker, names: Callable[[], list[str]] = list) -> None:
        # Actors with the right names and no work: the real actors' modules would double this process's memory.
        when = {"periodic": periodiq.cron(bells.ASKED_FOR)}
        actor = partial(dramatiq.actor, broker=broker, queue_name=bells.MAINTENANCE_QUEUE, **when)
        super().__init__([actor(_elsewhere, actor_name=name) for name in bells.PERIODIC])
        self._broker, self._names = broker, names
        self.ticked = time.monotonic()

    def loop(self) -> None:
        """Look each second for an alarm. An alarm is a signal, and the system may deliver a signal to another thread
        (after a SIGSTOP, to the first that runs), which does not interrupt this thread."""
        while True:
            with suppress(Empty):
                self.alarm_q.get(timeout=1)
                self.schedule()

    def send_actors(self, actors: list[Any], now: object) -> None:
        """One tick."""
        for actor in actors:
            try:
                super().send_actors([actor], now)
            except Exception as error:  # noqa: BLE001 (rung again at the next tick)
                what = f"{type(error).__name__}: {error}"
                logger.warning("could not ring; the next ring follows in a minute", actor=actor.actor_name, error=what)
        bells.ring_upkeep(self._broker, self._names(), tick=str(now))
        self.ticked = time.monotonic()
        _TICKED.set(time.time())


class Listed:
    """The names of the graphs, as the list was read last: while the database of `default` is away, too."""

    def __init__(self, pool: ConnectionPool[Connection]) -> None:
        self._pool = pool
        self._names: list[str] = []

    def names(self) -> list[str]:
        try:
            with self._pool.connection() as conn:
                self._names = [graph.name for graph in graphs.ready(conn)]
        except (psycopg.Error, msgspec.ValidationError) as error:
            # A newer release may have written a state that this one does not know.
            logger.warning("the list of graphs cannot be read; those known are asked for", error=str(error))
        return self._names


def _elsewhere() -> None:
    """Workers do the work."""
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
    scheduler, me, stopping = Scheduler(broker, Listed(pool).names), fleet.Me(fleet.Role.SCHEDULER), threading.Event()

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
    listening.listen(listening.parse(settings.worker_metrics_listen, "MENTIONGRAPH_WORKER_METRICS_LISTEN"))
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

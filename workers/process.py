"""One worker process: what its actors share, how it starts and how it stops.

Importing this module sets Dramatiq's broker, since actors are bound to a broker as they are defined. The import opens
no connection: connections to PostgreSQL open as they are needed, and the broker connects to Redis at the first message.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import psycopg
import redis
import structlog
from dramatiq import Broker, Middleware, Worker, set_broker
from dramatiq.broker import MessageProxy
from periodiq import PeriodiqMiddleware
from psycopg.errors import DiskFull

from app import log
from app import settings as environment
from app.control import graphs
from app.graph import withdrawal
from app.ledger import bells, fleet, limits, periods, sweeping
from app.ledger.sweeping import Sweep
from app.metrics import listening
from app.metrics.tallies import Counter
from app.settings import Settings
from app.store import postgres
from app.store.broker import redis_client
from app.store.lending import LOOK_SECONDS, Away
from app.store.seldom import Seldom
from workers import noticing
from workers.polls import PolledBroker
from workers.rooms import Room, Rooms
from workers.routines import Errands, Routine, Watchdog

logger = structlog.get_logger(__name__)


MOST_RUNG = 500
"""Batches that one sweep rings at most."""

_MESSAGES = Counter("messages_total")

SKIP_DELAY = 600
"""Seconds after which a worker skips a scheduler's ring. They are many, since the clocks of hosts may differ and a late
ring does no harm. They are not infinite, since a long outage would end with a long queue of rings."""


SWEEPERS = 2
"""Threads that sweep, so that a graph whose database is slow does not hold up the others."""

SPARE = 3
"""Connections beside those of threads and sweepers: for the list of graphs, for heartbeats and for claims."""


class Process(Middleware):
    """Settings, broker and rooms of this process. Connections open at their first use, and close at the end.

    Dramatiq's own retries, age and time limits are not used: the ledger has attempts and back-off, and an exception
    cannot stop native code. `statement_timeout` and the size of a batch bound the work.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._listen = listening.parse(settings.worker_metrics_listen, "MENTIONGRAPH_WORKER_METRICS_LISTEN")
        self.broker = PolledBroker(
            client=redis_client(settings.redis_url),
            namespace=settings.namespace,
            enqueue_timeout=settings.enqueue_timeout,
            middleware=[PeriodiqMiddleware(skip_delay=SKIP_DELAY), self],
        )
        # However many graphs there are.
        self.rooms = Rooms(settings, connections=settings.worker_threads + SWEEPERS + SPARE)
        self._stopping = threading.Event()
        self.long_work = threading.BoundedSemaphore(max(1, settings.worker_threads - 1))
        """Decay and purges of one graph must not take every thread from the others."""
        self._servers = noticing.Servers()
        self._sweepers = Errands("sweeper", threads=SWEEPERS)
        # A claim is held by a thread that works or sweeps.
        self._renewers = Errands("renewer", threads=settings.worker_threads + SWEEPERS)
        self._unknown, self._away = Seldom(), Seldom()
        self._worker: Worker | None = None
        self._booted = time.monotonic()
        self._me = fleet.Me(fleet.Role.WORKER)
        self._routines: list[Routine] = []
        self.unaided: Callable[[Room, Sweep], None] | None = None
        """Does the work that a sweep found while Redis is away; see workers/unaided.py."""

    @property
    def stopping(self) -> bool:
        """Whether this process was told to stop. Long work then ends at its next commit."""
        return self._stopping.is_set()

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.rooms.close()

    def visit(self, graph: str, work: Callable[[Room], None]) -> None:
        """Do a message's work in the graph's room. The message is dropped if there is no such graph, or if the graph is
        away: the ledger knows what is due, and a sweep rings again."""
        room = self.rooms.find(graph)
        if room is None:
            if times := self._unknown.due():
                logger.warning("dropped messages for a graph that is not on the list", graph=graph, messages=times)
            return
        try:
            work(room)
        except Away as error:
            if times := self._away.due():
                logger.warning(
                    "dropped messages for a graph that is away", graph=graph, messages=times, error=str(error)
                )

    def sweep(self, room: Room) -> None:
        """Sweep a graph once, and ring for what the sweep found; or, while Redis is away, do the work."""
        try:
            bells.relieve(self.broker)
            empty = bells.queues_empty(self.broker)
        except redis.RedisError:
            empty = True  # nobody hears the rings that wait there
        with room.connection() as conn:
            with suppress(DiskFull):  # what a sweep rings may make room
                room.give_back(conn)
            most = MOST_RUNG if room.may_count(conn) else 0
            undecided = limits.undecided(conn)
            for upload in undecided:
                withdrawal.decide(conn, upload, room.graph(conn).parameters, now=postgres.clock())
            found = sweeping.sweep(conn, settings=room.settings, now=postgres.clock(), queues_empty=empty, limit=most)
        if undecided:
            bells.ring(self.broker, uploads=undecided, graph=room.name)
        if found is None:
            return
        if found.failed_batches or found.aborted_uploads:
            logger.warning(
                "sweep",
                graph=room.name,
                failed_batches=found.failed_batches,
                aborted_uploads=found.aborted_uploads,
            )
        if found.batches:
            logger.info(
                "sweep rings batches that are due", graph=room.name, batches=len(found.batches), queues_empty=empty
            )
        if found.batches or found.shards or found.waits:
            room.worked()
        batches, shards = bells.soon(found.batches), bells.soon(found.shards, most=len(found.shards))
        rung = bells.ring(self.broker, batches=batches, shards=shards, graph=room.name)
        if not rung and self.unaided is not None:
            self.unaided(room, found)

    def sweep_all(self) -> None:
        """Sweep the graphs in which there is work or something began, and each of the others once a minute."""
        rooms = self.rooms.all()
        # What begins between a graph's first sweep and its first look would not be noticed: so the looks come first.
        for there in self._servers.to_ask(rooms):
            self._sweepers.run(there[0].server, partial(self._notice, there))
        for room in rooms:
            self._sweep_if_due(room)

    def _sweep_if_due(self, room: Room) -> None:
        if room.sweep_is_due():
            self._sweepers.run(room.place, partial(self._sweep_in_turn, room))

    def _notice(self, there: list[Room]) -> None:
        for room in noticing.changed(there):
            room.worked()
            self._sweep_if_due(room)

    def _sweep_in_turn(self, room: Room) -> None:
        """Sweep a busy graph. In another graph, of all processes one sweeps in each minute."""
        if room.busy or not room.swept:
            self.sweep(room)
            room.swept = True
            return
        with room.connection() as conn:
            period = periods.begin(
                conn, bells.SWEEP, every=periods.MINUTE, settings=room.settings, now=postgres.clock()
            )
        if period is None:
            return
        with room.holding(period):
            self.sweep(room)
        with room.connection() as conn:
            periods.finish(conn, period, now=postgres.clock())

    def renew_claims(self) -> None:
        """Renew the claims of each graph, by a thread for each graph that has some."""
        for room in self.rooms.all():
            if room.held:
                self._renewers.run(room.place, room.renew)

    # Dramatiq's signals

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        _MESSAGES.add(message.actor_name)

    def after_process_boot(self, broker: Broker) -> None:  # noqa: ARG002
        log.configure(self.settings)

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        settings = self.settings
        self._worker, self._booted = worker, time.monotonic()
        listening.listen(self._listen)
        # After so long the process is unhealthy; after twice as long the watchdog ends the process.
        watchdog = Watchdog(self._ages, limit=2 * settings.silence_seconds, stopping=self._stopping)
        self._routines = [
            # Lost work should wait neither for the scheduler nor for a minute, which is its shortest period.
            Routine("sweep", self.sweep_all, seconds=settings.sweep_seconds, stopping=self._stopping),
            Routine("claims", self.renew_claims, seconds=settings.claim_seconds / 6, stopping=self._stopping),
            Routine("graphs", self.rooms.refresh, seconds=graphs.FRESH_SECONDS, stopping=self._stopping),
            Routine("rooms", self.rooms.look_after, seconds=LOOK_SECONDS, stopping=self._stopping),
            Routine("heartbeat", self.heartbeat, seconds=settings.heartbeat_seconds, stopping=self._stopping),
            Routine("watchdog", watchdog.look, seconds=settings.heartbeat_seconds, stopping=self._stopping),
        ]
        for routine in self._routines:
            routine.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        self._stopping.set()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        try:
            with self.rooms.default.connection() as conn:
                self._me.leave(conn)
        except psycopg.Error as error:
            logger.info("this process stays listed for a day", error=str(error))
        self.close()

    def heartbeat(self) -> None:
        """Leave a heartbeat in the database of `default`. While that is away, the process works on."""
        with self.rooms.default.connection() as conn:
            self._me.heartbeat(conn, idle=max(self._polls().values(), default=0.0))

    def _polls(self) -> dict[str, float]:
        """For how many seconds each queue was not polled."""
        now, polled = time.monotonic(), self.broker.polled
        queues = list(self._worker.consumers) if self._worker else []
        return {queue: now - polled.get(queue, self._booted) for queue in queues}

    def _ages(self) -> Mapping[str, float]:
        """For how many seconds each part made no progress, for the watchdog; for ever, if its thread has ended."""
        ages = {f"the consumer of queue {queue}": age for queue, age in self._polls().items()}
        threads: list[threading.Thread] = [*self._routines]
        if self._worker is not None:
            threads += [*self._worker.consumers.values(), *self._worker.workers]
        return ages | {f"thread {thread.name}": math.inf for thread in threads if not thread.is_alive()}


process = Process(environment.load())
"""The one instance in this process."""

set_broker(process.broker)

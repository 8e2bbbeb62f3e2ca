"""One worker process: what its actors share, how it starts and how it stops.

Importing this module sets Dramatiq's broker, since actors are bound to a broker as they are defined. The import opens
no connection: the pool opens when the worker process boots, and the broker connects to Redis at the first message.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

import psycopg
import redis
import structlog
from dramatiq import Broker, Middleware, Worker, set_broker
from periodiq import PeriodiqMiddleware
from psycopg.errors import DiskFull

from app import log
from app import settings as environment
from app.graph import withdrawal
from app.graph.parameters import GraphParameters, read_parameters
from app.graph.users import UserIds
from app.ledger import bells, fleet, limits, periods, sweeping, transitions
from app.ledger.periods import Period
from app.ledger.space import Space
from app.ledger.sweeping import Sweep
from app.ledger.transitions import Claim
from app.settings import Settings
from app.store import postgres
from app.store.broker import redis_client
from app.store.postgres import Connection
from workers.polls import PolledBroker
from workers.routines import Routine, Watchdog

logger = structlog.get_logger(__name__)


LONGEST_COUNT_SECONDS = 600.0
"""A claim is not renewed for longer than this: its holder is stuck, and another worker shall try."""

MOST_RUNG = 500
"""Batches that one sweep rings at most."""

SKIP_DELAY = 600
"""Seconds after which a worker skips a scheduler's ring. They are many, since the clocks of hosts may differ and a late
ring does no harm. They are not infinite, since a long outage would end with a long queue of rings."""


class Graph(NamedTuple):
    """What every message needs of the graph."""

    parameters: GraphParameters
    user_ids: UserIds


class Process(Middleware):
    """Settings, broker and database pool of this process. The pool opens when the process boots, and closes at the end.

    Dramatiq's own retries, age and time limits are not used: the ledger has attempts and back-off, and an exception
    cannot stop native code. `statement_timeout` and the size of a batch bound the work.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.broker = PolledBroker(
            client=redis_client(settings.redis_url),
            namespace=settings.namespace,
            enqueue_timeout=settings.enqueue_timeout,
            middleware=[PeriodiqMiddleware(skip_delay=SKIP_DELAY), self],
        )
        self._pool = postgres.pool(
            settings.database_url,
            role="worker",
            # A connection for each thread, one for the sweep, and two for what must not wait: claims and heartbeats.
            size=settings.worker_threads + 3,
            statement_timeout=settings.statement_timeout,
            pgbouncer=settings.pgbouncer,
        )
        self.space = Space(settings)
        """While it is short, batches wait: they are neither rung nor claimed, so no attempt is used up."""
        self._waiting = False
        self._graph: Graph | None = None
        self._stopping = threading.Event()
        self._claims: dict[uuid.UUID, float] = {}
        self._unwritten: list[Claim] = []
        """Claims whose attempt is to be given back, since the database could not even write down that it failed."""
        self._worker: Worker | None = None
        self._booted = time.monotonic()
        self._me = fleet.Me(fleet.Role.WORKER)
        self._routines: list[Routine] = []
        self.unaided: Callable[[Sweep], None] | None = None
        """Does the work that a sweep found while Redis is away; see workers/unaided.py."""

    @property
    def stopping(self) -> bool:
        """Whether this process was told to stop. Long work then ends at its next commit."""
        return self._stopping.is_set()

    @contextmanager
    def holding(self, claim: Claim | Period, *, seconds: float = LONGEST_COUNT_SECONDS) -> Generator[None]:
        """Renew a claim while its batch or period is worked on; see `_renew_claims`."""
        self._claims[claim.token] = time.monotonic() + seconds
        try:
            yield
        finally:
            self._claims.pop(claim.token, None)

    def open(self) -> None:
        """Connect to PostgreSQL."""
        self._pool.open()

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """A connection for the duration of one message."""
        with self._pool.connection() as conn:
            yield conn

    def graph(self, conn: Connection) -> Graph:
        """The graph's parameters, and the ids of its users. The parameters are fixed, so they are read once."""
        if self._graph is None:
            parameters = read_parameters(conn)
            self._graph = Graph(parameters, UserIds(bits=parameters.handle_bits, memory=self.settings.known_handles))
        return self._graph

    def may_count(self, conn: Connection) -> bool:
        """Whether there is room for what a count writes. The batches wait otherwise."""
        short = self.space.shortage(conn)
        if (short is not None) is not self._waiting:
            self._waiting = short is not None
            logger.warning("batches wait for room" if short else "there is room again", reason=short)
        return short is None

    def give_back_later(self, claim: Claim) -> None:
        """An attempt failed with the database, which cannot write that down now."""
        self._unwritten.append(claim)

    def _give_back(self, conn: Connection) -> None:
        claims = list(self._unwritten)
        if claims:
            transitions.give_back(conn, claims)
            del self._unwritten[: len(claims)]

    def sweep(self) -> None:
        """Sweep once, and ring for what the sweep found; or, while Redis is away, do the work."""
        try:
            bells.relieve(self.broker)
            empty = bells.queues_empty(self.broker)
        except redis.RedisError:
            empty = True  # nobody hears the rings that wait there
        with self.connection() as conn:
            with suppress(DiskFull):  # what a sweep rings may make room
                self._give_back(conn)
            most = MOST_RUNG if self.may_count(conn) else 0
            undecided = limits.undecided(conn)
            for upload in undecided:
                withdrawal.decide(conn, upload, self.graph(conn).parameters, now=postgres.clock())
            found = sweeping.sweep(conn, settings=self.settings, now=postgres.clock(), queues_empty=empty, limit=most)
        if undecided:
            bells.ring(self.broker, uploads=undecided)
        if found is None:
            return
        if found.failed_batches or found.aborted_uploads:
            logger.warning("sweep", failed_batches=found.failed_batches, aborted_uploads=found.aborted_uploads)
        if found.batches:
            logger.info("sweep rings batches that are due", batches=len(found.batches), queues_empty=empty)
        rung = bells.ring(self.broker, batches=found.batches, shards=found.shards)
        if not rung and self.unaided is not None:
            self.unaided(found)

    # Dramatiq's signals

    def after_process_boot(self, broker: Broker) -> None:  # noqa: ARG002
        log.configure(self.settings)
        self.open()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        settings = self.settings
        self._worker, self._booted = worker, time.monotonic()
        # After so long the process is unhealthy; after twice as long the watchdog ends the process.
        watchdog = Watchdog(self._ages, limit=2 * settings.silence_seconds, stopping=self._stopping)
        self._routines = [
            # Lost work should wait neither for the scheduler nor for a minute, which is its shortest period.
            Routine("sweep", self.sweep, seconds=settings.sweep_seconds, stopping=self._stopping),
            Routine("claims", self._renew_claims, seconds=settings.claim_seconds / 6, stopping=self._stopping),
            Routine("heartbeat", self.heartbeat, seconds=settings.heartbeat_seconds, stopping=self._stopping),
            Routine("watchdog", watchdog.look, seconds=settings.heartbeat_seconds, stopping=self._stopping),
        ]
        for routine in self._routines:
            routine.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        self._stopping.set()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        try:
            with self.connection() as conn:
                self._me.leave(conn)
        except psycopg.Error as error:
            logger.info("this process stays listed for a day", error=str(error))
        self.close()

    def heartbeat(self) -> None:
        """Leave a heartbeat."""
        with self.connection() as conn:
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

    def _renew_claims(self) -> None:
        now = time.monotonic()
        tokens = [token for token, until in list(self._claims.items()) if now < until]
        if tokens:
            with self.connection() as conn:
                transitions.renew(conn, tokens, settings=self.settings, now=postgres.clock())
                periods.renew(conn, tokens, settings=self.settings, now=postgres.clock())


process = Process(environment.load())
"""The one instance in this process."""

set_broker(process.broker)

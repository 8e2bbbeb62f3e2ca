"""What the actors of one worker process share, and its coming and going.

Importing this sets Dramatiq's broker: actors are bound to it as they are defined. It opens no connection: the pool
opens when a worker process boots, Redis is connected to at the first message.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
import redis
import structlog
from dramatiq import Broker, Middleware, Worker, set_broker
from periodiq import PeriodiqMiddleware

from app import log
from app import settings as environment
from app.graph.parameters import GraphParameters, read_parameters
from app.graph.users import UserIds
from app.ledger import bells, fleet, limits, periods, sweeping, transitions
from app.ledger.periods import Period
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
"""Beyond it a claim is not renewed any more: whoever holds it is stuck, and another shall try."""

SKIP_DELAY = 600
"""Seconds after which a scheduler's question is not answered any more. Many, since the clocks of hosts may differ, and
a late question does no harm; not for ever, or a long outage would end with a long queue of them."""


class Graph(NamedTuple):
    """What every message needs to know of the graph."""

    parameters: GraphParameters
    user_ids: UserIds


class Process(Middleware):
    """Settings, broker and database pool of this process; opens the pool when it boots, closes it when it stops.

    Dramatiq's own retries, age and time limits are left out: attempts and back-off are the ledger's, and native code
    cannot be stopped by an exception. `statement_timeout` and the size of a batch bound the work.
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
        self._graph: Graph | None = None
        self._stopping = threading.Event()
        self._claims: dict[uuid.UUID, float] = {}
        self._worker: Worker | None = None
        self._booted = time.monotonic()
        self._me = fleet.Me(fleet.Role.WORKER)
        self._routines: list[Routine] = []
        self.unaided: Callable[[Sweep], None] | None = None
        """Does what a sweep found while Redis is away; see workers.unaided."""

    @property
    def stopping(self) -> bool:
        """Whether this process was told to stop: long work ends at its next commit."""
        return self._stopping.is_set()

    @contextmanager
    def holding(self, claim: Claim | Period, *, seconds: float = LONGEST_COUNT_SECONDS) -> Generator[None]:
        """Keep a claim alive while its batch, or its period, is worked on; see `_renew_claims`."""
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
        """The graph's parameters and what is known of its users; read once, since they are fixed."""
        if self._graph is None:
            parameters = read_parameters(conn)
            self._graph = Graph(parameters, UserIds(bits=parameters.handle_bits, memory=self.settings.known_handles))
        return self._graph

    def sweep(self) -> None:
        """One sweep, and the bells it asks for; or, while Redis is away, the work itself."""
        try:
            empty = bells.queues_empty(self.broker)
        except redis.RedisError:
            empty = True  # what bells there are, nobody hears
        with self.connection() as conn:
            undecided = limits.undecided(conn)
            for upload in undecided:
                limits.decide(conn, upload, now=postgres.clock())
            found = sweeping.sweep(conn, settings=self.settings, now=postgres.clock(), queues_empty=empty)
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
        # Twice: after so long health says it, after twice as long the process is ended.
        watchdog = Watchdog(self._ages, limit=2 * settings.silence_seconds, stopping=self._stopping)
        self._routines = [
            # The scheduler's finest period is a minute; lost work should not wait that long, nor for the scheduler.
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
        """For how many seconds each queue was not asked for messages."""
        now, polled = time.monotonic(), self.broker.polled
        queues = list(self._worker.consumers) if self._worker else []
        return {queue: now - polled.get(queue, self._booted) for queue in queues}

    def _ages(self) -> Mapping[str, float]:
        """As the watchdog wants it. A thread that has ended will never go on."""
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
"""Of this process."""

set_broker(process.broker)

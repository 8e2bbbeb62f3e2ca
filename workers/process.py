"""What the actors of one worker process share, and its coming and going."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

import redis
import structlog
from dramatiq import Broker, Middleware, Worker
from periodiq import PeriodiqMiddleware

from app import db, dispatch, events, ledger, log, withdrawal
from app.broker import FailOverRedisBroker, redis_client
from app.db import Connection
from app.ledger import Claim, GraphParameters
from app.settings import Settings
from app.users import UserIds

logger = structlog.get_logger(__name__)


LONGEST_COUNT_SECONDS = 600.0
"""Beyond it a claim is not renewed any more: whoever holds it is stuck, and another shall try."""


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
        self.broker = FailOverRedisBroker(
            client=redis_client(settings.redis_url),
            namespace=settings.namespace,
            enqueue_timeout=settings.enqueue_timeout,
            middleware=[PeriodiqMiddleware(skip_delay=30), self],
        )
        self._pool = db.pool(
            settings.database_url,
            role="worker",
            # A connection for each thread, and one for the sweep.
            size=settings.worker_threads + 1,
            statement_timeout=settings.statement_timeout,
        )
        self._graph: Graph | None = None
        self._stopping = threading.Event()
        self._claims: dict[uuid.UUID, float] = {}

    @property
    def stopping(self) -> bool:
        """Whether this process was told to stop: long work ends at its next commit."""
        return self._stopping.is_set()

    @contextmanager
    def holding(self, claim: Claim) -> Generator[None]:
        """Keep a claim alive while its batch is worked on; see `_renew_claims`."""
        self._claims[claim.token] = time.monotonic() + LONGEST_COUNT_SECONDS
        try:
            yield
        finally:
            self._claims.pop(claim.token, None)

    def forget_users(self) -> None:
        """After a lost connection: a fail-over can lose commits, and with them the latest users."""
        self._graph = None

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
            parameters = ledger.parameters(conn)
            self._graph = Graph(parameters, UserIds(bits=parameters.handle_bits, memory=self.settings.known_handles))
        return self._graph

    def sweep(self) -> None:
        """One sweep, and the bells it asks for. PostgreSQL's part is done even while Redis is away."""
        try:
            empty = dispatch.queues_empty(self.broker)
        except redis.RedisError:
            empty = False
        with self.connection() as conn:
            undecided = withdrawal.undecided(conn)
            for upload in undecided:
                withdrawal.decide(conn, upload, now=db.clock())
            found = ledger.sweep(conn, settings=self.settings, now=db.clock(), queues_empty=empty)
        if undecided:
            events.announce(self.broker, undecided)
        if found is None:
            return
        if found.failed_batches or found.aborted_uploads:
            logger.warning("sweep", failed_batches=found.failed_batches, aborted_uploads=found.aborted_uploads)
        if found.batches:
            logger.info("sweep rings batches that are due", batches=len(found.batches), queues_empty=empty)
        dispatch.ring_counts(self.broker, found.batches)
        dispatch.ring_merges(self.broker, found.shards)

    # Dramatiq's signals

    def after_process_boot(self, broker: Broker) -> None:  # noqa: ARG002
        log.configure(self.settings)
        self.open()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        threading.Thread(target=self._sweep_now_and_then, name="sweep", daemon=True).start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        self._stopping.set()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        self.close()

    def _sweep_now_and_then(self) -> None:
        # The scheduler's finest period is a minute; lost work should not wait that long, nor for the scheduler.
        while not self._stopping.wait(self.settings.sweep_seconds):
            for work in (self._renew_claims, self.sweep):
                try:
                    work()
                except Exception as error:  # noqa: BLE001 (this thread outlives whatever happens to the servers)
                    logger.warning("sweep failed; the next one follows", error=f"{type(error).__name__}: {error}")

    def _renew_claims(self) -> None:
        now = time.monotonic()
        tokens = [token for token, until in list(self._claims.items()) if now < until]
        if tokens:
            with self.connection() as conn:
                ledger.renew(conn, tokens, settings=self.settings, now=db.clock())

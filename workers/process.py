"""What the actors of one worker process share, and its coming and going."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
import structlog
from dramatiq import Broker, Middleware, Worker
from periodiq import PeriodiqMiddleware

from app import db, dispatch, events, ledger, log, withdrawal
from app.broker import FailOverRedisBroker, redis_client
from app.db import Connection
from app.ledger import GraphParameters
from app.settings import Settings
from app.users import UserIds

logger = structlog.get_logger(__name__)


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
        """One sweep, and the bells it asks for."""
        empty = dispatch.queues_empty(self.broker)
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
        self._pool.open()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        threading.Thread(target=self._sweep_now_and_then, name="sweep", daemon=True).start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        self._stopping.set()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        self._pool.close()

    def _sweep_now_and_then(self) -> None:
        # The scheduler's finest period is a minute; lost work should not wait that long, nor for the scheduler.
        while not self._stopping.wait(self.settings.sweep_seconds):
            try:
                self.sweep()
            except (psycopg.Error, ConnectionError, OSError) as error:
                logger.warning("sweep failed; the next one follows", error=str(error), pid=os.getpid())

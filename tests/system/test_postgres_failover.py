"""PostgreSQL dies under the API and the workers, and comes back, or another server takes its place."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.posts.looking.sniffing import HEAD_BYTES
from app.settings import Settings
from app.store.migrations import migrate
from ops.embedded.children import free_ports
from ops.embedded.postgres import Postgres
from ops.workloads.generate import generate
from tests.conftest import until
from tests.system.test_end_to_end import (
    PATIENCE,
    Service,
    assert_exact,
    holding,
    service,
    wait_until_a_worker_is_stuck,
)

__all__ = ["service"]

pytestmark = pytest.mark.system


def long_enough(content: bytes) -> bytes:
    """The posts behind empty lines, which are no rows: nothing is staged before the look at the first MiB."""
    header = content.index(b"\n") + 1
    return content[:header] + b"\n" * HEAD_BYTES + content[header:]


CONTENTS = [long_enough(b"".join(generate(2000, seed, bad_rows=0.01))) for seed in range(5)]
HALF = (len(CONTENTS[0]) + HEAD_BYTES) // 2


class Cluster:
    """A primary and its standby, on two ports that stay the same; `primary` and `standby` say who is what now."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.servers = ExitStack()
        self.ports = free_ports(2)
        self.primary = self._server("first", self.ports[0])
        self.standby = self.primary

    def _server(self, name: str, port: int, **settings: Any) -> Postgres:
        # No commit waits for a disk here, but for the standby it does.
        safe: dict[str, Any] = {"synchronous_commit": "on", "max_wal_size": "256MB", **settings}
        server = Postgres(self._directory / name, port, durable=False, **safe)
        self.servers.callback(server.stop)
        return server

    @property
    def dsn(self) -> str:
        """Both hosts, of which the one is wanted that takes writes."""
        first, second = self.ports
        both = self.primary.dsn().replace(f":{self.primary.port}/", f":{first},127.0.0.1:{second}/")
        return f"{both}?target_session_attrs=read-write"

    def start_standby(self, name: str, *, synchronous: bool) -> None:
        """A new copy of the primary, which follows it. Synchronous: no commit is acknowledged before the standby has
        it."""
        (port,) = set(self.ports) - {self.primary.port}
        self.primary.copy_to(self._directory / name, standby=True)
        self.standby = self._server(name, port)
        self.standby.start()
        if synchronous:
            run(self.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
            run(self.primary, "SELECT pg_reload_conf()")
        until(
            lambda: (
                run(self.primary, "SELECT sync_state FROM pg_stat_replication")
                == [("sync" if synchronous else "async",)]
            ),
            within=PATIENCE,
            what="the standby follows",
        )

    def promote(self) -> None:
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def start_read_only(self, name: str) -> Postgres:
        """A server that was the primary, as it was left, but for writes."""
        (port,) = set(self.ports) - {self.primary.port}
        server = self._server(name, port, default_transaction_read_only="on", synchronous_standby_names="")
        server.start()
        return server


def run(server: Postgres, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        cursor = conn.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def cluster(server_directory: Path) -> Generator[Cluster]:
    cluster = Cluster(server_directory)
    with cluster.servers:
        cluster.primary.start()
        migrate(cluster.primary.dsn())
        yield cluster


@pytest.fixture
def settings(redis_url: str, namespace: str, cluster: Cluster) -> Settings:
    return Settings(database_url=cluster.dsn, redis_url=redis_url, namespace=namespace)


@contextmanager
def in_flight(service: Service, content: bytes) -> Generator[tuple[Future[str], threading.Event]]:
    """An upload of which half has arrived and is staged; the rest arrives after the event, or the block."""
    rest = threading.Event()

    def body() -> Iterator[bytes]:
        yield content[:HALF]
        rest.wait(PATIENCE)
        yield content[HALF:]

    def send() -> str:
        answer = service.http.post("/uploads", content=body(), headers={"Content-Type": "text/csv"}, timeout=PATIENCE)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    with ThreadPoolExecutor(1) as client:
        sent = client.submit(send)
        try:
            with psycopg.connect(service.settings.database_url, autocommit=True) as conn:
                until(
                    lambda: conn.execute(
                        "SELECT FROM uploads JOIN batches ON upload_id = uploads.id WHERE uploads.state = 'receiving'"
                    ).fetchall(),
                    within=PATIENCE,
                    what="some of it is staged",
                )
            yield sent, rest
        finally:
            rest.set()


def test_postgresql_crashes_in_the_middle_of_everything(service: Service, cluster: Cluster) -> None:
    service.start_worker()
    service.wait_until_applied(service.upload(CONTENTS[0]))
    with in_flight(service, CONTENTS[3]) as (arriving, rest), ExitStack() as held:
        held.enter_context(suppress(psycopg.OperationalError))  # they are lost, too
        # One thread of the worker is stopped in the merge of one shard, then the other in a count.
        held.enter_context(holding(service, "SELECT FROM edges ORDER BY source_id LIMIT 1 FOR UPDATE"))
        merging = service.upload(CONTENTS[0] + b"\n")
        wait_until_a_worker_is_stuck(service, "UPDATE edges")
        until(
            lambda: run(cluster.primary, "SELECT count(DISTINCT shard) FROM deltas WHERE merged_at IS NULL") == [(1,)],
            within=PATIENCE,
            what="the other shards are merged",
        )
        held.enter_context(holding(service, "LOCK TABLE deltas IN SHARE ROW EXCLUSIVE MODE"))
        counting = service.upload(CONTENTS[2])
        wait_until_a_worker_is_stuck(service, "INSERT INTO deltas")
        cluster.primary.kill()
        rest.set()
        cluster.primary.start()

    for upload in (merging, counting, arriving.result()):
        service.wait_until_applied(upload)

    assert_exact(service, CONTENTS[0], CONTENTS[0], *CONTENTS[2:4])


def test_a_standby_takes_over(service: Service, cluster: Cluster) -> None:
    """The primary dies when a count is committed there, and the standby has not acknowledged it."""
    cluster.start_standby("second", synchronous=True)
    worker = service.start_worker()
    service.wait_until_applied(service.upload(CONTENTS[0]))
    [(receiver,)] = run(cluster.standby, "SELECT pid FROM pg_stat_wal_receiver")
    assert isinstance(receiver, int)
    with in_flight(service, CONTENTS[2]) as (arriving, rest):
        with holding(service, "LOCK TABLE deltas IN EXCLUSIVE MODE"):
            counting = service.upload(CONTENTS[1])
            wait_until_a_worker_is_stuck(service, "INSERT INTO deltas")
            os.kill(receiver, signal.SIGSTOP)
        until(
            lambda: run(
                cluster.primary,
                "SELECT b.id FROM batches AS b INNER JOIN uploads AS u ON u.id = b.upload_id "
                "WHERE u.state = 'applying' AND b.counted_at IS NOT NULL",
            ),
            within=PATIENCE,
            what="a count is committed on the primary",
        )
        cluster.primary.kill()
        rest.set()
        os.kill(receiver, signal.SIGCONT)
        cluster.promote()

    for upload in (counting, arriving.result()):
        service.wait_until_applied(upload)
    assert_exact(service, *CONTENTS[:3])

    # The old primary comes back, as it was, but read-only; and on the port that is asked first.
    stale = cluster.start_read_only("first")
    before = run(stale, "SELECT count(*), max(id) FROM ledger_events")
    worker.stop()
    service.start_worker()
    service.wait_until_applied(service.upload(CONTENTS[3]))
    assert run(stale, "SELECT count(*), max(id) FROM ledger_events") == before
    assert_exact(service, *CONTENTS[:4])
    stale.stop()


def test_a_primary_is_made_read_only_for_a_switch_over(service: Service, cluster: Cluster) -> None:
    """No connection is cut: whoever has one to it finds out, and goes to the other server."""
    cluster.start_standby("second", synchronous=False)
    service.start_worker()
    service.wait_until_applied(service.upload(CONTENTS[0]))
    run(cluster.primary, "ALTER SYSTEM SET default_transaction_read_only = on")
    run(cluster.primary, "SELECT pg_reload_conf()")
    until(lambda: follows(cluster), within=PATIENCE, what="the standby has everything")
    cluster.promote()
    before = run(cluster.standby, "SELECT count(*), max(id) FROM ledger_events")

    service.wait_until_applied(service.upload(CONTENTS[1]))

    assert_exact(service, *CONTENTS[:2])
    assert run(cluster.standby, "SELECT count(*), max(id) FROM ledger_events") == before


def follows(cluster: Cluster) -> bool:
    """Nobody writes any more, and the standby has replayed what was written."""
    if run(cluster.primary, "SELECT pid FROM pg_stat_activity WHERE backend_xid IS NOT NULL"):
        return False
    [(written,)] = run(cluster.primary, "SELECT pg_current_wal_lsn()::text")
    return run(cluster.standby, f"SELECT pg_last_wal_replay_lsn() >= '{written}'") == [(True,)]

"""From HTTP to the graph through the real API, dramatiq and periodiq processes, and through their sudden deaths.

The moment of a death is chosen with a lock: the test holds what the worker needs next, waits until the worker waits for
it in the middle of its transaction, and kills it there.
"""

from __future__ import annotations

import gzip
import signal
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
import redis

from app.graph import decay_ranges
from app.graph.shards import MAX_SHARDS
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from app.store.locks import shard_key
from ops import processes
from ops.embedded.children import Child, free_ports
from ops.oracle.account import account
from ops.processes import Command
from ops.workloads.generate import generate
from tests.conftest import until
from tests.posts.workbooks import zipped

pytestmark = pytest.mark.system

ROWS = 4000
PATIENCE = 40


class Service:
    """One API, one scheduler, and as many workers as a test starts, over its own database and namespace."""

    def __init__(self, settings: Settings, logs: Path) -> None:
        self.settings = settings
        self.logs = logs
        self.children = ExitStack()
        self.http = httpx.Client(base_url=processes.url_of_api(settings), timeout=30)
        self._started = 0

    def start(self, name: str, command: Command, ready: Callable[[], bool] | None = None) -> Child:
        self._started += 1
        log = self.logs / f"{name}-{self._started}.log"
        child = Child(name, command.argv, env=command.env, cwd=self.logs, log=log, ready=ready, grace=5)
        self.children.callback(child.stop)
        child.start()
        return child

    def start_api(self) -> Child:
        def answers() -> bool:
            try:
                return self.http.get("/health/live").is_success
            except httpx.TransportError:
                return False

        self.api = self.start("api", processes.api(self.settings, patience=1), answers)
        return self.api

    def start_worker(self) -> Child:
        return self.start("worker", processes.worker(self.settings, patience=2))

    def upload(self, content: bytes) -> str:
        answer = self.http.post("/uploads", content=content, headers={"Content-Type": "text/csv"})
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()["id"]

    def entry(self, upload: str) -> dict[str, Any]:
        answer = self.http.get(f"/uploads/{upload}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_until_applied(self, upload: str) -> dict[str, Any]:
        until(
            lambda: self.entry(upload)["state"] in {"applied", "failed"}, within=PATIENCE, what=f"{upload} is applied"
        )
        entry = self.entry(upload)
        assert entry["state"] == "applied", entry
        return entry

    def exported(self) -> dict[tuple[str, str], int]:
        lines = self.http.get("/export/edges.csv", params={"self_mentions": True}).text.splitlines()[1:]
        fields = [line.split(",") for line in lines]
        return {(source.lower(), target.lower()): int(count) for source, target, count, *_ in fields}


@pytest.fixture
def service(settings: Settings, tmp_path: Path) -> Generator[Service]:
    """The API runs; workers and scheduler are the test's to start. Claims are short: deaths are noticed soon."""
    [port] = free_ports(1)
    quick = msgspec.structs.replace(
        settings,
        port=port,
        batch_bytes=64_000,
        claim_seconds=2.0,
        sweep_seconds=0.5,
        worker_processes=1,
        worker_threads=2,
    )
    service = Service(quick, tmp_path)
    with service.children, service.http:
        service.start_api()
        yield service


@pytest.fixture(scope="module")
def content() -> bytes:
    """A generated file with some bad rows."""
    return b"".join(generate(ROWS, 11, bad_rows=0.01))


def expected(*contents: bytes) -> dict[tuple[str, str], int]:
    """What the slow oracle counts."""
    counted = None
    for content in contents:
        counted = account(content, counted)
    assert counted is not None
    return {edge: seen.mention_count for edge, seen in counted.edges.items()}


def assert_exact(service: Service, *contents: bytes) -> None:
    """The graph equals the oracle's edge by edge, and the audit holds."""
    assert service.exported() == expected(*contents)
    with postgres.connect(service.settings.database_url, role="test") as conn:
        found = audit(conn)
    assert found.exact, found


@contextmanager
def holding(service: Service, statement: str, *params: object) -> Generator[None]:
    """Hold a lock until the block ends."""
    with psycopg.connect(service.settings.database_url) as conn:
        conn.execute(statement.encode(), params)
        yield
        conn.rollback()


def wait_until_a_worker_is_stuck(service: Service, within_statement: str) -> None:
    """Some worker's backend waits for a lock in the middle of a transaction, in a statement like this one."""
    with psycopg.connect(service.settings.database_url, autocommit=True) as conn:
        until(
            lambda: conn.execute(
                "SELECT pid FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name LIKE 'mentiongraph worker%%' "
                "AND wait_event_type = 'Lock' AND query ILIKE %s",
                [f"%{within_statement}%"],
            ).fetchall(),
            within=PATIENCE,
            what=f"a worker waits in {within_statement}",
        )


def test_an_upload_is_applied(service: Service, content: bytes) -> None:
    service.start_worker()
    service.start("scheduler", processes.scheduler(service.settings))

    entry = service.wait_until_applied(service.upload(content))

    assert entry["rows_received"] == ROWS
    assert entry["rows_received"] == entry["rows_applied"] + entry["rows_rejected"]
    assert entry["rows_rejected"] == account(content).rejected
    assert_exact(service, content)


def test_the_same_bytes_are_applied_once(service: Service, content: bytes) -> None:
    service.start_worker()
    first = service.upload(content)
    service.wait_until_applied(first)

    assert service.upload(content) == first
    assert_exact(service, content)


def states_of(service: Service) -> list[str]:
    """The states of all uploads, also while no API runs."""
    with psycopg.connect(service.settings.database_url) as conn:
        return [row[0] for row in conn.execute("select state from uploads")]


def halves(content: bytes) -> tuple[bytes, bytes]:
    """Two files with the rows of one."""
    lines = content.splitlines(keepends=True)
    middle = len(lines) // 2
    return b"".join(lines[:middle]), lines[0] + b"".join(lines[middle:])


def test_a_zip_is_applied_and_retracted_whatever_dies(service: Service) -> None:
    plain = b"".join(generate(ROWS, 12, bad_rows=0))
    first, second = halves(plain)
    other = b"".join(generate(ROWS, 13, bad_rows=0))
    packed = zipped({"a.csv": first, "b/second.csv.gz": gzip.compress(second), "c.csv": other})
    worker = service.start_worker()

    upload = service.upload(packed)
    until(lambda: service.entry(upload)["rows_applied"] > 0, within=PATIENCE, what="some rows are applied")
    worker.kill()
    service.start_worker()

    entry = service.wait_until_applied(upload)
    assert entry["member_count"] == len(entry["members"]) == 3
    assert entry["rows_accepted"] == 2 * ROWS
    assert_exact(service, plain, other)

    service.http.post(f"/uploads/{upload}/retract").raise_for_status()
    until(lambda: service.entry(upload)["state"] == "retracted", within=PATIENCE, what="the zip is retracted")
    assert service.exported() == {}


def test_a_zip_whose_receiver_dies_leaves_nothing(service: Service, content: bytes) -> None:
    """The members are being staged, and the API is killed there."""
    packed = zipped({f"{each}.csv": content for each in range(3)})
    with holding(service, "LOCK TABLE batches IN EXCLUSIVE MODE"), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(service.http.post, "/uploads", content=packed, headers={"Content-Type": "application/zip"})
        until(lambda: len(states_of(service)) > 1, within=PATIENCE, what="a member is entered")
        service.api.kill()
        with pytest.raises(httpx.TransportError):
            sent.result()
    service.start_api()
    service.start_worker()
    until(lambda: set(states_of(service)) == {"aborted"}, within=PATIENCE, what="all is aborted")
    assert service.exported() == {}
    service.wait_until_applied(service.upload(packed))
    assert_exact(service, content)


def test_a_worker_killed_in_the_middle_of_counting(service: Service, content: bytes) -> None:
    worker = service.start_worker()
    with holding(service, "LOCK TABLE deltas IN EXCLUSIVE MODE"):
        upload = service.upload(content)
        wait_until_a_worker_is_stuck(service, "INSERT INTO deltas")
        worker.kill()
    service.start_worker()

    service.wait_until_applied(upload)

    assert_exact(service, content)


def test_a_worker_killed_in_the_middle_of_merging(service: Service, content: bytes) -> None:
    first = b"".join(generate(500, 3))
    worker = service.start_worker()
    service.wait_until_applied(service.upload(first))
    # A row that the next merge of its shard updates, in the middle of its one statement.
    with holding(service, "SELECT FROM edges FOR UPDATE"):
        upload = service.upload(content)
        wait_until_a_worker_is_stuck(service, "UPDATE edges")
        worker.kill()
    service.start_worker()

    service.wait_until_applied(upload)

    assert_exact(service, first, content)


def test_a_worker_killed_while_it_waits_for_a_shard(service: Service, content: bytes) -> None:
    worker = service.start_worker()
    keys = [shard_key(shard) for shard in range(MAX_SHARDS)]
    with holding(service, "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", keys):
        upload = service.upload(content)
        wait_until_a_worker_is_stuck(service, "pg_advisory_xact_lock")
        worker.kill()
    service.start_worker()

    service.wait_until_applied(upload)

    assert_exact(service, content)


def test_redis_loses_everything_that_is_queued(service: Service, content: bytes) -> None:
    upload = service.upload(content)
    client = redis.Redis.from_url(service.settings.redis_url)
    keys = until(
        lambda: client.keys(f"{service.settings.namespace}:bulk*"), within=PATIENCE, what="the bells are in the queue"
    )
    client.delete(*keys)
    client.close()
    service.start_worker()

    service.wait_until_applied(upload)

    assert_exact(service, content)


def test_a_stopped_worker_wakes_up_as_a_zombie(service: Service, content: bytes) -> None:
    """SIGSTOP with claims in hand; another worker does the work; SIGCONT: the zombie's claims are superseded."""
    zombie = service.start_worker()
    with holding(service, "LOCK TABLE deltas IN EXCLUSIVE MODE"):
        upload = service.upload(content)
        wait_until_a_worker_is_stuck(service, "INSERT INTO deltas")
        zombie.signal(signal.SIGSTOP)
    service.start_worker()
    with psycopg.connect(service.settings.database_url, autocommit=True) as conn:
        # The zombie's transactions keep their rows; the server ends them as it ends any that is idle for too long.
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
        )

    service.wait_until_applied(upload)
    zombie.signal(signal.SIGCONT)
    second = b"".join(generate(300, 5))
    service.wait_until_applied(service.upload(second))

    assert_exact(service, content, second)


def test_uploads_go_on_while_redis_is_away(settings: Settings, tmp_path: Path, content: bytes) -> None:
    port, nobody = free_ports(2)
    away = msgspec.structs.replace(
        settings, port=port, redis_url=f"redis://127.0.0.1:{nobody}/0", enqueue_timeout=0.2, sweep_seconds=0.5
    )
    service = Service(away, tmp_path)
    with service.children, service.http:
        api = service.start_api()
        upload = service.upload(content)
        assert service.entry(upload)["state"] == "staged"
        api.stop()
        service.settings = msgspec.structs.replace(away, redis_url=settings.redis_url)
        service.start_api()
        service.start_worker()

        service.wait_until_applied(upload)

        assert_exact(service, content)


def test_the_scheduler_triggers_decay_of_stale_edges(service: Service) -> None:
    """The day's decay, asked for the way periodiq does it, in a real worker."""
    long_ago = datetime.now(UTC) - timedelta(days=60)
    with postgres.connect(service.settings.database_url, role="test") as conn:
        conn.execute("INSERT INTO users VALUES (1, 'ada', 'ada'), (2, 'bob', 'bob')")
        conn.execute(
            "INSERT INTO edges VALUES (1, 2, 1, 1.0, %s, %s, %s), (2, 1, 90000, 90000.0, %s, %s, %s)", [long_ago] * 6
        )
        decay_ranges.forget(conn)  # no merge brought them
        service.start_worker()
        answer = service.start("ask", Command(*_ask_for_decay(service.settings)))
        answer.wait(30)
        until(
            lambda: postgres.scalars(conn, "SELECT count(*) FROM decay_runs WHERE finished_at IS NOT NULL") == [1],
            within=PATIENCE,
            what="the day's decay is finished",
        )

        assert postgres.scalars(conn, "SELECT source_id FROM edges_archive") == [1]
        assert postgres.scalars(conn, "SELECT source_id FROM edges WHERE weighed_at > now() - interval '1 hour'") == [2]


def _ask_for_decay(settings: Settings) -> tuple[list[str], dict[str, str]]:
    command = processes.scheduler(settings)
    send = "import workers.main; workers.main.decay.send_with_options(); print('sent')"
    return [command.argv[0], "-c", send], {**command.env, "PYTHONPATH": str(processes.ROOT)}


def test_work_goes_on_while_redis_is_away(settings: Settings, tmp_path: Path, content: bytes) -> None:
    """Nobody can be rung: the workers' sweeps do the work, and it is as exact."""
    port, nobody = free_ports(2)
    away = msgspec.structs.replace(
        settings,
        port=port,
        redis_url=f"redis://127.0.0.1:{nobody}/0",
        enqueue_timeout=0.2,
        sweep_seconds=0.5,
        batch_bytes=64_000,
        worker_processes=1,
    )
    service = Service(away, tmp_path)
    with service.children, service.http:
        service.start_api()
        service.start_worker()

        service.wait_until_applied(service.upload(content))

        assert_exact(service, content)

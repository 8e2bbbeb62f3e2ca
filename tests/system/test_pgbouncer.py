"""Everything through PgBouncer in transaction mode, configured as we ship it: no transaction may count on the session
that the one before it had."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import unquote, urlsplit

import msgspec
import psycopg
import pytest
from psycopg.rows import dict_row

from app.errors import Problem
from app.ledger import transitions
from app.settings import Settings
from app.store import postgres
from ops.embedded.children import Child, free_ports
from ops.embedded.placement import server_account
from ops.embedded.postgres import Postgres
from ops.oracle.account import account
from ops.workloads.generate import generate
from tests.conftest import until
from tests.system.test_cli import run
from tests.system.test_end_to_end import PATIENCE, Service, assert_exact, expected, service

__all__ = ["service"]

SHIPPED = Path(__file__).parents[2] / "ops" / "pgbouncer" / "pgbouncer.ini"
PROGRAM = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
SERVERS = 4
"""Connections that PgBouncer may have to PostgreSQL: fewer than the processes have to it."""
WRITERS: dict[str, LiteralString] = {
    "worker": "SELECT process FROM ledger_events WHERE batch_id IS NOT NULL AND to_state = 'counted'",
    "api": "SELECT process FROM ledger_events WHERE from_state = 'receiving'",
}
"""Who in the ledger's events wrote what only this kind of process writes."""
LEFT_LOCKED: LiteralString = (
    "SELECT objid FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND datname = current_database() AND state = 'idle'"
)
"""What a session holds between two transactions."""
CONTENTS = [b"".join(generate(1500, seed, bad_rows=0.02)) for seed in range(4)]

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (package pgbouncer, in Debian and others)"),
]


class PgBouncer:
    """The shipped configuration with other addresses, fewer server connections, and `more` settings."""

    def __init__(self, directory: Path, database_url: str, *, statement_timeout: str = "300000", **more: str) -> None:
        (self.port,) = free_ports(1)
        server = urlsplit(database_url)
        shipped = configparser.ConfigParser(interpolation=None)
        shipped.read(SHIPPED)
        self.database = server.path.removeprefix("/")
        (directory / "userlist.txt").write_text(f'"{server.username}" "{unquote(server.password or "")}"\n')
        shipped["databases"] = {
            self.database: shipped["databases"]["mentiongraph"]
            .replace("host=127.0.0.1", f"host={server.hostname}")
            .replace("port=5432", f"port={server.port}")
            .replace("300000", statement_timeout)
        }
        changes = {
            "listen_port": str(self.port),
            "auth_file": str(directory / "userlist.txt"),
            "admin_users": str(server.username),
            "default_pool_size": str(SERVERS),
            **more,
        }
        shipped["pgbouncer"].update(changes)
        with (directory / "pgbouncer.ini").open("w") as file:
            shipped.write(file)
        self._server = server
        self._child = Child(
            "pgbouncer",
            [str(PROGRAM), "-q", directory / "pgbouncer.ini"],
            log=directory / "pgbouncer.log",
            account=server_account(directory),  # it refuses to be root
            ready=self._answers,
        )

    def url(self, database: str | None = None) -> str:
        login = self._server.netloc.rpartition("@")[0]
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database or self.database}"

    def start(self) -> None:
        self._child.start()

    def stop(self) -> None:
        self._child.stop()

    def show(self, what: str) -> list[dict[str, Any]]:
        with (
            psycopg.connect(self.url("pgbouncer"), autocommit=True) as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(f"SHOW {what}".encode()).fetchall()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("pgbouncer"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


# With the second, whatever a transaction leaves on its session is gone: settings, prepared statements, locks, cursors.
@pytest.fixture(params=[{}, {"server_reset_query_always": "1"}], ids=["as shipped", "sessions wiped"])
def pgbouncer(dsn: str, server_directory: Path, request: pytest.FixtureRequest) -> Generator[PgBouncer]:
    pooler = PgBouncer(server_directory, dsn, **request.param)
    pooler.start()
    yield pooler
    pooler.stop()


@pytest.fixture
def settings(settings: Settings, pgbouncer: PgBouncer) -> Settings:
    """Whatever the test starts knows of no other way to PostgreSQL."""
    return msgspec.structs.replace(settings, database_url=pgbouncer.url(), pgbouncer=True)


def fail_a_batch(settings: Settings, upload: str) -> None:
    """Its one attempt fails, as a worker would have it."""
    strict = msgspec.structs.replace(settings, max_attempts=1)
    problem = Problem(type="urn:test", title="It failed", status=500, detail="for the test")
    with postgres.connect(settings.database_url, role="test") as conn:
        (batch, *_) = postgres.scalars(conn, "SELECT id FROM batches WHERE upload_id = %(id)s", {"id": upload})
        claim = transitions.claim(conn, batch, settings=strict, now=postgres.clock())
        assert claim is not None
        assert transitions.fail(conn, claim, problem, settings=strict, now=postgres.clock())


def command(service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    done = run(*words, settings=service.settings)
    assert done.returncode == 0, done.stderr
    return done


def test_everything_through_few_server_connections(service: Service, pgbouncer: PgBouncer) -> None:
    failed = service.upload(CONTENTS[0])
    fail_a_batch(service.settings, failed)
    service.settings = msgspec.structs.replace(service.settings, worker_processes=2)
    service.start_worker()
    with ThreadPoolExecutor(3) as clients:
        uploads = list(clients.map(service.upload, CONTENTS[1:]))
    for upload, content in zip(uploads, CONTENTS[1:], strict=True):
        entry = service.wait_until_applied(upload)
        assert entry["rows_rejected"] == account(content).rejected > 0
    until(lambda: service.entry(failed)["state"] == "failed", within=PATIENCE, what="the upload failed")
    assert service.http.post(f"/uploads/{failed}/replay").status_code == 202
    service.wait_until_applied(failed)
    assert_exact(service, *CONTENTS)

    assert service.http.post(f"/uploads/{uploads[0]}/retract").status_code == 202
    until(lambda: service.entry(uploads[0])["state"] == "retracted", within=PATIENCE, what="it is retracted")
    assert "nothing to do" in command(service, "migrate").stderr
    command(service, "audit")
    command(service, "rebuild", "--compare")
    command(service, "rebuild", "--swap", "--yes")
    command(service, "decay")
    command(service, "purge")
    assert_exact(service, CONTENTS[0], *CONTENTS[2:])

    assert_shared(service, pgbouncer)


def assert_shared(service: Service, pgbouncer: PgBouncer) -> None:
    """Many clients had few server connections in turn; each wrote into the ledger under its own name, and left none of
    its locks behind."""
    clients = [row for row in pgbouncer.show("CLIENTS") if row["database"] == pgbouncer.database]
    servers = [row for row in pgbouncer.show("SERVERS") if row["database"] == pgbouncer.database]
    assert len(servers) <= SERVERS < len(clients)
    with postgres.connect(service.settings.database_url, role="test") as conn:
        until(lambda: not postgres.scalars(conn, LEFT_LOCKED), within=PATIENCE, what="only work under way holds locks")
        for role, statement in WRITERS.items():
            writers = set(postgres.scalars(conn, statement))
            assert writers
            assert all(writer.startswith(f"mentiongraph {role}@") for writer in writers)


only_as_shipped = pytest.mark.parametrize("pgbouncer", [{}], indirect=True, ids=["as shipped"])


@only_as_shipped
def test_a_schema_is_made(settings: Settings, dsn: str) -> None:
    with psycopg.connect(dsn) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")

    for said in ("migrated", "nothing to do"):
        done = run("migrate", settings=settings)
        assert done.returncode == 0, done.stderr
        assert said in done.stderr


@pytest.mark.parametrize("pgbouncer", [{"statement_timeout": "300"}], indirect=True, ids=["impatient"])
def test_exports_outlast_the_statement_timeout(service: Service, dsn: str) -> None:
    service.start_worker()
    service.wait_until_applied(service.upload(CONTENTS[0]))
    source, target = next(iter(expected(CONTENTS[0])))
    with psycopg.connect(dsn) as holder, psycopg.connect(dsn, autocommit=True) as conn, ThreadPoolExecutor(1) as client:
        holder.execute("LOCK TABLE edges")
        export = client.submit(service.exported)
        assert service.http.get("/edges", params={"source": source, "target": target}).status_code == 503
        until(
            lambda: conn.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%edges%' "
                "AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '600 ms'"
            ).fetchall(),
            within=PATIENCE,
            what="the export has waited for longer than the timeout",
        )
        holder.rollback()
        assert export.result() == expected(CONTENTS[0])


def test_a_standby_behind_it_is_promoted(server_directory: Path) -> None:
    """PgBouncer goes on telling that it is a standby: nobody may believe that."""
    primary = Postgres(server_directory / "first", durable=False)
    standby = Postgres(server_directory / "second", durable=False)
    with ExitStack() as running:
        running.callback(primary.stop)
        primary.start()
        primary.copy_to(server_directory / "second", standby=True)
        running.callback(standby.stop)
        standby.start()
        pooler = PgBouncer(server_directory, standby.dsn())
        running.callback(pooler.stop)
        pooler.start()
        with psycopg.connect(pooler.url()) as conn:
            assert conn.execute("SELECT pg_is_in_recovery()").fetchall() == [(True,)]
        standby.promote()

        with (
            postgres.pool(pooler.url(), role="test", size=1, statement_timeout=5, pgbouncer=True) as pool,
            pool.connection() as conn,
        ):
            conn.execute("CREATE TABLE written (at timestamptz)")

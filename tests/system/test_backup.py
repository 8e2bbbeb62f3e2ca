"""A backup is taken in the middle of everything, and restored elsewhere: what was in flight is completed there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from app.control import databases as control
from app.control import graphs
from app.proofs.audit import audit
from app.settings import Settings
from app.store.broker import redis_client
from app.store.migrations import migrate
from app.store.postgres import clock, connect, scalars
from ops.cli import main
from ops.embedded import roles
from ops.embedded.children import free_ports
from ops.embedded.placement import server_account
from ops.embedded.postgres import Postgres
from ops.workloads.generate import generate
from tests.conftest import Addresses, Databases, database_url, until
from tests.granting import granted
from tests.system.test_cli import environment, run
from tests.system.test_end_to_end import (
    PATIENCE,
    Service,
    assert_exact,
    holding,
    wait_until_a_worker_is_stuck,
)
from tests.system.test_postgres_failover import in_flight, long_enough

pytestmark = pytest.mark.system

CONTENTS = [long_enough(b"".join(generate(1500, seed, bad_rows=0.01))) for seed in range(6)]
GIVE_UP_SOON = 0.5
"""Seconds after which an upload is aborted of which nothing is heard."""
BY_HASH = {hashlib.sha256(content).digest(): content for content in CONTENTS}


@contextmanager
def serving(settings: Settings, logs: Path, *, silence: float = 20.0) -> Generator[Service]:
    """The API over these servers; workers are the test's to start. Whoever is gone is noticed soon."""
    [port] = free_ports(1)
    quick = msgspec.structs.replace(
        settings,
        port=port,
        batch_bytes=64_000,
        claim_seconds=2.0,
        sweep_seconds=0.3,
        heartbeat_seconds=silence / 4,
        database_patience=silence / 2,
        worker_processes=1,
        worker_threads=2,
    )
    service = Service(quick, logs)
    with service.children, service.http:
        service.start_api()
        yield service


@pytest.fixture
def empty_database(addresses: Addresses) -> Generator[str]:
    """Not even our schema is in it."""
    name = f"restored_{uuid4().hex}"
    with psycopg.connect(addresses.postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield database_url(addresses.postgres, name)
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def states(settings: Settings) -> dict[str, str]:
    """Of every upload."""
    with psycopg.connect(settings.database_url) as conn:
        return {str(upload): state for upload, state in conn.execute("SELECT id, state FROM uploads").fetchall()}


def sealed(settings: Settings) -> list[bytes]:
    """What the uploads hold that are complete."""
    with psycopg.connect(settings.database_url) as conn:
        found = conn.execute(
            "SELECT sha256 FROM uploads WHERE state IN ('staged', 'applying', 'applied') ORDER BY id"
        ).fetchall()
    return [BY_HASH[digest] for (digest,) in found]


def leave_in_flight(service: Service) -> tuple[str, str]:
    """An upload with pending deltas, and one of which nothing is counted. No worker is left."""
    worker = service.start_worker()
    service.wait_until_applied(service.upload(CONTENTS[0]))
    with holding(service, "SELECT FROM edges FOR UPDATE"):
        merging = service.upload(CONTENTS[1])
        wait_until_a_worker_is_stuck(service, "UPDATE edges")
        worker.kill()
    return merging, service.upload(CONTENTS[2])


def wait_until_complete(service: Service, receiving: str) -> None:
    """Nothing is in flight any more; the upload that was being received is given up."""
    until(
        lambda: set(states(service.settings).values()) == {"applied", "aborted"},
        within=PATIENCE,
        what="everything is completed",
    )
    assert [id for id, state in states(service.settings).items() if state == "aborted"] == [receiving]


def test_a_dump_is_restored(settings: Settings, empty_database: str, tmp_path: Path, server_directory: Path) -> None:
    archive = tmp_path / "mentions.dump"
    with serving(settings, tmp_path) as service:
        merging, staged = leave_in_flight(service)
        with in_flight(service, CONTENTS[3]), ThreadPoolExecutor(1) as client:
            [receiving] = [id for id, state in states(settings).items() if state == "receiving"]
            client.submit(service.upload, CONTENTS[4])
            done = run("backup", archive, settings=settings)
            assert done.returncode == 0, done.stderr
            assert archive.stat().st_mode & 0o777 == 0o600
    elsewhere = msgspec.structs.replace(settings, database_url=empty_database, namespace=f"test-{uuid4().hex}")
    cut_off = tmp_path / "cut_off.dump"
    cut_off.write_bytes(archive.read_bytes()[: -archive.stat().st_size // 2])

    # All of it, or nothing; and never over anything.
    assert run("restore", cut_off, settings=elsewhere).returncode == 1
    assert run("restore", archive, settings=elsewhere).returncode == 0
    assert run("restore", archive, settings=elsewhere).returncode == 4

    found = states(elsewhere)
    assert (found[merging], found[staged], found[receiving]) == ("applying", "staged", "receiving")
    assert_restored_for_up(archive, server_directory / "new", found)
    contents = sealed(elsewhere)
    assert contents[:3] == CONTENTS[:3]
    with serving(elsewhere, tmp_path, silence=GIVE_UP_SOON) as service:
        with psycopg.connect(elsewhere.database_url, autocommit=True) as conn:
            # Counting would ring the shards that only the sweeper knows of now.
            conn.execute("UPDATE batches SET next_attempt_at = now() + interval '1 hour' WHERE state = 'staged'")
            service.start_worker()
            until(
                lambda: not conn.execute("SELECT FROM deltas WHERE merged_at IS NULL").fetchall(),
                within=PATIENCE,
                what="what was counted is merged",
            )
            conn.execute("UPDATE batches SET next_attempt_at = now() WHERE state = 'staged'")
        wait_until_complete(service, receiving)
        assert_exact(service, *contents)


def assert_restored_for_up(archive: Path, data: Path, uploads: dict[str, str]) -> None:
    """Into a directory of its own, as `mentiongraph up` takes one: nothing is completed there, and nothing is lost."""
    done = run("restore", archive, "--data", data)
    assert done.returncode == 0, done.stderr
    server = Postgres(data / "postgres", durable=False)
    server.start()
    try:
        restored = Settings(database_url=server.dsn())
        assert states(restored) == uploads
        assert run("audit", settings=restored).returncode == 0
    finally:
        server.stop()


@pytest.mark.timeout(300)
def test_a_copy_of_every_graph_uses_no_database_of_the_service(
    settings: Settings, addresses: Addresses, databases: Databases, tmp_path: Path, server_directory: Path
) -> None:
    """Two graphs, one of them on another server, are restored for `up`: all at once, and one by one."""
    urls = granted(settings.database_url, addresses.postgres)
    service = msgspec.structs.replace(settings, database_url=urls.app, owner_url=urls.owner)
    elsewhere = databases.make()
    files, new, other = tmp_path / "all", server_directory / "new", server_directory / "other"
    try:
        for name, url in (("two", None), ("far", elsewhere)):
            wanted = graphs.wanted(name, now=clock(), half_life="none", days_kept=9, database_url=url)
            control.create(service, wanted, clock=clock)
        with connect(elsewhere, role="test") as conn:
            conn.execute("INSERT INTO users (id, handle, spelling) VALUES (7, 'far', 'far')")
        command("backup", files, "--all-graphs", settings=service)

        told = command("restore", files, "--all-graphs", "--data", new)
        assert "far: its database" in told, "whoever restores is told that the copy does not use it"
        assert_works(new)

        told = command("restore", files / "default.dump", "--data", other)
        assert "without a database here: far, two" in told
        for name in ("two", "far"):
            command("--graph", name, "restore", files / f"{name}.dump", "--data", other)
        assert "not empty" in command("--graph", "two", "restore", files / "two.dump", "--data", other, code=4)
        assert_works(other)
    finally:
        control.drop(service, "two", clock=clock)


def command(*words: str | Path, settings: Settings | None = None, code: int = 0) -> str:
    """What a command says."""
    done = CliRunner().invoke(main, [*map(str, words)], env=environment(settings))
    assert done.exit_code == code, (words, done.output, done.exception)
    return " ".join(done.output.split())


def assert_works(data: Path) -> None:
    """The role of the API and the workers finds all graphs in databases of the restored server."""
    server = Postgres(data / "postgres", durable=False)
    server.start()
    try:
        restored = Settings(database_url=server.dsn_of(roles.APP, (data / "mentiongraph.password").read_text()))
        with connect(restored.database_url, role="test") as conn:
            listed = graphs.every(conn)
        assert [(each.name, each.state, each.database_url, each.half_life, each.days_kept) for each in listed] == [
            ("far", "ready", None, None, 9),
            ("two", "ready", None, None, 9),
        ]
        for graph in listed:
            with connect(graphs.url_of(restored, graph), role="test") as conn:
                assert scalars(conn, "SELECT handle FROM users") == (["far"] if graph.name == "far" else [])
                assert audit(conn).exact
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute("CREATE TABLE x ()")
    finally:
        server.stop()


def test_an_accident_is_undone(redis_url: str, namespace: str, tmp_path: Path, server_directory: Path) -> None:
    """Recovery to the instant before it, from a base backup and the archived log. Redis knows of what came after."""
    archive = server_directory / "archive"
    archive.mkdir()
    if account := server_account(archive):
        os.chown(archive, *account)
    server = Postgres(
        server_directory / "postgres",
        durable=False,
        max_wal_size="256MB",
        archive_mode="on",
        archive_command=f"test ! -f {archive}/%f && cp %p {archive}/%f",
    )
    server.start()
    migrate(server.dsn())
    settings = Settings(database_url=server.dsn(), redis_url=redis_url, namespace=namespace)
    with serving(settings, tmp_path) as service:
        server.copy_to(server_directory / "base")
        leave_in_flight(service)
        with in_flight(service, CONTENTS[3]), psycopg.connect(server.dsn(), autocommit=True) as conn:
            [receiving] = [id for id, state in states(settings).items() if state == "receiving"]
            conn.execute("SELECT pg_create_restore_point('before the accident')")
            conn.execute("DELETE FROM edges")
            lost = service.upload(CONTENTS[4])
            archive_everything(conn)
        server.kill()
    recovered = Postgres(
        server_directory / "base",
        durable=False,
        restore_command=f"cp {archive}/%f %p",
        recovery_target_name="before the accident",
        recovery_target_action="promote",
    )
    (server_directory / "base" / "recovery.signal").touch()
    recovered.start()
    try:
        again = msgspec.structs.replace(settings, database_url=recovered.dsn())
        wait_until_promoted(recovered)
        with redis_client(redis_url) as client:
            assert client.keys(f"{namespace}:bulk*"), "messages about batches that never were"
        assert lost not in states(again)
        with serving(again, tmp_path, silence=GIVE_UP_SOON) as service:
            # Its batches have the ids of those that were lost.
            service.upload(CONTENTS[5])
            service.start_worker()
            wait_until_complete(service, receiving)
            assert_exact(service, *CONTENTS[:3], CONTENTS[5])
            # Whatever was sent since is sent again, and more than that does no harm.
            for content in CONTENTS:
                service.wait_until_applied(service.upload(content))
            assert_exact(service, *CONTENTS)
    finally:
        recovered.stop()


def archive_everything(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    [last] = conn.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchall()
    until(
        lambda: conn.execute("SELECT 1 FROM pg_stat_archiver WHERE last_archived_wal >= %s", last).fetchall(),
        within=PATIENCE,
        what="the log is archived",
    )


def wait_until_promoted(server: Postgres) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        until(
            lambda: conn.execute("SELECT pg_is_in_recovery()").fetchall() == [(False,)],
            within=PATIENCE,
            what="the recovery ended",
        )

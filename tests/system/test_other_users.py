"""Other users of this machine: what they can read, replace and talk to, beside a stack that is not theirs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil
import psycopg
import pytest
import redis
from redis.exceptions import NoPermissionError

import sql
from app.control import audit_events
from app.control.audit_events import Action, Filter
from app.control.callers import NOBODY
from app.forgetting import people
from app.graph.parameters import read_parameters
from app.proofs.audit import audit
from app.settings import Settings
from app.store.postgres import Connection, connect
from ops import owner
from ops.directory import DataDirectory, DirectoryInUse
from ops.embedded import roles
from ops.embedded.access import APP
from ops.embedded.children import Child
from ops.embedded.valkey import Valkey, client
from tests.conftest import Addresses, database_url
from tests.forgetting.searching import places_of
from tests.granting import granted
from tests.graphs import apply_all
from tests.sql.test_statements import COPIES, numbered
from tests.uploading import upload

STRANGER = 12345
"""The number of an account that this machine does not have."""
OTHER = 12346
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def as_stranger(script: str, *arguments: str | Path) -> str:
    """What another user's shell prints, on both outputs."""
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *map(str, arguments)],
        cwd="/",
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode(errors="replace")


def groups_of(pid: int) -> list[str]:
    """The numbers of the supplementary groups of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(line.split()[1:] for line in status.splitlines() if line.startswith("Groups:"))


def assert_closed(data: Path, up: int) -> None:
    """The stack that the process `up` runs over the directory is closed to other users. Called by the test of `up`."""
    inside = [path for path in (data, *data.rglob("*")) if not path.is_symlink()]
    assert [f"{path} {mode(path):o}" for path in inside if mode(path) & 0o077] == []
    settings = dict(line.split("=", 1) for line in (data / "settings.env").read_text().splitlines())
    database, queue = (urlsplit(settings[f"MENTIONGRAPH_{name}_URL"].strip("'")) for name in ("DATABASE", "REDIS"))
    secrets = [(data / f"{name}.password").read_text() for name in ("postgres", "mentiongraph", "valkey")]
    assert [database.password, queue.password] == secrets[1:]

    family = [psutil.Process(up), *psutil.Process(up).children(recursive=True)]
    shown = "\n".join(" ".join(process.cmdline()) for process in family)
    assert not [secret for secret in secrets if secret in shown]
    owner_id, group = data.stat().st_uid, data.stat().st_gid
    assert {number for process in family for number in process.uids()} == {owner_id}
    assert {number for process in family for number in process.gids()} == {group}
    assert owner_id * group != 0, "nothing is root's"
    if os.geteuid() == 0:
        assert {line for process in family for line in groups_of(process.pid)} <= {str(group)}

    with client(queue.port or 0) as nobody, pytest.raises(redis.RedisError, match=r"NOAUTH|authenticated"):
        nobody.set("mentiongraph:cache", "forged")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host="127.0.0.1", port=database.port, user="postgres", dbname="postgres", password="postgres")
    with psycopg.connect(
        database_url(f"postgresql://postgres:{secrets[0]}@{database.netloc.rpartition('@')[2]}", "mentiongraph")
    ) as conn:
        users = "select distinct usename, usesuper from pg_stat_activity join pg_user using (usename) "
        users += "where pid <> %s and backend_type = 'client backend'"
        assert conn.execute(users, [conn.info.backend_pid]).fetchall() == [(roles.APP, False)]
    if os.geteuid() == 0:
        read = as_stranger('find "$1"; cat "$1"/settings.env "$1"/logs/api.log; echo x > "$1"/settings.env', data)
        assert "Permission denied" in read
        assert not [secret for secret in secrets if secret in read]
        told = as_stranger("cat /proc/[0-9]*/cmdline; cat /proc/[0-9]*/environ")
        assert not [secret for secret in secrets if secret in told]


# The directory --------------------------------------------------------------------------------------------------------


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A directory as an earlier release left it."""
    data = tmp_path / "data"
    for name in ("logs", "valkey/appendonlydir"):
        (data / name).mkdir(parents=True)
    for name in ("lock", "ports.json", "logs/api.log", "valkey/appendonlydir/a.aof"):
        (data / name).write_text("{}")
    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return data


def test_an_open_directory_is_closed_and_that_is_told_once(earlier: Path) -> None:
    for told in (1, 0):
        directory = DataDirectory(earlier)
        directory.take()
        directory.keep_ports(api=8000)
        directory.secret("valkey")
        directory.publish(Settings())
        assert sum("It is closed now" in line for line in directory.news) == told
        root_passes = 0o011 if os.geteuid() == 0 else 0
        found = {path: mode(path) for path in (earlier, *earlier.rglob("*"))}
        assert found.pop(earlier) == 0o700 | root_passes
        assert not [path for path, bits in found.items() if bits & 0o077]
        directory.release()


def test_what_is_new_is_closed_whatever_the_umask_is(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    before = os.umask(0)
    try:
        directory = DataDirectory(data)
        directory.take()
        directory.keep_ports(api=8000)
        directory.secret("valkey")
        directory.publish(Settings())
    finally:
        os.umask(before)
    root_passes = 0o011 if os.geteuid() == 0 else 0
    found = {path: mode(path) for path in (data.parent, data, *data.rglob("*"))}
    assert {found.pop(path) for path in (data.parent, data)} == {0o700 | root_passes}
    assert {path.name for path in found} >= {"lock", "logs", "ports.json", "settings.env", "valkey.password"}
    assert not [path for path, bits in found.items() if bits & 0o077]
    directory.release()


@pytest.mark.parametrize("umask", [0, 0o022])
def test_what_a_child_writes_is_closed_whatever_the_umask_is(umask: int, tmp_path: Path) -> None:
    log, made = tmp_path / "logs" / "child.log", tmp_path / "made"
    command = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch(); print('said')"
    before = os.umask(umask)
    try:
        child = Child("child", [sys.executable, "-c", command, made], log=log)
        child.start()
        assert child.wait(60) == 0
        child.stop()
    finally:
        os.umask(before)
    assert [mode(path) & 0o077 for path in (log.parent, log, made)] == [0, 0, 0]


def test_a_password_stays_and_is_made_again_if_its_file_is_empty(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    made = directory.secret("valkey")
    assert (directory.secret("valkey"), len(made) > 30) == (made, True)
    (tmp_path / "valkey.password").write_text("")
    assert directory.secret("valkey") not in {"", made}


def test_a_directory_that_holds_other_things_keeps_its_mode(earlier: Path) -> None:
    (earlier / "notes.txt").write_text("mine")
    (earlier / "notes.txt").chmod(0o644)
    owner.settle(earlier)
    assert (mode(earlier), mode(earlier / "notes.txt"), mode(earlier / "lock")) == (0o755, 0o644, 0o600)
    earlier.chmod(0o777)
    with pytest.raises(DirectoryInUse, match="every user may write"):
        owner.settle(earlier)


def test_a_place_that_everybody_may_replace_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert [f"chmod o-w {tmp_path}" in line for line in owner.settle(tmp_path / "data")] == [True]
    tmp_path.chmod(0o1777)
    assert owner.settle(tmp_path / "data") == []


@as_root
@pytest.mark.parametrize("trap", ["directory", "link", "own link", "entry", "file", "hard link"])
def test_what_another_user_prepared_is_refused(trap: str, earlier: Path, tmp_path: Path) -> None:
    data = earlier
    match trap:
        case "directory":
            os.chown(data, STRANGER, STRANGER)
        case "link":
            data = tmp_path / "link"
            data.symlink_to(earlier)
            os.chown(data, STRANGER, STRANGER, follow_symlinks=False)
        case "own link":
            os.chown(data, STRANGER, STRANGER)
            data = tmp_path / "link"
            data.symlink_to(earlier)
        case "file":
            os.chown(data / "ports.json", STRANGER, STRANGER)
        case "entry":
            os.chown(data / "valkey" / "appendonlydir", STRANGER, STRANGER)
        case _:
            (data / "logs" / "worker.log").hardlink_to(data / "lock")

    if trap == "hard link":
        with pytest.raises(DirectoryInUse, match="another name elsewhere"):
            owner.hand_over(data, OTHER, OTHER)
        assert data.stat().st_uid == 0
        return
    with pytest.raises(DirectoryInUse, match=rf"belongs to {STRANGER}") as refused:
        DataDirectory(data).take()
    assert "--data" in str(refused.value)
    assert (earlier / "lock").read_text() == "{}"


@as_root
def test_root_gives_a_directory_of_its_own_to_the_account(earlier: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("root's")
    (earlier / "logs" / "valkey.log").symlink_to(outside)
    os.chown(earlier / "logs", OTHER, OTHER)  # a run before was killed halfway

    assert owner.hand_over(earlier, OTHER, OTHER) is True
    assert owner.hand_over(earlier, OTHER, OTHER) is False

    found = [earlier, *earlier.rglob("*")]
    assert {path.lstat().st_uid for path in found} == {OTHER}
    assert not [path for path in found if not path.is_symlink() and mode(path) & 0o077]
    assert (outside.stat().st_uid, mode(earlier)) == (0, 0o700)


@as_root
def test_a_directory_that_others_only_pass_through_was_not_open(tmp_path: Path) -> None:
    made = DataDirectory(tmp_path / "data")  # as `restore --data` makes it, which root's PostgreSQL passes through
    made.take()
    made.release()
    assert mode(made.path) == 0o711

    assert owner.hand_over(made.path, OTHER, OTHER) is False
    assert mode(made.path) == 0o700


# Valkey ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["mentiongraph", 'we*ird "n\\s'])
def valkey(request: pytest.FixtureRequest, server_directory: Path) -> Generator[tuple[Valkey, str]]:
    server = Valkey(server_directory / "valkey", password="a-secret", namespace=request.param, append_only=False)
    server.start()
    yield server, request.param
    server.stop()


def test_the_one_user_of_valkey_has_its_keys_and_few_commands(valkey: tuple[Valkey, str]) -> None:
    server, namespace = valkey
    with client(server.port) as nobody, pytest.raises(redis.RedisError, match=r"NOAUTH|authenticated"):
        nobody.ping()
    with client(server.port, "a-secret", APP) as ours:
        assert ours.set(f"{namespace}:cache", 1)
        for key in ("weXird:cache", namespace[:-1], f"{namespace}s", f"x{namespace}", "other"):
            with pytest.raises(NoPermissionError):
                ours.set(key, 1)
        for forbidden in (
            ours.script_flush,
            lambda: ours.eval("return 1", 0),
            lambda: ours.publish("channel", "x"),
            lambda: ours.client_kill("127.0.0.1:1"),
            lambda: ours.acl_getuser("default"),
            ours.bgrewriteaof,
            lambda: ours.execute_command("MODULE", "LIST"),  # pyright: ignore[reportUnknownLambdaType]
            lambda: ours.shutdown(nosave=True),
            lambda: ours.set("weXird:cache", 1),
            ours.flushall,
            lambda: ours.config_set("dir", "/tmp"),  # noqa: S108
            lambda: ours.acl_setuser("other", enabled=True, nopass=True),
            lambda: ours.replicaof("127.0.0.1", "1"),
        ):
            with pytest.raises(NoPermissionError):
                forbidden()


# PostgreSQL -----------------------------------------------------------------------------------------------------------


POSTS = b"data,timestamp,username\nhi @ada,2026-01-01T00:00:00Z,grace\n@ada @alan,2026-01-02T00:00:00Z,grace\n"


@pytest.fixture
def plain_url(dsn: str, addresses: Addresses) -> str:
    """The test's database for the role of the API and the workers, which all tests share."""
    return granted(dsn, addresses.postgres).app


def test_the_role_has_the_rights_that_every_statement_needs(plain_url: str) -> None:
    """A plan is refused where a right is missing."""
    ours = [name for name in sql.names() if name not in COPIES and not name.startswith("ops/")]
    plans = {name: numbered(sql.query(name)) for name in ours}
    planless = (b"TRUNCATE", b"COPY", b"SET", b"VACUUM", b"DO")
    rows = {name: text for name, text in plans.items() if not text.startswith(planless)}
    with psycopg.connect(plain_url, autocommit=True) as conn:
        found = {name: conn.pgconn.exec_(b"EXPLAIN (GENERIC_PLAN) " + text) for name, text in rows.items()}
        refused = {name: each.error_message for name, each in found.items() if each.error_message}
        conn.execute("truncate edges_shadow")
    assert len(rows) > 100
    assert refused == {}


@pytest.mark.parametrize(
    "statement",
    [
        "create table more (id int)",
        "create temporary table more (id int)",
        "create function f() returns int language sql as 'select 1'",
        "alter table edges add column more int",
        "truncate edges",
        "drop table edges",
        "insert into schema_compatibility values ('9999_x', '0.1')",
        "delete from _yoyo_migration",
        "update audit_events set owner = 'ada'",
        "delete from audit_events",
        "truncate audit_events",
        "copy (select 1) to program 'true'",
        "select pg_read_file('postgresql.conf')",
        "create role more",
        "create database more",
        "alter system set fsync = off",
        "set role postgres",
        "alter role mentiongraph superuser",
        "create schema more",
        "create extension pg_trgm",
        "copy edges to '/tmp/edges'",
        "select lo_export(lo_create(0), '/tmp/edges')",
        "select pg_ls_dir('.')",
        "select rolpassword from pg_authid",
        "drop database mentiongraph",
        "create trigger t before insert on edges execute function f()",
        "alter table edges disable trigger all",
        "set session_replication_role = replica",
        "update _yoyo_version set version = 0",
        "create publication p for all tables",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
    ],
)
def test_the_role_has_no_other_right(plain_url: str, statement: str) -> None:
    with psycopg.connect(plain_url, autocommit=True) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement.encode())


def test_the_role_gets_into_its_database_only_and_applies_posts(
    plain_url: str, settings: Settings, now: datetime
) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(database_url(plain_url, "postgres"))
    plain = msgspec.structs.replace(settings, database_url=plain_url)
    upload(plain, POSTS, received_at=now)
    apply_all(plain, now=now)
    with connect(plain_url, role="test") as conn:
        assert audit(conn).exact


def test_the_role_forgets_a_person_and_vacuums(plain_url: str, settings: Settings, now: datetime) -> None:
    plain = msgspec.structs.replace(settings, database_url=plain_url)
    upload(plain, POSTS, received_at=now)
    apply_all(plain, now=now)
    refused: list[str | None] = []
    with connect(plain_url, role="test") as conn, connect(plain_url, role="guard") as guard:
        conn.add_notice_handler(lambda notice: refused.append(notice.message_primary))
        parameters = read_parameters(conn)
        people.forget(guard, conn, "ada", parameters, NOBODY, keep_out=True, clock=lambda: now)
        people.vacuum(conn)
        people.let_in(conn, "ada", NOBODY)
        assert audit(conn).exact
        assert places_of(conn, "ada") == []
    assert refused == []


def test_the_role_deletes_audit_events_by_their_retention_alone(plain_url: str, conn: Connection) -> None:
    with connect(plain_url, role="test") as plain:
        for at in ("3 days", "0 days"):
            audit_events.record(plain, NOBODY, Action.GRAPH_DROP, at)
        conn.execute("alter table audit_events disable trigger user")
        conn.execute("update audit_events set at = at - subject::interval")
        conn.execute("alter table audit_events enable trigger user")

        assert audit_events.forget(plain, days=0, now=datetime.now(UTC)) == 1

        left = [event.subject for event in audit_events.page(plain, Filter(), before=None, limit=5)]
    assert left == [None, "0 days"]

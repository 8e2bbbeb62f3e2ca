"""Databases of graphs: made, closed, migrated and dropped, also after a process was killed in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from app.control import databases, graphs
from app.control.graphs import Graph, settings_of
from app.errors import BadRequest, DatabaseUnavailable, GraphExists, GraphNotReady, MayNotCreate, NotFound
from app.graph.parameters import read_parameters
from app.proofs.audit import audit
from app.settings import Settings
from app.store import locks
from app.store.postgres import clock, connect, execute, scalars
from ops.cli import main
from tests.conftest import Addresses, until
from tests.granting import granted

NOW = datetime.fromisoformat("2026-01-15T12:00:00Z")
MONTH = timedelta(days=30)


def wanted(name: str, **given: Any) -> Graph:
    fields: dict[str, Any] = {"state": "creating", "half_life": MONTH, "shards": 4, "created_at": NOW}
    return msgspec.convert({**fields, "name": name, **given}, Graph)


@pytest.fixture
def owned(settings: Settings, addresses: Addresses) -> Generator[Settings]:
    """A service whose role may change rows, and whose owner may create databases, as those of an embedded stack."""
    urls = granted(settings.database_url, addresses.postgres)
    yield msgspec.structs.replace(settings, database_url=urls.app, owner_url=urls.owner)
    with connect(settings.database_url, role="test") as conn:
        for graph in graphs.every(conn):
            if graph.database:
                conn.execute(f'DROP DATABASE IF EXISTS "{graph.database}" WITH (FORCE)'.encode())


def kill(*_: object, **__: object) -> None:
    """Stands for a function in which the process dies."""
    raise KeyboardInterrupt


def listed(settings: Settings) -> list[tuple[str, str]]:
    with connect(settings.database_url, role="test") as conn:
        return [(each.name, each.state) for each in graphs.every(conn)]


def test_a_graph_has_a_database_with_its_own_half_life_and_shards(owned: Settings) -> None:
    made = databases.create(owned, wanted("two", half_life=None, profile="instagram", quota_bytes=10), clock=clock)

    assert (made.state, made.half_life, made.shards, made.profile) == ("ready", None, 4, "instagram")
    assert listed(owned) == [("two", "ready")]
    its = settings_of(owned, made)
    assert its.max_database_bytes == 10
    with connect(its.database_url, role="test") as conn:
        parameters = read_parameters(conn)
        assert (parameters.half_life, parameters.shards) == (None, 4)
        assert audit(conn).exact

    with connect(its.database_url, role="test") as working:
        databases.drop(owned, "two", clock=clock)
        with pytest.raises(psycopg.OperationalError):
            working.execute("SELECT 1")
    assert listed(owned) == []
    with pytest.raises(NotFound):
        databases.drop(owned, "two", clock=clock)


def test_the_role_of_the_api_may_change_rows_of_a_graph_and_no_more(owned: Settings, dsn: str) -> None:
    made = databases.create(owned, wanted("closed"), clock=clock)

    url = graphs.url_of(owned, made)
    with connect(url, role="test") as conn:
        conn.execute("INSERT INTO users (id, handle, spelling) VALUES (1, 'a', 'A')")
        for refused in (
            "CREATE TABLE x ()",
            "CREATE TEMP TABLE x ()",
            "ALTER TABLE edges ADD COLUMN x int",
            "DELETE FROM schema_compatibility",
            "TRUNCATE edges",
            "DELETE FROM audit_events",
            "CREATE DATABASE x",
            f'DROP DATABASE "{made.database}"',
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(refused.encode())
        warnings: list[str | None] = []
        conn.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        conn.execute("VACUUM users")
        assert warnings == []
    with connect(dsn, role="test") as superuser:
        superuser.execute("DROP ROLE IF EXISTS stranger")
        superuser.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    there = urlsplit(dsn)
    stranger = there._replace(netloc=f"stranger:stranger@{there.hostname}:{there.port}").geturl()
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(make_conninfo(stranger, dbname=made.database))
    # The owner of graphs has no right to what is in `default`, or in another service's databases.
    with connect(owned.owner_url, role="test") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT * FROM keys")


def test_a_role_that_may_not_create_says_so(owned: Settings) -> None:
    with pytest.raises(MayNotCreate, match="mentiongraph"):
        databases.create(msgspec.structs.replace(owned, owner_url=""), wanted("none"), clock=clock)

    # Nothing stays that would be in the way of a better attempt.
    assert listed(owned) == []
    assert databases.create(owned, wanted("none", shards=2), clock=clock).state == "ready"


@pytest.mark.parametrize("killed_in", ["_make", "migrate", "_close"])
def test_a_killed_creation_can_be_repeated_or_dropped(
    owned: Settings, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    ways: list[Callable[..., object]] = [
        partial(databases.create, owned, wanted("k")),
        partial(databases.drop, owned, "k"),
    ]
    for after in ways:
        with monkeypatch.context() as patched:
            patched.setattr(databases, killed_in, kill)
            with pytest.raises(KeyboardInterrupt):
                databases.create(owned, wanted("k"), clock=clock)
        assert listed(owned) == [("k", "creating")]
        if killed_in != "_make":
            with pytest.raises(GraphNotReady, match="other parameters"):
                databases.create(owned, wanted("k", shards=8), clock=clock)
        after(clock=clock)
        if listed(owned):
            assert listed(owned) == [("k", "ready")]
            databases.drop(owned, "k", clock=clock)


def test_a_killed_drop_can_be_repeated(owned: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    databases.create(owned, wanted("gone"), clock=clock)
    with monkeypatch.context() as patched:
        patched.setattr(graphs, "forget", kill)
        with pytest.raises(KeyboardInterrupt):
            databases.drop(owned, "gone", clock=clock)
    assert listed(owned) == [("gone", "dropping")]

    with pytest.raises(GraphNotReady, match="being dropped"):
        databases.create(owned, wanted("gone"), clock=clock)
    databases.drop(owned, "gone", clock=clock)

    assert listed(owned) == []


def test_a_graph_is_not_ready_before_an_event_tells_of_it(owned: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(databases, "record", kill)
        with pytest.raises(KeyboardInterrupt):
            databases.create(owned, wanted("silent"), clock=clock)
    assert listed(owned) == [("silent", "creating")]

    databases.create(owned, wanted("silent"), clock=clock)
    with connect(owned.database_url, role="test") as conn:
        assert scalars(conn, "SELECT subject FROM audit_events WHERE action = 'graph.create'") == ["silent"]
    databases.drop(owned, "silent", clock=clock)


def test_two_changes_of_a_graph_keep_each_other(settings: Settings) -> None:
    with connect(settings.database_url, role="test") as one, connect(settings.database_url, role="test") as other:
        assert graphs.insert(one, wanted("both", database="both"))
        graphs.set_ready(one, "both", half_life=None, shards=1)
        with ThreadPoolExecutor(1) as thread:
            with one.transaction():
                graphs.change(one, "both", days_kept=5)
                waiting = thread.submit(graphs.change, other, "both", quota_bytes=7)
                until(lambda: blocked(one), within=20, what="the other change waits for the row")
            changed = waiting.result()
        assert (changed.days_kept, changed.quota_bytes) == (5, 7)


def blocked(conn: psycopg.Connection[TupleRow]) -> bool:
    """Whether another connection waits for a lock of this one."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    return scalars(conn, statement) == [1]


def test_a_killed_migration_is_closed_by_the_next(owned: Settings) -> None:
    made = databases.create(owned, wanted("late"), clock=clock)
    with connect(databases.owner_url_of(owned, made), role="test") as owner:
        owner.execute("CREATE TABLE newer (id integer)")
    its = settings_of(owned, made).database_url
    with connect(its, role="test") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT FROM newer")

    assert databases.migrate_one(owned, made) == []

    with connect(its, role="test") as conn:
        conn.execute("SELECT FROM newer")
    databases.drop(owned, "late", clock=clock)


def test_one_process_at_a_time_creates_or_drops_a_graph(settings: Settings, conn: psycopg.Connection[TupleRow]) -> None:
    with conn.transaction():
        assert locks.try_take(conn, locks.graph_key("one"))
        with pytest.raises(GraphNotReady, match="just being"):
            databases.create(settings, wanted("one"), clock=clock)
        with pytest.raises(GraphNotReady, match="just being"):
            databases.drop(settings, "one", clock=clock)


def test_a_renamed_graph_keeps_its_database_and_its_keys(owned: Settings) -> None:
    first = databases.create(owned, wanted("a"), clock=clock)
    with connect(owned.database_url, role="test") as conn:
        keys = "INSERT INTO keys (id, owner, token_sha256, scopes, graphs, created_at) VALUES (%s, 'o', %s, %s, %s, %s)"
        for number, good_for in enumerate((["a"], ["a", "b"])):
            conn.execute(keys, [f"0000000{number}", bytes(32), ["graph:read"], good_for, NOW])
        renamed = graphs.rename(conn, "a", "c")
        assert renamed.database == first.database
        assert scalars(conn, "SELECT graphs FROM keys ORDER BY id") == [["c"], ["c", "b"]]
        with pytest.raises(NotFound):
            graphs.rename(conn, "a", "d")

        second = databases.create(owned, wanted("a"), clock=clock)
        assert second.database not in {None, first.database}
        with pytest.raises(GraphExists):
            graphs.rename(conn, "a", "c")
        with pytest.raises(BadRequest):
            graphs.rename(conn, "a", "default")

        databases.drop(owned, "c", clock=clock)
        # A later graph of this name is another one: no key of now is good for it.
        assert scalars(conn, "SELECT graphs FROM keys WHERE revoked_at IS NULL") == [["b"]]
    databases.drop(owned, "a", clock=clock)


@pytest.mark.parametrize("way", ["rename", "forget"])
def test_keys_are_locked_in_the_order_of_id(settings: Settings, way: str) -> None:
    """Whoever waits for a key holds none behind it: two renames of graphs with common keys never wait in a circle."""
    keys = "INSERT INTO keys (id, owner, token_sha256, scopes, graphs, created_at) VALUES (%s, 'o', %s, %s, %s, %s)"
    with (
        connect(settings.database_url, role="test") as one,
        connect(settings.database_url, role="test") as other,
        connect(settings.database_url, role="test") as third,
        ThreadPoolExecutor(1) as thread,
    ):
        assert graphs.insert(one, wanted("a", database="a"))
        graphs.set_ready(one, "a", half_life=None, shards=1)
        for id in ("00000002", "00000001"):  # a scan finds them in this order
            one.execute(keys, [id, bytes(32), ["graph:read"], ["a", "b"], NOW])
        with one.transaction():
            one.execute("SELECT FROM keys WHERE id = '00000001' FOR UPDATE")
            if way == "forget":
                graphs.set_dropping(third, "a")
                waiting = thread.submit(graphs.forget, other, "a", now=NOW)
            else:
                waiting = thread.submit(graphs.rename, other, "a", "c")
            until(lambda: blocked(one), within=20, what="the other waits for the first key")
            third.execute("SELECT FROM keys WHERE id = '00000002' FOR UPDATE NOWAIT")
        waiting.result()
        found = scalars(one, "SELECT graphs FROM keys ORDER BY id")
        assert found == [["b"] if way == "forget" else ["c", "b"]] * 2


def test_a_database_of_somebody_else_is_left_alone(owned: Settings, dsn: str) -> None:
    name = conninfo_to_dict(dsn)["dbname"]
    with connect(dsn, role="test") as conn:
        conn.execute(f'CREATE DATABASE "{name}_x"'.encode())
    try:
        made = databases.create(owned, wanted("x"), clock=clock)
        assert made.database != f"{name}_x"
        databases.drop(owned, "x", clock=clock)
        with connect(dsn, role="test") as conn:
            assert scalars(conn, "SELECT datname FROM pg_database WHERE datname LIKE %(like)s", {"like": f"{name}_x%"})
    finally:
        with connect(dsn, role="test") as conn:
            conn.execute(f'DROP DATABASE "{name}_x"'.encode())


def test_a_database_elsewhere_belongs_to_one_graph(settings: Settings, template: str) -> None:
    here = conninfo_to_dict(settings.database_url)
    name = f"test_{uuid4().hex}"
    address = f"postgresql://{here['user']}:{here.get('password', '')}@{here['host']}:{here['port']}/{name}"
    with connect(settings.database_url, role="test") as conn:
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        try:
            with pytest.raises(GraphExists, match="default"):
                databases.create(settings, wanted("same", database_url=_there(address, here["dbname"])), clock=clock)
            made = databases.create(settings, wanted("far", database_url=address, shards=2), clock=clock)
            assert (made.database, made.shards) == (None, 2)
            assert settings_of(settings, made).database_url == address
            again = make_conninfo(address, application_name="")
            with pytest.raises(BadRequest, match="may not say"):
                databases.create(settings, wanted("again", database_url=again), clock=clock)
            same = wanted("again", database_url=address + "?sslmode=prefer")
            for take_over in (False, True):
                with pytest.raises(GraphExists, match="another graph of this service"):
                    databases.create(settings, same, clock=clock, take_over=take_over)

            done = databases.drop(settings, "far", clock=clock)
            assert (name in str(done.database_left), done.told) == (True, True)
            # Only the list forgets it: another service, or this one, may take it again.
            assert databases.create(settings, wanted("back", database_url=address), clock=clock).shards == 4
            databases.drop(settings, "back", clock=clock, elsewhere=True)
            found = scalars(conn, "SELECT count(*) FROM pg_database WHERE datname = %(name)s", {"name": name})
            assert found == [0]
        finally:
            conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def test_a_database_of_another_service_is_only_taken_over_if_somebody_says_so(
    settings: Settings, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"test_{uuid4().hex}"
    address = settings.database_url.replace(str(conninfo_to_dict(settings.database_url)["dbname"]), name)
    far = wanted("far", database_url=address)
    with connect(settings.database_url, role="test") as conn:
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        try:
            databases.create(settings, far, clock=clock)
            # As in a copy of the list: another service has the same address on its list.
            with connect(address, role="test") as there:
                execute(
                    there,
                    "UPDATE secrets SET secret = set_byte(secret, 40, 255 - get_byte(secret, 40)) WHERE name = 'graph'",
                )
            with pytest.raises(GraphExists, match="of another service"):
                databases.drop(settings, "far", clock=clock, elsewhere=True)
            assert listed(settings) == [("far", "ready")]
            assert not databases.drop(settings, "far", clock=clock).told
            with pytest.raises(GraphExists, match="take it over"):
                databases.create(settings, far, clock=clock)
            assert listed(settings) == []
            assert databases.create(settings, far, clock=clock, take_over=True).state == "ready"

            monkeypatch.setenv("MENTIONGRAPH_DATABASE_URL", settings.database_url)
            done = CliRunner().invoke(main, ["graphs", "drop", "far"], input="y\n")
            assert (done.exit_code, "Its database stays" in done.stderr, name in done.stdout) == (0, True, True)
            assert scalars(conn, "SELECT 1 FROM pg_database WHERE datname = %(name)s", {"name": name}) == [1]
        finally:
            conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def test_a_database_that_cannot_be_used_leaves_no_graph_behind(owned: Settings, dsn: str) -> None:
    """Whoever mistypes a password, or names a role that may not use the tables, tries again under the same name."""
    there = urlsplit(dsn)
    far = there._replace(netloc=f"nobody:wrong@{there.hostname}:{there.port}").geturl()
    with pytest.raises(DatabaseUnavailable, match="nobody"):
        databases.create(owned, wanted("far", database_url=far), clock=clock)
    assert listed(owned) == []

    made = databases.create(owned, wanted("closed"), clock=clock)
    with connect(databases.owner_url_of(owned, made), role="test") as owner:
        owner.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM mentiongraph")
    far = urlsplit(owned.database_url)._replace(path=f"/{made.database}").geturl()
    with pytest.raises(MayNotCreate, match="has to own the database and its tables"):
        databases.create(owned, wanted("far", database_url=far), clock=clock)
    assert listed(owned) == [("closed", "ready")]
    databases.drop(owned, "closed", clock=clock)


def _there(address: str, database: Any) -> str:
    return urlsplit(address)._replace(path=f"/{database}").geturl()


@pytest.mark.parametrize("name", ["", "default", "A", "a_b", "-a", "a-", "a" * 49, "ä", "a/b", "a\n"])
def test_some_names_no_graph_can_have(settings: Settings, name: str) -> None:
    with pytest.raises(BadRequest, match="cannot be the name"):
        databases.create(settings, wanted(name), clock=clock)


def test_migrating_all_graphs_reports_the_one_that_is_away(owned: Settings) -> None:
    databases.create(owned, wanted("here"), clock=clock)
    with connect(owned.database_url, role="test") as conn:
        away = wanted("away", database_url="postgresql://nobody@127.0.0.1:1/none")
        assert graphs.insert(conn, away) is not None
        graphs.set_ready(conn, "away", half_life=MONTH, shards=4)

    done = {each.graph.name: each.error for each in databases.migrate_all(owned)}

    planned = {each.graph.name: each.error for each in databases.plan_all(owned)}

    for found in (done, planned):
        assert found["here"] is None
        assert found["away"] is not None
        assert "127.0.0.1:1" in found["away"].detail


def test_the_commands_create_use_change_and_drop_graphs(owned: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTIONGRAPH_DATABASE_URL", owned.database_url)
    monkeypatch.setenv("MENTIONGRAPH_OWNER_URL", owned.owner_url)

    def run(*words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(main, [*words, "--json"])
        assert done.exit_code == code, (words, done.output, done.exception)
        return json.loads(done.stdout)

    made = run("graphs", "create", "photos", "--half-life", "none", "--shards", "2", "--profile", "instagram")
    assert (made["state"], made["half_life"], made["profile"]) == ("ready", "none", "instagram")
    assert [each["name"] for each in run("graphs", "list")] == ["default", "photos"]
    assert run("graphs", "create", "photos", code=4)["type"].endswith("graph-exists")
    assert run("graphs", "set", "photos", "--quota", "1000", "--days-kept", "9")["quota_bytes"] == 1000
    assert run("graphs", "set", "photos", "--quota", "default")["quota_bytes"] is None
    assert run("graphs", "rename", "photos", "pictures")["name"] == "pictures"
    assert run("graphs", "show", "pictures")["uploads"] == 0
    for words in (("set", "default", "--quota", "1"), ("rename", "default", "other")):
        assert "MENTIONGRAPH_MAX_DATABASE_BYTES" in run("graphs", *words, code=2)["detail"]
    for words in (("backup", "all"), ("audit",)):
        both = CliRunner().invoke(main, ["--graph", "pictures", *words, "--all-graphs"])
        assert (both.exit_code, "leave out --graph pictures" in both.output) == (2, True), both.output
    assert run("graphs", "show", "photos", code=4)["type"].endswith("not-found")
    assert run("--graph", "pictures", "audit")["exact"] is True
    assert run("--graph", "photos", "audit", code=4)["type"].endswith("not-found")
    assert [each["graph"] for each in run("migrate")["graphs"]] == ["pictures"]
    assert run("migrate", "--plan")["graphs"] == [{"graph": "pictures", "migrations": [], "error": None}]
    monkeypatch.setenv("MENTIONGRAPH_GRAPH", "pictures")
    # The keys of all graphs are in the database of `default`.
    run("keys", "create", "--owner", "ada", "--scope", "graph:read")
    with connect(owned.database_url, role="test") as conn:
        assert conn.execute("SELECT graphs FROM keys").fetchall() == [(["pictures"],)]
    refused = CliRunner().invoke(main, ["restore", __file__])
    assert (refused.exit_code, "the database of graph 'pictures' is not empty" in refused.output) == (4, True)
    with connect(graphs.url_of(owned, find(owned, "pictures")), role="test") as conn:
        conn.execute("INSERT INTO users (id, handle, spelling) VALUES (1, 'a', 'A')")
    assert run("graphs", "show", "pictures")["users"] == 1
    assert CliRunner().invoke(main, ["graphs", "drop", "pictures"], input="n\n").exit_code == 1
    run("graphs", "drop", "pictures", "--yes")
    assert [each["name"] for each in run("graphs", "list")] == ["default"]


def find(settings: Settings, name: str) -> Graph:
    with connect(settings.database_url, role="test") as conn:
        return graphs.find(conn, name)

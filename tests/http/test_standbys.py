"""Standbys of PostgreSQL answer in place of the primary, and never with less than the primary had."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import polars as pl
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.graph import versions
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.http import quotas
from app.http.cached.standbys import Counters, Lanes
from app.http.quotas import Asking, Kind, Quotas
from app.settings import Settings
from app.store import postgres
from app.store.addresses import servers
from app.store.migrations import migrate
from app.store.postgres import Connection
from ops.embedded.children import free_ports
from ops.embedded.postgres import Postgres
from ops.embedded.valkey import Valkey, client
from tests.calling import by, caller, name_callers
from tests.conftest import memory, open_directory, until
from tests.http.conftest import Api, Serve
from tests.http.test_caching import ask, kept, ready, status
from tests.http.test_receiving import HEADER

TEMPLATE = "mentiongraph_template"
PATH = "/users/ada/outgoing"
PATHS = (
    "/users/ada",
    PATH,
    "/users/bob/incoming",
    "/users/ada/reciprocal",
    "/users/ada/ego?depth=2",
    "/paths?source=ada&target=bob",
    "/edges?source=ada&target=bob",
    "/users?prefix=a",
    "/rankings/edges",
    "/rankings/mentioned",
)
ROUNDS = 12
PATIENCE = 30.0

Apply = Callable[[], None]


class Pair:
    """A primary and its standby."""

    def __init__(self, directory: Path, servers: ExitStack) -> None:
        self._directory = directory
        self._servers = servers
        self.primary = self._server("primary")
        self.primary.start()
        with connected(self.primary, "postgres") as conn:
            conn.execute(f"create database {TEMPLATE}".encode())
        migrate(self.primary.dsn(TEMPLATE))
        self.standby = self.another("standby")

    def _server(self, name: str, **settings: Any) -> Postgres:
        (port,) = free_ports(1)  # the same after a restart
        safe = {"synchronous_commit": "on", "max_wal_size": "256MB"}
        server = Postgres(self._directory / name, port, durable=False, **safe, **settings)
        self._servers.callback(server.stop)
        return server

    def another(self, name: str) -> Postgres:
        self.primary.copy_to(self._directory / name, standby=True)
        standby = self._server(name, max_standby_streaming_delay="0")
        standby.start()
        keep_rows(standby, "on")
        return standby


@contextmanager
def connected(server: Postgres, database: str) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(server.dsn(database), autocommit=True) as conn:
        yield conn


def keep_rows(standby: Postgres, feedback: str) -> None:
    with connected(standby, "postgres") as conn:
        conn.execute(f"alter system set hot_standby_feedback = {feedback}".encode())
        conn.execute("select pg_reload_conf()")


@pytest.fixture(scope="module")
def pair() -> Generator[Pair]:
    with open_directory(memory()) as directory, ExitStack() as servers:
        yield Pair(directory, servers)


@pytest.fixture
def database(pair: Pair) -> Generator[str]:
    name = f"test_{uuid4().hex}"
    with connected(pair.primary, "postgres") as conn:
        conn.execute(f"create database {name} template {TEMPLATE}".encode())
        yield name
        conn.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def dsn(pair: Pair, database: str) -> str:
    return pair.primary.dsn(database)


@pytest.fixture
def settings(pair: Pair, dsn: str, database: str, redis_url: str, namespace: str) -> Settings:
    standby = pair.standby.dsn(database)
    return Settings(database_url=dsn, read_database_url=standby, redis_url=redis_url, namespace=namespace, cache=False)


@pytest.fixture
def graph(api: Api, apply: Apply) -> Api:
    mention(api, apply, 1)
    wait_for_standby(api)
    return api


def mention(api: Api, apply: Apply, number: int) -> None:
    """Ada mentions Bob once more, and Bob mentions her back; it is applied."""
    content = HEADER + b"@Bob @cy %d,2026-01-10T11:00:00Z,Ada\n@ada,2026-01-12T11:00:00Z,Bob\n" % number
    assert api.upload(content, again="true").status_code == 202
    apply()


def mentions(api: Api) -> int:
    """How often Ada mentioned Bob."""
    found = {each["handle"]: each["mention_count"] for each in ask(api).json()["mentions"]}
    assert found["bob"] == found["cy"]
    return found["bob"]


def counters(api: Api) -> Counters:
    return api.services.answers.standbys.counters


def wait_for_standby(api: Api) -> None:
    until(lambda: "detail=standby" in status(ask(api)), within=PATIENCE, what="the standby answers")


@contextmanager
def paused(server: Postgres) -> Generator[None]:
    """Nothing is replayed meanwhile."""
    with connected(server, "postgres") as conn:
        conn.execute("select pg_wal_replay_pause()")
        until(
            lambda: conn.execute("select pg_get_wal_replay_pause_state() = 'paused'").fetchone() == (True,),
            within=PATIENCE,
            what="replay is paused",
        )
        try:
            yield
        finally:
            conn.execute("select pg_wal_replay_resume()")


def test_every_host_is_a_standby_of_its_own() -> None:
    both = servers("postgresql://ada:secret@one:5433,two/graph?connect_timeout=3")

    assert [conninfo_to_dict(each) for each in both] == [
        {"host": "one", "port": "5433", "user": "ada", "password": "secret", "dbname": "graph", "connect_timeout": "3"},
        {"host": "two", "port": "", "user": "ada", "password": "secret", "dbname": "graph", "connect_timeout": "3"},
    ]
    assert servers("") == []
    assert len(servers("host=one,two port=5433 dbname=graph")) == 2


def test_a_standby_answers_as_the_primary_does(graph: Api, serve: Serve, settings: Settings) -> None:
    alone = serve(msgspec.structs.replace(settings, read_database_url=""))

    for path in PATHS:
        found, expected = graph.http.get(path), alone.http.get(path)
        assert found.status_code == 200
        assert "detail=standby" in status(found), path
        assert "detail=standby" not in status(expected)
        assert (found.content, found.headers["ETag"]) == (expected.content, expected.headers["ETag"])
        assert alone.http.get(path, headers={"If-None-Match": found.headers["ETag"]}).status_code == 304


def test_what_was_applied_is_in_the_next_answer_and_stays(graph: Api, apply: Apply) -> None:
    """Answers follow one another like the versions of the primary, whoever gives them."""
    applied, over = [1], threading.Event()

    def read() -> int:
        last = answers = 0
        while not over.is_set():
            least = applied[0]
            found = mentions(graph)
            assert found >= max(least, last)
            last, answers = found, answers + 1
        return answers

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            for number in range(2, ROUNDS):
                mention(graph, apply, number)
                applied[0] = number
                assert mentions(graph) == number
        finally:
            over.set()
        assert sum(reader.result() for reader in readers) > ROUNDS
    assert counters(graph).answered > 0


def test_a_standby_that_is_behind_answers_nothing(graph: Api, apply: Apply, pair: Pair) -> None:
    before = counters(graph).behind
    with paused(pair.standby):
        assert "detail=standby" in status(ask(graph))  # it still has everything
        mention(graph, apply, 2)
        assert mentions(graph) == 2
        assert counters(graph).behind == before + 1
        assert mentions(graph) == 2
        assert counters(graph).behind == before + 1  # it is left alone
        export = graph.http.get("/export/edges.csv")
        assert b"Ada,Bob,2," in export.content

    wait_for_standby(graph)
    assert mentions(graph) == 2


def test_the_primary_is_asked_whom_the_standby_does_not_know(graph: Api, domain: Connection, pair: Pair) -> None:
    """A user without an edge makes no new version."""
    with paused(pair.standby):
        assert graph.http.get("/users/dan").status_code == 404
        users = pl.DataFrame({"handle": ["dan"], "spelling": ["Dan"]})
        UserIds(bits=read_parameters(domain).handle_bits, memory=10).of(domain, users)
        assert "detail=standby" in status(ask(graph))
        assert graph.http.get("/users/dan").json()["spelling"] == "Dan"


def test_an_owner_who_asks_too_much_leaves_the_standby_to_others(
    graph: Api, monkeypatch: pytest.MonkeyPatch, problem_of: Callable[[httpx.Response], dict[str, Any]]
) -> None:
    """The owner's question waits for the owner's other questions, and holds no snapshot meanwhile."""
    name_callers(graph.app, {"grace": caller("grace")})
    known = list[Quotas]()
    original = quotas._asking

    def spying(scope: Any, limits: Quotas) -> Asking | None:
        known.append(limits)
        return original(scope, limits)

    monkeypatch.setattr(quotas, "_asking", spying)
    assert "detail=standby" in status(graph.http.get("/paths?source=ada&target=cy", headers=by("grace")))
    failed = counters(graph).failed

    async def beside_others() -> httpx.Response:
        limit = known[0].at_once[Kind.READS]
        async with AsyncExitStack() as held:
            for _ in range(limit.most):
                await held.enter_async_context(limit.one(Asking(known[0], "owner grace", "the owner 'grace'")))
            ask = partial(graph.http.get, "/paths?source=bob&target=cy", headers=by("grace"))
            return await asyncio.to_thread(ask)

    refused = asyncio.run_coroutine_threadsafe(beside_others(), graph.loop).result()
    assert problem_of(refused)["violated-policies"] == ["reads"]
    assert counters(graph).failed == failed
    assert "detail=standby" in status(graph.http.get("/paths?source=bob&target=ada"))


def test_exports_come_from_a_standby_that_keeps_what_they_need(graph: Api, pair: Pair) -> None:
    def exported(query: str = "") -> httpx.Response:
        return graph.http.get(f"/export/edges.csv{query}")

    before = counters(graph).answered
    assert exported().headers["Mentiongraph-Count"] == "3"
    assert counters(graph).answered == before + 1
    assert exported("?min_weight=1000").headers["Mentiongraph-Warning"]  # the primary says why
    assert counters(graph).answered == before + 1

    keep_rows(pair.standby, "off")
    try:
        until(lambda: of_export(graph) == "off", within=PATIENCE, what="the standby keeps nothing")
        assert exported().headers["Mentiongraph-Count"] == "3"
        assert counters(graph).answered == before + 1
    finally:
        keep_rows(pair.standby, "on")


def of_export(api: Api) -> str:
    """Whether the connection for exports keeps rows."""
    (standby,) = api.services.answers.standbys.fit()
    assert standby.pools
    with standby.pools.exports.connection() as conn:
        return postgres.scalars(conn, "show hot_standby_feedback")[0]


def test_a_standby_dies_and_comes_back(graph: Api, apply: Apply, pair: Pair) -> None:
    pair.standby.kill()
    try:
        for path in PATHS:
            assert "detail=standby" not in status(graph.http.get(path))
        assert graph.http.get("/export/edges.csv").headers["Mentiongraph-Count"] == "3"
        mention(graph, apply, 2)
        assert mentions(graph) == 2
    finally:
        pair.standby.start()

    wait_for_standby(graph)
    assert mentions(graph) == 2


def test_what_the_primary_does_not_have_is_not_answered(
    graph: Api, serve: Serve, settings: Settings, pair: Pair, database: str
) -> None:
    """A standby was promoted, and got what the primary never had."""
    promoted = pair.another("promoted")
    promoted.promote()
    with postgres.connect(promoted.dsn(database), role="test") as conn, conn.transaction():
        conn.execute("update edges set mention_count = 99")
        versions.advance(conn, range(read_parameters(conn).shards))
    both = f"{promoted.dsn(database)}"
    api = serve(msgspec.structs.replace(settings, read_database_url=both))
    until(lambda: any(api.services.answers.standbys.fit()), within=PATIENCE, what="the promoted server answers")

    assert mentions(api) == mentions(graph) == 1
    assert graph.http.get("/export/edges.csv").content == api.http.get("/export/edges.csv").content
    assert counters(api).ahead == 2
    assert counters(api).answered == 1


def test_a_statement_that_replay_cancels_is_for_the_primary(graph: Api, domain: Connection) -> None:
    standbys = graph.services.answers.standbys
    running = threading.Event()

    async def work(lanes: Lanes | None) -> object:
        assert lanes is not None
        async with lanes.pool.connection() as conn:
            await conn.execute("select from edges")
            running.set()
            return await (await conn.execute("select pg_sleep(60)")).fetchone()

    before = counters(graph).failed
    answered = asyncio.run_coroutine_threadsafe(standbys.answer("", work), graph.loop)
    assert running.wait(PATIENCE)
    with domain.transaction():
        domain.execute("lock table edges in access exclusive mode")

    assert answered.result(PATIENCE) is None
    assert counters(graph).failed == before + 1
    wait_for_standby(graph)


def test_cached_answers_come_from_a_replica(
    serve: Serve, settings: Settings, apply: Apply, server_directory: Path
) -> None:
    master = Valkey(server_directory / "master", append_only=False)
    with ExitStack() as running:
        running.callback(master.stop)
        master.start()
        replica = Valkey(server_directory / "replica", append_only=False, replica_of=master.port)
        running.callback(replica.stop)
        replica.start()
        known = msgspec.structs.replace(settings, redis_url=master.url, cache_replicas=replica.url, cache=True)
        api = ready(serve(known))
        mention(api, apply, 1)
        until(lambda: scripts(replica), within=PATIENCE, what="the replica was asked whether it is there")
        kept(api)
        until(lambda: synced(replica), within=PATIENCE, what="the replica has the answer")
        asked = scripts(master)
        assert status(ask(api)) == "hit"
        assert scripts(master) == asked  # the replica had it

        replica.kill()
        assert status(ask(api)) == "hit"
        assert scripts(master) == asked + 1


def scripts(server: Valkey) -> int:
    """How often the server was asked for answers."""
    with client(server.port) as conn:
        found: Any = conn.info("commandstats")
        return found.get("cmdstat_evalsha", {}).get("calls", 0)


def synced(replica: Valkey) -> bool:
    with client(replica.port) as conn:
        return any(":cache:" in key and ":written:" not in key for key in conn.scan_iter())

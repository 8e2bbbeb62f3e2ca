"""Graphs over HTTP: each under its prefix, with its own data, links, cache and server."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from typing import Any

import click.testing
import httpx
import msgspec
import pytest

from app.control import databases, graphs
from app.control.callers import Caller, Scope
from app.control.graphs import Graph, settings_of
from app.errors import MayNotCreate
from app.graph import counting, merging
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.http.graphs import MOST_IDLE
from app.http.routes import exports
from app.http.routes import graphs as graph_routes
from app.http.services import GRAPH_EXPORTS
from app.ledger import transitions
from app.ledger.allowance import Allowance
from app.proofs.audit import audit_with_weights
from app.settings import Settings
from app.store.postgres import clock, connect
from ops.cli import main
from ops.cli.client import ApiProblem, Client
from tests.calling import by, caller, name_callers
from tests.conftest import until
from tests.forgetting.searching import places_of
from tests.graphs import Held, edges
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, CSV_TYPE

HEADER = b"data,timestamp,username\n"
WEEK = timedelta(days=7)


def wanted(name: str, now: datetime, **given: Any) -> Graph:
    fields = {"state": "creating", "half_life": WEEK, "shards": 1, "created_at": now}
    return msgspec.convert({**fields, "name": name, **given}, Graph)


Make = Callable[..., Graph]


@pytest.fixture
def make(settings: Settings, now: datetime) -> Generator[Make]:
    """Creates graphs, which the fixture drops after the test."""
    with ExitStack() as stack:

        def create(name: str, **given: Any) -> Graph:
            made = databases.create(settings, wanted(name, now, **given), clock=clock)
            stack.callback(_drop, settings, made.database)
            return made

        yield create


def _drop(settings: Settings, database: str | None) -> None:
    with connect(settings.database_url, role="test") as conn:
        conn.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())


def work(settings: Settings, now: datetime) -> None:
    """Count and merge whatever is due, as workers would."""
    with connect(settings.database_url, role="test") as conn:
        parameters = read_parameters(conn)
        ids = UserIds(bits=parameters.handle_bits, memory=1000)
        for (batch_id,) in conn.execute("SELECT id FROM batches WHERE state = 'staged' ORDER BY id").fetchall():
            claim = transitions.claim(conn, batch_id, settings=settings, now=now)
            assert claim is not None
            kept = {"days_kept": settings.days_kept, "rejects_kept": settings.rejects_kept}
            assert counting.count_batch(conn, claim, parameters, ids, now=now, **kept)
        for shard in range(parameters.shards):
            while merging.merge_shard(conn, shard, parameters, most_edges=10_000, now=now):
                pass


def mentioning(*pairs: tuple[str, str]) -> bytes:
    return HEADER + b"".join(f"hi @{to},2026-01-15T11:00:00Z,{who}\n".encode() for who, to in pairs)


def test_the_same_file_goes_into_each_graph_and_links_stay_there(
    api: Api, make: Make, settings: Settings, now: datetime
) -> None:
    two = make("two")
    sent = {base: api.http.post(f"{base}/uploads", content=CSV, headers=CSV_TYPE) for base in ("", "/graphs/two")}

    assert {base: answer.status_code for base, answer in sent.items()} == {"": 202, "/graphs/two": 202}
    for base, answer in sent.items():
        assert answer.headers["location"] == f"{base}/uploads/{answer.json()['id']}"
        assert all(link is None or link.startswith(f"{base}/uploads/") for link in answer.json()["links"].values())
    other = sent["/graphs/two"].json()["id"]
    assert api.http.get(f"/uploads/{other}").status_code == 404
    assert api.http.get(f"/graphs/two/uploads/{other}").json()["state"] == "staged"
    assert api.http.get(f"/graphs/default/uploads/{sent[''].json()['id']}").json()["links"] == sent[""].json()["links"]

    work(settings_of(settings, two), now)
    assert api.http.get(f"/graphs/two/uploads/{other}").json()["state"] == "applied"
    assert api.http.get(f"/uploads/{sent[''].json()['id']}").json()["state"] == "staged"


def test_a_handle_with_a_slash_head_and_cached_answers_work_under_the_prefix(
    api: Api, make: Make, settings: Settings, now: datetime
) -> None:
    two = make("two", half_life=None)
    for base, pairs in (("", [("a", "b")]), ("/graphs/two", [("a", "b"), ("a", "b"), ("x/y", "b")])):
        assert api.http.post(f"{base}/uploads", content=mentioning(*pairs), headers=CSV_TYPE).status_code == 202
    work(settings, now)
    work(settings_of(settings, two), now)

    for _ in range(3):  # the later answers are cached
        own = api.http.get("/users/a/outgoing").json()
        its = api.http.get("/graphs/two/users/a/outgoing").json()
        assert [each["mention_count"] for each in own["mentions"]] == [1]
        assert [(each["mention_count"], each["weight"]) for each in its["mentions"]] == [(2, 2.0)]
    assert "hit" in api.http.get("/graphs/two/users/a/outgoing").headers["cache-status"]
    assert api.http.get("/graphs/two/users/x%2Fy").json()["links"]["user"] == "/graphs/two/users/x%2Fy"
    assert api.http.get("/users/x%2Fy").status_code == 404
    head = api.http.head("/graphs/two/users/a")
    assert (head.status_code, head.content) == (200, b"")
    page = api.http.get("/graphs/two/users?limit=1").json()
    assert page["next"].startswith("/graphs/two/users?")
    assert api.http.get(page["next"]).status_code == 200
    assert b"b,2" in api.http.get("/graphs/two/export/edges.csv").content


def test_what_is_no_graph_is_not_found(api: Api, make: Make, problem_of: Callable[..., dict[str, Any]]) -> None:
    make("two")
    for path in ("/graphs/three/users", "/graphs/%2e%2e/users", "/graphs/a%2Fb/users", "/graphs/TWO/users"):
        assert api.http.get(path).status_code == 404, path
    document = problem_of(api.http.get("/graphs/three/users"))
    assert "three" in document["detail"]
    for path in ("/graphs/two/graphs", "/graphs/two/doc", "/graphs/two/keys", "/graphs/two/graphs/two/users"):
        assert api.http.get(path).status_code == 404, path
    # The router sees the path as whoever chooses the graph, and counts requests, saw it before.
    for path in ("/graphs/two//keys", "/graphs/two/health/graphs/two/users", "/graphs/two/users/graphs/two/keys"):
        assert api.http.get(path).status_code == 404, path
    assert api.http.get("/graphs//two//users").json() == {"users": [], "next": None}


def test_a_graph_whose_server_is_away_hurts_no_other(
    api: Api, make: Make, settings: Settings, now: datetime, problem_of: Callable[..., dict[str, Any]]
) -> None:
    make("two")
    with connect(settings.database_url, role="test") as conn:
        away = "postgresql://nobody@127.0.0.1:1/none"
        assert graphs.insert(conn, wanted("away", now, database_url=away, database=None))
        graphs.set_ready(conn, "away", half_life=WEEK, shards=1)

    name_callers(api.app, {"metrics": Caller(frozenset({Scope.METRICS}), frozenset({"two", "other"}), key_id="k" * 8)})
    all_of_them = api.http.get("/health/graphs").json()["graphs"]
    assert [(each["graph"], each["database"] == "ready") for each in all_of_them] == [
        ("default", True),
        ("away", False),
        ("two", True),
    ]
    own = api.http.get("/health/graphs", headers=by("metrics")).json()["graphs"]
    assert own == [{"graph": "two", "state": "ready", "database": "ready"}]
    assert api.http.get("/graphs/two/health/graphs").status_code == 404
    processes = api.http.get("/health/processes").json()
    assert [each["graph"] for each in processes["graphs"]] == ["away"]

    document = problem_of(api.http.get("/graphs/away/users"))
    assert document["type"].endswith("database-unavailable")
    assert "away" in problem_of(api.http.get("/graphs/away/uploads"))["detail"]
    assert [api.http.get(f"{base}/users").status_code for base in ("", "/graphs/two")] == [200, 200]


def test_renaming_dropping_and_changing_take_effect_in_running_processes(
    api: Api, make: Make, settings: Settings, now: datetime
) -> None:
    two = make("two")
    api.http.post("/graphs/two/uploads", content=mentioning(("a", "b")), headers=CSV_TYPE)
    work(settings_of(settings, two), now)
    assert all(api.http.get("/graphs/two/users/a").status_code == 200 for _ in range(2))
    known = api.http.get("/graphs/two/users/a").headers["etag"]
    with connect(settings.database_url, role="test") as conn:
        graphs.rename(conn, "two", "three")
        make("two")

        # The new graph of the name answers nothing that was cached for the old one.
        until(lambda: api.http.get("/graphs/two/users/a").status_code == 404, within=20, what="the list is read again")
        answer = api.http.get("/graphs/three/users/a", headers={"If-None-Match": known})
        assert answer.json()["links"]["user"] == "/graphs/three/users/a"

        graphs.change(conn, "three", quota_bytes=1)
        full = lambda: api.http.post("/graphs/three/uploads", content=CSV, headers=CSV_TYPE).status_code  # noqa: E731
        until(lambda: full() == 507, within=20, what="the quota holds")
        assert api.http.post("/graphs/two/uploads", content=CSV, headers=CSV_TYPE).status_code == 202

    databases.drop(settings, "three", clock=clock)
    gone = lambda: api.http.get("/graphs/three/users/a").status_code  # noqa: E731
    until(lambda: gone() == 404, within=20, what="the graph is known to be gone")
    assert api.http.get("/graphs/two/users").status_code == 200


def test_a_person_is_forgotten_in_one_graph_alone(api: Api, make: Make, settings: Settings, now: datetime) -> None:
    """The graph's weights do not halve. Its own database tells who asked."""
    two = settings_of(settings, make("two", half_life=None, shards=2))
    sent = mentioning(("quilla77", "bob"), ("dee", "quilla77"), ("dee", "bob"))
    for base, its in (("", settings), ("/graphs/two", two)):
        assert api.http.post(f"{base}/uploads", content=sent, headers=CSV_TYPE).status_code == 202
        work(its, now)
        assert all(api.http.get(f"{base}/users/quilla77").status_code == 200 for _ in range(2))  # the later is cached

    answer = api.http.post("/graphs/two/users/Quilla77/forget", params={"keep_out": "true"})

    assert (answer.status_code, answer.json()["mentions"], answer.json()["payloads"]) == (200, 2, 1)
    found = [api.http.get(f"{base}/users/quilla77").status_code for base in ("/graphs/two", "")]
    assert found == [404, 200]
    told = "SELECT count(*) FROM audit_events WHERE action LIKE 'user.%'"
    with connect(two.database_url, role="test") as its, connect(settings.database_url, role="test") as own:
        assert places_of(its, "quilla77") == []
        assert audit_with_weights(its, sample=100, now=now).exact
        assert edges(its, now) == {("dee", "bob"): Held(1, 1.0)}
        assert places_of(own, "quilla77")
        assert [each.execute(told).fetchone() for each in (its, own)] == [(2,), (0,)]
    # The graph alone keeps the person out, and not under the handle's hash of another graph.
    for base, its in (("", settings), ("/graphs/two", two)):
        assert api.http.post(f"{base}/uploads?again=true", content=sent, headers=CSV_TYPE).status_code == 202
        work(its, now)
    counts = [api.http.get(f"{base}/users/dee/outgoing").json()["mentions"] for base in ("/graphs/two", "")]
    assert [[each["mention_count"] for each in mentions] for mentions in counts] == [[2], [2, 2]]


def test_graphs_are_created_shown_changed_and_dropped(
    api: Api, settings: Settings, problem_of: Callable[..., dict[str, Any]]
) -> None:
    asked = {"name": "insta", "half_life": "none", "shards": 2, "profile": "instagram", "quota_bytes": 2**33}
    made = api.http.post("/graphs", json=asked)
    try:
        assert (made.status_code, made.headers["location"]) == (201, "/graphs/insta")
        assert {name: made.json()[name] for name in asked} == asked
        again = problem_of(api.http.post("/graphs", json=asked))
        assert again["type"].endswith("graph-exists")

        listed = api.http.get("/graphs").json()
        assert [each["name"] for each in listed["graphs"]] == ["default", "insta"]
        first = api.http.get("/graphs?limit=1").json()
        assert [each["name"] for each in api.http.get(first["next"]).json()["graphs"]] == ["insta"]

        sent = api.http.post("/graphs/insta/uploads", content=mentioning(("a", "b")), headers=CSV_TYPE)
        assert sent.json()["options"]["profile"] == "instagram"
        assert api.upload(mentioning(("a", "b"))).json()["options"]["profile"] == "twitter"
        shown = api.http.get("/graphs/insta").json()
        assert (shown["half_life"], shown["uploads"], shown["retention_days"]) == ("none", 1, settings.retention_days)
        assert api.http.get("/graphs/default").json()["uploads"] == 1

        changed = api.http.patch("/graphs/insta", json={"days_kept": 5, "quota_bytes": None, "name": "photos"}).json()
        assert (changed["name"], changed["days_kept"], changed["quota_bytes"]) == ("photos", 5, None)
        assert api.http.get("/graphs/insta").status_code == 404
        assert api.http.get(f"/graphs/photos/uploads/{sent.json()['id']}").status_code == 200
    finally:
        for name in ("insta", "photos"):
            api.http.delete(f"/graphs/{name}")
    assert api.http.get("/graphs/photos/uploads").status_code == 404
    assert [each["name"] for each in api.http.get("/graphs").json()["graphs"]] == ["default"]


def test_the_administrator_of_a_graph_does_not_lift_its_bounds(
    api: Api, make: Make, settings: Settings, problem_of: Callable[..., dict[str, Any]]
) -> None:
    make("two", quota_bytes=10_000)
    chief = Caller(frozenset({Scope.ADMIN}), graphs=frozenset({"two"}), key_id="chief000", owner="chief")
    name_callers(api.app, {"chief": chief})

    def answer(method: str, path: str, **more: Any) -> httpx.Response:
        return api.http.request(method, path, headers=by("chief"), **more)

    for change in ({"quota_bytes": None}, {"retention_days": 9}, {"name": "three"}, {"days_kept": 9, "quota_bytes": 1}):
        refused = answer("PATCH", "/graphs/two", json=change)
        assert (refused.status_code, "all graphs" in problem_of(refused)["detail"]) == (403, True), change
        assert 'scope="admin"' in refused.headers["www-authenticate"]
    assert answer("DELETE", "/graphs/two").status_code == 403
    assert answer("PATCH", "/graphs/three", json={"name": "two"}).status_code == 404
    assert answer("PATCH", "/graphs/two", json={"days_kept": 9, "profile": "tiktok"}).json()["days_kept"] == 9
    with connect(settings.database_url, role="test") as conn:
        (left,) = graphs.every(conn)
    assert (left.name, left.quota_bytes, left.retention_days, left.days_kept) == ("two", 10_000, None, 9)


def test_a_reached_quota_is_told_of_by_its_name(
    api: Api, make: Make, settings: Settings, problem_of: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make("two", quota_bytes=2**20)
    refused = api.http.post("/graphs/two/uploads", content=CSV, headers=CSV_TYPE)

    assert refused.status_code == 507
    detail = problem_of(refused)["detail"]
    assert "the quota of the graph is 1 MiB" in detail
    assert "graphs set two --quota" in detail
    assert "MAX_DATABASE_BYTES" not in detail
    assert api.upload(CSV).status_code == 202

    monkeypatch.setenv("MENTIONGRAPH_DATABASE_URL", settings.database_url)
    listed = click.testing.CliRunner().invoke(main, ["graphs", "list", "--json"])
    shown = {each["name"]: (each["size_bytes"], each["quota_bytes"]) for each in json.loads(listed.stdout)}
    with connect(settings_of(settings, made).database_url, role="test") as conn:
        (size,) = conn.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    assert shown["two"][1] == 2**20
    assert 0.5 < shown["two"][0] / size < 2
    assert shown["default"][0] > 2**20
    assert "two: the quota is reached" in click.testing.CliRunner().invoke(main, ["graphs", "list"]).stderr


WRONG: list[tuple[str, str, Any, str]] = [
    ("POST", "/graphs", {"name": "A"}, "cannot be the name"),
    ("POST", "/graphs", {"name": "x", "half_life": "7"}, "half-life"),
    ("POST", "/graphs", {"name": "x", "shards": 3}, "shards"),
    ("POST", "/graphs", {"name": "x", "profile": "nope"}, "nope"),
    ("POST", "/graphs", {"name": "x", "quota_bytes": 0}, "quota_bytes"),
    ("POST", "/graphs", {"name": "x", "colour": 1}, "colour"),
    ("POST", "/graphs", {"name": "x", "database_url": "host=h passfile=/etc/x"}, "passfile"),
    ("POST", "/graphs", {}, "name"),
    ("POST", "/graphs", [], "Expected `object`"),
    ("POST", "/graphs", {"name": "x", "database_url": "host=h user=u dbname=d\0x"}, "no address"),
    ("POST", "/graphs", {"name": "x" * 60_000}, "cannot be the name"),
    ("PATCH", "/graphs/x", {"name": "B"}, "cannot be the name"),
    ("PATCH", "/graphs/default", {"days_kept": 1}, "MENTIONGRAPH_DAYS_KEPT"),
    ("PATCH", "/graphs/default", {"name": "x"}, "MENTIONGRAPH_DAYS_KEPT"),
    ("PATCH", "/graphs/x", {"days_kept": 1000}, "days_kept"),
    ("DELETE", "/graphs/default", None, "default"),
]


def test_a_repeat_after_a_renaming_is_answered_with_links_that_lead_somewhere(api: Api, make: Make) -> None:
    make("two")
    headers = {**CSV_TYPE, "Idempotency-Key": "once"}
    first = api.http.post("/graphs/two/uploads", content=CSV, headers=headers)
    assert api.http.patch("/graphs/two", json={"name": "three"}).status_code == 200

    again = api.http.post("/graphs/three/uploads", content=CSV, headers=headers)

    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert {**again.json(), "links": None} == {**first.json(), "links": None}
    links = again.json()["links"]
    assert [link for link in links.values() if link and not link.startswith("/graphs/three/uploads/")] == []
    assert links == api.http.get(again.headers["location"]).json()["links"]


def test_a_file_for_a_graph_that_is_not_there_is_refused_before_it_is_sent(api: Api, make: Make) -> None:
    make("two")
    with api.connect() as wire:
        wire.sendall(
            b"POST /graphs/three/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
            b"Content-Length: 1000000000\r\n\r\n"
        )
        assert wire.recv(12) == b"HTTP/1.1 404"
    sent = list[str]()

    def body(graph: str) -> Iterator[bytes]:
        sent.append(graph)
        yield CSV

    for graph in ("three", "two"):
        with Client(f"http://127.0.0.1:{api.port}/graphs/{graph}") as command, suppress(ApiProblem):
            command.send(body(graph), params={"author": "username"}, encoding=None)
    assert sent == ["two"]


def test_a_second_export_of_a_graph_waits_for_the_first(
    api: Api, make: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch, problem_of: Callable[..., dict[str, Any]]
) -> None:
    """Its server is not away, so nobody may say so."""
    two = settings_of(settings, make("two"))
    assert api.http.get("/graphs/two/export/edges.csv").status_code == 200
    monkeypatch.setattr(exports, "PATIENCE", 0.2)
    with connect(two.database_url, role="test") as conn, api.connect() as first:
        with conn.transaction():
            conn.execute("LOCK TABLE edges IN ACCESS EXCLUSIVE MODE")
            first.sendall(b"GET /graphs/two/export/edges.csv HTTP/1.1\r\nHost: localhost\r\n\r\n")
            waits = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            until(lambda: conn.execute(waits).fetchone() == (1,), within=20, what="the first export has begun")
            second = problem_of(api.http.get("/graphs/two/export/edges.csv"))
        assert first.recv(12) == b"HTTP/1.1 200"
    assert second["type"].endswith("too-many-exports")


def test_exports_of_all_graphs_together_are_few(
    api: Api, make: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch, problem_of: Callable[..., dict[str, Any]]
) -> None:
    """The graphs are names of one database here: what is counted is what the API opens for them."""
    one = settings_of(settings, make("g0"))
    with connect(settings.database_url, role="test") as conn:
        conn.execute("ALTER TABLE graphs DROP CONSTRAINT graphs_database_key")
        conn.execute(
            "INSERT INTO graphs SELECT 'g' || n, state, database, database_url, half_life, shards, profile, days_kept, "
            "retention_days, quota_bytes, created_at FROM graphs, generate_series(1, 9) AS n WHERE name = 'g0'"
        )
    monkeypatch.setattr(exports, "PATIENCE", 0.2)

    def threads() -> int:
        return sum(thread.name.startswith("export_") for thread in threading.enumerate())

    url = one.database_url
    with connect(url, role="test") as conn, connect(url, role="test") as watch, ExitStack() as begun:
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with conn.transaction():
            conn.execute("LOCK TABLE edges IN ACCESS EXCLUSIVE MODE")
            for number in range(GRAPH_EXPORTS):
                client = begun.enter_context(api.connect())
                client.sendall(f"GET /graphs/g{number}/export/edges.csv HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            until(lambda: watch.execute(waits).fetchone() == (GRAPH_EXPORTS,), within=20, what="the exports have begun")
            for number in range(GRAPH_EXPORTS, 10):
                refused = problem_of(api.http.get(f"/graphs/g{number}/export/edges.csv"))
                assert refused["type"].endswith("too-many-exports")
            assert threads() == GRAPH_EXPORTS
            assert api.http.get("/export/edges.csv").status_code == 200, "the graph `default` has slots of its own"
        until(lambda: api.http.get("/graphs/g9/export/edges.csv").status_code == 200, within=20, what="there is room")
    until(lambda: not threads(), within=20, what="the exports have ended")


def test_the_bytes_of_a_day_are_those_of_one_graph(
    serve: Serve, make: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("two")
    taken, take = list[int](), Allowance.take

    def counted(self: Allowance, size: int) -> None:
        taken.append(size)
        take(self, size)

    monkeypatch.setattr(Allowance, "take", counted)
    api = serve(msgspec.structs.replace(settings, owner_bytes_a_day=len(CSV) + 10))
    name_callers(api.app, {"grace": caller("grace")})
    head = "POST /graphs/two/uploads HTTP/1.1\r\nHost: localhost\r\nTest-Caller: grace\r\nContent-Type: text/csv\r\n"
    with api.connect() as arriving:
        arriving.sendall(f"{head}Content-Length: {len(CSV)}\r\n\r\n".encode() + CSV[:-1])
        until(lambda: sum(taken) == len(CSV) - 1, within=20, what="the upload into the other graph has arrived")
        here = api.http.post("/uploads", content=CSV, headers={**CSV_TYPE, **by("grace")})
        assert here.status_code == 202, here.text
        arriving.sendall(CSV[-1:])
        assert arriving.recv(12) == b"HTTP/1.1 202"


def test_every_graph_is_listed_and_shown_in_every_state(api: Api, make: Make, settings: Settings) -> None:
    for name in ("alpha", "zeta"):
        make(name)
    with connect(settings.database_url, role="test") as conn:
        conn.execute("UPDATE graphs SET state = 'dropping' WHERE name = 'alpha'")
    path, found = "/graphs?limit=1", list[tuple[str, str]]()
    while path:
        page = api.http.get(path).json()
        found += [(each["name"], each["state"]) for each in page["graphs"]]
        path = page["next"]

    assert found == [("default", "ready"), ("alpha", "dropping"), ("zeta", "ready")]
    shown = api.http.get("/graphs/alpha")
    assert (shown.status_code, shown.json()["state"], shown.json()["uploads"]) == (200, "dropping", None)


def test_a_graph_that_could_not_be_created_in_time_is_in_the_log(
    api: Api, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    go_on = threading.Event()

    def fail(*_: object, **__: object) -> Graph:
        go_on.wait(20)
        raise MayNotCreate("the role may not.")

    monkeypatch.setattr(databases, "create", fail)
    monkeypatch.setattr(graph_routes, "CREATE_SECONDS", 0.01)
    try:
        assert api.http.post("/graphs", json={"name": "late"}).status_code == 202
    finally:
        go_on.set()
    log = list[str]()

    def told() -> bool:
        log.append("".join(capfd.readouterr()))
        return "graph_not_created" in "".join(log)

    until(told, within=20, what="the log tells of it")


def test_what_no_graph_can_be_is_refused(api: Api, problem_of: Callable[..., dict[str, Any]]) -> None:
    for method, path, body, wrong in WRONG:
        answer = api.http.request(method, path, json=body)

        assert answer.status_code == 400, (method, path, body)
        assert wrong in problem_of(answer)["detail"]
        assert len(answer.content) < 1000
    for method in ("GET", "PATCH", "DELETE"):
        assert api.http.request(method, "/graphs/a%00b", json={}).status_code == 404
    assert api.http.post("/graphs", content=b"name=x", headers=CSV_TYPE).status_code == 400
    assert [each["name"] for each in api.http.get("/graphs").json()["graphs"]] == ["default"]


OF_THE_SERVICE = ("/graphs", "/keys", "/audit-events", "/health")
"""Paths that are about the service, and hold nothing of a graph."""
ONLY_HERE = "zoe"


def test_no_route_of_one_graph_answers_anything_of_another(
    api: Api, make: Make, settings: Settings, now: datetime
) -> None:
    """Every route that the document has, so that a new route is covered by itself."""
    two, three = make("two"), make("three")
    api.http.post("/graphs/two/uploads", content=mentioning((ONLY_HERE, "bob")), headers=CSV_TYPE)
    work(settings_of(settings, two), now)
    (secret,) = api.http.get("/graphs/two/uploads").json()["uploads"]
    for base, graph in (("", None), ("/graphs/three", three)):
        api.http.post(f"{base}/uploads", content=mentioning(("ada", "bob")), headers=CSV_TYPE)
        work(settings_of(settings, graph), now)
    names = {"handle": ONLY_HERE, "source": ONLY_HERE, "target": "bob", "upload_id": secret["id"], "batch_id": "1"}
    names["erasure_id"] = "1"

    asked = 0
    for template, item in api.http.get("/doc/openapi.json").json()["paths"].items():
        if template.startswith(OF_THE_SERVICE):
            continue
        for method, operation in item.items():
            query = {
                each["name"]: names.get(each["name"], "1")
                for each in operation.get("parameters", [])
                if each["in"] == "query" and each.get("required")
            }
            for base in ("", "/graphs/three", "/graphs/two"):
                path = base + template.format(**names)
                body = mentioning(("eve", "bob")) if method == "post" else None
                with api.http.stream(method, path, params=query, content=body, headers=CSV_TYPE) as answer:
                    text = answer.read().decode(errors="replace") if "/events" not in path else ""
                asked += 1
                assert answer.status_code < 500, (method, path, text)
                if base != "/graphs/two":
                    found = answer.headers.get("location", "") + text.replace(path, "")
                    assert secret["id"] not in found or answer.status_code == 404, (method, path, text)
                    for foreign in (f"{ONLY_HERE},", f'"{ONLY_HERE}"', "/graphs/two"):
                        assert foreign not in found, (method, path, text)
                elif answer.status_code == 200 and "json" in answer.headers["content-type"]:
                    assert re.search('"/(uploads|users|edges)', text) is None, (method, path, text)
    assert asked > 90  # routes and graphs


def test_two_hundred_graphs_need_few_connections(api: Api, make: Make, settings: Settings) -> None:
    """The graphs are names of one database here: what is counted is what the API opens for them."""
    one = make("g0")
    with connect(settings.database_url, role="test") as conn:
        conn.execute("ALTER TABLE graphs DROP CONSTRAINT graphs_database_key")
        conn.execute(
            "INSERT INTO graphs SELECT 'g' || n, state, database, database_url, half_life, shards, profile, days_kept, "
            "retention_days, quota_bytes, created_at FROM graphs, generate_series(1, 199) AS n WHERE name = 'g0'"
        )
        open_now = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        most = 0
        for number in range(200):
            assert api.http.get(f"/graphs/g{number}/users").status_code == 200
            if number % 20 == 0:
                (found,) = conn.execute(open_now, [one.database]).fetchone() or (0,)
                most = max(most, found)
    assert most <= MOST_IDLE + 2

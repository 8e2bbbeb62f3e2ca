"""A client that hangs up ends its question in PostgreSQL, and takes nothing from others who ask the same."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from app.http import expensive
from app.http.routes import rejects
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import HEADER

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
POSTS = HEADER + b"@bob,never,ada\n@bob,2026-01-10T11:00:00Z,ada\n@ada @cy,2026-01-11T11:00:00Z,bob\n"
EXPENSIVE = ("/users/ada/ego?depth=2", "/paths?source=ada&target=cy", "/edges/ada/bob/history")
"""Questions that always take a slot."""
STATEMENTS, FILES = 4, 2
"""What one API process may let PostgreSQL work on at once: expensive questions, and pages of rejects."""


@pytest.fixture
def graph(serve: Serve, settings: Settings, apply: Callable[[], None]) -> Api:
    api = serve(msgspec.structs.replace(settings, read_timeout=30.0))
    assert api.upload(POSTS).status_code == 202
    apply()
    return api


@pytest.fixture
def narrow(serve: Serve, settings: Settings) -> Api:
    """An API that has as few connections for cheap questions as may be."""
    return serve(msgspec.structs.replace(settings, read_timeout=30.0, database_pool=2))


@contextmanager
def locked(dsn: str) -> Generator[None]:
    """Let questions about edges, their history and uploads wait in PostgreSQL."""
    with psycopg.connect(dsn) as conn:
        conn.execute("lock table edges, deltas, uploads in access exclusive mode")
        yield


def running(conn: Connection) -> int:
    """Statements of the API that run, or wait for a lock."""
    found = conn.execute(
        "select count(*) from pg_stat_activity where datname = current_database() and state <> 'idle' "
        "and application_name ~ '^mentiongraph (api|read)@'"
    ).fetchone()
    return found[0] if found else 0


def queued(taken: asyncio.Semaphore) -> int:
    """Requests that wait for a slot."""
    return len(taken._waiters or ())  # type: ignore[attr-defined]


def asking(api: Api, target: str) -> socket.socket:
    client = api.connect()
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


@pytest.mark.parametrize("target", [*EXPENSIVE, "/users/ada", "/uploads"])
def test_a_client_that_hangs_up_ends_its_question(graph: Api, domain: Connection, dsn: str, target: str) -> None:
    with locked(dsn):
        client = asking(graph, target)
        until(lambda: running(domain) == 1, within=5, what="it is asked")
        client.close()
        until(lambda: not running(domain), within=4, what="it is asked no more")
    assert graph.http.get(target).status_code == 200


def test_a_client_that_hangs_up_takes_nothing_from_others(graph: Api, domain: Connection, dsn: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked(dsn):
            first = asking(graph, EXPENSIVE[0])
            until(lambda: running(domain) == 1, within=5, what="it is asked")
            second = pool.submit(graph.http.get, EXPENSIVE[0])
            until(lambda: graph.services.answers.waiting, within=5, what="another client waits for it")
            misses = graph.services.answers.counters.misses
            first.close()
            until(lambda: len(graph.door.connections) == 1, within=5, what="the first is gone")
            assert running(domain) == 1
        assert second.result(timeout=10).status_code == 200
    assert graph.services.answers.counters.misses == misses


@pytest.mark.usefixtures("graph")
def test_expensive_questions_leave_the_others_alone(
    narrow: Api, dsn: str, domain: Connection, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times as many questions as have a slot: PostgreSQL works on few, and cheap questions find a connection."""
    monkeypatch.setattr(expensive, "PATIENCE", 30.0)
    with ExitStack() as stack:
        with locked(dsn):
            targets = [f"{EXPENSIVE[0]}&users={number}" for number in range(2, 40)] + list(EXPENSIVE)
            waiting = [stack.enter_context(asking(narrow, target)) for target in targets]
            until(lambda: running(domain) == STATEMENTS, within=5, what="so many run as may run")
            until(
                lambda: queued(narrow.services.expensive.slots) == len(targets) - STATEMENTS, within=5, what="all wait"
            )
            monkeypatch.setattr(expensive, "PATIENCE", 0.2)
            refused = narrow.http.get("/users/bob/ego?depth=2")
            cheap = [narrow.http.get(f"/users?prefix={letter}", timeout=5) for letter in "abc"]
            assert running(domain) == STATEMENTS
        for each in waiting:
            assert each.recv(12) == b"HTTP/1.1 200"

    assert problem_of(refused)["type"] == "urn:mentiongraph:problem:too-many-reads"
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert [each.status_code for each in cheap] == [200, 200, 200]


def test_files_of_rejects_leave_the_others_alone(
    graph: Api, dsn: str, domain: Connection, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    [upload] = graph.http.get("/uploads").json()["uploads"]
    path = f"/uploads/{upload['id']}"
    monkeypatch.setattr(rejects, "PATIENCE", 30.0)
    with ExitStack() as stack, psycopg.connect(dsn) as conn:
        conn.execute("lock table rejects in access exclusive mode")
        waiting = [stack.enter_context(asking(graph, f"{path}/rejects.csv")) for _ in range(20)]
        until(lambda: running(domain) == FILES, within=5, what="so many are read as may be")
        until(lambda: queued(graph.services.reject_slots) == len(waiting) - FILES, within=5, what="all wait")
        monkeypatch.setattr(rejects, "PATIENCE", 0.2)
        refused = graph.http.get(f"{path}/rejects.csv", timeout=5)
        cheap = graph.http.get("/users?prefix=a", timeout=5)
        assert running(domain) == FILES
        conn.rollback()
        for each in waiting:
            assert each.recv(12) == b"HTTP/1.1 200"

    assert problem_of(refused)["type"] == "urn:mentiongraph:problem:too-many-exports"
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert cheap.status_code == 200


def test_an_expensive_question_is_given_up(graph: Api, dsn: str, domain: Connection, problem_of: ProblemOf) -> None:
    graph.services.expensive = expensive.ExpensiveReads(graph.services.expensive.pool, seconds=0.3)
    with locked(dsn):
        answer = graph.http.get(EXPENSIVE[0], timeout=5)  # sooner than PostgreSQL itself gives up
        assert not running(domain)
    assert problem_of(answer)["type"] == "urn:mentiongraph:problem:took-too-long"
    assert answer.headers["Retry-After"]


def test_a_user_with_many_edges_is_expensive(
    graph: Api, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expensive, "PATIENCE", 0.1)
    monkeypatch.setattr("app.reads.networks.MOST_FOLLOWED", 1)
    graph.services.expensive.slots = asyncio.Semaphore(0)

    for path in ("", "/ego", "/outgoing", "/incoming", "/reciprocal"):
        assert graph.http.get(f"/users/ada{path}").status_code == 200, path
        assert problem_of(graph.http.get(f"/users/bob{path}"))["status"] == 503, path

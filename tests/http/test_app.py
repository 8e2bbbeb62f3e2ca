"""The app as a whole: problems, health, the OpenAPI pages, and servers that are away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import psycopg
import pytest

from app.graph.previews import Preview
from app.http.asgi import from_environment
from app.http.openapi import examples, graph_examples, rankings_examples
from app.http.routes import audits, edges, health, networks, rankings, rejects, uploads, users, whole_graph
from app.http.routes import graphs as graph_routes
from app.http.routes import settings as settings_routes
from app.reads.exports.formats import FORMS
from app.settings import Settings
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, NOBODY, bells

ProblemOf = Callable[[httpx.Response], dict[str, Any]]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/uploads", 405)])
def test_what_litestar_answers_is_a_problem_too(
    api: Api, problem_of: ProblemOf, method: str, path: str, status: int
) -> None:
    answer = api.http.request(method, path)

    problem_of(answer)
    assert answer.status_code == status


def test_a_bug_is_answered_without_what_is_inside(
    api: Api, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("app.ledger.entries.uploads", broken)

    answer = api.http.get("/uploads")

    assert "secret" not in answer.text
    assert problem_of(answer)["type"] == "urn:mentiongraph:problem:internal-error"
    assert answer.status_code == 500


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_cannot_upload(api: Api, problem_of: ProblemOf, site: str) -> None:
    headers = {"Content-Type": "text/csv", "Sec-Fetch-Site": site}

    answer = api.http.post("/uploads", content=CSV, headers=headers)

    assert problem_of(answer)["type"] == "urn:mentiongraph:problem:cross-site"
    assert api.http.get("/uploads").json()["uploads"] == []


def test_our_own_pages_can_upload(api: Api) -> None:
    headers = {"Content-Type": "text/csv", "Sec-Fetch-Site": "same-origin"}

    assert api.http.post("/uploads", content=CSV, headers=headers).status_code == 202


def test_health(api: Api) -> None:
    assert api.http.get("/health/live").json() == {"status": "live"}
    answer = api.http.get("/health/ready")
    # Nobody told this API where the disk of PostgreSQL is.
    assert (answer.status_code, answer.json()) == (200, {**examples.READY, "disk": "unknown"})


def test_redis_away_is_reported_and_not_needed(serve: Serve, settings: Settings) -> None:
    answer = serve(msgspec.structs.replace(settings, redis_url=NOBODY)).http.get("/health/ready")

    assert (answer.status_code, answer.json()["redis"]) == (200, "does not answer")


def test_a_database_without_the_schema(api: Api, problem_of: ProblemOf, conn: psycopg.Connection[Any]) -> None:
    conn.execute("drop schema public cascade; create schema public")

    ready = api.http.get("/health/ready")
    answer = api.http.get("/uploads")

    assert ready.status_code == 503
    assert "mentiongraph migrate" in ready.json()["postgresql"]
    assert problem_of(answer)["type"] == "urn:mentiongraph:problem:not-migrated"
    assert answer.status_code == 503


class Relay:
    """A port that leads to a server, while `up`; as if the server were away otherwise, or hung, after `hang`."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._relaying: set[asyncio.Task[None]] = set()
        self.port = 0
        self._started = Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = Thread(target=self._run, name="relay")

    def _run(self) -> None:
        self._loop.call_soon(self._started.set)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def up(self) -> None:
        asyncio.run_coroutine_threadsafe(self._up(), self._loop).result()

    def down(self) -> None:
        asyncio.run_coroutine_threadsafe(self._down(), self._loop).result()

    def hang(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.set)

    async def _up(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _down(self) -> None:
        self._flowing.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.close()
        for task in list(self._relaying):
            task.cancel()
        # Also those that take a client just now: cancelled before they begin, they would leave it open.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            if self._server is None:  # it was accepted just before the server closed
                return
            task = asyncio.current_task()
            assert task is not None
            self._relaying.add(task)
            task.add_done_callback(self._relaying.discard)
            self._writers.add(writer)
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            self._writers.add(far_writer)
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()
            self._writers.discard(writer)


@contextmanager
def relay_to(dsn: str) -> Generator[tuple[Relay, str]]:
    """A relay to the server of `dsn`, up; and the URL of the database through it."""
    parts = urlsplit(dsn)
    relay = Relay(parts.hostname or "", parts.port or 5432)
    relay.start()
    try:
        relay.up()
        user = parts.netloc.rpartition("@")[0]
        yield relay, parts._replace(netloc=f"{user}@127.0.0.1:{relay.port}").geturl()
    finally:
        relay.stop()


def test_postgresql_away_at_the_start_and_then_back(
    serve: Serve, settings: Settings, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.http.routes.health.PATIENCE", 0.1)
    with relay_to(settings.database_url) as (relay, url):
        relay.down()

        api = serve(msgspec.structs.replace(settings, database_url=url, database_patience=0.2))
        api.services.pool.timeout = 0.2

        assert api.http.get("/health/live").status_code == 200
        ready = api.http.get("/health/ready")
        assert (ready.status_code, ready.json()["postgresql"]) == (503, "does not answer")
        refused = api.upload(CSV)
        assert problem_of(refused)["type"] == "urn:mentiongraph:problem:database-unavailable"
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        relay.up()
        until(lambda: api.http.get("/health/ready").status_code == 200, within=60, what="it is ready")
        assert api.upload(CSV).status_code == 202


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": '"a"'}])
def test_an_upload_waits_for_postgresql_from_its_first_query_on(
    serve: Serve, settings: Settings, headers: dict[str, str]
) -> None:
    with relay_to(settings.database_url) as (relay, url):
        api = serve(msgspec.structs.replace(settings, database_url=url))
        relay.down()
        api.services.receiving.timeout = 0.2
        with ThreadPoolExecutor(1) as client:
            headers = {"Content-Type": "text/csv", **headers}
            answer = client.submit(api.http.post, "/uploads", content=CSV, headers=headers)
            until(
                lambda: api.services.receiving.get_stats().get("requests_errors", 0) > 0,
                within=60,
                what="the upload's first wait for a connection is over",
            )
            relay.up()
            assert answer.result().status_code == 202


def test_postgresql_going_away_and_coming_back(serve: Serve, settings: Settings) -> None:
    with relay_to(settings.database_url) as (relay, url):
        api = serve(msgspec.structs.replace(settings, database_url=url))
        until(lambda: api.http.get("/health/ready").status_code == 200, within=60, what="it is ready")

        relay.down()
        relay.up()

        assert api.upload(CSV).status_code == 202
        until(lambda: bells(settings) == 1, within=10, what="the bell")


def test_the_pages_need_no_network(api: Api) -> None:
    page = api.http.get("/doc")

    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text
    linked = re.findall(r'(?:href|src|url)[:=] ?"([^"]+)"', page.text)
    assert len(linked) == 4
    for path in linked:
        assert api.http.get(path).status_code == 200, path


def test_the_document_describes_every_endpoint(api: Api) -> None:
    document = api.http.get("/doc/openapi.json").json()

    described = {(method, path) for path, item in document["paths"].items() for method in item}
    assert described == {
        ("post", "/uploads"),
        ("post", "/uploads/preview"),
        ("post", "/upload_csv"),
        ("get", "/uploads"),
        ("get", "/uploads/counts"),
        ("post", "/uploads/bulk"),
        ("patch", "/uploads/{upload_id}"),
        ("get", "/uploads/{upload_id}"),
        ("get", "/uploads/{upload_id}/batches"),
        ("get", "/uploads/{upload_id}/rejects"),
        ("get", "/uploads/{upload_id}/rejects.csv"),
        ("get", "/uploads/{upload_id}/events"),
        ("post", "/uploads/{upload_id}/cancel"),
        ("post", "/uploads/{upload_id}/retract"),
        ("post", "/uploads/{upload_id}/replay"),
        ("post", "/batches/{batch_id}/replay"),
        ("get", "/edges/{source}/{target}/history"),
        ("get", "/edges/{source}/{target}/lines"),
        ("get", "/edges"),
        ("get", "/users/{handle}"),
        ("get", "/users/{handle}/outgoing"),
        ("get", "/users/{handle}/incoming"),
        ("get", "/users/{handle}/reciprocal"),
        ("get", "/users/{handle}/ego"),
        ("get", "/users"),
        ("get", "/paths"),
        ("get", "/network"),
        ("get", "/network/histogram"),
        ("get", "/days"),
        ("get", "/rankings/edges"),
        ("get", "/rankings/mentioned"),
        ("get", "/rankings/mentioning"),
        ("get", "/rankings/trending"),
        ("get", "/edges/days"),
        ("get", "/users/{handle}/days"),
        *(("get", f"/export/{name}") for name in FORMS),
        ("post", "/keys"),
        ("get", "/keys"),
        ("get", "/keys/self"),
        ("get", "/keys/{key_id}"),
        ("delete", "/keys/{key_id}"),
        ("post", "/keys/{key_id}/rotate"),
        ("get", "/audit-events"),
        ("post", "/users/{handle}/forget"),
        ("get", "/erasures/{erasure_id}"),
        ("get", "/comparison"),
        ("get", "/comparison/users.csv"),
        ("get", "/comparison/ties.csv"),
        ("get", "/graphs"),
        ("post", "/graphs"),
        ("get", "/graphs/{graph}"),
        ("patch", "/graphs/{graph}"),
        ("delete", "/graphs/{graph}"),
        ("get", "/audit"),
        ("post", "/audit"),
        ("get", "/settings"),
        ("get", "/health/queues"),
        ("get", "/health/decay"),
        ("get", "/health/live"),
        ("get", "/health/ready"),
        ("get", "/health/processes"),
        ("get", "/health/graphs"),
        ("get", "/health/cache"),
        ("get", "/metrics"),
    }
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert operation["description"], path
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), (path, parameter["name"])
            for status, response in operation["responses"].items():
                if status == "304":
                    assert not response.get("content"), path
                    continue
                if status == "204":
                    continue
                kinds = set(response["content"])
                if (path, status) == ("/health/ready", "503"):
                    assert kinds == {"application/json"}
                    continue
                assert kinds == {"application/problem+json"} if status >= "4" else "example" in str(response), path


def test_the_examples_are_what_is_answered() -> None:
    for example, struct in [
        (examples.UPLOAD, uploads.Upload),
        (examples.UPLOADS, uploads.Uploads),
        (examples.PREVIEW, Preview),
        (examples.BATCHES, uploads.Batches),
        (examples.REJECTS, rejects.Rejects),
        (examples.HISTORY, edges.HistoryAnswer),
        (examples.LINES, edges.LinesAnswer),
        (rankings_examples.EDGE_RANKING, rankings.EdgeRanking),
        (rankings_examples.USER_RANKING, rankings.UserRanking),
        (rankings_examples.TRENDING, rankings.Trending),
        (rankings_examples.EDGE_DAYS, edges.EdgeDays),
        (rankings_examples.USER_DAYS, users.UserDays),
        (graph_examples.EDGE, edges.EdgeAnswer),
        (graph_examples.USER, users.UserAnswer),
        (graph_examples.USERS, users.UsersAnswer),
        (graph_examples.MENTIONS, users.Mentions),
        (graph_examples.TIES, users.Ties),
        (graph_examples.EGO, networks.EgoAnswer),
        (graph_examples.PATH, networks.PathAnswer),
        (graph_examples.NETWORK, whole_graph.NetworkAnswer),
        (graph_examples.HISTOGRAM, whole_graph.HistogramAnswer),
        (rankings_examples.GRAPH_DAYS, whole_graph.GraphDays),
        (examples.GRAPH, graph_routes.GraphAnswer),
        (examples.GRAPH_DETAIL, graph_routes.GraphDetail),
        (examples.GRAPHS, graph_routes.GraphsAnswer),
        (examples.LIVE, health.Live),
        (examples.READY, health.Ready),
        (examples.FLEET, health.Fleet),
        (examples.QUEUES, health.Queues),
        (examples.DECAY, health.Decay),
        (examples.AUDITS, audits.Audits),
        (examples.AUDITS_ASKED, audits.Audits),
        (examples.SETTINGS, settings_routes.SettingsAnswer),
    ]:
        read = msgspec.convert(example, struct)

        assert msgspec.to_builtins(read).keys() == example.keys()


def test_the_app_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr("app.log.configure", print)
    monkeypatch.setenv("MENTIONGRAPH_DATABASE_URL", settings.database_url)

    assert "/uploads" in {route.path for route in from_environment().routes}

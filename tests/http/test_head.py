"""HEAD: wherever GET is, with the same headers, and without the body or the work for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.reads.exports.formats import FORMS
from tests.conftest import until
from tests.http.conftest import Api, Protocol, Serve
from tests.http.test_receiving import CSV

# What a body of unknown length is sent in, and what differs from answer to answer.
UNLIKE = {"transfer-encoding", "date", "cache-status", "mentiongraph-count", "x-request-id", "traceparent"}
PATHS = [
    "/",
    "/doc",
    "/doc/openapi.json",
    "/static/favicon.svg",
    "/health/live",
    "/health/ready",
    "/health/processes",
    "/health/cache",
    "/uploads",
    "/users?prefix=a",
    "/users/ada",
    "/users/ada/outgoing",
    "/users/nobody",
    "/edges?source=ada&target=bob",
    "/edges/ada/bob/history",
    "/rankings/edges",
    "/uploads?limit=0",
    "/nowhere",
    *(f"/export/{name}" for name in FORMS),
]


def alike(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in UNLIKE}


@pytest.fixture(params=["h11", "httptools"])
def graph(serve: Serve, settings: Any, apply: Callable[[], None], request: pytest.FixtureRequest) -> Api:
    protocol: Protocol = request.param
    api = serve(settings, protocol)
    assert api.upload(CSV).status_code == 202
    apply()
    return api


def test_head_is_get_without_the_body(graph: Api) -> None:
    path = graph.http.get("/uploads").json()["uploads"][0]["links"]["upload"]
    for target in (*PATHS, path, f"{path}/batches", f"{path}/rejects", f"{path}/rejects.csv", f"{path}/events"):
        got, headed = graph.http.get(target), graph.http.head(target)

        assert headed.status_code == got.status_code, target
        assert headed.content == b"", target
        assert alike(headed) == alike(got), target
    assert graph.http.get("/health/live").json() == {"status": "live"}, "the connection is in order"


def test_head_of_an_export_runs_none(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services, "export_slots", (asyncio.Semaphore(0),))

    for name in FORMS:
        answer = api.http.head(f"/export/{name}")
        assert (answer.status_code, answer.headers["mentiongraph-as-of"]) == (200, "2026-01-15T12:00:00+00:00")
    assert api.http.head("/export/edges.csv?depth=9").status_code == 400
    assert api.http.head("/export/edges.csv?user=nobody").status_code == 404


def test_head_of_events_ends(api: Api) -> None:
    path = api.upload(CSV).headers["location"]

    answer = api.http.head(f"{path}/events", timeout=10)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    until(lambda: api.services.hub.listeners == 0, within=10, what="nobody listens")


def test_head_is_answered_from_the_cache(graph: Api) -> None:
    tag = graph.http.get("/users/ada/outgoing").headers["etag"]

    answer = graph.http.head("/users/ada/outgoing", headers={"If-None-Match": tag})

    assert (answer.status_code, answer.headers["etag"]) == (304, tag)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("OPTIONS", "/uploads", "GET, HEAD, OPTIONS, POST"),
        ("OPTIONS", "/users/ada", "GET, HEAD, OPTIONS"),
        ("PUT", "/users/ada", "GET, HEAD, OPTIONS"),
        ("HEAD", "/upload_csv", "OPTIONS, POST"),
    ],
)
def test_head_is_among_the_methods_that_are_allowed(api: Api, method: str, path: str, allowed: str) -> None:
    answer = api.http.request(method, path)

    assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allowed
    assert answer.status_code == (204 if method == "OPTIONS" else 405)

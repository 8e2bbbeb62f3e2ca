"""The API behind a real uvicorn on a free port, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, Literal

import httpx
import pytest
import uvicorn
from litestar import Litestar

from app.graph import counting, merging
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.http import server
from app.http.asgi import create_app
from app.http.connections import Door
from app.http.services import Services
from app.ledger import transitions
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from tests.conftest import until

Protocol = Literal["h11", "httptools"]


class Api:
    """A running API: `http` speaks to it as a client does, `connect` as a bare socket."""

    def __init__(
        self, app: Litestar, door: Door, port: int, http: httpx.Client, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.app = app
        self.door = door
        self.services: Services = app.state["services"]
        self.loop = loop
        self.port = port
        self.http = http

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def upload(self, content: bytes, **params: str) -> httpx.Response:
        return self.http.post("/uploads", content=content, headers={"Content-Type": "text/csv"}, params=params)


class _Server(uvicorn.Server):
    """A server that tells its event loop."""

    loop: asyncio.AbstractEventLoop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)


@contextmanager
def serving(
    settings: Settings, clock: Callable[[], datetime], protocol: Protocol = "httptools", port: int = 0
) -> Generator[Api]:
    """An API with these settings, on a port that is free or given."""
    app = create_app(settings, clock=clock)
    served = server.options(settings)
    door: Door = served["http"].__self__
    if protocol == "h11":
        served["http"] = protocol
    config = uvicorn.Config(app, host="127.0.0.1", port=port, **served)
    running = _Server(config)
    thread = threading.Thread(target=running.run, name="api")
    thread.start()
    try:
        until(lambda: running.started or not thread.is_alive(), within=30, what="the API is up")
        assert running.started, "the API did not start; see the log"
        port = running.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield Api(app, door, port, http, running.loop)
    finally:
        running.should_exit = True
        thread.join(timeout=60)


@pytest.fixture
def api(settings: Settings, now: datetime) -> Generator[Api]:
    """The API over the test's database, at the instant `now`."""
    with serving(settings, lambda: now) as running:
        yield running


Serve = Callable[..., Api]


@pytest.fixture
def serve(now: datetime, dsn: str) -> Generator[Serve]:  # noqa: ARG001 (the API ends before its database is dropped)
    """Starts an API with settings, and maybe a protocol, of the test's choice."""
    with ExitStack() as stack:

        def start(settings: Settings, protocol: Protocol = "httptools") -> Api:
            return stack.enter_context(serving(settings, lambda: now, protocol))

        yield start


@pytest.fixture
def domain(dsn: str) -> Generator[Connection]:
    """A connection for the domain's functions."""
    with postgres.connect(dsn, role="test") as conn:
        yield conn


@pytest.fixture
def apply(domain: Connection, settings: Settings, now: datetime) -> Callable[[], None]:
    """Counts and merges everything that is due, as workers would."""

    def count_and_merge() -> None:
        parameters = read_parameters(domain)
        user_ids = UserIds(bits=parameters.handle_bits, memory=1000)
        batch_ids: list[Any] = [row[0] for row in domain.execute("select id from batches order by id")]
        for batch_id in batch_ids:
            claim = transitions.claim(domain, batch_id, settings=settings, now=now)
            if claim is not None:
                assert counting.count_batch(
                    domain,
                    claim,
                    parameters,
                    user_ids,
                    now=now,
                    days_kept=settings.days_kept,
                    rejects_kept=settings.rejects_kept,
                )
        for shard in range(parameters.shards):
            while merging.merge_shard(domain, shard, parameters, most_edges=10_000, now=now):
                pass

    return count_and_merge


@pytest.fixture
def problem_of() -> Callable[[httpx.Response], dict[str, Any]]:
    """The problem document of an answer, its general shape checked."""

    def problem(response: httpx.Response) -> dict[str, Any]:
        assert response.headers["content-type"] == "application/problem+json", response.text
        document: dict[str, Any] = response.json()
        assert document["status"] == response.status_code
        assert document["type"].startswith("urn:mentiongraph:problem:")
        assert document["title"]
        assert document["detail"]
        assert document["instance"] == response.request.url.path
        return document

    return problem

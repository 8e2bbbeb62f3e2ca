"""A key that ends while a request is under way ends the request: a download, a stream of events, an upload."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from app.control import keys
from app.control.callers import Scope
from app.control.keys import Made
from app.http.keyring import KEPT_SECONDS, LOOK_SECONDS, Keyring
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.keyed import client, key
from tests.http.test_exports import exporting, fill
from tests.http.test_receiving import CSV

WITHIN = 20
"""Seconds to wait for on a busy machine. `test_what_is_promised` adds up what a process may take."""


class Clock:
    """The clock of an API."""

    def __init__(self, at: datetime) -> None:
        self.at = at


@pytest.fixture
def clock(closed: Api, now: datetime) -> Clock:
    """The clock of the API's keyring."""
    found = Clock(now)
    closed.services.keyring = Keyring(closed.services.health, lambda: found.at)
    return found


@pytest.fixture
def closed(serve: Serve, settings: Settings) -> Api:
    """An API that needs keys. Nothing but a key's end breaks its answers off."""
    return serve(msgspec.structs.replace(settings, keys="required", receive_timeout=600.0, download_rate=0))


def ask(api: Api, made: Made, line: str, *headers: str) -> socket.socket:
    """A connection on which the request was sent."""
    found = api.connect()
    lines = [f"{line} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {made.token}", *headers, "", ""]
    found.sendall("\r\n".join(lines).encode())
    return found


def rest(connection: socket.socket) -> bytes:
    """The last bytes that come before the connection ends."""
    received = b""
    try:
        while piece := connection.recv(1 << 20):
            received = (received + piece)[-5:]
    except ConnectionResetError:
        pass
    return received


@pytest.fixture(params=["revoked", "expired"])
def end(request: pytest.FixtureRequest, domain: Connection, clock: Clock) -> Callable[[Made], None]:
    """Ends a key."""

    def ended(made: Made) -> None:
        if request.param == "revoked":
            keys.revoke(domain, made.key.id, now=clock.at)
        else:
            clock.at += timedelta(days=91)

    return ended


def test_what_is_promised() -> None:
    assert KEPT_SECONDS + 2 * LOOK_SECONDS < 5


def test_a_download_ends_with_its_key(
    closed: Api, domain: Connection, now: datetime, end: Callable[[Made], None]
) -> None:
    fill(domain)
    made = key(domain, now, Scope.GRAPH_EXPORT)
    with ask(closed, made, "GET /export/edges.csv?self_mentions=true") as download:
        assert download.recv(10)
        until(lambda: exporting(domain), within=WITHIN, what="the export runs")
        end(made)
        until(lambda: not exporting(domain), within=WITHIN, what="the export has ended")
        assert rest(download) != b"0\r\n\r\n", "an answer that was broken off must not look whole"


def test_a_stream_of_events_ends_with_its_key(
    closed: Api, domain: Connection, now: datetime, end: Callable[[Made], None]
) -> None:
    made = key(domain, now, Scope.UPLOADS_WRITE)
    other = key(domain, now, Scope.UPLOADS_WRITE, lifetime=None)
    with client(closed, made) as http:
        path = http.post("/uploads", content=CSV, headers={"Content-Type": "text/csv"}).headers["location"]
    with (
        ask(closed, made, f"GET {path}/events") as stream,
        ask(closed, other, f"GET {path}/events"),
    ):
        assert stream.recv(10)
        until(lambda: closed.services.hub.listeners == 2, within=WITHIN, what="both listen")
        end(made)
        until(lambda: closed.services.hub.listeners < 2, within=WITHIN, what="one listens no more")
        assert rest(stream) != b"0\r\n\r\n", "an answer that was broken off must not look whole"
        with client(closed, other) as http:
            assert http.get(path).status_code == 200
        assert closed.services.hub.listeners == 1


def test_an_upload_ends_with_its_key(
    closed: Api, domain: Connection, now: datetime, end: Callable[[Made], None]
) -> None:
    made = key(domain, now, Scope.UPLOADS_WRITE)

    def states() -> list[Any]:
        return [row[0] for row in domain.execute("select state from uploads").fetchall()]

    headers = ("Content-Type: text/csv", "Content-Length: 1000000")
    with ask(closed, made, "POST /uploads", *headers) as upload:
        upload.sendall(CSV)
        until(lambda: states() == ["receiving"], within=WITHIN, what="the upload is received")
        end(made)
        until(lambda: states() == ["aborted"], within=WITHIN, what="the upload was aborted")
        rest(upload)


def test_a_key_that_lasts_ends_nothing(closed: Api, domain: Connection, now: datetime, clock: Clock) -> None:
    fill(domain)
    made, ended = (key(domain, now, Scope.GRAPH_EXPORT, owner=owner) for owner in ("ada", "grace"))
    ring = closed.services.keyring
    with (
        ask(closed, made, "GET /export/edges.csv?self_mentions=true") as download,
        ask(closed, ended, "GET /export/edges.csv?self_mentions=true") as other,
    ):
        assert download.recv(10)
        keys.revoke(domain, ended.key.id, now=clock.at)
        rest(other)  # so the process has looked
        assert rest(download) == b"0\r\n\r\n"
    until(lambda: not ring.under_way, within=WITHIN, what="nothing is under way")

"""Clients that send too much, too little or too slowly: each connection ends in bounded time."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from threading import Event, Thread

import msgspec
import pytest

from app.http import connections
from app.http.connections import FRAMING_BYTES, HEAD_BYTES, HEADERS, PIPELINED
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, states

GET = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SHORT = 0.4


def read(client: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    received = b""
    while piece := _received(client):
        received += piece
    return received


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(1 << 16)
    except ConnectionResetError:
        return b""


@contextmanager
def dripping(client: socket.socket, drops: Callable[[], bytes]) -> Generator[None]:
    """Send some bytes every 20 ms, as long as the server takes them."""
    ended = Event()

    def drip() -> None:
        with client.dup() as pipe:
            while not ended.wait(0.02):
                try:
                    pipe.sendall(drops())
                except OSError:
                    return

    thread = Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


TOO_LARGE = {
    "a header without an end": GET + b"X: " + b"x" * HEAD_BYTES,
    "a large header": GET + b"X: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
    "a target without an end": b"GET /" + b"x" * HEAD_BYTES,
    "many headers": GET + b"X: x\r\n" * HEADERS + b"\r\n",
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_head_is_bounded(api: Api, name: str) -> None:
    with api.connect() as client:
        client.sendall(TOO_LARGE[name])
        answer = read(client)

    assert b"HTTP/1.1 431 " in answer
    assert b"content-type: application/problem+json\r\n" in answer
    assert b'"type":"urn:mentiongraph:problem:head-too-large"' in answer
    assert api.http.get("/health/live").status_code == 200


def test_a_later_head_is_bounded_and_takes_nothing_from_the_earlier_answer(api: Api) -> None:
    with api.connect() as client:
        client.sendall(GET + b"\r\n" + GET + b"X: " + b"x" * 2 * HEAD_BYTES)
        answer = read(client)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'{"status":"live"}' in answer


MALFORMED = {
    "no request": b"\x16\x03\x01\r\n\r\n",
    "extensions of chunks": CHUNKED + b"1;" + b"x" * 2 * FRAMING_BYTES + b"\r\na\r\n",
    "empty extensions": CHUNKED + (b"1" + b";x" * 400 + b"\r\na\r\n") * 100,
    "a chunk that is none": CHUNKED + b"ffz\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_is_answered_with_a_problem(api: Api, domain: Connection, name: str) -> None:
    with api.connect() as client:
        client.sendall(MALFORMED[name])
        answer = read(client)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"urn:mentiongraph:problem:bad-request" in answer
    until(lambda: not api.services.pool.get_stats().get("requests_waiting"), within=5, what="nothing waits")
    until(lambda: set(states(domain)) <= {"aborted"}, within=5, what="nothing is received any more")


def test_trailers_are_bounded_and_no_headers(api: Api) -> None:
    body = b"%x\r\n%b\r\n0\r\n" % (len(CSV), CSV)
    with api.connect() as client:
        client.sendall(CHUNKED + body + b"Content-Type: image/png\r\n\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 202 ")
        client.sendall(CHUNKED + body + b"X: x\r\n" * HEADERS + b"\r\n")
        assert b"HTTP/1.1 431 " in read(client)


def test_few_requests_wait_on_a_connection(api: Api) -> None:
    with api.connect() as client:
        client.sendall((GET + b"\r\n") * 500)
        assert 1 <= read(client).count(b"HTTP/1.1 200 ") <= PIPELINED + 2

    assert api.http.get("/health/live").status_code == 200


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_a_request_for_another_protocol_is_answered_as_it_is(api: Api, protocol: bytes) -> None:
    with api.connect() as client:
        client.sendall(GET + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\nwhatever")
        answer = read(client)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.fixture
def impatient(serve: Serve, settings: Settings) -> Api:
    return serve(msgspec.structs.replace(settings, head_timeout=SHORT, receive_timeout=SHORT, least_rate=5_000))


SLOW = {
    "nothing": (b"", b"", b""),
    "half a head": (GET, b"", b"408"),
    "a head in drops": (GET + b"X: ", b"x", b"408"),
    "empty lines": (b"", b"\r\n", b""),
    "half a second head": (GET + b"\r\n" + GET, b"x: x\r\n", b"408"),
    "half a body": (POST + b"Content-Length: 1000000\r\n\r\ndata", b"", b"400"),
    "a body in drops": (POST + b"Content-Length: 1000000\r\n\r\ndata", b"x", b"400"),
    "a chunked body in drops": (CHUNKED, b"1\r\nx\r\n", b"400"),
    "a form in drops": (
        b"POST /uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 1000000\r\n\r\n",
        b"\r\n",
        b"400",
    ),
    "a body behind its answer": (
        b"POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n",
        b"x",
        b"404",
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_client_is_hung_up_on(
    impatient: Api, domain: Connection, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", SHORT)
    first, drop, status = SLOW[name]
    with impatient.connect() as client:
        client.sendall(first)
        with dripping(client, lambda: drop):
            answer = read(client)

    assert re.findall(rb"HTTP/1\.1 (\d+)", answer)[-1:] == [status][: bool(status)]
    until(lambda: set(states(domain)) <= {"aborted"}, within=5, what="nothing is received any more")


def test_a_steady_client_is_not_hung_up_on(impatient: Api) -> None:
    """It sends for three times as long as a slow one may, 12,500 bytes a second."""
    body = CSV + b"@a,2026-01-15T12:00:00Z,b\n" * 600
    with impatient.connect() as client:
        client.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body))
        for begin in range(0, len(body), 250):
            client.sendall(body[begin : begin + 250])
            time.sleep(0.02)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 202 ")


def test_a_client_that_reads_nothing_is_hung_up_on(impatient: Api) -> None:
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(("127.0.0.1", impatient.port))
        asked = b"GET /static/swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.sendall(asked * 5)  # more than the kernel's buffers take
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        until(lambda: not impatient.door.connections, within=10, what="the connection is gone")


def test_connections_are_bounded(serve: Serve, settings: Settings) -> None:
    """One that waits makes room for another; those with a request in hand stay."""
    api = serve(msgspec.structs.replace(settings, max_connections=8, trusted_proxies="127.0.0.1"))
    with ExitStack() as stack:
        waiting = [stack.enter_context(api.connect()) for _ in range(20)]
        with api.connect() as client:
            client.sendall(GET + b"\r\n")
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        assert read(waiting[0]) == b""
        for client in (stack.enter_context(api.connect()) for _ in range(8)):
            client.sendall(CHUNKED)
        with api.connect() as client:
            assert read(client).startswith(b"HTTP/1.1 503 ")


def test_no_address_has_all_connections(serve: Serve, settings: Settings) -> None:
    api = serve(msgspec.structs.replace(settings, max_connections=8))
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(api.connect()).sendall(b"GET")
        until(lambda: len(api.door.connections) == 6, within=5, what="six are there")
        with api.connect() as client:
            answer = read(client)
    assert b"too-many-connections" in answer
    assert b"retry-after: 5\r\n" in answer


@pytest.mark.parametrize(("taken", "stays"), [(1 << 10, False), (1 << 29, True)], ids=["slow", "fast"])
def test_a_client_that_reads_too_slowly_is_hung_up_on(api: Api, taken: int, *, stays: bool) -> None:
    """What waits for the client becomes less in both cases, and in one of them by less than the least rate."""
    with api.connect() as client:
        client.settimeout(3)
        client.sendall(GET + b"\r\n")
        assert client.recv(1 << 16)
        (connection,) = api.door.connections
        assert isinstance(connection, connections.Connection)
        look = connection._look_at_reader  # pyright: ignore[reportPrivateUsage]
        for seconds, waiting in ((0, 1 << 30), (api.door.stalled_seconds, (1 << 30) - taken)):
            api.loop.call_soon_threadsafe(look, float(seconds), waiting)
        if stays:
            client.sendall(GET + b"\r\n")
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        else:
            assert read(client) == b""

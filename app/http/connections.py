"""Connections of clients: how many an API process holds, and how long and how large what they send may be.

A client that sends half a head, or none, is hung up on in bounded time, and so is a client that reads too slowly.
Bodies of uploads have a least rate of their own, in app.http.bodies.

A client that hangs up ends what its GET request asked for: the task is cancelled, and psycopg then cancels the
statement in PostgreSQL. A POST goes on, since what it does must be noted in the ledger.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol, cast

import httptools
import msgspec
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.errors import BadRequest, HeadTooLarge, HeadTooSlow, MentiongraphError, TooManyConnections
from app.http import origin, problems
from app.http.addresses import address_of, parsed
from app.http.calling import HANG_UP
from app.settings import Settings, networks

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

log = structlog.get_logger(__name__)

HEAD_BYTES = 32 << 10
"""Bytes of a request's head: its first line and its headers."""
HEADERS = 100
FRAMING_BYTES = 32 << 10
FRAMING_PER_BYTE = 8
"""Bytes that may frame a chunked body, besides so many for each byte of it. A chunk of one byte has five."""
PIPELINED = 16
"""Requests that may wait on a connection for the answer to an earlier request."""
SHARE = 0.75
"""Of all connections, how many may come from one address that is no trusted proxy. Others always find some."""
LINGER_SECONDS = 30.0
"""How long a body is read on after the answer: many clients send all before they read. nginx waits as long."""
REFUSED_SECONDS = 2.0
"""How long the connection of a refused head stays open, so that its client can read why."""
SWEEP_SECONDS = 0.5
_CANCELLED = frozenset({"GET", "HEAD"})


class Visitor(Protocol):
    """A connection as its door sees it: of a client that speaks HTTP, or that is still in its TLS handshake."""

    address: str
    client: tuple[str, int] | None
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def look(self, now: float) -> None: ...


class Door:
    """The connections of one server, all in one event loop. `connection` is what uvicorn calls for each."""

    def __init__(self, settings: Settings, *, most: int | None = None) -> None:
        self.head_seconds = settings.head_timeout
        self.stalled_seconds = settings.receive_timeout
        self.least_rate = settings.least_rate
        self.hsts_seconds = settings.hsts_seconds
        self.most = settings.max_connections if most is None else most
        self.connections: set[Visitor] = set()
        self.waiting: dict[Visitor, None] = {}
        """Connections that wait for a request, the longest first."""
        self._by_address: Counter[str] = Counter()
        self._proxies = networks(settings.trusted_proxies)
        self._sweeping: asyncio.TimerHandle | None = None
        self._pause = min(SWEEP_SECONDS, self.head_seconds / 4)

    def connection(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        """A connection that is about to be made."""
        return Connection(self, config, server_state, app_state, _loop)

    def enter(self, connection: Visitor) -> bool:
        """Whether there is room for the connection. The connection that waits the longest makes room."""
        address = connection.address
        if address and self._by_address[address] >= SHARE * self.most and not self._trusts(connection.client):
            return False
        if len(self.connections) >= self.most:
            longest = next(iter(self.waiting), None)
            if longest is None:
                return False
            longest.transport.abort()
            self.leave(longest)
        self.connections.add(connection)
        self._by_address[address] += 1
        if self._sweeping is None:
            self._sweep_later(connection.loop)
        return True

    def leave(self, connection: Visitor) -> None:
        self.waiting.pop(connection, None)
        if connection in self.connections:
            self.connections.discard(connection)
            self._by_address[connection.address] -= 1
            if not self._by_address[connection.address]:
                del self._by_address[connection.address]

    def _trusts(self, client: tuple[str, int] | None) -> bool:
        address = parsed(client)
        return address is not None and any(address in each for each in self._proxies)

    def _sweep_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeping = loop.call_later(self._pause, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self.connections):
            connection.look(now)
        self._sweeping = None
        if self.connections:
            self._sweep_later(loop)


class _Refused(Exception):
    """Raised from a callback of the parser, which then stops."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol over httptools, with bounds."""

    def __init__(
        self,
        door: Door,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self.address = ""
        self._door = door
        self._since = 0.0
        """Since when the connection waits for a head, while it is among the waiting."""
        self._begun = False
        """Whether some of a head has arrived."""
        self._head_fed = self._head_size = self._head_lines = 0
        self._in_body = False
        self._fed = self._body = 0
        """Bytes of the message behind its head, and those that are its body."""
        self._refusal: MentiongraphError | None = None
        self._deaf = False
        """Whether whatever arrives is thrown away."""
        self._closes_at: float | None = None
        self._stalled: tuple[float, int] | None = None
        """Since when the client has not read all, and how many bytes waited for it then."""
        self._running: tuple[RequestResponseCycle, asyncio.Task[None]] | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = address_of(self.client)
        if self._door.enter(self):
            self._wait()
            return
        self._deaf = True
        self._write(TooManyConnections("this server holds as many connections as it may; try again in a moment."))
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self)
        super().connection_lost(exc)
        if self._running is not None and not self._running[0].response_complete:
            cycle, task = self._running
            _tell_gone(cycle)  # uvicorn tells the last request on the connection, which may wait behind this one
            if cycle.scope["method"] in _CANCELLED:
                task.cancel()

    def _wait(self) -> None:
        """From now on, the connection waits for a head."""
        self._since = self.loop.time()
        waiting = self._door.waiting
        waiting.pop(self, None)
        waiting[self] = None

    def look(self, now: float) -> None:
        """End the connection if its client is too slow."""
        transport = self.transport
        if self._closes_at is not None and now >= self._closes_at:
            transport.abort()
        elif transport.is_closing() or self.flow.write_paused:
            self._look_at_reader(now, transport.get_write_buffer_size())
        else:
            self._stalled = None
            if self in self._door.waiting and now - self._since >= self._door.head_seconds:
                self._give_up()

    def _give_up(self) -> None:
        """The client has sent no head, or not all of it, in time."""
        if self._begun:
            seconds = self._door.head_seconds
            self.refuse(HeadTooSlow(f"the head of the request did not arrive within {seconds:g} s; send it again."))
        else:
            self.transport.close()

    def _look_at_reader(self, now: float, waiting: int) -> None:
        if self._stalled is None:
            self._stalled = (now, waiting)
            return
        since, before = self._stalled
        if now - since >= self._door.stalled_seconds:
            if before - waiting < max(1, self._door.least_rate * (now - since)):
                log.warning("hung_up_not_reading", seconds=round(now - since), bytes=waiting)
                self.transport.abort()
            self._stalled = (now, waiting)

    def resume_writing(self) -> None:
        self._stalled = None
        super().resume_writing()

    def _answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    # What arrives

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data and not self._deaf:
            # A head is fed up to its bound, and then looked at: the parser itself would gather it without an end.
            room = len(data) if self._in_body else HEAD_BYTES - self._head_fed
            self._feed(data[:room])
            data = data[room:]

    def _feed(self, data: bytes) -> None:
        if self._in_body:
            self._fed += len(data)
        else:
            self._head_fed += len(data)
        try:
            cast("httptools.HttpRequestParser", self.parser).feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request is answered as if it asked for no upgrade, but what follows may be of another protocol.
            self._hear_no_more()
        except httptools.HttpParserError:
            self.refuse(self._refusal or BadRequest("this is no HTTP/1.1 request (RFC 9112)."))
        else:
            if not self._in_body and self._head_fed >= HEAD_BYTES:
                self.refuse(_too_large())
            elif self._fed - self._body > FRAMING_BYTES + FRAMING_PER_BYTE * self._body:
                self.refuse(BadRequest("the chunks of the body have more framing than content."))

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            self._stop(BadRequest("too many requests wait on this connection."))
        super().on_message_begin()
        self._head_size = self._head_lines = self._fed = self._body = 0
        self._begun = True
        if not self._answering():
            self._wait()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._measure(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_lines += 1
        if self._head_lines > HEADERS:
            self._stop(HeadTooLarge(f"the request has more than {HEADERS} headers."))
        if self._in_body:
            return  # a trailer: nothing reads any, and none may pass for a header
        self._measure(len(name) + len(value) + 4)
        super().on_header(name, value)

    def _measure(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_BYTES:
            self._stop(_too_large())

    def on_headers_complete(self) -> None:
        self._in_body, self._begun = True, False
        self._door.waiting.pop(self, None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._closes_at = None
        self._head_fed = 0
        super().on_message_complete()
        if not self._answering():
            self._wait()

    # What is answered

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 (an ASGI application)
        cast("dict[str, Any]", cycle.scope)[HANG_UP] = self.transport.abort
        task = self.loop.create_task(_run(cycle, app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        self._running = (cycle, task)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or self._answering():
            return
        if self._deaf:
            self.transport.close()
        elif self._in_body:
            self._closes_at = self.loop.time() + LINGER_SECONDS
        else:
            self._wait()

    def _stop(self, refusal: MentiongraphError) -> None:
        self._refusal = refusal
        raise _Refused

    def _hear_no_more(self) -> None:
        """Answer what was asked, then close."""
        self._deaf = True
        if self._answering():
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def refuse(self, error: MentiongraphError) -> None:
        """Answer with a problem, if no other answer is due before, and close."""
        if self.transport.is_closing():
            return
        own = self._in_body and not self.pipeline  # what is wrong is in the body of the request that is under way
        if self._answering() and not (own and not self.cycle.response_started):
            if own:
                self.transport.close()
            else:
                self._hear_no_more()
            return
        self._deaf = True
        self._door.waiting.pop(self, None)
        self._closes_at = self.loop.time() + REFUSED_SECONDS
        self._write(error)
        if self._answering():
            _tell_gone(self.cycle)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _write(self, error: MentiongraphError) -> None:
        body = msgspec.json.encode(problems.document(error, self._path()))
        fields = [
            *self.server_state.default_headers,
            (b"content-type", problems.MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *origin.told_to_browsers(self._host(), self.scheme == "https", self._door.hsts_seconds),
            *((name.lower().encode(), value.encode()) for name, value in problems.headers_of(error).items()),
        ]
        head = STATUS_LINE[error.status] + b"".join(b"%b: %b\r\n" % field for field in fields)
        self.transport.write(head + b"\r\n" + body)
        log.info("request_refused", status=error.status, error=error.detail, client=self.address)

    def _host(self) -> bytes:
        """What the client calls this server. Before its head says so, a client of this machine may say localhost."""
        found = [value for name, value in self.headers or () if name == b"host"]
        here = parsed(self.client)
        return found[0] if found else b"localhost" if here is not None and here.is_loopback else b""

    def _path(self) -> str | None:
        """The path of the request, if as much of the head has arrived."""
        try:
            path = httptools.parse_url(self.url).path
        except (AttributeError, httptools.HttpParserError):
            return None
        return path.decode("ascii", "replace") if path else None


def _too_large() -> HeadTooLarge:
    return HeadTooLarge(f"the head of the request has more than {HEAD_BYTES:,} bytes.")


def _tell_gone(cycle: RequestResponseCycle) -> None:
    """Let the request see that its client has gone."""
    cycle.disconnected = True
    cycle.message_event.set()


async def _run(cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 (an ASGI application)
    async def until_gone(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if not cycle.disconnected:
                raise

    await cycle.run_asgi(until_gone)

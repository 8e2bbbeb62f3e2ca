"""TLS of the API: its certificate, and the handshakes of its clients.

The API reads its certificate at the start, and again once the file has changed. A renewed certificate therefore needs
no restart. A connection counts from its first moment on, so a client that stalls in its handshake holds no more than a
client that stalls in the head of a request.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import ssl
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from uvicorn.protocols.utils import get_remote_addr

from app.errors import BadRequest, BadSetting
from app.http.addresses import address_of
from app.http.connections import Connection, Door
from app.settings import PREFIX, Settings
from app.store.postgres import clock
from app.store.seldom import Seldom

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

log = structlog.get_logger(__name__)

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption. All ciphers of TLS 1.3 have both."""
_OF_ANOTHER = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""What OpenSSL says of a key that belongs to another certificate. The last: to one of another kind, such as RSA."""
LOOK_SECONDS = 5.0
"""Seconds after which the next handshake looks at the certificate's file again."""
FAREWELL_SECONDS = 5.0
"""Seconds for which the end of a connection waits for its client's farewell (close_notify)."""
_HANDSHAKE_RECORD = 0x16
"""The first byte of every TLS handshake (RFC 8446, section 5.1)."""
SOON = timedelta(days=7)
_DAY_SECONDS = 86_400.0
# OpenSSL's numbers. A certificate counts as its own authority here, whatever issued it, and its dates are compared by
# us: OpenSSL's refusal would not tell the date.
_ITSELF_AS_AUTHORITY = 0x80000 | 0x200000


class Certificate(NamedTuple):
    """A certificate that can be used, with its key in an SSL context."""

    context: ssl.SSLContext
    names: list[str]
    until: datetime


# The certificate --------------------------------------------------------------------------------------------------


def read(settings: Settings, now: datetime) -> Certificate:
    """The certificate and key that the settings name. Raises BadSetting, which says what is wrong with which file."""
    certificate, key = _files(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _holds_certificate(certificate)
    try:
        # Without a password of its own, OpenSSL would ask the terminal.
        context.load_cert_chain(certificate, key, lambda: settings.tls_key_password)
    except (ssl.SSLError, ValueError) as error:
        raise _unusable(certificate, key, error) from error
    facts = _facts(context, certificate)
    begins, until = (_instant(facts[name]) for name in ("notBefore", "notAfter"))
    shown = f"{PREFIX}TLS_CERTIFICATE={certificate!r}"
    if until <= now:
        raise BadSetting(f"{shown}: the certificate expired at {until:%Y-%m-%d %H:%M} UTC. Renew it, then start again.")
    if begins > now:
        raise BadSetting(
            f"{shown}: the certificate is valid only from {begins:%Y-%m-%d %H:%M} UTC on. Check this machine's clock."
        )
    names: list[str] = [value for _, value in facts.get("subjectAltName", ())]
    return Certificate(context, names, until)


def _files(settings: Settings) -> tuple[str, str]:
    """The paths of the certificate and of the key, which can be read. Raises BadSetting."""
    certificate, key = settings.tls_certificate, settings.tls_key or settings.tls_certificate
    if not certificate:
        raise BadSetting(
            f"{PREFIX}TLS_KEY is set, and {PREFIX}TLS_CERTIFICATE is not. Name the certificate's file, too, or unset "
            "the key."
        )
    for name, path in (("TLS_CERTIFICATE", certificate), ("TLS_KEY", key)):
        if "-----BEGIN" in path:  # a message must not show what this is
            raise BadSetting(
                f"{PREFIX}{name} must be the path of a file, and is the content of one. Write the path into "
                f"{PREFIX}{name} itself, not into {PREFIX}{name}_FILE."
            )
        try:
            with Path(path).open("rb"):
                pass
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadSetting(
                f"{PREFIX}{name}={path!r}: the file cannot be read ({reason}). Check the path, and whether the account "
                f"{_account()}, as which this process runs, may read the file and enter its directories."
            ) from error
    return certificate, key


def _account() -> str:
    """The name of the account of this process, or its number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _holds_certificate(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise BadSetting(
            f"{PREFIX}TLS_CERTIFICATE={path!r}: the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----)."
        ) from error


def _unusable(certificate: str, key: str, error: Exception) -> BadSetting:
    reason = str(getattr(error, "reason", None) or error)
    if reason in _OF_ANOTHER:
        return BadSetting(
            f"{PREFIX}TLS_KEY={key!r}: the key does not belong to the certificate in {certificate!r}. Name the key "
            "that this certificate was made for. The server's own certificate comes first in its file."
        )
    return BadSetting(
        f"{PREFIX}TLS_KEY={key!r}: OpenSSL can't use the key with the certificate in {certificate!r} ({reason}). The "
        f"file must hold a private key in PEM. {PREFIX}TLS_KEY_PASSWORD_FILE names the file with the password of an "
        "encrypted key."
    )


def _facts(context: ssl.SSLContext, certificate: str) -> Any:  # noqa: ANN401 (a dict of many shapes)
    """What the certificate says, as a client sees it in a handshake in memory. Raises BadSetting if no client could."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= _ITSELF_AS_AUTHORITY
    trusting.load_verify_locations(certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (client, server, client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        found = client.getpeercert()
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or error
        raise BadSetting(
            f"{PREFIX}TLS_CERTIFICATE={certificate!r}: no client can use the certificate ({reason})."
        ) from error
    return found


def _instant(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


class Certificates:
    """The certificate of one server: read again once its files have changed.

    A file that can't be used changes nothing. Whatever renews the files may write one before the other.
    """

    def __init__(self, settings: Settings, *, now: Callable[[], datetime] = clock, look: float = LOOK_SECONDS) -> None:
        self._settings, self._now, self.look_seconds = settings, now, look
        self._stamp = self._stamped()
        self._current = read(settings, now())
        self._looked_at = time.monotonic()
        self._failed = ""
        self._expiring = Seldom(_DAY_SECONDS)
        log.info("speaks_tls", **self._facts())

    def context(self) -> ssl.SSLContext:
        """The context for the next handshake."""
        if time.monotonic() - self._looked_at >= self.look_seconds:
            self._looked_at = time.monotonic()
            self._refresh()
        return self._current.context

    def _refresh(self) -> None:
        stamp = self._stamped()
        if stamp != self._stamp or self._failed:
            try:
                self._current = read(self._settings, self._now())
            except BadSetting as error:
                if error.detail != self._failed:
                    log.warning("certificate_refused", error=error.detail)
                self._failed = error.detail
            else:
                self._stamp, self._failed = stamp, ""
                log.info("certificate_changed", **self._facts())
        if self._current.until - self._now() < SOON and self._expiring.due():
            log.warning("certificate_expires", until=self._current.until.isoformat())

    def _facts(self) -> dict[str, Any]:
        return {"names": self._current.names, "until": self._current.until.isoformat()}

    def _stamped(self) -> tuple[Any, ...]:
        return tuple(_stamp_of(path) for path in (self._settings.tls_certificate, self._settings.tls_key) if path)


def _stamp_of(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


# The handshakes ---------------------------------------------------------------------------------------------------


class SecureDoor(Door):
    """A door whose clients come by TLS alone."""

    def __init__(self, settings: Settings, *, most: int | None = None) -> None:
        super().__init__(settings, most=most)
        self.certificates = Certificates(settings)

    def connection(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        return Handshake(self, Connection(self, config, server_state, app_state, _loop))


class Handshake(asyncio.Protocol):
    """A connection whose TLS handshake is not over. Then a Connection takes its place.

    uvicorn would leave handshakes to the event loop, which counts none and ends none before a minute is over.
    """

    def __init__(self, door: SecureDoor, connection: Connection) -> None:
        self.address = ""
        self.client: tuple[str, int] | None = None
        self.loop = connection.loop
        self.transport: asyncio.Transport
        self._door, self._connection = door, connection
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.client = get_remote_addr(transport)
        self.address = address_of(self.client)
        if self._door.enter(self):
            self._since = self.loop.time()
            self._door.waiting[self] = None
        else:
            transport.abort()

    def look(self, now: float) -> None:
        """End the connection if its client has not finished its handshake in time."""
        if now - self._since >= self._door.head_seconds:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """The first bytes: what follows goes to another protocol."""
        if data[0] != _HANDSHAKE_RECORD:
            self._take_over(self.transport)
            self._connection.refuse(BadRequest("this port speaks HTTPS only: begin the URL with https://."))
            return
        over = self.loop.create_future()
        over.add_done_callback(self._over)
        # `loop.start_tls` would do the same, but has no way to hand over bytes that were received already.
        tls = _Tls(
            self.loop,
            _Secured(self._take_over),
            self._door.certificates.context(),
            over,
            server_side=True,
            ssl_handshake_timeout=self._door.head_seconds,  # pyright: ignore[reportArgumentType] (a float will do)
            ssl_shutdown_timeout=FAREWELL_SECONDS,
        )
        self.transport.set_protocol(tls)
        tls.connection_made(self.transport)
        while data:
            buffer = tls.get_buffer(len(data))
            piece = data[: len(buffer)]
            buffer[: len(piece)] = piece
            tls.buffer_updated(len(piece))
            data = data[len(piece) :]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._door.leave(self)

    def _take_over(self, transport: asyncio.Transport) -> None:
        self._door.leave(self)
        transport.set_protocol(self._connection)
        self._connection.connection_made(transport)

    def _over(self, handshake: asyncio.Future[None]) -> None:
        self._door.leave(self)
        error = None if handshake.cancelled() else handshake.exception()
        if error is not None:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            log.info("tls_handshake_failed", client=self.address, reason=reason)


class _Tls(SSLProtocol):
    """TLS over a connection, with a smaller buffer: asyncio's own takes 256 KiB for each, idle or not."""

    max_size = 32 << 10  # two records of TLS


class _Secured(asyncio.Protocol):
    """Hands a connection over once its handshake has succeeded."""

    def __init__(self, take_over: Callable[[asyncio.Transport], None]) -> None:
        self._take_over = take_over

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._take_over(transport)

"""Requests that a browser sends for somebody else's page. A browser sends them from within the user's network.

Such a page can use a name of its own that leads to this server (DNS rebinding): then the browser takes its script for
ours. Such a request has the wrong Host. Or the page sends a request to this server's name or address: then Fetch
Metadata or Origin names the page. Programs that are no browsers send neither, and need neither.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BadRequest, CrossSite, MentiongraphError, UnknownHost
from app.http import problems
from app.http.page import serve
from app.settings import Settings

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({b"same-origin", b"none"})
_READ = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"})
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@?#\s]+?)\.?(?::([0-9]{1,5}))?", re.IGNORECASE)
_MOST_KNOWN = 1000
"""Values of Host whose answer is remembered."""

_Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_PAGES = ("/doc", "/guide", "/static")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_OF_PAGES: _Headers = (
    *_HEADERS,
    (b"content-security-policy", b"frame-ancestors 'none'; object-src 'none'; base-uri 'self'"),
)
_OF_THE_PAGE: _Headers = (*_HEADERS, (b"content-security-policy", serve.POLICY.encode()))
_OF_ANSWERS: _Headers = (*_HEADERS, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
"""What browsers are told of every answer: it is what its type says, and no other page may show or embed it."""


def own_pages_only(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The app. Requests for another host, and those from pages of other sites, get a problem before anything is done
    for them. Every answer has the headers that keep other pages from using it."""
    is_own = _known(own_hosts(settings))

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        extra = told_to_browsers(host, scope["scheme"] == "https", settings.hsts_seconds, path=scope["path"])

        async def send_guarded(message: Message) -> None:
            begun = cast("dict[str, Any]", message)
            if begun["type"] == "http.response.start":
                begun["headers"] = [*begun["headers"], *extra]
            await send(message)

        try:
            _check(scope, is_own)
        except MentiongraphError as error:
            await _refuse(scope, receive, send_guarded, error)
            return
        await app(scope, receive, send_guarded)

    return answer


def told_to_browsers(host: bytes, https: bool, hsts_seconds: int, *, path: str = "") -> _Headers:
    """The headers of an answer that keep other pages from using it, and the browser from plain HTTP.

    A client that calls this server localhost is not told to use HTTPS: its browser would take every server of that name
    for this one.
    """
    extra = _of_path(path)
    if not https or not hsts_seconds or host.lower().startswith(b"localhost"):
        return extra
    return (*extra, (b"strict-transport-security", b"max-age=%d" % hsts_seconds))


def _of_path(path: str) -> _Headers:
    if path == "/" or path.startswith(f"{serve.PATH}/"):
        return _OF_THE_PAGE
    return _OF_PAGES if path.startswith(_PAGES) else _OF_ANSWERS


def _check(scope: Scope, is_own: Callable[[bytes], bool]) -> None:
    """Raises UnknownHost, CrossSite, BadRequest."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            if name == b"host" and name in headers:
                raise BadRequest("the request has more than one Host header.")
            headers[name] = value
    host = headers.get(b"host")
    # Every browser sends Host. HTTP/1.0 has no such header, and old programs for monitoring speak HTTP/1.0.
    if host is None:
        if scope["http_version"] != "1.0":
            raise BadRequest("the request has no Host header.")
    elif not is_own(host):
        name = re.sub(r":\d+$", "", host[:100].decode("latin-1"))
        raise UnknownHost(f"this server is not {name!r}. MENTIONGRAPH_ALLOWED_HOSTS can name it.")
    if b"sec-fetch-site" in headers or b"origin" in headers:
        _check_page(str(cast("Any", scope)["method"]), headers, host or b"")


def _check_page(method: str, headers: Mapping[bytes, bytes], host: bytes) -> None:
    """Raises CrossSite if another site's page sent this. A page may lead its user to this server with a link."""
    site = headers.get(b"sec-fetch-site")
    if site is None:
        # Browsers send no Fetch Metadata to plain HTTP at another machine.
        if not _same_origin(headers[b"origin"], host):
            raise CrossSite(problems.CROSS_SITE.detail)
        return
    linked = headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"
    if site not in _OWN and not (method in _SAFE_METHODS and linked):
        raise CrossSite(problems.CROSS_SITE.detail)


def _same_origin(origin: bytes, host: bytes) -> bool:
    """Whether the page came from this host. The scheme may differ, since a proxy may speak TLS for this server."""
    parts = urlsplit(origin.decode("latin-1").lower())
    found = _AUTHORITY.fullmatch(parts.netloc)
    own = _AUTHORITY.fullmatch(host.decode("latin-1").lower())
    if found is None or own is None or parts.scheme not in {"http", "https"}:
        return False
    port = "443" if parts.scheme == "https" else "80"
    return found[1] == own[1] and (found[2] or port) == (own[2] or port)


async def _refuse(scope: Scope, receive: Receive, send: Send, error: MentiongraphError) -> None:
    # Without its Host, which may be anything, and from which Litestar would make an address.
    plain = cast("Scope", {**scope, "headers": [each for each in scope["headers"] if each[0] != b"host"]})
    await problems.refuse(plain, receive, send, error)


# Hosts ----------------------------------------------------------------------------------------------------------------


def own_hosts(settings: Settings) -> Callable[[str], bool]:
    """Whether a client may address this server by a name or an address.

    A page's own name leads to an address of ours only if the name's owner wants that. Nobody owns an address as a name,
    so an address is no danger. A server on loopback still answers to loopback addresses only, since it has no others.
    """
    names = {each.strip().lower().rstrip(".") for each in settings.allowed_hosts.split(",") if each.strip()}
    listens = _address(settings.host)
    loopback = settings.host == "localhost" or (listens is not None and listens.is_loopback)
    names |= {"localhost", settings.host.lower()}
    if not loopback:
        names.add(socket.gethostname().lower())

    def is_own(host: str) -> bool:
        if "*" in names or host in names:
            return True
        address = _address(host)
        return address is not None and (not loopback or address.is_loopback or address == listens)

    return is_own


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _known(is_own: Callable[[str], bool]) -> Callable[[bytes], bool]:
    """The answer for a Host header as it came, remembered for those that are right."""
    right = set[bytes]()

    def ask(header: bytes) -> bool:
        if header in right:
            return True
        found = _AUTHORITY.fullmatch(header.decode("latin-1").lower())
        if found is None or not is_own(found[1]):
            return False
        if len(right) < _MOST_KNOWN:
            right.add(header)
        return True

    return ask

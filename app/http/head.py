"""HEAD wherever GET is: the same status and headers, without the body (RFC 9110, 9.3.2)."""

from __future__ import annotations

from typing import Any, cast

from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_HEAD = "mentiongraph.head"


def answering_head(app: ASGIApp) -> ASGIApp:
    """The app. To a HEAD request it answers as to GET, until the headers are sent; then the client seems to leave, so
    that answers which are sent as they are made end at once."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "GET":
            await app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await _answer_head(app, cast("Scope", {**scope, "method": "GET", _HEAD: True}), receive, send)
        else:
            await app(scope, receive, _allowing_all(scope, send))

    return answer


def asks_for_head(scope: Scope) -> bool:
    """Whether the client wants the headers alone, so that making the body would be in vain."""
    return _HEAD in scope


async def _answer_head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    begun = False

    async def send_head(message: Message) -> None:
        nonlocal begun
        if message["type"] == "http.response.start":
            begun = True
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive_until_begun() -> Any:  # noqa: ANN401 (a message)
        return {"type": "http.disconnect"} if begun else await receive()

    await app(scope, receive_until_begun, send_head)


def _allowing_all(scope: Scope, send: Send) -> Send:
    """Litestar's lists of allowed methods do not know that HEAD is answered. To OPTIONS, Litestar names the methods of
    the first handler at a path only."""

    async def send_allowing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                (name, _all(scope, value) if name.lower() == b"allow" else value) for name, value in message["headers"]
            ]
        await send(message)

    return send_allowing


def _all(scope: Scope, allow: bytes) -> bytes:
    methods = {method.strip() for method in allow.split(b",")}
    if scope["type"] == "http" and scope["method"] == "OPTIONS":
        found = (each for each in scope["litestar_app"].routes if each.path_format == scope.get("path_template"))
        methods |= {method.encode() for each in found if isinstance(each, HTTPRoute) for method in each.methods}
    return b", ".join(sorted(methods | {b"HEAD"} if b"GET" in methods else methods))

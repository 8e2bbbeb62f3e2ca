"""One line in the log for each request. A line names no user: whoever is forgotten shall not stay in logs."""

from __future__ import annotations

import time
from typing import Any, cast
from urllib.parse import unquote

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

_HANDLES = {"users": ["{handle}"], "edges": ["{source}", "{target}"]}
"""What stands in the log for the handles behind these segments of a path."""


def shown(raw_path: bytes) -> str:
    """A path as it was sent, decoded as the router does, with the names of its parameters in place of handles."""
    parts = [unquote(part) for part in raw_path.decode("latin-1").split("/") if part]
    first = 2 if parts[:1] == ["graphs"] else 0
    for number, name in enumerate(_HANDLES.get(parts[first] if len(parts) > first else "", [])):
        place = first + 1 + number
        if place < len(parts):
            parts[place] = name
    return "/" + "/".join(parts)


MORE = "mentiongraph.logged"
"""In the scope of a request: what else its line says."""


def logged(app: ASGIApp) -> ASGIApp:
    """The app, which logs each answer: method, path, status, bytes of the body, seconds to the last
    byte, and the id of the key if there was one."""

    async def log_request(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        begun = time.perf_counter()
        status, size, finished = 0, 0, False
        more: dict[str, Any] = {}
        cast("dict[str, Any]", scope)[MORE] = more

        async def watch(message: Message) -> None:
            nonlocal status, size, finished
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message["body"])
                if not message["more_body"]:
                    finished = True
                    report()

        def report() -> None:
            quiet = scope["path"].startswith(("/health/", "/metrics"))
            log.log(
                10 if quiet else 20,
                "request" if finished else "request not answered in full",
                method=scope["method"],
                path=shown(scope["raw_path"]),
                status=status,
                bytes=size,
                seconds=round(time.perf_counter() - begun, 4),
                **more,
            )

        try:
            await app(scope, receive, watch)
        finally:
            if not finished:
                report()

    return log_request

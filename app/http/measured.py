"""Requests measured: seconds by method, route and status. A route is a template, so no label is a client's path."""

from __future__ import annotations

import time
from typing import Any, cast

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics.tallies import Gauge, Histogram

REQUESTS = Histogram("http_request_duration_seconds")
STREAMS = Histogram("http_stream_duration_seconds")
OPEN = Gauge("http_requests_open")

UNKNOWN = "unknown"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MEASURED = "mentiongraph.measured"


class _Measured:
    """What is known of a request by the time that it ends."""

    __slots__ = ("route", "status", "stream")

    def __init__(self) -> None:
        self.route, self.status = UNKNOWN, 0
        self.stream: str | None = None


def measured(app: ASGIApp) -> ASGIApp:
    """The app, whose requests are measured from their head to the end of the answer."""

    async def measure(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        begun, found = time.perf_counter(), _Measured()
        cast("dict[str, Any]", scope)[_MEASURED] = found
        OPEN.add()

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                found.status = message["status"]
            await send(message)

        try:
            await app(scope, receive, watch)
        finally:
            OPEN.add(amount=-1.0)
            seconds, status = time.perf_counter() - begun, str(found.status)
            if found.stream is not None:
                STREAMS.observe(seconds, found.stream, status)
            else:
                method = scope["method"] if scope["method"] in _METHODS else UNKNOWN
                REQUESTS.observe(seconds, method, found.route, status)

    return measure


def routed(app: ASGIApp) -> ASGIApp:
    """The app, which routes a request and then knows its route. A handler with `stream=…` answers for long."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            handler = scope.get("route_handler")
            note(scope, scope.get("path_template", UNKNOWN), handler.opt.get("stream") if handler else None)

    return route


def note(scope: Scope, route: str, stream: str | None = None) -> None:
    """Note the route of a request."""
    found: _Measured | None = cast("dict[str, Any]", scope).get(_MEASURED)
    if found is not None:
        found.route, found.stream = route, stream

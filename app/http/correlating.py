"""Which request a line of the log is about: each request has an id and a place in a trace, and its answer names both.

`X-Request-ID` is the client's, if it is short and plain, and otherwise made here. `traceparent` of the answer names the
span of the request (see app/ledger/trace_context.py).
"""

from __future__ import annotations

import re
import uuid
from typing import Any, cast

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.ledger import trace_context
from app.ledger.trace_context import TraceContext
from app.settings import Settings

TRACE = "mentiongraph.trace"
"""In the scope of a request: its TraceContext."""

_SANE = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")


def correlated(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The app, whose log lines and answers say of each request its id, trace and span."""

    async def correlate(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request_id = _request_id(scope)
        trace = trace_context.of_request(
            _values(scope, b"traceparent"), _values(scope, b"tracestate"), traced=settings.traces
        )
        cast("dict[str, Any]", scope)[TRACE] = trace
        told = [(b"x-request-id", request_id.encode()), (b"traceparent", trace.traceparent.encode())]

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *told]
            await send(message)

        with bound_contextvars(request_id=request_id, trace_id=trace.trace_id, span_id=trace.span_id):
            await app(scope, receive, tell)

    return correlate


def trace_of(scope: Scope) -> TraceContext | None:
    """The place of the request in a trace."""
    return cast("dict[str, Any]", scope).get(TRACE)


def _request_id(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and _SANE.fullmatch(given[0]):
        return given[0].decode()
    return uuid.uuid4().hex


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope["headers"] if header == name]

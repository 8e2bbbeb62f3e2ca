"""Requests of several callers, without their keys: a header names the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from litestar import Litestar
from litestar.types import Receive, Send
from litestar.types import Scope as RequestScope

from app.control.callers import Caller, Scope
from app.http.calling import CALLER

HEADER = "test-caller"
WRITER = frozenset({Scope.UPLOADS_WRITE, Scope.GRAPH_READ, Scope.GRAPH_EXPORT})


def caller(owner: str, *scopes: Scope, address: str | None = "192.0.2.7") -> Caller:
    """A caller with a key, who may send files and read the graph unless told otherwise."""
    return Caller(frozenset(scopes) or WRITER, key_id=f"{owner:0<8}"[:8], owner=owner, address=address)


def name_callers(app: Litestar, callers: Mapping[str, Caller]) -> None:
    """Let requests of the running app come from the caller whose name is in their header."""
    answer = app.asgi_handler

    async def named(scope: RequestScope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if (name := headers.get(HEADER.encode())) is not None:
            cast("dict[str, Any]", scope)[CALLER] = callers[name.decode()]
        await answer(scope, receive, send)

    app.asgi_handler = named


def by(name: str) -> dict[str, str]:
    """The header of a request that this caller sends."""
    return {HEADER: name}

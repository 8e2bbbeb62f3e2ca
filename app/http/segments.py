"""Segments of a path that hold a slash: `/users/a%2Fb` is the user `a/b`.

Servers decode a path as a whole, and the router would see another segment (RFC 3986, 2.2 tells the two apart).
"""

from __future__ import annotations

from typing import cast
from urllib.parse import quote, unquote

from litestar.types import ASGIApp, Receive, Scope, Send

SLASH = "\x1f"
"""Stands for a slash within a segment. No handle has this control character."""


def whole(app: ASGIApp) -> ASGIApp:
    """The app, which routes a path by its segments as they were sent."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and b"%2f" in scope["raw_path"].lower():
            segments = scope["raw_path"].decode("ascii").split("/")
            path = "/".join(unquote(segment).replace("/", SLASH) for segment in segments)
            scope = cast("Scope", {**scope, "path": path})
        await app(scope, receive, send)

    return route


def text(segment: str) -> str:
    """A segment or a path as people read it."""
    return segment.replace(SLASH, "/")


def segment(handle: str) -> str:
    """The handle as a segment of a path."""
    # Clients remove the segments `.` and `..` from a path. With an `@` they stay, and mean the same user.
    return quote("@" + handle if handle in {".", ".."} else handle, safe="")

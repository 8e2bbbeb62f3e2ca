"""Requests from other sites' pages: a browser sends them with our user's reach, so what changes anything is refused."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from app.errors import CrossSite

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


async def refuse_cross_site(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard. Raises CrossSite by what browsers say in Sec-Fetch-Site (W3C Fetch Metadata); others do not send it.

    Asynchronous, since Litestar runs other guards in a thread.
    """
    scope = connection.scope
    if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
        return
    if connection.headers.get("Sec-Fetch-Site", "none") not in _OWN:
        raise CrossSite("a page of another site sent this with your browser; nothing was done.")

"""Requests from pages of other sites. A browser sends them from within the user's network, so changes are refused."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from app.errors import CrossSite

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


async def refuse_cross_site(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard. Raises CrossSite if Sec-Fetch-Site names another site (W3C Fetch Metadata). Only browsers send this
    header.

    The guard is asynchronous, since Litestar runs other guards in a thread.
    """
    scope = connection.scope
    if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
        return
    if connection.headers.get("Sec-Fetch-Site", "none") not in _OWN:
        raise CrossSite("a page of another site sent this with your browser; nothing was done.")

"""Who sends a request: its key is looked up before anything is done for the request, and becomes its Caller.

A request that has no right key goes on as somebody who may do nothing. The guard of the handler then refuses it
(scopes.py), so that public pages, health checks and unknown paths answer as ever.

A request that is under way when its key ends is broken off, as if its client had gone.
"""

from __future__ import annotations

from typing import Any, cast

import psycopg
from litestar.types import ASGIApp, Receive, Scope, Send

from app.control import keys
from app.control.callers import Caller
from app.control.keys import Known
from app.errors import BadRequest, MentiongraphError
from app.http.access_log import MORE
from app.http.addresses import address_of
from app.http.calling import CALLER, GRAPH, HANG_UP, PUBLIC_PATHS, REFUSED, caller_of
from app.http.keyring import Keyring
from app.settings import Settings

_SCHEME = "bearer"
_LONGEST = 256
"""Characters of the header. A token has 61."""
_RECEIVING = ("/uploads", "/upload_csv")
"""Paths whose POST waits for a PostgreSQL that restarts."""


def identified(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The app, which knows of each request who sends it."""
    needed = keys.needed(settings)

    async def identify(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            found = _fields(scope)
            client = scope.get("client")
            address = client[0] if client else None
            nobody = Caller(frozenset(), address=address) if needed else caller_of(scope)
            found[CALLER] = nobody
            if not scope["path"].startswith(PUBLIC_PATHS):
                known: Known | None = None
                try:
                    token = _token(scope)
                    if token is not None:
                        known = await _key(scope, token, settings)
                        found[CALLER] = Caller(
                            known.scopes, known.graphs, known.id, known.owner, address, known.expires_at
                        )
                        found.get(MORE, {})["key"] = found[CALLER].key_id
                        _choose_graph(found, found[CALLER])
                except (MentiongraphError, psycopg.Error) as error:
                    found[CALLER], found[REFUSED] = Caller(frozenset(), address=address), error
                else:
                    if known is not None and HANG_UP in found:
                        with _ring(scope).allowing(known, found[HANG_UP]):
                            await app(scope, receive, send)
                        return
        await app(scope, receive, send)

    return identify


async def _key(scope: Scope, token: str, settings: Settings) -> Known:
    """The key of the token. Raises WrongKey, ExpiredKey, TooManyWrongKeys, psycopg.Error."""
    receiving = _fields(scope)["method"] == "POST" and scope["path"].rstrip("/") in _RECEIVING
    patience = settings.database_patience if receiving else 0.0
    return await _ring(scope).check(token, address_of(scope["client"]), patience=patience)


def _ring(scope: Scope) -> Keyring:
    return scope["litestar_app"].state["services"].keyring


def _choose_graph(scope: dict[str, Any], caller: Caller) -> None:
    """Without a graph in its path, the request is for the one graph of its key."""
    if GRAPH not in scope and caller.graphs is not None and len(caller.graphs) == 1:
        (scope[GRAPH],) = caller.graphs


def _token(scope: Scope) -> str | None:
    """The token of the request. None: it has none, or something for another program. Raises BadRequest."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if not given:
        return None
    if len(given) > 1:
        raise BadRequest("the request has more than one Authorization header.")
    scheme, _, token = given[0][:_LONGEST].decode("latin-1").strip().partition(" ")
    return token.strip() if scheme.lower() == _SCHEME else None


def _fields(scope: Scope) -> dict[str, Any]:
    return cast("dict[str, Any]", scope)

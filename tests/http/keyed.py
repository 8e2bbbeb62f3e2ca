"""Keys for tests of the API, and clients that send them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import httpx

from app.control import keys
from app.control.callers import Scope
from app.control.keys import Made
from app.store.postgres import Connection
from tests.http.conftest import Api


def key(
    conn: Connection,
    now: datetime,
    *scopes: Scope,
    owner: str = "ada",
    graphs: Iterable[str] | None = None,
    lifetime: timedelta | None = keys.LIFETIME,
) -> Made:
    """A new key."""
    return keys.create(conn, keys.checked(owner, scopes, graphs, lifetime), now=now)


def for_no_graph(conn: Connection, now: datetime, *scopes: Scope, graph: str = "team") -> Made:
    """A new key for a graph that is not there any more."""
    conn.execute(
        "INSERT INTO graphs (name, state, database, shards, created_at) "
        "VALUES (%(name)s, 'creating', %(name)s, 1, %(now)s)",
        {"name": graph, "now": now},
    )
    made = key(conn, now, *scopes, graphs=[graph])
    conn.execute("DELETE FROM graphs WHERE name = %s", [graph])
    return made


def bearer(token: str) -> dict[str, str]:
    """The header of a request with the token."""
    return {"Authorization": f"Bearer {token}"}


def client(api: Api, made: Made) -> httpx.Client:
    """A client that sends the token."""
    return httpx.Client(base_url=api.http.base_url, timeout=60, headers=bearer(made.token))

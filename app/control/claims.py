"""Whose a database on another server is. It says so itself: of which service, and of which graph on the list.

So two graphs never share a database, and a copy of the list neither frees nor drops what the service still uses.
"""

from __future__ import annotations

import hashlib

import psycopg
import structlog

import sql
from app.control import graphs
from app.control.graphs import Graph
from app.errors import DatabaseUnavailable, GraphExists
from app.store.addresses import where
from app.store.postgres import Connection, available, connect, execute, scalars

log = structlog.get_logger(__name__)

_IDENTITY = sql.query("control/claims/identity")
_CLAIMED = sql.query("control/claims/claimed")
_CLAIM = sql.query("control/claims/claim")
_UNCLAIM = sql.query("control/claims/unclaim")


def require_other(conn: Connection, graph: Graph) -> None:
    """Raises GraphExists if the database is that of `default`."""
    assert graph.database_url is not None  # noqa: S101 (whoever asks has looked)
    with available(graph.database_url), connect(graph.database_url, role="graphs") as there:
        if _identity(there) == _identity(conn):
            raise GraphExists("this is the database of the graph 'default'.")


def claim(conn: Connection, there: Connection, graph: Graph, *, take_over: bool) -> None:
    """Write into a database on another server whose it is. Raises GraphExists if it is another graph's already.

    A restored copy says of which database it is a copy, and may be a graph of its own.
    """
    claim = _claim_of(conn, there, graph)
    found = _claimed(there)
    if found is not None and found != claim:
        if any(found == _claim_of(conn, there, each) for each in graphs.every(conn)):
            raise GraphExists("this database is another graph of this service already.")
        if not take_over:
            raise GraphExists(
                "this database is a graph of another service, or of one that was dropped while the server was away. If "
                "no service uses it any more, take it over: `mentiongraph graphs create … --take-over`."
            )
    execute(there, _CLAIM, {"claim": claim})


def _claim_of(conn: Connection, there: Connection, graph: Graph) -> bytes:
    """What a graph of the service of `conn` writes into the database."""
    return _identity(there) + _digest(_identity(conn).hex() + graph.created_at.isoformat())


def _claimed(there: Connection) -> bytes | None:
    """Who has written into the database that it is theirs. None: nobody, or into one of which this is a copy."""
    try:
        found = scalars(there, _CLAIMED)
    except psycopg.errors.UndefinedTable:  # nothing was migrated there
        return None
    own = _identity(there)
    return bytes(found[0]) if found and bytes(found[0])[: len(own)] == own else None


def is_ours(conn: Connection, graph: Graph) -> bool:
    """Whether a database on another server is this graph. Raises DatabaseUnavailable, psycopg.Error."""
    assert graph.database_url is not None  # noqa: S101 (whoever asks has looked)
    with connect(graph.database_url, role="graphs") as there:
        return _claimed(there) == _claim_of(conn, there, graph)


def require_ours(conn: Connection, graph: Graph) -> None:
    """Raises GraphExists if the database is a graph of another service, of which this one may be a copy."""
    assert graph.database_url is not None  # noqa: S101 (whoever asks has looked)
    try:
        with available(graph.database_url), connect(graph.database_url, role="graphs") as there:
            free = _claimed(there) in {None, _claim_of(conn, there, graph)}
    except DatabaseUnavailable:
        if graph.state != "dropping":
            raise
        return  # a drop that is repeated may have dropped it
    if not free:
        raise GraphExists(
            f"{where(graph.database_url)} is a graph of another service by now, and is not dropped. Drop the graph "
            "without its database."
        )


def release(conn: Connection, graph: Graph) -> bool:
    """Let a database on another server be another graph. It may be away, or gone. Returns whether it is free now."""
    assert graph.database_url is not None  # noqa: S101 (whoever asks has looked)
    try:
        with connect(graph.database_url, role="graphs") as there:
            if _claimed(there) == _claim_of(conn, there, graph):
                execute(there, _UNCLAIM)
            return _claimed(there) is None
    except (DatabaseUnavailable, psycopg.Error) as error:
        log.warning(
            "graph_still_claimed",
            graph=graph.name,
            server=where(graph.database_url),
            error=str(error).strip(),
        )
        return False


def _identity(conn: Connection) -> bytes:
    return _digest(str(scalars(conn, _IDENTITY, {})[0]))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()

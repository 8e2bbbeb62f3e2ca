"""How large a graph is, cheaply."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

import sql
from app.store.postgres import AsyncConnection, Connection, async_exactly_one, exactly_one, rows

_GET = sql.query("reads/sizes/get")
_DATABASES = sql.query("reads/sizes/databases")


class Sizes(msgspec.Struct, frozen=True):
    """Bytes of the database, and rows. The rows of large tables are estimated."""

    size_bytes: int
    edges: int
    users: int
    uploads: int


class DatabaseSize(msgspec.Struct, frozen=True):
    """Bytes of a database."""

    name: str
    size_bytes: int


def sizes(conn: Connection) -> Sizes:
    """How large the graph of this database is."""
    return exactly_one(conn, Sizes, _GET)


async def async_sizes(conn: AsyncConnection) -> Sizes:
    """`sizes` for request handlers."""
    return await async_exactly_one(conn, Sizes, _GET)


def databases(conn: Connection, names: Iterable[str]) -> dict[str, int]:
    """By name, the bytes of those of the databases that are on the server of `conn` and that its role may use."""
    found = rows(conn, DatabaseSize, _DATABASES, {"names": list(names)})
    return {each.name: each.size_bytes for each in found}

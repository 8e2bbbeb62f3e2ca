"""How large a graph is, cheaply."""

from __future__ import annotations

import msgspec

import sql
from app.store.postgres import AsyncConnection, Connection, async_exactly_one, exactly_one

_GET = sql.query("reads/sizes/get")


class Sizes(msgspec.Struct, frozen=True):
    """Bytes of the database, and rows. The rows of large tables are estimated."""

    size_bytes: int
    edges: int
    users: int
    uploads: int


def sizes(conn: Connection) -> Sizes:
    """How large the graph of this database is."""
    return exactly_one(conn, Sizes, _GET)


async def async_sizes(conn: AsyncConnection) -> Sizes:
    """`sizes` for request handlers."""
    return await async_exactly_one(conn, Sizes, _GET)

"""Secrets that the processes of one database share: made by a migration, kept in PostgreSQL and nowhere else."""

from __future__ import annotations

import sql
from app.store.postgres import AsyncConnection, async_scalars

_GET = sql.query("store/secrets/get")

_CACHE = "cache"


async def of_cache(conn: AsyncConnection) -> bytes:
    """The key of the MACs on cached answers; empty if somebody has taken the row away."""
    found = await async_scalars(conn, _GET, {"name": _CACHE})
    return bytes(found[0]) if found else b""

"""The version of the graph: it changes in every transaction that changes what is read, and never comes again."""

from __future__ import annotations

from collections.abc import Iterable

import sql
from app.store.postgres import AsyncConnection, Connection, async_scalars, execute

SUMMARIES = -1
"""The part that is no shard: what is added up from merged deltas."""

_ADVANCE = sql.query("graph/versions/advance")
_ALL = sql.query("graph/versions/vector")


def advance(conn: Connection, parts: Iterable[int]) -> None:
    """The transaction changes these parts: shards, or SUMMARIES. Two that do so wait for each other, in their order."""
    if changed := sorted(set(parts)):
        execute(conn, _ADVANCE, {"parts": changed})


async def vector(conn: AsyncConnection) -> str:
    """The versions of all parts, as the transaction's snapshot has them."""
    return str((await async_scalars(conn, _ALL))[0])

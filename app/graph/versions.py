"""The version of the graph: it changes in every transaction that changes what is read, and never comes again."""

from __future__ import annotations

from collections.abc import Iterable

import sql
from app.store.postgres import AsyncConnection, Connection, async_scalars, execute

SUMMARIES = -1
"""The part of the summaries, which is no shard."""

_ADVANCE = sql.query("graph/versions/advance")
_ALL = sql.query("graph/versions/vector")


def advance(conn: Connection, parts: Iterable[int]) -> None:
    """Say that the transaction changes these parts: shards, or SUMMARIES. Two such transactions wait for each
    other, in the order of the parts."""
    if changed := sorted(set(parts)):
        execute(conn, _ADVANCE, {"parts": changed})


async def vector(conn: AsyncConnection) -> str:
    """The versions of all parts, as the transaction's snapshot has them."""
    return str((await async_scalars(conn, _ALL))[0])

"""The version of the graph: it changes in every transaction that changes what is read, and never comes again."""

from __future__ import annotations

from collections.abc import Iterable

import sql
from app.store.postgres import AsyncConnection, Connection, async_scalars, execute, scalars

SUMMARIES = -1
"""The part of the summaries, which is no shard."""

_ADVANCE = sql.query("graph/versions/advance")
_ALL = sql.query("graph/versions/vector")


class Behind(Exception):
    """A server has not replayed yet what another server had."""


def advance(conn: Connection, parts: Iterable[int]) -> None:
    """Say that the transaction changes these parts: shards, or SUMMARIES. Two such transactions wait for each
    other, in the order of the parts."""
    if changed := sorted(set(parts)):
        execute(conn, _ADVANCE, {"parts": changed})


async def vector(conn: AsyncConnection) -> str:
    """The versions of all parts, as the transaction's snapshot has them."""
    return str((await async_scalars(conn, _ALL))[0])


def require(conn: Connection, least: str) -> str:
    """The versions of all parts in the transaction's snapshot. Raises Behind if one is older than in `least`."""
    found = str(scalars(conn, _ALL)[0])
    if not holds(found, least):
        raise Behind
    return found


def holds(vector: str, least: str) -> bool:
    """Whether a graph with the versions `vector` has everything that a graph with the versions `least` has.

    A transaction advances the versions of what it changes, and keeps their rows locked until it has committed. So a
    snapshot with a version, or a later one, has everything that led to the version.
    """
    if vector == least:
        return True
    found = _parts(vector)
    return all(found.get(part, 0) >= version for part, version in _parts(least).items())


def _parts(vector: str) -> dict[str, int]:
    return {part: int(version) for part, _, version in (each.partition(":") for each in vector.split())}

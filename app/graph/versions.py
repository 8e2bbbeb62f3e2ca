"""The version of the graph: it changes in every transaction that changes what is read, and never comes again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

import sql
from app.errors import InstantTooEarly
from app.store.postgres import (
    AsyncConnection,
    Connection,
    async_exactly_one,
    async_scalars,
    exactly_one,
    execute,
    scalars,
)

SUMMARIES = -1
"""The part of the summaries, which is no shard."""

_ADVANCE = sql.query("graph/versions/advance")
_ALL = sql.query("graph/versions/vector")
_CURRENT = sql.query("graph/versions/current")
_SETTLE = sql.query("graph/versions/settle")


class Behind(Exception):
    """A server has not replayed yet what another server had."""


class Current(msgspec.Struct, frozen=True):
    """The graph's version, and how far back the graph can tell what it was."""

    vector: str
    """The versions of all parts."""
    last_mention: datetime | None
    """The latest instant at which a merged mention counts. None: no mention was merged."""


def advance(conn: Connection, parts: Iterable[int], *, last_mention: datetime | None = None) -> None:
    """Say that the transaction changes these parts: shards, or SUMMARIES. Two such transactions wait for each
    other, in the order of the parts.

    `last_mention` is the latest instant at which a mention counts that the transaction merges.
    """
    if changed := sorted(set(parts)):
        execute(conn, _ADVANCE, {"parts": changed, "last_mention": last_mention})


def settle(conn: Connection) -> None:
    """Note the instant of the last mention anew, from edges none of which is written down: after a rebuild."""
    execute(conn, _SETTLE)


async def current(conn: AsyncConnection) -> Current:
    """The graph's version, as the transaction's snapshot has it."""
    return await async_exactly_one(conn, Current, _CURRENT)


def require_known_at(instant: datetime, last_mention: datetime | None) -> None:
    """Raises InstantTooEarly if a mention counts as made after the instant.

    An edge keeps one count and one weight. So nobody can leave out of them what came after the instant.
    """
    if last_mention is not None and instant < last_mention:
        last = _written(last_mention)
        raise InstantTooEarly(
            f"the graph does not know any more what it was at {_written(instant)}: a mention counts at {last}, and "
            f"edges do not keep what they were before. Ask for {last} or later, or leave out the instant. Counts by "
            "day are kept apart, for as many days as MENTIONGRAPH_DAYS_KEPT says."
        )


def require_known(conn: Connection, instant: datetime) -> None:
    """`require_known_at`, for what the transaction's snapshot holds. Raises InstantTooEarly."""
    require_known_at(instant, exactly_one(conn, Current, _CURRENT).last_mention)


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


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

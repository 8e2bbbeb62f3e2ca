"""What waits to be counted and to be merged, and how long the latest uploads took. Changes nothing."""

from __future__ import annotations

from datetime import datetime

import msgspec

import sql
from app.store.postgres import AsyncConnection, async_exactly_one, async_rows

_QUEUES = sql.query("ledger/backlog/queues")
_UNMERGED = sql.query("ledger/backlog/unmerged")
_APPLIED = sql.query("ledger/backlog/applied")

LOOKED_AT = 1_000
"""The latest uploads among which applied ones are looked for."""


class Waiting(msgspec.Struct, frozen=True):
    """Batches of one priority that wait to be counted."""

    priority: str
    batches: int
    bytes: int
    """Bytes of their rows, decompressed."""
    oldest: datetime
    """When the oldest of the batches was staged."""
    batches_claimed: int
    """Batches that a worker counts now."""


class Unmerged(msgspec.Struct, frozen=True):
    """What is counted and waits to be merged."""

    batches: int
    bytes: int
    oldest: datetime | None
    """When the oldest of the batches was counted; null if none waits."""
    deltas: int
    """Parts of batches, one for each shard."""
    mentions: int


class Applied(msgspec.Struct, frozen=True):
    """How long the latest uploads took from the first byte until they were applied."""

    uploads: int
    """Number of uploads that the figures are about."""
    median_seconds: float | None
    p99_seconds: float | None


async def waiting(conn: AsyncConnection, *, now: datetime) -> list[Waiting]:
    """The batches that wait to be counted, by priority. A priority without any is missing."""
    return await async_rows(conn, Waiting, _QUEUES, {"now": now})


async def unmerged(conn: AsyncConnection) -> Unmerged:
    """What is counted and waits to be merged."""
    return await async_exactly_one(conn, Unmerged, _UNMERGED)


async def applied(conn: AsyncConnection) -> Applied:
    """How long the latest uploads took."""
    return await async_exactly_one(conn, Applied, _APPLIED, {"most": LOOKED_AT})

"""Where an edge comes from: which batches of which uploads made it."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime
from itertools import groupby

import msgspec
import polars as pl
from psycopg_pool import AsyncConnectionPool

import sql
from app.graph.deltas import unpack
from app.graph.parameters import GraphParameters
from app.graph.shards import shard_of_id
from app.reads.users import User
from app.store.postgres import AsyncConnection, async_rows, async_scalars

_HISTORY = sql.query("reads/history/deltas")
_ANY_PURGED = sql.query("reads/history/any_purged")

DELTAS_AT_ONCE = 8
"""Batches whose deltas are in memory at once while an edge's history is looked for; one may have some hundred kB."""

DELTAS_A_PAGE = 128
"""Deltas that one page of history looks into at most."""


class Contribution(msgspec.Struct, frozen=True):
    """What one batch added to an edge."""

    upload_id: uuid.UUID
    filename: str | None
    batch_id: int
    ordinal: int
    """The batch's place in its upload, from 0 on."""
    first_line: int
    """Physical line in the file on which the batch begins."""
    mention_count: int
    first_seen: datetime
    last_seen: datetime
    applied_at: datetime | None
    profile: str
    profile_version: int
    retracted: bool
    """Whether the batch was taken out again, or is being taken out."""


class History(msgspec.Struct, frozen=True):
    """A page of an edge's history, the newest batch first."""

    contributions: list[Contribution]
    before: int | None
    """Where the next page begins. None: this page is the last one."""
    purged: bool
    """Whether the graph holds uploads with purged deltas. The edge has their mentions, and this history has not."""


class _Delta(msgspec.Struct, frozen=True):
    batch_id: int
    sign: int
    payload: bytes
    upload_id: uuid.UUID
    filename: str | None
    ordinal: int
    first_line: int
    applied_at: datetime | None
    profile: str
    profile_version: int


async def history(
    pool: AsyncConnectionPool[AsyncConnection],
    source: User,
    target: User,
    parameters: GraphParameters,
    *,
    before: int,
    limit: int,
) -> History:
    """Which batches made an edge: up to `limit` of those before the batch `before`, among DELTAS_A_PAGE deltas."""
    found: list[Contribution] = []
    purged = await any_purged(pool)
    for _ in range(DELTAS_A_PAGE // DELTAS_AT_ONCE):
        contributions, following = await looked_into(pool, source, target, parameters, before=before)
        for contribution in contributions:
            found.append(contribution)
            if len(found) == limit:
                return History(found, contribution.batch_id, purged)
        if following is None:
            return History(found, None, purged)
        before = following
    return History(found, before, purged)


async def any_purged(pool: AsyncConnectionPool[AsyncConnection]) -> bool:
    """Whether the graph holds uploads with purged deltas."""
    async with pool.connection() as conn:
        return await async_scalars(conn, _ANY_PURGED) == [True]


async def looked_into(
    pool: AsyncConnectionPool[AsyncConnection],
    source: User,
    target: User,
    parameters: GraphParameters,
    *,
    before: int,
) -> tuple[list[Contribution], int | None]:
    """What the newest DELTAS_AT_ONCE batches before one added to an edge, the newest first; and before which batch the
    next ones are. None: these batches were the last."""
    async with pool.connection() as conn:
        params = {
            "shard": shard_of_id(source.id, parameters.shards),
            "before": before,
            "limit": DELTAS_AT_ONCE,
        }
        deltas = await async_rows(conn, _Delta, _HISTORY, params)
    found = await asyncio.to_thread(_look_into, deltas, source.id, target.id)
    is_last = len({delta.batch_id for delta in deltas}) < DELTAS_AT_ONCE
    return found, None if is_last else deltas[-1].batch_id


def _look_into(deltas: list[_Delta], source_id: int, target_id: int) -> list[Contribution]:
    found: list[Contribution] = []
    for _, group in groupby(deltas, key=lambda delta: delta.batch_id):
        parts = list(group)
        delta = parts[0]
        of_parts = [
            unpack(part.payload).filter(pl.col("source_id") == source_id, pl.col("target_id") == target_id)
            for part in parts
        ]
        # A batch that took over posts of another has further parts: what it added is their sum.
        rows = pl.concat(of_parts).select(
            pl.col("mention_count").sum(), pl.col("first_seen").min(), pl.col("last_seen").max()
        )
        found += (
            Contribution(
                upload_id=delta.upload_id,
                filename=delta.filename,
                batch_id=delta.batch_id,
                ordinal=delta.ordinal,
                first_line=delta.first_line,
                mention_count=row["mention_count"],
                first_seen=row["first_seen"],
                last_seen=row["last_seen"],
                applied_at=delta.applied_at,
                profile=delta.profile,
                profile_version=delta.profile_version,
                retracted=delta.sign < 0,
            )
            for row in rows.iter_rows(named=True)
            if row["mention_count"]
        )
    return found

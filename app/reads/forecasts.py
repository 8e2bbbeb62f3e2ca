"""What a withdrawal of an upload would change, before anybody asks for the withdrawal itself.

Batches, rows and mentions are those that the ledger has now. Edges are looked up one by one, and no more than a bounded
number of them. Of a large upload some shards are read, and of their edges a sample by the hash of the edge. So each
edge of the sample has all of its mentions. Ids are hashes, so the users of a shard are a fair sample.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import polars as pl

import sql
from app.errors import NotFound
from app.graph import handover, withdrawal
from app.graph.deltas import KEYS
from app.graph.withdrawal import WITHDRAWABLE
from app.ledger.states import UploadState
from app.store.params import Int8Array
from app.store.postgres import AsyncConnection, async_one, async_rows, async_scalars

_UPLOADS = sql.query("reads/forecasts/uploads")
_BATCHES = sql.query("reads/forecasts/batches")
_BATCH_IDS = sql.query("reads/forecasts/batch_ids")
_SHARES = sql.query("reads/forecasts/shares")
_PAYLOADS = sql.query("reads/forecasts/payloads")
_HELD = sql.query("reads/forecasts/held")
_LEFT_ALONE = sql.query("reads/forecasts/left_alone")
_HOLDERS = sql.query("reads/forecasts/holders")

LOOKED_UP = 15_000
"""Edges that are looked up in the graph, about."""
READ = 1_000_000
"""Edges of deltas that are read, about, of which those are a sample."""
MOST_READ = 4_000_000
"""Edges of deltas in a shard beyond which not even one shard is read."""
BATCHES_AT_ONCE = 8


class Edges(msgspec.Struct, frozen=True):
    """What becomes of the edges that an upload has a share in."""

    gone: int
    """Edges that nothing else made."""
    weaker: int
    """Edges that lose mentions and stay."""
    users_gone: int | None
    """Users without any edge afterwards. None: the edges are a sample."""
    exact: bool


class Forecast(msgspec.Struct, frozen=True):
    """What a withdrawal takes out."""

    state: UploadState
    batches: int
    batches_not_counted: int
    batches_taken_out: int
    rows_taken_out: int
    mentions_taken_out: int
    edges: Edges | None
    """None: not asked for, or too many to be read."""
    handed_over: bool
    """Whether other uploads hold some of the posts, and count these posts then."""


class _Upload(msgspec.Struct, frozen=True):
    id: uuid.UUID
    state: UploadState
    purged: bool


class _Batches(msgspec.Struct, frozen=True):
    batches: int
    not_counted: int
    taken_out: int
    rows_taken_out: int


class _Share(msgspec.Struct, frozen=True):
    shard: int
    edges: int
    mentions: int


class _Holder(msgspec.Struct, frozen=True):
    upload_id: uuid.UUID
    purged: bool


async def of_withdrawal(
    conn: AsyncConnection, upload_id: uuid.UUID, wanted: UploadState, *, with_edges: bool
) -> Forecast:
    """What would come of an upload that is `wanted` cancelling or retracting. Changes nothing.

    Raises NotFound, and BadState where the withdrawal itself would.
    """
    uploads = await async_rows(conn, _Upload, _UPLOADS, {"id": upload_id})
    if not uploads:
        raise NotFound(f"the ledger has no upload {upload_id}.")
    top, *members = uploads
    arriving = wanted is UploadState.CANCELLING and top.state is UploadState.RECEIVING
    if top.state not in WITHDRAWABLE[wanted] and not arriving:
        raise withdrawal.refusal(upload_id, top.state, wanted)
    purged = [] if arriving else [each.id for each in members or [top] if each.purged]
    if purged:
        raise withdrawal.purged(purged[0])
    ids = [top.id, *(each.id for each in members if any(each.state in states for states in WITHDRAWABLE.values()))]
    holders = await async_rows(conn, _Holder, _HOLDERS, {"upload_ids": ids})
    for holder in holders:
        if holder.purged:
            raise handover.purged_holder(upload_id, holder.upload_id)
    found = await async_one(conn, _Batches, _BATCHES, {"upload_ids": ids}) or _Batches(0, 0, 0, 0)
    shares = await async_rows(conn, _Share, _SHARES, {"upload_ids": ids})
    return Forecast(
        state=top.state,
        batches=found.batches,
        batches_not_counted=found.not_counted,
        batches_taken_out=found.taken_out,
        rows_taken_out=found.rows_taken_out,
        mentions_taken_out=sum(share.mentions for share in shares),
        edges=await _edges(conn, ids, shares) if with_edges else None,
        handed_over=bool(holders),
    )


async def _edges(conn: AsyncConnection, upload_ids: Sequence[uuid.UUID], shares: Sequence[_Share]) -> Edges | None:
    """What becomes of the edges of uploads. None: there are too many in each shard."""
    every = sum(share.edges for share in shares)
    chosen = _chosen(shares)
    read = sum(share.edges for share in chosen)
    if every and not chosen:
        return None
    step = -(-read // LOOKED_UP) or 1
    shards = [share.shard for share in chosen]
    parts = list[pl.DataFrame]()
    if chosen:
        batch_ids: list[int] = await async_scalars(conn, _BATCH_IDS, {"upload_ids": list(upload_ids)})
        for begin in range(0, len(batch_ids), BATCHES_AT_ONCE):
            some = batch_ids[begin : begin + BATCHES_AT_ONCE]
            payloads = await async_scalars(conn, _PAYLOADS, {"batch_ids": some, "shards": shards})
            parts += await asyncio.to_thread(_sampled, payloads, step)
    if not parts:
        return Edges(0, 0, 0, exact=True)
    taken = pl.concat(parts).group_by(KEYS).agg(pl.col("mention_count").sum()).sort(KEYS)
    sources, targets = (Int8Array(taken[key].to_numpy()) for key in KEYS)
    (held,) = await async_scalars(conn, _HELD, {"sources": sources, "targets": targets})
    taken = taken.with_columns(pl.Series("held", held or [], dtype=pl.Int64)).filter(pl.col("held") > 0)
    gone = taken.filter(pl.col("held") <= pl.col("mention_count"))
    if step > 1 or read < every:
        times = step * every / read
        return Edges(round(len(gone) * times), round((len(taken) - len(gone)) * times), None, exact=False)
    return Edges(len(gone), len(taken) - len(gone), await _left_alone(conn, gone), exact=True)


def _chosen(shares: Iterable[_Share]) -> list[_Share]:
    """Shards with about READ edges in all: every shard, or as many of them as there is room for, and at least one."""
    chosen, read = list[_Share](), 0
    for share in shares:
        if read + share.edges <= READ or (not chosen and share.edges <= MOST_READ):
            chosen.append(share)
            read += share.edges
    return chosen


def _sampled(payloads: Iterable[bytes], step: int) -> list[pl.DataFrame]:
    """The edges of deltas with their mentions: one edge in `step`, in each delta the same."""
    parts = [pl.read_ipc_stream(payload, columns=[*KEYS, "mention_count"]) for payload in payloads]
    return parts if step == 1 else [part.filter(_hash_of(part) % step == 0) for part in parts]


def _hash_of(edges: pl.DataFrame) -> pl.Series:
    """A number from 0 to 2**32 for each edge."""
    source, target = (edges[key].to_numpy().view(np.uint64) for key in KEYS)
    mixed = source * np.uint64(0x9E3779B97F4A7C15) + target * np.uint64(0xC2B2AE3D27D4EB4F)
    return pl.Series(mixed >> np.uint64(32))


async def _left_alone(conn: AsyncConnection, gone: pl.DataFrame) -> int:
    """The number of users whose every edge is gone."""
    ends = pl.concat(
        [
            gone.select(user=pl.col("source_id"), made=pl.lit(1), received=pl.lit(0)),
            gone.select(user=pl.col("target_id"), made=pl.lit(0), received=pl.lit(1)),
        ]
    )
    users = ends.group_by("user").agg(pl.col("made", "received").sum()).sort("user")
    columns = {"users": "user", "made": "made", "received": "received"}
    params = {name: Int8Array(users[column].cast(pl.Int64).to_numpy()) for name, column in columns.items()}
    (found,) = await async_scalars(conn, _LEFT_ALONE, params)
    return int(found)

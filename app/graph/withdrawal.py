"""Taking uploads out again: cancel what is not applied yet, retract what is.

A merged delta is taken out by merging it once more with the opposite sign: counts exactly, weights to rounding, since
decay is linear. Whoever withdraws holds every shard's lock, so no merge is at the deltas meanwhile. Locks are taken on
shards, then batches, then uploads, each in order. A zip leaves with all its members, in one transaction.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec

import sql
from app.errors import BadState
from app.graph.parameters import GraphParameters
from app.ledger import transitions
from app.ledger.states import UploadState
from app.store import locks
from app.store.postgres import Connection, rows, scalars

_WITHDRAW_UPLOAD = sql.query("graph/withdrawal/withdraw_upload")
_CANCEL_MEMBERS = sql.query("graph/withdrawal/cancel_members")
_MEMBERS = sql.query("graph/withdrawal/members")
_CANCEL_RECEIVING = sql.query("graph/withdrawal/cancel_receiving")
_WITHDRAW_DELTAS = sql.query("graph/withdrawal/withdraw_deltas")
_PURGED = sql.query("graph/withdrawal/purged")

_WITHDRAWABLE = {
    UploadState.CANCELLING: {UploadState.STAGED, UploadState.APPLYING, UploadState.CHECKING},
    UploadState.RETRACTING: {UploadState.APPLIED, UploadState.FAILED},
}


class _Delta(msgspec.Struct, frozen=True):
    shard: int
    batch_id: int


def cancel(conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters, *, now: datetime) -> list[int]:
    """Cancel an upload that is not applied yet. Returns the shards to ring, whose merges take the merged
    deltas out.

    Raises NotFound, or BadState for one that is finished.
    """
    with conn.transaction():
        members = scalars(conn, _CANCEL_MEMBERS, {"id": upload_id, "now": now})
        if scalars(conn, _CANCEL_RECEIVING, {"id": upload_id, "now": now}):
            transitions.delete_batches(conn, [*members, upload_id])
            return []
    return _withdraw(conn, upload_id, parameters, UploadState.CANCELLING, now=now)


def retract(conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters, *, now: datetime) -> list[int]:
    """Take an applied upload out of the graph again. Returns the shards to ring.

    Raises NotFound; BadState for one that is not applied, or whose deltas were purged.
    """
    return _withdraw(conn, upload_id, parameters, UploadState.RETRACTING, now=now)


def _withdraw(
    conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters, state: UploadState, *, now: datetime
) -> list[int]:
    with conn.transaction():
        # Asked before any shard is locked: a wrong request keeps no merge waiting. Asked again, in effect, below.
        found = transitions.lock_upload(conn, upload_id)
        if found.state not in _WITHDRAWABLE[state]:
            raise _refusal(upload_id, found.state, state)
    with conn.transaction():
        for shard in range(parameters.shards):
            locks.take_shard(conn, shard)
        members: list[uuid.UUID] = scalars(conn, _MEMBERS, {"id": upload_id})
        for each in [*members, upload_id]:
            transitions.lock_batches_of(conn, each)
        leaving = [each for each in members if _begin(conn, each, state)]
        found = transitions.lock_upload(conn, upload_id)
        if not scalars(conn, _WITHDRAW_UPLOAD, {"id": upload_id, "state": state}):
            raise _refusal(upload_id, found.state, state)
        shards: set[int] = set()
        for each in leaving if members else [upload_id]:
            shards |= _take_out(conn, each)
        transitions.finish_uploads(conn, leaving if members else [upload_id], now=now)
        if members:
            transitions.finish_zips(conn, [upload_id], now=now)
    return sorted(shards)


def _begin(conn: Connection, member_id: uuid.UUID, state: UploadState) -> bool:
    """A member of a zip begins to leave. False: nothing of it is in the graph, or an earlier upload holds its bytes.

    A zip that is cancelled may have members that are applied already.
    """
    found = transitions.lock_upload(conn, member_id).state
    own = state if found in _WITHDRAWABLE[state] else UploadState.RETRACTING
    return bool(scalars(conn, _WITHDRAW_UPLOAD, {"id": member_id, "state": own}))


def _take_out(conn: Connection, upload_id: uuid.UUID) -> set[int]:
    """Take the deltas of one upload out again. Returns the shards to ring. Raises BadState if they were purged."""
    if scalars(conn, _PURGED, {"upload_id": upload_id}) == [True]:
        raise BadState(
            f"upload {upload_id}: what it added was purged after its retention time; it cannot be taken out."
        )
    transitions.drop_pending_deltas(conn, upload_id)
    shards = {delta.shard for delta in rows(conn, _Delta, _WITHDRAW_DELTAS, {"upload_id": upload_id})}
    transitions.withdraw_batches(conn, upload_id)
    return shards


def _refusal(upload_id: uuid.UUID, found: UploadState, wanted: UploadState) -> BadState:
    if wanted is UploadState.CANCELLING:
        return BadState(
            f"upload {upload_id} is {found}: only one that is not finished is cancelled; an applied one is retracted."
        )
    return BadState(f"upload {upload_id} is {found}: only an applied or failed one is retracted.")

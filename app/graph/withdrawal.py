"""Taking uploads out again: cancel what is not applied yet, retract what is; and deciding on a limit of rejects.

A merged delta is taken out by merging it once more with the opposite sign: counts exactly, weights to rounding, since
decay is linear. Whoever withdraws holds every shard's lock, so no merge is at the deltas meanwhile. Locks are taken on
shards, then batches, then uploads, each in order.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec

import sql
from app.errors import BadState, NotFound, Problem
from app.graph.parameters import GraphParameters
from app.graph.shards import shard_lock_key
from app.ledger.states import UploadState
from app.ledger.transitions import finish_batches, finish_uploads
from app.posts.options import Options
from app.store.postgres import Connection, execute, one, rows, scalars

_LOCK_SHARD = sql.query("edges/lock_shard")
_LOCK_BATCHES = sql.query("batches/lock_upload")
_STATE = sql.query("uploads/state")
_WITHDRAW_UPLOAD = sql.query("uploads/withdraw")
_CANCEL_RECEIVING = sql.query("uploads/cancel_receiving")
_DELETE_BATCHES = sql.query("batches/delete")
_WITHDRAW_BATCHES = sql.query("batches/withdraw")
_DROP_PENDING = sql.query("deltas/drop_pending")
_WITHDRAW_DELTAS = sql.query("deltas/withdraw")
_PURGED = sql.query("deltas/purged")
_REJECTED_SO_FAR = sql.query("batches/rejected_so_far")
_RELEASE = sql.query("deltas/release")
_REFUSE = sql.query("uploads/refuse")
_HOLDING = sql.query("uploads/holding")


_WITHDRAWABLE = {
    UploadState.CANCELLING: {UploadState.STAGED, UploadState.APPLYING, UploadState.CHECKING},
    UploadState.RETRACTING: {UploadState.APPLIED, UploadState.FAILED},
}


class _State(msgspec.Struct, frozen=True):
    state: UploadState
    options: Options


class _Delta(msgspec.Struct, frozen=True):
    shard: int
    batch_id: int


class _SoFar(msgspec.Struct, frozen=True):
    staged: int
    uncounted: int
    rows_received: int
    rows_rejected: int


def cancel(conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters, *, now: datetime) -> list[int]:
    """Cancel an upload that is not applied yet. The shards to ring, in which merged parts of it are to be taken out.

    Raises NotFound, or BadState for one that is finished.
    """
    with conn.transaction():
        if scalars(conn, _CANCEL_RECEIVING, {"id": upload_id, "now": now}):
            execute(conn, _DELETE_BATCHES, {"upload_ids": [upload_id]})
            return []
    return _withdraw(conn, upload_id, parameters, UploadState.CANCELLING, now=now)


def retract(conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters, *, now: datetime) -> list[int]:
    """Take an applied upload out of the graph again. The shards to ring.

    Raises NotFound; BadState for one that is not applied, or whose deltas were purged.
    """
    return _withdraw(conn, upload_id, parameters, UploadState.RETRACTING, now=now)


def _withdraw(
    conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters, state: UploadState, *, now: datetime
) -> list[int]:
    with conn.transaction():
        # Asked before any shard is locked: a wrong request keeps no merge waiting. Asked again, in effect, below.
        found = _locked(conn, upload_id)
        if found.state not in _WITHDRAWABLE[state]:
            raise _refusal(upload_id, found.state, state)
    with conn.transaction():
        for shard in range(parameters.shards):
            execute(conn, _LOCK_SHARD, {"key": shard_lock_key(shard)})
        execute(conn, _LOCK_BATCHES, {"upload_id": upload_id})
        found = _locked(conn, upload_id)
        if not scalars(conn, _WITHDRAW_UPLOAD, {"id": upload_id, "state": state}):
            raise _refusal(upload_id, found.state, state)
        if scalars(conn, _PURGED, {"upload_id": upload_id}) == [True]:
            raise BadState(
                f"upload {upload_id}: what it added was purged after its retention time; it cannot be taken out."
            )
        execute(conn, _DROP_PENDING, {"upload_id": upload_id})
        shards = {delta.shard for delta in rows(conn, _Delta, _WITHDRAW_DELTAS, {"upload_id": upload_id})}
        execute(conn, _WITHDRAW_BATCHES, {"upload_id": upload_id})
        finish_uploads(conn, [upload_id], now=now)
    return sorted(shards)


def decide(conn: Connection, upload_id: uuid.UUID, *, now: datetime) -> list[int]:
    """Hold an upload to its limit of rejects, if it has one: release its deltas once every batch is counted and the
    limit is kept, or fail it as soon as it cannot be kept. The shards to ring."""
    with conn.transaction():
        batches = scalars(conn, _LOCK_BATCHES, {"upload_id": upload_id})
        found = _locked(conn, upload_id)
        limit = found.options.max_rejects
        so_far = one(conn, _SoFar, _REJECTED_SO_FAR, {"upload_id": upload_id})
        if limit is None or so_far is None or found.state is not UploadState.APPLYING:
            return []
        rejected, received = so_far.rows_rejected, so_far.rows_received
        counted = not so_far.uncounted
        if (limit.rows is not None and rejected > limit.rows) or (
            counted and limit.exceeded(rejected=rejected, received=received)
        ):
            _refuse(conn, upload_id, rejected, received, now=now)
            return []
        shards = set[int](scalars(conn, _RELEASE, {"upload_id": upload_id})) if counted else set[int]()
        if counted:
            finish_batches(conn, batches, now=now)  # those without a mention have nothing to wait for
        elif not so_far.staged:
            # A batch that failed keeps the others held: the upload has failed, until the batch is replayed.
            finish_uploads(conn, [upload_id], now=now)
    return sorted(shards)


def undecided(conn: Connection) -> list[uuid.UUID]:
    """Uploads that wait for `decide`: whoever counted their last batch died before it asked."""
    return scalars(conn, _HOLDING)


def _refuse(conn: Connection, upload_id: uuid.UUID, rejected: int, received: int, *, now: datetime) -> None:
    problem = Problem(
        type="urn:mentiongraph:problem:too-many-rejects",
        title="More rows were rejected than the upload allows",
        status=422,
        detail=f"{rejected} of the {received} rows looked at were rejected; nothing was applied. Repair them "
        f"(GET /uploads/{upload_id}/rejects.csv), or allow more with max_rejects.",
    )
    execute(conn, _DROP_PENDING, {"upload_id": upload_id})
    execute(conn, _WITHDRAW_BATCHES, {"upload_id": upload_id})
    execute(conn, _REFUSE, {"id": upload_id, "error": msgspec.json.encode(problem).decode(), "now": now})


def _locked(conn: Connection, upload_id: uuid.UUID) -> _State:
    found = one(conn, _State, _STATE, {"id": upload_id})
    if found is None:
        raise NotFound(f"the ledger has no upload {upload_id}.")
    return found


def _refusal(upload_id: uuid.UUID, found: UploadState, wanted: UploadState) -> BadState:
    if wanted is UploadState.CANCELLING:
        return BadState(
            f"upload {upload_id} is {found}: only one that is not finished is cancelled; an applied one is retracted."
        )
    return BadState(f"upload {upload_id} is {found}: only an applied or failed one is retracted.")

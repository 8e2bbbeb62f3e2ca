"""Taking uploads out again: cancel what is not applied yet, retract what is.

A merged delta is taken out by merging it once more with the opposite sign: counts exactly, weights to rounding, since
decay is linear. Whoever withdraws holds every shard's lock, so no merge is at the deltas meanwhile. Locks are taken on
shards, then batches, then uploads, each in order. An upload with post ids hands over its posts first (see handover.py).
The members of a zip leave one after another, and the zip with the last of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
from psycopg import Rollback

import sql
from app.control.audit_events import Action, record
from app.control.callers import Caller
from app.errors import BadState
from app.graph import handover
from app.graph.parameters import GraphParameters
from app.ledger import limits, transitions
from app.ledger.states import UploadState
from app.store import locks
from app.store.acting import acting
from app.store.postgres import Connection, rows, scalars

_WITHDRAW_UPLOAD = sql.query("graph/withdrawal/withdraw_upload")
_CANCEL_MEMBERS = sql.query("graph/withdrawal/cancel_members")
_MEMBERS = sql.query("graph/withdrawal/members")
_CANCEL_RECEIVING = sql.query("graph/withdrawal/cancel_receiving")
_WITHDRAW_DELTAS = sql.query("graph/withdrawal/withdraw_deltas")
_PURGED = sql.query("graph/withdrawal/purged")

WITHDRAWABLE = {
    UploadState.CANCELLING: {UploadState.STAGED, UploadState.APPLYING, UploadState.CHECKING},
    UploadState.RETRACTING: {UploadState.APPLIED, UploadState.FAILED},
}
"""By the state of an upload on its way out of the graph: the states that it can come from."""
_ACTIONS = {UploadState.CANCELLING: Action.UPLOAD_CANCEL, UploadState.RETRACTING: Action.UPLOAD_RETRACT}


class _Delta(msgspec.Struct, frozen=True):
    shard: int
    batch_id: int


def cancel(
    conn: Connection,
    upload_id: uuid.UUID,
    parameters: GraphParameters,
    *,
    now: datetime,
    caller: Caller | None = None,
) -> list[int]:
    """Cancel an upload that is not applied yet. Returns the shards to ring, whose merges take the merged
    deltas out.

    Raises NotFound, or BadState for one that is finished.
    """
    with acting(conn, caller):
        members = scalars(conn, _CANCEL_MEMBERS, {"id": upload_id, "now": now})
        if scalars(conn, _CANCEL_RECEIVING, {"id": upload_id, "now": now}):
            transitions.delete_batches(conn, [*members, upload_id])
            _tell(conn, caller, upload_id, UploadState.CANCELLING)
            return []
    return _withdraw_all(conn, upload_id, parameters, UploadState.CANCELLING, now=now, caller=caller)


def retract(
    conn: Connection,
    upload_id: uuid.UUID,
    parameters: GraphParameters,
    *,
    now: datetime,
    caller: Caller | None = None,
) -> list[int]:
    """Take an applied upload out of the graph again. Returns the shards to ring.

    Raises NotFound; BadState for one that is not applied, or whose deltas were purged.
    """
    return _withdraw_all(conn, upload_id, parameters, UploadState.RETRACTING, now=now, caller=caller)


def decide(conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters, *, now: datetime) -> list[int]:
    """`limits.decide`. An upload with post ids that is refused hands over its posts. Returns the shards to ring."""
    try:
        return limits.decide(conn, upload_id, now=now)
    except limits.PostsToHandOver:
        pass  # nothing was changed: what follows takes the lock of post ids first
    shards = set[int]()
    with conn.transaction():
        gains = handover.begin(conn, upload_id, parameters)
        handover.lock_batches(conn, upload_id, gains)
        if not limits.refuse(conn, upload_id, now=now):
            raise Rollback  # somebody else has ended the upload meanwhile
        shards = handover.end(conn, gains)
    return sorted(shards)


def _withdraw_all(
    conn: Connection,
    upload_id: uuid.UUID,
    parameters: GraphParameters,
    state: UploadState,
    *,
    now: datetime,
    caller: Caller | None,
) -> list[int]:
    members: list[uuid.UUID] = scalars(conn, _MEMBERS, {"id": upload_id})
    if members:
        return _withdraw_zip(conn, upload_id, members, parameters, state, now=now, caller=caller)
    return _withdraw(conn, upload_id, parameters, state, now=now, caller=caller, tell=True)


def _tell(conn: Connection, caller: Caller | None, upload_id: uuid.UUID, state: UploadState) -> None:
    """Write who did it, if anybody asked for it."""
    if caller is not None:
        record(conn, caller, _ACTIONS[state], str(upload_id))


def _withdraw(
    conn: Connection,
    upload_id: uuid.UUID,
    parameters: GraphParameters,
    state: UploadState,
    *,
    now: datetime,
    caller: Caller | None,
    tell: bool,
) -> list[int]:
    with conn.transaction():
        # Asked before any shard is locked: a wrong request keeps no merge waiting. Asked again, in effect, below.
        found = transitions.lock_upload(conn, upload_id)
        if found.state not in WITHDRAWABLE[state]:
            raise refusal(upload_id, found.state, state)
        with_ids = found.with_ids
    with acting(conn, caller):
        gains = handover.begin(conn, upload_id, parameters) if with_ids else []
        for shard in range(parameters.shards):
            locks.take_shard(conn, shard)
        if gains:
            handover.lock_batches(conn, upload_id, gains)
        else:
            transitions.lock_batches_of(conn, upload_id)
        found = transitions.lock_upload(conn, upload_id)
        if not scalars(conn, _WITHDRAW_UPLOAD, {"id": upload_id, "state": state}):
            raise refusal(upload_id, found.state, state)
        _refuse_purged(conn, upload_id)
        transitions.drop_pending_deltas(conn, upload_id)
        shards = {delta.shard for delta in rows(conn, _Delta, _WITHDRAW_DELTAS, {"upload_id": upload_id})}
        transitions.withdraw_batches(conn, upload_id)
        shards |= handover.end(conn, gains)
        finished = transitions.finish_uploads(conn, [upload_id], now=now)
        if tell:
            _tell(conn, caller, upload_id, state)
    transitions.log_finished(finished)
    return sorted(shards)


def _withdraw_zip(
    conn: Connection, zip_id: uuid.UUID, members: Sequence[uuid.UUID], parameters: GraphParameters, state: UploadState,
    *, now: datetime, caller: Caller | None,
) -> list[int]:  # fmt: skip
    """The members leave one after another, then the zip. If that ends midway, the same request does the rest.

    Of a zip that is cancelled, some members may be applied already. Duplicates stay: the earlier upload holds them.
    """
    with conn.transaction():
        found = transitions.lock_upload(conn, zip_id)
        if found.state not in WITHDRAWABLE[state]:
            raise refusal(zip_id, found.state, state)
        for each in members:
            _refuse_purged(conn, each)
    shards: set[int] = set()
    for each in members:
        with conn.transaction():
            of_member = transitions.lock_upload(conn, each).state
        own = next((own for own, states in WITHDRAWABLE.items() if of_member in states), None)
        if own is not None:
            with suppress(BadState):  # it has just gone on, or somebody else withdraws it
                shards.update(_withdraw(conn, each, parameters, own, now=now, caller=caller, tell=False))
    finished = list[transitions.Finished]()
    with acting(conn, caller):
        # The last member may have ended the zip.
        if transitions.lock_upload(conn, zip_id).state is not UploadState.CANCELLED:
            if not scalars(conn, _WITHDRAW_UPLOAD, {"id": zip_id, "state": state}):
                raise refusal(zip_id, found.state, state)
            finished = transitions.finish_zips(conn, [zip_id], now=now)
        _tell(conn, caller, zip_id, state)
    transitions.log_finished(finished)
    return sorted(shards)


def _refuse_purged(conn: Connection, upload_id: uuid.UUID) -> None:
    if scalars(conn, _PURGED, {"upload_id": upload_id}) == [True]:
        raise purged(upload_id)


def purged(upload_id: uuid.UUID) -> BadState:
    """Why an upload whose deltas were purged stays in the graph."""
    return BadState(f"upload {upload_id}: what it added was purged after its retention time; it cannot be taken out.")


def refusal(upload_id: uuid.UUID, found: UploadState, wanted: UploadState) -> BadState:
    """Why an upload in this state is not withdrawn."""
    if wanted is UploadState.CANCELLING:
        return BadState(
            f"upload {upload_id} is {found}: only one that is not finished is cancelled; an applied one is retracted."
        )
    return BadState(f"upload {upload_id} is {found}: only an applied or failed one is retracted.")

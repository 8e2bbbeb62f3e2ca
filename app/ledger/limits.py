"""Limits of rejects. An upload is held to the limit that its sender gave: its deltas are released, or it is refused
before anything of it is applied. The service keeps the rows of a bounded number of rejects, and counts the others.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec

import sql
from app.errors import TooManyRejects
from app.ledger import transitions
from app.ledger.states import UploadState
from app.ledger.transitions import LockedUpload
from app.store.postgres import Connection, execute, one, scalars

_REJECTED_SO_FAR = sql.query("ledger/limits/rejected_so_far")
_RELEASE = sql.query("ledger/limits/release_deltas")
_REFUSE = sql.query("ledger/limits/refuse_upload")
_HOLDING = sql.query("ledger/limits/undecided")
_REJECTS_KEPT = sql.query("ledger/limits/rejects_kept")


class PostsToHandOver(Exception):
    """The upload is to be refused, and posts that it owns are to be handed over in the same transaction."""


class _SoFar(msgspec.Struct, frozen=True):
    staged: int
    uncounted: int
    rows_received: int
    rows_rejected: int


def decide(conn: Connection, upload_id: uuid.UUID, *, now: datetime) -> list[int]:
    """Hold an upload to its limit of rejects, if it has a limit. Returns the shards to ring.

    Its deltas are released once every batch is counted and the limit is kept. The upload fails as soon as it is certain
    to exceed the limit. Raises PostsToHandOver, before anything is changed, if such an upload has post ids: see
    `app.graph.withdrawal.decide`.
    """
    with conn.transaction():
        batches = transitions.lock_batches_of(conn, upload_id)
        found = transitions.lock_upload(conn, upload_id)
        so_far = _undecided(conn, upload_id, found)
        if so_far is None:
            return []
        if _exceeded(found, so_far):
            if found.with_ids:
                raise PostsToHandOver
            _refuse(conn, upload_id, found, so_far, now=now)
            return []
        counted = not so_far.uncounted
        shards = set[int](scalars(conn, _RELEASE, {"upload_id": upload_id})) if counted else set[int]()
        finished = list[transitions.Finished]()
        if counted:
            finished = transitions.finish_batches(
                conn, batches, now=now
            )  # a batch without a mention has nothing to wait for
        elif not so_far.staged:
            # A batch that failed keeps the others held: the upload has failed, until the batch is replayed.
            finished = transitions.finish_uploads(conn, [upload_id], now=now)
    transitions.log_finished(finished)
    return sorted(shards)


def refuse(conn: Connection, upload_id: uuid.UUID, *, now: datetime) -> bool:
    """Refuse an upload that exceeds its limit, in the caller's transaction, which has locked its batches and hands over
    its posts. False: the upload is not to be refused any more."""
    found = transitions.lock_upload(conn, upload_id)
    so_far = _undecided(conn, upload_id, found)
    if so_far is None or not _exceeded(found, so_far):
        return False
    _refuse(conn, upload_id, found, so_far, now=now)
    return True


def undecided(conn: Connection) -> list[uuid.UUID]:
    """The uploads that wait for `decide`, because the worker that counted their last batch died before it asked."""
    return scalars(conn, _HOLDING)


def room_for_rejects(conn: Connection, upload_id: uuid.UUID, parent_id: uuid.UUID | None, *, most: int) -> int:
    """How many further rejects of the file that an upload came in may be kept. The caller writes them down in the same
    transaction, which has locked the batch.

    `most` is never exceeded, however many batches of a file are counted at once: each locks the row of the upload, and
    then of the zip that holds it. Once nothing is left, no batch waits for that lock.
    """
    file = {"upload_id": upload_id, "parent_id": parent_id}
    if scalars(conn, _REJECTS_KEPT, file)[0] >= most:
        return 0
    transitions.lock_upload(conn, upload_id)
    if parent_id is not None:
        transitions.lock_zip(conn, parent_id)
    return max(0, most - scalars(conn, _REJECTS_KEPT, file)[0])


def _undecided(conn: Connection, upload_id: uuid.UUID, found: LockedUpload) -> _SoFar | None:
    """What is counted of the locked upload so far. None: there is nothing to decide."""
    so_far = one(conn, _SoFar, _REJECTED_SO_FAR, {"upload_id": upload_id})
    if found.options.max_rejects is None or found.state is not UploadState.APPLYING:
        return None
    return so_far


def _exceeded(found: LockedUpload, so_far: _SoFar) -> bool:
    """Whether it is certain that the upload exceeds its limit."""
    limit, rejected = found.options.max_rejects, so_far.rows_rejected
    if limit is None:
        return False
    return (limit.rows is not None and rejected > limit.rows) or (
        not so_far.uncounted and limit.exceeded(rejected=rejected, received=so_far.rows_received)
    )


def _refuse(conn: Connection, upload_id: uuid.UUID, found: LockedUpload, so_far: _SoFar, *, now: datetime) -> None:
    refused = TooManyRejects(
        f"{so_far.rows_rejected} of the {so_far.rows_received} rows looked at were rejected; nothing was applied. "
        f"Repair them (GET /uploads/{upload_id}/rejects.csv), or allow more with max_rejects."
    )
    transitions.drop_pending_deltas(conn, upload_id)
    transitions.withdraw_batches(conn, upload_id)
    execute(conn, _REFUSE, {"id": upload_id, "error": msgspec.json.encode(refused.problem()).decode(), "now": now})
    if found.parent_id is not None:
        transitions.finish_zips(conn, [found.parent_id], now=now)

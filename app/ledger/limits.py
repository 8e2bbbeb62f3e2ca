"""Hold an upload to its limit of rejects: release its deltas, or refuse it before anything of it is applied."""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec

import sql
from app.errors import TooManyRejects
from app.ledger import transitions
from app.ledger.states import UploadState
from app.store.postgres import Connection, execute, one, scalars

_REJECTED_SO_FAR = sql.query("ledger/limits/rejected_so_far")
_RELEASE = sql.query("ledger/limits/release_deltas")
_REFUSE = sql.query("ledger/limits/refuse_upload")
_HOLDING = sql.query("ledger/limits/undecided")


class _SoFar(msgspec.Struct, frozen=True):
    staged: int
    uncounted: int
    rows_received: int
    rows_rejected: int


def decide(conn: Connection, upload_id: uuid.UUID, *, now: datetime) -> list[int]:
    """Hold an upload to its limit of rejects, if it has a limit. Returns the shards to ring.

    Its deltas are released once every batch is counted and the limit is kept. The upload fails as soon as it is certain
    to exceed the limit.
    """
    with conn.transaction():
        batches = transitions.lock_batches_of(conn, upload_id)
        found = transitions.lock_upload(conn, upload_id)
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
            if found.parent_id is not None:
                transitions.finish_zips(conn, [found.parent_id], now=now)
            return []
        shards = set[int](scalars(conn, _RELEASE, {"upload_id": upload_id})) if counted else set[int]()
        if counted:
            transitions.finish_batches(conn, batches, now=now)  # a batch without a mention has nothing to wait for
        elif not so_far.staged:
            # A batch that failed keeps the others held: the upload has failed, until the batch is replayed.
            transitions.finish_uploads(conn, [upload_id], now=now)
    return sorted(shards)


def undecided(conn: Connection) -> list[uuid.UUID]:
    """The uploads that wait for `decide`, because the worker that counted their last batch died before it asked."""
    return scalars(conn, _HOLDING)


def _refuse(conn: Connection, upload_id: uuid.UUID, rejected: int, received: int, *, now: datetime) -> None:
    refused = TooManyRejects(
        f"{rejected} of the {received} rows looked at were rejected; nothing was applied. Repair them "
        f"(GET /uploads/{upload_id}/rejects.csv), or allow more with max_rejects."
    )
    transitions.drop_pending_deltas(conn, upload_id)
    transitions.withdraw_batches(conn, upload_id)
    execute(conn, _REFUSE, {"id": upload_id, "error": msgspec.json.encode(refused.problem()).decode(), "now": now})

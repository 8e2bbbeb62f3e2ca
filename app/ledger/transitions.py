"""The ways to move a batch or an upload on: claimed, failed, finished, replayed.

Every transition is a guarded UPDATE. To touch no row is an answer and no error: somebody else was first. Row
locks are taken on batches before uploads, and on each in the order of id. The row of a zip is locked after those of its
members.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import structlog
from structlog.contextvars import bound_contextvars

import sql
from app.control.audit_events import Action, record
from app.control.callers import Caller
from app.errors import AllRejected, NotFound, Problem
from app.ledger.states import UploadState
from app.ledger.trace_context import logged_trace
from app.posts.options import Format, Options, Priority
from app.settings import Settings
from app.store.acting import acting
from app.store.postgres import Connection, execute, one, rows, scalars

log = structlog.get_logger(__name__)

_CLAIM = sql.query("ledger/transitions/claim")
_RENEW = sql.query("ledger/transitions/renew")
_FAIL = sql.query("ledger/transitions/fail")
_GIVE_BACK = sql.query("ledger/transitions/give_back")
_LOCK_BATCHES = sql.query("ledger/transitions/lock_batches")
_FINISH_BATCHES = sql.query("ledger/transitions/finish_batches")
_FAILED = sql.query("ledger/transitions/failed_batches")
_REPLAY = sql.query("ledger/transitions/replay")

REJECTS_LOOKED_AT = 10_000
"""Rejects of an upload among which to look for the commonest reason, if its batches do not say their codes."""

DELETE_BATCHES = sql.query("ledger/transitions/delete_batches")

_BEGIN = sql.query("ledger/transitions/begin_upload")
_LOCK_UPLOADS = sql.query("ledger/transitions/lock_uploads")
_FINISH_UPLOADS = sql.query("ledger/transitions/finish_uploads")
_COMMONEST_REJECT = sql.query("ledger/transitions/commonest_reject")
_FAIL_REJECTED = sql.query("ledger/transitions/fail_rejected")
_REOPEN = sql.query("ledger/transitions/reopen_uploads")
_BEGIN_ZIP = sql.query("ledger/transitions/begin_zip")
_LOCK_ZIPS = sql.query("ledger/transitions/lock_zips")
_FINISH_ZIPS = sql.query("ledger/transitions/finish_zips")
_REOPEN_ZIPS = sql.query("ledger/transitions/reopen_zips")
_LOCK_BATCHES_OF = sql.query("ledger/transitions/lock_batches_of")
_LOCK_UPLOAD = sql.query("ledger/transitions/lock_upload")
_WITHDRAW_BATCHES = sql.query("ledger/transitions/withdraw_batches")
_DROP_PENDING_DELTAS = sql.query("ledger/transitions/drop_pending_deltas")


class Claim(msgspec.Struct, frozen=True):
    """A batch that one attempt works on. Only the holder of `token` can finish the batch."""

    batch_id: int
    upload_id: uuid.UUID
    token: uuid.UUID
    attempts: int
    first_line: int
    rows_staged: int | None
    """The number of its rows, as the cutter counted them; None if the batch was staged by an earlier release."""
    payload: bytes
    """CSV or JSON Lines, compressed with Zstandard."""
    options: Options
    format: Format
    received_at: datetime
    first: bool
    """Whether the claim is the first of its upload."""
    parent_id: uuid.UUID | None = None
    """The zip that holds the upload's file."""
    traceparent: str | None = None
    """The trace of the upload."""

    @property
    def listened(self) -> list[uuid.UUID]:
        """The uploads whose listeners want to know what becomes of the batch."""
        return [self.upload_id] if self.parent_id is None else [self.upload_id, self.parent_id]


class Finished(msgspec.Struct, frozen=True):
    """An upload without work left. Its outcome is its new state, or `rejected`, which is `failed` in the end."""

    id: uuid.UUID
    outcome: str
    traceparent: str | None
    seconds: float
    """From its first byte to this."""


class _Commonest(msgspec.Struct, frozen=True):
    """The commonest reason for which rows of an upload were rejected, and the first kept row with this reason."""

    rows_rejected: int
    code: str
    with_code: int
    all_looked_at: bool
    line: int | None
    message: str | None


class FailedBatch(msgspec.Struct, frozen=True):
    """A batch that failed for good. It is not `replayable` once its payload was purged."""

    id: int
    upload_id: uuid.UUID
    ordinal: int
    priority: Priority
    attempts: int
    replayable: bool
    rows: int | None
    """The number of its rows. None: an earlier release staged the batch."""
    error: Problem


def claim(conn: Connection, batch_id: int, *, settings: Settings, now: datetime) -> Claim | None:
    """Take a batch for one attempt, in a transaction of its own. None if the batch is not due, done, or taken."""
    with conn.transaction():
        taken = one(
            conn,
            Claim,
            _CLAIM,
            {
                "batch_id": batch_id,
                "token": uuid.uuid4(),
                "claimed_until": now + timedelta(seconds=settings.claim_seconds),
                "max_attempts": settings.max_attempts,
                "now": now,
            },
        )
        if taken is not None and taken.first:
            (parent_id,) = scalars(conn, _BEGIN, {"id": taken.upload_id}) or [None]
            if parent_id is not None:
                execute(conn, _BEGIN_ZIP, {"id": parent_id})
    return taken


def renew(conn: Connection, tokens: Sequence[uuid.UUID], *, settings: Settings, now: datetime) -> None:
    """Extend the claims of batches that are being worked on."""
    claimed_until = now + timedelta(seconds=settings.claim_seconds)
    execute(conn, _RENEW, {"tokens": list(tokens), "claimed_until": claimed_until})


def fail(
    conn: Connection, claim: Claim, problem: Problem, *, settings: Settings, now: datetime, its_own_fault: bool = True
) -> bool:
    """An attempt failed: the batch backs off, or fails once its attempts are used up.

    Returns whether the batch failed for good. If the database was in trouble, the failure was not the batch's own
    fault, and the attempt does not count.
    """
    with conn.transaction():
        state = scalars(
            conn,
            _FAIL,
            {
                "batch_id": claim.batch_id,
                "claim": claim.token,
                "error": msgspec.json.encode(problem).decode(),
                "its_own_fault": its_own_fault,
                "max_attempts": settings.max_attempts,
                "backoff_seconds": settings.backoff_seconds,
                "backoff_limit": settings.backoff_limit,
                "now": now,
            },
        )
        failed = state == ["failed"]
        finished = finish_uploads(conn, [claim.upload_id], now=now) if failed else []
    log_finished(finished)
    return failed


def give_back(conn: Connection, claims: Sequence[Claim]) -> None:
    """Give back the attempts of claims that failed with the database, which could not write down that they did.

    Attempts are counted by claims, so a database that is full for long would use them up.
    """
    with conn.transaction():
        lock_batches(conn, sorted({claim.batch_id for claim in claims}))
        for claim in claims:
            execute(conn, _GIVE_BACK, {"batch_id": claim.batch_id, "token": claim.token})


def lock_batches(conn: Connection, batch_ids: Sequence[int]) -> None:
    """Lock batches, in the order of id, until the end of the transaction."""
    execute(conn, _LOCK_BATCHES, {"ids": list(batch_ids)})


def finish_batches(conn: Connection, batch_ids: Sequence[int], *, now: datetime) -> list[Finished]:
    """counted -> applied for the batches whose last delta is merged; then their uploads, too.

    To be called last in a transaction, since other shards' merges want the same row locks. Returns the uploads that
    have no work left, for `log_finished` after the commit.
    """
    execute(conn, _LOCK_BATCHES, {"ids": list(batch_ids)})
    upload_ids = scalars(conn, _FINISH_BATCHES, {"ids": list(batch_ids), "now": now})
    return finish_uploads(conn, upload_ids, now=now) if upload_ids else []


def finish_uploads(conn: Connection, upload_ids: Sequence[uuid.UUID], *, now: datetime) -> list[Finished]:
    """applying -> applied or failed, for the uploads with no batch left to do. Inside the caller's transaction.

    Returns them, for `log_finished` after the commit; likewise `finish_zips`.
    """
    ids = sorted(set(upload_ids))
    zips = {each for each in scalars(conn, _LOCK_UPLOADS, {"ids": ids}) if each is not None}
    found = rows(conn, Finished, _FINISH_UPLOADS, {"ids": ids, "now": now})
    for finished in found:
        if finished.outcome == "rejected":
            _fail_rejected(conn, finished.id, now=now)
    return found + finish_zips(conn, sorted(zips), now=now)


def log_finished(finished: Sequence[Finished]) -> None:
    """Log which uploads have no work left, once the transaction that says so is committed."""
    for each in finished:
        state = "failed" if each.outcome == "rejected" else each.outcome
        upload, seconds, trace = str(each.id), round(each.seconds, 3), logged_trace(each.traceparent)
        with bound_contextvars(**trace):
            if state == "applied":
                log.info("applied", upload=upload, seconds=seconds)
            else:
                log.info("upload_finished", upload=upload, seconds=seconds, state=state)


def finish_zips(conn: Connection, zip_ids: Sequence[uuid.UUID], *, now: datetime) -> list[Finished]:
    """Finish those of the zips whose members are all finished. Inside the caller's transaction, after the members.

    Of two workers that finish two members at once, one waits for the zip's row, and then sees the other's member.
    """
    if not zip_ids:
        return []
    execute(conn, _LOCK_ZIPS, {"ids": list(zip_ids)})
    return rows(conn, Finished, _FINISH_ZIPS, {"ids": list(zip_ids), "now": now})


def lock_zip(conn: Connection, zip_id: uuid.UUID) -> None:
    """Lock a zip, after its members, until the end of the transaction."""
    execute(conn, _LOCK_ZIPS, {"ids": [zip_id]})


def _fail_rejected(conn: Connection, upload_id: uuid.UUID, *, now: datetime) -> None:
    """applying or checking -> failed, for an upload whose every row was rejected."""
    commonest = one(conn, _Commonest, _COMMONEST_REJECT, {"id": upload_id, "limit": REJECTS_LOOKED_AT})
    refused = AllRejected("all rows were rejected; their rejects are purged.")
    if commonest is not None:
        among = "" if commonest.all_looked_at else f" of the first {REJECTS_LOOKED_AT:,}"
        refused = AllRejected.because(
            commonest.rows_rejected,
            commonest.code,
            f"{commonest.with_code:,}{among}",
            line=commonest.line,
            message=commonest.message,
        )
    execute(
        conn,
        _FAIL_REJECTED,
        {"id": upload_id, "error": msgspec.json.encode(refused.problem()).decode(), "now": now},
    )


class BatchOfUpload(msgspec.Struct):
    id: int
    upload_id: uuid.UUID


def failed_batches(
    conn: Connection, *, upload_id: uuid.UUID | None = None, batch_id: int | None = None
) -> list[FailedBatch]:
    """The batches that failed for good: all of them, those of one upload, or one batch."""
    return rows(conn, FailedBatch, _FAILED, {"upload_id": upload_id, "batch_id": batch_id})


def replay(conn: Connection, batch_ids: Sequence[int], *, now: datetime, caller: Caller | None = None) -> list[int]:
    """failed -> staged, with fresh attempts. Returns the ids that moved, for the caller to ring after the commit."""
    with acting(conn, caller):
        execute(conn, _LOCK_BATCHES, {"ids": list(batch_ids)})
        moved = rows(conn, BatchOfUpload, _REPLAY, {"ids": list(batch_ids), "now": now})
        uploads = sorted({row.upload_id for row in moved})
        # A merge may be finishing the upload at this moment. One of the two waits, and then sees what the other did.
        zips = {each for each in scalars(conn, _LOCK_UPLOADS, {"ids": uploads}) if each is not None}
        execute(conn, _REOPEN, {"ids": uploads})
        if zips:
            execute(conn, _LOCK_ZIPS, {"ids": sorted(zips)})
            execute(conn, _REOPEN_ZIPS, {"ids": sorted(zips)})
        if caller is not None:
            for each, batches in Counter(row.upload_id for row in moved).items():
                record(conn, caller, Action.UPLOAD_REPLAY, str(each), detail={"batches": batches})
    return sorted(row.id for row in moved)


class LockedUpload(msgspec.Struct, frozen=True):
    """An upload whose row is locked until the end of the transaction."""

    state: UploadState
    options: Options
    with_ids: bool
    """Whether its posts have ids."""
    parent_id: uuid.UUID | None = None
    """The zip that holds it."""


def lock_batches_of(conn: Connection, upload_id: uuid.UUID) -> list[int]:
    """Lock an upload's batches, in the order of id, until the end of the transaction. Returns their ids."""
    return scalars(conn, _LOCK_BATCHES_OF, {"upload_id": upload_id})


def lock_upload(conn: Connection, upload_id: uuid.UUID) -> LockedUpload:
    """Lock an upload, after its batches, until the end of the transaction. Raises NotFound."""
    found = one(conn, LockedUpload, _LOCK_UPLOAD, {"id": upload_id})
    if found is None:
        raise NotFound(f"the ledger has no upload {upload_id}.")
    return found


def drop_pending_deltas(conn: Connection, upload_id: uuid.UUID) -> None:
    """Delete an upload's deltas that were never merged. The caller has locked every shard, or the deltas are held."""
    execute(conn, _DROP_PENDING_DELTAS, {"upload_id": upload_id})


def withdraw_batches(conn: Connection, upload_id: uuid.UUID) -> None:
    """An upload's batches become `cancelled`, or `retracting` where deltas are to be taken out again."""
    execute(conn, _WITHDRAW_BATCHES, {"upload_id": upload_id})


def delete_batches(conn: Connection, upload_ids: Sequence[uuid.UUID]) -> None:
    """Delete the batches of uploads that came to nothing before they were sealed."""
    execute(conn, DELETE_BATCHES, {"upload_ids": list(upload_ids)})

"""The ledger: which upload and batch is in which state, and the only ways to move them on.

    upload   receiving -> staged -> applying -> applied | failed           failed -> applying (replay)
             receiving -> aborted | duplicate | cancelled
             staged -> checking -> checked | failed                        (dry run)
             staged | applying | checking -> cancelling -> cancelled       applied | failed -> retracting -> retracted
    batch    staged -> counted -> applied -> retracting -> retracted       staged -> failed -> staged (replay)
             staged -> checked                                             staged | counted | failed -> cancelled

Every transition is a guarded UPDATE; that it touched no row is an answer, not an error: somebody else was first.
Row locks are taken on batches before uploads, each in the order of id.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

import sql
from app.errors import Problem
from app.posts.options import Clock, ColumnNames, Format
from app.settings import Settings
from app.store.postgres import Connection, execute, one, rows, scalars

SWEEP_LOCK = 0x6D67_0000_0001
"""Key of the advisory lock of the one sweep at a time."""

_CLAIM = sql.query("batches/claim")
_RENEW = sql.query("batches/renew")
_FAIL = sql.query("batches/fail")
_EXPIRE = sql.query("batches/expire")
_RING_DUE = sql.query("batches/ring_due")
_LOCK_BATCHES = sql.query("batches/lock")
_FINISH_BATCHES = sql.query("batches/finish")
_FAILED = sql.query("batches/failed")
_REPLAY = sql.query("batches/replay")
_DELETE_BATCHES = sql.query("batches/delete")
_BEGIN = sql.query("uploads/begin")
_LOCK_UPLOADS = sql.query("uploads/lock")
_FINISH_UPLOADS = sql.query("uploads/finish")
_REOPEN = sql.query("uploads/reopen")
_ABORT_SILENT = sql.query("uploads/abort_silent")
_LOCK_SWEEP = sql.query("ledger/lock_sweep")
_PENDING_SHARDS = sql.query("deltas/pending_shards")
_PARAMETERS = sql.query("graph/parameters")


class UploadState(StrEnum):
    """States of an upload; see the picture above."""

    RECEIVING = "receiving"
    STAGED = "staged"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    CHECKING = "checking"
    CHECKED = "checked"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    DUPLICATE = "duplicate"
    RETRACTING = "retracting"
    RETRACTED = "retracted"


UNFINISHED = frozenset(
    {
        UploadState.RECEIVING,
        UploadState.STAGED,
        UploadState.APPLYING,
        UploadState.CHECKING,
        UploadState.CANCELLING,
        UploadState.RETRACTING,
    }
)


class Priority(StrEnum):
    """Which queue an upload's work waits in."""

    URGENT = "urgent"
    BULK = "bulk"


class InputFormat(StrEnum):
    """What a body is."""

    CSV = "csv"
    JSONL = "jsonl"


class RejectLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many rows of an upload may be rejected: a number, or a share of its rows (0 to 1)."""

    rows: int | None = None
    share: float | None = None

    def exceeded(self, *, rejected: int, received: int) -> bool:
        """Whether it is, once every row was looked at."""
        too_many = self.rows is not None and rejected > self.rows
        return too_many or (self.share is not None and rejected > self.share * received)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How an upload is to be read and counted; kept with it."""

    columns: ColumnNames = ColumnNames()
    """Names of columns (CSV) or of keys (JSON Lines)."""
    format: InputFormat = InputFormat.CSV
    encoding: str = "utf-8"
    """Of the decoded body: utf-8, utf-16 (by its byte order mark), latin-1."""
    delimiter: str = ","
    profile: str = "twitter"
    retweets: bool = True
    """Whether mentions in retweets (posts that begin with `RT @…`) count."""
    clock: Clock = Clock.ARRIVAL
    priority: Priority = Priority.BULK
    dry_run: bool = False
    """Read and count everything, and leave the graph as it is."""
    max_rejects: RejectLimit | None = None
    """Beyond it the upload fails before anything of it is applied."""

    def counts_like(self, other: Options) -> bool:
        """Whether the same bytes come to the same edges with either."""
        return self == msgspec.structs.replace(
            other, priority=self.priority, max_rejects=self.max_rejects, dry_run=self.dry_run
        )


class GraphParameters(msgspec.Struct, frozen=True):
    """What every process must agree on; kept in the database."""

    half_life: timedelta
    shards: int
    handle_bits: int


class Claim(msgspec.Struct, frozen=True):
    """A batch in this attempt's hands. Only the holder of `token` can finish it."""

    batch_id: int
    upload_id: uuid.UUID
    token: uuid.UUID
    attempts: int
    first_line: int
    payload: bytes
    """CSV, compressed with Zstandard."""
    options: Options
    format: Format
    received_at: datetime
    first: bool
    """Whether it is the first of its upload."""


class Ring(msgspec.Struct, frozen=True):
    """A bell to ring: a batch to count, or a shard to merge."""

    id: int
    priority: Priority


class Sweep(msgspec.Struct, frozen=True):
    """What a sweep found to do."""

    batches: list[Ring]
    shards: list[Ring]
    failed_batches: int
    aborted_uploads: int


class FailedBatch(msgspec.Struct, frozen=True):
    """A batch that failed for good. Not `replayable` once its payload was purged."""

    id: int
    upload_id: uuid.UUID
    ordinal: int
    priority: Priority
    attempts: int
    replayable: bool
    error: Problem


def parameters(conn: Connection) -> GraphParameters:
    """The parameters of this database's graph."""
    found = one(conn, GraphParameters, _PARAMETERS)
    if found is None:
        raise LookupError("graph_parameters holds no row")
    return found


def claim(conn: Connection, batch_id: int, *, settings: Settings, now: datetime) -> Claim | None:
    """Take a batch for one attempt, in a transaction of its own; None if it is not due, done, or in other hands."""
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
            execute(conn, _BEGIN, {"id": taken.upload_id})
    return taken


def renew(conn: Connection, tokens: Sequence[uuid.UUID], *, settings: Settings, now: datetime) -> None:
    """Keep claims alive that are being worked on."""
    claimed_until = now + timedelta(seconds=settings.claim_seconds)
    execute(conn, _RENEW, {"tokens": list(tokens), "claimed_until": claimed_until})


def fail(
    conn: Connection, claim: Claim, problem: Problem, *, settings: Settings, now: datetime, its_own_fault: bool = True
) -> bool:
    """An attempt failed: back off, or fail the batch once its attempts are used up. True if it failed for good.

    Where it was not the batch's own fault (the database was in trouble), the attempt is given back.
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
        if failed:
            finish_uploads(conn, [claim.upload_id], now=now)
    return failed


def finish_batches(conn: Connection, batch_ids: Sequence[int], *, now: datetime) -> None:
    """counted -> applied for those whose last delta is merged, and so on to their uploads. Last in a transaction: it
    locks rows that other shards' merges want too."""
    execute(conn, _LOCK_BATCHES, {"ids": list(batch_ids)})
    upload_ids = scalars(conn, _FINISH_BATCHES, {"ids": list(batch_ids), "now": now})
    if upload_ids:
        finish_uploads(conn, upload_ids, now=now)


def finish_uploads(conn: Connection, upload_ids: Sequence[uuid.UUID], *, now: datetime) -> None:
    """applying -> applied or failed, for those with no batch left to do. Inside the caller's transaction."""
    ids = sorted(set(upload_ids))
    execute(conn, _LOCK_UPLOADS, {"ids": ids})
    execute(conn, _FINISH_UPLOADS, {"ids": ids, "now": now})


def sweep(conn: Connection, *, settings: Settings, now: datetime, queues_empty: bool, limit: int = 500) -> Sweep | None:
    """One look over the ledger for what nobody will do by itself; None while another sweep is at it.

    Due batches are answered to be rung again: at once where the queues are empty (then their bells are lost), otherwise
    when the last ring is `ring_again_seconds` old. Batches out of attempts fail; uploads whose receiver is gone abort.
    """
    patience = 0.0 if queues_empty else settings.ring_again_seconds
    with conn.transaction():
        if scalars(conn, _LOCK_SWEEP, {"key": SWEEP_LOCK}) != [True]:
            return None
        aborted = _abort_silent(conn, settings=settings, now=now)
        failed = _expire(conn, settings=settings, now=now)
        due = rows(
            conn, Ring, _RING_DUE, {"now": now, "rung_before": now - timedelta(seconds=patience), "limit": limit}
        )
        shards = rows(conn, Ring, _PENDING_SHARDS)
    return Sweep(
        batches=sorted(due, key=lambda ring: ring.id),
        shards=shards,
        failed_batches=failed,
        aborted_uploads=aborted,
    )


def _abort_silent(conn: Connection, *, settings: Settings, now: datetime) -> int:
    # Somebody who waits for PostgreSQL is silent, and goes on.
    silence = timedelta(seconds=2 * settings.heartbeat_seconds + settings.database_patience)
    problem = Problem(
        type="urn:mentiongraph:problem:upload-cut-off",
        title="The process that received the upload is gone",
        status=400,
        detail=f"Nothing was heard of it for {silence.total_seconds():g} s. Send the file again.",
    )
    ids = scalars(
        conn,
        _ABORT_SILENT,
        {
            "silent_since": now - silence,
            "error": msgspec.json.encode(problem).decode(),
            "now": now,
        },
    )
    if ids:
        execute(conn, _DELETE_BATCHES, {"upload_ids": ids})
    return len(ids)


class _BatchOfUpload(msgspec.Struct):
    id: int
    upload_id: uuid.UUID


def _expire(conn: Connection, *, settings: Settings, now: datetime) -> int:
    problem = Problem(
        type="urn:mentiongraph:problem:worker-lost",
        title="Every worker that took this batch was lost",
        status=500,
        detail=f"{settings.max_attempts} workers claimed it and none came back: it may kill them (memory?). "
        "Look at the workers' logs; then `mentiongraph replay --batch`.",
    )
    expired = rows(
        conn,
        _BatchOfUpload,
        _EXPIRE,
        {"max_attempts": settings.max_attempts, "error": msgspec.json.encode(problem).decode(), "now": now},
    )
    if expired:
        finish_uploads(conn, [row.upload_id for row in expired], now=now)
    return len(expired)


def failed_batches(
    conn: Connection, *, upload_id: uuid.UUID | None = None, batch_id: int | None = None
) -> list[FailedBatch]:
    """Batches that failed for good: all, an upload's, or one."""
    return rows(conn, FailedBatch, _FAILED, {"upload_id": upload_id, "batch_id": batch_id})


def replay(conn: Connection, batch_ids: Sequence[int], *, now: datetime) -> list[int]:
    """failed -> staged, with fresh attempts; the ids that moved. Their bells are the caller's to ring, after."""
    with conn.transaction():
        execute(conn, _LOCK_BATCHES, {"ids": list(batch_ids)})
        moved = rows(conn, _BatchOfUpload, _REPLAY, {"ids": list(batch_ids), "now": now})
        uploads = sorted({row.upload_id for row in moved})
        # A merge may be finishing the upload at this moment: one of the two waits, and sees what the other did.
        execute(conn, _LOCK_UPLOADS, {"ids": uploads})
        execute(conn, _REOPEN, {"ids": uploads})
    return sorted(row.id for row in moved)

"""The sweep: one look over the ledger for lost rings, lost workers and lost receivers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

import sql
from app.errors import UploadCutOff, WorkerLost
from app.ledger import totals
from app.ledger.states import Ring
from app.ledger.transitions import BatchOfUpload, delete_batches, finish_uploads, finish_zips
from app.settings import Settings
from app.store import locks
from app.store.postgres import Connection, rows, scalars

_EXPIRE = sql.query("ledger/sweeping/expire_batches")
_RING_DUE = sql.query("ledger/sweeping/ring_due")
_ABORT_SILENT = sql.query("ledger/sweeping/abort_silent")
_IDLE_ZIPS = sql.query("ledger/sweeping/idle_zips")
_ANY_WAITS = sql.query("ledger/sweeping/any_waits")
_INSERTED = sql.query("ledger/sweeping/inserted")
_PENDING_SHARDS = sql.query("ledger/sweeping/pending_shards")


class _Inserted(msgspec.Struct, frozen=True):
    database: str
    inserted: int


class Sweep(msgspec.Struct, frozen=True):
    """What a sweep found: the rings to send, and how much it ended."""

    batches: list[Ring]
    shards: list[Ring]
    failed_batches: int
    aborted_uploads: int
    waits: bool = False
    """Whether there is work that is not due yet, such as a batch whose worker was killed: another sweep is to come."""


def sweep(conn: Connection, *, settings: Settings, now: datetime, queues_empty: bool, limit: int = 500) -> Sweep | None:
    """Look over the ledger once. Returns None while another sweep is running.

    The sweep returns due batches to ring again: at once if the queues are empty (their rings are lost then), and
    otherwise when the last ring is `ring_again_seconds` old. Batches without attempts left fail. Uploads whose receiver
    is gone are aborted. With a `limit` of 0, batches wait: none is rung.
    """
    patience = 0.0 if queues_empty else settings.ring_again_seconds
    with conn.transaction():
        if not locks.try_take(conn, locks.SWEEP):
            return None
        aborted = _abort_silent(conn, settings=settings, now=now)
        failed = _expire(conn, settings=settings, now=now)
        finish_zips(conn, scalars(conn, _IDLE_ZIPS), now=now)
        totals.fold(conn)
        due = rows(
            conn, Ring, _RING_DUE, {"now": now, "rung_before": now - timedelta(seconds=patience), "limit": limit}
        )
        shards = rows(conn, Ring, _PENDING_SHARDS)
        (waits,) = scalars(conn, _ANY_WAITS)
    return Sweep(
        batches=sorted(due, key=lambda ring: ring.id),
        shards=shards,
        failed_batches=failed,
        aborted_uploads=aborted,
        waits=waits,
    )


def inserted(conn: Connection, databases: Sequence[str]) -> dict[str, int]:
    """How many rows were ever inserted into these databases of the connection's server. A number that stands still says
    that nothing began in the database."""
    found = rows(conn, _Inserted, _INSERTED, {"databases": list(databases)})
    return {each.database: each.inserted for each in found}


def _abort_silent(conn: Connection, *, settings: Settings, now: datetime) -> int:
    # A receiver that waits for PostgreSQL leaves no heartbeat, and goes on afterwards.
    silence = timedelta(seconds=2 * settings.heartbeat_seconds + settings.database_patience)
    lost = UploadCutOff(
        f"the process that received the upload sent no heartbeat for {silence.total_seconds():g} s. "
        "Send the file again."
    )
    ids = scalars(
        conn,
        _ABORT_SILENT,
        {
            "silent_since": now - silence,
            "error": msgspec.json.encode(lost.problem()).decode(),
            "now": now,
        },
    )
    if ids:
        delete_batches(conn, ids)
    return len(ids)


def _expire(conn: Connection, *, settings: Settings, now: datetime) -> int:
    lost = WorkerLost(
        f"{settings.max_attempts} workers took the batch and none came back: the batch may kill them (memory?). "
        "Look at the workers' logs; then run `mentiongraph replay --batch`."
    )
    expired = rows(
        conn,
        BatchOfUpload,
        _EXPIRE,
        {"max_attempts": settings.max_attempts, "error": msgspec.json.encode(lost.problem()).decode(), "now": now},
    )
    if expired:
        finish_uploads(conn, [row.upload_id for row in expired], now=now)
    return len(expired)

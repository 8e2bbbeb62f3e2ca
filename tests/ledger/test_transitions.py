"""Each change of state begins where it may begin, and touches nothing but the upload or the batch that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier

import sql
from app.ledger.states import UNFINISHED, UploadState
from app.store.postgres import Connection, scalars

UPLOADS: dict[str, dict[str, str]] = {
    "ledger/receiving/heartbeat": {"receiving": "receiving"},
    "ledger/sealing/seal": {"receiving": "staged"},
    "ledger/sealing/seal_zip": {"receiving": "staged"},
    "ledger/sealing/abort": {"receiving": "aborted"},
    "ledger/sealing/set_duplicate": {"receiving": "duplicate"},
    "ledger/transitions/begin_upload": {"staged": "applying"},
    "ledger/transitions/begin_zip": {"staged": "applying"},
    "ledger/transitions/finish_uploads": {
        "staged": "applied",
        "applying": "applied",
        "checking": "applied",
        "cancelling": "cancelled",
        "retracting": "retracted",
    },
    "ledger/transitions/fail_rejected": {"staged": "failed", "applying": "failed", "checking": "failed"},
    "ledger/transitions/reopen_uploads": {"failed": "applying"},
    "ledger/transitions/reopen_zips": {"failed": "applying"},
    "ledger/limits/refuse_upload": {"staged": "failed", "applying": "failed"},
    "graph/withdrawal/cancel_receiving": {"receiving": "cancelled"},
    "graph/withdrawal/withdraw_upload": {"applied": "retracting", "failed": "retracting"},
}
"""The statements that move an upload, with what an upload becomes from which state. All other states stay."""

CANCELLING = {"staged": "cancelling", "applying": "cancelling", "checking": "cancelling"}

BATCH_STATES = ("staged", "counted", "applied", "failed", "checked", "cancelled", "retracting", "retracted")

BATCHES: dict[str, dict[str, str]] = {
    "ledger/transitions/claim": {"staged": "staged"},
    "ledger/transitions/fail": {"staged": "staged"},
    "ledger/transitions/replay": {"failed": "staged"},
    "ledger/transitions/finish_batches": {"counted": "applied", "retracting": "retracted"},
    "ledger/transitions/withdraw_batches": {
        "staged": "cancelled",
        "counted": "cancelled",
        "applied": "retracted",
        "failed": "cancelled",
        "checked": "cancelled",
    },
    "graph/counting/set_counted": {"staged": "counted"},
    "graph/post_ids/lock_claimed": {"staged": "staged"},
    "ledger/bells/ring_batches": {"staged": "staged"},
}
"""The statements that move or hold a batch, with what a batch becomes from which state."""


LOCKS: dict[str, tuple[str, str]] = {
    "ledger/transitions/lock_batches": ("batches", "applied"),
    "ledger/transitions/lock_batches_of": ("batches", "applied"),
    "ledger/transitions/lock_uploads": ("uploads", "applied"),
    "ledger/transitions/lock_zips": ("uploads", "applied"),
    "ledger/transitions/lock_upload": ("uploads", "applied"),
    "ledger/retention/lock_upload": ("uploads", "applied"),
    "ledger/retention/lock_batches": ("batches", "applied"),
    "ledger/staging/insert_batch": ("uploads", "receiving"),
    "ledger/unpacking/insert_member": ("uploads", "receiving"),
    "graph/post_ids/lock_claimed": ("batches", "staged"),
}
"""The statements that lock one row, with the row's table and the state of its upload."""


class There(NamedTuple):
    """Each upload by its state, and each upload with one batch by the batch's state."""

    uploads: dict[str, UUID]
    batches: dict[str, tuple[UUID, int]]


@pytest.fixture
def there(conn: Connection, now: datetime) -> There:
    uploads = {state.value: insert_upload(conn, state, now) for state in UploadState}
    for upload in uploads.values():
        insert_batch(conn, upload, "applied", now)
    batches = dict[str, tuple[UUID, int]]()
    for state in BATCH_STATES:
        upload = insert_upload(conn, UploadState.APPLYING, now)
        batches[state] = upload, insert_batch(conn, upload, state, now)
    return There(uploads, batches)


def insert_upload(conn: Connection, state: UploadState, now: datetime, *, parent: UUID | None = None) -> UUID:
    upload = uuid4()
    duplicate_of = upload if state is UploadState.DUPLICATE else None
    finished_at = None if state in UNFINISHED else now
    conn.execute(
        """
        INSERT INTO uploads (id, state, options, again, received_by, received_at, heartbeat_at, sealed_at, sha256,
          size_bytes, batch_count, duplicate_of, finished_at, parent_id)
        VALUES (%s, %s, '{}', true, 'test', %s, %s, %s, sha256('x'), 1, 1, %s, %s, %s)
        """,
        [upload, state, now, now, now, duplicate_of, finished_at, parent],
    )
    return upload


def insert_batch(conn: Connection, upload: UUID, state: str, now: datetime) -> int:
    [batch] = conn.execute(
        """
        INSERT INTO batches (upload_id, ordinal, first_line, size_bytes, state, payload, next_attempt_at, staged_at,
          counted_at, applied_at, rows_received, rows_accepted, rows_rejected, mentions, edges, profile,
          profile_version, error)
        VALUES (%s, 0, 1, 1, %s, 'x', %s, %s, %s, %s, 1, 1, 0, 0, 0, 'twitter', 1, '{}')
        RETURNING id
        """,
        [upload, state, now, now, now, now],
    ).fetchone() or [0]
    return batch


def parameters(upload: UUID, batch: int, claim: UUID, now: datetime) -> dict[str, Any]:
    """Whatever the statements ask for. All of it is about one upload and its batch."""
    about = {"id": upload, "upload_id": upload, "batch_id": batch, "claim": claim, "token": claim, "now": now}
    texts = {"error": "{}", "options": "{}", "format": "{}", "warnings": None, "profile": "twitter"}
    numbers = {"size_bytes": 1, "batch_count": 1, "members": 1, "profile_version": 1, "rows_received": 1}
    rows = {"rows_accepted": 1, "rows_rejected": 0, "mentions": 0, "edges": 0, "all_known": False, "sha256": b"x" * 32}
    fails = {"its_own_fault": True, "max_attempts": 9, "backoff_seconds": 1.0, "backoff_limit": 9.0}
    return about | texts | numbers | rows | fails | {"duplicate_of": upload, "claimed_until": now}


def all_states(conn: Connection) -> dict[object, str]:
    """The state of each upload and of each batch, by its id."""
    uploads = conn.execute("SELECT id, state FROM uploads").fetchall()
    return dict(uploads) | dict(conn.execute("SELECT id, state FROM batches").fetchall())


def check(conn: Connection, statement: str, given: Mapping[str, Any], moved: object, becomes: str | None) -> None:
    """Run a statement: it touches one row, which becomes what is expected, or none. Then undo the statement."""
    before = all_states(conn)
    with conn.transaction(force_rollback=True):
        touched = conn.execute(sql.query(statement), given).rowcount  # pyright: ignore[reportArgumentType]
        after = all_states(conn)
    assert touched == (0 if becomes is None else 1)
    assert after == (before if becomes is None else before | {moved: becomes})


@pytest.mark.parametrize("statement", UPLOADS)
def test_an_upload_moves_only_from_where_it_may(conn: Connection, there: There, now: datetime, statement: str) -> None:
    for state, upload in there.uploads.items():
        given = parameters(upload, 0, uuid4(), now) | {"ids": [upload], "state": "retracting"}
        check(conn, statement, given, upload, UPLOADS[statement].get(state))


def test_an_upload_is_cancelled_only_while_it_is_worked_on(conn: Connection, there: There) -> None:
    for state, upload in there.uploads.items():
        given = {"id": upload, "state": "cancelling"}
        check(conn, "graph/withdrawal/withdraw_upload", given, upload, CANCELLING.get(state))


@pytest.mark.parametrize("statement", BATCHES)
def test_a_batch_moves_only_from_where_it_may(conn: Connection, there: There, now: datetime, statement: str) -> None:
    claim = uuid4()
    if statement not in {"ledger/transitions/claim", "ledger/transitions/replay"}:
        conn.execute("UPDATE batches SET claim = %s, claimed_until = %s WHERE state = 'staged'", [claim, now])
    for state, (upload, batch) in there.batches.items():
        given = parameters(upload, batch, claim, now) | {"ids": [batch], "state": "counted"}
        check(conn, statement, given, batch, BATCHES[statement].get(state))


@pytest.mark.parametrize("statement", LOCKS)
def test_a_row_stays_locked_until_the_end_and_no_other(
    conn: Connection, dsn: str, there: There, now: datetime, statement: str
) -> None:
    table, state = LOCKS[statement]
    claim = uuid4()
    conn.execute("UPDATE batches SET claim = %s, claimed_until = %s WHERE state = 'staged'", [claim, now])
    upload = there.uploads[state] if state != "staged" else there.batches[state][0]
    [batch] = scalars(conn, "SELECT id FROM batches WHERE upload_id = %(id)s", {"id": upload})
    rows = {"ordinal": 1, "first_line": 2, "rows_staged": 1, "payload": b"x", "filename": "posts.csv", "limit": 9}
    given = parameters(upload, batch, claim, now) | rows | {"finished_before": now + timedelta(days=1)}
    given |= {"ids": [upload if table == "uploads" else batch], "parent_id": upload}
    if statement == "ledger/unpacking/insert_member":
        given["id"] = uuid4()
    free = sql_on(table, "SELECT id FROM {table} ORDER BY id FOR NO KEY UPDATE SKIP LOCKED")
    every = {row[0] for row in conn.execute(free).fetchall()}

    with conn.transaction(), psycopg.connect(dsn) as other:
        conn.execute(sql.query(statement), given)
        left = {row[0] for row in other.execute(free).fetchall()}

    assert every - left == {upload if table == "uploads" else batch}


def sql_on(table: str, statement: LiteralString) -> Composed:
    return SQL(statement).format(table=Identifier(table))

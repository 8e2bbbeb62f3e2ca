"""Rows of the ledger entered as they are, in any state, for tests of single statements. Their payloads hold nothing."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from app.ledger.states import UNFINISHED, UploadState
from app.store.postgres import Connection


def insert_upload(
    conn: Connection,
    state: UploadState,
    now: datetime,
    *,
    parent: UUID | None = None,
    members: int | None = None,
    options: str = "{}",
    upload_id: UUID | None = None,
) -> UUID:
    upload = upload_id or uuid4()
    duplicate_of = upload if state is UploadState.DUPLICATE else None
    finished_at = None if state in UNFINISHED else now
    conn.execute(
        """
        INSERT INTO uploads (id, state, options, again, received_by, received_at, heartbeat_at, sealed_at, sha256,
          size_bytes, batch_count, duplicate_of, finished_at, parent_id, members)
        VALUES (%s, %s, %s, true, 'test', %s, %s, %s, sha256('x'), 1, 1, %s, %s, %s, %s)
        """,
        [upload, state, options, now, now, now, duplicate_of, finished_at, parent, members],
    )
    return upload


def insert_batch(
    conn: Connection, upload: UUID, state: str, now: datetime, *, ordinal: int = 0, accepted: int = 1
) -> int:
    [batch] = conn.execute(
        """
        INSERT INTO batches (upload_id, ordinal, first_line, size_bytes, state, payload, next_attempt_at, staged_at,
          counted_at, applied_at, rows_received, rows_accepted, rows_rejected, mentions, edges, profile,
          profile_version, error)
        VALUES (%s, %s, 1, 1, %s, 'x', %s, %s, %s, %s, 1, %s, %s, 0, 0, 'twitter', 1, '{}')
        RETURNING id
        """,
        [upload, ordinal, state, now, now, now, now, accepted, 1 - accepted],
    ).fetchone() or [0]
    return batch


def insert_delta(
    conn: Connection,
    batch: int,
    *,
    shard: int = 0,
    part: int = 0,
    sign: int = 1,
    held: bool = False,
    merged_at: datetime | None = None,
) -> None:
    conn.execute(
        """
        INSERT INTO deltas (shard, batch_id, part, edges, mentions, payload, sign, held, merged_at)
        VALUES (%s, %s, %s, 1, 1, 'x', %s, %s, %s)
        """,
        [shard, batch, part, sign, held, merged_at],
    )

"""Which batches are rung, claimed, or given up: each is due but for one thing, and its other instants say otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection
from tests.entering import insert_batch, insert_upload

HOUR, DAY, LATER = timedelta(hours=-1), timedelta(days=-1), timedelta(hours=1)
MINUTE = timedelta(minutes=-1)
MAX_ATTEMPTS = 3


class Batch(NamedTuple):
    """A batch, with its instants as seen from now, and what is done about it."""

    rung: bool = False
    claimed: bool = False
    failed: bool = False
    state: str = "staged"
    upload: UploadState = UploadState.STAGED
    next_attempt_at: timedelta = HOUR
    rung_at: timedelta | None = DAY
    claimed_until: timedelta | None = None
    other_instants: timedelta | None = DAY
    attempts: int = 1
    payload: bytes | None = b"x"


BATCHES = {
    "never rung": Batch(rung=True, claimed=True, rung_at=None),
    "rung long ago": Batch(rung=True, claimed=True),
    "rung just now": Batch(claimed=True, rung_at=MINUTE),
    "rung just now, and no other instant": Batch(claimed=True, rung_at=MINUTE, other_instants=None),
    "rung before its next attempt": Batch(rung=True, claimed=True, rung_at=2 * MINUTE, next_attempt_at=MINUTE),
    "backing off": Batch(next_attempt_at=LATER),
    "claimed": Batch(claimed_until=LATER),
    "claimed, and no other instant": Batch(claimed_until=LATER, rung_at=None, other_instants=None),
    "claimed by who is gone": Batch(rung=True, claimed=True, claimed_until=HOUR),
    "counted": Batch(state="counted"),
    "of an upload that arrives": Batch(upload=UploadState.RECEIVING),
    "of an upload that is cancelled": Batch(upload=UploadState.CANCELLING),
    "of a dry run": Batch(rung=True, claimed=True, upload=UploadState.CHECKING),
    "of an upload that is applied": Batch(rung=True, claimed=True, upload=UploadState.APPLYING),
    "without its payload": Batch(rung=True, payload=None),
    "out of attempts": Batch(rung=True, failed=True, attempts=MAX_ATTEMPTS),
    "in its last attempt": Batch(attempts=MAX_ATTEMPTS, claimed_until=LATER),
    "in its last attempt, and no other instant": Batch(
        attempts=MAX_ATTEMPTS, claimed_until=LATER, rung_at=None, other_instants=None
    ),
    "killed in its last attempt": Batch(rung=True, failed=True, attempts=MAX_ATTEMPTS, claimed_until=HOUR),
    "counted in its last attempt": Batch(state="counted", attempts=MAX_ATTEMPTS),
}


def enter(conn: Connection, batch: Batch, now: datetime) -> tuple[UUID, int]:
    def at(since: timedelta | None) -> datetime | None:
        return None if since is None else now + since

    upload = insert_upload(conn, batch.upload, now)
    entered = insert_batch(conn, upload, batch.state, now)
    others = at(batch.other_instants)
    counted_at = others or (now if batch.state == "counted" else None)
    conn.execute(
        """
        UPDATE batches SET next_attempt_at = %s, rung_at = %s, claim = %s, claimed_until = %s, staged_at = %s,
          counted_at = %s, applied_at = %s, attempts = %s, payload = %s
        WHERE id = %s
        """,
        [
            at(batch.next_attempt_at),
            at(batch.rung_at),
            uuid4() if batch.claimed_until else None,
            at(batch.claimed_until),
            now + DAY,
            counted_at,
            others,
            batch.attempts,
            batch.payload,
            entered,
        ],
    )
    return upload, entered


@pytest.fixture
def batches(conn: Connection, now: datetime) -> dict[str, tuple[UUID, int]]:
    return {name: enter(conn, batch, now) for name, batch in BATCHES.items()}


def test_batches_that_are_due_are_rung(conn: Connection, batches: dict[str, tuple[UUID, int]], now: datetime) -> None:
    given = {"now": now, "rung_before": now + HOUR / 2, "limit": 100}
    rung = {row[0] for row in conn.execute(sql.query("ledger/sweeping/ring_due"), given).fetchall()}

    assert {name for name, (_, batch) in batches.items() if batch in rung} == {
        name for name, batch in BATCHES.items() if batch.rung
    }
    at = "SELECT id FROM batches WHERE rung_at = %s"
    assert {row[0] for row in conn.execute(at, [now]).fetchall()} == rung


def test_a_batch_is_claimed_while_it_is_due(
    conn: Connection, batches: dict[str, tuple[UUID, int]], now: datetime
) -> None:
    claimed = set[str]()
    for name, (upload, batch) in batches.items():
        about = {"batch_id": batch, "token": uuid4(), "now": now, "claimed_until": now + LATER}
        with conn.transaction(force_rollback=True):
            rows = conn.execute(sql.query("ledger/transitions/claim"), about | {"max_attempts": MAX_ATTEMPTS})
            found = [(row[0], row[1]) for row in rows.fetchall()]
        assert found in ([], [(batch, upload)])
        if found:
            claimed.add(name)

    assert claimed == {name for name, batch in BATCHES.items() if batch.claimed}


def test_a_batch_without_attempts_left_is_given_up_once_nobody_has_it(
    conn: Connection, batches: dict[str, tuple[UUID, int]], now: datetime
) -> None:
    given = {"max_attempts": MAX_ATTEMPTS, "error": "{}", "now": now}
    failed = {row[0] for row in conn.execute(sql.query("ledger/sweeping/expire_batches"), given).fetchall()}

    assert {name for name, (_, batch) in batches.items() if batch in failed} == {
        name for name, batch in BATCHES.items() if batch.failed
    }

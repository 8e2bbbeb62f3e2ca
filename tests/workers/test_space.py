"""Batches wait while there is no room: no attempt is used up, and they are counted once there is room again."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from app.ledger import space, transitions
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from tests.graphs import apply_all
from tests.uploading import posts_csv, upload
from workers import count as counting
from workers.count import count
from workers.process import Process

Connection = psycopg.Connection[Any]
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
RUNS_OUT = """
CREATE FUNCTION run_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END;
$$
"""


@pytest.fixture
def worker(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Process]:
    """A worker that sees the disk of a directory."""
    monkeypatch.setattr(space, "FULL_SECONDS", 0.0)
    made = Process(msgspec.structs.replace(settings, database_directory=str(tmp_path)))
    monkeypatch.setattr(counting, "process", made)
    yield made
    made.close()


def batch(conn: Connection) -> tuple[str, int, bool, bool]:
    """State, attempts, whether it is claimed, and whether it was rung."""
    [found] = conn.execute("select state, attempts, claim is not null, rung_at is not null from batches").fetchall()
    return found


def send(settings: Settings) -> int:
    upload(settings, posts_csv([("@bob", NOW, "ada")]), received_at=NOW)
    with postgres.connect(settings.database_url, role="test") as conn:
        found: int = postgres.scalars(conn, "SELECT id FROM batches")[0]
        return found


def test_batches_wait_for_room_and_are_counted_then(
    conn: Connection, settings: Settings, worker: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = send(settings)
    short = msgspec.structs.replace(settings, database_directory=str(tmp_path), min_free_bytes=2**60)
    monkeypatch.setattr(worker.rooms.default, "space", space.Space(short))

    for _ in range(settings.max_attempts + 1):
        count.fn(batch_id)
    worker.sweep(worker.rooms.default)

    assert batch(conn) == ("staged", 0, False, False)
    assert audit(conn).exact

    monkeypatch.setattr(worker.rooms.default, "space", space.Space(settings))
    worker.sweep(worker.rooms.default)
    assert batch(conn) == ("staged", 0, False, True)
    count.fn(batch_id)
    assert batch(conn)[0] == "counted"
    apply_all(settings, now=NOW)
    assert audit(conn).mentions_in_edges == 1


@pytest.mark.parametrize("written_down", [True, False])
def test_a_full_disk_uses_up_no_attempt(
    conn: Connection, settings: Settings, worker: Process, *, written_down: bool
) -> None:
    """Also where the disk is so full that not even the failure can be written down."""
    batch_id = send(settings)
    conn.execute(RUNS_OUT)
    conn.execute("create trigger full_disk before insert on deltas for each row execute function run_out()")
    if not written_down:
        conn.execute(
            "create trigger fuller before update of error on batches for each row "
            "when (new.error is not null) execute function run_out()"
        )

    for _ in range(settings.max_attempts + 1):
        # As if the claim had expired, and the back-off were over.
        conn.execute("update batches set claimed_until = claimed_until - interval '1 day', next_attempt_at = staged_at")
        count.fn(batch_id)
        worker.sweep(worker.rooms.default)

    assert batch(conn)[:2] == ("staged", 0)
    conn.execute("drop function run_out cascade")
    conn.execute("update batches set next_attempt_at = staged_at")
    count.fn(batch_id)
    assert batch(conn)[0] == "counted"
    apply_all(settings, now=NOW)
    assert audit(conn).exact


def test_a_process_that_met_a_full_disk_waits(
    conn: Connection, settings: Settings, worker: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "FULL_SECONDS", 3600.0)
    batch_id = send(settings)
    conn.execute(RUNS_OUT)
    conn.execute("create trigger full_disk before insert on deltas for each row execute function run_out()")
    assert worker.rooms.default.may_count(conn)

    count.fn(batch_id)

    assert not worker.rooms.default.may_count(conn)
    assert transitions.claim(conn, batch_id, settings=settings, now=NOW.replace(year=2030)) is not None

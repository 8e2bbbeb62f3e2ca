"""What a purge may take: each upload may be purged but for one thing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection, execute, scalars
from tests.entering import insert_batch, insert_delta, insert_upload

LONG_AGO, JUST_NOW = timedelta(days=-60), timedelta(minutes=-1)
LIMIT = timedelta(days=-30)


class Case(NamedTuple):
    """An upload with a delta, and maybe another upload that counts one of its posts."""

    due: bool
    state: UploadState = UploadState.APPLIED
    finished: timedelta | None = LONG_AGO
    refused: bool = False
    sign: int = 1
    merged: bool = True
    summarized: bool = True
    counted_by: Case | None = None
    purged: bool = False


UPLOADS = {
    "applied long ago": Case(due=True),
    "applied just now": Case(due=False, finished=JUST_NOW),
    "not finished": Case(due=False, state=UploadState.APPLYING, finished=None),
    "failed, so it may be replayed": Case(due=False, state=UploadState.FAILED),
    "refused": Case(due=True, state=UploadState.FAILED, refused=True),
    "with a delta to merge": Case(due=False, merged=False, summarized=False),
    "with a delta to summarize": Case(due=False, summarized=False),
    "with a delta to take out, which no summary has": Case(due=False, sign=-1, merged=False, summarized=False),
    "retracted": Case(due=True, state=UploadState.RETRACTED, sign=-1, summarized=False),
    "retracted, and still in the summaries": Case(due=False, state=UploadState.RETRACTED, sign=-1),
    "counted by one of long ago": Case(due=True, counted_by=Case(due=True)),
    "counted by one that finished just now": Case(due=False, counted_by=Case(due=False, finished=JUST_NOW)),
    "counted by one that is not finished": Case(
        due=False, counted_by=Case(due=False, state=UploadState.APPLYING, finished=None)
    ),
    "counted by one that may be replayed": Case(due=False, counted_by=Case(due=False, state=UploadState.FAILED)),
    "counted by one that was refused": Case(
        due=True, counted_by=Case(due=True, state=UploadState.FAILED, refused=True)
    ),
    "counted by one that is purged": Case(due=True, counted_by=Case(due=False, finished=JUST_NOW, purged=True)),
}


def enter(conn: Connection, case: Case, now: datetime) -> tuple[UUID, int]:
    upload = insert_upload(conn, case.state, now)
    batch = insert_batch(conn, upload, "counted", now)
    insert_delta(conn, batch, sign=case.sign, merged_at=now if case.merged else None)
    conn.execute("UPDATE deltas SET summarized_at = %s WHERE batch_id = %s", [now if case.summarized else None, batch])
    finished_at = None if case.finished is None else now + case.finished
    conn.execute(
        "UPDATE uploads SET finished_at = %s, purged_at = %s, error = %s, received_at = %s, heartbeat_at = %s, "
        "sealed_at = %s, rejects_purged_at = %s WHERE id = %s",
        [finished_at, now if case.purged else None, "{}" if case.refused else None]
        + [now if case.finished == LONG_AGO else now + 2 * LONG_AGO] * 4
        + [upload],
    )
    if case.counted_by is not None:
        _, owner = enter(conn, case.counted_by, now)
        conn.execute(sql.query("graph/post_ids/insert_links"), {"holder_id": batch, "owner_ids": [owner]})
    return upload, batch


@pytest.fixture
def uploads(conn: Connection, now: datetime) -> dict[str, UUID]:
    return {name: enter(conn, case, now)[0] for name, case in UPLOADS.items()}


def test_an_upload_is_locked_to_be_purged_while_it_is_due(
    conn: Connection, uploads: dict[str, UUID], now: datetime
) -> None:
    lock = sql.query("ledger/retention/lock_upload")
    found = {
        name: scalars(conn, lock, {"upload_id": upload, "finished_before": now + LIMIT})
        for name, upload in uploads.items()
    }

    assert found == {name: [uploads[name]] if case.due else [] for name, case in UPLOADS.items()}


def test_rejects_are_marked_once_their_upload_finished_long_ago(
    conn: Connection, uploads: dict[str, UUID], now: datetime
) -> None:
    mark = sql.query("ledger/retention/mark_rejects")
    for name, upload in uploads.items():
        due = UPLOADS[name].finished == LONG_AGO
        given = {"upload_id": upload, "finished_before": now + LIMIT, "now": now}
        assert scalars(conn, mark, given) == ([upload] if due else []), name


def test_an_upload_is_marked_as_purged_once_and_alone(
    conn: Connection, uploads: dict[str, UUID], now: datetime
) -> None:
    about = {"upload_id": uploads["refused"], "now": now + LIMIT}

    assert execute(conn, sql.query("ledger/retention/set_purged"), about) == 1
    assert execute(conn, sql.query("ledger/retention/set_purged"), about | {"now": now}) == 0
    marked = "SELECT id FROM uploads WHERE purged_at = %(now)s"
    assert scalars(conn, marked, {"now": now + LIMIT}) == [uploads["refused"]]


def test_a_batch_is_locked_while_it_has_a_payload_or_a_merged_delta(conn: Connection, now: datetime) -> None:
    """Also one that is merged and was not added to the summaries, and none of another upload."""
    upload = insert_upload(conn, UploadState.APPLIED, now)
    with_payload, with_merged, with_pending = (
        insert_batch(conn, upload, "counted", now, ordinal=ordinal) for ordinal in range(3)
    )
    insert_delta(conn, with_merged, merged_at=now)
    insert_delta(conn, with_pending)
    insert_batch(conn, insert_upload(conn, UploadState.APPLIED, now), "counted", now)
    conn.execute("UPDATE batches SET payload = NULL WHERE id = ANY(%s)", [[with_merged, with_pending]])

    found = scalars(conn, sql.query("ledger/retention/lock_batches"), {"upload_id": upload, "limit": 9})

    assert found == [with_payload, with_merged]


def test_what_goes_is_what_these_batches_have(conn: Connection, now: datetime) -> None:
    """Their payloads, their merged deltas, and the notes of who repeats their posts."""
    batches = [insert_batch(conn, insert_upload(conn, UploadState.APPLIED, now), "counted", now) for _ in range(3)]
    for batch in batches:
        insert_delta(conn, batch, part=0, merged_at=now)
        insert_delta(conn, batch, part=1)
        others = [each for each in batches if each != batch]
        conn.execute(sql.query("graph/post_ids/insert_links"), {"holder_id": batch, "owner_ids": others})
    conn.execute("UPDATE batches SET payload = NULL WHERE id = %s", [batches[1]])
    these = {"batch_ids": batches[:2]}

    assert execute(conn, sql.query("ledger/retention/drop_payloads"), these) == 1
    assert execute(conn, sql.query("ledger/retention/drop_deltas"), these) == 2
    assert execute(conn, sql.query("ledger/retention/drop_links"), these) == 4

    assert scalars(conn, "SELECT id FROM batches WHERE payload IS NOT NULL") == batches[2:]
    left = conn.execute("SELECT batch_id, part FROM deltas ORDER BY batch_id, part").fetchall()
    assert left == [(batches[0], 1), (batches[1], 1), (batches[2], 0), (batches[2], 1)]
    assert set(scalars(conn, "SELECT owner_id FROM post_repeats")) == {batches[2]}


def test_rejects_go_a_few_at_a_time_and_with_their_upload_alone(conn: Connection, now: datetime) -> None:
    uploads = [insert_upload(conn, UploadState.APPLIED, now) for _ in range(2)]
    for upload in uploads:
        batch = insert_batch(conn, upload, "counted", now)
        for line in (2, 3, 4):
            conn.execute(
                "INSERT INTO rejects (upload_id, line, batch_id, code, message, raw) "
                "VALUES (%s, %s, %s, 'code', 'message', 'raw')",
                [upload, line, batch],
            )

    about = {"upload_id": uploads[0], "limit": 2}
    assert execute(conn, sql.query("ledger/retention/drop_rejects"), about) == 2
    assert scalars(conn, "SELECT line FROM rejects WHERE upload_id = %(id)s", {"id": uploads[0]}) == [4]
    assert scalars(conn, "SELECT count(*) FROM rejects WHERE upload_id = %(id)s", {"id": uploads[1]}) == [3]

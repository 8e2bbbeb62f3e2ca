"""Each change of state begins where it may begin, and touches nothing but the upload or the batch that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection, scalars
from tests.conftest import until
from tests.entering import insert_batch, insert_delta, insert_upload

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
    insert_delta(conn, batches["counted"][1], merged_at=now)
    waiting = insert_batch(conn, insert_upload(conn, UploadState.APPLYING, now), "counted", now)
    insert_delta(conn, waiting)
    return There(uploads, batches)


def parameters(upload: UUID, batch: int, claim: UUID, now: datetime) -> dict[str, Any]:
    """Whatever the statements ask for. All of it is about one upload and its batch."""
    about = {
        "id": upload,
        "upload_id": upload,
        "batch_id": batch,
        "claim": claim,
        "token": claim,
        "head_start": 4,
        "now": now,
    }
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


@pytest.mark.parametrize(
    "statement", ["ledger/transitions/fail", "graph/counting/set_counted", "graph/post_ids/lock_claimed"]
)
def test_a_batch_does_not_move_for_whoever_lost_its_claim(
    conn: Connection, there: There, now: datetime, statement: str
) -> None:
    conn.execute("UPDATE batches SET claim = %s, claimed_until = %s WHERE state = 'staged'", [uuid4(), now])
    upload, batch = there.batches["staged"]

    check(conn, statement, parameters(upload, batch, uuid4(), now) | {"state": "counted"}, batch, None)


def test_a_batch_without_its_payload_is_not_replayed(conn: Connection, there: There, now: datetime) -> None:
    conn.execute("UPDATE batches SET payload = NULL")

    check(conn, "ledger/transitions/replay", {"ids": [there.batches["failed"][1]], "now": now}, None, None)


def test_a_claim_is_renewed_alone(conn: Connection, there: There, now: datetime) -> None:
    renewed, other = uuid4(), uuid4()
    another = insert_batch(conn, there.uploads["applying"], "staged", now, ordinal=1)
    for claim, batch in ((renewed, there.batches["staged"][1]), (other, another)):
        conn.execute("UPDATE batches SET claim = %s, claimed_until = %s WHERE id = %s", [claim, now, batch])

    until_then = {"tokens": [renewed], "claimed_until": now + timedelta(hours=1)}
    assert conn.execute(sql.query("ledger/transitions/renew"), until_then).rowcount == 1

    assert scalars(conn, "SELECT claim FROM batches WHERE claimed_until > %(now)s", {"now": now}) == [renewed]


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


class Finish(NamedTuple):
    """An upload or a zip with batches or members in these states, and what comes of it: None while it waits."""

    state: UploadState
    parts: list[str]
    outcome: str | None
    options: str = "{}"
    accepted: int = 1


DRY_RUN, LIMITED = '{"dry_run": true}', '{"max_rejects": {"rows": 1}}'

FINISHED_UPLOADS = [
    Finish(UploadState.APPLYING, ["applied", "applied"], "applied"),
    Finish(UploadState.APPLYING, ["applied", "failed"], "failed"),
    Finish(UploadState.APPLYING, ["applied", "staged"], None),
    Finish(UploadState.APPLYING, ["applied", "counted"], None),
    Finish(UploadState.APPLYING, ["counted", "failed"], None),
    Finish(UploadState.APPLYING, ["counted", "failed"], "failed", LIMITED),
    Finish(UploadState.APPLYING, ["counted"], None, LIMITED),
    Finish(UploadState.APPLYING, ["applied"], "rejected", accepted=0),
    Finish(UploadState.CHECKING, ["checked"], "checked", DRY_RUN),
    Finish(UploadState.CANCELLING, ["failed"], "cancelled"),
    Finish(UploadState.CANCELLING, ["retracting", "cancelled"], None),
    Finish(UploadState.RETRACTING, ["retracted"], "retracted"),
    Finish(UploadState.RETRACTING, ["retracted", "retracting"], None),
]


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("case", FINISHED_UPLOADS)
def test_an_upload_finishes_as_its_own_batches_say(conn: Connection, now: datetime, case: Finish) -> None:
    upload = insert_upload(conn, case.state, now, options=case.options)
    for ordinal, state in enumerate(case.parts):
        insert_batch(conn, upload, state, now, ordinal=ordinal, accepted=case.accepted)

    found = conn.execute(sql.query("ledger/transitions/finish_uploads"), {"ids": [upload], "now": now}).fetchall()

    assert [row[:2] for row in found] == ([] if case.outcome is None else [(upload, case.outcome)])


FINISHED_ZIPS = [
    Finish(UploadState.STAGED, ["applied", "cancelled"], "applied"),
    Finish(UploadState.APPLYING, ["duplicate", "cancelled"], "applied"),
    Finish(UploadState.APPLYING, ["applied", "failed"], "failed"),
    Finish(UploadState.APPLYING, ["cancelled", "retracted"], "cancelled"),
    Finish(UploadState.APPLYING, ["applied", "applying"], None),
    Finish(UploadState.CHECKING, ["checked"], "checked", DRY_RUN),
    Finish(UploadState.CANCELLING, ["applied"], "cancelled"),
    Finish(UploadState.RETRACTING, ["applied"], "retracted"),
    Finish(UploadState.APPLIED, ["applied"], None),
    Finish(UploadState.FAILED, ["applied"], None),
]


@pytest.mark.parametrize("case", FINISHED_ZIPS)
def test_a_zip_finishes_as_its_own_members_say(conn: Connection, now: datetime, case: Finish) -> None:
    another = insert_upload(conn, UploadState.APPLYING, now, members=3)
    for state in (UploadState.APPLIED, UploadState.FAILED, UploadState.APPLYING):
        insert_upload(conn, state, now, parent=another)
    insert_upload(conn, UploadState.APPLIED, now, parent=insert_upload(conn, UploadState.APPLYING, now, members=1))
    archive = insert_upload(conn, case.state, now, members=len(case.parts), options=case.options)
    for state in case.parts:
        insert_upload(conn, UploadState(state), now, parent=archive)

    found = conn.execute(sql.query("ledger/transitions/finish_zips"), {"ids": [archive], "now": now}).fetchall()

    assert [row[:2] for row in found] == ([] if case.outcome is None else [(archive, case.outcome)])


def test_an_upload_that_is_no_zip_does_not_finish_as_a_zip(conn: Connection, now: datetime) -> None:
    upload = insert_upload(conn, UploadState.APPLYING, now)

    assert not conn.execute(sql.query("ledger/transitions/finish_zips"), {"ids": [upload], "now": now}).fetchall()


MEMBERS = {
    "ledger/sealing/abort_members": "aborted",
    "ledger/unpacking/keep_members": "receiving",
    "graph/withdrawal/cancel_members": "cancelled",
}
"""The statements about the members of a zip that are still received, with what these members become."""


@pytest.mark.parametrize("statement", MEMBERS)
def test_only_a_zips_own_members_that_still_arrive_move(
    conn: Connection, there: There, now: datetime, statement: str
) -> None:
    archive = there.uploads["receiving"]
    insert_upload(conn, UploadState.RECEIVING, now, parent=insert_upload(conn, UploadState.RECEIVING, now))
    members = {state: insert_upload(conn, state, now, parent=archive) for state in UploadState}
    arriving = members[UploadState.RECEIVING]

    check(conn, statement, parameters(archive, 0, uuid4(), now), arriving, MEMBERS[statement])
    assert conn.execute(sql.query(statement), parameters(archive, 0, uuid4(), now)).fetchall() == [(arriving,)]


@pytest.mark.parametrize("statement", MEMBERS)
def test_members_are_locked_in_the_order_of_their_ids(
    conn: Connection, dsn: str, there: There, now: datetime, statement: str
) -> None:
    """Two statements about one zip then wait for one another, and never each for the other."""
    archive = there.uploads["receiving"]
    first, *others = ids = sorted(uuid4() for _ in range(5))
    for member in reversed(ids):  # so the table has them the other way round
        insert_upload(conn, UploadState.RECEIVING, now, parent=archive, upload_id=member)
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    free = "SELECT id FROM uploads WHERE parent_id = %s ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"

    third = psycopg.connect(dsn, autocommit=True)
    with third, psycopg.connect(dsn) as second, ThreadPoolExecutor(1) as thread:
        with conn.transaction():
            conn.execute("SELECT FROM uploads WHERE id = %s FOR NO KEY UPDATE", [first])
            moving = thread.submit(second.execute, sql.query(statement), parameters(archive, 0, uuid4(), now))
            until(lambda: third.execute(waiting).fetchall(), within=30, what="the statement waits for the first member")
            assert third.execute(free, [archive]).fetchall() == [(each,) for each in others]
        assert moving.result().rowcount == len(others) + 1


def test_the_members_of_a_zip_that_has_arrived_are_not_cancelled_as_arriving(
    conn: Connection, there: There, now: datetime
) -> None:
    insert_upload(conn, UploadState.RECEIVING, now, parent=there.uploads["staged"])

    given = {"id": there.uploads["staged"], "now": now}
    check(conn, "graph/withdrawal/cancel_members", given, None, None)


def test_a_bell_for_a_zip_rings_the_batches_of_its_members(conn: Connection, there: There, now: datetime) -> None:
    member = insert_upload(conn, UploadState.STAGED, now, parent=there.uploads["staged"])
    batch = insert_batch(conn, member, "staged", now)

    given = {"upload_id": there.uploads["staged"], "head_start": 4, "now": now}
    assert conn.execute(sql.query("ledger/bells/ring_batches"), given).fetchall() == [(batch, True)]


def test_a_bell_has_batches_counted_soon_unless_others_have_been_rung_that_still_wait(
    conn: Connection, now: datetime
) -> None:
    mine, others = (insert_upload(conn, UploadState.STAGED, now) for _ in range(2))
    batches = [insert_batch(conn, mine, "staged", now, ordinal=ordinal) for ordinal in range(3)]

    def soon() -> list[bool]:
        given = {"upload_id": mine, "head_start": 2, "now": now}
        rung = conn.execute(sql.query("ledger/bells/ring_batches"), given).fetchall()
        assert [batch for batch, _ in rung] == batches
        return [each for _, each in rung]

    assert soon() == [True, True, False]
    waiting = insert_batch(conn, others, "staged", now)
    done = insert_batch(conn, others, "counted", now, ordinal=1)
    conn.execute("UPDATE batches SET rung_at = %s WHERE id = %s", [now, done])
    assert soon() == [True, True, False], "neither a counted batch nor one that was not rung holds the others up"
    conn.execute("UPDATE batches SET rung_at = %s WHERE id = %s", [now, waiting])
    assert soon() == [True, False, False]


@pytest.mark.parametrize("statement", ["ledger/staging/insert_batch", "ledger/unpacking/insert_member"])
def test_only_an_upload_that_arrives_gets_batches_and_members(
    conn: Connection, there: There, now: datetime, statement: str
) -> None:
    for state, upload in there.uploads.items():
        rows = {"ordinal": 1, "first_line": 2, "rows_staged": 1, "payload": b"x", "filename": "posts.csv"}
        given = parameters(upload, 0, uuid4(), now) | rows | {"id": uuid4(), "parent_id": upload}

        assert conn.execute(sql.query(statement), given).rowcount == (1 if state == "receiving" else 0)


PENDING, HELD, MERGED = (0, 1, False, False), (1, 1, True, False), (2, 1, False, True)
LEAVING, GONE = (3, -1, False, False), (4, -1, False, True)

DELTAS: dict[str, set[tuple[int, int, bool, bool]]] = {
    "ledger/transitions/drop_pending_deltas": {MERGED, LEAVING, GONE},
    "ledger/transitions/delete_batches": set(),
    "ledger/limits/release_deltas": {PENDING, (1, 1, False, False), MERGED, LEAVING, GONE},
    "graph/withdrawal/withdraw_deltas": {PENDING, HELD, (2, -1, False, False), LEAVING, GONE},
}
"""What is left of an upload's deltas: of each its part, its sign, and whether it is held and merged."""


@pytest.mark.parametrize("statement", DELTAS)
def test_only_an_uploads_own_deltas_change(conn: Connection, now: datetime, statement: str) -> None:
    uploads = [insert_upload(conn, UploadState.APPLYING, now) for _ in range(2)]
    batches = [insert_batch(conn, upload, "counted", now) for upload in uploads]
    for batch in batches:
        for part, sign, held, merged in (PENDING, HELD, MERGED, LEAVING, GONE):
            insert_delta(conn, batch, part=part, sign=sign, held=held, merged_at=now if merged else None)

    conn.execute(sql.query(statement), {"upload_id": uploads[0], "upload_ids": [uploads[0]]})  # pyright: ignore[reportArgumentType]

    found = conn.execute("SELECT batch_id, part, sign, held, merged_at IS NOT NULL FROM deltas").fetchall()
    assert {row[1:] for row in found if row[0] == batches[0]} == DELTAS[statement]
    assert {row[1:] for row in found if row[0] == batches[1]} == {PENDING, HELD, MERGED, LEAVING, GONE}

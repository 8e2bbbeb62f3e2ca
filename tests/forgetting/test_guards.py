"""A statement that forgets somebody changes the rows that it is given, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import product
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg.sql import SQL

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection, execute, scalars
from tests.entering import insert_batch, insert_delta, insert_upload

WEEK = timedelta(days=7)
HASH, OTHER_HASH = bytes(32), bytes(31) + b"x"
TWO = (1, 2)


def changed(
    conn: Connection, table: LiteralString, key: LiteralString, statement: LiteralString, given: Mapping[str, object]
) -> set[Any]:
    """Returns the keys of the rows that the statement changes or deletes."""
    rows = SQL("SELECT {key}, t::text FROM {table} AS t").format(key=SQL(key), table=SQL(table))
    before = set(conn.execute(rows).fetchall())
    execute(conn, sql.query(statement), given)
    gone = before - set(conn.execute(rows).fetchall())
    return {row[0] if len(row) == 2 else row[:-1] for row in gone}


@pytest.fixture
def batches(conn: Connection, now: datetime) -> dict[str, int]:
    """By state a batch of an upload in the middle of being applied. A second upload has a batch, too."""
    upload, another = (insert_upload(conn, UploadState.APPLYING, now) for _ in range(2))
    conn.execute("UPDATE uploads SET format = '{}'")
    insert_batch(conn, another, "staged", now)
    states = ("staged", "counted", "applied", "failed", "checked", "cancelled", "retracting", "retracted")
    return {state: insert_batch(conn, upload, state, now, ordinal=n) for n, state in enumerate(states)}


@pytest.mark.parametrize(
    "state", ["staged", "counted", "applied", "failed", "checked", "cancelled", "retracting", "retracted"]
)
def test_only_a_batch_that_nobody_has_counted_fails_with_its_payload(
    conn: Connection, batches: dict[str, int], now: datetime, state: str
) -> None:
    given = {"batch_id": batches[state], "now": now, "error": "{}"}

    uncounted = {batches[state]} if state in {"staged", "failed"} else set()
    assert changed(conn, "batches", "id", "forgetting/payloads/fail", given) == uncounted


@pytest.mark.parametrize(
    "statement", ["forgetting/payloads/drop", "forgetting/payloads/set", "forgetting/texts/set_batch"]
)
def test_one_batch_is_rewritten(
    conn: Connection, batches: dict[str, int], now: datetime, statement: LiteralString
) -> None:
    batch = batches["applied"]
    given = {"batch_id": batch, "id": batch, "now": now, "payload": b"new", "warnings": "{}", "error": "{}"}

    assert changed(conn, "batches", "id", statement, given) == {batch}


@pytest.mark.parametrize(("claimed", "attempts", "left"), [(True, 3, 2), (True, 0, 0), (False, 3, 3)])
def test_an_attempt_that_loses_its_claim_to_a_new_payload_does_not_count(
    conn: Connection, batches: dict[str, int], now: datetime, *, claimed: bool, attempts: int, left: int
) -> None:
    batch = batches["staged"]
    conn.execute("UPDATE batches SET attempts = %s WHERE id = %s", [attempts, batch])
    if claimed:
        conn.execute("UPDATE batches SET claim = gen_random_uuid(), claimed_until = %s WHERE id = %s", [now, batch])

    execute(conn, sql.query("forgetting/payloads/set"), {"batch_id": batch, "payload": b"new"})

    found = conn.execute("SELECT attempts, claim, payload FROM batches WHERE id = %s", [batch]).fetchall()
    assert found == [(left, None, b"new")]


def test_one_payload_is_locked_and_only_where_it_can_be_read(
    conn: Connection, dsn: str, batches: dict[str, int]
) -> None:
    lock, batch = sql.query("forgetting/payloads/lock"), {"batch_id": batches["applied"]}
    conn.execute("UPDATE batches SET payload = NULL WHERE state = 'counted'")

    with conn.transaction(), psycopg.connect(dsn, autocommit=True) as other:
        assert [row[0] for row in conn.execute(lock, batch).fetchall()] == [batches["applied"]]
        free = other.execute("SELECT id FROM batches FOR NO KEY UPDATE SKIP LOCKED").fetchall()
        uploads = other.execute("SELECT id FROM uploads FOR NO KEY UPDATE SKIP LOCKED").fetchall()

    assert (batches["applied"],) not in free
    assert (len(free), len(uploads)) == (len(batches), 2)
    assert conn.execute(lock, {"batch_id": batches["counted"]}).fetchall() == []
    conn.execute("UPDATE uploads SET format = NULL")
    assert conn.execute(lock, batch).fetchall() == []


DELTAS = set(product((0, 1), (0, 1), (0, 1)))
"""Shard, number of the batch, and part."""


@pytest.fixture
def delta(conn: Connection, now: datetime) -> dict[str, Any]:
    """One of several deltas, as statements are given it."""
    upload = insert_upload(conn, UploadState.APPLYING, now)
    batches = [insert_batch(conn, upload, "counted", now, ordinal=ordinal) for ordinal in range(2)]
    for shard, number, part in DELTAS:
        insert_delta(conn, batches[number], shard=shard, part=part, merged_at=now)
    place = {"shard": 0, "batch_id": batches[1], "part": 1, "batch_ids": [batches[1]], "parts": [1]}
    return place | {"payload": b"new", "days": None, "edges": 2, "mentions": 2}


@pytest.mark.parametrize("statement", ["forgetting/shares/drop", "forgetting/shares/set"])
def test_one_delta_is_rewritten(conn: Connection, delta: dict[str, Any], statement: LiteralString) -> None:
    keys = changed(conn, "deltas", "shard, batch_id, part", statement, delta)

    assert keys == {(delta["shard"], delta["batch_id"], delta["part"])}


def test_only_the_given_deltas_are_locked(conn: Connection, dsn: str, delta: dict[str, Any]) -> None:
    place = (delta["batch_id"], delta["part"])

    with conn.transaction(), psycopg.connect(dsn, autocommit=True) as other:
        assert [row[:2] for row in conn.execute(sql.query("forgetting/shares/lock"), delta).fetchall()] == [place]
        free = other.execute("SELECT shard, batch_id, part FROM deltas FOR NO KEY UPDATE SKIP LOCKED").fetchall()

    assert len(free) == len(DELTAS) - 1
    assert (delta["shard"], *place) not in free


def test_only_the_batches_of_rewritten_deltas_have_fewer_mentions(conn: Connection, delta: dict[str, Any]) -> None:
    conn.execute("UPDATE batches SET mentions = 9, edges = 8")
    given = {"batch_ids": [delta["batch_id"]] * 2, "mentions": [2, 3], "edges": [1, 1]}

    assert changed(conn, "batches", "id", "forgetting/shares/subtract", given) == {delta["batch_id"]}
    assert scalars(conn, "SELECT mentions - edges FROM batches ORDER BY id") == [1, -2]


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("asked_now", [False, True])
def test_who_was_to_be_kept_out_once_is_kept_out(
    conn: Connection, now: datetime, asked_before: bool, asked_now: bool
) -> None:
    for keep_out in (asked_before, asked_now):
        execute(conn, sql.query("forgetting/people/begin"), {"hash": HASH, "keep_out": keep_out, "now": now})

    assert scalars(conn, "SELECT keep_out FROM erasures") == [asked_before or asked_now]


@pytest.fixture
def erasures(conn: Connection, now: datetime) -> list[int]:
    """Two erasures that are not finished."""
    begin = sql.query("forgetting/people/begin")
    return [scalars(conn, begin, {"hash": each, "keep_out": True, "now": now})[0] for each in (HASH, OTHER_HASH)]


def test_one_erasure_gets_its_numbers(conn: Connection, erasures: list[int]) -> None:
    names = ("mentions", "mentions_purged", "deltas", "payloads", "payloads_dropped", "rejects", "texts")

    given = {"id": erasures[1], **dict.fromkeys(names, 1)}
    assert changed(conn, "erasures", "id", "forgetting/people/note", given) == {erasures[1]}


@pytest.mark.parametrize("keep_out", [False, True])
def test_a_finished_erasure_keeps_a_hash_only_to_keep_somebody_out(
    conn: Connection, erasures: list[int], now: datetime, keep_out: bool
) -> None:
    conn.execute("UPDATE erasures SET keep_out = %s", [keep_out])

    given = {"id": erasures[0], "now": now}
    assert changed(conn, "erasures", "id", "forgetting/people/finish", given) == {erasures[0]}
    hashes = scalars(conn, "SELECT handle_hmac FROM erasures ORDER BY id")
    assert hashes == [HASH if keep_out else None, OTHER_HASH]


def test_only_who_is_forgotten_already_is_let_in(conn: Connection, erasures: list[int], now: datetime) -> None:
    let_in = "forgetting/people/let_in"
    assert changed(conn, "erasures", "id", let_in, {"hash": HASH}) == set()

    conn.execute("UPDATE erasures SET finished_at = %s", [now])

    assert changed(conn, "erasures", "id", let_in, {"hash": HASH}) == {erasures[0]}


def test_one_handle_is_blanked(conn: Connection) -> None:
    for number, handle in enumerate(("ann", "anna", "bob")):
        conn.execute("INSERT INTO users (id, handle, spelling) VALUES (%s, %s, %s)", [number, handle, handle])

    assert changed(conn, "users", "id", "forgetting/people/blank", {"handle": "ann"}) == {0}


BLOCK = {"part": 1, "run": 2, "source_id": 1, "target_id": 2}


@pytest.fixture
def days(conn: Connection) -> None:
    """Runs of days with blocks, whose keys differ in each column."""
    for part, run in product(TWO, TWO):
        insert = "INSERT INTO day_runs OVERRIDING SYSTEM VALUE VALUES (%s, %s, 0, 9, '2026-01-15')"
        conn.execute(insert, [part, run])
        for source, target in product(TWO, TWO):
            conn.execute("INSERT INTO day_blocks VALUES (%s, %s, %s, %s, 'x')", [part, run, source, target])


@pytest.mark.usefixtures("days")
@pytest.mark.parametrize("statement", ["forgetting/remains/drop_block", "forgetting/remains/set_block"])
def test_one_block_of_days_is_rewritten(conn: Connection, statement: LiteralString) -> None:
    given = {**BLOCK, "first_source": 7, "first_target": 7, "payload": b"new"}

    keys = changed(conn, "day_blocks", "part, run, source_id, target_id", statement, given)
    assert keys == {tuple(BLOCK.values())}


@pytest.mark.usefixtures("days")
@pytest.mark.parametrize("statement", ["forgetting/remains/drop_run", "forgetting/remains/shrink_run"])
def test_one_run_of_days_is_rewritten(conn: Connection, statement: LiteralString) -> None:
    given = {"part": 1, "run": 2, "gone": 3}

    assert changed(conn, "day_runs", "part, run", statement, given) == {(1, 2)}


def test_only_these_users_are_no_longer_trending(conn: Connection) -> None:
    for place in range(1, 4):
        conn.execute("INSERT INTO trending_users VALUES (7, %s, %s, 2, 1, 2)", [place, place])

    assert changed(conn, "trending_users", "user_id", "forgetting/remains/drop_trending", {"ids": [1, 3]}) == {1, 3}


@pytest.mark.parametrize(
    ("table", "statement"),
    [("edges", "forgetting/remains/take_edges"), ("edges_archive", "forgetting/remains/take_archived")],
)
def test_only_a_shards_edges_of_these_users_are_taken(
    conn: Connection, now: datetime, table: LiteralString, statement: LiteralString
) -> None:
    archived = ", now()" if table == "edges_archive" else ""
    insert = f"INSERT INTO {table} SELECT %s, %s, 1, 1, %s, %s, %s{archived}".encode()
    for source, target in product(range(1, 5), range(1, 5)):
        conn.execute(insert, [source, target, now, now, now])

    given = {"ids": [2, 4], "lowest_id": 2, "highest_id": 3}
    keys = changed(conn, table, "source_id, target_id", statement, given)
    assert keys == {(2, 1), (2, 2), (2, 3), (2, 4), (3, 2), (3, 4)}


@pytest.fixture
def uploads(conn: Connection, now: datetime) -> list[UUID]:
    """Two uploads with a reject on each of two lines, and an idempotency key each."""
    found = [insert_upload(conn, UploadState.APPLYING, now) for _ in TWO]
    for number, upload in enumerate(found):
        batch = insert_batch(conn, upload, "counted", now)
        for line in TWO:
            reject = (
                "INSERT INTO rejects (upload_id, line, batch_id, code, message, raw) VALUES (%s, %s, %s, 'x', 'x', 'x')"
            )
            conn.execute(reject, [upload, line, batch])
        answer = "INSERT INTO idempotency_keys (key, upload_id, created_at) VALUES (%s, %s, %s)"
        conn.execute(answer, [f"key {number}", upload, now])
    return found


def test_one_upload_one_reject_one_event_and_one_answer_are_rewritten(conn: Connection, uploads: list[UUID]) -> None:
    upload = uploads[0]
    texts = {"filename": "new.csv", "note": None, "options": "{}", "format": "{}", "error": None}
    reject = {"upload_id": upload, "line": 2, "column_name": None, "message": "new", "raw": b"new", "value": None}
    event = scalars(conn, "SELECT max(id) FROM ledger_events")[0]

    assert changed(conn, "uploads", "id", "forgetting/texts/set_upload", {"id": upload, **texts}) == {upload}
    rejects = changed(conn, "rejects", "upload_id, line", "forgetting/texts/set_reject", reject)
    assert rejects == {(upload, 2)}
    given = {"id": event, "reason": "{}"}
    assert changed(conn, "ledger_events", "id", "forgetting/texts/set_event", given) == {event}
    for statement in ("forgetting/texts/set_answer", "forgetting/texts/drop_answer"):
        answers = changed(conn, "idempotency_keys", "key", statement, {"key": "key 1", "answer": "{}"})  # pyright: ignore[reportArgumentType]
        assert answers == {"key 1"}

"""A key belongs to one upload at a time, and its first answer stays."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection
from tests.entering import insert_upload


@pytest.fixture
def owner(conn: Connection, now: datetime) -> UUID:
    """The upload that has the key `taken`. Another upload, which was aborted, has the key `free`."""
    upload = insert_upload(conn, UploadState.RECEIVING, now)
    assert claim(conn, "taken", upload, now)
    assert claim(conn, "free", insert_upload(conn, UploadState.ABORTED, now), now)
    return upload


def claim(conn: Connection, key: str, upload: UUID, now: datetime) -> bool:
    given = {"key": key, "upload_id": upload, "now": now}
    return conn.execute(sql.query("ledger/idempotency/claim"), given).rowcount == 1


def settle(conn: Connection, key: str, upload: UUID) -> bool:
    given = {"key": key, "upload_id": upload, "fingerprint": b"x" * 32, "answer_status": 202}
    return conn.execute(sql.query("ledger/idempotency/settle"), given).rowcount == 1


def answer(conn: Connection, key: str, text: str) -> bool:
    return conn.execute(sql.query("ledger/idempotency/set_answer"), {"key": key, "answer": text}).rowcount == 1


def test_a_key_goes_to_its_own_upload_or_from_one_that_came_to_nothing(
    conn: Connection, owner: UUID, now: datetime
) -> None:
    another = insert_upload(conn, UploadState.RECEIVING, now)

    assert claim(conn, "taken", owner, now)
    assert not claim(conn, "taken", another, now)
    assert claim(conn, "free", another, now)
    assert not claim(conn, "free", owner, now)


def test_a_key_with_an_answer_is_nobodys_any_more(conn: Connection, owner: UUID, now: datetime) -> None:
    assert settle(conn, "taken", owner)

    assert not claim(conn, "taken", owner, now)


def test_only_the_upload_that_has_the_key_answers(conn: Connection, owner: UUID, now: datetime) -> None:
    assert claim(conn, "another of the owner's", owner, now)

    assert not settle(conn, "taken", insert_upload(conn, UploadState.RECEIVING, now))
    assert settle(conn, "taken", owner)
    assert conn.execute("SELECT key FROM idempotency_keys WHERE answer_status IS NOT NULL").fetchall() == [("taken",)]


def test_the_first_answer_stays_under_its_key(conn: Connection, owner: UUID, now: datetime) -> None:
    assert claim(conn, "another of the owner's", owner, now)
    assert not answer(conn, "taken", '"too early"')
    assert settle(conn, "taken", owner)
    assert settle(conn, "another of the owner's", owner)

    assert answer(conn, "taken", '"first"')
    assert not answer(conn, "taken", '"second"')
    assert not answer(conn, "free", '"never"')
    assert conn.execute("SELECT key, answer FROM idempotency_keys WHERE answer IS NOT NULL").fetchall() == [
        ("taken", "first")
    ]

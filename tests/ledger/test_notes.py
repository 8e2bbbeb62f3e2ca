"""A note is set on one upload, by its owner or by somebody who may write on all of them."""

from __future__ import annotations

from datetime import datetime

import pytest

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection, scalars
from tests.entering import insert_upload


@pytest.mark.parametrize(
    ("owner", "note", "changed"),
    [
        pytest.param("ada", "new", True, id="the owner"),
        pytest.param("ada", None, True, id="the owner removes the note"),
        pytest.param(None, "new", True, id="whoever may write on all uploads"),
        pytest.param("grace", "new", False, id="another owner"),
        pytest.param("ada", "old", False, id="the same note"),
    ],
)
def test_a_note_is_set_on_the_upload_of_its_owner_alone(
    conn: Connection, now: datetime, owner: str | None, note: str | None, *, changed: bool
) -> None:
    upload, other = (insert_upload(conn, UploadState.APPLIED, now) for _ in range(2))
    conn.execute("UPDATE uploads SET owner = 'ada', note = 'old'")

    found = scalars(conn, sql.query("ledger/notes/set"), {"id": upload, "note": note, "owner": owner})

    assert found == ([upload] if changed else [])
    notes = dict(conn.execute("SELECT id, note FROM uploads").fetchall())
    assert notes == {upload: note if changed else "old", other: "old"}

"""Texts of the ledger lose a handle, and nothing that somebody else writes meanwhile."""

from __future__ import annotations

from datetime import datetime
from threading import Thread

import pytest
from psycopg.types.json import Jsonb

from app.forgetting import texts
from app.posts.erasing import Name
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection, scalars
from tests.conftest import until
from tests.forgetting.searching import places_of
from tests.uploading import posts_csv, upload

NAME = Name("quilla77")


def send(settings: Settings, now: datetime, filename: str) -> None:
    upload(settings, posts_csv([("@bob", now, "dee")]), received_at=now, again=True, filename=filename)


def test_what_is_written_meanwhile_stays(conn: Connection, settings: Settings, now: datetime) -> None:
    """An upload's form is written in the moment in which its name is rewritten."""
    send(settings, now, "quilla77.csv")
    (form,) = scalars(conn, "UPDATE uploads SET format = NULL RETURNING (SELECT o.format FROM uploads AS o)")
    assert form is not None
    done = list[int]()

    def erase() -> None:
        with postgres.connect(settings.database_url, role="test") as forgetting:
            done.append(texts.erase(forgetting, NAME))

    erasing = Thread(target=erase)
    with conn.transaction():
        conn.execute("UPDATE uploads SET format = %s", [Jsonb(form)])
        erasing.start()
        waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
        with postgres.connect(settings.database_url, role="test") as other:
            until(lambda: scalars(other, waiting) == [True], within=10, what="it waits for the upload")
    erasing.join(10)

    assert done == [1]
    assert scalars(conn, "SELECT filename FROM uploads") == ["********.csv"]
    assert scalars(conn, "SELECT format FROM uploads") == [form]


@pytest.mark.parametrize("change", [False, True])
def test_texts_are_read_page_by_page(
    conn: Connection, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch, *, change: bool
) -> None:
    for number in range(5):
        send(settings, now, f"{number} of quilla77.csv")
    read, noted, rows = list[int](), list[int](), texts.rows

    def watched(*arguments: object) -> list[object]:
        found = rows(*arguments)  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
        read.append(len(found))  # pyright: ignore[reportUnknownArgumentType]
        return found  # pyright: ignore[reportUnknownVariableType]

    monkeypatch.setattr(texts, "AT_ONCE", 2)
    monkeypatch.setattr(texts, "rows", watched)

    assert texts.erase(conn, NAME, change=change, note=noted.append) == 5

    assert max(read) == 2
    assert noted == [2, 2, 1]
    assert (places_of(conn, "quilla77") == []) == change


def test_a_row_of_json_that_is_cut_off_may_spell_the_handle_in_escapes(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    send(settings, now, "posts.csv")
    conn.execute(
        """
        INSERT INTO rejects (upload_id, line, batch_id, code, message, raw)
        SELECT u.id, 9, b.id, 'not_json', 'no JSON', convert_to(%s, 'UTF8')
        FROM uploads AS u INNER JOIN batches AS b ON b.upload_id = u.id
        """,
        [r'{"author": "\u0071uilla77", "text": "caf\u00e9 and no en'],
    )

    assert texts.erase_rejects(conn, NAME) == 1

    assert places_of(conn, "quilla77") == []

"""What an upload's entry says of its rows, from the answer to the upload on: exact, or null where nobody knows yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from app.posts.looking.sniffing import HEAD_BYTES
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_changes import fail_batches
from tests.http.test_receiving import CSV, HEADER, request_head, rows, states

MIXED = HEADER + (
    b'\r\n\n"@ada\n\n@bob",2026-01-15T12:00:00Z,x\n'  # blank lines, and line ends within quotes
    b'"open,2026-01-15T12:00:00Z,x\n'  # a quote that is not closed
    b'5" tall @bob,2026-01-15T12:00:00Z,x\r\n'
    b"too,few\r\n"
    b"@ada,2026-01-15T12:00:00Z,x"  # no line end
)
MIXED_ROWS = 5
JSONL = b'{"data":"@ada","timestamp":"2026-01-15","username":"x"}\n\n \t\r\nno json\n5\r\n'


def said(entry: dict[str, Any]) -> tuple[Any, ...]:
    """received, accepted, rejected, mentions; and those that are counted so far."""
    names = ("rows_received", "rows_accepted", "rows_rejected", "mentions")
    so_far = ("rows_counted", "rejects_counted", "mentions_counted")
    return *(entry[name] for name in names), *(entry["progress"][name] for name in so_far)


@pytest.mark.parametrize(
    ("content", "type_", "expected"),
    [(MIXED, "text/csv", (MIXED_ROWS, 3, 2, 4)), (JSONL, "application/x-ndjson", (3, 1, 2, 1))],
)
@pytest.mark.parametrize("batch_bytes", [64, 8 << 20])
def test_the_answer_says_how_many_rows_there_are(
    serve: Serve,
    settings: Settings,
    apply: Callable[[], None],
    *,
    content: bytes,
    type_: str,
    expected: tuple[int, ...],
    batch_bytes: int,
) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=batch_bytes))
    answer = api.http.post("/uploads", content=content, headers={"Content-Type": type_})
    received, accepted, rejected, mentions = expected

    assert said(answer.json()) == (received, None, None, None, 0, 0, 0)

    apply()
    entry = api.http.get(answer.headers["location"]).json()
    assert said(entry) == (received, accepted, rejected, mentions, received, rejected, mentions)
    assert received == accepted + rejected


def test_no_row_is_known_while_the_body_arrives(serve: Serve, settings: Settings, domain: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=50_000))
    content = HEADER + rows(40_000)
    assert len(content) > HEAD_BYTES, "before that, the service only looks"
    with api.connect() as client:
        client.sendall(request_head(length=len(content)) + content[:-1])
        until(lambda: _batches(domain) > 1, within=10, what="the first batches are staged")
        (receiving,) = api.http.get("/uploads").json()["uploads"]
        api.http.post(f"{receiving['links']['upload']}/cancel")
    (cancelled,) = api.http.get("/uploads").json()["uploads"]

    assert receiving["state"] == "receiving"
    assert said(receiving) == said(cancelled) == (None, None, None, None, 0, 0, 0)


def _batches(conn: Connection) -> int:
    row = conn.execute("select count(*) from batches").fetchone()
    return row[0] if row else 0


def test_what_is_not_counted_is_null_and_what_is_counted_is_progress(
    serve: Serve, settings: Settings, domain: Connection, apply: Callable[[], None]
) -> None:
    """A batch that failed was received, and nobody knows what is in it."""
    api = serve(msgspec.structs.replace(settings, batch_bytes=10_000))
    path = api.upload(HEADER + rows(5000)).headers["location"]
    first, *_ = [row[0] for row in domain.execute("select id from batches order by id")]
    domain.execute("update batches set next_attempt_at = 'infinity' where id = %s", [first])
    apply()
    fail_batches(domain)
    row = domain.execute("select rows_staged from batches where id = %s", [first]).fetchone()
    assert row is not None

    counted = 5000 - row[0]
    entry = api.http.get(path).json()

    assert said(entry)[:5] == (5000, None, None, None, counted)
    assert entry["rows_applied"] == counted
    batches = api.http.get(f"{path}/batches").json()["batches"]
    assert (batches[0]["rows_received"], batches[0]["rows_accepted"]) == (row[0], None)


def test_batches_of_an_earlier_release_are_not_known_until_they_are_counted(
    api: Api, domain: Connection, apply: Callable[[], None]
) -> None:
    path = api.upload(CSV + b"hi,yesterday,ada\n").headers["location"]
    domain.execute("update batches set rows_staged = null")

    assert said(api.http.get(path).json()) == (None, None, None, None, 0, 0, 0)

    apply()
    assert said(api.http.get(path).json()) == (3, 2, 1, 2, 3, 1, 2)


def test_a_duplicate_is_answered_with_the_rows_of_the_earlier_upload(api: Api, apply: Callable[[], None]) -> None:
    api.upload(CSV)
    apply()

    again = api.upload(CSV).json()
    (duplicate,) = api.http.get("/uploads", params={"state": "duplicate"}).json()["uploads"]

    assert said(again) == (2, 2, 0, 2, 2, 0, 2)
    assert said(duplicate) == (None, None, None, None, 0, 0, 0)


@pytest.mark.parametrize("params", [{"dry_run": "true"}, {"max_rejects": "0"}])
def test_dry_runs_and_refused_uploads_say_what_was_counted(
    api: Api, domain: Connection, apply: Callable[[], None], params: dict[str, str]
) -> None:
    path = api.upload(CSV + b"hi,yesterday,ada\n", **params).headers["location"]

    apply()

    assert states(domain) == (["checked"] if "dry_run" in params else ["applying"])
    assert said(api.http.get(path).json()) == (3, 2, 1, 2, 3, 1, 2)


def test_taken_out_uploads_keep_what_was_counted(api: Api, apply: Callable[[], None]) -> None:
    path = api.upload(CSV).headers["location"]
    apply()
    api.http.post(f"{path}/retract")
    apply()

    entry = api.http.get(path).json()

    assert entry["state"] == "retracted"
    assert (said(entry), entry["rows_applied"]) == ((2, 2, 0, 2, 2, 0, 2), 0)

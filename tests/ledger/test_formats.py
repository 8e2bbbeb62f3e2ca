"""Delimiters, encodings, JSON Lines and profiles, from the body to the edges and the rejects in the ledger."""

from __future__ import annotations

import codecs
import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

import sql
from app.errors import UploadRefused
from app.graph.profiles import PROFILES
from app.ledger import entries
from app.posts import repair
from app.posts.options import ColumnNames, Format, InputFormat, Options
from app.posts.screening import RAW_BYTES
from app.settings import Settings
from app.store import postgres
from tests.graphs import apply_all
from tests.uploading import upload

Connection = psycopg.Connection[Any]
JSONL = Options(format=InputFormat.JSONL)


def applied(settings: Settings, body: bytes, options: Options, now: datetime, *, batch_bytes: int = 300) -> UUID:
    """The body received in pieces, in small batches, and applied."""
    small = msgspec.structs.replace(settings, batch_bytes=batch_bytes)
    upload_id = upload(small, body, options=options, received_at=now)
    apply_all(settings, now=now)
    return upload_id


def mentions(conn: Connection) -> set[tuple[str, str, int]]:
    statement = """
        SELECT s.handle || ' ' || t.handle || ' ' || e.mention_count
        FROM edges AS e JOIN users AS s ON s.id = e.source_id JOIN users AS t ON t.id = e.target_id
    """
    found = [row.split() for row in postgres.scalars(conn, statement)]
    return {(source, target, int(count)) for source, target, count in found}


def rejects(conn: Connection, upload_id: UUID) -> list[tuple[Any, ...]]:
    statement = "SELECT line, column_name, value, code FROM rejects WHERE upload_id = %s ORDER BY line"
    return conn.execute(statement, [upload_id]).fetchall()


def entry(conn: Connection, upload_id: UUID, column: str) -> Any:
    return postgres.scalars(conn, f"SELECT {column} FROM uploads WHERE id = %(id)s", {"id": upload_id})[0]  # noqa: S608  # pyright: ignore[reportArgumentType]


def table(delimiter: str, rows: int = 40) -> str:
    lines = [delimiter.join(("By", "Größe", "Text", "At"))]
    lines += [
        delimiter.join((f"ann{row}", "", f'"é{delimiter} @bob{row}"', "2024-05-01T12:30:00")) for row in range(rows)
    ]
    return "\n".join(lines) + "\n"


NAMES = ColumnNames("text", "at", "by")
EXPECTED = {(f"ann{row}", f"bob{row}", 1) for row in range(40)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("given", [True, False])
def test_delimiters(conn: Connection, settings: Settings, now: datetime, delimiter: str, *, given: bool) -> None:
    options = Options(columns=NAMES, delimiter=delimiter if given else "auto")
    upload_id = applied(settings, table(delimiter).encode(), options, now)
    assert mentions(conn) == EXPECTED
    assert rejects(conn, upload_id) == []
    form = msgspec.convert(entry(conn, upload_id, "format"), Format)
    assert (form.delimiter, form.fields, form.text, form.timestamp, form.author) == (delimiter, 4, 2, 3, 0)
    assert form.names == ("By", "Größe", "Text", "At")


@pytest.mark.parametrize(
    ("named", "written"),
    [
        ("utf-8", "utf-8-sig"),
        ("utf-8", "utf-16"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-le"),
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
    ],
)
def test_encodings(conn: Connection, settings: Settings, now: datetime, named: str, written: str) -> None:
    body = table(";").encode(written)
    upload_id = applied(settings, body, Options(columns=NAMES, delimiter="auto", encoding=named), now)
    assert mentions(conn) == EXPECTED
    assert rejects(conn, upload_id) == []
    assert entry(conn, upload_id, "size_bytes") == len(body)
    assert bytes(entry(conn, upload_id, "sha256")) == hashlib.sha256(body).digest()


def test_what_cannot_be_decoded_costs_its_row(conn: Connection, settings: Settings, now: datetime) -> None:
    rows = ["data,timestamp,username", "@a,2024-05-01,x", "@b\ud800,2024-05-01,x", "@c\ufffd,2024-05-01,x"]
    body = codecs.BOM_UTF16_BE + "\n".join(rows).encode("utf-16-be", "surrogatepass")
    upload_id = applied(settings, body, Options(), now)
    assert mentions(conn) == {("x", "a", 1), ("x", "c", 1)}
    assert rejects(conn, upload_id) == [(3, "data", b"@b\xff", "invalid_utf8")]


LINES = [
    {"data": "hi @bob", "timestamp": "2024-05-01", "username": "ann"},
    {"data": "hi @bob and @cy", "timestamp": 1714566600, "username": "Ann", "extra": [1]},
    {"data": 5, "timestamp": 1714566600, "username": "ann"},
    {"timestamp": 1714566600, "username": "ann"},
    {"data": "é @dee\n", "timestamp": 1714566600123, "username": "@eve"},
    {"data": "@x", "timestamp": "soon", "username": "ann"},
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("batch_bytes", [40, 1 << 20])
def test_json_lines(
    conn: Connection, settings: Settings, now: datetime, *, end: str, written: str, batch_bytes: int
) -> None:
    lines = [json.dumps(line, ensure_ascii=False) for line in LINES]
    body = end.join(["", *lines[:3], " ", *lines[3:], "{", "[1]"]).encode(written)
    upload_id = applied(settings, body, JSONL, now, batch_bytes=batch_bytes)
    assert mentions(conn) == {("ann", "bob", 2), ("ann", "cy", 1), ("eve", "dee", 1)}
    assert rejects(conn, upload_id) == [
        (6, "data", None, "missing_key"),
        (8, "timestamp", b"soon", "unreadable_timestamp"),
        (9, None, None, "malformed_json"),
        (10, None, None, "not_an_object"),
    ]
    form = msgspec.convert(entry(conn, upload_id, "format"), Format)
    assert form.paths == {"text": "data", "timestamp": "timestamp", "author": "username"}
    assert form.names == ("data", "timestamp", "username")
    assert bytes(entry(conn, upload_id, "sha256")) == hashlib.sha256(body).digest()


def test_json_lines_with_keys_of_their_own(conn: Connection, settings: Settings, now: datetime) -> None:
    body = b'{"body":"@bob","created_at":"2024-05-01","from":"ann"}'
    applied(settings, body, msgspec.structs.replace(JSONL, columns=ColumnNames("body", "created_at", "from")), now)
    assert mentions(conn) == {("ann", "bob", 1)}


@pytest.mark.parametrize(
    ("body", "code"), [(b"", "empty-file"), (b"\xef\xbb\xbf", "empty-file"), (b"\n \r\n", "no-rows")]
)
def test_json_lines_without_a_row_are_refused(settings: Settings, now: datetime, body: bytes, code: str) -> None:
    with pytest.raises(UploadRefused) as refused:
        upload(settings, body, options=JSONL, received_at=now)
    assert refused.value.code == code


def test_a_line_that_never_ends_is_refused(settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ledger.staging.LONGEST_ROW_SEARCH", 1000)
    monkeypatch.setattr("app.ledger.staging.SCAN_AGAIN_BYTES", 100)
    small = msgspec.structs.replace(settings, batch_bytes=100)
    line = b'{"data":"@a","timestamp":"2024-05-01","username":"x"}\n'
    with pytest.raises(UploadRefused, match="begins on line 2 does not end") as refused:
        upload(small, line + b'{"data":"' + b"x" * 5000, options=JSONL, received_at=now)
    assert refused.value.code == "no-row-end"


@pytest.mark.parametrize(
    ("profile", "targets"),
    [
        ("twitter", {"ann", "bob"}),
        ("mastodon", {"ann@example.social", "bob.bsky.social"}),
        ("bluesky", {"bob.bsky.social"}),
        ("word", {"ann", "example", "bob", "größe"}),
    ],
)
def test_profiles_are_kept_with_each_batch(
    conn: Connection, settings: Settings, now: datetime, profile: str, targets: set[str]
) -> None:
    body = "data,timestamp,username\n@Ann@Example.social @bob.bsky.social x@größe,2024-05-01,x\n".encode()
    if profile == "twitter":
        body = body.replace(b"@Example", b" example")
    applied(settings, body, Options(profile=profile), now)
    assert {target for _, target, _ in mentions(conn)} == targets
    assert conn.execute("SELECT profile, profile_version FROM batches").fetchall() == [
        (profile, PROFILES[profile].version)
    ]


@pytest.mark.parametrize("retweets", [True, False])
def test_retweets(conn: Connection, settings: Settings, now: datetime, *, retweets: bool) -> None:
    body = b"data,timestamp,username\nRT @a: @b,2024-05-01,x\n@c RT @d,2024-05-01,x\n"
    upload_id = applied(settings, body, Options(retweets=retweets), now)
    left = {("x", "c", 1), ("x", "d", 1)}
    assert mentions(conn) == (left | {("x", "a", 1), ("x", "b", 1)} if retweets else left)
    assert postgres.scalars(conn, "SELECT rows_accepted FROM batches WHERE upload_id = %(id)s", {"id": upload_id}) == [
        2
    ]


def test_rejects_come_back_repaired(conn: Connection, settings: Settings, now: datetime) -> None:
    body = 'Text;At;By;n\n"é; @bob";soon;ann;1\n@cy;2024-05-01;;2\nfew\n@dee;2024-05-01;fay;3\n'.encode("cp1252")
    options = Options(columns=NAMES, delimiter="auto", encoding="cp1252")
    first = applied(settings, body, options, now)
    form = msgspec.convert(entry(conn, first, "format"), Format)
    statement = sql.query("ledger/entries/rejects")
    kept = postgres.rows(conn, entries.Reject, statement, {"upload_id": first, "after": 0, "limit": 10})
    file = b"".join(repair.csv_of(kept, form)).replace(b";soon;", b";1714566600;").replace(b";;2;", b";ann;2;")

    second = applied(settings, file, Options(columns=NAMES, delimiter="auto"), now)

    assert mentions(conn) == {("ann", "bob", 1), ("ann", "cy", 1), ("fay", "dee", 1)}
    assert [row[:2] for row in rejects(conn, first)] == [(2, "At"), (3, "By"), (4, None)]
    assert rejects(conn, second) == [(4, "By", b"", "empty_author")]


def test_an_upload_whose_names_were_not_kept_is_still_read(conn: Connection, settings: Settings, now: datetime) -> None:
    upload_id = upload(settings, b"data,timestamp,username\n@a,soon,x\n@b,2024-05-01,x\n", received_at=now)
    conn.execute("UPDATE uploads SET format = format - 'names', options = '{}'")
    conn.commit()
    apply_all(settings, now=now)
    assert mentions(conn) == {("x", "b", 1)}
    assert rejects(conn, upload_id) == [(2, "timestamp", b"soon", "unreadable_timestamp")]


def test_values_and_rows_are_kept_up_to_a_limit(conn: Connection, settings: Settings, now: datetime) -> None:
    body = b"data,timestamp,username\n" + b"@a," + b"9" * 10_000 + b",x\n"
    upload_id = applied(settings, body, Options(), now)
    assert rejects(conn, upload_id) == [(2, "timestamp", b"9" * 200, "unreadable_timestamp")]
    assert postgres.scalars(conn, "SELECT length(raw) FROM rejects") == [RAW_BYTES]

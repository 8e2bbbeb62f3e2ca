"""Zips, workbooks and Parquet over HTTP: what becomes of them in the ledger, and what is refused and how."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.errors import UploadRefused
from app.ledger import limits
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api
from tests.http.test_receiving import request_head
from tests.posts.workbooks import parts, row, text, workbook, zipped
from tests.uploading import upload

HEADER = b"data,timestamp,username\n"
ONE = HEADER + b"hi @bob,2026-01-15T11:00:00Z,ada\n"
TWO = HEADER + b"hi @ada,2026-01-15T11:05:00Z,bob\nhi @eve,2026-01-15T11:06:00Z,bob\n"
THREE = b'{"data":"@ada","timestamp":"2026-01-15T12:00:00Z","username":"eve"}\n'
FILES = {"a.csv": ONE, "b/two.csv": TWO, "README.txt": b"Posts of ours.", "c.jsonl": THREE}
ALL = {("ada", "bob", 1), ("bob", "ada", 1), ("bob", "eve", 1), ("eve", "ada", 1)}

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
Apply = Callable[[], None]


def states(conn: Connection) -> dict[str, str]:
    return {row[0] or "zip": row[1] for row in conn.execute("select filename, state from uploads order by id")}


def edges(conn: Connection) -> set[tuple[str, str, int]]:
    return set(
        conn.execute(
            "select s.handle, t.handle, e.mention_count from edges e"
            " join users s on s.id = e.source_id join users t on t.id = e.target_id"
        )
    )


def count(conn: Connection, what: str) -> int:
    found = conn.execute(what.encode()).fetchone()
    assert found is not None
    return found[0]


def member(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in entry["members"] if each["filename"] == name)


def test_a_zip_of_several_files_is_one_upload_a_file(api: Api, domain: Connection, apply: Apply) -> None:
    answer = api.upload(zipped(FILES))
    assert answer.status_code == 202, answer.text
    entry = answer.json()
    assert (entry["state"], entry["member_count"], entry["rows_received"]) == ("staged", 3, 4)
    assert [(each["filename"], each["rows_received"]) for each in entry["members"]] == [
        ("a.csv", 1),
        ("b/two.csv", 2),
        ("c.jsonl", 1),
    ]
    assert "README.txt (no posts in it)" in entry["options"]["detected"]["container"]["reason"]

    apply()

    found = api.http.get(answer.headers["location"]).json()
    assert (found["state"], found["rows_accepted"], found["mentions"], found["rows_applied"]) == ("applied", 4, 4, 4)
    assert found["progress"]["share"] == 1
    assert found["finished_at"]
    assert {each["state"] for each in found["members"]} == {"applied"}
    assert edges(domain) == ALL
    one = api.http.get(f"/uploads/{member(found, 'a.csv')['id']}").json()
    assert (one["parent_id"], one["links"]["parent"], one["members"]) == (entry["id"], answer.headers["location"], None)
    listed = api.http.get("/uploads").json()["uploads"]
    assert [(each["filename"], each["member_count"], each["members"]) for each in listed] == [
        ("c.jsonl", None, None),
        ("b/two.csv", None, None),
        ("a.csv", None, None),
        (None, 3, None),
    ]
    told = [
        row[0]
        for row in domain.execute("select to_state from ledger_events where upload_id = %s order by id", [entry["id"]])
    ]
    assert told == ["receiving", "staged", "applying", "applied"]


def test_a_zip_of_one_file_is_that_file(api: Api) -> None:
    plain = api.upload(ONE).json()
    answer = api.upload(zipped({"posts.csv": ONE, "notes.md": b"# x"}))
    assert (answer.status_code, answer.json()["id"]) == (200, plain["id"])
    other = api.upload(zipped({"posts.csv": TWO}), filename="posts.zip").json()
    assert (other["member_count"], other["filename"], other["rows_received"]) == (None, "posts.zip", 2)
    assert other["options"]["detected"]["container"]["reason"] == "posts.csv is in it"
    assert api.upload(gzip.compress(TWO)).json()["id"] == other["id"]


def test_files_of_the_field(api: Api, domain: Connection, apply: Apply) -> None:
    field = Path(__file__).parents[1] / "field"
    for name in ("28-posts.zip", "51d-pandas.csv.zip"):
        assert api.upload((field / name).read_bytes()).status_code == 202
    apply()
    assert edges(domain) == {("ana", "bea", 2), ("ana", "cyd", 1)}


def test_the_same_zip_is_the_same_upload(api: Api, domain: Connection) -> None:
    first = api.upload(zipped(FILES))
    again = api.upload(zipped(FILES))
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert sorted(row[0] for row in domain.execute("select state from uploads")) == ["duplicate"] * 4 + ["staged"] * 4
    assert count(domain, "select count(*) from batches") == 3


def test_a_file_that_came_before_is_counted_once(api: Api, domain: Connection, apply: Apply) -> None:
    plain = api.upload(ONE).json()["id"]
    entry = api.upload(zipped(FILES)).json()
    assert (member(entry, "a.csv")["state"], member(entry, "a.csv")["duplicate_of"]) == ("duplicate", plain)
    assert {member(entry, name)["state"] for name in ("b/two.csv", "c.jsonl")} == {"staged"}
    apply()
    assert edges(domain) == ALL
    assert api.http.get(f"/uploads/{entry['id']}").json()["state"] == "applied"


def test_twins_in_one_zip_are_counted_once(api: Api, domain: Connection, apply: Apply) -> None:
    entry = api.upload(zipped({"a.csv": ONE, "b.csv": ONE, "c.csv": TWO})).json()
    assert [each["state"] for each in entry["members"]] == ["staged", "duplicate", "staged"]
    apply()
    assert ("ada", "bob", 1) in edges(domain)


def test_a_zip_of_known_files_only_is_done_at_once(api: Api) -> None:
    api.upload(ONE)
    api.upload(TWO)
    answer = api.upload(zipped({"a.csv": ONE, "b.csv": TWO}))
    assert (answer.status_code, answer.json()["state"]) == (202, "applied")
    assert answer.json()["finished_at"]


def test_other_options_refuse_all_of_the_zip(api: Api, domain: Connection, problem_of: ProblemOf) -> None:
    api.upload(ONE, profile="word", filename="plain")
    answer = api.upload(zipped(FILES))
    assert answer.status_code == 409
    assert problem_of(answer)["detail"].startswith("'a.csv' in the zip: upload ")
    assert states(domain).pop("plain") == "staged"
    assert set(states(domain).values()) == {"staged", "aborted"}
    assert count(domain, "select count(*) from batches") == 1


def test_the_zip_is_retracted_with_all_its_files(api: Api, domain: Connection, apply: Apply) -> None:
    api.upload(ONE)
    path = api.upload(zipped(FILES)).headers["location"]
    apply()
    answer = api.http.post(f"{path}/retract")
    assert (answer.status_code, answer.json()["state"]) == (202, "retracting")
    apply()
    found = api.http.get(path).json()
    assert (found["state"], member(found, "a.csv")["state"]) == ("retracted", "duplicate")
    assert {member(found, name)["state"] for name in ("b/two.csv", "c.jsonl")} == {"retracted"}
    assert edges(domain) == {("ada", "bob", 1)}

    again = api.upload(zipped(FILES))
    assert (again.status_code, again.json()["state"]) == (202, "staged")
    apply()
    assert edges(domain) == ALL


def test_a_file_is_retracted_alone_and_comes_again_with_the_zip(api: Api, domain: Connection, apply: Apply) -> None:
    entry = api.upload(zipped(FILES)).json()
    apply()
    api.http.post(f"/uploads/{member(entry, 'a.csv')['id']}/retract")
    apply()
    assert edges(domain) == ALL - {("ada", "bob", 1)}
    assert api.http.get(f"/uploads/{entry['id']}").json()["state"] == "applied"

    again = api.upload(zipped(FILES))
    assert again.status_code == 202
    assert {each["state"] for each in again.json()["members"]} == {"staged", "duplicate"}
    apply()
    assert edges(domain) == ALL


def test_the_zip_is_cancelled_with_all_its_files(api: Api, domain: Connection, apply: Apply) -> None:
    path = api.upload(zipped(FILES)).headers["location"]
    answer = api.http.post(f"{path}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert {each["state"] for each in answer.json()["members"]} == {"cancelled"}
    assert api.http.post(f"{path}/cancel").status_code == 409
    assert api.upload(zipped(FILES)).status_code == 202
    apply()
    assert edges(domain) == ALL


def test_a_dry_run_checks_the_zip(api: Api, domain: Connection, apply: Apply) -> None:
    path = api.upload(zipped(FILES), dry_run="true").headers["location"]
    apply()
    found = api.http.get(path).json()
    assert (found["state"], found["rows_accepted"], found["mentions"]) == ("checked", 4, 4)
    assert not edges(domain)
    assert api.upload(zipped(FILES)).status_code == 202


def test_a_file_with_too_many_rejects_fails_the_zip(api: Api, domain: Connection, apply: Apply, now: datetime) -> None:
    bad = HEADER + b"hi @bob,never,ada\n"
    path = api.upload(zipped({"a.csv": ONE, "bad.csv": bad}), max_rejects="0").headers["location"]
    apply()
    for each in limits.undecided(domain):
        limits.decide(domain, each, now=now)
    apply()
    found = api.http.get(path).json()
    assert (found["state"], member(found, "a.csv")["state"]) == ("failed", "applied")
    assert "too-many-rejects" in member(found, "bad.csv")["error"]["type"]


def test_files_without_rows_are_left_out(api: Api) -> None:
    entry = api.upload(zipped({"a.csv": ONE, "day2.csv": HEADER, "b.csv": TWO})).json()
    assert [each["filename"] for each in entry["members"]] == ["a.csv", "b.csv"]
    assert "day2.csv (the file has no rows" in entry["options"]["detected"]["container"]["reason"]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (zipped({"a.csv": ONE, "b.csv": b"foo,bar\n1,2\n"}), (422, "missing-column", "'b.csv' in the zip: ")),
        (zipped({"a.csv": ONE, "b.zip": zipped({"c.csv": ONE})}), (422, "packed-twice", "another zip, 'b.zip'")),
        (zipped({"x.txt": b"hello"}), (422, "no-posts-in-archive", "x.txt (no posts in it)")),
        (zipped({"a.csv": ONE})[:-30], (422, "archive-unreadable", "cut off")),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), (422, "format-not-read", "old workbook (.xls)")),
        (bytes(257) + b"ustar" + bytes(300), (422, "format-not-read", "tar")),
        (workbook(), (422, "no-rows", "'Posts' has no cell")),
        (b"PAR1\x15" + bytes(700), (422, "parquet-unreadable", "Parquet")),
        (gzip.compress(gzip.compress(ONE, mtime=0), mtime=0), (422, "packed-twice", "again inside, as gzip")),
    ],
)
def test_what_is_refused(
    api: Api, domain: Connection, problem_of: ProblemOf, body: bytes, refusal: tuple[int, str, str]
) -> None:
    status, kind, words = refusal
    answer = api.upload(body)
    assert answer.status_code == status, answer.text
    problem = problem_of(answer)
    assert problem["type"].endswith(f":{kind}")
    assert words in problem["detail"]
    assert set(states(domain).values()) == {"aborted"}
    assert count(domain, "select count(*) from batches") == 0


def test_a_sheet_comes_in(api: Api, domain: Connection, apply: Apply) -> None:
    header = row(text("data"), text("timestamp"), text("username"))
    book = zipped(
        parts({
            "First": header + row(text("hi @bob"), text("2026-01-15"), text("ada")),
            "Second": header + row(text("hi @ada"), text("2026-01-15"), text("bob")),
        })
    )  # fmt: skip
    asked = api.upload(book)
    assert (asked.status_code, asked.json()["type"].rpartition(":")[2]) == (422, "unclear-file")
    assert "`sheet=…`" in asked.json()["detail"]
    first = api.upload(book, sheet="First")
    assert (first.status_code, first.json()["options"]["detected"]["sheet"]["value"]) == (202, "First")
    assert first.json()["options"]["detected"]["delimiter"]["sure"] == "certain"
    assert first.json()["size_bytes"] == len(book)
    assert api.upload(book, sheet="first").json()["id"] == first.json()["id"]
    assert api.upload(book, sheet="Second").status_code == 202
    assert api.upload(book, sheet="Third").status_code == 422
    apply()
    assert edges(domain) == {("ada", "bob", 1), ("bob", "ada", 1)}


@pytest.mark.parametrize(
    "body",
    [
        ONE,
        bz2.compress(ONE),
        zipped({"a.csv": ONE, "b.csv": TWO}),
        workbook(
            row(text("data"), text("timestamp"), text("username")),
            row(text("hi @bob"), text("2026-01-15"), text("ada")),
        ),
    ],
    ids=["plain", "bzip2", "zip", "xlsx"],
)
def test_a_preview_looks_into_it(api: Api, domain: Connection, body: bytes) -> None:
    answer = api.http.post("/uploads/preview", content=body, headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["certain"]
    assert [(each["author"], each["mentions"][0]["handle"]) for each in answer.json()["rows"]] == [("ada", "bob")]
    assert not states(domain)


def test_parquet_comes_in(api: Api, domain: Connection, apply: Apply) -> None:
    file = io.BytesIO()
    frame = pl.DataFrame({
        "text": ["hi @bob"], "created_at": ["2026-01-15T00:00:00"], "user": [{"screen_name": "ada"}]
    })  # fmt: skip
    frame.with_columns(pl.col("created_at").str.to_datetime()).write_parquet(file)
    answer = api.upload(file.getvalue(), author="user.screen_name")
    assert answer.status_code == 202, answer.text
    apply()
    assert edges(domain) == {("ada", "bob", 1)}


def test_a_key_repeats_the_answer_of_a_zip(api: Api) -> None:
    headers = {"Idempotency-Key": "zip", "Content-Type": "application/zip"}
    first = api.http.post("/uploads", content=zipped(FILES), headers=headers)
    again = api.http.post("/uploads", content=zipped(FILES), headers=headers)
    other = api.http.post("/uploads", content=zipped({"a.csv": ONE}), headers=headers)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.json() == first.json()


def test_a_zip_whose_sender_goes_away_leaves_nothing(api: Api, domain: Connection) -> None:
    content = zipped(FILES)
    with api.connect() as client:
        client.sendall(request_head(length=len(content), content_type="application/zip") + content[:-1])
        until(lambda: states(domain) == {"zip": "receiving"}, within=20, what="the zip is being received")
    until(lambda: states(domain) == {"zip": "aborted"}, within=20, what="the zip is aborted")
    assert count(domain, "select count(*) from batches") == 0


SMALL = zipped({"a.csv": ONE, "b.csv": TWO, "c.jsonl": THREE})


@given(end=st.integers(0, len(SMALL) - 1))
@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_zip_that_is_cut_off_anywhere_leaves_nothing(
    settings: Settings, domain: Connection, now: datetime, end: int
) -> None:
    with pytest.raises(UploadRefused):
        upload(settings, SMALL[:end], received_at=now)
    assert count(domain, "select count(*) from batches") == 0
    assert count(domain, "select count(*) from uploads where state <> 'aborted'") == 0

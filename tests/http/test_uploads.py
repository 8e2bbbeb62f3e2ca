"""The ledger over HTTP."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from app.settings import Settings
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, HEADER, rows

UNKNOWN = "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
ProblemOf = Callable[[httpx.Response], dict[str, Any]]


def follow(api: Api, path: str, name: str) -> list[dict[str, Any]]:
    """All that the pages from `path` on hold."""
    found: list[dict[str, Any]] = []
    following: str | None = path
    while following:
        answer = api.http.get(following)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page[name]
        following = page["next"]
    return found


def test_an_upload_on_its_way(api: Api, apply: Callable[[], None]) -> None:
    path = api.upload(CSV + b"hi,yesterday,ada\n").headers["location"]
    staged = api.http.get(path).json()

    apply()

    applied = api.http.get(path).json()
    assert (staged["state"], staged["progress"]["share"], staged["finished_at"]) == ("staged", 0, None)
    assert (applied["state"], applied["progress"]["share"]) == ("applied", 1)
    body = len(CSV + b"hi,yesterday,ada\n") - len(HEADER)
    assert staged["progress"] == {
        "bytes_total": body,
        "bytes_counted": 0,
        "bytes_applied": 0,
        "share": 0,
        "rows_counted": 0,
        "rejects_counted": 0,
        "mentions_counted": 0,
    }
    assert applied["progress"] == {
        "bytes_total": body,
        "bytes_counted": body,
        "bytes_applied": body,
        "share": 1,
        "rows_counted": 3,
        "rejects_counted": 1,
        "mentions_counted": 2,
    }
    assert applied["finished_at"] == "2026-01-15T12:00:00Z"
    counted = [applied[f"rows_{what}"] for what in ("received", "accepted", "rejected", "applied")]
    assert counted == [3, 2, 1, 2]
    assert (applied["mentions"], applied["mentions_applied"]) == (2, 2)
    assert {state: number for state, number in applied["batches"].items() if number} == {"applied": 1}
    assert applied["seconds_applying"] == 0


def test_a_duplicate_says_of_what(api: Api) -> None:
    first = api.upload(CSV).json()
    api.upload(CSV)

    (duplicate,) = api.http.get("/uploads", params={"state": "duplicate"}).json()["uploads"]

    assert duplicate["duplicate_of"] == first["id"]
    assert duplicate["links"]["duplicate_of"] == first["links"]["upload"]


def test_uploads_are_listed_by_page_the_newest_first(api: Api) -> None:
    ids = [api.upload(HEADER + rows(count)).json()["id"] for count in range(1, 6)]

    found = follow(api, "/uploads?limit=2&state=staged", "uploads")

    assert [entry["id"] for entry in found] == ids[::-1]


def test_batches_are_listed_by_page_in_file_order(serve: Serve, settings: Settings, apply: Callable[[], None]) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=10_000))
    entry = api.upload(HEADER + rows(20_000)).json()
    apply()

    found = follow(api, f"{entry['links']['batches']}?limit=1", "batches")

    assert [batch["ordinal"] for batch in found] == list(range(entry["batches"]["staged"]))
    assert {batch["state"] for batch in found} == {"applied"}
    assert sum(batch["rows_received"] for batch in found) == 20_000
    assert len(found) > 2
    assert found[0]["first_line"] == 2


def test_rejects_are_listed_by_page_in_file_order(api: Api, apply: Callable[[], None]) -> None:
    bad = [b"a,b", b"hi,yesterday,ada", b"\xff @bob,2026-01-15T11:00:00Z,ada", b"nul\0,2026-01-15T11:00:00Z,ada"]
    entry = api.upload(HEADER + rows(1) + b"".join(row + b"\n" for row in bad), encoding="utf-8").json()
    apply()

    found = follow(api, f"{entry['links']['rejects']}?limit=1", "rejects")

    assert [(reject["line"], reject["column"]) for reject in found] == [
        (3, None),
        (4, "timestamp"),
        (5, "data"),
        (6, "data"),
    ]
    assert [reject["code"] for reject in found] == [
        "too_few_fields",
        "unreadable_timestamp",
        "invalid_utf8",
        "nul_byte",
    ]
    assert [reject["raw"] for reject in found] == [row.decode(errors="replace") for row in bad]
    assert [b64decode(reject["raw_base64"]) for reject in found if "raw_base64" in reject] == [bad[2]]


@pytest.mark.parametrize("rest", ["", "/batches", "/rejects", "/rejects.csv", "/events"])
def test_an_unknown_upload_is_not_found(api: Api, problem_of: ProblemOf, rest: str) -> None:
    answer = api.http.get(f"/uploads/{UNKNOWN}{rest}")

    assert UNKNOWN in problem_of(answer)["detail"]
    assert answer.status_code == 404


@pytest.mark.parametrize("rest", ["", "/batches", "/rejects"])
def test_an_upload_has_no_batches_at_first(api: Api, rest: str) -> None:
    path = api.upload(b"").json()["upload"]

    assert api.http.get(f"/uploads/{path}{rest}").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/uploads/17",
        "/uploads/17/batches",
        "/uploads?limit=0",
        "/uploads?limit=501",
        "/uploads?limit=many",
        "/uploads?state=lost",
        "/uploads?before=17",
        f"/uploads/{UNKNOWN}/batches?after={2**31}",
        f"/uploads/{UNKNOWN}/rejects?after={2**63}",
    ],
)
def test_malformed_requests(api: Api, problem_of: ProblemOf, path: str) -> None:
    answer = api.http.get(path)

    problem_of(answer)
    assert answer.status_code == 400


def test_a_page_before_an_unknown_upload_is_not_found(api: Api, problem_of: ProblemOf) -> None:
    answer = api.http.get("/uploads", params={"before": UNKNOWN})

    problem_of(answer)
    assert answer.status_code == 404

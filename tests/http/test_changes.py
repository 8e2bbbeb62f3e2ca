"""Cancel, retract, replay and dry runs, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest

from app.ledger import limits
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.graphs import apply_all
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, HEADER, batches, bells, request_head, rows, states
from tests.http.test_uploads import UNKNOWN

ProblemOf = Callable[[httpx.Response], dict[str, Any]]

FAILED = """{"type": "urn:mentiongraph:problem:count-failed", "title": "t", "status": 500, "detail": "d"}"""


def edges(conn: Connection) -> int:
    row = conn.execute("select count(*) from edges").fetchone()
    return row[0] if row else 0


def fail_batches(conn: Connection) -> list[int]:
    """Every staged batch fails for good, as if its attempts were used up; their ids."""
    found = conn.execute(
        "update batches set state = 'failed', error = %s where state = 'staged' returning id", [FAILED]
    )
    ids = [row[0] for row in found]
    conn.execute("update uploads set state = 'failed', finished_at = received_at where state = 'staged'")
    return ids


def test_a_staged_upload_is_cancelled_and_may_come_again(
    api: Api, domain: Connection, apply: Callable[[], None]
) -> None:
    path = api.upload(CSV).headers["location"]

    answer = api.http.post(f"{path}/cancel")

    assert (answer.status_code, answer.headers["location"]) == (202, path)
    assert answer.json()["state"] == "cancelled"
    assert answer.json()["batches"]["cancelled"] == 1
    assert api.upload(CSV).status_code == 202
    apply()
    assert edges(domain) == 2


def test_an_upload_is_cancelled_while_its_body_arrives(api: Api, domain: Connection) -> None:
    content = HEADER + rows(10)
    with api.connect() as client:
        client.sendall(request_head(length=len(content)) + content[:-1])
        until(lambda: states(domain) == ["receiving"], within=10, what="the upload is being received")
        upload = api.http.get("/uploads").json()["uploads"][0]["links"]["upload"]

        assert api.http.post(f"{upload}/cancel").json()["state"] == "cancelled"

        client.sendall(content[-1:])
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert states(domain) == ["cancelled"]
    assert batches(domain) == 0


def test_an_applied_upload_is_retracted(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    path = api.upload(CSV, priority="urgent").headers["location"]
    apply()
    assert edges(domain) == 2

    answer = api.http.post(f"{path}/retract")

    assert (answer.status_code, answer.json()["state"]) == (202, "retracting")
    apply()
    assert edges(domain) == 0
    entry = api.http.get(path).json()
    assert (entry["state"], entry["batches"]["retracted"], entry["rows_applied"]) == ("retracted", 1, 0)


def test_what_has_failed_is_replayed(
    api: Api, domain: Connection, settings: Settings, apply: Callable[[], None]
) -> None:
    path = api.upload(CSV).headers["location"]
    until(lambda: bells(settings) == 1, within=10, what="the upload's own bell")
    fail_batches(domain)

    answer = api.http.post(f"{path}/replay")

    assert (answer.status_code, answer.json()["state"], answer.json()["batches"]["staged"]) == (202, "applying", 1)
    until(lambda: bells(settings) == 2, within=10, what="the batch's bell")
    apply()
    assert api.http.get(path).json()["state"] == "applied"


def test_one_batch_is_replayed(serve: Serve, settings: Settings, domain: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=10_000))
    path = api.upload(HEADER + rows(5000)).headers["location"]
    first, *others = fail_batches(domain)

    answer = api.http.post(f"/batches/{first}/replay")

    assert (answer.status_code, answer.headers["location"]) == (202, path)
    assert answer.json()["batches"]["staged"] == 1
    assert answer.json()["batches"]["failed"] == len(others) > 0


@pytest.mark.parametrize("verb", ["cancel", "retract", "replay"])
def test_what_the_state_does_not_allow(api: Api, problem_of: ProblemOf, apply: Callable[[], None], verb: str) -> None:
    path = api.upload(CSV).headers["location"]
    if verb == "cancel":
        apply()

    answer = api.http.post(f"{path}/{verb}")

    problem = problem_of(answer)
    assert (answer.status_code, problem["type"]) == (409, "urn:mentiongraph:problem:bad-state")
    assert ("applied" if verb == "cancel" else "staged") in problem["detail"]


def test_a_batch_that_has_not_failed_is_not_replayed(api: Api, domain: Connection, problem_of: ProblemOf) -> None:
    api.upload(CSV)
    row = domain.execute("select id from batches").fetchone()
    assert row is not None

    answer = api.http.post(f"/batches/{row[0]}/replay")

    problem_of(answer)
    assert answer.status_code == 409


def test_what_was_purged_can_be_neither_replayed_nor_retracted(
    api: Api, domain: Connection, problem_of: ProblemOf, apply: Callable[[], None]
) -> None:
    applied = api.upload(CSV).headers["location"]
    apply()
    failed = api.upload(HEADER + rows(1)).headers["location"]
    fail_batches(domain)
    domain.execute("delete from deltas")
    domain.execute("update batches set payload = null")

    for path in (f"{failed}/replay", f"{applied}/retract"):
        answer = api.http.post(path)
        assert answer.status_code == 409
        assert "purged" in problem_of(answer)["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/uploads/{UNKNOWN}/cancel", 404),
        (f"/uploads/{UNKNOWN}/retract", 404),
        (f"/uploads/{UNKNOWN}/replay", 404),
        ("/batches/17/replay", 404),
        ("/uploads/17/cancel", 400),
        ("/batches/zero/replay", 400),
        ("/batches/0/replay", 400),
        (f"/batches/{2**63}/replay", 400),
    ],
)
def test_what_is_not_there(api: Api, problem_of: ProblemOf, path: str, status: int) -> None:
    answer = api.http.post(path)

    problem_of(answer)
    assert answer.status_code == status


def test_a_page_of_another_site_changes_nothing(api: Api, domain: Connection) -> None:
    path = api.upload(CSV).headers["location"]

    assert api.http.post(f"{path}/cancel", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert states(domain) == ["staged"]


# Dry run, limit of rejects, repair ------------------------------------------------------------------------------------


def test_a_dry_run_reports_and_stays_out_of_the_way(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    content = CSV + b"hi,yesterday,ada\n"
    dry = api.upload(content, dry_run="true")
    apply()
    report = api.http.get(dry.headers["location"]).json()
    again = api.upload(content, dry_run="true")
    real = api.upload(content)

    assert (report["state"], report["progress"]["share"], report["batches"]["checked"]) == ("checked", 1, 1)
    assert [report[f"rows_{what}"] for what in ("received", "accepted", "rejected", "applied")] == [3, 2, 1, 0]
    assert edges(domain) == 0
    assert [each.status_code for each in (dry, again, real)] == [202, 202, 202]
    assert len({each.json()["id"] for each in (dry, again, real)}) == 3


@pytest.mark.parametrize(("limit", "state"), [("0", "failed"), ("1", "applied"), ("33%", "failed"), ("34%", "applied")])
def test_a_limit_of_rejects(  # noqa: PLR0917 (fixtures)
    api: Api, domain: Connection, settings: Settings, now: datetime, limit: str, state: str
) -> None:
    path = api.upload(CSV + b"hi,yesterday,ada\n", max_rejects=limit).headers["location"]
    apply_all(settings, now=now)
    decide(domain, now)
    apply_all(settings, now=now)

    entry = api.http.get(path).json()
    assert entry["state"] == state
    assert (edges(domain) == 0) == (state == "failed")
    assert (entry["error"] is not None) == (state == "failed")


def decide(conn: Connection, now: datetime) -> None:
    """What the worker does after counting a batch of an upload with a limit."""
    for (upload_id,) in conn.execute("select id from uploads where state = 'applying'").fetchall():
        limits.decide(conn, upload_id, now=now)


def test_rejects_are_repaired_and_uploaded_again(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    bad = b"".join(b'"@bob, at last",yesterday,user%d\n' % number for number in range(1200))
    upload = api.upload(CSV + bad).json()
    apply()
    rejected = api.http.get(upload["links"]["rejects_csv"])

    assert rejected.headers["content-type"].startswith("text/csv")
    assert "rejects-" in rejected.headers["content-disposition"]
    assert rejected.content.count(b"\n") == 1201
    repaired = api.upload(rejected.content.replace(b",yesterday,", b",2026-01-15T11:00:00Z,"))
    apply()
    entry = api.http.get(repaired.headers["location"]).json()
    assert (entry["state"], entry["rows_received"], entry["rows_rejected"]) == ("applied", 1200, 0)
    assert edges(domain) == 1202


def test_no_rejects_are_a_header(api: Api, apply: Callable[[], None]) -> None:
    upload = api.upload(CSV).json()
    apply()

    assert api.http.get(upload["links"]["rejects_csv"]).text.startswith("\ufeffdata,timestamp,username")


def test_an_upload_whose_header_was_not_read_has_no_rejects(api: Api, problem_of: ProblemOf) -> None:
    upload = api.upload(b"").json()["upload"]

    answer = api.http.get(f"/uploads/{upload}/rejects.csv")

    problem_of(answer)
    assert answer.status_code == 409


# JSON Lines -----------------------------------------------------------------------------------------------------------

JSONL = b'{"data": "hi @bob", "timestamp": "2026-01-15T11:00:00Z", "username": "ada"}\n'


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/jsonl"])
def test_json_lines_by_content_type(api: Api, domain: Connection, apply: Callable[[], None], media_type: str) -> None:
    answer = api.http.post("/uploads", content=JSONL, headers={"Content-Type": media_type})
    apply()

    assert answer.json()["options"]["format"] == "jsonl"
    assert edges(domain) == 1


def test_json_lines_by_query_and_in_a_form(api: Api) -> None:
    by_query = api.upload(JSONL, format="jsonl")
    in_a_form = api.http.post("/uploads", files={"file": ("posts.jsonl", JSONL, "application/x-ndjson")})

    assert (by_query.status_code, in_a_form.status_code) == (202, 200)
    assert by_query.json()["id"] == in_a_form.json()["id"]


def test_a_delimiter_is_detected(api: Api, apply: Callable[[], None]) -> None:
    path = api.upload(CSV.replace(b",", b";"), delimiter="auto").headers["location"]
    apply()

    assert api.http.get(path).json()["rows_accepted"] == 2


@pytest.mark.parametrize(("charset", "encoding"), [("iso-8859-1", "latin-1"), ("utf-16", "utf-16")])
def test_the_encoding_is_the_charsets_unless_it_is_named(
    api: Api, apply: Callable[[], None], charset: str, encoding: str
) -> None:
    content = CSV.decode().replace("ada", "adä").encode(charset)
    by_charset = api.http.post("/uploads", content=content, headers={"Content-Type": f"text/csv; charset={charset}"})
    by_query = api.upload(content, encoding=encoding)
    apply()

    assert by_charset.json()["options"]["encoding"] == encoding
    assert by_query.json()["id"] == by_charset.json()["id"]
    assert api.http.get(by_charset.headers["location"]).json()["rows_accepted"] == 2
    assert api.http.get("/users/adä").status_code == 200

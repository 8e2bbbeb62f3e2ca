"""Lists and counts of uploads by a filter, over HTTP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from app.control.callers import Scope
from app.ledger.states import UploadState
from app.settings import Settings
from app.store.postgres import Connection
from tests.http.conftest import Api, Serve
from tests.http.keyed import client, key
from tests.http.test_receiving import HEADER, rows
from tests.http.test_uploads import follow
from tests.http.test_warnings_command import run

ProblemOf = Callable[[httpx.Response], dict[str, Any]]

STATES = (UploadState.ABORTED, UploadState.CANCELLED)
"""States in which an upload needs no bytes, so that a statement enters it."""


def enter(conn: Connection, count: int, begin: datetime) -> list[str]:
    """Uploads that came to nothing, one a minute: of two owners, in two states, with names of three kinds, and a note
    on each fifth. Their ids, the newest first."""
    ids = list[str]()
    for number in range(count):
        name = ("Forum_Herbst.csv", "radforum.csv", None)[number % 3]
        at = begin + timedelta(minutes=number)
        ids.append(str(uuid4()))
        conn.execute(
            "INSERT INTO uploads (id, state, filename, options, received_by, received_at, heartbeat_at, finished_at,"
            " owner, note) VALUES (%s, %s, %s, %s, 'test', %s, %s, %s, %s, %s)",
            [ids[-1], STATES[number % 2], name, "{}", at, at, at, ("ada", "grace")[number // 2 % 2],
             f"Ñandú 100%_{number}" if number % 5 == 0 else None],
        )  # fmt: skip
    return ids[::-1]


FILTERS: list[dict[str, Any]] = [
    {},
    {"state": "aborted"},
    {"state": ["aborted", "cancelled", "applied"]},
    {"state": "applied"},
    {"text": "FORUM"},
    {"text": "herbst", "state": "cancelled"},
    {"text": "ñandú 100%_1"},
    {"text": "%"},
    {"text": "o_um"},
    {"owner": "ada"},
    {"owner": "nobody"},
    {"since": "2026-01-15T12:05:00Z"},
    {"until": "2026-01-15T12:05:00Z"},
    {"since": "2026-01-15T13:03:00+01:00", "until": "2026-01-15T12:20:00Z", "owner": "grace", "text": "forum"},
]


def matches(entry: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """What the filter means, in other words."""
    at = datetime.fromisoformat(entry["received_at"])
    states = wanted.get("state", entry["state"])
    texts = [(entry[name] or "").lower() for name in ("filename", "note")]
    return (
        entry["state"] in ([states] if isinstance(states, str) else states)
        and wanted.get("owner", entry["sent_by"]["owner"]) == entry["sent_by"]["owner"]
        and any(wanted.get("text", "").lower() in text for text in texts)
        and ("since" not in wanted or at >= datetime.fromisoformat(wanted["since"]))
        and ("until" not in wanted or at < datetime.fromisoformat(wanted["until"]))
    )


def test_lists_and_counts_are_of_what_matches(api: Api, domain: Connection, now: datetime) -> None:
    ids = enter(domain, 30, now)
    everything = follow(api, "/uploads", "uploads")
    assert [each["id"] for each in everything] == ids

    for wanted in FILTERS:
        expected = [each["id"] for each in everything if matches(each, wanted)]
        path = str(httpx.URL("/uploads", params={**wanted, "limit": 4}))
        assert [each["id"] for each in follow(api, path, "uploads")] == expected, wanted

        without_states = {name: value for name, value in wanted.items() if name != "state"}
        counted = api.http.get("/uploads/counts", params=without_states).json()
        states = Counter(each["state"] for each in everything if matches(each, without_states))
        assert counted == {"total": states.total(), "states": {each: states[each] for each in UploadState}}


def test_the_begin_of_an_id_finds_an_upload(api: Api, domain: Connection, now: datetime) -> None:
    ids = enter(domain, 5, now)
    for text, found in [(ids[3], [ids[3]]), (ids[3][:12].upper(), [ids[3]]), (ids[3][:7], [])]:
        listed = api.http.get("/uploads", params={"text": text}).json()["uploads"]
        assert [each["id"] for each in listed] == found
        assert api.http.get("/uploads/counts", params={"text": text}).json()["total"] == len(found)


def test_an_owner_lists_and_counts_their_own_uploads_whatever_the_filter(
    serve: Serve, settings: Settings, domain: Connection, now: datetime
) -> None:
    api = serve(msgspec.structs.replace(settings, keys="required"))
    enter(domain, 20, now)
    with client(api, key(domain, now, Scope.UPLOADS_WRITE, owner="ada")) as http:
        for wanted in FILTERS:
            listed = http.get("/uploads", params={**wanted, "limit": 500}).json()["uploads"]
            assert {each["sent_by"]["owner"] for each in listed} <= {"ada"}
            counted = http.get("/uploads/counts", params={each: wanted[each] for each in wanted if each != "state"})
            if "state" not in wanted:
                assert counted.json()["total"] == len(listed)
        assert http.get("/uploads", params={"owner": "grace"}).json()["uploads"] == []
        assert http.get("/uploads/counts").json()["total"] == 10


@pytest.mark.parametrize("path", ["/uploads", "/uploads/counts"])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("text=a%00b", "'text' has to be 1 to 200 characters"),
        ("text=", "'text' has to be 1 to 200 characters"),
        (f"text={'x' * 201}", "'text' has to be 1 to 200 characters"),
        ("owner=%00", "'owner' has to be the owner of a key"),
        ("since=yesterday", "'since' has to be an instant"),
        ("until=2026-01-15T12:00:00", "'until' has to be an instant"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    api: Api, problem_of: ProblemOf, path: str, query: str, said: str
) -> None:
    answer = api.http.get(f"{path}?{query}")

    assert said in problem_of(answer)["detail"]
    assert answer.status_code == 400


def test_a_state_that_there_is_not_is_refused(api: Api, problem_of: ProblemOf) -> None:
    answer = api.http.get("/uploads?state=applied&state=eaten")

    assert "'state' has to be receiving, staged, " in problem_of(answer)["detail"]


# Notes ----------------------------------------------------------------------------------------------------------------


def test_a_note_is_written_changed_and_removed(api: Api, domain: Connection) -> None:
    path = api.upload(HEADER + rows(1)).headers["location"]
    assert api.http.get(path).json()["note"] is None

    for given, kept in [("  of Ada\r\n2nd ", "of Ada\n2nd"), ("of Ada\n2nd", "of Ada\n2nd"), ("ä" * 500, "ä" * 500),
                        (None, None), ("x", "x"), (" ", None)]:  # fmt: skip
        answer = api.http.patch(path, json={"note": given})
        assert (answer.status_code, answer.json()["note"]) == (200, kept)
        assert api.http.get(path).json() == answer.json()

    found = domain.execute(
        "SELECT subject, detail FROM audit_events WHERE action = 'upload.note' ORDER BY id"
    ).fetchall()
    # To write the same note again is no act.
    assert [detail for _, detail in found] == [{"characters": number} for number in (10, 500, 0, 1, 0)]
    assert {f"/uploads/{subject}" for subject, _ in found} == {path}


def test_a_note_changes_nothing_else(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    path = api.upload(HEADER + rows(5)).headers["location"]
    apply()
    before = api.http.get(path).json()
    events = domain.execute("SELECT count(*) FROM ledger_events").fetchone()

    after = api.http.patch(path, json={"note": "of Ada"}).json()

    assert after == before | {"note": "of Ada"}
    assert domain.execute("SELECT count(*) FROM ledger_events").fetchone() == events


@pytest.mark.parametrize(
    "body",
    [b'{"note": "%s"}' % (b"x" * 501), b'{"note": "a\\u0000b"}', b'{"note": "\\ud800"}', b"{}", b'{"note": 1}',
     b'{"note": "x", "state": "applied"}', b"note"],
)  # fmt: skip
def test_what_is_no_note_is_refused(api: Api, problem_of: ProblemOf, body: bytes) -> None:
    path = api.upload(HEADER + rows(1)).headers["location"]

    answer = api.http.patch(path, content=body, headers={"Content-Type": "application/json"})

    problem_of(answer)
    assert answer.status_code == 400
    assert api.http.get(path).json()["note"] is None


def test_an_owner_writes_on_their_own_uploads_alone(
    serve: Serve, settings: Settings, domain: Connection, now: datetime
) -> None:
    api = serve(msgspec.structs.replace(settings, keys="required"))
    with (
        client(api, key(domain, now, Scope.UPLOADS_WRITE, owner="ada")) as ada,
        client(api, key(domain, now, Scope.UPLOADS_WRITE, owner="grace")) as grace,
        client(api, key(domain, now, Scope.UPLOADS_READ, owner="eve")) as reader,
        client(api, key(domain, now, Scope.UPLOADS_MANAGE, Scope.UPLOADS_READ, owner="alan")) as manager,
    ):
        path = ada.post("/uploads", content=HEADER + rows(1), headers={"Content-Type": "text/csv"}).headers["location"]
        statuses = [http.patch(path, json={"note": "x"}).status_code for http in (grace, reader, manager, ada)]
        assert statuses == [404, 403, 200, 200]
        assert reader.get(path).json()["note"] == "x"
        acts = domain.execute("SELECT owner FROM audit_events WHERE action = 'upload.note'").fetchall()
        assert acts == [("alan",)]


# On the command line --------------------------------------------------------------------------------------------------


def test_status_lists_what_matches(api: Api, domain: Connection, now: datetime) -> None:
    ids = enter(domain, 12, now)
    words = ("--state", "aborted", "--state", "applied", "--text", "FORUM", "--since", "2026-01-15T12:02",
             "--until", "2026-01-15T13:08+01:00")  # fmt: skip

    found = json.loads(run(api, "status", *words, "--json").stdout)["uploads"]

    assert [each["id"] for each in found] == [ids[11 - number] for number in (6, 4)]
    assert "No such uploads." in run(api, "status", "--owner", "nobody").stdout
    assert "--text is for a list" in run(api, "status", ids[0], "--text", "x", code=2).output
    assert "--since has to be an instant" in run(api, "status", "--since", "soon", code=2).output
    assert "'state' has to be receiving" in run(api, "status", "--state", "eaten", code=2).output


def test_a_note_on_the_command_line(api: Api) -> None:
    upload_id = api.upload(HEADER + rows(1)).json()["id"]

    assert run(api, "note", upload_id).stdout == "No note.\n"
    assert run(api, "note", upload_id, "of Ada").stdout == "of Ada\n"
    assert json.loads(run(api, "note", upload_id, "--json").stdout) == {"id": upload_id, "note": "of Ada"}
    assert "note" in run(api, "status", upload_id).stdout
    assert run(api, "note", upload_id, "--remove").stdout == "No note.\n"
    assert "not both" in run(api, "note", upload_id, "x", "--remove", code=2).output
    run(api, "note", str(uuid4()), "x", code=4)

"""Uploads, their events and audit events say who did what, from where; and who is shown that."""

from __future__ import annotations

import os
import re
import socket
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest

from app.control.callers import Scope
from app.errors import NotFound
from app.http import denials
from app.settings import Settings
from app.store.postgres import AsyncConnection, Connection
from tests.calling import by, caller, name_callers
from tests.conftest import until
from tests.graphs import apply_all
from tests.http.conftest import Api
from tests.http.test_archives import zipped
from tests.http.test_changes import fail_batches
from tests.http.test_receiving import CSV

GRACE, ADA, BOSS = caller("grace"), caller("ada", address="192.0.2.8"), caller("boss", Scope.ADMIN, address="192.0.2.9")
WHO = {"grace": GRACE, "ada": ADA, "boss": BOSS}


@pytest.fixture
def team(api: Api) -> Api:
    name_callers(api.app, WHO)
    return api


def send(api: Api, name: str, content: bytes = CSV) -> httpx.Response:
    return api.http.post("/uploads", content=content, headers={"Content-Type": "text/csv", **by(name)})


def changes(domain: Connection) -> list[tuple[Any, ...]]:
    """The changes of state, each with who caused it."""
    return domain.execute(
        "select batch_id is not null, to_state, key_id, owner, address from ledger_events order by id"
    ).fetchall()


def acts(domain: Connection) -> list[tuple[Any, ...]]:
    return domain.execute(
        "select action, outcome, subject, owner, address, detail from audit_events order by id"
    ).fetchall()


def test_an_upload_and_its_events_say_who_sent_it(
    team: Api, domain: Connection, settings: Settings, now: datetime
) -> None:
    sent = send(team, "grace").json()
    apply_all(settings, now=now)

    assert sent["sent_by"] == {"key_id": "grace000", "owner": "grace", "address": "192.0.2.7"}
    grace, nobody = ("grace000", "grace", "192.0.2.7"), (None, None, None)
    assert changes(domain) == [
        (False, "receiving", *grace),
        (True, "staged", *grace),
        (False, "staged", *grace),
        (False, "applying", *nobody),
        (True, "counted", *nobody),
        (True, "applied", *nobody),
        (False, "applied", *nobody),
    ]


def test_a_cut_off_upload_and_the_files_of_a_zip_say_so_too(team: Api, domain: Connection) -> None:
    send(team, "grace", b"no,header\n")
    send(team, "grace", zipped({"a.csv": CSV, "b.csv": CSV + CSV.splitlines(keepends=True)[1], "empty.csv": CSV[:24]}))

    owners = domain.execute("select state, owner from uploads order by id").fetchall()
    assert len(owners) == 5
    assert {"aborted", "staged"} == {state for state, _ in owners}
    assert {owner for _, owner in owners} == {"grace"}
    assert {each[3:] for each in changes(domain)} == {("grace", "192.0.2.7")}


def test_without_a_key_the_address_is_known(api: Api) -> None:
    assert api.upload(CSV).json()["sent_by"] == {"key_id": None, "owner": None, "address": "127.0.0.1"}


def test_a_connection_of_the_pool_forgets_for_whom_it_worked(team: Api, domain: Connection) -> None:
    for _ in range(6):
        send(team, "grace", CSV)
    for number in range(6):
        team.upload(CSV + b"x,2026-01-15T12:00:00Z,u%d\n" % number)
    assert domain.execute("select count(*) from uploads where owner is null").fetchone() == (6,)


def test_only_its_owner_and_who_may_see_all_uploads_learn_who_sent_it(team: Api) -> None:
    path = send(team, "grace").headers["location"]

    def sender(name: str) -> Any:
        return team.http.get(path, headers=by(name)).json()["sent_by"]

    assert sender("grace")["address"] == sender("boss")["address"] == "192.0.2.7"
    assert send(team, "grace").json()["sent_by"]["owner"] == "grace"
    # The same bytes from another owner are answered with an entry of that owner's own.
    assert send(team, "ada").json()["sent_by"]["owner"] == "ada"


def test_hosts_and_pids_are_named_to_whoever_may_list_the_processes(api: Api) -> None:
    callers = {
        "grace": GRACE,
        "boss": caller("boss", Scope.ADMIN),
        "watcher": caller("watcher", Scope.UPLOADS_READ, Scope.METRICS),
        "reader": caller("reader", Scope.UPLOADS_READ),
        "chief": msgspec.structs.replace(caller("chief", Scope.ADMIN), graphs=frozenset({"default"})),
    }
    name_callers(api.app, callers)
    sent = send(api, "grace")
    path, here = sent.headers["location"], f"mentiongraph api@{socket.gethostname()[:24]}:{os.getpid()}"
    api.http.post(f"{path}/cancel", headers=by("grace"))

    def named(name: str) -> set[str]:
        told = api.http.get(path, headers=by(name)).json()["received_by"]
        events = api.http.get(f"{path}/events", headers=by(name)).text
        listed = api.http.get("/uploads", headers=by(name)).json()["uploads"]
        return {told, *re.findall(r'"(?:process|received_by)":"([^"]*)"', events), listed[0]["received_by"]}

    assert sent.json()["received_by"] == "mentiongraph api"
    assert named("grace") == named("reader") == named("chief") == {"mentiongraph api"}
    assert named("boss") == named("watcher") == {here}
    audited = {
        name: {each["process"] for each in api.http.get("/audit-events", headers=by(name)).json()["events"]}
        for name in ("chief", "boss")
    }
    assert audited == {"chief": {"mentiongraph api"}, "boss": {here}}


def test_an_owner_does_not_learn_from_where_somebody_else_cancelled(team: Api) -> None:
    path = send(team, "grace").headers["location"]
    team.http.post(f"{path}/cancel", headers=by("boss"))

    seen = {name: team.http.get(f"{path}/events", headers=by(name)).text for name in ("grace", "boss")}

    assert "192.0.2.7" in seen["grace"]
    assert "192.0.2.9" not in seen["grace"]
    assert "192.0.2.9" in seen["boss"]


def test_cancel_retract_and_replay_are_told_with_who_did_them(
    team: Api, domain: Connection, settings: Settings, now: datetime
) -> None:
    one = send(team, "grace").json()["id"]
    team.http.post(f"/uploads/{one}/cancel", headers=by("grace"))
    two = send(team, "grace").json()["id"]
    apply_all(settings, now=now)
    team.http.post(f"/uploads/{two}/retract", headers=by("boss"))
    apply_all(settings, now=now)
    three = send(team, "grace").json()["id"]
    fail_batches(domain)
    team.http.post(f"/uploads/{three}/replay", headers=by("boss"))
    assert team.http.post(f"/uploads/{one}/cancel", headers=by("boss")).status_code == 409

    assert acts(domain) == [
        ("upload.cancel", "done", one, "grace", "192.0.2.7", None),
        ("upload.retract", "done", two, "boss", "192.0.2.9", None),
        ("upload.replay", "done", three, "boss", "192.0.2.9", {"batches": 1}),
    ]
    query = "select to_state, owner from ledger_events where owner = 'boss' order by id"
    assert domain.execute(query).fetchall() == [
        ("retracting", "boss"),
        ("retracting", "boss"),
        ("staged", "boss"),
        ("applying", "boss"),
    ]


def test_an_export_is_told_with_its_selection_before_its_first_byte(
    team: Api, domain: Connection, settings: Settings, now: datetime
) -> None:
    send(team, "grace")
    apply_all(settings, now=now)

    for query in ("user=%40ada&depth=0&min_weight=0.5", ""):
        assert team.http.get(f"/export/edges.csv?{query}", headers=by("grace")).status_code == 200
    assert team.http.head("/export/edges.csv", headers=by("grace")).status_code == 200

    (ada,) = domain.execute("select id from users where handle = 'ada'").fetchall()[0]
    at = "2026-01-15T12:00:00Z"
    assert acts(domain) == [
        ("graph.export", "done", "edges.csv", "grace", "192.0.2.7",
         {"as_of": at, "min_weight": 0.5, "depth": 0, "users": [ada]}),
        ("graph.export", "done", "edges.csv", "grace", "192.0.2.7", {"as_of": at}),
    ]  # fmt: skip


def test_audit_events_are_listed_page_by_page(team: Api) -> None:
    for _ in range(3):
        path = send(team, "grace").headers["location"]
        team.http.post(f"{path}/cancel", headers=by("grace"))

    def listed(query: str) -> dict[str, Any]:
        return team.http.get(f"/audit-events?{query}", headers=by("boss")).json()

    first = listed("limit=2&owner=grace&action=upload")
    second = team.http.get(first["next"], headers=by("boss")).json()
    assert [event["action"] for event in first["events"] + second["events"]] == ["upload.cancel"] * 3
    assert second["next"] is None
    assert listed("owner=ada")["events"] == listed("until=2020-01-01T00:00:00Z")["events"] == []
    assert team.http.get("/audit-events?since=yesterday", headers=by("boss")).status_code == 400
    for name in ("owner", "key", "subject", "action"):
        assert listed(f"{name}=a%00b")["events"] == []


def test_denied_requests_are_counted_and_told_of_once_a_minute(team: Api, domain: Connection) -> None:
    def deny(name: str, times: int) -> None:
        for _ in range(times):
            team.services.denials.note(WHO[name], NotFound("nothing is here."), "GET", "/users/@secret", graph="x")

    team.loop.call_soon_threadsafe(deny, "grace", 1)
    until(lambda: len(acts(domain)) == 1, within=5, what="the first denial is written at once")
    team.loop.call_soon_threadsafe(deny, "grace", 500)
    team.loop.call_soon_threadsafe(deny, "ada", 1)
    until(lambda: len(acts(domain)) == 2, within=5, what="another caller's denial is written at once")

    told = [(owner, detail["requests"], subject, detail["graph"]) for _, _, subject, owner, _, detail in acts(domain)]
    assert told == [("grace", 1, "GET /users", "x"), ("ada", 1, "GET /users", "x")]


def test_a_request_that_is_denied_while_events_are_written_is_counted(
    team: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, noted = denials.async_record, team.services.denials
    counts = list[int]()

    async def record(conn: AsyncConnection, *said: Any, **more: Any) -> None:
        counts.append(more["detail"]["requests"])
        noted.note(WHO["grace"], NotFound("nothing is here."), "GET", "/users", graph=None)
        await original(conn, *said, **more)

    monkeypatch.setattr(denials, "async_record", record)
    monkeypatch.setattr(denials, "MINUTE", 0.0)
    monkeypatch.setattr(denials, "PAUSE", 0.01)
    team.loop.call_soon_threadsafe(
        partial(noted.note, WHO["grace"], NotFound("nothing is here."), "GET", "/users", graph=None)
    )
    until(lambda: len(counts) > 2, within=20, what="the requests that were denied meanwhile are told of, too")
    monkeypatch.undo()


def test_many_callers_write_a_bounded_number_of_denials(
    team: Api, domain: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted, rounds = team.services.denials, list[float]()
    write_due = noted._write_due  # pyright: ignore[reportPrivateUsage]

    async def watched(now: float) -> None:
        await write_due(now)
        rounds.append(now)

    monkeypatch.setattr(noted, "_write_due", watched)
    monkeypatch.setattr(denials, "PAUSE", 0.01)

    def deny() -> None:
        for number in range(5_000):
            team.services.denials.note(caller(f"o{number}"), NotFound("nothing."), "GET", "/users", graph=None)

    team.loop.call_soon_threadsafe(deny)
    until(lambda: len(acts(domain)) == denials.EVENTS_A_MINUTE, within=5, what="as many as may be are written")
    assert len(team.services.denials._kinds) <= denials.MOST_KINDS + 1  # pyright: ignore[reportPrivateUsage]
    looks = len(rounds)
    until(lambda: len(rounds) > looks + 2, within=20, what="the writer looks again for what is due")
    assert len(acts(domain)) == denials.EVENTS_A_MINUTE

"""Uploads, their events and audit events say who did what, from where; and who is shown that."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from app.control.callers import Scope
from app.settings import Settings
from app.store.postgres import Connection
from tests.calling import by, caller, name_callers
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
    # The same bytes from another owner are answered with this upload's entry.
    twice = send(team, "ada")
    assert twice.status_code != 200 or twice.json()["sent_by"] is None


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

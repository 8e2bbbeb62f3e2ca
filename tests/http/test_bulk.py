"""One change of many uploads, over HTTP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest

from app.control.callers import Scope
from app.http.routes import bulk as route
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.keyed import client, key
from tests.http.test_changes import edges, fail_batches
from tests.http.test_forecasts import posts
from tests.http.test_receiving import HEADER, bells, request_head
from tests.http.test_two_owners import state_of
from tests.http.test_uploads import UNKNOWN
from tests.http.test_warnings_command import run
from tests.posts.workbooks import zipped

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
ACTIONS = ("cancel", "retract", "replay")


def send(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("/uploads/bulk", json=body)


def several(api: Api, count: int, prefix: str = "posts") -> list[str]:
    """Uploads with an edge each, the newest first."""
    sent = [
        api.upload(posts([(f"{prefix}{number}", "bob")]), filename=f"{prefix}{number}.csv") for number in range(count)
    ]
    return [each.json()["id"] for each in sent][::-1]


def states_of(http: httpx.Client) -> dict[str, str]:
    return {each["id"]: each["state"] for each in http.get("/uploads?limit=500").json()["uploads"]}


def state_of_all(api: Api) -> dict[str, tuple[int, str]]:
    return state_of(api.services.settings.database_url)


def everything(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    """Uploads in most states; zips whose members are in other states than the zip."""
    several(api, 3, "applied")
    api.upload(zipped({"a.csv": posts([("a", "b")]), "b.csv": posts([("c", "d")])}))
    apply()
    several(api, 2, "failed")
    api.upload(zipped({"c.csv": posts([("e", "f")]), "d.csv": posts([("g", "h")])}))
    failed = fail_batches(domain)
    domain.execute("UPDATE batches SET payload = NULL WHERE id = %s", [failed[0]])
    gone = several(api, 2, "gone")
    api.http.post(f"/uploads/{gone[0]}/cancel")
    apply()
    api.http.post(f"/uploads/{gone[1]}/retract")
    domain.execute("UPDATE uploads SET purged_at = finished_at WHERE filename = 'applied0.csv'")
    domain.execute("DELETE FROM deltas WHERE batch_id = (SELECT min(id) FROM batches)")
    several(api, 2, "staged")
    api.upload(zipped({"e.csv": posts([("i", "j")]), "f.csv": posts([("k", "l")])}))


def test_each_action_is_said_to_fit_where_it_is_allowed(
    api: Api, domain: Connection, apply: Callable[[], None]
) -> None:
    everything(api, domain, apply)
    listed = api.http.get("/uploads?limit=500").json()["uploads"]
    before = state_of_all(api)

    counted = send(api.http, filter={}, dry_run=True).json()

    assert (counted["matching"], counted["unknown"]) == (len(listed), 0)
    for action in ACTIONS:
        allowed = [
            each for each in listed
            if api.http.post(f"{each['links']['upload']}/{action}", params={"dry_run": "true"}).status_code == 200
        ]  # fmt: skip
        ids = {each["id"] for each in allowed}
        with_zip = sum(each["parent_id"] in ids for each in allowed)
        fits = len(allowed) - with_zip
        assert counted[action] == {"fits": fits, "with_zip": with_zip, "unfit": len(listed) - len(allowed)}, action
        assert fits > 1
        assert with_zip > 0
        one = next(each["id"] for each in allowed if each["parent_id"] not in ids)
        named = send(api.http, uploads=[one, UNKNOWN, one], dry_run=True, action=action).json()
        assert (named["matching"], named["unknown"], named[action]["fits"]) == (1, 1, 1)
    assert state_of_all(api) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_what_fits_is_done(api: Api, domain: Connection, apply: Callable[[], None], action: str) -> None:
    everything(api, domain, apply)
    count = send(api.http, filter={}, dry_run=True).json()[action]

    answer = send(api.http, filter={}, action=action, expected=count["fits"])

    done = answer.json()
    assert (answer.status_code, done["next"], done["refused"], done["done"]) == (202, None, 0, count["fits"])
    assert {name: done[name] for name in ("fits", "with_zip", "unfit")} == count
    assert len({each["id"] for each in done["uploads"]}) == count["fits"]
    assert send(api.http, filter={}, dry_run=True).json()[action]["fits"] == 0
    events = domain.execute(
        "SELECT subject FROM audit_events WHERE action = 'upload.' || %s AND id > "
        "(SELECT max(id) FROM audit_events WHERE action = 'upload.bulk')", [action]
    ).fetchall()  # fmt: skip
    # A replay tells of the members that it replays.
    if action != "replay":
        assert sorted(subject for (subject,) in events) == sorted(each["id"] for each in done["uploads"])
    apply()
    after = Counter(states_of(api.http).values())
    gone = {
        "cancel": {"staged": 0, "applied": 6, "failed": 5, "cancelled": 6, "retracted": 1},
        # One upload was purged, and stays.
        "retract": {"applied": 1 + 5, "failed": 0, "retracted": 11},
        # The rows of one were purged.
        "replay": {"failed": 1},
    }[action]
    assert {state: after[state] for state in gone} == gone, after


def test_a_filter_says_what_is_retracted(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    wrong = several(api, 3, "radforum")
    right = several(api, 2, "other")
    apply()
    assert edges(domain) == 5
    wanted = {"text": "RADFORUM", "state": ["applied", "failed"], "since": "2026-01-15T12:00:00Z"}
    assert send(api.http, filter=wanted, dry_run=True).json()["retract"] == {"fits": 3, "with_zip": 0, "unfit": 0}

    answer = send(api.http, filter=wanted, action="retract", expected=3).json()

    assert [each["id"] for each in answer["uploads"]] == sorted(wrong, reverse=True)
    apply()
    assert edges(domain) == 2
    assert states_of(api.http) == {**dict.fromkeys(wrong, "retracted"), **dict.fromkeys(right, "applied")}
    ((detail,),) = domain.execute("SELECT detail FROM audit_events WHERE action = 'upload.bulk'").fetchall()
    assert (detail["action"], detail["expected"], detail["filter"]["state"]) == ("retract", 3, ["applied", "failed"])
    assert "radforum" not in json.dumps(detail).lower()


@pytest.mark.parametrize("expected", [0, 2, 4])
def test_another_number_than_was_confirmed_does_nothing(
    api: Api, problem_of: ProblemOf, apply: Callable[[], None], expected: int
) -> None:
    several(api, 3)
    apply()
    before = state_of_all(api)

    answer = send(api.http, filter={}, action="retract", expected=expected)

    assert answer.status_code == 409
    assert f"Retract fits 3 uploads, and {expected} were expected" in problem_of(answer)["detail"]
    assert state_of_all(api) == before


@pytest.mark.parametrize(("name", "value", "requests"), [("MOST", 2, 3), ("SECONDS", -1.0, 5)])
def test_an_answer_is_bounded_and_the_next_goes_on(  # noqa: PLR0917 (fixtures)
    api: Api, apply: Callable[[], None], monkeypatch: pytest.MonkeyPatch, name: str, value: float, requests: int
) -> None:
    ids = several(api, 5)
    apply()
    monkeypatch.setattr(route, name, value)
    body: dict[str, Any] | None = {"filter": {}, "action": "retract", "expected": 5}
    answers = list[dict[str, Any]]()
    while body is not None:
        answer = send(api.http, **body)
        assert answer.status_code == 202, answer.text
        answers.append(answer.json())
        # Whoever sends the same again, having lost the answer, does nothing.
        assert send(api.http, **body).status_code == 409
        several(api, 1, f"later{len(answers)}")  # what comes meanwhile is not of it
        apply()
        body = body | answers[-1]["next"] if answers[-1]["next"] else None

    assert len(answers) == requests
    assert [each["id"] for answer in answers for each in answer["uploads"]] == ids
    assert [answer["next"] and answer["next"]["expected"] for answer in answers][-2:] == [1, None]
    assert {states_of(api.http)[each] for each in ids} == {"retracted"}


def test_what_cannot_be_taken_out_is_refused_alone(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    ids = several(api, 3)
    apply()
    domain.execute("DELETE FROM deltas WHERE batch_id IN (SELECT id FROM batches WHERE upload_id = %s)", [ids[1]])

    answer = send(api.http, uploads=ids, action="retract", expected=3).json()

    assert (answer["done"], answer["refused"], answer["next"]) == (2, 1, None)
    assert [each["outcome"] for each in answer["uploads"]] == ["done", "refused", "done"]
    assert "was purged after its retention time" in answer["uploads"][1]["detail"]
    apply()
    assert [states_of(api.http)[each] for each in ids] == ["retracted", "applied", "retracted"]


def test_an_upload_is_cancelled_while_its_body_arrives(api: Api) -> None:
    with api.connect() as arriving:
        arriving.sendall(request_head(length=1000) + HEADER)
        until(lambda: "receiving" in states_of(api.http).values(), within=10, what="the upload is being received")

        answer = send(api.http, filter={"state": ["receiving"]}, action="cancel", expected=1)

    assert answer.json()["done"] == 1
    assert list(states_of(api.http).values()) == ["cancelled"]


def test_workers_are_rung_for_what_is_replayed(api: Api, domain: Connection, settings: Settings) -> None:
    several(api, 3)
    until(lambda: bells(settings) == 3, within=10, what="the uploads' own bells")
    fail_batches(domain)

    assert send(api.http, filter={}, action="replay", expected=3).json()["done"] == 3

    until(lambda: bells(settings) == 6, within=10, what="the bells of the replayed batches")


def test_of_two_at_once_one_does_it(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    several(api, 6)
    apply()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(send, api.http, filter={}, action="retract", expected=6) for _ in range(2)]
        statuses = sorted(each.result().status_code for each in asked)

    assert statuses == [202, 409]
    apply()
    assert set(states_of(api.http).values()) == {"retracted"}
    assert edges(domain) == 0


def test_one_at_a_time(api: Api, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "PATIENCE", 0.01)
    api.loop.call_soon_threadsafe(setattr, api.services.bulk_slots, "_value", 0)
    until(api.services.bulk_slots.locked, within=10, what="the slot is taken")

    answer = send(api.http, filter={}, action="retract", expected=0)

    assert (answer.status_code, problem_of(answer)["type"]) == (503, "urn:mentiongraph:problem:too-many-changes")
    assert send(api.http, filter={}, dry_run=True).status_code == 200


def test_uploads_of_other_owners_never_match(
    serve: Serve, settings: Settings, domain: Connection, now: datetime, apply: Callable[[], None]
) -> None:
    api = serve(msgspec.structs.replace(settings, keys="required"))
    own = (Scope.UPLOADS_WRITE, Scope.UPLOADS_READ)
    with (
        client(api, key(domain, now, *own, owner="ada")) as ada,
        client(api, key(domain, now, *own, owner="eve")) as eve,
        client(api, key(domain, now, Scope.UPLOADS_READ, owner="reader")) as reader,
        client(api, key(domain, now, Scope.UPLOADS_MANAGE, owner="root")) as root,
    ):
        sent = [
            http.post("/uploads", content=posts([(name, "bob")]), headers={"Content-Type": "text/csv"}).json()["id"]
            for http, name in ((ada, "a1"), (ada, "a2"), (eve, "e1"))
        ]
        apply()
        assert send(reader, filter={}, dry_run=True).status_code == 403
        # Eve sees all uploads, and changes her own.
        for body in ({"filter": {}}, {"uploads": sent}, {"filter": {"owner": "eve"}}):
            counted = send(eve, **body, dry_run=True).json()
            assert (counted["matching"], counted["retract"]["fits"]) == (1, 1), body
        assert send(eve, uploads=sent, dry_run=True).json()["unknown"] == 2
        assert send(eve, filter={"owner": "ada"}, dry_run=True).json()["matching"] == 0
        assert send(eve, uploads=sent, action="retract", expected=3).status_code == 409
        assert send(eve, uploads=sent, action="retract", expected=1).json()["done"] == 1
        apply()
        assert states_of(eve) == {sent[0]: "applied", sent[1]: "applied", sent[2]: "retracted"}
        assert send(root, filter={"owner": "ada"}, action="retract", expected=2).json()["done"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dry_run": True},
        {"filter": {}, "uploads": [UNKNOWN], "dry_run": True},
        {"filter": {}, "action": "retract"},
        {"filter": {}, "expected": 1},
        {"filter": {}, "action": "forget", "expected": 1},
        {"filter": {"state": "applied"}, "dry_run": True},
        {"filter": {"state": []}, "dry_run": True},
        {"filter": {"state": ["eaten"]}, "dry_run": True},
        {"filter": {"text": "a\0b"}, "dry_run": True},
        {"filter": {"text": ""}, "dry_run": True},
        {"filter": {"since": "2026-01-15T12:00:00"}, "dry_run": True},
        {"filter": {"limit": 3}, "dry_run": True},
        {"uploads": [], "dry_run": True},
        {"uploads": ["x"], "dry_run": True},
        {"uploads": [UNKNOWN] * 1001, "dry_run": True},
        {"filter": {}, "action": "retract", "expected": -1},
        {"filter": {}, "action": "retract", "expected": 2**31},
    ],
)
def test_what_means_nothing_is_refused(api: Api, problem_of: ProblemOf, body: dict[str, Any]) -> None:
    answer = send(api.http, **body)

    problem_of(answer)
    assert answer.status_code == 400


def test_bulk_on_the_command_line(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    ids = several(api, 3, "radforum")
    several(api, 1, "other")
    apply()
    staged = several(api, 1, "waits")
    words = ("bulk", "retract", "--text", "radforum")
    shown = run(api, *words, "--dry-run").stdout
    assert "3 uploads match; nothing was changed." in shown
    counted = json.loads(run(api, "bulk", "cancel", "--all", "--dry-run", "--json").stdout)
    assert counted["cancel"] == {"fits": 1, "with_zip": 0, "unfit": 4}
    domain.execute("DELETE FROM deltas WHERE batch_id IN (SELECT id FROM batches WHERE upload_id = %s)", [ids[0]])

    done = run(api, *words, "--yes", code=4)

    assert "retract: 2 uploads; 0 uploads it does not fit." in done.stdout
    assert "purged after its retention time" in done.stderr
    cancelled = json.loads(run(api, "bulk", "cancel", "--state", "staged", "--yes", "--json").stdout)
    assert cancelled["uploads"] == [{"id": staged[0], "outcome": "done", "detail": None}]
    assert "replay: 0 uploads; 5 uploads it does not fit." in run(api, "bulk", "replay", "--all").stdout
    assert "say which uploads" in run(api, "bulk", "retract", "--yes", code=2).output
    run(api, *words, code=1)

"""POST /users/{handle}/forget: what would go, what went, and that no answer, cache or log knows the person any more."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest

from app.http.access_log import shown
from app.http.routes import forgetting
from app.settings import Settings
from app.store import locks
from app.store.postgres import Connection, connect
from app.store.redis_client import redis_client
from tests.conftest import until
from tests.forgetting.searching import places_of
from tests.http.conftest import Api, Serve

CSV = b"""data,timestamp,username
@Quilla77 @bob,2026-01-01T12:00:00Z,dee
@bob,2026-01-01T12:00:00Z,quilla77
@bob quilla77,never,dee
"""


def test_a_person_is_forgotten_over_http(
    api: Api, domain: Connection, settings: Settings, apply: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    path = api.upload(CSV, filename="quilla77.csv").headers["location"]
    api.http.patch(path, json={"note": "from @Quilla77, by hand"})
    apply()
    assert api.http.get("/users/quilla77").status_code == 200
    assert api.http.get("/users", params={"prefix": "qui"}).json()["users"]

    preview = api.http.post("/users/@QUILLA77/forget", params={"dry_run": "true"}).json()
    assert (preview["dry_run"], preview["mentions"], preview["payloads"], preview["rejects"]) == (True, 2, 1, 1)
    assert places_of(domain, "quilla77")

    answer = api.http.post("/users/@QUILLA77/forget")

    assert answer.status_code == 200
    assert "quilla" not in answer.text.lower()
    assert answer.json()["graph"] == "default"
    assert (answer.json()["mentions"], answer.json()["payloads"], answer.json()["cache_cleared"]) == (2, 1, True)
    held = " ".join(answer.json()["still_held"])
    assert all(place in held for place in ("write-ahead log", "append-only file", "Backups")), held
    assert places_of(domain, "quilla77") == []
    assert api.http.get("/users/quilla77").status_code == 404
    assert not api.http.get("/users", params={"prefix": "qui"}).json()["users"]
    assert api.http.get("/users/bob").status_code == 200
    with redis_client(settings.redis_url) as client:
        keys = client.keys(f"{settings.namespace}*")
        held = [str(client.get(key)) for key in keys if client.type(key) == b"string"]
    assert not [value for value in held if "quilla" in value.lower()]
    assert api.http.get(path).json()["note"].endswith(", by hand")
    assert domain.execute("SELECT action, subject FROM audit_events ORDER BY id").fetchall() == [
        ("upload.note", path.removeprefix("/uploads/")),
        ("user.forget", "erasure 1"),
        ("user.forgotten", "erasure 1"),
    ]
    logged = "".join(capfd.readouterr()).lower()
    assert "quilla" not in logged
    steps = re.findall(r"forgetting .*step=(\w+)", logged)
    assert steps == ["payloads", "deltas", "texts", "payloads", "deltas", "edges", "texts"]


def test_a_long_request_says_how_far_it_is_and_the_same_one_again_joins_it(
    api: Api, domain: Connection, settings: Settings, apply: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.upload(CSV)
    apply()
    monkeypatch.setattr(forgetting, "ANSWER_SECONDS", 0.2)
    with connect(settings.database_url, role="test") as other, other.transaction():
        locks.take(other, locks.SUMMARIES)  # so that no delta can be rewritten

        first = api.http.post("/users/quilla77/forget")
        again = api.http.post("/users/Quilla77/forget")
        next_one = api.http.post("/users/dee/forget")

        assert [each.status_code for each in (first, again, next_one)] == [202, 202, 202]
        assert first.headers["location"] == again.headers["location"] == "/erasures/1"
        assert next_one.headers["location"] == "/erasures/2"
        assert not [each for each in (first, again, next_one) if "quilla" in each.text.lower()]
        under_way = until(
            lambda: (state := api.http.get("/erasures/1").json())["step"] == "deltas" and state,
            within=20,
            what="it waits with the deltas",
        )
        assert (under_way["state"], under_way["payloads"], under_way["finished_at"]) == ("running", 1, None)
        assert api.http.get("/erasures/2").json()["state"] == "running"
    for number in (1, 2):
        until(
            lambda number=number: api.http.get(f"/erasures/{number}").json()["state"] == "finished",
            within=20,
            what="the person is forgotten",
        )
    assert places_of(domain, "quilla77") == []
    assert domain.execute("SELECT count(*) FROM edges").fetchone() == (0,)
    assert api.http.get("/erasures/3").status_code == 404
    assert domain.execute("SELECT count(*) FROM erasures").fetchone() == (2,)


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b"/users/alice/forget", "/users/{handle}/forget"),
        (b"/users/a%2Fb/days", "/users/{handle}/days"),
        (b"/graphs/team/edges/a/b/history", "/graphs/team/edges/{source}/{target}/history"),
        (b"/users", "/users"),
        (b"/uploads/1%41", "/uploads/1A"),
        (b"//users//alice", "/users/{handle}"),
        (b"/%75sers/alice", "/users/{handle}"),
        (b"/graphs//team/users/alice", "/graphs/team/users/{handle}"),
        (b"/", "/"),
    ],
)
def test_the_log_names_no_user(sent: bytes, path: str) -> None:
    assert shown(sent) == path


def test_the_log_of_a_failed_request_names_no_user(
    serve: Serve, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    api = serve(msgspec.structs.replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none"))

    assert api.http.get("/users/quilla77").status_code == 503
    log = "".join(capfd.readouterr())
    assert "service_unavailable" in log
    assert "quilla" not in log

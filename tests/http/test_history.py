"""Where an edge comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from app.settings import Settings
from app.store.postgres import Connection
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, HEADER
from tests.http.test_uploads import follow

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
PATH = "/edges/ada/bob/history"


def day(number: int, mentions: int = 1) -> bytes:
    return HEADER + b"@bob,2026-01-%02dT11:00:00Z,Ada\n" % number * mentions + b"@ada,2026-01-01T11:00:00Z,cy\n"


def test_which_batches_made_an_edge(api: Api, apply: Callable[[], None]) -> None:
    first = api.upload(day(1), filename="one.csv").json()
    second = api.upload(day(2, mentions=2), filename="two.csv").json()
    apply()

    history = api.http.get("/edges/@ADA/Bob/history").json()

    assert (history["source"], history["target"], history["purged"], history["next"]) == ("Ada", "bob", False, None)
    newest, oldest = history["contributions"]
    batch_id = newest.pop("batch_id")
    assert newest == {
        "upload_id": second["id"],
        "filename": "two.csv",
        "ordinal": 0,
        "first_line": 2,
        "mention_count": 2,
        "first_seen": "2026-01-02T11:00:00Z",
        "last_seen": "2026-01-02T11:00:00Z",
        "applied_at": "2026-01-15T12:00:00Z",
        "profile": "twitter",
        "profile_version": newest["profile_version"],
        "retracted": False,
    }
    assert (oldest["upload_id"], oldest["mention_count"]) == (first["id"], 1)
    assert oldest["batch_id"] < batch_id


def test_what_was_taken_out_again_is_marked(api: Api, apply: Callable[[], None]) -> None:
    api.upload(day(1))
    path = api.upload(day(2)).headers["location"]
    apply()

    api.http.post(f"{path}/retract")
    during = api.http.get(PATH).json()
    apply()
    after = api.http.get(PATH).json()

    assert [each["retracted"] for each in during["contributions"]] == [True, False]
    assert [each["retracted"] for each in after["contributions"]] == [True, False]


def test_what_is_not_merged_yet_is_not_in_it(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    api.upload(day(1))
    apply()
    domain.execute("update deltas set merged_at = null")

    assert api.http.get(PATH).json()["contributions"] == []


def test_history_is_followed_by_page(api: Api, apply: Callable[[], None]) -> None:
    for number in range(1, 6):
        api.upload(day(number, mentions=number))
    apply()

    found = follow(api, f"{PATH}?limit=2", "contributions")

    assert [each["mention_count"] for each in found] == [5, 4, 3, 2, 1]


def test_a_page_looks_into_a_bounded_number_of_batches(
    serve: Serve, settings: Settings, apply: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.reads.history.DELTAS_AT_ONCE", 2)
    monkeypatch.setattr("app.reads.history.DELTAS_A_PAGE", 4)
    api = serve(msgspec.structs.replace(settings, batch_bytes=2000))
    filling = b"".join(b"@bob%d,2026-01-03T11:00:00Z,ada\n" % number for number in range(1000))
    api.upload(day(1) + filling)
    apply()

    first = api.http.get(PATH).json()

    assert first["contributions"] == []
    assert first["next"] is not None
    assert [each["ordinal"] for each in follow(api, PATH, "contributions")] == [0]


def test_it_says_that_older_provenance_was_purged(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    api.upload(day(1))
    apply()
    domain.execute("delete from deltas")
    domain.execute("update uploads set purged_at = finished_at")

    history = api.http.get(PATH).json()

    assert (history["contributions"], history["purged"]) == ([], True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/edges/zoe/bob/history", 404),
        ("/edges/ada/%20/history", 400),
        (f"{PATH}?before=0", 400),
        (f"{PATH}?limit=0", 400),
    ],
)
def test_what_cannot_be_answered(
    api: Api, problem_of: ProblemOf, apply: Callable[[], None], path: str, status: int
) -> None:
    api.upload(CSV)
    apply()

    answer = api.http.get(path)

    problem_of(answer)
    assert answer.status_code == status

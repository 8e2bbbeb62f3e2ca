"""Two owners on one graph: what one of them sent, the other can neither see nor change, nor learn of by the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from app.control.callers import Scope
from app.settings import Settings
from app.store.postgres import Connection
from tests.http.conftest import Api, Serve
from tests.http.keyed import client, key
from tests.http.test_receiving import CSV
from tests.http.test_scopes import routes
from tests.posts.workbooks import zipped

OTHER = b"data,timestamp,username\n@eve hi,2026-01-15T12:00:00Z,mallory\n"


class Owners(NamedTuple):
    """Clients of two owners, who may send and see their own, and of an owner who may see and manage all."""

    ada: httpx.Client
    bob: httpx.Client
    root: httpx.Client


@pytest.fixture
def closed(serve: Serve, settings: Settings) -> Api:
    """An API that needs keys."""
    return serve(msgspec.structs.replace(settings, keys="required"))


@pytest.fixture
def owners(closed: Api, domain: Connection, now: datetime) -> Generator[Owners]:
    own = (Scope.UPLOADS_WRITE, Scope.GRAPH_READ)
    every = (Scope.UPLOADS_WRITE, Scope.UPLOADS_READ, Scope.UPLOADS_MANAGE)
    with (
        client(closed, key(domain, now, *own, owner="ada")) as ada,
        client(closed, key(domain, now, *own, owner="bob")) as bob,
        client(closed, key(domain, now, *every, owner="root")) as root,
    ):
        yield Owners(ada, bob, root)


def send(http: httpx.Client, content: bytes = CSV, key: str | None = None, **params: str) -> httpx.Response:
    headers = {"Content-Type": "text/csv"} | ({"Idempotency-Key": key} if key else {})
    return http.post("/uploads", content=content, params=params, headers=headers)


def listed(http: httpx.Client) -> list[str]:
    return [each["id"] for each in http.get("/uploads").json()["uploads"]]


def test_every_route_about_an_upload_answers_404_to_another_owner(owners: Owners, domain: Connection) -> None:
    theirs = send(owners.ada, filename="secret.csv").json()["id"]
    batch = domain.execute("SELECT id FROM batches").fetchall()[0][0]
    about = [route for route in routes() if "{upload_id}" in route.path or "{batch_id}" in route.path]
    assert len(about) == 10
    dry_runs = [(each.method, f"{each.path}?dry_run=true") for each in about if each.method == "post"]
    assert len(dry_runs) == 4

    for method, path in [*((each.method, each.path) for each in about), *dry_runs]:
        answers = list[dict[str, Any]]()
        for upload_id, batch_id in ((theirs, batch), ("0199c5b2-0000-7000-8000-000000000000", 2**50)):
            full = path.replace("{upload_id}", upload_id).replace("{batch_id}", str(batch_id))
            answer = owners.bob.request(method, full, json={"note": "mine"} if method == "patch" else None)
            assert answer.status_code == 404, (method, path, answer.text)
            answers.append({name: re.sub(r"[0-9a-f-]{36}|\d+", "", str(text)) for name, text in answer.json().items()})
        # In the same words as for an upload that does not exist.
        assert answers[0] == answers[1]

    entry = owners.ada.get(f"/uploads/{theirs}").json()
    assert (entry["state"], entry["note"]) == ("staged", None)
    assert (listed(owners.ada), listed(owners.bob), listed(owners.root)) == ([theirs], [], [theirs])
    assert owners.bob.get(f"/uploads?before={theirs}").status_code == 404
    assert owners.root.post(f"/uploads/{theirs}/cancel").status_code == 202


def test_an_owner_sees_and_changes_what_any_of_their_keys_sent(
    closed: Api, owners: Owners, domain: Connection, now: datetime, apply: Callable[[], None]
) -> None:
    upload = send(owners.ada).headers["location"]
    apply()
    with client(closed, key(domain, now, Scope.UPLOADS_WRITE, owner="ada")) as later:
        for part in ("", "/batches", "/rejects", "/rejects.csv"):
            assert later.get(upload + part).status_code == 200
        with later.stream("GET", f"{upload}/events") as events:
            assert b"event: end" in events.read()
        assert later.post(f"{upload}/replay").status_code == 409
        assert later.post(f"{upload}/retract").status_code == 202
    found = domain.execute("SELECT u.owner, u.key_id IS NOT NULL, u.address FROM uploads AS u").fetchall()
    assert found == [("ada", True, "127.0.0.1")]


def test_the_same_bytes_tell_nothing_of_another_owner(
    owners: Owners, apply: Callable[[], None], domain: Connection
) -> None:
    theirs = send(owners.ada, filename="secret.csv").json()["id"]
    apply()

    answer = send(owners.bob, filename="mine.csv")

    entry = answer.json()
    assert answer.status_code == 200
    assert (entry["state"], entry["filename"], entry["duplicate_of"]) == ("duplicate", "mine.csv", None)
    assert answer.headers["location"] == f"/uploads/{entry['id']}" != f"/uploads/{theirs}"
    assert entry["links"]["duplicate_of"] is None
    # The entry says how its own bytes are read, and not what was assumed before they came.
    assert entry["options"] == owners.ada.get(f"/uploads/{theirs}").json()["options"]
    mine = owners.bob.get(f"/uploads/{entry['id']}")
    with owners.bob.stream("GET", f"/uploads/{entry['id']}/events") as stream:
        events = stream.read().decode()
    for text in (answer.text, mine.text, events, owners.bob.get("/uploads").text):
        assert theirs not in text
        assert "secret" not in text
    # Whoever may see all is told, and so is the sender of the first.
    assert owners.root.get(f"/uploads/{entry['id']}").json()["duplicate_of"] == theirs
    assert send(owners.ada).json()["id"] == theirs
    assert send(owners.root).json()["id"] == theirs
    assert domain.execute("SELECT sum(mention_count) FROM edges").fetchall()[0][0] == entry_mentions(owners, theirs)


def entry_mentions(owners: Owners, upload: str) -> int:
    mentions: int = owners.root.get(f"/uploads/{upload}").json()["mentions"]
    return mentions


def test_the_same_bytes_with_other_options_tell_nothing_either(owners: Owners) -> None:
    theirs = send(owners.ada).json()["id"]

    mine, again = send(owners.bob, profile="word"), send(owners.ada, profile="word")

    assert (mine.status_code, again.status_code) == (409, 409)
    assert theirs in again.text
    assert theirs not in mine.text
    kept = owners.bob.get(f"/uploads/{mine.json()['upload']}")
    assert kept.json()["error"]["title"]
    assert theirs not in kept.text


def test_a_zip_tells_nothing_of_another_owner(owners: Owners) -> None:
    theirs = {send(owners.ada).json()["id"], send(owners.ada, OTHER, filename="secret.csv").json()["id"]}
    more = b"data,timestamp,username\n@x hi,2026-01-15T12:00:00Z,y\n"

    for files in ({"a.csv": CSV, "b.csv": more}, {"a.csv": CSV, "b.csv": OTHER}):
        body = zipped(files)
        answer = send(owners.bob, body)
        assert answer.status_code in {200, 202}, answer.text
        members = owners.bob.get(answer.headers["location"]).json()["members"]
        assert [each["filename"] for each in members] == ["a.csv", "b.csv"]
        for each in members:
            found = owners.bob.get(f"/uploads/{each['id']}")
            assert found.status_code == 200
            for upload in theirs:
                assert upload not in answer.text + found.text
        assert any(each["state"] == "duplicate" for each in members)


def test_idempotency_keys_belong_to_an_owner(owners: Owners, domain: Connection) -> None:
    theirs = send(owners.ada, key="today").json()

    mine = send(owners.bob, OTHER, key="today")

    assert mine.status_code == 202
    assert send(owners.ada, key="today").json() == theirs
    assert send(owners.bob, OTHER, key="today").json() == mine.json()
    reused = send(owners.bob, CSV, key="today")
    assert (reused.status_code, theirs["id"] in reused.text) == (422, False)
    kept = {row[0] for row in domain.execute("SELECT key FROM idempotency_keys")}
    assert len(kept) == 2
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in kept)


def test_a_repeat_by_a_key_that_may_see_less_tells_less(
    closed: Api, owners: Owners, domain: Connection, now: datetime
) -> None:
    theirs = send(owners.ada).json()["id"]
    with (
        client(closed, key(domain, now, Scope.UPLOADS_WRITE, Scope.UPLOADS_READ, owner="bob")) as sees_all,
    ):
        assert theirs in send(sees_all, key="k").text

    assert theirs not in send(owners.bob, key="k").text
    assert theirs not in send(owners.bob, key="k").text

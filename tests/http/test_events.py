"""What happens to an upload, as Server-Sent Events."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import msgspec
import psycopg
import pytest
import redis

from app.ledger import bells
from app.settings import Settings
from app.store.postgres import Connection
from ops import processes
from ops.embedded.children import Child, free_ports
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_changes import FAILED
from tests.http.test_receiving import CSV, HEADER, NOBODY, request_head, rows, states

ProblemOf = Callable[[httpx.Response], dict[str, Any]]


class Told(NamedTuple):
    """One event as it was sent; `name` is `comment` for a heartbeat."""

    name: str
    id: int | None
    data: dict[str, Any]


def read(lines: Iterator[str]) -> Iterator[Told]:
    """The events of a stream, as WHATWG HTML 9.2.6 reads them."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield Told(fields["event"], number, json.loads(fields["data"]))
            fields = {}
        elif line.startswith(":"):
            yield Told("comment", None, {})
        else:
            name, _, value = line.partition(": ")
            fields[name] = value


@contextmanager
def listening(api: Api, path: str, **headers: str) -> Generator[Iterator[Told]]:
    with api.http.stream("GET", f"{path}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield read(answer.iter_lines())


def everything(api: Api, path: str, **headers: str) -> list[Told]:
    with listening(api, path, **headers) as told:
        return list(told)


def changes(told: list[Told]) -> list[tuple[bool, str]]:
    """Whether it is a batch's, and the new state."""
    return [(each.data["batch_id"] is not None, each.data["to_state"]) for each in told if each.name == "state"]


APPLIED = [
    (False, "receiving"),
    (True, "staged"),
    (False, "staged"),
    (False, "applying"),
    (True, "counted"),
    (True, "applied"),
    (False, "applied"),
]


def test_the_whole_story_of_an_applied_upload(api: Api, apply: Callable[[], None]) -> None:
    path = api.upload(CSV).headers["location"]
    apply()

    told = everything(api, path)

    assert changes(told) == APPLIED
    ids = [each.id for each in told if each.id is not None]
    assert ids == sorted(ids) == [each.data["id"] for each in told if each.name == "state"]
    assert [each.name for each in told][-2:] == ["progress", "end"]
    assert told[-1].data == api.http.get(path).json()
    assert told[-2].data["batches"]["applied"] == 1


def test_a_warning_is_told_once_when_it_first_appears(api: Api, apply: Callable[[], None]) -> None:
    cut = HEADER + "RT @bea: ends in @cy\u2026,2026-01-01T00:00:00Z,ana\n@ana,2026-01-01T00:00:00Z,bea\n".encode()
    path = api.upload(cut).headers["location"]
    with listening(api, path) as stream:
        told = [next(stream) for _ in range(4)]
        assert "warning" not in {each.name for each in told}
        apply()
        told += stream

    names = [each.name for each in told]
    assert names.count("warning") == 1
    assert names.index("warning") < names.index("end")
    [warning] = [each for each in told if each.name == "warning"]
    assert warning.id is None
    assert (warning.data["code"], warning.data["count"], warning.data["lines"]) == ("handles-cut", 1, [2])
    assert told[-1].data["warnings"] == [warning.data] == api.http.get(path).json()["warnings"]
    assert api.http.get("/uploads").json()["uploads"][0]["warnings"] == [warning.data]
    [batch] = api.http.get(f"{path}/batches").json()["batches"]
    assert batch["warnings"] == {"handles-cut": {"count": 1, "lines": [2]}}


def test_an_upload_whose_every_row_was_rejected_tells_why(api: Api, apply: Callable[[], None]) -> None:
    path = api.upload(HEADER + b"@bea,soon,ana\n").headers["location"]
    apply()

    told = everything(api, path)

    assert changes(told)[-1] == (False, "failed")
    failed = [each for each in told if each.name == "state"][-1]
    assert failed.data["reason"]["type"] == "urn:mentiongraph:problem:all-rejected"
    assert told[-1].data["error"] == failed.data["reason"]
    assert [each["code"] for each in told[-1].data["warnings"]] == ["all-rejected"]


def test_a_ring_that_somebody_forged_is_passed_over(
    api: Api, domain: Connection, apply: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("app.http.routes.events.POLL_SECONDS", "app.http.routes.events.UNHEARD_POLL_SECONDS"):
        monkeypatch.setattr(name, 3600.0)
    monkeypatch.setattr("app.ledger.events.RETRY_SECONDS", 3600.0)
    path = api.upload(CSV).headers["location"]
    (upload,) = (row[0] for row in domain.execute("select id from uploads"))
    with listening(api, path) as stream:
        told = [next(stream) for _ in range(4)]
        until(lambda: api.services.hub.connected, within=10, what="the hub hears")
        for forged in ({"upload": "x"}, {"upload": b"\xff"}, {"another": str(upload)}, {"upload": str(uuid4())}):
            api.services.broker.client.xadd(bells.stream(api.services.broker), forged)  # pyright: ignore[reportArgumentType]
        apply()
        assert bells.ring(api.services.broker, uploads=[upload])

        told += stream
    assert told[-1].name == "end"


def test_a_stream_is_resumed_where_it_ended(api: Api, apply: Callable[[], None]) -> None:
    path = api.upload(CSV).headers["location"]
    apply()
    told = everything(api, path)

    rest = everything(api, path, **{"Last-Event-ID": str(told[2].id)})

    assert changes(rest) == APPLIED[3:]
    assert everything(api, path, **{"Last-Event-ID": str(told[6].id)})[-1].name == "end"


@pytest.mark.parametrize("redis_is", ["there", "away"])
def test_events_are_told_as_they_happen(
    serve: Serve, settings: Settings, domain: Connection, apply: Callable[[], None], redis_is: str
) -> None:
    if redis_is == "away":
        settings = msgspec.structs.replace(settings, redis_url=NOBODY, enqueue_timeout=0.0)
    api = serve(settings)
    path = api.upload(CSV).headers["location"]
    with listening(api, path) as stream:
        told = [next(stream) for _ in range(4)]
        assert [each.name for each in told] == ["state", "state", "state", "progress"]
        until(lambda: api.services.hub.connected == (redis_is == "there"), within=10, what="the hub knows")

        apply()
        bells.ring(api.services.broker, uploads=[row[0] for row in domain.execute("select id from uploads")])

        told += stream
    assert changes(told) == APPLIED
    assert told[-1].name == "end"
    until(lambda: not api.services.hub.listeners, within=10, what="nobody listens any more")


def test_an_announcement_wakes_its_listeners(
    api: Api, domain: Connection, apply: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.http.routes.events.POLL_SECONDS", 3600.0)
    monkeypatch.setattr("app.http.routes.events.UNHEARD_POLL_SECONDS", 3600.0)
    path = api.upload(CSV).headers["location"]
    (upload,) = (row[0] for row in domain.execute("select id from uploads"))
    with listening(api, path) as stream:
        told = [next(stream) for _ in range(4)]
        until(lambda: api.services.hub.connected, within=10, what="the hub hears")
        apply()

        assert bells.ring(api.services.broker, uploads=[upload])

        told += stream
    assert told[-1].name == "end"


def test_redis_going_away_leaves_nobody_waiting(
    api: Api, apply: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = api.upload(CSV).headers["location"]
    with listening(api, path) as stream:
        told = [next(stream) for _ in range(4)]
        until(lambda: api.services.hub.connected, within=10, what="the hub hears")
        monkeypatch.setattr("app.http.routes.events.POLL_SECONDS", 3600.0)

        def away(*_: object, **__: object) -> None:
            raise redis.ConnectionError("away")

        monkeypatch.setattr(api.services.broker.client, "xread", away)
        monkeypatch.setattr(api.services.broker.client, "xrevrange", away)
        until(lambda: not api.services.hub.connected, within=10, what="the hub knows")
        apply()

        told += stream
    assert told[-1].name == "end"


def test_progress_while_a_body_arrives(serve: Serve, settings: Settings, domain: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=1000))
    content = HEADER + rows(1000)
    with api.connect() as client:
        client.sendall(request_head(length=len(content)) + content[:-1])
        until(lambda: states(domain) == ["receiving"], within=10, what="it is being received")
        path = api.http.get("/uploads").json()["uploads"][0]["links"]["upload"]
        with listening(api, path) as stream:
            assert next(each for each in stream if each.name == "progress").data["state"] == "receiving"
            api.http.post(f"{path}/cancel")
            assert [each.name for each in stream][-1] == "end"


def test_an_event_that_is_committed_late_is_not_passed_over(api: Api, domain: Connection, dsn: str) -> None:
    path = api.upload(CSV).headers["location"]
    with psycopg.connect(dsn) as slow:
        slow.execute(
            "update batches set state = 'failed', error = %s", [FAILED]
        )  # its event has a number, and is not there yet
        domain.execute("update uploads set state = 'applying'")  # the next number, there at once
        told: list[Told] = []
        with listening(api, path) as stream:
            listener = Thread(target=lambda: told.extend(next(stream) for _ in range(6)))
            listener.start()
            until(lambda: api.services.hub.listeners, within=10, what="somebody listens")
            slow.commit()
            listener.join(timeout=30)

    assert changes(told)[3:] == [(True, "failed"), (False, "applying")]


def test_a_stream_lasts_so_long_and_no_longer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.routes.events.LONGEST_SECONDS", 0.5)
    monkeypatch.setattr("app.http.routes.events.HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr("app.http.routes.events.POLL_SECONDS", 0.05)
    path = api.upload(CSV).headers["location"]

    with listening(api, path) as stream:
        names = [each.name for each, _ in zip(stream, range(200), strict=False)]

    assert len(names) < 200
    assert "end" not in names
    until(lambda: not api.services.hub.listeners, within=10, what="nobody listens any more")


def test_something_is_sent_now_and_then(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.routes.events.HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr("app.http.routes.events.POLL_SECONDS", 0.05)
    monkeypatch.setattr("app.http.routes.events.UNHEARD_POLL_SECONDS", 0.05)
    path = api.upload(CSV).headers["location"]

    with listening(api, path) as stream:
        names = [next(stream).name for _ in range(6)]

    assert names == ["state", "state", "state", "progress", "comment", "comment"]


def test_a_listener_that_goes_away_frees_everything(api: Api) -> None:
    path = api.upload(CSV).headers["location"]
    for _ in range(3):
        with api.connect() as client:
            client.sendall(f"GET {path}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(10)
            until(lambda: api.services.hub.listeners, within=10, what="somebody listens")
        until(lambda: not api.services.hub.listeners, within=10, what="nobody listens any more")

    assert api.services.hub.connected is False


@pytest.mark.parametrize("bound", ["MAX_LISTENERS", "MAX_OF_ONE"])
def test_listeners_are_bounded(api: Api, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(f"app.ledger.events.{bound}", 1)
    path = api.upload(CSV).headers["location"]
    with listening(api, path) as stream:
        next(stream)

        answer = api.http.get(f"{path}/events")

        assert problem_of(answer)["type"] == "urn:mentiongraph:problem:too-many-listeners"
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("last", ["x", "-1", str(2**63)])
def test_a_malformed_last_event_id(api: Api, problem_of: ProblemOf, last: str) -> None:
    path = api.upload(CSV).headers["location"]

    answer = api.http.get(f"{path}/events", headers={"Last-Event-ID": last})

    problem_of(answer)
    assert answer.status_code == 400


def test_a_stream_does_not_hold_up_the_end_of_the_process(settings: Settings, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = msgspec.structs.replace(settings, port=port)
    command = processes.api(settings, patience=60)
    url = processes.url_of_api(settings)

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/health/live").is_success
        except httpx.TransportError:
            return False

    child = Child("api", command.argv, env=command.env, cwd=tmp_path, log=tmp_path / "log", ready=answers, grace=90)
    child.start()
    try:
        path = httpx.post(f"{url}/uploads", content=CSV, headers={"Content-Type": "text/csv"}).headers["location"]
        with httpx.stream("GET", f"{url}{path}/events", timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            began = time.monotonic()
            child.signal(signal.SIGTERM)
            told = list(read(lines))
        assert [each.name for each in told][-1] == "progress"
        until(lambda: not child.alive, within=40, what="the process has ended, before its patience has")
        assert time.monotonic() - began < 60
    finally:
        child.stop()

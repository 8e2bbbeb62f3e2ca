"""No owner takes what others need: limits on what runs at once, on requests and on bytes; told in headers."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from app.control.callers import Caller, Scope
from app.errors import LimitReached
from app.http import quotas
from app.http.quotas import Asking, Quotas, Requests
from app.ledger.allowance import Allowances
from app.settings import Settings
from app.store.postgres import Connection
from tests.calling import by, caller, name_callers
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, HEADER, request_head, rows, states

WHO = {
    "grace": caller("grace"),
    "ada": caller("ada"),
    "far": Caller(frozenset(Scope), address="192.0.2.1"),
    "near": Caller(frozenset(Scope), address="127.0.0.1"),
}


def start(serve: Serve, settings: Settings, **limits: Any) -> Api:
    api = serve(msgspec.structs.replace(settings, **limits))
    name_callers(api.app, WHO)
    return api


def send(api: Api, name: str, content: bytes = CSV, **params: str) -> httpx.Response:
    headers = {"Content-Type": "text/csv", **by(name)}
    return api.http.post("/uploads", content=content, headers=headers, params=params)


def half_an_upload(api: Api, name: str) -> Any:
    client = api.connect()
    content = HEADER + rows(10)
    head = request_head(length=len(content)).replace(b"\r\n\r\n", f"\r\nTest-Caller: {name}\r\n\r\n".encode())
    client.sendall(head + content[:-1])
    return client


def test_an_owner_receives_so_many_uploads_at_once_and_others_go_on(
    serve: Serve, settings: Settings, domain: Connection
) -> None:
    api = start(serve, settings, owner_uploads=2)
    with half_an_upload(api, "grace"), half_an_upload(api, "grace"):
        until(lambda: states(domain) == ["receiving"] * 2, within=5, what="two uploads arrive")

        refused = send(api, "grace")
        assert refused.status_code == 429
        assert refused.json()["violated-policies"] == ["uploads"]
        assert refused.headers["ratelimit-policy"] == '"uploads";q=2;qu="concurrent-requests"'
        assert refused.headers["ratelimit"] == '"uploads";r=0'
        assert int(refused.headers["retry-after"]) > 0
        assert send(api, "ada").status_code == 202
        assert send(api, "near", CSV + b"x,2026-01-15T12:00:00Z,u\n").status_code == 202
        query = "select owner, detail ->> 'problem' from audit_events where outcome = 'denied'"
        until(lambda: domain.execute(query).fetchall() == [("grace", "limit-reached")], within=5, what="it is told of")
    until(lambda: "receiving" not in states(domain), within=5, what="the uploads are aborted")
    answer = send(api, "grace")
    assert (answer.status_code, answer.headers["ratelimit"]) == (200, '"uploads";r=1')


def test_clients_without_a_key_count_by_address_and_this_machine_not_at_all(serve: Serve, settings: Settings) -> None:
    api = start(serve, settings, owner_requests_a_minute=2)

    def ask(name: str) -> tuple[int, str | None]:
        answer = api.http.get("/uploads", headers=by(name))
        return answer.status_code, answer.headers.get("ratelimit")

    assert [ask("near") for _ in range(4)] == [(200, None)] * 4
    assert [ask("far")[0] for _ in range(4)] == [200, 200, 429, 429]
    status, left = ask("grace")
    assert status == 200
    assert left is not None
    assert left.startswith('"requests";r=1;t=')
    policy = api.http.get("/uploads", headers=by("grace")).headers["ratelimit-policy"]
    assert policy == '"requests";q=2;w=60'
    refused = api.http.get("/uploads", headers=by("grace"))
    assert refused.headers["retry-after"] == refused.headers["ratelimit"].rpartition("t=")[2]
    assert "2 requests a minute" in refused.json()["detail"]
    assert api.http.get("/health/live", headers=by("grace")).status_code == 200


def test_the_bytes_of_a_day_survive_a_restart_and_begin_anew_at_midnight(
    serve: Serve, settings: Settings, domain: Connection
) -> None:
    small = HEADER + rows(3)
    limits = {"owner_bytes_a_day": 2 * len(small) + 10}
    first = send(start(serve, settings, **limits), "grace", small)
    assert first.headers["ratelimit"] == f'"uploads";r=7, "bytes-a-day";r={len(small) + 10};t=43200'

    again = start(serve, settings, **limits)
    assert send(again, "grace", small, again="true").status_code == 202
    refused = send(again, "grace", small, again="true")
    assert refused.status_code == 429
    assert refused.json()["violated-policies"] == ["bytes-a-day"]
    assert refused.headers["retry-after"] == "43200"
    assert states(domain) == ["staged", "staged", "aborted"]
    assert send(again, "ada", small, again="true").status_code == 202
    domain.execute("update uploads set received_at = received_at - interval '1 day'")
    assert send(again, "grace", small, again="true").status_code == 202


def test_exports_and_streams_of_an_owner_are_bounded(
    serve: Serve, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "_PATIENCE", {})
    api = start(serve, settings, owner_exports=1, owner_streams=1, owner_reads=1)
    paths = {name: send(api, name).headers["location"] for name in ("grace", "ada")}

    async def hold(kind: quotas.Kind, name: str) -> int:
        """What a second request is answered while one of the owner's runs."""
        asking = found[0]
        async with asking.quotas.at_once[kind].one(asking):
            url = {"exports": "/export/edges.csv", "streams": f"{paths[name]}/events", "reads": "/paths/a/b"}[kind]

            def ask() -> int:
                with api.http.stream("GET", url, headers=by(name)) as answer:
                    return answer.status_code

            return await asyncio.to_thread(ask)

    found: list[Asking] = []
    original = quotas._asking

    def spying(scope: Any, limits: Quotas) -> Asking | None:
        asking = original(scope, limits)
        if asking is not None and asking.who == "owner grace":
            found.append(asking)
        return asking

    monkeypatch.setattr(quotas, "_asking", spying)
    api.http.get("/uploads", headers=by("grace"))

    def during(kind: quotas.Kind, name: str) -> int:
        return asyncio.run_coroutine_threadsafe(hold(kind, name), api.loop).result()

    for kind in (quotas.Kind.EXPORTS, quotas.Kind.STREAMS):
        assert during(kind, "grace") == 429
        assert during(kind, "ada") == 200
    assert api.http.get("/export/edges.csv", headers=by("grace")).status_code == 200


def test_what_is_remembered_of_owners_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MOST_COUNTED", 10)
    counted = Requests(5)
    for number in range(100):
        counted.count(Asking(Quotas(Settings()), f"o{number}", ""), 0.0)
    assert len(counted._counted) == 10


def test_a_minute_begins_with_the_first_request() -> None:
    counted = Requests(2)
    asking = Asking(Quotas(Settings()), "o", "o")
    for at in (100.0, 159.0):
        counted.count(asking, at)
    with pytest.raises(LimitReached) as refused:
        counted.count(asking, 159.5)
    assert refused.value.seconds == 1
    counted.count(asking, 160.0)
    assert asking.told["requests"][1] == "r=1;t=60"


def test_uploads_at_once_share_the_bytes_of_the_day() -> None:
    now = datetime(2026, 1, 15, 23, 59, 30, tzinfo=UTC)
    shared = Allowances(100)
    with shared.given("o", 50, now=now) as one:
        with shared.given("o", 50, now=now) as two:
            two.take(30)
            one.take(20)
            assert (one.left, two.seconds) == (0, 30)
        # The second is sealed: the first began before the ledger had its bytes.
        with pytest.raises(LimitReached):
            one.take(1)
    with pytest.raises(LimitReached), shared.given("o", 100, now=now + timedelta(seconds=1)):
        pass
    with shared.given("other", 0, now=now) as three:
        three.take(100)

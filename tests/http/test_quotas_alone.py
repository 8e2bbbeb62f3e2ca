"""Limits of owners without a server: whom a request counts for, and what has no limit."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
import pytest

from app.control.callers import Caller
from app.errors import LimitReached
from app.http import quotas
from app.http.calling import CALLER
from app.http.quotas import Asking, AtOnce, Kind, Quotas
from app.settings import Settings

NONE = {"owner_uploads": 0, "owner_exports": 0, "owner_streams": 0, "owner_reads": 0}
NOBODY: Caller = Caller(frozenset())


@pytest.mark.parametrize(
    ("scope", "who"),
    [
        ({}, None),
        ({"client": None}, None),
        ({"client": ("127.0.0.1", 1)}, None),
        ({"client": ("192.0.2.1", 1)}, "address 192.0.2.1"),
        ({CALLER: NOBODY, "client": ("192.0.2.1", 1)}, None),
        ({CALLER: Caller(frozenset(), address="192.0.2.2"), "client": ("192.0.2.1", 1)}, "address 192.0.2.2"),
        ({CALLER: Caller(frozenset(), owner="ada", address="127.0.0.1")}, "owner ada"),
    ],
)
def test_a_request_counts_for_its_owner_or_else_for_its_address(scope: Any, who: str | None) -> None:
    found = quotas._asking(scope, Quotas(Settings()))

    assert (None if found is None else found.who) == who


def test_an_owner_is_refused_at_the_limit_and_forgotten_without_a_thing() -> None:
    at_once = AtOnce(Kind.UPLOADS, 2)
    asking = Asking(Quotas(Settings()), "o", "o")

    async def use() -> None:
        at_once.check(asking)
        async with at_once.one(asking):
            at_once.check(asking)
            async with at_once.one(asking):
                with pytest.raises(LimitReached):
                    at_once.check(asking)
            at_once.check(asking)
        assert not at_once._slots

    asyncio.run(use())


@pytest.mark.parametrize("asked", [False, True])
def test_what_has_no_limit_is_not_refused(*, asked: bool) -> None:
    limits = Quotas(msgspec.structs.replace(Settings(), **NONE))
    assert limits.at_once == {}

    async def use() -> None:
        if asked:
            quotas._ASKING.set(Asking(limits, "o", "o"))
        for kind in Kind:
            quotas.check(kind)
            async with quotas.one(kind):
                quotas.check(kind)

    asyncio.run(use())


@pytest.mark.parametrize(
    ("kind", "requests_a_minute", "headers"),
    [
        ("http", 1, [b"ratelimit-policy", b"ratelimit"]),
        ("http", 0, []),
        ("websocket", 1, []),
    ],
)
def test_an_answer_tells_of_the_limits_that_apply_and_of_no_other(
    kind: Any, requests_a_minute: int, headers: list[bytes]
) -> None:
    async def answering(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    settings = msgspec.structs.replace(Settings(), owner_requests_a_minute=requests_a_minute, **NONE)
    app = quotas.limited(answering, settings)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def asked() -> None:
        scope: Any = {"type": kind, "path": "/networks", "client": ("192.0.2.1", 1)}
        await app(scope, cast("Any", None), send)

    asyncio.run(asked())

    assert [name for name, _ in sent[0]["headers"]] == headers

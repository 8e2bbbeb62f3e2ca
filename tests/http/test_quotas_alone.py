"""Limits of owners without a server: whom a request counts for, and what has no limit."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from typing import Any

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

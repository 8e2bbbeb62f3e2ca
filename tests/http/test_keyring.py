"""The keys that a process has looked up: what a look costs, what is tried again, which requests a key's end ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, LiteralString

import psycopg
import pytest

from app.control import tokens
from app.control.callers import Scope
from app.control.keys import Made
from app.errors import WrongKey
from app.http.keyring import Keyring
from app.settings import Settings
from app.store.postgres import FIRST_PAUSE, AsyncConnection, Connection, Connections, async_pool
from tests.http.keyed import key

ADDRESS = "192.0.2.1"
AWAY, WRONG = psycopg.OperationalError("the server is away"), psycopg.errors.UndefinedTable("there is no such table")


class Line:
    """The connections of a keyring: they count how often they are asked for, and fail as often as they are told."""

    def __init__(self, pool: Connections) -> None:
        self._pool = pool
        self.asked = 0
        self.failures: list[Exception] = []

    def connection(self) -> AbstractAsyncContextManager[AsyncConnection]:
        self.asked += 1
        if self.failures:
            raise self.failures.pop()
        return self._pool.connection()


Scene = Callable[[Keyring, Line], Coroutine[Any, Any, None]]


@pytest.fixture
def play(settings: Settings, now: datetime) -> Callable[[Scene], None]:
    """Plays a scene with a keyring whose clocks stand still."""

    async def played(scene: Scene) -> None:
        pool = async_pool(settings.database_url, role="test", size=1, statement_timeout=30)
        async with pool:
            line = Line(pool)
            ring = Keyring(line, lambda: now, lambda: 1000.0)
            await scene(ring, line)
            await ring.close()

    return lambda scene: asyncio.run(asyncio.wait_for(played(scene), 30))


@pytest.fixture
def made(domain: Connection, now: datetime) -> Made:
    return key(domain, now, Scope.GRAPH_READ)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at requests that last come one turn of the event loop after another."""
    monkeypatch.setattr("app.http.keyring.LOOK_SECONDS", 0)


def test_what_is_no_token_costs_no_question(play: Callable[[Scene], None]) -> None:
    async def scene(ring: Keyring, line: Line) -> None:
        with pytest.raises(WrongKey, match="is not whole"):
            await ring.check("mg_x", ADDRESS)
        assert (line.asked, ring.remembered) == (0, (0, 0, 1))

    play(scene)


def test_an_id_that_no_key_has_is_looked_up_once(play: Callable[[Scene], None]) -> None:
    token = tokens.make().token

    async def scene(ring: Keyring, line: Line) -> None:
        for _ in range(3):
            with pytest.raises(WrongKey, match="no key that works"):
                await ring.check(token, ADDRESS)
        assert (line.asked, ring.remembered) == (1, (0, 1, 1))

    play(scene)


@pytest.mark.parametrize(
    ("failures", "patience", "asked", "error"),
    [
        pytest.param([AWAY], 0.0, 1, psycopg.OperationalError, id="no patience"),
        pytest.param([AWAY], FIRST_PAUSE, 2, None, id="patience for one pause"),
        pytest.param([AWAY, AWAY], FIRST_PAUSE, 2, psycopg.OperationalError, id="and for no second one"),
        pytest.param([AWAY, AWAY], 60.0, 3, None, id="the server comes back"),
        pytest.param([WRONG], 60.0, 1, psycopg.errors.UndefinedTable, id="not for an error of the statement"),
    ],
)
def test_a_question_is_asked_again_while_postgresql_is_away(
    play: Callable[[Scene], None],
    made: Made,
    *,
    failures: list[Exception],
    patience: float,
    asked: int,
    error: type[Exception] | None,
) -> None:
    async def scene(ring: Keyring, line: Line) -> None:
        line.failures = list(failures)
        if error is None:
            assert (await ring.check(made.token, ADDRESS, patience=patience)).id == made.key.id
        else:
            with pytest.raises(error):
                await ring.check(made.token, ADDRESS, patience=patience)
        assert line.asked == asked

    play(scene)


@pytest.mark.usefixtures("quick")
def test_a_request_that_ends_before_the_second_look_costs_no_question(
    play: Callable[[Scene], None], made: Made
) -> None:
    async def scene(ring: Keyring, line: Line) -> None:
        known = await ring.check(made.token, ADDRESS)
        with ring.allowing(known, lambda: None):
            for _ in range(2):
                await asyncio.sleep(0)
        assert line.asked == 1

    play(scene)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "end",
    [
        pytest.param("UPDATE keys SET revoked_at = created_at", id="revoked"),
        pytest.param("DELETE FROM keys", id="gone"),
    ],
)
def test_each_request_of_a_key_that_ended_is_hung_up_on(
    play: Callable[[Scene], None], domain: Connection, made: Made, end: LiteralString
) -> None:
    """Also a request that begins when none was under way for a while."""

    async def scene(ring: Keyring, _: Line) -> None:
        known = await ring.check(made.token, ADDRESS)
        before = asyncio.all_tasks()
        with ring.allowing(known, lambda: None):
            pass
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)
        domain.execute(end)
        hung_up = [asyncio.Event(), asyncio.Event()]
        with ring.allowing(known, hung_up[0].set), ring.allowing(known, hung_up[1].set):
            for each in hung_up:
                await each.wait()
            assert ring.under_way == 0

    play(scene)


def test_one_task_looks_at_all_requests_until_the_keyring_is_closed(play: Callable[[Scene], None], made: Made) -> None:
    async def scene(ring: Keyring, _: Line) -> None:
        known = await ring.check(made.token, ADDRESS)
        before = asyncio.all_tasks()
        with ring.allowing(known, lambda: None), ring.allowing(known, lambda: None):
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks() - before) == 1
            await ring.close()
            assert asyncio.all_tasks() <= before

    play(scene)

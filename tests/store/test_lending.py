"""A lender lends few connections to many databases, and no caller waits for another caller's database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import psycopg
import pytest
from psycopg import conninfo

from app.store import lending
from app.store.lending import Lender, Place
from app.store.postgres import Connection, connect
from tests.conftest import until
from tests.ringing import Relay


@pytest.fixture
def open_one(dsn: str) -> Callable[[], Connection]:
    return lambda: connect(dsn, role="test")


@pytest.fixture
def relay(dsn: str) -> Generator[Relay]:
    made = Relay(int(str(conninfo.conninfo_to_dict(dsn)["port"])))
    yield made
    made.close()


def test_a_caller_who_gives_up_leaves_the_connection_to_the_next(open_one: Callable[[], Connection]) -> None:
    """Both wait for the only connection. The first who waits is told that its place is away."""
    waiting = list[object]()

    class Watched(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waiting.append(self)
            return super().wait(timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.store.lending.threading.Condition", Watched)
        lender = Lender(1)
    first, second, third = (Place(open_one) for _ in range(3))
    found = dict[str, BaseException | None]()

    def take(name: str, place: Place) -> None:
        found[name] = None
        try:
            with lender.connection(place):
                pass
        except psycopg.Error as error:
            found[name] = error

    threads = [threading.Thread(target=take, args=each) for each in (("away", second), ("there", third))]
    with lender.connection(first):
        for number, thread in enumerate(threads, start=1):
            thread.start()
            until(lambda number=number: len(waiting) == number, within=5, what="it waits")
        second.failed(psycopg.OperationalError("it is away"))

    for thread in threads:
        thread.join(10)
    for place in (first, third):
        lender.close(place)
    assert (type(found["away"]), found["there"]) == (lending.Away, None)


def test_a_connection_of_a_server_that_stands_still_is_looked_at_while_it_is_tried(
    dsn: str, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection was idle when the server stopped to answer. Whoever gets it next tries it first."""
    monkeypatch.setattr(lending, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(lending, "LOOK_SECONDS", 0.0)
    through = conninfo.make_conninfo(dsn, host="127.0.0.1", port=relay.port, connect_timeout=2)
    lender = Lender(1)
    place = Place(lambda: psycopg.connect(through, autocommit=True))
    with lender.connection(place):
        pass
    relay.mute = True
    ended = list[BaseException]()

    def take() -> None:
        try:
            with lender.connection(place):
                pass
        except psycopg.Error as error:
            ended.append(error)

    taking = threading.Thread(target=take, daemon=True)
    taking.start()
    until(lambda: not place.idle, within=5, what="it is tried")

    until(lender.look, within=10, what="its caller loses it")

    taking.join(10)
    assert [type(error) for error in ended] == [lending.Away]
    assert lender.open == 0

"""A worker knows when each of its queues was last asked, and ends itself when that was too long ago."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
import threading
from collections.abc import Generator
from contextlib import contextmanager

import msgspec
import pytest
from dramatiq import Worker
from dramatiq.errors import ConnectionClosed

from app.settings import Settings
from app.store.postgres import Connection, scalars
from ops.embedded.children import free_ports
from tests.conftest import until
from workers.process import Process
from workers.routines import HUNG, Watchdog

QUEUE = "bulk"
FETCH = "app.store.broker._Consumer.__next__"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A watchdog that looks every ten seconds, with a limit of sixty."""

    def __init__(self) -> None:
        self.ages: dict[str, float] = {}
        self.ended: list[int] = []
        self.clock, self.stopping = Clock(), threading.Event()
        self._watchdog = Watchdog(
            lambda: self.ages, limit=60, stopping=self.stopping, end=self.ended.append, clock=self.clock
        )

    def look(self, *, times: int, seconds: float = 10) -> list[int]:
        for _ in range(times):
            self.clock.now += seconds
            self.ages = {name: age + seconds for name, age in self.ages.items()}
            self._watchdog.look()
        return self.ended


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_hangs_ends_the_process(watched: Watched) -> None:
    watched.ages = {"bulk": 0}

    assert watched.look(times=6) == []
    assert watched.look(times=1) == [HUNG]


def test_a_thread_that_has_ended_ends_the_process(watched: Watched) -> None:
    watched.look(times=7)
    watched.ages = {"bulk": math.inf}

    assert watched.look(times=1) == [HUNG]


def test_a_process_that_stood_still_gets_time_to_go_on(watched: Watched) -> None:
    watched.ages = {"bulk": 0}
    watched.look(times=3)

    assert watched.look(times=1, seconds=3600) == []
    assert watched.look(times=6) == []
    assert watched.look(times=1) == [HUNG]


def test_a_process_that_stops_is_left_to_stop(watched: Watched) -> None:
    watched.ages = {"bulk": math.inf}
    watched.stopping.set()

    assert watched.look(times=10) == []


@pytest.fixture
def process(settings: Settings) -> Generator[Process]:
    process = Process(settings)
    yield process
    process.close()


def test_to_ask_is_to_poll_whether_or_not_redis_is_there(
    process: Process, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled = process.broker.polled
    consumer = process.broker.consume(QUEUE, timeout=1)
    assert polled == {}
    assert next(consumer) is None
    first = polled[QUEUE]

    def lost(_: object) -> None:
        raise ConnectionClosed(Exception())

    monkeypatch.setattr(FETCH, lost)
    with pytest.raises(ConnectionClosed):
        next(consumer)
    assert polled[QUEUE] > first

    [nobody] = free_ports(1)
    alone = Process(msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{nobody}/0"))
    with pytest.raises(ConnectionClosed):
        alone.broker.consume(QUEUE)
    assert QUEUE in alone.broker.polled


def test_a_consumer_that_meets_an_error_each_time_does_no_work(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise TypeError

    monkeypatch.setattr(FETCH, broken)

    with pytest.raises(TypeError):
        next(process.broker.consume(QUEUE))
    assert process.broker.polled == {}


@contextmanager
def working(process: Process) -> Generator[Worker]:
    process.broker.declare_queue(QUEUE)
    worker = Worker(process.broker, worker_threads=1, worker_timeout=10)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(timeout=5000)


def test_each_consumer_of_a_worker_polls_and_its_signs_of_life_say_so(process: Process, conn: Connection) -> None:
    with working(process):
        until(lambda: set(process.broker.polled) == {QUEUE, f"{QUEUE}.DQ"}, within=10, what="both queues were asked")
        until(lambda: scalars(conn, "select pid from processes"), within=10, what="a sign of life")
        assert max(process._polls().values()) < 10
        assert math.inf not in process._ages().values()
    assert scalars(conn, "select pid from processes") == [], "it ended properly"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_consumer_whose_thread_has_ended_is_seen(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(FETCH, end)
    with working(process):
        until(lambda: math.inf in process._ages().values(), within=10, what="the thread's end is seen")

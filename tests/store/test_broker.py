"""The broker against real servers that fail in every way a fail-over has: none of it parks a message, hangs, or gets
out to whoever rings."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.ledger import bells
from app.store import background, redis_client
from app.store import broker as broker_module
from app.store.broker import Refused
from ops.embedded.valkey import SERVICE, Monitoring, Sentinel, Valkey
from tests.conftest import until
from tests.ringing import Relay, broker_of, message, rings


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs of a fraction of a second."""
    for name in ("SOCKET_TIMEOUT", "CONNECT_TIMEOUT"):
        monkeypatch.setattr(redis_client, name, 0.2)


@pytest.fixture
def unforgetting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once away, Redis is taken to be away until it has answered."""
    monkeypatch.setattr(broker_module, "AWAY_SECONDS", 600.0)


def evalshas(admin: redis.Redis) -> int:
    stats: Any = admin.info("commandstats")
    return stats.get("cmdstat_evalsha", {"calls": 0})["calls"]


# What a failure looks like --------------------------------------------------------------------------------------------


@contextmanager
def _while(admin: redis.Redis, do: list[Any], undo: list[Any]) -> Generator[None]:
    admin.execute_command(*do)
    try:
        yield
    finally:
        admin.execute_command(*undo)


@contextmanager
def _while_running(server: Valkey, undo: list[Any] | None, *command: Any) -> Generator[None]:
    """While another client's command keeps the server busy."""
    with redis.Redis(port=server.port, socket_timeout=60) as other, ThreadPoolExecutor(1) as pool:

        def run() -> None:
            with suppress(redis.RedisError):  # killed
                other.execute_command(*command)

        pool.submit(run)
        with redis.Redis(port=server.port, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)) as probe:
            until(lambda: not _answers(probe), within=10, what="the server is busy")
            yield
            if undo:
                probe.execute_command(*undo)


def _answers(connection: redis.Redis) -> bool:
    try:
        return bool(connection.ping())
    except redis.RedisError:
        return False


@contextmanager
def _loading(server: Valkey, admin: redis.Redis) -> Generator[None]:
    for name, value in (("key-load-delay", 20_000), ("loading-process-events-interval-bytes", 1024)):
        admin.config_set(name, value)
    admin.mset({f"some key {number}": "x" * 200 for number in range(200)})
    with _while_running(server, None, "DEBUG", "RELOAD"):
        yield


@contextmanager
def _gone(server: Valkey) -> Generator[None]:
    server.kill()
    yield
    server.start()


_DEFAULT = ("ACL", "SETUSER", "default")
_COMMANDS: dict[str, tuple[list[Any], list[Any]]] = {
    "READONLY": (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
    "NOREPLICAS": (["CONFIG", "SET", "min-replicas-to-write", 1], ["CONFIG", "SET", "min-replicas-to-write", 0]),
    "OOM": (["CONFIG", "SET", "maxmemory", 1], ["CONFIG", "SET", "maxmemory", 0]),
    "NOPERM": ([*_DEFAULT, "-evalsha", "-llen", "-xadd"], [*_DEFAULT, "+evalsha", "+llen", "+xadd"]),
    "NOAUTH": ([*_DEFAULT, "resetpass", ">secret"], [*_DEFAULT, "nopass"]),
    "paused": (["CLIENT", "PAUSE", 60_000, "WRITE"], ["CLIENT", "UNPAUSE"]),
}


def _broken(what: str, server: Valkey, admin: redis.Redis) -> AbstractContextManager[None]:
    match what:
        case "asleep":
            return _while_running(server, None, "DEBUG", "SLEEP", 3)
        case "BUSY":
            admin.config_set("busy-reply-threshold", 10)
            return _while_running(server, ["SCRIPT", "KILL"], "EVAL", "while true do end", 0)
        case "LOADING":
            return _loading(server, admin)
        case "gone":
            return _gone(server)
        case _:
            return _while(admin, *_COMMANDS[what])


PASSING = ["READONLY", "NOREPLICAS", "paused", "asleep", "BUSY", "LOADING", "gone"]
LASTING = ["OOM", "NOPERM", "NOAUTH"]


@pytest.mark.usefixtures("impatient", "forgetting")
@pytest.mark.parametrize("what", PASSING + LASTING)
def test_whatever_is_wrong_is_a_connection_error(what: str, server: Valkey, admin: redis.Redis, namespace: str) -> None:
    with broker_of(server.url, namespace) as broker:
        broker.enqueue(message())
        consumer = broker.consume("bulk", timeout=1)
        held: Any = next(consumer)
        with _broken(what, server, admin):
            if what == "NOAUTH":
                broker.client.connection_pool.disconnect()  # who is let in stays in
            with pytest.raises(redis.ConnectionError) as raised:
                broker.enqueue(message())
            assert isinstance(raised.value, Refused) == (what in LASTING)
            assert not bells.ring(broker, batches=rings(3))
            assert not bells.ring(broker, uploads=[uuid4()])
            with pytest.raises(ConnectionClosed):
                consumer.ack(held)
            with pytest.raises(ConnectionClosed):
                consumer.requeue([held])
            with pytest.raises(ConnectionClosed):
                next(broker.consume("bulk"))

        until(lambda: bells.ring(broker, batches=rings(1)), within=10, what="it is rung again")
        consumer.ack(held)
        assert bells.ring(broker, uploads=[uuid4()])


@pytest.mark.usefixtures("impatient", "forgetting")
def test_the_length_of_a_queue_is_no_other_error(server: Valkey, admin: redis.Redis, namespace: str) -> None:
    with broker_of(server.url, namespace) as broker:
        for what in ("NOPERM", "gone"):
            with _broken(what, server, admin), pytest.raises(redis.ConnectionError):
                bells.queues_empty(broker)
        assert bells.queues_empty(broker)


def test_a_failure_closes_the_idle_connections(server: Valkey, admin: redis.Redis, namespace: str) -> None:
    """They lead to the same server: each would have to find out for itself."""
    with broker_of(server.url, namespace) as broker:
        pool = broker.client.connection_pool
        for each in [pool.get_connection() for _ in range(3)]:
            pool.release(each)
        assert len(admin.client_list()) == 1 + 3
        with _broken("READONLY", server, admin), pytest.raises(redis.ConnectionError):
            broker.enqueue(message())
        until(lambda: len(admin.client_list()) == 1, within=10, what="only ours is left")


# What is done twice, and what is not ----------------------------------------------------------------------------------


@pytest.fixture(params=["plain", "sentinel"])
def breakable(request: pytest.FixtureRequest, server: Valkey, server_directory: Path) -> Generator[tuple[str, Relay]]:
    """A URL of the test's own server, alone or behind a Sentinel, and the relay that its connections go through."""
    with ExitStack() as stack:
        relay = Relay(server.port)
        stack.callback(relay.close)
        if request.param == "plain":
            yield relay.url, relay
            return
        sentinel = Sentinel(server_directory, None, {SERVICE: relay.port}, monitoring=Monitoring(quorum=1))
        stack.callback(sentinel.stop)
        sentinel.start()
        yield f"sentinel://127.0.0.1:{sentinel.port}/{SERVICE}", relay


def test_a_fetch_whose_reply_is_lost_is_not_repeated_and_its_message_comes_back(
    breakable: tuple[str, Relay], admin: redis.Redis, namespace: str
) -> None:
    url, relay = breakable
    with broker_of(url, namespace) as broker:
        broker.enqueue(message())
        broker.enqueue(message())
        consumer = broker.consume("bulk", prefetch=1, timeout=1)
        held: Any = next(consumer)
        before = evalshas(admin)
        relay.lose = lambda request: b"fetch" in request
        lost = broker.consume("bulk", prefetch=1, timeout=1)  # one call: it takes nothing back, for all is held
        with pytest.raises(ConnectionClosed):
            next(lost)
        assert evalshas(admin) == before + 2
        assert broker.queue_length("bulk") == 0

        relay.lose = lambda request: False  # noqa: ARG005
        found: Any = next(broker.consume("bulk", prefetch=1, timeout=1))

        assert found.options["redis_message_id"] != held.options["redis_message_id"]
        assert broker.take_back("bulk") == 0


def test_a_server_that_forgot_the_scripts_is_told_them_again(
    server: Valkey, admin: redis.Redis, namespace: str
) -> None:
    with broker_of(server.url, namespace) as broker:
        for expected in (1, 2):
            admin.script_flush()
            broker.enqueue(message())
            assert broker.queue_length("bulk") == expected


@pytest.mark.usefixtures("forgetting")
def test_an_enqueue_is_tried_until_a_server_is_back(server: Valkey, namespace: str) -> None:
    with broker_of(server.url, namespace, timeout=60) as broker, ThreadPoolExecutor(1) as pool:
        server.kill()
        rung = pool.submit(bells.ring, broker, batches=rings(3))
        server.start()
        assert rung.result()
        assert broker.queue_length("bulk") == 3


def test_what_is_refused_is_not_insisted_on(server: Valkey, admin: redis.Redis, namespace: str) -> None:
    with broker_of(server.url, namespace, timeout=3600) as broker, _broken("OOM", server, admin):
        assert not bells.ring(broker, batches=rings(100))


def test_the_patience_is_for_all_messages_together(relay: Relay, namespace: str) -> None:
    """Every other attempt fails, so each message alone would be patient enough."""
    attempts = Counter[bool]()

    def every_other(request: bytes) -> bool:
        if b"enqueue" not in request:
            return False
        attempts[True] += 1
        return bool(attempts[True] % 2)

    relay.lose = every_other
    with broker_of(relay.url, namespace, timeout=0.5) as broker:
        assert not bells.ring(broker, batches=rings(1000))
        assert 0 < broker.queue_length("bulk") < 1000


@pytest.mark.usefixtures("unforgetting", "impatient")
def test_what_has_just_failed_is_not_waited_for(relay: Relay, namespace: str) -> None:
    with broker_of(relay.url, namespace) as broker:
        relay.mute = True
        assert not bells.ring(broker, batches=rings(1))
        tried = relay.accepted
        assert not bells.ring(broker, batches=rings(1))
        assert not bells.ring(broker, uploads=[uuid4()])
        assert relay.accepted == tried
        relay.mute = False
        broker.enqueue(message())  # it answers
        assert bells.ring(broker, batches=rings(1))


# In the background ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
def test_in_the_background_nobody_waits(relay: Relay, namespace: str) -> None:
    with broker_of(relay.url, namespace, timeout=3600, background=True) as broker:
        relay.mute = True
        for _ in range(100):
            assert bells.ring(broker, batches=rings(1))
            assert bells.ring(broker, uploads=[uuid4()])
        until(lambda: relay.accepted > 1, within=10, what="it is tried again")
        relay.mute = False
        until(lambda: broker.queue_length("bulk") == 100, within=10, what="all are rung once Redis answers")


@pytest.mark.usefixtures("impatient", "unforgetting")
def test_in_the_background_what_is_late_is_left_to_the_sweeper(relay: Relay, namespace: str) -> None:
    with broker_of(relay.url, namespace, timeout=0.1, background=True) as broker:
        relay.mute = True
        for _ in range(1000):
            bells.ring(broker, batches=rings(1))
        broker.close(10)
        assert 0 < relay.accepted < 10


def test_too_many_tasks_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MOST_WAITING", 2)
    tasks, blocked, go_on = background.Background(), threading.Event(), threading.Event()
    done: list[int] = []

    def block() -> None:
        blocked.set()
        go_on.wait(10)

    tasks.run(block)
    assert blocked.wait(10)
    assert [tasks.run(lambda number=number: done.append(number)) for number in range(3)] == [True, True, False]
    go_on.set()
    until(lambda: done == [0, 1], within=10, what="those kept are done in order")
    tasks.run(lambda: 1 / 0)
    assert tasks.run(lambda: done.append(3))  # a task that fails does not end the others
    tasks.close(10)
    assert done == [0, 1, 3]

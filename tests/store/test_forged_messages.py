"""Messages that somebody else wrote into Redis: each is dropped once, and the work beside them goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any
from uuid import uuid4

import pytest
import redis
import structlog
from dramatiq import Actor, Message, Worker
from dramatiq.common import current_millis

from app.ledger import bells
from app.store.broker import FailOverRedisBroker
from app.store.messages import LONGEST, BatchId, GraphName
from tests.conftest import until
from tests.ringing import broker_of

OURS = 7
"""The batch whose ring is real."""


def ring(own: str, **changed: Any) -> dict[str, Any]:
    """A ring as this service sends it, but for what is changed."""
    options = {"redis_message_id": own}
    whole = Message("bulk", bells.COUNT, (OURS,), {}, options).asdict()
    return {**whole, "args": list(whole["args"]), **changed}


def with_options(own: str, **more: Any) -> dict[str, Any]:
    return ring(own, options={"redis_message_id": own, **more})


FORGED: dict[str, Callable[[str], object]] = {
    "no bytes": lambda _: b"",
    "no JSON": lambda _: b"\x80\x04 pickled?",
    "no text": lambda _: b"\xff\xfe{}",
    "no object": lambda _: [1, 2],
    "nothing in it": lambda _: {},
    "deep": lambda _: b"[" * LONGEST,
    "half a mebibyte": lambda own: ring(own, args=["x" * 2**19]),
    "no actor of ours": lambda own: ring(own, actor_name="os.system"),
    "an actor of another queue": lambda own: ring(own, actor_name="count_urgent"),
    "another queue": lambda own: ring(own, queue_name="nowhere"),
    "another id": lambda own: with_options(own, redis_message_id=str(uuid4())),
    "an id that is no text": lambda own: with_options(own, redis_message_id=[1]),
    "an own id that is no text": lambda own: ring(own, message_id=["x"]),
    "options that are no object": lambda own: ring(own, options=None),
    "far away": lambda own: with_options(own, eta=current_millis() + 10**12),
    "no time": lambda own: with_options(own, eta="nan"),
    "followed by": lambda own: with_options(own, pipe_target=ring(str(uuid4()))),
    "tried again": lambda own: with_options(own, max_retries=10**9, on_retry_exhausted="count"),
    "a callback": lambda own: with_options(own, on_success="count"),
    "no tick": lambda own: with_options(own, scheduled_at="P1D"),
    "no argument": lambda own: ring(own, args=[]),
    "arguments": lambda own: ring(own, args=[1] * 300),
    "named arguments": lambda own: ring(own, args=[], kwargs={"batch_id": 1}),
    "a text": lambda own: ring(own, args=["1; drop table edges"]),
    "a fraction": lambda own: ring(own, args=[1.5]),
    "true": lambda own: ring(own, args=[True]),
    "less than nothing": lambda own: ring(own, args=[-1]),
    "endless": lambda own: ring(own, args=[10**30]),
    "more than ours": lambda own: ring(own, also="this"),
    "a graph that no graph can be": lambda own: ring(own, args=[OURS, "../default"]),
    "an endless graph": lambda own: ring(own, args=[OURS, "a" * 49]),
    "a graph with a line's end": lambda own: ring(own, args=[OURS, "default\n"]),
    "an empty graph": lambda own: ring(own, args=[OURS, ""]),
    "a graph in capitals": lambda own: ring(own, args=[OURS, "Default"]),
    "a graph that is a number": lambda own: ring(own, args=[OURS, 7]),
    "no graph": lambda own: ring(own, args=[OURS, None]),
    "two graphs": lambda own: ring(own, args=[OURS, "a", "b"]),
    "a graph alone": lambda own: ring(own, args=["default"]),
}


def forge(client: redis.Redis, namespace: str, what: Callable[[str], object], *, queue: str = "bulk") -> None:
    own = str(uuid4())
    found = what(own)
    data = found if isinstance(found, bytes) else json.dumps(found).encode()
    client.hset(f"{namespace}:{queue}.msgs", own, data)  # pyright: ignore[reportArgumentType] (bytes are taken)
    client.rpush(f"{namespace}:{queue}", own)


@pytest.fixture
def client(redis_url: str) -> Generator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


class Working:
    """A worker whose actors note what they are asked for."""

    def __init__(self, broker: FailOverRedisBroker) -> None:
        self.asked: list[int] = []
        self.broker = broker

        self.graphs: list[str] = []

        def count(batch_id: BatchId, graph: GraphName = "default") -> None:
            self.asked.append(batch_id)
            self.graphs.append(graph)

        for name, queue in ((bells.COUNT, "bulk"), ("count_urgent", "urgent")):
            Actor(count, broker=broker, actor_name=name, queue_name=queue, priority=0, options={})
        self.worker = Worker(broker, worker_threads=1, worker_timeout=10)


@pytest.fixture
def working(redis_url: str, namespace: str) -> Generator[Working]:
    with broker_of(redis_url, namespace) as broker:
        working = Working(broker)
        working.worker.start()
        yield working
        working.worker.stop()


def left(client: redis.Redis, namespace: str) -> list[str]:
    """The keys that are left but for heartbeats."""
    return sorted(key.decode() for key in client.scan_iter(f"{namespace}:*") if b"__heartbeats__" not in key)


def test_each_is_dropped_once_and_the_work_beside_them_goes_on(
    working: Working, client: redis.Redis, namespace: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        for what in FORGED.values():
            forge(client, namespace, what)
            forge(client, namespace, what, queue="bulk.DQ")
        working.broker.enqueue(Message("bulk", bells.COUNT, (OURS,), {}, {}))

        until(lambda: working.asked, within=10, what="the real ring is heard")
        until(lambda: not left(client, namespace), within=10, what="nothing of them is left, nor set aside")

    assert working.asked == [OURS]
    assert [thread for thread in working.worker.workers if not thread.is_alive()] == []
    told = [each for each in logs if each["event"] == "messages_refused"]
    assert len(told) == 1, "one line, however many there are"


def test_a_ring_says_which_graph_and_that_of_an_older_release_means_default(working: Working) -> None:
    working.broker.enqueue(Message("bulk", bells.COUNT, (OURS,), {}, {}))
    working.broker.enqueue(Message("bulk", bells.COUNT, (OURS, "b"), {}, {}))

    until(lambda: len(working.asked) == 2, within=10, what="both rings are heard")

    assert sorted(working.graphs) == ["b", "default"]


@pytest.mark.parametrize("name", list(FORGED))
def test_none_of_them_reaches_an_actor(name: str, client: redis.Redis, redis_url: str, namespace: str) -> None:
    with broker_of(redis_url, namespace) as broker:
        working = Working(broker)
        forge(client, namespace, FORGED[name])

        assert next(broker.consume("bulk", prefetch=1, timeout=1)) is None
        assert (left(client, namespace), working.asked) == ([], [])


def test_a_flood_of_them_is_drained_without_holding_more_than_asked_for(
    client: redis.Redis, redis_url: str, namespace: str
) -> None:
    with broker_of(redis_url, namespace) as broker:
        Working(broker)
        ids = [str(uuid4()) for _ in range(20_000)]
        client.hset(f"{namespace}:bulk.msgs", mapping=dict.fromkeys(ids, "garbage"))
        client.rpush(f"{namespace}:bulk", *ids)
        client.rpush(f"{namespace}:bulk", *["an id without a message"] * 1000)
        for _ in range(3):
            broker.enqueue(Message("bulk", bells.COUNT, (OURS,), {}, {}))

        consumer = broker.consume("bulk", prefetch=1, timeout=1)
        found = [next(consumer) for _ in range(20)]

        assert [each.args for each in found if each is not None] == [(OURS,)]
        assert (broker.queue_length("bulk"), client.hlen(f"{namespace}:bulk.msgs")) == (2, 3)


def test_more_rings_than_there_can_be_work_are_dropped_for_the_sweep_to_ring_again(
    client: redis.Redis, redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "MOST_WAITING", 2)
    with broker_of(redis_url, namespace) as broker:
        for count in (2, 1):
            for _ in range(count):
                broker.enqueue(Message("bulk", bells.COUNT, (OURS,), {}, {}))
            bells.relieve(broker)
            assert broker.queue_length("bulk") == (2 if count == 2 else 0)
        assert bells.queues_empty(broker)
        assert left(client, namespace) == []


def test_a_set_that_is_none_is_made_anew(client: redis.Redis, redis_url: str, namespace: str) -> None:
    with broker_of(redis_url, namespace) as broker:
        broker.enqueue(Message("bulk", bells.COUNT, (OURS,), {}, {}))
        consumer: Any = broker.consume("bulk", prefetch=1, timeout=1)
        client.set(f"{namespace}:__acks__.{broker.broker_id}.bulk", "a text")

        consumer.ack(next(consumer))

        assert left(client, namespace) == []


def test_what_dead_processes_held_comes_back(client: redis.Redis, redis_url: str, namespace: str) -> None:
    with broker_of(redis_url, namespace) as broker, broker_of(redis_url, namespace) as dead:
        broker.maintenance_chance = 1_000_000
        broker.enqueue(Message("bulk", bells.COUNT, (OURS,), {}, {}))
        assert next(dead.consume("bulk", prefetch=1, timeout=1)) is not None
        client.zadd(f"{namespace}:__heartbeats__", {dead.broker_id: 1})

        found = next(broker.consume("bulk", prefetch=1, timeout=1))

        assert found is not None
        assert found.args == (OURS,)

"""What we lean on in Dramatiq and periodiq beyond their documentation: private names, signatures, keys in Redis.

pyproject.toml holds both to one minor version. When a test fails after an upgrade, read the release's version of the
named function and compare it with the code of ours that each test names; then adapt that code, this list and the pin.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import dramatiq.common
import periodiq
import pytest
import redis
from dramatiq import Worker
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.brokers.stub import StubBroker

from ops.embedded.valkey import Valkey
from tests.ringing import broker_of, message

SIGNATURES: list[tuple[Callable[..., Any], list[str], str]] = [
    # app/store/broker.py: FailOverRedisBroker
    (RedisBroker._dispatch, ["self", "command"], "wrapped: each failure becomes a ConnectionError"),
    (RedisBroker._max_unpack_size, ["self"], "replaced: the original asks the server under a lock"),
    (RedisBroker.__getattr__, ["self", "name"], "do_<command> leads to _dispatch(<command>)"),
    (RedisBroker.enqueue, ["self", "message", "delay"], "extended by a deadline"),
    (RedisBroker.consume, ["self", "queue_name", "prefetch", "timeout"], "wrapped by workers/polls.py"),
    # app/store/broker.py: _Consumer
    (_RedisConsumer.__init__, ["self", "broker", "queue_name", "prefetch", "timeout"], "extended: takes back"),
    (_RedisConsumer.__next__, ["self"], "extended: the broker learns what this process holds"),
    (_RedisConsumer.ack, ["self", "message"], "extended: the broker learns what this process let go"),
    (_RedisConsumer.nack, ["self", "message"], "extended: as ack"),
    (_RedisConsumer.requeue, ["self", "messages"], "extended: a lost connection must not end the thread"),
    # workers/scheduler.py: Scheduler
    (periodiq.Scheduler.__init__, ["self", "actors"], "given actors without their modules"),
    (periodiq.Scheduler.loop, ["self"], "replaced: wakes up each second"),
    (periodiq.Scheduler.schedule, ["self"], "called by our loop: sends what is due and sets the next alarm"),
    (periodiq.Scheduler.send_actors, ["self", "actors", "now"], "extended: survives an absent Redis"),
    (periodiq.PeriodiqMiddleware.__init__, ["self", "skip_delay"], "given a longer delay by workers/process.py"),
]


@pytest.mark.parametrize(
    ("function", "parameters", "why"), SIGNATURES, ids=lambda each: getattr(each, "__qualname__", "")
)
def test_a_private_name_has_the_parameters_that_we_lean_on(
    function: Callable[..., Any], parameters: list[str], why: str
) -> None:
    assert list(inspect.signature(function).parameters) == parameters, why


def test_a_consumer_class_is_a_property() -> None:
    """FailOverRedisBroker overrides it."""
    assert isinstance(RedisBroker.consumer_class, property)


def test_the_keys_in_redis_are_those_that_are_taken_back(server: Valkey, admin: redis.Redis, namespace: str) -> None:
    """`FailOverRedisBroker.take_back` and `queue_length` name these keys, and put an id at the right of the list as
    dispatch.lua's `requeue` does."""
    with broker_of(server.url, namespace) as broker:
        first = broker.enqueue(message()).options["redis_message_id"].encode()
        second = broker.enqueue(message()).options["redis_message_id"].encode()
        assert admin.lrange(f"{namespace}:bulk", 0, -1) == [first, second]
        assert admin.hkeys(f"{namespace}:bulk.msgs") == [first, second]

        held = next(broker.consume("bulk", prefetch=1, timeout=1))

        assert held is not None
        assert held.options["redis_message_id"].encode() == first
        assert admin.lrange(f"{namespace}:bulk", 0, -1) == [second]
        assert admin.hkeys(f"{namespace}:bulk.msgs") == [first, second]
        assert admin.smembers(f"{namespace}:__acks__.{broker.broker_id}.bulk") == {first}


def test_a_worker_has_its_threads_under_the_names_that_the_watchdog_reads() -> None:
    """`Process._polls` and `Process._ages` of workers/process.py read `consumers` (by queue) and `workers`."""
    worker = Worker(StubBroker(middleware=[]))

    assert isinstance(worker.consumers, dict)
    assert isinstance(worker.workers, list)


def test_a_scheduler_is_woken_through_its_queue() -> None:
    """`Scheduler.loop` of workers/scheduler.py waits for `alarm_q`, which the signal's handler fills."""
    scheduler = periodiq.Scheduler([])

    scheduler.signal_handler()

    assert scheduler.alarm_q.get_nowait() is True


def test_a_delayed_queue_is_known_by_its_suffix() -> None:
    """`FailOverRedisBroker.take_back` forgets what Dramatiq's worker forgets: the messages of a delayed queue."""
    assert dramatiq.common.dq_name("bulk") == "bulk.DQ"

"""The names, queues and arguments that messages are sent with are those of the registered actors."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any

import msgspec
import periodiq
import psycopg
import pytest
import redis

from app.ledger import bells
from app.ledger.bells import Lane
from app.settings import Settings
from app.store import postgres
from app.store.broker import FailOverRedisBroker
from ops.embedded.children import free_ports
from tests.uploading import posts_csv, upload
from workers import main
from workers.process import Process, process
from workers.scheduler import Scheduler


@pytest.mark.parametrize("lane", bells.LANES)
@pytest.mark.parametrize("verb", [bells.COUNT, bells.MERGE])
def test_work_is_sent_to_an_actor_that_is_there(verb: str, lane: Lane) -> None:
    actor = process.broker.get_actor(lane.actor(verb))

    assert (actor.queue_name, actor.priority) == (lane.queue, lane.rank)
    assert list(inspect.signature(actor.fn).parameters)[1:] == ["graph"]


@pytest.mark.parametrize("verb", [bells.SWEEP, bells.DECAY, bells.PURGE, bells.SUMMARIZE])
def test_maintenance_is_sent_to_a_periodic_actor(verb: str) -> None:
    actor = process.broker.get_actor(verb)

    assert actor.queue_name == bells.MAINTENANCE_QUEUE
    assert "periodic" in actor.options
    assert list(inspect.signature(actor.fn).parameters) == ["graph"]


def test_summaries_wait_behind_all_other_work() -> None:
    actor = process.broker.get_actor(bells.SUMMARIZE_SOON)

    assert actor.queue_name == bells.MAINTENANCE_QUEUE
    assert actor.priority > max(bells.RANKS.values())
    assert list(inspect.signature(actor.fn).parameters) == ["graph"]


def test_a_sweep_does_what_it_can_while_redis_is_away(settings: Settings, conn: psycopg.Connection[Any]) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    upload(settings, posts_csv([("@bob", long_ago, "ada")]), received_at=long_ago)
    conn.execute("UPDATE uploads SET state = 'receiving'")
    [nobody] = free_ports(1)
    away = msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{nobody}/0", enqueue_timeout=0.1)
    alone = Process(away)

    alone.sweep(alone.rooms.default)

    alone.close()
    assert postgres.scalars(conn, "SELECT state FROM uploads") == ["aborted"]


def test_every_actor_is_known_to_dispatch() -> None:
    known = {lane.actor(verb) for verb in (bells.COUNT, bells.MERGE) for lane in bells.LANES}

    upkeep = {bells.SWEEP, bells.DECAY, bells.PURGE, bells.SUMMARIZE, bells.SUMMARIZE_SOON, bells.UPKEEP, bells.AUDIT}
    assert set(process.broker.actors) == known | upkeep
    assert set(main.__all__) == set(process.broker.actors)


def test_schedulers_ask_for_what_is_periodic() -> None:
    client: Any = redis.Redis()
    broker = FailOverRedisBroker(
        client=client, namespace="asking", enqueue_timeout=1.0, middleware=[periodiq.PeriodiqMiddleware()]
    )

    asked = Scheduler(broker).actors

    there = [actor for actor in process.broker.actors.values() if "periodic" in actor.options]
    assert sorted((actor.actor_name, actor.queue_name) for actor in asked) == sorted(
        (actor.actor_name, actor.queue_name) for actor in there
    )
    assert all("periodic" in actor.options for actor in asked)

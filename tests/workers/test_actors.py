"""The names, queues and arguments that messages are sent with are those of the registered actors."""

from __future__ import annotations

import inspect

import pytest

from app import dispatch
from app.ledger import Priority
from workers import main, process


@pytest.mark.parametrize("priority", list(Priority))
@pytest.mark.parametrize("verb", [dispatch.COUNT, dispatch.MERGE])
def test_work_is_sent_to_an_actor_that_is_there(verb: str, priority: Priority) -> None:
    actor = process.broker.get_actor(dispatch.actor_name(verb, priority))

    assert actor.queue_name == dispatch.QUEUES[priority]
    assert len(inspect.signature(actor.fn).parameters) == 1


@pytest.mark.parametrize("verb", [dispatch.SWEEP, dispatch.DECAY, dispatch.PURGE])
def test_maintenance_is_sent_to_a_periodic_actor(verb: str) -> None:
    actor = process.broker.get_actor(verb)

    assert actor.queue_name == dispatch.MAINTENANCE_QUEUE
    assert "periodic" in actor.options
    assert not inspect.signature(actor.fn).parameters


def test_every_actor_is_known_to_dispatch() -> None:
    known = {dispatch.actor_name(verb, priority) for verb in (dispatch.COUNT, dispatch.MERGE) for priority in Priority}

    assert set(process.broker.actors) == known | {dispatch.SWEEP, dispatch.DECAY, dispatch.PURGE}
    assert set(main.__all__) == set(process.broker.actors)

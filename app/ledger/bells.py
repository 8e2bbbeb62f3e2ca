"""Ringing the bell: the only place that enqueues, and the names by which the actors are known.

Messages are sent by name, so that the API need not import the actors; a test checks the names, queues and arguments
against the registered ones. A bell that cannot be rung is logged and left to the sweeper: the ledger knows what is due.
No error of Redis gets out of here. A broker in the background (the API's) rings by and by, and answers True at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import redis
import structlog
from dramatiq import Message

from app.ledger.states import Ring
from app.posts.options import Priority
from app.store.broker import FailOverRedisBroker

log = structlog.get_logger(__name__)

COUNT = "count"
MERGE = "merge"
SWEEP = "sweep"
DECAY = "decay"
PURGE = "purge"
SUMMARIZE = "summarize"
SUMMARIZE_SOON = "summarize_soon"

PERIODIC = (SWEEP, SUMMARIZE, DECAY, PURGE)
"""What schedulers ask for."""
ASKED_FOR = "* * * * *"
"""When they do (cron): every minute, so that a missed period or a killed run is soon caught up."""

URGENT_SUFFIX = "_urgent"

QUEUES = {Priority.URGENT: "urgent", Priority.BULK: "bulk"}
RANKS = {Priority.URGENT: 0, Priority.BULK: 10}
"""Dramatiq's priorities, within what one process has fetched: the lower, the sooner."""

MAINTENANCE_QUEUE = "maintenance"
IDLE_RANK = 20
"""Of what is done when there is nothing else to do."""


def actor_name(verb: str, priority: Priority) -> str:
    """The actor that does `verb` for uploads of this priority: a Dramatiq actor has one queue, so there are two."""
    return verb + URGENT_SUFFIX if priority is Priority.URGENT else verb


def ring_counts(broker: FailOverRedisBroker, batches: Iterable[Ring]) -> bool:
    """Wake a worker for each batch. False if Redis is away."""
    return _send(broker, [_message(COUNT, ring) for ring in batches])


def ring_merges(broker: FailOverRedisBroker, shards: Iterable[Ring]) -> bool:
    """Wake a worker for each shard. False if Redis is away."""
    return _send(broker, [_message(MERGE, ring) for ring in shards])


def ring_summaries(broker: FailOverRedisBroker) -> bool:
    """Have summaries made when there is nothing else to do. False if Redis is away; they are made within a minute."""
    try:
        if broker.queue_length(MAINTENANCE_QUEUE):
            return True  # most likely it is this bell; and a minute later nobody needs it
    except redis.RedisError:
        return False
    return _send(broker, [Message(MAINTENANCE_QUEUE, SUMMARIZE_SOON, (), {}, {})])


def queues_empty(broker: FailOverRedisBroker) -> bool:
    """Whether no batch's or shard's bell is waiting. Raises redis.ConnectionError."""
    return all(broker.queue_length(queue) == 0 for queue in QUEUES.values())


def _message(verb: str, ring: Ring) -> Message[None]:
    return Message(QUEUES[ring.priority], actor_name(verb, ring.priority), (ring.id,), {}, {})


def _send(broker: FailOverRedisBroker, messages: list[Message[None]]) -> bool:
    return broker.errand(partial(_enqueue, broker, messages))


def _enqueue(broker: FailOverRedisBroker, messages: list[Message[None]], deadline: float) -> bool:
    with broker.until(deadline):
        for sent, message in enumerate(messages):
            try:
                broker.enqueue(message)
            except redis.RedisError as error:
                log.warning("redis away: left to the sweeper", unsent=len(messages) - sent, error=str(error))
                return False
    return True

"""Ringing: the only module that enqueues, and the names by which the actors are known.

Whoever has changed the ledger calls `ring`: routes, actors, the sweep, the CLI. The way of a ring is `ring` →
`broker.send` → `broker.enqueue` → Dramatiq. A broker in the background (the API's) has its own thread do the last two.

Messages are sent by name, so that the API need not import the actors. A test checks the names, queues and arguments
against the registered actors. A ring may be lost: the sweeper finds in the ledger what is due, and listeners look by
themselves now and then. No error of Redis leaves this module, save from `queues_empty`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import psycopg
import redis
import structlog
from dramatiq import Message
from psycopg_pool import AsyncConnectionPool

import sql
from app.control.graphs import DEFAULT
from app.ledger.states import Ring
from app.posts.options import Priority
from app.store.broker import FailOverRedisBroker, Signal
from app.store.postgres import AsyncConnection, Now, async_rows, async_scalars

log = structlog.get_logger(__name__)

COUNT = "count"
MERGE = "merge"
SWEEP = "sweep"
DECAY = "decay"
PURGE = "purge"
SUMMARIZE = "summarize"
SUMMARIZE_SOON = "summarize_soon"
AUDIT = "audit"
"""The audit of a graph that somebody asked for."""
UPKEEP = "upkeep"
"""All periodic work of one graph, but `default`."""

PERIODIC = (SWEEP, SUMMARIZE, DECAY, PURGE)
"""The actors that schedulers ring for. Each works on `default`; `upkeep` calls them for the other graphs."""
ASKED_FOR = "* * * * *"
"""When schedulers ring (cron): every minute, so that a worker soon catches up on a missed period or a killed run."""

URGENT_SUFFIX = "_urgent"

QUEUES = {Priority.URGENT: "urgent", Priority.BULK: "bulk"}
RANKS = {Priority.URGENT: 0, Priority.BULK: 10}
"""Dramatiq's priorities among the messages that one process has fetched: the lower, the sooner."""

SOON, SOON_RANK = "soon", 5
"""The queue of bulk work before which little of its graph waits. All graphs share the queues. So a flood into one graph
fills `bulk`, and does not hold up the small uploads of the others. Urgent work still goes first."""
HEAD_START = 4
"""Batches of a graph that may wait in `soon`."""

MAINTENANCE_QUEUE = "maintenance"
IDLE_RANK = 20
"""The priority of work for an idle process."""

MOST_WAITING = 20_000
"""Messages that may wait in a queue: a full backlog has some 8,000 batches, which are rung again now and then."""

LISTENED = "events"
"""The stream that listeners read: `<namespace>:events`. Each entry names one upload and nothing else."""
KEPT = 10_000
"""About how many entries the stream keeps. A listener that was away for longer looks at every upload anyway."""

_RING_BATCHES = sql.query("ledger/bells/ring_batches")
_COUNT_AT_ONCE = sql.query("ledger/bells/count_at_once")


class _Rung(msgspec.Struct, frozen=True):
    id: int
    soon: bool


class Lane(NamedTuple):
    """A queue, and how its work comes before that of other queues. A Dramatiq actor has one queue, so each verb has an
    actor for each lane."""

    priority: Priority
    soon: bool = False

    @property
    def queue(self) -> str:
        return SOON if self.is_soon else QUEUES[self.priority]

    @property
    def rank(self) -> int:
        return SOON_RANK if self.is_soon else RANKS[self.priority]

    @property
    def is_soon(self) -> bool:
        return self.soon and self.priority is Priority.BULK

    def actor(self, verb: str) -> str:
        """The name of the actor that does `verb` in this lane."""
        return f"{verb}_{SOON}" if self.is_soon else actor_name(verb, self.priority)


LANES = (Lane(Priority.BULK), Lane(Priority.BULK, soon=True), Lane(Priority.URGENT))


def actor_name(verb: str, priority: Priority) -> str:
    """The actor that does `verb` for uploads of this priority, however many of them there are."""
    return verb + URGENT_SUFFIX if priority is Priority.URGENT else verb


def ring(
    broker: FailOverRedisBroker,
    *,
    batches: Iterable[Ring] = (),
    shards: Iterable[Ring] = (),
    uploads: Iterable[uuid.UUID] = (),
    graph: str = DEFAULT,
) -> bool:
    """Ring a worker for each batch of the graph to count and each shard to merge, and then whoever listens to uploads.

    To be called after the commit. Returns False if Redis is away; a broker in the background returns True at once.
    """
    messages = [_message(COUNT, each, graph) for each in batches] + [_message(MERGE, each, graph) for each in shards]
    signals = [Signal(stream(broker), "upload", str(upload), KEPT) for upload in uploads]
    return broker.send(messages, signals=signals) if messages or signals else True


async def ring_upload(
    pool: AsyncConnectionPool[AsyncConnection],
    broker: FailOverRedisBroker,
    upload_id: uuid.UUID,
    priority: Priority,
    clock: Now,
    *,
    graph: str = DEFAULT,
) -> None:
    """Ring for every batch of a sealed upload that is to be counted. Never raises. The broker is in the background."""
    try:
        async with pool.connection() as conn:
            params = {"upload_id": upload_id, "head_start": HEAD_START, "now": clock()}
            batches = await async_rows(conn, _Rung, _RING_BATCHES, params)
            if graph != DEFAULT:
                await async_scalars(conn, _COUNT_AT_ONCE)  # workers look at these counts, if the ring is lost
    except psycopg.Error as error:
        log.warning("upload_not_rung", upload=str(upload_id), error=str(error))
        return
    rings = [Ring(batch.id, priority, batch.soon) for batch in batches]
    ring(broker, batches=rings, uploads=[upload_id], graph=graph)


def ring_summaries(broker: FailOverRedisBroker, *, graph: str = DEFAULT) -> bool:
    """Ring an idle worker for summaries of the graph. Returns False if Redis is away; schedulers ring, too."""
    try:
        if broker.queue_length(MAINTENANCE_QUEUE):
            return True  # this very ring, or the upkeep of graphs; and a minute later nobody needs it
    except redis.RedisError:
        return False
    return broker.send([Message(MAINTENANCE_QUEUE, SUMMARIZE_SOON, (graph,), {}, {})])


def ring_audit(broker: FailOverRedisBroker, *, graph: str = DEFAULT) -> bool:
    """Ring a worker for the audit of the graph. Returns False if Redis is away; sweeps ring, too."""
    return broker.send([Message(MAINTENANCE_QUEUE, AUDIT, (graph,), {}, {})])


def ring_upkeep(broker: FailOverRedisBroker, names: Iterable[str], *, tick: str) -> bool:
    """Ring for the periodic work of graphs, at a tick of a scheduler. Returns False if Redis is away."""
    return broker.send([Message(MAINTENANCE_QUEUE, UPKEEP, (name,), {}, {"scheduled_at": tick}) for name in names])


def soon(rings: Sequence[Ring], *, most: int = HEAD_START) -> list[Ring]:
    """The rings that a sweep found, the first of them to be heard soon."""
    return [Ring(ring.id, ring.priority, soon=number < most) for number, ring in enumerate(rings)]


def queues_empty(broker: FailOverRedisBroker) -> bool:
    """Whether no ring for a batch or a shard is waiting. Raises redis.ConnectionError."""
    return all(broker.queue_length(lane.queue) == 0 for lane in LANES)


def waiting(broker: FailOverRedisBroker) -> dict[str, int]:
    """The number of messages that wait in each queue. All graphs share the queues. Raises redis.ConnectionError."""
    queues = (*(lane.queue for lane in LANES), MAINTENANCE_QUEUE)
    return {queue: broker.queue_length(queue) for queue in queues}


def relieve(broker: FailOverRedisBroker) -> None:
    """Empty each queue in which more messages wait than there can be work. Raises redis.ConnectionError.

    No work is lost, for the next sweep rings for whatever is due. Somebody may have forged the messages.
    """
    for queue, messages in waiting(broker).items():
        if messages > MOST_WAITING:
            log.warning("queue_dropped", queue=queue, messages=messages)
            broker.flush(queue)


def stream(broker: FailOverRedisBroker) -> str:
    """The key of the stream that listeners read."""
    return f"{broker.namespace}:{LISTENED}"


def _message(verb: str, ring: Ring, graph: str) -> Message[None]:
    lane = Lane(ring.priority, ring.soon)
    return Message(lane.queue, lane.actor(verb), (ring.id, graph), {}, {})

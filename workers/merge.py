"""Merge a shard's pending deltas into the edges until none is left."""

from __future__ import annotations

import time
from functools import partial

import dramatiq
import structlog
from dramatiq import Actor
from psycopg.errors import QueryCanceled

from app.control.graphs import DEFAULT
from app.graph import merging
from app.ledger import bells, events
from app.ledger.bells import Lane
from app.ledger.states import Ring
from app.store import postgres
from app.store.messages import GraphName, Shard
from app.store.postgres import Connection
from workers.process import process
from workers.rooms import Room

log = structlog.get_logger(__name__)

MOST_RUNG = 1000
TURN_SECONDS = 10.0
"""Seconds after which other messages have their turn, and the shard waits for its next one."""


def _merge(room: Room, shard: int, lane: Lane) -> None:
    with structlog.contextvars.bound_contextvars(graph=room.name, shard=shard):
        _merge_all(room, shard, lane)


def _merge_all(room: Room, shard: int, lane: Lane) -> None:
    ends = time.monotonic() + TURN_SECONDS
    most_edges, merged_any = room.settings.merge_edges, False
    with room.connection() as conn:
        if shard >= room.graph(conn).parameters.shards:
            return  # a message that somebody forged
        while not process.stopping:
            try:
                merged = _once(room, conn, shard, most_edges)
            except Exception as error:
                if isinstance(error, QueryCanceled) or postgres.server_failed(error):
                    raise  # the database is in trouble: the sweeper rings again
                log.exception("merge_failed", most_edges=most_edges)
                if most_edges == 1:
                    merging.set_aside(conn, shard, error)
                most_edges = 1  # one delta at a time: those before the bad one, then the bad one, then those after
                continue
            merged_any = merged_any or bool(merged)
            if merged is None or (merged == 0 and not merging.has_pending(conn, shard)):
                break
            if time.monotonic() > ends:
                # A graph into which a flood comes takes turns with the others.
                bells.ring(process.broker, shards=[Ring(shard, lane.priority)], graph=room.name)
                break
    if merged_any:
        room.worked()
        bells.ring_summaries(process.broker, graph=room.name)


def _once(room: Room, conn: Connection, shard: int, most_edges: int) -> int | None:
    waiting = events.waiting(conn, shard, limit=MOST_RUNG)
    parameters = room.graph(conn).parameters
    merged = merging.merge_shard(conn, shard, parameters, most_edges=most_edges, now=postgres.clock())
    if merged:
        bells.ring(process.broker, uploads=waiting, graph=room.name)
    return merged


def _actor(lane: Lane) -> Actor[..., None]:
    def merge(shard: Shard, graph: GraphName = DEFAULT) -> None:
        process.visit(graph, partial(_merge, shard=shard, lane=lane))

    return dramatiq.actor(actor_name=lane.actor(bells.MERGE), queue_name=lane.queue, priority=lane.rank)(merge)


merge, merge_soon, merge_urgent = map(_actor, bells.LANES)

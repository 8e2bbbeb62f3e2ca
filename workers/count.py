"""Count a batch: claimed -> counted, its deltas written; then ring the merges of its shards."""

from __future__ import annotations

from functools import partial

import dramatiq
import psycopg
import structlog
from dramatiq import Actor
from psycopg.errors import DiskFull

from app.control.graphs import DEFAULT
from app.errors import CountFailed, Problem
from app.graph import counting, withdrawal
from app.ledger import bells, transitions
from app.ledger.bells import Lane
from app.ledger.states import Ring
from app.ledger.trace_context import logged_trace, of_attempt
from app.ledger.transitions import Claim
from app.store import postgres
from app.store.messages import BatchId, GraphName
from workers.process import process
from workers.rooms import Room

log = structlog.get_logger(__name__)


def _count(room: Room, batch_id: int, lane: Lane) -> None:
    with room.connection() as conn:
        if not room.may_count(conn):
            return  # a sweep rings again once there is room
        claim = transitions.claim(conn, batch_id, settings=room.settings, now=postgres.clock())
        if claim is None:
            return
        room.worked()
        with structlog.contextvars.bound_contextvars(
            graph=room.name, upload=str(claim.upload_id), batch=batch_id, **_trace_of(claim)
        ):
            try:
                parameters, user_ids = room.graph(conn)
                with room.holding(claim):
                    outcome = counting.count_batch(
                        conn,
                        claim,
                        parameters,
                        user_ids,
                        now=postgres.clock(),
                        days_kept=room.settings.days_kept,
                        rejects_kept=room.settings.rejects_kept,
                    )
            except Exception as error:
                # The ledger keeps every error, and the batch is tried again.
                log.exception("count_failed", attempt=claim.attempts)
                _fail(room, claim, error, its_own_fault=not postgres.server_failed(error))
                bells.ring(process.broker, uploads=claim.listened, graph=room.name)
                return
            if outcome is None:
                log.warning("claim_superseded")
                return
            log.info("counted", rows=outcome.rows_received, rejected=outcome.rows_rejected, edges=outcome.edges)
            shards = outcome.shards
            if claim.options.max_rejects is not None:
                shards = withdrawal.decide(conn, claim.upload_id, parameters, now=postgres.clock())
    merges = [Ring(shard, claim.options.priority, lane.soon) for shard in shards]
    bells.ring(process.broker, shards=merges, uploads=claim.listened, graph=room.name)


def _trace_of(claim: Claim) -> dict[str, str]:
    """The trace of the upload, and the span of this attempt, for log lines."""
    trace = logged_trace(claim.traceparent)
    return trace and {**trace, "span_id": of_attempt(claim.token)}


def _fail(room: Room, claim: Claim, error: Exception, *, its_own_fault: bool) -> None:
    if isinstance(error, DiskFull):
        room.space.met_full()
    try:
        # On another connection: the connection that the batch was counted on may be the reason.
        with room.connection() as conn:
            transitions.fail(
                conn,
                claim,
                _problem(claim, error),
                settings=room.settings,
                now=postgres.clock(),
                its_own_fault=its_own_fault,
            )
    except psycopg.Error:
        if its_own_fault:
            raise
        room.give_back_later(claim)
        log.warning("attempt_not_noted")


def _problem(claim: Claim, error: Exception) -> Problem:
    return CountFailed(f"attempt {claim.attempts}: {type(error).__name__}: {error}").problem()


def _actor(lane: Lane) -> Actor[..., None]:
    def count(batch_id: BatchId, graph: GraphName = DEFAULT) -> None:
        process.visit(graph, partial(_count, batch_id=batch_id, lane=lane))

    return dramatiq.actor(actor_name=lane.actor(bells.COUNT), queue_name=lane.queue, priority=lane.rank)(count)


count, count_soon, count_urgent = map(_actor, bells.LANES)

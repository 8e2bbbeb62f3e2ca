"""Audits over HTTP: a worker compares the graph with the ledger, and the result is kept."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import QueryParameter

from app.control.callers import Scope
from app.errors import BadRequest, BadState, Problem
from app.http import problems
from app.http.calling import Calling
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.routes.uploads import Sender
from app.http.services import Injected, Services
from app.http.structs import struct_of
from app.ledger import bells
from app.proofs import audits
from app.proofs.audits import MOST_SAMPLED, SAMPLE, Result, Run

_NOT_STORED = {"Cache-Control": "no-store"}


class AuditState(StrEnum):
    """How far an audit is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class AuditRun(msgspec.Struct, frozen=True):
    """An audit that somebody asked for."""

    state: AuditState
    """`waiting`: for a worker, or for another worker after the first was lost."""
    sample: int
    """Number of edges, and of users, that are counted anew, at random."""
    asked_at: datetime
    asked_by: Sender
    began_at: datetime | None
    finished_at: datetime | None
    process: str | None
    """Worker that ran the audit, or runs it."""
    result: Result | None
    """What the audit found; null before it is done."""
    error: Problem | None
    """Why the audit failed; null otherwise."""

    @classmethod
    def of(cls, run: Run) -> AuditRun:
        """The audit, as it is answered."""
        return struct_of(cls, run, state=_state(run), asked_by=Sender(run.key_id, run.owner, run.address))


class Audits(msgspec.Struct, frozen=True):
    """The audit that waits or runs, and the latest that ended."""

    unfinished: AuditRun | None
    """Null while no audit waits or runs."""
    last: AuditRun | None
    """Null before the first audit has ended."""


def _state(run: Run) -> AuditState:
    if run.finished_at is None:
        return AuditState.RUNNING if run.running else AuditState.WAITING
    return AuditState.FAILED if run.result is None else AuditState.DONE


async def _latest(services: Services) -> Audits:
    async with services.pool.connection() as conn:
        found = [AuditRun.of(each) for each in await audits.latest(conn)]
    unfinished = [each for each in found if each.finished_at is None]
    finished = [each for each in found if each.finished_at is not None]
    return Audits(unfinished[0] if unfinished else None, finished[0] if finished else None)


@get(
    "/",
    summary="Is the graph what the ledger says?",
    scope=Scope.ADMIN,
    operation_class=answering(examples.AUDITS),
    responses=problems.responses(*problems.DATABASE),
)
async def get_audit(services: Injected) -> Response[Audits]:
    """Answers the result of the latest audit that somebody asked for over HTTP, and whether another one waits or
    runs."""
    return Response(await _latest(services), headers=_NOT_STORED)


@post(
    "/",
    summary="Run an audit",
    scope=Scope.ADMIN,
    status_code=202,
    response_description="The audit waits for a worker. Its result will be at the path in `Location`.",
    response_headers=[
        ResponseHeader("Location", documentation_only=True, description="Path where the result will be.")
    ],
    operation_class=answering(examples.AUDITS_ASKED),
    responses=problems.responses(
        BadRequest("query parameter 'sample' has to be a whole number from 0 to 1000."),
        BadState("an audit waits or runs already; GET /audit says when it has ended."),
        problems.CROSS_SITE,
        *problems.DATABASE,
    ),
)
async def run_audit(
    services: Injected,
    caller: Calling,
    sample: Annotated[
        int,
        QueryParameter(
            description="Number of edges, and of users, that are counted anew, at random. For edges, the audit reads "
            "every delta. 0: none.",
            ge=0,
            le=MOST_SAMPLED,
        ),
    ] = SAMPLE,
) -> Response[Any]:
    """Asks a worker to compare the graph with the ledger, in one snapshot, while work goes on. One audit of a graph
    waits or runs at a time. The audit reads every edge, which takes seconds for a million."""
    async with services.pool.connection() as conn:
        await audits.ask(conn, caller, sample=sample, now=services.clock())
    bells.ring_audit(services.broker, graph=services.graph)
    return Response(
        await _latest(services), status_code=202, headers={"Location": f"{services.base}/audit", **_NOT_STORED}
    )


ROUTER = Router("/audit", tags=["health"], route_handlers=[get_audit, run_audit])

"""Forgetting a person: the counts of what would go, and the deed."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import structlog
from litestar import Router, post
from litestar.params import QueryParameter

from app.control.callers import Scope
from app.errors import BadRequest, BadState
from app.forgetting import cached, left, people
from app.graph.parameters import read_parameters
from app.http import problems, segments
from app.http.calling import Calling
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.routes.users import Handle
from app.http.services import Injected
from app.store import postgres

log = structlog.get_logger(__name__)


class Forgetting(msgspec.Struct, frozen=True):
    """What was forgotten, or would be. The answer never holds the handle."""

    dry_run: bool
    keep_out: bool
    """Whether later uploads are counted without the person."""
    mentions: int
    """Mentions that went with the person's edges."""
    deltas: int
    """Deltas that were rewritten."""
    payloads: int
    """Payloads of batches that were rewritten."""
    payloads_dropped: int
    """Payloads that could not be rewritten. Their batches cannot be replayed or rebuilt from."""
    rejects: int
    """Rejected rows that were rewritten."""
    texts: int
    """Other entries of the ledger that were rewritten, such as file names and warnings."""
    cache_cleared: bool
    """Whether the answers cached in Redis were deleted. If not, they expire after MENTIONGRAPH_CACHE_SECONDS."""
    still_held: list[str]
    """A sentence for each place that holds the person still, such as the write-ahead log. Empty for a dry run."""


class _Steps:
    """Progress as lines of the log, one a step: the answer comes at the end, after minutes on a large graph."""

    def __init__(self, graph: str) -> None:
        self._graph = graph
        self._last = ""

    def __call__(self, step: str, _done: int, _total: int) -> None:
        if step != self._last:
            self._last = step
            log.info("forgetting a person", graph=self._graph, step=step)


@post(
    "/users/{handle:str}/forget",
    summary="Forget a person",
    scope=Scope.ADMIN,
    status_code=200,
    response_description="What was forgotten, or would be with `dry_run=true`.",
    operation_class=answering(examples.FORGETTING),
    responses=problems.responses(
        problems.CROSS_SITE,
        BadRequest("name the handle of the person to forget."),
        BadState("a rebuild is running, or somebody else is being forgotten; wait for the end of it."),
        *problems.DATABASE,
    ),
)
async def forget_user(
    services: Injected,
    caller: Calling,
    handle: Handle,
    dry_run: Annotated[bool, QueryParameter(description="Only count what would go.")] = False,
    keep_out: Annotated[
        bool, QueryParameter(description="Count later uploads without the person, too. Only a keyed hash is kept.")
    ] = False,
) -> Forgetting:
    """Takes a person out of the graph, out of its history and out of the bytes that uploads left: edges, archive, days,
    payloads, rejects and texts. Everybody else's counts stay exact. The request reads every payload, so it takes as
    long as that; the log has a line for each step. If it is cut off, send it again: it goes on. Backups, exports and
    logs are not changed."""
    settings = services.settings
    name = segments.text(handle)
    progress = _Steps(services.graph)

    def work() -> Forgetting:
        with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="forget") as conn:
            parameters = read_parameters(conn)
            if dry_run:
                found = people.preview(conn, name, parameters, progress=progress)
                return Forgetting(
                    dry_run=True,
                    keep_out=keep_out,
                    mentions=found.mentions,
                    deltas=found.deltas,
                    payloads=found.payloads,
                    payloads_dropped=0,
                    rejects=found.rejects,
                    texts=found.texts,
                    cache_cleared=False,
                    still_held=[],
                )
            with postgres.connect(settings.database_url, role="forget") as guard:
                done = people.forget(
                    guard,
                    conn,
                    name,
                    parameters,
                    caller,
                    keep_out=keep_out,
                    clock=services.clock,
                    progress=progress,
                )
            cleared = cached.clear(settings)
            people.vacuum(conn)
            holding = left.sentences(conn)
        return Forgetting(
            dry_run=False,
            keep_out=done.keep_out,
            mentions=done.mentions + done.mentions_purged,
            deltas=done.deltas,
            payloads=done.payloads,
            payloads_dropped=done.payloads_dropped,
            rejects=done.rejects,
            texts=done.texts,
            cache_cleared=cleared,
            still_held=holding,
        )

    return await asyncio.to_thread(work)


ROUTER = Router("/", tags=["users"], route_handlers=[forget_user])

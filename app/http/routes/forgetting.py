"""Forgetting a person: the counts of what would go, the deed, and how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Response, Router, get, post
from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from app.control.callers import Caller, Scope
from app.errors import BadRequest, BadState, NotFound
from app.forgetting import cached, left, people
from app.forgetting.people import Erasure
from app.graph.parameters import read_parameters
from app.http import problems, segments
from app.http.calling import Calling
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.parameters import MAX_NUMBER
from app.http.routes.users import Handle
from app.http.services import Injected, Services
from app.posts.handles import fold
from app.store import postgres

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 10.0
"""Seconds that a request waits for the end. Then the answer says where to ask how far it is."""


class Forgetting(msgspec.Struct, frozen=True):
    """What was forgotten in the graph, or would be. The answer never holds the handle."""

    graph: str
    """The graph that was asked. Other graphs may hold the person, too."""
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
    """Progress as lines of the log, one a step."""

    def __init__(self, graph: str) -> None:
        self._graph = graph
        self._last = ""

    def __call__(self, step: str, _done: int, _total: int) -> None:
        if step != self._last:
            self._last = step
            log.info("forgetting", graph=self._graph, step=step)


@post(
    "/users/{handle:str}/forget",
    summary="Forget a person",
    scope=Scope.ADMIN,
    status_code=200,
    response_description="What was forgotten, or would be with `dry_run=true`.",
    operation_class=answering(examples.FORGETTING),
    responses={
        202: ResponseSpec(
            Erasure,
            generate_examples=False,
            description="Accepted, and no count counts the person any more. `Location` says how far it is.",
            examples=[Example(id="running", summary="Under way", value=examples.ERASURE)],
        ),
        **problems.responses(
            problems.CROSS_SITE,
            BadRequest("name the handle of the person to forget."),
            BadState("a rebuild is running; wait for the end of it."),
            *problems.DATABASE,
        ),
    },
    response_headers=[
        ResponseHeader(name="Location", documentation_only=True, required=False, description="Path of the erasure.")
    ],
)
async def forget_user(
    services: Injected,
    caller: Calling,
    handle: Handle,
    dry_run: Annotated[bool, QueryParameter(description="Only count what would go.")] = False,
    keep_out: Annotated[
        bool, QueryParameter(description="Count later uploads without the person, too. Only a keyed hash is kept.")
    ] = False,
) -> Response[Forgetting]:
    """Takes a person out of the graph, out of its history and out of the bytes that uploads left: edges, archive, days,
    payloads, rejects and texts. Everybody else's counts stay exact. From the acceptance on no count counts the person.
    What takes longer than ten seconds is answered by 202, and goes on: `GET /erasures/{erasure_id}` says how far it is.
    The same request again waits for the same work, or takes it up if it was cut off. Only this graph is changed: ask
    each graph. Backups, exports and logs are not changed."""
    name = segments.text(handle)
    forgettings = services.shared.forgettings
    if dry_run:
        looking = forgettings.start(
            (services.graph, "look", keep_out, fold(name)), lambda _: _look(services, name, keep_out)
        )
        return Response(await asyncio.shield(asyncio.wrap_future(looking.done)), status_code=200)
    job = forgettings.start(
        (services.graph, keep_out, fold(name)), lambda begun: _forget(services, name, caller, keep_out, begun)
    )
    done = asyncio.wrap_future(job.done)
    done.add_done_callback(_seen)
    # Several requests may wait for one job, and none of them ends it.
    finished, _ = await asyncio.wait([asyncio.shield(done)], timeout=ANSWER_SECONDS)
    if finished:
        return Response(await done, status_code=200)
    erasure = await asyncio.shield(asyncio.wrap_future(job.begun))
    async with services.pool.connection() as conn:
        state: Any = await people.async_state(conn, erasure)
    return Response(state, status_code=202, headers={"Location": f"{services.base}/erasures/{erasure}"})


def _seen(done: asyncio.Future[Any]) -> None:
    """Whoever got 202 asks after the erasure; an error that nobody waits for is no error of the loop."""
    if not done.cancelled():
        done.exception()


def _look(services: Services, name: str, keep_out: bool) -> Forgetting:
    settings = services.settings
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="forget") as conn:
        found = people.preview(conn, name, read_parameters(conn), progress=_Steps(services.graph))
    return Forgetting(
        graph=services.graph,
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


def _forget(
    services: Services,
    name: str,
    caller: Caller,
    keep_out: bool,
    begun: Callable[[int], object],
) -> Forgetting:
    settings = services.settings
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="forget") as conn:
        with postgres.connect(settings.database_url, role="forget") as guard:
            done = people.forget(
                guard,
                conn,
                name,
                read_parameters(conn),
                caller,
                keep_out=keep_out,
                clock=services.clock,
                progress=_Steps(services.graph),
                begun=begun,
            )
        cleared = cached.clear(settings)
        people.vacuum(conn)
        holding = left.sentences(conn)
    return Forgetting(
        graph=services.graph,
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


@get(
    "/erasures/{erasure_id:str}",
    summary="How far forgetting a person is",
    scope=Scope.ADMIN,
    operation_class=answering(examples.ERASURE),
    responses=problems.responses(
        BadRequest("path parameter 'erasure_id' has to be a whole number."),
        NotFound("there is no erasure 17 in this graph."),
        *problems.DATABASE,
    ),
)
async def get_erasure(
    services: Injected,
    erasure_id: Annotated[int, PathParameter(description="Id of the erasure.", ge=1, le=MAX_NUMBER)],
) -> Erasure:
    """Says how far forgetting a person is in this graph, by the number that `Location` of the request named. The answer
    never holds the handle."""
    async with services.pool.connection() as conn:
        return await people.async_state(conn, erasure_id)


ROUTER = Router("/", tags=["users"], route_handlers=[forget_user, get_erasure])

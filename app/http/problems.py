"""From any exception to its RFC 9457 problem document: failures become HTTP answers here and nowhere else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeAlias, cast

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.types import Receive, Scope, Send

from app.control.graphs import DEFAULT
from app.errors import (
    BacklogFull,
    BadRequest,
    CrossSite,
    DatabaseUnavailable,
    ExpiredKey,
    KeyInUse,
    LimitReached,
    MentiongraphError,
    MethodNotAllowed,
    NoKey,
    NoSpace,
    NotAllowed,
    NotFound,
    NotMigrated,
    Problem,
    ReceivingFull,
    TookTooLong,
    TooManyGraphs,
    TooManyWrongKeys,
    UnknownHost,
    UnsupportedEncoding,
    UnsupportedMediaType,
    WrongKey,
    to_do,
)
from app.http import segments
from app.http.access_log import shown
from app.http.calling import caller_of, graph_of, prefix_of
from app.http.keyring import FAILURE_SECONDS
from app.http.signatures import wrong
from app.ledger import space

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5

_BUG = MentiongraphError("this is a bug; the log of the API says more.")
_NO_SUCH_PATH = NotFound("nothing is at this path; /doc lists all paths.")
_NO_SUCH_METHOD = MethodNotAllowed("this path does not take this method; /doc lists the methods of all paths.")
_UNKNOWN_HOST = UnknownHost("this server is not 'evil.example'. MENTIONGRAPH_ALLOWED_HOSTS can name it.")
_LIMIT = LimitReached(
    "the owner 'grace' may send 600 requests a minute; ask again in 12 s. MENTIONGRAPH_OWNER_REQUESTS_A_MINUTE is the "
    "limit."
)
_UNKNOWN_PARAMETER = BadRequest("there is no query parameter 'limt'; did you mean 'limit'? Known: as_of, limit.")

_SCHEMA_MISSING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
)


class ProblemDocument(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, as RFC 9457 has it. `type` names the kind of problem for programs; `detail` is for people."""

    instance: str | None = None
    """Path of the request."""
    violated_policies: list[str] | None = msgspec.field(name="violated-policies", default=None)
    """Limits that the request would have exceeded, as `RateLimit-Policy` names them."""


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDocument]:
    """The answer to a failed request. An unforeseen failure is logged, and its cause stays out of the answer."""
    handler = request.scope.get("route_handler")
    named = _named(error, handler if isinstance(handler, HTTPRouteHandler) else None)
    problem = named.problem()
    if problem.status in _DENIALS or isinstance(named, LimitReached | TooManyWrongKeys):
        _note_denial(request, named)
    headers = {**headers_of(named), **((isinstance(error, HTTPException) and error.headers) or {})}
    prefix = prefix_of(request.scope)
    path = shown(prefix.encode() + request.scope["raw_path"])
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", method=request.method, path=path, exc_info=error)
    elif problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("service_unavailable", path=path, error=str(error))
    instance = prefix + request.url.path
    return Response(document(named, instance), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


async def refuse(scope: Scope, receive: Receive, send: Send, error: MentiongraphError) -> None:
    """Answer a request that no handler gets."""
    request: Request[Any, Any, Any] = Request(scope, receive, send)
    response = answer(request, error)
    await response.to_asgi_response(cast("Any", None), request)(scope, receive, send)


_DENIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def _note_denial(request: Request[Any, Any, Any], error: MentiongraphError) -> None:
    """Let an audit event tell of the denied request. An app that has not started has no services."""
    services = request.app.state.get("services")
    if services is None:
        return
    caller = caller_of(request.scope)
    if isinstance(error, WrongKey | ExpiredKey) and error.key_id is not None:
        caller = msgspec.structs.replace(caller, key_id=error.key_id, owner=error.owner)
    # Of the graphs that there are alone: what else a client writes there may be a handle.
    name, found = graph_of(request.scope), request.app.state.get("graphs")
    graph = name if name == DEFAULT or (found is not None and found.knows(name)) else None
    services.denials.note(caller, error, request.method, request.scope["path"], graph=graph)


def document(error: MentiongraphError, path: str | None) -> ProblemDocument:
    """What a request for the path is answered that failed so."""
    instance = None if path is None else segments.text(path)
    policies = [error.policy] if isinstance(error, LimitReached) else None
    return ProblemDocument(**msgspec.structs.asdict(error.problem()), instance=instance, violated_policies=policies)


def headers_of(error: MentiongraphError) -> Mapping[str, str]:
    """The headers that go with the problem."""
    later = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    if isinstance(error, LimitReached):
        later = {"Retry-After": str(error.seconds)}
    return {**later, **_HEADERS.get(type(error), {}), **_challenge(error)}


def _challenge(error: MentiongraphError) -> Mapping[str, str]:
    """What a client has to send, as RFC 6750 says it."""
    if not isinstance(error, NoKey | WrongKey | ExpiredKey | NotAllowed):
        return {}
    parts = ['realm="mentiongraph"']
    parts += [f'error="{error.challenge}"'] if error.challenge else []
    parts += [f'scope="{error.scopes}"'] if error.scopes else []
    return {"WWW-Authenticate": f"Bearer {', '.join(parts)}"}


def _named(  # noqa: PLR0911 (one return a kind)
    error: Exception, handler: HTTPRouteHandler | None = None
) -> MentiongraphError:
    """The failure by its name in app.errors."""
    match error:
        case MentiongraphError():
            return error
        case psycopg.errors.QueryCanceled():
            return TookTooLong("PostgreSQL took too long over this; try again when it has less to do.")
        case psycopg.errors.DiskFull():
            return NoSpace("PostgreSQL's disk is full; nothing was changed. Give it more room, then try again.")
        case OSError() if (no_room := space.no_room_here(error)) is not None:
            return no_room
        case psycopg.OperationalError():
            return DatabaseUnavailable("PostgreSQL does not answer; try again in a few seconds.")
        case psycopg.Error() if isinstance(error, _SCHEMA_MISSING):
            return NotMigrated(
                "a table or column is missing: run `mentiongraph migrate` of the newest release that you use."
            )
        case HTTPException():
            return _of_litestar(error, handler)
        case _:
            return _BUG


def _of_litestar(error: HTTPException, handler: HTTPRouteHandler | None) -> MentiongraphError:
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return _NO_SUCH_PATH
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return _NO_SUCH_METHOD
        case status if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            if handler is None or not isinstance(error.extra, list):
                return BadRequest(error.detail)
            return BadRequest(wrong(handler, cast("list[dict[str, Any]]", error.extra)))
        case _:
            return _BUG


_HEADERS: Mapping[type[MentiongraphError], Mapping[str, str]] = {
    # What the server accepts, as RFC 7694 and the W3C's Linked Data Platform say.
    UnsupportedEncoding: {"Accept-Encoding": "gzip, zstd, identity"},
    UnsupportedMediaType: {
        "Accept-Post": "text/csv, application/json, application/x-ndjson, application/octet-stream, multipart/form-data"
    },
    # Counting a full backlog takes minutes; receiving the first of two requests takes seconds.
    BacklogFull: {"Retry-After": "60"},
    ReceivingFull: {"Retry-After": "10"},
    NoSpace: {"Retry-After": "60"},
    KeyInUse: {"Retry-After": "5"},
    TooManyWrongKeys: {"Retry-After": str(math.ceil(FAILURE_SECONDS))},
}


# For the OpenAPI document ---------------------------------------------------------------------------------------------

Failure: TypeAlias = MentiongraphError | type[MentiongraphError]
"""A failure with the detail of an example; or a class, whose example says what to do."""

DATABASE: tuple[MentiongraphError, ...] = tuple(
    _named(error)
    for error in (
        psycopg.OperationalError(),
        psycopg.errors.QueryCanceled(),
        psycopg.errors.UndefinedTable(),
        TooManyGraphs("this process has 200 graphs in use; ask again later."),
    )
)
"""The problems of every endpoint that asks PostgreSQL."""

CROSS_SITE = CrossSite("a page of another site sent this with your browser; nothing was done.")
"""The problem of every endpoint that changes something."""


def responses(*failures: Failure) -> dict[int, ResponseSpec]:
    """By status, the problems that an endpoint answers: these, and those that every endpoint answers."""
    return specs(*failures, _UNKNOWN_PARAMETER, CROSS_SITE, _UNKNOWN_HOST, _LIMIT, _BUG)


def specs(*failures: Failure) -> dict[int, ResponseSpec]:
    """By status, these problems."""
    by_status: dict[int, dict[str, MentiongraphError]] = {}
    for failure in failures:
        error = failure(to_do(failure)) if isinstance(failure, type) else failure
        by_status.setdefault(error.status, {}).setdefault(error.code, error)
    return {
        status: ResponseSpec(
            ProblemDocument,
            media_type=MEDIA_TYPE,
            generate_examples=False,
            description=" Or: ".join(f"{error.title}." for error in errors.values()),
            examples=[
                Example(id=code, summary=error.title, value=msgspec.to_builtins(error.problem()))
                for code, error in errors.items()
            ],
        )
        for status, errors in sorted(by_status.items())
    }


def together(some: Mapping[int, ResponseSpec], others: Mapping[int, ResponseSpec]) -> dict[int, ResponseSpec]:
    """The answers of an endpoint, and further problems."""
    merged = dict(some)
    for status, other in others.items():
        found = merged.get(status)
        merged[status] = (
            other
            if found is None
            else dataclasses.replace(
                found,
                description=f"{found.description} Or: {other.description}",
                examples=[*(found.examples or ()), *(other.examples or ())],
            )
        )
    return dict(sorted(merged.items()))

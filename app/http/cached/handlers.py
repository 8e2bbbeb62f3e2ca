"""Handlers whose answers about the graph are cached until the graph changes.

The first request with a target is routed, parsed and checked, and what the target asks is noted. The next request with
the same target needs none of these steps: `cached_first` answers it before the router sees it, if the answer is cached.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, Protocol, cast

import msgspec
import psycopg
from litestar import Response, get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from app.control.callers import Scope as KeyScope
from app.errors import InstantTooEarly
from app.http.cached.answers import Answer, Answers, Key, Question
from app.http.cached.standbys import Lanes
from app.http.calling import caller_of, graph_of
from app.http.measured import note
from app.http.openapi.examples import answering
from app.http.parameters import moment
from app.posts.handles import fold

GRAPH_READ = KeyScope.GRAPH_READ
"""The scope of every cached answer."""

_HANDLES = frozenset({"handle", "source", "target"})
"""Parameters that hold a handle: its spelling makes no difference to an answer."""

_HEADERS = (
    ResponseHeader("ETag", documentation_only=True, description="Tag of this answer, to be sent as If-None-Match."),
    ResponseHeader("Cache-Status", documentation_only=True, description="Whether the answer was cached (RFC 9211)."),
)
_IF_NONE_MATCH = Parameter(
    name="If-None-Match",
    param_in="header",
    schema=Schema(type=OpenAPIType.STRING),
    description="The ETag of an answer that the client has. The server answers 304 if that answer still holds.",
)
_NOT_MODIFIED = ResponseSpec(None, description="The answer that If-None-Match names still holds.")

Handler = Callable[..., Awaitable[Any]]


SERVICES = "mentiongraph.services"
"""In the scope of a request for another graph than `default`: the graph's Services."""


class _Services(Protocol):
    answers: Answers

    def on(self, lanes: Lanes | None) -> _Services: ...


def get_cached(
    path: str,
    *,
    example: object,
    responses: Mapping[int, ResponseSpec],
    weighs: bool = True,
    **options: Any,  # noqa: ANN401 (those of `get`)
) -> Callable[[Handler], HTTPRouteHandler]:
    """`get` for a question about the graph: the answer is cached until the graph changes.

    The handler takes `services: Injected`. If the answer depends on an instant, the handler also takes `as_of: AsOf`,
    and is called with the instant that is meant. If a mention counts later, the request is refused, unless the instant
    only names days and `weighs` is false. The answer, a struct, depends on nothing but the parameters and the graph. It
    is the same for every spelling of a handle, and the same for everybody.
    """
    decorate = get(
        path,
        responses={HTTPStatus.NOT_MODIFIED.value: _NOT_MODIFIED, **responses},
        response_headers=_HEADERS,
        operation_class=_conditional(answering(example)),
        scope=GRAPH_READ,
        **options,
    )
    return lambda handler: decorate(_cached(handler, weighs=weighs))


def _conditional(operation: type[Operation]) -> type[Operation]:
    """The operation, with If-None-Match among its parameters. The header itself is read from the request's scope."""

    @dataclass
    class _Conditional(operation):
        def __post_init__(self) -> None:
            super().__post_init__()  # pyright: ignore[reportAttributeAccessIssue]
            self.parameters = [*(self.parameters or ()), _IF_NONE_MATCH]

    return _Conditional


def _cached(handler: Handler, *, weighs: bool) -> Handler:
    parameters = inspect.signature(handler).parameters
    if "services" not in parameters:
        raise TypeError(f"{handler.__qualname__} takes no `services`: its answers cannot be cached")
    timed = "as_of" in parameters

    @wraps(handler)
    async def answer(services: _Services, **asked: Any) -> Response[Any]:  # noqa: ANN401
        return CachedAnswer(handler, services, asked, timed=timed, weighs=weighs)

    return answer


class CachedAnswer(Response[Any]):
    """A response that is looked for in the cache, or worked out by the handler, when it is sent."""

    def __init__(
        self, handler: Handler, services: _Services, asked: dict[str, Any], *, timed: bool, weighs: bool
    ) -> None:
        # Like Answer, it has nothing of what Litestar's own response prepares.
        self._handler = handler
        self._services = services
        self._answers = services.answers
        self._asked = asked
        self._timed = timed
        self._weighs = weighs

    def to_asgi_response(self, *_: object, **__: object) -> ASGIResponse:
        answer: Any = self._send
        return answer

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = await self._find(scope, _if_none_match(scope))
        await found.send(scope, receive, send)

    async def _find(self, scope: Scope, if_none_match: str | None) -> Answer[Any]:
        key = _missed(scope)
        if key is not None:
            return await self._work_out(key, if_none_match)
        question = _question(scope["path_template"], self._asked, timed=self._timed, weighs=self._weighs)
        key = await self._answers.key(question)
        found = await self._answers.cached(key, if_none_match) or await self._work_out(key, if_none_match)
        self._answers.note(_target(scope), question)
        return found

    async def _work_out(self, key: Key, if_none_match: str | None) -> Answer[Any]:
        asked = self._asked | {"as_of": key.at} if self._timed else self._asked

        def work(lanes: Lanes | None) -> Awaitable[Any]:
            return self._handler(services=self._services.on(lanes), **asked)

        return await self._answers.work_out(key, if_none_match, work)


def _question(path: str, asked: Mapping[str, Any], *, timed: bool, weighs: bool) -> Question:
    plain = {
        name: fold(value) or value if name in _HANDLES and isinstance(value, str) else value
        for name, value in asked.items()
        if name != "as_of"
    }
    as_of = asked.get("as_of")
    return Question(
        msgspec.json.encode([path, plain], order="deterministic"),
        None if as_of is None else moment(as_of),
        timed,
        path,
        is_told=weighs and as_of is not None and not asked.get("cursor"),
    )


# Before the router ----------------------------------------------------------------------------------------------------

_KEY = "mentiongraph.key"
"""In the scope of a request with a known target that missed the cache: the key, or why there is none."""


def cached_first(app: ASGIApp) -> ASGIApp:
    """The app; a request with a known target is answered at once, if its answer is cached and the caller may read."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asks = scope["type"] == "http" and scope["method"] == "GET"
        found = await _cached_answer(scope) if asks and _may_read(scope) else None
        await (app if found is None else found.send)(scope, receive, send)

    return answer


def _may_read(scope: Scope) -> bool:
    """Whether the caller has what `get_cached` declares. If not, the guard of the handler refuses the request."""
    return caller_of(scope).may(GRAPH_READ, graph_of(scope))


async def _cached_answer(scope: Scope) -> Answer[Any] | None:
    services: _Services = _extended(scope).get(SERVICES) or scope["litestar_app"].state["services"]
    question = services.answers.asked_by(_target(scope))
    if question is None:
        return None
    try:
        key = await services.answers.key(question)
    except (psycopg.Error, InstantTooEarly) as error:
        _extended(scope)[_KEY] = error  # the app answers it as any other failure
        return None
    _extended(scope)[_KEY] = key
    found = await services.answers.cached(key, _if_none_match(scope))
    if found is not None:
        note(scope, question.route)
    return found


def _missed(scope: Scope) -> Key | None:
    """The key that was looked for in vain before the router saw the request. Raises psycopg.Error, InstantTooEarly."""
    found: Key | psycopg.Error | InstantTooEarly | None = _extended(scope).get(_KEY)
    if isinstance(found, psycopg.Error | InstantTooEarly):
        raise found
    return found


def _extended(scope: Scope) -> dict[str, Any]:
    return cast("dict[str, Any]", scope)


def _target(scope: Scope) -> bytes:
    """The path and the query as they were sent."""
    return scope["raw_path"] + b"?" + scope["query_string"]


def _if_none_match(scope: Scope) -> str | None:
    """The header, from all lines with its name (RFC 9110, 5.3)."""
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"]
    return ", ".join(lines) or None

"""Handlers whose answers about the graph serve until the graph changes.

What a request asks is remembered by its target: the next one with the same is answered before it is routed, parsed and
checked, if its answer is at hand.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Protocol, TypeAlias, cast, get_type_hints

import msgspec
import psycopg
from litestar import Response, get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from app.http.cached.answers import Answer, Answers, Key, Question, Work
from app.http.parameters import moment
from app.posts.handles import fold

_HANDLES = frozenset({"handle", "source", "target"})
"""Parameters that hold a handle: its spelling makes no difference to an answer."""

_HEADERS = (
    ResponseHeader("ETag", documentation_only=True, description="Of this answer; to be sent back as If-None-Match."),
    ResponseHeader(
        "Cache-Status", documentation_only=True, description="Whether the answer was kept from before (RFC 9211)."
    ),
)
IfNoneMatch: TypeAlias = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", description="The ETag of an answer that is at hand; 304 if it still holds."),
]

Handler: TypeAlias = Callable[..., Awaitable[Any]]


class _Services(Protocol):
    answers: Answers


def get_cached(
    path: str,
    *,
    responses: Mapping[int, ResponseSpec],
    **options: Any,  # noqa: ANN401 (those of `get`)
) -> Callable[[Handler], HTTPRouteHandler]:
    """`get` for what the graph says: the answer is kept until the graph changes.

    The handler takes `services: Injected`, and if its answer depends on an instant `as_of: AsOf`: it gets the one that
    is meant. Its answer, a struct, depends on nothing but its parameters and the graph: the same for every spelling of
    a handle, the same for everybody.
    """
    not_modified = ResponseSpec(None, description="What the client has, by its If-None-Match, still holds.")
    decorate = get(
        path,
        responses={HTTPStatus.NOT_MODIFIED.value: not_modified, **responses},
        response_headers=_HEADERS,
        **options,
    )
    return lambda handler: decorate(_kept(path, handler))


def _kept(path: str, handler: Handler) -> Handler:
    hints = get_type_hints(handler, include_extras=True)
    parameters = inspect.signature(handler).parameters
    if "services" not in parameters:
        raise TypeError(f"{handler.__qualname__} takes no `services`: its answers cannot be kept")
    timed = "as_of" in parameters

    async def answer(
        services: _Services,
        scope: Scope,
        if_none_match: str | None = None,  # for the document: it is read with all lines of this name
        **asked: Any,  # noqa: ANN401
    ) -> Response[Any]:
        answers = services.answers
        if_none_match = _if_none_match(scope)

        def work(key: Key) -> Work:
            return partial(handler, services=services, **(asked | {"as_of": key.at} if timed else asked))

        key = _looked_for(scope)
        if key is not None:
            return await answers.answer(key, if_none_match, work(key))
        question = _question(path, asked, timed=timed)
        key = await answers.key(question)
        found = await answers.at_hand(key, if_none_match) or await answers.answer(key, if_none_match, work(key))
        answers.remember(_target(scope), question)
        return found

    answer.__name__, answer.__qualname__ = handler.__name__, handler.__qualname__
    answer.__module__, answer.__doc__ = handler.__module__, handler.__doc__
    result = Response[hints.pop("return")]
    answer.__annotations__ = {**hints, "scope": Scope, "if_none_match": IfNoneMatch, "return": result}
    kinds = [each.replace(annotation=hints[name]) for name, each in parameters.items()]
    by_name = inspect.Parameter.KEYWORD_ONLY
    more = [
        inspect.Parameter("scope", by_name, annotation=Scope),
        inspect.Parameter("if_none_match", by_name, default=None, annotation=IfNoneMatch),
    ]
    signature = inspect.Signature([*kinds, *more], return_annotation=result)
    answer.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    return answer


def _question(path: str, asked: Mapping[str, Any], *, timed: bool) -> Question:
    plain = {
        name: fold(value) or value if name in _HANDLES and isinstance(value, str) else value
        for name, value in asked.items()
        if name != "as_of"
    }
    as_of = asked.get("as_of")
    return Question(
        msgspec.json.encode([path, plain], order="deterministic"), None if as_of is None else moment(as_of), timed
    )


# Before the handlers --------------------------------------------------------------------------------------------------

_KEY = "mentiongraph.key"
"""In the scope of a request whose answer was looked for: its key, if it is not at hand; or why there is none."""


def at_hand_first(app: ASGIApp) -> ASGIApp:
    """The app, with requests that ask what was asked before answered at once, if the answer is at hand."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        found = await _at_hand(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        await (app if found is None else found.send)(scope, receive, send)

    return answer


async def _at_hand(scope: Scope) -> Answer[Any] | None:
    services: _Services = scope["litestar_app"].state["services"]
    question = services.answers.known(_target(scope))
    if question is None:
        return None
    try:
        key = await services.answers.key(question)
    except psycopg.Error as error:
        _extended(scope)[_KEY] = error  # to be answered as whatever goes wrong is
        return None
    _extended(scope)[_KEY] = key
    return await services.answers.at_hand(key, _if_none_match(scope))


def _looked_for(scope: Scope) -> Key | None:
    found: Key | psycopg.Error | None = _extended(scope).get(_KEY)
    if isinstance(found, psycopg.Error):
        raise found
    return found


def _extended(scope: Scope) -> dict[str, Any]:
    return cast("dict[str, Any]", scope)


def _target(scope: Scope) -> bytes:
    """As it was sent."""
    return scope["raw_path"] + b"?" + scope["query_string"]


def _if_none_match(scope: Scope) -> str | None:
    """Of all lines with the name (RFC 9110, 5.3)."""
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"]
    return ", ".join(lines) or None

"""What each route takes, read from its handler's signature: no other parameters, and values in words that people know.

Litestar passes over query parameters that no handler names, and describes wrong values in the words of its libraries.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.enums import ParamType
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import ParameterKwarg
from litestar.typing import FieldDefinition

from app.errors import BadRequest
from app.visible import quoted


class Wanted(NamedTuple):
    """Beside a parameter whose pattern says too little to people: what the value has to be, as in "has to be …"."""

    text: str


class Taken(NamedTuple):
    """A parameter that a route takes."""

    source: ParamType
    name: str
    """The name in requests."""
    required: bool
    wanted: str
    several: bool
    """Whether a request may have the parameter several times."""


async def refuse_unknown_parameters(connection: ASGIConnection[Any, Any, Any, Any], _copy: BaseRouteHandler) -> None:
    """A guard. Raises BadRequest for a query parameter that the route does not take, that the request has twice, or
    that the route needs and the request lacks.

    The guard is asynchronous, since Litestar runs other guards in a thread. Litestar gives each request a copy of its
    handler, for which nothing is known: the handler itself is in the scope.
    """
    handler: BaseRouteHandler = connection.route_handler
    if isinstance(handler, HTTPRouteHandler):
        known = query_of(handler)
        given = [name for name, _ in connection.query_params.multi_items()] if connection.scope["query_string"] else []
        if known is not None and (given or known.required):
            check(given, known)
        refuse_repeated(given, known.several if known is not None else frozenset())


class Query(NamedTuple):
    """The query parameters of a route."""

    names: Sequence[str]
    required: frozenset[str]
    several: frozenset[str] = frozenset()
    """Those that a request may have several times."""


def refuse_repeated(given: Sequence[str], several: frozenset[str]) -> None:
    """Raises BadRequest. Of two values, programs on the way may read the first and this server the last."""
    if len(given) > 1:
        for name, times in Counter(given).items():
            if times > 1 and name not in several:
                raise BadRequest(f"query parameter {name!r} is there {times} times; it may be there once.")


def check(given: Iterable[str], query: Query) -> None:
    """Raises BadRequest."""
    found = set(given)
    if unknown := sorted(found.difference(query.names)):
        if not query.names:
            raise BadRequest(f"there is no query parameter {quoted(unknown[0])}: this path takes no query parameters.")
        near = difflib.get_close_matches(unknown[0].lower(), query.names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise BadRequest(f"there is no query parameter {quoted(unknown[0])}{hint} Known: {', '.join(query.names)}.")
    if missing := sorted(query.required - found):
        raise BadRequest(f"query parameter {missing[0]!r} is missing.")


@cache
def query_of(handler: HTTPRouteHandler) -> Query | None:
    """The query parameters that the handler takes; None where the route is a page or a file, which takes any."""
    if not handler.resolve_include_in_schema():
        return None
    found = [each for each in parameters_of(handler).values() if each.source is ParamType.QUERY]
    names = tuple(sorted(each.name for each in found))
    return Query(
        names,
        frozenset(each.name for each in found if each.required),
        frozenset(each.name for each in found if each.several),
    )


@cache
def parameters_of(handler: HTTPRouteHandler) -> Mapping[str, Taken]:
    """The parameters that the handler and its dependencies take, by the names of their arguments."""
    return _parameters(handler.parsed_fn_signature.parameters, handler.resolve_dependencies())


def _parameters(fields: Mapping[str, FieldDefinition], dependencies: Mapping[str, Provide]) -> dict[str, Taken]:
    taken: dict[str, Taken] = {}
    for argument, field in fields.items():
        if argument in dependencies:
            taken |= _parameters(dependencies[argument].parsed_fn_signature.parameters, dependencies)
        elif isinstance(kwarg := field.kwarg_definition, ParameterKwarg):
            taken[argument] = Taken(
                kwarg.param_type, kwarg.name or argument, field.is_required, wanted(field), _is_list(field)
            )
    return taken


def _is_list(field: FieldDefinition) -> bool:
    return any(get_origin(kind) is list for kind in _alternatives(field))


def wrong(handler: HTTPRouteHandler, found: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with the values that Litestar found to be wrong."""
    parameters = parameters_of(handler)
    # The key of an item of a list has its number behind a point.
    keys = dict.fromkeys(str(each.get("key")).partition(".")[0] for each in found)
    return "; ".join(_has_to_be(parameters[key]) for key in keys if key in parameters) + "."


_KINDS = {ParamType.QUERY: "query parameter", ParamType.PATH: "path parameter", ParamType.HEADER: "header"}


def _has_to_be(parameter: Taken) -> str:
    return f"{_KINDS.get(parameter.source, 'parameter')} {parameter.name!r} has to be {parameter.wanted}"


# What a value has to be -----------------------------------------------------------------------------------------------


def wanted(field: FieldDefinition) -> str:
    """What the parameter's value has to be, by its type and its bounds."""
    said = next((each for each in field.metadata if isinstance(each, Wanted)), None)
    if said is not None:
        return said.text
    kwarg = field.kwarg_definition
    assert isinstance(kwarg, ParameterKwarg)  # noqa: S101 (whoever asks has looked)
    if kwarg.enum:
        return one_of(kwarg.enum)
    (kind,) = [each for each in _alternatives(field) if each is not type(None)]
    if get_origin(kind) is Literal:
        return one_of(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return one_of([member.value for member in kind])
    names: dict[object, str] = {bool: "true or false", UUID: "a UUID", str: "a text"}
    if kind in names:
        return names[kind]
    if kind in {int, float}:
        return ("a whole number" if kind is int else "a number") + _range(kwarg.ge, kwarg.le)
    raise TypeError(f"{field.name} has no words for what it has to be: say so with Wanted")


def _alternatives(field: FieldDefinition) -> Sequence[object]:
    return get_args(field.annotation) if field.is_union else [field.annotation]


def _range(lowest: float | None, highest: float | None) -> str:
    if lowest is not None and highest is not None and highest < _PRACTICALLY_ENDLESS:
        return f" from {lowest} to {highest}"
    return f" from {lowest} on" if lowest is not None else ""


_PRACTICALLY_ENDLESS = 2**53 - 1
"""A bound that only keeps numbers exact is none that a user has to know."""


def one_of(values: Sequence[object]) -> str:
    """The values, for people."""
    *most, last = [str(value) for value in values]
    return f"{', '.join(most)} or {last}" if most else last

"""Who asks, as a handler has it: the caller that the request's scope names."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.types import Scope as RequestScope

from app.control.callers import Caller, Scope
from app.control.graphs import DEFAULT

CALLER = "mentiongraph.caller"
"""In the scope of a request: its Caller."""
REFUSED = "mentiongraph.refused"
"""In the scope of a request: why its key was not taken."""
GRAPH = "mentiongraph.graph"
"""In the scope of a request: the name of the graph in its path."""
HANG_UP = "mentiongraph.hang-up"
"""In the scope of a request: a function that closes its connection at once. The request then sees its client gone."""
PREFIX = "mentiongraph.prefix"
"""In the scope of a request: what stood before its path, `/graphs/{graph}`, as the client sent it."""

PUBLIC_PATHS = ("/doc", "/guide", "/static", "/page/", "/health/live", "/health/ready")
"""How the paths begin for which no key is looked up, so that they are answered whatever PostgreSQL does."""

Calling: TypeAlias = NamedDependency[SkipValidation[Caller]]


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """The caller of the request."""
    return caller_of(request.scope)


def caller_of(scope: RequestScope) -> Caller:
    """Who asks. Where no key is needed, everybody may do everything."""
    found = cast("dict[str, Any]", scope).get(CALLER)
    if found is not None:
        return found
    client = scope.get("client")
    return Caller(frozenset(Scope), address=client[0] if client else None)


def prefix_of(scope: RequestScope) -> str:
    """What stood before the path of the request. Empty: nothing."""
    return cast("dict[str, Any]", scope).get(PREFIX, "")


def graph_of(scope: RequestScope) -> str:
    """The name of the graph that the request is about."""
    return cast("dict[str, Any]", scope).get(GRAPH) or DEFAULT

"""What each route needs: a scope that its handler declares, as `scope=Scope.GRAPH_READ`, or `scope=PUBLIC`.

A tuple names scopes of which one is enough. A set names scopes that are needed together. `everywhere=True`: the key has
to be for all graphs, since the route is about the service. `listed=True`: the route is about the list of graphs, so its
handler looks for which graph the key is. A route without a scope stops the start of the API.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeAlias, cast

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.spec import SecurityScheme
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute

from app.control.callers import Caller, Scope
from app.errors import ExpiredKey, NoKey, NotAllowed, TooManyWrongKeys, WrongKey
from app.http import problems
from app.http.calling import REFUSED, caller_of, graph_of, prefix_of

PUBLIC = "public"
"""The scope of routes that need no key. They say nothing about the graph or its uploads."""
SCHEME_NAME = "key"
SCHEME = SecurityScheme(
    type="http",
    scheme="bearer",
    bearer_format="mg_…",
    description="The token of a key. On a loopback address none is needed, unless MENTIONGRAPH_KEYS says otherwise.",
)
_PROBLEMS = (
    NoKey("this path needs a key with the scope graph:read."),
    WrongKey("the token is of no key that works."),
    ExpiredKey("key 4fQz81Lk expired at 2026-01-15T12:00:00Z."),
    NotAllowed("key 4fQz81Lk lacks the scope graph:read."),
    TooManyWrongKeys(
        "too many requests with wrong keys came from your address. One more is looked at every 3 seconds."
    ),
)

Needs: TypeAlias = tuple[frozenset[Scope], ...]
"""Sets of scopes: a caller needs all scopes of one set."""


async def require_scope(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard. Raises NoKey, WrongKey, ExpiredKey, TooManyWrongKeys, NotAllowed; psycopg.Error while no key can be
    looked up."""
    needs = needs_of(handler)
    if not needs:
        return
    caller = caller_of(connection.scope)
    graph = graph_of(connection.scope)
    if handler.opt.get("listed") and caller.graphs:
        graph = min(caller.graphs)
    everywhere = bool(handler.opt.get("everywhere"))
    if allows(caller, needs, graph, everywhere=everywhere):
        return
    error: Exception | None = cast("dict[str, Any]", connection.scope).get(REFUSED)
    if error is None:
        error = _missing(caller, needs, graph, everywhere=everywhere, named=bool(prefix_of(connection.scope)))
    if isinstance(error, NoKey | WrongKey | ExpiredKey | NotAllowed):
        error.scopes = " ".join(sorted({scope for each in needs for scope in each}))
    raise error


def allows(caller: Caller, needs: Needs, graph: str, *, everywhere: bool = False) -> bool:
    """Whether the caller may do on the graph what needs these scopes."""
    if everywhere and caller.graphs is not None:
        return False
    return any(all(caller.may(scope, graph) for scope in together) for together in needs)


def _missing(caller: Caller, needs: Needs, graph: str, *, everywhere: bool, named: bool) -> NoKey | NotAllowed:
    """`named`: whether the path says for which graph the request is."""
    wanted = " or ".join(" and ".join(sorted(each)) for each in needs)
    if caller.key_id is None:
        return NoKey(f"this path needs a key with the scope {wanted}.")
    if everywhere and caller.graphs is not None:
        return NotAllowed(f"this path needs a key for all graphs, with the scope {wanted}; yours is for some graphs.")
    if caller.graphs is not None and graph not in caller.graphs:
        if not named:
            return NotAllowed(
                f"this path is for the graph {graph!r}, and key {caller.key_id} is for other graphs: write "
                "/graphs/NAME in front of the path."
            )
        return NotAllowed(f"key {caller.key_id} is not for this graph.")
    return NotAllowed(f"key {caller.key_id} lacks the scope {wanted}.")


@cache
def needs_of(handler: BaseRouteHandler) -> Needs:
    """What the handler declares; empty for a public route. Raises TypeError for a handler without a scope."""
    declared = handler.opt.get("scope")
    if declared == PUBLIC or _answers_options(handler):
        return ()
    alternatives: Iterable[object] = declared if isinstance(declared, tuple) else (declared,)
    needs = tuple(each if isinstance(each, frozenset) else frozenset({each}) for each in alternatives)
    if not needs or not all(each and all(isinstance(scope, Scope) for scope in each) for each in needs):
        raise TypeError(f"{handler} declares no scope: give `scope=Scope.…` or `scope=PUBLIC` to its decorator")
    return cast("Needs", needs)


def declared(app: Litestar) -> Litestar:
    """The app, whose document says what each route needs. Raises TypeError for a route that declares no scope."""
    for handler in handlers_of(app.routes):
        needs = needs_of(handler)
        if isinstance(handler, HTTPRouteHandler) and needs:
            handler.security = [{SCHEME_NAME: sorted(map(str, each))} for each in needs]
            handler.responses = problems.together(handler.responses or {}, problems.specs(*_PROBLEMS))
    return app


def handlers_of(routes: Sequence[BaseRoute]) -> Iterator[BaseRouteHandler]:
    """Every handler that a request can reach."""
    for route in routes:
        if isinstance(route, HTTPRoute):
            yield from route.route_handlers
        elif isinstance(route, ASGIRoute):
            yield route.route_handler
        else:
            raise TypeError(f"{route.path} is no route of HTTP")


def _answers_options(handler: BaseRouteHandler) -> bool:
    """Whether the handler only names the methods of its path."""
    return isinstance(handler, HTTPRouteHandler) and set(handler.http_methods) == {"OPTIONS"}

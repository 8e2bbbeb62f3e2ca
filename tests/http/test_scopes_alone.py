"""What routes declare, and what a caller is told who lacks it: without a server."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from litestar import Litestar, WebSocket, asgi, get, route, websocket
from litestar.handlers import BaseRouteHandler
from litestar.openapi import ResponseSpec
from litestar.types import Receive, Send
from litestar.types import Scope as RequestScope

from app.control.callers import Caller, Scope
from app.errors import ExpiredKey, NoKey, NotAllowed, TooManyWrongKeys
from app.http.calling import CALLER, GRAPH, PREFIX, REFUSED
from app.http.keyring import FAILURE_SECONDS, FAILURES, WrongKeys
from app.http.openapi import doc
from app.http.scopes import PUBLIC, SCHEME_NAME, declared, handlers_of, needs_of, require_scope

READ, EXPORT = Scope.GRAPH_READ, Scope.GRAPH_EXPORT
READS = Caller(frozenset({READ}), key_id="k", owner="ada")
OF_TEAM = Caller(frozenset({READ}), frozenset({"team"}), "k", "ada")
OF_NONE = Caller(frozenset({READ}), frozenset(), "k", "ada")


def handler(scope: object, path: str = "/asked", **opt: Any) -> BaseRouteHandler:
    about: dict[str, Any] = opt if scope is None else {"scope": scope, **opt}

    @get(path, sync_to_thread=False, **about)
    def asked() -> str:
        return ""

    return asked


def ask(caller: Caller, scope: object = READ, refused: Exception | None = None, **said: Any) -> None:
    """Ask a route that needs the scope."""
    opt = {name: said.pop(name) for name in ("everywhere", "listed") if name in said}
    about = {CALLER: caller, GRAPH: said.get("graph", "team"), PREFIX: said.get("prefix", ""), REFUSED: refused}
    connection: Any = SimpleNamespace(scope={name: each for name, each in about.items() if each is not None})
    asyncio.run(require_scope(connection, handler(scope, **opt)))


@pytest.mark.parametrize(
    ("caller", "asking"),
    [
        (Caller(frozenset()), {"scope": PUBLIC}),
        (READS, {}),
        (READS, {"scope": (EXPORT, READ)}),
        (READS, {"everywhere": True}),
        (OF_TEAM, {}),
        # The list of graphs is for whoever may use one of them.
        (OF_TEAM, {"graph": "default", "listed": True}),
        (OF_NONE, {"scope": PUBLIC, "listed": True}),
        (Caller(frozenset({READ, EXPORT})), {"scope": frozenset({READ, EXPORT})}),
        # A wrong key does not matter where none is needed.
        (READS, {"refused": NoKey("?")}),
    ],
)
def test_who_has_the_scope_may(caller: Caller, asking: dict[str, Any]) -> None:
    ask(caller, **asking)


@pytest.mark.parametrize(
    ("caller", "asking", "error", "said"),
    [
        (Caller(frozenset()), {}, NoKey, "this path needs a key with the scope graph:read."),
        (READS, {"scope": (EXPORT, Scope.METRICS)}, NotAllowed, "key k lacks the scope graph:export or metrics."),
        (READS, {"scope": frozenset({READ, EXPORT})}, NotAllowed, "lacks the scope graph:export and graph:read."),
        (OF_TEAM, {"scope": EXPORT}, NotAllowed, "key k lacks the scope graph:export."),
        (READS, {"scope": EXPORT, "everywhere": True}, NotAllowed, "key k lacks the scope graph:export."),
        (OF_TEAM, {"everywhere": True}, NotAllowed, "needs a key for all graphs, with the scope graph:read"),
        (OF_TEAM, {"graph": "other"}, NotAllowed, "this path is for the graph 'other', and key k is for other graphs"),
        (OF_TEAM, {"graph": "other", "prefix": "/graphs/other"}, NotAllowed, "key k is not for this graph."),
        (OF_NONE, {"listed": True}, NotAllowed, "key k is for other graphs"),
        (Caller(frozenset()), {"refused": ExpiredKey("late.")}, ExpiredKey, "late."),
        (Caller(frozenset()), {"refused": TooManyWrongKeys("often.")}, TooManyWrongKeys, "often."),
    ],
)
def test_who_lacks_the_scope_is_told_what_is_missing(
    caller: Caller, asking: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as refused:
        ask(caller, **asking)

    assert said in str(refused.value)
    wanted = None if error is TooManyWrongKeys else "graph:read"
    assert asking.get("scope") or getattr(refused.value, "scopes", None) == wanted


def test_what_a_route_declares() -> None:
    @route("/options", http_method=["OPTIONS"], sync_to_thread=False)
    def options() -> None: ...

    assert needs_of(options) == ()
    assert needs_of(handler(PUBLIC)) == ()
    assert needs_of(handler(READ)) == (frozenset({READ}),)
    assert needs_of(handler((READ, frozenset({EXPORT, READ})))) == (frozenset({READ}), frozenset({EXPORT, READ}))


@pytest.mark.parametrize("scope", [None, (), "graph:read", (READ, ""), frozenset(), (frozenset({"graph:read"}),)])
def test_a_route_that_declares_no_scope_is_refused(scope: object) -> None:
    with pytest.raises(TypeError, match="declares no scope"):
        needs_of(handler(scope))


def test_the_document_says_what_each_route_needs() -> None:
    @asgi("/raw", scope=READ, copy_scope=True)
    async def raw(scope: RequestScope, receive: Receive, send: Send) -> None: ...

    gone = {410: ResponseSpec(None, description="It has gone.", generate_examples=False)}
    closed = handler((READ, frozenset({EXPORT, READ})), "/closed", responses=gone)
    public = handler(PUBLIC, "/public")
    app = Litestar([closed, public, raw], openapi_config=doc.config())
    paths = declared(app).openapi_schema.to_schema()["paths"]

    asked: dict[str, Any] = paths["/closed"]["get"]
    assert asked["security"] == [{SCHEME_NAME: ["graph:read"]}, {SCHEME_NAME: ["graph:export", "graph:read"]}]
    assert {"200", "401", "403", "410", "429"} <= asked["responses"].keys()
    assert not {"401", "security"} & {*paths["/public"]["get"], *paths["/public"]["get"]["responses"]}


def test_a_route_that_is_not_http_is_refused() -> None:
    @websocket("/socket")
    async def listen(socket: WebSocket[Any, Any, Any]) -> None: ...

    with pytest.raises(TypeError, match="/socket is no route of HTTP"):
        list(handlers_of(Litestar([listen]).routes))


def test_an_address_sends_so_many_wrong_keys_at_once_and_one_more_every_few_seconds() -> None:
    at = [1000.0]
    wrong = WrongKeys(lambda: at[0])
    for _ in range(FAILURES):
        wrong.refuse("192.0.2.1")
        wrong.count("192.0.2.1")
    for seconds in (0.0, FAILURE_SECONDS - 0.5):
        at[0] = 1000.0 + seconds
        with pytest.raises(TooManyWrongKeys):
            wrong.refuse("192.0.2.1")
    wrong.refuse("192.0.2.2")

    at[0] = 1000.0 + FAILURE_SECONDS
    wrong.count("192.0.2.1")
    with pytest.raises(TooManyWrongKeys):
        wrong.count("192.0.2.1")


def test_addresses_with_wrong_keys_are_forgotten_beyond_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.keyring.MOST_ADDRESSES", 3)
    wrong = WrongKeys(lambda: 0.0)
    sizes = list[int]()
    for number in range(5):
        wrong.count(f"192.0.2.{number}")
        sizes.append(len(wrong))

    assert sizes == [1, 2, 3, 3, 3]

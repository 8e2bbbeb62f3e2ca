"""Every route in the OpenAPI document with every scope: who may not is refused before anything is done or told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from litestar import Litestar, get

from app.control import keys, tokens
from app.control.callers import Scope
from app.http import asgi
from app.http.asgi import create_app
from app.http.calling import PUBLIC_PATHS
from app.http.keyring import Keyring
from app.http.scopes import SCHEME_NAME, handlers_of, needs_of
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.keyed import bearer, client, for_no_graph, key
from tests.http.test_receiving import CSV

PUBLIC = {"/health/live", "/health/ready"}
OF_THE_SERVICE = ("/graphs", "/keys", "/health/graphs", "/metrics")
"""How the paths begin that no graph has."""
PROBLEM = "urn:mentiongraph:problem:"


class Route(NamedTuple):
    """An operation of the document, and the sets of scopes that it names."""

    method: str
    path: str
    needs: list[set[str]]


def routes() -> list[Route]:
    document = create_app(Settings()).openapi_schema.to_schema()
    return [
        Route(method, path, [set(each[SCHEME_NAME]) for each in operation.get("security", [])])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


@pytest.fixture
def closed(serve: Serve, settings: Settings) -> Api:
    """An API that needs keys."""
    return serve(msgspec.structs.replace(settings, keys="required"))


def ask(http: httpx.Client, route: Route, *, prefix: str = "") -> int:
    """The status of a request to the route, whose parameters are of nothing that exists."""
    path = route.path.replace("{upload_id}", "0199c5b2-0000-7000-8000-000000000000").replace("{batch_id}", "1")
    with http.stream(route.method, prefix + re.sub(r"\{\w+\}", "nobody", path)) as answer:
        return answer.status_code


def test_each_scope_opens_the_routes_that_say_so_and_no_others(closed: Api, domain: Connection, now: datetime) -> None:
    found = routes()
    assert {route.path for route in found if not route.needs} == PUBLIC
    for scope in Scope:
        with client(closed, key(domain, now, scope)) as http:
            for route in found:
                allowed = not route.needs or scope is Scope.ADMIN or {str(scope)} in route.needs
                assert (ask(http, route) != 403) == allowed, (scope, route)
    with client(closed, key(domain, now, Scope.GRAPH_READ, Scope.UPLOADS_READ)) as http:
        (both,) = [route for route in found if any(len(needs) > 1 for needs in route.needs)]
        assert ask(http, both) != 403


def test_without_a_key_only_public_routes_answer(closed: Api) -> None:
    for route in routes():
        assert (ask(closed.http, route) == 401) == bool(route.needs), route


def test_a_key_for_another_graph_opens_nothing(closed: Api, domain: Connection, now: datetime) -> None:
    with client(closed, for_no_graph(domain, now, Scope.ADMIN)) as http:
        for route in routes():
            if route.needs and not route.path.startswith(OF_THE_SERVICE):
                assert ask(http, route, prefix="/graphs/default") == 403, route
                # Without a prefix the request is for the graph of the key, which does not exist here.
                assert ask(http, route) == 404, route
            elif (route.method, route.path) in {("get", "/graphs"), ("get", "/health/graphs")}:
                assert http.get(route.path).json()["graphs"] == []
            elif route.needs:
                assert ask(http, route) in {403, 404}, route


def test_a_key_for_some_graphs_makes_no_keys(closed: Api, domain: Connection, now: datetime) -> None:
    with client(closed, key(domain, now, Scope.ADMIN, graphs=["default"])) as http:
        answers = [http.get("/keys"), http.post("/keys", json={"owner": "eve", "scopes": ["admin"]})]

        assert [answer.status_code for answer in answers] == [403, 403]
        assert http.get("/uploads").status_code == 200


def test_pages_and_unknown_paths_need_no_key(closed: Api) -> None:
    pages = {"/doc": 200, "/doc/openapi.json": 200, "/static/favicon.svg": 200, "/nothing": 404, "/": 302}

    assert {path: closed.http.get(path).status_code for path in pages} == pages
    assert closed.http.options("/users/ada").status_code == 204


def test_paths_without_a_look_at_keys_are_those_of_public_routes(settings: Settings) -> None:
    app = create_app(settings)
    for route in app.routes:
        needs = [needs for handler in handlers_of([route]) if (needs := needs_of(handler))]
        assert not (needs and route.path.startswith(PUBLIC_PATHS)), route.path


def test_a_route_without_a_scope_stops_the_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "open"

    def with_one_more(handlers: list[Any], **more: Any) -> Litestar:
        return Litestar([*handlers, forgotten], **more)

    monkeypatch.setattr(asgi, "Litestar", with_one_more)

    with pytest.raises(TypeError, match=r"forgotten.*declares no scope"):
        create_app(settings)


# Challenges -----------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_said_as_rfc_6750_has_it(
    closed: Api, domain: Connection, now: datetime, problem_of: Callable[[httpx.Response], dict[str, Any]]
) -> None:
    good = key(domain, now, Scope.GRAPH_READ)
    expired = key(domain, now - timedelta(days=91), Scope.GRAPH_READ)
    revoked = key(domain, now, Scope.GRAPH_READ)
    keys.revoke(domain, revoked.key.id, now=now)
    stranger = tokens.make().token
    forged = tokens.written(good.key.id, bytes(32))
    realm, invalid = 'Bearer realm="mentiongraph"', 'error="invalid_token"'
    for header, code, challenge in [
        ({}, "no-key", f'{realm}, scope="graph:read"'),
        ({"Authorization": "Basic YTpi"}, "no-key", f'{realm}, scope="graph:read"'),
        (bearer("mg_x"), "wrong-key", f'{realm}, {invalid}, scope="graph:read"'),
        (bearer(stranger), "wrong-key", f'{realm}, {invalid}, scope="graph:read"'),
        (bearer(forged), "wrong-key", f'{realm}, {invalid}, scope="graph:read"'),
        (bearer(revoked.token), "wrong-key", f'{realm}, {invalid}, scope="graph:read"'),
        (bearer(expired.token), "expired-key", f'{realm}, {invalid}, scope="graph:read"'),
    ]:
        answer = closed.http.get("/rankings/edges", headers=header)
        assert problem_of(answer)["type"] == PROBLEM + code, header
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge), header
    answer = closed.http.get("/export/edges.csv", headers=bearer(good.token))
    assert problem_of(answer)["type"] == PROBLEM + "not-allowed"
    wanted = f'{realm}, error="insufficient_scope", scope="graph:export"'
    assert (answer.status_code, answer.headers["www-authenticate"]) == (403, wanted)
    assert closed.http.get("/rankings/edges", headers={"authorization": f"bEARER  {good.token}"}).status_code == 200
    twice = [("Authorization", f"Bearer {good.token}")] * 2
    assert closed.http.get("/rankings/edges", headers=twice).status_code == 400
    # A body is not read, so its sender need not send it.
    assert closed.http.post("/uploads", content=CSV).status_code == 401


def test_on_loopback_no_key_is_needed_but_a_sent_one_is_checked(api: Api, domain: Connection, now: datetime) -> None:
    assert api.http.get("/uploads").status_code == 200
    assert api.http.get("/uploads", headers=bearer(tokens.make().token)).status_code == 401
    reads = key(domain, now, Scope.GRAPH_READ)
    assert api.http.get("/uploads", headers=bearer(reads.token)).status_code == 403


@pytest.mark.parametrize(
    ("host", "published_on", "setting", "needed"),
    [
        ("127.0.0.1", "", "auto", False),
        ("localhost", "", "auto", False),
        ("::1", "", "auto", False),
        ("127.0.0.53", "", "auto", False),
        ("0.0.0.0", "", "auto", True),  # noqa: S104 (nothing listens there)
        ("::", "", "auto", True),
        ("192.0.2.1", "", "auto", True),
        ("localhost.example.org", "", "auto", True),
        ("0.0.0.0", "127.0.0.1", "auto", False),  # noqa: S104
        ("0.0.0.0", "[::1]", "auto", False),  # noqa: S104
        ("127.0.0.1", "0.0.0.0", "auto", True),  # noqa: S104
        ("::ffff:127.0.0.1", "", "auto", False),
        ("127.0.0.1", "", "required", True),
        ("0.0.0.0", "", "off", False),  # noqa: S104
    ],
)
def test_when_keys_are_needed(host: str, published_on: str, setting: Any, needed: bool) -> None:
    assert keys.needed(Settings(host=host, published_on=published_on, keys=setting)) is needed


# Cached answers -------------------------------------------------------------------------------------------------------


def test_a_cached_answer_is_not_given_without_the_scope(closed: Api, domain: Connection, now: datetime) -> None:
    reads, exports = key(domain, now, Scope.GRAPH_READ), key(domain, now, Scope.GRAPH_EXPORT)
    elsewhere = for_no_graph(domain, now, Scope.GRAPH_READ)
    path = "/rankings/edges"
    statuses = [closed.http.get(path, headers=bearer(reads.token)).headers["cache-status"] for _ in range(3)]
    assert "hit" in statuses[-1] or "bypass" in statuses[-1]
    etag = closed.http.get(path, headers=bearer(reads.token)).headers["etag"]

    for header, status in [({}, 401), (bearer(exports.token), 403), (bearer(elsewhere.token), 404)]:
        for more in ({}, {"If-None-Match": etag}):
            answer = closed.http.get(path, headers=header | more)
            assert answer.status_code == status
            assert not {"etag", "cache-status"} & answer.headers.keys()


def test_what_is_denied_is_told_with_its_key_and_its_graph(
    closed: Api, domain: Connection, now: datetime, problem_of: Callable[[httpx.Response], dict[str, Any]]
) -> None:
    expired = key(domain, now - timedelta(days=91), Scope.GRAPH_READ, owner="grace")
    revoked = key(domain, now, Scope.GRAPH_READ, owner="bob")
    keys.revoke(domain, revoked.key.id, now=now)
    away = for_no_graph(domain, now, Scope.GRAPH_READ, graph="elsewhere")
    domain.execute(
        "INSERT INTO graphs (name, state, database, shards, created_at) VALUES ('two', 'creating', 'x', 1, now())"
    )
    both = keys.create(domain, keys.checked("ada", [Scope.GRAPH_READ], ["two"]), now=now)
    domain.execute("UPDATE keys SET graphs = '{two,three}' WHERE id = %s", [both.key.id])
    for path, made in [
        ("/users", expired),
        ("/users", revoked),
        ("/graphs/two/users", away),
        ("/graphs/zebra/users", away),
        ("/users", both),
    ]:
        answer = closed.http.get(path, headers=bearer(made.token))
        assert answer.status_code in {401, 403}
    assert "this path is for the graph 'default'" in problem_of(answer)["detail"].lower()
    # The list of graphs is read for whoever may use one.
    assert closed.http.get("/graphs/two/users", headers=bearer(both.token)).status_code == 409
    closed.http.get("/graphs/two/users", headers=bearer(expired.token))

    def told() -> set[tuple[Any, ...]]:
        statement = "SELECT owner, key_id, detail->>'graph' FROM audit_events WHERE action = 'request'"
        return set(domain.execute(statement).fetchall())

    wanted = {
        ("grace", expired.key.id, "default"),
        ("bob", revoked.key.id, "default"),
        ("ada", away.key.id, None),
        ("ada", both.key.id, "default"),
        ("grace", expired.key.id, "two"),
    }
    until(lambda: told() == wanted, within=20, what="all denials are told of")


# In a process ---------------------------------------------------------------------------------------------------------


class Watched:
    """A keyring's connections, which count how often they are asked for, and its clock."""

    def __init__(self, api: Api, at: datetime) -> None:
        self._pool = api.services.health
        self.at = at
        self.asked = 0
        self.seconds = 1000.0

    def connection(self) -> Any:
        self.asked += 1
        return self._pool.connection()

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def watched(closed: Api, now: datetime) -> Watched:
    """The connections of the API's keyring."""
    found = Watched(closed, now)
    closed.services.keyring = Keyring(found, found.now, found.monotonic)
    return found


def test_a_key_is_looked_up_once_in_four_seconds_and_revoked_within_five(
    closed: Api, watched: Watched, domain: Connection, now: datetime
) -> None:
    made = key(domain, now, Scope.GRAPH_READ)
    with client(closed, made) as http:
        assert {http.get("/rankings/edges").status_code for _ in range(20)} == {200}
        assert watched.asked == 1
        keys.revoke(domain, made.key.id, now=now)
        watched.seconds += 4.0
        assert http.get("/rankings/edges").status_code == 401
        assert watched.asked == 2


def test_a_key_expires_while_it_is_kept(closed: Api, watched: Watched, domain: Connection, now: datetime) -> None:
    made = key(domain, now - timedelta(days=1), Scope.GRAPH_READ, lifetime=timedelta(days=1, seconds=2))
    with client(closed, made) as http:
        assert http.get("/rankings/edges").status_code == 200
        watched.at += timedelta(seconds=2)
        assert http.get("/rankings/edges").status_code == 401
    assert watched.asked == 1


def test_wrong_keys_are_limited_by_address_and_good_keys_go_on(
    closed: Api, watched: Watched, domain: Connection, now: datetime
) -> None:
    good = key(domain, now, Scope.GRAPH_READ)
    with client(closed, good) as http:
        assert http.get("/rankings/edges").status_code == 200
        asked = watched.asked
        answers = [closed.http.get("/edges", headers=bearer(tokens.make().token)) for _ in range(25)]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
        assert answers[-1].headers["retry-after"] == "3"
        assert watched.asked == asked + 20
        assert http.get("/rankings/edges").status_code == 200
        assert closed.http.get("/edges", headers=bearer("mg_x")).status_code == 429
        watched.seconds += 60
        assert closed.http.get("/edges", headers=bearer("mg_x")).status_code == 401


def test_a_process_forgets_old_strangers_and_addresses(
    closed: Api, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOST_STRANGERS", "MOST_ADDRESSES"):
        monkeypatch.setattr(f"app.http.keyring.{name}", 3)
    ring = closed.services.keyring

    async def knock() -> None:
        for number in range(8):
            with pytest.raises(Exception, match="no key that works"):
                await ring.check(tokens.make().token, f"192.0.2.{number}")

    asyncio.run_coroutine_threadsafe(knock(), closed.loop).result()
    assert ring.remembered == (0, 3, 3)
    assert watched.asked == 8


# /keys ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(closed: Api, domain: Connection, now: datetime) -> Generator[httpx.Client]:
    """A client that may do everything."""
    with client(closed, key(domain, now, Scope.ADMIN, owner="root")) as http:
        yield http


def test_a_key_is_made_listed_rotated_and_revoked(
    closed: Api, admin: httpx.Client, watched: Watched, domain: Connection
) -> None:
    answer = admin.post("/keys", json={"owner": "ada", "scopes": ["graph:read"], "days": 7})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    token, made = answer.json()["token"], answer.json()["key"]
    assert (tokens.id_in(token), answer.headers["location"]) == (made["id"], f"/keys/{made['id']}")
    assert (made["owner"], made["scopes"], made["graphs"], made["state"]) == ("ada", ["graph:read"], None, "usable")
    assert closed.http.get("/rankings/edges", headers=bearer(token)).status_code == 200

    listed = admin.get("/keys", params={"owner": "ada"})
    assert listed.json() == {"keys": [made], "next": None}
    assert admin.get(f"/keys/{made['id']}").json() == made
    assert token not in listed.text

    turned = admin.post(f"/keys/{made['id']}/rotate", json={"grace_hours": 0}).json()
    assert closed.http.get("/rankings/edges", headers=bearer(turned["token"])).status_code == 200
    assert (turned["key"]["owner"], turned["key"]["scopes"]) == ("ada", ["graph:read"])
    assert admin.get(f"/keys/{made['id']}").json()["state"] == "expired"
    assert admin.post(f"/keys/{made['id']}/rotate").status_code == 409

    ended = admin.delete(f"/keys/{turned['key']['id']}").json()
    assert (ended["state"], admin.delete(f"/keys/{ended['id']}").json()) == ("revoked", ended)
    told = "SELECT count(*) FROM audit_events WHERE action = 'key.revoke'"
    assert domain.execute(told).fetchone() == (1,), "a key that was revoked before is not revoked again"
    watched.seconds += 4.0
    assert {
        closed.http.get("/rankings/edges", headers=bearer(each)).status_code for each in (token, turned["token"])
    } == {401}
    kept = domain.execute("SELECT string_agg(k::text, ' ') FROM keys AS k").fetchall()[0][0]
    assert token[12:] not in kept


def test_keys_come_in_pages(admin: httpx.Client, domain: Connection, now: datetime) -> None:
    ids = {key(domain, now + timedelta(seconds=number), Scope.METRICS, owner="bob").key.id for number in range(5)}
    pages, path = list[list[str]](), "/keys?owner=bob&limit=2"
    while path:
        page = admin.get(path).json()
        pages.append([each["id"] for each in page["keys"]])
        path = page["next"]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {each for page in pages for each in page} == ids
    assert admin.get("/keys?before=nobody00").status_code == 404


def test_a_key_that_cannot_be_made(admin: httpx.Client) -> None:
    for body, said in [
        ({"owner": "ada", "scopes": []}, "A key needs a scope"),
        ({"owner": "ada", "scopes": ["graph"]}, "There is no scope 'graph'"),
        *(({"owner": owner, "scopes": ["admin"]}, "The owner has to be") for owner in ("", "os:root", "a\0", "x" * 65)),
        ({"owner": "ada", "scopes": ["admin"], "graphs": []}, "A key names 1 to 100 graphs"),
        ({"owner": "ada", "scopes": ["admin"], "graphs": ["Team"]}, "'Team' is no name of a graph"),
        ({"owner": "ada", "scopes": ["admin"], "graphs": ["default", "team"]}, "There is no graph 'team'. There are: "),
        ({"owner": "ada", "scopes": ["admin"], "days": 0}, "'days' has to be"),
        ({"owner": "ada", "scopes": ["admin"], "days": 1e300}, "'days' has to be"),
        ({"owner": "ada", "scopes": ["admin"], "scope": "admin"}, "unknown field"),
        ({"owner": "ada"}, "missing required field"),
        ([], "Expected `object`"),
    ]:
        answer = admin.post("/keys", json=body)
        assert (answer.status_code, said in answer.json()["detail"]) == (400, True), answer.text


def test_bodies_that_are_no_small_json(admin: httpx.Client) -> None:
    assert admin.post("/keys", content=b"{").status_code == 400
    assert admin.post("/keys", content=b" " * 70_000).status_code == 400
    assert admin.post("/keys", data={"owner": "ada"}).status_code == 400

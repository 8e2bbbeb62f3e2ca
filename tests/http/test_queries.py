"""What the API says of edges and users, against plain Python over the same random graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.settings import Settings
from app.store.postgres import Connection
from tests.http.conftest import Api, serving
from tests.http.random_graphs import HALF_LIFE, HANDLES, Graph
from tests.http.test_uploads import follow

SEED = 1

ProblemOf = Callable[[httpx.Response], dict[str, Any]]


@pytest.fixture
def graph(now: datetime, domain: Connection) -> Graph:
    graph = Graph(SEED, now)
    graph.store(domain)
    return graph


def path(handle: str) -> str:
    # `.` and `..` do not stay in a path.
    return f"/users/{quote('@' + handle, safe='')}"


def asked(at: datetime, *, archived: bool, **more: str) -> str:
    return str(httpx.QueryParams(as_of=at.isoformat(), archived=str(archived).lower(), **more))


VIEWS = [(-2, False), (0, True), (3, True)]
"""Half-lives from now, and whether archived edges are in it."""


@pytest.mark.parametrize("outgoing", [True, False])
def test_mentions_in_order_and_whole(api: Api, graph: Graph, now: datetime, outgoing: bool) -> None:
    for (half_lives, archived), handle in product(VIEWS, HANDLES):
        at = now + half_lives * HALF_LIFE
        edges = {
            ends[outgoing]: edge
            for ends, edge in graph.there(archived=archived, self_mentions=True).items()
            if ends[not outgoing] == handle
        }
        expected = graph.by_weight({other: edge.effective(at) for other, edge in edges.items()})

        ask = asked(at, archived=archived, limit="3", self_mentions="true")
        found = follow(api, f"{path(handle)}/{'outgoing' if outgoing else 'incoming'}?{ask}", "mentions")

        assert [each["handle"] for each in found] == expected
        for each in found:
            edge = edges[each["handle"]]
            assert each["mention_count"] == edge.mentions
            assert each["weight"] == pytest.approx(edge.effective(at))
            assert (each["archived_at"] is not None) == (edge.archived_at is not None)
            assert datetime.fromisoformat(each["last_seen"]) == edge.last_seen


def test_reciprocal_ties_by_their_lighter_direction(api: Api, graph: Graph, now: datetime) -> None:
    for (half_lives, archived), handle in product(VIEWS, HANDLES):
        at = now + half_lives * HALF_LIFE
        edges = graph.there(archived=archived)
        both = {
            other: (edges[handle, other], edges[other, handle])
            for other in HANDLES
            if (handle, other) in edges and (other, handle) in edges
        }
        lighter = {other: min(edge.effective(at) for edge in tie) for other, tie in both.items()}

        found = follow(api, f"{path(handle)}/reciprocal?{asked(at, archived=archived, limit='1')}", "ties")

        assert [each["handle"] for each in found] == graph.by_weight(lighter)
        for each in found:
            for edge, direction in zip(both[each["handle"]], ("made", "received"), strict=True):
                assert each[direction]["mention_count"] == edge.mentions
                assert each[direction]["weight"] == pytest.approx(edge.effective(at))
            assert each["weight"] == pytest.approx(lighter[each["handle"]])


def test_users(api: Api, graph: Graph, now: datetime) -> None:
    for (half_lives, archived), handle in product(VIEWS, HANDLES):
        at = now + half_lives * HALF_LIFE
        edges = graph.there(archived=archived)
        made = [edge for (source, _), edge in edges.items() if source == handle]
        received = [edge for (_, target), edge in edges.items() if target == handle]
        oneself = graph.there(archived=archived, self_mentions=True).get((handle, handle))

        user = api.http.get(f"{path(handle)}?{asked(at, archived=archived)}").json()

        assert (user["handle"], user["mentioned_users"], user["mentioning_users"]) == (handle, len(made), len(received))
        assert user["mentions_made"] == sum(edge.mentions for edge in made)
        assert user["mentions_received"] == sum(edge.mentions for edge in received)
        assert user["weight_made"] == pytest.approx(sum(edge.effective(at) for edge in made))
        assert user["weight_received"] == pytest.approx(sum(edge.effective(at) for edge in received))
        assert user["self_mentions"] == (oneself.mentions if oneself else 0)
        assert api.http.get(user["links"]["user"]).json()["handle"] == handle


def test_edges(api: Api, graph: Graph, now: datetime) -> None:
    for half_lives, _ in VIEWS:
        at = now + half_lives * HALF_LIFE
        for (source, target), edge in list(graph.edges.items())[:40]:
            found = api.http.get("/edges", params={"source": source, "target": target, "as_of": at.isoformat()}).json()

            assert found["weight"] == pytest.approx(edge.effective(at))
            assert (found["mention_count"], found["as_of"]) == (edge.mentions, at.isoformat().replace("+00:00", "Z"))
            assert (found["archived_at"] is not None) == (edge.archived_at is not None)


def test_users_by_prefix(api: Api, graph: Graph) -> None:
    for prefix in (
        "",
        "u",
        "USER1",
        "@user1",
        "＠User1",
        "a/",
        "a_",
        "a%",
        "%",
        ".",
        "i̇",
        "中",
        "\U0010ffff",
        "nobody",
    ):
        bare = prefix.lstrip("@＠").lower()

        found = follow(api, f"/users?{httpx.QueryParams(prefix=prefix, limit='2')}", "users")

        assert [each["handle"] for each in found] == sorted(handle for handle in graph.ids if handle.startswith(bare))
        for each in found:
            assert api.http.get(each["link"]).json()["handle"] == each["handle"]


def test_a_prefix_that_ends_with_a_sigma(api: Api, domain: Connection) -> None:
    """In lower case it is another letter where it ends a word."""
    domain.execute("insert into users values (1, 'ασαν', ''), (2, 'ας', ''), (3, 'ασ', ''), (4, 'ατ', '')")

    for prefix in ("ΑΣ", "ας"):
        found = api.http.get("/users", params={"prefix": prefix}).json()["users"]
        assert [each["handle"] for each in found] == ["ας", "ασ", "ασαν"]
    assert len(api.http.get("/users", params={"prefix": "ΑΣ", "limit": 2}).json()["users"]) == 2


def test_a_prefix_that_ends_before_the_surrogates(api: Api, domain: Connection) -> None:
    domain.execute("insert into users values (1, '\ud7ff', ''), (2, '\ud7ffx', ''), (3, '\ue000', '')")

    found = api.http.get("/users", params={"prefix": "\ud7ff"}).json()["users"]

    assert [each["handle"] for each in found] == ["\ud7ff", "\ud7ffx"]


def test_a_page_goes_on_behind_the_last_whatever_came_meanwhile(
    api: Api, graph: Graph, domain: Connection, now: datetime
) -> None:
    edges = graph.there(archived=False)
    source, _ = Counter(source for source, _ in edges).most_common(1)[0]
    weights = {target: edge.effective(now) for (mentioning, target), edge in edges.items() if mentioning == source}
    first = api.http.get(f"{path(source)}/outgoing", params={"limit": 1}).json()
    domain.execute(
        "update edges set weight = 100 where source_id = %s and target_id = %s",
        [graph.ids[source], graph.ids[graph.by_weight(weights)[-1]]],
    )

    rest = follow(api, first["next"], "mentions")

    assert len(weights) > 2
    assert [each["handle"] for each in first["mentions"] + rest] == graph.by_weight(weights)[:-1]
    assert "as_of=2026-01-15T12%3A00%3A00Z" in first["next"]


def test_instants(settings: Settings, graph: Graph, now: datetime) -> None:
    assert graph.edges
    with serving(settings, lambda: now + timedelta(seconds=59.9)) as api:
        for as_of, instant in {
            "": "2026-01-15T12:00:00Z",
            "as_of=2026-01-15T13:30:00.25%2B01:30": "2026-01-15T12:00:00.250000Z",
            "as_of=0001-01-01T00:00:00%2B14:00": "0001-01-01T00:00:00Z",
            "as_of=9999-12-31T23:59:59-14:00": "9999-12-31T23:59:59.999999Z",
        }.items():
            answer = api.http.get(f"/users/user1/outgoing?{as_of}")

            assert answer.status_code == 200, answer.text
            assert answer.json()["as_of"] == instant


def test_what_is_no_instant_and_no_place(api: Api, problem_of: ProblemOf) -> None:
    instants = ("as_of=yesterday", "as_of=2026-01-15T12:00:00", "as_of=2026-01-15T12:00:00+01:00", "as_of=1")
    for query in (*instants, "cursor=1", "cursor=" + "z" * 32):
        answer = api.http.get(f"/users/user1/outgoing?{query}")

        assert query.partition("=")[0] in problem_of(answer)["detail"]
        assert answer.status_code == 400


def test_an_unknown_user_with_a_slash(api: Api, problem_of: ProblemOf) -> None:
    assert "'x/y'" in problem_of(api.http.get("/users/x%2Fy/outgoing"))["detail"].lower()

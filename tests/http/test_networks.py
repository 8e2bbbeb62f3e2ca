"""Networks around users and paths between them, against plain Python over the same random graphs."""

from __future__ import annotations

import random
from datetime import datetime
from itertools import pairwise, product
from typing import Any

import pytest

from app.reads import networks
from app.store.postgres import Connection
from tests.http.conftest import Api
from tests.http.random_graphs import HALF_LIFE, HANDLES, Edge, Graph
from tests.http.test_queries import SEED, asked, path

VIEWS = [(0, False), (3, True)]


@pytest.fixture
def graph(now: datetime, domain: Connection) -> Graph:
    graph = Graph(SEED, now)
    for number, handle in enumerate(HANDLES):
        archived_at = now if number % 2 else None
        graph.edges[handle, handle] = Edge(1, 3.0, now, now, now, archived_at)
    graph.store(domain)
    return graph


def expected_members(
    graph: Graph, ego: str, at: datetime, *, archived: bool, depth: int, most: int
) -> tuple[list[tuple[str, int, float | None]], int, int]:
    """Handle, distance and weight of the members; steps taken; how many users of the last did not fit."""
    ties = graph.ties(at, archived=archived)
    members: list[tuple[str, int, float | None]] = [(ego, 0, None)]
    steps = cut = 0
    while steps < depth and not cut:
        inside = {handle for handle, _, _ in members}
        weights: dict[str, float] = {}
        for handle, distance, _ in members:
            if distance == steps:
                for other, weight in ties.get(handle, {}).items():
                    if other not in inside:
                        weights[other] = weights.get(other, 0) + weight
        steps += 1
        room = most - len(members)
        cut = max(0, len(weights) - room)
        members += [(handle, steps, weights[handle]) for handle in graph.by_weight(weights)[:room]]
    return members, steps, cut


def test_the_network_around_a_user(api: Api, graph: Graph, now: datetime) -> None:
    limits = [(1, 500), (1, 4), (2, 500), (2, 12)]
    for (half_lives, archived), (depth, most), handle in product(VIEWS, limits, HANDLES):
        at = now + half_lives * HALF_LIFE
        members, steps, cut = expected_members(graph, handle, at, archived=archived, depth=depth, most=most)
        inside = {member for member, _, _ in members}
        edges = {ends: edge for ends, edge in graph.there(archived=archived).items() if inside.issuperset(ends)}
        heaviest = sorted(edges, key=lambda ends: (-edges[ends].effective(at), graph.ids[ends[0]], graph.ids[ends[1]]))

        ask = asked(at, archived=archived, depth=str(depth), users=str(most), edges="10")
        found = api.http.get(f"{path(handle)}/ego?{ask}").json()

        assert [(each["handle"], each["distance"]) for each in found["users"]] == [each[:2] for each in members]
        for each, (_, _, weight) in zip(found["users"], members, strict=True):
            assert each["weight"] == (None if weight is None else pytest.approx(weight))
        assert [(each["source"], each["target"]) for each in found["edges"]] == heaviest[:10]
        assert {each["mentions_made"] for each in found["users"]} == {None}  # nothing was summarized
        assert found["depth"] == steps
        assert found["cut"] == {"users": cut, "edges": max(0, len(heaviest) - 10), "not_followed": []}


def test_a_crowd_is_not_followed(api: Api, domain: Connection, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph(1, now)
    graph.edges = {
        ends: edge
        for number, edge in enumerate(graph.edges.values())
        for ends in [
            ("user0", "user1") if number == 0
            # Many mention user1, who mentions one that nobody else does.
            else (f"user{number}", "user1") if number < 10
            else ("user1", "user15") if number == 10
            else ("user16", "user17")
        ]
    }  # fmt: skip
    graph.edges = {ends: edge._replace(archived_at=None) for ends, edge in graph.edges.items()}
    graph.store(domain)

    def around(most: int, *, archived: bool = False) -> Any:
        monkeypatch.setattr(networks, "MOST_FOLLOWED", most)
        # Each asks for another number of users: answers are kept.
        asked = {"depth": 2, "users": 100 + most, "archived": archived}
        return api.http.get("/users/user0/ego", params=asked).json()

    assert around(10)["cut"]["not_followed"] == []
    assert len(around(10)["users"]) == 11
    assert around(9)["cut"]["not_followed"] == ["user1"]
    assert [each["handle"] for each in around(9)["users"]] == ["user0", "user1", "user15"]

    domain.execute(
        "with gone as (delete from edges where source_id = any(%s) returning *) "
        "insert into edges_archive select gone.*, %s::timestamptz from gone",
        [[graph.ids[f"user{number}"] for number in range(5, 10)], now],
    )
    assert around(8)["cut"]["not_followed"] == []
    assert around(8, archived=True)["cut"]["not_followed"] == ["user1"]


def test_paths_are_shortest(api: Api, graph: Graph) -> None:
    choose = random.Random(1)
    outcomes: set[tuple[str, int | None]] = set()
    for _ in range(200):
        source, target, most = choose.choice(HANDLES), choose.choice(HANDLES), choose.randint(1, 6)
        archived = choose.choice([False, True])
        edges = graph.there(archived=archived)
        length = graph.distances(source, archived=archived).get(target)

        ask = {"source": source, "target": target, "max_length": most, "archived": archived}
        found = api.http.get("/paths", params=ask).json()

        outcomes.add((found["outcome"], found["length"]))
        way = [user["handle"] for user in found["users"]]
        if length is None or length > most:
            assert (found["outcome"], found["length"], way, found["edges"]) == ("none", None, [], [])
            continue
        assert (found["outcome"], found["length"]) == ("found", length)
        assert (way[0], way[-1], len(way)) == (source, target, length + 1)
        assert [(each["source"], each["target"]) for each in found["edges"]] == list(pairwise(way))
        assert all(ends in edges for ends in pairwise(way))
        assert api.http.get("/paths", params=ask).json() == found
    assert {("none", None), ("found", 0), ("found", 1), ("found", 2), ("found", 3)} <= outcomes


def test_a_search_gives_up(api: Api, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "MOST_VISITED", 12)
    outcomes = set[str]()
    for source in HANDLES[:12]:
        for target in HANDLES[12:18]:
            length = graph.distances(source, archived=False).get(target, 99)

            found = api.http.get("/paths", params={"source": source, "target": target, "max_length": 6}).json()

            outcomes.add(found["outcome"])
            assert found["visited"] <= 12
            if found["outcome"] == "found":
                assert found["length"] == length
            if found["outcome"] == "none":
                assert length > 6
            if found["outcome"] == "gave_up":
                assert "Gave up after" in found["detail"]
    assert outcomes == {"found", "none", "gave_up"}

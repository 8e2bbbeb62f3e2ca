"""The graph over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from app.store.postgres import Connection
from tests.http.conftest import Api
from tests.http.test_receiving import HEADER
from tests.http.test_uploads import follow

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
POSTS = HEADER + (
    b"@Bob @bob @cy,2026-01-10T11:00:00Z,Ada\n"
    b"@BOB and @ada,2026-01-11T11:00:00Z,ADA\n"
    b"@ada,2026-01-12T11:00:00Z,Bob\n"
    b"nobody,2026-01-12T12:00:00Z,dee\n"
)


@pytest.fixture
def graph(api: Api, apply: Callable[[], None]) -> Api:
    assert api.upload(POSTS).status_code == 202
    apply()
    return api


def get(api: Api, path: str, **params: str) -> Any:
    answer = api.http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(("source", "target"), [("ada", "bob"), ("@ADA", " Bob "), ("＠Ada", "@bOB")])
def test_one_edge_in_any_spelling(graph: Api, source: str, target: str) -> None:
    assert get(graph, "/edges", source=source, target=target) == {
        "source": "Ada",
        "target": "Bob",
        "as_of": "2026-01-15T12:00:00Z",
        "mention_count": 3,
        "weight": 3.0,
        "first_seen": "2026-01-10T11:00:00Z",
        "last_seen": "2026-01-11T11:00:00Z",
        "archived_at": None,
        "links": {"source": "/users/ada", "target": "/users/bob"},
    }


def test_an_archived_edge_says_since_when(graph: Api, domain: Connection, now: datetime) -> None:
    domain.execute(
        "with gone as (delete from edges returning *) "
        "insert into edges_archive select gone.*, %s::timestamptz from gone",
        [now - timedelta(days=1)],
    )

    edge = get(graph, "/edges", source="ada", target="bob")

    assert (edge["mention_count"], edge["archived_at"]) == (3, "2026-01-14T12:00:00Z")


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("zoe", "bob", "Nobody called 'zoe'"),
        ("ada", "@Zoe", "Nobody called 'zoe'"),
        ("cy", "ada", "'cy' does not mention 'ada'"),
    ],
)
def test_a_missing_edge_says_what_is_missing(
    graph: Api, problem_of: ProblemOf, source: str, target: str, said: str
) -> None:
    answer = graph.http.get("/edges", params={"source": source, "target": target})

    assert said in problem_of(answer)["detail"]
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/edges?source=ada", "/edges?source=%40&target=bob", "/users/%20", "/users/@"])
def test_what_is_no_handle(graph: Api, problem_of: ProblemOf, path: str) -> None:
    answer = graph.http.get(path)

    problem_of(answer)
    assert answer.status_code == 400


def test_a_user(graph: Api) -> None:
    assert get(graph, "/users/@ADA") == {
        "handle": "ada",
        "spelling": "Ada",
        "as_of": "2026-01-15T12:00:00Z",
        "mentioned_users": 2,
        "mentions_made": 4,
        "weight_made": 4.0,
        "mentioning_users": 1,
        "mentions_received": 1,
        "weight_received": 1.0,
        "self_mentions": 1,
        "links": {
            "user": "/users/ada",
            "outgoing": "/users/ada/outgoing",
            "incoming": "/users/ada/incoming",
            "reciprocal": "/users/ada/reciprocal",
            "ego": "/users/ada/ego",
        },
    }


def test_mentions_in_both_directions(graph: Api) -> None:
    outgoing = get(graph, "/users/ada/outgoing")
    incoming = get(graph, "/users/ada/incoming")
    with_self = get(graph, "/users/ada/incoming", self_mentions="true")

    assert [(each["spelling"], each["mention_count"]) for each in outgoing["mentions"]] == [("Bob", 3), ("cy", 1)]
    assert [each["handle"] for each in incoming["mentions"]] == ["bob"]
    assert sorted(each["handle"] for each in with_self["mentions"]) == ["ada", "bob"]
    assert outgoing["user"] == "Ada"


def test_mentions_are_followed_by_page(graph: Api) -> None:
    found = follow(graph, "/users/ada/outgoing?limit=1&self_mentions=true", "mentions")

    assert sorted(each["handle"] for each in found) == ["ada", "bob", "cy"]


@pytest.mark.parametrize("path", ["/users/zoe", "/users/zoe/outgoing", "/users/zoe/incoming"])
def test_an_unknown_user_is_not_found(graph: Api, problem_of: ProblemOf, path: str) -> None:
    answer = graph.http.get(path)

    assert "'zoe'" in problem_of(answer)["detail"]
    assert answer.status_code == 404


@pytest.mark.parametrize("handle", ["ada?x=1&y#z", "中 文", "İstanbul", "100%", "a/b", "%2f", ".."])
def test_links_lead_to_users_with_any_handle(api: Api, apply: Callable[[], None], handle: str) -> None:
    api.upload(HEADER + f"hi @bob,2026-01-10T11:00:00Z,{handle}\n".encode())
    apply()

    path = get(api, "/edges", source=handle, target="bob")["links"]["source"]

    assert get(api, path)["spelling"] == handle
    assert get(api, f"{path}/outgoing")["mentions"]


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_handles_with_the_same_hash_are_told_apart(
    api: Api, domain: Connection, apply: Callable[[], None], bits: int
) -> None:
    domain.execute("update graph_parameters set handle_bits = %s", [bits])
    handles = ["ann", "ben"] if bits == 1 else ["ann", "ben", "cleo"]
    api.upload(HEADER + "".join(f"@{name} @ann,2026-01-10T11:00:00Z,{name}\n" for name in handles).encode())
    apply()

    counts = {name: get(api, "/edges", source=name, target=name)["mention_count"] for name in handles}

    assert counts == {name: 2 if name == "ann" else 1 for name in handles}
    assert api.http.get("/users/nobody").status_code == 404

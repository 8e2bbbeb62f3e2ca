"""The heaviest ties of the whole graph, how many mentions ties have, and the graph by day; against a plain count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.graph import top_edges
from app.graph.parameters import read_parameters
from app.posts.options import Clock
from app.reads import heaviest
from app.settings import Settings
from app.store.postgres import Connection
from app.summaries import summarizing
from tests import summing
from tests.graphs import apply_all
from tests.http.conftest import Api
from tests.http.test_rankings import HALF_LIFE, Known, get, known, send
from tests.http.test_receiving import CSV

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
Ends = tuple[str, str]
__all__ = ["known"]


def counted(known: Known) -> Counter[Ends]:
    """Mentions by edge."""
    return Counter((each.source, each.target) for each in known.mentions if each.source != each.target)


def seen(known: Known) -> dict[Ends, tuple[datetime, datetime]]:
    """First and last mention by edge."""
    found = defaultdict[Ends, list[datetime]](list)
    for each in known.mentions:
        found[each.source, each.target].append(each.at)
    return {ends: (min(instants), max(instants)) for ends, instants in found.items()}


def instants_of(edge: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(edge["first_seen"]), datetime.fromisoformat(edge["last_seen"])


def ends_of(found: dict[str, Any]) -> list[Ends]:
    return [(edge["source"], edge["target"]) for edge in found["edges"]]


def test_the_whole_of_a_small_graph(api: Api, known: Known, now: datetime) -> None:
    mentions, instants = counted(known), seen(known)
    for at in (now, now + timedelta(days=20)):
        weights, totals = known.edges(at), summing.totals(known.mentions, at, HALF_LIFE)

        found = get(api, "/network", as_of=at.isoformat())

        assert {ends: edge["weight"] for ends, edge in zip(ends_of(found), found["edges"], strict=True)} == (
            pytest.approx(dict(weights))
        )
        listed = [edge["weight"] for edge in found["edges"]]
        assert listed == pytest.approx(sorted(listed, reverse=True))
        for ends, edge in zip(ends_of(found), found["edges"], strict=True):
            assert edge["mention_count"] == mentions[ends]
            # A retraction leaves the instants of what it takes out.
            first, last = instants_of(edge)
            assert first <= instants[ends][0] <= instants[ends][1] <= last
        assert {each["handle"] for each in found["users"]} == {user for ends in weights for user in ends}
        for each in found["users"]:
            made, received, _, weight_made, weight_received = totals[each["handle"]]
            assert (each["mentions_made"], each["mentions_received"]) == (made, received)
            assert (each["weight_made"], each["weight_received"]) == pytest.approx((weight_made, weight_received))
        told = {name: found[name] for name in ("cut", "looked_at", "is_all", "edges_in_graph", "edges_estimated")}
        assert told == {
            "cut": {"users": 0, "edges": 0},
            "looked_at": len(weights),
            "is_all": True,
            "edges_in_graph": len(weights),
            "edges_estimated": False,
        }
        assert found["stale_since"] is None


def test_a_large_graph_is_like_a_small_one_while_all_edges_are_held(
    api: Api, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"users": 20, "edges": 100, "min_mentions": 2}
    small = get(api, "/network", **asked)
    monkeypatch.setattr(heaviest, "SMALL_BYTES", 0)
    large = get(api, "/network", **asked, as_of=small["as_of"], min_weight=1e-200)

    told = {"edges_in_graph", "edges_estimated"}
    assert {name: large[name] for name in large.keys() - told} == {name: small[name] for name in small.keys() - told}
    assert (small["edges_estimated"], large["edges_estimated"]) == (False, True)
    assert len(known.edges(datetime.fromisoformat(small["as_of"]))) == small["looked_at"] == large["looked_at"]


def test_what_does_not_fit_is_said(api: Api, known: Known) -> None:
    whole = get(api, "/network")
    order = [each["handle"] for each in whole["users"]]

    few = get(api, "/network", edges=10)
    crowd = get(api, "/network", users=6)

    assert few["edges"] == whole["edges"][:10]
    assert (few["looked_at"], few["is_all"], few["cut"]["edges"]) == (
        len(whole["edges"]),
        True,
        len(whole["edges"]) - 10,
    )
    assert few["cut"]["users"] == len(order) - len(few["users"])
    assert ends_of(crowd) == [ends for ends in ends_of(whole) if set(ends) <= set(order[:6])]
    assert crowd["cut"] == {"users": len(order) - 6, "edges": len(whole["edges"]) - len(crowd["edges"])}
    assert len(known.edges(datetime.fromisoformat(whole["as_of"]))) == len(whole["edges"])


def test_filters(api: Api, known: Known, now: datetime) -> None:
    mentions, weights, whole = counted(known), known.edges(now), get(api, "/network")
    instants = {ends: instants_of(edge) for ends, edge in zip(ends_of(whole), whole["edges"], strict=True)}
    middle = sorted(weights.values())[len(weights) // 2]
    then = now - timedelta(days=9)
    for asked, wanted in [
        ({"min_mentions": 3}, {ends for ends, count in mentions.items() if count >= 3}),
        ({"min_weight": middle * 1.000001}, {ends for ends, weight in weights.items() if weight > middle * 1.000001}),
        ({"since": then.isoformat()}, {ends for ends in weights if instants[ends][1] >= then}),
        ({"until": then.isoformat()}, {ends for ends in weights if instants[ends][0] < then}),
    ]:
        found = get(api, "/network", **asked)

        assert 0 < len(wanted) < len(weights), asked
        assert set(ends_of(found)) == wanted, asked
        assert found["cut"]["edges"] == 0
        assert (found["looked_at"], found["is_all"]) == (len(weights), True)


def test_of_a_large_graph_the_edges_that_are_surely_the_heaviest(
    api: Api, known: Known, domain: Connection, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heaviest, "SMALL_BYTES", 0)
    whole = [weight for _, weight in sorted(known.edges(now).items(), key=lambda each: -each[1])]
    monkeypatch.setattr(top_edges, "KEEP", 4)
    parameters = read_parameters(domain)
    for shard in range(parameters.shards):
        top_edges.refill(domain, shard, parameters)

    found = get(api, "/network")

    assert 4 <= found["looked_at"] < len(whole)
    assert not found["is_all"]
    assert [edge["weight"] for edge in found["edges"]] == pytest.approx(whole[: found["looked_at"]])
    assert get(api, "/network", edges=2)["looked_at"] == 4
    monkeypatch.setattr(heaviest, "LOOKED_AT", 3)
    assert get(api, "/network", edges=100)["looked_at"] == 3


def test_an_empty_graph_has_no_ties(api: Api) -> None:
    found = get(api, "/network")

    assert (found["users"], found["edges"], found["cut"]) == ([], [], {"users": 0, "edges": 0})
    assert (found["edges_in_graph"], found["is_all"]) == (0, True)
    assert get(api, "/network/histogram") == {"buckets": [], "sampled": 1.0}
    assert [each["mentions"] for each in get(api, "/days")["days"]] == []


def test_totals_are_missing_until_the_first_summary(api: Api, apply: Callable[[], None]) -> None:
    api.upload(CSV)
    apply()

    found = get(api, "/network")

    assert found["edges"]
    assert found["stale_since"] is not None
    assert {each["mentions_made"] for each in found["users"]} == {None}


@pytest.mark.parametrize("sampled", [False, True])
def test_how_many_mentions_ties_have(
    api: Api, known: Known, domain: Connection, monkeypatch: pytest.MonkeyPatch, sampled: bool
) -> None:
    if sampled:
        # Half of the blocks, each with whatever is in it.
        blocks = domain.execute("select pg_relation_size('edges') / current_setting('block_size')::int").fetchone()
        assert blocks is not None
        monkeypatch.setattr(heaviest, "BLOCKS", blocks[0] // 2)
    wanted = Counter(counted(known).values())

    found = get(api, "/network/histogram")

    for bucket in found["buckets"]:
        there = sum(number for count, number in wanted.items() if bucket["least"] <= count <= bucket["most"])
        assert bucket["edges"] == there if not sampled else bucket["edges"] > 0
    total = sum(bucket["edges"] for bucket in found["buckets"])
    if sampled:
        assert found["sampled"] == pytest.approx(0.5, abs=0.2)
        assert total <= 2.5 * wanted.total()
    else:
        assert (found["sampled"], total) == (1.0, wanted.total())


def test_the_graph_by_day(api: Api, known: Known, domain: Connection, settings: Settings, now: datetime) -> None:
    first = date(2025, 12, 12)
    wanted = Counter[date]()
    for each in known.mentions:
        wanted[each.day] += each.in_time and each.source != each.target

    found = get(api, "/days", days=366)

    assert (found["days_from"], found["stale_since"]) == (first.isoformat(), None)
    assert {each["day"]: each["mentions"] for each in found["days"]} == {
        (first + timedelta(days=number)).isoformat(): wanted[first + timedelta(days=number)] for number in range(35)
    }
    last = sum(wanted[now.date() - timedelta(days=number)] for number in range(7))
    assert found["last_7_days"] == last
    assert get(api, "/days", days=3)["days"] == found["days"][-3:]

    send(settings, [("ada", "bob", now)], now, Clock.ARRIVAL)
    apply_all(settings, now=now)
    assert get(api, "/days?days=1")["stale_since"] is not None
    summarizing.tidy(domain, read_parameters(domain), days_kept=settings.days_kept, now=now + timedelta(hours=1))
    assert get(api, "/days?days=2")["last_7_days"] == last + 1


@pytest.mark.parametrize(
    "query",
    [
        "users=0",
        "users=10001",
        "edges=0",
        "edges=20001",
        "min_mentions=0",
        "min_weight=-1",
        "since=x",
        "until=yesterday",
    ],
)
def test_what_cannot_be_answered(api: Api, problem_of: ProblemOf, query: str) -> None:
    answer = api.http.get(f"/network?{query}")

    problem_of(answer)
    assert answer.status_code == 400

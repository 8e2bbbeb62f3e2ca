"""A comparison of two graphs is what a slow, plain account of both says."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from psycopg import sql

from app.reads.comparing import Side, What, comparing
from app.reads.exports import snapshot
from app.reads.exports.selection import Selection
from app.store.postgres import Connection, connect
from tests.conftest import Addresses, database_url
from tests.reads.exports.graphs import HALF_LIFE, Edge, Graph, User, handles, instants, selected, store

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def other(addresses: Addresses, template: str) -> Generator[Connection]:
    """A connection to a second database."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(addresses.postgres, autocommit=True) as maintenance:
        new = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
        maintenance.execute(sql.SQL("create database {name} template {template}").format(**new))
        with connect(database_url(addresses.postgres, name), role="test") as conn:
            yield conn
        maintenance.execute(sql.SQL("drop database {name} with (force)").format(**new))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Graph, Graph]:
    """Two graphs that share some users, whose ids differ, and some ties."""
    spellings = draw(st.lists(handles, unique=True, min_size=2, max_size=7))

    def graph() -> Graph:
        ids = draw(st.permutations(range(1, len(spellings) + 1)))
        users = [User(ids[n], f"{spelling.lower()}{n}", spelling) for n, spelling in enumerate(spellings)]
        ends = st.tuples(st.sampled_from(users), st.sampled_from(users))
        edges = [
            Edge(
                *pair,
                mention_count=draw(st.integers(1, 4)),
                weight=draw(st.floats(1e-3, 1e3)),
                weighed_at=draw(st.just(AS_OF) | instants),
                first_seen=AS_OF,
                last_seen=AS_OF,
                archived_at=draw(st.none() | st.just(AS_OF)),
            )
            for pair in draw(st.lists(ends, unique=True, max_size=20))
        ]
        return Graph(users, edges)

    return graph(), graph()


Numbers = dict[str, tuple[float | None, ...]]


def ties_of(graph: Graph, asked: Selection) -> dict[tuple[str, ...], tuple[float, ...]]:
    return {
        (edge.source.handle, edge.target.handle): (
            edge.mention_count,
            min(edge.effective(asked.as_of), edge.mention_count),
        )
        for edge in selected(graph, asked)
    }


def users_of(graph: Graph, asked: Selection) -> dict[tuple[str, ...], tuple[float, ...]]:
    found: dict[tuple[str, ...], list[float]] = {}
    for (source, target), (count, weight) in ties_of(graph, asked).items():
        found.setdefault((source,), [0, 0.0])
        received = found.setdefault((target,), [0, 0.0])
        received[0] += count
        received[1] += weight
    counts = [count for count, _ in found.values()]
    return {
        handle: (count, weight, 1 + sum(each > count for each in counts)) for handle, (count, weight) in found.items()
    }


ACCOUNTS: list[tuple[What, Any, tuple[str, ...]]] = [
    ("users", users_of, ("handle",)),
    ("ties", ties_of, ("source", "target")),
]


def whose(left: Iterable[tuple[str, ...]], right: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    mine, theirs = set(left), set(right)
    return {
        each: "both" if each in mine & theirs else "left" if each in mine else "right"
        for each in sorted(mine | theirs, key=lambda key: [part.encode() for part in key])
    }


@given(
    pair=pairs(), archived=st.none() | st.booleans(), min_weight=st.none() | st.floats(0.1, 10), rows=st.integers(1, 5)
)
@hypothesis.settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_comparison_is_what_both_graphs_say(
    conn: Connection,
    other: Connection,
    *,
    pair: tuple[Graph, Graph],
    archived: bool | None,
    min_weight: float | None,
    rows: int,
) -> None:
    asked = Selection(as_of=AS_OF, archived=archived, min_weight=min_weight)
    for each, graph in zip((conn, other), pair, strict=True):
        each.read_only = None  # an earlier example's snapshot was
        store(each, graph)
    left_side, right_side = (Side(each, HALF_LIFE.total_seconds()) for each in (conn, other))

    with mock.patch.object(snapshot, "ROWS", rows), comparing(left_side, right_side, asked) as comparison:
        for what, account, names in ACCOUNTS:
            left, right = (account(graph, asked) for graph in pair)
            expected = whose(left, right)
            told = [row for block in comparison.blocks(what) for row in block.iter_rows(named=True)]
            assert [tuple(row[name] for name in names) for row in told] == list(expected)
            assert [row["in"] for row in told] == list(expected.values())
            for row in told:
                assert_told(row, "left", left.get(tuple(row[name] for name in names)))
                assert_told(row, "right", right.get(tuple(row[name] for name in names)))

            found = comparison.compared(what, most=3)
            number = {each: list(expected.values()).count(each) for each in ("both", "left", "right")}
            assert (found.shared.both, found.shared.left_only, found.shared.right_only) == tuple(number.values())
            assert found.shared.jaccard == (number["both"] / len(expected) if expected else None)
            for entries, each in ((found.both, "both"), (found.left_only, "left"), (found.right_only, "right")):
                assert len(entries) == min(3, number[each])
                assert all(expected[tuple(entry[name] for name in names)] == each for entry in entries)

            table = list(
                csv.DictReader(io.StringIO(b"".join(comparison.table(what, guard=False)).decode(), newline=""))
            )
            assert [tuple(row[name] for name in names) for row in table] == list(expected)
            assert [row["in"] for row in table] == list(expected.values())


def assert_told(row: dict[str, Any], side: str, expected: tuple[float, ...] | None) -> None:
    count, weight, *rank = expected or (None, None, None)
    names = ("mentions_received", "weight_received", "rank") if "handle" in row else ("mention_count", "weight", "")
    assert row[f"{names[0]}_{side}"] == count
    assert row[f"{names[1]}_{side}"] == (None if weight is None else pytest.approx(weight))
    if names[2]:
        assert row[f"rank_{side}"] == rank[0]


def test_lists_begin_with_the_largest_and_ranks_change(conn: Connection, other: Connection) -> None:
    users = [User(n, handle, handle) for n, handle in enumerate(("ada", "bob", "cy"), start=1)]
    ada, bob, cy = users

    def edge(source: User, target: User, count: int) -> Edge:
        return Edge(source, target, count, float(count), AS_OF, AS_OF, AS_OF, None)

    store(conn, Graph(users, [edge(ada, bob, 5), edge(ada, cy, 2), edge(bob, cy, 1)]))
    store(other, Graph(users, [edge(ada, bob, 1), edge(ada, cy, 7)]))

    with comparing(Side(conn, 1e9), Side(other, 1e9), Selection(as_of=AS_OF)) as comparison:
        found = comparison.compared("users", most=2)
        ties = comparison.compared("ties", most=1)

    assert [(each["handle"], each["rank_left"], each["rank_right"], each["rank_change"]) for each in found.both] == [
        ("cy", 2, 1, 1),
        ("bob", 1, 2, -1),
    ]
    assert ties.both == [
        {
            "source": "ada",
            "target": "cy",
            "mention_count_left": 2,
            "mention_count_right": 7,
            "weight_left": 2.0,
            "weight_right": 7.0,
        }
    ]
    assert [each["source"] for each in ties.left_only] == ["bob"]
    assert ties.right_only == []

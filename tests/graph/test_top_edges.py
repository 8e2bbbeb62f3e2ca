"""The heaviest edges are held: after any merges and retractions each shard has all edges above its floor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.graph import top_edges
from app.graph.deltas import DELTA_SCHEMA, sum_by_edge
from app.graph.edges import add_edges, subtract_edges
from app.graph.parameters import read_parameters
from app.store.postgres import Connection

WEEK = timedelta(days=7)
THEN = datetime(2026, 1, 1, tzinfo=UTC)
SHARD = 4
"""Its ids are those from 0 on."""

# (source, target, weight, days later); few values, so that many weights are equal
EDGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([1, 2, 4, 8, 300]), st.integers(0, 20)),
    unique_by=lambda edge: edge[:2],
    max_size=20,
)
STEPS = st.lists(st.tuples(EDGES, st.booleans()), min_size=1, max_size=5)


def frame(edges: Sequence[tuple[int, int, int, int]]) -> pl.DataFrame:
    rows = [
        (source, target, weight, float(weight), THEN + timedelta(days=later), THEN, THEN)
        for source, target, weight, later in edges
    ]
    return sum_by_edge([pl.DataFrame(rows, schema=DELTA_SCHEMA, orient="row")], half_life=WEEK)


def held(conn: Connection) -> dict[tuple[int, int], float]:
    return {
        (source, target): score
        for source, target, score in conn.execute(
            "SELECT source_id, target_id, score FROM top_edges WHERE shard = %s", [SHARD]
        )
    }


def scored(conn: Connection) -> dict[tuple[int, int], float]:
    return {
        (source, target): score
        for source, target, score in conn.execute(
            "SELECT source_id, target_id, weight_score(weight, weighed_at, %s) FROM edges WHERE source_id <> target_id",
            [WEEK.total_seconds()],
        )
    }


def assert_heaviest_are_held(conn: Connection) -> None:
    found, wanted = held(conn), scored(conn)
    assert found.keys() <= wanted.keys()
    assert found == pytest.approx({key: wanted[key] for key in found}, abs=1e-9)
    floor = top_edges.floor(conn, SHARD)
    above = {
        key
        for key, score in wanted.items()
        if score > floor.score + 1e-9 or (score == floor.score and key < (floor.source_id, floor.target_id))
    }
    assert above <= found.keys()
    assert all(score > floor.score - 1e-9 for score in found.values())
    assert len(found) >= min(top_edges.LEAST, len(wanted))
    assert len(found) <= top_edges.MOST


@given(STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_all_edges_above_the_floor_are_held(
    conn: Connection, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[list[tuple[int, int, int, int]], bool]]
) -> None:
    for name, size in (("LEAST", 2), ("KEEP", 4), ("MOST", 8)):
        monkeypatch.setattr(top_edges, name, size)
    conn.execute("TRUNCATE edges, top_edges, top_edge_floors")
    parameters = read_parameters(conn)
    for edges, retracted in steps:
        added = frame(edges)
        with conn.transaction():
            add_edges(conn, SHARD, added, WEEK)
        assert_heaviest_are_held(conn)
        if retracted:
            with conn.transaction():
                subtract_edges(conn, SHARD, added[: len(added) // 2 + 1], parameters)
            assert_heaviest_are_held(conn)


def test_a_merge_adds_to_what_there_is_and_copies_in_what_is_new(conn: Connection) -> None:
    with conn.transaction():
        add_edges(conn, SHARD, frame([(1, 2, 4, 0), (1, 3, 1, 0)]), WEEK)
        add_edges(conn, SHARD, frame([(1, 2, 1, 7), (2, 1, 8, 7)]), WEEK)
    assert conn.execute("SELECT source_id, target_id, mention_count, weight FROM edges ORDER BY 1, 2").fetchall() == [
        (1, 2, 5, 3.0),
        (1, 3, 1, 1.0),
        (2, 1, 8, 8.0),
    ]
    assert held(conn).keys() == {(1, 2), (1, 3), (2, 1)}


def test_an_edge_of_great_weight_stays_first_when_it_fades() -> None:
    scores = top_edges.score(np.array([8.0, 1.0, 0.0]), np.array([0, 604_800_000_000, 0]), WEEK)
    assert scores.tolist() == [3.0, 1.0, -np.inf]
    at = datetime(1970, 1, 1, tzinfo=UTC) + 3 * WEEK
    assert top_edges.Floor(3.0, 0, 0).light(at, WEEK) == pytest.approx(1.0)

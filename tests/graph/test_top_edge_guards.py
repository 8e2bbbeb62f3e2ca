"""What a statement about the heaviest edges of a shard changes, and what it leaves to other shards."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

import sql
from app.store.postgres import Connection

WEEK = timedelta(days=7)

Held = tuple[int, int, int]
"""Shard, source and target."""


@pytest.fixture
def shards(conn: Connection) -> None:
    """Two shards, which hold three edges each."""
    for shard, source in ((0, 10), (1, 20)):
        given = {"shard": shard, "source_ids": [source] * 3, "target_ids": [1, 2, 3], "scores": [5.0, 4.0, 3.0]}
        conn.execute(sql.query("graph/top_edges/hold"), given)


def held(conn: Connection) -> set[Held]:
    return set(conn.execute("SELECT shard, source_id, target_id FROM top_edges").fetchall())


def raise_floor(conn: Connection, shard: int, score: float, source: int, target: int) -> None:
    given = {"shard": shard, "score": score, "source_id": source, "target_id": target}
    conn.execute(sql.query("graph/top_edges/raise_floor"), given)


def floors(conn: Connection) -> list[tuple[int, float, int, int]]:
    return conn.execute("SELECT shard, score, source_id, target_id FROM top_edge_floors ORDER BY shard").fetchall()


@pytest.mark.usefixtures("shards")
def test_only_these_edges_are_forgotten(conn: Connection) -> None:
    before = held(conn)

    gone = conn.execute(sql.query("graph/top_edges/forget"), {"source_ids": [10, 20], "target_ids": [1, 3]}).fetchall()

    assert set(gone) == {(10, 1), (20, 3)}
    assert held(conn) == before - {(0, 10, 1), (1, 20, 3)}


@pytest.mark.usefixtures("shards")
def test_a_shard_is_trimmed_to_its_heaviest_edges(conn: Connection) -> None:
    before = held(conn)

    cut = conn.execute(sql.query("graph/top_edges/trim"), {"shard": 0, "keep": 1}).fetchall()

    assert cut == [(4.0, 10, 2)]
    assert held(conn) == before - {(0, 10, 2), (0, 10, 3)}


def test_a_floor_only_rises(conn: Connection) -> None:
    for score, source, target in [(4.0, 10, 2), (3.0, 10, 1), (4.0, 10, 3)]:
        raise_floor(conn, 0, score, source, target)
        assert floors(conn) == [(0, 4.0, 10, 2)]
    raise_floor(conn, 1, 9.0, 20, 1)
    raise_floor(conn, 0, 4.0, 10, 1)
    assert floors(conn) == [(0, 4.0, 10, 1), (1, 9.0, 20, 1)]
    raise_floor(conn, 0, 5.0, 10, 7)
    assert floors(conn) == [(0, 5.0, 10, 7), (1, 9.0, 20, 1)]


@pytest.mark.usefixtures("shards")
def test_what_is_on_its_own_shards_floor_or_below_is_dropped(conn: Connection) -> None:
    heavier = {"shard": 0, "source_ids": [10], "target_ids": [9], "scores": [7.0]}
    conn.execute(sql.query("graph/top_edges/hold"), heavier)
    before = held(conn)
    raise_floor(conn, 0, 4.0, 10, 2)
    raise_floor(conn, 1, 9.0, 20, 1)  # a later merge of shard 1 drops what is below

    conn.execute(sql.query("graph/top_edges/drop_others"), {"shard": 0})

    assert held(conn) == before - {(0, 10, 2), (0, 10, 3)}


@pytest.mark.usefixtures("shards")
def test_an_edge_that_weighs_as_much_as_the_floor_and_comes_before_is_kept(conn: Connection) -> None:
    before = held(conn)
    raise_floor(conn, 0, 4.0, 10, 3)

    conn.execute(sql.query("graph/top_edges/drop_others"), {"shard": 0})

    assert held(conn) == before - {(0, 10, 3)}


@pytest.mark.usefixtures("shards")
def test_a_shard_is_emptied_alone(conn: Connection) -> None:
    raise_floor(conn, 0, 3.0, 10, 3)
    raise_floor(conn, 1, 3.0, 20, 3)

    conn.execute(sql.query("graph/top_edges/empty"), {"shard": 0})

    assert held(conn) == {(1, 20, 1), (1, 20, 2), (1, 20, 3)}
    assert floors(conn) == [(1, 3.0, 20, 3)]


@pytest.mark.parametrize(("keep", "kept", "floor"), [(2, {1, 2}, [3]), (9, {1, 2, 3}, [])])
def test_a_shard_is_filled_with_its_heaviest_edges(
    conn: Connection, now: datetime, keep: int, kept: set[int], floor: list[int]
) -> None:
    """No mention of oneself, no edge without weight, and no edge of a neighbour shard."""
    edges = [(10, 1, 9.0), (10, 2, 8.0), (10, 3, 7.0), (10, 10, 99.0), (11, 4, 0.0), (9, 5, 99.0), (12, 6, 99.0)]
    for source, target, weight in edges:
        conn.execute(
            """
            INSERT INTO edges (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
            VALUES (%s, %s, 1, %s, %s, %s, %s)
            """,
            [source, target, weight, now, now, now],
        )

    given = {"shard": 0, "lowest_id": 10, "highest_id": 11, "keep": keep, "half_life_seconds": WEEK.total_seconds()}
    conn.execute(sql.query("graph/top_edges/refill"), given)

    assert held(conn) == {(0, 10, target) for target in kept}
    assert [(source, target) for _, _, source, target in floors(conn)] == [(10, target) for target in floor]

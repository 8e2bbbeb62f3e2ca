"""A statement about edges changes the edges that it was given, and the notes of decay about their blocks alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

import sql
from app.store.postgres import Connection, scalars

WEEK = timedelta(days=7)
KEYS = [(10, 1), (10, 2), (11, 1)]


def insert(conn: Connection, now: datetime, *, count: int = 2) -> None:
    """Insert three edges that share sources or targets."""
    for source, target in KEYS:
        conn.execute(
            """
            INSERT INTO edges (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
            VALUES (%s, %s, %s, 1.0, %s, %s, %s)
            """,
            [source, target, count, now, now, now],
        )


def counts(conn: Connection) -> dict[tuple[int, int], int]:
    found = conn.execute("SELECT source_id, target_id, mention_count FROM edges").fetchall()
    return {(source, target): count for source, target, count in found}


def given(now: datetime) -> dict[str, Any]:
    """The parameters of a statement about the first edge."""
    about: dict[str, Any] = {"source_ids": [10], "target_ids": [1], "mention_counts": [2], "weights": [1.0]}
    return about | {"weighed_at": [now], "half_life_seconds": WEEK.total_seconds()}


def test_an_edge_is_taken_back_from_the_archive_alone(conn: Connection, now: datetime) -> None:
    insert(conn, now)
    conn.execute("INSERT INTO edges_archive SELECT *, %s FROM edges", [now + WEEK])

    back = conn.execute(sql.query("graph/merging/take_back"), given(now)).fetchall()

    assert [row[:2] for row in back] == [(10, 1)]
    left = conn.execute("SELECT source_id, target_id FROM edges_archive ORDER BY source_id, target_id").fetchall()
    assert left == KEYS[1:]


def test_an_edge_becomes_lighter_and_goes_once_it_is_empty(conn: Connection, now: datetime) -> None:
    insert(conn, now)

    conn.execute(sql.query("graph/edges/subtract"), given(now))
    assert counts(conn) == {(10, 1): 0, (10, 2): 2, (11, 1): 2}

    both = {"source_ids": [10, 10], "target_ids": [1, 2]}
    conn.execute(sql.query("graph/edges/delete_empty"), both)
    assert counts(conn) == {(10, 2): 2, (11, 1): 2}


def test_an_empty_edge_that_is_not_asked_about_stays(conn: Connection, now: datetime) -> None:
    insert(conn, now, count=0)

    conn.execute(sql.query("graph/edges/delete_empty"), given(now))

    assert set(counts(conn)) == set(KEYS[1:])


@pytest.mark.parametrize("keys", [[(10, 1)], [(10, 2)], [(11, 1)]])
def test_mentions_are_added_to_their_edge_alone(conn: Connection, now: datetime, keys: list[tuple[int, int]]) -> None:
    insert(conn, now)
    [(source, target)] = keys

    about = {"source_ids": [source], "target_ids": [target], "first_seen": [now], "last_seen": [now]}
    conn.execute(sql.query("graph/edges/merge"), given(now) | about | {"light": 0.0, "latest": now})

    assert counts(conn) == {key: 4 if key in keys else 2 for key in KEYS}


def test_only_heavy_or_late_edges_are_told_of(conn: Connection, now: datetime) -> None:
    insert(conn, now)
    seen = now - 3 * WEEK
    conn.execute("UPDATE edges SET first_seen = %s, last_seen = %s", [seen, seen])

    for light, latest, heavy in [(9.0, now, 0), (1.0, now, 1), (9.0, now - WEEK, 1)]:
        more = given(now) | {"first_seen": [seen], "last_seen": [seen], "light": light, "latest": latest}
        with conn.transaction(force_rollback=True):
            [merged, *told] = conn.execute(sql.query("graph/edges/merge"), more).fetchone() or []
        assert merged == [0]
        assert [len(each) for each in told] == [heavy] * 3


def test_decay_is_told_of_old_edges_by_their_blocks(conn: Connection, now: datetime) -> None:
    insert(conn, now)
    conn.execute("UPDATE edges SET weighed_at = %s WHERE (source_id, target_id) <> (10, 1)", [now - 3 * WEEK])
    about = {"source_ids": [10], "target_ids": [1], "range_blocks": 1}

    conn.execute(sql.query("graph/decay_ranges/note"), about | {"weighed_before": now})
    assert scalars(conn, "SELECT count(*) FROM decay_notes") == [0]
    conn.execute(sql.query("graph/decay_ranges/note"), about | {"weighed_before": now + WEEK})
    assert conn.execute("SELECT first_block, oldest FROM decay_notes").fetchall() == [(0, now)]


def test_a_note_makes_its_own_range_older_and_a_look_its_own_younger(conn: Connection, now: datetime) -> None:
    for block in (0, 1, 2):
        conn.execute("INSERT INTO decay_ranges VALUES (%s, %s)", [block, now])
    conn.execute("INSERT INTO decay_notes VALUES (1, %s)", [now - WEEK])

    conn.execute(sql.query("graph/decay_ranges/take_notes"))
    conn.execute(sql.query("graph/decay_ranges/looked_at"), {"first_block": 2, "oldest": now + WEEK})

    oldest = conn.execute("SELECT oldest FROM decay_ranges ORDER BY first_block").fetchall()
    assert [row[0] for row in oldest] == [now, now - WEEK, now + WEEK]


def test_the_place_where_decay_looks_is_locked_while_it_is_read(conn: Connection, dsn: str, now: datetime) -> None:
    conn.execute(sql.query("graph/decay_ranges/keep_heap"), {"range_blocks": 1, "looked_at": now})

    with conn.transaction(), psycopg.connect(dsn) as other:
        conn.execute(sql.query("graph/decay_ranges/heap"))
        assert other.execute("SELECT FROM decay_heap FOR UPDATE SKIP LOCKED").fetchall() == []

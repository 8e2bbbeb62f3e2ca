"""A step of a decay run changes the stale edges of its own blocks and stretches, and no other edge or run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

import sql
from app.store.postgres import Connection

WEEK = timedelta(days=7)
STRETCH = 1 << 58
"""Ids in one stretch of sources."""

EDGES = {
    "before the first block that is looked at": (STRETCH, 1, 1.0),
    "stale": (STRETCH, 2, 1.0),
    "fresh": (STRETCH, 3, 1.0),
    "heavy": (STRETCH, 4, 1000.0),
    "in an earlier stretch": (1, 5, 1.0),
    "in a later stretch": (3 * STRETCH, 6, 1.0),
    "stale and odd": (STRETCH, 7, 1.0),
    "next to nothing": (STRETCH, 8, 1e-12),
    "after the last block that is looked at": (STRETCH, 10, 1.0),
}
"""Edges in the order of their places in the table: source, target and weight, all weighed two half-lives ago."""


@pytest.fixture
def step(conn: Connection, now: datetime) -> dict[str, Any]:
    """The parameters of a step that looks at all edges but the first and the last one."""
    for name, (source, target, weight) in EDGES.items():
        weighed_at = now - WEEK / 7 if name == "fresh" else now - 2 * WEEK
        conn.execute(
            """
            INSERT INTO edges (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
            VALUES (%s, %s, 1, %s, %s, %s, %s)
            """,
            [source, target, weight, weighed_at, now - 3 * WEEK, now - 2 * WEEK],
        )
    span = {"start": "(0,2)", "stop": f"(0,{len(EDGES)})", "first_stretch": 1, "last_stretch": 2}
    return span | {"as_of": now, "stale_before": now - WEEK, "half_life_seconds": WEEK.total_seconds(), "even": True}


def names(targets: list[int]) -> set[str]:
    return {name for name, (_, target, _) in EDGES.items() if target in targets}


def test_only_light_stale_edges_of_the_step_are_archived(conn: Connection, step: dict[str, Any]) -> None:
    gone = conn.execute(sql.query("graph/decay/archive"), step | {"archive_below": 2.0}).fetchall()

    assert names([target for _, target in gone]) == {"stale", "stale and odd", "next to nothing"}


@pytest.mark.parametrize(
    ("archive_below", "even", "written"),
    [
        (0.0, True, {"stale", "heavy"}),
        (0.1, True, {"stale", "heavy", "next to nothing"}),
        (0.0, False, {"stale and odd"}),
    ],
)
def test_only_stale_edges_of_the_step_are_written_down(  # noqa: PLR0917 (what is parametrized)
    conn: Connection,
    step: dict[str, Any],
    now: datetime,
    archive_below: float,
    even: bool,
    written: set[str],
) -> None:
    conn.execute(sql.query("graph/decay/write_down"), step | {"archive_below": archive_below, "even": even})

    found = conn.execute("SELECT target_id FROM edges WHERE weighed_at = %s", [now]).fetchall()
    assert names([target for (target,) in found]) == written


def test_a_run_goes_on_and_finishes_once_and_alone(conn: Connection, now: datetime) -> None:
    given = {"as_of": now, "stale_before": now, "archive_below": 1.0, "now": now}
    [first] = conn.execute(sql.query("graph/decay/start"), given).fetchone() or [0]
    assert not conn.execute(sql.query("graph/decay/start"), given).fetchall()
    assert conn.execute(sql.query("graph/decay/finish"), {"run_id": first, "now": now}).fetchall() == [(first,)]
    assert not conn.execute(sql.query("graph/decay/finish"), {"run_id": first, "now": now}).fetchall()
    [second] = conn.execute(sql.query("graph/decay/start"), given).fetchone() or [0]

    assert not conn.execute(sql.query("graph/decay/finish"), {"run_id": first, "now": now}).fetchall()
    done = {"run_id": second, "written_down": 3, "archived": 2, "ranges": 1}
    conn.execute(sql.query("graph/decay/advance"), done)

    counts = "SELECT id, written_down, archived, ranges_looked_at FROM decay_runs WHERE written_down + archived > 0"
    assert conn.execute(counts).fetchall() == [(second, 3, 2, 1)]

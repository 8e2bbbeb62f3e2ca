"""Plans that must not regress: what is not asked for is not read, and a user's surroundings are found by index."""

from __future__ import annotations

from datetime import datetime

import psycopg
import pytest
from psycopg import ClientCursor
from psycopg.rows import TupleRow

import sql
from app.reads.exports.selection import Selection


@pytest.fixture
def graph(conn: psycopg.Connection[TupleRow]) -> psycopg.Connection[TupleRow]:
    conn.execute(
        "insert into edges select s, t, 1, 1, now(), now(), now() "
        "from generate_series(1, 200) as s, generate_series(1, 100) as t"
    )
    conn.execute(
        "insert into edges_archive select source_id + 1000, target_id, 1, 1, now(), now(), now(), now() from edges"
    )
    conn.execute("vacuum analyze edges, edges_archive")
    return conn


def plan(conn: psycopg.Connection[TupleRow], selection: Selection) -> str:
    statement = "explain (analyze, costs off, timing off, buffers off) " + sql.query(
        "reads/exports/snapshot/count_edges"
    )
    with ClientCursor[TupleRow](conn) as cursor:
        rows = cursor.execute(statement, selection.parameters(604_800)).fetchall()
    return "\n".join(row[0] for row in rows if "never executed" not in row[0])


def test_the_archive_is_not_read_unless_asked_for(graph: psycopg.Connection[TupleRow], now: datetime) -> None:
    assert "edges_archive" not in plan(graph, Selection(as_of=now))
    assert "edges_archive" in plan(graph, Selection(as_of=now, archived=True))
    assert "selected_edges" not in plan(graph, Selection(as_of=now)), "the function is inlined"


def test_processes_of_an_earlier_release_get_the_edges_that_they_got(graph: psycopg.Connection[TupleRow]) -> None:
    graph.execute("update edges set weight = 0 where source_id = 1")
    (count,) = graph.execute(
        "select count(*) from selected_edges(now(), 604800, false, false, NULL, NULL, NULL, 1, false)"
    ).fetchone() or (0,)

    assert count == 200 * 100 - 100


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("touching", [False, True])
def test_surroundings_are_found_by_index(
    graph: psycopg.Connection[TupleRow], now: datetime, depth: int, *, touching: bool
) -> None:
    shown = plan(graph, Selection(as_of=now, around=(150,), depth=depth, touching=touching, archived=True))

    assert "Seq Scan" not in shown, shown

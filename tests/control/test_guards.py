"""A statement about graphs or keys changes the graph or the key that it is about, and no other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection, execute, scalars
from tests.entering import insert_upload

WEEK = timedelta(days=7)
STATES = ("creating", "ready", "dropping")

GRAPHS: dict[str, set[str]] = {
    "control/graphs/change": {"ready"},
    "control/graphs/rename": {"ready"},
    "control/graphs/set_ready": {"creating"},
    "control/graphs/set_dropping": set(STATES),
    "control/graphs/forget": {"dropping"},
}
"""From which states a graph moves, by statement."""


def enter_graphs(conn: Connection, now: datetime) -> None:
    """Two graphs in each state."""
    for state in STATES:
        for number in range(2):
            name = f"{state}-{number}"
            conn.execute(
                "INSERT INTO graphs (name, state, database, shards, created_at) VALUES (%s, %s, %s, 8, %s)",
                [name, state, name, now],
            )


def graphs(conn: Connection) -> set[tuple[Any, ...]]:
    return set(conn.execute("SELECT * FROM graphs").fetchall())


@pytest.mark.parametrize("statement", GRAPHS)
@pytest.mark.parametrize("state", STATES)
def test_only_the_graph_of_this_name_moves_and_from_its_own_states(
    conn: Connection, now: datetime, statement: LiteralString, state: str
) -> None:
    enter_graphs(conn, now)
    before = graphs(conn)
    named = f"{state}-0"
    given = {
        "name": named,
        "new": "new",
        "profile": "github",
        "days_kept": 3,
        "retention_days": 4,
        "quota_bytes": 5,
        "half_life": WEEK,
        "shards": 4,
    }

    execute(conn, sql.query(statement), given)

    changed = {row[0] for row in before - graphs(conn)}
    stays = state == "dropping" and statement == "control/graphs/set_dropping"
    assert changed == ({named} if state in GRAPHS[statement] and not stays else set())
    assert len(graphs(conn)) == len(before) - (statement == "control/graphs/forget" and state == "dropping")


KEYS: dict[str, list[str] | None] = {
    "00000000": None,
    "00000001": ["a"],
    "00000002": ["a", "b"],
    "00000003": ["b"],
    "00000004": ["b", "a"],
}
"""For which graphs each key is."""


@pytest.fixture
def keys(conn: Connection, now: datetime) -> None:
    for key_id, for_graphs in KEYS.items():
        conn.execute(
            """
            INSERT INTO keys (id, owner, token_sha256, scopes, graphs, created_at, expires_at)
            VALUES (%s, 'ada', sha256('x'), '{graph:read}', %s, %s, %s)
            """,
            [key_id, for_graphs, now, now + 2 * WEEK],
        )


KEYS_OF_A: dict[str, dict[str, list[str] | None]] = {
    "control/graphs/rename_in_keys": {"00000001": ["c"], "00000002": ["c", "b"], "00000004": ["b", "c"]},
    "control/graphs/take_from_keys": {"00000002": ["b"], "00000004": ["b"]},
}
"""For which graphs keys are after a statement about the graph `a`."""


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("statement", KEYS_OF_A)
def test_only_keys_that_name_the_graph_change(conn: Connection, now: datetime, statement: LiteralString) -> None:
    changed = execute(conn, sql.query(statement), {"name": "a", "new": "c", "now": now})

    assert changed == len(KEYS_OF_A[statement])
    found = dict(conn.execute("SELECT id, graphs FROM keys").fetchall())
    assert found == KEYS | KEYS_OF_A[statement]


@pytest.mark.usefixtures("keys")
def test_only_keys_that_are_for_the_dropped_graph_alone_are_revoked(conn: Connection, now: datetime) -> None:
    execute(conn, sql.query("control/graphs/revoke_keys"), {"name": "a", "now": now})

    assert scalars(conn, "SELECT id FROM keys WHERE revoked_at IS NOT NULL") == ["00000001"]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("statement", "column"), [("expire", "expires_at"), ("revoke", "revoked_at")])
def test_only_the_named_key_ends(
    conn: Connection, now: datetime, statement: LiteralString, column: LiteralString
) -> None:
    named = "00000002"
    about = {"id": named, "at": now + WEEK, "now": now + WEEK}

    assert scalars(conn, sql.query(f"control/keys/{statement}"), about) == [named]

    ended = SQL("SELECT id FROM keys WHERE {column} = %s").format(column=SQL(column))
    assert conn.execute(ended, [now + WEEK]).fetchall() == [(named,)]


@pytest.mark.usefixtures("keys")
def test_a_key_is_rotated_by_one_at_a_time_and_others_do_not_wait(conn: Connection, dsn: str) -> None:
    lock, named = sql.query("control/keys/lock"), {"id": "00000002"}

    with conn.transaction(), psycopg.connect(dsn, autocommit=True) as other:
        assert [row[0] for row in conn.execute(lock, named).fetchall()] == ["00000002"]
        free = other.execute("SELECT id FROM keys ORDER BY id FOR NO KEY UPDATE SKIP LOCKED").fetchall()

    assert [key_id for (key_id,) in free] == [each for each in KEYS if each != "00000002"]


@pytest.mark.parametrize("holds", ["nothing", "an upload", "an edge"])
def test_half_life_and_shards_of_a_graph_that_holds_something_stay(conn: Connection, now: datetime, holds: str) -> None:
    if holds == "an upload":
        insert_upload(conn, UploadState.RECEIVING, now)
    if holds == "an edge":
        conn.execute("INSERT INTO edges VALUES (1, 2, 1, 1, %s, %s, %s)", [now, now, now])

    execute(conn, sql.query("control/databases/set_parameters"), {"half_life": 3 * WEEK, "shards": 2})

    changed = conn.execute("SELECT half_life, shards FROM graph_parameters").fetchall() == [(3 * WEEK, 2)]
    assert changed == (holds == "nothing")


def test_a_database_that_leaves_its_service_keeps_its_other_secrets(conn: Connection) -> None:
    before = scalars(conn, "SELECT name FROM secrets ORDER BY name")
    execute(conn, sql.query("control/claims/claim"), {"claim": bytes(32)})

    execute(conn, sql.query("control/claims/unclaim"))

    assert scalars(conn, "SELECT name FROM secrets ORDER BY name") == before

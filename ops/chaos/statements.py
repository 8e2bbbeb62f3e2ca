"""The few statements of the chaos run itself, from `sql/` beside this module."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import ClientCursor
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from app.store import postgres

HERE = Path(__file__).with_name("sql")
PAUSE = 0.2
LOST = psycopg.OperationalError
"""The server went away."""


def connect(dsn: str) -> psycopg.Connection[Any]:
    """A connection that does not wait long for a server that is away. Raises psycopg.OperationalError."""
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=3,
        application_name=postgres.process_name("chaos"),
        cursor_factory=ClientCursor,
    )


def rows(conn: psycopg.Connection[Any], name: str, **params: object) -> list[dict[str, Any]]:
    """All rows of a statement."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement(name), _given(params)).fetchall()


def execute(dsn: str, name: str, **params: object) -> int:
    """Run a statement on a connection of its own; how many rows it touched."""
    with connect(dsn) as conn:
        return conn.execute(statement(name), _given(params)).rowcount


def steadily(dsn: str, name: str, *, seconds: float, **params: object) -> None:
    """`execute`, and again for so many seconds while the server is away."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            execute(dsn, name, **params)
        except LOST:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return


def create_database(dsn: str, name: str) -> None:
    """Create a database. Its name can be no parameter of a statement."""
    with connect(dsn) as conn:
        conn.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


def statement(name: str) -> bytes:
    return (HERE / f"{name}.sql").read_bytes()


def _given(params: Mapping[str, object]) -> Mapping[str, object] | None:
    return params or None

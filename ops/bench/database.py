"""The benchmark's own statements, in `sql/` beside this module."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, cast
from urllib.parse import urlsplit

from psycopg import sql

from app.store.postgres import Connection, rows

HERE = Path(__file__).with_name("sql")


@cache
def query(name: str) -> LiteralString:
    """The text of sql/<name>.sql, a file of this package."""
    return cast("LiteralString", (HERE / f"{name}.sql").read_text(encoding="utf-8"))


def run(conn: Connection, name: str) -> None:
    """The statements of a file, in one transaction."""
    conn.execute(query(name))


def rows_of(conn: Connection, name: str, **params: object) -> list[dict[str, Any]]:
    """All rows of a statement, by column."""
    return rows(conn, dict[str, Any], query(name), params or None)


def row(conn: Connection, name: str, **params: object) -> dict[str, Any]:
    """The row of a statement that answers one."""
    (only,) = rows_of(conn, name, **params)
    return only


def edge_count(conn: Connection) -> int:
    """Edges in the graph, exactly; reads an index."""
    return row(conn, "edge_count")["edges"]


def url_of(url: str, name: str) -> str:
    """The URL of another database on the same server. SQLAlchemy takes no other form."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def beside(conn: Connection, url: str, name: str) -> Generator[str]:
    """The URL of another database on the same server, empty at first and dropped afterwards."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    conn.execute(drop)
    conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield url_of(url, name)
    conn.execute(drop)

"""The benchmark's own statements, from `sql/` beside this module, and what PostgreSQL says of itself through them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, LiteralString, cast
from urllib.parse import urlsplit

import msgspec
import psycopg
from psycopg import sql

from app.store.postgres import Connection, one, rows

HERE = Path(__file__).with_name("sql")


@cache
def query(name: str) -> LiteralString:
    """The text of sql/<name>.sql."""
    text = (HERE / f"{name}.sql").read_text(encoding="utf-8")
    # As in `sql`: a file of this package.
    return cast("LiteralString", text)


def run(conn: Connection, name: str) -> None:
    """Each statement of a file in turn, in a transaction of its own."""
    for statement in query(name).split(";"):
        if statement.strip():
            conn.execute(statement)


class Counters(msgspec.Struct, frozen=True):
    """What is counted up: the difference of two is what happened between them."""

    wal: int
    """Bytes."""
    inserted: int
    """Edges."""
    updated: int
    hot: int
    autovacuums: int
    """Of any table of ours."""
    checkpoints: int
    reads: int
    """Blocks of the edges and their indexes that were not in PostgreSQL's buffers."""

    def since(self, earlier: Counters) -> Counters:
        before, after = msgspec.structs.asdict(earlier), msgspec.structs.asdict(self)
        return Counters(**{name: after[name] - before[name] for name in after})

    @property
    def hot_share(self) -> float | None:
        """Of updates; None where there were none."""
        return self.hot / self.updated if self.updated else None


class Sizes(msgspec.Struct, frozen=True):
    """Bytes on disk. `edges`: of table, indexes and free space map together; `rows`: about."""

    edges: int
    table: int
    primary_key: int
    by_target: int
    users: int
    ledger: int
    database: int
    wal: int


class Depth(msgspec.Struct, frozen=True):
    """Levels of the B-trees above their leaves."""

    primary_key: int
    by_target: int


def counters(conn: Connection) -> Counters:
    """PostgreSQL's counters now; what other sessions did within the last second may still be missing."""
    found = one(conn, Counters, query("counters"))
    assert found is not None  # noqa: S101 (aggregates always answer a row)
    return found


def sizes(conn: Connection) -> Sizes:
    found = one(conn, Sizes, query("sizes"))
    assert found is not None  # noqa: S101
    return found


def edge_count(conn: Connection) -> int:
    """Exactly; reads an index."""
    return int(conn.execute(query("edge_count")).fetchone()[0])  # pyright: ignore[reportOptionalSubscript]


def depth(conn: Connection) -> Depth | None:
    """None where PostgreSQL came without pageinspect, or does not let us."""
    try:
        conn.execute(query("pageinspect"))
        return one(conn, Depth, query("depth"))
    except psycopg.Error:
        return None


def create_beside(conn: Connection, url: str, name: str) -> str:
    """Another database on the same server, empty; its URL."""
    drop_beside(conn, name)
    conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def drop_beside(conn: Connection, name: str) -> None:
    """Nothing of it is left."""
    conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def version(conn: Connection) -> str:
    return str(rows_of(conn, "version")[0]["version"])


def rows_of(conn: Connection, name: str, **params: object) -> list[dict[str, Any]]:
    """All rows of a statement, by column."""
    return rows(conn, dict[str, Any], query(name), params or None)

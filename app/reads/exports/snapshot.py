"""One snapshot of the graph, as blocks of columns.

COPY's text format is what makes this fast without a loop over fields: in it a tab always ends a field and a line end a
row, whatever the text holds, so a block is cut by polars; what was escaped is rare, and put back in those fields alone.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, LiteralString

import polars as pl
from psycopg import ClientCursor, IsolationLevel
from psycopg.abc import Buffer

import sql
from app.reads.exports.selection import Selection
from app.store.postgres import Connection, execute

_EDGES = sql.query("reads/exports/snapshot/edges")
_TIES = sql.query("reads/exports/snapshot/ties")
_USERS = sql.query("reads/exports/snapshot/users")
_COUNT_EDGES = sql.query("reads/exports/snapshot/count_edges")
_COUNT_USERS = sql.query("reads/exports/snapshot/count_users")
_NO_STATEMENT_TIMEOUT = sql.query("reads/exports/snapshot/no_statement_timeout")

Blocks = Generator[pl.DataFrame]

ROWS = 16_384
"""Rows in a block: some 2 MB."""

# Numbers come first: polars takes a byte order mark at a block's begin for one, and text may begin with it.
_EDGE = ("mention_count", "weight", "first_seen", "last_seen", "archived_at", "source", "target")
_USER = ("id", "mentions_made", "mentions_received", "handle", "spelling")
_TO_SECOND, _TO_MICROSECOND = len("2026-01-15T12:00:00"), len("2026-01-15T12:00:00.000000")
_ESCAPES = {r"\\": "\\", r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\v": "\v"}


class Snapshot:
    """What is selected, all of it as it was at one moment. Every column is text, as PostgreSQL prints it; instants are
    ISO 8601 in UTC with six digits of a fraction, `archived_at` is empty for what is in the graph."""

    def __init__(self, conn: Connection, selection: Selection, half_life_seconds: float) -> None:
        self._conn = conn
        self._parameters = selection.parameters(half_life_seconds)
        self.edges_read = 0
        self.users_read = 0

    def count_edges(self) -> int:
        return self._count(_COUNT_EDGES)

    def count_users(self) -> int:
        return self._count(_COUNT_USERS)

    def edges(self, *, spelled: bool = True) -> Blocks:
        """Blocks with the users at both ends as they are spelt, or by their handles."""
        for block in self._copied(_EDGES, _EDGE, spelled=spelled):
            self.edges_read += len(block)
            yield _timed(block.with_columns(unescaped(block["source"]), unescaped(block["target"])))

    def ties(self) -> Blocks:
        """Blocks like those of `edges`, with the ids of the users."""
        for block in self._copied(_TIES, _EDGE):
            self.edges_read += len(block)
            yield _timed(block)

    def users(self) -> Blocks:
        """Blocks of the users at the edges' ends."""
        for block in self._copied(_USERS, _USER):
            self.users_read += len(block)
            yield block.with_columns(unescaped(block["handle"]), unescaped(block["spelling"]))

    def _count(self, statement: LiteralString) -> int:
        with ClientCursor[tuple[int]](self._conn) as cursor:
            row = cursor.execute(statement, self._parameters).fetchone()
        return 0 if row is None else row[0]

    def _copied(self, statement: LiteralString, columns: tuple[str, ...], **more: object) -> Blocks:
        # COPY takes no parameters; this cursor puts them into the statement.
        with ClientCursor[Any](self._conn).copy(statement, self._parameters | more) as rows:
            lines: list[Buffer] = []
            for row in rows:
                lines.append(row)
                if len(lines) == ROWS:
                    yield _block(b"".join(lines), columns)
                    lines.clear()
            if lines:
                yield _block(b"".join(lines), columns)


@contextmanager
def snapshot(conn: Connection, selection: Selection, half_life_seconds: float) -> Generator[Snapshot]:
    """A snapshot of the selected edges, in a transaction of its own."""
    conn.read_only = True
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    with conn.transaction():
        execute(conn, _NO_STATEMENT_TIMEOUT)
        yield Snapshot(conn, selection, half_life_seconds)


def _block(lines: bytes, columns: tuple[str, ...]) -> pl.DataFrame:
    return pl.read_csv(
        lines,
        has_header=False,
        schema=dict.fromkeys(columns, pl.String),
        separator="\t",
        quote_char=None,
        empty_string_is_null=False,
    )


def unescaped(texts: pl.Series) -> pl.Series:
    """Texts as they are, from how COPY writes them."""
    escaped = texts.str.contains("\\", literal=True)
    if not escaped.any():
        return texts
    return texts.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))


def _timed(block: pl.DataFrame) -> pl.DataFrame:
    """Instants in one form, from what to_json gives: in quotes, with as many digits of a fraction as there are."""
    return block.with_columns(_instant("first_seen"), _instant("last_seen"), _archived(block))


def _instant(name: str) -> pl.Expr:
    bare = pl.col(name).str.strip_chars('"')
    whole = pl.when(bare.str.len_bytes() == _TO_SECOND).then(bare + ".").otherwise(bare)
    return (whole.str.pad_end(_TO_MICROSECOND, "0") + "Z").alias(name)


def _archived(block: pl.DataFrame) -> pl.Series | pl.Expr:
    archived = block["archived_at"]
    if not (archived != "").any():
        return archived
    return pl.when(pl.col("archived_at") == "").then(pl.lit("")).otherwise(_instant("archived_at")).alias("archived_at")

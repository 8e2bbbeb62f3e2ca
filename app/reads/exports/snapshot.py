"""This module reads one snapshot of the graph, as blocks of columns.

COPY's text format makes the reading fast, without a loop over fields. In this format a tab always ends a field, and a
line end always ends a row, whatever the text holds. So polars can cut a block. Escaped fields are rare, and only these
fields are unescaped.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, LiteralString

import msgspec
import polars as pl
from psycopg import ClientCursor, IsolationLevel
from psycopg.abc import Buffer

import sql
from app.graph import versions
from app.reads.exports.emptiness import Empty
from app.reads.exports.selection import Selection
from app.store.postgres import Connection, execute, scalars

_EDGES = sql.query("reads/exports/snapshot/edges")
_USERS = sql.query("reads/exports/snapshot/users")
_COUNT_EDGES = sql.query("reads/exports/snapshot/count_edges")
_COUNT_USERS = sql.query("reads/exports/snapshot/count_users")
_ALL_ARCHIVED = sql.query("reads/exports/snapshot/all_archived")
_KEEPS_ROWS = sql.query("reads/exports/snapshot/keeps_rows")
_NO_STATEMENT_TIMEOUT = sql.query("reads/exports/snapshot/no_statement_timeout")

Blocks = Generator[pl.DataFrame]

ROWS = 16_384
"""Rows of a block, about 2 MB."""

# Numbers come first. polars treats U+FEFF at the start of a block as a byte order mark, and text may begin with U+FEFF.
_EDGE = ("mention_count", "weight", "first_seen", "last_seen", "archived_at", "source", "target")
_USER = ("id", "mentions_made", "mentions_received", "handle", "spelling")
_TO_SECOND, _TO_MICROSECOND = len("2026-01-15T12:00:00"), len("2026-01-15T12:00:00.000000")
_ESCAPES = {r"\\": "\\", r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\v": "\v"}


class Unfit(Exception):
    """A standby is not fit to write an export: it may cancel the export, or cannot tell why the export is empty."""


class Snapshot:
    """The selected edges and their users, all as of one moment.

    Every column is text, as PostgreSQL prints the values. Instants are ISO 8601 in UTC, with six digits of a fraction.
    `archived_at` is empty for an edge of the graph.
    """

    def __init__(self, conn: Connection, selection: Selection, half_life_seconds: float) -> None:
        self._conn = conn
        self._parameters = selection.parameters(half_life_seconds)
        self.empty: Empty | None = None
        """Why there are no edges, if there are none."""
        self.edges_read = 0
        self.users_read = 0

    def count_edges(self) -> int:
        return self._count(_COUNT_EDGES)

    def count_users(self) -> int:
        return self._count(_COUNT_USERS)

    def edges(self, *, spelled: bool = True) -> Blocks:
        """Yields blocks of edges. Source and target are spellings if `spelled`, and handles otherwise."""
        for block in self.copied(_EDGES, _EDGE, spelled=spelled):
            self.edges_read += len(block)
            yield _timed(block.with_columns(unescaped(block["source"]), unescaped(block["target"])))

    def users(self) -> Blocks:
        """Yields blocks of the users at the ends of the edges."""
        for block in self.copied(_USERS, _USER):
            self.users_read += len(block)
            yield block.with_columns(unescaped(block["handle"]), unescaped(block["spelling"]))

    def _count(self, statement: LiteralString) -> int:
        with ClientCursor[tuple[int]](self._conn) as cursor:
            row = cursor.execute(statement, self._parameters).fetchone()
        return 0 if row is None else row[0]

    def copied(self, statement: LiteralString, columns: tuple[str, ...], **more: object) -> Blocks:
        """Yields what the statement copies out of the snapshot, as columns of text with COPY's escapes."""
        # COPY takes no parameters. A client cursor puts the parameters into the statement.
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
    """Open a snapshot of the selected edges, in a transaction of its own.

    Raises InstantTooEarly if the selection is about the past, and the snapshot holds a later mention.
    """
    conn.read_only = True
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    with conn.transaction():
        execute(conn, _NO_STATEMENT_TIMEOUT)
        if selection.past:
            versions.require_known(conn, selection.as_of)
        if selection.archived is None and scalars(conn, _ALL_ARCHIVED) == [True]:
            # Else a graph of old posts would be exported as an empty file, once decay has archived the posts' edges.
            selection = msgspec.structs.replace(selection, archived=True)
        yield Snapshot(conn, selection, half_life_seconds)


def require_fit(conn: Connection) -> None:
    """Raises Unfit if the standby does not keep the rows that a long statement needs."""
    if scalars(conn, _KEEPS_ROWS) != [True]:
        raise Unfit("hot_standby_feedback is off")


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
    """Returns the texts without COPY's escapes."""
    escaped = texts.str.contains("\\", literal=True)
    if not escaped.any():
        return texts
    return texts.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))


def _timed(block: pl.DataFrame) -> pl.DataFrame:
    """Returns the block with all instants in one form.

    to_json writes an instant in quotes, with no more digits of the fraction than the instant needs.
    """
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

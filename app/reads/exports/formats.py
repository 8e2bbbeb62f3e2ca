"""This module lists the kinds of export files by name, and makes each file from a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Literal, NamedTuple

import msgspec
from psycopg_pool import ConnectionPool

from app.graph import versions
from app.reads.exports import parquet, tables, xml
from app.reads.exports.cells import Style
from app.reads.exports.emptiness import Empty, why_empty
from app.reads.exports.selection import Selection
from app.reads.exports.snapshot import Snapshot, Unfit, require_fit, snapshot
from app.store.postgres import Connection

BLOCK_BYTES = 64 << 10
"""The smallest number of bytes that is sent at once, except at the end."""


class Request(msgspec.Struct, frozen=True):
    """The selection and the options of an export."""

    selection: Selection
    guard: bool
    """Whether an export makes the handles in files for people harmless to spreadsheets."""
    style: Style = Style()


class Form(NamedTuple):
    """One kind of export file."""

    media_type: str
    counted: Literal["edges", "users"]
    """What one record of the file holds: an edge or a user."""
    write: Callable[[Snapshot, Request], Generator[bytes]]


def _csv(write: Callable[..., Generator[bytes]], counted: Literal["edges", "users"] = "edges") -> Form:
    def of(graph: Snapshot, asked: Request) -> Generator[bytes]:
        return write(graph, guard=asked.guard, style=asked.style)

    return Form("text/csv; header=present", counted, of)


def _xml(media_type: str, write: Callable[..., Generator[bytes]]) -> Form:
    def of(graph: Snapshot, asked: Request) -> Generator[bytes]:
        return write(graph, as_of=asked.selection.as_of, guard=asked.guard, style=asked.style)

    return Form(media_type, "edges", of)


def _plain(media_type: str, write: Callable[[Snapshot], Generator[bytes]]) -> Form:
    def of(graph: Snapshot, asked: Request) -> Generator[bytes]:  # noqa: ARG001 (these formats have no options)
        return write(graph)

    return Form(media_type, "edges", of)


FORMS: dict[str, Form] = {
    "edges.csv": _csv(tables.edges_csv),
    "gephi.csv": _csv(tables.gephi_csv),
    "nodes.csv": _csv(tables.nodes_csv, "users"),
    "graph.gexf": _xml("application/gexf+xml", xml.gexf),
    "graph.graphml": _xml("application/graphml+xml", xml.graphml),
    "edges.parquet": _plain("application/vnd.apache.parquet", parquet.edges_parquet),
    "edges.jsonl": _plain("application/x-ndjson", tables.edges_jsonl),
    "neo4j.zip": _plain("application/zip", tables.neo4j_zip),
}


class Incomplete(Exception):
    """An export does not hold as many records as its own snapshot counted."""


class Export:
    """One export: the number of its records, then its blocks.

    The export holds a connection from `begin` to `close`.
    """

    def __init__(self, form: Form, asked: Request, half_life_seconds: float) -> None:
        self.count = 0
        self.empty: Empty | None = None
        """Why the export has no edges, if it has none."""
        self.vector = ""
        """The graph's version in the snapshot of a standby."""
        self._form = form
        self._asked = asked
        self._half_life_seconds = half_life_seconds
        self._conn: Connection | None = None
        self._parts: Generator[bytes] | None = None

    def begin(self, pool: ConnectionPool[Connection], least: str | None = None) -> bytes:
        """Count the records, and return the first block.

        From a standby, if `least` is given: the graph's version that the export must have. Raises Behind, Unfit.
        """
        self.count, self.empty = 0, None
        self._parts = self._written(pool, least)
        return next(self._parts)

    def next(self) -> bytes | None:
        """Returns the next block, or None after the last block."""
        return None if self._parts is None else next(self._parts, None)

    def cancel(self) -> None:
        """Cancel the running statement from another thread. The statement fails with QueryCanceled."""
        if self._conn is not None:
            self._conn.cancel_safe(timeout=1)

    def close(self) -> None:
        if self._parts is not None:
            self._parts.close()

    def _written(self, pool: ConnectionPool[Connection], least: str | None) -> Generator[bytes]:
        with pool.connection() as conn:
            self._conn = conn
            try:
                yield from self._read(conn, least)
            finally:
                self._conn = None

    def _read(self, conn: Connection, least: str | None) -> Generator[bytes]:
        with snapshot(conn, self._asked.selection, self._half_life_seconds) as graph:
            if least is not None:
                require_fit(conn)
                self.vector = versions.require(conn, least)
            self.count = graph.count_edges() if self._form.counted == "edges" else graph.count_users()
            if not self.count and least is not None:
                raise Unfit("the primary knows why there is nothing")
            if not self.count:
                self.empty = graph.empty = why_empty(conn, self._asked.selection, self._half_life_seconds)
            with closing(self._form.write(graph, self._asked)) as blocks:
                yield from _gathered(blocks)
            read = graph.edges_read if self._form.counted == "edges" else graph.users_read
            if read != self.count:
                raise Incomplete(f"{self.count} {self._form.counted} were counted, and {read} read")


def _gathered(blocks: Generator[bytes]) -> Generator[bytes]:
    """Yields the blocks, joined so that no block but the last is smaller than `BLOCK_BYTES`.

    There is always one block, which may be empty.
    """
    held = bytearray()
    for block in blocks:
        held += block
        if len(held) >= BLOCK_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)

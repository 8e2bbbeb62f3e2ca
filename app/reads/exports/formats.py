"""The files there are, by name, and how each is made from a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Literal, NamedTuple

import msgspec
from psycopg_pool import ConnectionPool

from app.reads.exports import parquet, tables, xml
from app.reads.exports.selection import Selection
from app.reads.exports.snapshot import Snapshot, snapshot
from app.store.postgres import Connection

BLOCK_BYTES = 64 << 10
"""What is sent on at least, but for the end."""


class Request(msgspec.Struct, frozen=True):
    """What is asked for."""

    selection: Selection
    guard: bool
    """Whether the handles in tables for people are made harmless to spreadsheets."""


class Form(NamedTuple):
    """One kind of file."""

    media_type: str
    counted: Literal["edges", "users"]
    """What it holds one of a record."""
    write: Callable[[Snapshot, Request], Generator[bytes]]


def _csv(write: Callable[..., Generator[bytes]], counted: Literal["edges", "users"] = "edges") -> Form:
    def of(graph: Snapshot, asked: Request) -> Generator[bytes]:
        return write(graph, guard=asked.guard)

    return Form("text/csv; header=present", counted, of)


def _xml(media_type: str, write: Callable[..., Generator[bytes]]) -> Form:
    def of(graph: Snapshot, asked: Request) -> Generator[bytes]:
        return write(graph, as_of=asked.selection.as_of)

    return Form(media_type, "edges", of)


def _plain(media_type: str, write: Callable[[Snapshot], Generator[bytes]]) -> Form:
    def of(graph: Snapshot, asked: Request) -> Generator[bytes]:  # noqa: ARG001 (nothing of it matters here)
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
    """An export does not hold what was counted in its own snapshot."""


class Export:
    """One export: how many records it has, then its blocks. Holds a connection from `begin` to `close`."""

    def __init__(self, form: Form, asked: Request, half_life_seconds: float) -> None:
        self.count = 0
        self._form = form
        self._asked = asked
        self._half_life_seconds = half_life_seconds
        self._conn: Connection | None = None
        self._parts: Generator[bytes] | None = None

    def begin(self, pool: ConnectionPool[Connection]) -> bytes:
        """Counts; then the first block."""
        self._parts = self._written(pool)
        return next(self._parts)

    def next(self) -> bytes | None:
        """The next block; None behind the last."""
        return None if self._parts is None else next(self._parts, None)

    def cancel(self) -> None:
        """From another thread: what PostgreSQL is at fails with QueryCanceled."""
        if self._conn is not None:
            self._conn.cancel_safe(timeout=1)

    def close(self) -> None:
        if self._parts is not None:
            self._parts.close()

    def _written(self, pool: ConnectionPool[Connection]) -> Generator[bytes]:
        with pool.connection() as conn, snapshot(conn, self._asked.selection, self._half_life_seconds) as graph:
            self._conn = conn
            try:
                self.count = graph.count_edges() if self._form.counted == "edges" else graph.count_users()
                with closing(self._form.write(graph, self._asked)) as blocks:
                    yield from _gathered(blocks)
            finally:
                self._conn = None
            read = graph.edges_read if self._form.counted == "edges" else graph.users_read
            if read != self.count:
                raise Incomplete(f"{self.count} {self._form.counted} were counted, and {read} read")


def _gathered(blocks: Generator[bytes]) -> Generator[bytes]:
    """The blocks, none of them tiny; the first is there at once, if it is empty."""
    held = bytearray()
    for block in blocks:
        held += block
        if len(held) >= BLOCK_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)

"""The limit: the same edges as the service merged, by PostgreSQL alone, into a table that held the same ones before.

One sorted INSERT … ON CONFLICT from a local table, one backend, in one go: no counting, no ledger, no HTTP.
"""

from __future__ import annotations

import time

from app.graph.deltas import sum_by_edge, unpack
from app.graph.edges import merge_arrays
from app.graph.parameters import read_parameters
from app.store.postgres import Connection, execute
from ops.bench import database

PARTS = 16
"""Parts in which the held edges are loaded, each sorted."""
AT_ONCE = 500_000


class Limit:
    """Follows the graph: `apply` after every upload, or the two do not hold the same any more."""

    def __init__(self, conn: Connection) -> None:
        """Copies what the graph holds now."""
        self._conn = conn
        self._half_life = read_parameters(conn).half_life
        database.run(conn, "limit_begin")
        for part in range(PARTS):
            execute(conn, database.query("limit_hold"), {"parts": PARTS, "part": part})

    def apply(self, upload: str) -> tuple[int, float]:
        """Merge an applied upload's edges. Returns how many edges there were, and the seconds that the merge took."""
        payloads = [row["payload"] for row in database.rows_of(self._conn, "upload_deltas", id=upload)]
        edges = sum_by_edge([unpack(payload) for payload in payloads], half_life=self._half_life)
        for start in range(0, len(edges), AT_ONCE):
            given = merge_arrays(edges.slice(start, AT_ONCE), self._half_life)
            execute(self._conn, database.query("limit_source"), given)
        database.run(self._conn, "limit_ready")
        began = time.perf_counter()
        merged = execute(self._conn, database.query("limit"), {"half_life_seconds": self._half_life.total_seconds()})
        took = time.perf_counter() - began
        database.run(self._conn, "limit_clear")
        return merged, took

    def holds_the_same(self) -> bool:
        """Whether the limit's table has as many edges and mentions as the graph."""
        return database.row(self._conn, "limit_same")["same"]

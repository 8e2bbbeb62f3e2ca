"""The counters of a graph: how often what happened in its ledger, since the migration that made them.

Triggers append a row to `metric_counts` in each transaction that moves an upload or a batch on, and a merge appends one
by itself. An appended row waits for no other transaction. Each sweep adds the rows to `metric_totals`.
"""

from __future__ import annotations

import msgspec

import sql
from app.store import locks
from app.store.postgres import Connection, execute, rows

_FOLD = sql.query("ledger/totals/fold")
_READ = sql.query("ledger/totals/read")

MOST_WAITING = 2_000
"""Counts that may wait before a reader adds them up, because no worker sweeps."""
MOST_FOLDED = 50_000
"""Counts that are added up at once."""


class Total(msgspec.Struct, frozen=True):
    """A counter. `name`: the metric, a slash, and the value of its label."""

    name: str
    total: float


def fold(conn: Connection) -> None:
    """Add up the counts that wait. To be called by who holds the lock SWEEP, in the same transaction."""
    execute(conn, _FOLD, {"most": MOST_FOLDED})


def read(conn: Connection) -> dict[str, float]:
    """The total of each counter, by name. Adds up the counts that wait if they are many, and nobody else does."""
    totals = {each.name: each.total for each in rows(conn, Total, _READ)}
    if totals.pop("", 0.0) > MOST_WAITING:
        with conn.transaction():
            if locks.try_take(conn, locks.SWEEP):
                fold(conn)
    return totals

"""The audit: the graph against the ledger, in one snapshot, exact while work goes on."""

from __future__ import annotations

import msgspec

import sql
from app.db import Connection, one

_AUDIT = sql.query("ledger/audit")


class Audit(msgspec.Struct, frozen=True):
    """What was compared: mentions in edges, archive and pending deltas with those of counted and applied batches, …"""

    mentions_in_edges: int
    mentions_in_archive: int
    mentions_pending: int
    mentions_in_ledger: int
    edges_without_users: int
    batches_with_lost_rejects: int
    orphaned_deltas: int
    batches_left_counted: int
    uploads_missing_batches: int
    uploads_finished_early: int

    @property
    def difference(self) -> int:
        """Mentions in the graph, or on their way into it, less those in the ledger."""
        return self.mentions_in_edges + self.mentions_in_archive + self.mentions_pending - self.mentions_in_ledger

    @property
    def exact(self) -> bool:
        """Whether nothing is out of step."""
        return not any(
            (
                self.difference,
                self.edges_without_users,
                self.batches_with_lost_rejects,
                self.orphaned_deltas,
                self.batches_left_counted,
                self.uploads_missing_batches,
                self.uploads_finished_early,
            )
        )


def audit(conn: Connection) -> Audit:
    """Compare graph and ledger. Reads every edge."""
    found = one(conn, Audit, _AUDIT)
    if found is None:
        raise LookupError("the audit answered no row")
    return found

"""Kept out: no count counts mentions by or of people who are being forgotten, or who are to stay out.

The database keeps no handle of theirs, only hashes under a secret of the database. Whoever counts asks for the hashes
first. A count that adds users checks that nobody was forgotten since (see users.py).
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec
import numpy as np
import polars as pl

import sql
from app.errors import NotMigrated
from app.graph.mentions import Counted
from app.store.postgres import Connection, exactly_one

_GET = sql.query("graph/kept_out/get")


class KeptOut(msgspec.Struct, frozen=True):
    """The hashes of handles that a count leaves out."""

    erasures: int
    """The number of the latest erasure that the answer knows of."""
    secret: bytes | None
    hmacs: list[bytes]

    def hash_of(self, handle: str) -> bytes:
        """The hash of a folded handle. Raises NotMigrated if the database lost its secret."""
        if self.secret is None:
            raise NotMigrated("the table secrets has no row `erasures`: nobody can be forgotten. Restore it.")
        return hmac.new(self.secret, handle.encode(), hashlib.sha256).digest()

    def among(self, handles: pl.Series) -> list[str]:
        """Those of these folded handles that are left out."""
        if not self.hmacs:
            return []
        left_out = frozenset(self.hmacs)
        return [handle for handle in handles.to_list() if self.hash_of(handle) in left_out]

    def without(self, counted: Counted) -> Counted:
        """What was counted, without mentions by or of those who are left out."""
        gone = self.among(counted.users["handle"])
        return leave_out(counted, gone) if gone else counted


def read(conn: Connection) -> KeptOut:
    """Who is left out now."""
    return exactly_one(conn, KeptOut, _GET)


def leave_out(counted: Counted, handles: list[str]) -> Counted:
    """What was counted, without mentions by or of these users, and without users who have no other mention."""
    gone = counted.users["handle"].is_in(handles).arg_true()
    stays = ~pl.col("source").is_in(gone) & ~pl.col("target").is_in(gone)
    edges = counted.edges.filter(stays)
    ends = [edges[end].to_numpy() for end in ("source", "target")]
    used = np.unique(np.concatenate(ends))
    days = None if counted.days is None else _renumbered(counted.days.filter(stays), used)
    return Counted(
        int(edges["mention_count"].sum()),
        _renumbered(edges, used),
        counted.users[used.astype(np.int64)],
        days,
        counted.cut,
        counted.first_cut,
    )


def _renumbered(rows: pl.DataFrame, used: np.ndarray) -> pl.DataFrame:
    """The rows, with source and target as places among the users that are still used."""
    return rows.with_columns(
        pl.Series(end, np.searchsorted(used, rows[end].to_numpy()).astype(np.uint32)) for end in ("source", "target")
    )

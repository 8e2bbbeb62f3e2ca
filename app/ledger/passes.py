"""Passes: each merge of a shard and each making of summaries, noted in its own transaction.

A pass takes deltas of many batches, so it belongs to no upload. Traces tell when a batch was merged, and with what.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import sql
from app.store.postgres import Connection, execute

_NOTE = sql.query("ledger/passes/note")
_FORGET = sql.query("ledger/passes/forget")

KEPT = timedelta(days=2)
"""How long a pass is kept: longer than traces look back (app/traces/sending.py)."""
ALL_SHARDS = -1


class Kind(StrEnum):
    MERGE = "merge"
    SUMMARIZE = "summarize"


def note(
    conn: Connection,
    kind: Kind,
    batch_ids: Iterable[int],
    *,
    began_at: datetime,
    seconds: float,
    shard: int = ALL_SHARDS,
) -> None:
    """Note a pass inside its transaction. `began_at` is the instant that its deltas say."""
    ids = sorted(set(batch_ids))
    params = {"began_at": began_at, "kind": kind.value, "shard": shard, "seconds": seconds, "batch_ids": ids}
    execute(conn, _NOTE, params)


def forget(conn: Connection, *, now: datetime) -> None:
    """Forget old passes."""
    execute(conn, _FORGET, {"before": now - KEPT})

"""Where in the table of edges stale ones can be: ranges of its blocks, each with an instant before which no edge in it
was weighed. So a decay run reads those blocks only in which an edge may have become stale.

Merging keeps no such thing up to date, and need not: it raises an edge's instant, or brings one in that is as young as
its upload. What is older than `LATE` all the same, a post's own timestamp or a long backlog, is noted by the merge that
brings it. Were a note missing, no weight would be wrong: a range is looked at again before long, whatever is in it.

By place (ctid), so not for a table that Citus has distributed: each of its parts would need ranges of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

import sql
from app.store.postgres import Connection, execute, one, scalars

if TYPE_CHECKING:
    from app.store.params import Int8Array

_HEAP = sql.query("graph/decay_ranges/heap")
_CLEAR = sql.query("graph/decay_ranges/clear")
_REGISTER = sql.query("graph/decay_ranges/register")
_TAKE_NOTES = sql.query("graph/decay_ranges/take_notes")
_KEEP_HEAP = sql.query("graph/decay_ranges/keep_heap")
_FORGET = sql.query("graph/decay_ranges/forget")
_NOTE = sql.query("graph/decay_ranges/note")
_DUE = sql.query("graph/decay_ranges/due")
_LOOKED_AT = sql.query("graph/decay_ranges/looked_at")

BLOCKS = 256
"""The blocks of a range: 2 MiB, some 15,000 edges."""
LATE = timedelta(days=1)
"""A merge notes an edge that was weighed longer than this before the merge."""
UNDER_WAY = timedelta(hours=1)
"""A merge takes less than this from asking for the time to its commit, and the clocks of two hosts differ by less."""
AT_ONCE = 100


class _Heap(msgspec.Struct, frozen=True):
    same: bool
    range_blocks: int | None
    looked_at: datetime | None
    first_upload: datetime | None


def note(conn: Connection, source_ids: Int8Array, target_ids: Int8Array, *, now: datetime) -> None:
    """Note the blocks of edges that were weighed long before `now`, in the transaction that wrote the edges."""
    keys = {"source_ids": source_ids, "target_ids": target_ids}
    execute(conn, _NOTE, {**keys, "weighed_before": now - LATE, "range_blocks": BLOCKS})


def forget(conn: Connection) -> None:
    """Make the next run look at every block, in the transaction that put other edges into the blocks."""
    execute(conn, _FORGET)


def prepare(conn: Connection, *, as_of: datetime) -> None:
    """Bring the ranges up to the table as it is, for a run as of an instant. A second call for the same run
    changes nothing. The caller holds the run's lock."""
    heap = one(conn, _Heap, _HEAP)
    known = heap is not None and heap.same and heap.range_blocks in {None, BLOCKS}
    if heap is None or not known or (heap.looked_at is not None and heap.looked_at > as_of):
        # Another file (TRUNCATE, VACUUM FULL, a restored backup), or the clock was put back.
        execute(conn, _CLEAR)
        oldest = None
    else:
        oldest = youngest_bound(heap.looked_at or heap.first_upload or as_of)
    execute(conn, _REGISTER, {"oldest": oldest, "range_blocks": BLOCKS})
    execute(conn, _TAKE_NOTES)
    execute(conn, _KEEP_HEAP, {"range_blocks": BLOCKS, "looked_at": as_of})


def youngest_bound(looked_at: datetime) -> datetime:
    """The oldest instant of an edge that comes into a block after a run looked at the block, notes aside."""
    return looked_at - LATE - UNDER_WAY


def due(conn: Connection, *, after: int, stale_before: datetime) -> list[int]:
    """The first blocks of the next ranges in which an edge may be stale."""
    return scalars(conn, _DUE, {"after": after, "stale_before": stale_before, "limit": AT_ONCE})


def looked_at(conn: Connection, first_block: int, *, oldest: datetime) -> None:
    """Nothing in the range is older than `oldest` any more."""
    execute(conn, _LOOKED_AT, {"first_block": first_block, "oldest": oldest})

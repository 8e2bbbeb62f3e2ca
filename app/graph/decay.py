"""Decay: edges that nobody has touched for a while are written down to the present, and the lightest are archived.

Writing down changes weight and instant together, and archiving changes neither. So a run changes no effective weight,
at whatever instant: a run may be late, repeated, concurrent with merges, or killed anywhere, and nothing decays twice.
An effective weight is bounded (at most 1e250, and 0 below 1e-250), and no run moves these bounds.

A run looks at the ranges of the table's blocks in which an edge may be stale (see decay_ranges.py), in short
transactions under one shard's lock each. A finished range is due no more, so the next run continues where a killed run
ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np

import sql
from app.graph import decay_ranges, top_edges, versions
from app.graph.half_life import in_seconds
from app.graph.parameters import GraphParameters
from app.graph.shards import MAX_SHARDS
from app.settings import Settings
from app.store import locks
from app.store.locks import Part
from app.store.postgres import (
    AsyncConnection,
    Connection,
    async_rows,
    async_scalars,
    commit_later,
    execute,
    one,
    rows,
    scalars,
)

_START = sql.query("graph/decay/start")
_UNFINISHED = sql.query("graph/decay/unfinished")
_LOOK = sql.query("graph/decay/look")
_ARCHIVE = sql.query("graph/decay/archive")
_WRITE_DOWN = sql.query("graph/decay/write_down")
_ADVANCE = sql.query("graph/decay/advance")
_FINISH = sql.query("graph/decay/finish")
_TOTALS = sql.query("graph/decay/totals")
_PREVIEW = sql.query("graph/decay/preview")
_LATEST = sql.query("graph/decay/latest")
_ARCHIVED = sql.query("graph/decay/archived")
_BUSY = sql.query("graph/decay/busy")

EDGES_A_BLOCK = 58
"""About: a block of 8 KiB, filled to 60 %."""

REST = 3.0
"""While uploads are being applied, a run rests this many times as long as it worked, so it takes a quarter of one
processor."""


class Run(msgspec.Struct, frozen=True):
    """One decay run; `as_of` is the instant that weights are written down to."""

    id: int
    as_of: datetime
    stale_before: datetime
    archive_below: float
    started_at: datetime


class Totals(msgspec.Struct, frozen=True):
    """What a run did so far, in edges; the number of ranges of blocks it looked at, and of those still to look at."""

    written_down: int
    archived: int
    looked_at: int
    to_look_at: int


class Preview(msgspec.Struct, frozen=True):
    """What a run would do now, in edges."""

    edges: int
    stale: int
    to_archive: int


class PastRun(msgspec.Struct, frozen=True):
    """A decay run, and what it did so far, in edges."""

    as_of: datetime
    """The instant that weights were written down to."""
    archive_below: float
    """Stale edges that weighed less were archived."""
    started_at: datetime
    finished_at: datetime | None
    """When the run ended; null while it is unfinished."""
    written_down: int
    archived: int
    ranges_looked_at: int


class _Stretch(msgspec.Struct, frozen=True):
    """The edges in a range of blocks whose source is in one 64th of all ids."""

    stretch: int
    stale: int
    light: int
    """The number of stale edges to archive."""
    oldest: datetime | None
    """The oldest instant among the edges that are not stale."""


class _Key(msgspec.Struct, frozen=True):
    source_id: int
    target_id: int


async def latest(conn: AsyncConnection, *, limit: int) -> list[PastRun]:
    """The latest runs, the newest first."""
    return await async_rows(conn, PastRun, _LATEST, {"limit": limit})


async def archived(conn: AsyncConnection) -> int:
    """The number of archived edges; about so many if there are many."""
    return int((await async_scalars(conn, _ARCHIVED))[0])


def begin(conn: Connection, *, settings: Settings, now: datetime) -> Run | None:
    """The run to work on: the unfinished run, or else a new one. None: another process has just finished the run."""
    with conn.transaction():
        scalars(
            conn,
            _START,
            {
                "as_of": now,
                "stale_before": now - timedelta(days=settings.stale_after_days),
                "archive_below": settings.archive_below,
            },
        )
        return one(conn, Run, _UNFINISHED)


def work(
    conn: Connection,
    run: Run,
    parameters: GraphParameters,
    *,
    clock: Callable[[], datetime],
    batch_edges: int = decay_ranges.BLOCKS * EDGES_A_BLOCK,
    progress: Callable[[Totals], None] | None = None,
    rest: Callable[[float], None] = time.sleep,
) -> bool:
    """Work on a run, range by range, until the run is finished. False: another process works on the run and goes on.

    A transaction changes edges of one shard only, in blocks that hold about `batch_edges` edges of all shards. Without
    a half-life, a run finds nothing to do.
    """
    if parameters.half_life is None:
        execute(conn, _FINISH, {"run_id": run.id, "now": clock()})
        return True
    with conn.transaction():
        if not _alone(conn, run):
            return False
        decay_ranges.prepare(conn, as_of=run.as_of)
    after = -1
    while due := decay_ranges.due(conn, after=after, stale_before=run.stale_before):
        for after in due:
            began = time.perf_counter()
            if not _range(conn, run, parameters, after, max(1, batch_edges // EDGES_A_BLOCK)):
                return False
            if progress is not None:
                progress(totals(conn, run))
            if scalars(conn, _BUSY) == [True]:
                rest(REST * (time.perf_counter() - began))
    execute(conn, _FINISH, {"run_id": run.id, "now": clock()})
    return True


def _alone(conn: Connection, run: Run) -> bool:
    """Whether nobody else works on this run until the end of the transaction."""
    commit_later(conn)  # what a crash takes back changed no effective weight, and is done again
    return locks.try_take_part(conn, Part.DECAY, run.id % 2**31)


def _range(conn: Connection, run: Run, parameters: GraphParameters, first_block: int, batch_blocks: int) -> bool:
    """Look at a range of blocks, batch by batch, and do what is stale in it. False: somebody else works on this run."""
    stop = first_block + decay_ranges.BLOCKS
    oldest = decay_ranges.youngest_bound(run.as_of)
    for block in range(first_block, stop, batch_blocks):
        held = _batch(conn, run, parameters, block, min(block + batch_blocks, stop))
        if held is None:
            return False
        oldest = min([oldest, *(each.oldest for each in held if each.oldest is not None)])
    with conn.transaction():
        if not _alone(conn, run):
            return False
        decay_ranges.looked_at(conn, first_block, oldest=oldest)
        execute(conn, _ADVANCE, {"run_id": run.id, "written_down": 0, "archived": 0, "ranges": 1})
    return True


def _batch(conn: Connection, run: Run, parameters: GraphParameters, start: int, stop: int) -> list[_Stretch] | None:
    """Do what is stale in these blocks, and return what they held. None: somebody else works on this run."""
    what: dict[str, Any] = {
        "start": f"({start},0)",
        "stop": f"({stop},0)",
        "stale_before": run.stale_before,
        "as_of": run.as_of,
        "half_life_seconds": in_seconds(parameters.half_life),
        "archive_below": run.archive_below,
    }
    held = rows(conn, _Stretch, _LOOK, what)
    for shard in sorted({_shard(each.stretch, parameters) for each in held if each.stale}):
        light = sum(each.light for each in held if _shard(each.stretch, parameters) == shard)
        if not _half(conn, run, parameters, shard, {**what, "even": True}, archive=light > 0):
            return None
        if not _half(conn, run, parameters, shard, {**what, "even": False}, archive=False):
            return None
    return held


def _shard(stretch: int, parameters: GraphParameters) -> int:
    return (stretch + MAX_SHARDS // 2) * parameters.shards // MAX_SHARDS


def _half(
    conn: Connection, run: Run, parameters: GraphParameters, shard: int, what: dict[str, Any], *, archive: bool
) -> bool:
    """Of a shard's stale edges in a range of blocks: archive those too light, write half of the rest down; in one
    transaction. False: another process works on this run."""
    width = MAX_SHARDS // parameters.shards
    first = shard * width - MAX_SHARDS // 2
    what = {**what, "first_stretch": first, "last_stretch": first + width - 1}
    with conn.transaction():
        if not _alone(conn, run):
            return False
        locks.take_shard(conn, shard)
        archived = rows(conn, _Key, _ARCHIVE, what) if archive else []
        if archived:
            _left(conn, shard, archived, parameters)
        written_down = execute(conn, _WRITE_DOWN, what)
        done = {"written_down": written_down, "archived": len(archived), "ranges": 0}
        execute(conn, _ADVANCE, {"run_id": run.id, **done})
    return True


def _left(conn: Connection, shard: int, archived: list[_Key], parameters: GraphParameters) -> None:
    """Say that these edges left the graph."""
    sources = np.array([key.source_id for key in archived], np.int64)
    targets = np.array([key.target_id for key in archived], np.int64)
    top_edges.lower(conn, shard, sources, targets, parameters)
    versions.advance(conn, [shard])


def totals(conn: Connection, run: Run) -> Totals:
    """What the run did so far."""
    found = one(conn, Totals, _TOTALS, {"run_id": run.id})
    return found or Totals(0, 0, 0, 0)


def preview(conn: Connection, parameters: GraphParameters, *, settings: Settings, now: datetime) -> Preview:
    """What a run would do now. Reads every edge, changes none."""
    found = one(
        conn,
        Preview,
        _PREVIEW,
        {
            "as_of": now,
            "stale_before": now - timedelta(days=settings.stale_after_days),
            "archive_below": settings.archive_below,
            "half_life_seconds": in_seconds(parameters.half_life),
        },
    )
    if found is None:
        return Preview(0, 0, 0)
    return found if parameters.half_life is not None else Preview(found.edges, 0, 0)

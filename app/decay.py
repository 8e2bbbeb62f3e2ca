"""Decay: edges that nobody has touched for a while are written down to the present, and the lightest archived.

Writing down changes weight and instant together, so it changes no effective weight: a run may be late, repeated,
concurrent with merges, or killed anywhere, and nothing decays twice. A run walks each shard by key, in small
transactions under the shard's lock, and keeps its cursor in the ledger: a killed one is gone on with.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

import sql
from app.db import Connection, execute, one, scalars
from app.ledger import GraphParameters
from app.settings import Settings
from app.shards import shard_lock_key, shard_range

_START = sql.query("decay/start")
_UNFINISHED = sql.query("decay/unfinished")
_CURSOR = sql.query("decay/cursor")
_PAGE_END = sql.query("decay/page_end")
_ARCHIVE = sql.query("decay/archive")
_DELETE = sql.query("decay/delete")
_WRITE_DOWN = sql.query("decay/write_down")
_ADVANCE = sql.query("decay/advance")
_FINISH = sql.query("decay/finish")
_TOTALS = sql.query("decay/totals")
_PREVIEW = sql.query("decay/preview")
_LOCK_SHARD = sql.query("edges/lock_shard")
_TRY_LOCK = sql.query("decay/try_lock")

LOCK_CLASS = 0x6D68
"""First half of the two-part advisory lock keys of which a run's one worker holds one; the second is the run."""


class Run(msgspec.Struct, frozen=True):
    """One decay run; `as_of` is the instant that weights are written down to."""

    id: int
    as_of: datetime
    stale_before: datetime
    archive_below: float
    started_at: datetime


class Totals(msgspec.Struct, frozen=True):
    """What a run did so far, in edges."""

    written_down: int
    archived: int
    shards_done: int


class Preview(msgspec.Struct, frozen=True):
    """What a run would do now, in edges."""

    edges: int
    stale: int
    to_archive: int


class _Key(msgspec.Struct, frozen=True):
    source_id: int
    target_id: int


class _Cursor(msgspec.Struct, frozen=True):
    source_id: int
    target_id: int
    done: bool


_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def begin(conn: Connection, *, settings: Settings, now: datetime) -> Run | None:
    """The run to work on: the unfinished one, else a new one. None: somebody has just finished it."""
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
    page: int,
    clock: Callable[[], datetime],
    progress: Callable[[Totals], None] | None = None,
) -> bool:
    """Work on a run, page by page, until it is finished. False: somebody else is at it, and goes on."""
    for shard in range(parameters.shards):
        while (more := _page(conn, run, shard, parameters, page=page)) is not False:
            if more is None:
                return False
            if progress is not None:
                progress(totals(conn, run))
    execute(conn, _FINISH, {"run_id": run.id, "shards": parameters.shards, "now": clock()})
    return True


def _page(conn: Connection, run: Run, shard: int, parameters: GraphParameters, *, page: int) -> bool | None:
    """One page of a shard, in one transaction. False: the shard is done. None: somebody else works on this run."""
    lowest, highest = shard_range(shard, parameters.shards)
    with conn.transaction():
        if scalars(conn, _TRY_LOCK, {"decay_class": LOCK_CLASS, "run": run.id % 2**31}) != [True]:
            return None
        execute(conn, _LOCK_SHARD, {"key": shard_lock_key(shard)})
        at = one(conn, _Cursor, _CURSOR, {"run_id": run.id, "shard": shard})
        # The key just before the shard's first; no handle's id is the lowest bigint, see app.shards.
        at = at or _Cursor(max(lowest - 1, _LOWEST), _HIGHEST if lowest > _LOWEST else _LOWEST, done=False)
        if at.done:
            return False
        start = {"source_id": at.source_id, "target_id": at.target_id}
        end = one(conn, _Key, _PAGE_END, {**start, "highest_id": highest, "page": page})
        last = end or _Key(highest, _HIGHEST)
        keys = {
            **start,
            "end_source_id": last.source_id,
            "end_target_id": last.target_id,
            "stale_before": run.stale_before,
            "as_of": run.as_of,
            "half_life_seconds": parameters.half_life.total_seconds(),
        }
        archived = execute(conn, _ARCHIVE, {**keys, "archive_below": run.archive_below})
        if archived:
            execute(conn, _DELETE, {**keys, "archive_below": run.archive_below})
        written_down = execute(conn, _WRITE_DOWN, keys)
        execute(
            conn,
            _ADVANCE,
            {
                "run_id": run.id,
                "shard": shard,
                "source_id": last.source_id,
                "target_id": last.target_id,
                "done": end is None,
                "written_down": written_down,
                "archived": archived,
            },
        )
    return end is not None


def totals(conn: Connection, run: Run) -> Totals:
    """What the run did so far."""
    found = one(conn, Totals, _TOTALS, {"run_id": run.id})
    return found or Totals(0, 0, 0)


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
            "half_life_seconds": parameters.half_life.total_seconds(),
        },
    )
    return found or Preview(0, 0, 0)

"""Sending: the spans of finished uploads are made from the ledger and handed to a collector, then noted as sent.

Any worker does this for any upload, after each of its sweeps, so it matters to no trace which processes were killed.
One at a time does it in each graph. Spans are sent before the ledger notes it: whoever is killed in between leaves them
to be sent once more, under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

import sql
from app.store import locks
from app.store.postgres import Connection, execute, rows
from app.traces import spans
from app.traces.spans import Attempt, Pass, Share, Span, Taken, TracedBatch, TracedUpload

log = structlog.get_logger(__name__)

_DUE = sql.query("traces/sending/due")
_UPLOADS = sql.query("traces/sending/uploads")
_BATCHES = sql.query("traces/sending/batches")
_ATTEMPTS = sql.query("traces/sending/attempts")
_SHARES = sql.query("traces/sending/shares")
_PASSES = sql.query("traces/sending/passes")
_TAKEN = sql.query("traces/sending/taken")
_SET_SENT = sql.query("traces/sending/set_sent")
_SET_PASSES_SENT = sql.query("traces/sending/set_passes_sent")

LOOKED_BACK = timedelta(days=1)
"""Uploads that were finished longer ago are not sent any more: no collector was there for so long."""
SETTLES = timedelta(minutes=2)
"""How long an upload waits for its summaries, which are made within a minute mostly."""
UPLOADS_AT_ONCE = 200
BATCHES_AT_ONCE = 500
SPANS_AT_ONCE = 512
"""Spans of one request to the collector."""
MOST_LINKS = 5_000
"""Links of one span. A merge of more batches says how many there were."""


class Collector(Protocol):
    """Takes spans. Returns whether all were taken."""

    def __call__(self, spans: Sequence[Span]) -> bool: ...


class _Due(msgspec.Struct, frozen=True):
    id: UUID
    finished_at: datetime


class _PassRow(msgspec.Struct, frozen=True):
    kind: spans.Kind
    shard: int
    began_at: datetime
    seconds: float
    process: str
    batch_ids: list[int]


def send(
    conn: Connection,
    collector: Collector,
    *,
    graph: str,
    now: datetime,
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Send the spans of the uploads that are due. Returns how many uploads; 0 if somebody else is at it, too."""
    sent = 0
    while not stopping():
        found = _send_some(conn, collector, graph=graph, now=now)
        sent += found
        if found < UPLOADS_AT_ONCE:
            break
    return sent


def _send_some(conn: Connection, collector: Collector, *, graph: str, now: datetime) -> int:
    with conn.transaction():
        if not locks.try_take(conn, locks.TRACES):
            return 0
        since = {"since": now - LOOKED_BACK, "settled": now - SETTLES, "limit": UPLOADS_AT_ONCE}
        due = rows(conn, _Due, _DUE, since)
        if not due:
            return 0
        passes = dict[tuple[datetime, str, int], _PassRow]()
        made = _made(conn, [each.id for each in due], graph, passes)
        for some in _batched(made, SPANS_AT_ONCE):
            if not collector(some):
                log.warning("traces_not_sent", graph=graph, uploads=len(due))
                return 0  # the next sweep tries again
        sent = {"ids": [each.id for each in due], "finished_at": [each.finished_at for each in due]}
        execute(conn, _SET_SENT, sent)
        began_at, kinds, shards = ([key[number] for key in passes] for number in range(3))
        execute(conn, _SET_PASSES_SENT, {"began_at": began_at, "kinds": kinds, "shards": shards})
    return len(due)


def _made(
    conn: Connection, ids: list[UUID], graph: str, passes: dict[tuple[datetime, str, int], _PassRow]
) -> Iterator[Span]:
    """The spans of uploads, page by page; the passes whose spans are among them are noted in `passes`."""
    uploads = {each.id: each for each in rows(conn, TracedUpload, _UPLOADS, {"ids": ids})}
    yield from spans.of_uploads(uploads.values(), graph)
    after = {"after_upload": UUID(int=0), "after_ordinal": -1}
    while True:
        params = {"upload_ids": list(uploads), **after, "limit": BATCHES_AT_ONCE}
        batches = rows(conn, TracedBatch, _BATCHES, params)
        if not batches:
            return
        after = {"after_upload": batches[-1].upload_id, "after_ordinal": batches[-1].ordinal}
        of = {"batch_ids": [batch.id for batch in batches]}
        attempts, shares = rows(conn, Attempt, _ATTEMPTS, of), rows(conn, Share, _SHARES, of)
        yield from spans.of_batches(batches, uploads, attempts, shares, graph)
        for each in rows(conn, _PassRow, _PASSES, of):
            key = (each.began_at, each.kind.value, each.shard)
            if key not in passes:
                passes[key] = each
                yield _whole(conn, each, graph)


def _whole(conn: Connection, found: _PassRow, graph: str) -> Span:
    taken = rows(conn, Taken, _TAKEN, {"batch_ids": found.batch_ids[:MOST_LINKS]})
    of = Pass(found.kind, found.shard, found.began_at, found.seconds, found.process, len(found.batch_ids))
    return spans.of_pass(of, taken, graph)


def _batched(made: Iterator[Span], most: int) -> Iterator[list[Span]]:
    some = list[Span]()
    for span in made:
        some.append(span)
        if len(some) == most:
            yield some
            some = []
    if some:
        yield some

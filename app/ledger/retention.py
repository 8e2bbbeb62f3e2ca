"""Retention: payloads, merged deltas and rejects of finished uploads are purged after their time.

An upload of which nothing is in the graph is forgotten as a whole, since anybody can make many of them: refused, cut
off, cancelled, checked in a dry run, or a duplicate. Each goes after its time, and the oldest before if there are many.

A purged upload cannot be replayed or retracted any more. A purge is a series of small transactions, each whole in
itself, so a purge may be killed anywhere, repeated, and run beside all other work. A batch loses its payload and all of
its merged deltas at once. An unfinished batch and a pending delta lose nothing.

An upload with post ids may hold posts that another upload counts. While that one can be withdrawn, the first keeps its
payloads, to take the posts over. Once the time of both is over, either may be purged first.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec

import sql
from app.control import audit_events
from app.control.audit_events import Action
from app.control.callers import Caller
from app.settings import Settings
from app.store import locks
from app.store.postgres import Connection, execute, one, scalars

_UPLOADS_DUE = sql.query("ledger/retention/uploads_due")
_LOCK_BATCHES = sql.query("ledger/retention/lock_batches")
_LOCK_UPLOAD = sql.query("ledger/retention/lock_upload")
_DROP_PAYLOADS = sql.query("ledger/retention/drop_payloads")
_DROP_DELTAS = sql.query("ledger/retention/drop_deltas")
_DROP_LINKS = sql.query("ledger/retention/drop_links")
_SET_PURGED = sql.query("ledger/retention/set_purged")
_REJECTS_DUE = sql.query("ledger/retention/rejects_due")
_MARK_REJECTS = sql.query("ledger/retention/mark_rejects")
_DROP_REJECTS = sql.query("ledger/retention/drop_rejects")
_UNAPPLIED = sql.query("ledger/retention/unapplied")
_LOCK_ALL_BATCHES = sql.query("ledger/retention/lock_all_batches")
_LOCK_UNAPPLIED = sql.query("ledger/retention/lock_unapplied")
_FORGET_BATCHES = sql.query("ledger/retention/forget_batches")
_FORGET_KEYS = sql.query("ledger/retention/forget_keys")
_FORGET_EVENTS = sql.query("ledger/retention/forget_events")
_FORGET_UPLOADS = sql.query("ledger/retention/forget_uploads")
_PREVIEW = sql.query("ledger/retention/preview")

BATCHES_AT_ONCE = 20
REJECTS_AT_ONCE = 10_000
UPLOADS_AT_ONCE = 500
MOST_LISTED = 2_000_000_000


class Purged(msgspec.Struct):
    """How much was purged, or would be purged."""

    payloads: int = 0
    deltas: int = 0
    rejects: int = 0
    uploads: int = 0
    """Entries of uploads of which nothing is in the graph."""
    audit_events: int = 0


def purge(
    conn: Connection,
    *,
    settings: Settings,
    now: datetime,
    progress: Callable[[Purged], None] | None = None,
    caller: Caller | None = None,
) -> Purged:
    """Purge everything whose retention time is over, step by step. Returns how much was purged. `caller` asked for it;
    None: nobody did, and it was due."""
    if caller is not None:
        audit_events.record(conn, caller, Action.DATA_PURGE, None, detail=_times(settings))
    done = Purged()
    for purged in _steps(conn, settings, now):
        done.payloads += purged.payloads
        done.deltas += purged.deltas
        done.rejects += purged.rejects
        done.uploads += purged.uploads
        done.audit_events += purged.audit_events
        if progress is not None:
            progress(done)
    return done


def _times(settings: Settings) -> dict[str, float]:
    return {
        "retention_days": settings.retention_days,
        "reject_retention_days": settings.reject_retention_days,
        "unapplied_retention_days": settings.unapplied_retention_days,
        "unapplied_kept": settings.unapplied_kept,
        "audit_retention_days": settings.audit_retention_days,
    }


def preview(conn: Connection, *, settings: Settings, now: datetime) -> Purged:
    """How much a purge would take now. Changes nothing."""
    before = {
        "finished_before": now - timedelta(days=settings.retention_days),
        "rejects_finished_before": now - timedelta(days=settings.reject_retention_days),
    }
    purged = one(conn, Purged, _PREVIEW, before) or Purged()
    purged.uploads = len(scalars(conn, _UNAPPLIED, _time_over(settings, now, limit=MOST_LISTED)))
    purged.audit_events = audit_events.due(conn, days=settings.audit_retention_days, now=now)
    return purged


def forget_unapplied(conn: Connection, *, settings: Settings, now: datetime) -> int:
    """Forget the uploads of which nothing is in the graph, and whose time is over, each in a transaction of its own.
    Returns their number, with the files of zips. To be called often: so there are never many more than the bound."""
    return sum(step.uploads for step in _unapplied(conn, settings, now))


def _steps(conn: Connection, settings: Settings, now: datetime) -> Iterator[Purged]:
    """Run one transaction after the other, and yield how much each took."""
    before = now - timedelta(days=settings.retention_days)
    while due := scalars(conn, _UPLOADS_DUE, {"finished_before": before, "limit": UPLOADS_AT_ONCE}):
        ended = False
        for upload_id in due:
            while (step := _batches(conn, upload_id, before, now=now)) is not None:
                ended = True
                yield step
        if not ended:
            break  # each of these uploads is being worked on again: the next purge looks at them once more
    before = now - timedelta(days=settings.reject_retention_days)
    for upload_id in scalars(conn, _REJECTS_DUE, {"finished_before": before}):
        while rejects := _rejects(conn, upload_id, before, now=now):
            yield Purged(rejects=rejects)
    yield from _unapplied(conn, settings, now)
    if forgotten := audit_events.forget(conn, days=settings.audit_retention_days, now=now):
        yield Purged(audit_events=forgotten)


def _time_over(settings: Settings, now: datetime, *, limit: int) -> dict[str, object]:
    return {
        "finished_before": now - timedelta(days=settings.unapplied_retention_days),
        "kept": settings.unapplied_kept,
        "limit": limit,
    }


def _unapplied(conn: Connection, settings: Settings, now: datetime) -> Iterator[Purged]:
    """Forget uploads of which nothing is in the graph, one after the other."""
    while due := scalars(conn, _UNAPPLIED, _time_over(settings, now, limit=UPLOADS_AT_ONCE)):
        forgotten = 0
        for upload_id in due:
            while rejects := _rejects(conn, upload_id, now + timedelta(days=1), now=now):
                yield Purged(rejects=rejects)
            forgotten += (gone := _forget(conn, upload_id))
            yield Purged(uploads=gone)
        if not forgotten:
            break  # others forget the same uploads at this moment


def _forget(conn: Connection, upload_id: uuid.UUID) -> int:
    """Delete an upload, and the files of a zip, with all that belongs to them. Returns the number of entries:
    0 if another process was faster, or the upload has changed."""
    with conn.transaction():
        scalars(conn, _LOCK_ALL_BATCHES, {"id": upload_id})
        ids = {"ids": scalars(conn, _LOCK_UNAPPLIED, {"id": upload_id})}
        if upload_id not in ids["ids"]:
            return 0
        for statement in (_FORGET_BATCHES, _FORGET_KEYS, _FORGET_EVENTS):
            execute(conn, statement, ids)
        return execute(conn, _FORGET_UPLOADS, ids)


def _batches(conn: Connection, upload_id: uuid.UUID, before: datetime, *, now: datetime) -> Purged | None:
    """Purge a few batches of an upload. None if the upload is done, or no longer due."""
    with conn.transaction():
        locks.take_shared(conn, locks.POST_IDS)  # nobody withdraws an upload, and hands over posts, meanwhile
        batch_ids = scalars(conn, _LOCK_BATCHES, {"upload_id": upload_id, "limit": BATCHES_AT_ONCE})
        if not scalars(conn, _LOCK_UPLOAD, {"upload_id": upload_id, "finished_before": before}):
            return None
        if not batch_ids:
            return Purged() if execute(conn, _SET_PURGED, {"upload_id": upload_id, "now": now}) else None
        execute(conn, _DROP_LINKS, {"batch_ids": batch_ids})
        payloads = execute(conn, _DROP_PAYLOADS, {"batch_ids": batch_ids})
        return Purged(payloads=payloads, deltas=execute(conn, _DROP_DELTAS, {"batch_ids": batch_ids}))


def _rejects(conn: Connection, upload_id: uuid.UUID, before: datetime, *, now: datetime) -> int:
    """Purge a few rejects of an upload. Returns their number: 0 if none is left, or the upload is no longer due."""
    with conn.transaction():
        if not scalars(conn, _MARK_REJECTS, {"upload_id": upload_id, "finished_before": before, "now": now}):
            return 0
        return execute(conn, _DROP_REJECTS, {"upload_id": upload_id, "limit": REJECTS_AT_ONCE})

"""Who did what: append-only events, written in the transaction of the act that they tell of.

The ledger says by itself who sent, cancelled or retracted an upload. These events also tell of what leaves no trace in
the ledger: exports, keys, graphs, purges, and what was denied. An event names users by id and never by handle, so that
a forgotten person is in no event. Triggers refuse to change events, and refuse to delete those of the last day.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

import msgspec

import sql
from app.errors import NotFound
from app.store.acting import ActsFor
from app.store.postgres import AsyncConnection, Connection, Params, async_rows, async_scalars, execute, rows, scalars

_INSERT = sql.query("control/audit_events/insert")
_PAGE = sql.query("control/audit_events/page")
_EXISTS = sql.query("control/audit_events/exists")
_DUE = sql.query("control/audit_events/due")
_FORGET = sql.query("control/audit_events/forget")

FORGOTTEN_AT_ONCE = 10_000
DENIALS_KEPT = 100_000
"""Denials that are kept, the newest of them. Anybody can cause denials, so only a bounded number may stay."""

Outcome = Literal["done", "denied"]


class Action(StrEnum):
    """What was done, or denied."""

    UPLOAD_CANCEL = "upload.cancel"
    UPLOAD_RETRACT = "upload.retract"
    UPLOAD_REPLAY = "upload.replay"
    UPLOAD_NOTE = "upload.note"
    UPLOAD_BULK = "upload.bulk"
    GRAPH_EXPORT = "graph.export"
    GRAPH_COMPARE = "graph.compare"
    GRAPH_CREATE = "graph.create"
    GRAPH_CHANGE = "graph.change"
    GRAPH_RENAME = "graph.rename"
    GRAPH_DROP = "graph.drop"
    GRAPH_DECAY = "graph.decay"
    GRAPH_REBUILD = "graph.rebuild"
    KEY_CREATE = "key.create"
    KEY_REVOKE = "key.revoke"
    KEY_ROTATE = "key.rotate"
    USER_FORGET = "user.forget"
    USER_FORGOTTEN = "user.forgotten"
    USER_LET_IN = "user.let-in"
    DATA_PURGE = "data.purge"
    DATA_BACKUP = "data.backup"
    DATA_RESTORE = "data.restore"
    AUDIT_FORGET = "audit.forget"
    REQUEST = "request"


OF_THE_SERVICE = (
    Action.KEY_CREATE,
    Action.KEY_REVOKE,
    Action.KEY_ROTATE,
    Action.GRAPH_CREATE,
    Action.GRAPH_CHANGE,
    Action.GRAPH_RENAME,
    Action.GRAPH_DROP,
    Action.REQUEST,
)
"""What the database of `default` tells of all graphs: not for whoever may use some graphs only."""

MEANING: dict[Action, str] = {
    Action.UPLOAD_CANCEL: "Somebody cancelled an upload that was not applied yet. The subject is the upload.",
    Action.UPLOAD_RETRACT: "Somebody took an applied or failed upload out of the graph. The subject is the upload.",
    Action.UPLOAD_REPLAY: (
        "Somebody gave failed batches new attempts. The subject is the upload, and `detail` has the batches."
    ),
    Action.UPLOAD_NOTE: (
        "Somebody changed or removed the note of an upload. The subject is the upload, and `detail` has the length of "
        "the note."
    ),
    Action.UPLOAD_BULK: (
        "Somebody began to cancel, retract or replay many uploads at once. `detail` has the action, the filter and the "
        "number of uploads. An event of its own tells of each upload."
    ),
    Action.GRAPH_EXPORT: (
        "An export of the graph began. The subject is the file, and `detail` has the selection. Users are named by id."
    ),
    Action.GRAPH_COMPARE: "Somebody compared two graphs. The subject is the graph, and `detail` names the other one.",
    Action.GRAPH_CREATE: "Somebody created a graph. The subject is its name.",
    Action.GRAPH_CHANGE: "Somebody changed the settings of a graph. `detail` has what changed.",
    Action.GRAPH_RENAME: "Somebody renamed a graph. The subject is the old name, and `detail` has the new name.",
    Action.GRAPH_DROP: "Somebody dropped a graph with all its data. The subject is its name.",
    Action.GRAPH_DECAY: "Somebody ran `mentiongraph decay`. The subject is the run.",
    Action.GRAPH_REBUILD: "Somebody replaced the graph by what the ledger makes of it.",
    Action.KEY_CREATE: "Somebody made a key. The subject is the key's id, and `detail` has its owner and scopes.",
    Action.KEY_REVOKE: "Somebody revoked a key. The subject is the key's id.",
    Action.KEY_ROTATE: "Somebody replaced a key by a new key. The subject is the old key's id.",
    Action.USER_FORGET: "Somebody asked to forget a person. The subject is the erasure; the handle is not kept.",
    Action.USER_FORGOTTEN: "A person is forgotten. The subject is the erasure, and `detail` counts what went.",
    Action.USER_LET_IN: "Somebody let a person who was kept out into later uploads again.",
    Action.DATA_PURGE: "Somebody ran `mentiongraph purge`. `detail` has the retention times.",
    Action.DATA_BACKUP: "Somebody began a backup. The backup itself holds this event.",
    Action.DATA_RESTORE: "Somebody restored a backup into this database.",
    Action.AUDIT_FORGET: "Events were deleted at the end of their retention time. `detail` counts them.",
    Action.REQUEST: (
        "A request was denied. The subject is its method and the first part of its path. `detail` has the status, the "
        "kind of problem, the graph and the number of such requests in the minute before."
    ),
}


class AuditEvent(msgspec.Struct, frozen=True):
    """Who did what, or was denied what."""

    id: int
    at: datetime
    action: str
    """What was done. The reference lists the actions; an event may have an action of another release."""
    outcome: Outcome
    subject: str | None
    """What it was done to: the id of an upload or key, the name of a graph or file."""
    key_id: str | None
    owner: str | None
    """Owner of the key. For a command without a key: the account of the operating system, as `os:name`."""
    address: str | None
    """Address of the client. Null for commands."""
    process: str
    """Process that wrote the event."""
    detail: dict[str, Any] | None


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are wanted. None: all."""

    since: datetime | None = None
    """Only events at or after this instant."""
    until: datetime | None = None
    """Only events before this instant."""
    action: str | None = None
    """An action, or the first part of several, such as `upload`."""
    outcome: Outcome | None = None
    owner: str | None = None
    key_id: str | None = None
    subject: str | None = None
    hidden: tuple[str, ...] = ()
    """Actions that the caller is not told of."""


def record(
    conn: Connection,
    caller: ActsFor,
    action: Action,
    subject: str | None,
    *,
    outcome: Outcome = "done",
    detail: dict[str, Any] | None = None,
) -> None:
    """Write an event, in the transaction of the act. `detail` becomes JSON, and must hold no handle and no secret."""
    execute(conn, _INSERT, _event(caller, action, subject, outcome, detail))


async def async_record(
    conn: AsyncConnection,
    caller: ActsFor,
    action: Action,
    subject: str | None,
    *,
    outcome: Outcome = "done",
    detail: dict[str, Any] | None = None,
) -> None:
    """Do the same as `record`, for request handlers."""
    await conn.execute(_INSERT, _event(caller, action, subject, outcome, detail))


def page(conn: Connection, wanted: Filter, *, before: int | None, limit: int) -> list[AuditEvent]:
    """A page of the events before the event `before`, the newest first. Raises NotFound for `before`."""
    found = rows(conn, AuditEvent, _PAGE, _wanted(wanted, before, limit))
    if not found and before is not None and scalars(conn, _EXISTS, {"id": before}) != [True]:
        raise _unknown(before)
    return found


async def async_page(conn: AsyncConnection, wanted: Filter, *, before: int | None, limit: int) -> list[AuditEvent]:
    """Do the same as `page`, for request handlers."""
    found = await async_rows(conn, AuditEvent, _PAGE, _wanted(wanted, before, limit))
    if not found and before is not None and await async_scalars(conn, _EXISTS, {"id": before}) != [True]:
        raise _unknown(before)
    return found


def due(conn: Connection, *, days: float, now: datetime) -> int:
    """How many events `forget` would delete now, without surplus denials. Changes nothing."""
    return int(scalars(conn, _DUE, {"before": now - timedelta(days=days)})[0])


def forget(conn: Connection, *, days: float, now: datetime) -> int:
    """Delete the events whose retention time is over, and the oldest of too many denials. Returns their number.

    Each step is a transaction of its own. An event tells how many a step deleted.
    """
    before = now - timedelta(days=days)
    forgotten = 0
    while True:
        step = {"before": before, "denials": DENIALS_KEPT, "most": FORGOTTEN_AT_ONCE}
        (gone,) = scalars(conn, _FORGET, step)
        forgotten += gone
        if gone < FORGOTTEN_AT_ONCE:
            return forgotten


def _event(
    caller: ActsFor, action: Action, subject: str | None, outcome: Outcome, detail: dict[str, Any] | None
) -> Params:
    return {
        "action": action,
        "subject": subject,
        "outcome": outcome,
        "key_id": caller.key_id,
        "owner": caller.owner,
        "address": caller.address,
        "detail": None if detail is None else msgspec.json.encode(detail).decode(),
    }


def _wanted(wanted: Filter, before: int | None, limit: int) -> Params:
    # "upload" stands for upload.cancel, upload.retract, …; characters that LIKE reads have no place in an action.
    return {**msgspec.structs.asdict(wanted), "hidden": list(wanted.hidden), "before": before, "limit": limit}


def _unknown(before: int) -> NotFound:
    return NotFound(f"there is no audit event {before}; GET /audit-events lists what there is.")

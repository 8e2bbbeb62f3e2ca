"""Audit events: who did or was denied what. Append-only, and written in the transaction of the act."""

from __future__ import annotations

from typing import Any

import msgspec

import sql
from app.control.callers import Caller
from app.store.postgres import Connection, execute

_RECORD = sql.query("control/audit_events/record")


def record(
    conn: Connection,
    caller: Caller,
    action: str,
    subject: str | None,
    *,
    outcome: str = "done",
    detail: dict[str, Any] | None = None,
) -> None:
    """Record an act, in its transaction."""
    execute(
        conn,
        _RECORD,
        {
            "action": action,
            "subject": subject,
            "outcome": outcome,
            "key_id": caller.key_id,
            "owner": caller.owner,
            "address": caller.address,
            "detail": None if detail is None else msgspec.json.encode(detail).decode(),
        },
    )

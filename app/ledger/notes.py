"""Notes on uploads: what people say of an upload, for other people. No state depends on a note."""

from __future__ import annotations

import re
import uuid

import sql
from app.control.audit_events import Action, async_record
from app.control.callers import Caller
from app.errors import BadRequest
from app.store.acting import async_act_for
from app.store.postgres import AsyncConnection, async_scalars

_SET = sql.query("ledger/notes/set")

LONGEST = 500
"""Characters of a note. The table's constraint says the same."""
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def checked(note: str | None) -> str | None:
    """The note as it is kept: without white space around it, and None in place of nothing. Raises BadRequest."""
    kept = (note or "").replace("\r\n", "\n").strip()
    if len(kept) > LONGEST:
        raise BadRequest(f"the note has {len(kept)} characters, and may have {LONGEST}.")
    if _NOT_TEXT.search(kept):
        raise BadRequest("the note holds a control character.")
    return kept or None


async def write(
    conn: AsyncConnection, upload_id: uuid.UUID, note: str | None, *, caller: Caller, owner: str | None
) -> bool:
    """Set or, with None, remove the note of an upload, if the upload is of this owner. None: of whomever.

    Returns whether the note changed. An audit event says who wrote, and how many characters; never what, since the note
    may name a person.
    """
    async with conn.transaction():
        await async_act_for(conn, caller)
        changed = bool(await async_scalars(conn, _SET, {"id": upload_id, "note": note, "owner": owner}))
        if changed:
            detail = {"characters": len(note or "")}
            await async_record(conn, caller, Action.UPLOAD_NOTE, str(upload_id), detail=detail)
    return changed

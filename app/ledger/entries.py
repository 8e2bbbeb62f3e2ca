"""Reading the ledger: uploads, their batches and their rejects, for people and for scripts. Changes nothing."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import msgspec
from psycopg_pool import AsyncConnectionPool

import sql
from app.errors import BadState, NotFound, Problem
from app.ledger.states import UploadState
from app.ledger.warnings import Facts, Notes, Sum, UploadWarning, of_batch, of_upload
from app.posts.options import Format, Options
from app.store.postgres import AsyncConnection, Connection, async_one, async_rows, async_scalars, scalars

_ENTRIES = sql.query("ledger/entries/entries")
_PAGE = sql.query("ledger/entries/page")
_COUNTS = sql.query("ledger/entries/counts")
_BATCHES = sql.query("ledger/entries/batches")
_REJECTS = sql.query("ledger/entries/rejects")
_REJECTS_OF = sql.query("ledger/entries/rejects_of")
_FORMAT = sql.query("ledger/entries/format")
_IS_OF = sql.query("ledger/entries/is_of")
_UPLOAD_OF_BATCH = sql.query("ledger/entries/upload_of_batch")


REJECTS_AT_ONCE = 500

_BEGIN_OF_ID = re.compile("[0-9a-f]{8}[0-9a-f-]{0,28}")
"""Uploads of one minute have ids with the same first digits, so fewer digits would find too much."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which uploads are wanted. None: all."""

    states: tuple[UploadState, ...] | None = None
    text: str | None = None
    """Only uploads whose file name or note has this text, in upper or lower case; or whose id begins so, given at least
    eight digits."""
    since: datetime | None = None
    """Only uploads that were received at or after this instant."""
    until: datetime | None = None
    """Only uploads that were received before this instant."""
    owner: str | None = None
    """Only uploads that this owner sent."""

    def params(self, only_of: str | None) -> dict[str, Any]:
        """What statements take. With `only_of`, only uploads of this owner match."""
        begin = (self.text or "").lower()
        return {
            "only_of": only_of,
            "owner": self.owner,
            "states": None if self.states is None else list(self.states),
            "text": self.text,
            "id_begins": begin if _BEGIN_OF_ID.fullmatch(begin) else None,
            "since": self.since,
            "until": self.until,
        }


class _Count(msgspec.Struct, frozen=True):
    state: UploadState
    uploads: int


class _Format(msgspec.Struct, frozen=True):
    format: Format | None


class MemberEntry(msgspec.Struct, frozen=True):
    """A file of a zip, which is an upload of its own."""

    id: uuid.UUID
    state: UploadState
    filename: str
    duplicate_of: uuid.UUID | None
    """Id of the earlier upload that holds the same file."""
    error: Problem | None
    size_bytes: int | None
    rows_received: int | None
    rows_rejected: int | None
    """Exact once every batch of the file is counted; None before. So is `mentions`."""
    mentions: int | None


class Entry(msgspec.Struct, frozen=True):
    """An upload's entry in the ledger, with what its batches add up to."""

    id: uuid.UUID
    state: UploadState
    filename: str | None
    options: Options
    again: bool
    received_by: str
    received_at: datetime
    sealed_at: datetime | None
    finished_at: datetime | None
    sha256: str | None
    duplicate_of: uuid.UUID | None
    parent_id: uuid.UUID | None
    """The zip that held the file."""
    member_count: int | None
    """The number of files of posts in a zip. None: the upload is a file."""
    error: Problem | None
    purged_at: datetime | None
    rejects_purged_at: datetime | None
    size_bytes: int
    """Decoded bytes of the upload; of its staged batches while the upload is `receiving`."""
    bytes_staged: int
    """Bytes in the batches: without the header, and in UTF-8."""
    bytes_counted: int
    bytes_applied: int
    batches_staged: int
    batches_counted: int
    batches_applied: int
    batches_failed: int
    batches_checked: int
    batches_cancelled: int
    batches_retracting: int
    batches_retracted: int
    rows_received: int | None
    """Exact once the upload is sealed; None before."""
    rows_accepted: int | None
    """Exact once every batch is counted; None before. So are `rows_rejected` and `mentions`."""
    rows_rejected: int | None
    rows_repeated: int | None
    """Accepted rows whose post, by its id, another row counts. None, too, if the upload's posts have no ids."""
    rows_applied: int
    mentions: int | None
    mentions_applied: int
    rows_counted: int
    """Rows in the batches that are counted so far."""
    rejects_counted: int
    mentions_counted: int
    members: list[MemberEntry] | None = None
    """The files of a zip, where one upload was asked for by its id."""
    noticed: dict[str, Sum] | None = None
    """By code what the counted batches show: see `warnings`."""
    rejects_kept: int = 0
    """Rejects whose rows are there, of the `rejects_counted`."""
    rejects_by_code: dict[str, int] | None = None
    """None, if an earlier release counted a batch with rejects."""
    key_id: str | None = None
    """Key of the request that sent the upload. None: it came without a key. Likewise `owner` and `address`."""
    owner: str | None = None
    address: str | None = None
    note: str | None = None
    """What people say of the upload."""

    @property
    def warnings(self) -> list[UploadWarning]:
        """What the upload is warned of, as far as it is counted."""
        facts = Facts(
            profile=self.options.profile,
            rows_received=self.rows_received,
            rows_accepted=self.rows_accepted,
            rows_rejected=self.rows_rejected,
            mentions=self.mentions,
            rows_repeated=self.rows_repeated or 0,
            weights=self.options.detected["weight"].value if "weight" in self.options.detected else None,
        )
        return of_upload(self.noticed or {}, facts)


class Batch(msgspec.Struct, frozen=True):
    """A slice of an upload. What a worker counts is None until the batch is counted."""

    id: int
    ordinal: int
    state: str
    first_line: int
    size_bytes: int
    attempts: int
    next_attempt_at: datetime | None
    claimed_until: datetime | None
    profile: str | None
    profile_version: int | None
    rows_received: int | None
    rows_accepted: int | None
    rows_rejected: int | None
    rows_repeated: int | None
    mentions: int | None
    edges: int | None
    error: Problem | None
    staged_at: datetime
    counted_at: datetime | None
    applied_at: datetime | None
    warnings: Notes = {}
    """By code what the count of this batch shows."""
    rejects_kept: int | None = None
    """Rejects whose rows were kept when the batch was counted."""
    rejects_by_code: dict[str, int] | None = None
    """Number of rejects by code, also of those whose rows were not kept. Null, if an earlier release counted them."""


class Reject(msgspec.Struct, frozen=True):
    """A row that could not be read; `line` is physical, the first of the file being 1."""

    line: int
    batch_id: int
    column_name: str | None
    value: bytes | None
    """The value of the column, if the row has that column."""
    code: str
    message: str
    raw: bytes


class RejectsKept(msgspec.Struct, frozen=True):
    """How many rows of an upload were rejected, and how many of these rows are there."""

    rejected: int
    kept: int
    purged: bool
    """Whether the retention time of the rejects is over."""

    @property
    def detail(self) -> str | None:
        """What a person is told whose rejects are not all there. None: they are."""
        if self.kept == self.rejected:
            return None
        if self.purged:
            return f"The {self.rejected:,} rejected rows were purged, their retention time being over."
        return (
            f"{self.kept:,} of {self.rejected:,} rejected rows are kept; the others are only counted. `mentiongraph "
            "check --rejects REJECTS.csv FILE` writes all rejected rows of a file. MENTIONGRAPH_REJECTS_KEPT says how "
            "many are kept."
        )


async def upload(conn: AsyncConnection, upload_id: uuid.UUID, *, owner: str | None = None) -> Entry:
    """One upload's entry, if it is of this owner. None: of whomever. Raises NotFound."""
    found = await async_one(conn, Entry, _ENTRIES, {"ids": [upload_id], "owner": owner, "with_members": True})
    if found is None:
        raise _unknown(upload_id)
    return found


async def require(conn: AsyncConnection, upload_id: uuid.UUID, *, owner: str | None) -> None:
    """Raises NotFound for the upload of another owner, in the words for an upload that does not exist."""
    if owner is not None and not await async_scalars(conn, _IS_OF, {"id": upload_id, "owner": owner}):
        raise _unknown(upload_id)


def _unknown(upload_id: uuid.UUID) -> NotFound:
    return NotFound(f"the ledger has no upload {upload_id}; GET /uploads lists what it has.")


async def uploads(
    conn: AsyncConnection, wanted: Filter, *, before: uuid.UUID | None, limit: int, owner: str | None = None
) -> list[Entry]:
    """A page of the entries received before the upload `before`, the newest first. With an owner, theirs alone.

    Raises NotFound for `before`.
    """
    ids = await async_scalars(conn, _PAGE, {**wanted.params(owner), "before_id": before, "limit": limit})
    if not ids and before is not None:
        await upload(conn, before, owner=owner)
    return await async_rows(conn, Entry, _ENTRIES, {"ids": ids, "owner": owner, "with_members": False})


async def counts(conn: AsyncConnection, wanted: Filter, *, owner: str | None = None) -> dict[UploadState, int]:
    """The number of uploads in each state, whatever states are wanted. With an owner, theirs alone."""
    found = {each.state: each.uploads for each in await async_rows(conn, _Count, _COUNTS, wanted.params(owner))}
    return {state: found.get(state, 0) for state in UploadState}


async def batches(conn: AsyncConnection, upload_id: uuid.UUID, *, after: int, limit: int) -> list[Batch]:
    """A page of an upload's batches in file order, after the ordinal `after`. Raises NotFound."""
    found = await async_rows(conn, Batch, _BATCHES, {"upload_id": upload_id, "after": after, "limit": limit})
    if not found:
        await upload(conn, upload_id)
    return [msgspec.structs.replace(batch, warnings=of_batch(batch.warnings)) for batch in found]


async def rejects(conn: AsyncConnection, upload_id: uuid.UUID, *, after: int, limit: int) -> list[Reject]:
    """A page of an upload's rejects in file order, after the line `after`. Raises NotFound."""
    found = await async_rows(conn, Reject, _REJECTS, {"upload_id": upload_id, "after": after, "limit": limit})
    if not found:
        await upload(conn, upload_id)
    return found


async def rejects_kept(conn: AsyncConnection, upload_id: uuid.UUID) -> RejectsKept:
    """How many of an upload's rejects are there. Raises NotFound."""
    found = await async_one(conn, RejectsKept, _REJECTS_OF, {"id": upload_id})
    if found is None:
        await upload(conn, upload_id)
    return found or RejectsKept(0, 0, purged=False)


async def format_of(conn: AsyncConnection, upload_id: uuid.UUID) -> Format:
    """How the upload's rows are laid out. Raises NotFound; BadState if the header was never read."""
    found = await async_one(conn, _Format, _FORMAT, {"id": upload_id})
    if found is None:
        await upload(conn, upload_id)
    if found is None or found.format is None:
        raise BadState(f"the header of upload {upload_id} was not read, so it has no rows and no rejects.")
    return found.format


def exists(conn: Connection, upload_id: uuid.UUID) -> bool:
    """Whether the ledger has the upload, whatever its state."""
    return bool(scalars(conn, _FORMAT, {"id": upload_id}))


async def upload_of_batch(conn: AsyncConnection, batch_id: int, *, owner: str | None = None) -> uuid.UUID:
    """The upload that a batch belongs to, if the upload is of this owner. None: of whomever. Raises NotFound."""
    found: list[uuid.UUID] = await async_scalars(conn, _UPLOAD_OF_BATCH, {"id": batch_id, "owner": owner})
    if not found:
        raise NotFound(f"the ledger has no batch {batch_id}; GET /uploads/{{upload_id}}/batches lists an upload's.")
    return found[0]


async def reject_pages(
    pool: AsyncConnectionPool[AsyncConnection], upload_id: uuid.UUID
) -> AsyncGenerator[list[Reject]]:
    """All of an upload's rejects in file order, page by page. No connection is held between two pages."""
    after = 0
    while True:
        async with pool.connection() as conn:
            page = await async_rows(
                conn, Reject, _REJECTS, {"upload_id": upload_id, "after": after, "limit": REJECTS_AT_ONCE}
            )
        if not page:
            return
        yield page
        after = page[-1].line

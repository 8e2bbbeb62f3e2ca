"""Sealing: the body of an upload is over. The upload is staged, is a duplicate of an earlier one, or is aborted.

A zip of several files is sealed with all of its members in one transaction, or nothing of it is. Rows of members are
locked in the order of id, and before the row of the zip.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import msgspec

import sql
from app.errors import NoRows, Problem, SameBytes, UploadCutOff, UploadRefused
from app.ledger.staging import Staging
from app.ledger.states import UploadState
from app.ledger.transitions import DELETE_BATCHES
from app.posts.options import Options
from app.store import locks
from app.store.postgres import AsyncConnection, async_one, async_scalars

_SEAL = sql.query("ledger/sealing/seal")
_SEAL_ZIP = sql.query("ledger/sealing/seal_zip")
_SEALED = sql.query("ledger/sealing/sealed")
_EARLIER = sql.query("ledger/sealing/earlier_upload")
_EARLIER_ZIP = sql.query("ledger/sealing/earlier_zip")
_SET_DUPLICATE = sql.query("ledger/sealing/set_duplicate")
_ABORT = sql.query("ledger/sealing/abort")
_ABORT_MEMBERS = sql.query("ledger/sealing/abort_members")


class Staged(msgspec.Struct, frozen=True):
    """A file whose rows are staged."""

    id: uuid.UUID
    staging: Staging
    sha256: bytes
    size: int
    """Of the file itself: not of a zip around it, nor of the rows that a sheet became."""
    name: str | None = None


class Zip(msgspec.Struct, frozen=True):
    """A zip whose files are staged."""

    id: uuid.UUID
    sha256: bytes
    size: int
    given: Options
    """As the sender gave them."""
    options: Options
    """With what was found in the zip."""
    members: Sequence[Staged]


class Received(msgspec.Struct, frozen=True):
    """The upload that holds the body: a new one, or an `earlier` one of the same bytes."""

    upload_id: uuid.UUID
    earlier: bool
    own_id: uuid.UUID
    """The upload that was received now: the same, or a duplicate of the earlier one."""


class _Sealed(msgspec.Struct, frozen=True):
    id: uuid.UUID
    duplicate_of: uuid.UUID | None


class _Earlier(msgspec.Struct, frozen=True):
    id: uuid.UUID
    state: UploadState
    options: Options
    stays: bool
    """Whether it can no longer be taken out of the graph."""
    owner: str | None


async def seal(
    conn: AsyncConnection, file: Staged, *, again: bool, now: datetime, only_of: str | None = None
) -> Received:
    """Seal a file. `only_of` is the owner whose uploads alone the sender may know of. Raises SameBytes,
    UploadCutOff."""
    await locks.async_take(conn, locks.body_key(file.sha256))
    if (before := await _sealed_before(conn, file.id)) is not None:
        return before
    earlier = await _seal_file(conn, file, again=again, now=now, only_of=only_of)
    return Received(earlier or file.id, earlier is not None, file.id)


async def seal_zip(
    conn: AsyncConnection, found: Zip, *, again: bool, now: datetime, only_of: str | None = None
) -> Received:
    """Seal a zip and all of its files, or nothing. Raises SameBytes, UploadCutOff."""
    for key in sorted({locks.body_key(each.sha256) for each in found.members}):
        await locks.async_take(conn, key)
    if (before := await _sealed_before(conn, found.id)) is not None:
        return before
    known = 0
    for each in sorted(found.members, key=lambda member: member.id):
        try:
            known += await _seal_file(conn, each, again=again, now=now, only_of=only_of) is not None
        except UploadRefused as error:
            raise in_zip(error, each.name) from error
    # Files without a row were entered, and are no members.
    empty = await _abort_members(conn, found.id, NoRows().problem(), now=now)
    await conn.execute(DELETE_BATCHES, {"upload_ids": empty})
    all_known = known == len(found.members)
    sealed = {
        "id": found.id,
        "options": msgspec.json.encode(found.options).decode(),
        "sha256": found.sha256,
        "size_bytes": found.size,
        "members": len(found.members),
        "all_known": all_known,
        "now": now,
    }
    earlier = await async_one(conn, _Earlier, _EARLIER_ZIP, {"sha256": found.sha256}) if all_known else None
    if earlier is not None and earlier.options.counts_like(found.given):
        await _set_duplicate(conn, {**sealed, "duplicate_of": earlier.id})
        return Received(earlier.id, earlier=True, own_id=found.id)
    if not await async_scalars(conn, _SEAL_ZIP, sealed):
        raise given_up()
    return Received(found.id, earlier=False, own_id=found.id)


async def abort(conn: AsyncConnection, upload_id: uuid.UUID, problem: Problem, *, zipped: bool, now: datetime) -> None:
    """receiving -> aborted for an upload that comes to nothing, and for its members if it is `zipped`."""
    gone = await _abort_members(conn, upload_id, problem, now=now) if zipped else []
    params = {"id": upload_id, "error": msgspec.json.encode(problem).decode(), "now": now}
    gone += await async_scalars(conn, _ABORT, params)
    if gone:
        await conn.execute(DELETE_BATCHES, {"upload_ids": gone})


def in_zip(error: UploadRefused, name: str | None) -> UploadRefused:
    """The refusal of a file in a zip. It names the file."""
    error.detail = f"{name!r} in the zip: {error.detail}"
    return error


def given_up() -> UploadCutOff:
    """The failure of an upload that somebody aborted while its body arrived."""
    return UploadCutOff("the upload took too long and was given up; nothing was applied. Send it again.")


async def _seal_file(
    conn: AsyncConnection, file: Staged, *, again: bool, now: datetime, only_of: str | None
) -> uuid.UUID | None:
    """receiving -> staged, or duplicate: then the answer is the earlier upload. Raises SameBytes, UploadCutOff.

    The caller holds the lock of the file's bytes.
    """
    sealed = {
        "id": file.id,
        "format": msgspec.json.encode(file.staging.format).decode(),
        "options": msgspec.json.encode(file.staging.options).decode(),
        "sha256": file.sha256,
        "size_bytes": file.size,
        "batch_count": file.staging.batches,
        "now": now,
    }
    earlier = None if again else await async_one(conn, _Earlier, _EARLIER, sealed)
    if earlier is None:
        await file.staging.stage_last(conn)
        if not await async_scalars(conn, _SEAL, sealed):
            raise given_up()
        return None
    if not earlier.options.counts_like(file.staging.options):
        raise _other_options(earlier, only_of)
    await _set_duplicate(conn, {**sealed, "duplicate_of": earlier.id})
    return earlier.id


def _other_options(earlier: _Earlier, only_of: str | None) -> SameBytes:
    """The refusal, with the way that works. It tells nothing about an upload that the sender may not know of."""
    again = "`again=true` (--again) counts them once more, on top of it."
    if only_of is not None and earlier.owner != only_of:
        return SameBytes(
            f"the graph has the same bytes, read or counted with other options; nothing was changed. {again}"
        )
    holds = f"upload {earlier.id} holds the same bytes, read or counted with other options; nothing was changed."
    if earlier.stays:
        return SameBytes(f"{holds} It stays in the graph, since its data was purged. {again}")
    # One that is not finished is cancelled; a finished one is retracted.
    verb = "retract" if earlier.state in {UploadState.APPLIED, UploadState.FAILED} else "cancel"
    return SameBytes(
        f"{holds} To count them with these options instead, run `mentiongraph {verb} {earlier.id}` "
        f"(POST /uploads/{earlier.id}/{verb}), then send this upload again. {again}"
    )


async def _sealed_before(conn: AsyncConnection, upload_id: uuid.UUID) -> Received | None:
    """What an earlier try of the seal came to, whose answer was lost."""
    before = await async_one(conn, _Sealed, _SEALED, {"id": upload_id})
    return before and Received(before.duplicate_of or upload_id, before.duplicate_of is not None, upload_id)


async def _set_duplicate(conn: AsyncConnection, duplicate: dict[str, object]) -> None:
    """receiving -> duplicate. Raises UploadCutOff."""
    if not await async_scalars(conn, _SET_DUPLICATE, duplicate):
        raise UploadCutOff("the upload was cancelled while it arrived; nothing was applied.")
    await conn.execute(DELETE_BATCHES, {"upload_ids": [duplicate["id"]]})


async def _abort_members(
    conn: AsyncConnection, upload_id: uuid.UUID, problem: Problem, *, now: datetime
) -> list[uuid.UUID]:
    """receiving -> aborted for the members of a zip that are left. Returns their ids."""
    params = {"id": upload_id, "error": msgspec.json.encode(problem).decode(), "now": now}
    return await async_scalars(conn, _ABORT_MEMBERS, params)

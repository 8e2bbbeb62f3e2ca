"""The ledger over HTTP: uploads and their batches."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import HttpMethod, Response, get, route
from litestar.params import PathParameter, QueryParameter

from app.errors import BadRequest, NotFound, Problem
from app.http import problems
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.parameters import Limit, next_page
from app.http.services import Injected
from app.ledger import entries
from app.ledger.entries import Batch, Entry
from app.ledger.states import UploadState
from app.posts.options import Options

ONE_UPLOAD = (
    BadRequest("path parameter 'upload_id' has to be a UUID."),
    NotFound("the ledger has no upload 0199c5b2-0000-7000-8000-000000000000; GET /uploads lists what it has."),
    *problems.DATABASE,
)
"""What every endpoint may answer that is about one upload."""

UploadId = Annotated[uuid.UUID, PathParameter(description="The upload's id: `Location` has it.")]


class Progress(msgspec.Struct, frozen=True):
    """How far the upload is, in bytes of its batches: its rows in UTF-8, without the header.

    `share` goes from 0 to 1: counting a byte is half of the way, applying it the other.
    """

    bytes_total: int
    bytes_counted: int
    bytes_applied: int
    share: float

    @classmethod
    def of(cls, entry: Entry) -> Progress:
        """How far the entry is."""
        return cls(entry.bytes_staged, entry.bytes_counted, entry.bytes_applied, _share(entry))


class BatchesByState(msgspec.Struct, frozen=True):
    """How many batches are in which state."""

    staged: int
    counted: int
    applied: int
    failed: int
    checked: int
    """Counted in a dry run."""
    cancelled: int
    retracting: int
    retracted: int

    @classmethod
    def of(cls, entry: Entry) -> BatchesByState:
        """The entry's batches."""
        return cls(
            staged=entry.batches_staged,
            counted=entry.batches_counted,
            applied=entry.batches_applied,
            failed=entry.batches_failed,
            checked=entry.batches_checked,
            cancelled=entry.batches_cancelled,
            retracting=entry.batches_retracting,
            retracted=entry.batches_retracted,
        )


class UploadLinks(msgspec.Struct, frozen=True):
    """Paths of what belongs to the upload."""

    upload: str
    batches: str
    rejects: str
    rejects_csv: str
    events: str
    duplicate_of: str | None


class Upload(msgspec.Struct, frozen=True):
    """An upload's entry in the ledger. Rows and mentions are those counted so far; `…_applied` are in the graph."""

    id: uuid.UUID
    state: UploadState
    filename: str | None
    options: Options
    again: bool
    progress: Progress
    rows_received: int
    rows_accepted: int
    rows_rejected: int
    rows_applied: int
    mentions: int
    mentions_applied: int
    batches: BatchesByState
    size_bytes: int
    sha256: str | None
    received_by: str
    received_at: datetime
    sealed_at: datetime | None
    finished_at: datetime | None
    seconds_receiving: float | None
    """From the first byte to the last."""
    seconds_applying: float | None
    """From the last byte to the last batch."""
    duplicate_of: uuid.UUID | None
    error: Problem | None
    purged_at: datetime | None
    """When what it was made of was purged after its retention time: it cannot be replayed or retracted any more."""
    rejects_purged_at: datetime | None
    links: UploadLinks

    @classmethod
    def of(cls, entry: Entry) -> Upload:
        """The entry, as it is answered."""
        return cls(
            id=entry.id,
            state=entry.state,
            filename=entry.filename,
            options=entry.options,
            again=entry.again,
            progress=Progress.of(entry),
            rows_received=entry.rows_received,
            rows_accepted=entry.rows_accepted,
            rows_rejected=entry.rows_rejected,
            rows_applied=entry.rows_applied,
            mentions=entry.mentions,
            mentions_applied=entry.mentions_applied,
            batches=BatchesByState.of(entry),
            size_bytes=entry.size_bytes,
            sha256=entry.sha256,
            received_by=entry.received_by,
            received_at=entry.received_at,
            sealed_at=entry.sealed_at,
            finished_at=entry.finished_at,
            seconds_receiving=_seconds(entry.received_at, entry.sealed_at),
            seconds_applying=_seconds(entry.sealed_at, entry.finished_at),
            duplicate_of=entry.duplicate_of,
            error=entry.error,
            purged_at=entry.purged_at,
            rejects_purged_at=entry.rejects_purged_at,
            links=UploadLinks(
                upload=path_of(entry.id),
                batches=f"{path_of(entry.id)}/batches",
                rejects=f"{path_of(entry.id)}/rejects",
                rejects_csv=f"{path_of(entry.id)}/rejects.csv",
                events=f"{path_of(entry.id)}/events",
                duplicate_of=path_of(entry.duplicate_of) if entry.duplicate_of else None,
            ),
        )


class Uploads(msgspec.Struct, frozen=True):
    """A page of uploads, the newest first."""

    uploads: list[Upload]
    next: str | None


class Batches(msgspec.Struct, frozen=True):
    """A page of an upload's batches, in file order."""

    batches: list[Batch]
    next: str | None


def path_of(upload_id: uuid.UUID) -> str:
    """Path of an upload's entry."""
    return f"/uploads/{upload_id}"


def _share(entry: Entry) -> float:
    if entry.state in {UploadState.APPLIED, UploadState.CHECKED}:
        return 1.0
    done = 2 * entry.bytes_counted if entry.options.dry_run else entry.bytes_counted + entry.bytes_applied
    return round(done / (2 * max(1, entry.bytes_staged)), 4)


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return (end - begin).total_seconds() if begin and end else None


@route("/uploads", http_method=[HttpMethod.OPTIONS], include_in_schema=False, status_code=204)
async def allow_uploads() -> Response[None]:
    """Litestar's own answer names the first handler's methods alone, where a path has several handlers."""
    return Response(None, status_code=204, headers={"Allow": "GET, OPTIONS, POST"})


@get(
    "/uploads",
    tags=["uploads"],
    summary="List uploads",
    operation_class=answering(examples.UPLOADS),
    responses=problems.responses(
        BadRequest("query parameter 'limit' has to be a whole number from 1 to 500."), *ONE_UPLOAD[1:]
    ),
)
async def list_uploads(
    services: Injected,
    # Litestar keeps the name `state` for itself.
    in_state: Annotated[
        str | None, QueryParameter(name="state", description="Only uploads in this state.", enum=list(UploadState))
    ] = None,
    limit: Limit = 50,
    before: Annotated[
        uuid.UUID | None, QueryParameter(description="Only uploads received before this one: `next` has it.")
    ] = None,
) -> Uploads:
    """The newest first."""
    if in_state is not None and in_state not in set(UploadState):
        raise BadRequest(f"there is no state {in_state!r}; there are: {', '.join(UploadState)}.")
    state = UploadState(in_state) if in_state else None
    async with services.pool.connection() as conn:
        found = await entries.uploads(conn, state=state, before=before, limit=limit + 1)
    page = found[:limit]
    following = next_page("/uploads", state=state, limit=limit, before=page[-1].id) if len(found) > limit else None
    return Uploads([Upload.of(entry) for entry in page], following)


@get(
    "/uploads/{upload_id:str}",
    tags=["uploads"],
    summary="One upload",
    operation_class=answering(examples.UPLOAD),
    responses=problems.responses(*ONE_UPLOAD),
)
async def get_upload(services: Injected, upload_id: UploadId) -> Upload:
    """Its state, how far it is, and what came of it.

    `receiving` → `staged` → `applying` → `applied`, or `failed` where a batch failed for good, until it is replayed.
    `aborted`: it was cut off or refused, see `error`. `duplicate`: these bytes were uploaded before.
    A dry run goes through `checking` to `checked`. `cancelling` → `cancelled` and `retracting` → `retracted`: it was
    taken out again.
    """
    async with services.pool.connection() as conn:
        return Upload.of(await entries.upload(conn, upload_id))


@get(
    "/uploads/{upload_id:str}/batches",
    tags=["uploads"],
    summary="An upload's batches",
    operation_class=answering(examples.BATCHES),
    responses=problems.responses(*ONE_UPLOAD),
)
async def list_batches(
    services: Injected,
    upload_id: UploadId,
    after: Annotated[
        int, QueryParameter(description="Only batches behind this ordinal: `next` has it.", ge=-1, le=2**31 - 1)
    ] = -1,
    limit: Limit = 50,
) -> Batches:
    """The slices it is worked on in, in file order, each with its state, attempts and counts."""
    async with services.pool.connection() as conn:
        found = await entries.batches(conn, upload_id, after=after, limit=limit + 1)
    page = found[:limit]
    path = f"{path_of(upload_id)}/batches"
    return Batches(page, next_page(path, after=page[-1].ordinal, limit=limit) if len(found) > limit else None)

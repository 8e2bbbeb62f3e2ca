"""Uploads and their batches over HTTP, as the ledger has them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.params import PathParameter, QueryParameter

from app.control.callers import Caller, Scope
from app.errors import BadRequest, NotFound, Problem
from app.http import problems
from app.http.calling import Calling
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.parameters import INSTANT, Limit, next_page
from app.http.services import Injected, Services
from app.http.signatures import Wanted, one_of
from app.http.structs import struct_of
from app.http.upload_filters import FILTER, Filtered, query_of
from app.ledger import entries
from app.ledger.entries import Batch, Entry, MemberEntry
from app.ledger.states import UploadState
from app.ledger.warnings import UploadWarning
from app.posts.options import Options

SEEN = (Scope.UPLOADS_READ, Scope.UPLOADS_WRITE)
"""Scopes that see an upload: every owner's, or one's own."""
CHANGED = (Scope.UPLOADS_MANAGE, Scope.UPLOADS_WRITE)
"""Scopes that change an upload: every owner's, or one's own."""

ONE_UPLOAD = (
    BadRequest("path parameter 'upload_id' has to be a UUID."),
    NotFound("the ledger has no upload 0199c5b2-0000-7000-8000-000000000000; GET /uploads lists what it has."),
    *problems.DATABASE,
)
"""The problems of every endpoint that is about one upload."""

UploadId = Annotated[
    uuid.UUID, PathParameter(description="Id of the upload. The `Location` of the answer to its POST has it.")
]


class Progress(msgspec.Struct, frozen=True):
    """How far the upload is. Bytes are those of its batches: the rows in UTF-8, without the header.

    `share` goes from 0 to 1: counting a byte is half of the way, applying the byte is the other half. `rows_counted`,
    `rejects_counted` and `mentions_counted` are those of the batches that are counted so far.
    """

    bytes_total: int
    bytes_counted: int
    bytes_applied: int
    share: float
    """Share of the work that is done, from 0 to 1. Counting a byte is one half of the work, applying it the other."""
    rows_counted: int
    rejects_counted: int
    mentions_counted: int

    @classmethod
    def of(cls, entry: Entry) -> Progress:
        """How far the entry is."""
        return cls(
            bytes_total=entry.bytes_staged,
            bytes_counted=entry.bytes_counted,
            bytes_applied=entry.bytes_applied,
            share=_share(entry),
            rows_counted=entry.rows_counted,
            rejects_counted=entry.rejects_counted,
            mentions_counted=entry.mentions_counted,
        )


class BatchesByState(msgspec.Struct, frozen=True):
    """Number of batches in each state."""

    staged: int
    counted: int
    applied: int
    failed: int
    checked: int
    """Batches counted in a dry run."""
    cancelled: int
    retracting: int
    retracted: int

    @classmethod
    def of(cls, entry: Entry) -> BatchesByState:
        """The entry's batches."""
        return cls(**{state: getattr(entry, f"batches_{state}") for state in cls.__struct_fields__})


class Sender(msgspec.Struct, frozen=True):
    """Who sent an upload."""

    key_id: str | None
    """Id of the key. Null: the request came without a key."""
    owner: str | None
    """Owner of the key."""
    address: str | None
    """Address of the client, as the server or a trusted proxy tells it."""


class UploadLinks(msgspec.Struct, frozen=True):
    """Paths of what belongs to the upload."""

    upload: str
    batches: str
    rejects: str
    rejects_csv: str
    events: str
    duplicate_of: str | None
    parent: str | None

    @classmethod
    def of(
        cls, services: Services, upload_id: uuid.UUID, duplicate_of: uuid.UUID | None, parent_id: uuid.UUID | None
    ) -> UploadLinks:
        """The paths under the present name of the graph."""
        path = path_of(services, upload_id)
        return cls(
            upload=path,
            batches=f"{path}/batches",
            rejects=f"{path}/rejects",
            rejects_csv=f"{path}/rejects.csv",
            events=f"{path}/events",
            duplicate_of=path_of(services, duplicate_of) if duplicate_of else None,
            parent=path_of(services, parent_id) if parent_id else None,
        )


class Upload(msgspec.Struct, frozen=True):
    """An upload's entry in the ledger.

    `rows_received` is exact once the body is complete, and null before. `rows_accepted`, `rows_rejected` and `mentions`
    are exact once every batch is counted, and null before: then `rows_received` is `rows_accepted` + `rows_rejected`.
    What is counted so far is in `progress`; `rows_applied` and `mentions_applied` are in the graph now.
    """

    id: uuid.UUID
    state: UploadState
    filename: str | None
    options: Options
    again: bool
    progress: Progress
    rows_received: int | None
    rows_accepted: int | None
    rows_rejected: int | None
    rows_repeated: int | None
    """Of the accepted rows, those whose post was counted already: another row with its id came before. Such a row adds
    nothing. Null before every batch is counted, and for uploads whose posts have no ids."""
    rows_applied: int
    mentions: int | None
    mentions_applied: int
    batches: BatchesByState
    size_bytes: int
    sha256: str | None
    received_by: str
    """Process that received the upload. Its host and pid need the scope `metrics` on all graphs."""
    sent_by: Sender | None
    """Who sent the upload. Null if somebody else sent it and the key lacks the scope `uploads:read`."""
    received_at: datetime
    sealed_at: datetime | None
    finished_at: datetime | None
    seconds_receiving: float | None
    """Seconds from the first byte to the last."""
    seconds_applying: float | None
    """Seconds from the last byte to the end of the last batch."""
    duplicate_of: uuid.UUID | None
    """Id of the earlier upload of the same bytes."""
    parent_id: uuid.UUID | None
    """Id of the upload of the zip that held the file; null for a file that came by itself."""
    member_count: int | None
    """Number of files of posts in a zip, each an upload of its own; null for an upload that is a file."""
    members: list[MemberEntry] | None
    """Files of a zip. Null for other uploads, and in a list of uploads."""
    error: Problem | None
    """Why the upload failed or was aborted; null for other uploads."""
    warnings: list[UploadWarning]
    """What may be wrong with the upload although it did not fail. Some warnings come only once every batch is
    counted."""
    purged_at: datetime | None
    """When the upload's payload was purged, its retention time being over. Since then nobody can replay or retract the
    upload."""
    rejects_purged_at: datetime | None
    """When the upload's rejects were purged, their retention time being over."""
    rejects_kept: int
    """Number of rejected rows that are there, to be repaired. The service keeps a bounded number, and counts the
    others."""
    rejects_by_code: dict[str, int] | None
    """Number of rejected rows by code, also of those that are not kept. Null, if an earlier release counted them."""
    note: str | None
    """What people say of the upload."""
    links: UploadLinks

    @classmethod
    def of(cls, entry: Entry, services: Services, caller: Caller) -> Upload:
        """The entry, as the caller is answered."""
        return struct_of(
            cls,
            entry,
            progress=Progress.of(entry),
            batches=BatchesByState.of(entry),
            received_by=caller.process_shown(entry.received_by),
            sent_by=Sender(entry.key_id, entry.owner, entry.address) if caller.sees_who(entry.owner) else None,
            seconds_receiving=_seconds(entry.received_at, entry.sealed_at),
            seconds_applying=_seconds(entry.sealed_at, entry.finished_at),
            links=UploadLinks.of(services, entry.id, entry.duplicate_of, entry.parent_id),
        )


class Uploads(msgspec.Struct, frozen=True):
    """A page of uploads, the newest first."""

    uploads: list[Upload]
    next: str | None
    """Path of the next page; null on the last page."""


class UploadsByState(msgspec.Struct, frozen=True):
    """Number of uploads in each state."""

    receiving: int
    staged: int
    applying: int
    applied: int
    failed: int
    checking: int
    checked: int
    cancelling: int
    cancelled: int
    aborted: int
    duplicate: int
    retracting: int
    retracted: int


class Counts(msgspec.Struct, frozen=True):
    """Number of uploads that a filter matches."""

    total: int
    states: UploadsByState


class Batches(msgspec.Struct, frozen=True):
    """A page of an upload's batches, in file order."""

    batches: list[Batch]
    next: str | None
    """Path of the next page; null on the last page."""


def only_of(caller: Caller, everybodys: Scope = Scope.UPLOADS_READ) -> str | None:
    """The owner whose uploads alone the caller may see or change. None: the caller has the scope for everybody's."""
    return None if caller.scopes & {everybodys, Scope.ADMIN} else caller.owner or ""


def path_of(services: Services, upload_id: uuid.UUID) -> str:
    """Path of an upload's entry."""
    return f"{services.base}/uploads/{upload_id}"


def _share(entry: Entry) -> float:
    if entry.state in {UploadState.APPLIED, UploadState.CHECKED}:
        return 1.0
    done = 2 * entry.bytes_counted if entry.options.dry_run else entry.bytes_counted + entry.bytes_applied
    return round(done / (2 * max(1, entry.bytes_staged)), 4)


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return (end - begin).total_seconds() if begin and end else None


@get(
    "/uploads",
    summary="List uploads",
    scope=SEEN,
    operation_class=answering(examples.UPLOADS),
    dependencies=FILTER,
    responses=problems.responses(
        BadRequest("query parameter 'limit' has to be a whole number from 1 to 500."), *ONE_UPLOAD[1:]
    ),
)
async def list_uploads(  # noqa: PLR0917 (what a request has)
    services: Injected,
    caller: Calling,
    wanted: Filtered,
    # Litestar keeps the name `state` for itself.
    in_states: Annotated[
        list[UploadState] | None,
        QueryParameter(
            name="state",
            description="Only uploads in this state, or in one of several: `state=applied&state=failed`.",
            max_items=len(UploadState),
        ),
        Wanted(one_of(list(UploadState))),
    ] = None,
    limit: Limit = 50,
    before: Annotated[
        uuid.UUID | None, QueryParameter(description="Only uploads received before this upload. `next` has it.")
    ] = None,
) -> Uploads:
    """Lists uploads, the newest first. A key without `uploads:read` gets the uploads of its owner."""
    states = tuple(in_states) if in_states else None
    wanted = msgspec.structs.replace(wanted, states=states)
    async with services.pool.connection() as conn:
        found = await entries.uploads(conn, wanted, before=before, limit=limit + 1, owner=only_of(caller))
    page = found[:limit]
    following = (
        next_page(f"{services.base}/uploads", state=states, **query_of(wanted), limit=limit, before=page[-1].id)
        if len(found) > limit
        else None
    )
    return Uploads(uploads=[Upload.of(entry, services, caller) for entry in page], next=following)


@get(
    "/uploads/counts",
    summary="Count uploads by state",
    scope=SEEN,
    operation_class=answering(examples.COUNTS),
    dependencies=FILTER,
    responses=problems.responses(BadRequest(f"query parameter 'since' has to be {INSTANT}."), *problems.DATABASE),
)
async def count_uploads(services: Injected, caller: Calling, wanted: Filtered) -> Counts:
    """Counts the uploads in each state that `GET /uploads` lists with the same filter. A key without `uploads:read`
    counts the uploads of its owner."""
    async with services.pool.connection() as conn:
        found = await entries.counts(conn, wanted, owner=only_of(caller))
    return Counts(sum(found.values()), UploadsByState(**found))


@get(
    "/uploads/{upload_id:str}",
    summary="One upload",
    scope=SEEN,
    operation_class=answering(examples.UPLOAD),
    responses=problems.responses(*ONE_UPLOAD),
)
async def get_upload(services: Injected, caller: Calling, upload_id: UploadId) -> Upload:
    """Says which state the upload is in, how far it is, and what came of it.

    An upload goes through `receiving`, `staged` and `applying` to `applied`. It ends in `failed` if a batch failed for
    good, until the batch is replayed, or if every row was rejected. `warnings` says what may be wrong with an upload
    that did not fail. `aborted`: the upload was cut off or refused, and `error` says why. `duplicate`:
    the same bytes were uploaded before. `duplicate_of` is null if another owner did, and the key lacks
    `uploads:read`. A dry run goes through `checking` to `checked`. An upload that is taken out of
    the graph goes through `cancelling` to `cancelled`, or through `retracting` to `retracted`.
    """
    async with services.pool.connection() as conn:
        return Upload.of(await entries.upload(conn, upload_id, owner=only_of(caller)), services, caller)


@get(
    "/uploads/{upload_id:str}/batches",
    summary="An upload's batches",
    scope=SEEN,
    operation_class=answering(examples.BATCHES),
    responses=problems.responses(*ONE_UPLOAD),
)
async def list_batches(
    services: Injected,
    caller: Calling,
    upload_id: UploadId,
    after: Annotated[
        int, QueryParameter(description="Only batches behind this ordinal. `next` has it.", ge=-1, le=2**31 - 1)
    ] = -1,
    limit: Limit = 50,
) -> Batches:
    """Lists the batches of the upload, in file order, each with its state, attempts and counts. Workers count one batch
    at a time."""
    async with services.pool.connection() as conn:
        await entries.require(conn, upload_id, owner=only_of(caller))
        found = await entries.batches(conn, upload_id, after=after, limit=limit + 1)
    page = found[:limit]
    path = f"{path_of(services, upload_id)}/batches"
    following = next_page(path, after=page[-1].ordinal, limit=limit) if len(found) > limit else None
    return Batches(batches=page, next=following)


ROUTER = Router("/", tags=["uploads"], route_handlers=[list_batches])

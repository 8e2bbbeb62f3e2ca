"""Changes to an upload: cancel it, retract it, replay its failed batches, or write a note."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

import msgspec
from litestar import Request, Response, Router, patch, post
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import ResponseHeader
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import PathParameter

from app.control.callers import Caller, Scope
from app.errors import BadRequest, BadState, NotFound, TooManyReads, UploadCutOff
from app.graph import withdrawal
from app.graph.parameters import GraphParameters, read_parameters
from app.http import bodies, forecasts, problems
from app.http.calling import Calling
from app.http.forecasts import DryRun
from app.http.openapi import examples
from app.http.openapi.examples import answering, asking
from app.http.parameters import MAX_NUMBER
from app.http.routes.uploads import CHANGED, ONE_UPLOAD, Upload, UploadId, get_upload, only_of, path_of
from app.http.services import Injected, Services
from app.ledger import bells, entries, notes, transitions
from app.ledger.states import Ring, UploadState
from app.ledger.transitions import FailedBatch
from app.store.postgres import Connection

_LOCATION = [ResponseHeader("Location", documentation_only=True, description="Path of the upload's entry.")]
_TAKEN = "The change is under way. `Location` is the upload's entry."
_BUSY = (TooManyReads,)
_RETRACTION = {
    **examples.FORECAST,
    "action": "retract",
    "state": "applied",
    "batches_not_counted": 0,
    "batches_taken_out": 12,
}


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of an upload's entry."""

    note: str | None
    """What people say of the upload. Null: nothing."""


_CHANGES = Schema(
    type=OpenAPIType.OBJECT,
    required=["note"],
    additional_properties=False,
    properties={
        "note": Schema(
            type=[OpenAPIType.STRING, OpenAPIType.NULL],
            max_length=notes.LONGEST,
            description="What people say of the upload. Null: nothing.",
        )
    },
)


class _Withdraw(Protocol):
    def __call__(
        self, conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters, *, now: datetime, caller: Caller
    ) -> list[int]: ...


@post(
    "/uploads/{upload_id:str}/cancel",
    summary="Cancel an upload",
    scope=CHANGED,
    status_code=202,
    response_description=_TAKEN,
    response_headers=_LOCATION,
    operation_class=answering({**examples.UPLOAD, "state": "cancelling"}, dry_run=examples.FORECAST),
    responses={
        **forecasts.WITHDRAWAL,
        **problems.responses(
            *ONE_UPLOAD,
            problems.CROSS_SITE,
            BadState("upload … is applied: only one that is not finished is cancelled; an applied one is retracted."),
            *_BUSY,
        ),
    },
)
async def cancel_upload(
    services: Injected, caller: Calling, upload_id: UploadId, dry_run: DryRun = False
) -> Response[Upload]:
    """Stops an upload that is not applied yet, even while its body arrives. Workers take the applied part out of the
    graph again: the upload is `cancelling`, then `cancelled`. Afterwards the same bytes may be uploaded again. A dry
    run says what goes; of an upload with very many edges, it estimates their numbers."""
    if dry_run:
        return await _forecast(services, caller, upload_id, UploadState.CANCELLING)
    return await _withdraw(services, caller, upload_id, withdrawal.cancel)


@post(
    "/uploads/{upload_id:str}/retract",
    summary="Retract an applied upload",
    scope=CHANGED,
    status_code=202,
    response_description=_TAKEN,
    response_headers=_LOCATION,
    operation_class=answering({**examples.UPLOAD, "state": "retracting"}, dry_run=_RETRACTION),
    responses={
        **forecasts.WITHDRAWAL,
        **problems.responses(
            *ONE_UPLOAD,
            problems.CROSS_SITE,
            BadState("upload … is staged: only an applied or failed one is retracted."),
            *_BUSY,
        ),
    },
)
async def retract_upload(
    services: Injected, caller: Calling, upload_id: UploadId, dry_run: DryRun = False
) -> Response[Upload]:
    """Takes an applied or failed upload out of the graph: its counts, its weights, and the edges that only this upload
    made. The upload is `retracting`, then `retracted`. Afterwards the same bytes may be uploaded again. A dry run says
    what goes; of an upload with very many edges, it estimates their numbers."""
    if dry_run:
        return await _forecast(services, caller, upload_id, UploadState.RETRACTING)
    return await _withdraw(services, caller, upload_id, withdrawal.retract)


@post(
    "/uploads/{upload_id:str}/replay",
    summary="Replay an upload's failed batches",
    scope=CHANGED,
    status_code=202,
    response_description=_TAKEN,
    response_headers=_LOCATION,
    operation_class=answering(examples.UPLOAD, dry_run=examples.REPLAY_FORECAST),
    responses={
        **forecasts.REPLAY,
        **problems.responses(
            *ONE_UPLOAD,
            problems.CROSS_SITE,
            BadState("upload … is applied and has no failed batch."),
        ),
    },
)
async def replay_upload(
    services: Injected, caller: Calling, upload_id: UploadId, dry_run: DryRun = False
) -> Response[Upload]:
    """Gives every failed batch of the upload new attempts. Batches that are applied already stay as they are."""
    async with services.pool.connection() as conn:
        entry = await entries.upload(conn, upload_id, owner=_owner(caller))
    nothing = f"upload {upload_id} is {entry.state} and has no failed batch."
    return await _replay(services, caller, upload_id, None, nothing, dry_run=dry_run)


@post(
    "/batches/{batch_id:str}/replay",
    summary="Replay a failed batch",
    scope=CHANGED,
    status_code=202,
    response_description=_TAKEN,
    response_headers=_LOCATION,
    operation_class=answering(examples.UPLOAD, dry_run={**examples.REPLAY_FORECAST, "batch_id": 42, "batches": 1}),
    responses={
        **forecasts.REPLAY,
        **problems.responses(
            BadRequest("path parameter 'batch_id' has to be a whole number."),
            NotFound("the ledger has no batch 17; GET /uploads/{upload_id}/batches lists an upload's."),
            problems.CROSS_SITE,
            BadState("batch 17 has not failed."),
            *problems.DATABASE,
        ),
    },
)
async def replay_batch(
    services: Injected,
    caller: Calling,
    batch_id: Annotated[
        int,
        PathParameter(
            description="Id of the batch. `GET /uploads/{upload_id}/batches` lists the ids.", ge=1, le=MAX_NUMBER
        ),
    ],
    dry_run: DryRun = False,
) -> Response[Upload]:
    """Gives a failed batch new attempts. The answer is the entry of its upload."""
    async with services.pool.connection() as conn:
        upload_id = await entries.upload_of_batch(conn, batch_id, owner=_owner(caller))
    return await _replay(services, caller, upload_id, batch_id, f"batch {batch_id} has not failed.", dry_run=dry_run)


@patch(
    "/uploads/{upload_id:str}",
    summary="Write a note on an upload",
    scope=CHANGED,
    operation_class=asking(_CHANGES, {"note": examples.UPLOAD["note"]}, examples.UPLOAD),
    responses=problems.responses(
        *ONE_UPLOAD,
        BadRequest("the note has 612 characters, and may have 500."),
        problems.CROSS_SITE,
        UploadCutOff,
    ),
)
async def change_upload(
    request: Request[Any, Any, Any], services: Injected, caller: Calling, upload_id: UploadId
) -> Upload:
    """Writes, changes or removes the note of an upload, for other people to read. White space around the note goes. The
    answer is the entry of the upload."""
    asked = await bodies.json_of(request, services.settings, Changes)
    note = notes.checked(asked.note)
    owner = _owner(caller)
    async with services.pool.connection() as conn:
        await notes.write(conn, upload_id, note, caller=caller, owner=owner)
        return Upload.of(await entries.upload(conn, upload_id, owner=owner), services, caller)


def _owner(caller: Caller) -> str | None:
    """The owner whose uploads alone the caller may change."""
    return only_of(caller, Scope.UPLOADS_MANAGE)


async def _forecast(services: Services, caller: Caller, upload_id: uuid.UUID, wanted: UploadState) -> Response[Any]:
    async with services.pool.connection() as conn:
        await entries.require(conn, upload_id, owner=_owner(caller))
    return await forecasts.of_withdrawal(services, caller, upload_id, wanted)


async def _withdraw(services: Services, caller: Caller, upload_id: uuid.UUID, withdraw: _Withdraw) -> Response[Upload]:
    async with services.pool.connection() as conn:
        await entries.require(conn, upload_id, owner=_owner(caller))

    def work() -> list[int]:
        with services.sync_pool.connection() as conn:
            return withdraw(conn, upload_id, read_parameters(conn), now=services.clock(), caller=caller)

    shards = await asyncio.to_thread(work)
    return await _answer(services, caller, upload_id, shards=shards)


async def _replay(
    services: Services, caller: Caller, upload_id: uuid.UUID, batch_id: int | None, nothing: str, *, dry_run: bool
) -> Response[Any]:
    def work() -> tuple[list[FailedBatch], list[int]]:
        with services.sync_pool.connection() as conn:
            failed = transitions.failed_batches(conn, upload_id=upload_id, batch_id=batch_id)
            if not failed:
                raise BadState(nothing)
            replayable = [each.id for each in failed if each.replayable]
            if not replayable:
                raise BadState(
                    "what failed was purged after its retention time, or held a forgotten person: send the file again."
                )
            return failed, [] if dry_run else transitions.replay(conn, replayable, now=services.clock(), caller=caller)

    failed, batches = await asyncio.to_thread(work)
    if dry_run:
        return forecasts.of_replay(upload_id, batch_id, failed)
    return await _answer(services, caller, upload_id, batches=batches)


async def _answer(
    services: Services,
    caller: Caller,
    upload_id: uuid.UUID,
    *,
    batches: Sequence[int] = (),
    shards: Sequence[int] = (),
) -> Response[Upload]:
    """The upload's entry. After it, workers are rung for the batches and the shards."""
    async with services.pool.connection() as conn:
        entry = await entries.upload(conn, upload_id, owner=_owner(caller))

    async def ring() -> None:
        bells.ring(
            services.broker,
            batches=[Ring(batch, entry.options.priority) for batch in batches],
            shards=[Ring(shard, entry.options.priority) for shard in shards],
            uploads=[upload_id],
            graph=services.graph,
        )

    return Response(
        Upload.of(entry, services, caller),
        status_code=202,
        headers={"Location": path_of(services, upload_id)},
        background=BackgroundTask(ring),
    )


# Litestar takes all methods of a path from one router.
ROUTER = Router(
    "/",
    tags=["uploads"],
    route_handlers=[get_upload, change_upload, cancel_upload, retract_upload, replay_upload, replay_batch],
)

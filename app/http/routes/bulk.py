"""One change of many uploads: those that a filter matches, or those that a client names."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Annotated, Any, Literal

import msgspec
import psycopg
from litestar import Request, Response, Router, post
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema

from app.control.audit_events import Action, async_record
from app.control.callers import Caller, Scope
from app.errors import BadRequest, BadState, NotFound, TooManyChanges, TooManyReads, UploadCutOff
from app.graph import bulk
from app.graph.bulk import Bells, Change, Looked
from app.graph.parameters import read_parameters
from app.http import bodies, problems, quotas
from app.http.calling import Calling
from app.http.openapi import examples
from app.http.openapi.examples import asking
from app.http.parameters import moment
from app.http.quotas import Kind
from app.http.routes.uploads import CHANGED, only_of
from app.http.services import Injected, Services
from app.http.slots import PATIENCE, taken
from app.http.upload_filters import MOST_OWNER, MOST_TEXT, PLAIN
from app.ledger import bells
from app.ledger.entries import Filter
from app.ledger.states import UploadState
from app.store.acting import async_act_for

MOST = 1000
"""Uploads that one request changes, and that one request names."""
SECONDS = 5.0
"""How long a request goes on with the next upload."""
_HIGHEST = 2**31 - 1

_At = Annotated[datetime, msgspec.Meta(tz=True)]


class WantedUploads(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which uploads match, as the query of `GET /uploads` says it."""

    state: Annotated[list[UploadState], msgspec.Meta(min_length=1)] | None = None
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_TEXT, pattern=PLAIN)] | None = None
    since: _At | None = None
    until: _At | None = None
    owner: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_OWNER, pattern=PLAIN)] | None = None

    def as_filter(self) -> Filter:
        """The filter that a list has."""
        since, until = (None if at is None else moment(at) for at in (self.since, self.until))
        states = None if self.state is None else tuple(self.state)
        return Filter(states=states, text=self.text, since=since, until=until, owner=self.owner)


class BulkChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked for."""

    action: Change | None = None
    filter: WantedUploads | None = None
    uploads: Annotated[list[uuid.UUID], msgspec.Meta(min_length=1, max_length=MOST)] | None = None
    dry_run: bool = False
    expected: Annotated[int, msgspec.Meta(ge=0, le=_HIGHEST)] | None = None
    before: uuid.UUID | None = None


class Fit(msgspec.Struct, frozen=True):
    """How many of the matching uploads an action fits. The three numbers add up to `matching`."""

    fits: int
    """Uploads that the action changes."""
    with_zip: int
    """Members of zips that match and that the action changes: the members go with their zips."""
    unfit: int
    """Uploads whose state does not allow the action, or whose data was purged."""

    @classmethod
    def of(cls, looked: Looked, change: Change) -> Fit:
        """How many the change fits."""
        fits, with_zip = looked.fits(change), looked.with_zip(change)
        return cls(fits, with_zip, looked.matching - fits - with_zip)


class BulkForecast(msgspec.Struct, frozen=True):
    """A dry run: how many uploads match, and how many of them each action fits."""

    matching: int
    unknown: int
    """Uploads that the request named and that do not exist."""
    cancel: Fit
    retract: Fit
    replay: Fit


class Changed(msgspec.Struct, frozen=True):
    """What became of an upload."""

    id: uuid.UUID
    outcome: Literal["done", "refused"]
    detail: str | None
    """Why the upload was refused, which had changed meanwhile or holds what cannot be taken out."""


class GoOn(msgspec.Struct, frozen=True):
    """What the next request has in place of the same fields of this one."""

    before: uuid.UUID
    expected: int


class BulkAnswer(msgspec.Struct, frozen=True):
    """What became of the uploads that matched, but for those that earlier requests had done."""

    action: Change
    matching: int
    unknown: int
    """Uploads that the request named and that do not exist."""
    fits: int
    with_zip: int
    unfit: int
    done: int
    """Uploads of `uploads` that are changed."""
    refused: int
    """Uploads of `uploads` that were refused."""
    uploads: list[Changed]
    """The uploads that this request came to, the newest first."""
    next: GoOn | None
    """How to go on: send the request again with these fields. Null: the answer is about every upload."""


_FILTER = Schema(
    type=OpenAPIType.OBJECT,
    additional_properties=False,
    description="Which uploads, as the parameters of `GET /uploads` say it. `{}`: all of them.",
    properties={
        "state": Schema(
            type=OpenAPIType.ARRAY, min_items=1, items=Schema(type=OpenAPIType.STRING, enum=list(UploadState))
        ),
        "text": Schema(type=OpenAPIType.STRING, min_length=1, max_length=MOST_TEXT, pattern=PLAIN),
        "since": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
        "until": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
        "owner": Schema(type=OpenAPIType.STRING, min_length=1, max_length=MOST_OWNER, pattern=PLAIN),
    },
)
_ASKED = Schema(
    type=OpenAPIType.OBJECT,
    additional_properties=False,
    properties={
        "action": Schema(
            type=OpenAPIType.STRING,
            enum=list(Change),
            description="What to do to each upload. A dry run counts for each action.",
        ),
        "filter": _FILTER,
        "uploads": Schema(
            type=OpenAPIType.ARRAY,
            min_items=1,
            max_items=MOST,
            items=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
            description="Ids of uploads, in place of `filter`.",
        ),
        "dry_run": Schema(type=OpenAPIType.BOOLEAN, description="Only count, and change nothing."),
        "expected": Schema(
            type=OpenAPIType.INTEGER,
            minimum=0,
            maximum=_HIGHEST,
            description="The number of uploads that the action fits, as the dry run counted. If it is another number "
            "now, nothing is done.",
        ),
        "before": Schema(
            type=OpenAPIType.STRING,
            format=OpenAPIFormat.UUID,
            description="Only uploads behind this one in the list. `next` has it.",
        ),
    },
    all_of=[
        Schema(one_of=[Schema(required=["filter"]), Schema(required=["uploads"])]),
        Schema(
            any_of=[
                Schema(required=["dry_run"], properties={"dry_run": Schema(const=True)}),
                Schema(required=["action", "expected"]),
            ]
        ),
    ],
)


@post(
    "/uploads/bulk",
    summary="Cancel, retract or replay many uploads",
    scope=CHANGED,
    status_code=202,
    response_description="The changes are under way. Every upload of the answer was changed or refused.",
    operation_class=asking(
        _ASKED,
        {"action": "retract", "filter": {"text": "radforum", "state": ["applied"]}, "expected": 2},
        examples.BULK,
        dry_run=examples.BULK_FORECAST,
    ),
    responses={
        200: ResponseSpec(
            BulkForecast, generate_examples=False, description="A dry run: what matches. Nothing is changed."
        ),
        **problems.responses(
            BadRequest("give `filter` or `uploads`, and not both."),
            problems.CROSS_SITE,
            BadState("retract fits 3 uploads, and 2 were expected: nothing was done. Count again, then confirm."),
            UploadCutOff,
            TooManyReads,
            TooManyChanges,
            *problems.DATABASE,
        ),
    },
)
async def change_many(request: Request[Any, Any, Any], services: Injected, caller: Calling) -> Response[BulkAnswer]:
    """Does one thing to all uploads that a filter matches, or that the request names. First send a dry run, which
    counts how many of them each action fits. Then send the number as `expected`. Each upload is changed by itself, as
    by a request of its own. An answer comes after 1,000 uploads or some seconds; `next` says how to go on. A key
    without `uploads:manage` changes the uploads of its owner, and no others match."""
    asked = await bodies.json_of(request, services.settings, BulkChange)
    if (asked.filter is None) == (asked.uploads is None):
        raise BadRequest("give `filter` or `uploads`, and not both.")
    ids = None if asked.uploads is None else list(dict.fromkeys(asked.uploads))
    if asked.dry_run:
        return _counted(await _look(services, caller, asked, ids), ids)
    if asked.action is None or asked.expected is None:
        raise BadRequest("give `action` and `expected`, or `dry_run`.")
    async with taken(
        services.bulk_slots, PATIENCE, TooManyChanges("another bulk change is under way; ask again later.")
    ):
        looked = await _look(services, caller, asked, ids)
        if looked.fits(asked.action) != asked.expected:
            raise BadState(
                f"{asked.action} fits {looked.fits(asked.action)} uploads, and {asked.expected} were expected: nothing "
                "was done. Count again, then confirm."
            )
        found = await _change(services, caller, asked, asked.action, looked)
    fit = Fit.of(looked, asked.action)
    left = fit.fits - len(found)
    answer = BulkAnswer(
        action=asked.action,
        matching=looked.matching,
        unknown=_unknown(looked, ids) if asked.before is None else 0,
        fits=fit.fits,
        with_zip=fit.with_zip,
        unfit=fit.unfit,
        done=sum(each.outcome == "done" for each in found),
        refused=sum(each.outcome == "refused" for each in found),
        uploads=found,
        next=GoOn(found[-1].id, left) if found and left > 0 else None,
    )
    return Response(answer)


async def _look(services: Services, caller: Caller, asked: BulkChange, ids: Sequence[uuid.UUID] | None) -> Looked:
    wanted = Filter() if asked.filter is None else asked.filter.as_filter()
    async with quotas.one(Kind.READS), services.expensive.connection() as conn:
        return await bulk.look(
            conn, wanted, ids=ids, change=asked.action, before=asked.before, limit=MOST, owner=_owner(caller)
        )


def _owner(caller: Caller) -> str | None:
    return only_of(caller, Scope.UPLOADS_MANAGE)


def _unknown(looked: Looked, ids: Sequence[uuid.UUID] | None) -> int:
    return 0 if ids is None else len(ids) - looked.matching


def _counted(looked: Looked, ids: Sequence[uuid.UUID] | None) -> Response[Any]:
    counted = BulkForecast(
        matching=looked.matching,
        unknown=_unknown(looked, ids),
        cancel=Fit.of(looked, Change.CANCEL),
        retract=Fit.of(looked, Change.RETRACT),
        replay=Fit.of(looked, Change.REPLAY),
    )
    return Response(counted, status_code=200)


async def _change(
    services: Services, caller: Caller, asked: BulkChange, change: Change, looked: Looked
) -> list[Changed]:
    """Change the uploads, one after another, until the time is over. Raises psycopg.Error if not one was changed."""
    if looked.ids:
        await _record(services, caller, asked, change)
    found, until = list[Changed](), monotonic() + SECONDS
    rung, told = Bells([], []), list[uuid.UUID]()
    try:
        for upload_id in looked.ids:
            try:
                done = await asyncio.to_thread(_do, services, caller, change, upload_id)
            except (BadState, NotFound) as error:
                found.append(Changed(upload_id, "refused", error.problem().detail))
            except psycopg.Error:
                # The answer accounts for what is done, and the client goes on behind it. If the error stays, it is
                # the answer to that.
                if not found:
                    raise
                break
            else:
                found.append(Changed(upload_id, "done", None))
                rung = Bells([*rung.batches, *done.batches], [*rung.shards, *done.shards])
                told.append(upload_id)
            if monotonic() >= until:
                break
    finally:
        shards = list({ring.id: ring for ring in rung.shards}.values())
        bells.ring(services.broker, batches=rung.batches, shards=shards, uploads=told, graph=services.graph)
    return found


def _do(services: Services, caller: Caller, change: Change, upload_id: uuid.UUID) -> Bells:
    # A connection for each upload: other requests for changes get their turn.
    with services.sync_pool.connection() as conn:
        return bulk.do(conn, change, upload_id, read_parameters(conn), now=services.clock(), caller=caller)


async def _record(services: Services, caller: Caller, asked: BulkChange, change: Change) -> None:
    """Write what was asked for. A text that is looked for may name a person, so the event has a sign in its place."""
    wanted = asked.filter
    detail = {
        "action": change,
        "expected": asked.expected,
        "uploads": None if asked.uploads is None else len(asked.uploads),
        "filter": None if wanted is None else msgspec.structs.replace(wanted, text=wanted.text and "…"),
    }
    async with services.pool.connection() as conn, conn.transaction():
        await async_act_for(conn, caller)
        await async_record(conn, caller, Action.UPLOAD_BULK, None, detail=detail)


ROUTER = Router("/", tags=["uploads"], route_handlers=[change_many])

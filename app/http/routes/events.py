"""GET /uploads/{id}/events: what happens to an upload, as Server-Sent Events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
import psycopg
import structlog
from litestar import Request, Router, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send
from msgspec.structs import replace

from app.control.callers import Caller
from app.errors import BadRequest, LimitReached, TooManyListeners
from app.http import problems, quotas
from app.http.addresses import address_of
from app.http.calling import Calling
from app.http.download import disconnected
from app.http.openapi import examples
from app.http.parameters import MAX_NUMBER
from app.http.quotas import Kind
from app.http.routes.uploads import ONE_UPLOAD, SEEN, BatchesByState, Progress, Upload, UploadId, only_of
from app.http.services import Injected, Services
from app.http.structs import struct_of
from app.ledger import entries, events
from app.ledger.entries import Entry
from app.ledger.events import Event
from app.ledger.states import UNFINISHED, UploadState

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15.0
"""Longest silence of a stream: proxies close a silent connection, and a write finds out that the client is gone."""
POLL_SECONDS = 5.0
"""Pause between two looks at the ledger while rings are heard: a ring may be lost with its sender."""
UNHEARD_POLL_SECONDS = 1.0
LONGEST_SECONDS = 3600.0
"""How long a stream lasts. Then its client comes back, with its Last-Event-ID, if it still wants to know."""
PACE_SECONDS = 0.2
"""Shortest pause between two looks at the ledger, however often listeners are rung."""


class Counters(msgspec.Struct, frozen=True):
    """How far the upload is, as a `progress` event says it."""

    state: UploadState
    progress: Progress
    rows_received: int | None
    rows_accepted: int | None
    rows_rejected: int | None
    rows_repeated: int | None
    rows_applied: int
    mentions: int | None
    mentions_applied: int
    batches: BatchesByState

    @classmethod
    def of(cls, entry: Entry) -> Counters:
        """The counters of the entry."""
        return struct_of(cls, entry, progress=Progress.of(entry), batches=BatchesByState.of(entry))


class EventStream(ASGIResponse):
    """Sends blocks as they come, until they end or the client has gone. Then it closes what the blocks come from."""

    _should_set_content_length = False

    def __init__(self, blocks: AsyncGenerator[bytes], *, stalled_after: float) -> None:
        super().__init__(
            media_type="text/event-stream",
            status_code=200,
            # X-Accel-Buffering: nginx would gather the events otherwise.
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self._blocks = blocks
        self._stalled_after = stalled_after

    async def send_body(self, send: Send, receive: Receive) -> None:
        gone = asyncio.create_task(disconnected(receive))
        sending = asyncio.create_task(self._send(send))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        try:
            async with aclosing(self._blocks) as blocks:
                async for block in blocks:
                    async with asyncio.timeout(self._stalled_after):
                        await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, psycopg.Error, TooManyListeners, LimitReached) as error:
            # The answer ends without its `end` event, so the client comes back, with its Last-Event-ID.
            log.warning("events broken off", error=str(error))


@get(
    "/{upload_id:str}/events",
    stream="events",
    summary="An upload's events, live",
    scope=SEEN,
    responses={
        200: ResponseSpec(
            str,
            media_type="text/event-stream",
            generate_examples=False,
            description="Server-Sent Events: `state`, `progress`, `warning`, and `end` as the last.",
            examples=[Example(summary="events", value=examples.EVENTS)],
        ),
        **problems.responses(
            BadRequest("header 'Last-Event-ID' has to be a whole number."),
            *ONE_UPLOAD,
            TooManyListeners("200 listen to this process already; GET /uploads/{upload_id} says the same."),
        ),
    },
)
async def stream_events(
    request: Request[Any, Any, Any],
    services: Injected,
    caller: Calling,
    upload_id: UploadId,
    last_event_id: Annotated[
        int,
        HeaderParameter(
            name="Last-Event-ID",
            description="Only events after this event. Browsers send this header when they connect again.",
            ge=0,
            le=MAX_NUMBER,
        ),
    ] = 0,
) -> ASGIResponse:
    """Sends every change of state of the upload and of its batches, from the first change on, and then live.

    A `state` event is one change, with the id for `Last-Event-ID`. A `progress` event has the counters whenever they
    change. A `warning` event is a warning of the upload when it first appears. The `end` event has the entry of the
    finished upload. A stream without an `end` event was broken off: connect again with `Last-Event-ID`. `process` names
    host and pid only for keys with the scope `metrics` on all graphs.
    """
    owner = only_of(caller)
    async with services.pool.connection() as conn:
        await entries.upload(conn, upload_id, owner=owner)
    address = address_of(request.scope["client"])
    quotas.check(Kind.STREAMS)
    services.hub.check_room(upload_id, address)
    return EventStream(
        quotas.one_of(Kind.STREAMS, _tell(services, caller, upload_id, owner, last_event_id, address)),
        stalled_after=services.settings.receive_timeout,
    )


async def _tell(  # noqa: PLR0917 (what a stream has)
    services: Services, caller: Caller, upload_id: uuid.UUID, owner: str | None, last: int, address: str
) -> AsyncGenerator[bytes]:
    now = asyncio.get_running_loop().time
    ends = now() + LONGEST_SECONDS
    told: Counters | None = None
    warned = set[str]()
    with services.hub.listen(upload_id, address) as bell:
        yield b"retry: 1000\n\n"
        spoken = now()
        while not services.hub.closed and now() < ends:
            # The entry first: what it says has its events in the ledger by now.
            async with services.event_lane.connection() as conn:
                entry = await entries.upload(conn, upload_id, owner=owner)
            async with aclosing(events.after(services.event_lane, upload_id, last)) as changes:
                async for change in changes:
                    last, spoken = change.id, now()
                    yield _block("state", _shown(change, caller), number=change.id)
            counters = Counters.of(entry)
            if counters != told:
                told, spoken = counters, now()
                yield _block("progress", counters)
            for warning in entry.warnings:
                if warning.code not in warned:
                    spoken = now()
                    warned.add(warning.code)
                    yield _block("warning", warning)
            if entry.state not in UNFINISHED:
                yield _block("end", Upload.of(entry, services, caller))
                return
            if now() - spoken >= HEARTBEAT_SECONDS:
                spoken = now()
                yield b": nothing new\n\n"
            await asyncio.sleep(PACE_SECONDS)
            # The process that receives a body rings nobody before the body ends.
            heard = services.hub.connected and entry.state is not UploadState.RECEIVING
            await bell.wait(POLL_SECONDS if heard else UNHEARD_POLL_SECONDS)


def _shown(event: Event, caller: Caller) -> Event:
    """The event as the caller may see it: another owner's address and key are nobody's business, nor are hosts."""
    seen = event if caller.sees_who(event.owner) else replace(event, key_id=None, owner=None, address=None)
    return replace(seen, process=caller.process_shown(event.process))


def _block(name: str, data: msgspec.Struct, *, number: int | None = None) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\n".encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"


ROUTER = Router("/uploads", tags=["uploads"], route_handlers=[stream_events])

"""Receiving: the life of one upload while its body arrives, from its entry in the ledger to its seal.

`take_in` goes from a request to its answer: the request's key, the backlog, the body, the seal, the entry. Size and
SHA-256 of an upload are those of its body after its Content-Encoding is undone and before it is brought to UTF-8. No
worker counts a batch before the seal, so half a file is never applied. A body that ends early, or that is refused,
leaves an `aborted` upload without batches.

A PostgreSQL that restarts or fails over meanwhile makes the body wait (`database_patience`), not fail. The answer of a
step may be lost with its connection, so each step finds what an earlier try of the step did.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TypeVar

import msgspec
import psycopg
import structlog
import uuid_utils.compat
from psycopg_pool import AsyncConnectionPool
from structlog.contextvars import bind_contextvars

import sql
from app.control.callers import NOBODY, Caller
from app.errors import (
    BacklogFull,
    KeyInUse,
    KeyReused,
    MentiongraphError,
    NotFound,
    Problem,
    UploadCutOff,
    UploadTooLarge,
)
from app.ledger import entries, idempotency, sealing, space, unpacking
from app.ledger.allowance import Allowance
from app.ledger.decoding import decoded
from app.ledger.entries import Entry
from app.ledger.sealing import Received, Staged, Zip
from app.ledger.staging import Staging
from app.ledger.trace_context import TraceContext
from app.ledger.unpacking import Unpacking
from app.posts.containers import contents
from app.posts.containers.compression import Decoder, Peeled
from app.posts.looking import sniffing
from app.posts.options import Options
from app.settings import Settings
from app.store.acting import async_act_for, async_act_for_later
from app.store.postgres import AsyncConnection, Now, async_scalars, steadily

log = structlog.get_logger(__name__)

_INSERT = sql.query("ledger/receiving/insert_upload")
_HEARTBEAT = sql.query("ledger/receiving/heartbeat")
_BACKLOG = sql.query("ledger/receiving/backlog")

ABORT_SECONDS = 30.0
"""How long the end of an upload waits for a connection. Many clients may hang up at once."""

Result = TypeVar("Result")
Pool = AsyncConnectionPool[AsyncConnection]


class Arriving(msgspec.Struct, frozen=True):
    """A file on its way in."""

    content: AsyncIterator[bytes]
    """The bytes as they arrive."""
    decoder: Decoder
    """Undoes the Content-Encoding."""
    options: Options
    filename: str | None = None
    again: bool = False
    keyed: idempotency.Request | None = None
    """The request, if it came with an Idempotency-Key."""
    caller: Caller = NOBODY
    """Who sends it."""
    allowance: Allowance | None = None
    """What it may take of its owner's bytes of the day. None: as much as it likes."""
    only_of: str | None = None
    """The owner whose uploads alone the sender may know of. None: the sender may know of all."""
    trace: TraceContext | None = None
    """The trace that the request is in."""
    traced: bool = False
    """Whether this service sends spans."""


class Receipt(msgspec.Struct, frozen=True):
    """What a request is answered with."""

    entry: Entry
    answer: object
    status: int
    """200 for an earlier upload, 202 for a new one."""


async def take_in(
    pool: Pool,
    arriving: Arriving,
    *,
    answer: Callable[[Entry], object],
    settings: Settings,
    received_by: str,
    clock: Now,
    aside: Pool | None = None,
) -> Receipt:
    """Take a file in, and answer with what `answer` makes of its entry; a repeat by its key gets the first answer.
    `aside` is the pool for what no client waits for.

    Raises UploadRefused, UploadCutOff or NoSpace, with the `upload_id` that the ledger keeps; BacklogFull, KeyInUse,
    KeyReused, and NoSpace before anything is entered.
    """
    keyed = arriving.keyed
    if keyed is not None:
        kept = await steadily(pool, settings.database_patience, lambda conn: idempotency.get(conn, keyed.key))
        if kept is not None and not kept.free:
            bind_contextvars(upload=str(kept.upload_id))
            return await _repeat(pool, arriving, keyed, kept, answer=answer, settings=settings)
    await space.require(pool, settings)
    received = await receive(pool, arriving, settings=settings, received_by=received_by, clock=clock, aside=aside)

    async def read(conn: AsyncConnection) -> Receipt:
        entry = await _known(conn, received.upload_id, received.own_id, arriving.only_of)
        answered = answer(entry)
        if keyed is not None:
            await idempotency.set_answer(conn, keyed.key, msgspec.json.encode(answered))
        return Receipt(entry, answered, 200 if received.earlier else 202)

    return await steadily(pool, settings.database_patience, read)


async def receive(
    pool: Pool, arriving: Arriving, *, settings: Settings, received_by: str, clock: Now, aside: Pool | None = None
) -> Received:
    """Take a body in and seal its upload; with a key, if the key is free.

    Raises UploadRefused or UploadCutOff, with the `upload_id` that the ledger keeps; BacklogFull, KeyInUse.
    """
    upload = _Upload(pool, aside or pool, arriving, settings, clock)
    bind_contextvars(upload=str(upload.id))  # whatever is logged in the rest of the request says which upload it sends
    await upload.open(received_by=received_by)
    heartbeat = asyncio.create_task(upload.leave_heartbeats())
    try:
        async with aclosing(_decoded(arriving, settings)) as pieces:
            async for piece in pieces:
                await upload.add(piece)
        return await upload.seal()
    except MentiongraphError as error:
        await upload.abort(error)
        raise
    except BaseException as error:
        # Whatever ends the body early, a cancelled request included: the ledger says so before the error goes on.
        full = space.full(error, pool, settings)
        cut_off = UploadCutOff("the body ended early; nothing was applied. Send it again.")
        await asyncio.shield(upload.abort(full or cut_off))
        if full is not None:
            raise full from error
        raise
    finally:
        heartbeat.cancel()
        upload.close()


async def _repeat(
    pool: Pool,
    arriving: Arriving,
    keyed: idempotency.Request,
    kept: idempotency.Kept,
    *,
    answer: Callable[[Entry], object],
    settings: Settings,
) -> Receipt:
    """The first answer to this key, once the repeated body is read for its fingerprint.

    Raises KeyInUse if the first request is not answered yet, KeyReused for another request; UploadRefused;
    UploadCutOff.
    """
    if kept.answer_status is None:
        raise KeyInUse(
            f"the first request with this Idempotency-Key is still being received, as upload {kept.upload_id}; "
            "send it again later."
        )
    size = 0
    async with aclosing(_decoded(arriving, settings)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > settings.max_upload_bytes:
                raise _too_large(settings)
    if keyed.fingerprint.digest() != kept.fingerprint:
        raise KeyReused(
            f"this Idempotency-Key came with another body or query before, as upload {kept.upload_id}; nothing was "
            "done. A new request needs a new key."
        )
    first = kept.duplicate_of or kept.upload_id
    entry = await steadily(
        pool, settings.database_patience, lambda conn: _known(conn, first, kept.upload_id, arriving.only_of)
    )
    return Receipt(entry, kept.answer or answer(entry), kept.answer_status)


async def _known(conn: AsyncConnection, first: uuid.UUID, own: uuid.UUID, only_of: str | None) -> Entry:
    """The entry of the first upload of the bytes. If the sender may not know of it: that of the sender's own upload,
    a duplicate that does not say of what."""
    if only_of is not None and first != own:
        with suppress(NotFound):
            return await entries.upload(conn, first, owner=only_of)
        first = own
    return await entries.upload(conn, first, owner=only_of)


async def _check_backlog(conn: AsyncConnection, settings: Settings) -> None:
    """Raises BacklogFull if so much waits to be counted that no new upload should begin.

    Uploads that begin at the same time do not see each other, so what they hold may pass the bound.
    """
    (waiting,) = await async_scalars(conn, _BACKLOG)
    if waiting >= settings.max_backlog_bytes:
        raise BacklogFull(
            f"{waiting} bytes wait to be counted, and no more than {settings.max_backlog_bytes} may; send it later. "
            "More workers make it shorter; MENTIONGRAPH_MAX_BACKLOG_BYTES is the bound."
        )


def _too_large(settings: Settings) -> UploadTooLarge:
    return UploadTooLarge(
        f"the decoded body is larger than {settings.max_upload_bytes} bytes; split the file, or raise "
        "MENTIONGRAPH_MAX_UPLOAD_BYTES."
    )


async def _decoded(arriving: Arriving, settings: Settings) -> AsyncGenerator[bytes]:
    """The decoded body, piece by piece; the fingerprint of a keyed request learns each piece.

    Raises UploadCutOff if a chunk takes longer than `receive_timeout` seconds to arrive; UploadRefused, ReceivingFull.
    """
    async with aclosing(
        decoded(_patient(arriving.content, settings.receive_timeout), Peeled(arriving.decoder))
    ) as pieces:
        async for piece in pieces:
            if arriving.keyed is not None:
                arriving.keyed.fingerprint.update(piece)
            yield piece


async def _patient(body: AsyncIterator[bytes], timeout: float) -> AsyncIterator[bytes]:
    """The body. Raises UploadCutOff if a chunk takes longer than `timeout` seconds to arrive."""
    while True:
        try:
            async with asyncio.timeout(timeout):
                chunk = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise UploadCutOff(f"no byte arrived for {timeout:g} s; nothing was applied. Send it again.") from error
        yield chunk


def _trace_of(arriving: Arriving) -> dict[str, object]:
    """What the ledger keeps of the upload's trace."""
    trace = arriving.trace
    return {
        "traceparent": trace and trace.traceparent,
        "traced_from": trace and trace.parent,
        "tracestate": trace and trace.state,
        "trace_due": True if arriving.traced and trace is not None and trace.sampled else None,
    }


class _Upload:
    """One upload while it is being received."""

    def __init__(self, pool: Pool, aside: Pool, arriving: Arriving, settings: Settings, clock: Now) -> None:
        self.id: uuid.UUID = uuid_utils.compat.uuid7()
        self._pool = pool
        self._aside = aside
        self._arriving = arriving
        self._settings = settings
        self._clock = clock
        self._budget = arriving.decoder.budget
        self._staging = Staging(pool, self.id, arriving.options, settings, clock, self._budget)
        self._unpacking: Unpacking | None = None
        self._head: bytearray | None = bytearray()
        """The first bytes, until it is known what they are."""
        self._sha256 = hashlib.sha256()
        self._size = 0

    async def open(self, *, received_by: str) -> None:
        """Enter the upload into the ledger. Raises BacklogFull, KeyInUse."""
        arriving = self._arriving
        now = self._clock()
        params = {
            "id": self.id,
            "filename": arriving.filename,
            "options": msgspec.json.encode(arriving.options).decode(),
            "again": arriving.again,
            "received_by": received_by,
            "received_at": now,
            **_trace_of(arriving),
        }

        async def enter(conn: AsyncConnection) -> None:
            await _check_backlog(conn, self._settings)
            # The next commit that waits for the disk keeps this one, too. If a crash takes both, no batch goes in.
            await async_act_for_later(conn, arriving.caller)
            await conn.execute(_INSERT, params)
            if arriving.keyed and not await idempotency.claim(conn, arriving.keyed.key, self.id, now=now):
                raise KeyInUse("another request with this Idempotency-Key has just begun; send it again later.")

        await self._steadily(enter)

    async def add(self, piece: bytes) -> None:
        """Take more decoded bytes."""
        self._size += len(piece)
        if self._size > self._settings.max_upload_bytes:
            raise _too_large(self._settings)
        if self._arriving.allowance is not None:
            self._arriving.allowance.take(len(piece))
        self._sha256.update(piece)
        if self._head is None:
            await (self._unpacking or self._staging).add(piece)
            return
        self._head += piece
        if len(self._head) >= contents.MARK_BYTES:
            await self._begin()

    async def seal(self) -> Received:
        """The body is complete: receiving -> staged, or the answer is an earlier upload of the same bytes."""
        await self._begin()
        found: Staged | Zip = Staged(self.id, self._staging, self._sha256.digest(), self._size)
        if self._unpacking is None:
            await self._staging.finish()
        else:
            found = await self._unpacking.finish(found.sha256, found.size)

        async def seal(conn: AsyncConnection) -> Received:
            again, only_of, now = self._arriving.again, self._arriving.only_of, self._clock()
            if isinstance(found, Zip):
                # Files without a row end as `aborted`, which does not say for whom by itself as the seal does.
                await async_act_for(conn, self._arriving.caller)
                received = await sealing.seal_zip(conn, found, again=again, now=now, only_of=only_of)
            else:
                received = await sealing.seal(conn, found, again=again, now=now, only_of=only_of)
            if self._arriving.keyed:
                status = 200 if received.earlier else 202
                await idempotency.settle(conn, self._arriving.keyed, self.id, status=status)
            return received

        received = await self._steadily(seal)
        log.info(
            "sealed",
            state="duplicate" if received.earlier else "staged",
            duplicate_of=str(received.upload_id) if received.earlier else None,
            bytes=found.size,
            batches=sum(each.staging.batches for each in (found.members if isinstance(found, Zip) else [found])),
        )
        return received

    async def _begin(self) -> None:
        """The first bytes are there: they say what the body is. Raises FormatNotRead."""
        if self._head is None:
            return
        head, self._head = bytes(self._head), None
        contents.refuse_unread(head)
        kind = sniffing.container(head).value
        if kind in contents.FILES:
            self._unpacking = Unpacking(
                self._pool, self.id, self._arriving.options, self._settings, self._clock, kind=kind, budget=self._budget
            )
        await (self._unpacking or self._staging).add(head)

    async def abort(self, error: MentiongraphError) -> None:
        """The upload comes to nothing: receiving -> aborted, its batches deleted."""
        await (self._unpacking or self._staging).cancel()
        error.upload_id = self.id
        problem: Problem = error.problem()
        try:
            async with self._aside.connection(timeout=ABORT_SECONDS) as conn, conn.transaction():
                await async_act_for(conn, self._arriving.caller)
                zipped = self._unpacking is not None
                await sealing.abort(conn, self.id, problem, zipped=zipped, now=self._clock())
        except psycopg.Error as lost:
            log.warning("upload_not_aborted", upload=str(self.id), error=str(lost))

    def close(self) -> None:
        """Delete the temporary files."""
        if self._unpacking is not None:
            self._unpacking.close()

    async def leave_heartbeats(self) -> None:
        """Tell the sweeper, now and then, that this process is still receiving, however slowly the body comes.

        A heartbeat also enters the options and the format once the service knows them. A short upload enters them with
        its seal.
        """

        async def tell(conn: AsyncConnection) -> None:
            staging = self._staging
            form = None if staging.format is None else msgspec.json.encode(staging.format).decode()
            options = msgspec.json.encode(staging.options).decode()
            now = self._clock()
            if self._unpacking is not None:
                await unpacking.keep_members(conn, self.id, now=now)
            await conn.execute(_HEARTBEAT, {"id": self.id, "format": form, "options": options, "now": now})

        while True:
            await asyncio.sleep(self._settings.heartbeat_seconds)
            try:
                await steadily(self._aside, self._settings.database_patience, tell)
            except psycopg.Error as error:
                log.warning("upload_heartbeat_failed", upload=str(self.id), error=str(error))

    async def _steadily(self, step: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        return await steadily(self._pool, self._settings.database_patience, step)

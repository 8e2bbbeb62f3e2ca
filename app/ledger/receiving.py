"""A body coming in: decoded, brought to UTF-8, cut into batches between rows, staged while it still arrives, sealed at
its end. Size and SHA-256 of an upload are those of its body once its Content-Encoding is undone, before it is UTF-8.

Memory is constant: one batch is gathered while the one before it is compressed and staged. Nothing is dispatched before
the seal, so half a file is never applied; a body that ends early, or is refused, leaves an `aborted` upload, no batch.

A PostgreSQL that restarts or fails over meanwhile makes the body wait (`database_patience`), not fail: each step finds
what an earlier try of it did, whose answer was lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec
import psycopg
import structlog
import uuid_utils.compat
from psycopg_pool import AsyncConnectionPool

import sql
from app.errors import (
    BacklogFull,
    KeyInUse,
    MentiongraphError,
    NoRows,
    Problem,
    RowWithoutEnd,
    SameBytes,
    UploadCutOff,
    UploadRefused,
    UploadTooLarge,
)
from app.ledger import bells, events, idempotency
from app.ledger.states import Ring
from app.ledger.transitions import DELETE_BATCHES
from app.posts.compression import compress, decoder
from app.posts.encodings import transcoder
from app.posts.options import Format, Options, Priority
from app.posts.readers import READERS, Reader
from app.settings import Settings
from app.store import locks
from app.store.broker import FailOverRedisBroker
from app.store.postgres import AsyncConnection, Now, async_commit_later, async_one, async_scalars, steadily

log = structlog.get_logger(__name__)

SCAN_AGAIN_BYTES = 2 << 20
MOST_LINES = 250_000
"""Lines in a batch: rows, rejects and memory of one count are bounded, however short the lines."""

LONGEST_ROW_SEARCH = 16 << 20
"""Bytes beyond a full batch in which a row must end; a file without would not fit in memory."""

_INSERT = sql.query("ledger/receiving/insert_upload")
_HEARTBEAT = sql.query("ledger/receiving/heartbeat")
_SEAL = sql.query("ledger/receiving/seal")
_SEALED = sql.query("ledger/receiving/sealed")
_EARLIER = sql.query("ledger/receiving/earlier_upload")
_SET_DUPLICATE = sql.query("ledger/receiving/set_duplicate")
_ABORT = sql.query("ledger/receiving/abort")
_INSERT_BATCH = sql.query("ledger/receiving/insert_batch")
_RING_UPLOAD = sql.query("ledger/receiving/ring_batches")
_BACKLOG = sql.query("ledger/receiving/backlog")

Result = TypeVar("Result")
Pool = AsyncConnectionPool[AsyncConnection]


class Received(msgspec.Struct, frozen=True):
    """The upload that holds the body: a new one, or an `earlier` one of the same bytes."""

    upload_id: uuid.UUID
    earlier: bool


async def receive(
    pool: Pool,
    body: AsyncIterator[bytes],
    *,
    options: Options,
    filename: str | None,
    encoding: str | None,
    again: bool,
    settings: Settings,
    received_by: str,
    clock: Now,
    keyed: idempotency.Request | None = None,
) -> Received:
    """Take a body in and seal it; with a key, if that is free.

    Raises UploadRefused or UploadCutOff, with the `upload_id` that the ledger keeps; KeyInUse.
    """
    decode = decoder(encoding)
    upload = _Upload(pool, uuid_utils.compat.uuid7(), options, settings, clock, keyed)
    await upload.open(filename=filename, again=again, received_by=received_by)
    beating = asyncio.create_task(upload.beat())
    try:
        async for chunk in _patient(body, settings.receive_timeout):
            for piece in decode.decode(chunk):
                if keyed is not None:
                    keyed.fingerprint.update(piece)
                await upload.add(piece)
        decode.finish()
        return await upload.seal()
    except MentiongraphError as error:
        await upload.abort(error)
        raise
    except BaseException:
        # Whatever ends the body early, a cancelled request included: the ledger says so before it goes on its way.
        await asyncio.shield(upload.abort(UploadCutOff("the body ended early; nothing was applied. Send it again.")))
        raise
    finally:
        beating.cancel()


async def read_again(
    body: AsyncIterator[bytes], keyed: idempotency.Request, *, encoding: str | None, settings: Settings
) -> bytes:
    """Read a repeat of a body for its fingerprint alone. Raises UploadRefused, UploadCutOff."""
    decode = decoder(encoding)
    size = 0
    async for chunk in _patient(body, settings.receive_timeout):
        for piece in decode.decode(chunk):
            size += len(piece)
            if size > settings.max_upload_bytes:
                raise _too_large(settings)
            keyed.fingerprint.update(piece)
    decode.finish()
    return keyed.fingerprint.digest()


async def check_backlog(pool: Pool, settings: Settings) -> None:
    """Raises BacklogFull where so much waits to be counted that no new upload should begin.

    Uploads that begin at the same time do not see each other: the bound may be passed by what they hold.
    """
    async with pool.connection() as conn:
        (waiting,) = await async_scalars(conn, _BACKLOG)
    if waiting >= settings.max_backlog_bytes:
        raise BacklogFull(
            f"{waiting} bytes wait to be counted, and no more than {settings.max_backlog_bytes} may; send it later. "
            "More workers make it shorter; MENTIONGRAPH_MAX_BACKLOG_BYTES is the bound."
        )


def _too_large(settings: Settings) -> UploadRefused:
    return UploadTooLarge(
        f"the decoded body is larger than {settings.max_upload_bytes} bytes; split the file, or raise "
        "MENTIONGRAPH_MAX_UPLOAD_BYTES."
    )


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


class _Sealed(msgspec.Struct, frozen=True):
    id: uuid.UUID
    duplicate_of: uuid.UUID | None


class _Earlier(msgspec.Struct, frozen=True):
    id: uuid.UUID
    options: Options


def _other_options(earlier: uuid.UUID) -> UploadRefused:
    return SameBytes(
        f"upload {earlier} holds the same bytes, read or counted with other options; nothing was changed. "
        "`again=true` counts them once more, on top."
    )


class _Upload:
    """One upload while it is being received."""

    def __init__(  # noqa: PLR0917 (it has the one caller)
        self,
        pool: Pool,
        upload_id: uuid.UUID,
        options: Options,
        settings: Settings,
        clock: Now,
        keyed: idempotency.Request | None,
    ) -> None:
        self.id = upload_id
        self._pool = pool
        self._options = options
        self._settings = settings
        self._clock = clock
        self._keyed = keyed
        self._transcoder = transcoder(options.encoding)
        self._reader = READERS[options.format]
        self._format: Format | None = None
        self._buffer = bytearray()
        self._cut_at = settings.batch_bytes
        """Buffered bytes at which to look for the end of a batch again."""
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._line = 1
        self._batches = 0
        self._last: dict[str, object] | None = None
        """The last batch, to be staged with the seal: a small upload then waits for the disk once."""
        self._staging: asyncio.Task[None] | None = None
        self._again = False

    async def open(self, *, filename: str | None, again: bool, received_by: str) -> None:
        """Enter it into the ledger. Raises KeyInUse."""
        self._again = again
        now = self._clock()
        params = {
            "id": self.id,
            "filename": filename,
            "options": msgspec.json.encode(self._options).decode(),
            "again": again,
            "received_by": received_by,
            "received_at": now,
        }

        async def enter(conn: AsyncConnection) -> None:
            # The next commit that waits for the disk keeps this one, too; where a crash takes both, no batch goes in.
            await async_commit_later(conn)
            await conn.execute(_INSERT, params)
            if self._keyed and not await idempotency.claim(conn, self._keyed.key, self.id, now=now):
                raise KeyInUse("another request with this Idempotency-Key has just begun; send it again later.")

        await self._steadily(enter)

    async def add(self, piece: bytes) -> None:
        """More decoded bytes. Waits while the batch before is staged: that is the back-pressure."""
        self._size += len(piece)
        if self._size > self._settings.max_upload_bytes:
            raise _too_large(self._settings)
        self._sha256.update(piece)
        for part in self._transcoder.feed(piece):
            self._buffer += part
            if self._format is None:
                self._read_header(final=False)
            if self._format is not None and len(self._buffer) >= self._cut_at:
                await self._cut(self._format, final=False)

    async def seal(self) -> Received:
        """The body is complete: receiving -> staged, or an earlier upload of the same bytes is answered."""
        self._buffer += self._transcoder.finish()
        if self._format is None:
            self._read_header(final=True)
        if self._format is not None:
            await self._cut(self._format, final=True)
        await self._staged()
        if not self._batches:
            raise NoRows("the file has no row: a header at most, and empty lines.")
        return await self._steadily(self._seal)

    async def _seal(self, conn: AsyncConnection) -> Received:
        sealed = {
            "id": self.id,
            "format": msgspec.json.encode(self._format).decode(),
            "sha256": self._sha256.digest(),
            "size_bytes": self._size,
            "batch_count": self._batches,
            "now": self._clock(),
        }
        await locks.async_take(conn, locks.body_key(self._sha256.digest()))
        before = await async_one(conn, _Sealed, _SEALED, {"id": self.id})
        if before is not None:
            return Received(before.duplicate_of or self.id, earlier=before.duplicate_of is not None)
        earlier = None if self._again else await async_one(conn, _Earlier, _EARLIER, sealed)
        if earlier is not None:
            if not earlier.options.counts_like(self._options):
                raise _other_options(earlier.id)
            if not await async_scalars(conn, _SET_DUPLICATE, {**sealed, "duplicate_of": earlier.id}):
                raise UploadCutOff("the upload was cancelled while it arrived; nothing was applied.")
            await conn.execute(DELETE_BATCHES, {"upload_ids": [self.id]})
            if self._keyed:
                await idempotency.settle(conn, self._keyed, self.id, status=200)
            return Received(earlier.id, earlier=True)
        if self._last is not None:
            await async_scalars(conn, _INSERT_BATCH, self._last)
        if not await async_scalars(conn, _SEAL, sealed):
            raise UploadCutOff("the upload took too long and was given up; nothing was applied. Send it again.")
        if self._keyed:
            await idempotency.settle(conn, self._keyed, self.id, status=202)
        return Received(self.id, earlier=False)

    async def abort(self, error: MentiongraphError) -> None:
        """It comes to nothing: receiving -> aborted, its batches deleted."""
        if self._staging is not None:
            self._staging.cancel()
            await asyncio.gather(self._staging, return_exceptions=True)
        error.upload_id = self.id
        problem: Problem = error.problem()
        try:
            async with self._pool.connection() as conn, conn.transaction():
                params = {"id": self.id, "error": msgspec.json.encode(problem).decode(), "now": self._clock()}
                if await async_scalars(conn, _ABORT, params):
                    await conn.execute(DELETE_BATCHES, {"upload_ids": [self.id]})
        except psycopg.Error as lost:
            log.warning("could not abort; the sweeper will", upload=str(self.id), error=str(lost))

    def _read_header(self, *, final: bool) -> None:
        options = self._options
        header = self._reader.read_header(
            bytes(self._buffer), final=final, names=options.columns, delimiter=options.delimiter
        )
        if header is None:
            return
        self._format = header.format
        self._line = header.first_line
        del self._buffer[: header.body_offset]

    async def _cut(self, form: Format, *, final: bool) -> None:
        """Stage what is complete; the rest waits for more."""
        data = bytes(self._buffer)
        end = await asyncio.to_thread(self._reader.boundary, data, delimiter=form.delimiter, final=final)
        if not end:
            if len(data) > self._settings.batch_bytes + LONGEST_ROW_SEARCH:
                raise RowWithoutEnd(
                    f"the row that begins on line {self._line} does not end within {len(data)} bytes, and a row may "
                    "have 1 MiB: look for a missing end of line, or whether it is the right file.",
                )
            # What is there was scanned in vain: not again before there is much more of it.
            self._cut_at = len(data) + SCAN_AGAIN_BYTES
            return
        self._cut_at = self._settings.batch_bytes
        del self._buffer[:end]
        await self._staged()
        self._staging = asyncio.create_task(self._stage_all(data[:end], form, final=final))

    async def _stage_all(self, data: bytes, form: Format, *, final: bool) -> None:
        """Stage it as one batch, or as several where its lines are so short that one would hold too many."""
        while data:
            part, lines, payload = await asyncio.to_thread(_batch, data, form, self._reader)
            data = data[len(part) :]
            await self._stage(part, lines, payload, last=final and not data)

    async def _stage(self, data: bytes, lines: int, payload: bytes, *, last: bool) -> None:
        first_line, self._line = self._line, self._line + lines
        if self._reader.is_blank(data):
            return
        ordinal, self._batches = self._batches, self._batches + 1
        batch: dict[str, object] = {
            "upload_id": self.id,
            "ordinal": ordinal,
            "first_line": first_line,
            "size_bytes": len(data),
            "payload": payload,
            "now": self._clock(),
        }
        if last:
            self._last = batch
        elif not await self._steadily(lambda conn: async_scalars(conn, _INSERT_BATCH, batch)):
            raise UploadCutOff("the upload took too long and was given up; nothing was applied. Send it again.")

    async def _staged(self) -> None:
        """Wait until the batch before is staged."""
        if self._staging is not None:
            staging, self._staging = self._staging, None
            await staging

    async def beat(self) -> None:
        """Tell the sweeper, now and then, that somebody is still receiving, however slowly the body comes; and the
        format, once the header was read. A short upload says it with the seal alone."""

        async def tell(conn: AsyncConnection) -> None:
            form = None if self._format is None else msgspec.json.encode(self._format).decode()
            await conn.execute(_HEARTBEAT, {"id": self.id, "format": form, "now": self._clock()})

        while True:
            await asyncio.sleep(self._settings.heartbeat_seconds)
            try:
                await self._steadily(tell)
            except psycopg.Error as error:
                log.warning("no sign of life of an upload; the next one follows", upload=str(self.id), error=str(error))

    async def _steadily(self, step: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        return await steadily(self._pool, self._settings.database_patience, step)


def _batch(data: bytes, form: Format, reader: Reader) -> tuple[bytes, int, bytes]:
    """The batch that begins at the start of `data`: all of it, unless that is too many lines; the physical lines in it;
    and its bytes compressed."""
    lines = reader.count_lines(data)
    while lines > MOST_LINES:
        end = reader.boundary(data[: len(data) // 2], delimiter=form.delimiter, final=False)
        if not end:
            break
        data = data[:end]
        lines = reader.count_lines(data)
    return data, lines, compress(data)


async def ring(pool: Pool, broker: FailOverRedisBroker, upload_id: uuid.UUID, priority: Priority, clock: Now) -> None:
    """Wake workers for every batch of a sealed upload that is to be counted, and those who listen to it.

    Never raises: there is the sweeper.
    """
    try:
        async with pool.connection() as conn:
            batches = await async_scalars(conn, _RING_UPLOAD, {"upload_id": upload_id, "now": clock()})
    except psycopg.Error as error:
        log.warning("could not ring; the sweeper will", upload=str(upload_id), error=str(error))
        return
    await asyncio.to_thread(bells.ring_counts, broker, [Ring(batch, priority) for batch in batches])
    await asyncio.to_thread(events.announce, broker, [upload_id])

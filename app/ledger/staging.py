"""Staging: one upload's bytes are brought to UTF-8, cut into batches between rows, and staged while the body arrives.

Memory is constant: one batch is gathered while the batch before it is compressed and staged.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import NamedTuple

from psycopg_pool import AsyncConnectionPool

import sql
from app.errors import NoRows, RowWithoutEnd, UploadCutOff
from app.posts.compression import compress
from app.posts.encodings import transcoder
from app.posts.options import Format, Options
from app.posts.readers import LONGEST_ROW_SEARCH, READERS, Reader
from app.settings import Settings
from app.store.postgres import AsyncConnection, Now, async_scalars, steadily

SCAN_AGAIN_BYTES = 2 << 20
"""Further bytes to wait for, after a search for the end of a row found none."""
MOST_LINES = 250_000
"""Lines in a batch. This bounds the rows, rejects and memory of one count, however short the lines are."""

_INSERT_BATCH = sql.query("ledger/staging/insert_batch")

Pool = AsyncConnectionPool[AsyncConnection]


class _Part(NamedTuple):
    """A batch's bytes, and what the cutter says of them."""

    data: bytes
    lines: int
    rows: int
    payload: bytes
    """The bytes, compressed."""


class Staging:
    """The batches of one upload while its body arrives."""

    def __init__(self, pool: Pool, upload_id: uuid.UUID, options: Options, settings: Settings, clock: Now) -> None:
        self.format: Format | None = None
        """How the rows are laid out; None until the header was read."""
        self.batches = 0
        self._pool = pool
        self._upload_id = upload_id
        self._options = options
        self._settings = settings
        self._clock = clock
        self._transcoder = transcoder(options.encoding)
        self._reader = READERS[options.format]
        self._buffer = bytearray()
        self._cut_at = settings.batch_bytes
        """Buffered bytes at which to look for the end of a batch again."""
        self._line = 1
        self._last: dict[str, object] | None = None
        """The last batch, which is staged with the seal: a small upload then waits for the disk once."""
        self._under_way: asyncio.Task[None] | None = None

    async def add(self, piece: bytes) -> None:
        """Take more decoded bytes. Waits while the batch before is staged, which is the back-pressure."""
        for part in self._transcoder.feed(piece):
            self._buffer += part
            if self.format is None:
                self._read_header(final=False)
            if self.format is not None and len(self._buffer) >= self._cut_at:
                await self._cut(self.format, final=False)

    async def finish(self) -> None:
        """The body is complete: stage all but the last batch. Raises UploadRefused if there is no row."""
        self._buffer += self._transcoder.finish()
        if self.format is None:
            self._read_header(final=True)
        if self.format is not None:
            await self._cut(self.format, final=True)
        await self._wait()
        if not self.batches:
            raise NoRows

    async def stage_last(self, conn: AsyncConnection) -> None:
        """Stage the last batch, in the transaction that seals the upload."""
        if self._last is not None:
            await async_scalars(conn, _INSERT_BATCH, self._last)

    async def cancel(self) -> None:
        """Stage nothing more."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)

    def _read_header(self, *, final: bool) -> None:
        options = self._options
        header = self._reader.read_header(
            bytes(self._buffer), final=final, names=options.columns, delimiter=options.delimiter
        )
        if header is None:
            return
        self.format = header.format
        self._line = header.first_line
        del self._buffer[: header.body_offset]

    async def _cut(self, form: Format, *, final: bool) -> None:
        """Begin to stage what is complete. The rest waits for more bytes."""
        data = bytes(self._buffer)
        found = await asyncio.to_thread(self._reader.cut, data, delimiter=form.delimiter, final=final)
        if not found.end:
            if len(data) > self._settings.batch_bytes + LONGEST_ROW_SEARCH:
                raise RowWithoutEnd.from_line(self._line, searched=len(data))
            # The search was in vain: the next one waits until there is much more to search.
            self._cut_at = len(data) + SCAN_AGAIN_BYTES
            return
        self._cut_at = self._settings.batch_bytes
        del self._buffer[: found.end]
        await self._wait()
        batch = data[: found.end]
        self._under_way = asyncio.create_task(self._stage_all(batch, found.lines, found.rows, form, final=final))

    async def _stage_all(self, data: bytes, lines: int, rows: int, form: Format, *, final: bool) -> None:
        """Stage the bytes as one batch, or as several where one batch would hold too many lines."""
        while data:
            part = await asyncio.to_thread(_first_part, data, lines, rows, form, self._reader)
            data, lines, rows = data[len(part.data) :], lines - part.lines, rows - part.rows
            await self._stage(part, last=final and not data)

    async def _stage(self, part: _Part, *, last: bool) -> None:
        first_line, self._line = self._line, self._line + part.lines
        if not part.rows:
            return
        ordinal, self.batches = self.batches, self.batches + 1
        batch: dict[str, object] = {
            "upload_id": self._upload_id,
            "ordinal": ordinal,
            "first_line": first_line,
            "size_bytes": len(part.data),
            "rows_staged": part.rows,
            "payload": part.payload,
            "now": self._clock(),
        }
        if last:
            self._last = batch
            return

        async def insert(conn: AsyncConnection) -> list[int]:
            return await async_scalars(conn, _INSERT_BATCH, batch)

        if not await steadily(self._pool, self._settings.database_patience, insert):
            raise UploadCutOff("the upload took too long and was given up; nothing was applied. Send it again.")

    async def _wait(self) -> None:
        """Wait until the batch before is staged."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            await under_way


def _first_part(data: bytes, lines: int, rows: int, form: Format, reader: Reader) -> _Part:
    """The batch at the start of `data`: all of it, unless that is too many lines."""
    while lines > MOST_LINES:
        found = reader.cut(data[: len(data) // 2], delimiter=form.delimiter, final=False)
        if not found.end:
            break
        data, lines, rows = data[: found.end], found.lines, found.rows
    return _Part(data, lines, rows, compress(data))

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
from app.ledger import space
from app.posts import source
from app.posts.containers.compression import compress
from app.posts.options import Format, Given, Options
from app.posts.readers import LONGEST_ROW_SEARCH, READERS, Reader
from app.posts.source import Source
from app.settings import Settings
from app.store.postgres import AsyncConnection, Now, async_scalars, steadily

SCAN_AGAIN_BYTES = 2 << 20
"""Further bytes to wait for, after a search for the end of a row found none."""
MOST_LINES = 250_000
"""Lines in a batch. This bounds the rows, rejects and memory of one count, however short the lines are."""

_TAKEN_AT_ONCE = 64 << 10
"""Bytes after which a batch may be cut."""

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
        self.options = options
        """How the file is read. After the look at its first bytes, the options hold what the look found."""
        self.format: Format | None = None
        """How the rows are laid out; None until the look."""
        self.batches = 0
        self._pool = pool
        self._upload_id = upload_id
        self._settings = settings
        self._clock = clock
        self._source = Source(options.given or Given())
        self._reader: Reader = READERS[options.format]
        self._buffer = bytearray()
        self._cut_at = settings.batch_bytes
        """Buffered bytes at which to look for the end of a batch again."""
        self._line = 1
        self._last: dict[str, object] | None = None
        """The last batch, which is staged with the seal: a small upload then waits for the disk once."""
        self._under_way: asyncio.Task[None] | None = None

    async def add(self, piece: bytes) -> None:
        """Take more decoded bytes. Waits while the batch before is staged, which is the back-pressure."""
        if self.format is not None:
            for part in self._source.feed(piece):
                await self._take(part, self.format)
        elif self._source.hold(piece):
            await self._open(final=False)

    async def finish(self) -> None:
        """The body is complete: stage all but the last batch. Raises UploadRefused if there is no row."""
        if self.format is None:
            await self._open(final=True)
        else:
            await self._take(self._source.finish(), self.format)
        await self._cut(self._source.format, final=True)
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

    async def _open(self, *, final: bool) -> None:
        """Look at the first bytes, and take the rows in them. The header may need more bytes first."""
        rows = await asyncio.to_thread(self._source.open, final=final)
        if rows is None:
            return
        form = self._source.format
        self.format, self._line = form, self._source.first_line
        self.options = source.resolved(self.options, self._source.reading)
        self._reader = READERS[self.options.format]
        for part in rows:
            await self._take(part, form)

    async def _take(self, rows: bytes, form: Format) -> None:
        """Gather rows, and cut them where a batch is full: many small bytes at once are still several batches."""
        at_once = min(_TAKEN_AT_ONCE, 1 + self._settings.batch_bytes // 4)
        for at in range(0, len(rows), at_once):
            self._buffer += rows[at : at + at_once]
            if len(self._buffer) >= self._cut_at:
                await self._cut(form, final=False)

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

        await self._insert(batch)

    async def settle(self) -> None:
        """Stage the last batch now. A zip has many files, and their last batches would wait in memory for the seal."""
        batch, self._last = self._last, None
        if batch is not None:
            await self._insert(batch)

    async def _insert(self, batch: dict[str, object]) -> None:
        await space.require(self._pool, self._settings)

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

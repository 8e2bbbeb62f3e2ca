"""Staging: one upload's bytes are brought to UTF-8, cut into batches between rows, and staged while the body arrives.

Memory is constant: one batch is gathered while the batch before it is compressed and staged. Where memory is short,
batches are cut early.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from psycopg_pool import AsyncConnectionPool

import sql
from app.errors import NoRows, RowWithoutEnd, UploadCutOff
from app.ledger import space
from app.ledger.decoding import GATHERED_BYTES, gathered
from app.posts import source
from app.posts.containers.budget import Budget
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
_MOST_QUOTES = 1 << 20
"""Quotes after which the end of a batch is looked for. Each one takes some 50 bytes then, as each line does."""
_LF, _CR, _QUOTE = b'\n\r"'

_HELD_AT_ONCE = 256 << 10
"""The buffer says that it holds more memory in steps of so many bytes. A first step is nobody's."""
_COPIES = 2
"""Bytes of memory that a byte takes: a batch is copied to be cut, and beside its compressed bytes to be stored."""
_ROOM_SECONDS = 10.0
"""Seconds for which a row that does not end waits for memory."""

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

    def __init__(  # noqa: PLR0917 (what an upload has)
        self,
        pool: Pool,
        upload_id: uuid.UUID,
        options: Options,
        settings: Settings,
        clock: Now,
        budget: Budget | None = None,
    ) -> None:
        self.options = options
        """How the file is read. After the look at its first bytes, the options hold what the look found."""
        self.format: Format | None = None
        """How the rows are laid out; None until the look."""
        self.batches = 0
        self._pool = pool
        self._upload_id = upload_id
        self._settings = settings
        self._clock = clock
        self._budget = budget or Budget()
        self._source = Source(options.given or Given())
        self._unread = bytearray()
        """Bytes that wait until a thread reads them: transcoding and JSON take time."""
        self._granted = _HELD_AT_ONCE
        """Bytes that the buffer may hold until it asks for more."""
        self._reader: Reader = READERS[options.format]
        self._buffer = bytearray()
        self._cut_at = settings.batch_bytes
        """Buffered bytes at which to look for the end of a batch again."""
        self._marks = np.zeros(2, np.int64)
        """Line ends and quotes in the buffer."""
        self._cut_at_marks = _FIRST_MARKS
        """Line ends and quotes at which to look for the end of a batch again."""
        self._line = 1
        self._last: dict[str, object] | None = None
        """The last batch, which is staged with the seal: a small upload then waits for the disk once."""
        self._under_way: asyncio.Task[None] | None = None

    async def add(self, piece: bytes) -> None:
        """Take more decoded bytes. Waits while the batch before is staged, which is the back-pressure."""
        if self.format is None:
            if self._source.held + len(piece) > self._granted:
                await self._grant(self._source.held + len(piece))
            if self._source.hold(piece):
                await self._open(final=False)
        elif self._source.passes_on:
            for part in self._source.feed(piece):
                await self._take(part, self.format)
        else:
            self._unread += piece
            if len(self._unread) >= GATHERED_BYTES:
                await self._read(self.format)

    async def finish(self) -> None:
        """The body is complete: stage all but the last batch. Raises UploadRefused if there is no row."""
        if self.format is None:
            await self._open(final=True)
        else:
            await self._read(self.format)
            await self._take(await asyncio.to_thread(self._source.finish), self.format)
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
        await self._take(rows, form)

    async def _read(self, form: Format) -> None:
        """Read the bytes that wait."""
        data = bytes(self._unread)
        self._unread.clear()
        async for part in gathered(self._source.feed(data), self._budget):
            await self._take(part, form)

    async def _grant(self, size: int) -> None:
        """Get memory for a buffer of this size. Waits for other requests at most. Raises ReceivingFull."""
        wanted = -(-size // _HELD_AT_ONCE) * _HELD_AT_ONCE
        await self._budget.memory.wait_to_hold("buffer", _COPIES * (wanted - _HELD_AT_ONCE), _ROOM_SECONDS)
        self._granted = wanted

    async def _make_room(self, form: Format) -> None:
        """Get memory for the next bytes, by an early end of the batch if need be. Raises ReceivingFull."""
        wanted = self._granted + _HELD_AT_ONCE
        if self._budget.memory.try_hold("buffer", _COPIES * (wanted - _HELD_AT_ONCE)):
            self._granted = wanted
            return
        await self._cut(form, final=False)
        await self._wait()
        await self._grant(len(self._buffer) + _TAKEN_AT_ONCE)

    async def _take(self, rows: bytes, form: Format) -> None:
        """Gather rows, and cut them where a batch is full: many small bytes at once are still several batches."""
        at_once = min(_TAKEN_AT_ONCE, 1 + self._settings.batch_bytes // 4)
        for at in range(0, len(rows), at_once):
            if len(self._buffer) + at_once > self._granted:
                await self._make_room(form)
            taken = rows[at : at + at_once]
            self._buffer += taken
            self._marks += _marks_in(taken)
            if len(self._buffer) >= self._cut_at or (self._marks >= self._cut_at_marks).any():
                await self._cut(form, final=False)

    async def _cut(self, form: Format, *, final: bool) -> None:
        """Begin to stage what is complete. The rest waits for more bytes."""
        data = bytes(self._buffer)
        found = await asyncio.to_thread(self._reader.cut, data, delimiter=form.delimiter, final=final)
        if not found.end:
            longest = self._settings.batch_bytes + LONGEST_ROW_SEARCH
            if len(data) > longest or (self._marks > _IN_VAIN * _FIRST_MARKS).any():
                raise RowWithoutEnd.from_line(self._line, searched=len(data))
            # The search was in vain: the next one waits until there is much more to search.
            self._cut_at = len(data) + SCAN_AGAIN_BYTES
            self._cut_at_marks = np.maximum(self._cut_at_marks, 2 * self._marks)
            return
        self._cut_at, self._cut_at_marks = self._settings.batch_bytes, _FIRST_MARKS
        self._marks = _marks_in(data[found.end :])
        del self._buffer[: found.end]
        await self._wait()
        batch = data[: found.end]
        del data
        # The buffer's memory goes to the batch, so this always succeeds: the rest of the buffer is a row at most.
        self._hold_under_way(len(batch))
        self._under_way = asyncio.create_task(self._stage_all(batch, found.lines, found.rows, form, final=final))

    def _hold_under_way(self, size: int) -> None:
        """The memory of the buffer is that of the batch now."""
        memory = self._budget.memory
        self._granted = max(1, -(-len(self._buffer) // _HELD_AT_ONCE)) * _HELD_AT_ONCE
        memory.hold("buffer", 0)
        memory.hold("under way", _COPIES * max(0, size - _HELD_AT_ONCE))
        memory.hold("buffer", _COPIES * (self._granted - _HELD_AT_ONCE))

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
            self._budget.memory.hold("under way", 0)


def _marks_in(data: bytes) -> npt.NDArray[np.int64]:
    """How many line ends and quotes there are."""
    octets = np.frombuffer(data, np.uint8)
    lines = np.count_nonzero(octets == _LF)
    if b"\r" in data:
        lines = max(lines, np.count_nonzero(octets == _CR))
    return np.array([lines, np.count_nonzero(octets == _QUOTE)])


_FIRST_MARKS = np.array([MOST_LINES, _MOST_QUOTES])
_IN_VAIN = 4
"""A row that does not end with so many times as many line ends or quotes in it is refused."""


def _first_part(data: bytes, lines: int, rows: int, form: Format, reader: Reader) -> _Part:
    """The batch at the start of `data`: all of it, unless that is too many lines."""
    while lines > MOST_LINES:
        found = reader.cut(data[: len(data) // 2], delimiter=form.delimiter, final=False)
        if not found.end:
            break
        data, lines, rows = data[: found.end], found.lines, found.rows
    return _Part(data, lines, rows, compress(data))

"""Unpacking: a body that is a zip, a workbook or Parquet waits in a temporary file until it is whole. Then the files in
it are staged, one after another.

A zip of several files is an upload whose members are uploads. All are sealed in one transaction, so a zip that is cut
off or refused leaves nothing behind. A zip with one file of posts is that file. Memory is constant; the temporary files
of an upload take MENTIONGRAPH_MAX_UPLOAD_BYTES at most. They have no name, so they go with their process, whatever ends
it.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import uuid
from contextlib import suppress
from functools import partial
from typing import IO

import msgspec
import uuid_utils.compat
from psycopg_pool import AsyncConnectionPool

import sql
from app.errors import NoRows, UploadRefused
from app.ledger import space
from app.ledger.decoding import GATHERED_BYTES, unpack
from app.ledger.sealing import Staged, Zip, given_up, in_zip
from app.ledger.staging import Staging
from app.posts.containers import contents
from app.posts.containers.archives import Archive
from app.posts.containers.budget import Budget
from app.posts.containers.contents import Content, Opened, Packed, Room
from app.posts.looking.sniffing import Container
from app.posts.options import Detected, Given, Options
from app.settings import Settings
from app.store.postgres import AsyncConnection, Now, async_scalars, steadily

_INSERT_MEMBER = sql.query("ledger/unpacking/insert_member")
_KEEP_MEMBERS = sql.query("ledger/unpacking/keep_members")

MEMORY = {Container.ZIP: 8 << 20, Container.XLSX: 48 << 20, Container.PARQUET: 96 << 20}
"""Bytes of memory that reading such a file takes, beside the directory of a zip and the windows of its decoders.

A process of its own reads Parquet, within a bound that the kernel holds. By default, two such processes run at once.
"""
_IN_ZIP = Detected("zip", "certain", "the file came in a zip with others")

Pool = AsyncConnectionPool[AsyncConnection]


class Unpacking:
    """A body that is being spooled, and then unpacked."""

    def __init__(
        self,
        pool: Pool,
        upload_id: uuid.UUID,
        options: Options,
        settings: Settings,
        clock: Now,
        *,
        kind: Container,
        budget: Budget,
    ) -> None:
        self._options = options
        self._pool = pool
        self._upload_id = upload_id
        self._kind = kind
        self._settings = settings
        self._clock = clock
        self._files: list[IO[bytes]] = []
        self._room = Room.of(settings.max_upload_bytes, self._scratch, budget)
        self._body = self._scratch()
        self._unwritten = bytearray()
        """Bytes that wait until a thread writes them."""
        self._staging: Staging | None = None

    @property
    def _given(self) -> Given:
        return self._options.given or Given()

    async def add(self, piece: bytes) -> None:
        """Take more bytes of the body."""
        self._room.spooled.take(len(piece))
        self._unwritten += piece
        if len(self._unwritten) >= GATHERED_BYTES:
            await self._write()

    async def _write(self) -> None:
        await space.require(self._pool, self._settings)
        data = bytes(self._unwritten)
        self._unwritten.clear()
        await asyncio.to_thread(self._body.write, data)

    async def finish(self, sha256: bytes, size: int) -> Staged | Zip:
        """The body is whole: stage what it holds. Raises UploadRefused."""
        await self._write()
        self._body.flush()
        budget = self._room.budget
        await budget.memory.wait_to_hold("unpacking", MEMORY[self._kind], self._settings.receive_timeout)
        if self._kind is Container.PARQUET:
            content = contents.parquet_content(self._body, self._given, self._room, sha256=sha256, size=size)
            return await self._stage(self._upload_id, content)
        opened = await unpack(budget, partial(contents.open_zip, self._body, self._given, budget))
        if opened is None:
            await budget.memory.wait_to_hold("unpacking", MEMORY[Container.XLSX], self._settings.receive_timeout)
            archive = await unpack(budget, partial(Archive, self._body, budget))
            content = await unpack(
                budget, partial(contents.sheet_content, archive, self._given, self._room, sha256=sha256, size=size)
            )
            return await self._stage(self._upload_id, content)
        if len(opened.files) > 1:
            return await self._stage_zip(opened, sha256, size)
        try:
            return await self._stage_packed(self._upload_id, opened, opened.files[0])
        except UploadRefused as error:
            raise in_zip(error, opened.files[0].name) from error

    async def cancel(self) -> None:
        """Stage nothing more."""
        if self._staging is not None:
            await self._staging.cancel()

    def close(self) -> None:
        """Delete the temporary files."""
        self._close_all_but(0)

    def _close_all_but(self, first: int) -> None:
        while len(self._files) > first:
            with suppress(OSError):
                self._files.pop().close()

    def _scratch(self) -> IO[bytes]:
        file = tempfile.TemporaryFile(prefix="mentiongraph-")  # noqa: SIM115 (closed by `close`)
        self._files.append(file)
        return file

    async def _stage_zip(self, opened: Opened, sha256: bytes, size: int) -> Zip:
        left_out = list(opened.left_out)
        members: list[Staged] = []
        for packed in opened.files:
            try:
                staged = await self._stage_packed(await self._enter(packed.name), opened, packed)
                await staged.staging.settle()
                members.append(staged)
                self._close_all_but(1)
            except NoRows as error:
                left_out.append(f"{packed.name} ({error.detail.partition('.')[0]})")
            except UploadRefused as error:
                raise in_zip(error, packed.name) from error
        if not members:
            raise NoRows("no file in the zip has a row. Check that this is the right zip.")
        found = msgspec.structs.replace(opened, left_out=left_out).found()
        options = msgspec.structs.replace(self._options, detected={"container": found})
        return Zip(self._upload_id, sha256, size, self._options, options, members)

    async def _stage_packed(self, upload_id: uuid.UUID, opened: Opened, packed: Packed) -> Staged:
        # Each file has the temporary files to itself, beside the zip: they are closed after it.
        space = msgspec.structs.replace(self._room, spooled=self._room.spooled.again())
        held = MEMORY.get(packed.kind, MEMORY[Container.ZIP])
        await space.budget.memory.wait_to_hold("unpacking", held, self._settings.receive_timeout)
        content = await unpack(space.budget, partial(contents.content_of, opened, packed, self._given, space))
        found = {"container": opened.found() if len(opened.files) == 1 else _IN_ZIP, **content.found}
        return await self._stage(upload_id, msgspec.structs.replace(content, found=found), packed.name)

    async def _enter(self, name: str) -> uuid.UUID:
        """Enter a file of the zip into the ledger, before its first byte is kept."""
        member_id = uuid_utils.compat.uuid7()
        params = {
            "id": member_id,
            "parent_id": self._upload_id,
            "filename": name,
            "options": msgspec.json.encode(self._options).decode(),
            "now": self._clock(),
        }

        async def insert(conn: AsyncConnection) -> list[uuid.UUID]:
            return await async_scalars(conn, _INSERT_MEMBER, params)

        if not await steadily(self._pool, self._settings.database_patience, insert):
            raise given_up()
        return member_id

    async def _stage(self, upload_id: uuid.UUID, content: Content, name: str | None = None) -> Staged:
        options = msgspec.structs.replace(self._options, given=content.given)
        staging = self._staging = Staging(
            self._pool, upload_id, options, self._settings, self._clock, self._room.budget
        )
        sha256, size = hashlib.sha256(), 0
        budget = self._room.budget
        while (piece := await unpack(budget, partial(next, content.pieces, None))) is not None:
            if content.sha256 is None:
                sha256.update(piece)
                size += len(piece)
            if piece:
                await staging.add(piece)
        await staging.finish()
        staging.options = msgspec.structs.replace(
            staging.options, detected=content.told(staging.options.detected or {})
        )
        return Staged(
            upload_id,
            staging,
            content.sha256 or sha256.digest(),
            size if content.size is None else content.size,
            name,
        )


async def keep_members(conn: AsyncConnection, upload_id: uuid.UUID, *, now: object) -> None:
    """Tell the sweeper that the members are still being received. Before the row of the zip itself."""
    await conn.execute(_KEEP_MEMBERS, {"id": upload_id, "now": now})

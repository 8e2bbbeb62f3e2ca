"""POST /uploads/preview: how a file would be read."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

import msgspec
from litestar import Request, Router, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from app.control.callers import Scope
from app.errors import BadRequest, UploadCutOff
from app.graph import previews
from app.graph.previews import Preview
from app.http import bodies, problems, quotas
from app.http.bodies import Body
from app.http.openapi import examples
from app.http.quotas import Kind
from app.http.routes.receiving import FileOperation
from app.http.services import Injected
from app.http.upload_options import read_given, with_charset
from app.ledger.decoding import GATHERED_BYTES, decoded, unpack
from app.ledger.unpacking import MEMORY
from app.posts.containers.compression import Peeled
from app.posts.containers.contents import FILES, MARK_BYTES, Content, Room, files_in, refuse_unread
from app.posts.looking import sniffing
from app.posts.looking.sniffing import HEAD_BYTES, Container
from app.posts.options import Given

_LOOK_MEMORY = 16 << 20
"""Bytes of memory that a look at the first MiB takes."""


@dataclass
class _PreviewOperation(FileOperation):
    def __post_init__(self) -> None:
        examples.show(self, examples.PREVIEW)
        super().__post_init__()


@post(
    "/uploads/preview",
    summary="Look at a file before uploading it",
    scope=Scope.UPLOADS_WRITE,
    status_code=200,
    response_description="How an upload of the file would be read, with the first posts and their mentions.",
    operation_class=_PreviewOperation,
    dependencies={"given": Provide(read_given, sync_to_thread=False)},
    request_max_body_size=None,
    responses=problems.responses(
        BadRequest("there is no mention profile 'x'. Choose one of twitter, mastodon, bluesky, word."),
        *bodies.PROBLEMS,
    ),
)
async def preview_upload(
    request: Request[Any, Any, State], services: Injected, given: NamedDependency[SkipValidation[Given]]
) -> Preview:
    """Looks at the first MiB of a file, and stores nothing. It takes the same options as an upload. Of a zip it
    looks at the first file of posts. A zip, a workbook and Parquet have to be sent as a whole.

    `certain` says whether an upload needs no further options. Otherwise `questions` names what a person has to decide,
    and the parameters to give. The rest of a longer body is not read: sending the first MiB is enough.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(quotas.one(Kind.UPLOADS))
        share = stack.enter_context(services.admission.enter())
        body = await bodies.body_of(request, services.settings, share)
        given = with_charset(given, body.charset)
        budget = body.decoder.budget
        most = services.settings.max_upload_bytes
        room = Room.of(most, lambda: stack.enter_context(tempfile.TemporaryFile()), budget)  # noqa: SIM115 (it is one)
        share.hold("preview", HEAD_BYTES)
        head, final, kind = await _head(body, services.settings.receive_timeout, room)
        if isinstance(head, bytes):
            await share.wait_to_hold("preview", _LOOK_MEMORY, services.settings.receive_timeout)
            return await asyncio.to_thread(previews.preview, head, given, final=final)
        await share.wait_to_hold("preview", MEMORY[kind], services.settings.receive_timeout)
        return await unpack(budget, partial(_first_of, head, kind, given, room))


async def _head(body: Body, timeout: float, room: Room) -> tuple[bytes | IO[bytes], bool, Container]:
    """The first decoded bytes, and whether they are the whole body; or all of a body that is no text, in a file.

    Raises UploadCutOff, UploadRefused, ReceivingFull.
    """
    head = bytearray()
    file: IO[bytes] | None = None
    kind = Container.NONE
    try:
        async with (
            asyncio.timeout(timeout),
            aclosing(decoded(body.content, Peeled(body.decoder))) as pieces,
        ):
            async for piece in pieces:
                head += piece
                if file is None and len(head) >= MARK_BYTES:
                    kind = _kind(head)
                    file = room.scratch() if kind in FILES else None
                if file is not None and len(head) >= GATHERED_BYTES:
                    await _spool(file, head, room)
                elif len(head) > HEAD_BYTES:
                    return bytes(head[:HEAD_BYTES]), False, kind
    except TimeoutError as error:
        raise UploadCutOff(f"the body did not arrive within {timeout:g} s. Send it again.") from error
    if file is None and (kind := _kind(head)) in FILES:
        file = room.scratch()
    if file is None:
        return bytes(head), True, kind
    await _spool(file, head, room)
    return file, True, kind


async def _spool(file: IO[bytes], held: bytearray, room: Room) -> None:
    data = bytes(held)
    held.clear()
    room.spooled.take(len(data))
    await asyncio.to_thread(file.write, data)


def _kind(head: bytearray) -> Container:
    refuse_unread(bytes(head[:MARK_BYTES]))
    return sniffing.container(bytes(head[:MARK_BYTES])).value


def _first_of(file: IO[bytes], kind: Container, given: Given, room: Room) -> Preview:
    """The preview of the first file of posts in a zip, of a sheet or of Parquet."""
    _, content = next(files_in(file, kind, given, room))
    head = bytearray()
    for piece in content.pieces:
        head += piece
        if len(head) > HEAD_BYTES:
            return _told(previews.preview(bytes(head[:HEAD_BYTES]), content.given, final=False), content)
    return _told(previews.preview(bytes(head), content.given, final=True), content)


def _told(found: Preview, content: Content) -> Preview:
    return msgspec.structs.replace(found, detected=content.told(found.detected))


ROUTER = Router("/", tags=["uploads"], route_handlers=[preview_upload])

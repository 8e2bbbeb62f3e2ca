"""Request bodies as they arrive: raw, or the part `file` of a form, in constant memory and without files on disk.

Litestar's own stream answers 500 when a client goes away, and its form parser first writes every part to disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple, TypeVar

import msgspec
from litestar import Request
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from app.errors import (
    ArchiveEncrypted,
    ArchiveUnreadable,
    BadRequest,
    CostsTooMuch,
    DuplicateColumn,
    EmptyFile,
    FormatNotRead,
    HeaderHasNul,
    HeaderMalformed,
    HeaderNotUtf8,
    HeaderTooLong,
    JsonGoesOn,
    JsonNotClosed,
    MalformedForm,
    MissingColumn,
    NoFile,
    NoPostsInArchive,
    NoSuchSheet,
    PackedTwice,
    PageTooLong,
    ParquetUnreadable,
    ReceivingFull,
    SeveralFiles,
    TooManyMembers,
    UnclearFile,
    UndecodableBody,
    UnknownEncoding,
    UnsupportedEncoding,
    UnsupportedMediaType,
    UploadCutOff,
    UploadRefused,
    UploadTooLarge,
    WindowTooLarge,
    WorkbookUnreadable,
)
from app.http.rates import LeastRate
from app.posts import encodings
from app.posts.containers.budget import Bounds, Budget, Memory
from app.posts.containers.compression import Decoder, decoder
from app.posts.encodings import ENCODINGS
from app.settings import Settings
from app.visible import quoted

Asked = TypeVar("Asked")

FILE_PART = "file"
MAX_PARTS = 100
_LONGEST_JSON = 1 << 16
_LONGEST_BOUNDARY = 256
"""RFC 2046 allows 70 characters."""
PROBLEMS = (
    *(NoFile, SeveralFiles, MalformedForm, UploadCutOff, UploadTooLarge, UnsupportedMediaType, UnsupportedEncoding),
    MissingColumn(
        "No column is certainly the author: say which or who wrote every post (author_is); there are 'text', 'date', "
        "'who'. Give `author=…` (command line: `--author …`), with one of text, date, who."
    ),
    *(UnclearFile, DuplicateColumn, HeaderNotUtf8, HeaderHasNul, HeaderMalformed, HeaderTooLong, EmptyFile),
    *(UndecodableBody, JsonNotClosed, JsonGoesOn, PageTooLong, PackedTwice, FormatNotRead),
    *(ArchiveUnreadable, ArchiveEncrypted, TooManyMembers, NoPostsInArchive),
    *(WorkbookUnreadable, NoSuchSheet, ParquetUnreadable, CostsTooMuch, WindowTooLarge),
    ReceivingFull("the uploads that arrive hold 268435456 bytes of memory; send it later."),
)
"""The problems of a request that brings a file."""
_NO_POSTS = frozenset({"image", "audio", "video", "font", "model", "message"})
"""Families of Content-Types that are refused. For others, the bytes of a file say what the file is."""


class Body(NamedTuple):
    """What is sent, taken out of its wrapping."""

    content: AsyncIterator[bytes]
    decoder: Decoder
    filename: str | None
    charset: str | None = None
    """The charset that the Content-Type names."""


class FilePart(NamedTuple):
    """The file in a form. Reading `content` reads the form to its end."""

    filename: str | None
    media_type: str | None
    encoding: str | None
    content: AsyncIterator[bytes]


async def body_of(request: Request[Any, Any, Any], settings: Settings, memory: Memory) -> Body:
    """The body by its Content-Type. Raises UploadRefused for what cannot be read, before a byte of it is."""
    media_type, parameters = request.content_type
    encoding = request.headers.get("Content-Encoding")
    budget = Budget(Bounds.of(settings), memory)
    if media_type == "multipart/form-data":
        if encoding:
            raise UnsupportedEncoding("a form cannot be compressed as a whole.")
        part = await file_part(request, settings)
        return Body(part.content, decoder(part.encoding, budget), part.filename)
    if media_type and media_type.partition("/")[0] in _NO_POSTS:
        raise UnsupportedMediaType(
            f"Content-Type {quoted(media_type)} can't hold posts. Send text/csv, application/json, "
            "application/octet-stream, or multipart/form-data with a part 'file'."
        )
    charset = _charset(parameters.get("charset"))
    decode = decoder(encoding, budget)
    if encoding is None and (request.content_length or 0) > settings.max_upload_bytes:
        raise UploadTooLarge(f"the body is larger than {settings.max_upload_bytes} bytes; split the file.")
    return Body(raw(request, settings), decode, None, charset)


def _charset(named: str | None) -> str | None:
    """The encoding that a Content-Type names. Raises UnsupportedMediaType."""
    if named is None:
        return None
    try:
        return encodings.named("utf-8" if named.lower() == "us-ascii" else named)
    except UnknownEncoding as error:
        raise UnsupportedMediaType(
            f"charset {quoted(named)} can't be read. Name one of {', '.join(ENCODINGS)}."
        ) from error


async def raw(request: Request[Any, Any, Any], settings: Settings) -> AsyncGenerator[bytes]:
    """The body in the pieces in which it arrives. Raises UploadCutOff if the client goes away before the end, or is too
    slow."""
    size = 0
    pace = LeastRate(settings.least_rate, settings.receive_timeout)
    while True:
        pace.begin()
        message = await request.receive()
        if not pace.end(len(message.get("body", b""))) and message.get("more_body"):
            raise UploadCutOff(
                f"the body arrived too slowly: fewer than {settings.least_rate:,} bytes a second in "
                f"{settings.receive_timeout:g} s. Send the file again, all at once."
            )
        if message["type"] != "http.request":
            # The server withholds bytes that came together with the end of the connection.
            read = f"{size:,} bytes" if size else "no byte"
            raise UploadCutOff(
                f"the client closed the connection before the end of the body, when {read} had been read. "
                "Send the file again."
            )
        if message["body"]:
            size += len(message["body"])
            yield message["body"]
        if not message["more_body"]:
            return


async def json_of(request: Request[Any, Any, Any], settings: Settings, kind: type[Asked]) -> Asked:
    """A small body of JSON. Raises BadRequest, UploadCutOff."""
    media_type, _ = request.content_type
    if media_type not in {"application/json", ""}:
        raise BadRequest(f"the body has to be application/json, and is {quoted(media_type)}.")
    body = bytearray()
    try:
        async with asyncio.timeout(settings.receive_timeout):
            async for piece in raw(request, settings):
                body += piece
                if len(body) > _LONGEST_JSON:
                    raise BadRequest(f"the body is larger than {_LONGEST_JSON} bytes.")
    except TimeoutError as error:
        raise UploadCutOff(f"the body did not arrive within {settings.receive_timeout:g} s.") from error
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise BadRequest(f"the body is not as /doc says: {error}.") from error


async def file_part(request: Request[Any, Any, Any], settings: Settings) -> FilePart:
    """The form's part `file`. Earlier parts are skipped, for `receive_timeout` seconds at most.

    Raises UploadRefused, also if a second part has a file name; raises UploadCutOff.
    """
    boundary = request.content_type[1].get("boundary")
    if not boundary or len(boundary) > _LONGEST_BOUNDARY:
        raise _malformed(f"Content-Type names no boundary of 1 to {_LONGEST_BOUNDARY} characters")
    events, timeout = _one_file(_events(raw(request, settings), boundary)), settings.receive_timeout
    try:
        async with asyncio.timeout(timeout):
            async for event in events:
                if isinstance(event, MultipartSegment) and event.name == FILE_PART:
                    return FilePart(
                        event.filename, event.content_type, event.header("Content-Encoding"), _content(events)
                    )
    except TimeoutError as error:
        raise UploadCutOff(f"no part named {FILE_PART!r} began within {timeout:g} s. Send the form again.") from error
    raise NoFile(f"the form has no part named {FILE_PART!r}; send the file in such a part.")


async def _one_file(
    events: AsyncGenerator[MultipartSegment | bytes | None],
) -> AsyncGenerator[MultipartSegment | bytes | None]:
    """The form's events. Raises SeveralFiles where a second file begins: to drop that file would lose it silently."""
    first: str | None = None
    async for event in events:
        if isinstance(event, MultipartSegment) and (event.filename or event.name == FILE_PART):
            name = event.filename or FILE_PART
            if first is not None:
                both = f"{quoted(first)} and {quoted(name)}"
                raise SeveralFiles(f"One file an upload: the form has {both}. Send each in a form of its own.")
            first = name
        yield event


async def _content(events: AsyncGenerator[MultipartSegment | bytes | None]) -> AsyncGenerator[bytes]:
    async for event in events:
        if isinstance(event, bytes):
            yield event
        elif event is None:
            break
    # Only the closing boundary proves that the file is whole: read on to the form's end.
    async for _ in events:
        pass


async def _events(body: AsyncIterator[bytes], boundary: str) -> AsyncGenerator[MultipartSegment | bytes | None]:
    """For each part: its head, its content, and None at its end."""
    try:
        parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        async for chunk in body:
            for event in parser.parse(chunk):
                yield bytes(event) if isinstance(event, bytearray) else event
        parser.close()
    except ParserLimitReached as error:
        raise _malformed(f"{error} (up to {MAX_PARTS} parts are read)") from error
    except MultipartError as error:
        raise _malformed(str(error)) from error


def _malformed(what: str) -> UploadRefused:
    return MalformedForm(f"The body is no multipart/form-data as RFC 7578 has it: {what}.")

"""Request bodies as they arrive: raw, or the part `file` of a form, in constant memory and without files on disk.

Litestar's own stream answers 500 when a client goes away, and its form parser first writes every part to disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple

from litestar import Request
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from app.errors import MalformedForm, NoFile, SeveralFiles, UploadCutOff, UploadRefused

FILE_PART = "file"
MAX_PARTS = 100


class FilePart(NamedTuple):
    """The file in a form. Reading `content` reads the form to its end."""

    filename: str | None
    media_type: str | None
    encoding: str | None
    content: AsyncIterator[bytes]


async def raw(request: Request[Any, Any, Any]) -> AsyncGenerator[bytes]:
    """The body in the pieces in which it arrives. Raises UploadCutOff if the client goes away before the end."""
    size = 0
    while True:
        message = await request.receive()
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


async def file_part(request: Request[Any, Any, Any], *, timeout: float) -> FilePart:
    """The form's part `file`. Earlier parts are skipped, for `timeout` seconds at most.

    Raises UploadRefused, also if a second part has a file name; raises UploadCutOff.
    """
    boundary = request.content_type[1].get("boundary")
    if not boundary:
        raise _malformed("Content-Type names no boundary")
    events = _one_file(_events(raw(request), boundary))
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
            name = event.filename or event.name
            if first is not None:
                raise SeveralFiles(
                    f"One file an upload: the form has {first!r} and {name!r}. Send each in a form of its own."
                )
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

"""POST /uploads: a file comes in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from litestar import Request, Response, post
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import ResponseHeader, State
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import QueryParameter, SkipValidation

from app import compression, status
from app import uploads as domain
from app.db import process_name
from app.errors import BadRequest, UploadRefused
from app.http import bodies, examples, problems
from app.http.services import Injected
from app.http.uploads import Upload, path_of
from app.ledger import UNFINISHED, Options, Priority
from app.mentions import PROFILES, Clock
from app.posts import ColumnNames
from app.settings import Settings

_RAW_TYPES = frozenset({"text/csv", "application/csv"})
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
_FILENAME_LENGTH = 255
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_COLUMN = r"^[^\x00-\x1f\x7f]+$"
_EXAMPLE_CSV = """\
data,timestamp,username
"Thanks @ada, see you there",2026-01-15T12:00:00Z,grace
"@grace @linus it was fun",2026-01-15T12:05:00Z,ada
"""


class _Body(NamedTuple):
    """What is sent, taken out of its wrapping."""

    content: AsyncIterator[bytes]
    encoding: str | None
    filename: str | None


@dataclass
class _ReceiveOperation(Operation):
    """Describes the body; the handler reads it itself, as it arrives, so its signature does not tell."""

    def __post_init__(self) -> None:
        examples.show(self, examples.UPLOAD)
        binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(
            type=OpenAPIType.OBJECT,
            required=[bodies.FILE_PART],
            properties={bodies.FILE_PART: Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)},
        )
        self.request_body = RequestBody(
            required=True,
            description="The CSV itself, which may be compressed (`Content-Encoding: gzip` or `zstd`), or a form with "
            "the CSV in its part `file`. Either is read as it arrives; there is no need to split a big file.",
            content={
                "text/csv": OpenAPIMediaType(schema=binary, examples={"posts": Example(value=_EXAMPLE_CSV)}),
                "multipart/form-data": OpenAPIMediaType(schema=form),
            },
        )


def read_options(  # noqa: PLR0917 (each is a query parameter)
    text: Annotated[
        str, QueryParameter(description="Name of the column with the text.", pattern=_COLUMN, max_length=200)
    ] = "data",
    timestamp: Annotated[
        str, QueryParameter(description="Name of the column with the instant.", pattern=_COLUMN, max_length=200)
    ] = "timestamp",
    author: Annotated[
        str, QueryParameter(description="Name of the column with the author's handle.", pattern=_COLUMN, max_length=200)
    ] = "username",
    delimiter: Annotated[
        str, QueryParameter(description="What separates two fields; a tab is `%09`.", pattern=r"^[\t !#-~]$")
    ] = ",",
    profile: Annotated[str, QueryParameter(description=f"What a mention is: {', '.join(PROFILES)}.")] = "twitter",
    clock: Annotated[
        Clock,
        QueryParameter(
            description="When a mention counts as made: on `arrival`, or at the post's own instant (`event`)."
        ),
    ] = Clock.ARRIVAL,
    priority: Annotated[
        Priority, QueryParameter(description="`urgent` uploads do not wait behind `bulk` ones.")
    ] = Priority.BULK,
) -> Options:
    """The query as options. Raises BadRequest."""
    if profile not in PROFILES:
        raise BadRequest(f"there is no mention profile {profile!r}; known: {', '.join(PROFILES)}.")
    if len({name.strip().casefold() for name in (text, timestamp, author)}) < 3:  # noqa: PLR2004
        raise BadRequest(
            f"text, timestamp and author are three columns; asked for: {text!r}, {timestamp!r}, {author!r}."
        )
    return Options(
        columns=ColumnNames(text=text, timestamp=timestamp, author=author),
        delimiter=delimiter,
        profile=profile,
        clock=clock,
        priority=priority,
    )


_QUERY = frozenset({"again", "filename", "text", "timestamp", "author", "delimiter", "profile", "clock", "priority"})


@post(
    ["/uploads", "/upload_csv"],
    tags=["uploads"],
    summary="Upload a CSV file",
    status_code=202,
    response_description="Taken in, and waiting to be counted; `Location` is its entry in the ledger.",
    response_headers=[ResponseHeader("Location", documentation_only=True, description="Path of the upload's entry.")],
    operation_class=_ReceiveOperation,
    dependencies={"options": Provide(read_options, sync_to_thread=False)},
    # Decoded bytes are limited instead, by MENTIONGRAPH_MAX_UPLOAD_BYTES.
    request_max_body_size=None,
    responses={
        200: ResponseSpec(
            Upload,
            generate_examples=False,
            description="The ledger holds these bytes already: this is the earlier upload, nothing is applied twice.",
        ),
        **problems.responses(
            {
                400: "There is no mention profile 'x'; known: twitter.",
                413: "The decoded body is larger than 17179869184 bytes; split the file.",
                415: "Content-Type 'application/json' cannot be read; send text/csv or multipart/form-data.",
                422: "The header has no column 'username'; wanted 'data', 'timestamp' and 'username', found: 'a', 'b'.",
                **problems.UNAVAILABLE,
            }
        ),
    },
)
async def receive_upload(
    request: Request[Any, Any, State],
    services: Injected,
    options: NamedDependency[SkipValidation[Options]],
    again: Annotated[
        bool, QueryParameter(description="Apply the file even if the same bytes were uploaded before.")
    ] = False,
    filename: Annotated[
        str | None, QueryParameter(description="What the file is called; a form's part brings its own name.")
    ] = None,
) -> Response[Upload]:
    """Takes a CSV file with a header line in and answers as soon as every byte of it is safe; counting it comes later.

    Columns are found by name; case, order, and further columns do not matter. A row that cannot be read does not stop
    its neighbours: see the upload's rejects. The same bytes twice are applied once: the second upload is answered with
    the entry of the first. A body that is cut off leaves an `aborted` entry, and nothing of it is applied.

    `/upload_csv` does the same, under the path that earlier clients use.
    """
    if unknown := set(request.query_params) - _QUERY:
        known = ", ".join(sorted(_QUERY))
        raise BadRequest(f"there is no query parameter {sorted(unknown)[0]!r}; known: {known}.")
    body = await _body(request, services.settings)
    received = await domain.receive(
        services.pool,
        body.content,
        options=options,
        filename=_clean(filename or body.filename),
        encoding=body.encoding,
        again=again,
        settings=services.settings,
        received_by=process_name("api"),
        clock=services.clock,
    )
    async with services.pool.connection() as conn:
        entry = await status.upload(conn, received.upload_id)
    bell = BackgroundTask(domain.ring, services.pool, services.broker, entry.id, entry.options.priority, services.clock)
    return Response(
        Upload.of(entry),
        status_code=200 if received.earlier else 202,
        headers={"Location": path_of(entry.id)},
        background=bell if entry.state in UNFINISHED else None,
    )


async def _body(request: Request[Any, Any, State], settings: Settings) -> _Body:
    """The body by its Content-Type. Raises UploadRefused for what cannot be read, before a byte of it is."""
    media_type, parameters = request.content_type
    encoding = request.headers.get("Content-Encoding")
    if media_type == "multipart/form-data":
        if encoding:
            raise UploadRefused("unsupported-encoding", "a form cannot be compressed as a whole.", status=415)
        part = await bodies.file_part(request, timeout=settings.receive_timeout)
        compression.decoder(part.encoding)
        return _Body(part.content, part.encoding, part.filename)
    is_empty = request.headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in request.headers
    if media_type not in _RAW_TYPES and not (is_empty and not media_type):
        what = f"Content-Type {media_type!r} cannot be read" if media_type else "the request has no Content-Type"
        raise UploadRefused(
            "unsupported-media-type", f"{what}; send text/csv, or multipart/form-data with a part 'file'.", status=415
        )
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in _CHARSETS:
        raise UploadRefused("unsupported-media-type", f"charset {charset!r} cannot be read; send UTF-8.", status=415)
    compression.decoder(encoding)
    if encoding is None and (request.content_length or 0) > settings.max_upload_bytes:
        raise UploadRefused(
            "upload-too-large",
            f"the body is larger than {settings.max_upload_bytes} bytes; split the file.",
            status=413,
        )
    return _Body(bodies.raw(request), encoding, None)


def _clean(filename: str | None) -> str | None:
    """The name without directories and control characters, for the ledger and for people only."""
    if filename is None:
        return None
    bare = _CONTROLS.sub("", filename.replace("\\", "/").rpartition("/")[2]).strip()
    return bare[:_FILENAME_LENGTH] or None

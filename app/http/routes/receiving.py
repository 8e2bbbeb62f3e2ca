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
from litestar.params import HeaderParameter, QueryParameter, SkipValidation

from app.errors import BadRequest, UploadRefused
from app.http import bodies, problems
from app.http.openapi import examples
from app.http.routes.uploads import Upload, path_of
from app.http.services import Injected, Services
from app.http.upload_options import CHARSETS, CSV_TYPES, JSONL_TYPES, QUERY, Encoding, GivenOptions, read_options
from app.ledger import bells, idempotency
from app.ledger.receiving import Arriving, Receipt, take_in
from app.ledger.states import UNFINISHED
from app.posts.compression import Decoder, decoder
from app.settings import Settings
from app.store.postgres import process_name

_FILENAME_LENGTH = 255
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_EXAMPLE_CSV = """\
data,timestamp,username
"Thanks @ada, see you there",2026-01-15T12:00:00Z,grace
"@grace @linus it was fun",2026-01-15T12:05:00Z,ada
"""
_EXAMPLE_JSONL = """\
{"data": "Thanks @ada, see you there", "timestamp": "2026-01-15T12:00:00Z", "username": "grace"}
{"data": "@grace @linus it was fun", "timestamp": 1768478700, "username": "ada"}
"""


class _Body(NamedTuple):
    """What is sent, taken out of its wrapping."""

    content: AsyncIterator[bytes]
    decoder: Decoder
    filename: str | None
    media_type: str | None
    charset: str = ""


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
            description="The CSV, or JSON Lines, itself, which may be compressed (`Content-Encoding: gzip` or `zstd`), "
            "or a form with it in the part `file`. Either is read as it arrives; there is no need to split a big file.",
            content={
                "text/csv": OpenAPIMediaType(schema=binary, examples={"posts": Example(value=_EXAMPLE_CSV)}),
                "application/x-ndjson": OpenAPIMediaType(
                    schema=binary, examples={"posts": Example(value=_EXAMPLE_JSONL)}
                ),
                "application/jsonl": OpenAPIMediaType(schema=binary),
                "multipart/form-data": OpenAPIMediaType(schema=form),
            },
        )


@post(
    ["/uploads", "/upload_csv"],
    tags=["uploads"],
    summary="Upload a file of posts",
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
                400: "there is no mention profile 'x'; known: twitter, mastodon, bluesky, word.",
                403: "a page of another site sent this with your browser; nothing was done.",
                409: "the first request with this Idempotency-Key is still being received; send it again later.",
                413: "The decoded body is larger than 17179869184 bytes; split the file.",
                415: "Content-Type 'application/json' cannot be read; send text/csv or multipart/form-data.",
                422: "The header has no column 'username'; wanted 'data', 'timestamp' and 'username', found: 'a', 'b'.",
                429: "68719476736 bytes wait to be counted, and no more than 68719476736 may; send it again later.",
                **problems.UNAVAILABLE,
            }
        ),
    },
)
async def receive_upload(  # noqa: PLR0917 (what a request has)
    request: Request[Any, Any, State],
    services: Injected,
    options: NamedDependency[SkipValidation[GivenOptions]],
    again: Annotated[
        bool, QueryParameter(description="Apply the file even if the same bytes were uploaded before.")
    ] = False,
    filename: Annotated[
        str | None, QueryParameter(description="What the file is called; a form's part brings its own name.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            pattern=idempotency.PATTERN,
            description="Of the client's choice, such as a UUID, in quotes or not; the same for each repeat of one "
            "request. A repeat is given the first answer; 422: another body or query; 409: the first is under way.",
        ),
    ] = None,
) -> Response[Upload]:
    """Takes a CSV file with a header line, or JSON Lines, in, and answers as soon as every byte of it is safe; counting
    it comes later.

    Columns are found by name; case, order, and further columns do not matter. A row that cannot be read does not stop
    its neighbours: see the upload's rejects. The same bytes twice are applied once: the second upload is answered with
    the entry of the first. A body that is cut off leaves an `aborted` entry, and nothing of it is applied.

    With an `Idempotency-Key`, a repeat is given the first answer again, for as long as the upload is known. An upload
    that came to nothing (cut off, refused) frees its key.

    `/upload_csv` does the same, under the path that earlier clients use.
    """
    if unknown := set(request.query_params) - QUERY:
        known = ", ".join(sorted(QUERY))
        raise BadRequest(f"there is no query parameter {sorted(unknown)[0]!r}; known: {known}.")
    key = idempotency.read_key(idempotency_key)
    body = await _body(request, services.settings)
    chosen = options.for_file(body.media_type, body.charset)
    arriving = Arriving(
        body.content,
        body.decoder,
        chosen,
        filename=_clean(filename or body.filename),
        # A dry run is neither answered with an earlier upload, nor does it stand in the way of a later one.
        again=again or chosen.dry_run,
        keyed=idempotency.Request.of(key, list(request.query_params.multi_items())) if key else None,
    )
    receipt = await take_in(
        services.pool,
        arriving,
        answer=Upload.of,
        settings=services.settings,
        received_by=process_name("api"),
        clock=services.clock,
    )
    return _answer(services, receipt)


def _answer(services: Services, receipt: Receipt) -> Response[Any]:
    """The answer. After it, workers are rung for an upload that is not finished."""
    entry = receipt.entry
    ring = BackgroundTask(
        bells.ring_upload, services.pool, services.broker, entry.id, entry.options.priority, services.clock
    )
    return Response(
        receipt.answer,
        status_code=receipt.status,
        headers={"Location": path_of(entry.id)},
        background=ring if entry.state in UNFINISHED else None,
    )


async def _body(request: Request[Any, Any, State], settings: Settings) -> _Body:
    """The body by its Content-Type. Raises UploadRefused for what cannot be read, before a byte of it is."""
    media_type, parameters = request.content_type
    encoding = request.headers.get("Content-Encoding")
    if media_type == "multipart/form-data":
        if encoding:
            raise UploadRefused("unsupported-encoding", "a form cannot be compressed as a whole.", status=415)
        part = await bodies.file_part(request, timeout=settings.receive_timeout)
        return _Body(part.content, decoder(part.encoding), part.filename, part.media_type)
    is_empty = request.headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in request.headers
    if media_type not in CSV_TYPES | JSONL_TYPES and not (is_empty and not media_type):
        what = f"Content-Type {media_type!r} cannot be read" if media_type else "the request has no Content-Type"
        raise UploadRefused(
            "unsupported-media-type",
            f"{what}; send text/csv, application/x-ndjson, or multipart/form-data with a part 'file'.",
            status=415,
        )
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in CHARSETS:
        known = ", ".join(Encoding)
        raise UploadRefused(
            "unsupported-media-type", f"charset {charset!r} cannot be read; those that can: {known}.", status=415
        )
    decode = decoder(encoding)
    if encoding is None and (request.content_length or 0) > settings.max_upload_bytes:
        raise UploadRefused(
            "upload-too-large",
            f"the body is larger than {settings.max_upload_bytes} bytes; split the file.",
            status=413,
        )
    return _Body(bodies.raw(request), decode, None, media_type, charset)


def _clean(filename: str | None) -> str | None:
    """The name without directories and control characters, for the ledger and for people only."""
    if filename is None:
        return None
    bare = _CONTROLS.sub("", filename.replace("\\", "/").rpartition("/")[2]).strip()
    return bare[:_FILENAME_LENGTH] or None

"""POST /uploads: receiving a file."""

from __future__ import annotations

import re
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, cast

from litestar import Request, Response, Router, post
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import ResponseHeader, State
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import HeaderParameter, QueryParameter, SkipValidation

from app.control.callers import Scope
from app.errors import (
    BacklogFull,
    BadRequest,
    KeyInUse,
    KeyReused,
    NoRows,
    NoSpace,
    RowWithoutEnd,
    SameBytes,
)
from app.http import bodies, problems, quotas
from app.http.addresses import address_of
from app.http.calling import Calling
from app.http.correlating import trace_of
from app.http.openapi import examples
from app.http.routes.uploads import Upload, UploadLinks, count_uploads, list_uploads, only_of, path_of
from app.http.services import Injected, Services
from app.http.signatures import Wanted
from app.http.upload_options import GivenOptions, read_given, read_options
from app.ledger import bells, idempotency
from app.ledger.receiving import Arriving, Receipt, take_in
from app.ledger.states import UNFINISHED
from app.store.postgres import process_name
from app.store.turns import turns_of

_FILENAME_LENGTH = 255
OPTIONS = {
    "given": Provide(read_given, sync_to_thread=False),
    "options": Provide(read_options, sync_to_thread=False),
}
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


@dataclass
class FileOperation(Operation):
    """Describes the body; the handler reads it itself, as it arrives, so its signature does not tell."""

    def __post_init__(self) -> None:
        binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(
            type=OpenAPIType.OBJECT,
            required=[bodies.FILE_PART],
            properties={bodies.FILE_PART: Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)},
        )
        self.request_body = RequestBody(
            required=True,
            description="The file itself, which may be compressed with `Content-Encoding: gzip` or `zstd`, or a form "
            "with the file in the part `file`. The file's first bytes say what the file is. The server reads the body "
            "as it arrives, so a big file need not be split.",
            content={
                "text/csv": OpenAPIMediaType(schema=binary, examples={"posts": Example(value=_EXAMPLE_CSV)}),
                "application/x-ndjson": OpenAPIMediaType(
                    schema=binary, examples={"posts": Example(value=_EXAMPLE_JSONL)}
                ),
                "application/json": OpenAPIMediaType(schema=binary),
                "application/octet-stream": OpenAPIMediaType(schema=binary),
                "multipart/form-data": OpenAPIMediaType(schema=form),
            },
        )


@dataclass
class _ReceiveOperation(FileOperation):
    def __post_init__(self) -> None:
        examples.show(self, examples.UPLOAD)
        super().__post_init__()


@post(
    ["/uploads", "/upload_csv"],
    summary="Upload a file of posts",
    scope=Scope.UPLOADS_WRITE,
    status_code=202,
    response_description="The upload is received and waits to be counted. `Location` is its entry in the ledger.",
    response_headers=[ResponseHeader("Location", documentation_only=True, description="Path of the upload's entry.")],
    operation_class=_ReceiveOperation,
    dependencies=OPTIONS,
    # Decoded bytes are limited instead, by MENTIONGRAPH_MAX_UPLOAD_BYTES.
    request_max_body_size=None,
    responses={
        200: ResponseSpec(
            Upload,
            generate_examples=False,
            description="An earlier upload holds the same bytes. The answer is the earlier upload, and nothing is "
            "applied twice. If the earlier upload is of another owner, and the key lacks `uploads:read`, the answer is "
            "this upload: a `duplicate` that does not say of what.",
        ),
        **problems.responses(
            BadRequest("there is no mention profile 'x'. Choose one of twitter, mastodon, bluesky, word."),
            *bodies.PROBLEMS,
            problems.CROSS_SITE,
            *(KeyInUse, SameBytes, NoRows, RowWithoutEnd, KeyReused),
            BacklogFull("68719476736 bytes wait to be counted, and no more than 68719476736 may; send it later."),
            NoSpace("the disk of the database has 512 MiB left, and 1,024 MiB have to stay free."),
            *problems.DATABASE,
        ),
    },
)
async def receive_upload(  # noqa: PLR0917 (what a request has)
    request: Request[Any, Any, State],
    services: Injected,
    caller: Calling,
    options: NamedDependency[SkipValidation[GivenOptions]],
    again: Annotated[
        bool, QueryParameter(description="Whether to apply the file even if the same bytes were uploaded before.")
    ] = False,
    filename: Annotated[
        str | None,
        QueryParameter(description="Name of the file, for the ledger. A part of a form brings its own name."),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            pattern=idempotency.PATTERN,
            description="A key of the client's choice, such as a UUID, in quotes or not; the same for each repeat of "
            "one request. A repeat gets the first answer. 422: the key came with another body or query. 409: the "
            "server is still receiving the first request.",
        ),
        Wanted("1 to 255 printable ASCII characters, such as a UUID in quotes"),
    ] = None,
) -> Response[Upload]:
    """Receives a CSV file with a header line, or JSON Lines. The answer comes as soon as every byte is stored safely,
    and the workers count the rows later.

    Columns are found by name; case, order and further columns do not matter. A row that cannot be read is rejected, and
    its neighbours are counted. The same bytes are applied once: a second upload is answered with the entry of the
    first. A body that is cut off leaves an `aborted` entry, and nothing of the body is applied.

    A repeat with the same `Idempotency-Key` gets the first answer, for as long as the ledger has the upload. An upload
    that was cut off or refused frees its key.

    `/upload_csv` does the same, under the path that earlier clients use.
    """
    owner = only_of(caller)
    key = idempotency.read_key(idempotency_key)
    if key is not None and caller.owner is not None:
        key = idempotency.of_owner(key, caller.owner, sees_all=owner is None)
    async with AsyncExitStack() as stack:
        stack.enter_context(turns_of(address_of(request.scope["client"])))
        patience = services.settings.database_patience
        taking = quotas.upload(services.receiving, caller, services.clock, graph=services.graph, patience=patience)
        allowance = await stack.enter_async_context(taking)
        share = stack.enter_context(services.admission.enter())
        body = await bodies.body_of(request, services.settings, share)
        chosen = options.for_file(body.charset)
        arriving = Arriving(
            body.content,
            body.decoder,
            chosen,
            filename=_clean(filename or body.filename),
            # A dry run is neither answered with an earlier upload, nor does it stand in the way of a later one.
            again=again or chosen.dry_run,
            keyed=idempotency.Request.of(key, list(request.query_params.multi_items())) if key else None,
            caller=caller,
            allowance=allowance,
            only_of=owner,
            trace=trace_of(request.scope),
            traced=services.settings.traces,
        )
        receipt = await take_in(
            services.receiving,
            arriving,
            answer=partial(Upload.of, services=services, caller=caller),
            settings=services.settings,
            received_by=process_name("api"),
            clock=services.clock,
            aside=services.aside,
        )
    return _answer(services, receipt)


def _answer(services: Services, receipt: Receipt) -> Response[Any]:
    """The answer. After it, workers are rung for an upload that is not finished."""
    entry = receipt.entry
    ring = BackgroundTask(
        bells.ring_upload,
        services.pool,
        services.broker,
        entry.id,
        entry.options.priority,
        services.clock,
        graph=services.graph,
    )
    return Response(
        _linked(services, receipt.answer),
        status_code=receipt.status,
        headers={"Location": path_of(services, entry.id)},
        background=ring if entry.state in UNFINISHED else None,
    )


def _linked(services: Services, answer: Any) -> Any:  # noqa: ANN401 (an Upload, or the JSON of one)
    """The answer. A repeat gets the first answer as it was, but with paths under the present name of the graph."""
    if not isinstance(answer, dict):
        return answer
    kept = cast("dict[str, Any]", answer)
    earlier, parent = (uuid.UUID(kept[name]) if kept.get(name) else None for name in ("duplicate_of", "parent_id"))
    return {**kept, "links": UploadLinks.of(services, uuid.UUID(kept["id"]), earlier, parent)}


def _clean(filename: str | None) -> str | None:
    """The name without directories and control characters, for the ledger and for people only."""
    if filename is None:
        return None
    bare = _CONTROLS.sub("", filename.replace("\\", "/").rpartition("/")[2]).strip()
    return bare[:_FILENAME_LENGTH] or None


# Litestar wants all handlers of one path in one router.
ROUTER = Router("/", tags=["uploads"], route_handlers=[list_uploads, count_uploads, receive_upload])

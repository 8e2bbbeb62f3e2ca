"""The rejects of an upload over HTTP: as pages of JSON, and as a file to repair and upload again."""

from __future__ import annotations

import asyncio
import uuid
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse

from app.errors import BadState
from app.http import problems
from app.http.download import Download
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.parameters import MAX_NUMBER, Limit, next_page
from app.http.routes.uploads import ONE_UPLOAD, UploadId, path_of
from app.http.services import Injected, Services
from app.ledger import entries
from app.posts import repair
from app.posts.options import Format


class Reject(msgspec.Struct, frozen=True):
    """A row that could not be read: where, why, and the row itself (its first 4,096 bytes)."""

    line: int
    """Physical line of the row in the file as it was sent. The header is line 1."""
    column: str | None
    value: str | None
    """Value in the column; null where the row has no readable columns."""
    code: str
    message: str
    raw: str
    raw_base64: str | msgspec.UnsetType = msgspec.UNSET
    """Bytes of a row that is not UTF-8. `raw` has U+FFFD in place of the bytes that are not."""

    @classmethod
    def of(cls, reject: entries.Reject) -> Reject:
        """The reject as the API answers it."""
        text = reject.raw.decode(errors="replace")
        return cls(
            line=reject.line,
            column=reject.column_name,
            value=reject.value.decode(errors="replace") if reject.value is not None else None,
            code=reject.code,
            message=reject.message,
            raw=text,
            raw_base64=msgspec.UNSET if text.encode() == reject.raw else b64encode(reject.raw).decode(),
        )


class Rejects(msgspec.Struct, frozen=True):
    """A page of an upload's rejects, in file order."""

    rejects: list[Reject]
    next: str | None
    """Path of the next page; null on the last page."""


@get(
    "/{upload_id:str}/rejects",
    summary="An upload's rejects",
    operation_class=answering(examples.REJECTS),
    responses=problems.responses(*ONE_UPLOAD),
)
async def list_rejects(
    services: Injected,
    upload_id: UploadId,
    after: Annotated[
        int, QueryParameter(description="Only rejects behind this line. `next` has it.", ge=0, le=MAX_NUMBER)
    ] = 0,
    limit: Limit = 50,
) -> Rejects:
    """Lists the rows that could not be read, in file order: line, column, reason, and the row as it was sent."""
    async with services.pool.connection() as conn:
        found = await entries.rejects(conn, upload_id, after=after, limit=limit + 1)
    page = [Reject.of(reject) for reject in found[:limit]]
    path = f"{path_of(upload_id)}/rejects"
    following = next_page(path, after=page[-1].line, limit=limit) if len(found) > limit else None
    return Rejects(rejects=page, next=following)


@get(
    "/{upload_id:str}/rejects.csv",
    summary="An upload's rejects as a file to repair",
    responses={
        200: ResponseSpec(
            str,
            media_type="text/csv",
            generate_examples=False,
            description="CSV, also for an upload of JSON Lines: the file's own columns and five that say what is "
            "wrong. The rows are in file order.",
            examples=[Example(summary="rejects.csv", value=examples.REJECTS_CSV)],
        ),
        **problems.responses(
            *ONE_UPLOAD, BadState("the header of upload … was not read, so it has no rows and no rejects.")
        ),
    },
)
async def download_rejects(request: Request[Any, Any, Any], services: Injected, upload_id: UploadId) -> ASGIResponse:
    """Sends the rows that could not be read as a file, in the columns of the upload, with what is wrong beside them.
    The file can be repaired in a spreadsheet and uploaded as it is."""
    async with services.pool.connection() as conn:
        form = await entries.format_of(conn, upload_id)
    return await Download.begin(
        _lines(services, upload_id, form),
        request.receive,
        media_type="text/csv; charset=utf-8; header=present",
        filename=f"rejects-{upload_id}.csv",
        stalled_after=services.settings.receive_timeout,
    )


async def _lines(services: Services, upload_id: uuid.UUID, form: Format) -> AsyncGenerator[bytes]:
    yield repair.header_line(form)
    async with aclosing(entries.reject_pages(services.pool, upload_id)) as pages:
        async for page in pages:
            # In a thread: each row is scanned anew.
            yield await asyncio.to_thread(_repair_lines, form, page)


def _repair_lines(form: Format, page: list[entries.Reject]) -> bytes:
    return b"".join(repair.repair_line(form, reject) for reject in page)


ROUTER = Router("/uploads", tags=["uploads"], route_handlers=[list_rejects, download_rejects])

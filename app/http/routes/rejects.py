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

from app.errors import BadState, TooManyExports
from app.http import problems, quotas
from app.http.calling import Calling
from app.http.download import Download
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.parameters import MAX_NUMBER, Limit, next_page
from app.http.quotas import Kind
from app.http.routes.uploads import ONE_UPLOAD, SEEN, UploadId, only_of, path_of
from app.http.services import Injected, Services
from app.http.slots import PATIENCE, taken
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
    rejected: int
    """Number of rejected rows of the upload, so far."""
    kept: int
    """Number of rejected rows that are there. The service keeps a bounded number, and counts the others."""
    detail: str | None
    """Why not all rejected rows are there, and what to do. Null: all are."""


@get(
    "/{upload_id:str}/rejects",
    summary="An upload's rejects",
    scope=SEEN,
    operation_class=answering(examples.REJECTS),
    responses=problems.responses(*ONE_UPLOAD),
)
async def list_rejects(
    services: Injected,
    caller: Calling,
    upload_id: UploadId,
    after: Annotated[
        int, QueryParameter(description="Only rejects behind this line. `next` has it.", ge=0, le=MAX_NUMBER)
    ] = 0,
    limit: Limit = 50,
) -> Rejects:
    """Lists the rows that could not be read, in file order: line, column, reason, and the row as it was sent."""
    async with services.pool.connection() as conn:
        await entries.require(conn, upload_id, owner=only_of(caller))
        found = await entries.rejects(conn, upload_id, after=after, limit=limit + 1)
        there = await entries.rejects_kept(conn, upload_id)
    page = [Reject.of(reject) for reject in found[:limit]]
    path = f"{path_of(services, upload_id)}/rejects"
    following = next_page(path, after=page[-1].line, limit=limit) if len(found) > limit else None
    return Rejects(rejects=page, next=following, rejected=there.rejected, kept=there.kept, detail=there.detail)


@get(
    "/{upload_id:str}/rejects.csv",
    stream="rejects",
    summary="An upload's rejects as a file to repair",
    scope=SEEN,
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
            *ONE_UPLOAD,
            BadState("the header of upload … was not read, so it has no rows and no rejects."),
            TooManyExports("2 files of rejects are being sent already; try again when one has ended."),
        ),
    },
)
async def download_rejects(
    request: Request[Any, Any, Any], services: Injected, caller: Calling, upload_id: UploadId
) -> ASGIResponse:
    """Sends the rows that could not be read as a file, in the columns of the upload, with what is wrong beside them.
    The file can be repaired in a spreadsheet and uploaded as it is. If not all rejected rows are there, the name of the
    file and the message of its first row say so."""
    async with services.pool.connection() as conn:
        await entries.require(conn, upload_id, owner=only_of(caller))
        form = await entries.format_of(conn, upload_id)
        there = await entries.rejects_kept(conn, upload_id)
    some = "" if there.detail is None else f"-{there.kept}-of-{there.rejected}"
    return await Download.begin(
        quotas.one_of(Kind.EXPORTS, _lines(services, upload_id, form, there.detail)),
        request.receive,
        media_type="text/csv; header=present",
        filename=f"rejects-{upload_id}{some}.csv",
        settings=services.settings,
    )


async def _lines(services: Services, upload_id: uuid.UUID, form: Format, detail: str | None) -> AsyncGenerator[bytes]:
    busy = TooManyExports("as many files of rejects are being sent as may be at once; try again when one has ended.")
    async with (
        taken(services.reject_slots, PATIENCE, busy),
        aclosing(entries.reject_pages(services.pool, upload_id)) as pages,
    ):
        yield repair.header_line(form)
        async for page in pages:
            if detail is not None:
                page[0] = msgspec.structs.replace(page[0], message=f"{page[0].message} ({detail})")
                detail = None
            # In a thread: each row is scanned anew.
            yield await asyncio.to_thread(_repair_lines, form, page)


def _repair_lines(form: Format, page: list[entries.Reject]) -> bytes:
    return b"".join(repair.repair_line(form, reject) for reject in page)


ROUTER = Router("/uploads", tags=["uploads"], route_handlers=[list_rejects, download_rejects])

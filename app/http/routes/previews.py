"""POST /uploads/preview: how a file would be read."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, Router, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from app.errors import BadRequest, UploadCutOff
from app.graph import previews
from app.graph.previews import Preview
from app.http import bodies, problems
from app.http.bodies import Body
from app.http.routes.receiving import FileOperation
from app.http.services import Injected
from app.http.upload_options import read_given, with_charset
from app.posts.options import Given
from app.posts.sniffing import HEAD_BYTES


@post(
    "/uploads/preview",
    summary="Look at a file before uploading it",
    status_code=200,
    response_description="How an upload of the file would be read, with the first posts and their mentions.",
    operation_class=FileOperation,
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
    """Looks at the first MiB of a file, and stores nothing. It takes the same options as an upload.

    `certain` says whether an upload needs no further options. Otherwise `questions` names what a person has to decide,
    and the parameters to give. The rest of a longer body is not read: sending the first MiB is enough.
    """
    body = await bodies.body_of(request, services.settings)
    head, final = await _head(body, services.settings.receive_timeout)
    return await asyncio.to_thread(previews.preview, head, with_charset(given, body.charset), final=final)


async def _head(body: Body, timeout: float) -> tuple[bytes, bool]:
    """The first decoded bytes, and whether they are the whole body. Raises UploadCutOff, UploadRefused."""
    head = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for chunk in body.content:
                for piece in body.decoder.decode(chunk):
                    head += piece
                    if len(head) > HEAD_BYTES:
                        return bytes(head[:HEAD_BYTES]), False
    except TimeoutError as error:
        raise UploadCutOff(f"the body did not arrive within {timeout:g} s. Send it again.") from error
    body.decoder.finish()
    return bytes(head), True


ROUTER = Router("/", tags=["uploads"], route_handlers=[preview_upload])

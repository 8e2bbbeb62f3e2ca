"""An API that takes a body in as the real one does, decodes it, and forgets it: what receiving costs by itself."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, post
from litestar.status_codes import HTTP_202_ACCEPTED

from app.posts.compression import decoder


@post("/uploads", status_code=HTTP_202_ACCEPTED)
async def swallow(request: Request[Any, Any, Any]) -> dict[str, int]:
    """The bytes of the decoded body."""
    decode = decoder(request.headers.get("content-encoding"))
    size = 0
    async for chunk in request.stream():
        for piece in decode.decode(chunk):
            size += len(piece)
    decode.finish()
    return {"id": size}


def app() -> Litestar:
    return Litestar([swallow], openapi_config=None, request_max_body_size=None)

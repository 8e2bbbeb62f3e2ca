"""The built files of the page: its document at /, everything else below /page."""

from __future__ import annotations

from pathlib import Path

from litestar import MediaType, Response, Router, get
from litestar.static_files import create_static_files_router

from app.http.scopes import PUBLIC

PATH = "/page"
STATIC = Path(__file__).parent / "static"

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of the document: no script, style, picture or request of another origin, and none in the
document itself."""


@get("/", include_in_schema=False, sync_to_thread=True, scope=PUBLIC, media_type=MediaType.HTML)
def document() -> Response[bytes]:
    """The document that loads the page."""
    return Response((STATIC / "index.html").read_bytes(), headers={"cache-control": "no-cache"})


def files() -> Router:
    """Scripts, styles and pictures of the page. A browser asks each time whether they are still the same."""
    return create_static_files_router(
        PATH, [STATIC], name="page", include_in_schema=False, opt={"scope": PUBLIC}, cache_control=None
    )

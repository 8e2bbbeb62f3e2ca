"""The documentation at /guide: pages that `make docs` built into this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Request, Router
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from app.errors import NotFound
from app.http.scopes import PUBLIC

PATH = "/guide"
GUIDE = Path(__file__).parent / "guide"
"""Made by `make docs`, not kept in git, and shipped in the wheel."""


def router() -> Router:
    """The pages, as static files. Links within them are relative, so a directory's path has to end with a slash."""
    directory = GUIDE

    async def redirect(request: Request[Any, Any, Any]) -> Redirect | None:
        if not (directory / "index.html").is_file():
            raise NotFound(
                "the documentation was not built into this installation. `make docs` builds it in a clone of the "
                "project; /doc describes the HTTP API."
            )
        path = request.scope["path"]
        asked = (directory / path.removeprefix(PATH).strip("/")).resolve()
        if request.scope["raw_path"].endswith(b"/") or not asked.is_relative_to(directory) or not asked.is_dir():
            return None
        query = request.scope["query_string"].decode("latin-1")
        return Redirect(f"{path}/?{query}" if query else f"{path}/", status_code=307)

    return create_static_files_router(
        PATH,
        [directory],
        html_mode=True,
        name="guide",
        include_in_schema=False,
        before_request=redirect,
        opt={"scope": PUBLIC},
    )

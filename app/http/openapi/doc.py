"""The OpenAPI document and its page at /doc. Every file of the page is in this package, so no network is needed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from litestar import Request, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, License, Server, ServerVariable, Tag
from litestar.static_files import create_static_files_router

from app.errors import PROBLEM_TYPE_PREFIX, Where, problems
from app.http.scopes import PUBLIC, SCHEME, SCHEME_NAME

PATH = "/doc"
STATIC_PATH = "/static"
STATIC = Path(__file__).parent / "static"

_DESCRIPTION = """\
Who mentions whom: CSV files of posts become a weighted graph of @mentions, kept in PostgreSQL, each file exactly once.

1. `POST /uploads` takes a file in; the answer's `Location` is its entry in the ledger.
2. `GET /uploads/{{upload_id}}` says how far it is, until its state is `applied`.
3. `GET /users/{{handle}}`, `GET /edges` and `GET /export/edges.csv` read the graph.

Instants are ISO 8601 with an offset, and sizes are bytes. `next` is the path of the next page, and null on the last
page. HEAD is answered wherever GET is. Unknown query parameters get 400, with the names of the known ones. So do
parameters that are there twice, save for lists.

### Keys
Where the API is reached from other machines, each request needs `Authorization: Bearer` and the token of a key. Each
operation says which scopes it needs. The scope `admin` includes all. 401: the key is missing, wrong or expired. 403:
the key lacks a scope, or is not for the graph. `WWW-Authenticate` names the scopes (RFC 6750).

### Problems
A request that fails is answered with a problem document (RFC 9457, `application/problem+json`). `type` is
`{prefix}` and one of the names below. Each endpoint lists the problems that it answers. Every path answers
`method-not-allowed` to a method that it does not take, and a path that does not exist answers `not-found`.

| Status | Type | What happened | What to do |
|---|---|---|---|
{problems}

The `error` of an upload, a batch or an audit is a problem document, too:

| Type | What happened | What to do |
|---|---|---|
{kept}
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" type="image/svg+xml" href="{static}/favicon.svg">
  <link rel="stylesheet" href="{static}/swagger-ui/swagger-ui.css">
  <style>body {{ margin: 0 }}</style>
</head>
<body>
  <div id="doc"></div>
  <script src="{static}/swagger-ui/swagger-ui-bundle.js"></script>
  <script>
    SwaggerUIBundle({{ url: "{schema}", dom_id: "#doc", deepLinking: true, validatorUrl: null }});
  </script>
</body>
</html>
"""


class _SwaggerUI(OpenAPIRenderPlugin):
    """Swagger UI from our own files. The page of Litestar's plugin needs a CDN and has an OAuth redirect."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        title: str = openapi_schema["info"]["title"]
        return _PAGE.format(title=title, static=STATIC_PATH, schema=self.get_openapi_json_route(request)).encode()


def config() -> OpenAPIConfig:
    """The document's parts about the API as a whole."""
    return OpenAPIConfig(
        title="mentiongraph",
        version=_version(),
        description=_description(),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        path=PATH,
        render_plugins=[_SwaggerUI()],
        openapi_router=Router(
            PATH, route_handlers=[], include_in_schema=False, dto=None, return_dto=None, opt={"scope": PUBLIC}
        ),
        components=Components(security_schemes={SCHEME_NAME: SCHEME}),
        use_handler_docstrings=True,
        servers=[
            Server("/", description="The graph `default`, and the service as a whole."),
            Server(
                "/graphs/{graph}",
                description="Another graph. `/graphs`, `/doc` and `/guide` have no such prefix.",
                variables={"graph": ServerVariable(default="default", description="Name of the graph.")},
            ),
        ],
        tags=[
            Tag("uploads", "Files on their way into the graph, as the ledger records them."),
            Tag("graph", "Users, and the edges between them. Weights halve every half-life since the last mention."),
            Tag("rankings", "The heaviest edges and users, and the users whom others mention more than before."),
            Tag("exports", "The graph as files for other tools. Each file is one snapshot of the graph."),
            Tag("audit", "Who did what, and what was denied."),
            Tag("keys", "Who may do what."),
            Tag("graphs", "Graphs beside `default`. The whole API stands under `/graphs/{graph}` for each of them."),
            Tag("health", "How the service is, for its operators."),
        ],
    )


def static_files() -> Router:
    """The files of the page at /doc."""
    return create_static_files_router(STATIC_PATH, [STATIC], include_in_schema=False, opt={"scope": PUBLIC})


def _description() -> str:
    rows = {where: [kind for kind in problems() if kind.where is where] for where in (Where.HTTP, Where.LEDGER)}
    return _DESCRIPTION.format(
        prefix=PROBLEM_TYPE_PREFIX,
        problems="\n".join(
            f"| {kind.status} | {kind.code} | {kind.title}. | {kind.to_do} |" for kind in rows[Where.HTTP]
        ),
        kept="\n".join(f"| {kind.code} | {kind.title}. | {kind.to_do} |" for kind in rows[Where.LEDGER]),
    )


def _version() -> str:
    try:
        return version("mentiongraph")
    except PackageNotFoundError:
        return "0"

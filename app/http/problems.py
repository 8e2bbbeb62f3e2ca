"""From any exception to its RFC 9457 problem document: the one place where failures become HTTP answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.enums import ParamType
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from app.errors import (
    PROBLEM_TYPE_PREFIX,
    BadRequest,
    DatabaseUnavailable,
    MentiongraphError,
    NotMigrated,
    Problem,
    TookTooLong,
    capitalized,
)
from app.http import segments
from app.http.upload_options import WANTED

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5

_SCHEMA_MISSING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
)


class ProblemDocument(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, as RFC 9457 has it: `type` names the kind for programs, `detail` is for people."""

    instance: str | None = None
    """Path of the request."""


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDocument]:
    """The answer to a request that failed. What nobody foresaw is logged, and answered without what is inside."""
    problem, headers = _problem(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    elif problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("service unavailable", path=request.url.path, error=str(error))
        headers = {**headers, "Retry-After": str(RETRY_AFTER_SECONDS)}
    document = ProblemDocument(**msgspec.structs.asdict(problem), instance=segments.text(request.url.path))
    return Response(document, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def _problem(error: Exception) -> tuple[Problem, Mapping[str, str]]:
    match error:
        case MentiongraphError():
            return error.problem(), _HEADERS.get(error.code, {})
        case psycopg.errors.QueryCanceled():
            return TookTooLong("PostgreSQL took too long over this; try again when it has less to do.").problem(), {}
        case psycopg.OperationalError():
            return DatabaseUnavailable("PostgreSQL does not answer; try again in a few seconds.").problem(), {}
        case psycopg.Error() if isinstance(error, _SCHEMA_MISSING):
            return NotMigrated("A table or column is missing: run `mentiongraph migrate`.").problem(), {}
        case HTTPException():
            return _of_litestar(error), error.headers or {}
        case _:
            return MentiongraphError("This is a bug; the log of the API says more.").problem(), {}


_HEADERS: Mapping[str, Mapping[str, str]] = {
    # RFC 7694, and the W3C's Linked Data Platform: what would have been accepted.
    "unsupported-encoding": {"Accept-Encoding": "gzip, zstd, identity"},
    "unsupported-media-type": {"Accept-Post": "text/csv, application/x-ndjson, application/jsonl, multipart/form-data"},
    # Counting a full backlog takes minutes; receiving the first of two requests, seconds.
    "backlog-full": {"Retry-After": "60"},
    "idempotency-key-in-use": {"Retry-After": "5"},
}


def _of_litestar(error: HTTPException) -> Problem:
    match error.status_code:
        case HTTPStatus.BAD_REQUEST:
            return BadRequest(_validation_detail(error)).problem()
        case HTTPStatus.NOT_FOUND:
            detail = "there is nothing at this path; /doc lists what there is."
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = "this path does not take this method; /doc lists those it does."
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return MentiongraphError("This is a bug; the log of the API says more.").problem()
        case _:
            detail = error.detail
    status = HTTPStatus(error.status_code)
    return Problem(
        type=PROBLEM_TYPE_PREFIX + status.phrase.lower().replace(" ", "-"),
        title=status.phrase,
        status=int(status),
        detail=capitalized(detail),
    )


def _validation_detail(error: HTTPException) -> str:
    """Which parameter was wrong, and how: Litestar keeps it beside the exception's text."""
    if not isinstance(error.extra, list):
        return error.detail
    found = cast("list[dict[str, Any]]", error.extra)
    return "; ".join(f"{_source(each)} parameter {_name(each)!r} has to be {_wanted(each)}" for each in found) + "."


_WORDS: tuple[tuple[str, str], ...] = (
    (r"Expected `int` <= (\d+)", r"a whole number up to \1"),
    (r"Expected `int` >= (-?\d+)", r"a whole number from \1 on"),
    (r"Expected `int.*", "a whole number"),
    (r"Expected `bool.*", "true or false"),
    (r"Expected `str` of length <= (\d+)", r"at most \1 characters long"),
    (r"Invalid UUID|Expected `uuid.*", "a UUID"),
)
"""What msgspec says of a value, and what is wanted of it. Its own words name Python's types and our patterns."""


def _wanted(found: Mapping[str, Any]) -> str:
    name, message = str(found.get("key")), str(found.get("message"))
    if name in WANTED:
        return WANTED[name]
    fitting = ((re.fullmatch(pattern, message), words) for pattern, words in _WORDS)
    return next((match.expand(words) for match, words in fitting if match), "of another form")


def _name(found: Mapping[str, Any]) -> str:
    # Litestar names a header by the handler's argument.
    name = str(found.get("key"))
    return name.replace("_", "-").title() if found.get("source") is ParamType.HEADER else name


def _source(found: Mapping[str, Any]) -> str:
    source = found.get("source")
    return source.value if isinstance(source, ParamType) else "the"


def responses(documented: Mapping[int, str]) -> dict[int, ResponseSpec]:
    """For the OpenAPI document: by status, the problem documents an endpoint may answer; each text is an example."""
    return {
        status: ResponseSpec(
            ProblemDocument,
            media_type=MEDIA_TYPE,
            generate_examples=False,
            description=detail,
            examples=[Example(summary=detail, value=_example(status, detail))],
        )
        for status, detail in ((status, capitalized(detail)) for status, detail in documented.items())
    }


def _example(status: int, detail: str) -> dict[str, object]:
    phrase = HTTPStatus(status).phrase
    slug = phrase.lower().replace(" ", "-")
    return {"type": PROBLEM_TYPE_PREFIX + slug, "title": phrase, "status": status, "detail": detail}


UNAVAILABLE = {503: "PostgreSQL does not answer; try again in a few seconds."}

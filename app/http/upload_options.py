"""The query of POST /uploads as options."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from litestar import Request
from litestar.params import QueryParameter

from app.errors import BadRequest
from app.graph.profiles import PROFILES
from app.posts.options import Clock, ColumnNames, InputFormat, Options, Priority, RejectLimit

QUERY = frozenset(
    {
        "again", "author", "clock", "delimiter", "dry_run", "encoding", "filename", "format", "max_rejects", "priority",
        "profile", "retweets", "text", "timestamp",
    }
)  # fmt: skip
"""Every parameter there is: one that is misspelt is refused, not passed over."""

CSV_TYPES = frozenset({"text/csv", "application/csv"})
JSONL_TYPES = frozenset({"application/x-ndjson", "application/jsonl"})

_COLUMN = r"^[^\x00-\x1f\x7f]+$"
_LIMIT = re.compile(r"(?P<rows>\d{1,12})|(?P<percent>100|\d{1,2}(?:\.\d{1,6})?)%")


class Encoding(StrEnum):
    """What a body's characters are encoded in."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    LATIN_1 = "latin-1"


CHARSETS = {
    "utf-8": Encoding.UTF_8,
    "utf8": Encoding.UTF_8,
    "us-ascii": Encoding.UTF_8,
    "utf-16": Encoding.UTF_16,
    "iso-8859-1": Encoding.LATIN_1,
    "latin1": Encoding.LATIN_1,
    "latin-1": Encoding.LATIN_1,
}
"""As a Content-Type spells them."""

_NAME = "a name of 1 to 200 characters, none of them a control character"
WANTED: dict[str, str] = {
    **dict.fromkeys(("text", "timestamp", "author"), _NAME),
    "format": f"one of: {', '.join(InputFormat)}",
    "encoding": f"one of: {', '.join(Encoding)}",
    "delimiter": "one character of ASCII that is no quote, a tab (%09), or auto",
    "clock": f"one of: {', '.join(Clock)}",
    "priority": f"one of: {', '.join(Priority)}",
    "max_rejects": "a number, or a share such as 5%",
    "as_of": "an instant in ISO 8601 with an offset, such as 2026-01-15T12:00:00Z (+ is %2B in a URL)",
    "cursor": "what `next` has",
    "prefix": "up to 320 characters, none of them a control character",
    "since": "an instant in ISO 8601 with an offset, such as 2026-01-15T12:00:00Z",
    "min_weight": "a number that is not negative",
    "idempotency_key": "1 to 255 printable characters of ASCII, such as a UUID in quotes",
}
"""What some parameters have to be, for people: by the name of the argument that has it."""


def read_options(  # noqa: PLR0917 (each is a query parameter)
    request: Request[Any, Any, Any],
    text: Annotated[
        str, QueryParameter(description="Column, or key, of the text.", pattern=_COLUMN, max_length=200)
    ] = "data",
    timestamp: Annotated[
        str, QueryParameter(description="Column, or key, of the instant.", pattern=_COLUMN, max_length=200)
    ] = "timestamp",
    author: Annotated[
        str, QueryParameter(description="Column, or key, of the author's handle.", pattern=_COLUMN, max_length=200)
    ] = "username",
    format: Annotated[
        InputFormat | None,
        QueryParameter(
            description="CSV, or JSON Lines: one object a line. By default as the Content-Type says: JSON Lines for "
            "application/x-ndjson and application/jsonl."
        ),
    ] = None,
    encoding: Annotated[
        Encoding | None,
        QueryParameter(description="By default the Content-Type's charset, or UTF-8. UTF-16 has a byte order mark."),
    ] = None,
    delimiter: Annotated[
        str,
        QueryParameter(
            description="What separates two fields of CSV; a tab is `%09`. `auto`: comma, semicolon, tab or pipe, "
            "whichever the header has.",
            pattern=r"^([\t !#-~]|auto)$",
        ),
    ] = ",",
    profile: Annotated[
        str, QueryParameter(description=f"What a mention is: {', '.join(PROFILES)}.", enum=list(PROFILES))
    ] = "twitter",
    retweets: Annotated[
        bool, QueryParameter(description="Whether mentions in retweets (posts that begin with `RT @…`) count.")
    ] = True,
    clock: Annotated[
        Clock,
        QueryParameter(
            description="When a mention counts as made: on `arrival`, or at the post's own instant (`event`)."
        ),
    ] = Clock.ARRIVAL,
    priority: Annotated[
        Priority, QueryParameter(description="`urgent` uploads do not wait behind `bulk` ones.")
    ] = Priority.BULK,
    dry_run: Annotated[
        bool, QueryParameter(description="Read and count everything, report, and leave the graph as it is.")
    ] = False,
    max_rejects: Annotated[
        str | None,
        QueryParameter(
            description="How many rows may be rejected: a number, or a share such as `5%`. Beyond it the upload fails "
            "before anything of it is applied.",
            pattern=r"^([0-9]{1,12}|(100|[0-9]{1,2}(\.[0-9]{1,6})?)%)$",
        ),
    ] = None,
) -> Options:
    """The query as options. Raises BadRequest."""
    if profile not in PROFILES:
        raise BadRequest(f"there is no mention profile {profile!r}; known: {', '.join(PROFILES)}.")
    if len({name.strip().casefold() for name in (text, timestamp, author)}) < 3:  # noqa: PLR2004
        raise BadRequest(
            f"the columns of text, timestamp and author are three; asked for: {text!r}, {timestamp!r}, {author!r}."
        )
    media_type, parameters = request.content_type
    charset = CHARSETS.get(parameters.get("charset", "").lower(), Encoding.UTF_8)
    return Options(
        columns=ColumnNames(text=text, timestamp=timestamp, author=author),
        format=format or (InputFormat.JSONL if media_type in JSONL_TYPES else InputFormat.CSV),
        encoding=encoding or charset,
        delimiter=delimiter,
        profile=profile,
        retweets=retweets,
        clock=clock,
        priority=priority,
        dry_run=dry_run,
        max_rejects=_limit(max_rejects),
    )


def _limit(given: str | None) -> RejectLimit | None:
    if given is None:
        return None
    found = _LIMIT.fullmatch(given)
    if found is None:
        raise BadRequest(f"query parameter 'max_rejects' has to be {WANTED['max_rejects']}.")
    if found["rows"]:
        return RejectLimit(rows=int(found["rows"]))
    return RejectLimit(share=float(found["percent"]) / 100)

"""What the lists of the API have in common: pages, the path of the one that follows, and the instant they are for."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Annotated, TypeAlias
from urllib.parse import urlencode

import msgspec
from litestar.params import QueryParameter

from app.errors import BadRequest
from app.http.upload_options import WANTED
from app.reads.view import FIRST, Position

MAX_LIMIT = 500

MAX_NUMBER = 2**53 - 1
"""The highest number that every reader of JSON takes exactly; no line, batch or event will have it."""

_POSITION = struct.Struct(">dq")

Limit: TypeAlias = Annotated[int, QueryParameter(description="How many at most.", ge=1, le=MAX_LIMIT)]
Cursor: TypeAlias = Annotated[
    str | None, QueryParameter(description="Where the page begins: `next` has it.", pattern="^[0-9a-f]{32}$")
]
AsOf: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        format="date-time",
        description="The instant that weights are for, ISO 8601 with an offset (`+` is `%2B` in a URL); by default the "
        "minute that has begun. Mentions that came later count, too: more than 1 each, by the rule that weights halve. "
        "A weight above 1e250 is answered as 1e250, one below 1e-250 as 0.",
    ),
]
Archived: TypeAlias = Annotated[
    bool, QueryParameter(description="Whether archived edges, too light by now to be kept with the others, are in it.")
]
SelfMentions: TypeAlias = Annotated[bool, QueryParameter(description="Whether mentions of oneself are among them.")]


_WithOffset = Annotated[datetime, msgspec.Meta(tz=True)]
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def instant(as_of: str | datetime | None, now: datetime) -> datetime:
    """The instant that is meant, UTC. Raises BadRequest."""
    return minute(now) if as_of is None else moment(as_of)


def minute(now: datetime) -> datetime:
    """The minute that has begun, UTC: the instant that is meant where none is given, so that answers can be kept."""
    return now.astimezone(UTC).replace(second=0, microsecond=0)


def moment(as_of: str | datetime) -> datetime:
    """An instant that was given, UTC. Raises BadRequest for what is none, or has no offset."""
    try:
        at = msgspec.convert(as_of, _WithOffset)
    except msgspec.ValidationError:
        raise BadRequest(f"query parameter 'as_of' has to be {WANTED['as_of']}.") from None
    try:
        return at.astimezone(UTC)
    except OverflowError:  # within hours of the first or last instant that there is
        return _EARLIEST if at.year == 1 else _LATEST


def next_page(path: str, **query: object) -> str:
    """The path with those of the query that are set; instants as ISO 8601, booleans as `true`, or not at all."""
    given = {name: value for name, value in query.items() if value is not None and value is not False}
    return f"{path}?{urlencode({name: _written(value) for name, value in given.items()})}"


def _written(value: object) -> str:
    if value is True:
        return "true"
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def cursor_of(position: Position) -> str:
    """A position in a list as the text that `position_of` reads."""
    return _POSITION.pack(*position).hex()


def position_of(cursor: Cursor) -> Position:
    """Where a page begins. Every text that the parameter's pattern lets through is a position."""
    return Position(*_POSITION.unpack(bytes.fromhex(cursor))) if cursor else FIRST

"""Parameters that several endpoints share: pages and the path of the next page, days, and the instant of weights."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Annotated, TypeAlias, cast
from urllib.parse import urlencode

import msgspec
from litestar.params import QueryParameter

from app.errors import BadRequest, InstantTooEarly
from app.http.signatures import Wanted
from app.reads.view import FIRST, Position, View

MAX_LIMIT = 500

MAX_NUMBER = 2**53 - 1
"""The highest number that every reader of JSON takes exactly. No line, batch or event has such a number."""

MOST_DAYS = 366

TOO_EARLY = InstantTooEarly(
    "the graph does not know any more what it was at 2026-01-10T00:00:00Z: a mention counts at 2026-01-15T11:59:00Z, "
    "and edges do not keep what they were before. Ask for 2026-01-15T11:59:00Z or later, or leave out the instant. "
    "Counts by day are kept apart, for as many days as MENTIONGRAPH_DAYS_KEPT says."
)
"""The problem of every endpoint that weighs at an instant."""

INSTANT = "an instant in ISO 8601 with an offset, such as 2026-01-15T12:00:00Z (+ is %2B in a URL)"

_POSITION, _NUMBERS = struct.Struct(">dq"), struct.Struct(">qq")

Limit: TypeAlias = Annotated[int, QueryParameter(description="Entries on the page, at most.", ge=1, le=MAX_LIMIT)]
Cursor: TypeAlias = Annotated[
    str | None,
    QueryParameter(description="Where the page begins. `next` has it.", pattern="^[0-9a-f]{32}$"),
    Wanted("the 32 digits that the earlier page has in its link to the next page"),
]
AsOf: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        format="date-time",
        description="The instant that weights are for, in ISO 8601 with an offset (`+` is `%2B` in a URL). By "
        "default: the minute that has begun. An instant before the last mention of the graph is refused "
        "(`instant-too-early`), since an edge does not keep what it was. A weight below 1e-250 is answered as 0.",
    ),
    Wanted(INSTANT),
]
Archived: TypeAlias = Annotated[
    bool | None,
    QueryParameter(
        description="Whether the answer includes archived edges, which decay has made too light. By default: those "
        "that were archived later than `as_of`, so that a decay run changes no answer about an instant before the run."
    ),
]
SelfMentions: TypeAlias = Annotated[
    bool, QueryParameter(description="Whether the answer includes mentions of oneself.")
]
Days: TypeAlias = Annotated[
    int,
    QueryParameter(
        description="Days in the answer. The day of `as_of` is the last. Days that the service does not keep are "
        "left out.",
        ge=1,
        le=MOST_DAYS,
    ),
]


_WithOffset = Annotated[datetime, msgspec.Meta(tz=True)]
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def storable(text: str | None) -> str | None:
    """The text as PostgreSQL takes it, which knows no NUL: it finds nothing then, as it should."""
    return None if text is None else text.replace("\0", "\ufffd")


def instant(as_of: str | datetime | None, now: datetime) -> datetime:
    """The instant that a request is about, in UTC. Raises BadRequest."""
    return minute(now) if as_of is None else moment(as_of)


def minute(now: datetime) -> datetime:
    """The minute that has begun, in UTC. Requests without an instant are about it, so that answers can be cached."""
    return now.astimezone(UTC).replace(second=0, microsecond=0)


def view_of(as_of: str | datetime | None, archived: bool | None, now: datetime) -> View:
    """How a request looks at the graph. Raises BadRequest."""
    at = instant(as_of, now)
    return View(at, archived, past=at < minute(now))


def moment(as_of: str | datetime, name: str = "as_of") -> datetime:
    """The instant that the parameter names, in UTC. Raises BadRequest for no instant, or one without an offset."""
    try:
        at = msgspec.convert(as_of, _WithOffset)
    except msgspec.ValidationError:
        raise BadRequest(f"query parameter {name!r} has to be {INSTANT}.") from None
    try:
        return at.astimezone(UTC)
    except OverflowError:  # within hours of the first or last instant that a datetime can hold
        return _EARLIEST if at.year == 1 else _LATEST


def next_page(path: str, **query: object) -> str:
    """The path with the parameters that are set: instants in ISO 8601, true as `true`, and false left out. A tuple's
    values stand one after another."""
    given = [
        (name, each)
        for name, value in query.items()
        for each in (cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,))
        if each is not None and each is not False
    ]
    return f"{path}?{urlencode([(name, _written(value)) for name, value in given])}"


def _written(value: object) -> str:
    if value is True:
        return "true"
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def cursor_of(position: Position) -> str:
    """The position in a list as a text that `position_of` reads."""
    return _POSITION.pack(*position).hex()


def position_of(cursor: Cursor) -> Position:
    """The position where a page begins. Every text that the parameter's pattern allows is a position."""
    return Position(*_POSITION.unpack(bytes.fromhex(cursor))) if cursor else FIRST


def cursor_of_numbers(first: int, second: int) -> str:
    """Two numbers as a text that `numbers_of` reads."""
    return _NUMBERS.pack(first, second).hex()


def numbers_of(cursor: str) -> tuple[int, int]:
    """The two numbers of a cursor. Every text that the parameter's pattern allows has two."""
    first, second = _NUMBERS.unpack(bytes.fromhex(cursor))
    return first, second

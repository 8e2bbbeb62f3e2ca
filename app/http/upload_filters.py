"""The query of a list of uploads: which uploads are wanted."""

from __future__ import annotations

from typing import Annotated

from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter, SkipValidation

from app.http.parameters import INSTANT, moment
from app.http.signatures import Wanted
from app.ledger.entries import Filter

MOST_TEXT = 200
"""Characters of a text that is looked for in names and notes."""
MOST_OWNER = 64
PLAIN = r"^[^\x00-\x1f\x7f]+$"


def read_filter(
    text: Annotated[
        str | None,
        QueryParameter(
            description="Only uploads whose file name or note has this text, in upper or lower case. The first eight "
            "or more digits of an upload's id find the upload, too.",
            max_length=MOST_TEXT,
            pattern=PLAIN,
        ),
        Wanted(f"1 to {MOST_TEXT} characters, without control characters"),
    ] = None,
    since: Annotated[
        str | None,
        QueryParameter(format="date-time", description="Only uploads received at or after this instant."),
        Wanted(INSTANT),
    ] = None,
    until: Annotated[
        str | None,
        QueryParameter(format="date-time", description="Only uploads received before this instant."),
        Wanted(INSTANT),
    ] = None,
    owner: Annotated[
        str | None,
        QueryParameter(
            description="Only uploads that keys of this owner sent. A key without `uploads:read` sees no other owner's "
            "uploads.",
            max_length=MOST_OWNER,
            pattern=PLAIN,
        ),
        Wanted("the owner of a key"),
    ] = None,
) -> Filter:
    """The query as a filter without states. Raises BadRequest."""
    begin, end = (None if each is None else moment(each, name) for each, name in ((since, "since"), (until, "until")))
    return Filter(text=text, since=begin, until=end, owner=owner)


Filtered = NamedDependency[SkipValidation[Filter]]
FILTER = {"wanted": Provide(read_filter, sync_to_thread=False)}


def query_of(wanted: Filter) -> dict[str, object]:
    """The query that `read_filter` reads as this filter, without states."""
    return {"text": wanted.text, "since": wanted.since, "until": wanted.until, "owner": wanted.owner}

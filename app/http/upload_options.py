"""The query of POST /uploads as options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec
from litestar.params import QueryParameter

from app.graph.profiles import PROFILES, profile_named
from app.http.signatures import Wanted
from app.posts.options import REJECT_LIMIT_FORM, Clock, ColumnNames, InputFormat, Options, Priority, RejectLimit

CSV_TYPES = frozenset({"text/csv", "application/csv"})
JSONL_TYPES = frozenset({"application/x-ndjson", "application/jsonl"})

_COLUMN = r"^[^\x00-\x1f\x7f]+$"


class Encoding(StrEnum):
    """Encodings of a body's characters."""

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
"""The encodings, as a Content-Type spells them."""

_NAME = Wanted("a name of 1 to 200 characters without control characters")


class GivenOptions(NamedTuple):
    """The options that a query gives. What the query leaves open, the Content-Type of the file decides."""

    options: Options
    format: InputFormat | None
    encoding: Encoding | None

    def for_file(self, media_type: str | None, charset: str) -> Options:
        """The options of a file of this Content-Type."""
        by_type = InputFormat.JSONL if media_type in JSONL_TYPES else InputFormat.CSV
        by_charset = CHARSETS.get(charset.lower(), Encoding.UTF_8)
        return msgspec.structs.replace(
            self.options, format=self.format or by_type, encoding=self.encoding or by_charset
        )


def read_options(  # noqa: PLR0917 (each is a query parameter)
    text: Annotated[
        str,
        QueryParameter(description="Column (or JSON key) of the text.", pattern=_COLUMN, max_length=200),
        _NAME,
    ] = "data",
    timestamp: Annotated[
        str,
        QueryParameter(description="Column (or JSON key) of the instant.", pattern=_COLUMN, max_length=200),
        _NAME,
    ] = "timestamp",
    author: Annotated[
        str,
        QueryParameter(description="Column (or JSON key) of the author's handle.", pattern=_COLUMN, max_length=200),
        _NAME,
    ] = "username",
    format: Annotated[
        InputFormat | None,
        QueryParameter(
            description="Format of the file: CSV, or JSON Lines with one object a line. By default the Content-Type "
            "decides: JSON Lines for application/x-ndjson and application/jsonl, otherwise CSV."
        ),
    ] = None,
    encoding: Annotated[
        Encoding | None,
        QueryParameter(
            description="Encoding of the file. By default: the Content-Type's charset, or UTF-8. UTF-16 needs a byte "
            "order mark."
        ),
    ] = None,
    delimiter: Annotated[
        str,
        QueryParameter(
            description="Character between two fields of CSV; a tab is `%09`. `auto` finds out whether the header "
            "has commas, semicolons, tabs or pipes.",
            pattern=r"^([\t !#-~]|auto)$",
        ),
        Wanted("one ASCII character other than a quote, a tab (%09), or auto"),
    ] = ",",
    profile: Annotated[
        str,
        QueryParameter(description=f"Profile that says what a mention is: {', '.join(PROFILES)}.", enum=list(PROFILES)),
    ] = "twitter",
    retweets: Annotated[
        bool, QueryParameter(description="Whether mentions in retweets (posts that begin with `RT @…`) count.")
    ] = True,
    clock: Annotated[
        Clock,
        QueryParameter(
            description="When a mention counts as made: when the file arrives (`arrival`), or at the post's own "
            "timestamp (`event`)."
        ),
    ] = Clock.ARRIVAL,
    priority: Annotated[
        Priority, QueryParameter(description="`urgent` uploads do not wait behind `bulk` ones.")
    ] = Priority.BULK,
    dry_run: Annotated[
        bool, QueryParameter(description="Whether to read and count the file, report, and leave the graph unchanged.")
    ] = False,
    max_rejects: Annotated[
        str | None,
        QueryParameter(
            description="Rows that may be rejected, at most: a number, or a share such as `5%`. If more rows are "
            "rejected, the upload fails before anything of it is applied.",
            pattern=r"^([0-9]{1,12}|(100|[0-9]{1,2}(\.[0-9]{1,6})?)%)$",
        ),
        Wanted(REJECT_LIMIT_FORM),
    ] = None,
) -> GivenOptions:
    """The query as options. Raises BadRequest."""
    profile_named(profile)
    columns = ColumnNames(text=text, timestamp=timestamp, author=author)
    columns.require_three()
    options = Options(
        columns=columns,
        delimiter=delimiter,
        profile=profile,
        retweets=retweets,
        clock=clock,
        priority=priority,
        dry_run=dry_run,
        max_rejects=None
        if max_rejects is None
        else RejectLimit.parsed(max_rejects, where="query parameter 'max_rejects'"),
    )
    return GivenOptions(options, format, encoding)

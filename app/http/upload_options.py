"""The query of POST /uploads and POST /uploads/preview as options."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from app.graph.profiles import PROFILES, profile_named
from app.http.services import Injected
from app.http.signatures import Wanted
from app.posts.encodings import ENCODINGS
from app.posts.given import check_given
from app.posts.json.paths import MAX_CHARACTERS
from app.posts.looking.presets import PRESETS
from app.posts.options import (
    REJECT_LIMIT_FORM,
    Clock,
    DateOrder,
    Given,
    InputFormat,
    Options,
    Priority,
    RejectLimit,
    Retweets,
)

_COLUMN = r"^[^\x00-\x1f\x7f]+$"
_NAME = Wanted(f"a name of 1 to {MAX_CHARACTERS} characters without control characters")
_DETECTED = "By default, the file's first bytes decide."
_MOST_LINES = 1000


def _column(what: str, *, default: str = _DETECTED) -> QueryParameter:
    return QueryParameter(
        description=f"Column (CSV) or path (JSON) of {what}. {default}", pattern=_COLUMN, max_length=MAX_CHARACTERS
    )


class GivenOptions(NamedTuple):
    """The options that a query gives. The bytes of the file decide what the query leaves open."""

    options: Options
    given: Given

    def for_file(self, charset: str | None) -> Options:
        """The options of a file whose Content-Type names this charset, one of ENCODINGS."""
        return msgspec.structs.replace(self.options, given=with_charset(self.given, charset))


def with_charset(given: Given, charset: str | None) -> Given:
    """The words of a sender whose file has a Content-Type with this charset, one of ENCODINGS."""
    return msgspec.structs.replace(given, encoding=given.encoding or charset)


def read_given(  # noqa: PLR0917 (each is a query parameter, but the services)
    services: Injected,
    text: Annotated[str | None, _column("the text"), _NAME] = None,
    timestamp: Annotated[str | None, _column("the instant"), _NAME] = None,
    author: Annotated[str | None, _column("the author's handle"), _NAME] = None,
    author_is: Annotated[
        str | None,
        QueryParameter(
            description="Handle of the author of every post, for a file without a column of authors.",
            pattern=_COLUMN,
            max_length=320,
        ),
        Wanted("a handle of 1 to 320 characters"),
    ] = None,
    id: Annotated[
        str | None,
        _column("the post's id", default="With ids, a post counts once, in whatever file the post comes."),
        _NAME,
    ] = None,
    mentions: Annotated[
        str | None,
        _column(
            "the mentioned users: a list, JSON, or handles with blanks, commas or semicolons between them",
            default="By default, the text says who is mentioned.",
        ),
        _NAME,
    ] = None,
    reply: Annotated[str | None, _column("the user whom the post answers"), _NAME] = None,
    retweet: Annotated[str | None, _column("the user whose post the post repeats"), _NAME] = None,
    quote: Annotated[str | None, _column("the user whom the post quotes"), _NAME] = None,
    format: Annotated[
        InputFormat | None,
        QueryParameter(
            description="Format of the file: CSV, JSON Lines (one object a line), one list of JSON objects, or "
            f"JSON objects on several lines each. {_DETECTED}"
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        QueryParameter(
            description=f"Encoding of the file: one of {', '.join(ENCODINGS)}. By default, the Content-Type's charset, "
            "or else the file's first bytes decide.",
            pattern=r"^[A-Za-z0-9_.:\- ]{1,40}$",
        ),
        Wanted(f"one of {', '.join(ENCODINGS)}"),
    ] = None,
    delimiter: Annotated[
        str | None,
        QueryParameter(
            description=f"Character between two fields of CSV; a tab is `%09`. `auto` is the default: {_DETECTED}",
            pattern=r"^([\t !#-~]|auto)$",
        ),
        Wanted("one ASCII character other than a quote, a tab (%09), or auto"),
    ] = None,
    header: Annotated[
        bool | None, QueryParameter(description=f"Whether the first row of CSV names the columns. {_DETECTED}")
    ] = None,
    columns: Annotated[
        str | None,
        QueryParameter(
            description="Names of the columns of CSV without a header, with commas between them.", max_length=8000
        ),
    ] = None,
    skip_lines: Annotated[
        int | None,
        QueryParameter(description=f"Lines before the header of CSV. {_DETECTED}", ge=0, le=_MOST_LINES),
        Wanted(f"a number from 0 to {_MOST_LINES}"),
    ] = None,
    sheet: Annotated[
        str | None,
        QueryParameter(
            description="Name of the sheet of a workbook (xlsx). By default: its only sheet of posts.",
            max_length=200,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        QueryParameter(
            description=f"Tool or service that wrote the file: {', '.join(each.name for each in PRESETS)}. {_DETECTED}",
            enum=[each.name for each in PRESETS],
        ),
    ] = None,
    dates: Annotated[
        DateOrder | None,
        QueryParameter(
            description="Order of day and month in dates such as 01/02/2024. By default, a row such as 31/12/2023 "
            "settles the order."
        ),
    ] = None,
    timestamp_format: Annotated[
        str | None,
        QueryParameter(
            description="Format of all instants in strptime's words, such as `%d.%m.%Y %H:%M`, or `excel` for serial "
            "numbers of days. By default, every unambiguous spelling is read.",
            max_length=100,
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        QueryParameter(
            description="Time zone of instants that name none, such as `Europe/Berlin`. By default, UTC.", max_length=64
        ),
    ] = None,
    placeholders: Annotated[
        bool | None,
        QueryParameter(
            description="Whether words such as NULL, nan or [deleted] are handles. By default, rows with such authors "
            "are rejected."
        ),
    ] = None,
    profile: Annotated[
        str | None,
        QueryParameter(
            description=f"Profile that says what a mention is: {', '.join(PROFILES)}. By default, that of the file's "
            "tool or service, or twitter.",
            enum=list(PROFILES),
        ),
    ] = None,
    retweets: Annotated[
        str | None,
        QueryParameter(
            description="What a retweet counts: every mention in its text (`text`, also `true`), one mention of the "
            "author of the repeated post (`author`), or nothing (`none`, also `false`). By default, `author` where "
            "the file's tool names that author, else `text`.",
            pattern=r"^(text|author|none|true|false)$",
        ),
        Wanted("text, author or none"),
    ] = None,
) -> Given:
    """The query as the words of a sender. Raises BadRequest."""
    profile = services.profile if profile is None else profile
    if profile is not None:
        profile_named(profile)
    return check_given(
        Given(
            layout=format,
            encoding=encoding,
            delimiter=delimiter,
            skip_lines=skip_lines,
            header=header,
            columns=None if columns is None else tuple(name.strip() for name in columns.split(",")),
            preset=preset,
            sheet=sheet,
            text=text,
            timestamp=timestamp,
            author=author,
            author_is=author_is,
            id=id,
            mentions=mentions,
            reply=reply,
            retweet=retweet,
            quote=quote,
            timestamp_format=timestamp_format,
            timezone=timezone,
            dates=dates,
            placeholders=placeholders,
            profile=profile,
            retweets=None if retweets is None else retweets_named(retweets),
        )
    )


def retweets_named(word: str) -> Retweets:
    """What a retweet counts, as a query says it; earlier clients say true or false."""
    return Retweets({"true": "text", "false": "none"}.get(word, word))


def read_options(
    given: NamedDependency[SkipValidation[Given]],
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
    options = Options(
        clock=clock,
        priority=priority,
        dry_run=dry_run,
        max_rejects=None
        if max_rejects is None
        else RejectLimit.parsed(max_rejects, where="query parameter 'max_rejects'"),
    )
    return GivenOptions(options, given)

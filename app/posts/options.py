"""These types say how an upload is read and counted. Options of an upload and the ledger use the types.

The module imports few libraries, because every command imports the module.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from app.errors import BadRequest

REJECT_LIMIT_FORM = "a number of rows such as 100, or a share such as 5%"
_REJECT_LIMIT = re.compile(r"(?P<rows>\d{1,12})|(?P<percent>100|\d{1,2}(?:\.\d{1,6})?)%")


class ColumnNames(msgspec.Struct, frozen=True):
    """What the columns of an upload are called; case and surrounding spaces do not matter. The keys of JSON Lines are
    taken as they are."""

    text: str = "data"
    timestamp: str = "timestamp"
    author: str = "username"


class Format(msgspec.Struct, frozen=True):
    """How the rows of an upload are laid out; columns are counted from 0."""

    delimiter: str
    """The delimiter between fields. Empty for JSON Lines."""
    fields: int
    text: int
    timestamp: int
    author: int
    """Columns; -1: there is none."""
    names: tuple[str, ...] = ()
    """The names of the columns, as the file has them, or the keys of JSON Lines. Empty for uploads of old."""
    paths: dict[str, str] = {}
    """JSON: by role the path to its value; where there are none, `names` are keys."""
    text_optional: bool = False
    """JSON: whether a post may come without a text, or with a text in parts, as the files of a preset have it."""
    further: dict[str, int] = {}
    """CSV: by further role (id, mentions, reply, retweet, quote, heading) the column that has it.

    `time`: the column with the times of day that the timestamps lack.
    """
    surplus: bool = False
    """CSV: whether every row ends with one delimiter more than the header."""
    author_is: str | None = None
    """Who wrote every post, where no column says so."""
    date_order: str | None = None
    timezone: str | None = None
    timestamp_format: str | None = None
    """What is known of all instants: see spellings.Known."""
    id_scope: str | None = None
    """Ids tell posts apart within a scope, such as a platform. None: the upload gives no ids."""
    any_instant: bool = False
    """Whether spellings of instants other than ISO 8601 and Unix time are read. Uploads of old reject them."""
    placeholders: bool = True
    """Whether NULL, nan and the like are authors."""
    escaped: bool = False
    """CSV: whether line ends and tabs within texts are written as a backslash and a letter."""
    guarded: bool = False
    """CSV: whether apostrophes guard spreadsheets against formulas, as in rejects that come back."""


class Clock(StrEnum):
    """When a mention counts as made."""

    ARRIVAL = "arrival"
    """The mention counts as made when its upload was received."""
    EVENT = "event"
    """The mention counts as made when its post says. A post from the future counts as made on arrival."""


class Retweets(StrEnum):
    """What a retweet counts."""

    TEXT = "text"
    """Every mention in its text, as in any other post."""
    AUTHOR = "author"
    """One mention: of the author whose post it repeats. The text is that author's."""
    NONE = "none"
    """Nothing."""


class Priority(StrEnum):
    """Which queue an upload's work waits in."""

    URGENT = "urgent"
    BULK = "bulk"


class InputFormat(StrEnum):
    """How the text of a body is laid out."""

    CSV = "csv"
    JSONL = "jsonl"
    """One JSON object a line."""
    JSON_ARRAY = "json-array"
    """One list of JSON objects."""
    JSON_PAGES = "json-pages"
    """JSON objects that follow each other, each on several lines, such as pages of an API's answers."""


class DateOrder(StrEnum):
    """Which of two numbers before a year is the day."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


class Given(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sender says of how a file is to be read and counted. None: the sender leaves the question open.

    The service answers an open question by a look at the file's first bytes (app/posts/looking/reading.py).
    """

    layout: InputFormat | None = None
    encoding: str | None = None
    delimiter: str | None = None
    skip_lines: int | None = None
    """The number of physical lines before the header."""
    header: bool | None = None
    """Whether the first row names the columns."""
    columns: tuple[str, ...] | None = None
    """The names of the columns of a file without a header."""
    preset: str | None = None
    sheet: str | None = None
    """The name of the sheet of a workbook."""
    text: str | None = None
    timestamp: str | None = None
    author: str | None = None
    author_is: str | None = None
    """The author of every post, if no column says so."""
    id: str | None = None
    mentions: str | None = None
    """The column or path that lists the mentioned users."""
    reply: str | None = None
    retweet: str | None = None
    quote: str | None = None
    """The columns or paths of the user whom a post answers, repeats, quotes."""
    timestamp_format: str | None = None
    timezone: str | None = None
    dates: DateOrder | None = None
    placeholders: bool | None = None
    """Whether words such as NULL, nan or [deleted] are authors."""
    profile: str | None = None
    retweets: Retweets | None = None


class Detected(msgspec.Struct, frozen=True):
    """One answer about a file: what was found, how sure it is (given, certain), and why."""

    value: str
    sure: str
    reason: str


class RejectLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many rows of an upload may be rejected: a number, or a share of its rows (0 to 1)."""

    rows: int | None = None
    share: float | None = None

    @classmethod
    def parsed(cls, given: str, *, where: str) -> RejectLimit:
        """The limit in a text such as `100` or `5%`. Raises BadRequest, which names `where` the text was given."""
        found = _REJECT_LIMIT.fullmatch(given)
        if found is None:
            raise BadRequest(f"{where} has to be {REJECT_LIMIT_FORM}.")
        if found["rows"]:
            return cls(rows=int(found["rows"]))
        return cls(share=float(found["percent"]) / 100)

    def exceeded(self, *, rejected: int, received: int) -> bool:
        """Whether more rows were rejected than the limit allows, once every row was read."""
        too_many = self.rows is not None and rejected > self.rows
        return too_many or (self.share is not None and rejected > self.share * received)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How an upload is read and counted; kept with the upload.

    Before the service has looked at the first bytes, the options hold what the sender said, and defaults for the rest.
    """

    columns: ColumnNames = ColumnNames()
    """Names of columns (CSV) or paths to values (JSON)."""
    format: InputFormat = InputFormat.CSV
    encoding: str = "utf-8"
    """The encoding of the decoded body: one of ENCODINGS."""
    delimiter: str = ","
    profile: str = "twitter"
    retweets: Retweets | bool = Retweets.TEXT
    """What a retweet counts. Uploads of old say whether its text counts."""
    clock: Clock = Clock.ARRIVAL
    priority: Priority = Priority.BULK
    dry_run: bool = False
    """Read and count everything, and leave the graph as it is."""
    max_rejects: RejectLimit | None = None
    """An upload with more rejects fails before anything of the upload is applied."""
    given: Given | None = None
    """What the sender said. None: an upload of old, whose sender said all that these options say."""
    detected: dict[str, Detected] = {}
    """What a look at the file's first bytes found, by subject. Empty for uploads of old."""

    @property
    def retweet_rule(self) -> Retweets:
        match self.retweets:
            case Retweets():
                return self.retweets
            case True:
                return Retweets.TEXT
            case False:
                return Retweets.NONE

    def counts_like(self, other: Options) -> bool:
        """Whether the same bytes come to the same edges with either.

        What was detected may differ between two releases. So the same words of both senders are enough.
        """
        if self.clock is not other.clock:
            return False
        if self.given is not None and self.given == other.given:
            return True
        return self._reading() == other._reading()

    def _reading(self) -> tuple[object, ...]:
        names = (self.columns.text, self.columns.timestamp, self.columns.author)
        is_csv = self.format is InputFormat.CSV
        further = _further(self.given or Given())
        return (
            tuple(name.strip().casefold() for name in names) if is_csv else names,
            self.format,
            self.encoding,
            self.profile,
            self.retweet_rule,
            further,
        )


def _further(given: Given) -> Given:
    """What the sender said beyond the options that every upload has."""
    return msgspec.structs.replace(
        given,
        layout=None,
        encoding=None,
        delimiter=None,
        preset=None,
        text=None,
        timestamp=None,
        author=None,
        profile=None,
        retweets=None,
    )

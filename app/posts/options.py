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

    def require_three(self) -> None:
        """Raises BadRequest if two of the names are the same."""
        if len({name.strip().casefold() for name in (self.text, self.timestamp, self.author)}) < 3:  # noqa: PLR2004
            raise BadRequest(
                f"text, timestamp and author must be three different columns, not {self.text}, {self.timestamp}, "
                f"{self.author}."
            )


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
    further: dict[str, int] = {}
    """CSV: by further role (id, mentions, reply, retweet, quote) the column that has it."""
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
    """What a body is."""

    CSV = "csv"
    JSONL = "jsonl"


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
    """How an upload is to be read and counted; kept with it."""

    columns: ColumnNames = ColumnNames()
    """Names of columns (CSV) or of keys (JSON Lines)."""
    format: InputFormat = InputFormat.CSV
    encoding: str = "utf-8"
    """The encoding of the decoded body: utf-8, utf-16 (by its byte order mark), latin-1."""
    delimiter: str = ","
    profile: str = "twitter"
    retweets: Retweets | bool = True
    """What a retweet counts. Uploads of old say whether its text counts."""
    clock: Clock = Clock.ARRIVAL
    priority: Priority = Priority.BULK
    dry_run: bool = False
    """Read and count everything, and leave the graph as it is."""
    max_rejects: RejectLimit | None = None
    """An upload with more rejects fails before anything of the upload is applied."""

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
        """Whether the same bytes come to the same edges with either."""
        return self == msgspec.structs.replace(
            other, priority=self.priority, max_rejects=self.max_rejects, dry_run=self.dry_run
        )

"""This module has the rules for a post from any input: handles, instants, no NUL. The module is pure.

A row that can't be read becomes one reject. The reject has the first reason that applies, in the order of `Reason`.
The rows around the reject are read. `Sieve` and `screen` serve csv.py and jsonl.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from app.posts import handles
from app.posts.options import DateOrder, Format
from app.posts.tables import cells
from app.posts.tables.csvscan import (
    MAX_ROW_BYTES,
    Bools,
    Ints,
    Octets,
)
from app.posts.tables.header import show
from app.posts.times import spellings
from app.posts.times.columns import read_column
from app.posts.times.iso import read_instants
from app.posts.times.spellings import Known

MAX_AUTHOR_CHARACTERS = 320

RAW_BYTES = 4096
"""The number of a rejected row's bytes that are kept."""

VALUE_CHARACTERS = 200
"""The number of characters that are kept of the value for which a row is rejected, and of the name of its column."""

_MANY_BYTES = 1 << 12
_CONTROLS = r"[\x00-\x1f\x7f-\x{9f}]"


class Reason(StrEnum):
    """Why a row is rejected; of several, the first in this order."""

    MALFORMED_QUOTE = "malformed_quote"
    UNCLOSED_QUOTE = "unclosed_quote"
    ROW_TOO_LONG = "row_too_long"
    TOO_FEW_FIELDS = "too_few_fields"
    TOO_MANY_FIELDS = "too_many_fields"
    INVALID_UTF8 = "invalid_utf8"
    MALFORMED_JSON = "malformed_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_KEY = "missing_key"
    WRONG_TYPE = "wrong_type"
    NUL_BYTE = "nul_byte"
    EMPTY_AUTHOR = "empty_author"
    AUTHOR_TOO_LONG = "author_too_long"
    AUTHOR_INVALID = "author_invalid"
    PLACEHOLDER_AUTHOR = "placeholder_author"
    UNREADABLE_TIMESTAMP = "unreadable_timestamp"
    AMBIGUOUS_TIMESTAMP = "ambiguous_timestamp"


MEANING: dict[Reason, str] = {
    Reason.MALFORMED_QUOTE: (
        'CSV: text follows the closing quote of a quoted field. Write a quote inside a quoted field as "".'
    ),
    Reason.UNCLOSED_QUOTE: (
        "CSV: a quoted field starts on this line, and its closing quote is missing or more than 4 MiB away. Close the "
        "field. Only this line is skipped."
    ),
    Reason.ROW_TOO_LONG: "The row has more than 1 MiB. Shorten the row.",
    Reason.TOO_FEW_FIELDS: (
        "CSV: the row has fewer fields than the header. Look for a missing delimiter or an unquoted line end."
    ),
    Reason.TOO_MANY_FIELDS: "CSV: the row has more fields than the header. Put a text with a delimiter in quotes.",
    Reason.INVALID_UTF8: (
        "The bytes can't be read as UTF-8 text. Save the file as UTF-8, or name its encoding in the request."
    ),
    Reason.MALFORMED_JSON: "JSON Lines: the line is not valid JSON. Write one complete JSON object on each line.",
    Reason.NOT_AN_OBJECT: "JSON Lines: the line holds JSON, but not an object. Write the post as an object with keys.",
    Reason.MISSING_KEY: (
        "JSON Lines: the object has no key for the text, the timestamp or the author. Add the key, or name the right "
        "key in the request."
    ),
    Reason.WRONG_TYPE: (
        "JSON Lines: text and author must be strings, and the timestamp must be a string or a number. Change the value."
    ),
    Reason.NUL_BYTE: "The value holds a NUL byte, which PostgreSQL can't store as text. Remove the byte.",
    Reason.EMPTY_AUTHOR: "The author is empty. Fill in a handle.",
    Reason.AUTHOR_TOO_LONG: "The author has more than 320 characters. Shorten the handle.",
    Reason.AUTHOR_INVALID: (
        "The author holds a control character or more than one mention sign (@). Remove the extra characters."
    ),
    Reason.PLACEHOLDER_AUTHOR: (
        "The author is a placeholder such as NULL or [deleted]. Fill in a handle, or allow placeholders in the request."
    ),
    Reason.UNREADABLE_TIMESTAMP: (
        "The timestamp can't be read. Write an instant such as 2024-05-01T12:30:00Z, or name the format of the file's "
        "timestamps in the request (timestamp_format)."
    ),
    Reason.AMBIGUOUS_TIMESTAMP: (
        "The timestamp has two meanings: the day or the month may come first, or the zone's name has several meanings. "
        "Name the order of day and month or the zone in the request."
    ),
}
"""What each reject code means and what to do about the row; the documents are made from this table."""


class Posts(msgspec.Struct, frozen=True):
    rows: int
    """Rows received: those in `frame` and those in `rejects`."""
    frame: pl.DataFrame
    """text: String, at: Datetime(us, UTC), author: String (folded), author_spelling: String, line: Int64
    (physical, of the whole file); in the file's order."""
    rejects: pl.DataFrame
    """line: Int64 (physical, of the whole file); column: String, as the file calls it, and value: Binary, up to
    VALUE_CHARACTERS of it, both null if it is not about a column; code, message: String; raw: Binary."""


class Place(NamedTuple):
    """One column of the rows that are still being read: where it stands in the bytes, quotes at its ends left out."""

    begin: Ints
    length: Ints
    quoted: Bools


class Drop(NamedTuple):
    rows: Ints
    reason: Reason
    role: str | None
    """text, timestamp or author; None if the reason is about the whole row."""


ROLES = ("text", "timestamp", "author")
FURTHER = ("id", "mentioned", "reply", "retweet", "quote")
"""The optional columns of the frame of `Posts`. mentioned: List of String; the others: String."""

PLACEHOLDERS = (r"\n", "null", "nan", "none", "#n/a", "n/a", "nil", "undefined", "[deleted]", "[removed]", "-", "--")
"""What tools write where there is no author, in lower case."""
_PLACEHOLDER = f"^(?i:{'|'.join(re.escape(each) for each in PLACEHOLDERS)})$"


class Sieve:
    """The rows still good, and those dropped so far with the reason."""

    def __init__(self, octets: Octets, rows: int) -> None:
        self.octets = octets
        self.alive = np.arange(rows)
        self.dropped: list[Drop] = []
        self.frame = pl.DataFrame()
        """One String column a role, once they are read."""
        self.places: dict[str, Place] = {}
        """Where columns stand in `octets`; the timestamp's at least."""

    def drop(self, bad: Bools, reason: Reason, role: str | None = None) -> None:
        if not bad.any():
            return
        self.dropped.append(Drop(self.alive[bad], reason, role))
        self.alive = self.alive[~bad]
        self.places = {
            role: Place(place.begin[~bad], place.length[~bad], place.quoted[~bad])
            for role, place in self.places.items()
        }
        if self.frame.width:
            self.frame = self.frame.filter(pl.Series(~bad))


def is_utf8(data: bytes) -> bool:
    try:
        if len(data) <= _MANY_BYTES:
            data.decode()
        elif not data.isascii():
            # polars looks at many bytes at once, and makes no text of them.
            pl.Series([data], dtype=pl.Binary).cast(pl.String)
    except (UnicodeDecodeError, pl.exceptions.ComputeError):
        return False
    return True


def screen(sieve: Sieve, form: Format, *, may_have_nul: bool) -> pl.DataFrame:
    """The frame of `Posts`; what is no post is dropped."""
    if may_have_nul:
        for role in ROLES:
            sieve.drop(sieve.frame[role].str.contains("\0", literal=True).to_numpy(), Reason.NUL_BYTE, role)
    _spell_authors(sieve)
    if not form.placeholders:
        placeholder = sieve.frame["author"].str.contains(_PLACEHOLDER).to_numpy()
        sieve.drop(placeholder, Reason.PLACEHOLDER_AUTHOR, "author")
    at = _read_instants(sieve, form)
    return sieve.frame.select(
        "text",
        at,
        handles.folded(pl.col("author")).alias("author"),
        pl.col("author").alias("author_spelling"),
        *(_further(sieve.frame[name]) for name in FURTHER if name in sieve.frame.columns),
    )


def with_headings(texts: pl.Series, headings: pl.Series) -> pl.Series:
    """The texts, each behind its heading, unless it begins with that itself."""
    frame = pl.DataFrame([texts.alias("text"), headings.fill_null("").alias("heading")])
    begins = pl.col("text").str.starts_with(pl.col("heading").str.strip_chars_end("….  "))
    return frame.select(
        pl.when(begins).then("text").otherwise(pl.concat_str("heading", "text", separator="\n")).alias("text")
    ).to_series()


def _further(held: pl.Series) -> pl.Series:
    """What a column of a further role holds: handles without their signs, and null where there is none."""
    return held if held.name in {"id", "mentioned"} else cells.single_handles(held)


def _spell_authors(sieve: Sieve) -> None:
    if not _are_plain(sieve.octets, sieve.places.get("author")):
        sieve.frame = sieve.frame.with_columns(handles.spelled(pl.col("author")))
    sieve.drop((sieve.frame["author"].str.len_bytes() == 0).to_numpy(), Reason.EMPTY_AUTHOR, "author")
    too_long = (sieve.frame["author"].str.len_chars() > MAX_AUTHOR_CHARACTERS).to_numpy()
    sieve.drop(too_long, Reason.AUTHOR_TOO_LONG, "author")
    # A second mention sign: a handle must fold to itself, or it could be stored and never be found.
    invalid = sieve.frame["author"].str.contains(f"^[{handles.MENTION_SIGNS}]|{_CONTROLS}").to_numpy()
    sieve.drop(invalid, Reason.AUTHOR_INVALID, "author")


def _are_plain(octets: Octets, authors: Place | None) -> bool:
    """Whether the authors are certainly spelled as they stand: their ends are ASCII, neither white space nor sign."""
    if authors is None or not octets.size:
        return False
    first = octets[np.minimum(authors.begin, octets.size - 1)]
    last = octets[np.maximum(authors.begin + authors.length - 1, 0)]
    plain = (first > ord(" ")) & (first < 128) & (first != ord("@")) & (last > ord(" ")) & (last < 128)  # noqa: PLR2004
    return bool(plain.all())


def _read_instants(sieve: Sieve, form: Format) -> pl.Series:
    begin, length, _ = sieve.places["timestamp"]
    micros, readable = read_instants(sieve.octets, begin, length)
    as_known = bool(form.timezone or form.timestamp_format or "time" in form.further)
    if as_known:
        readable[:] = False  # what is known of all instants holds for those, too, that could be read without
    if not readable.all() and not as_known:
        # Once more without the white space around them that some have.
        bad = np.flatnonzero(~readable)
        text = sieve.frame["timestamp"].gather(bad).str
        size = text.strip_chars().str.len_bytes().cast(pl.Int64).to_numpy()
        spaced = np.flatnonzero(size != length[bad])
        indent = (text.len_bytes() - text.strip_chars_start().str.len_bytes()).to_numpy()[spaced]
        at = bad[spaced]
        micros[at], readable[at] = read_instants(sieve.octets, begin[at] + indent, size[spaced])
    if form.any_instant and not readable.all():
        readable = _read_spellings(sieve, form, micros, readable)
    elif not readable.all():
        sieve.drop(~readable, Reason.UNREADABLE_TIMESTAMP, "timestamp")
    return pl.Series("at", micros[readable]).cast(pl.Datetime("us", "UTC"))


def _read_spellings(sieve: Sieve, form: Format, micros: Ints, readable: Bools) -> Bools:
    """Fill in the instants that are spelled in another way; which of all are readable then. The others are dropped."""
    bad = np.flatnonzero(~readable)
    order = DateOrder(form.date_order) if form.date_order else None
    found = read_column(sieve.frame["timestamp"].gather(bad), Known(order, form.timezone, form.timestamp_format))
    micros[bad], readable[bad] = found.micros, found.readable
    doubtful = np.zeros(readable.size, np.bool_)
    doubtful[bad] = found.doubtful
    sieve.drop(doubtful, Reason.AMBIGUOUS_TIMESTAMP, "timestamp")
    sieve.drop(~readable[~doubtful], Reason.UNREADABLE_TIMESTAMP, "timestamp")
    return readable


_REJECTS = pl.Schema(
    {
        "line": pl.Int64,
        "column": pl.String,
        "value": pl.Binary,
        "code": pl.String,
        "message": pl.String,
        "raw": pl.Binary,
    }
)


class Found(NamedTuple):
    """The rows of one drop, for `rejects_of`."""

    drop: Drop
    column: str | None
    lines: Sequence[int] | Ints
    values: list[bytes] | None
    messages: list[str]
    raws: list[bytes]


def rejects_of(found: list[Found]) -> pl.DataFrame:
    """The rejects of `Posts`, in the file's order."""
    parts = [pl.DataFrame(schema=_REJECTS)]
    for each in found:
        count = len(each.raws)
        part = {
            "line": each.lines,
            "column": [each.column and each.column[:VALUE_CHARACTERS]] * count,
            "value": [cut(value) for value in each.values] if each.values is not None else [None] * count,
            "code": [each.drop.reason.value] * count,
            "message": each.messages,
            "raw": [raw[:RAW_BYTES] for raw in each.raws],
        }
        parts.append(pl.DataFrame(part, schema=_REJECTS))
    return pl.concat(parts).sort("line")


def cut(value: bytes) -> bytes:
    """Up to VALUE_CHARACTERS of a value; a byte that is no UTF-8 is one."""
    text = value[: 4 * VALUE_CHARACTERS].decode(errors="surrogateescape")
    return text[:VALUE_CHARACTERS].encode(errors="surrogateescape")


def too_long_message(size: int) -> str:
    return f"The row has {size:,} bytes. A row has up to {MAX_ROW_BYTES:,} bytes: shorten the row."


def field_message(  # noqa: PLR0911 (one return a reason)
    reason: Reason, what: str, found: bytes, form: Format
) -> str:
    """What was found in `what`, such as a column, and what is wanted."""
    text = found.decode(errors="replace")
    match reason:
        case Reason.INVALID_UTF8:
            return f"The {what} can't be decoded: {show(found)}. Save the file as UTF-8, or name its encoding."
        case Reason.NUL_BYTE:
            return f"The {what} has a NUL byte at its byte {found.index(0) + 1}. Remove the NUL byte."
        case Reason.EMPTY_AUTHOR:
            return f"The {what} is {show(found)}. Fill in a handle."
        case Reason.AUTHOR_TOO_LONG:
            return (
                f"The {what} has {len(text):,} characters: {show(found)}. "
                f"A handle has up to {MAX_AUTHOR_CHARACTERS} characters."
            )
        case Reason.AUTHOR_INVALID:
            return f"The {what} is {show(found)}. A handle has no control characters and at most one mention sign (@)."
        case Reason.PLACEHOLDER_AUTHOR:
            return (
                f"The {what} is {show(found)}, which stands for no author; `placeholders=true` takes it for a handle."
            )
        case Reason.AMBIGUOUS_TIMESTAMP:
            return (
                f"The {what} is {show(found)}, which has two meanings: say `dates=day-first` or `dates=month-first`; "
                "or write the zone as an offset such as +01:00."
            )
        case Reason.UNREADABLE_TIMESTAMP if form.timestamp_format:
            return f"The {what} is {show(found)}, which does not fit the format {show(form.timestamp_format.encode())}."
        case Reason.UNREADABLE_TIMESTAMP if (other := _other_order(text, form)) is not None:
            return (
                f"The {what} is {show(found)}, which is a date only if read {other}. The dates of this file are read "
                f"{form.date_order}. Correct the row, or send such rows as a file of their own."
            )
        case _:
            return (
                f"The {what} is {show(found)}. Write ISO 8601 such as 2024-05-01T12:30:00Z, or the seconds "
                "(9 or 10 digits, with or without a fraction) or milliseconds (13 digits) since 1970; or say how all "
                "are written (timestamp_format)."
            )


def _other_order(text: str, form: Format) -> DateOrder | None:
    """The order of day and month in which alone a text is a date, if it is not that of the file."""
    order = spellings.order_of(text) if form.date_order else None
    return order if order is not None and order.value != form.date_order else None

"""CSV bytes → posts and rejects: columns, encodings, timestamps, physical line numbers. Pure.

A row that cannot be read becomes one reject, with the first reason that applies in the order of `Reason`; its
neighbours are read.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from app import shards
from app.csvscan import MAX_ROW_BYTES, QUOTE, QUOTE_WINDOW, Bools, Flaw, Ints, Rows, boundary, count_lines, scan
from app.header import ColumnNames, Format, Header, read_header, show
from app.instants import read_instants

__all__ = ["ColumnNames", "Format", "Header", "Posts", "Reason", "boundary", "count_lines", "read", "read_header"]

MAX_AUTHOR_CHARACTERS = 320
RAW_BYTES = 4096
"""How much of a rejected row is kept."""

_CONTROLS = r"[\x00-\x1f\x7f-\x{9f}]"


class Reason(StrEnum):
    """Why a row is rejected; of several, the first in this order."""

    MALFORMED_QUOTE = "malformed_quote"
    UNCLOSED_QUOTE = "unclosed_quote"
    ROW_TOO_LONG = "row_too_long"
    TOO_FEW_FIELDS = "too_few_fields"
    TOO_MANY_FIELDS = "too_many_fields"
    INVALID_UTF8 = "invalid_utf8"
    NUL_BYTE = "nul_byte"
    EMPTY_AUTHOR = "empty_author"
    AUTHOR_TOO_LONG = "author_too_long"
    AUTHOR_INVALID = "author_invalid"
    UNREADABLE_TIMESTAMP = "unreadable_timestamp"


class Posts(msgspec.Struct, frozen=True):
    rows: int
    """Rows received: those in `frame` and those in `rejects`."""
    frame: pl.DataFrame
    """text: String, at: Datetime(us, UTC), author: String (folded), author_spelling: String; in the file's order."""
    rejects: pl.DataFrame
    """line: Int64 (physical, of the whole file), column: String or null, code: String, message: String, raw: Binary."""


class _Fields(NamedTuple):
    """One column of the rows that are still being read: where it stands, quotes at its ends left out."""

    begin: Ints
    length: Ints
    quoted: Bools


class _Reject(NamedTuple):
    rows: Ints
    reason: Reason
    column: str | None


class _Sieve:
    """The rows still good, and those dropped so far with the reason."""

    def __init__(self, rows: Rows, form: Format) -> None:
        self.rows = rows
        self.alive = np.arange(rows.start.size)
        self.dropped: list[_Reject] = []
        self.frame = pl.DataFrame()
        for flaw, reason in _FLAWS.items():
            self.drop(rows.flaw[self.alive] == flaw, reason)
        fields = rows.fields
        self.drop(fields[self.alive] < form.fields, Reason.TOO_FEW_FIELDS)
        self.drop(fields[self.alive] > form.fields, Reason.TOO_MANY_FIELDS)
        self.fields = {column: _locate(rows, getattr(form, column), self.alive) for column in _COLUMNS}

    def drop(self, bad: Bools, reason: Reason, column: str | None = None) -> None:
        if not bad.any():
            return
        self.dropped.append(_Reject(self.alive[bad], reason, column))
        self.alive = self.alive[~bad]
        if self.frame.width:
            self.frame = self.frame.filter(pl.Series(~bad))
            self.fields = {name: _Fields(*(part[~bad] for part in fields)) for name, fields in self.fields.items()}


_COLUMNS = ("text", "timestamp", "author")
_FLAWS = {
    Flaw.MALFORMED_QUOTE: Reason.MALFORMED_QUOTE,
    Flaw.UNCLOSED_QUOTE: Reason.UNCLOSED_QUOTE,
    Flaw.TOO_LONG: Reason.ROW_TOO_LONG,
}


def read(payload: bytes, form: Format, *, first_line: int) -> Posts:
    """The posts in `payload`: whole rows without the header, the first of them on the physical line `first_line`."""
    sieve = _Sieve(scan(payload, form.delimiter), form)
    sieve.frame = pl.DataFrame(
        {
            f"{name}_{part}": getattr(fields, part)
            for name, fields in sieve.fields.items()
            for part in ("begin", "length")
        }
    ).select(pl.lit(payload).bin.slice(f"{name}_begin", f"{name}_length").alias(name) for name in _COLUMNS)
    _decode(sieve, payload)
    if b"\0" in payload:
        for name in _COLUMNS:
            sieve.drop(sieve.frame[name].str.contains("\0", literal=True).to_numpy(), Reason.NUL_BYTE, name)
    if b'""' in payload:
        _undouble(sieve)
    _spell_authors(sieve)
    at = _read_instants(sieve)
    frame = sieve.frame.select(
        "text",
        at,
        shards.folded(pl.col("author")).alias("author"),
        pl.col("author").alias("author_spelling"),
    )
    return Posts(sieve.rows.start.size, frame, _rejects(sieve, payload, form, first_line))


def _locate(rows: Rows, index: int, alive: Ints) -> _Fields:
    begin, length = rows.field(index, alive)
    # Offsets of empty fields may lie behind the data.
    quoted = (length > 0) & (rows.data[np.minimum(begin, rows.data.size - 1)] == QUOTE)
    return _Fields(begin + quoted, length - 2 * quoted, quoted)


def _decode(sieve: _Sieve, payload: bytes) -> None:
    try:
        sieve.frame = sieve.frame.cast(pl.String)
    except pl.exceptions.ComputeError:
        for name in _COLUMNS:
            begin, length, _ = sieve.fields[name]
            stretches = zip(begin.tolist(), (begin + length).tolist(), strict=True)
            bad = np.array([not _is_utf8(payload[begin:end]) for begin, end in stretches], np.bool_)
            sieve.drop(bad, Reason.INVALID_UTF8, name)
        sieve.frame = sieve.frame.cast(pl.String)


def _is_utf8(field: bytes) -> bool:
    try:
        field.decode()
    except UnicodeDecodeError:
        return False
    return True


def _undouble(sieve: _Sieve) -> None:
    for name in ("text", "author"):
        doubled = sieve.frame[name].str.contains('""', literal=True) & pl.Series(sieve.fields[name].quoted)
        if doubled.any():
            undoubled = pl.col(name).str.replace_all('""', '"', literal=True)
            sieve.frame = sieve.frame.with_columns(pl.when(doubled).then(undoubled).otherwise(name).alias(name))


def _spell_authors(sieve: _Sieve) -> None:
    data, fields = sieve.rows.data, sieve.fields["author"]
    if data.size:
        first = data[np.minimum(fields.begin, data.size - 1)]
        last = data[np.maximum(fields.begin + fields.length - 1, 0)]
        plain = (first > ord(" ")) & (first < 128) & (first != ord("@")) & (last > ord(" ")) & (last < 128)  # noqa: PLR2004
        if not plain.all():
            sieve.frame = sieve.frame.with_columns(shards.spelled(pl.col("author")))
    sieve.drop((sieve.frame["author"].str.len_bytes() == 0).to_numpy(), Reason.EMPTY_AUTHOR, "author")
    too_long = (sieve.frame["author"].str.len_chars() > MAX_AUTHOR_CHARACTERS).to_numpy()
    sieve.drop(too_long, Reason.AUTHOR_TOO_LONG, "author")
    # A second mention sign: a handle must fold to itself, or it could be stored and never be found.
    invalid = sieve.frame["author"].str.contains(f"^[{shards.MENTION_SIGNS}]|{_CONTROLS}").to_numpy()
    sieve.drop(invalid, Reason.AUTHOR_INVALID, "author")


def _read_instants(sieve: _Sieve) -> pl.Series:
    begin, length, _ = sieve.fields["timestamp"]
    micros, readable = read_instants(sieve.rows.data, begin, length)
    if not readable.all():
        # Once more without white space around it.
        bad = np.flatnonzero(~readable)
        text = sieve.frame["timestamp"][bad].str
        indent = text.len_bytes() - text.strip_chars_start().str.len_bytes()
        size = text.strip_chars().str.len_bytes()
        micros[bad], readable[bad] = read_instants(
            sieve.rows.data, begin[bad] + indent.to_numpy(), size.cast(pl.Int64).to_numpy()
        )
        sieve.drop(~readable, Reason.UNREADABLE_TIMESTAMP, "timestamp")
    return pl.Series("at", micros[readable]).cast(pl.Datetime("us", "UTC"))


_REJECTS = pl.Schema({"line": pl.Int64, "column": pl.String, "code": pl.String, "message": pl.String, "raw": pl.Binary})


def _rejects(sieve: _Sieve, payload: bytes, form: Format, first_line: int) -> pl.DataFrame:
    rows = sieve.rows
    parts = [pl.DataFrame(schema=_REJECTS)]
    for drop in sieve.dropped:
        start, end = rows.start[drop.rows], rows.end[drop.rows]
        raw = [
            payload[at:to] for at, to in zip(start.tolist(), np.minimum(end, start + RAW_BYTES).tolist(), strict=True)
        ]
        part = {
            "line": rows.line[drop.rows] + first_line,
            "column": [drop.column] * len(raw),
            "code": [drop.reason.value] * len(raw),
            "message": _messages(drop, rows, payload, form),
            "raw": raw,
        }
        parts.append(pl.DataFrame(part, schema=_REJECTS))
    return pl.concat(parts).sort("line")


def _messages(drop: _Reject, rows: Rows, payload: bytes, form: Format) -> list[str]:
    """What was found and what is wanted, for each row."""
    if drop.column is None:
        sizes = (rows.end - rows.start)[drop.rows].tolist()
        fields = rows.fields[drop.rows].tolist()
        return [_row_message(drop.reason, size, count, form) for size, count in zip(sizes, fields, strict=True)]
    index: int = getattr(form, drop.column)
    begin, length, _ = _locate(rows, index, drop.rows)
    name = f"{drop.column} (field {index + 1})"
    stretches = zip(begin.tolist(), (begin + length).tolist(), strict=True)
    return [_field_message(drop.reason, name, payload[at:to]) for at, to in stretches]


def _row_message(reason: Reason, size: int, fields: int, form: Format) -> str:
    match reason:
        case Reason.MALFORMED_QUOTE:
            return (
                "A quoted field goes on behind its closing quote, which must be followed by "
                f'{form.delimiter!r} or the end of the line; write a quote inside a quoted field as "".'
            )
        case Reason.UNCLOSED_QUOTE:
            return (
                f"A quoted field starts on this line and is not closed properly within {QUOTE_WINDOW:,} bytes. "
                'Close it, and write a quote inside it as ""; only this line was skipped.'
            )
        case Reason.ROW_TOO_LONG:
            return f"The row has {size:,} bytes; up to {MAX_ROW_BYTES:,} are read."
        case _:
            what = "an unquoted line end or a missing" if fields < form.fields else "an unquoted"
            return f"The row has {fields} fields, the header has {form.fields}; look for {what} {form.delimiter!r}."


def _field_message(reason: Reason, name: str, found: bytes) -> str:
    text = found.decode(errors="replace")
    match reason:
        case Reason.INVALID_UTF8:
            return f"The {name} is not UTF-8: {show(found)}. Save the file as UTF-8."
        case Reason.NUL_BYTE:
            return f"The {name} has a NUL byte at its byte {found.index(0) + 1}; text has none."
        case Reason.EMPTY_AUTHOR:
            return f"The {name} is {show(found)}; a handle is wanted."
        case Reason.AUTHOR_TOO_LONG:
            return f"The {name} has {len(text):,} characters, up to {MAX_AUTHOR_CHARACTERS} are read: {show(found)}."
        case Reason.AUTHOR_INVALID:
            return f"The {name} is {show(found)}; a handle has no control characters and at most one mention sign."
        case _:
            return (
                f"The {name} is {show(found)}; wanted ISO 8601 such as 2024-05-01T12:30:00Z, "
                "or seconds (9-10 digits) or milliseconds (13 digits) since 1970."
            )

"""This module reads CSV bytes into posts and rejects. The module is pure, and one of `READERS`.

The reader picks the columns, turns bytes into text and numbers the physical lines.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from app.posts.looking.roles import MIDNIGHT
from app.posts.options import Format
from app.posts.screening import (
    RAW_BYTES,
    ROLES,
    Drop,
    Found,
    Place,
    Posts,
    Reason,
    Sieve,
    field_message,
    is_utf8,
    rejects_of,
    screen,
    too_long_message,
    with_headings,
)
from app.posts.tables import formulas
from app.posts.tables.cells import cells_of_mentions
from app.posts.tables.csvscan import (
    QUOTE,
    QUOTE_WINDOW,
    Bools,
    Flaw,
    Ints,
    Rows,
    cut,
    scan,
)
from app.posts.tables.header import read_header, show

__all__ = ["cut", "read", "read_header"]

_FLAWS = {
    Flaw.MALFORMED_QUOTE: Reason.MALFORMED_QUOTE,
    Flaw.UNCLOSED_QUOTE: Reason.UNCLOSED_QUOTE,
    Flaw.TOO_LONG: Reason.ROW_TOO_LONG,
}

_OF_BOTH = {Reason.UNREADABLE_TIMESTAMP, Reason.AMBIGUOUS_TIMESTAMP}
"""Reasons for which date and time of day count together, where two columns have them."""
_WITH_TIME = pl.concat_str(
    # A date without its time of day is no instant.
    pl.col("timestamp").str.strip_chars().str.replace(MIDNIGHT, ""), pl.col("time").fill_null("?"), separator=" "
)  # fmt: skip


def read(payload: bytes, form: Format, *, first_line: int) -> Posts:
    """The posts in `payload`: whole rows without the header, the first of them on the physical line `first_line`."""
    rows = scan(payload, form.delimiter)
    sieve = Sieve(rows.data, rows.start.size)
    for flaw, reason in _FLAWS.items():
        sieve.drop(rows.flaw[sieve.alive] == flaw, reason)
    sieve.drop(rows.fields[sieve.alive] < form.fields, Reason.TOO_FEW_FIELDS)
    sieve.drop(rows.fields[sieve.alive] > form.fields + form.surplus, Reason.TOO_MANY_FIELDS)
    if form.surplus:
        sieve.drop(_has_more(rows, form, sieve.alive), Reason.TOO_MANY_FIELDS)
    named = [role for role in ROLES if getattr(form, role) >= 0]
    sieve.places = {role: _locate(rows, getattr(form, role), sieve.alive) for role in named}
    # A series of one value: a plain value would be copied for each column.
    whole = pl.Series([payload], dtype=pl.Binary)
    sieve.frame = pl.DataFrame(
        {f"{role}_{part}": getattr(place, part) for role, place in sieve.places.items() for part in ("begin", "length")}
    ).select(pl.lit(whole).bin.slice(f"{role}_begin", f"{role}_length").alias(role) for role in named)
    _decode(sieve, payload)
    if b'""' in payload:
        _undouble(sieve)
    if form.guarded:
        sieve.frame = sieve.frame.with_columns(formulas.unguarded_column(sieve.frame[role]) for role in named)
        sieve.places = {role: _behind_guard(rows, place) for role, place in sieve.places.items()}
    if form.escaped and "text" in sieve.places:
        spelled, meant = ["\\n", "\\r", "\\t"], ["\n", "\r", "\t"]
        sieve.frame = sieve.frame.with_columns(pl.col("text").str.replace_many(spelled, meant))
    missing = {role: pl.lit(form.author_is or "" if role == "author" else "") for role in ROLES if role not in named}
    sieve.frame = sieve.frame.with_columns(
        *(value.alias(role) for role, value in missing.items()), *_further(rows, payload, form, sieve.alive)
    )
    if "heading" in sieve.frame.columns:
        sieve.frame = sieve.frame.with_columns(with_headings(sieve.frame["text"], sieve.frame["heading"]))
    if "time" in form.further:
        sieve.frame = sieve.frame.with_columns(timestamp=_WITH_TIME)
    frame = screen(sieve, form, may_have_nul=b"\0" in payload)
    frame = frame.with_columns(line=rows.line[sieve.alive] + first_line)
    return Posts(rows.start.size, frame, _rejects(sieve.dropped, rows, payload, form, first_line))


def _has_more(rows: Rows, form: Format, alive: Ints) -> Bools:
    """Whether there is something in the field behind the last column."""
    more = rows.fields[alive] > form.fields
    found = np.zeros(alive.size, np.bool_)
    if more.any():
        _, length = rows.field(form.fields, alive[more])
        found[more] = length > 0
    return found


def _further(rows: Rows, payload: bytes, form: Format, alive: Ints) -> list[pl.Series]:
    """What rows hold in further roles: empty and undecodable cells are null."""
    found: list[pl.Series] = []
    for role, index in form.further.items():
        cells = _cells(rows, index, alive, payload)
        bare = (formulas.unguarded_column(cells) if form.guarded else cells).alias(role).str.strip_chars()
        bare = bare.set((bare.str.len_bytes() == 0).fill_null(value=True), None)
        found.append(cells_of_mentions(bare) if role == "mentions" else bare)
    return found


def _cells(rows: Rows, index: int, alive: Ints, payload: bytes) -> pl.Series:
    """What stands in the field as text, with its quotes undone; null where it is no text."""
    begin, length, quoted = _locate(rows, index, alive)
    whole = pl.Series([payload], dtype=pl.Binary)
    places = pl.DataFrame({"begin": begin, "length": length})
    cells = places.select(pl.lit(whole).bin.slice(pl.col("begin"), pl.col("length"))).to_series()
    try:
        cells = cells.cast(pl.String)
    except pl.exceptions.ComputeError:
        cells = pl.Series([cell.decode() if is_utf8(cell) else None for cell in cells], dtype=pl.String)
    if b'""' not in payload or not quoted.any():
        return cells
    inside = np.flatnonzero(quoted)
    return cells.scatter(inside, cells.gather(inside).str.replace_all('""', '"', literal=True))


def _locate(rows: Rows, index: int, alive: Ints) -> Place:
    begin, length = rows.field(index, alive)
    # Offsets of empty fields may lie behind the data.
    quoted = (length > 0) & (rows.data[np.minimum(begin, rows.data.size - 1)] == QUOTE)
    return Place(begin + quoted, length - 2 * quoted, quoted)


def _behind_guard(rows: Rows, place: Place) -> Place:
    """The places without a guard at their beginning: screening looks at the bytes of instants and authors."""
    begin, length, _ = place
    inside = np.minimum(begin, rows.data.size - 2) if rows.data.size > 1 else begin
    signs = np.frombuffer(b"'=+-@\xef\t\r\n", np.uint8)
    guard = (length > 1) & (rows.data[inside] == ord(formulas.GUARD)) & np.isin(rows.data[inside + 1], signs)
    return place._replace(begin=begin + guard, length=length - guard)


def _decode(sieve: Sieve, payload: bytes) -> None:
    try:
        sieve.frame = sieve.frame.cast(pl.String)
    except pl.exceptions.ComputeError:
        for role in list(sieve.places):
            begin, length, _ = sieve.places[role]
            stretches = zip(begin.tolist(), (begin + length).tolist(), strict=True)
            bad = np.array([not is_utf8(payload[begin:end]) for begin, end in stretches], np.bool_)
            sieve.drop(bad, Reason.INVALID_UTF8, role)
        sieve.frame = sieve.frame.cast(pl.String)


def _undouble(sieve: Sieve) -> None:
    for role in ("text", "author"):
        if role not in sieve.places:
            continue
        quoted = np.flatnonzero(sieve.places[role].quoted)
        texts = sieve.frame[role].gather(quoted)
        doubled = texts.str.contains('""', literal=True)
        if doubled.any():
            undoubled = texts.filter(doubled).str.replace_all('""', '"', literal=True)
            rows = quoted[doubled.to_numpy()]
            sieve.frame = sieve.frame.with_columns(sieve.frame[role].scatter(rows, undoubled))


def _rejects(dropped: list[Drop], rows: Rows, payload: bytes, form: Format, first_line: int) -> pl.DataFrame:
    found: list[Found] = []
    for drop in dropped:
        start, end = rows.start[drop.rows], rows.end[drop.rows]
        values: list[bytes] | None = None
        column: str | None = None
        if drop.role is None:
            messages = _row_messages(drop, rows, form)
        else:
            index: int = getattr(form, drop.role)
            column = form.names[index] if form.names else drop.role
            values = _values(rows, index, drop.rows, payload)
            if form.guarded:
                values = [_unguarded(value) for value in values]
            what = f"column {show(column.encode())} (field {index + 1})"
            if "time" in form.further and drop.reason in _OF_BOTH:
                clock = form.further["time"]
                values = [
                    b" ".join(both) for both in zip(values, _values(rows, clock, drop.rows, payload), strict=True)
                ]
                what += f" with the time of day in field {clock + 1}"
            messages = [field_message(drop.reason, what, value, form) for value in values]
        raws = [
            payload[at:to] for at, to in zip(start.tolist(), np.minimum(end, start + RAW_BYTES).tolist(), strict=True)
        ]
        found.append(Found(drop, column, rows.line[drop.rows] + first_line, values, messages, raws))
    return rejects_of(found)


def _values(rows: Rows, index: int, numbers: Ints, payload: bytes) -> list[bytes]:
    """What stands in the field, with its quotes undone."""
    begin, length, quoted = _locate(rows, index, numbers)
    return [
        payload[at:to].replace(b'""', b'"') if is_quoted else payload[at:to]
        for at, to, is_quoted in zip(begin.tolist(), (begin + length).tolist(), quoted.tolist(), strict=True)
    ]


def _unguarded(value: bytes) -> bytes:
    return formulas.unguarded(value.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def _row_messages(drop: Drop, rows: Rows, form: Format) -> list[str]:
    sizes = (rows.end - rows.start)[drop.rows].tolist()
    fields = rows.fields[drop.rows].tolist()
    return [_row_message(drop.reason, size, count, form) for size, count in zip(sizes, fields, strict=True)]


def _row_message(reason: Reason, size: int, fields: int, form: Format) -> str:
    """What was found and what is wanted."""
    match reason:
        case Reason.MALFORMED_QUOTE:
            return (
                "Text follows the closing quote of a quoted field. "
                f'Only {form.delimiter!r} or the end of the line may follow. Write a quote inside a quoted field as "".'
            )
        case Reason.UNCLOSED_QUOTE:
            return (
                f"A quoted field starts on this line and is not closed properly within {QUOTE_WINDOW:,} bytes. "
                'Close the field, and write a quote inside the field as "". Only this line was skipped.'
            )
        case Reason.ROW_TOO_LONG:
            return too_long_message(size)
        case _:
            what = "an unquoted line end or a missing" if fields < form.fields else "an unquoted"
            return f"The row has {fields} fields, and the header has {form.fields}. Look for {what} {form.delimiter!r}."

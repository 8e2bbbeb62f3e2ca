"""This module writes rejects as a CSV that can be repaired in a spreadsheet and uploaded again. The module is pure.

The columns of the upload come first, with their order and names. Five columns about the reject follow, and a reader
ignores these five. The CSV is UTF-8 with a byte order mark, by which spreadsheets recognize UTF-8. Bytes that are no
text are U+FFFD.

A row that is uploaded again unrepaired is rejected again. The CSV alone can't ensure this if bytes became text, or if
another JSON value became a string. Then the timestamp says UNREPAIRED. If the fields of a row can't be told apart, the
column of the text has the whole row, and the other columns are empty.

Cells that a spreadsheet would run as a formula are guarded by an apostrophe, the names of columns too. The column
`reject_guard` says so, and the reader of the repaired file takes the apostrophes off: posts come back unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from app.posts.json.jsonl import object_of, value_of
from app.posts.options import Format
from app.posts.screening import RAW_BYTES, ROLES, Reason
from app.posts.tables.csvscan import Flaw, scan
from app.posts.tables.formulas import GUARD, REJECT_COLUMNS, guarded, is_repaired, unguarded

UNREPAIRED = "unrepaired "
"""Before the timestamp of a row that would be read otherwise; whoever repairs the row takes it away."""

_OLD_COLUMNS = REJECT_COLUMNS[:-1]
"""The columns of files that were fetched before they were guarded."""
_BOM = "\ufeff"
_DEFAULT_NAMES = {"text": "data", "timestamp": "timestamp", "author": "username"}
_LOST = {Reason.INVALID_UTF8, Reason.NUL_BYTE, Reason.MISSING_KEY, Reason.WRONG_TYPE}
"""Reasons that a CSV of text cannot have, or not in the same way."""


class Reject(Protocol):
    """A row of the ledger's rejects."""

    @property
    def line(self) -> int: ...
    @property
    def column_name(self) -> str | None: ...
    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def raw(self) -> bytes: ...


def csv_of(rejects: Iterable[Reject], form: Format) -> Iterator[bytes]:
    """The file, line by line."""
    yield header_line(form)
    for reject in rejects:
        yield repair_line(form, reject)


def header_line(form: Format) -> bytes:
    """The first line."""
    names = _names(form)[: _kept(form)]
    taken = {name.strip().casefold() for name in names}
    added: list[str] = []
    for column in REJECT_COLUMNS:
        name = column
        while name in taken:
            name += "_"
        added.append(name)
    return (_BOM + _line([*names, *added], form)).encode()


def repair_line(form: Format, reject: Reject) -> bytes:
    """A reject's line."""
    fields = _fields(form, reject.raw)
    message = reject.message
    if fields is None:
        fields = [""] * form.fields
        fields[form.text] = _text(reject.raw)
    elif reject.code in _LOST and (form.author < 0 or fields[form.author].strip()):
        fields[form.timestamp] = UNREPAIRED + fields[form.timestamp].removeprefix(UNREPAIRED)
        message += f" Once repaired, take {UNREPAIRED.strip()!r} out of the timestamp."
    about = [str(reject.line), reject.column_name or "", reject.code, message.replace("\0", "\ufffd"), GUARD]
    return _line([*fields[: _kept(form)], *about], form).encode()


def _names(form: Format) -> list[str]:
    if form.names:
        return list(form.names)
    names = [f"column_{index + 1}" for index in range(form.fields)]
    for role in ROLES:
        names[getattr(form, role)] = _DEFAULT_NAMES[role]
    return names


def _kept(form: Format) -> int:
    """How many columns are the upload's own: all, but in a repaired file those about its rejects are not."""
    for about in (len(REJECT_COLUMNS), len(_OLD_COLUMNS)):
        own = form.fields - about
        known = is_repaired(form.names) if about == len(REJECT_COLUMNS) else form.names[own:] == _OLD_COLUMNS
        if known and max(form.text, form.timestamp, form.author) < own:
            return own
    return form.fields


def _fields(form: Format, raw: bytes) -> list[str] | None:
    """The fields of a row, None if they cannot be told apart: also where not all of it was kept."""
    if len(raw) >= RAW_BYTES:
        return None
    if not form.delimiter:
        return [_text(value_of(_decodable(raw), name)) for name in form.names] if object_of(_decodable(raw)) else None
    row = scan(raw, form.delimiter)
    if row.start.size != 1 or int(row.flaw[0]) != Flaw.NONE or int(row.fields[0]) != form.fields:
        return None
    ends = row.marks[int(row.first[0]) : int(row.last[0]) + 1].tolist()
    begins = [int(row.start[0]), *(end + 1 for end in ends[:-1])]
    fields = [_unquoted(raw[begin:end]) for begin, end in zip(begins, ends, strict=True)]
    return [unguarded(field) for field in fields] if form.guarded else fields


def _decodable(line: bytes) -> bytes:
    return line.decode(errors="replace").encode()


def _unquoted(field: bytes) -> str:
    return _text(field[1:-1].replace(b'""', b'"') if field.startswith(b'"') else field)


def _text(data: bytes) -> str:
    return data.decode(errors="replace").replace("\0", "\ufffd")


def _line(fields: list[str], form: Format) -> str:
    delimiter = form.delimiter or ","
    special = (delimiter, '"', "\r", "\n")
    safe = (guarded(field) for field in fields)
    quoted = (
        '"' + field.replace('"', '""') + '"' if any(sign in field for sign in special) else field for field in safe
    )
    return delimiter.join(quoted) + "\r\n"

"""This module reads the header of an upload, and finds the columns and their places. The module is pure."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from app.errors import (
    DuplicateColumn,
    EmptyFile,
    HeaderHasNul,
    HeaderMalformed,
    HeaderNotUtf8,
    HeaderTooLong,
    MissingColumn,
    UploadRefused,
)
from app.posts.options import ColumnNames, Format
from app.posts.tables import formulas
from app.posts.tables.csvscan import LF, Flaw, Rows, scan

MAX_HEADER_BYTES = 64 << 10

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SHOWN_CHARACTERS = 80
_SHOWN_COLUMNS = 30


DELIMITERS = ",;\t|"
AUTO = "auto"
"""The delimiter that is to be detected: one of DELIMITERS."""


class Header(msgspec.Struct, frozen=True):
    format: Format
    body_offset: int
    """Offset of the first byte behind the header."""
    first_line: int
    """Number of the physical line that starts there, counted from 1."""


def read_header(head: bytes, *, final: bool, names: ColumnNames, delimiter: str = ",") -> Header | None:
    """The header in the first bytes of an upload; None if more of them are needed, which is never so for final bytes.

    The delimiter AUTO stands for the one of DELIMITERS with which the columns are found. If there is none, the header
    is refused as it is with the most frequent one.

    Raises UploadRefused: empty-file, missing-column, duplicate-column, header-not-utf8, header-too-long,
    header-has-nul, header-malformed.
    """
    if delimiter != AUTO:
        return _read_header(head, final=final, names=names, delimiter=delimiter)
    refusals: dict[str, UploadRefused] = {}
    for candidate in DELIMITERS:
        try:
            header = _read_header(head, final=final, names=names, delimiter=candidate)
        except UploadRefused as refused:
            refusals[candidate] = refused
        else:
            if header is not None:
                return header
    if len(refusals) < len(DELIMITERS):
        return None
    first_line = head.removeprefix(_BOM).lstrip(b"\r\n").split(b"\n", 1)[0].split(b"\r", 1)[0]
    likely = max(DELIMITERS, key=lambda candidate: first_line.count(candidate.encode()))
    refused = refusals[likely]
    raise type(refused)(f"{refused.detail} The delimiter was taken to be {likely!r}, which the header has most of all.")


def _read_header(head: bytes, *, final: bool, names: ColumnNames, delimiter: str) -> Header | None:
    row = first_row(head, final=final, delimiter=delimiter)
    if row is None:
        return None
    found, behind, lines = row
    text, timestamp, author = (
        _find(name, found, names, delimiter) for name in (names.text, names.timestamp, names.author)
    )
    is_guarded = formulas.are_guarded(found)
    form = Format(delimiter, len(found), text, timestamp, author, tuple(found), guarded=is_guarded)
    return Header(form, behind, lines + 1)


def first_row(head: bytes, *, final: bool, delimiter: str) -> tuple[list[str], int, int] | None:
    """The fields of the first row, the offset behind it, and its physical lines. None: more bytes are needed.

    Raises UploadRefused: empty-file, header-not-utf8, header-too-long, header-has-nul, header-malformed.
    """
    if head.startswith(_UTF16_BOMS):
        raise HeaderNotUtf8("The file is UTF-16 (it starts with its byte order mark). Save it as UTF-8.")
    skipped = len(_BOM) if head.startswith(_BOM) else 0
    body = head[skipped : MAX_HEADER_BYTES + 2]
    whole = final and len(head) <= MAX_HEADER_BYTES
    row = scan(body, delimiter)
    if row.start.size == 0:
        return _no_header_yet(len(head), final=final)
    end, flaw = int(row.end[0]), Flaw(int(row.flaw[0]))
    is_over = end < len(body) - 1 or (end == len(body) - 1 and body[end] == LF)
    if flaw is Flaw.MALFORMED_QUOTE or (whole and flaw is Flaw.UNCLOSED_QUOTE):
        raise HeaderMalformed(
            f"A quote in the header does not close properly: {show(body[:end])}. "
            'A quoted name ends with a quote and then the delimiter or the end of the line; write quotes inside as "".',
        )
    if end > MAX_HEADER_BYTES or (len(head) > MAX_HEADER_BYTES and (flaw is not Flaw.NONE or not is_over)):
        raise _header_too_long(body)
    if flaw is not Flaw.NONE or not (is_over or whole):
        return None
    behind = end + (2 if body[end : end + 2] == b"\r\n" else 1) if end < len(body) else end
    return _names(row), skipped + behind, count_lines(body[:behind])


def _no_header_yet(size: int, *, final: bool) -> None:
    if size > MAX_HEADER_BYTES:
        detail = f"The first {MAX_HEADER_BYTES:,} bytes are empty lines. Start the file with its header."
        raise HeaderTooLong(detail)
    if final:
        detail = f"The file has no header and no rows ({size} bytes). Send CSV with a header line."
        raise EmptyFile(detail)


def _header_too_long(body: bytes) -> UploadRefused:
    return HeaderTooLong(
        f"The header does not end within {MAX_HEADER_BYTES:,} bytes; it starts with {show(body)}. "
        "The first line of the file must name its columns; look for a missing line end or an unclosed quote.",
    )


def _names(row: Rows) -> list[str]:
    """The names in the first row, as they are written."""
    line = row.data[int(row.start[0]) : int(row.end[0])].tobytes()
    if b"\0" in line:
        raise HeaderHasNul("The header has NUL bytes: UTF-16, or no text at all. Send CSV in UTF-8.")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        detail = (
            f"Byte {error.start + 1} of the header, 0x{line[error.start]:02x}, is not UTF-8. Save the file as UTF-8."
        )
        raise HeaderNotUtf8(detail) from error
    marks = [int(row.start[0]) - 1, *row.marks[int(row.first[0]) : int(row.last[0]) + 1].tolist()]
    fields = [row.data[begin + 1 : end].tobytes().decode() for begin, end in pairwise(marks)]
    names = [field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields]
    return formulas.names_of(names)


def _find(name: str, found: list[str], names: ColumnNames, delimiter: str) -> int:
    """Which column has the name."""

    def key(column: str) -> str:
        return column.strip().casefold()

    matches = [index for index, column in enumerate(found) if key(column) == key(name)]
    if len(matches) == 1:
        return matches[0]
    shown = ", ".join(show(column.encode()) for column in found[:_SHOWN_COLUMNS]) + (
        ", …" if len(found) > _SHOWN_COLUMNS else ""
    )
    if matches:
        positions = " and ".join(str(index + 1) for index in matches)
        raise DuplicateColumn(f"The header names {name!r} in columns {positions}; found: {shown}.")
    wanted = f"{names.text!r}, {names.timestamp!r} and {names.author!r}"
    other = next((sign for sign in DELIMITERS if sign != delimiter and len(found) == 1 and sign in found[0]), None)
    hint = f" Is the delimiter {other!r}? It was taken to be {delimiter!r}." if other else ""
    if not {key(column) for column in found} & {key(names.text), key(names.timestamp), key(names.author)}:
        hint = hint or " The first line must name the columns; is the header missing?"
    raise MissingColumn(f"The header has no column {name!r}; wanted {wanted}, found: {shown}.{hint}")


def show(found: bytes) -> str:
    """What was found, for a message: quoted, and cut if it is long."""
    text = found[: 4 * _SHOWN_CHARACTERS].decode(errors="replace")
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


def count_lines(data: bytes) -> int:
    """Line ends in `data`, inside and outside quotes."""
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")

"""This module reads JSON Lines (jsonlines.org) into posts and rejects. The module is pure, and one of `READERS`.

- Each line has one JSON object. A line ends with LF or CR LF. A line with nothing but white space is no row.
- The names of keys must match exactly. Other keys are ignored. If a key comes twice, the last value counts.
- Text and author are strings. The timestamp is a string or a number. The rules of app/posts/times/iso.py apply to the
  timestamp as written: 1714566600.5 is readable, 1.7e9 is not.
- The reader skips a byte order mark before the first line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import msgspec
import numpy as np
import polars as pl

from app.errors import EmptyFile
from app.posts.json import objects
from app.posts.screening import (
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
)
from app.posts.tables.csvscan import MAX_ROW_BYTES, Cut, Ints, Octets
from app.posts.tables.header import ColumnNames, Format, Header, show

__all__ = ["cut", "read", "read_header"]

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_IS_SPACE = np.isin(np.arange(256), list(_BLANK))
_LF, _CR = b"\n"[0], b"\r"[0]
_QUOTE, _BACKSLASH = b'"', b"\\"
_NUMBERS = frozenset(b"-0123456789")
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Object = dict[str, msgspec.Raw]


class _Line(NamedTuple):
    """What the wanted keys of one line hold; the timestamp as it is written."""

    text: str
    timestamp: bytes
    author: str


class _Fault(NamedTuple):
    reason: Reason
    role: str | None = None


def read_header(head: bytes, *, final: bool, names: ColumnNames, delimiter: str = "") -> Header | None:  # noqa: ARG001
    """Where the lines begin; None if more bytes are needed to tell. Raises UploadRefused: empty-file."""
    if not head.removeprefix(_BOM):
        if final:
            raise EmptyFile(f"The file has no line ({len(head)} bytes). Send JSON Lines: one object a line.")
        return None
    if len(head) < len(_BOM) and _BOM.startswith(head) and not final:
        return None
    skipped = len(_BOM) if head.startswith(_BOM) else 0
    return Header(Format("", 3, 0, 1, 2, (names.text, names.timestamp, names.author)), skipped, 1)


def cut(data: bytes | bytearray | memoryview, *, delimiter: str = "", final: bool) -> Cut:  # noqa: ARG001
    """The longest batch of complete lines at the start of `data`. Final data is complete as it is."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets == _LF)
    lines = ends.size
    end = octets.size if final else int(ends[-1]) + 1 if lines else 0
    if not end:
        return Cut(0, 0, 0)
    if not lines or int(ends[-1]) + 1 < end:
        ends = np.append(ends, end)
    return Cut(end, lines, ends.size - _count_blank(octets[:end], ends))


def _count_blank(octets: Octets, ends: Ints) -> int:
    """How many of the lines that end there are no rows: those of white space, if they are not too long to be read."""
    start = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    bare = ends - ((octets[ends - 1] == _CR) & (start < ends))
    if not ((bare == start) | _IS_SPACE[octets[bare - 1]]).any():
        return 0  # the plain way: something else than white space ends each line
    is_full = np.logical_or.reduceat(~_IS_SPACE[octets], start)
    return int(np.count_nonzero(~is_full & (bare - start <= MAX_ROW_BYTES)))


def read(payload: bytes, form: Format, *, first_line: int) -> Posts:
    """The posts in `payload`: whole lines, the first of them on the physical line `first_line`."""
    if form.paths:
        return objects.read(payload, form, first_line=first_line)
    names = form.names or ROLES
    lines = payload.split(b"\n")
    found, faults, rows = _parse(lines, names, every_line_is_utf8=is_utf8(payload))
    sieve = Sieve(np.zeros(0, np.uint8), len(lines))
    sieve.alive = np.array(rows, np.int64)
    for fault, bad in faults.items():
        sieve.dropped.append(Drop(np.array(bad, np.int64), fault.reason, fault.role))
    _lay_out(sieve, found)
    frame = screen(sieve, form, may_have_nul=b"\\u0000" in payload).with_columns(line=sieve.alive + first_line)
    rejects = rejects_of([_found(drop, lines, form, first_line) for drop in sieve.dropped])
    return Posts(len(frame) + len(rejects), frame, rejects)


def object_of(line: bytes) -> Object | None:
    """The object on a line, its values as they are written; None if it is none."""
    try:
        return msgspec.json.decode(line, type=Object)
    except _UNDECODABLE:
        return None


def _parse(
    lines: list[bytes], names: tuple[str, ...], *, every_line_is_utf8: bool
) -> tuple[list[_Line], dict[_Fault, list[int]], list[int]]:
    """The lines that hold what is wanted, the others by their faults, and the numbers of the former."""
    decode = _decoder(names)
    found: list[_Line] = []
    faults: dict[_Fault, list[int]] = {}
    rows: list[int] = []
    for number, line in enumerate(lines):
        try:
            if len(line) > MAX_ROW_BYTES or not (every_line_is_utf8 or is_utf8(line)):
                raise msgspec.DecodeError  # `_examine` tells why
            row = decode(line)
        except _UNDECODABLE:
            row = _examine(line, names)
        if row is None:
            continue
        if isinstance(row, _Fault):
            faults.setdefault(row, []).append(number)
        else:
            found.append(row)
            rows.append(number)
    return found, faults, rows


def _decoder(names: tuple[str, ...]) -> Callable[[bytes], Any]:
    """A fast decoder of the lines that are in order: their text, timestamp and author. It raises for any other."""
    kinds: list[tuple[str, type]] = [("text", str), ("timestamp", msgspec.Raw), ("author", str)]
    rename: dict[str, str] = dict(zip(ROLES, names, strict=True))
    try:
        line = msgspec.defstruct("Line", kinds, rename=rename, gc=False)
    except ValueError:
        return _refuse  # Names that the fast decoder cannot have: one for two roles, or one with a quote.
    return msgspec.json.Decoder(line).decode


def _refuse(line: bytes) -> NoReturn:
    raise msgspec.DecodeError(f"{len(line)} bytes are to be looked at closely")


def _examine(line: bytes, names: tuple[str, ...]) -> _Line | _Fault | None:
    """What is in a line that the fast decoder refused; None if it is no row."""
    if len(line.removesuffix(b"\r")) > MAX_ROW_BYTES:
        return _Fault(Reason.ROW_TOO_LONG)
    if not is_utf8(line):
        return _Fault(Reason.INVALID_UTF8)
    if not line.strip(_BLANK):
        return None
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except _UNDECODABLE:
        return _Fault(Reason.MALFORMED_JSON)
    found = object_of(line)
    return _Fault(Reason.NOT_AN_OBJECT) if found is None else _pick(found, names)


def _pick(found: Object, names: tuple[str, ...]) -> _Line | _Fault:
    """What the wanted keys of an object hold."""
    missing = next((role for role, name in zip(ROLES, names, strict=True) if name not in found), None)
    if missing is not None:
        return _Fault(Reason.MISSING_KEY, missing)
    text, timestamp, author = (bytes(found[name]) for name in names)
    try:
        return _Line(msgspec.json.decode(text, type=str), timestamp, msgspec.json.decode(author, type=str))
    except msgspec.ValidationError:
        return _Fault(Reason.WRONG_TYPE, "author" if text.startswith(_QUOTE) else "text")
    except msgspec.DecodeError:
        return _Fault(Reason.MALFORMED_JSON)


def _lay_out(sieve: Sieve, found: list[Any]) -> None:
    """Give the sieve its frame, and the timestamps their place in its octets; those of the wrong type are dropped."""
    stamps: list[Any] = [row.timestamp for row in found]
    joined = b"".join(stamps)
    if _BACKSLASH in joined:
        stamps = [_unescaped(bytes(stamp)) if _BACKSLASH in bytes(stamp) else stamp for stamp in stamps]
        joined = b"".join(stamps)
    length = np.fromiter(map(len, stamps), np.int64, count=len(stamps))
    begin = np.cumsum(length) - length
    sieve.octets = np.frombuffer(joined, np.uint8)
    first = sieve.octets[begin]
    quoted = first == ord(_QUOTE)
    sieve.places = {"timestamp": Place(begin + quoted, length - 2 * quoted, quoted)}
    sieve.frame = pl.DataFrame(
        {
            "text": pl.Series([row.text for row in found], dtype=pl.String),
            "author": pl.Series([row.author for row in found], dtype=pl.String),
            "begin": sieve.places["timestamp"].begin,
            "length": sieve.places["timestamp"].length,
        }
    ).select("text", pl.lit(joined).bin.slice("begin", "length").cast(pl.String).alias("timestamp"), "author")
    sieve.drop(~(quoted | np.isin(first, list(_NUMBERS))), Reason.WRONG_TYPE, "timestamp")


def _unescaped(stamp: bytes) -> bytes:
    """A JSON string without its escapes, in quotes still; other values have none, or are of the wrong type."""
    if not stamp.startswith(_QUOTE):
        return stamp
    return _QUOTE + msgspec.json.decode(stamp, type=str).encode() + _QUOTE


def _found(drop: Drop, lines: list[bytes], form: Format, first_line: int) -> Found:
    raws = [lines[row].removesuffix(b"\r") for row in drop.rows.tolist()]
    if drop.role is None:
        messages = [_line_message(drop.reason, raw) for raw in raws]
        return Found(drop, None, drop.rows + first_line, None, messages, raws)
    name = (form.names or ROLES)[ROLES.index(drop.role)]
    what = f"value of {show(name.encode())}"
    if drop.reason is Reason.MISSING_KEY:
        messages = [f"The object has no key {show(name.encode())}. Its keys: {_keys(raw)}." for raw in raws]
        return Found(drop, name, drop.rows + first_line, None, messages, raws)
    values = [value_of(raw, name) for raw in raws]
    if drop.reason is Reason.WRONG_TYPE:
        wanted = "a string or a number" if drop.role == "timestamp" else "a string"
        messages = [f"The {what} is {show(value)}. Write {wanted}." for value in values]
    else:
        messages = [field_message(drop.reason, what, value, form) for value in values]
    return Found(drop, name, drop.rows + first_line, values, messages, raws)


def value_of(line: bytes, name: str) -> bytes:
    """What a key of the object on a line holds: a string's text, other values as they are written; empty if nothing."""
    raw = bytes((object_of(line) or {}).get(name, b""))
    try:
        return msgspec.json.decode(raw, type=str).encode() if raw.startswith(_QUOTE) else raw
    except msgspec.DecodeError:
        return raw


def _keys(line: bytes) -> str:
    keys = list(object_of(line) or ())
    return show(", ".join(keys[:30]).encode()) if keys else "none"


def _line_message(reason: Reason, line: bytes) -> str:
    match reason:
        case Reason.ROW_TOO_LONG:
            return too_long_message(len(line))
        case Reason.INVALID_UTF8:
            return f"The line can't be decoded: {show(line)}. Save the file as UTF-8, or name its encoding."
        case Reason.NOT_AN_OBJECT:
            return f"The line is {show(line)}. Write an object with the keys of a post."
        case _:
            return f"The line is not valid JSON ({_error(line)}): {show(line)}."


def _error(line: bytes) -> str:
    try:
        msgspec.json.decode(line)
    except _UNDECODABLE as error:
        return str(error).removeprefix("JSON is malformed: ")
    return "a string in it is malformed"

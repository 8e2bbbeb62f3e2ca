"""Erasing a handle from texts and payloads: every row stays where it was, and holds nothing of the person. Pure.

A letter of the handle becomes an asterisk, which no platform allows in handles: a text keeps its mention signs, so
`RT @*****:` is a retweet still. The handle is erased where it stands alone: no letter, digit or underscore beside it.
The n of an escaped line end is no such letter. A row that the person wrote keeps its instant, its id and its place. Its
other cells become empty, and its author becomes AUTHOR, who mentions nobody.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from app.posts.handles import fold
from app.posts.json import paths
from app.posts.options import Format, InputFormat
from app.posts.tables.cells import handles_in
from app.posts.tables.csvscan import Bools, Ints, Rows, scan

AUTHOR = "forgotten"
"""Who wrote a forgotten person's rows."""

JOINERS = ".-·@"
"""What joins words to one handle on some platform."""
NO_JOINER = "\0"
"""Joins nothing: a careful look on a platform whose handles have one word each."""
_MASK = "*"
_MARKS = "\u0300-\u036f"
_ESCAPES = "bfnrt"
"""The letters of escapes for white space, as JSON and some CSV have them."""
_BEFORE = rf"(?<!(?<!\\)\w)(?<!\\[^\W{_ESCAPES}])"
"""Nothing that makes one word with what follows: no word, or an escape."""
_TOLD = ("mentions", "reply", "retweet", "quote")
"""The roles whose cells hold whole handles."""
_KEPT = ("timestamp", "time", "id")
_LIKE_ASCII = re.compile("|".join("\u0130\u0131\u017f\u212a").encode())
"""Letters that patterns without regard to case take for letters of ASCII."""
_IS_ESCAPE = np.isin(np.arange(256), list((_ESCAPES + _ESCAPES.upper()).encode()))
_IS_WORD = np.array([chr(octet).isascii() and (chr(octet).isalnum() or octet == ord("_")) for octet in range(256)])


class Name:
    """The handle of a person who is to be forgotten, and how to find it, whatever its case and its form in Unicode."""

    def __init__(self, handle: str) -> None:
        self.handle = fold(handle)
        spellings = {each for each in (self.handle, self.handle.upper()) if fold(each) == self.handle}
        wholes = sorted({unicodedata.normalize(form, each) for each in spellings for form in ("NFC", "NFD")})
        letters = "".join(map(_either, self.handle))
        either = "|".join([letters, *map(re.escape, wholes)])
        self._alone = re.compile(rf"{_BEFORE}(?:{either})(?![\w{_MARKS}])", re.IGNORECASE)
        self._apart = {"": self._alone}
        self._either = either
        self._anywhere = re.compile(either, re.IGNORECASE)
        self.needle = self.handle.encode() if self.handle.isascii() else b""
        """ASCII bytes that lower-case text with the handle holds. Empty: there are none that are sure."""

    def is_named(self, text: str) -> bool:
        """Whether a text is this handle, with or without a mention sign."""
        return len(text) <= 2 * len(self.handle) + 8 and fold(text) == self.handle

    def is_in(self, text: str) -> bool:
        """Whether the handle stands alone anywhere in a text."""
        return self._alone.search(text) is not None

    def masked(self, text: str, *, joiners: str = "") -> str:
        """The text without the handle. Where one of the joiners joins it to a word, it is a part of another handle."""
        return self._pattern(joiners).sub(lambda found: _MASK * len(found[0]), text)

    def _pattern(self, joiners: str) -> re.Pattern[str]:
        if joiners not in self._apart:
            joined = f"[{re.escape(joiners.strip(NO_JOINER))}]" if joiners.strip(NO_JOINER) else "(?!)"
            # A sign behind the handle begins no mention, and must not begin one behind asterisks.
            self._apart[joiners] = re.compile(
                rf"{_BEFORE}(?<!\w{joined})(?:{self._either})(?![\w{_MARKS}]|{joined}\w)[@＠]*", re.IGNORECASE
            )
        return self._apart[joiners]

    def masked_anywhere(self, text: str) -> str:
        """The text without the handle, even within words: for names of files."""
        return self._anywhere.sub(lambda found: _MASK * len(found[0]), text)

    def masked_bytes(self, data: bytes, *, joiners: str = "") -> bytes:
        """Bytes that may be no text, without the handle, and as many as before where the handle is ASCII."""
        text = data.decode(errors="surrogateescape")
        return self.masked(text, joiners=joiners).encode(errors="surrogateescape")

    def may_be_in(self, data: bytes) -> bool:
        """Whether a look at every row is worth its while. Cheap; False is sure, but for escapes in JSON."""
        if self.needle:
            return self.needle in data.lower() or b"\\u00" in data
        return self._alone.search(data.decode(errors="surrogateescape")) is not None or b"\\u" in data

    def masked_json(self, value: Any, *, skip: Collection[str] = ()) -> Any:  # noqa: ANN401 (any JSON)
        """A JSON value without the handle in any of its texts, but for the values of keys in `skip`."""
        if isinstance(value, str):
            return self.masked(value)
        if isinstance(value, list):
            return [self.masked_json(each, skip=skip) for each in value]
        if isinstance(value, dict):
            return {key: each if key in skip else self.masked_json(each, skip=skip) for key, each in value.items()}
        return value


class How(NamedTuple):
    """Which physical lines are treated in which way. Every other line with the handle in it is masked."""

    written: Collection[int]
    """Lines that the person wrote."""
    careful: Collection[int] = ()
    """Lines in which the handle is a part of other people's handles."""
    joiners: str = JOINERS
    """What joins the parts of such a handle."""
    blank: Collection[int] = ()
    """Lines that lose all but author, instant and id."""
    mentioning: Collection[int] = ()
    """Further lines to look at, in which the count finds the handle in whatever way it is written."""
    posts: Collection[int] = ()
    """Lines that are posts. Their authors are other people, even where a name holds the handle as a word."""

    def touches(self, line: int) -> bool:
        return line in self.written or line in self.blank or line in self.mentioning


def rewritten(payload: bytes, form: Format, layout: InputFormat, name: Name, how: How, *, first_line: int) -> bytes:
    """The payload without the person: as many rows, on the same lines."""
    if layout is InputFormat.CSV:
        return _csv(payload, form, name, how, first_line)
    return _json(payload, form, name, how, first_line)


def without_author(form: Format, name: Name) -> Format:
    """The form, if the person wrote the whole file; columns that are named like the person keep their names."""
    if form.author_is is not None and name.is_named(form.author_is):
        return msgspec.structs.replace(form, author_is=AUTHOR)
    return form


# CSV ------------------------------------------------------------------------------------------------------------------


class _Columns(NamedTuple):
    """What a form says of the columns of a table."""

    keeps: frozenset[int]
    """Columns that a row keeps whose text goes."""
    told: frozenset[int]
    """Columns of whole handles."""

    @classmethod
    def of(cls, form: Format) -> _Columns:
        kept = (form.further[role] for role in _KEPT if role in form.further)
        told = (form.further[role] for role in _TOLD if role in form.further)
        return cls(frozenset({form.timestamp, form.author, *kept}), frozenset(told))


def _csv(payload: bytes, form: Format, name: Name, how: How, first_line: int) -> bytes:
    rows = scan(payload, form.delimiter)
    if not len(rows.start):
        return payload
    lines, columns = rows.line + first_line, _Columns.of(form)
    whole = (rows.flaw != 0) | (rows.fields < form.fields) | (rows.fields > form.fields + form.surplus)
    plain, slow = _plain_hits(payload, rows, form, name, whole)
    slow |= _among(lines, how.written) | _among(lines, how.blank) | _among(lines, how.careful)
    seen = np.zeros(len(lines), np.bool_)
    seen[plain.row] = True
    slow |= _among(lines, how.mentioning) & ~seen
    masked = _masked_in_place(payload, plain.at[~slow[plain.row]], len(name.needle))
    out, done = list[bytes](), 0
    for row in np.flatnonzero(slow).tolist():
        start, end = int(rows.start[row]), int(rows.end[row])
        out.append(masked[done:start])
        if whole[row]:
            joiners = how.joiners if int(lines[row]) in how.careful else ""
            out.append(name.masked_bytes(payload[start:end], joiners=joiners))
        else:
            out.append(_record(_cells(payload, rows, row), form, columns, name, how, int(lines[row])))
        done = end
    return b"".join([*out, masked[done:]])


class _Hits(NamedTuple):
    """Where the handle stands alone in ASCII: the offsets, and the rows."""

    at: Ints
    row: Ints


def _plain_hits(payload: bytes, rows: Rows, form: Format, name: Name, whole: Bools) -> tuple[_Hits, Bools]:
    """The places at which asterisks are all that a row needs, and which rows have to be looked at one by one.

    A row needs no further look where ASCII stands beside each handle in it, in columns of texts. `whole`: the rows that
    have no columns.
    """
    slow = np.zeros(len(rows.start), np.bool_)
    nothing = np.zeros(0, np.int64)
    if not name.needle:
        ends = zip(rows.start.tolist(), rows.end.tolist(), strict=True)
        slow[:] = [name.may_be_in(payload[at:to]) for at, to in ends]
        return _Hits(nothing, nothing), slow
    if not payload.isascii():
        slow[_rows_at(rows, [found.start() for found in _LIKE_ASCII.finditer(payload)])] = True
    size = len(name.needle)
    every = re.compile(b"(?=" + re.escape(name.needle) + b")")  # one may begin within another
    at = np.array([found.start() for found in every.finditer(payload.lower())], np.int64)
    octets = np.frombuffer(b"\n" + payload + b"\n", np.uint8)
    row, before, behind = _rows_at(rows, at), octets[at], octets[at + size + 1]
    field = np.searchsorted(rows.marks, at) - rows.first[row]
    handles = np.isin(field, [form.author, *_Columns.of(form).told]) & ~whole[row]
    odd = (before > 127) | (behind > 127) | handles  # noqa: PLR2004 (ASCII)
    odd[1:] |= np.diff(at) < size
    slow[row[odd]] = True
    escaped = _IS_ESCAPE[before] & (octets[at - 1] == ord("\\"))
    alone = (~_IS_WORD[before] | escaped) & ~_IS_WORD[behind]
    return _Hits(at[alone], row[alone]), slow


def _rows_at(rows: Rows, at: Sequence[int] | Ints) -> Ints:
    return np.maximum(np.searchsorted(rows.start, at, side="right") - 1, 0)


def _among(lines: Ints, wanted: Collection[int]) -> Bools:
    return np.isin(lines, np.fromiter(wanted, np.int64, len(wanted)))


def _masked_in_place(payload: bytes, at: Ints, size: int) -> bytes:
    if not len(at):
        return payload
    octets = np.frombuffer(payload, np.uint8).copy()
    for letter in range(size):
        octets[at + letter] = ord(_MASK)
    return octets.tobytes()


def _cells(payload: bytes, rows: Rows, row: int) -> list[bytes]:
    """The cells of a row as they stand, with their quotes."""
    begin, cells = int(rows.start[row]), list[bytes]()
    for mark in rows.marks[rows.first[row] : rows.last[row] + 1].tolist():
        cells.append(payload[begin:mark])
        begin = mark + 1
    return cells


def _record(  # noqa: PLR0917 (the function has one caller)
    cells: list[bytes], form: Format, columns: _Columns, name: Name, how: How, line: int
) -> bytes:
    joiners = how.joiners if line in how.careful else ""
    author = cells[form.author].strip(b'" ').decode(errors="replace") if form.author >= 0 else ""
    written, blank = line in how.written or name.is_named(author), line in how.blank
    new = [
        AUTHOR.encode()
        if index == form.author and written
        else cell
        if index == form.author and line in how.posts
        else b""
        if (written or blank) and index not in columns.keeps
        else _untold(cell, name)
        if index in columns.told
        else name.masked_bytes(cell, joiners=joiners)
        for index, cell in enumerate(cells)
    ]
    # The line numbers of later rows stay: what was on several lines is so still.
    lost = sum(cell.count(b"\n") for cell in cells) - sum(cell.count(b"\n") for cell in new)
    if lost and form.text >= 0:
        new[form.text] = b'"' + b"\n" * lost + b'"'
    return form.delimiter.encode().join(new)


def _untold(cell: bytes, name: Name) -> bytes:
    """A cell of handles without the person's."""
    text = cell.decode(errors="surrogateescape")
    bare = text[1:-1].replace('""', '"') if text.startswith('"') and text.endswith('"') and len(text) > 1 else text
    named = handles_in(bare)
    if not any(name.is_named(each) for each in named):
        return name.masked_bytes(cell, joiners=JOINERS)
    others = json.dumps([each for each in named if not name.is_named(each)], ensure_ascii=False)
    if others == "[]":
        return b""
    return b'"' + others.replace('"', '""').encode(errors="surrogateescape") + b'"'


# JSON -----------------------------------------------------------------------------------------------------------------


def _json(payload: bytes, form: Format, name: Name, how: How, first_line: int) -> bytes:
    lines = payload.split(b"\n")
    for number, line in enumerate(lines):
        if how.touches(number + first_line) or name.may_be_in(line):
            lines[number] = _object(line, form, name, how, number + first_line)
    return b"\n".join(lines)


def _object(line: bytes, form: Format, name: Name, how: How, number: int) -> bytes:
    joiners = how.joiners if number in how.careful else ""
    try:
        found = json.loads(line, parse_float=lambda digits: msgspec.Raw(digits.encode()))
    except (ValueError, RecursionError):
        return name.masked_bytes(line, joiners=joiners)
    if not isinstance(found, dict):
        return name.masked_bytes(line, joiners=joiners)
    ways = {role: paths.parse(path) for role, path in form.paths.items()} or {
        role: paths.literal(key)
        for role, key in zip(
            ("text", "timestamp", "author"), form.names or ("text", "timestamp", "author"), strict=False
        )
    }
    held = {role: [each for each in paths.values(way, found) if isinstance(each, str)] for role, way in ways.items()}
    written = number in how.written or any(map(name.is_named, held.get("author", [])))
    blank = number in how.blank
    texts, authors = held.get("text", []), held.get("author", [])
    kept = {each for role in _KEPT for each in held.get(role, [])}

    def leaf(value: str) -> str | None:
        if value in authors and (written or number in how.posts):
            return AUTHOR if written else value
        if value in kept:
            return name.masked(value, joiners=joiners)
        if written or blank:
            return "" if value in texts else None
        return None if name.is_named(value) and value not in texts else name.masked(value, joiners=joiners)

    keys = {step.key for way in ways.values() for steps in way.ways for step in steps}
    new = _mapped(found, leaf, lambda key: key if key in keys else name.masked(key))
    ending = b"\r" if line.endswith(b"\r") else b""
    return msgspec.json.encode(new) + ending if new != found else line


def _mapped(value: Any, leaf: Callable[[str], str | None], key: Callable[[str], str]) -> Any:  # noqa: ANN401 (any JSON)
    if isinstance(value, str):
        return leaf(value)
    if isinstance(value, list):
        return [_mapped(each, leaf, key) for each in value]
    if isinstance(value, dict):
        return {key(name): _mapped(each, leaf, key) for name, each in value.items()}
    return value


def _either(letter: str) -> str:
    """A pattern for a letter in whatever form of Unicode."""
    both = [each for each in (letter, letter.upper()) if unicodedata.normalize("NFC", each.lower()) == letter]
    forms = {letter, *(unicodedata.normalize(form, each) for each in both for form in ("NFC", "NFD"))}
    return f"(?:{'|'.join(re.escape(each) for each in sorted(forms, key=len, reverse=True))})"

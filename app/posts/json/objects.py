"""JSON objects, one a line, whose values stand anywhere in them → posts and rejects. Pure.

Many lines are decoded at once, for the values that the paths name alone. If one of them is no object, or has a value of
another type, each of them is decoded by itself, and that one is looked at once more, slowly, for the reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from app.posts.json import paths
from app.posts.options import Format
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
    with_headings,
)
from app.posts.tables.cells import handles_in, lists_of
from app.posts.tables.csvscan import MAX_ROW_BYTES, Ints, find
from app.posts.tables.header import show

_EXACT = 1e15
"""Below, a number with a point is an integer exactly if it looks like one."""
_SCALAR = str | int | float | None
_BLANK = b" \t\r\n"
_LF, _CR, _OPENING, _CLOSING = b"\n"[0], b"\r"[0], b"{"[0], b"}"[0]
_TOGETHER = 256
"""Lines that are decoded at once."""
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Post(NamedTuple):
    """The wanted values of one line, by role; the timestamp as text."""

    text: Any
    timestamp: Any
    author: Any
    further: tuple[Any, ...]


class _Fault(NamedTuple):
    reason: Reason
    role: str | None = None


_NOT_A_NUMBER = re.compile(rb"(?<=[:,\[])\s*(?:NaN|-?Infinity)(?=\s*[,}\]])")
"""What Python writes for numbers that JSON lacks. In a text of a line that has them, they may become null, too."""


class Paths:
    """The paths of a form, and the fastest way to look along them."""

    def __init__(self, form: Format) -> None:
        self.by_role = {role: paths.parse(text) for role, text in form.paths.items()}
        self.text_optional = form.text_optional
        self.needed = [role for role in ROLES if role in self.by_role and not (role == "text" and form.text_optional)]
        """The roles without which a line is no post."""
        self.further = [role for role in self.by_role if role not in ROLES]
        self.lists = "mentions" in self.by_role and self.by_role["mentions"].many
        """Whether the mentions of a post are a list of values."""
        try:
            self.extractor: paths.Extractor | None = paths.Extractor(
                {role: (path, _SCALAR) for role, path in self.by_role.items()}
            )
        except ValueError:
            self.extractor = None  # two paths want one key in two shapes

    def look(self, line: bytes) -> _Post | _Fault | None:  # noqa: PLR0911 (one return a reason)
        """The slow look at one line; None: it is blank."""
        if len(line.removesuffix(b"\r")) > MAX_ROW_BYTES:
            return _Fault(Reason.ROW_TOO_LONG)
        if not line.strip(_BLANK):
            return None
        if not is_utf8(line):
            return _Fault(Reason.INVALID_UTF8)
        try:
            found = msgspec.json.decode(line)
        except _UNDECODABLE:
            try:
                found = msgspec.json.decode(_NOT_A_NUMBER.sub(b"null", line))
            except _UNDECODABLE:
                return _Fault(Reason.MALFORMED_JSON)
        if not isinstance(found, dict):
            return _Fault(Reason.NOT_AN_OBJECT)
        held = {role: paths.values(path, found) for role, path in self.by_role.items()}
        for role in ROLES:
            if role in held and (fault := self._fault_of(role, held[role])) is not None:
                return fault
        first = {role: values[0] if values else None for role, values in held.items()}
        further = (held[role] if role == "mentions" else first[role] for role in self.further)
        return _Post(_joined(held.get("text", [])), first.get("timestamp"), first.get("author"), tuple(further))

    def _fault_of(self, role: str, values: list[Any]) -> _Fault | None:
        if not values:
            return _Fault(Reason.MISSING_KEY, role) if role in self.needed else None
        wrong = any(isinstance(value, dict | list | bool) for value in values)
        in_parts = role == "text" and self.text_optional
        return _Fault(Reason.WRONG_TYPE, role) if wrong and not in_parts else None


def _joined(values: list[Any]) -> str:
    """A text; of one in parts, as Telegram has it, all of them together."""
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    parts = (part.get("text", "") if isinstance(part, dict) else part for part in values)
    return "".join(_text(part) or "" for part in parts if isinstance(part, str | int | float))


class _Lines:
    """The lines of some bytes, as `split` gives them: what follows the last line end is a line, if it is empty."""

    def __init__(self, payload: bytes) -> None:
        octets = np.frombuffer(payload, np.uint8)
        ends = find(octets, _LF)
        self.payload, self.view = payload, memoryview(payload)
        self.begin = np.concatenate([np.zeros(1, np.int64), ends + 1])
        self.end = np.append(ends, octets.size)
        self.blank = self.begin == self.end
        """Lines without a byte. A line of white space may be blank, too."""
        first = octets[np.minimum(self.begin, octets.size - 1)] if octets.size else np.zeros(1, np.uint8)
        last = octets[self.end - 1] if octets.size else first
        if (last == _CR).any():
            last = np.where(last == _CR, octets[self.end - 2], last)
        fits = self.end - self.begin <= MAX_ROW_BYTES
        # Within an object, no closing brace is followed by a line end and an opening brace. So if lines begin and end
        # with braces and hold as many objects as there are lines, each line holds one.
        self.in_braces = (first == _OPENING) & (last == _CLOSING) & ~self.blank & fits

    def __len__(self) -> int:
        return self.begin.size

    def __getitem__(self, number: int) -> bytes:
        return self.payload[self.begin[number] : self.end[number]]


def read(payload: bytes, form: Format, *, first_line: int) -> Posts:
    """The posts in `payload`: whole lines, the first of them on the physical line `first_line`."""
    lines = _Lines(payload)
    wanted = Paths(form)
    sieve = Sieve(np.zeros(0, np.uint8), len(lines))
    columns, counts, rows, faults = _columns(lines, wanted, every_line_is_utf8=is_utf8(payload))
    sieve.alive = np.array(rows, np.int64)
    for fault, bad in faults.items():
        sieve.dropped.append(Drop(np.array(bad, np.int64), fault.reason, fault.role))
    _lay_out(sieve, columns, counts, form)
    frame = screen(sieve, form, may_have_nul=True).with_columns(line=sieve.alive + first_line)
    rejects = rejects_of([_found(drop, lines, wanted, form, first_line) for drop in sieve.dropped])
    return Posts(len(frame) + len(rejects), frame, rejects)


class _Looked(NamedTuple):
    """What was found in lines, with their numbers."""

    columns: dict[str, list[Any]]
    """By role what the fast look found; the mentions of all posts, one behind the other, if `counts` holds numbers."""
    counts: list[int]
    """How many mentions each post has, where they are lists."""
    fast: list[int]
    """The numbers of the lines in `columns`."""
    slow: list[tuple[int, _Post]]
    faults: dict[_Fault, list[int]]


def _columns(
    lines: _Lines, wanted: Paths, *, every_line_is_utf8: bool
) -> tuple[dict[str, list[Any]], list[int], list[int], dict[_Fault, list[int]]]:
    """By role what the good lines hold, and how many mentions each has, as in `_Looked`; the numbers of these lines;
    and those of the others by their faults."""
    looked = _Looked({role: [] for role in wanted.by_role}, [], [], [], {})
    for begin in range(0, len(lines), _TOGETHER):
        end = min(begin + _TOGETHER, len(lines))
        decoded = _decoded_at_once(lines, begin, end, wanted) if every_line_is_utf8 else None
        if decoded is not None:
            looked.fast.extend((np.flatnonzero(lines.in_braces[begin:end]) + begin).tolist())
        else:
            decoded = _decoded_by_line(lines, begin, end, wanted, looked)
        if wanted.extractor is not None:
            # At once, while what was decoded is in the processor's caches.
            for role, values in looked.columns.items():
                if role == "mentions" and wanted.lists:
                    mentions, counts = wanted.extractor.lists(role, decoded)
                    values.extend(mentions)
                    looked.counts.extend(counts)
                else:
                    values.extend(wanted.extractor.column(role, decoded))
    columns, counts, fast, slow, faults = looked
    missing = _missing(columns, fast, wanted.needed, faults)
    if counts and (missing or slow):
        ends = np.cumsum(counts).tolist()
        columns["mentions"] = [columns["mentions"][end - size : end] for end, size in zip(ends, counts, strict=True)]
        counts.clear()
    if missing:
        kept = [at for at in range(len(fast)) if at not in missing]
        columns = {role: [values[at] for at in kept] for role, values in columns.items()}
        fast = [fast[at] for at in kept]
    return _together(columns, fast, slow, wanted), counts, sorted([*fast, *(number for number, _ in slow)]), faults


def _decoded_at_once(lines: _Lines, begin: int, end: int, wanted: Paths) -> list[Any] | None:
    """The objects on the lines from `begin` to before `end`. None: not each of them holds one that is in order."""
    in_braces = lines.in_braces[begin:end]
    if wanted.extractor is None or not (in_braces | lines.blank[begin:end]).all():
        return None
    try:
        found = wanted.extractor.decode_lines(lines.view[lines.begin[begin] : lines.end[end - 1]])
    except _UNDECODABLE:
        return None
    return found if len(found) == np.count_nonzero(in_braces) else None


def _decoded_by_line(lines: _Lines, begin: int, end: int, wanted: Paths, looked: _Looked) -> list[Any]:
    """The objects that the fast look can decode; what the slow look finds on other lines is added to `looked`."""
    decoded: list[Any] = []
    for number in range(begin, end):
        line = lines[number]
        if wanted.extractor is not None and len(line) <= MAX_ROW_BYTES and is_utf8(line):
            try:
                decoded.append(wanted.extractor.decode(line))
            except _UNDECODABLE:
                pass
            else:
                looked.fast.append(number)
                continue
        post = wanted.look(line)
        if isinstance(post, _Fault):
            looked.faults.setdefault(post, []).append(number)
        elif post is not None:
            looked.slow.append((number, post))
    return decoded


def _missing(
    columns: dict[str, list[Any]], rows: list[int], needed: Sequence[str], faults: dict[_Fault, list[int]]
) -> set[int]:
    """The posts that lack what a post needs."""
    missing: set[int] = set()
    for role in needed:
        if None not in columns.get(role, ()):
            continue
        for at, value in enumerate(columns[role]):
            if value is None and at not in missing:
                missing.add(at)
                faults.setdefault(_Fault(Reason.MISSING_KEY, role), []).append(rows[at])
    return missing


def _together(
    columns: dict[str, list[Any]], fast: list[int], slow: list[tuple[int, _Post]], wanted: Paths
) -> dict[str, list[Any]]:
    """The columns with the posts that were looked at slowly, in the order of lines."""
    if not slow:
        return columns
    order = np.argsort(np.array([*fast, *(number for number, _ in slow)], np.int64), kind="stable").tolist()
    merged: dict[str, list[Any]] = {}
    for role in wanted.by_role:
        if role in ROLES:
            more = [getattr(post, role) for _, post in slow]
        else:
            more = [post.further[wanted.further.index(role)] for _, post in slow]
        values = [*columns.get(role, []), *more]
        merged[role] = [values[at] for at in order]
    return merged


def _texts(role: str, values: list[Any]) -> pl.Series:
    """As text; of a list the first value."""
    try:
        return pl.Series(role, values, pl.String)
    except TypeError:
        texts = [_text(next(iter(value), None) if isinstance(value, list) else value) for value in values]
        return pl.Series(role, texts, pl.String)


def _text(value: Any) -> str | None:  # noqa: ANN401 (JSON)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    return str(value)


def _lay_out(sieve: Sieve, columns: dict[str, list[Any]], counts: list[int], form: Format) -> None:
    """Give the sieve its frame, and the timestamps their place in its octets."""
    count = sieve.alive.size

    def column(role: str, default: str | None) -> pl.Series:
        texts = _texts(role, columns[role] if role in columns else [default] * count)
        return texts if default is None else texts.fill_null("")

    stamps = column("timestamp", "")
    length = stamps.str.len_bytes().cast(pl.Int64).to_numpy()
    sieve.octets = np.frombuffer(stamps.str.join("")[0].encode() or b"\0", np.uint8)
    begin: Ints = np.cumsum(length) - length
    sieve.places = {"timestamp": Place(begin, length, np.zeros(count, np.bool_))}
    series = {
        "text": column("text", ""),
        "timestamp": stamps,
        "author": column("author", form.author_is or ""),
    }
    for role, values in columns.items():
        if role == "mentions":
            series["mentioned"] = (
                _mentioned(values, counts) if counts else lists_of([_handles(each) for each in values])
            )
        elif role not in ROLES:
            texts = column(role, None).str.strip_chars()
            empty = texts.str.len_bytes() == 0
            series[role] = texts.set(empty, None) if empty.any() else texts
    if "heading" in series:
        series["text"] = with_headings(series["text"], series["heading"])
    sieve.frame = pl.DataFrame(list(series.values()))


def _mentioned(values: list[Any], counts: list[int]) -> pl.Series:
    """`mentioned`, List of String, from the values of all posts and how many of them each post has."""
    post = np.repeat(np.arange(len(counts)), counts)
    if set(map(type, values)) - {str}:
        is_text = np.fromiter((isinstance(value, str) for value in values), np.bool_, count=len(values))
        values, post = [value for value in values if isinstance(value, str)], post[is_text]
    handles = pl.Series("mentioned", values, pl.String).str.strip_chars().str.strip_prefix("@")
    full = handles.str.len_bytes() > 0
    if not full.all():
        handles, post = handles.filter(full), post[full.to_numpy()]
    length = np.bincount(post, minlength=len(counts))
    places = pl.DataFrame({"begin": np.cumsum(length) - length, "length": length})
    # Slices of one list of all handles: polars makes a series of its own of every Python list.
    lists = places.select(mentioned=pl.lit(handles.implode()).list.slice(pl.col("begin"), pl.col("length"))).to_series()
    return lists if length.all() else lists.set(pl.Series(length == 0), None)


def _handles(value: Any) -> list[str] | None:  # noqa: ANN401 (JSON)
    if value is None:
        return None
    if isinstance(value, list):
        return [
            handle for each in value if isinstance(each, str) for handle in [each.strip().removeprefix("@")] if handle
        ]
    return handles_in(str(value))


def _found(drop: Drop, lines: _Lines, wanted: Paths, form: Format, first_line: int) -> Found:
    raws = [lines[row].removesuffix(b"\r") for row in drop.rows.tolist()]
    if drop.role is None:
        return Found(drop, None, drop.rows + first_line, None, [_message(drop.reason, raw) for raw in raws], raws)
    name = paths.show(wanted.by_role[drop.role]) if drop.role in wanted.by_role else drop.role
    if drop.reason is Reason.MISSING_KEY:
        messages = [f"The object has nothing at {show(name.encode())}." for _ in raws]
        return Found(drop, name, drop.rows + first_line, None, messages, raws)
    values = [_value(raw, wanted, drop.role) for raw in raws]
    what = f"value of {show(name.encode())}"
    if drop.reason is Reason.WRONG_TYPE:
        messages = [f"The {what} is {show(value)}; a string or a number is wanted." for value in values]
    else:
        messages = [field_message(drop.reason, what, value, form) for value in values]
    return Found(drop, name, drop.rows + first_line, values, messages, raws)


def _value(line: bytes, wanted: Paths, role: str) -> bytes:
    try:
        found = paths.values(wanted.by_role[role], msgspec.json.decode(line)) if role in wanted.by_role else []
    except _UNDECODABLE:
        return b""
    return (_text(found[0]) or "").encode("utf-8", "replace") if found else b""


def _message(reason: Reason, line: bytes) -> str:
    match reason:
        case Reason.ROW_TOO_LONG:
            return too_long_message(len(line))
        case Reason.INVALID_UTF8:
            return f"The line cannot be decoded: {show(line)}. Save the file as UTF-8, or name its encoding."
        case Reason.NOT_AN_OBJECT:
            return f"The line is {show(line)}; an object with the keys of a post is wanted."
        case _:
            return f"The line is no JSON: {show(line)}."

"""Columns of instants in any spelling → microseconds since 1970 UTC, to the instants of spellings.read. Pure.

Texts are of one shape if they have digits, letters and other characters in the same places. To the patterns of
spellings.py, texts of one shape differ in their letters alone. So one text of a shape is matched, and all texts of the
shape have year, month and so on in the same places. These texts are read digit by digit, in columns. All other texts
are read one by one. A text's instant never depends on its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from app.posts.times import formats, spellings
from app.posts.times.spellings import EXCEL, FORMS, MONTHS, WEEKDAYS, ZONES, DateOrder, Doubt, Known

Ints: TypeAlias = npt.NDArray[np.int64]
Octets: TypeAlias = npt.NDArray[np.uint8]
Bools: TypeAlias = npt.NDArray[np.bool_]
Span: TypeAlias = tuple[int, int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
_SECOND, _MINUTE, _DAY = 1_000_000, 60_000_000, 86_400_000_000
_LAST_RULE = 4_102_444_800_000_000
"""2100: until then polars and Python know the same of every zone."""
_EXCEL_DAYS = 2_958_466
"""The first serial number behind the year 9999."""
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_FEW = 16
"""Texts of one length that are not worth the look at columns."""
_SHAPES = 48
"""Shapes of one length that are looked for."""

_ZERO, _LETTER, _ASCII = ord("0"), ord("a"), 128
_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32
_CLASSES = _LOWER.copy()
_CLASSES[ord("0") : ord("9") + 1] = _ZERO
_CLASSES[ord("a") : ord("z") + 1] = _LETTER
_CLASSES[ord("A") : ord("Z") + 1] = _LETTER


class Column(NamedTuple):
    """The instants of a column: `micros` means nothing where it is not `readable`."""

    micros: Ints
    readable: Bools
    doubtful: Bools
    """Not readable, since the text has two meanings."""


class _Wanted(NamedTuple):
    """What is known of all texts of a column."""

    order: DateOrder | None
    zone: str | None
    forms: Sequence[re.Pattern[str]]


class _Read(NamedTuple):
    """What some texts of one shape say."""

    micros: Ints
    readable: Bools
    local: bool
    """Whether the texts name no zone."""


def read_column(texts: pl.Series, known: Known) -> Column:
    """The instants in texts, all by what is known of the file."""
    stripped = texts.str.strip_chars()
    count = len(texts)
    column = Column(np.zeros(count, np.int64), np.zeros(count, np.bool_), np.zeros(count, np.bool_))
    if known.format == EXCEL:
        _read_serials(stripped, column)
        return column
    forms = FORMS if known.format is None else (formats.compiled(known.format),)
    wanted = _Wanted(known.order, known.zone, forms)
    local = _read_shapes(stripped, wanted, column)
    if known.zone is not None:
        _place(column, local, known.zone)
    left = np.flatnonzero(~column.readable)
    if left.size:
        _read_one_by_one(stripped.gather(left), left, wanted, column)
    return column


def _read_serials(texts: pl.Series, column: Column) -> None:
    days = texts.cast(pl.Float64, strict=False)
    good = days.is_between(0, _EXCEL_DAYS, closed="left").fill_null(value=False).to_numpy()
    start = (datetime(1899, 12, 30, tzinfo=UTC) - _EPOCH).days * _DAY
    column.micros[good] = (days.filter(good) * _DAY).round().cast(pl.Int64).to_numpy() + start
    column.readable[:] = good


def _read_one_by_one(texts: pl.Series, rows: Ints, wanted: _Wanted, column: Column) -> None:
    zone = ZoneInfo(wanted.zone) if wanted.zone else UTC
    seen = {
        text: spellings.read(text, order=wanted.order, zone=zone, forms=wanted.forms)
        for text in texts.unique().to_list()
    }
    for row, text in zip(rows.tolist(), texts.to_list(), strict=True):
        match seen[text]:
            case int(micros):
                column.micros[row], column.readable[row] = micros, True
            case Doubt():
                column.doubtful[row] = True
            case None:
                pass


def _place(column: Column, local: Bools, zone: str) -> None:
    """Make instants of local times. A local time that the zone skips is none."""
    rows = np.flatnonzero(local)
    times = column.micros[rows]
    column.readable[rows] = False
    rows, times = rows[times < _LAST_RULE], times[times < _LAST_RULE]
    naive = pl.Series(times).cast(pl.Datetime("us"))
    try:
        placed = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.epoch("us")
    except pl.exceptions.PolarsError:
        return  # a zone that polars does not know: its times are read one by one
    good = placed.is_not_null().to_numpy()
    micros = placed.drop_nulls().to_numpy()
    within = (micros >= _EARLIEST) & (micros <= _LATEST)
    column.micros[rows[good]] = micros
    column.readable[rows[good]] = within


# Shapes ---------------------------------------------------------------------------------------------------------------


def _read_shapes(texts: pl.Series, wanted: _Wanted, column: Column) -> Bools:
    """Read what has a shape that many texts have. Answers which of the times read are local."""
    local = np.zeros(len(texts), np.bool_)
    if (texts.str.len_bytes() != texts.str.len_chars()).any():
        texts = texts.str.replace_many(spellings.PLAIN)
    length = texts.str.len_bytes().cast(pl.Int64).to_numpy()
    offset = np.cumsum(length) - length
    octets = np.frombuffer(texts.str.join("")[0].encode(), np.uint8)
    sizes = np.bincount(np.minimum(length, spellings.LONGEST + 1), minlength=spellings.LONGEST + 2)
    for size in np.flatnonzero(sizes[1 : spellings.LONGEST + 1] >= _FEW).tolist():
        rows = np.flatnonzero(length == size + 1)
        fields = sliding_window_view(octets, size + 1)[offset[rows]]
        columns = _LOWER[np.ascontiguousarray(fields.T)]
        for some, found in _of_one_size(columns, wanted):
            at = rows[some]
            column.micros[at], column.readable[at] = found.micros, found.readable
            local[at] = found.readable & found.local
    return local


def _of_one_size(columns: npt.NDArray[np.uint8], wanted: _Wanted) -> Sequence[tuple[Ints, _Read]]:
    """What texts of one length say, by shape: the texts' numbers, and what they say."""
    found: list[tuple[Ints, _Read]] = []
    left = np.arange(columns.shape[1])
    unread = np.ones(columns.shape[1], np.bool_)
    for _ in range(_SHAPES):
        if left.size < _FEW:
            break
        first = columns[:, left[0]]
        classes = _CLASSES[first]
        same = left
        for column, octet in zip(columns, classes.tolist(), strict=True):
            part = column if same.size == column.size else column[same]
            fits = _CLASSES[part] == octet
            same = same if fits.all() else same[fits]
        text = first.tobytes().decode("latin-1")
        shape = _Shape.of(text, wanted) if text.isascii() and spellings.plain(text) == text else None
        verbatim = np.flatnonzero(classes == _LETTER) if shape is None else shape.verbatim(classes)
        for place in verbatim.tolist():
            same = same[columns[place][same] == first[place]]
        if shape is not None:
            found.append((same, shape.read(columns[:, same], wanted)))
        unread[same] = False
        left = left[unread[left]]
    return found


class _Shape(NamedTuple):
    """Where the parts of an instant stand in the texts of one shape."""

    spans: dict[str, Span]
    parts: dict[str, str]
    """Of the one text that was matched."""
    is_number: bool = False

    @classmethod
    def of(cls, text: str, wanted: _Wanted) -> _Shape | None:
        """The shape of a text. None: nothing matches, or what matches is read one by one."""
        if wanted.forms is FORMS and (number := spellings.NUMBER.fullmatch(text)) is not None:
            digits = len(number["whole"])
            seconds = spellings.UNITS.get(digits) == _SECOND
            known = digits in spellings.UNITS or digits == spellings.NANOSECONDS
            if known and not number["exponent"] and (seconds or not number["fraction"]):
                return cls(_spans(number), _parts(number), is_number=True)
            if digits != spellings.BASIC_DATE:
                return None
        found = next((match for form in wanted.forms if (match := form.fullmatch(text)) is not None), None)
        if found is None or found.groupdict().get("week") or found.groupdict().get("ordinal"):
            return None
        return cls(_spans(found), _parts(found))

    def verbatim(self, classes: Octets) -> Ints:
        """Places of letters that have to be those of the matched text."""
        letters = classes == _LETTER
        for name in ("name", "weekday_name"):
            begin, end = self.spans.get(name, (0, 0))
            if end - begin == 3:  # noqa: PLR2004 (the names that _NAMES has)
                letters[begin:end] = False
        return np.flatnonzero(letters)

    def read(self, columns: npt.NDArray[np.uint8], wanted: _Wanted) -> _Read:
        if self.is_number:
            return self._read_number(columns)
        days, valid = self._days(columns, wanted.order)
        clock, good = self._clock(columns)
        valid &= good
        micros = days * _DAY + clock
        valid &= (micros >= _EARLIEST) & (micros <= _LATEST)
        if "sign" in self.parts:
            hours, minutes = self._number(columns, "east"), self._number(columns, "past")
            valid &= (hours <= 23) & (minutes <= 59)  # noqa: PLR2004
            micros -= (hours * 60 + minutes) * _MINUTE * (-1 if self.parts["sign"] == "-" else 1)
        elif "named" in self.parts:
            east = ZONES.get(self.parts["named"].upper())
            valid &= east is not None
            micros -= (east or 0) * _MINUTE
        valid &= (micros >= _EARLIEST) & (micros <= _LATEST)
        return _Read(micros, valid, local="sign" not in self.parts and "named" not in self.parts)

    def _read_number(self, columns: npt.NDArray[np.uint8]) -> _Read:
        begin, end = self.spans["whole"]
        if end - begin == spellings.NANOSECONDS:
            micros = _number(columns[begin : end - 3])
        else:
            micros = _number(columns[begin:end]) * spellings.UNITS[end - begin]
        micros = (micros + self._fraction(columns)) * (-1 if begin else 1)
        return _Read(micros, (micros >= _EARLIEST) & (micros <= _LATEST), local=False)

    def _days(self, columns: npt.NDArray[np.uint8], order: DateOrder | None) -> tuple[Ints, Bools]:
        """Days since 1970, and which texts have a day. A text in doubt has none."""
        valid = np.ones(columns.shape[1], np.bool_)
        year = self._number(columns, "year")
        if len(self.parts["year"]) == 2:  # noqa: PLR2004
            year += np.where(year >= spellings.PIVOT, 1900, 2000)
        if "name" in self.parts:
            month, day = self._named(columns, "name", valid), self._number(columns, "day")
        elif "first" in self.parts:
            first, then = self._number(columns, "first"), self._number(columns, "then")
            month, day = (first, then) if order is DateOrder.MONTH_FIRST else (then, first)
            valid &= order is not None
        else:
            month, day = self._number(columns, "month"), self._number(columns, "day")
        if "weekday_name" in self.parts:
            self._named(columns, "weekday_name", valid)
        valid &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)  # noqa: PLR2004
        leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
        month = np.minimum(month, 12)
        valid &= day <= _MONTH_DAYS[month] + (leap & (month == 2))  # noqa: PLR2004
        months = ((year - 1970) * 12 + month - 1).view("datetime64[M]")
        return months.astype("datetime64[D]").view(np.int64) + day - 1, valid

    def _clock(self, columns: npt.NDArray[np.uint8]) -> tuple[Ints, Bools]:
        """Microseconds since midnight, and which texts have a time of the day."""
        hour, minute, second = (self._number(columns, part) for part in ("hour", "minute", "second"))
        fraction = self._fraction(columns)
        valid = (minute <= 59) & (second <= 59)  # noqa: PLR2004
        if half := self.parts.get("half"):
            noon = 12
            late = hour > noon
            # 22:00 PM says the same twice; 0 PM says nothing.
            valid &= (~late | (half == "p")) & ((hour > 0) | ("minute" in self.parts))
            hour = np.where(late, hour, hour % noon + (noon if half == "p" else 0))
        rest = minute * _MINUTE + second * _SECOND + fraction
        valid &= (hour < 24) | ((hour == 24) & (rest == 0))  # noqa: PLR2004
        return hour * 60 * _MINUTE + rest, valid

    def _number(self, columns: npt.NDArray[np.uint8], part: str) -> Ints:
        begin, end = self.spans.get(part, (0, 0))
        return _number(columns[begin:end])

    def _fraction(self, columns: npt.NDArray[np.uint8]) -> Ints:
        """Microseconds in a fraction of a second; what is smaller is cut off."""
        begin, end = self.spans.get("fraction", (0, 0))
        end = min(end, begin + 6)
        return _number(columns[begin:end]) * 10 ** (6 - (end - begin))

    def _named(self, columns: npt.NDArray[np.uint8], part: str, valid: Bools) -> Ints:
        """The numbers of names; where there is no such name, the text is not valid."""
        begin, end = self.spans[part]
        if end - begin != 3:  # noqa: PLR2004
            return np.full(valid.size, MONTHS.get(self.parts[part], 0), np.int64)  # no month is 0
        numbers = _MONTH_NAMES if part == "name" else _WEEKDAY_NAMES
        packed = _packed(columns[begin:end])
        valid &= numbers[packed] >= 0
        return numbers[packed].astype(np.int64)


def _spans(found: re.Match[str]) -> dict[str, Span]:
    return {name: found.span(name) for name, part in found.groupdict().items() if part}


def _parts(found: re.Match[str]) -> dict[str, str]:
    return {name: part for name, part in found.groupdict().items() if part}


def _number(digits: npt.NDArray[np.uint8]) -> Ints:
    value = np.zeros(digits.shape[1], np.int64)
    for column in digits:
        value = value * 10 + (column - np.uint8(_ZERO))
    return value


def _packed(letters: npt.NDArray[np.uint8]) -> Ints:
    """Three letters as one number below 2 ** 15."""
    value = np.zeros(letters.shape[1], np.int64)
    for column in letters:
        value = value << 5 | (column & np.uint8(31))
    return value


def _table(names: dict[str, int]) -> npt.NDArray[np.int8]:
    """Numbers by packed name; -1: there is no such name."""
    table = np.full(1 << 15, -1, np.int8)
    for name, number in names.items():
        if len(name) == 3 and name.isascii():  # noqa: PLR2004
            table[_packed(np.frombuffer(name.encode(), np.uint8)[:, None])] = number
    return table


_MONTH_NAMES = _table(MONTHS)
_WEEKDAY_NAMES = _table(dict.fromkeys(WEEKDAYS, 0))

"""This module turns timestamps in bytes into microseconds since 1970 UTC, digit by digit in columns.

The result is exact, and the module guesses nothing. These forms are readable:

    YYYY-MM-DD                                                     midnight
    YYYY-MM-DD[T or space]HH:MM[:SS[.f]][Z or ±HH:MM or ±HHMM or ±HH]   no zone: UTC; f: 1-9 digits, cut to microseconds
    [-]9-10 digits[.f]                                             seconds since 1970; f: as above
    [-]13 digits                                                   milliseconds since 1970

Years go from 1 to 9999, also in UTC. Days that do not exist, 24:00 and the leap second :60 are unreadable. Other
numbers of digits are unreadable too, because seconds, milliseconds and years near 1970 look alike.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Ints: TypeAlias = npt.NDArray[np.int64]
Octets: TypeAlias = npt.NDArray[np.uint8]
Bools: TypeAlias = npt.NDArray[np.bool_]

LONGEST = 35  # 2024-05-01T12:30:00.123456789+05:30
_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_SECOND = 1_000_000
_UNIX_UNITS = {9: _SECOND, 10: _SECOND, 13: 1_000}
_SHORTEST = 9
_DATE, _TO_MINUTE, _TO_SECOND, _SHORTEST_FRACTION, _LONGEST_FRACTION = 10, 16, 19, 21, 29


class Instants(NamedTuple):
    micros: Ints
    readable: Bools


class _Fields:
    """Fields of one size, as columns of bytes; remembers which of them kept to the pattern so far."""

    def __init__(self, columns: list[Octets], valid: Bools) -> None:
        self.columns = columns
        self.valid = valid

    def expect(self, at: int, allowed: bytes) -> None:
        column = self.columns[at]
        found = column == allowed[0]
        for byte in allowed[1:]:
            found |= column == byte
        self.valid &= found

    def number(self, begin: int, end: int, lowest: int, highest: int) -> Ints:
        """The digits from `begin` to before `end`."""
        value = np.zeros(self.valid.size, np.int64)
        for at in range(begin, end):
            digit = self.columns[at] - np.uint8(ord("0"))  # Wraps, so anything else is above 9.
            self.valid &= digit <= 9  # noqa: PLR2004
            value = value * 10 + digit
        self.valid &= (value >= lowest) & (value <= highest)
        return value


def read_instants(octets: Octets, offset: Ints, length: Ints) -> Instants:
    """The timestamps at the given offsets. `micros` means nothing where it is not `readable`."""
    micros = np.zeros(offset.size, np.int64)
    readable = np.zeros(offset.size, np.bool_)
    sizes = np.flatnonzero(np.bincount(np.minimum(length, LONGEST + 1), minlength=LONGEST + 2)[: LONGEST + 1])
    for size in sizes.tolist():
        rows = np.flatnonzero(length == size)
        # All bytes of a field at once, then the columns: a fetch for each column would jump through the data each time.
        fields = sliding_window_view(octets, size)[offset[rows]] if size else np.empty((rows.size, 0), np.uint8)
        columns = list(np.ascontiguousarray(fields.T))
        micros[rows], readable[rows] = _read_same_size(columns, rows.size)
    return Instants(micros, readable)


def _read_same_size(columns: list[Octets], count: int) -> Instants:
    micros = np.zeros(count, np.int64)
    readable = np.zeros(count, np.bool_)
    if len(columns) < _SHORTEST:
        return Instants(micros, readable)
    dated = columns[4] == ord("-")
    for is_dated, read in ((True, _read_calendar), (False, _read_unix)):
        rows = np.flatnonzero(dated == is_dated)
        if rows.size:
            micros[rows], readable[rows] = read(_of(columns, rows, count), rows.size)
    return Instants(micros, readable)


def _of(columns: list[Octets], rows: Ints, count: int) -> list[Octets]:
    return columns if rows.size == count else [column[rows] for column in columns]


def _read_calendar(columns: list[Octets], count: int) -> Instants:
    if len(columns) == _DATE:
        fields = _Fields(columns, np.ones(count, np.bool_))
        return Instants(_date(fields), fields.valid)
    micros = np.zeros(count, np.int64)
    readable = np.zeros(count, np.bool_)
    if len(columns) < _TO_MINUTE:
        return Instants(micros, readable)
    zones = _zone_sizes(columns, count)
    for zone in np.unique(zones).tolist():
        rows = np.flatnonzero(zones == zone)
        micros[rows], readable[rows] = _read_zoned(_of(columns, rows, count), zone, rows.size)
    return Instants(micros, readable)


def _read_unix(columns: list[Octets], count: int) -> Instants:
    """Of the forms that have this size, no two fit the same field."""
    micros = np.zeros(count, np.int64)
    readable = np.zeros(count, np.bool_)
    for sign in (0, 1):
        for digits, unit in _UNIX_UNITS.items():
            rest = len(columns) - sign - digits
            if rest == 0 or (unit == _SECOND and 1 < rest <= _LONGEST_FRACTION - _TO_SECOND):
                part = _read_number(columns, count, sign, sign + digits, unit)
                micros = np.where(part.readable, part.micros, micros)
                readable |= part.readable
    return Instants(micros, readable)


def _read_number(columns: list[Octets], count: int, begin: int, end: int, unit: int) -> Instants:
    """Digits from `begin` to before `end`, behind a minus sign if `begin` is 1; then a fraction, if there is more."""
    fields = _Fields(columns, np.ones(count, np.bool_))
    if begin:
        fields.expect(0, b"-")
    micros = fields.number(begin, end, 0, 10**13) * unit
    if end < len(columns):
        fields.expect(end, b".")
        micros += _fraction(fields, end + 1, len(columns))
    return Instants(-micros if begin else micros, fields.valid)


def _zone_sizes(columns: list[Octets], count: int) -> npt.NDArray[np.int64]:
    """How many bytes at the end of each field name its zone."""
    sizes = np.zeros(count, np.int64)
    for size in (3, 5, 6):
        sign = columns[-size]
        marked = (sign == ord("+")) | (sign == ord("-"))
        sizes[marked & (columns[-3] == ord(":")) if size == 6 else marked] = size  # noqa: PLR2004
    sizes[columns[-1] == ord("Z")] = 1
    return sizes


def _read_zoned(columns: list[Octets], zone: int, count: int) -> Instants:
    fields = _Fields(columns, np.ones(count, np.bool_))
    end = len(columns) - zone
    if end not in (_TO_MINUTE, _TO_SECOND) and not _SHORTEST_FRACTION <= end <= _LONGEST_FRACTION:
        return Instants(np.zeros(count, np.int64), np.zeros(count, np.bool_))
    micros = _date(fields) + _time(fields, end)
    if zone > 1:
        hours = fields.number(end + 1, end + 3, 0, 23)
        minutes = fields.number(len(columns) - 2, len(columns), 0, 59) if zone > 3 else 0  # noqa: PLR2004
        shift = (hours * 60 + minutes) * 60_000_000
        micros -= np.where(columns[end] == ord("-"), -shift, shift)
        fields.valid &= (micros >= _EARLIEST) & (micros <= _LATEST)
    return Instants(micros, fields.valid)


def _date(fields: _Fields) -> Ints:
    """Microseconds to the midnight on which the day starts."""
    year = fields.number(0, 4, 1, 9999)
    fields.expect(4, b"-")
    month = fields.number(5, 7, 1, 12)
    fields.expect(7, b"-")
    day = fields.number(8, 10, 1, 31)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    fields.valid &= day <= _MONTH_DAYS[np.minimum(month, 12)] + (leap & (month == 2))  # noqa: PLR2004
    months = ((year - 1970) * 12 + month - 1).view("datetime64[M]")
    return (months.astype("datetime64[D]").view(np.int64) + day - 1) * 86_400_000_000


def _time(fields: _Fields, end: int) -> Ints:
    """Microseconds since midnight, from the separator behind the date to before `end`."""
    fields.expect(10, b"T ")
    seconds = fields.number(11, 13, 0, 23) * 3600
    fields.expect(13, b":")
    seconds += fields.number(14, 16, 0, 59) * 60
    if end == _TO_MINUTE:
        return seconds * 1_000_000
    fields.expect(16, b":")
    seconds += fields.number(17, 19, 0, 59)
    if end == _TO_SECOND:
        return seconds * 1_000_000
    fields.expect(19, b".")
    return seconds * 1_000_000 + _fraction(fields, 20, end)


def _fraction(fields: _Fields, begin: int, end: int) -> Ints:
    """Microseconds in the digits of a fraction of a second; what is smaller is cut off."""
    fraction = fields.number(begin, end, 0, 10**9)
    digits = end - begin
    return fraction * 10 ** (6 - digits) if digits <= 6 else fraction // 10 ** (digits - 6)  # noqa: PLR2004

"""Spellings of an instant that instants.py does not read in columns: read one by one, exactly, nothing guessed. Pure.

    2024-1-5, 2024/01/05, 20240105, 2024-W01-5, 2024-005    dates, year first; the time follows T, a space, a comma or @
    5 Jan 2024, Jan 5, 2024, 5-Jan-24, Fri Jan 5 … 2024         dates with the month's English name
    05/01/2024, 5.1.24, 05-01-2024                              dates in digits, if the order of day and month is known
    10, 10:30, 10:30:05.123, 103005, 10:30 PM, 24:00            times
    Z, UTC, GMT+1, +01:00, −0500, CEST                          zones; a zone's name counts where it has one meaning
    1704103200, 1704103200.5, 1.7041032E9                       seconds since 1970 (9 or 10 digits before the point)
    13, 16 or 19 digits                                         milli-, micro- or nanoseconds since 1970

An instant without a zone is in the zone of the file (`timezone`), or in UTC. Sources: ISO 8601-1:2019; RFC 2822, 3.3;
POSIX for years of two digits (69 to 99: 19xx); the IANA time zone database, release 2026, for names of zones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from app.posts.options import DateOrder

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MIDNIGHT_AFTER, _NOON = 24, 12
_PIVOT = 69
_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
LONGEST = 80
"""Characters of a spelling; a longer text is no instant."""


class Doubt(StrEnum):
    """Why a text that may be an instant is not read: it has two meanings."""

    DATE_ORDER = "date-order"
    """Day or month may come first, and nothing in the file says which does."""
    ZONE = "zone"
    """The zone's name has several meanings."""


ZONES = {
    "UTC": 0, "UT": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180,
    "EST": -300, "EDT": -240, "MDT": -360, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600, "NDT": -150,
    "JST": 540, "HKT": 480, "PKT": 300, "WIB": 420, "SAST": 120, "CAT": 120, "EAT": 180, "WAT": 60,
    "AEST": 600, "AEDT": 660, "ACST": 570, "ACDT": 630, "AWST": 480, "NZST": 720, "NZDT": 780,
}  # fmt: skip
"""Minutes east of UTC of names that every zone of the IANA database has used for one offset since 2000, without those
that people also use for something else (AST, BST, GST, SST)."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"), 1)
    for name in names.split()
}  # fmt: skip
_DAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_NAME = r"(?P<name>[a-z]{3,9})\.?"
_TIME = (
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?"
)
_BASIC_TIME = r"(?P<hour>\d{2})(?:(?P<minute>\d{2})(?:(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?(?P<half>)"
_ZONE = (
    r"(?:\s*(?:(?P<zone>z|utc|gmt|ut)?\s*(?P<sign>[+-])(?P<east>\d{1,2})(?::?(?P<past>\d{2}))?|(?P<named>[a-z]{1,5})))?"
    r"(?:\s*\([a-z0-9 :+.-]+\))?"
)
_BEHIND = r"(?:(?:\s*[t@,]\s*|\s+(?:at\s+|@\s*)?)"


def _forms(*dates: str, time: str = _TIME) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(f"{_DAY}{each}{_BEHIND}{time}{_ZONE})?", re.IGNORECASE | re.ASCII) for each in dates)


_FORMS = (
    *_forms(
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<year>\d{4})-?w(?P<week>\d{2})-?(?P<weekday>[1-7])",
        r"(?P<year>\d{4})-(?P<ordinal>\d{3})",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s.-]*{_NAME}[\s,.-]*(?P<year>\d{{4}}|\d{{2}})",
        rf"{_NAME}\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})",
        r"(?P<first>\d{1,2})(?P<mark>[/.-])(?P<then>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})",
    ),
    *_forms(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})", time=_BASIC_TIME),
    # The C library's order, with the year behind the time: Twitter's, and Java's Date.
    re.compile(rf"{_DAY}{_NAME}\s+(?P<day>\d{{1,2}})\s+{_TIME}{_ZONE}\s+(?P<year>\d{{4}})", re.IGNORECASE | re.ASCII),
)
_NUMBER = re.compile(r"-?(?P<whole>\d+)(?:\.\d{1,9})?(?:[eE]\+?\d{1,2})?", re.ASCII)
_UNITS = {9: 1_000_000, 10: 1_000_000, 13: 1_000, 16: 1}
_NANOSECONDS = 19
_ODD = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " "})


def read(text: str, *, order: DateOrder | None = None, zone: tzinfo = UTC) -> int | Doubt | None:
    """Microseconds since 1970 UTC; a Doubt where the text has two meanings; None where it is no instant."""
    text = " ".join(text.translate(_ODD).split())
    if not text or len(text) > LONGEST:
        return None
    if (number := _NUMBER.fullmatch(text)) is not None:
        micros = _of_number(text, number)
        if micros is not None or len(number["whole"]) != 8:  # noqa: PLR2004 (20240105 is a date)
            return micros
    for form in _FORMS:
        if (found := form.fullmatch(text)) is not None and (read := _instant(found, order, zone)) is not None:
            return read
    return None


def show(micros: int) -> str:
    """An instant as ISO 8601 has it, UTC."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def order_of(text: str) -> DateOrder | None:
    """The order of day and month that a spelling proves: 31/12/2023 can only be read one way. None: it proves none."""
    readings = {order: read(text, order=order) for order in DateOrder}
    possible = [order for order, found in readings.items() if isinstance(found, int)]
    both_same = len(possible) == len(readings) and len(set(readings.values())) == 1
    return possible[0] if len(possible) == 1 and not both_same else None


def _of_number(text: str, number: re.Match[str]) -> int | None:
    try:
        value = Decimal(text)
    except InvalidOperation:  # pragma: no cover (the pattern lets no such text through)
        return None
    digits = len(str(abs(int(value)))) if "e" in text.lower() else len(number["whole"])
    if digits == _NANOSECONDS:
        micros = value / 1000
    elif digits in _UNITS:
        micros = value * _UNITS[digits]
    else:
        return None
    whole = int(micros.to_integral_value("ROUND_DOWN" if micros >= 0 else "ROUND_FLOOR"))
    return whole if _within(whole) else None


def _instant(found: re.Match[str], order: DateOrder | None, zone: tzinfo) -> int | Doubt | None:
    parts = found.groupdict()
    try:
        day = _date(parts, order)
        if not isinstance(day, date):
            return day
        clock = _time(parts)
        shift = _shift(parts)
        if clock is None or isinstance(shift, Doubt):
            return shift if isinstance(shift, Doubt) else None
        naive = datetime(day.year, day.month, day.day) + clock  # noqa: DTZ001 (its zone follows)
        aware = naive.replace(tzinfo=zone if shift is None else timezone(shift))
        if shift is None and aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != naive:
            return None  # the clocks of the zone were put forward over it
        micros = (aware - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None
    return micros if _within(micros) else None


def _date(parts: dict[str, str | None], order: DateOrder | None) -> date | Doubt | None:
    text = parts["year"] or ""
    year = int(text) if len(text) == 4 else int(text) + (1900 if int(text) >= _PIVOT else 2000)  # noqa: PLR2004
    if parts.get("week"):
        return date.fromisocalendar(year, int(parts["week"] or 0), int(parts["weekday"] or 0))
    if parts.get("ordinal"):
        day = date(year, 1, 1) + timedelta(days=int(parts["ordinal"] or 0) - 1)
        return day if day.year == year and parts["ordinal"] != "000" else None
    if parts.get("name"):
        month = _MONTHS.get((parts["name"] or "").lower())
        return date(year, month, int(parts["day"] or 0)) if month else None
    if parts.get("first"):
        return _in_order(year, int(parts["first"] or 0), int(parts["then"] or 0), order)
    return date(year, int(parts["month"] or 0), int(parts["day"] or 0))


def _in_order(year: int, first: int, then: int, order: DateOrder | None) -> date | Doubt:
    """Raises ValueError where neither order, or not the order that is known, makes a date."""
    match order:
        case DateOrder.DAY_FIRST:
            return date(year, then, first)
        case DateOrder.MONTH_FIRST:
            return date(year, first, then)
        case None:
            if first > 12 or then > 12 or first == then:  # noqa: PLR2004
                return date(year, min(first, then), max(first, then))
            return Doubt.DATE_ORDER


def _time(parts: dict[str, str | None]) -> timedelta | None:
    if parts.get("hour") is None:
        return timedelta()
    hour, minute, second = (int(parts[part] or 0) for part in ("hour", "minute", "second"))
    micros = int((parts["fraction"] or "0").ljust(6, "0")[:6])
    if half := parts["half"]:
        if hour > _NOON or (hour == 0 and parts["minute"] is None):
            # 22:00 PM says the same twice; 0 PM says nothing.
            hour = hour if half.lower() == "p" and hour > _NOON else -1
        else:
            hour = hour % _NOON + (_NOON if half.lower() == "p" else 0)
    if hour < 0 or hour > _MIDNIGHT_AFTER or minute > 59 or second > 59:  # noqa: PLR2004
        return None
    if hour == _MIDNIGHT_AFTER and (minute or second or micros):
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros)


def _shift(parts: dict[str, str | None]) -> timedelta | Doubt | None:
    """East of UTC. None: no zone is named. Raises ValueError for an offset that no zone has."""
    if sign := parts.get("sign"):
        hours, minutes = int(parts["east"] or 0), int(parts["past"] or 0)
        if hours > 23 or minutes > 59:  # noqa: PLR2004
            raise ValueError("no zone is so far from UTC")
        shift = timedelta(hours=hours, minutes=minutes)
        return -shift if sign == "-" else shift
    if (named := parts.get("named")) is None:
        return None
    known = ZONES.get(named.upper())
    return Doubt.ZONE if known is None else timedelta(minutes=known)


def _within(micros: int) -> bool:
    return _EARLIEST <= micros <= _LATEST


# Whole columns --------------------------------------------------------------------------------------------------------

EXCEL = "excel"
"""The format of serial numbers of days, as spreadsheets keep instants."""
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_EXCEL_DAYS = 2_958_466
"""The first serial number behind the year 9999."""

_ZONED = (
    "%a %b %d %H:%M:%S %z %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S UTC",
    "%Y-%m-%dT%H:%M:%S%.f%z",
)
_NAMED = " UTC"
"""The end of a format that names its zone in letters."""
_NAIVE = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d %b %Y %H:%M:%S", "%b %d, %Y @ %H:%M:%S%.f")
_ORDERED = {
    DateOrder.DAY_FIRST: ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y"),
    DateOrder.MONTH_FIRST: (
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %H:%M",
        "%m/%d/%y %I:%M %p",
        "%m/%d/%Y %I:%M:%S %p",
        "%m/%d/%Y",
    ),
}
"""Spellings that whole files have. polars reads them a hundred times as fast as `read`, and to the same instants."""


class Known(NamedTuple):
    """What is known of all instants of a file."""

    order: DateOrder | None = None
    zone: str | None = None
    """A name of the IANA database: where instants are that name no zone. None: UTC."""
    format: str | None = None
    """The one format of all instants, in the words of strptime, or EXCEL. None: any spelling."""


class Column(NamedTuple):
    """The instants of a column: `micros` means nothing where it is not `readable`."""

    micros: npt.NDArray[np.int64]
    readable: npt.NDArray[np.bool_]
    doubtful: npt.NDArray[np.bool_]
    """Not readable, since the text has two meanings."""


def read_column(texts: pl.Series, known: Known) -> Column:
    """The instants in texts, all by what is known of the file."""
    stripped = texts.str.strip_chars()
    micros = np.zeros(len(texts), np.int64)
    readable = np.zeros(len(texts), np.bool_)
    doubtful = np.zeros(len(texts), np.bool_)
    if known.format is not None:
        _fill(_formatted(stripped, known.format, known.zone), micros, readable)
        return Column(micros, readable, doubtful)
    for each in _candidates(known):
        left = np.flatnonzero(~readable)
        if not left.size:
            break
        sample = stripped.gather(left[:1])
        if _formatted(sample, each, known.zone).null_count():
            continue  # it is not the spelling of the file's other rows
        part = stripped.gather(left)
        _fill(_formatted(part, each, known.zone), micros, readable, left)
    left = np.flatnonzero(~readable)
    if left.size:
        _one_by_one(stripped.gather(left), left, known, Column(micros, readable, doubtful))
    return Column(micros, readable, doubtful)


def _candidates(known: Known) -> Iterable[str]:
    return (*_ZONED, *_NAIVE, *(_ORDERED[known.order] if known.order else ()))


def _formatted(texts: pl.Series, form: str, zone: str | None) -> pl.Series:
    """Microseconds since 1970 UTC; null where a text does not fit the format."""
    if form == EXCEL:
        days = texts.cast(pl.Float64, strict=False)
        days = days.set(~days.is_between(0, _EXCEL_DAYS, closed="left").fill_null(value=False), None)
        start = (_EXCEL_EPOCH - _EPOCH) // _MICROSECOND
        return (days * 86_400_000_000).round().cast(pl.Int64) + start
    plain = texts.set(texts.str.contains(":60", literal=True), None)  # no leap seconds
    try:
        found = plain.str.to_datetime(form, time_unit="us", strict=False, ambiguous="earliest")
    except pl.exceptions.PolarsError:
        return pl.Series([None] * len(texts), dtype=pl.Int64)
    if not isinstance(found.dtype, pl.Datetime) or found.dtype.time_zone is None:
        named = None if form.endswith(_NAMED) else zone
        found = found.dt.replace_time_zone(named or "UTC", ambiguous="earliest", non_existent="null")
    micros = found.dt.epoch("us")
    return micros.set(~micros.is_between(_EARLIEST, _LATEST).fill_null(value=False), None)


def _fill(
    found: pl.Series,
    micros: npt.NDArray[np.int64],
    readable: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.int64] | None = None,
) -> None:
    good = found.is_not_null().to_numpy()
    at = np.flatnonzero(good) if rows is None else rows[good]
    micros[at] = found.drop_nulls().to_numpy()
    readable[at] = True


def _one_by_one(texts: pl.Series, rows: npt.NDArray[np.int64], known: Known, column: Column) -> None:
    zone = ZoneInfo(known.zone) if known.zone else UTC
    seen = {text: read(text, order=known.order, zone=zone) for text in texts.unique().to_list()}
    for row, text in zip(rows.tolist(), texts.to_list(), strict=True):
        match seen[text]:
            case int(micros):
                column.micros[row], column.readable[row] = micros, True
            case Doubt():
                column.doubtful[row] = True
            case None:
                pass

"""Spellings of an instant that instants.py does not read: what each of them means, exactly, nothing guessed. Pure.

    2024-1-5, 2024/01/05, 20240105, 2024-W01-5, 2024-005    dates, year first; the time follows T, a space, , or @
    5 Jan 2024, Jan 5, 2024, 5-Jan-24, Fri Jan 5 … 2024         dates with a name of MONTHS
    05/01/2024, 5.1.24, 05-01-2024                              dates in digits, if the order of day and month is known
    10, 10:30, 10:30:05.123, 103005, 10:30 PM, 24:00            times
    Z, UTC, GMT+1, +01:00, −0500, CEST                          zones; a zone's name counts where it has one meaning
    1704103200, 1704103200.5, 1.7041032E9                       seconds since 1970 (9 or 10 digits before the point)
    13, 16 or 19 digits                                         milli-, micro- or nanoseconds since 1970

An instant without a zone is in the zone of the file (`timezone`), or in UTC. Where clocks are put back, a local time
comes twice: the first of the two is meant. Where clocks are put forward, the local times between are no instants, and
neither is a leap second (:60). What is smaller than a microsecond is cut off.

This module reads one text; instant_columns.py reads columns of them, to the same instants. Sources: ISO 8601-1:2019;
RFC 2822, 3.3; POSIX for years of two digits (69 to 99: 19xx); the IANA time zone database, release 2026, for names of
zones; Unicode's CLDR for names of months and days.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import NamedTuple

from app.posts.options import DateOrder

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MIDNIGHT_AFTER, _NOON = 24, 12
PIVOT = 69
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

MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january januar janner jaenner janv janvier ene enero gen gennaio janeiro januari",
         "feb february februar feber fev fevr fevrier febrero febbraio fevereiro februari",
         "mar march marz maerz mrz mars marzo marco mrt maart marts",
         "apr april avr avril abr abril aprile",
         "may mai mayo mag maggio maio mei maj",
         "jun june juni juin junio giu giugno junho",
         "jul july juli juil juillet julio lug luglio julho",
         "aug august aout ago agosto augustus augusti",
         "sep sept september septembre septiembre set settembre setembro",
         "oct october okt oktober octobre octubre ott ottobre out outubro",
         "nov november novembre noviembre novembro",
         "dec december dez dezember decembre dic diciembre dicembre dezembro des desember"), 1)
    for name in names.split()
}  # fmt: skip
"""English, German, French, Spanish, Italian, Portuguese, Dutch and Scandinavian names without accents. None is the name
of two months."""
_WEEKDAYS = (
    "mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun sunday "
    "mo montag di dienstag mi mittwoch do donnerstag fr freitag sa samstag sonnabend so sonntag "
    "lun lundi mar mardi mer mercredi jeu jeudi ven vendredi sam samedi dim dimanche "
    "lunes martes mie miercoles jue jueves vie viernes sab sabado dom domingo "
    "lunedi martedi mercoledi gio giovedi venerdi sabato domenica seg segunda ter terca qua quarta qui quinta "
    "sex sexta ma maandag dinsdag wo woensdag donderdag vr vrijdag za zaterdag zo zondag "
    "man mandag tir tirsdag tis tisdag ons onsdag tor torsdag fredag lor lordag son sondag"
)
WEEKDAYS = frozenset(_WEEKDAYS.split())
"""Names of the days of the week in the same languages. What they say is not checked."""
_DAY = rf"(?:(?P<weekday_name>{'|'.join(sorted(WEEKDAYS))})\.?,?\s+)?"
_NAME = r"(?P<name>[a-z]{3,10})\.?"
_TIME = (
    r"(?P<hour>\d{1,2})(?:[:h](?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?|\s+uhr)?"
)
_BASIC_TIME = r"(?P<hour>\d{2})(?:(?P<minute>\d{2})(?:(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?(?P<half>)"
_ZONE = (
    r"(?:\s*(?:(?P<zone>z|utc|gmt|ut)?\s*(?P<sign>[+-])(?P<east>\d{1,2})(?::?(?P<past>\d{2}))?|(?P<named>[a-z]{1,5})))?"
    r"(?:\s*\([a-z0-9 :+.-]+\))?"
)
_BEHIND = r"(?:(?:\s*[t@,]\s*|,?\s+(?:(?:at|um|a las|as|a|alle|om|kl\.?)\s+|@\s*)?)"


def _forms(*dates: str, time: str = _TIME) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(f"{_DAY}{each}{_BEHIND}{time}{_ZONE})?", re.IGNORECASE | re.ASCII) for each in dates)


FORMS = (
    *_forms(
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<year>\d{4})-?w(?P<week>\d{2})-?(?P<weekday>[1-7])",
        r"(?P<year>\d{4})-(?P<ordinal>\d{3})",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|°)?[\s.-]*(?:de\s+)?{_NAME}(?:\s+de\s+|[\s,.-]*)(?P<year>\d{{4}}|\d{{2}})",
        rf"(?P<year>\d{{4}})[\s.-]*{_NAME}[\s.-]*(?P<day>\d{{1,2}})",
        r"(?P<year>\d{4})年\s?(?P<month>\d{1,2})月\s?(?P<day>\d{1,2})日",
        rf"{_NAME}\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})",
        r"(?P<first>\d{1,2})(?P<mark>[/.-])(?P<then>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})",
    ),
    *_forms(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})", time=_BASIC_TIME),
    # The C library's order, with the year behind the time: Twitter's, and Java's Date.
    re.compile(rf"{_DAY}{_NAME}\s+(?P<day>\d{{1,2}})\s+{_TIME}{_ZONE}\s+(?P<year>\d{{4}})", re.IGNORECASE | re.ASCII),
)
NUMBER = re.compile(r"-?(?P<whole>\d+)(?:\.(?P<fraction>\d{1,9}))?(?P<exponent>e\+?\d{1,2})?", re.ASCII)
UNITS = {9: 1_000_000, 10: 1_000_000, 13: 1_000, 16: 1}
"""Microseconds in one, by the digits before the point."""
NANOSECONDS = 19
BASIC_DATE = 8
PLAIN = {
    "−": "-", "–": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    "á": "a", "à": "a", "â": "a", "ä": "a", "å": "a", "ç": "c", "é": "e", "è": "e", "í": "i", "ì": "i",
    "ö": "o", "ø": "o", "ú": "u", "û": "u", "Ä": "a", "É": "e",
}  # fmt: skip
"""Signs and letters that count as others."""
_PLAIN = str.maketrans(PLAIN)


def read(
    text: str,
    *,
    order: DateOrder | None = None,
    zone: tzinfo = UTC,
    forms: Sequence[re.Pattern[str]] = FORMS,
) -> int | Doubt | None:
    """Microseconds since 1970 UTC; a Doubt where the text has two meanings; None where it is no instant.

    `forms`: other patterns with the same groups, where FORMS and numbers do not count.
    """
    text = plain(text)
    if not text or len(text) > LONGEST:
        return None
    if forms is FORMS and (number := NUMBER.fullmatch(text)) is not None:
        micros = _of_number(text, number)
        if micros is not None or len(number["whole"]) != BASIC_DATE:
            return micros
    for form in forms:
        if (found := form.fullmatch(text)) is not None and (read := _instant(found, order, zone)) is not None:
            return read
    return None


def plain(text: str) -> str:
    """The text as the patterns want it: in lower case, with plain spaces and signs."""
    return " ".join(text.translate(_PLAIN).lower().split())


def show(micros: int) -> str:
    """An instant as ISO 8601 has it, UTC."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def order_of(text: str) -> DateOrder | None:
    """The order of day and month that a spelling proves: 31/12/2023 can only be read one way. None: it proves none."""
    if not isinstance(read(text), int):
        return None
    possible = [order for order in DateOrder if isinstance(read(text, order=order), int)]
    return possible[0] if len(possible) == 1 else None


def _of_number(text: str, number: re.Match[str]) -> int | None:
    try:
        value = Decimal(text)
    except InvalidOperation:  # pragma: no cover (the pattern lets no such text through)
        return None
    digits = len(str(abs(int(value)))) if number["exponent"] else len(number["whole"])
    if digits == NANOSECONDS:
        micros = value / 1000
    elif digits in UNITS:
        micros = value * UNITS[digits]
    else:
        return None
    return int(micros.to_integral_value("ROUND_DOWN"))


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
    year = int(text) if len(text) == 4 else int(text) + (1900 if int(text) >= PIVOT else 2000)  # noqa: PLR2004
    if parts.get("week"):
        return date.fromisocalendar(year, int(parts["week"] or 0), int(parts["weekday"] or 0))
    if parts.get("ordinal"):
        day = date(year, 1, 1) + timedelta(days=int(parts["ordinal"] or 0) - 1)
        return day if day.year == year else None
    if parts.get("name"):
        month = MONTHS.get(parts["name"] or "")
        return date(year, month, int(parts["day"] or 0)) if month else None
    if parts.get("first"):
        first, then = int(parts["first"] or 0), int(parts["then"] or 0)
        if order is None and parts["mark"] == "-" and len(text) == 2 and then <= 12 and 1 <= int(text) <= 31:  # noqa: PLR2004
            return Doubt.DATE_ORDER  # 24-01-05 may begin with its year
        return _in_order(year, first, then, order)
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
    hour, minute, second = (int(parts.get(part) or 0) for part in ("hour", "minute", "second"))
    micros = int((parts.get("fraction") or "0").ljust(6, "0")[:6])
    if half := parts.get("half"):
        if hour > _NOON or (hour == 0 and parts.get("minute") is None):
            # 22:00 PM says the same twice; 0 PM says nothing.
            hour = hour if half == "p" and hour > _NOON else -1
        else:
            hour = hour % _NOON + (_NOON if half == "p" else 0)
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


EXCEL = "excel"
"""The format of serial numbers of days, as spreadsheets keep instants."""


class Known(NamedTuple):
    """What is known of all instants of a file."""

    order: DateOrder | None = None
    zone: str | None = None
    """A name of the IANA database: where instants are that name no zone. None: UTC."""
    format: str | None = None
    """The one format of all instants, in the words of strptime, or EXCEL. None: any spelling."""

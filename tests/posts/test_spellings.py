"""Spellings of an instant: what is read, what has two meanings, what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.posts.instant_columns import read_column
from app.posts.spellings import EXCEL, ZONES, DateOrder, Doubt, Known, order_of, read

TEN = "2024-01-01T10:00:00"
FACTS = [
    ("2024-01-01T10:00:00+0000", TEN),
    ("2024-01-01 10:00:00 UTC", TEN),
    ("20240101T100000Z", TEN),
    ("2024-01-01T10Z", TEN),
    ("2024-1-1 9:05", "2024-01-01T09:05:00"),
    ("2024/01/01 10:00", TEN),
    ("2024.01.01 10:00", TEN),
    ("2024-01-01T24:00:00", "2024-01-02T00:00:00"),
    ("2024-01-01 10:00 PM", "2024-01-01T22:00:00"),
    ("2024-01-01 12:00 AM", "2024-01-01T00:00:00"),
    ("2024-01-01T10:00:00\N{MINUS SIGN}05:00", "2024-01-01T15:00:00"),
    ("2024-01-01 10:00:00 CEST", "2024-01-01T08:00:00"),
    ("2023-W52-7", "2023-12-31T00:00:00"),
    ("2024-060", "2024-02-29T00:00:00"),
    ("20240105", "2024-01-05T00:00:00"),
    ("Wed, 10 Oct 2018 20:19:24 GMT", "2018-10-10T20:19:24"),
    ("Wed Oct 10 20:19:24 +0000 2018", "2018-10-10T20:19:24"),
    ("Mon Apr 06 22:19:45 PDT 2009", "2009-04-07T05:19:45"),
    ("Mon Jan 01 2024 10:00:00 GMT+0100 (Central European Standard Time)", "2024-01-01T09:00:00"),
    ("Jan 1, 2024 @ 10:00:00.000", TEN),
    ("1-Jan-24", "2024-01-01T00:00:00"),
    ("1-Jan-70", "1970-01-01T00:00:00"),
    ("31/12/2023 14:05", "2023-12-31T14:05:00"),
    ("12/31/23 2:05 PM", "2023-12-31T14:05:00"),
    ("1704103200", TEN),
    ("1704103200.0", TEN),
    ("1.7041032E9", TEN),
    ("1704103200000", TEN),
    ("1704103200000000", TEN),
    ("1704103200000000000", TEN),
]


def instant(micros: int | Doubt | None) -> str | Doubt | None:
    if not isinstance(micros, int):
        return micros
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat().removesuffix("+00:00")


@pytest.mark.parametrize(("text", "expected"), FACTS)
def test_a_spelling_with_one_meaning_is_read(text: str, expected: str) -> None:
    assert instant(read(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "0", "45292.5", "2024-02-30", "Feb 30, 2024", "2024-W54-1", "2024-000", "2023-366", "10 PM",
     "2024-01-01 13:00 AM",
     "2024-01-01 25:00", "24:00:01", "2024-13-01", "99999999", "May 2024",
     "2024-01-01 10:00 +24", "2024-01-01 10:00 " + "x" * 100],
)  # fmt: skip
def test_what_is_no_instant_is_not_read(text: str) -> None:
    assert read(text) is None


def test_two_meanings_are_told_from_none() -> None:
    assert read("01.02.2024 10:00") is Doubt.DATE_ORDER
    assert read("2024-01-01 10:00 CST") is Doubt.ZONE
    assert instant(read("01.02.2024 10:00", order=DateOrder.DAY_FIRST)) == "2024-02-01T10:00:00"
    assert instant(read("01.02.2024 10:00", order=DateOrder.MONTH_FIRST)) == "2024-01-02T10:00:00"


@pytest.mark.parametrize(
    ("text", "proved"),
    [("31/12/2023", DateOrder.DAY_FIRST), ("12/31/23 2:05 PM", DateOrder.MONTH_FIRST), ("1/2/2024", None),
     ("5/5/2024", None), ("2024-01-31", None), ("no date", None)],
)  # fmt: skip
def test_one_spelling_may_prove_the_order_of_a_file(text: str, proved: DateOrder | None) -> None:
    assert order_of(text) is proved


def test_the_zone_of_the_file_holds_where_none_is_named() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert instant(read("2024-07-01 12:00", zone=berlin)) == "2024-07-01T10:00:00"
    assert instant(read("2024-07-01 12:00 UTC", zone=berlin)) == "2024-07-01T12:00:00"
    assert read("2024-03-31 02:30", zone=berlin) is None  # the clocks skipped it


INSTANTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS, st.sampled_from(list(ZONES)))
def test_every_named_zone_is_its_offset(at: datetime, name: str) -> None:
    shown = (at + timedelta(minutes=ZONES[name])).replace(tzinfo=None).isoformat(" ")
    assert read(f"{shown} {name}") == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@given(INSTANTS.filter(lambda at: at.year >= 1900))
def test_what_mail_writes_is_read(at: datetime) -> None:
    whole = at.replace(microsecond=0)
    assert instant(read(format_datetime(whole))) == whole.replace(tzinfo=None).isoformat()


@given(st.text(alphabet="0123456789-/.: TZapmJnW+", max_size=30))
def test_whatever_is_read_is_an_instant(text: str) -> None:
    found = read(text)
    assert found is None or isinstance(found, Doubt) or -62_135_596_800_000_000 <= found <= 253_402_300_799_999_999


SHAPES = [
    "%a %b %d %H:%M:%S +0000 %Y", "%a, %d %b %Y %H:%M:%S +0100", "%Y-%m-%d %H:%M:%S -0530", "%Y-%m-%d %H:%M:%S UTC",
    "%Y/%m/%d %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%y %I:%M %p", "%d.%m.%Y %H:%M",
    "%Y-%m-%dT%H:%M:%SZ",
]  # fmt: skip


@given(
    instants=st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31)), min_size=1, max_size=8),  # noqa: DTZ001
    shapes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2),
    known=st.builds(Known, st.none() | st.sampled_from(DateOrder), st.sampled_from([None, "Europe/Berlin"]), st.none()),
)
def test_a_column_is_read_as_its_texts_are(instants: list[datetime], shapes: list[str], known: Known) -> None:
    texts = [at.strftime(shapes[number % len(shapes)]) for number, at in enumerate(instants)] * 16
    column = read_column(pl.Series(texts), known)

    zone = ZoneInfo(known.zone) if known.zone else UTC
    alone = [read(text, order=known.order, zone=zone) for text in texts]
    found = [micros if fine else None for micros, fine in zip(column.micros.tolist(), column.readable, strict=True)]
    assert found == [each if isinstance(each, int) else None for each in alone]
    assert column.doubtful.tolist() == [isinstance(each, Doubt) for each in alone]


def test_a_format_that_was_given_is_the_only_one() -> None:
    whole = read_column(pl.Series(["05.01.2024 10h30", "2024-01-05 10:00", ""]), Known(format="%d.%m.%Y %Hh%M"))
    assert whole.readable.tolist() == [True, False, False]
    assert instant(int(whole.micros[0])) == "2024-01-05T10:30:00"


def test_a_spreadsheet_counts_days() -> None:
    column = read_column(pl.Series(["45292.4375", "45292", "x", "-1", "3000000"]), Known(format=EXCEL))
    assert column.readable.tolist() == [True, True, False, False, False]
    assert instant(int(column.micros[0])) == "2024-01-01T10:30:00"

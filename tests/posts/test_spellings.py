"""Spellings of an instant: what is read, what has two meanings, what is none."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import FrameType
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.posts.times.columns import read_column
from app.posts.times.spellings import EXCEL, ZONES, DateOrder, Doubt, Known, order_of, read

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
    ("5. Januar 2024", "2024-01-05T00:00:00"),
    ("Fr., 5. Jan. 2024 um 14:05 Uhr", "2024-01-05T14:05:00"),
    ("5 MÄRZ 2024", "2024-03-05T00:00:00"),
    ("5 janv. 2024", "2024-01-05T00:00:00"),
    ("vendredi 5 août 2022 à 14h05", "2022-08-05T14:05:00"),
    ("1er janvier 2024", "2024-01-01T00:00:00"),
    ("5 de enero de 2024, 14:05", "2024-01-05T14:05:00"),
    ("2024-Jan-05 10:00", "2024-01-05T10:00:00"),
    ("2024年1月5日 10:30", "2024-01-05T10:30:00"),
    ("31.12.23 14:05", "2023-12-31T14:05:00"),
    ("2024-01-01T10:00:00.123456789Z", "2024-01-01T10:00:00.123456"),
    ("2024-01-01T10:00:00 +05", "2024-01-01T05:00:00"),
    ("2024-01-01 10:00\u00a0PM", "2024-01-01T22:00:00"),
    ("1704103200", TEN),
    ("1704103200.0", TEN),
    ("1.7041032E9", TEN),
    ("17041032e2", TEN),
    ("-1704103200", "1916-01-01T14:00:00"),
    ("1704103200000.5", "2024-01-01T10:00:00.000500"),
    ("1704103200000", TEN),
    ("1704103200000000", TEN),
    ("1704103200000000000", TEN),
    ("0999999999999", "2001-09-09T01:46:39.999000"),
    ("0001-01-01", "0001-01-01T00:00:00"),
    ("9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"),
    ("1-Jan-69", "1969-01-01T00:00:00"),
    ("1-Jan-68", "2068-01-01T00:00:00"),
    ("24/01/05", "2005-01-24T00:00:00"),
    ("24-01-0031", "0031-01-24T00:00:00"),
    ("01-24-05", "2005-01-24T00:00:00"),
    ("24-01-00", "2000-01-24T00:00:00"),
    ("24-01-32", "2032-01-24T00:00:00"),
    ("5/5/2024", "2024-05-05T00:00:00"),
    ("2024-01-01 12:00 PM", "2024-01-01T12:00:00"),
    ("2024-01-01 10 PM", "2024-01-01T22:00:00"),
    ("2024-01-01 10:59 AM", "2024-01-01T10:59:00"),
    ("2024-01-01 0:30 PM", "2024-01-01T12:30:00"),
    ("2024-01-01 22:00 PM", "2024-01-01T22:00:00"),
    ("2024-01-01 10:00:59", "2024-01-01T10:00:59"),
    ("2024-01-01 10:00 +05:30", "2024-01-01T04:30:00"),
    ("2024-01-02 10:00 +23:00", "2024-01-01T11:00:00"),
    ("2024-01-01 10:00 +00:59", "2024-01-01T09:01:00"),
    (f"Mon Jan 01 2024 10:00:00 GMT+0100 ({'x' * 44})", "2024-01-01T09:00:00"),
]
NONE = [
    "", "yesterday", "0", "45292.5", "2024-02-30", "Feb 30, 2024", "2024-W54-1", "2024-000", "2023-366", "10 PM",
    "2024-01-01 13:00 AM", "2024-01-01 0 PM", "2024-01-01 25:00", "2024-01-01 25:00 UTC", "24:00:01", "2024-13-01",
    "2024-01-01 24:01", "2024-01-01 24:00:01", "2024-01-01 24:00:00.5", "2024-01-01 10:60", "99999999", "May 2024",
    "some 5 Jan 2024", "5 Foo 2024", "2016-12-31T23:59:60Z", "2024-01-01 10:00 +24", "2024-01-01 10:00 +01:60",
    "0001-01-01 00:00 +01:00", "9999-12-31 23:59 -01:00", "123456789012", "1704103200000.5e1",
    "1704103200e1",
    f"Mon Jan 01 2024 10:00:00 GMT+0100 ({'x' * 45})", "2024-01-01 10:00 " + "x" * 100,
]  # fmt: skip
DOUBTFUL = [
    ("01.02.2024 10:00", Doubt.DATE_ORDER),
    ("12/5/2024", Doubt.DATE_ORDER),
    ("5/12/2024", Doubt.DATE_ORDER),
    # The year may come first.
    ("24-01-05", Doubt.DATE_ORDER),
    ("24-12-05", Doubt.DATE_ORDER),
    ("24-01-01", Doubt.DATE_ORDER),
    ("24-01-31", Doubt.DATE_ORDER),
    ("2024-01-01 10:00 CST", Doubt.ZONE),
]


def instant(micros: int | Doubt | None) -> str | Doubt | None:
    if not isinstance(micros, int):
        return micros
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat().removesuffix("+00:00")


@pytest.mark.parametrize(("text", "expected"), FACTS)
def test_a_spelling_with_one_meaning_is_read(text: str, expected: str) -> None:
    assert instant(read(text)) == expected


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_instant_is_not_read(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(("text", "doubt"), DOUBTFUL)
def test_two_meanings_are_told_from_none(text: str, doubt: Doubt) -> None:
    assert read(text) is doubt


def test_an_order_that_is_known_is_that_of_all_dates() -> None:
    assert instant(read("24-01-05", order=DateOrder.DAY_FIRST)) == "2005-01-24T00:00:00"
    assert read("24-01-05", order=DateOrder.MONTH_FIRST) is None
    assert instant(read("01.02.2024 10:00", order=DateOrder.DAY_FIRST)) == "2024-02-01T10:00:00"
    assert instant(read("01.02.2024 10:00", order=DateOrder.MONTH_FIRST)) == "2024-01-02T10:00:00"


@pytest.mark.parametrize(
    ("text", "proved"),
    [("31/12/2023", DateOrder.DAY_FIRST), ("12/31/23 2:05 PM", DateOrder.MONTH_FIRST), ("1/2/2024", None),
     ("5/5/2024", None), ("24-01-05", None), ("2024-01-31", None), ("no date", None)],
)  # fmt: skip
def test_one_spelling_may_prove_the_order_of_a_file(text: str, proved: DateOrder | None) -> None:
    assert order_of(text) is proved


def test_the_zone_of_the_file_holds_where_none_is_named() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert instant(read("2024-07-01 12:00", zone=berlin)) == "2024-07-01T10:00:00"
    assert instant(read("2024-07-01 12:00 UTC", zone=berlin)) == "2024-07-01T12:00:00"
    assert read("2024-03-31 02:30", zone=berlin) is None  # the clocks skipped it
    assert instant(read("2024-10-27 02:30", zone=berlin)) == "2024-10-27T00:30:00"  # the first of two


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
    "%a %b %d %H:%M:%S +0000 %Y", "%A, %d %B %Y %H:%M:%S +0100", "%Y-%m-%d %H:%M:%S -0530", "%Y-%m-%d %H:%M:%S UTC",
    "%Y/%m/%d %H:%M", "%d/%m/%Y %H:%M:%S", "%-m/%-d/%Y %H:%M", "%m/%d/%y %I:%M %p", "%-d.%-m.%Y %-H:%M", "%d-%m-%y",
    "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f", "%Y%m%dT%H%M%S", "%Y%m%d", "%Y-W%V-%u", "%Y-%j", "%b %-d, %Y @ %H:%M",
    "%d-%b-%y", "%a %b %d %H:%M:%S PDT %Y", "%d %b %Y %I %p CST", "%d. März %Y", "%s", "%s000", "%s%f", "%s%f999",
    "-%s.5",
    "%Y-%m-%d 24:00", "%Y-%m-%d %H:%M:60", "%Y-%d-%m", "%H:%M", "%a %d foo %Y", "%Y-%m-%d  %H:%M", "%d/%m/%Y %I%p",
]  # fmt: skip
KNOWN = st.builds(Known, st.none() | st.sampled_from(DateOrder), st.sampled_from([None, "Europe/Berlin"]), st.none())
TEXTS = st.one_of(
    st.builds(datetime.strftime, st.datetimes(datetime(1000, 1, 1)), st.sampled_from(SHAPES)),  # noqa: DTZ001
    st.text(alphabet="0123456789-/.: TZapmJn+é", max_size=25),
)
"""Texts of every shape that is read in columns, and others."""


def in_column(texts: list[str], known: Known) -> list[int | bool | None]:
    """Microseconds; True: doubtful; None: no instant. The texts come so often that they are looked at in columns."""
    column = read_column(pl.Series(texts * 16, dtype=pl.String), known)
    found = [
        micros if fine else doubtful or None
        for micros, fine, doubtful in zip(
            column.micros.tolist(), column.readable, column.doubtful.tolist(), strict=True
        )
    ]
    assert found == found[: len(texts)] * 16
    return found[: len(texts)]


@pytest.mark.parametrize("known", [Known(), Known(DateOrder.DAY_FIRST), Known(DateOrder.MONTH_FIRST, "Europe/Berlin")])
def test_many_copies_of_a_text_are_read_as_one(known: Known) -> None:
    zone = ZoneInfo(known.zone) if known.zone else UTC
    for text in [*(text for text, _ in FACTS), *NONE, *(text for text, _ in DOUBTFUL), "2024-03-31 02:30"]:
        alone = read(text, order=known.order, zone=zone)
        assert in_column([text], known) == [True if isinstance(alone, Doubt) else alone], text


@given(texts=st.lists(TEXTS, min_size=1, max_size=12), known=KNOWN)
def test_a_column_is_read_as_its_texts_are_alone(texts: list[str], known: Known) -> None:
    zone = ZoneInfo(known.zone) if known.zone else UTC
    alone = [read(text, order=known.order, zone=zone) for text in texts]
    assert in_column(texts, known) == [True if isinstance(each, Doubt) else each for each in alone]


@pytest.mark.parametrize("known", [Known(), Known(DateOrder.DAY_FIRST), Known(DateOrder.MONTH_FIRST, "Asia/Kolkata")])
def test_a_text_is_read_alike_whatever_its_neighbours_are(known: Known) -> None:
    texts = [text for text, _ in FACTS] + ["01.02.2024", "1/2/24", "31/12/2023", "2024-02-30 10:00", "x"]
    together = in_column(texts, known)
    assert together == [in_column([text], known)[0] for text in texts]
    assert together[::-1] == in_column(texts[::-1], known)


def read_alone(texts: list[str], known: Known) -> int:
    """Returns how many texts a column is read one by one for."""
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is read.__code__

    sys.setprofile(count)
    try:
        read_column(pl.Series(texts, dtype=pl.String), known)
    finally:
        sys.setprofile(None)
    return calls


IN_COLUMNS = [
    (["2024-01-01 00:00:00", "2024-12-31 23:59:59"], Known()),
    (["0001-01-01 00:00", "2099-12-31 23:59"], Known(zone="UTC")),
    (["0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"], Known()),
    (["2024-01-02 10:00 +23:59", "2024-01-02 10:00 +00:00"], Known()),
    (["Mon Jan 01 2024 10:00 PM", "Tue Dec 31 2024 12:00 PM"], Known()),
    (["5 März 2024"], Known()),
    (["31/12/2024", "01/02/2024"], Known(DateOrder.DAY_FIRST)),
    (["20240105", "20241231"], Known()),
    (["1704103200", "1704103201"], Known()),
    (["1704103200.5", "1704103200.7"], Known()),
    (["1704103200000"], Known()),
    (["1704103200000000"], Known()),
    (["1704103200000000000"], Known()),
    (["05.01.2024 10h30", "31.12.2024 23h59"], Known(format="%d.%m.%Y %Hh%M")),
]


@pytest.mark.parametrize(("texts", "known"), IN_COLUMNS)
def test_sixteen_texts_of_one_shape_are_read_at_once(texts: list[str], known: Known) -> None:
    assert read_alone((texts * 16)[:16], known) == 0


def test_few_texts_of_one_shape_are_read_one_by_one() -> None:
    assert read_alone([f"2024-01-{day:02}" for day in range(1, 16)], Known()) == 15


@pytest.mark.parametrize(
    ("texts", "known"),
    [
        (["5 Januar 2024", "5 August 2024", "5 Foobar 2024"], Known()),
        (["Fri, 5 Jan 2024", "Xyz, 5 Jan 2024"], Known()),
        (["5 Jan 2024", "5 Foo 2024", "5 Dec 2024"], Known()),
        (["2100-01-01 00:00", "2099-12-31 23:59", "2100-07-01 12:00"], Known(zone="Europe/Berlin")),
    ],
)
def test_texts_of_one_shape_keep_their_own_meanings(texts: list[str], known: Known) -> None:
    zone = ZoneInfo(known.zone) if known.zone else UTC
    assert in_column(texts, known) == [read(text, zone=zone) for text in texts]


def test_a_row_is_never_read_in_the_order_that_the_file_has_not() -> None:
    found = in_column(["31/12/2023", "12/31/2023", "1/2/2024", "2024-01-02"], Known(DateOrder.MONTH_FIRST))
    assert [instant(each) for each in found] == [
        None,
        "2023-12-31T00:00:00",
        "2024-01-02T00:00:00",
        "2024-01-02T00:00:00",
    ]


def test_a_format_that_was_given_is_the_only_one() -> None:
    whole = read_column(pl.Series(["05.01.2024 10h30", "2024-01-05 10:00", ""]), Known(format="%d.%m.%Y %Hh%M"))
    assert whole.readable.tolist() == [True, False, False]
    assert instant(int(whole.micros[0])) == "2024-01-05T10:30:00"


def test_a_spreadsheet_counts_days() -> None:
    column = read_column(pl.Series(["45292.4375", "45292", "x", "-1", "3000000"]), Known(format=EXCEL))
    assert column.readable.tolist() == [True, True, False, False, False]
    assert instant(int(column.micros[0])) == "2024-01-01T10:30:00"

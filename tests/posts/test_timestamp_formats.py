"""Formats in the words of strptime: what they read, what they refuse, and what is no format."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.posts.times.columns import read_column
from app.posts.times.formats import BadFormat, compiled
from app.posts.times.spellings import DateOrder, Doubt, Known, read

FACTS = [
    ("%d.%m.%Y %Hh%M", "05.01.2024 10h30", "2024-01-05T10:30:00"),
    ("%d.%m.%Y %Hh%M", "5.1.2024 9h30", "2024-01-05T09:30:00"),
    ("%d.%m.%Y", "5.1.24", None),
    ("%d.%m.%y", "5.1.24", "2024-01-05T00:00:00"),
    ("%d.%m.%y", "5.1.2024", None),
    ("%Y%m%d%H%M%S", "20240105103000", "2024-01-05T10:30:00"),
    ("%Y%m%d", "2024105", None),
    ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36"),
    ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 Z", "2000-10-10T13:55:36"),
    ("%m/%d/%y %I:%M %p", "1/5/24 2:05 PM", "2024-01-05T14:05:00"),
    ("%A, %d. %B %Y", "Freitag, 5. Januar 2024", "2024-01-05T00:00:00"),
    ("%Y-%j", "2024-060", "2024-02-29T00:00:00"),
    ("%FT%T.%fZ", "2024-01-05T10:00:00.125Z", "2024-01-05T10:00:00.125000"),
    ("%D %R", "01/05/24 10:30", "2024-01-05T10:30:00"),
    ("%Y-%m-%d %H:%M %Z", "2024-07-01 10:00 CEST", "2024-07-01T08:00:00"),
    ("%Y-%m-%d", "2024-02-30", None),
    ("%Y-%m-%d", "2024-01-05 10:00", None),
    ("%Y-%m-%d 100%%", "2024-01-05 100%", "2024-01-05T00:00:00"),
    ("  %Y-%m-%d   %H ", "2024-01-05 10", "2024-01-05T10:00:00"),
    ("%%%Y-%m-%d%%", "%2024-01-05%", "2024-01-05T00:00:00"),
    # `make mutants` tries the first text of a pattern alone, since patterns are cached: the one that does not fit.
    ("%Y-%m-%d5x", "2024-01-15x", None),
    ("%Y-%m-%d5x", "2024-01-015x", "2024-01-01T00:00:00"),
    ("%Y-%mx5%d", "2024-01x51", None),
    ("%Y-%mx5%d", "2024-01x501", "2024-01-01T00:00:00"),
    ("%Y%m%d%H", "2024010510", "2024-01-05T10:00:00"),
    # Bytes of UTF-8 that are taken for Latin-1 do not fit the letter that they are.
    ("%Y-%m-%dã\x81\x82", "2024-01-05あ", None),
    ("%Y-%m-%d" + 92 * "x", "2024-01-05" + 70 * "x", None),
]


@pytest.mark.parametrize(("form", "text", "expected"), FACTS)
@pytest.mark.parametrize("copies", [1, 20])
def test_a_format_reads_what_fits(form: str, text: str, expected: str | None, copies: int) -> None:
    column = read_column(pl.Series([text] * copies), Known(format=form))
    assert column.readable.tolist() == [expected is not None] * copies
    if expected is not None:
        at = datetime.fromisoformat(expected).replace(tzinfo=UTC)
        assert column.micros[0] == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("form", "wrong"),
    [("", "1 to 100"), ("x" * 101, "1 to 100"), ("%Y-%m-%Q", "no %Q"), ("%Y-%m-%d %", "percent sign"),
     ("%Y-%m", "the day"), ("%Y-%d", "the month"), ("%d.%m", "the year"), ("%Y %m %b %d", "month or the day"),
     ("%F %H:%M.%f", "before its fraction"),
     ("%H:%M", "the year"), ("%d.%m.%Y %d", "same as %d"), ("%Y-%y-%m-%d", "same as %Y"), ("%F %I:%M", "wants %p"),
     ("%F %S", "the hour"), ("%F %H %S", "the minute"), ("%Y-%j %m", "month or the day"), ("%F %z %Z", "same as %z")],
)  # fmt: skip
def test_what_is_no_format_is_refused(form: str, wrong: str) -> None:
    with pytest.raises(BadFormat, match=wrong):
        compiled(form)


def test_a_zone_with_two_meanings_is_a_doubt() -> None:
    assert read("2024-01-01 CST", forms=(compiled("%F %Z"),)) is Doubt.ZONE


@given(
    at=st.datetimes(datetime(1000, 1, 1)),  # noqa: DTZ001
    form=st.sampled_from(["%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %I:%M:%S %p", "%A %d %B %Y", "%d%m%Y%H%M%S", "%j/%Y %H"]),
)
def test_what_strftime_writes_is_read(at: datetime, form: str) -> None:
    text = at.strftime(form)
    micros = read(text, forms=(compiled(form),), order=DateOrder.DAY_FIRST)
    assert isinstance(micros, int)
    read_at = datetime(1970, 1, 1) + timedelta(microseconds=micros)  # noqa: DTZ001
    assert read_at == datetime.strptime(text, form)  # noqa: DTZ007


@given(form=st.text(alphabet="%YmdHMSbj -:.x", max_size=12))
def test_any_text_is_a_format_or_is_refused(form: str) -> None:
    try:
        pattern = compiled(form)
    except BadFormat:
        return
    assert pattern.fullmatch("") is None

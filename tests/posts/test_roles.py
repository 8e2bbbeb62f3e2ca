"""Which column of a file has the text, the instant, the author: by names, as far as the cells don't speak against."""

from __future__ import annotations

import pytest

from app.posts.looking import roles
from app.posts.looking.sniffing import Sure

Cells = dict[str, list[str]]
DAY, NEXT, LATER = "2024-01-01", "2024-01-02", "2024-01-05"
CERTAIN, LIKELY = Sure.CERTAIN, Sure.LIKELY
FORM = "%Y/%d-%m"

COLUMNS: list[tuple[str, Cells, str | None, Sure]] = [
    ("text", {"x": ["hi"], "Text ": ["hi"]}, "Text ", CERTAIN),
    ("text", {"text": ["1", DAY, "true"]}, None, LIKELY),
    ("text", {"text": ["1", DAY, "true", "hi"]}, "text", CERTAIN),
    ("text", {"text": ["hi"], "post": ["other"]}, "text", CERTAIN),
    ("text", {"text": ["hi", DAY], "post": ["ho", LATER]}, "text", CERTAIN),
    ("text", {"text": ["hi…"], "full_text": ["hi you"]}, "full_text", CERTAIN),
    ("text", {"text": ["ho"], "full_text": ["hi you"]}, "text", LIKELY),
    ("text", {"description": ["hi"]}, "description", LIKELY),
    ("text", {"post.text": ["hi"]}, "post.text", CERTAIN),
    ("text", {"feed.post.text": ["hi"]}, "feed.post.text", CERTAIN),
    ("text", {"collector.text": ["hi"]}, "collector.text", LIKELY),
    ("text", {"collector.post": ["hi"]}, "collector.post", LIKELY),
    ("text", {"post.name": ["hi"]}, None, LIKELY),
    ("text", {"post.other": ["hi"], "other": ["hi"]}, None, LIKELY),
    ("timestamp", {"created_at": [DAY]}, "created_at", CERTAIN),
    ("timestamp", {'created_at."$date"': [DAY]}, 'created_at."$date"', CERTAIN),
    ("timestamp", {"created_at": ["", DAY, "", ""]}, "created_at", CERTAIN),
    ("timestamp", {"created_at": ["", ""]}, None, LIKELY),
    ("timestamp", {"created_at": []}, "created_at", CERTAIN),
    ("timestamp", {"when it was": [DAY]}, None, LIKELY),
    ("timestamp", {"collector.created_at": [DAY]}, "collector.created_at", LIKELY),
    ("timestamp", {"collector.created_at": [DAY, "x"]}, None, LIKELY),
    ("timestamp", {"created_at": [DAY, "x"]}, "created_at", CERTAIN),
    ("timestamp", {"status.date": [DAY]}, "status.date", CERTAIN),
    ("timestamp", {"collector.date": [DAY]}, "collector.date", LIKELY),
    ("timestamp", {"created_at": [DAY], "date": [LATER]}, "created_at", LIKELY),
    ("timestamp", {"created_at": [DAY], "date": ["2024-01-03"]}, "created_at", CERTAIN),
    ("timestamp", {"created_at": ["x", DAY], "date": [DAY, "x"]}, "created_at", CERTAIN),
    ("timestamp", {"post.created_at": [DAY], "date": [LATER]}, "post.created_at", CERTAIN),
    ("timestamp", {"created_at": [DAY], "post.created_at": [LATER]}, "created_at", CERTAIN),
    ("timestamp", {"created_at": [DAY], "timestamp": [LATER]}, "timestamp", LIKELY),
    ("timestamp", {"created_at": [DAY], "timestamp": [NEXT]}, "timestamp", LIKELY),
    ("timestamp", {"created_at": ["", DAY], "timestamp": [LATER, DAY]}, "timestamp", CERTAIN),
    ("timestamp", {"created_at": [LATER, DAY], "timestamp": ["", DAY]}, "timestamp", CERTAIN),
    ("timestamp", {"created_at": ["x", DAY], "timestamp": [DAY, DAY]}, "timestamp", LIKELY),
    ("timestamp", {"created_at": [DAY, DAY], "timestamp": ["x", DAY]}, "timestamp", LIKELY),
    ("timestamp", {"created_at": [f"{DAY} 10:00"], "timestamp": [DAY]}, "created_at", CERTAIN),
    ("timestamp", {"created_at": [f"{DAY} 10:00"], "timestamp": [f"{DAY} 11:00"]}, "timestamp", CERTAIN),
    ("author", {"username": ["ana"]}, "username", CERTAIN),
    ("author", {"username": ["1", "2"]}, None, LIKELY),
    ("author", {"username": ["1", "ana"]}, "username", CERTAIN),
    ("author", {"username": [DAY]}, None, LIKELY),
    ("author", {"username": ["https://x.example/ana"]}, None, LIKELY),
    ("author", {"username": ["a" * 81]}, None, LIKELY),
    ("author", {"username": ["a" * 80]}, "username", CERTAIN),
    ("author", {"username": ["ana"], "screen_name": ["@Ana"]}, "username", CERTAIN),
    ("author", {"username": ["ana"], "screen_name": ["bea"]}, "username", LIKELY),
    ("author", {"account.handle": ["ana"]}, "account.handle", CERTAIN),
    ("author", {"post.account.handle": ["ana"]}, "post.account.handle", LIKELY),
    ("author", {"collector.handle": ["ana"]}, "collector.handle", LIKELY),
    ("author", {"account.name": ["ana"]}, "account.name", CERTAIN),
    ("author", {"collector.name": ["ana"]}, None, LIKELY),
    ("author", {"user.other": ["ana"]}, None, LIKELY),
    ("author", {"collector.user": ["ana"]}, None, LIKELY),
    ("author", {"bio": ["ana"]}, None, LIKELY),
]


@pytest.mark.parametrize(("role", "cells", "place", "sure"), COLUMNS)
def test_a_column_is_found_by_its_name_and_cells(role: str, cells: Cells, place: str | None, sure: Sure) -> None:
    found = roles.guess(role, cells)

    assert (None if found is None else (found.value, found.sure)) == (None if place is None else (place, sure))


def test_why_a_column_is_taken_is_told() -> None:
    (one, both) = ({"text": ["hi"]}, {"text": ["hi"], "full_text": ["hi you"]})

    assert [found.reason for cells in (one, both) if (found := roles.guess("text", cells))] == [
        "its name is 'text'",
        "of columns that hold the same it is 'full_text'",
    ]


def test_instants_that_are_far_apart_are_told_of_columns_that_are_called_otherwise() -> None:
    far = roles.guess("timestamp", {"created_at": [DAY], "date": [LATER]})
    same = roles.guess("timestamp", {"created_at": [DAY], "timestamp": [LATER]})

    assert far is not None and "far apart" in far.reason  # noqa: PT018
    assert same is not None and "may all be the timestamp" in same.reason  # noqa: PT018


@pytest.mark.parametrize(
    ("role", "cells", "form", "place"),
    [
        ("timestamp", {"x": ["hi"], "when it was": ["2022/07-11"]}, FORM, "when it was"),
        ("timestamp", {"when it was": ["2022/07-11"], "or": ["2022/07-11"]}, FORM, None),
        ("timestamp", {"when it was": []}, FORM, None),
        ("timestamp", {"created_at": [DAY]}, FORM, None),
        ("timestamp", {"created_at": ["45292.5"]}, "excel", "created_at"),
        ("timestamp", {"when it was": ["45292.5"]}, "excel", None),
        ("author", {"when it was": ["2022/07-11"]}, FORM, None),
    ],
)
def test_the_only_column_in_the_format_of_instants_has_them(
    role: str, cells: Cells, form: str, place: str | None
) -> None:
    found = roles.guess(role, cells, form)

    assert (None if found is None else found.value) == place


@pytest.mark.parametrize(
    ("good", "bad", "well_named", "fits"),
    [
        (4, 1, False, True),
        (3, 1, False, False),
        (3, 3, True, True),
        (4, 5, True, False),
        (5, 5, True, False),
        (10, 10, True, False),
    ],
)
def test_most_cells_have_to_be_instants_and_of_few_half(good: int, bad: int, *, well_named: bool, fits: bool) -> None:
    assert roles.fits("timestamp", [DAY] * good + ["x"] * bad, well_named=well_named) is fits


@pytest.mark.parametrize(
    ("role", "name", "named"),
    [("text", "Tweet-Text", True), ("text", "Post", True), ("text", "a.text", False), ("author", "text", False)],
)
def test_a_header_names_roles(role: str, name: str, *, named: bool) -> None:
    assert roles.names_role(role, name) is named


CLOCKS: list[tuple[Cells, str | None, Sure]] = [
    ({"date": [DAY], "time": ["10:00"]}, "time", CERTAIN),
    ({"date": [DAY, ""], "time": ["10:00", ""]}, "time", CERTAIN),
    ({"date": ["12/31/2022"], "time": ["10:00"]}, "time", CERTAIN),
    ({"date": ["31.12.2022"], "time": ["10:00"]}, "time", CERTAIN),
    ({"date": ["01/02/2022"], "time": ["10:00"]}, "time", CERTAIN),
    ({"date": [""], "time": ["10:00"]}, None, LIKELY),
    ({"date": [f"{DAY}T10:00:00Z"], "time": ["10:00"]}, None, LIKELY),
    ({"date": [DAY, "x"], "time": ["10:00", "10:00"]}, None, LIKELY),
    ({"date": [DAY], "time": [""]}, None, LIKELY),
    ({"date": [DAY], "text": ["hi"]}, None, LIKELY),
    ({"date": [DAY], "time": ["soon"]}, "time", LIKELY),
    ({"date": [DAY], "x": ["10:00"]}, "x", LIKELY),
    ({"date": [DAY, DAY], "x": ["10:00", "y"]}, "x", LIKELY),
    ({"date": [DAY] * 3, "x": ["10:00", "", ""]}, "x", LIKELY),
    ({"date": [DAY], "x": ["25:00"]}, None, LIKELY),
    ({"date": [DAY], "x": ["10"]}, None, LIKELY),
    ({"date": [DAY], "text": ["hi"], "length": ["3:15"]}, None, LIKELY),
    ({"time": ["10:00"], "text": ["hi"], "date": [DAY]}, "time", CERTAIN),
    ({"date": [DAY], "length": ["3:15"], "time": ["10:00"]}, "time", CERTAIN),
    ({"time": ["10:00"], "text": ["hi"], "date": [DAY], "hour": ["11:00"]}, "hour", CERTAIN),
    ({"time": ["10:00"], "date": [DAY], "text": ["hi"], "hour": ["11:00"]}, "time", CERTAIN),
    ({"date": [DAY], "text": ["hi"], "time": ["10:00"], "hour": ["11:00"]}, "hour", LIKELY),
    ({"date": [DAY], "length": ["3:15"], "time": ["10:00"], "hour": ["11:00"]}, "hour", LIKELY),
]


@pytest.mark.parametrize(("cells", "place", "sure"), CLOCKS)
def test_times_of_day_are_found_beside_dates(cells: Cells, place: str | None, sure: Sure) -> None:
    found = roles.clock("date", cells)

    assert (None if found is None else (found.value, found.sure)) == (None if place is None else (place, sure))


def test_dates_are_not_their_own_times_of_day() -> None:
    assert roles.clock("time", {"time": [DAY], "text": ["hi"]}) is None

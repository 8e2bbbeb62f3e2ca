"""What a person is asked before a file is read: the options, what was found, and what may be said."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from app.posts.looking import doubting, presets
from app.posts.looking.doubting import Doubt, listed
from app.posts.looking.presets import Preset
from app.posts.looking.sniffing import Finding, Sure
from app.posts.options import DateOrder

Cells = dict[str, list[str]]
DAY, LINK = "2024-01-01", "https://x.example/ana"


def certain(**places: str) -> dict[str, Finding[str]]:
    return {role: Finding(place, Sure.CERTAIN, "its name") for role, place in places.items()}


def doubts(
    cells: Cells,
    found: dict[str, Finding[str]] | None = None,
    *,
    said: Collection[str] = (),
    preset: Preset | None = None,
    headless: bool = False,
    named: bool = True,
) -> list[Doubt]:
    return list(
        doubting.of_roles(found or {}, cells, said=said, preset=preset, headless=headless, named=named),
    )


def test_some_columns_are_listed() -> None:
    assert listed(["a"] * 20) == ", ".join(["'a'"] * 20)
    assert listed(["a"] * 21) == ", ".join(["'a'"] * 20) + ", …"
    assert listed([]) == "no columns"


POST: Cells = {"a": ["hi"], "b": [DAY], "c": ["ana"]}
ALL = certain(text="a", timestamp="b", author="c")
EDGES: Cells = {"source": ["ana"], "Target": ["bea"], "x": [DAY]}


@pytest.mark.parametrize(
    ("cells", "found", "said", "asked"),
    [
        (POST, {}, (), ["text", "timestamp", "author"]),
        (POST, ALL, (), []),
        (POST, certain(text="a", author="c"), (), ["timestamp"]),
        (POST, certain(text="a", author="c"), ("timestamp",), []),
        (POST, certain(timestamp="b", author="c", mentions="a"), (), []),
        (POST, {**ALL, **certain(mentions="a")}, (), []),
        (EDGES, {}, (), ["author", "timestamp"]),
        (EDGES, certain(timestamp="x"), (), ["author"]),
        (EDGES, certain(timestamp="x", author="source"), (), ["text"]),
        ({"source": ["ana"], "x": [DAY]}, certain(timestamp="x"), (), ["text", "author"]),
        ({"target": ["ana"], "x": [DAY]}, certain(timestamp="x"), (), ["text", "author"]),
    ],
)
def test_a_role_that_nobody_has_is_asked_for(
    cells: Cells, found: dict[str, Finding[str]], said: tuple[str, ...], asked: list[str]
) -> None:
    assert [doubt.option for doubt in doubts(cells, found, said=said)] == asked


def test_ends_of_edges_are_told_as_the_file_calls_them() -> None:
    [doubt, _] = doubts(EDGES)
    assert "say author=source and mentions=Target" in doubt.found
    assert doubt.choices == ("source",)


@pytest.mark.parametrize(
    ("columns", "named", "no_table"),
    [
        (["hi"], False, True),
        (["hi"], True, False),
        (["a", "b"], False, False),
        (["a", "x" * 40], False, False),
        (["a", "x" * 41], False, True),
        (["a", "—"], False, True),
        (["a", "a b c d"], False, False),
        (["a", "a b c d e"], False, True),
    ],
)
def test_prose_is_no_table(columns: list[str], *, named: bool, no_table: bool) -> None:
    cells: Cells = {name: ["hi"] for name in columns}

    assert ([doubt.option for doubt in doubts(cells, named=named)] == ["file"]) is no_table
    assert doubts(cells, certain(text=columns[0]), named=named)[0].option != "file"


def test_prose_is_shown_as_far_as_it_tells_something() -> None:
    [doubt] = doubts({"x" * 80: []}, named=False)
    assert f"begins with '{'x' * 80}'." in doubt.found
    [doubt] = doubts({"x" * 81: []}, named=False)
    assert f"begins with '{'x' * 80}…'." in doubt.found


def test_columns_that_may_be_meant_as_well_are_choices() -> None:
    cells: Cells = {"text": ["hi"], "other": ["hi"], "post": ["ho"], "x": [DAY], "y": ["ana"]}
    found = {**certain(timestamp="x", author="y"), "text": Finding("text", Sure.LIKELY, "both may be")}

    assert [(doubt.option, doubt.choices) for doubt in doubts(cells, found)] == [("text", ("text", "post"))]


@pytest.mark.parametrize(
    ("role", "cells", "words"),
    [
        ("text", {"x": ["hi"]}, "no column is certainly the text: say which; there are 'x'"),
        ("author", {"x": ["hi"]}, "who it is (author_is); there are 'x'"),
        ("text", {"text": [""]}, "no column is certainly the text"),
        ("text", {"text": ["", "1"]}, "'text' holds '1', which does not look like the text"),
        ("text", {"text": [LINK]}, "which does not look like the text"),
        ("timestamp", {"date": [DAY, "soon", "x"]}, "'date' holds 'soon', which is not read as an instant: say how"),
        ("timestamp", {"date": ["45292.5"]}, "say timestamp_format=excel"),
        ("author", {"user": [DAY, "5"]}, f"'user' holds '{DAY}', which does not look like the author"),
        ("author", {"user": ["5"]}, "'user' holds numbers such as '5'"),
        ("author", {"user": [LINK]}, f"'user' holds '{LINK}', which is no handle"),
    ],
)
def test_why_a_column_is_not_taken_is_told(role: str, cells: Cells, words: str) -> None:
    [doubt] = [doubt for doubt in doubts(cells) if doubt.option == role]

    assert words in doubt.found


def test_a_column_of_the_right_name_is_the_first_choice() -> None:
    [doubt] = doubts({"x": ["ana"], "y": ["1"], "user": ["5"]}, certain(text="x", timestamp="y"))

    assert doubt.choices == ("user", "x")


@pytest.mark.parametrize(("preset", "option"), [("x-archive-csv", "author_is"), ("rtweet", "author"), (None, "author")])
def test_a_preset_without_authors_asks_who_it_is(preset: str | None, option: str) -> None:
    known = presets.BY_NAME[preset] if preset else None

    assert [doubt.option for doubt in doubts(POST, certain(text="a", timestamp="b"), preset=known)] == [option]


# Authors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "author", "shown"),
    [
        ({"a": ["ana", LINK]}, "a", LINK),
        ({"a": ["Dov <dov@mail.example>"]}, "a", "Dov <dov@mail.example>"),
        ({"a": ["https://x.example/".ljust(40, "y")]}, "a", "https://x.example/".ljust(40, "y")),
        ({"a": ["https://x.example/".ljust(41, "y")]}, "a", "https://x.example/".ljust(40, "y") + "…"),
        ({"a": ["ana"], "b": [LINK]}, "a", None),
        ({"b": [LINK]}, None, None),
    ],
)
def test_links_are_no_authors(cells: Cells, author: str | None, shown: str | None) -> None:
    found = list(doubting.of_authors(certain(author=author) if author else {}, cells))

    assert len(found) == (shown is not None)
    assert all(doubt.option == "author" and f"holds {shown!r}," in doubt.found for doubt in found)


@pytest.mark.parametrize(
    ("cells", "said", "choices"),
    [
        ({"user": ["", "5"], "name": ["x"], "login": ["ana"], "nick": ["x"]}, (), ("login",)),
        ({"user": ["5"], "login": ["ana"]}, ("author",), None),
        ({"user": ["5"], "login": ["ana"]}, ("mentions",), None),
        ({"user": ["5", "bea"], "login": ["ana", "bea"]}, (), None),
        ({"user": [""], "login": ["ana"]}, (), None),
        ({"user": ["5"], "login": ["7"]}, (), None),
    ],
)
def test_numbers_are_no_authors_where_names_stand_beside_them(
    cells: Cells, said: tuple[str, ...], choices: tuple[str, ...] | None
) -> None:
    found = doubts(cells, certain(text="x", timestamp="x", author="user"), said=said)

    assert [doubt.choices for doubt in found] == ([] if choices is None else [choices])


# Times of day ---------------------------------------------------------------------------------------------------------

APART: Cells = {"date": [DAY], "time": ["10:00"]}
UNSURE: Cells = {"date": [DAY], "x": ["10:00"]}


@pytest.mark.parametrize(
    ("cells", "said", "can_join", "time", "asked"),
    [
        (APART, (), True, "time", False),
        (APART, (), False, None, True),
        (APART, ("timestamp",), False, None, False),
        (UNSURE, (), True, None, True),
        (UNSURE, ("timestamp",), True, None, False),
        ({"date": [DAY], "x": ["hi"]}, (), True, None, False),
    ],
)
def test_times_of_day_are_joined_or_asked_about(
    cells: Cells, said: tuple[str, ...], *, can_join: bool, time: str | None, asked: bool
) -> None:
    found = certain(timestamp="date")

    told = doubting.of_clock(found, cells, said, can_join=can_join)

    assert (found["time"].value if "time" in found else None) == time
    assert [doubt.option for doubt in told] == (["timestamp"] if asked else [])


def test_without_dates_there_are_no_times_of_day() -> None:
    assert doubting.of_clock({}, APART, (), can_join=True) == ()


# Files without a header -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "proposed"),
    [
        ([["ana", "bea"], [DAY, DAY], ["hi you", "ho you"]], "author,timestamp,text"),
        ([["1", "2"], ["ana", "ana"], [DAY, DAY], ["hi you", "ho you"]], "c0,author,timestamp,text"),
        ([["", ""], [DAY, DAY], ["hi you", "ho you"]], "c0,timestamp,text"),
        ([[DAY, DAY], [DAY, DAY], ["hi you", "ho you"]], "timestamp,c1,text"),
        ([[DAY] * 4 + ["soon, and what is to come"], ["hi you"] * 5], "timestamp,text"),
        ([["hello there", "", "", ""], ["hi you"] * 4], "text,c1"),
        ([["123456789012345"], ["hi you"]], "c0,text"),
        ([["hello1", "hello2", "hello3"], ["ana", "ana", "bea"]], "text,author"),
        ([["hello you", "hello all"], ["Ana B", "Bea C"], ["ana", "ana"]], "text,c1,author"),
        ([["hello you"], []], "text,c1"),
    ],
)
def test_names_are_proposed_for_columns_without_a_header(columns: list[list[str]], proposed: str) -> None:
    cells = {f"c{number}": held for number, held in enumerate(columns)}

    [doubt] = doubts(cells, headless=True)

    assert (doubt.option, doubt.choices) == ("columns", (proposed,))
    assert f"its first row is {listed([held[0] for held in columns if held])}:" in doubt.found


def test_columns_without_a_header_that_are_known_are_not_asked_for() -> None:
    assert doubts(POST, ALL, headless=True) == []


# How the file is written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delimiter", "encoding", "asked"),
    [
        (None, Sure.CERTAIN, []),
        (Sure.CERTAIN, Sure.CERTAIN, []),
        (Sure.LIKELY, Sure.CERTAIN, ["delimiter"]),
        (Sure.CERTAIN, Sure.LIKELY, ["encoding"]),
    ],
)
def test_what_is_likely_about_the_form_is_asked(delimiter: Sure | None, encoding: Sure, asked: list[str]) -> None:
    between = None if delimiter is None else Finding(";", delimiter, "rows have 2 fields")

    assert [doubt.option for doubt in doubting.of_form(between, Finding("cp1250", encoding, "x", ("cp1252",)))] == asked


FIRST, EITHER, MONTH = "13/02/2024", "01/02/2024", "02/14/2024"


@pytest.mark.parametrize(
    ("held", "order", "words"),
    [
        ([], None, None),
        ([DAY], None, None),
        ([EITHER, FIRST], DateOrder.DAY_FIRST, None),
        ([EITHER, MONTH], DateOrder.MONTH_FIRST, None),
        ([FIRST, MONTH], None, None),
        ([EITHER, FIRST, MONTH, EITHER], None, f"'{FIRST}' and '{MONTH}' speak for one each"),
        ([EITHER], None, "no row that was looked at settles it"),
        ([EITHER], None, "day-first: 2024-02-01T00:00:00Z"),
        ([EITHER, DAY], None, "has two meanings"),
        ([EITHER, DAY, DAY], None, None),
        (["24-01-05"], None, "month-first: none"),
        (["24-01-05"], None, "say timestamp_format=%y-%m-%d"),
        (["12/01/05 10:00"], None, "say timestamp_format=%y/%m/%d %H:%M"),
        (["24-01-05 10:00:30"], None, "say timestamp_format=%y-%m-%d %H:%M:%S"),
    ],
)
def test_the_order_of_day_and_month_is_proved_or_asked(
    held: list[str], order: DateOrder | None, words: str | None
) -> None:
    found, asked = doubting.of_dates(held, None, known=False)

    assert (found and found.value) == order
    assert len(asked) == (words is not None)
    assert all((words or "") in doubt.found for doubt in asked)


def test_a_hint_to_the_year_is_given_where_the_year_may_come_first() -> None:
    [doubt] = doubting.of_dates([EITHER], None, known=False)[1]
    assert "timestamp_format" not in doubt.found
    [doubt] = doubting.of_dates(["24-01-05"], None, known=False)[1]
    assert doubt.found.endswith("timestamp_format=%y-%m-%d")
    [doubt] = doubting.of_dates(["12/01/05 10:00"], None, known=False)[1]
    assert doubt.found.endswith("timestamp_format=%y/%m/%d %H:%M")


def test_dates_are_as_the_sender_says() -> None:
    assert doubting.of_dates([EITHER], None, known=True) == (None, ())
    given, asked = doubting.of_dates([FIRST], DateOrder.MONTH_FIRST, known=False)
    assert (given and given.sure, asked) == (Sure.GIVEN, ())

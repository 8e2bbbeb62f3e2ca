"""Texts that a spreadsheet would run get a guard, and lose the guard again where the file says that it has some."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.posts.tables import formulas
from app.posts.tables.formulas import REJECT_COLUMNS

GUARDED = [
    ("", ""),
    ("hi", "hi"),
    ("=1+1", "'=1+1"),
    ("'=1+1", "''=1+1"),
    ("it's", "it's"),
    ("@ada", "'@ada"),
    ("-5", "-5"),
    ("-0.25", "-0.25"),
    ("-5+1", "'-5+1"),
    ("-5\n", "'-5\n"),
    ("\ta", "'\ta"),
    ("a;=b", "a;'=b"),
    ("Thanks, @ada", "Thanks, @ada"),
]


@pytest.mark.parametrize(("text", "cell"), GUARDED)
def test_what_a_spreadsheet_would_run_is_guarded(text: str, cell: str) -> None:
    assert formulas.guarded(text) == cell
    assert formulas.unguarded(cell) == text


@given(st.lists(st.none() | st.text("=-5'@\t;, a", max_size=6) | st.sampled_from([each for each, _ in GUARDED])))
def test_a_column_is_guarded_text_by_text(texts: list[str | None]) -> None:
    column = pl.Series("text", texts, pl.String)
    cells = formulas.guarded_column(column)

    assert cells.to_list() == [None if text is None else formulas.guarded(text) for text in texts]
    assert formulas.unguarded_column(cells).to_list() == texts


@pytest.mark.parametrize("texts", [["=a", "-5", None, "hi"], ["hi", None], []])
def test_a_column_keeps_its_name_and_what_needs_no_guard(texts: list[str | None]) -> None:
    cells = formulas.guarded_column(pl.Series("text", texts, pl.String))

    assert (cells.name, cells.to_list()) == ("text", ["'=a" if text == "=a" else text for text in texts])
    back = formulas.unguarded_column(cells)
    assert (back.name, back.to_list()) == ("text", texts)


@pytest.mark.parametrize(
    ("names", "guarded"),
    [
        (("'=a", *REJECT_COLUMNS), True),
        (("'=a", "reject_line", *(f"{name}_" for name in REJECT_COLUMNS)), True),
        (("'=a", *REJECT_COLUMNS[:-1]), False),
        (("'=a", *REJECT_COLUMNS, "more"), False),
        (("source", "target", "mention_count", "weight", "first_seen", "last_seen"), True),
        (("Source", "Target", "Weight", "Type", "mention_count", "first_seen", "last_seen"), True),
        (("source", "target", "mention_count", "weight", "first_seen"), False),
        (("'=a",), False),
        ((), False),
    ],
)
def test_a_file_says_by_its_columns_that_it_is_guarded(names: tuple[str, ...], *, guarded: bool) -> None:
    assert formulas.are_guarded(names) is guarded
    assert formulas.names_of(list(names)) == [name.removeprefix("'") if guarded else name for name in names]

"""Handles: one spelling, one fold, the same for a handle alone and for a column."""

from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.posts.handles import fold, folded, spell, spelled

HANDLES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoe\u0308", "zo\u00eb"),
        ("\u00c5SA", "a\u030asa"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        (" @Ana", "ana"),
        ("\u212bx", "\u00e5x"),
    ],
)
def test_one_handle_in_two_forms_is_one_user(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0131lker", "ilker"),
        ("\u0130lker", "ilker"),
        ("\u0430na", "ana"),
        ("\u00dfa", "ssa"),
        ("\uff41na", "ana"),
        ("ana", "ána"),
    ],
)
def test_two_handles_that_look_alike_are_two_users(one: str, other: str) -> None:
    """Dotless i, Cyrillic a, sharp s, full-width letters: Unicode's compatible forms are not folded."""
    assert fold(one) != fold(other)


@given(HANDLES)
def test_a_fold_is_its_own_fold_and_that_of_every_form(handle: str) -> None:
    once = fold(handle)
    assert fold(unicodedata.normalize("NFD", handle)) == fold(unicodedata.normalize("NFC", handle))
    assert fold(once) == fold(fold(once))


@given(st.lists(HANDLES, max_size=6))
def test_columns_are_folded_as_handles_are(handles: list[str]) -> None:
    frame = pl.DataFrame({"handle": handles}, schema={"handle": pl.String}).select(spelled(pl.col("handle")))
    assert frame["handle"].to_list() == [spell(handle) for handle in handles]
    assert frame.select(folded(pl.col("handle"))).to_series().to_list() == [fold(spell(handle)) for handle in handles]

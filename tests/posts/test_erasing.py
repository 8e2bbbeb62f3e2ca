"""Erasing many places at once gives the bytes that a look at each row gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.posts import erasing
from app.posts.erasing import How, Name
from app.posts.options import Format, InputFormat

HANDLES = ("ann", "a.a", "_kis", "a")
FORM = Format(
    delimiter=",", fields=4, text=0, timestamp=1, author=2, further={"mentions": 3}, names=("a", "b", "c", "d")
)
_WORDS = [
    "@",
    "ann",
    "Ann",
    "ANN",
    "a.a",
    ".a",
    "_kis",
    "_\u212ais",
    "_ki\u017f",
    "\u0131",
    "a",
    "b",
    "é",
    "\u0301",
    "x@",
]
_SIGNS = [" ", "_", "9", "-", ".", ",", '"', '""', "\n", "\r\n", "😀", "＠"]
_PIECES = st.sampled_from(_WORDS + _SIGNS)
_ROWS = st.lists(st.one_of(_PIECES, st.just(","), st.just("\n")), max_size=60).map("".join)


def _whole_rows(text: str) -> list[str]:
    return [f'"{text.replace(chr(34), "")}",2026-01-01,{author},' for author in ("bob", "ann", "a.a", "ann.b")]


@pytest.mark.parametrize("handle", HANDLES)
@given(text=_ROWS, careful=st.booleans(), mentioning=st.sets(st.integers(1, 12)), broken=_ROWS)
def test_many_places_at_once_are_as_each_by_itself(
    handle: str, text: str, careful: bool, mentioning: set[int], broken: str
) -> None:
    payload = ("\n".join([*_whole_rows(text), broken, *_whole_rows(broken)]) + "\n").encode()
    how = How(written={3}, careful={2} if careful else (), mentioning=mentioning, posts={1, 2, 4})
    slowly = Name(handle)
    slowly.needle = b""  # no bytes are sure, so each row is looked at

    quick = erasing.rewritten(payload, FORM, InputFormat.CSV, Name(handle), how, first_line=1)

    assert quick == erasing.rewritten(payload, FORM, InputFormat.CSV, slowly, how, first_line=1)


def test_every_place_of_a_row_goes() -> None:
    payload = b"hi @Ann and ann; annabel,2026-01-01,bob,\nann,2026-01-01,ann,ann\n"
    how = How(written=set(), posts={1, 2})

    new = erasing.rewritten(payload, FORM, InputFormat.CSV, Name("ann"), how, first_line=1)

    assert new == b"hi @*** and ***; annabel,2026-01-01,bob,\n,2026-01-01,forgotten,\n"

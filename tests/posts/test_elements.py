"""Lists and pages of JSON objects as JSON Lines, however the bytes arrive."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UploadRefused
from app.posts.elements import Elements, Pages

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(alphabet='ab",[]{}\\\n é', max_size=6),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(alphabet='a"]\\', max_size=3), below, max_size=3)
    ),
    max_leaves=8,
)


def lines(splitter: Elements | Pages, data: bytes, cuts: list[int]) -> list[Any]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(edges)]
    out = b"".join(part for piece in pieces for part in splitter.feed(piece)) + splitter.finish()
    return [json.loads(line) for line in out.split(b"\n") if line.strip()]


@given(
    elements=st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), max_size=6),
    indent=st.none() | st.integers(0, 2),
    ascii_only=st.booleans(),
    cuts=st.lists(st.integers(0, 10_000), max_size=8),
)
def test_a_list_is_its_elements(
    elements: list[Any],
    indent: int | None,
    ascii_only: bool,
    cuts: list[int],
) -> None:
    text = json.dumps(elements, indent=indent, ensure_ascii=ascii_only).encode()
    assert lines(Elements(), text[text.index(b"[") + 1 :], cuts) == elements


@pytest.mark.parametrize("text", [b'{"a":1},{"b":2}', b'{"a":"]"', b""])
def test_a_list_that_does_not_end_is_refused(text: bytes) -> None:
    with pytest.raises(UploadRefused, match="cut off"):
        lines(Elements(), text, [])


def test_what_follows_a_list_is_refused() -> None:
    assert lines(Elements(), b'{"a":1}] ;\n', []) == [{"a": 1}]
    with pytest.raises(UploadRefused, match="follows"):
        lines(Elements(), b'{"a":1}]\n{"b":2}', [])


def test_pages_are_their_posts_with_the_users_they_include() -> None:
    page = {
        "data": [{"id": "1", "author_id": "7", "text": "hi"}],
        "includes": {"users": [{"id": "7", "username": "ana"}]},
    }
    text = json.dumps(page).encode() + b"\n" + json.dumps({"data": []}).encode() + b"\n{broken\n"
    out = b"".join(Pages("data").feed(text)).split(b"\n")
    assert json.loads(out[0])["author"]["username"] == "ana"
    assert out[1:] == [b"{broken", b""]

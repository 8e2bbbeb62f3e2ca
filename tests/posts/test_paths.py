"""Paths into JSON: the grammar, and the fast look against the slow one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.posts.json.paths import BadPath, Extractor, Path, literal, parse, show, values

STATUS: dict[str, Any] = {
    "full_text": None,
    "text": "hi @b",
    "user": {"screen_name": "a", "id": 7},
    "a.b": "dotted",
    "mentions": [{"name": "b"}, {"name": None}, {"name": "c"}],
    "refs": [{"type": "quoted", "by": "q"}, {"type": "reply", "by": "r"}],
    "tags": ["x", None, "y"],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("text", ["hi @b"]),
        ("full_text|text", ["hi @b"]),
        ("user.screen_name", ["a"]),
        ("user.name|user.screen_name", ["a"]),
        ('"a.b"', ["dotted"]),
        ("a.b", []),
        ("mentions[].name", ["b", "c"]),
        ("refs[type=quoted].by", ["q"]),
        ("refs[type=retweet].by", []),
        ("tags[]", ["x", "y"]),
        ("text.more", []),
        ("nothing", []),
    ],
)
def test_a_path_leads_to_its_values(path: str, found: list[str]) -> None:
    assert values(parse(path), STATUS) == found


@pytest.mark.parametrize(
    "path", ["", "a..b", "a[", "a[b]", "a[b=]", ".a", "a.", "a|", "|a", '"a', "a]", "a=b", "x" * 401]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadPath):
        parse(path)


def test_a_literal_key_is_one_key() -> None:
    key = 'odd.[key]|"='
    assert values(literal(key), {key: 1}) == [1]
    assert parse(show(literal(key))) == literal(key)


@pytest.mark.parametrize("paths", [("a", "a.b"), ("a[]", "a"), ("a[].b", "a.b")])
def test_one_key_in_two_shapes_wants_a_slow_look(paths: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="a key is wanted"):
        Extractor({path: (parse(path), str | None) for path in paths})


KEYS = st.sampled_from(["a", "b", "c", "d.e"])
POSTS = st.recursive(
    st.none() | st.text(max_size=3),
    lambda below: st.dictionaries(KEYS, below, max_size=3) | st.lists(below, max_size=3),
    max_leaves=12,
)
STEPS = st.tuples(KEYS, st.sampled_from(["", "[]", "[a=x]"]))
WAYS = st.lists(STEPS, min_size=1, max_size=3).map(
    lambda steps: ".".join((f'"{key}"' if "." in key else key) + mark for key, mark in steps)
)
PATHS = st.lists(WAYS, min_size=1, max_size=2).map("|".join)


@given(post=st.dictionaries(KEYS, POSTS, max_size=4), text=PATHS)
def test_the_fast_look_finds_what_the_slow_one_does(post: dict[str, Any], text: str) -> None:
    path: Path = parse(text)
    try:
        extractor = Extractor({"role": (path, str | None)})
    except ValueError:
        return  # looked at slowly
    try:
        decoded = extractor.decode(json.dumps(post).encode())
    except msgspec.MsgspecError:
        return  # a value of another type: looked at slowly
    (fast,) = extractor.column("role", [decoded])

    slow = values(path, post)
    assert (fast or []) == slow if path.many else fast == next(iter(slow), None)


@given(text=PATHS)
def test_a_path_is_shown_as_it_is_read(text: str) -> None:
    assert parse(show(parse(text))) == parse(text)

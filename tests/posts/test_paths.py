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
    "refs": [{"type": "quoted", "by": "q"}, {"type": "reply", "by": "r", "n": 1}],
    "tags": ["x", None, "y"],
    "parts": ["plain", {"type": "link", "by": "l"}, None],
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
        ("refs[n=1].by", ["r"]),
        ("refs[n=None].by", []),
        ("parts[type=link].by", ["l"]),
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


@pytest.mark.parametrize(
    "path", ["x" * 400, "|".join("x" * 8), ".".join("x" * 12), '"|"', "refs[type=quoted].by", "t[]"]
)
def test_a_path_of_some_length_is_shown_as_it_was_written(path: str) -> None:
    assert show(parse(path)) == path


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "a path has 1 to 400 characters"),
        ("x" * 401, "a path has 1 to 400 characters"),
        ("|".join("x" * 9), "up to 8 alternatives"),
        (".".join("x" * 13), "a way has 1 to 12 keys"),
        ("a|", "a way has 1 to 12 keys"),
        ("a[", "']' is wanted at the end"),
        ("a.", "a key is wanted at the end"),
        ("a..b", r"a key is wanted before '\.'"),
        ("a=b", r"'\.' is wanted before '='"),
        ('a."b', "a quote is not closed: '\"b'"),
    ],
)
def test_what_is_wrong_with_a_path_is_said(path: str, said: str) -> None:
    with pytest.raises(BadPath, match=said):
        parse(path)


def test_a_literal_key_is_one_key() -> None:
    key = 'odd.[key]|"='
    assert values(literal(key), {key: 1}) == [1]
    assert parse(show(literal(key))) == literal(key)
    assert show(literal("")) == '""'


@pytest.mark.parametrize("paths", [("a", "a.b"), ("a[]", "a"), ("a[].b", "a.b")])
def test_one_key_in_two_shapes_wants_a_slow_look(paths: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="a key is wanted"):
        Extractor({path: (parse(path), str | None) for path in paths})


def test_one_key_in_two_types_and_objects_that_are_a_value_want_a_slow_look() -> None:
    with pytest.raises(ValueError, match="in two types"):
        Extractor({"one": (parse("a"), str | None), "other": (parse("a"), int | None)})
    with pytest.raises(ValueError, match="chosen by a key"):
        Extractor({"one": (parse("a[b=c]"), str | None)})


FEED: list[dict[str, Any]] = [
    STATUS,
    {"text": "x", "full_text": "y", "tags": ["z"]},
    {"user": None, "mentions": None, "refs": [], "tags": None},
    {"user": {"screen_name": None, "tags": [None, "u"]}, "mentions": [], "tags": []},
    {"refs": [{"type": None, "by": "n"}, {"type": "quoted"}, {"type": "quoted", "by": "p"}, {"n": 1, "by": "o"}]},
    {"threads": [{"replies": [{"by": "a"}, {"by": None}], "kind": "k"}, {"replies": None}, {"replies": [{"by": "b"}]}]},
    {"threads": [{"one": {"by": "c"}}, {"one": None}, {"one": {}}], "user": {"tags": None}},
    {"mentions": [{"name": "m"}], "threads": [{"tags": ["t", None]}, {"tags": None}]},
]


@pytest.mark.parametrize(
    "path",
    [
        "text", "full_text|text", "user.screen_name", "user.screen_name|text", "tags[]", "user.tags[]",
        "tags[]|user.tags[]", "mentions[].name", "refs[].by", "refs[].by|mentions[].name", "refs[type=quoted].by",
        "refs[n=1].by", "refs[type=None].by", "threads[].replies[].by", "threads[kind=k].replies[].by",
        "threads[].one.by", "nothing[].at",
        "threads[].tags[]",
    ],
)  # fmt: skip
def test_posts_are_looked_at_together_as_one_by_one(path: str) -> None:
    wanted = parse(path)
    extractor = Extractor({"role": (wanted, str | None)})
    posts = [extractor.decode(json.dumps(each).encode()) for each in FEED]
    slowly = [values(wanted, each) for each in FEED]

    for some in (slice(None), *(slice(at, at + 1) for at in range(len(FEED)))):
        column = extractor.column("role", posts[some])
        if wanted.many:
            assert [each or [] for each in column] == slowly[some]
        else:
            assert column == [next(iter(each), None) for each in slowly[some]]
        found = [value for each in slowly[some] for value in each]
        assert extractor.lists("role", posts[some]) == (found, list(map(len, slowly[some])))


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

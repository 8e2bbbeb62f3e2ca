"""JSON objects read by paths: facts, and the fast ways against the slow one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from app.posts.json import objects
from app.posts.json.jsonl import cut, read
from app.posts.options import Format
from app.posts.screening import Posts
from app.posts.tables.csvscan import MAX_ROW_BYTES

PATHS = {
    "text": "full_text|text",
    "timestamp": "created_at",
    "author": "user.screen_name",
    "mentions": "entities.user_mentions[].screen_name",
    "reply": "reply_to",
    "id": "id_str|id",
}
AT = "Wed Oct 10 20:19:24 +0000 2018"
TWEET: dict[str, Any] = {
    "id": 7,
    "created_at": AT,
    "text": "hi @b and @c",
    "user": {"screen_name": "ana", "name": "Ana"},
    "entities": {"user_mentions": [{"screen_name": "b"}, {"screen_name": " @c "}, {"screen_name": ""}]},
}


def form(paths: dict[str, str] = PATHS, *, text_optional: bool = False) -> Format:
    return Format(
        "", len(paths), 0, 1, 2, (paths["text"], paths["timestamp"], paths["author"]),
        paths=paths, text_optional=text_optional, any_instant=True, placeholders=False,
    )  # fmt: skip


def line(**changed: object) -> bytes:
    return json.dumps({**TWEET, **changed}).encode()


def odd(**changed: object) -> bytes:
    """Returns a line with a number that JSON lacks, so that the slow look alone reads it."""
    return line(**changed, score=float("nan"))


class Fact(NamedTuple):
    name: str
    line: bytes
    code: str | None
    held: Mapping[str, Any] = MappingProxyType({})
    """What the row has, where it is no reject."""


FACTS = [
    Fact("a tweet", line(), None, {"text": "hi @b and @c", "author": "ana", "mentioned": ["b", "c"], "id": "7"}),
    Fact("no mentions", line(entities={"user_mentions": []}), None, {"mentioned": None}),
    Fact("no entities", line(entities=None), None, {"mentioned": None}),
    Fact("null among them", line(entities={"user_mentions": [None, {"screen_name": "d"}]}), None, {"mentioned": ["d"]}),
    Fact("a number among mentions", line(entities={"user_mentions": [{"screen_name": 5}]}), None, {"mentioned": None}),
    Fact("the first text there is", line(full_text="whole"), None, {"text": "whole"}),
    Fact("no text", line(text=None), "missing_key"),
    Fact("seconds as a number", line(created_at=1704103200), None),
    Fact("seconds with a fraction", line(created_at=1704103200.123456), None),
    Fact("an author that is a number", line(user={"screen_name": 12}), None, {"author": "12"}),
    Fact("white space before it", b"  " + line() + b" \r", None),
    Fact("of a key that comes twice the last counts", line()[:-1] + b',"text":"last"}', None, {"text": "last"}),
    Fact("no author", line(user={}), "missing_key"),
    Fact("no instant", line(created_at=None), "missing_key"),
    Fact("an author of another type", line(user={"screen_name": {"a": 1}}), "wrong_type"),
    Fact("no such day", line(created_at="Wed Oct 32 20:19:24 +0000 2018"), "unreadable_timestamp"),
    Fact("two meanings", line(created_at="1/2/2024"), "ambiguous_timestamp"),
    Fact("two objects", line() + line(), "malformed_json"),
    Fact("half an object", line()[:-1], "malformed_json"),
    Fact("half a surrogate pair", line().replace(b"hi", b"\\ud800"), "malformed_json"),
    Fact("no UTF-8, where nobody looks", line(other="x").replace(b'"x"', b'"\xff"'), "invalid_utf8"),
    Fact("NUL", line(text="\0"), "nul_byte"),
    Fact("a list", b"[1]", "not_an_object"),
    Fact("NaN", odd(), None, {"text": "hi @b and @c", "mentioned": ["b", "c"], "reply": None, "id": "7"}),
    Fact("a text that is a number", odd(text=5), None, {"text": "5"}),
    Fact("a text in parts", line(text=["a"]), "wrong_type"),
    Fact("an id with a point", line(id=7.0), None, {"id": "7"}),
    Fact("an id with a fraction", line(id=7.5), None, {"id": "7.5"}),
    Fact("an id that is too large to be exact", line(id=1e15), None, {"id": "1000000000000000.0"}),
    Fact("a blank id", line(id=" "), None, {"id": None}),
    Fact("a line of exactly 1 MiB", line().ljust(MAX_ROW_BYTES) + b"\r", None, {"author": "ana"}),
    Fact("a longer line", line().ljust(MAX_ROW_BYTES + 1), "row_too_long"),
    Fact("a placeholder", line(user={"screen_name": "NULL"}), "placeholder_author"),
]  # fmt: skip


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
@pytest.mark.parametrize("before", [0, 3, 600])
def test_facts_hold_alone_and_between_others(fact: Fact, before: int) -> None:
    payload = b"\n".join([*[line()] * before, fact.line, b"", line()]) + b"\n"
    posts = read(payload, form(), first_line=10)
    if fact.code is None:
        assert posts.rejects.is_empty()
        assert {**posts.frame.row(before, named=True), **fact.held} == posts.frame.row(before, named=True)
    else:
        assert posts.rejects["code"].to_list() == [fact.code]
        assert posts.rejects["line"].to_list() == [10 + before]
        assert posts.rejects["raw"].to_list() == [fact.line[:4096]]
    assert posts.rows == before + 2
    assert len(posts.frame) + len(posts.rejects) == posts.rows


@pytest.mark.parametrize("before", [0, 3, 600])
def test_where_a_preset_or_a_column_of_mentions_says_so_a_post_needs_no_text(before: int) -> None:
    bare = json.dumps({key: value for key, value in TWEET.items() if key != "text"}).encode()
    payload = b"\n".join([*[line()] * before, bare, line(text=None), line(text=5), line(text=["a", "b"])])
    posts = read(payload, form(text_optional=True), first_line=1)
    assert posts.frame["text"].to_list()[before:] == ["", "", "5", "ab"]
    assert posts.frame["mentioned"].to_list()[before:] == [["b", "c"]] * 4
    assert posts.rejects.is_empty()


def test_an_object_does_not_go_on_behind_its_line() -> None:
    whole = line()
    at = whole.index(b'"user"')
    two_here = whole + whole + b"\n" + whole[:at] + b"\n" + whole[at:] + b"\n" + whole
    posts = read(two_here, form(), first_line=1)
    assert posts.rejects["line"].to_list() == [1, 2, 3]
    assert len(posts.frame) == 1
    in_three = b'{"user":{"screen_name":"ana"}\n,"text":"x"\n,"created_at":1704103200}'
    posts = read(in_three, form(), first_line=1)
    assert posts.rejects["code"].to_list() == ["malformed_json"] * 3


def test_a_text_in_parts_is_their_texts() -> None:
    parts = ["a", {"type": "link", "text": "b"}, {"type": "image"}, ["c"], None, 5]

    posts = read(b"\n".join([line(text=parts), line(text=5), odd(text=None)]), form(text_optional=True), first_line=1)

    assert posts.frame["text"].to_list() == ["ab5", "5", ""]


def test_only_a_text_may_be_in_parts() -> None:
    posts = read(line(user={"screen_name": ["ana"]}), form(text_optional=True), first_line=1)

    assert posts.rejects["code"].to_list() == ["wrong_type"]


def test_posts_that_never_have_a_text_are_read() -> None:
    paths = {role: path for role, path in PATHS.items() if role != "text"}
    wanted = msgspec.structs.replace(form(text_optional=True), paths=paths)

    assert read(line() + b"\n" + odd(), wanted, first_line=1).frame["text"].to_list() == ["", ""]


@pytest.mark.parametrize("last", [line(), odd()], ids=["together", "one by one"])
def test_mentions_may_be_one_text(last: bytes) -> None:
    payload = b"\n".join([line(to="@b, c"), line(to=None), odd(to="@d"), odd(to=None), last])

    posts = read(payload, form({**PATHS, "mentions": "to"}), first_line=1)

    assert posts.frame["mentioned"].to_list() == [["b", "c"], None, ["d"], None, None]


def test_what_is_no_text_in_a_list_of_mentions_is_passed_over() -> None:
    posts = read(line(to=["b", {"name": "c"}, 5, "@d"]), form({**PATHS, "mentions": "to[]"}), first_line=1)

    assert posts.frame["mentioned"].to_list() == [["b", "d"]]


def test_of_a_list_the_first_value_counts() -> None:
    payload = b"\n".join([line(ids=["1", "2"]), line(ids=[]), odd(ids=["3"])])

    posts = read(payload, form({**PATHS, "id": "ids[]"}), first_line=1)

    assert posts.frame["id"].to_list() == ["1", None, "3"]


def test_an_author_without_a_path_is_that_of_the_file() -> None:
    paths = {role: path for role, path in PATHS.items() if role != "author"}
    wanted = msgspec.structs.replace(form(), paths=paths)

    named = read(line(), msgspec.structs.replace(wanted, author_is="ana"), first_line=1)
    unnamed = read(line(), wanted, first_line=1)

    assert named.frame["author"].to_list() == ["ana"]
    assert unnamed.rejects.select("column", "value", "code").rows() == [("author", b"", "empty_author")]


MESSAGES = [
    (b"{", None, None, "The line is no JSON: '{'."),
    (b"[]", None, None, "The line is '[]'; an object with the keys of a post is wanted."),
    (b'{"a":"\xff"}', None, None, "The line cannot be decoded: "),
    (line().ljust(MAX_ROW_BYTES + 1), None, None, "The row has "),
    (line(text=None), "full_text|text", None, "The object has nothing at 'full_text|text'."),
    (
        line(user={"screen_name": True}),
        "user.screen_name",
        b"True",
        "The value of 'user.screen_name' is 'True'; a string or a number is wanted.",
    ),
    (line(created_at="soon"), "created_at", b"soon", "The value of 'created_at' is 'soon'. "),
]


@pytest.mark.parametrize(("line", "column", "value", "message"), MESSAGES, ids=[message for *_, message in MESSAGES])
def test_messages_say_where_and_what_was_found(
    line: bytes, column: str | None, value: bytes | None, message: str
) -> None:
    (found,) = read(line, form(), first_line=1).rejects.rows(named=True)

    assert (found["column"], found["value"]) == (column, value)
    assert found["message"].startswith(message)


LINES = st.one_of(
    st.sampled_from([fact.line for fact in FACTS]),
    st.sampled_from([b"", b" ", b"{}", b"\r", b"{", b"}", b"null"]),
    st.binary(max_size=6).map(lambda data: data.replace(b"\n", b"")),
)


def same(one: Posts, other: Posts) -> None:
    assert one.rows == other.rows
    assert_frame_equal(one.frame, other.frame)
    assert_frame_equal(one.rejects, other.rejects)


@given(lines=st.lists(LINES, max_size=12))
def test_many_lines_at_once_are_as_each_by_itself(lines: list[bytes]) -> None:
    payload = b"\n".join(lines)
    with mock.patch.object(objects, "_TOGETHER", 3):
        fast = read(payload, form(), first_line=1)
    with mock.patch.object(objects, "_decoded_at_once", return_value=None):
        same(fast, read(payload, form(), first_line=1))
    with mock.patch.object(objects.paths, "Extractor", side_effect=ValueError):
        same(fast, read(payload, form(), first_line=1))


def batches(data: bytes, steps: list[int]) -> Iterator[tuple[bytes, int]]:
    held, first, at = b"", 1, 0
    for step in [*steps, len(data)]:
        held += data[at : at + step]
        at += step
        found = cut(held, final=at >= len(data))
        yield held[: found.end], first
        held, first = held[found.end :], first + found.lines


@given(lines=st.lists(LINES, max_size=10), steps=st.lists(st.integers(1, 400), max_size=6))
def test_any_cut_gives_the_same_posts_and_rejects(lines: list[bytes], steps: list[int]) -> None:
    data = b"\n".join(lines)
    whole = read(data, form(), first_line=1)
    parts = [read(part, form(), first_line=first) for part, first in batches(data, steps) if part]
    if not parts:
        return
    frame = pl.concat([part.frame for part in parts], how="vertical")
    same(whole, Posts(sum(part.rows for part in parts), frame, pl.concat([part.rejects for part in parts])))

"""Lists and pages of JSON objects as JSON Lines, however the bytes arrive."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UploadRefused
from app.posts.json.elements import (
    LONGEST_PAGE,
    Elements,
    Inside,
    Listed,
    Pages,
    Place,
    Splitter,
    Values,
    place_of,
    splitter,
)
from app.posts.json.paths import parse, values
from app.posts.looking.shapes import JOINS, Packing, handles_of
from app.posts.looking.sniffing import Layout

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(alphabet='ab",[]{}\\\n é', max_size=6),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(alphabet='a"]\\', max_size=3), below, max_size=3)
    ),
    max_leaves=8,
)


def lines(splitter: Splitter, data: bytes, cuts: list[int]) -> list[Any]:
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
    assert lines(Listed(), b"window.posts = " + text, cuts) == elements


@given(
    objects=st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), max_size=5),
    indent=st.none() | st.integers(0, 2),
    between=st.sampled_from(["", "\n", "\r\n\n", " "]),
    cuts=st.lists(st.integers(0, 10_000), max_size=8),
)
def test_objects_that_follow_each_other_are_a_line_each(
    objects: list[Any],
    indent: int | None,
    between: str,
    cuts: list[int],
) -> None:
    text = between.join(json.dumps(each, indent=indent) for each in objects)
    assert lines(Values(), text.encode(), cuts) == objects


def test_an_object_that_does_not_end_is_refused() -> None:
    with pytest.raises(UploadRefused, match="cut off"):
        lines(Values(), b'{"a":\n{"b": 1}', [])


@pytest.mark.parametrize("text", [b'{"a":1},{"b":2}', b'{"a":"]"', b""])
def test_a_list_that_does_not_end_is_refused(text: bytes) -> None:
    with pytest.raises(UploadRefused, match="cut off"):
        lines(Elements(), text, [])


def test_a_file_without_a_list_is_refused() -> None:
    with pytest.raises(UploadRefused, match="cut off"):
        lines(Listed(), b"window.posts = ", [])


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_element_on_several_lines_becomes_one_line(end: bytes) -> None:
    (line,) = Elements().feed(b'{"a":' + end + b"1}")

    assert line.split() == [b'{"a":', b"1}"]
    assert line.splitlines() == [line]


@pytest.mark.parametrize("cuts", [[], [8]])
def test_what_follows_a_list_is_refused(cuts: list[int]) -> None:
    assert lines(Elements(), b'{"a":1}] ;\n', cuts) == [{"a": 1}]
    with pytest.raises(UploadRefused, match="follows"):
        lines(Elements(), b'{"a":1}]\n{"b":2}', cuts)


def test_pages_are_their_posts_with_the_users_they_include() -> None:
    page = {
        "data": [{"id": "1", "author_id": "7", "text": "hi"}],
        "includes": {"users": [{"id": "7", "username": "ana"}]},
    }
    text = json.dumps(page).encode() + b"\n" + json.dumps({"data": []}).encode() + b"\n{broken\n"
    pages = Pages(Packing(rows="data[]|data", join="includes"))
    out = (b"".join(pages.feed(text)) + pages.finish()).split(b"\n")
    assert json.loads(out[0])["author"]["username"] == "ana"
    assert out[1:] == [b"{broken", b""]


def test_posts_below_posts_follow_them() -> None:
    thread = {"id": 1, "replies": [{"id": 2, "replies": [{"id": 3}]}, {"id": 4}]}
    found = lines(Pages(Packing(below="replies[]")), json.dumps(thread).encode(), [])
    assert [post["id"] for post in found] == [1, 2, 3, 4]


def test_what_is_no_page_is_a_line_as_it_is() -> None:
    text = b'{"posts":[{"a":1}]}\n{"other":2}\n5\n{"meta":{"result_count":0}}\n{"posts":null}\n'
    assert lines(Pages(Packing(rows="posts[]")), text, [3]) == [{"a": 1}, {"other": 2}, 5, {"posts": None}]


def test_a_page_has_no_more_than_64_mib() -> None:
    pages = Pages(Packing(rows="posts[]"))
    assert b"".join(pages.feed(b" " * LONGEST_PAGE)) == b""
    with pytest.raises(UploadRefused, match="more than 67,108,864 bytes"):
        b"".join(pages.feed(b" "))


def test_a_page_has_no_more_than_a_million_values() -> None:
    pages = Pages(Packing(rows="posts[]"))
    most = b"[" + b"0," * 999_999 + b"0]\n"
    assert b"".join(pages.feed(most)) == most
    with pytest.raises(UploadRefused, match="more than 1,000,000 values"):
        b"".join(pages.feed(b"[0," + most[1:]))


@pytest.mark.parametrize("layout", Layout)
def test_a_file_that_is_read_as_it_is_has_no_splitter(layout: Layout) -> None:
    assert (splitter(layout, Packing()) is None) == (layout in {Layout.CSV, Layout.JSONL})


PACKINGS = st.builds(
    Packing,
    rows=st.none() | st.sampled_from(["data[]|data", "posts[]", "a.b[].c", "thread"]),
    below=st.none() | st.sampled_from(["replies.data.children[].data", "replies[]"]),
    join=st.none() | st.sampled_from(sorted(JOINS)),
    handles=st.just({"did:plc:a": "ana.example"}),
)
ODD_KEYS = st.sampled_from(
    ["data", "posts", "replies", "children", "thread", "includes", "users", "tweets", "referenced_tweets", "author_id",
     "id", "did", "commit", "record", "facets", "features", "uri", "reply", "parent", "account", "acct", "url",
     "mentions", "reblog", "in_reply_to_account_id"]
)  # fmt: skip
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | st.sampled_from(["did:plc:a", "at://x/y", "at:", "http://[", "b"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(ODD_KEYS, below, max_size=4),
    max_leaves=15,
)


@given(pages=st.lists(ODD, max_size=4), packing=PACKINGS)
def test_any_page_becomes_lines(pages: list[Any], packing: Packing) -> None:
    text = "".join(json.dumps(page) + "\n" for page in pages).encode()
    assert isinstance(lines(Pages(packing), text, [3]), list)
    handles_of([page for page in pages if isinstance(page, dict)])


POSTS = st.lists(st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=3), max_size=4)
DOCUMENTS = st.fixed_dictionaries(
    {}, optional={"x": VALUES, "posts": POSTS, "list": st.lists(st.fixed_dictionaries({"posts": POSTS}), max_size=3)}
)


@given(
    documents=st.lists(DOCUMENTS, max_size=3),
    rows=st.sampled_from(["posts[]", "list[].posts[]"]),
    indent=st.none() | st.just(1),
    cuts=st.lists(st.integers(0, 10_000), max_size=8),
)
def test_the_elements_of_a_list_at_a_place_are_those_of_its_path(
    documents: list[dict[str, Any]], rows: str, indent: int | None, cuts: list[int]
) -> None:
    place = place_of(Packing(rows=rows))
    assert place is not None
    text = "\n".join(json.dumps(each, indent=indent) for each in documents).encode()
    expected = [post for each in documents for post in values(parse(rows), each)]
    assert lines(Inside(place), text, cuts) == expected


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ("messages[]", Place(2, "messages")),
        ("chats.list[].messages[]|left_chats.list[].messages[]", Place(5, "messages")),
        ("data[]|data", None),
        ("ancestors[]|descendants[]", None),
        ("data.children[].data", None),
        ("posts[type=post]", None),
    ],
)
def test_a_path_to_one_list_is_a_place(rows: str, place: Place | None) -> None:
    assert place_of(Packing(rows=rows)) == place


def test_posts_that_want_what_a_page_includes_have_no_place() -> None:
    assert place_of(Packing(rows="data[]", join="includes")) is None


def test_a_list_at_a_place_is_found_however_the_bytes_arrive() -> None:
    text = b'{"name":[0],"messages" : [{"a":1},{"b":[2]}],"other":[3]}\n{"messages":[4]}'
    for cut in range(len(text)):
        assert lines(Inside(Place(2, "messages")), text, [cut, cut]) == [{"a": 1}, {"b": [2]}, 4]


def test_a_text_before_a_bracket_is_no_key() -> None:
    assert lines(Inside(Place(2, "messages")), b'["messages",[{"a":1}]]', []) == []


def test_a_large_object_that_does_not_end_is_refused() -> None:
    with pytest.raises(UploadRefused, match="cut off"):
        lines(Inside(Place(2, "messages")), b'{"messages":[{"a":1}]', [])


def test_posts_of_a_large_object_come_before_its_end() -> None:
    reader = splitter(Layout.JSON_PAGES, Packing(rows="messages[]"))
    assert reader is not None
    assert b"".join(reader.feed(b'{"messages":[{"a":1},{"b"')).startswith(b'{"a":1}\n')


def test_a_large_object_is_read_piece_by_piece() -> None:
    place = place_of(Packing(rows="messages[]"))
    assert place is not None
    inside = Inside(place)
    message = json.dumps({"text": "hi [@bea], {and} more", "from": "ana"}).encode()
    rows = 0
    for piece in [b'{"name": "x", "messages" : [', *[message + b","] * 5000, message, b'], "other": [1, 2]}']:
        rows += b"".join(inside.feed(piece)).count(message)
    assert (rows, inside.finish()) == (5001, b"")

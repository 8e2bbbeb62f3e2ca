from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import UploadRefused
from app.posts.json import jsonl
from app.posts.json.jsonl import cut, read, read_header
from app.posts.options import ColumnNames, Format
from app.posts.screening import Posts, Reason
from app.posts.tables.csv import read as read_csv
from app.posts.tables.csvscan import Cut
from app.posts.tables.header import Header

NAMES = ("data", "timestamp", "username")
FORM = Format("", 3, 0, 1, 2, NAMES)
AT = b'"timestamp":"2024-05-01"'


class Fact(NamedTuple):
    name: str
    body: bytes
    posts: list[tuple[str, str]]
    """Text and author's spelling."""
    rejects: list[tuple[int, str | None, bytes | None, str]]
    """Physical line, key, value, reason; the first byte stands on line 1."""


def post(text: bytes, author: bytes = b'"x"', at: bytes = b'"2024-05-01"') -> bytes:
    return b'{"data":' + text + b',"timestamp":' + at + b',"username":' + author + b"}"


GOOD = post(b'"a"')

FACTS = [
    Fact("nothing", b"", [], []),
    Fact(
        "blank lines are no rows",
        b"\n \t\r\n\r\n" + GOOD + b"\n\n" + b"5\n",
        [("a", "x")],
        [(6, None, None, "not_an_object")],
    ),
    Fact("no line end at the end", GOOD + b"\n" + GOOD, [("a", "x")] * 2, []),
    Fact("CR LF", GOOD + b"\r\nx\r\n" + GOOD + b"\r\n", [("a", "x")] * 2, [(2, None, None, "malformed_json")]),
    Fact("a lone CR is white space", b'{"data":"a",\r"username":"x",' + AT + b"}\r\r\n" + GOOD, [("a", "x")] * 2, []),
    Fact(
        "order and other keys", b' {"z":[{"data":1}],"username":"x",' + AT + b',"data":"a","y":null} ', [("a", "x")], []
    ),
    Fact("escapes", post(b'"\\u00e9\\n\\"\\ud83d\\udc4d"', b'"\\u0078"', b'"2024\\u002d05-01"'), [('é\n"👍', "x")], []),
    Fact("escaped keys", b'{"d\\u0061ta":"a","username":"x",' + AT + b"}", [("a", "x")], []),
    Fact("of a key that comes twice the last counts", post(b'"b"')[:-1] + b',"data":"a"}', [("a", "x")], []),
    Fact("even if the first is of the wrong type", post(b"5")[:-1] + b',"data":"a"}', [("a", "x")], []),
    Fact("or the last", GOOD[:-1] + b',"data":5}', [], [(1, "data", b"5", "wrong_type")]),
    Fact("keys are exact", b'{"Data":"a","username":"x",' + AT + b"}", [], [(1, "data", None, "missing_key")]),
    Fact(
        "malformed",
        b"\n".join(
            [b"{", b'{"data":"a"', GOOD + b",", GOOD + GOOD, b"'a'", post(b'"a'), b"[1", b"nul", GOOD[1:], GOOD]
        ),
        [("a", "x")],
        [(line, None, None, "malformed_json") for line in range(1, 10)],
    ),
    Fact("no number", post(b'"a"', at=b"01714566600"), [], [(1, None, None, "malformed_json")]),
    Fact("half a surrogate pair", post(b'"\\ud800"'), [], [(1, None, None, "malformed_json")]),
    Fact("a raw control character", post(b'"a\tb"'), [], [(1, None, None, "malformed_json")]),
    Fact("deep", b"[" * 50_000 + b"\n" + GOOD, [("a", "x")], [(1, None, None, "malformed_json")]),
    Fact(
        "not an object",
        b'[{"data":"a"}]\n"a"\n5\nnull\ntrue',
        [],
        [(line, None, None, "not_an_object") for line in range(1, 6)],
    ),
    Fact(
        "missing",
        b'{}\n{"data":"a","username":"x"}\n{"data":"a",' + AT + b"}",
        [],
        [(1, "data", None, "missing_key"), (2, "timestamp", None, "missing_key"), (3, "username", None, "missing_key")],
    ),
    Fact(
        "wrong type",
        b"\n".join(
            [
                post(b"null"),
                post(b'{"a":1}'),
                post(b'"a"', b"7"),
                post(b'"a"', at=b"true"),
                post(b'"a"', at=b"[1]"),
                post(b'"a"', at=b'["\\n"]'),
            ]
        ),
        [],
        [
            (1, "data", b"null", "wrong_type"),
            (2, "data", b'{"a":1}', "wrong_type"),
            (3, "username", b"7", "wrong_type"),
            (4, "timestamp", b"true", "wrong_type"),
            (5, "timestamp", b"[1]", "wrong_type"),
            (6, "timestamp", b'["\\n"]', "wrong_type"),
        ],
    ),
    Fact(
        "numbers as timestamps",
        b"\n".join(post(b'"a"', at=at) for at in (b"1714566600", b"1714566600123", b"1714566600.5", b"-1714566600")),
        [("a", "x")] * 4,
        [],
    ),
    Fact(
        "numbers that are none",
        b"\n".join(post(b'"a"', at=at) for at in (b"5", b"1.7e9", b"17145666001234567890123", b'"yes\\n"')),
        [],
        [
            (1, "timestamp", b"5", "unreadable_timestamp"),
            (2, "timestamp", b"1.7e9", "unreadable_timestamp"),
            (3, "timestamp", b"17145666001234567890123", "unreadable_timestamp"),
            (4, "timestamp", b"yes\n", "unreadable_timestamp"),
        ],
    ),
    Fact("white space around a timestamp", post(b'"a"', at=b'" 2024-05-01\\t"'), [("a", "x")], []),
    Fact(
        "invalid UTF-8 anywhere",
        post(b'"\xff"') + b"\n" + GOOD[:-1] + b',"z":"\xe9"}\n' + GOOD,
        [("a", "x")],
        [(1, None, None, "invalid_utf8"), (2, None, None, "invalid_utf8")],
    ),
    Fact("the replacement character is text", post('"\ufffd"'.encode()), [("\ufffd", "x")], []),
    Fact(
        "NUL",
        post(b'"a\\u0000"') + b"\n" + post(b'"\\\\u0000"') + b"\n" + post(b'"a"', b'"\\u0000"'),
        [("\\u0000", "x")],
        [(1, "data", b"a\0", "nul_byte"), (3, "username", b"\0", "nul_byte")],
    ),
    Fact(
        "authors",
        b"\n".join(
            post(b'"a"', author) for author in (b'" @X "', b'" "', b'"@@x"', b'"a\\tb"', b'"' + b"x" * 321 + b'"')
        ),
        [("a", "X")],
        [
            (2, "username", b" ", "empty_author"),
            (3, "username", b"@@x", "author_invalid"),
            (4, "username", b"a\tb", "author_invalid"),
            (5, "username", b"x" * 200, "author_too_long"),
        ],
    ),
    Fact(
        "a line of more than 1 MiB",
        post(b'"' + b"x" * (1 << 20) + b'"') + b"\n" + b" " * (1 << 21) + b"\n" + GOOD,
        [("a", "x")],
        [(1, None, None, "row_too_long"), (2, None, None, "row_too_long")],
    ),
    Fact("a line of exactly 1 MiB", GOOD.ljust(1 << 20) + b"\r\n", [("a", "x")], []),
]


LOOKED_AT = [
    Fact(
        "placeholders are no authors",
        post(b'"a"', b'"None"') + b"\n" + GOOD,
        [("a", "x")],
        [(1, "username", b"None", "placeholder_author")],
    ),
    Fact(
        "an instant with two meanings",
        post(b'"a"', at=b'"01/02/2024"') + b"\n" + post(b'"a"', at=b'"5 May 2024"'),
        [("a", "x")],
        [(1, "timestamp", b"01/02/2024", "ambiguous_timestamp")],
    ),
]
"""Of files that were looked at before they are read."""


def rejects(posts: Posts) -> list[tuple[Any, ...]]:
    return posts.rejects.select("line", "column", "value", "code").rows()


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_facts(fact: Fact) -> None:
    posts = read(fact.body, FORM, first_line=1)
    assert posts.frame.select("text", "author_spelling").rows() == fact.posts
    assert rejects(posts) == fact.rejects
    assert posts.rows == len(fact.posts) + len(fact.rejects)


@pytest.mark.parametrize("fact", LOOKED_AT, ids=lambda fact: fact.name)
def test_facts_of_files_that_were_looked_at(fact: Fact) -> None:
    posts = read(fact.body, msgspec.structs.replace(FORM, any_instant=True, placeholders=False), first_line=1)
    assert posts.frame.select("text", "author_spelling").rows() == fact.posts
    assert rejects(posts) == fact.rejects


def test_each_reason_is_met_by_a_fact() -> None:
    csv_only = {Reason.MALFORMED_QUOTE, Reason.UNCLOSED_QUOTE, Reason.TOO_FEW_FIELDS, Reason.TOO_MANY_FIELDS}
    assert {code for fact in (*FACTS, *LOOKED_AT) for _, _, _, code in fact.rejects} == set(Reason) - csv_only


def test_frames_are_those_of_csv() -> None:
    for lines, rows in ((b"", b""), (GOOD + b"\n5\n", b"a,2024-05-01,x\nb\n")):
        posts, others = read(lines, FORM, first_line=1), read_csv(rows, Format(",", 3, 0, 1, 2), first_line=1)
        assert posts.frame.equals(others.frame)
        assert posts.frame.schema == others.frame.schema
        assert posts.rejects.schema == others.rejects.schema


MESSAGES = [
    (b"{", "The line is not valid JSON (Input data was truncated): '{'."),
    (b"[]", "The line is '[]'. Write an object with the keys of a post."),
    (b'{"text":"a","by":"x"}', "The object has no key 'data'. Its keys: 'text, by'."),
    (b"{}", "The object has no key 'data'. Its keys: none."),
    (post(b"null"), "The value of 'data' is 'null'. Write a string."),
    (post(b'"a"', at=b"{}"), "The value of 'timestamp' is '{}'. Write a string or a number."),
    (post(b'"a"', at=b"5"), "The value of 'timestamp' is '5'. Write ISO 8601 such as 2024-05-01T12:30:00Z, or"),
    (post(b'"a"', b'""'), "The value of 'username' is ''. Fill in a handle."),
]


@pytest.mark.parametrize(("line", "message"), MESSAGES)
def test_messages_say_what_was_found_and_what_is_wanted(line: bytes, message: str) -> None:
    (found,) = read(line, FORM, first_line=1).rejects["message"].to_list()
    assert found.startswith(message)


def test_the_raw_line_is_kept_up_to_a_limit() -> None:
    assert read(b"5 \r\n" + b"x" * 5000, FORM, first_line=1).rejects["raw"].to_list() == [b"5 ", b"x" * 4096]


@pytest.mark.parametrize("names", [("a", "b", "a"), ('"', "\\", "é"), ("", "x", "y"), ("a b", "c.d", "\n")])
def test_any_names_can_be_asked_for(names: tuple[str, str, str]) -> None:
    values = dict(zip(names, ["first", "2024-05-01", "last"], strict=True))
    posts = read(json.dumps(values).encode(), Format("", 3, 0, 1, 2, names), first_line=1)
    assert posts.frame.select("text", "author").rows() == [(values[names[0]], "last")]


def test_without_names_the_keys_are_the_roles() -> None:
    lines = b'{"text":"a","timestamp":"2024-05-01","author":"x"}\n{"text":"a","timestamp":"soon","author":"x"}'

    posts = read(lines, Format("", 3, 0, 1, 2), first_line=1)

    assert posts.frame.select("text", "author").rows() == [("a", "x")]
    assert rejects(posts) == [(2, "timestamp", b"soon", "unreadable_timestamp")]


# Properties

VALUES = st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.booleans(), max_size=2)
OBJECTS = st.dictionaries(
    st.sampled_from([*NAMES, "z"]), VALUES | st.sampled_from(["2024-05-01", 1714566600, "x", "@y"]), max_size=4
)
LINES = st.one_of(
    st.just(GOOD),
    OBJECTS.map(lambda found: json.dumps(found, ensure_ascii=False).encode(errors="replace")),
    st.sampled_from(
        [b"", b" ", b"5", b"{", b'{"a":\xff}', GOOD + b"\r", GOOD[:9], b"\r", post(b'"\\u0000"'), post(b"1")]
    ),
    st.binary(max_size=12),
)
FILES = st.lists(LINES, max_size=10).map(b"\n".join) | st.binary(max_size=60)


def batches(data: bytes, steps: list[int]) -> Iterator[tuple[bytes, Cut]]:
    held = bytearray()
    at = count = 0
    while at < len(data):
        held += data[at : at + steps[count % len(steps)]]
        at, count = at + steps[count % len(steps)], count + 1
        if (found := cut(bytes(held), final=at >= len(data))).end:
            yield bytes(held[: found.end]), found
            del held[: found.end]


@given(data=FILES, steps=st.lists(st.integers(1, 60), min_size=1, max_size=5))
@settings(max_examples=300)
@example(data=GOOD + b"\r\n", steps=[len(GOOD) + 1])
def test_any_bytes_are_read_alike_in_one_piece_and_in_batches(data: bytes, steps: list[int]) -> None:
    whole = read(data, FORM, first_line=7)
    assert whole.rows == whole.frame.height + whole.rejects.height
    assert whole.rows == sum(1 for line in data.split(b"\n") if line.strip(b" \t\r"))
    assert whole.rejects["line"].is_sorted()
    parts: list[Posts] = []
    line = 7
    for batch, counted in batches(data, steps):
        parts.append(read(batch, FORM, first_line=line))
        assert counted.rows == parts[-1].frame.height + parts[-1].rejects.height
        line += counted.lines
    if parts:
        assert sum(part.rows for part in parts) == whole.rows
        assert pl.concat(part.frame for part in parts).equals(whole.frame)
        assert pl.concat(part.rejects for part in parts).equals(whole.rejects)


def refusing(_names: tuple[str, ...]) -> Callable[[bytes], Any]:
    def refuse(line: bytes) -> None:
        raise msgspec.DecodeError(line)

    return refuse


@given(data=FILES)
@settings(max_examples=300)
def test_the_fast_decoder_says_what_the_close_look_says(data: bytes) -> None:
    fast = read(data, FORM, first_line=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_decoder", refusing)
        close = read(data, FORM, first_line=1)
    assert fast.frame.equals(close.frame)
    assert fast.rejects.equals(close.rejects)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
INSTANTS = st.datetimes(timezones=st.just(UTC))


@given(posts=st.lists(st.tuples(TEXTS, INSTANTS), max_size=6), ascii_only=st.booleans())
@settings(max_examples=150)
def test_what_the_json_module_writes_is_read_back(posts: list[tuple[str, datetime]], *, ascii_only: bool) -> None:
    lines = [
        json.dumps(dict(zip(NAMES, (text, at.isoformat(), "x"), strict=True)), ensure_ascii=ascii_only)
        for text, at in posts
    ]
    found = read("\n".join(lines).encode(), FORM, first_line=1)
    assert found.frame.select("text", "at").rows() == posts


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(10**8, 10**10 - 1))
def test_numbers_are_read_as_they_are_written(number: float) -> None:
    literal = json.dumps(number).encode()
    found = read(post(b'"a"', at=literal), FORM, first_line=1)
    row = read_csv(b"a," + literal + b",x", Format(",", 3, 0, 1, 2), first_line=1)
    assert found.frame.equals(row.frame)


# Where it begins


@pytest.mark.parametrize(
    ("head", "offset"),
    [(b"{", 0), (b"\n", 0), (b"\xef\xbb\xbf{", 3), (b"\xef", None), (b"\xef\xbb\xbf", None), (b"", None)],
)
def test_the_first_line_is_the_first_row(head: bytes, offset: int | None) -> None:
    names = ColumnNames("body", "at", "by")
    expected = None if offset is None else Header(Format("", 3, 0, 1, 2, ("body", "at", "by")), offset, 1)
    assert read_header(head, final=False, names=names) == expected


def test_half_a_byte_order_mark_is_a_line_of_a_file_that_ends_there() -> None:
    header = read_header(b"\xef\xbb", final=True, names=ColumnNames("body", "at", "by"))

    assert header == Header(Format("", 3, 0, 1, 2, ("body", "at", "by")), 0, 1)


@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf"])
def test_a_file_with_no_line_is_refused(head: bytes) -> None:
    with pytest.raises(UploadRefused) as refused:
        read_header(head, final=True, names=ColumnNames())
    assert refused.value.code == "empty-file"


def test_cut() -> None:
    assert cut(b"", final=False) == cut(b"", final=True) == cut(b'{"a":1}', final=False) == Cut(0, 0, 0)
    assert cut(b"{}\n{", final=False) == Cut(3, 1, 1)
    assert cut(b"{}\r\n", final=False) == Cut(4, 1, 1)
    assert cut(b"{}\n{", final=True) == Cut(4, 1, 2)
    assert cut(b"\n \t\r\n{} \n\r\n\r", final=True) == Cut(12, 4, 1)
    assert cut(b"\n{}\r", final=True) == Cut(4, 1, 1)


@given(data=st.lists(st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\n", b"{}", b"\xff", b"  " * 5])).map(b"".join))
@example(data=b" " * 8 + b"\n" + b" " * 9)
def test_a_long_line_of_white_space_is_a_row_for_cutter_and_reader(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "MAX_ROW_BYTES", 8)
        assert cut(data, final=True).rows == read(data, FORM, first_line=1).rows

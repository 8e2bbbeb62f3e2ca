"""Erasing many places at once gives the bytes that a look at each row gives."""

from __future__ import annotations

import json
from typing import Any

import msgspec
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
    "\\n",
    "\\N",
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


@pytest.mark.parametrize(
    ("handle", "text", "masked"),
    [
        ("ann", "@Ann, anna and joann", "@***, anna and joann"),
        ("ann", "mail ann@example.org", "mail ***@example.org"),
        ("İstanbul", "@İstanbul @i\u0307stanbul", "@******** @*********"),
        ("straße", "STRASSE and STRAßE", "STRASSE and ******"),
        ("ann", r"hi\nann, hi\Tann, hi\\ann and hi\xann", r"hi\n***, hi\T***, hi\\*** and hi\xann"),
        ("zöë", "zo\u0308ë ZÖE\u0308", "**** ****"),
    ],
)
def test_a_handle_goes_in_each_of_its_forms_and_no_other_word_goes(handle: str, text: str, masked: str) -> None:
    assert Name(handle).masked(text) == masked


def test_a_word_that_is_joined_to_the_handle_keeps_it_on_that_platform_alone() -> None:
    text = "ann.b ann-b ann@bob"

    assert Name("ann").masked(text) == "***.b ***-b ***@bob"
    assert Name("ann").masked(text, joiners=".") == "ann.b ***-b ****bob"
    assert Name("ann").masked(text, joiners=erasing.NO_JOINER) == "***.b ***-b ****bob"


def test_a_cell_names_the_person_up_to_a_length() -> None:
    assert Name("ann").is_named("ann".rjust(14))
    assert not Name("ann").is_named("ann".rjust(15))


@pytest.mark.parametrize(
    ("handle", "data", "worth_a_look"),
    [
        ("ann", b"hi ANN", True),
        ("ann", rb"{'data': 'hi\nann'}", True),
        ("ann", rb"\u0061nn", True),
        ("ann", b"hi bob", False),
        ("zoë", "ZOË".encode(), True),
        ("zoë", rb"zo\u00eb", True),
        ("zoë", r"{'data': 'hi\nzoë'}".encode(), True),
        ("zoë", b"hi bob", False),
    ],
)
def test_bytes_that_may_hold_the_handle_are_looked_at(handle: str, data: bytes, worth_a_look: bool) -> None:
    assert Name(handle).may_be_in(data) is worth_a_look


def test_a_json_value_loses_the_handle_but_for_its_keys_and_those_to_skip() -> None:
    value = {"a": ["ann", 1, None], "ann": {"b": "hi @ann"}, "kept": "ann"}

    assert Name("ann").masked_json(value, skip={"kept"}) == {
        "a": ["***", 1, None],
        "ann": {"b": "hi @***"},
        "kept": "ann",
    }


@pytest.mark.parametrize(("author_is", "left"), [("Ann", "forgotten"), ("anna", "anna"), (None, None)])
def test_the_author_of_a_whole_file_is_replaced(author_is: str | None, left: str | None) -> None:
    form = msgspec.structs.replace(FORM, author=-1, author_is=author_is)

    assert erasing.without_author(form, Name("ann")).author_is == left


POSTED = ",2026-01-01,bob,"


def treated(how: dict[str, Any]) -> How:
    """How lines are treated. The person wrote none unless told otherwise."""
    told: dict[str, Any] = {"written": (), **how}
    return How(**told)


@pytest.mark.parametrize(
    ("form", "how", "row", "new"),
    [
        # A row that the person wrote keeps its instant, its id and its place.
        ({}, {}, "hi,2026-01-01,Ann,bob", ",2026-01-01,forgotten,"),
        ({}, {}, 'hi,2026-01-01,"@Ann ",bob', ",2026-01-01,forgotten,"),
        ({}, {"written": {1}}, "hi,2026-01-01,a nn,bob", ",2026-01-01,forgotten,"),
        ({}, {"written": {1}}, '"h\ni\n",2026-01-01,ann,', '"\n\n",2026-01-01,forgotten,'),
        ({}, {"written": {1}}, '"h\ni","20\n26",ann,', '"\n","20\n26",forgotten,'),
        ({"text": 3, "further": {"id": 0}}, {"written": {1}}, "7,2026-01-01,ann,hi", "7,2026-01-01,forgotten,"),
        ({"text": 3, "further": {"time": 0}}, {"written": {1}}, "9:30,2026-01-01,ann,hi", "9:30,2026-01-01,forgotten,"),
        ({"text": 2, "author": 0}, {}, "ann,2026-01-01,hi,bob", "forgotten,2026-01-01,,"),
        ({"text": -1}, {"written": {1}}, '"x\ny",2026-01-01,ann,bob', ",2026-01-01,forgotten,"),
        # Where one person wrote the whole file, no cell is its author.
        ({"author": -1, "further": {}}, {}, "hi,2026-01-01,bob,ann", "hi,2026-01-01,bob,***"),
        ({"author": -1, "further": {}}, {"careful": {1}}, "hi,2026-01-01,bob,ann", "hi,2026-01-01,bob,***"),
        ({"author": -1, "further": {}}, {"written": {1}}, "hi @ann,2026-01-01,bob,ann", ",2026-01-01,,"),
        # A blank row keeps its author, too.
        ({}, {"blank": {1}}, "hi,2026-01-01,bob,cy", POSTED),
        ({}, {"blank": {1}, "posts": {1}}, "hi,2026-01-01,ann.b,cy", ",2026-01-01,ann.b,"),
        # The author of a post is another person. A reject's author may be anything.
        ({}, {"posts": {1}}, "hi @ann,2026-01-01,ann.b,", "hi @***,2026-01-01,ann.b,"),
        ({}, {}, "hi @ann,2026-01-01,ann.b,", "hi @***,2026-01-01,***.b,"),
        # Longer handles stay where they are known to be handles.
        ({}, {"careful": {1}}, "@ann.b @ann hi," + POSTED[1:], "@ann.b @*** hi," + POSTED[1:]),
        ({}, {"careful": {2}}, "@ann.b @ann hi," + POSTED[1:], "@***.b @*** hi," + POSTED[1:]),
        ({}, {"careful": {1}}, "@ann.b,2026-01-01", "@ann.b,2026-01-01"),
        ({}, {"careful": {2}}, "@ann.b,2026-01-01", "@***.b,2026-01-01"),
        ({"escaped": True}, {}, rf"hi\nann\nanna{POSTED}", rf"hi\n***\nanna{POSTED}"),
        ({}, {"written": {1}}, "@ann,2026-01-01", "@***,2026-01-01"),
        ({}, {"written": {1}}, "@ann,2026-01-01,ann,bob,cy", "@***,2026-01-01,***,bob,cy"),
        ({"surplus": True}, {"written": {1}}, "@ann,2026-01-01,ann,bob,", ",2026-01-01,forgotten,,"),
        # A list loses one handle, and stays as it is without that.
        ({}, {}, f'hi{POSTED}"[""Ann"", ""bob""]"', f'hi{POSTED}"[""bob""]"'),
        ({}, {}, f"hi{POSTED}@ann", f"hi{POSTED}"),
        ({}, {}, f'hi{POSTED}ann"', f"hi{POSTED}"),
        ({}, {}, f"@ann{POSTED}bob cy", f"@***{POSTED}bob cy"),
        ({}, {}, f"hi{POSTED}ann.b", f"hi{POSTED}ann.b"),
        # Letters that patterns take for ASCII.
        ({}, {}, f"@a\u0131 x{POSTED}", f"@a\u0131 x{POSTED}"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_row_without_the_person(form: dict[str, Any], how: dict[str, Any], row: str, new: str, end: str) -> None:
    layout = msgspec.structs.replace(FORM, **form)

    rewritten = erasing.rewritten(
        f"{row}{end}".encode(), layout, InputFormat.CSV, Name("ann"), treated(how), first_line=1
    )

    assert rewritten.decode() == f"{new}{end}"


def test_a_letter_like_one_of_ascii_is_found_in_columns() -> None:
    payload = f"@_\u212ais @_kis{POSTED}\n@bob{POSTED}\n".encode()

    new = erasing.rewritten(payload, FORM, InputFormat.CSV, Name("_kis"), How(written=set()), first_line=1)

    assert new.decode() == f"@**** @****{POSTED}\n@bob{POSTED}\n"


POSTS = Format("", 3, 0, 1, 2, names=("data", "timestamp", "username"))


def line(text: Any = "hi @bob", author: Any = "bob", **more: Any) -> dict[str, Any]:
    return {"data": text, "timestamp": "2026-01-01", "username": author, **more}


@pytest.mark.parametrize(
    ("how", "post", "new"),
    [
        ({}, line("hi @Ann"), line("hi @***")),
        ({}, line("hi\nann\n"), line("hi\n***\n")),
        ({}, line("ann"), line("***")),
        ({}, line(who="ann", names=["@Ann", "bob", 1, None]), line(who=None, names=[None, "bob", 1, None])),
        ({}, line(about={"ann": "ann.b"}), line(about={"***": "***.b"})),
        ({}, line(author=None, timestamp=5, about="ann"), line(author=None, timestamp=5, about=None)),
        ({}, line(author={"name": "ann"}), line(author={"name": None})),
        ({}, line(author=["ann"], about="x"), line(author=[None], about="x")),
        # A post that the person wrote keeps its instant and its id.
        ({}, line("hi", "Ann", about="x", n=[1]), line("", "forgotten", about=None, n=[1])),
        ({"written": {1}}, line("hi", "a nn", about="x"), line("", "forgotten", about=None)),
        ({"written": {3}}, line("hi", "a nn", about="x"), line("hi", "a nn", about="x")),
        ({"written": {1}}, line("hi", "bob", timestamp="on ann"), line("", "forgotten", timestamp="on ***")),
        # A blank post keeps its author, too, if it is a post.
        ({"blank": {1}, "posts": {1}}, line("hi", "bob", about="x"), line("", "bob", about=None)),
        ({"blank": {1}}, line("hi", "bob", about="x"), line("", None, about=None)),
        ({"posts": {1}}, line("@ann", "ann.b"), line("@***", "ann.b")),
        ({}, line("@ann", "ann.b"), line("@***", "***.b")),
        # Longer handles stay where they are known to be handles, and a count may find a handle that bytes don't show.
        ({"careful": {1}}, line("@ann.b @ann", timestamp="ann.b"), line("@ann.b @***", timestamp="ann.b")),
        ({"careful": {2}}, line("@ann.b @ann", timestamp="ann.b"), line("@***.b @***", timestamp="***.b")),
        # Lines that are no posts.
        ({}, ["ann", 1], ["***", 1]),
        ({"careful": {1}}, ["ann.b"], ["ann.b"]),
        ({}, "ann.b", "***.b"),
    ],
)
@pytest.mark.parametrize("end", ["", "\r"])
def test_a_line_of_json_without_the_person(how: dict[str, Any], post: Any, new: Any, end: str) -> None:
    payload = f'{json.dumps(post)}{end}\n{{"data": "its  spaces stay: \\u00e9"}}{end}\n'.encode()

    rewritten = erasing.rewritten(payload, POSTS, InputFormat.JSONL, Name("ann"), treated(how), first_line=1)

    first, second, last = rewritten.decode().split("\n")
    assert json.loads(first) == new
    assert (first.endswith("\r"), second, last) == (bool(end), f'{{"data": "its  spaces stay: \\u00e9"}}{end}', "")


@pytest.mark.parametrize(
    ("known", "post", "new"),
    [
        ({"names": ("t", "at", "ann")}, {"t": "hi", "at": "9:30", "ann": "ann"}, {"t": "", "at": "9:30"}),
        ({"paths": {"text": "t", "author": "ann"}}, {"t": "hi", "at": "9:30", "ann": "ann"}, {"t": "", "at": None}),
        # Of old, the keys are those of the roles.
        ({}, {"text": "hi", "timestamp": "9:30", "author": "ann"}, {"text": "", "timestamp": "9:30"}),
    ],
)
def test_keys_that_say_where_things_are_keep_their_names(
    known: dict[str, Any], post: dict[str, str], new: dict[str, str | None]
) -> None:
    form = Format("", 3, 0, 1, 2, **known)

    rewritten = erasing.rewritten(
        json.dumps(post).encode(), form, InputFormat.JSONL, Name("ann"), How(written=set()), first_line=1
    )

    assert json.loads(rewritten) == {**new, list(post)[-1]: "forgotten"}


def test_a_handle_that_only_a_count_finds_goes_from_json() -> None:
    payload = '{"data": "@_\u212ais"}'.encode()

    def without(mentioning: set[int]) -> bytes:
        how = How(written=set(), mentioning=mentioning)
        return erasing.rewritten(payload, POSTS, InputFormat.JSONL, Name("_kis"), how, first_line=1)

    assert json.loads(without({1})) == {"data": "@****"}
    assert without({2}) == payload


def test_what_is_no_json_loses_the_handle_too() -> None:
    payload = rb'{"data": "\nann.b @Ann'

    def without(careful: set[int]) -> bytes:
        how = How(written=set(), careful=careful)
        return erasing.rewritten(payload, POSTS, InputFormat.JSONL, Name("ann"), how, first_line=1)

    assert without(set()) == rb'{"data": "\n***.b @***'
    assert without({1}) == rb'{"data": "\nann.b @***'

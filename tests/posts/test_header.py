"""The header of a CSV file at its bounds, and what a person is told of one that lacks a column."""

from __future__ import annotations

import pytest

from app.errors import HeaderTooLong, MissingColumn, UploadRefused
from app.posts.options import ColumnNames
from app.posts.tables.header import MAX_HEADER_BYTES, Header, read_header, show

NAMES = ColumnNames()
START = b"data,timestamp,username,"
LONGEST = START + b"x" * (MAX_HEADER_BYTES - len(START))
BOM = b"\xef\xbb\xbf"


def header_of(head: bytes, *, final: bool = True, delimiter: str = ",") -> Header | None:
    return read_header(head, final=final, names=NAMES, delimiter=delimiter)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nx"])
def test_the_longest_header_is_read(end: bytes) -> None:
    header = header_of(LONGEST + end)

    assert header is not None
    assert header.body_offset == len(LONGEST + end.removesuffix(b"x"))


@pytest.mark.parametrize("head", [LONGEST + b"x", LONGEST + b"x\n", BOM + LONGEST + b"x"])
@pytest.mark.parametrize("final", [True, False])
def test_a_longer_header_is_refused(head: bytes, *, final: bool) -> None:
    with pytest.raises(HeaderTooLong):
        header_of(head, final=final)


def test_as_many_bytes_as_a_header_has_may_go_on() -> None:
    assert header_of(LONGEST, final=False) is None
    assert header_of(b"\n" * MAX_HEADER_BYTES, final=False) is None
    with pytest.raises(HeaderTooLong, match="empty lines"):
        header_of(b"\n" * (MAX_HEADER_BYTES + 1), final=False)


def missing(head: str, delimiter: str = ",") -> str:
    with pytest.raises(UploadRefused) as refused:
        header_of(head.encode(), delimiter=delimiter)
    assert isinstance(refused.value, MissingColumn)
    return refused.value.detail


@pytest.mark.parametrize(
    ("head", "delimiter", "hint"),
    [
        ("data;timestamp;username\n", ",", "Is the delimiter ';'? It was taken to be ','."),
        ("data,timestamp,username\n", ";", "Is the delimiter ','? It was taken to be ';'."),
        ("hello\n", ",", "is the header missing?"),
        ('"a,b"\n', ",", "is the header missing?"),
        ("a;b,c\n", ",", "is the header missing?"),
        ("data,b;c\n", ",", None),
    ],
)
def test_what_may_be_wrong_with_a_header_is_told(head: str, delimiter: str, hint: str | None) -> None:
    detail = missing(head, delimiter)

    assert detail.endswith(hint or "'b;c'.")
    assert detail.count("?") == (hint is not None)


@pytest.mark.parametrize(("columns", "shown"), [(30, "'c29'."), (31, "'c29', …."), (1, "'data'.")])
def test_some_columns_are_shown(columns: int, shown: str) -> None:
    detail = missing(",".join(["data", *(f"c{number}" for number in range(1, columns))]))

    assert detail.partition("found: ")[2].endswith(shown)


def test_what_was_found_is_shown_up_to_a_length() -> None:
    assert show(b"x" * 80) == repr("x" * 80)
    assert show(b"x" * 81) == repr("x" * 80 + "…")

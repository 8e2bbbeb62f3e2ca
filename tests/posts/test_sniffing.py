"""The first bytes tell what a file is packed in, how its text is encoded and how it is laid out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import pytest

from app.posts.looking import sniffing
from app.posts.looking.sniffing import Container, Finding, Layout, Sure, Table
from app.posts.options import InputFormat


def zipped(*names: str) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name in names:
            archive.writestr(name, "hi @bea")
    return into.getvalue()


CONTAINERS = [
    (b"\x50\x2a\x4d\x18\x04\0\0\0test", Container.ZSTD),
    (zipped("[Content_Types].xml"), Container.XLSX),
    (zipped("xl/workbook.xml"), Container.XLSX),
    (zipped("posts.csv"), Container.ZIP),
    (zipped(), Container.ZIP),
    (b"text,date,user\n", Container.NONE),
]


@pytest.mark.parametrize(("head", "container"), CONTAINERS)
def test_a_container_has_a_mark(head: bytes, container: Container) -> None:
    assert sniffing.container(head).value is container


ENCODINGS: list[tuple[str, bytes, str, Sure, str]] = [
    ("ASCII", b"hi @bea", "utf-8", Sure.CERTAIN, "ASCII"),
    ("UTF-8", "caf\u00e9".encode(), "utf-8", Sure.CERTAIN, "valid UTF-8"),
    ("a zero in a text", b"hi @bea\0 and more", "utf-8", Sure.CERTAIN, "ASCII"),
    ("zeros alone", b"\0" * 100, "utf-8", Sure.CERTAIN, "ASCII"),
    ("zeros in every other place", b"a\0" * 20, "utf-16-le", Sure.CERTAIN, "every other byte"),
    ("zeros in 7 of 10 places", b"a\0" * 7 + b"aa" * 3, "utf-8", Sure.CERTAIN, "ASCII"),
    ("zeros in every other place and 1 of 20 beside", b"\0\0" + b"a\0" * 19, "utf-8", Sure.CERTAIN, "ASCII"),
    ("as much UTF-8 as not", b"caf\xe9 caf\xc3\xa9", "utf-8", Sure.CERTAIN, "most"),
    ("Western text", b"caf\xe9", "cp1252", Sure.CERTAIN, "Western"),
    ("Western text with a control character", b"caf\xe9\x7f", "cp1252", Sure.CERTAIN, "Western"),
    ("Western signs alone", b"\x80 10", "cp1252", Sure.CERTAIN, "Western"),
    ("98 of 100 letters of one language", b"\xe9" * 98 + b"\xdf\xdf", "cp1252", Sure.CERTAIN, "Western"),
]


@pytest.mark.parametrize(
    ("head", "name", "sure", "words"), [fact[1:] for fact in ENCODINGS], ids=[fact[0] for fact in ENCODINGS]
)
def test_an_encoding_is_certain(head: bytes, name: str, sure: Sure, words: str) -> None:
    found = sniffing.encoding(head, final=True)
    assert (found.value, found.sure) == (name, sure)
    assert words in found.reason


UNCERTAIN = {
    "97 of 100 letters of one language": b"\xe9 " * 97 + b"\xdf " * 3,
    "letters of several languages": "ß ø ã ".encode("cp1252") * 20,
    "a letter of no such language": b"\xe9 " * 100 + b"\xfe",
    "a sign between letters": "é é g³owa".encode("cp1252"),
    "some UTF-8": "ã ã é ".encode("cp1252") + "ã ".encode(),
}


@pytest.mark.parametrize("head", UNCERTAIN.values(), ids=UNCERTAIN)
def test_what_may_be_no_western_text_is_asked_about(head: bytes) -> None:
    assert sniffing.encoding(head, final=True).sure < Sure.CERTAIN


LAYOUTS: list[tuple[str, InputFormat, Sure, str]] = [
    ('window.YTD.tweets.part0 = [ {"tweet":1} ]', Layout.JSON_ARRAY, Sure.CERTAIN, "script"),
    ("window.YTD.tweets.part0 = [ ]", Layout.JSON_ARRAY, Sure.CERTAIN, "script"),
    ('var page = {"posts":[]}', Layout.JSONL, Sure.CERTAIN, "each line"),
    ('[{"text":1}]', Layout.JSON_ARRAY, Sure.CERTAIN, "list"),
    ('{"text":1}\n{"text":2}\n', Layout.JSONL, Sure.CERTAIN, "each line"),
    ('{"text":1} x\n{"text":2}\n', Layout.JSONL, Sure.LIKELY, "first line"),
    ('{"text":\nx\n', Layout.JSONL, Sure.LIKELY, "first line"),
    ('{\n"text":1\n}\n', Layout.JSON_PAGES, Sure.CERTAIN, "several lines"),
    ("text,date,user\n", Layout.CSV, Sure.CERTAIN, "not begin as JSON"),
    ("{text},date,user\n", Layout.CSV, Sure.CERTAIN, "not begin as JSON"),
]


@pytest.mark.parametrize(("text", "layout", "sure", "words"), LAYOUTS)
def test_a_layout_is_told_by_how_the_text_begins(text: str, layout: InputFormat, sure: Sure, words: str) -> None:
    found = sniffing.layout(text, final=True)
    assert (found.value, found.sure) == (layout, sure)
    assert words in found.reason


# Tables ---------------------------------------------------------------------------------------------------------------


def named(row: Sequence[str]) -> int:
    return len({"text", "date", "user"} & set(row))


def tabled(
    text: str, delimiter: str | None = None, skip_lines: int | None = None, *, final: bool = True
) -> Finding[Table]:
    found = sniffing.table(text, delimiter=delimiter, skip_lines=skip_lines, final=final, is_header=named)
    assert found is not None
    return found


DELIMITERS: list[tuple[str, str, str, Sure, str]] = [
    ("one column", "a\n1\n", ",", Sure.CERTAIN, "one column"),
    ("one delimiter", "a;b\n1;2\n", ";", Sure.CERTAIN, "2 fields with a semicolon"),
    ("more names with one", "text,date,user;x;y;z\n1,2,3;4;5;6\n", ",", Sure.CERTAIN, "a comma"),
    ("no names, and fields with two", "a,b;c\n1,2;3\n", ",", Sure.LIKELY, "a comma"),
    ("twice as many fields with one", "a,b,c,d;e\n1,2,3,4;5\n", ",", Sure.LIKELY, "a comma"),
    ("more than twice as many fields", "a,b,c,d,e;f\n1,2,3,4,5;6\n", ",", Sure.CERTAIN, "a comma"),
    ("one name, and no row of as many fields", "text,b\n1\n2\n", ",", Sure.LIKELY, "a comma"),
    ("two names, and no row of as many fields", "text,date\n1\n2\n", ",", Sure.CERTAIN, "a comma"),
]


@pytest.mark.parametrize(
    ("text", "delimiter", "sure", "words"), [fact[1:] for fact in DELIMITERS], ids=[fact[0] for fact in DELIMITERS]
)
def test_a_delimiter_is_told_by_names_and_fields(text: str, delimiter: str, sure: Sure, words: str) -> None:
    found = tabled(text)
    assert (found.value.delimiter, found.sure) == (delimiter, sure)
    assert words in found.reason


SAID: list[tuple[str, str, str | None, int | None, tuple[str, int, tuple[str, ...]]]] = [
    ("a first line for spreadsheets", "sep=^\na^b\n1^2\n", None, None, ("^", 1, ("a", "b"))),
    ("its delimiter, whatever the rows look like", "sep=;\na,b,c;d\n1,2,3;4\n", None, None, (";", 1, ("a,b,c", "d"))),
    ("another delimiter than the first line's", "sep=;\na,b\n1,2\n", ",", None, (",", 1, ("a", "b"))),
    ("that no line is skipped", "sep=;\na;b\n1;2\n", ";", 0, (";", 0, ("sep=", ""))),
    ("more lines than the first to skip", "sep=;\nx;y\na;b\n1;2\n", ";", 2, (";", 2, ("a", "b"))),
    ("a delimiter, whatever the rows look like", "a;b;c|d\n1;2;3|4\n", "|", None, ("|", 0, ("a;b;c", "d"))),
]


@pytest.mark.parametrize(
    ("text", "delimiter", "skip_lines", "expected"), [fact[1:] for fact in SAID], ids=[fact[0] for fact in SAID]
)
def test_a_table_is_read_as_the_sender_or_its_first_line_says(
    text: str, delimiter: str | None, skip_lines: int | None, expected: tuple[str, int, tuple[str, ...]]
) -> None:
    found = tabled(text, delimiter, skip_lines)
    assert (found.value.delimiter, found.value.skip_lines, found.value.first) == expected
    assert found.sure is Sure.CERTAIN
    assert "said to have" in found.reason


@pytest.mark.parametrize("final", [True, False])
def test_the_last_row_may_be_cut_off(*, final: bool) -> None:
    both = (("1", "2"), ("3", "4"))
    assert tabled("a,b\n1,2\n3,4\n", final=final).value.rows == (both if final else both[:1])
    assert tabled("a,b\n1,2\n", final=final).value.rows == both[:1]


def test_a_quote_that_nothing_ends_leaves_what_comes_before() -> None:
    assert len(tabled('"' + ("x" * 49 + "\n") * 3000).value.first) == 1


PREAMBLES = [
    ("none", "text,date\n1,2\n", 0, ("text", "date")),
    ("a line", "Report\ntext,date,user\n1,2,3\n", 1, ("text", "date", "user")),
    ("a line with one name", "text\ntext,date,user\n1,2,3\n", 1, ("text", "date", "user")),
    ("a line before an empty one", "Report\ntext,date\n\n1,2\n", 1, ("text", "date")),
    ("none before a short row", "text,date\n1\ntext,date\n1,2\n", 0, ("text", "date")),
    ("empty lines before a short row", "\ntext,date\n1\ntext,date\n1,2\n", 0, ("text", "date")),
    (
        "names without rows of their width",
        "Report\ntext,date\n1,2,3,4\ntext,date,user\n1,2,3\n",
        3,
        ("text", "date", "user"),
    ),
    ("a line before three wide rows", "Report\na,b,c,d\n1,2,3,4\n1,2,3,4\n", 1, ("a", "b", "c", "d")),
    ("two fields before three wide rows", "Report,x\na,b,c,d\n1,2,3,4\n1,2,3,4\n", 1, ("a", "b", "c", "d")),
    ("three fields before wide rows", "a,b,c\n1,2,3,4\n1,2,3,4\n1,2,3,4\n", 0, ("a", "b", "c")),
    ("a line before three rows that are not wide", "Report\na,b,c\n1,2,3\n1,2,3\n", 0, ("Report",)),
    ("a line before one wide row", "Report\na,b,c,d\n1\n2\n3\n", 0, ("Report",)),
    ("a table with one name", "Report\ntext,b\n1,2\ntext,date\n1,2\n", 3, ("text", "date")),
]


@pytest.mark.parametrize(
    ("text", "skip_lines", "first"), [fact[1:] for fact in PREAMBLES], ids=[fact[0] for fact in PREAMBLES]
)
def test_a_preamble_ends_at_the_row_that_names_columns(text: str, skip_lines: int, first: tuple[str, ...]) -> None:
    found = tabled(text, ",").value
    assert (found.skip_lines, found.first) == (skip_lines, first)


def test_no_preamble_is_looked_for_where_the_sender_says_how_many_lines_to_skip() -> None:
    found = tabled("x\nReport\ntext,date,user\n1,2,3\n", ",", 1).value
    assert (found.skip_lines, found.first) == (1, ("Report",))


@pytest.mark.parametrize(
    ("rows", "surplus"), [("", False), ("1,2,\n3,4,\n", True), ("1,\n2,\n", False), ("1,2,3\n", False)]
)
def test_every_row_may_end_with_one_more_delimiter(rows: str, *, surplus: bool) -> None:
    assert tabled(f"a,b\n{rows}").value.surplus is surplus


def test_so_many_rows_are_looked_at() -> None:
    assert len(tabled("a,b\n" + "1,2\n" * (sniffing.ROWS + 5)).value.rows) == sniffing.ROWS

from __future__ import annotations

import csv
import io
import json
import re
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.posts.json import jsonl
from app.posts.looking.forms import begin
from app.posts.looking.reading import look
from app.posts.options import ColumnNames, Format, Given
from app.posts.repair import REJECT_COLUMNS, UNREPAIRED, csv_of, header_line
from app.posts.screening import RAW_BYTES, Posts, Reason
from app.posts.tables.csv import read
from app.posts.tables.formulas import guarded, guarded_column, unguarded, unguarded_column
from app.posts.tables.header import Header, read_header
from tests.posts.post_facts import FACTS, Fact
from tests.posts.test_csv import FILES
from tests.posts.test_jsonl import FACTS as LINE_FACTS
from tests.posts.test_jsonl import FILES as LINE_FILES
from tests.posts.test_jsonl import FORM as LINE_FORM
from tests.posts.test_jsonl import Fact as LineFact

NAMES = ColumnNames()
FORM = Format(",", 3, 0, 1, 2, ("data", "timestamp", "username"))
OF_ONE = Format(",", 3, 0, 1, -1, ("data", "timestamp", "likes"), author_is="bob")
WIDE = Format(";", 5, 3, 1, 0, ("username", "timestamp", 'a;"b"', "data", "Größe"))


class Reject(NamedTuple):
    line: int
    column_name: str | None
    code: str
    message: str
    raw: bytes


def repaired(posts: Posts, form: Format) -> bytes:
    columns = ("line", "column", "code", "message", "raw")
    rejects = [
        Reject(line, column, code, message, raw)
        for line, column, code, message, raw in posts.rejects.select(columns).rows()
    ]
    return b"".join(csv_of(rejects, form))


def uploaded(file: bytes, delimiter: str) -> tuple[Header, Posts]:
    header = read_header(file, final=True, names=NAMES, delimiter=delimiter)
    assert header is not None
    return header, read(file[header.body_offset :], header.format, first_line=header.first_line)


def table(file: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    """As a spreadsheet shows it."""
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def assert_all_come_back(posts: Posts, form: Format) -> None:
    file = repaired(posts, form)
    header, again = uploaded(file, form.delimiter or ",")
    assert again.rows == again.rejects.height == posts.rejects.height
    assert [int(row["reject_line"]) for row in table(file, form.delimiter or ",")] == posts.rejects["line"].to_list()
    # And once more: it has come to rest, but for the lines.
    third = repaired(again, header.format)
    assert uploaded(third, form.delimiter or ",")[1].rejects.height == posts.rejects.height
    assert header_line(header.format) == file[: header.body_offset]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_what_is_not_repaired_is_rejected_again(fact: Fact) -> None:
    assert_all_come_back(read(fact.body, FORM, first_line=2), FORM)


@pytest.mark.parametrize("fact", LINE_FACTS, ids=lambda fact: fact.name)
def test_what_is_not_repaired_of_json_lines_is_rejected_again(fact: LineFact) -> None:
    assert_all_come_back(jsonl.read(fact.body, LINE_FORM, first_line=1), LINE_FORM)


@given(data=FILES | st.binary(max_size=60))
@settings(max_examples=300)
def test_any_rejects_upload_again(data: bytes) -> None:
    assert_all_come_back(read(data, FORM, first_line=2), FORM)


@given(data=FILES)
@settings(max_examples=100)
def test_any_rejects_of_other_columns_upload_again(data: bytes) -> None:
    assert_all_come_back(read(data.replace(b",", b";;"), WIDE, first_line=2), WIDE)


@given(data=LINE_FILES)
@settings(max_examples=300)
def test_any_rejects_of_json_lines_upload_again(data: bytes) -> None:
    assert_all_come_back(jsonl.read(data, LINE_FORM, first_line=2), LINE_FORM)


GOOD_FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(GOOD_FIELDS, GOOD_FIELDS), min_size=1, max_size=6))
@settings(max_examples=150)
def test_a_repaired_field_is_all_it_takes(rows: list[tuple[str, str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL).writerows(
        ("ann", "never", other, text, "") for text, other in rows
    )
    file = repaired(read(out.getvalue().encode(), WIDE, first_line=2), WIDE)
    shown = table(file, ";")
    assert [(unguarded(row["data"]), unguarded(row['a;"b"'])) for row in shown] == rows
    assert not any(runs(cell) for row in shown for cell in (*row, *row.values()))
    back = io.StringIO(newline="")
    writer = csv.DictWriter(back, list(shown[0]), delimiter=";", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows({**row, "timestamp": "2024-05-01"} for row in shown)
    _, again = uploaded(back.getvalue().encode(), ";")
    assert again.rejects.is_empty()
    assert again.frame["text"].to_list() == [text for text, _ in rows]


def test_the_file() -> None:
    posts = read(b"=1+1,never,x\na,b\n\xe9 @b,2024-05-01,y\n", FORM, first_line=2)
    first, second, third = posts.rejects["message"].to_list()
    assert repaired(posts, FORM).decode() == (
        "\ufeffdata,timestamp,username,reject_line,reject_column,reject_code,reject_message,reject_guard\r\n"
        f"'=1+1,never,x,2,timestamp,unreadable_timestamp,\"{first}\",'\r\n"
        f'"a,b",,,3,,too_few_fields,"{second}",\'\r\n'
        f"\ufffd @b,{UNREPAIRED}2024-05-01,y,4,data,invalid_utf8,"
        f"\"{third} Once repaired, take 'unrepaired' out of the timestamp.\",'\r\n"
    )


def test_a_row_that_was_not_kept_whole_is_not_taken_for_whole() -> None:
    row = b"x" * 5000 + b",2024-05-01,"
    assert_all_come_back(read(row, FORM, first_line=2), FORM)
    (shown,) = table(repaired(read(row, FORM, first_line=2), FORM))
    assert (len(shown["data"]), shown["timestamp"], shown["username"]) == (4096, "", "")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"x" * (RAW_BYTES - 14) + b",2024-05-01,bo", "x" * (RAW_BYTES - 14) + ",2024-05-01,bo"),
        (b"x" * (RAW_BYTES - 14) + b",2024-05-01,b", "x" * (RAW_BYTES - 14)),
        (b"hi,2024-05-01,bo\nhi,2024-05-01,bo", "hi,2024-05-01,bo\nhi,2024-05-01,bo"),
        (b'"hi"!,2024-05-01,bo', '"hi"!,2024-05-01,bo'),
    ],
)
def test_a_row_is_whole_or_all_in_the_column_of_the_text(raw: bytes, text: str) -> None:
    file = b"".join(csv_of([Reject(2, "timestamp", Reason.UNREADABLE_TIMESTAMP, "m", raw)], FORM))

    assert table(file)[0]["data"] == text


@pytest.mark.parametrize(
    ("form", "author", "timestamp"),
    [(FORM, "bob", "unrepaired 2024-05-01"), (FORM, " ", "2024-05-01"), (OF_ONE, "", "unrepaired 2024-05-01")],
)
def test_a_row_that_would_be_read_otherwise_is_marked(form: Format, author: str, timestamp: str) -> None:
    """A row without an author is rejected again as it is."""
    raw = f"hi\0,2024-05-01,{author}".encode()
    file = b"".join(csv_of([Reject(2, "data", Reason.NUL_BYTE, "m", raw)], form))

    assert table(file)[0]["timestamp"] == timestamp


def test_columns_about_rejects_are_left_out_where_no_column_of_the_upload_is_among_them() -> None:
    names = ("data", "at", "by", *REJECT_COLUMNS)

    def columns(names: tuple[str, ...], *, author: int) -> list[str]:
        line = header_line(Format(",", len(names), 0, 1, author, names))
        return line.decode("utf-8-sig").strip().split(",")

    assert columns(names, author=2) == list(names)
    assert columns(names[:-1], author=2) == list(names)
    assert len(columns(names, author=3)) == len(names) + len(REJECT_COLUMNS)
    assert columns(("data", "at", "by", *"vwxyz"), author=2)[3:] == [*"vwxyz", *REJECT_COLUMNS]


def test_json_lines_become_columns() -> None:
    lines = [
        {"data": "a, b", "timestamp": 5, "username": "x", "z": 1},
        {"timestamp": 1714566600, "username": "x"},
        {"data": "c", "timestamp": "2024-05-01", "username": ["y"]},
    ]
    body = "\n".join(map(json.dumps, lines)).encode() + b"\n{\n"
    shown = table(repaired(jsonl.read(body, LINE_FORM, first_line=1), LINE_FORM))
    assert [(row["data"], row["timestamp"], row["username"]) for row in shown] == [
        ("a, b", "5", "x"),
        ("", "unrepaired 1714566600", "x"),
        ("c", "unrepaired 2024-05-01", '["y"]'),
        ("{", "", ""),
    ]
    assert [row["reject_code"] for row in shown] == [
        Reason.UNREADABLE_TIMESTAMP,
        Reason.MISSING_KEY,
        Reason.WRONG_TYPE,
        Reason.MALFORMED_JSON,
    ]


def test_an_upload_of_old_whose_names_were_not_kept() -> None:
    form = Format("|", 4, 3, 1, 0)
    assert (
        header_line(form).decode()
        == "\ufeff" + "|".join(["username", "timestamp", "column_3", "data", *REJECT_COLUMNS]) + "\r\n"
    )


def test_names_are_never_doubled() -> None:
    form = Format(",", 3, 2, 1, 0, ("by", "at", "Reject_Message"))
    assert header_line(form).decode().strip().endswith(",reject_code,reject_message_,reject_guard")
    names = ("data", "at", *REJECT_COLUMNS)
    form = Format(",", 6, 0, 1, 2, names)
    line = header_line(form)
    header = read_header(line, final=True, names=ColumnNames("data", "at", "reject_line"))
    assert header is not None
    assert header.format.fields == 11


def test_posts_come_back_as_they_were() -> None:
    body = b"'-1;=cmd|' /C calc'!A0;@x;+1\n"
    form = Format(";", 4, 1, 0, 2, ("timestamp", "data", "username", "n"))
    file = repaired(read(body, form, first_line=2), form)
    assert b"''-1;'=cmd|' /C calc'!A0;'@x;'+1;" in file
    _, again = uploaded(file.replace(b"''-1;", b"2024-05-01;"), ";")
    assert again.frame["text"].to_list() == ["=cmd|' /C calc'!A0"]


PASSED_OVER = ' "\u00a0\u200b\u3000\ufeff' + "".join(map(chr, (*range(9), *range(11, 13), *range(14, 32))))


def runs(cell: str) -> bool:
    """Whether a spreadsheet may run a cell of this text, whatever delimiter its reader chooses."""
    parts = [cell, *(part for sign in ";\t|\r\n" for part in cell.split(sign))]
    bare = [part.lstrip(PASSED_OVER) for part in parts] + [part.lstrip('"') for part in cell.split(",")]
    return any(each.startswith(tuple("=+-@＝＋－＠")) and not re.fullmatch(r"-\d+(\.\d+)?", cell) for each in bare)


SPECIAL = "=+-@＝＋－＠' \t;,|\"a1.\n\r\x01\ufeff"
# Of characters of all kinds, hardly any cell would be a formula.
CELLS = st.text(st.sampled_from(SPECIAL), max_size=6) | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)

FORMULAS = (
    *(f"{sign}x" for sign in "=+-@＝＋－＠"),
    *(f"{before}=1" for before in ["", *' "\u00a0\u200b\u3000\ufeff\x00\x08\x0b\x1f']),
    *(f"a{delimiter}{before}@x" for delimiter in ";\t|\r\n" for before in ("", " ", '"')),
    "a,=1", 'a,""=1', "--1", "-1+1", "-1\n", "-1e3", "-1;=1", "－1",
)  # fmt: skip
DROPPED = ("\tx", "\rx", "\nx", "'\tx", "\t=x", "\n", "-01", "'=1", "''=1")
"""No formulas, but what a spreadsheet or the reader of a guarded file would change."""
HARMLESS = ("", "-1", "-0", "-12.5", "Thanks, @ada", "a=b", "a-b", "ann@example.org", "it's", "'")


@pytest.mark.parametrize("text", FORMULAS + DROPPED)
def test_no_spreadsheet_runs_a_guarded_cell(text: str) -> None:
    safe = guarded(text)

    assert text in DROPPED or runs(text)
    assert not runs(safe)
    assert not safe.startswith(("\t", "\r", "\n"))
    assert safe != text
    assert unguarded(safe) == text
    assert guarded_column(pl.Series([text])).to_list() == [safe]


def test_what_is_no_formula_is_not_changed() -> None:
    assert [text for text in HARMLESS if guarded(text) != text] == []


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
@settings(max_examples=150)
def test_guards_come_off_again(rows: list[tuple[str, str]]) -> None:
    texts = pl.Series([cell for row in rows for cell in row], dtype=pl.String)
    safe = guarded_column(texts)
    assert safe.to_list() == [guarded(each) for each in texts]
    assert not any(map(runs, safe))
    assert unguarded_column(safe).to_list() == [unguarded(each) for each in safe] == texts.to_list()


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from(",;\t|"))
@settings(max_examples=100)
@example([("", "\r1")], ",")
@example([("", "\t1")], ";")
def test_rejects_upload_as_the_very_rows(rows: list[tuple[str, str]], delimiter: str) -> None:
    clean = [(text.replace("\0", ""), name.replace("\0", "")) for text, name in rows]
    out = io.StringIO(newline="")
    form = Format(delimiter, 3, 0, 1, 2, ("=text", "timestamp", "@user"))
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows((text, "never", name) for text, name in clean)
    file = repaired(read(out.getvalue().encode(), form, first_line=2), form)
    names = ColumnNames("=text", "timestamp", "@user")
    header = read_header(file, final=True, names=names, delimiter=delimiter)
    assert header is not None
    rest = file[header.body_offset :]
    again = repaired(read(rest, header.format, first_line=2), header.format)
    assert table(again, delimiter) == table(file, delimiter)
    # Repaired, as nothing but the timestamp is wanting, it has the texts of the upload.
    good = read(rest.replace(b"never", b"2024-05-01"), header.format, first_line=2)
    wanted = read(out.getvalue().encode().replace(b"never", b"2024-05-01"), form, first_line=2)
    assert good.frame.select("text", "author").equals(wanted.frame.select("text", "author"))


def test_a_file_of_old_is_not_guarded() -> None:
    names = ("data", "timestamp", "username", *REJECT_COLUMNS[:-1])
    file = (",".join(names) + "\r\n'=1,2024-05-01,x,2,,c,m\r\n").encode()
    header, posts = uploaded(file, ",")
    assert posts.frame["text"].to_list() == ["'=1"]
    assert header_line(header.format).decode().count("reject_line") == 1


def test_exported_edges_come_back_without_their_guards() -> None:
    given_ = Given(author="source", mentions="target", timestamp="last_seen")
    head = b"source,target,mention_count,weight,first_seen,last_seen\n'=1+1,'-x,1,1,2024-05-01,2024-05-02\n"
    reading = look(head, given_, final=True)
    header = begin(reading, head, given_, final=True)
    assert header is not None
    posts = read(head[header.body_offset :], header.format, first_line=2)
    assert (posts.frame["author"][0], list(posts.frame["mentioned"][0])) == ("=1+1", ["-x"])

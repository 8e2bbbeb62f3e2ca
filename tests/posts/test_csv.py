from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import UploadRefused
from app.posts.options import ColumnNames, Format
from app.posts.screening import Posts, Reason
from app.posts.tables import csvscan
from app.posts.tables.csv import read
from app.posts.tables.csvscan import Cut
from app.posts.tables.header import Header, count_lines, read_header
from tests.posts.post_facts import FACTS, LOOKED_AT, Fact
from tests.posts.slow_csv import slow_rows

FORM = Format(",", 3, 0, 1, 2)


@contextmanager
def limits(*, window: int, longest: int) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvscan, "QUOTE_WINDOW", window)
        patch.setattr(csvscan, "MAX_ROW_BYTES", longest)
        yield


def reasons(posts: Posts) -> list[tuple[int, str | None, str]]:
    return posts.rejects.select("line", "column", "code").rows()


# Rows and rejects


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_facts(fact: Fact) -> None:
    posts = read(fact.body, FORM, first_line=2)
    assert posts.frame.select("text", "author_spelling").rows() == fact.posts
    assert reasons(posts) == fact.rejects
    assert posts.rows == len(fact.posts) + len(fact.rejects)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_facts_hold_between_good_neighbours(fact: Fact) -> None:
    good = b"good,2024-05-01,n\n"
    body = b"".join((good, fact.body, b"" if fact.body.endswith((b"\n", b"\r", b'"')) else b"\n"))
    whole = body + (b"" if body.endswith(b'"') else good)
    posts = read(whole, FORM, first_line=1)
    expected = [("good", "n"), *fact.posts, *([] if whole is body else [("good", "n")])]
    assert posts.frame.select("text", "author_spelling").rows() == expected
    assert reasons(posts) == fact.rejects


def test_frames_have_the_promised_columns() -> None:
    for body in (b"", b"a,2024-05-01,x\nb\n"):
        posts = read(body, FORM, first_line=1)
        assert dict(posts.frame.schema) == {
            "text": pl.String,
            "at": pl.Datetime("us", "UTC"),
            "author": pl.String,
            "author_spelling": pl.String,
            "line": pl.Int64,
        }
        assert dict(posts.rejects.schema) == {
            "line": pl.Int64,
            "column": pl.String,
            "value": pl.Binary,
            "code": pl.String,
            "message": pl.String,
            "raw": pl.Binary,
        }


def test_columns_are_taken_by_their_place() -> None:
    form = Format(";", 5, 3, 1, 0)
    posts = read(b'@Ann;2024-05-01;x;"a;b";\nann;2024-05-02;;c;"\n"\n', form, first_line=1)
    assert posts.frame.rows() == [
        ("a;b", datetime(2024, 5, 1, tzinfo=UTC), "ann", "Ann", 1),
        ("c", datetime(2024, 5, 2, tzinfo=UTC), "ann", "ann", 2),
    ]


def test_a_delimiter_at_the_end_of_each_row_is_no_field() -> None:
    form = msgspec.structs.replace(FORM, surplus=True)
    body = b"a,2024-05-01,x,\nb,2024-05-01,y\nc,2024-05-01,z,more\nd,2024-05-01,z,,\n"

    posts = read(body, form, first_line=1)
    assert posts.frame["text"].to_list() == ["a", "b"]
    assert reasons(posts) == [(3, None, "too_many_fields"), (4, None, "too_many_fields")]
    assert read(body[:16], FORM, first_line=1).rejects["code"].to_list() == ["too_many_fields"]


def test_line_ends_are_written_as_letters_only_where_the_file_says_so() -> None:
    body = b"a\\nb\\tc,2024-05-01,x\n"

    for escaped, text in ((True, "a\nb\tc"), (False, "a\\nb\\tc")):
        form = msgspec.structs.replace(FORM, escaped=escaped)
        assert read(body, form, first_line=1).frame["text"].to_list() == [text]


def test_what_no_column_has_is_empty_but_for_who_wrote_the_file() -> None:
    form = Format(",", 2, -1, 0, -1, author_is="Ann", further={"mentions": 1}, escaped=True)

    assert read(b"2024-05-01,bob\n", form, first_line=1).frame.select("text", "author").rows() == [("", "ann")]


@pytest.mark.parametrize(("guarded", "text"), [(True, "=b\n=a"), (False, "'=b\n'=a")])
def test_guards_are_taken_off_every_cell_of_a_guarded_file(*, guarded: bool, text: str) -> None:
    form = Format(",", 4, 0, 1, 2, ("text", "at", "who", "title"), further={"heading": 3}, guarded=guarded)

    posts = read(b"'=a,2024-05-01,x,'=b\nb,'=soon,x,\nc,2024-05-01,y,z", form, first_line=1)

    assert posts.frame["text"].to_list() == [text, "z\nc"]
    assert posts.rejects["value"].to_list() == [b"=soon" if guarded else b"'=soon"]


def test_the_last_cell_of_a_guarded_file_may_have_one_character() -> None:
    form = msgspec.structs.replace(FORM, guarded=True)

    assert read(b"a,2024-05-01,x", form, first_line=1).frame["author"].to_list() == ["x"]


def test_cells_of_further_columns_are_undone_one_by_one() -> None:
    form = Format(",", 4, 0, 1, 2, further={"reply": 3})

    body = b'a,2024-05-01,x,"b ""o"" b"\nb,2024-05-01,x,c""y\nc,2024-05-01,x,\xff\nd,2024-05-01,x,\n'
    assert read(body, form, first_line=1).frame["reply"].to_list() == ['b "o" b', 'c""y', None, None]


def test_date_and_time_of_day_are_told_together_and_nothing_else_is() -> None:
    names = ("text", "day", "who", "clock")
    form = Format(",", 4, 0, 1, 2, names, further={"time": 3}, any_instant=True)

    posts = read(b"a,2024-05-01,x,soon\nb,2024-05-01,  ,12:00\nc,2024-05-01,y,12:00\n", form, first_line=1)

    assert posts.frame.select("text", "at").rows() == [("c", datetime(2024, 5, 1, 12, tzinfo=UTC))]
    assert posts.rejects.select("column", "value").rows() == [("day", b"2024-05-01 soon"), ("who", b"  ")]
    assert ["with the time of day in field 4" in each for each in posts.rejects["message"]] == [True, False]


@pytest.mark.parametrize("instant", [b"2024-05-01", b" 2024-05-01 ", b"1714521600"])
def test_what_is_said_of_all_instants_holds_for_those_that_need_it_not(instant: bytes) -> None:
    form = msgspec.structs.replace(FORM, any_instant=True, timestamp_format="%d.%m.%Y")

    posts = read(b"a,01.05.2024,x\nb," + instant + b",x\n", form, first_line=1)
    assert (posts.frame["text"].to_list(), len(posts.rejects)) == (["a"], 1)
    assert read(b"b," + instant + b",x\n", FORM, first_line=1).frame["text"].to_list() == ["b"]


def test_a_date_in_the_other_order_is_told_as_one() -> None:
    for order, other in (("month-first", "day-first"), ("day-first", "month-first")):
        form = msgspec.structs.replace(FORM, any_instant=True, date_order=order)
        wrong = {"day-first": b"31/12/2024", "month-first": b"12/31/2024"}[other]
        [message] = read(b"a," + wrong + b",x\n", form, first_line=1).rejects["message"]
        assert f"a date only if read {other}. The dates of this file are read {order}" in message
        [message] = read(b"a,31/31/2024,x\n", form, first_line=1).rejects["message"]
        assert "only if read" not in message
    [message] = read(b"a,31/12/2024,x\n", FORM, first_line=1).rejects["message"]
    assert "only if read" not in message


@pytest.mark.parametrize("author", ["x ", " x", "x\u2000", "@x", "＠x", "x\t", "\u00a0x"])
def test_an_author_is_spelled_without_blanks_and_sign(author: str) -> None:
    posts = read(f"a,2024-05-01,{author}\n".encode(), FORM, first_line=1)

    assert posts.frame["author_spelling"].to_list() == ["x"]


@pytest.mark.parametrize(("placeholders", "authors"), [(True, ["null", "x"]), (False, ["x"])])
def test_a_placeholder_is_an_author_only_where_that_is_said(*, placeholders: bool, authors: list[str]) -> None:
    form = msgspec.structs.replace(FORM, placeholders=placeholders)

    assert read(b"a,2024-05-01,null\na,2024-05-01,x\n", form, first_line=1).frame["author"].to_list() == authors


def test_quotes_of_a_rejected_value_are_undone_where_it_is_quoted() -> None:
    posts = read(b'a,so""on,x\nb,"so""on",x\n', FORM, first_line=1)

    assert posts.rejects["value"].to_list() == [b'so""on', b'so"on']


@pytest.mark.parametrize("delimiter", ["", ",,", "\n", '"', "é", "\0"])
def test_impossible_delimiters_are_refused(delimiter: str) -> None:
    with pytest.raises(ValueError, match="delimiter"):
        read(b"a", Format(delimiter, 3, 0, 1, 2), first_line=1)


MESSAGES = [
    (b"a,b", "The row has 2 fields, and the header has 3. Look for an unquoted line end or a missing ','."),
    (b"a,b,c,d", "The row has 4 fields, and the header has 3. Look for an unquoted ','."),
    (b"x" * 2_000_000, "The row has 2,000,000 bytes. A row has up to 1,048,576 bytes: shorten the row."),
    (b"a,2024-05-01,  ", "The column 'author' (field 3) is '  '. Fill in a handle."),
    (b"a,2024-05-01,x\0", "The column 'author' (field 3) has a NUL byte at its byte 2. Remove the NUL byte."),
    (b"a,soon,x", "The column 'timestamp' (field 2) is 'soon'. Write ISO 8601 such as 2024-05-01T12:30:00Z, or"),
    (
        b"a,2024-05-01," + b"x" * 1000,
        f"The column 'author' (field 3) has 1,000 characters: '{'x' * 80}…'. A handle has up to 320 characters.",
    ),
]


@pytest.mark.parametrize(("row", "message"), MESSAGES)
def test_messages_say_what_was_found_and_what_is_wanted(row: bytes, message: str) -> None:
    (found,) = read(row, FORM, first_line=1).rejects["message"].to_list()
    assert found.startswith(message)


def test_the_raw_row_is_kept_up_to_a_limit() -> None:
    body = b"too,few\r\n" + b"y" * 5000 + b"\n" + b'"open,\nx\n'
    raw = read(body, FORM, first_line=1).rejects["raw"].to_list()
    assert raw == [b"too,few", b"y" * 4096, b'"open,', b"x"]


@pytest.mark.parametrize("fact", LOOKED_AT, ids=lambda fact: fact.name)
def test_facts_of_files_that_were_looked_at(fact: Fact) -> None:
    posts = read(fact.body, msgspec.structs.replace(FORM, any_instant=True, placeholders=False), first_line=2)
    assert posts.frame.select("text", "author_spelling").rows() == fact.posts
    assert reasons(posts) == fact.rejects


def test_each_reason_is_met_by_a_fact() -> None:
    json_only = {Reason.MALFORMED_JSON, Reason.NOT_AN_OBJECT, Reason.MISSING_KEY, Reason.WRONG_TYPE}
    assert {code for fact in (*FACTS, *LOOKED_AT) for _, _, code in fact.rejects} == set(Reason) - json_only


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (b"a,b", None, None),
        (b"a;soon;x", "When?", b"soon"),
        (b'a;"so ""on""";x', "When?", b'so "on"'),
        (b'a;2024-05-01;""', " By", b""),
        (b"\xffa;2024-05-01;x", "Text", b"\xffa"),
        (b"a;2024-05-01;" + "é".encode() * 400, " By", "é".encode() * 200),
        (b"\xfe" * 300 + b";2024-05-01;x", "Text", b"\xfe" * 200),
    ],
)
def test_rejects_name_the_column_as_the_file_does_and_keep_its_value(
    row: bytes, column: str | None, value: bytes | None
) -> None:
    form = Format(";", 3, 0, 1, 2, ("Text", "When?", " By"))
    assert read(row, form, first_line=1).rejects.select("column", "value").rows() == [(column, value)]


def test_a_quote_open_for_longer_than_the_window_costs_its_line_only() -> None:
    body = b'"a\nb,2024-05-01,x\nc,2024-05-01,y\n"\nd,2024-05-01,z\n'
    with limits(window=20, longest=1 << 20):
        posts = read(body, FORM, first_line=1)
    assert posts.frame["text"].to_list() == ["b", "c", "d"]
    assert reasons(posts) == [(1, None, "unclosed_quote"), (4, None, "unclosed_quote")]


# Against other readers

FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.text(
    '",\n\r; a', max_size=6
)


@given(
    rows=st.lists(st.tuples(FIELD, FIELD), max_size=8),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    minimal=st.booleans(),
)
@settings(max_examples=300)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str]], line_end: str, delimiter: str, *, minimal: bool
) -> None:
    out = io.StringIO(newline="")
    # Old versions of csv leave some line ends unquoted unless all line ends are the terminator.
    minimal = minimal and line_end == "\r\n"
    writer = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL,
    )
    writer.writerows((other, "2024-05-01T00:00:00Z", text, "x") for text, other in rows)
    oracle = list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=delimiter))
    posts = read(out.getvalue().encode(), Format(delimiter, 4, 2, 1, 3), first_line=1)
    assert posts.frame["text"].to_list() == [row[2] for row in oracle] == [text for text, _ in rows]
    assert posts.rows == len(rows)


ALPHABETS = st.sampled_from([b'a,"\n', b'a,"\r\n', b'a,"\n""', b'ab,,"\n\r\0\xff', b'aaaaa\n"",'])
TANGLES = ALPHABETS.flatmap(lambda letters: st.lists(st.sampled_from(list(letters)), max_size=60).map(bytes))
WINDOWS = st.sampled_from([6, 12, 40, 4 << 20])
LONGEST = st.sampled_from([4, 15, 1 << 20])
SlowForm = list[tuple[int, str, list[bytes], bytes]]

FLAWS = {
    csvscan.Flaw.NONE: "",
    csvscan.Flaw.MALFORMED_QUOTE: "malformed",
    csvscan.Flaw.UNCLOSED_QUOTE: "unclosed",
    csvscan.Flaw.TOO_LONG: "long",
}


def scanned(data: bytes) -> SlowForm:
    rows = csvscan.scan(data, ",")
    found: SlowForm = []
    for row in range(rows.start.size):
        flaw = FLAWS[csvscan.Flaw(int(rows.flaw[row]))]
        fields: list[bytes] = []
        for index in range(0 if flaw else int(rows.fields[row])):
            begin, length = rows.field(index, np.array([row]))
            field = data[int(begin[0]) : int(begin[0] + length[0])]
            fields.append(field[1:-1].replace(b'""', b'"') if field.startswith(b'"') else field)
        found.append((int(rows.line[row]), flaw, fields, data[int(rows.start[row]) : int(rows.end[row])]))
    return found


@given(data=TANGLES, window=WINDOWS, longest=LONGEST)
@settings(max_examples=800)
def test_rows_and_fields_are_those_of_the_slow_reader(data: bytes, window: int, longest: int) -> None:
    expected = slow_rows(data, delimiter=b",", window=window, longest=longest)
    with limits(window=window, longest=longest):
        assert scanned(data) == [tuple(row) for row in expected]


@given(data=TANGLES, window=WINDOWS, longest=LONGEST, steps=st.lists(st.integers(1, 20), min_size=1))
@settings(max_examples=800)
def test_rows_do_not_depend_on_where_a_stream_is_cut(data: bytes, window: int, longest: int, steps: list[int]) -> None:
    with limits(window=window, longest=longest):
        found: SlowForm = []
        held, line = bytearray(), 0
        for batch, counted in batches(data, steps, held):
            rows = scanned(batch)
            assert counted == Cut(len(batch), count_lines(batch), len(rows))
            found += [(number + line, flaw, fields, raw) for number, flaw, fields, raw in rows]
            line += counted.lines
        assert found == scanned(data)


def batches(data: bytes, steps: list[int], held: bytearray) -> Iterator[tuple[bytes, Cut]]:
    """The batches of a stream that arrives in pieces of the given sizes, and what the cutter says of each."""
    at = 0
    while at < len(data):
        step = steps[at % len(steps)]
        held += data[at : at + step]
        at += step
        found = csvscan.cut(held, delimiter=",", final=at >= len(data))
        if found.end:
            yield bytes(held[: found.end]), found
            del held[: found.end]


PIECES = st.sampled_from(
    [
        b"a,2024-05-01,x",
        b'"a\n@b",2024-05-01,"x"',
        b'"say ""hi""",2024-05-01,Y',
        b'5" x,2024-05-01,x',
        b'"open,2024-05-01,x',
        b'"x"y,2024-05-01,x',
        b"a,b",
        b"\xff,2024-05-01,x",
        b"\0,2024-05-01,x",
        b'"',
        b",",
        b"\r",
        b"",
    ]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b""])
FILES = st.lists(st.tuples(PIECES, ENDS), max_size=14).map(lambda parts: b"".join(b"".join(part) for part in parts))


@given(data=FILES | TANGLES | st.binary(max_size=60), steps=st.lists(st.integers(1, 60), min_size=1))
@settings(max_examples=300)
@example(data=b'"\r', steps=[1])
def test_any_bytes_are_read_alike_in_one_piece_and_in_batches(data: bytes, steps: list[int]) -> None:
    whole = read(data, FORM, first_line=7)
    assert whole.rows == whole.frame.height + whole.rejects.height
    assert whole.rejects["line"].is_sorted()
    parts: list[Posts] = []
    line = 7
    for batch, counted in batches(data, steps, bytearray()):
        parts.append(read(batch, FORM, first_line=line))
        assert counted.rows == parts[-1].frame.height + parts[-1].rejects.height
        line += counted.lines
    if parts:
        assert sum(part.rows for part in parts) == whole.rows
        assert pl.concat(part.frame for part in parts).equals(whole.frame)
        assert pl.concat(part.rejects for part in parts).equals(whole.rejects)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_cut(kind: type[bytes]) -> None:
    def cut_at(data: bytes, *, final: bool = False) -> int:
        return csvscan.cut(kind(data), delimiter=",", final=final).end

    assert cut_at(b"") == cut_at(b"", final=True) == 0
    assert cut_at(b"a,b") == 0
    assert cut_at(b"a,b", final=True) == 3
    assert cut_at(b"a\nb\nc") == 4
    assert cut_at(b"a\rb") == 2
    assert cut_at(b"a\nb\r") == 2, "an LF may follow"
    assert cut_at(b"a\nb\r\n") == 5
    assert cut_at(b'a\n"b\nc') == 2
    assert cut_at(b'a\n"b\nc"') == 2, "another quote may follow"
    assert cut_at(b'a\n"b\nc"\n') == 8
    assert cut_at(b'5" x\nb\n"c\n') == 7


def test_a_cut_gives_up_a_quote_that_stays_open() -> None:
    rows = b"b,2024-05-01,x\n" * 400_000
    assert csvscan.cut(b'"a' + rows[: csvscan.QUOTE_WINDOW - 10], delimiter=",", final=False) == Cut(0, 0, 0)
    found = csvscan.cut(b'"a\n' + rows + b"c", delimiter=",", final=False)
    assert found == Cut(3 + len(rows), 400_001, 400_001)


# The header

NAMES = ColumnNames()
PLAIN = ("data", "timestamp", "username")


def header_of(head: bytes, names: ColumnNames = NAMES) -> Header | None:
    return read_header(head, final=True, names=names)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"data,timestamp,username\nx", Header(Format(",", 3, 0, 1, 2, PLAIN), 24, 2)),
        (b"data,timestamp,username", Header(Format(",", 3, 0, 1, 2, PLAIN), 23, 1)),
        (b"data,timestamp,username\r\nx", Header(Format(",", 3, 0, 1, 2, PLAIN), 25, 2)),
        (b"data,timestamp,username\rx", Header(Format(",", 3, 0, 1, 2, PLAIN), 24, 2)),
        (b"\xef\xbb\xbfdata,timestamp,username\nx", Header(Format(",", 3, 0, 1, 2, PLAIN), 27, 2)),
        (b"\xef\xbb\xbf\r\n\ndata,timestamp,username\nx", Header(Format(",", 3, 0, 1, 2, PLAIN), 30, 4)),
        (
            b"id, UserName ,\"Data\",x,TIMESTAMP\n",
            Header(Format(",", 5, 2, 4, 1, ("id", " UserName ", "Data", "x", "TIMESTAMP")), 33, 2),
        ),
        (
            b'"a ""b""\r\nc",data,timestamp,username\r\nx',
            Header(Format(",", 4, 1, 2, 3, ('a "b"\r\nc', *PLAIN)), 38, 3),
        ),
        ("größe,data,timestamp,username\n".encode(), Header(Format(",", 4, 1, 2, 3, ("größe", *PLAIN)), 32, 2)),
    ],
)  # fmt: skip
def test_headers(head: bytes, expected: Header) -> None:
    assert header_of(head) == expected


def test_a_header_with_names_of_its_own() -> None:
    names = ColumnNames(text=" Text", timestamp="created", author="BY")
    assert header_of(b"by,created,text\n", names) == Header(Format(",", 3, 2, 1, 0, ("by", "created", "text")), 16, 2)


def test_another_delimiter() -> None:
    header = read_header(b"data;timestamp;username\n", final=True, names=NAMES, delimiter=";")
    assert header == Header(Format(";", 3, 0, 1, 2, PLAIN), 24, 2)


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        *((sign.join(PLAIN), sign) for sign in ",;\t|"),
        ("a,b,c;data;timestamp;username", ";"),
        ('"a,b";"c|d";data;timestamp;username', ";"),
        ('"data";"timestamp";"username"\n"x";"2024-05-01"', ";"),
        ("\ufeff\n\ndata|timestamp|username|a,b,c,d,e", "|"),
        ("data,timestamp,username;;;;", None),
    ],
)
def test_a_delimiter_is_detected_by_the_columns_it_gives(head: str, delimiter: str | None) -> None:
    if delimiter is None:
        with pytest.raises(UploadRefused):
            read_header(f"{head}\n".encode(), final=True, names=NAMES, delimiter="auto")
        return
    header = read_header(f"{head}\n".encode(), final=True, names=NAMES, delimiter="auto")
    assert header == read_header(f"{head}\n".encode(), final=True, names=NAMES, delimiter=delimiter)


@pytest.mark.parametrize(
    ("head", "code", "detail"),
    [
        (b"data|text|timestamp\n", "missing-column", r"no column 'username'.*'data', 'text'.*taken to be '\|'"),
        (b"data\n", "missing-column", "taken to be ','"),
        (b"data;timestamp;username;data\n", "duplicate-column", "taken to be ';'"),
        (b"", "empty-file", "no header"),
        (b"\n\n", "empty-file", "no header"),
        (b"x;" * 40_000, "header-too-long", "taken to be ';'"),
    ],
)
def test_a_header_without_the_columns_says_which_delimiter_was_assumed(head: bytes, code: str, detail: str) -> None:
    with pytest.raises(UploadRefused, match=detail) as refused:
        read_header(head, final=True, names=NAMES, delimiter="auto")
    assert refused.value.code == code


@given(size=st.integers(0, 60))
def test_detection_waits_for_the_whole_header(size: int) -> None:
    whole = b'"a,b";"data";timestamp;username\r\n"x"'
    header = read_header(whole[:size], final=False, names=NAMES, delimiter="auto")
    assert header == (None if size < 33 else Header(Format(";", 4, 1, 2, 3, ("a,b", *PLAIN)), 33, 2))


@pytest.mark.parametrize(
    "head",
    [b"\xef\xbb\xbf", b"\r\n", *(b'\xef\xbb\xbf\n"da\nta",data,timestamp,username\r'[:size] for size in range(1, 39))],
)
def test_an_unfinished_header_needs_more(head: bytes) -> None:
    assert read_header(head, final=False, names=NAMES) is None


def test_a_header_is_read_as_soon_as_it_is_over() -> None:
    whole = b'"da\nta",data,timestamp,username\r\n'
    header = read_header(whole, final=False, names=NAMES)
    assert header == Header(Format(",", 4, 1, 2, 3, ("da\nta", *PLAIN)), len(whole), 3)
    assert read_header(whole + b'"open', final=False, names=NAMES) == header


GOOD = b"data,timestamp,username\n"
REFUSED = [
    (b"", "empty-file", "no header and no rows"),
    (b"\xef\xbb\xbf\r\n\n", "empty-file", "no header and no rows"),
    (b"\xff\xfed\0a\0", "header-not-utf8", "UTF-16"),
    (b"\xfe\xff\0d\0a", "header-not-utf8", "UTF-16"),
    (b"d\0a\0t\0a\0,\0\n\0", "header-has-nul", "NUL"),
    (b"data,timestamp,username,\xe9t\xe9\n", "header-not-utf8", "Byte 25 of the header, 0xe9"),
    (b"data,timestamp\n", "missing-column", "no column 'username'.*found: 'data', 'timestamp'"),
    (b"hello @you,2024-05-01,me\n", "missing-column", "is the header missing"),
    (b"data;timestamp;username\n", "missing-column", "Is the delimiter ';'"),
    (b"data,timestamp,username,Data \n", "duplicate-column", "'data' in columns 1 and 4"),
    (b'"data"x,timestamp,username\n', "header-malformed", "does not close properly"),
    (b'"data,timestamp,username\nx', "header-malformed", "does not close properly"),
    (b"x" * 70_000, "header-too-long", "65,536"),
    (b"x" * 70_000 + b"\n" + GOOD, "header-too-long", "65,536"),
    (b'"' + b"x\n" * 40_000, "header-too-long", "65,536"),
    (b"\n" * 70_000 + GOOD, "header-too-long", "empty lines"),
]


@pytest.mark.parametrize(("head", "code", "detail"), REFUSED)
def test_refused_headers(head: bytes, code: str, detail: str) -> None:
    with pytest.raises(UploadRefused, match=detail) as refused:
        header_of(head)
    assert refused.value.code == code


@pytest.mark.parametrize("head", [head for head, code, _ in REFUSED if code == "header-too-long"])
def test_a_header_that_is_too_long_is_not_waited_for(head: bytes) -> None:
    with pytest.raises(UploadRefused) as refused:
        read_header(head, final=False, names=NAMES)
    assert refused.value.code == "header-too-long"


@given(head=st.binary(max_size=80) | TANGLES, final=st.booleans())
@settings(max_examples=300)
def test_any_bytes_are_a_header_or_are_refused(head: bytes, *, final: bool) -> None:
    try:
        header = read_header(head, final=final, names=ColumnNames("a", "", "aa"))
    except UploadRefused:
        return
    assert header is not None or not final


# Timestamps

GRAMMAR = re.compile(
    r"\d{4}-\d\d-\d\d([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?",
    re.ASCII,
)


def instant_of(text: str) -> datetime | None:
    posts = read(f"a,{text},x\n".encode(), FORM, first_line=1)
    return posts.frame["at"].to_list()[0] if posts.frame.height else None


def instant_by_the_standard_library(text: str) -> datetime | None:
    if not GRAMMAR.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1714566600", datetime(2024, 5, 1, 12, 30, tzinfo=UTC)),
        ("999999999", datetime(2001, 9, 9, 1, 46, 39, tzinfo=UTC)),
        ("1714566600123", datetime(2024, 5, 1, 12, 30, 0, 123000, tzinfo=UTC)),
        ("2024-05-01T12:30:00.123456789Z", datetime(2024, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999999", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("1714566600.5", datetime(2024, 5, 1, 12, 30, 0, 500000, tzinfo=UTC)),
        ("999999999.123456789", datetime(2001, 9, 9, 1, 46, 39, 123456, tzinfo=UTC)),
        ("-1714566600", datetime(1915, 9, 2, 11, 30, tzinfo=UTC)),
        ("-100000000.25", datetime(1966, 10, 31, 14, 13, 19, 750000, tzinfo=UTC)),
        ("-1714566600123", datetime(1915, 9, 2, 11, 29, 59, 877000, tzinfo=UTC)),
        ("2024-02-29 12:30:00+0530", datetime(2024, 2, 29, 7, tzinfo=UTC)),
        ("2024-05-01T00:30-02", datetime(2024, 5, 1, 2, 30, tzinfo=UTC)),
        ("2024-05-01T12:30:00.5Z", datetime(2024, 5, 1, 12, 30, 0, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00+00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999+00:00", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        *((text, None) for text in (
            "", "2024", "2024-5-1", "2024-05-01T", "2024-05-01T12", "2024-05-01T12:30:", "2024-05-01T12:30:00.",
            "2024-05-01Z", "2024-05-01T12:30:00.1234567890", "2024-05-01T24:00:00", "2016-12-31T23:59:60Z",
            "2024-02-30", "2023-02-29", "1900-02-29", "2024-00-01", "2024-13-01", "2024-01-00", "2024-01-32",
            "0000-01-01", "0001-01-01T00:00+00:01", "9999-12-31T23:59-00:01", "2024-05-01T12:30:00+24:00",
            "2024-05-01T12:30:00+5:30", "2024-05-01T12:30+01.30",
            "+024-05-01", "2024-05-01t12:30:00", "2024-05-01T12:30:00z", "2024/05/01", "01.05.2024", "May 1 2024",
            "12345678", "12345678901", "123456789012", "12345678901234", "171456660a",
            "1714566600.", "1714566600.1234567890", "1714566600123.5", "12345678.5", "-12345678", "+1714566600",
            "--714566600", "1714566600,5", "1.714566600e9", "17145666.00.5", "-", "-.5", "1714566600.-5",
            "2024-05-01T12:30:00 Z", "２０２４-05-01", "2024-05-01T12:30:00\x00Z",
        )),
    ],
)  # fmt: skip
def test_timestamps(text: str, expected: datetime | None) -> None:
    assert instant_of(text) == expected


@pytest.mark.parametrize(
    ("known", "text", "expected"),
    [
        ({}, "2024-07-01T12:00", datetime(2024, 7, 1, 12, tzinfo=UTC)),
        ({"timezone": "Europe/Berlin"}, "2024-07-01T12:00", datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ({"timezone": "Europe/Berlin"}, "2024-07-01T12:00Z", datetime(2024, 7, 1, 12, tzinfo=UTC)),
        ({"timestamp_format": "%Y-%d-%m"}, "2024-05-01", datetime(2024, 1, 5, tzinfo=UTC)),
        ({"timestamp_format": "%d.%m.%Y"}, "2024-05-01", None),
    ],
)
def test_what_is_known_of_all_timestamps_holds_for_plain_ones_too(
    known: dict[str, str], text: str, expected: datetime | None
) -> None:
    form = msgspec.structs.replace(FORM, any_instant=True, **known)

    posts = read(f"a,{text},x\n".encode(), form, first_line=1)

    assert posts.frame["at"].to_list() == ([] if expected is None else [expected])


ZONES = st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)).map(
    lambda shift: timezone(timedelta(minutes=shift // timedelta(minutes=1)))
)


@given(
    instant=st.datetimes(timezones=st.none() | ZONES),
    spec=st.sampled_from(["hours", "minutes", "seconds", "milliseconds", "microseconds", "auto"]),
    separator=st.sampled_from("T "),
    compact=st.booleans(),
)
@settings(max_examples=300)
@example(instant=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), spec="auto", separator="T", compact=False)
def test_timestamps_of_the_standard_library(instant: datetime, spec: str, separator: str, *, compact: bool) -> None:
    text = instant.isoformat(separator, spec)
    text = re.sub(r":(\d\d)$", r"\1", text) if compact and instant.tzinfo else text
    assert instant_of(text) == instant_by_the_standard_library(text)


NEARLY = st.from_regex(r"[0-9]{3,4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{0,10})?)?)?"
                       r"(Z|[+-][0-2][0-9](:?[0-6][0-9])?)?", fullmatch=True)  # fmt: skip


@given(NEARLY | st.text("0123456789-:T .+Z", max_size=36))
@settings(max_examples=600)
def test_what_is_nearly_a_timestamp_is_never_misread(text: str) -> None:
    text = text.strip()
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return
    assert instant_of(text) == instant_by_the_standard_library(text)


UNIX = st.tuples(
    st.sampled_from(["", "-"]),
    st.integers(10**8, 10**10 - 1) | st.integers(10**12, 10**13 - 1),
    st.sampled_from(["", *(f".{'0123456789'[:digits]}" for digits in range(1, 10))]),
)


@given(UNIX)
@settings(max_examples=200)
def test_unix_numbers_are_exact(parts: tuple[str, int, str]) -> None:
    sign, whole, fraction = parts
    if whole >= 10**12 and fraction:
        assert instant_of(f"{sign}{whole}{fraction}") is None
        return
    micros = whole * (1000 if whole >= 10**12 else 10**6) + int((fraction[1:] + "000000")[:6])
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=-micros if sign else micros)
    assert instant_of(f"{sign}{whole}{fraction}") == expected


SHAPES = [
    "2024-05-01", "1714566600", "2024-05-01T12:30:00Z", "2024-05-01 12:30+01", "-123456789", "1714566600.25",
    "123456789.012345678", "2024-05-01T12:30:00", "x", "",
]  # fmt: skip


@given(st.lists(st.sampled_from(SHAPES)))
@settings(max_examples=50)
def test_shapes_may_be_mixed(texts: list[str]) -> None:
    body = "".join(f"{row},{text},x\n" for row, text in enumerate(texts)).encode()
    posts = read(body, FORM, first_line=0)
    found: dict[int, datetime | None] = dict(posts.frame.select(pl.col("text").cast(pl.Int64), "at").iter_rows())
    assert [found.get(row) for row in range(len(texts))] == [instant_of(text) for text in texts]
    assert posts.rejects["line"].to_list() == [row for row in range(len(texts)) if row not in found]

"""Zips, workbooks and Parquet: the rows in them, what is left out, what is refused, and how much each may take."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import (
    ArchiveEncrypted,
    ArchiveUnreadable,
    FormatNotRead,
    NoPostsInArchive,
    NoRows,
    NoSuchSheet,
    PackedTwice,
    ParquetUnreadable,
    TooManyMembers,
    UnclearFile,
    UploadRefused,
    UploadTooLarge,
    WorkbookUnreadable,
)
from app.posts.containers import archives, contents, parquet, sheets, workbooks
from app.posts.containers.archives import Allowance, Archive
from app.posts.containers.contents import Content, Room
from app.posts.looking import sniffing
from app.posts.looking.sniffing import Container
from app.posts.options import Detected, Given, InputFormat
from tests.posts.workbooks import TYPES, parts, row, text, workbook, zipped

FIELD = Path(__file__).parents[1] / "field"
HEADER = b"data,timestamp,username\n"
ONE = HEADER + b"hi @bob,2026-01-15,ada\n"
TWO = HEADER + b"hi @ada,2026-01-15,bob\n"
DATES = (
    '<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="14"/><xf numFmtId="46"/></cellXfs></styleSheet>'
)


def room(most: int = 1 << 30) -> Room:
    return Room.of(most, io.BytesIO)


def opened(data: bytes, given: Given | None = None) -> contents.Opened:
    found = contents.open_zip(io.BytesIO(data), given or Given())
    assert found is not None
    return found


def unzipped(data: bytes, given: Given | None = None, most: int = 1 << 30) -> dict[str, bytes]:
    """The files of posts in a zip, and their rows."""
    found, space = opened(data, given), room(most)
    return {
        each.name: b"".join(contents.content_of(found, each, given or Given(), space).pieces) for each in found.files
    }


def sheet(data: bytes, name: str | None = None, most: int = 1 << 30) -> str:
    """A sheet of a workbook as CSV."""
    space = room(most)
    found = contents.sheet_content(Archive(io.BytesIO(data)), Given(sheet=name), space, sha256=b"", size=0)
    assert (found.given.layout, found.given.delimiter) == (InputFormat.CSV, ",")
    return b"".join(found.pieces).decode()


# Zips -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "member"), [("28-posts.zip", "posts.csv"), ("51d-pandas.csv.zip", "51d-pandas.csv")])
def test_files_of_the_field(name: str, member: str) -> None:
    data = (FIELD / name).read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert unzipped(data) == {member: archive.read(member)}


def test_what_is_not_of_posts_is_left_out_and_named() -> None:
    found = opened(
        zipped({
            "posts/a.csv": ONE, "README.txt": b"These are our posts.", "picture.png": b"\x89PNG\r\n",
            "__MACOSX/posts/._a.csv": b"\0\5\x16\7", ".DS_Store": b"\0\0\0\1", "posts/.hidden.csv": b"x",
            "Thumbs.db": b"\xd0", "empty.csv": b"", "data.bin2": bytes(100),
            "meta.json": b'{"tool": "x", "version": 1}',
        })
    )  # fmt: skip
    assert [each.name for each in found.files] == ["posts/a.csv"]
    assert [each.partition(" ")[0] for each in found.left_out] == [
        "README.txt", "picture.png", "empty.csv", "data.bin2", "meta.json",
    ]  # fmt: skip
    assert "README.txt (no posts in it)" in found.found().reason


def test_posts_are_known_under_any_name() -> None:
    lines = b'{"text": "@a", "created_at": "2026-01-01T00:00:00Z", "username": "b"}\n'
    data = {"posts.txt": ONE, "export": TWO, "dump.json": lines, "x.dat": lines}
    assert unzipped(zipped(data)) == data


def test_unclear_posts_are_kept_so_that_they_are_refused() -> None:
    found = opened(zipped({"a.csv": ONE, "b.csv": b"foo,bar\n1,2\n"}))
    assert [each.name for each in found.files] == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2], ids=["stored", "deflate", "bzip2"]
)
def test_methods(method: int) -> None:
    big = HEADER + b"hi @bob,2026-01-15,ada\n" * 100_000
    assert unzipped(zipped({"a.csv": big}, method=method)) == {"a.csv": big}


def test_a_method_that_is_not_read_is_named() -> None:
    with pytest.raises(ArchiveUnreadable, match=r"'a\.csv' in the zip is compressed by LZMA"):
        unzipped(zipped({"a.csv": ONE}, method=zipfile.ZIP_LZMA))


def test_a_zip_as_a_stream_writes_it() -> None:
    """Sizes behind the data, as tools write a zip to a pipe; and in ZIP64."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    out = Pipe()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.csv", "w", force_zip64=True) as file,
    ):
        file.write(ONE)
    assert unzipped(out.getvalue()) == {"a.csv": ONE}


def test_bytes_before_the_zip_do_no_harm() -> None:
    assert unzipped(b"#!/bin/sh\n" + zipped({"a.csv": ONE})) == {"a.csv": ONE}


def test_packed_files_in_a_zip() -> None:
    book = workbook(
        row(text("data"), text("timestamp"), text("username")), row(text("@a"), text("2026-01-01"), text("b"))
    )
    frame = io.BytesIO()
    pl.DataFrame({"data": ["@a"], "timestamp": ["2026-01-01"], "username": ["b"]}).write_parquet(frame)
    found = unzipped(
        zipped(
            {
                "a.csv.gz": gzip.compress(ONE),
                "b.csv.bz2": bz2.compress(TWO),
                "c.xlsx": book,
                "d.parquet": frame.getvalue(),
            }
        )
    )
    assert found == {
        "a.csv.gz": ONE,
        "b.csv.bz2": TWO,
        "c.xlsx": b"data,timestamp,username\n@a,2026-01-01,b\n",
        "d.parquet": b'{"data":"@a","timestamp":"2026-01-01","username":"b"}\n',
    }


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        ({"a.zip": zipped({"b.csv": ONE})}, PackedTwice, r"another zip, 'a\.zip'"),
        ({"a.csv": gzip.compress(gzip.compress(ONE))}, PackedTwice, "again inside, as gzip"),
        ({"a.txt": b"Hello"}, NoPostsInArchive, r"a\.txt \(no posts in it\)"),
        ({}, NoPostsInArchive, "the zip is empty"),
        ({"old.xls2": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99)}, FormatNotRead, r"old workbook \(\.xls\)"),
        ({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}, FormatNotRead, "ods"),
    ],
)
def test_what_is_refused(files: dict[str, bytes], error: type[UploadRefused], words: str) -> None:
    with pytest.raises(error, match=words):
        unzipped(zipped(files))


def test_two_files_of_one_name_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", ONE)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.csv", TWO)
    with pytest.raises(ArchiveUnreadable, match=r"two files named 'a\.csv'"):
        unzipped(out.getvalue())


def test_a_password_is_refused() -> None:
    data = bytearray(zipped({"a.csv": ONE}))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ArchiveEncrypted, match=r"'a\.csv' in the zip is protected by a password"):
        unzipped(bytes(data))


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MAX_MEMBERS", 3)
    with pytest.raises(TooManyMembers, match="more than 3"):
        unzipped(zipped({f"{each}.csv": ONE for each in range(4)}))


def test_a_directory_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_DIRECTORY_BYTES", 70_000)
    with pytest.raises(TooManyMembers, match="directory"):
        unzipped(zipped({f"{each:0200}.csv": b"x" for each in range(400)}))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/a.csv", "etc/a.csv"),
        ("/abs/a.csv", "abs/a.csv"),
        ("dir\\a.csv", "dir/a.csv"),
        ("a\x1b[31m.csv", "a[31m.csv"),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
        ("Grüße/ä.csv", "Grüße/ä.csv"),
    ],
)
def test_names_become_harmless(name: str, shown: str) -> None:
    assert list(unzipped(zipped({name: ONE}))) == [shown]


def test_a_name_in_utf8_that_does_not_say_so() -> None:
    data = bytearray(zipped({"ä.csv": ONE}))
    for at in (data.index(b"PK\x03\x04") + 7, data.rindex(b"PK\x01\x02") + 9):
        data[at] &= ~8 & 0xFF
    assert list(unzipped(bytes(data))) == ["ä.csv"]


def test_a_bomb_is_refused() -> None:
    data = zipped({"a.csv": bytes(30 << 20)})
    assert len(data) < 100_000
    with pytest.raises(UploadTooLarge):
        unzipped(data, most=20 << 20)


def test_all_files_together_are_bounded() -> None:
    data = zipped({f"{each}.csv": HEADER + b"hi @bob,2026-01-15,ada\n" * 1000 for each in range(10)})
    with pytest.raises(UploadTooLarge):
        unzipped(data, most=150_000)


SEVERAL = zipped({"a.csv": ONE, "b/c.csv": TWO * 20, "d.csv": ONE})


def test_a_zip_that_is_cut_off_anywhere_is_refused() -> None:
    for end in range(len(SEVERAL)):
        with pytest.raises(UploadRefused):
            unzipped(SEVERAL[:end])


@given(at=st.integers(0, len(SEVERAL) - 1), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_a_damaged_zip_gives_the_right_bytes_or_is_refused(at: int, bit: int) -> None:
    data = bytearray(SEVERAL)
    data[at] ^= 1 << bit
    right = {ONE, TWO * 20}
    try:
        found = unzipped(bytes(data))
    except UploadRefused:
        return
    assert set(found.values()) <= right


# Workbooks ------------------------------------------------------------------------------------------------------------


def test_a_row_of_the_sheet_is_a_line() -> None:
    rows = [
        row(text("Our posts"), number=2),
        row(text("data"), text("timestamp"), text("username"), number=4),
        row(text("line one\nline two, with @a"), text("2026-01-01"), text('"b"'), number=5),
        row(text("x"), number=9),
    ]
    assert sheet(workbook(*rows)).split("\n") == [
        "",
        "Our posts",
        "",
        "data,timestamp,username",
        '"line one line two, with @a",2026-01-01,"""b"""',
        "",
        "",
        "",
        "x,,",
        "",
    ]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('<c><v>12</v></c>', "12"),
        ('<c t="n"><v>12.0</v></c>', "12"),
        ('<c><v>0.1</v></c>', "0.1"),
        ('<c><v>1.7812345678901199E+18</v></c>', "1781234567890119936"),
        ('<c><v>1781234567890123456</v></c>', "1781234567890123456"),
        ('<c s="1"><v>45292.5</v></c>', "2024-01-01T12:00:00"),
        ('<c s="2"><v>45292</v></c>', "2024-01-01T00:00:00"),
        ('<c s="1"><v>45306.500011574077</v></c>', "2024-01-15T12:00:01"),
        ('<c s="1"><v>45306.5000115856</v></c>', "2024-01-15T12:00:01.001"),
        ('<c s="2"><v>1</v></c>', "1900-01-01T00:00:00"),
        ('<c s="2"><v>59</v></c>', "1900-02-28T00:00:00"),
        ('<c s="2"><v>61</v></c>', "1900-03-01T00:00:00"),
        ('<c s="1"><v>0.75</v></c>', "18:00:00"),
        ('<c s="3"><v>1.5</v></c>', "1.5"),
        ('<c s="1"><v>-3</v></c>', "-3"),
        ('<c s="1"><v>1e300</v></c>', "1e+300"),
        ('<c t="b"><v>1</v></c>', "TRUE"),
        ('<c t="b"><v>0</v></c>', "FALSE"),
        ('<c t="e"><v>#N/A</v></c>', "#N/A"),
        ('<c t="d"><v>2024-01-01T00:00:00</v></c>', "2024-01-01T00:00:00"),
        ('<c t="str"><f>A1&amp;"x"</f><v>@ada</v></c>', "@ada"),
        ('<c><f>1+1</f></c>', ""),
        ('<c t="inlineStr"><is><r><rPr><b/></rPr><t>hi </t></r><r><t>@ada</t></r></is></c>', "hi @ada"),
        ('<c t="inlineStr"><is><t>a_x000D_b _x0040_ada</t></is></c>', "a b @ada"),
        ('<c t="s"><v>1</v></c>', "東京"),
    ],
)  # fmt: skip
def test_cells(cell: str, shown: str) -> None:
    spoken = "<rPh sb='0' eb='2'><t>トウキョウ</t></rPh>"
    shared = f"<sst><si><t>x</t></si><si><r><t>東</t></r><r><t>京</t></r>{spoken}</si></sst>"
    found = sheet(workbook(row(text("a"), text("b")), row(text("x"), cell), shared=shared, styles=DATES))
    assert found == f"a,b\nx,{shown}\n"


def test_the_system_of_1904() -> None:
    found = sheet(workbook(row('<c s="2"><v>43830</v></c>'), styles=DATES, properties='<workbookPr date1904="1"/>'))
    assert found == "2024-01-01T00:00:00\n"


@pytest.mark.parametrize(
    ("code", "is_date"),
    [
        ("General", False), ("0.00", False), ('0.00" days"', False), ("#,##0\\ [$€-407]", False), ("[Red]0", False),
        ("yyyy-mm-dd", True), ("[$-409]d/m/yy h:mm AM/PM;@", True), ("[h]:mm", False), ("mm:ss.0", True),
        ("dddd", True),
        ('"day "0', False), ("_-* #,##0_d", False), ("0;[Red]-0;dd", False), ("YYYY/MM/DD", True),
    ],
)  # fmt: skip
def test_formats_of_dates(code: str, is_date: bool) -> None:
    assert workbooks.is_date(code) == is_date


def test_cells_stand_where_they_say() -> None:
    first = '<c r="B1"><v>1</v></c><c r="D1"><v>2</v></c><c r="AA1" s="1"/>'
    rows = f'<row r="1">{first}</row><row r="3"><c r="A3"><v>3</v></c></row>'
    assert sheet(workbook(rows)) == ",1,,2\n\n3,,,\n"


def test_sheets_by_name() -> None:
    data = zipped(parts({"Cover": "", "Old": row(text("o")), "Posts ": row(text("p"))}, states={"Cover": "hidden"}))
    assert sheet(data) == "o\n"
    assert sheet(data, "posts") == "p\n"
    with pytest.raises(NoSuchSheet, match="no sheet 'Nope'; it has 'Cover', 'Old', 'Posts '"):
        sheet(data, "Nope")
    with pytest.raises(NoRows, match=r"'Cover' has no cell with a value\. The workbook also has 'Old', 'Posts '"):
        sheet(data, "Cover")


NAMED = row(text("text"), text("date"), text("user"))
POSTS = NAMED + row(text("hi @bea"), text("2024-01-01"), text("ana"))
LATER = NAMED + row(text("hi @cyd"), text("2024-02-01"), text("ana"))
USERS = row(text("username"), text("created_at"), text("description")) + row(
    text("ana"), text("2010-01-01"), text("friend of @bea")
)
NOTES = row(text("These posts were collected in May.")) + row(text("Ask Ana."))


def chosen(sheets: dict[str, str], name: str | None = None) -> Content:
    data = io.BytesIO(zipped(parts(sheets)))
    return contents.sheet_content(Archive(data), Given(sheet=name), room(), sha256=b"x", size=1)


def test_a_document_is_called_by_its_kind() -> None:
    for files, words in (
        ({TYPES: b"<Types/>", "word/document.xml": b"<x/>"}, "Word document"),
        ({TYPES: b"<Types/>", "ppt/presentation.xml": b"<x/>"}, "PowerPoint"),
        ({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<x/>"}, "odt"),
    ):
        with pytest.raises(FormatNotRead, match=words):
            contents.open_zip(io.BytesIO(zipped(files)), Given())


@pytest.mark.parametrize("other", [NOTES, USERS, NAMED, "", row("<c><v>x</v></c>")])
def test_the_only_sheet_of_posts_is_taken(other: str) -> None:
    for found in (chosen({"Other": other, "Posts": POSTS}), chosen({"Posts": POSTS, "Other": other})):
        assert b"".join(found.pieces).startswith(b"text,date,user\nhi @bea,")
        assert found.found["sheet"].value == "Posts"
        assert found.found["sheet"].reason == "the only sheet that looks like posts; left out: Other"


def test_of_several_sheets_of_posts_none_is_guessed() -> None:
    sheets = {"Notes": NOTES, "Jan": POSTS, "Feb": LATER}
    with pytest.raises(UnclearFile, match=r"'Jan', 'Feb'. Give `sheet=…` .*, with one of Jan, Feb\."):
        chosen(sheets)
    assert b"@cyd" in b"".join(chosen(sheets, "Feb").pieces)


def test_nobody_said_how_the_rows_of_a_sheet_are_written() -> None:
    found = chosen({"Posts": POSTS})
    told = found.told({"delimiter": Detected(",", "given", "as the sender says")})
    assert told["delimiter"].sure == "certain"
    assert list(told)[:2] == ["container", "sheet"]


def test_another_sheet_is_another_file() -> None:
    data = zipped(parts({"One": row(text("a")), "Two": row(text("b"))}))

    def sha256(name: str | None) -> bytes | None:
        found = contents.sheet_content(Archive(io.BytesIO(data)), Given(sheet=name), room(), sha256=b"x", size=1)
        return found.sha256

    assert sha256(None) == sha256("One") == b"x"
    assert sha256("Two") != b"x"


@pytest.mark.parametrize("first", [TYPES, "xl/workbook.xml", "docProps/app.xml"])
def test_a_workbook_is_known_wherever_its_list_of_types_stands(first: str) -> None:
    found = {"docProps/app.xml": b"<a/>", **parts({"Posts": row(text("a"))})}
    data = zipped({first: found[first], **found})
    assert sniffing.container(data).value in {Container.ZIP, Container.XLSX}
    assert contents.open_zip(io.BytesIO(data), Given()) is None
    assert unzipped(zipped({"x.xlsx": data, "y": data})) == {"x.xlsx": b"a\n", "y": b"a\n"}


def test_other_spellings_of_a_workbook() -> None:
    """Prefixed elements, as the Open XML SDK writes them; backslashes in names; parts in other cases."""
    found = parts({"Posts": row(text("a"))})
    found["xl/worksheets/s0.xml"] = (
        b'<x:worksheet xmlns:x="http://purl.oclc.org/ooxml/spreadsheetml/main"><x:sheetData><x:row r="1">'
        b'<x:c r="A1" t="str"><x:v>hi</x:v></x:c></x:row></x:sheetData></x:worksheet>'
    )
    data = zipped({name.replace("/", "\\").replace("workbook", "Workbook"): each for name, each in found.items()})
    assert sheet(data) == "hi\n"


def test_shared_texts_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_PAGE_TEXTS", 7)
    monkeypatch.setattr(workbooks, "_PAGES_HELD", 2)
    monkeypatch.setattr(workbooks, "_SHORT_HELD", 5)
    texts = [f"text {each} " + "ü" * (each % 90) for each in range(300)]
    shared = "<sst>" + "".join(f"<si><t xml:space='preserve'>{each}</t></si>" for each in texts) + "</sst>"
    order = [(each * 97) % 300 for each in range(600)]
    found = sheet(workbook(*(row(f'<c t="s"><v>{each}</v></c>') for each in order), shared=shared))
    assert found.split("\n")[:-1] == [texts[each] for each in order]


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("xl/worksheets/s0.xml", f"{BOMB}<worksheet><sheetData>&b;</sheetData></worksheet>"),
        ("xl/sharedStrings.xml", f"{BOMB}<sst><si><t>&b;</t></si></sst>"),
        ("xl/workbook.xml", f"{BOMB}<workbook/>"),
        ("xl/worksheets/s0.xml", "<worksheet><sheetData><row><c><v>1"),
        ("xl/worksheets/s0.xml", "no XML"),
        ("xl/worksheets/s0.xml", "<a>" * 70_000),
        ("xl/worksheets/s0.xml", "<worksheet>" + "".join(f"<a{each}/>" for each in range(20_000)) + "</worksheet>"),
        ("xl/worksheets/s0.xml", "<worksheet x='" + "y" * (9 << 20) + "'/>"),
        ("xl/worksheets/s0.xml", "<worksheet><row r='5'><c><v>1</v></c></row><row r='5'/></worksheet>"),
        ("xl/worksheets/s0.xml", "<worksheet><row r='1048577'/></worksheet>"),
        ("xl/worksheets/s0.xml", "<worksheet><row><c r='ZZZZ1'><v>1</v></c></row></worksheet>"),
        ("xl/worksheets/s0.xml", "<worksheet><row><c r='XFE1'><v>1</v></c></row></worksheet>"),
        ("xl/worksheets/s0.xml", "<worksheet><row><c r='B1'/><c r='A1'><v>1</v></c></row></worksheet>"),
        ("xl/worksheets/s0.xml", "<worksheet><row><c t='s'><v>99</v></c></row></worksheet>"),
        ("xl/worksheets/s0.xml", "<worksheet><row><c t='s'><v>-1</v></c></row></worksheet>"),
        ("xl/worksheets/s0.xml", f"<worksheet><row><c t='str'><v>{'&#65;x' * (9 << 20)}</v></c></row></worksheet>"),
        ("xl/sharedStrings.xml", f"<sst><si><t>{'x' * (5 << 20)}</t></si></sst>"),
        ("xl/workbook.xml", "<workbook/>"),
    ],
)
def test_bad_workbooks_are_refused(part: str, content: str) -> None:
    data = zipped({**parts({"Posts": row(text("a"))}, shared="<sst><si><t>x</t></si></sst>"), part: content.encode()})
    with pytest.raises(WorkbookUnreadable):
        sheet(data)


def test_a_short_sheet_with_a_long_text_is_bounded() -> None:
    shared = f"<sst><si><t>{'x' * 1_000_000}</t></si></sst>"
    data = workbook(*(row('<c t="s"><v>0</v></c>') for _ in range(100)), shared=shared)
    with pytest.raises(UploadTooLarge):
        sheet(data, most=20_000_000)


@pytest.mark.parametrize(
    ("target", "words"),
    [("xl/workbook.bin", r"binary workbook \(\.xlsb\)"), ("word/document.xml", "without sheets")],
)
def test_other_files_of_office_are_refused(target: str, words: str) -> None:
    found = parts({"Posts": ""})
    found["_rels/.rels"] = found["_rels/.rels"].replace(b"xl/workbook.xml", target.encode())
    with pytest.raises(FormatNotRead, match=words):
        sheet(zipped({**found, target: b"x"}))


@given(cut=st.integers(1, 1 << 16), at=st.integers(0, 1 << 16), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_a_damaged_workbook_is_refused_or_read(cut: int, at: int, bit: int) -> None:
    data = bytearray(workbook(row(text("a")), row(text("b")), styles=DATES))
    data[at % len(data)] ^= 1 << bit
    try:
        sheet(bytes(data[: max(1, cut % (2 * len(data)))]))
    except UploadRefused:
        return


# Parquet --------------------------------------------------------------------------------------------------------------


def test_parquet_keeps_values_as_they_are() -> None:
    instant = datetime(2024, 1, 2, 3, 4, 5, 678000)  # noqa: DTZ001 (Parquet has instants without a zone)
    frame = pl.DataFrame({
        "text": ["line\nbreak @a", None],
        "created_at": [instant, None],
        "zoned": [instant.replace(tzinfo=UTC), None],
        "user": [{"name": "ada", "id": 2**63 - 1}, None],
        "mentions": [["a", "b"], []],
        "raw": ["grüße".encode(), b"\xff"],
        "deep": [[b"x"], []],
    })  # fmt: skip
    file = io.BytesIO()
    frame.write_parquet(file)
    assert b"".join(parquet.json_pieces(file, decoded=Allowance(1 << 30, "x"))).decode().split("\n") == [
        '{"text":"line\\nbreak @a","created_at":"2024-01-02T03:04:05.678000",'
        '"zoned":"2024-01-02T03:04:05.678000+00:00",'
        '"user":{"name":"ada","id":9223372036854775807},"mentions":["a","b"],"raw":"grüße","deep":["x"]}',
        '{"text":null,"created_at":null,"zoned":null,"user":null,"mentions":[],"raw":"\ufffd","deep":[]}',
        "",
    ]


def test_parquet_comes_in_slices() -> None:
    texts = [f"post {each} " + "x" * (each % 5000) for each in range(20_000)]
    file = io.BytesIO()
    pl.DataFrame({"text": texts}).write_parquet(file, row_group_size=3000)
    pieces = list(parquet.json_pieces(file, decoded=Allowance(1 << 30, "x")))
    assert len(pieces) > 3
    assert max(map(len, pieces)) < 40 << 20
    assert pl.read_ndjson(io.BytesIO(b"".join(pieces)))["text"].to_list() == texts


def test_bad_parquet_is_refused() -> None:
    file = io.BytesIO()
    pl.DataFrame({"text": ["x"] * 1000}).write_parquet(file)
    data = file.getvalue()
    for bad in (data[:-1], data[: len(data) // 2], b"PAR1\x15", b"PAR1\x15" + bytes(100) + b"\xff\xff\xff\x7fPAR1"):
        with pytest.raises(ParquetUnreadable):
            list(parquet.json_pieces(io.BytesIO(bad), decoded=Allowance(1 << 30, "x")))
    file = io.BytesIO()
    pl.DataFrame({"text": []}).write_parquet(file)
    with pytest.raises(NoRows):
        list(parquet.json_pieces(file, decoded=Allowance(1 << 30, "x")))
    with pytest.raises(UploadTooLarge):
        list(parquet.json_pieces(io.BytesIO(data), decoded=Allowance(100, "x")))


def test_the_delimiter_of_sheets_is_a_comma() -> None:
    assert sheets.DELIMITER == ","

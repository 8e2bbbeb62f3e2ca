"""Sheets of a workbook at their bounds, and workbooks that are written otherwise than Excel writes them."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from app.errors import NoRows, WorkbookUnreadable
from app.posts.containers import sheets, workbooks
from app.posts.containers.archives import Allowance
from app.posts.containers.workbooks import Texts
from tests.posts.test_contents import DATES, sheet
from tests.posts.workbooks import parts, row, text, workbook, zipped

WORKBOOK, RELATED = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"


def raw(rows: str, **more: str) -> str:
    return sheet(workbook(rows, **more))


def pair(first: str = "a", second: str = "b") -> str:
    return row(text(first), text(second))


# Rows -----------------------------------------------------------------------------------------------------------------

TRIPLE = row(text("a"), text("b"), text("c"))


@pytest.mark.parametrize(("before", "padded"), [(99, True), (100, False)])
def test_the_first_hundred_rows_say_how_many_fields_a_row_has(before: int, *, padded: bool) -> None:
    assert raw(pair() * before + TRIPLE) == ("a,b,\n" if padded else "a,b\n") * before + "a,b,c\n"


@pytest.mark.parametrize(("second", "padded"), [("dddd", True), ("ddddd", False)])
def test_rows_of_many_characters_do_not_wait(second: str, *, padded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_ROW_CHARACTERS", 10)
    end = ",\n" if padded else "\n"
    assert raw(pair("aaaa", "b") + pair("c", second) + TRIPLE) == f"aaaa,b{end}c,{second}{end}a,b,c\n"


def test_rows_without_a_value_are_no_lines_at_the_end() -> None:
    shared = "<sst><si><t/></si></sst>"
    empty = row('<c t="s"/>', '<c t="n"/>') + row() + row('<c t="s"><v>0</v></c>')
    assert raw(pair() + empty, shared=shared) == "a,b\n"
    assert raw(empty + pair(), shared=shared) == "\n\n\na,b\n"


def test_a_workbook_of_one_sheet_has_no_other_to_name() -> None:
    with pytest.raises(NoRows, match=r"'Posts' has no cell with a value\.$"):
        raw("")


@pytest.mark.parametrize("number", ["", "x", "-3", "1" * 5000])
def test_a_row_whose_number_is_none_follows_the_row_before(number: str) -> None:
    assert raw(f"<row r='2'>{text('a')}</row><row r='{number}'>{text('b')}</row>") == "\na\nb\n"


def test_the_last_row_and_the_last_column_of_excel_are_read() -> None:
    assert raw(f"<row r='{sheets.MAX_ROW}'>{text('a')}</row>") == "\n" * (sheets.MAX_ROW - 1) + "a\n"
    assert raw("<row><c r='XFD1'><v>1</v></c></row>") == "," * (sheets.MAX_COLUMN - 1) + "1\n"


@pytest.mark.parametrize("column", ["", "AAAA", "A$", "ÄB", "\N{CJK UNIFIED IDEOGRAPH-6771}"])
def test_a_column_has_one_to_three_letters(column: str) -> None:
    with pytest.raises(WorkbookUnreadable, match="the sheet has a cell in column"):
        raw(f"<row><c r='{column}1'/>{text('a')}</row>")


def test_two_cells_of_one_place_are_refused() -> None:
    with pytest.raises(WorkbookUnreadable, match="cell A1 of the sheet comes too late"):
        raw("<row><c r='A1'><v>1</v></c><c r='A1'><v>2</v></c></row>")


def test_a_row_has_so_many_characters_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_ROW_CHARACTERS", 10)
    assert raw(pair("xxxxx", "yyyyy")) == "xxxxx,yyyyy\n"
    with pytest.raises(WorkbookUnreadable, match="row 1 of the sheet holds more than 10 characters"):
        raw(pair("xxxxx", "yyyyyy"))


def test_a_long_cell_is_refused_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_ROW_CHARACTERS", 10)
    data = zipped({**parts({"Posts": ""}), "xl/worksheets/s0.xml": b"<w><row><c><v>" + b"x&#65;" * 50_000})
    with pytest.raises(WorkbookUnreadable, match="holds more than 10 characters"):
        sheet(data)


@pytest.mark.parametrize("runs", [5, 6])
def test_a_cell_has_so_many_runs_at_most(runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_TEXT", 5)
    rows = row(f'<c t="inlineStr"><is>{"<r><t>x</t></r>" * runs}</is></c>')
    if runs > 5:
        with pytest.raises(WorkbookUnreadable, match="row 1 of the sheet holds more"):
            raw(rows)
    else:
        assert raw(rows) == "xxxxx\n"


def test_how_a_text_is_spoken_is_no_part_of_its_cell() -> None:
    cell = '<c t="inlineStr"><is><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></is></c>'
    assert raw(row(cell, text("b"))) == "東京,b\n"
    shared = "<sst><si>\n<t>東京</t>\n<rPh><t>トウ</t></rPh>\n</si>\n<si> <t>b</t> </si></sst>"
    assert raw(row('<c t="s"><v>0</v></c>', '<c t="s"><v>1</v></c>'), shared=shared) == "東京,b\n"


def test_a_shared_text_of_a_workbook_without_any_is_refused() -> None:
    with pytest.raises(WorkbookUnreadable, match="shows text '0', which the workbook lacks"):
        raw(row('<c t="s"><v>0</v></c>'))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('<c s="1"><v>0</v></c>', "00:00:00"),
        ('<c s="1"><v>0.5000115856</v></c>', "12:00:01.001"),
        ('<c s="1"><v>60</v></c>', "1900-02-28T00:00:00"),
        ('<c s="1"><v>2958465</v></c>', "9999-12-31T00:00:00"),
        ('<c s="1"><v>2958466</v></c>', "2958466"),
        ("<c><v>1e21</v></c>", "1e+21"),
        ("<c><v>1e20</v></c>", "100000000000000000000"),
    ],
)
def test_numbers_at_their_bounds(cell: str, shown: str) -> None:
    assert raw(row(cell), styles=DATES) == f"{shown}\n"


# The workbook ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "shown"),
    [
        ('<workbookPr date1904="true"/>', "1904-01-02T00:00:00"),
        ('<workbookPr date1904="0"/>', "1900-01-01T00:00:00"),
        ("<workbookPr/>", "1900-01-01T00:00:00"),
        ('<calcPr date1904="1"/>', "1900-01-01T00:00:00"),
    ],
)
def test_the_first_day(properties: str, shown: str) -> None:
    assert raw(row('<c s="2"><v>1</v></c>'), styles=DATES, properties=properties) == f"{shown}\n"


def test_a_hidden_sheet_is_not_the_first() -> None:
    data = zipped(parts({"Cover": row(text("c")), "Posts": row(text("p"))}, states={"Cover": "hidden"}))
    assert sheet(data) == "p\n"
    assert sheet(zipped(parts({"Cover": row(text("c"))}, states={"Cover": "hidden"}))) == "c\n"


def test_the_very_name_comes_before_one_that_is_alike() -> None:
    data = zipped(parts({"posts": row(text("small")), "Posts": row(text("big"))}))
    assert sheet(data, "Posts") == "big\n"
    assert sheet(data, "posts") == "small\n"
    assert sheet(data, " POSTS ") == "small\n"


def _replaced(part: str, old: str, new: str) -> Callable[[dict[str, bytes]], None]:
    def change(found: dict[str, bytes]) -> None:
        assert old.encode() in found[part]
        found[part] = found[part].replace(old.encode(), new.encode(), 1)

    return change


def _without_relations(found: dict[str, bytes]) -> None:
    del found["_rels/.rels"]


def _added(relation: str) -> Callable[[dict[str, bytes]], None]:
    return _replaced(RELATED, "</Relationships>", f"{relation}</Relationships>")


@pytest.mark.parametrize(
    "change",
    [
        _replaced(WORKBOOK, "<sheets>", '<sheets><sheet name="Chart" r:id="c"/>'),
        _replaced(WORKBOOK, "<sheets>", '<externalReference r:id="r1"/><sheets>'),
        _added('<Relationship Id="r0" Type="x/worksheet" Target="http://example.org/x" TargetMode="External"/>'),
        _added('<Other Id="r0" Type="x/worksheet" Target="worksheets/s1.xml"/>'),
        _replaced(RELATED, '"worksheets/s0.xml"', '"../xl/./worksheets/s0.xml"'),
        _replaced(RELATED, '"worksheets/s0.xml"', '"\\xl\\worksheets\\s0.xml"'),
        _without_relations,
    ],
    ids=["no such part", "no sheet", "a part elsewhere", "no relation", "a way up", "a way down", "no list of parts"],
)
def test_workbooks_that_say_the_same(change: Callable[[dict[str, bytes]], None]) -> None:
    found = parts({"Posts": row(text("p")), "Other": row(text("o"))})
    change(found)
    assert sheet(zipped(found)) == "p\n"


def test_sheets_without_cells_are_left_out() -> None:
    found = parts({"Chart": row(text("c")), "Lost": row(text("l")), "Posts": row(text("p"))})
    _replaced(RELATED, "/worksheet", "/chartsheet")(found)
    del found["xl/worksheets/s1.xml"]
    assert sheet(zipped(found)) == "p\n"


def test_a_workbook_without_its_list_of_sheets_is_refused() -> None:
    found = parts({"Posts": row(text("p"))})
    del found[WORKBOOK]
    with pytest.raises(WorkbookUnreadable, match="lacks the list of its sheets"):
        sheet(zipped(found))


@pytest.mark.parametrize(
    ("what", "four"),
    [
        ("sheets", {"properties": '<sheet name="x" r:id="r0"/>' * 3}),
        ("styles", {"styles": f"<styleSheet><cellXfs>{'<xf/>' * 4}</cellXfs><dxfs/></styleSheet>"}),
        ("relations", {"sheets": "4"}),
    ],
)
def test_a_workbook_has_so_many_entries_at_most(
    what: str, four: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = dict(four)
    posts = {f"Posts {each}": row(text(f"{each}")) for each in range(int(more.pop("sheets", "1")))}
    data = zipped(parts(posts, **more))  # type: ignore[arg-type]
    monkeypatch.setattr(workbooks, "_MOST_ENTRIES", 4)
    assert sheet(data, "Posts 0") == "0\n"

    monkeypatch.setattr(workbooks, "_MOST_ENTRIES", 3)
    with pytest.raises(WorkbookUnreadable, match=f"more than 3 {what}"):
        sheet(data, "Posts 0")


@pytest.mark.parametrize(
    "styles",
    [
        "<cellXfs><xf/><xf numFmtId='14'/></cellXfs>",
        "<cellXfs><xf numFmtId='x'/><xf numFmtId='14'/></cellXfs>",
        f"<cellXfs><xf numFmtId='{'1' * 5000}'/><xf numFmtId='14'/></cellXfs>",
        "<cellXfs><xf numFmtId='0'><alignment wrapText='1'/></xf><xf numFmtId='14'/></cellXfs>",
        "<cellXfs><xf numFmtId='0'/></cellXfs><cellStyleXfs><xf numFmtId='0'/></cellStyleXfs>"
        "<cellXfs><xf numFmtId='14'/></cellXfs>",
    ],
)
def test_the_second_style_of_cells_is_a_date(styles: str) -> None:
    shown = raw(row('<c s="0"><v>1</v></c>', '<c s="1"><v>45292</v></c>'), styles=f"<styleSheet>{styles}</styleSheet>")
    assert shown == "1,2024-01-01T00:00:00\n"


def test_a_part_has_so_many_bytes_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parts({"Posts": row(text("p"))})
    longest = max(len(found[part]) for part in (WORKBOOK, RELATED, "_rels/.rels"))
    monkeypatch.setattr(workbooks, "_PART_BYTES", longest)
    assert sheet(zipped(found)) == "p\n"

    monkeypatch.setattr(workbooks, "_PART_BYTES", longest - 1)
    with pytest.raises(WorkbookUnreadable, match=f"has {longest} bytes, which is too much"):
        sheet(zipped(found))


@pytest.mark.parametrize(("levels", "words"), [(64, "is damaged"), (65, "not as a workbook has it")])
def test_elements_lie_so_many_levels_deep_at_most(levels: int, words: str) -> None:
    with pytest.raises(WorkbookUnreadable, match=words):
        sheet(zipped({**parts({"Posts": ""}), "xl/worksheets/s0.xml": b"<a>" * levels}))


@pytest.mark.parametrize(("length", "words"), [(1000, "is damaged"), (1001, "not as a workbook has it")])
def test_an_element_without_an_end_has_so_many_bytes_at_most(
    length: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "_TOKEN_BYTES", 1000)
    rows = b"<a>" + b"<b c='".ljust(length, b"x")
    with pytest.raises(WorkbookUnreadable, match=words):
        sheet(zipped({**parts({"Posts": ""}), "xl/worksheets/s0.xml": rows}))


@pytest.mark.parametrize(("names", "words"), [(100, "is damaged"), (101, "not as a workbook has it")])
def test_a_part_has_so_many_names_at_most(names: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_NAMES", 100)
    rows = "<a0>" + "".join(f"<a{each}/>" for each in range(1, names))
    with pytest.raises(WorkbookUnreadable, match=words):
        sheet(zipped({**parts({"Posts": ""}), "xl/worksheets/s0.xml": rows.encode()}))


# Shared texts ---------------------------------------------------------------------------------------------------------


class File(io.BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def filled(texts: list[str]) -> tuple[Texts, File]:
    file = File()
    found = Texts(file, Allowance(1 << 30, "it has"))
    for each in texts:
        found.add(each)
    found.flush()
    return found, file


def reads(texts: list[str], numbers: list[int]) -> int:
    found, file = filled(texts)
    assert [found[each] for each in numbers] == [texts[each] for each in numbers]
    return file.reads


@pytest.mark.parametrize(("short", "full"), [(["x"] * 511, "x"), (["x" * 65_535], "x"), (["x" * 65_000], "x" * 536)])
def test_texts_are_written_by_the_page(short: list[str], full: str) -> None:
    file = io.BytesIO()
    found = Texts(file, Allowance(1 << 30, "it has"))
    for each in short:
        found.add(each)
    assert not file.getvalue()
    found.add(full)
    assert file.getvalue()


LONG = 1000
PAGES = [f"{page}" * LONG for page in range(3)]


@pytest.fixture
def one_text_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_PAGE_TEXTS", 1)


@pytest.mark.usefixtures("one_text_a_page")
@pytest.mark.parametrize(
    ("held", "numbers", "expected"),
    [
        (3 * LONG, [0, 1, 2, 0, 1, 2], 3),
        (2 * LONG, [0, 1, 0, 1], 2),
        (2 * LONG, [0, 1, 2, 1, 0], 4),
        (2 * LONG, [0, 1, 0, 2, 0, 1], 4),
        (LONG, [0, 1, 0], 3),
        (1, [0, 0, 1, 1], 2),
    ],
)
def test_pages_stay_in_memory_up_to_a_bound(
    held: int, numbers: list[int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "_PAGES_HELD", held)
    assert reads(PAGES, numbers) == expected


@pytest.mark.usefixtures("one_text_a_page")
@pytest.mark.parametrize(
    ("length", "numbers", "expected"),
    [
        (64, [0, 1, 0, 1], 2),
        (65, [0, 1, 0, 1], 4),
        (1, [0, 1, 2, 0], 4),
        (1, [0, 1, 2, 2], 3),
    ],
)
def test_short_texts_stay_in_memory_up_to_a_number(
    length: int, numbers: list[int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "_PAGES_HELD", 1)
    monkeypatch.setattr(workbooks, "_SHORT_HELD", 2)
    assert reads([f"{each}" * length for each in range(3)], numbers) == expected


def test_a_shared_text_has_so_many_characters_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MAX_TEXT", 10)
    cell = row('<c t="s"><v>0</v></c>')
    assert raw(cell, shared="<sst><si><t>0123456789</t></si></sst>") == "0123456789\n"
    with pytest.raises(WorkbookUnreadable, match="more than 10 characters"):
        raw(cell, shared="<sst><si><t>0123456789</t><t>x</t></si></sst>")


def test_texts_that_several_sheets_share_are_read_once() -> None:
    shared = f"<sst><si><t>{'x' * 500_000}</t></si></sst>"
    data = zipped(parts({"Notes": row(text("n")), "Other": row(text("o"))}, shared=shared))
    assert sheet(data, most=900_000) == "n\n"

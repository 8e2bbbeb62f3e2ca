"""A workbook (.xlsx, ECMA-376): its sheets, its styles, and its texts. Pure, over an open zip.

The parts that describe a workbook are small, and each is bounded. The texts that its cells share are not small: they go
to a file beside, in pages, and only some pages are in memory.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO
from xml.parsers import expat

import msgspec

from app.errors import FormatNotRead, NoSuchSheet, WorkbookUnreadable
from app.posts.containers.archives import Allowance, Archive, Member

_PART_BYTES = 32 << 20
"""A part that describes the workbook, such as its styles, is refused if it is longer."""
_TOKEN_BYTES = 8 << 20
_MOST_ENTRIES = 1 << 17
"""Sheets, styles, formats and relations of each kind. Excel writes 64,000 styles at most."""
_NAMES, _DEPTH = 4096, 64
"""A workbook has some hundred names of elements and attributes, a dozen levels deep."""
MAX_TEXT = 1 << 20
"""Characters of one cell. Excel writes 32,767 at most."""
_PAGE_BYTES = 64 << 10
_PAGE_TEXTS = 512
_PAGES_HELD = 8 << 20
"""Characters of the pages that are in memory."""
_SHORT, _SHORT_HELD = 64, 50_000
"""Short texts, such as authors, come again and again, and stand in pages far apart."""

Attributes = dict[str, str]
Begin = Callable[[str, Attributes], None]
End = Callable[[str], None]

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
# Formats that every workbook has (18.8.30): dates, and dates as East Asia writes them.
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(50, 59)})
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)


class Sheet(msgspec.Struct, frozen=True):
    """A sheet of cells."""

    name: str
    part: Member
    hidden: bool


class Workbook(msgspec.Struct, frozen=True):
    """What the workbook says of itself."""

    sheets: Sequence[Sheet]
    """In the order of its tabs; charts are left out."""
    epoch: datetime
    """The instant of serial 0, for serials from 60 on."""
    date_styles: frozenset[int]
    """Styles of cells that show a number as a date."""
    texts: Member | None
    """The part with the texts that cells share."""

    def sheet(self, name: str | None) -> Sheet:
        """The sheet of this name; without a name, the first that is shown. Raises NoSuchSheet."""
        if name is None:
            return next((each for each in self.sheets if not each.hidden), self.sheets[0])
        exact = [each for each in self.sheets if each.name == name]
        loose = [each for each in self.sheets if each.name.strip().casefold() == name.strip().casefold()]
        found = exact or loose
        if not found:
            names = ", ".join(repr(each.name) for each in self.sheets)
            raise NoSuchSheet(f"the workbook has no sheet {name!r}; it has {names}.")
        return found[0]


def parse(pieces: Iterator[bytes], *, begin: Begin, end: End, text: Callable[[str], None]) -> Iterator[None]:
    """Read XML in bounded memory: yields after each piece. Names come without a namespace's prefix.

    No document type is read, so no entity grows. Raises WorkbookUnreadable.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    depth = 0
    bare: dict[str, str] = {}

    def begun(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        begin(bare.get(name) or bare.setdefault(name, name.rpartition(":")[2]), attributes)

    def ended(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(bare[name])

    parser.StartElementHandler = begun
    parser.EndElementHandler = ended
    fed = 0
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            fed += len(piece)
            if depth > _DEPTH or len(parser.intern) > _NAMES or fed - parser.CurrentByteIndex > _TOKEN_BYTES:
                raise WorkbookUnreadable("the XML of the workbook is not as a workbook has it. Save it as .xlsx again.")
            yield
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError) as error:  # LookupError: an encoding that nobody knows
        raise WorkbookUnreadable(f"the workbook is damaged: {error}. Save it as .xlsx again.") from error
    yield


def _refuse_doctype(*_: object) -> None:
    raise WorkbookUnreadable("the workbook declares a document type, which no workbook has. Save it as .xlsx again.")


def unescape(text: str) -> str:
    """A text of the workbook, with the characters that it writes as `_x000D_` (22.9.2.19)."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def is_workbook(archive: Archive) -> bool:
    """Whether a zip is a package of Office, wherever its list of types stands."""
    return archive.find("[Content_Types].xml") is not None


def open_workbook(archive: Archive, decoded: Allowance) -> Workbook:
    """What the workbook says of itself. Raises WorkbookUnreadable, FormatNotRead, ArchiveUnreadable."""
    main = _main_part(archive, decoded)
    related = _relations(archive, main, decoded)
    sheets: list[Sheet] = []
    epoch = datetime(1899, 12, 30)  # noqa: DTZ001 (a sheet knows no time zone)

    def begin(name: str, attributes: Attributes) -> None:
        nonlocal epoch
        if name == "workbookPr" and attributes.get("date1904", "0") in {"1", "true"}:
            epoch = datetime(1904, 1, 1)  # noqa: DTZ001
        elif name == "sheet":
            key = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), "")
            kind, target = related.get(key, ("", ""))
            part = archive.find(target)
            if kind == "worksheet" and part is not None:
                hidden = attributes.get("state", "visible") != "visible"
                sheets.append(Sheet(unescape(attributes.get("name", "")), part, hidden))
                if len(sheets) > _MOST_ENTRIES:
                    raise _too_many("sheets")

    _read_part(archive, main, decoded, begin)
    if not sheets:
        raise WorkbookUnreadable("the workbook has no sheet of cells. Save it as .xlsx again.")
    parts = {kind: archive.find(target) for kind, target in related.values()}
    styles = parts.get("styles")
    dates = _date_styles(archive, styles, decoded) if styles else frozenset[int]()
    return Workbook(sheets, epoch, dates, parts.get("sharedStrings"))


def _main_part(archive: Archive, decoded: Allowance) -> Member:
    """The part that lists the sheets. Raises FormatNotRead for other files of Office."""
    found = dict(_relations(archive, None, decoded).values())
    name = found.get("officeDocument", "xl/workbook.xml")
    part = archive.find(name)
    if part is None:
        raise WorkbookUnreadable("the workbook lacks the list of its sheets. Save it as .xlsx again.")
    if part.name.endswith(".bin"):
        raise FormatNotRead("a binary workbook (.xlsb) is not read. Save it as .xlsx or as CSV.")
    if not part.name.casefold().startswith("xl/"):
        raise FormatNotRead(f"a document of Office without sheets ({part.name}) is not read. Send the posts as CSV.")
    return part


def _too_many(what: str) -> WorkbookUnreadable:
    return WorkbookUnreadable(f"the workbook has more than {_MOST_ENTRIES} {what}. Save it as .xlsx again.")


def _relations(archive: Archive, part: Member | None, decoded: Allowance) -> Mapping[str, tuple[str, str]]:
    """Of a part, or of the package: by id the kind of a related part, and its name."""
    path = PurePosixPath(part.name if part else "")
    folder = path.parent if part else PurePosixPath()
    found = archive.find(str(folder / "_rels" / f"{path.name}.rels"))
    related: dict[str, tuple[str, str]] = {}

    def begin(name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "").replace("\\", "/")
            whole = target if target.startswith("/") else f"{folder}/{target}"
            kind = attributes.get("Type", "").rpartition("/")[2]
            related[attributes.get("Id", "")] = kind, _resolved(whole)
            if len(related) > _MOST_ENTRIES:
                raise _too_many("relations")

    if found is not None:
        _read_part(archive, found, decoded, begin)
    return related


def _resolved(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _date_styles(archive: Archive, part: Member, decoded: Allowance) -> frozenset[int]:
    codes: dict[int, str] = {}
    styles: list[int] = []
    of_cells = False

    def begin(name: str, attributes: Attributes) -> None:
        nonlocal of_cells
        if len(codes) + len(styles) > _MOST_ENTRIES:
            raise _too_many("styles")
        if name == "numFmt":
            codes[_number(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            of_cells = True
        elif name in {"cellStyleXfs", "cellStyles", "dxfs"}:
            of_cells = False
        elif name == "xf" and of_cells:
            styles.append(_number(attributes.get("numFmtId")))

    _read_part(archive, part, decoded, begin)
    return frozenset(
        style
        for style, number in enumerate(styles)
        if (is_date(codes[number]) if number in codes else number in _DATE_FORMATS)
    )


def is_date(code: str) -> bool:
    """Whether a number format shows a date, or a time of day. A span of time such as `[h]:mm` is none."""
    shown = _NOT_SHOWN.sub("", code.partition(";")[0])
    if _ELAPSED.search(shown) or "general" in shown.casefold():
        return False
    return bool(re.search(r"[dmyhs]", shown, re.IGNORECASE))


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else -1  # noqa: PLR2004


def _read_part(archive: Archive, part: Member, decoded: Allowance, begin: Begin) -> None:
    if part.size > _PART_BYTES:
        raise WorkbookUnreadable(f"the part {part.name!r} of the workbook has {part.size} bytes, which is too much.")
    for _ in parse(archive.read(part, decoded), begin=begin, end=lambda _: None, text=lambda _: None):
        pass


class Texts:
    """The texts that cells share, in a file of pages.

    Memory: some pages, some short texts, and 16 bytes for each page there is.
    """

    def __init__(self, file: IO[bytes], spooled: Allowance) -> None:
        self._file = file
        self._spooled = spooled
        self._firsts = array("Q")
        """By page: the number of its first text."""
        self._offsets = array("Q")
        self._page: list[str] = []
        self._page_size = 0
        self._count = self._written = 0
        self._held: OrderedDict[int, list[str]] = OrderedDict()
        """Pages in memory, the one that was asked for last at the end."""
        self._held_size = 0
        self._short: dict[int, str] = {}

    def add(self, text: str) -> None:
        # No XML has a NUL, and where an escape makes one, nobody misses it.
        self._page.append(text.replace("\0", ""))
        self._page_size += len(text)
        self._count += 1
        if self._page_size >= _PAGE_BYTES or len(self._page) >= _PAGE_TEXTS:
            self.flush()

    def flush(self) -> None:
        """Write what was added. To be called before the first text is asked for."""
        if not self._page:
            return
        data = "\0".join(self._page).encode("utf-8", "replace")
        self._spooled.take(len(data))
        self._firsts.append(self._count - len(self._page))
        self._offsets.append(self._written)
        self._file.write(data)
        self._written += len(data)
        self._page, self._page_size = [], 0

    def __getitem__(self, number: int) -> str:
        """A text by its number. Raises IndexError."""
        short = self._short.get(number)
        if short is not None:
            return short
        if not 0 <= number < self._count:
            raise IndexError(number)
        page = bisect_right(self._firsts, number) - 1
        text = self._page_of(page)[number - self._firsts[page]]
        if len(text) <= _SHORT:
            if len(self._short) >= _SHORT_HELD:
                self._short.clear()
            self._short[number] = text
        return text

    def _page_of(self, page: int) -> list[str]:
        texts = self._held.get(page)
        if texts is None:
            texts = self._held[page] = self._load(page)
            self._held_size += sum(map(len, texts))
            while self._held_size > _PAGES_HELD and len(self._held) > 1:
                self._held_size -= sum(map(len, self._held.popitem(last=False)[1]))
        else:
            self._held.move_to_end(page)
        return texts

    def _load(self, page: int) -> list[str]:
        begin = self._offsets[page]
        end = self._offsets[page + 1] if page + 1 < len(self._offsets) else self._written
        self._file.seek(begin)
        return self._file.read(end - begin).decode().split("\0")


def read_texts(archive: Archive, part: Member, texts: Texts, decoded: Allowance) -> Iterator[None]:
    """Fill `texts` from their part; yields now and then."""
    reader = _TextReader(texts)
    yield from parse(archive.read(part, decoded), begin=reader.begin, end=reader.end, text=reader.text)
    texts.flush()


class _TextReader:
    """What `parse` calls for the part with the texts. Pronunciations of East Asian words are left out."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._pieces: list[str] = []
        self._size = 0
        self._wanted = self._aside = False

    def begin(self, name: str, _: Attributes) -> None:
        if name == "t":
            self._wanted = not self._aside
        elif name == "rPh":
            self._aside = True

    def text(self, data: str) -> None:
        if self._wanted:
            self._size += len(data)
            if self._size > MAX_TEXT:
                raise WorkbookUnreadable(f"a cell of the workbook holds more than {MAX_TEXT} characters.")
            self._pieces.append(data)

    def end(self, name: str) -> None:
        if name == "t":
            self._wanted = False
        elif name == "rPh":
            self._aside = False
        elif name == "si":
            self._texts.add(unescape("".join(self._pieces)))
            self._pieces.clear()
            self._size = 0

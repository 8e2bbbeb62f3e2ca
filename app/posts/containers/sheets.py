"""A sheet of a workbook as CSV in UTF-8, in bounded pieces and constant memory. Pure.

A row of the sheet is a line of the CSV, so the ledger's line numbers are those that Excel shows: empty rows are empty
lines, and a line break within a cell becomes a blank. Dates become ISO 8601, whatever way the sheet shows them. The
delimiter is a comma.

Python's expat reads the XML. Ready-made readers hold the sheet or its texts in memory: python-calamine 0.9 took 552 MB
for a million rows of 300 characters, and openpyxl 3.1 holds every shared text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import IO

from app.errors import NoRows, WorkbookUnreadable
from app.posts.containers.archives import Allowance, Archive
from app.posts.containers.workbooks import MAX_TEXT, Attributes, Sheet, Texts, Workbook, parse, read_texts, unescape

DELIMITER = ","
MAX_ROW, MAX_COLUMN = 1_048_576, 16_384
"""What Excel's sheets have at most."""
_ROW_CHARACTERS = 4 << 20
_LOOK_AHEAD = 100
"""Rows whose width says how many fields the others have."""
_PIECE_BYTES = 1 << 18
_DAY = 86_400_000
_LAST_DAY = 2_958_466
"""The serial of 31 December 9999 is one less."""
_LEAP_BUG = 60
"""Excel counts a 29 February 1900, so serials before it are one day behind."""
_QUOTED = re.compile(r'[",]')
_BREAKS = re.compile(r"\r\n?|\n")


def csv_pieces(
    archive: Archive, workbook: Workbook, sheet: Sheet, *, scratch: Callable[[], IO[bytes]], decoded: Allowance,
    spooled: Allowance, texts: Texts | None = None,
) -> Iterator[bytes]:  # fmt: skip
    """A sheet as CSV. `scratch` opens a file for the texts that cells share. An empty piece means: work goes on.

    `texts`: the texts that cells share, if they were read before.

    Raises NoRows for a sheet without cells, WorkbookUnreadable, ArchiveUnreadable, UploadTooLarge.
    """
    if texts is None and workbook.texts is not None:
        texts = Texts(scratch(), spooled)
        for _ in read_texts(archive, workbook.texts, texts, decoded):
            yield b""
    rows = _Rows(workbook, texts)
    lines = _Lines()
    pieces = archive.read(sheet.part, decoded)
    for _ in parse(pieces, begin=rows.begin, end=rows.end, text=rows.text):
        for number, cells in rows.done:
            lines.add(number, cells)
        rows.done.clear()
        yield from _metered(lines.take(_PIECE_BYTES), decoded)
    lines.settle()
    yield from _metered(lines.take(1), decoded)
    if lines.empty:
        others = ", ".join(repr(each.name) for each in workbook.sheets if each is not sheet)
        hint = f" The workbook also has {others}: name one with `sheet`." if others else ""
        raise NoRows(f"the sheet {sheet.name!r} has no cell with a value.{hint}")


def _metered(data: bytes, decoded: Allowance) -> Iterator[bytes]:
    # A short sheet may show one long text a million times.
    decoded.take(len(data))
    decoded.budget.decode(len(data))
    yield data


class _Lines:
    """Rows become lines. The first rows wait until it is known how many fields a row has."""

    def __init__(self) -> None:
        self.empty = True
        self._waiting: list[tuple[int, list[str]]] | None = []
        self._waiting_size = 0
        self._width = 0
        self._line = 1
        self._table = False
        self._out: list[str] = []
        self._size = 0

    def add(self, number: int, cells: list[str]) -> None:
        self.empty = False
        if self._waiting is None:
            self._write(number, cells)
            return
        self._waiting.append((number, cells))
        self._waiting_size += sum(map(len, cells))
        if len(self._waiting) >= _LOOK_AHEAD or self._waiting_size > _ROW_CHARACTERS:
            self.settle()

    def settle(self) -> None:
        """Write the rows that wait."""
        waiting, self._waiting = self._waiting or [], None
        self._width = max((len(cells) for _, cells in waiting), default=0)
        for number, cells in waiting:
            self._write(number, cells)

    def take(self, least: int) -> bytes:
        """The lines so far, if they are that long."""
        if self._size < least:
            return b""
        data = "".join(self._out).encode("utf-8", "replace")
        self._out, self._size = [], 0
        return data

    def _write(self, number: int, cells: list[str]) -> None:
        # Lines above the table, such as a title, stay as short as they are: so they are known for what they are.
        self._table = self._table or len(cells) > 1 or self._width == 1
        fields = [_field(cell) for cell in cells]
        padding = DELIMITER * (self._width - len(cells)) if self._table else ""
        line = "\n" * (number - self._line) + DELIMITER.join(fields) + padding + "\n"
        self._line = number + 1
        self._out.append(line)
        self._size += len(line)


def _field(text: str) -> str:
    if "\n" in text or "\r" in text:
        text = _BREAKS.sub(" ", text)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


class _Rows:
    """The rows of a sheet as its XML is read: what `parse` calls."""

    def __init__(self, workbook: Workbook, texts: Texts | None) -> None:
        self.done: list[tuple[int, list[str]]] = []
        """Rows with a value: number and cells."""
        self._epoch = workbook.epoch
        self._dates = workbook.date_styles
        self._texts = texts
        self._columns: dict[str, int] = {}
        self._number = 0
        self._cells: list[str] = []
        self._size = 0
        self._column = 0
        self._type = ""
        self._style = ""
        self._wanted = False
        self._aside = False
        self._pieces: list[str] = []

    def begin(self, name: str, attributes: Attributes) -> None:
        if name == "c":
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s", "")
            reference = attributes.get("r")
            self._column = self._column_of(reference) if reference else self._column + 1
        elif name in {"v", "t"}:
            self._wanted = not self._aside
        elif name == "row":
            self._begin_row(attributes.get("r"))
        elif name == "rPh":
            self._aside = True

    def text(self, data: str) -> None:
        if self._wanted:
            self._pieces.append(data)
            if len(self._pieces) > 1:
                self._grow(len(data))

    def end(self, name: str) -> None:
        if name in {"v", "t"}:
            self._wanted = False
        elif name == "c":
            if self._pieces:
                self._end_cell("".join(self._pieces))
                self._pieces.clear()
        elif name == "row":
            if self._cells:
                self.done.append((self._number, self._cells))
                self._cells = []
            self._column = self._size = 0
        elif name == "rPh":
            self._aside = False

    def _begin_row(self, reference: str | None) -> None:
        number = int(reference) if reference and reference.isdecimal() and len(reference) <= 7 else self._number + 1  # noqa: PLR2004
        if not self._number < number <= MAX_ROW:
            raise WorkbookUnreadable(f"row {number} of the sheet follows row {self._number}. Save it as .xlsx again.")
        self._number = number

    def _column_of(self, reference: str) -> int:
        letters = reference.rstrip("0123456789")
        column = self._columns.get(letters)
        if column is None:
            column = _column_number(letters)
            self._columns[letters] = column
        if column <= self._column:
            raise WorkbookUnreadable(f"cell {reference[:20]} of the sheet comes too late. Save it as .xlsx again.")
        return column

    def _grow(self, characters: int) -> None:
        self._size += characters
        if self._size > _ROW_CHARACTERS or len(self._pieces) > MAX_TEXT:
            raise WorkbookUnreadable(f"row {self._number} of the sheet holds more than {_ROW_CHARACTERS} characters.")

    def _end_cell(self, value: str) -> None:
        if self._column > MAX_COLUMN:
            raise WorkbookUnreadable(f"row {self._number} of the sheet has more than {MAX_COLUMN} cells.")
        text = self._shown(value)
        if text:
            self._grow(len(text))
            cells = self._cells
            cells.extend([""] * (self._column - 1 - len(cells)))
            cells.append(text)

    def _shown(self, value: str) -> str:
        match self._type:
            case "s":
                return self._shared(value)
            case "n":
                style = self._style
                return number(value, self._epoch if style and int(style) in self._dates else None)
            case "b":
                return "TRUE" if value.strip() in {"1", "true"} else "FALSE"
            case _:
                return unescape(value)

    def _shared(self, value: str) -> str:
        try:
            if self._texts is not None:
                return self._texts[int(value)]
        except (ValueError, IndexError):
            pass
        raise WorkbookUnreadable(
            f"a cell in row {self._number} shows text {value[:20]!r}, which the workbook lacks. Save it again."
        )


def _column_number(letters: str) -> int:
    if not (letters.isascii() and letters.isalpha() and len(letters) <= 3):  # noqa: PLR2004
        raise WorkbookUnreadable(f"the sheet has a cell in column {letters[:20]!r}. Save it as .xlsx again.")
    found = 0
    for letter in letters.upper():
        found = found * 26 + ord(letter) - 64
    return found


def number(value: str, epoch: datetime | None) -> str:
    """A number as people write it, without `.0`; as a date where `epoch` says what serial 0 is."""
    if epoch is None and value.isdecimal():
        return value
    try:
        found = float(value)
    except ValueError:
        return value
    if epoch is not None and 0 <= found < _LAST_DAY:
        return _instant(found, epoch)
    if found.is_integer() and abs(found) < 1e21:  # noqa: PLR2004 (as many digits as an id may have)
        return str(int(found))
    return repr(found)


def _instant(serial: float, epoch: datetime) -> str:
    """A serial as ISO 8601, to the millisecond: a double has no more. A time of day has no date."""
    milliseconds = round(serial * _DAY)
    if milliseconds < _DAY:
        moment = epoch + timedelta(milliseconds=milliseconds)
        return moment.time().isoformat("milliseconds" if moment.microsecond else "seconds")
    if milliseconds < _LEAP_BUG * _DAY and epoch.year < 1900:  # noqa: PLR2004
        milliseconds += _DAY
    moment = epoch + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")

"""This module prints for the commands: results to standard output, everything else to standard error.

Both outputs are fit for pipes.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import msgspec
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from app.visible import visible
from ops.cli.saying import data_out, say, say_json, write

__all__ = ["data_out", "say"]

PIPED_WIDTH = 10_000
"""Columns of output to a pipe. No line is wrapped in a pipe."""


class _Printer(Console):
    """A console that never reads markup, because texts come from files and servers.

    In a pipe, the console does not wrap lines, and removes blanks at their ends. Whatever the console renders, hostile
    characters are escaped: a caller that uses `plain` gets a layout that fits, and a caller that does not is safe.
    """

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, stderr=stderr)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = PIPED_WIDTH

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 (rich has the same signature)
        shown = [visible(each, keep="\n") if isinstance(each, str) else each for each in objects]
        if self.is_terminal:
            super().print(*shown, **options)
            return
        with self.capture() as captured:
            super().print(*shown, **options)
        write("\n".join(line.rstrip() for line in captured.get().split("\n")), err=self.stderr)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text, keep="\n"), segment.style)


out = _Printer(stderr=False)
err = _Printer(stderr=True)

STATE_STYLES = {
    "applied": "green",
    "failed": "bold red",
    "aborted": "red",
    "receiving": "cyan",
    "staged": "cyan",
    "applying": "cyan",
    "checking": "cyan",
    "checked": "green",
    "cancelling": "cyan",
    "cancelled": "yellow",
    "retracting": "cyan",
    "retracted": "yellow",
    "duplicate": "yellow",
}
_LINE_ENDS = str.maketrans({"\n": "⏎", "\r": "⏎", "\t": " "})
_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def plain(text: str, limit: int = 10_000) -> str:
    """Returns text from outside on one line, with hostile characters escaped, cut at `limit` characters."""
    shown = visible(text[: limit + 1].translate(_LINE_ENDS))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def size(count: float) -> str:
    """Returns a number of bytes for people."""
    for unit in _UNITS:
        if abs(count) < _THOUSAND or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _THOUSAND
    raise AssertionError


def number(count: int | None) -> str:
    """Returns a count for people, or a dash if the count is not known yet."""
    return "-" if count is None else f"{count:,}"


def when(instant: datetime | None) -> str:
    return "" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def state(name: str, text: str | None = None) -> Text:
    """Returns an upload's state, or a text about the state, in the colour of the state."""
    return Text(text or name, style=STATE_STYLES.get(name, ""))


def table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """Returns a table without a frame. The columns in `right` hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def cut(text: str, width: int, style: str = "") -> Text:
    """Returns text from outside in `width` columns of a terminal. A text that does not fit ends in an ellipsis."""
    made = Text(plain(text), style=style)
    made.truncate(width, overflow="ellipsis")
    return made


def facts(rows: dict[str, str | Text]) -> Table:
    """Returns names and values, one pair a line, without the names that have no value."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            made.add_row(name, value)
    return made


def print_json(value: object) -> None:
    """Print the value as one line of JSON, for scripts."""
    try:
        text = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # the name of a file that is no UTF-8
        text = json.dumps(msgspec.to_builtins(value), separators=(",", ":"))
    say_json(text)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a header line and the rows as CSV. No spreadsheet runs a cell, and None is an empty cell."""
    from app.posts.tables.formulas import guarded  # noqa: PLC0415 (imports polars, which most commands do without)

    stream = data_out()
    stream.write(_line(columns))
    for row in rows:
        stream.write(_line(["" if cell is None else guarded(str(cell)) for cell in row]))
    stream.flush()


def _line(cells: Iterable[str]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode(errors="backslashreplace")

"""What the commands print: results to standard output, everything else to standard error, both fit for pipes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 10_000
"""In a pipe, nothing is wrapped."""


class _Printer(Console):
    """What comes from files and servers is never markup. In a pipe, lines are as long as they are, no blank behind."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, stderr=stderr)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = PIPED_WIDTH

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 (as rich has it)
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        click.echo("\n".join(line.rstrip() for line in captured.get().split("\n")), nl=False, err=self.stderr)


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
_SHOWN = {"\n": "⏎", "\r": "⏎", "\t": " "}
# They join an emoji's parts.
_JOINERS = {"\u200d", "\ufe0f"}
_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def plain(text: str, limit: int = 10_000) -> str:
    """Text from outside without anything that a terminal would obey, on one line, cut at `limit` characters."""
    shown = "".join(_SHOWN.get(c, c if c.isprintable() or c in _JOINERS else "�") for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def size(count: float) -> str:
    """Bytes, for people."""
    for unit in _UNITS:
        if abs(count) < _THOUSAND or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _THOUSAND
    raise AssertionError


def number(count: int | None) -> str:
    """A count as it is shown; a dash if it is not known yet."""
    return "-" if count is None else f"{count:,}"


def when(instant: datetime | None) -> str:
    return "" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def state(name: str, text: str | None = None) -> Text:
    """An upload's state, or a text about it, in its colour."""
    return Text(text or name, style=STATE_STYLES.get(name, ""))


def table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """A table without frame; the columns in `right` hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def cut(text: str, width: int, style: str = "") -> Text:
    """Text from outside in `width` columns of a terminal, with an ellipsis where it does not fit."""
    made = Text(plain(text), style=style)
    made.truncate(width, overflow="ellipsis")
    return made


def facts(rows: dict[str, str | Text]) -> Table:
    """Names and values, one a line; those without a value are left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            made.add_row(name, value)
    return made


def print_json(value: object) -> None:
    """One line, for scripts."""
    click.echo(msgspec.json.encode(value).decode())

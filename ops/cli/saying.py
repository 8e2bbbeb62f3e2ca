"""The one place where commands write to a terminal: every line and every table of `console` comes through here.

What a file, a server or a person supplied can't steer the terminal, because `visible` escapes it. The module imports
few libraries, since `mentiongraph health` runs every few seconds.
"""

from __future__ import annotations

import codecs
import sys
import traceback
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import BinaryIO, cast

import click

from app.visible import json_escaped, visible


def say(text: str, *, err: bool = False, label: str = "", colour: str = "") -> None:
    """Print a text behind a label in colour. Further lines are indented, so that none looks like a line of its own."""
    before = click.style(label, fg=colour, bold=True) + " " if label else ""
    write(before + visible(text, keep="\n").replace("\n", "\n  ") + "\n", err=err)


def say_json(text: str) -> None:
    """Print one line of JSON, which has the same value after its hostile characters are escaped."""
    write(json_escaped(text) + "\n", err=False)


def write(text: str, *, err: bool) -> None:
    """Write a text that is safe already: with the colours of this program, and no other escape."""
    click.echo(text, nl=False, err=err)


def data_out() -> BinaryIO:
    """Standard output for data. A pipe or a file gets each byte as it is. A terminal gets the bytes escaped."""
    return cast("BinaryIO", _Shown(sys.stdout.buffer)) if sys.stdout.isatty() else sys.stdout.buffer


class _Shown:
    """A terminal as a stream of bytes."""

    def __init__(self, terminal: BinaryIO) -> None:
        self._terminal = terminal
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace").decode

    def write(self, data: bytes) -> int:
        shown = visible(self._decode(data).replace("\r\n", "\n"), keep="\n\t")
        self._terminal.write(shown.encode(errors="backslashreplace"))
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._terminal.flush()


def show_error(error: click.ClickException) -> click.ClickException:
    """The error, whose message is safe to print: click repeats what was typed."""
    words: Callable[[], str] = error.format_message
    error.format_message = lambda: visible(words(), keep="\n\t")
    return error


def show_traceback(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Print an error that nobody expected (a hook of `sys`)."""
    say("".join(traceback.format_exception(kind, error, at)).rstrip("\n"), err=True)

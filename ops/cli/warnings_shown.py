"""This module shows the warnings of an upload, or of a file that was checked, to people.

Warnings go to standard error, so that a pipe gets results alone. With --json they are part of the JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.text import Text

from ops.cli.console import err, number, plain

ALL_REJECTED = "all-rejected"


class Shown(Protocol):
    """What is shown of a warning, from the API (client.UploadWarning) or counted here (app.ledger.warnings)."""

    @property
    def code(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def lines(self) -> list[int]: ...


def show(warnings: Sequence[Shown], name: str) -> None:
    """Print each warning about the file or upload `name` on a line of its own, but for what its error says already."""
    for warning in warnings:
        if warning.code == ALL_REJECTED:
            continue
        said = f"{plain(name, 60)}: {warning.code}: {plain(warning.detail)}{_where(warning)}"
        err.print(Text.assemble(("warning: ", "bold yellow"), said), soft_wrap=True)


def in_a_cell(warnings: Sequence[Shown]) -> str:
    """The number of warnings, for a table; empty if there are none."""
    return number(len(warnings)) if warnings else ""


def _where(warning: Shown) -> str:
    if not warning.lines:
        return ""
    lines = ", ".join(map(str, warning.lines))
    end = ", …" if warning.count > len(warning.lines) else "."
    return f" Line{'s' if len(warning.lines) > 1 else ''} {lines}{end}"

"""Bars on standard error, for whatever takes long."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ops.cli.console import err, number


class Bar(Protocol):
    """Says how far the work is. What is left out stays as it was."""

    def __call__(self, *, completed: float | None = None, total: float | None = None, done: str = "") -> None: ...


@contextmanager
def bar(name: str, *, share: bool = False) -> Generator[Bar]:
    """A bar while the block runs, if standard error is a terminal. `share`: with the percentage that is done."""
    columns = [TextColumn("{task.description}", markup=False), BarColumn()]
    columns += [TaskProgressColumn()] if share else []
    columns += [TextColumn("{task.fields[done]}", markup=False), TimeElapsedColumn()]
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task(name, total=None, done="")

        def update(*, completed: float | None = None, total: float | None = None, done: str = "") -> None:
            shown.update(task, completed=completed, total=total, done=done)

        yield update


class Steps:
    """Work of several steps, one after the other. A terminal has a bar; elsewhere each step has a line."""

    def __init__(self, name: str, show: Bar) -> None:
        self._name, self._show = name, show
        self._last = ""

    def __call__(self, step: str, done: int = 0, total: int = 1) -> None:
        """Say which step it is, and how much of the step is done."""
        parts = f": {number(done)} of {number(total)}" if total > 1 else ""
        self._show(completed=done, total=total, done=step + parts)
        if step != self._last:
            self._last = step
            if not err.is_terminal:
                err.print(f"{self._name}: {step}")


@contextmanager
def steps(name: str) -> Generator[Steps]:
    """Shows the steps of the block on standard error."""
    with bar(name) as show:
        yield Steps(name, show)

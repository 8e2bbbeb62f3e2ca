"""A file on its way: its bytes, and what a person sees of them and of the upload that they become."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from ops.cli.console import err, number, plain, size
from ops.cli.entries import ON_THE_WAY, Step

CHUNK = 256 << 10


@contextmanager
def opened(file: Path) -> Generator[tuple[BinaryIO, int | None]]:
    """The stream, and its size if that is known."""
    if str(file) == "-":
        yield sys.stdin.buffer, None
        return
    with file.open("rb") as stream:
        yield stream, file.stat().st_size if file.is_file() else None


class Sending:
    """A bar that first shows the bytes that were sent, then those that are applied; a few lines where nobody looks."""

    def __init__(self, name: str, progress: Progress, doing: tuple[str, str]) -> None:
        self._name = plain(name, 40)
        self._progress = progress
        self._doing, self._next = doing
        self._task = progress.add_task(self._name, total=None, doing=self._doing, done="")
        self._said = ""
        self._count = 0

    def sent(self, stream: BinaryIO, total: int | None) -> Iterator[bytes]:
        """The stream, in chunks, watched."""
        self._count = 0
        # What a pipe has is sent at once: its writer may pause, and the API waits for bytes.
        read = stream.read1 if isinstance(stream, io.BufferedReader) else stream.read
        while chunk := read(CHUNK):
            yield chunk
            self._count += len(chunk)
            self._progress.update(self._task, completed=self._count, total=total, done=size(self._count))
        self._progress.update(self._task, completed=0, total=None, doing=self._next)

    def arrived(self) -> None:
        """The server took the bytes. Before its answer, nobody knows: it may refuse them, with all of them sent."""
        self._line(f"sent {size(self._count)}")

    def applied(self, step: Step) -> None:
        """What the ledger says."""
        share = step.progress.share
        self._progress.update(self._task, completed=share, total=1, doing=step.state, done=_in_words(step))
        self._line(f"{step.state}, {10 * int(10 * share)} %" if step.state in ON_THE_WAY else step.state)

    def say(self, line: str) -> None:
        err.print(line)

    def _line(self, line: str) -> None:
        if not err.is_terminal and line != self._said:
            self._said = line
            err.print(f"{self._name}: {line}")


def _in_words(step: Step) -> str:
    """What of it is done: it is counted first and merged then, which are half of the way each."""
    counted, total = step.progress.bytes_counted, step.progress.bytes_total
    said = f"counted {number(step.progress.rows_counted)} rows"
    if step.state in {"staged", "applying", "checking"} and counted < total:
        return f"{said}, {int(100 * counted / total)} %"
    if step.state == "applying":
        return f"{said}, merging" + (f", {number(step.rows_applied)} applied" if step.rows_applied else "")
    return said


@contextmanager
def sending(name: str, doing: str = "sending", then: str = "sealing") -> Generator[Sending]:
    """Progress on standard error while the block runs: what is done with the bytes, and after the last of them."""
    columns = (
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[doing]}", style="cyan"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield Sending(name, progress, (doing, then))

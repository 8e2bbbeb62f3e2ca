"""Parquet as JSON Lines in bounded pieces: a row is a line, so nested values and line breaks stay as they are.

A process of its own reads the file, with bounds of memory and processor time. A file that takes more than these, or
that makes polars crash, ends that process and not the API.
"""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, cast

from app.errors import NoRows, ParquetUnreadable
from app.posts import apart
from app.posts.containers import parquet_rows
from app.posts.containers.archives import Allowance
from app.posts.containers.budget import Budget
from app.posts.containers.parquet_rows import DATA, END, HEAD, MESSAGE_BYTES, NO_ROWS, SECONDS, SPENT

MOST_BYTES = 512 << 20
"""Memory that the process which reads a file may take, its own start included."""
START_SECONDS = 0.1
"""Processor time that a start counts as. It takes more, but a zip may hold a hundred small files."""


def json_pieces(file: IO[bytes], *, decoded: Allowance, most_bytes: int = MOST_BYTES) -> Iterator[bytes]:
    """The rows of a file as JSON Lines, instants in ISO 8601.

    Raises ParquetUnreadable, NoRows, UploadTooLarge, CostsTooMuch.
    """
    budget, before = decoded.budget, 0.0
    budget.spend(START_SECONDS)
    program, most_seconds = parquet_rows.__name__, _most_seconds(budget)
    with (
        _with_descriptor(file) as opened,
        apart.running(program, opened, most_bytes=most_bytes, most_seconds=most_seconds) as process,
    ):
        while True:
            kind, data = _message(cast("IO[bytes]", process.stdout), most_bytes)
            if kind == DATA:
                decoded.take(len(data))
                budget.decode(len(data))
                yield data
            elif kind == SPENT:
                (spent,) = SECONDS.unpack(data)
                budget.spend(spent - before)
                before = spent
            elif kind == END:
                return
            elif kind == NO_ROWS:
                raise NoRows("the Parquet file has no rows. Check that this is the right file.")
            else:
                raise ParquetUnreadable(
                    f"the Parquet file cannot be read ({data.decode('utf-8', 'replace')}). Check that it is whole, and "
                    "write it again."
                )


def _message(pipe: IO[bytes], most_bytes: int) -> tuple[bytes, bytes]:
    """The next message. Raises ParquetUnreadable if the process ended before."""
    head = pipe.read(HEAD.size)
    if len(head) == HEAD.size:
        kind, size = HEAD.unpack(head)
        data = pipe.read(min(size, MESSAGE_BYTES))
        if len(data) == size:
            return kind, data
    raise ParquetUnreadable(
        f"reading the Parquet file takes more than {most_bytes >> 20} MiB of memory, or more time than its bytes "
        "explain. Write it with smaller row groups and fewer levels, or send its rows as JSON Lines or CSV."
    )


def _most_seconds(budget: Budget) -> int:
    """Seconds of processor time."""
    most = budget.most_seconds()
    return apart.UNBOUNDED if math.isinf(most) else math.ceil(most)


@contextmanager
def _with_descriptor(file: IO[bytes]) -> Generator[IO[bytes]]:
    """The file, as one that another process can read."""
    try:
        file.fileno()
    except io.UnsupportedOperation:
        with TemporaryFile() as copied:
            file.seek(0)
            shutil.copyfileobj(file, copied)
            copied.flush()
            yield copied
    else:
        file.flush()
        yield file

"""A program of its own: the Parquet file on standard input becomes JSON Lines on standard output.

app.posts.containers.parquet starts the program for each file. A few bytes of Parquet may become gigabytes of values,
and a schema of many levels makes polars overflow its stack. So this process has limits, no secrets, and nobody else's
work (see app/posts/apart.py).

Each message is a kind of one byte, a size of four bytes, and so many bytes.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import polars as pl

from app.posts import apart

DATA, SPENT, NO_ROWS, UNREADABLE, END = b"D", b"S", b"N", b"U", b"E"
"""Kinds of messages. SPENT has the processor time as a double."""
HEAD = struct.Struct(">cI")
SECONDS = struct.Struct(">d")
MESSAGE_BYTES = 1 << 20
"""A message has no more bytes."""

_FIRST_ROWS = 500
_MOST_ROWS = 50_000
_SLICE_BYTES = 16 << 20

Type: TypeAlias = Any
"""A type of polars: an instance or its class."""


def main() -> None:
    apart.limit()
    began = time.process_time()
    try:
        for data in _slices():
            for at in range(0, len(data), MESSAGE_BYTES):
                _tell(DATA, data[at : at + MESSAGE_BYTES])
            _tell(SPENT, SECONDS.pack(time.process_time() - began))
        _tell(END)
    except BrokenPipeError:
        os._exit(1)
    except _NoRows:
        _tell(NO_ROWS)
    except BaseException as error:  # noqa: BLE001 (panics of polars are no Exception)
        first = str(error).partition("\n")[0][:200] or type(error).__name__
        _tell(UNREADABLE, first.encode("utf-8", "replace"))


class _NoRows(Exception):
    pass


def _tell(kind: bytes, data: bytes = b"") -> None:
    with memoryview(HEAD.pack(kind, len(data)) + data) as message:
        sent = 0
        while sent < len(message):
            sent += os.write(1, message[sent:])


def _slices() -> Iterator[bytes]:
    """The rows as JSON Lines, instants in ISO 8601.

    polars holds the compressed columns of a row group and one decoded slice. A slice has as many rows as fit into
    `_SLICE_BYTES`, going by the slice before it.
    """

    def scan() -> pl.LazyFrame:
        file.seek(0)
        return pl.scan_parquet(file)

    with os.fdopen(0, "rb") as file:
        columns = [_column(name, kind) for name, kind in scan().collect_schema().items()]
        rows = int(scan().select(pl.len()).collect().item())
        if not rows or not columns:
            raise _NoRows
        at, step = 0, _FIRST_ROWS
        while at < rows:
            frame = scan().slice(at, step).select(columns).collect()
            if not frame.height:
                raise ValueError("it has fewer rows than its footer says")
            at += step
            data = frame.write_ndjson().encode()
            yield data
            # A slice grows twofold at most: the next rows may be longer than these.
            fitting = frame.height * _SLICE_BYTES // max(1, len(data))
            step = max(1, min(fitting, 2 * step, _MOST_ROWS))


def _column(name: str, kind: Type) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return column.dt.to_string("iso:strict")
    if isinstance(kind, pl.Binary):
        return column.map_batches(_decoded, return_dtype=pl.String())
    wanted = _textual(kind)
    return column if wanted == kind else column.cast(wanted)


def _decoded(values: pl.Series) -> pl.Series:
    """Bytes as text. polars refuses all of a column for one value that is no UTF-8."""
    return pl.Series(values.name, [None if each is None else each.decode("utf-8", "replace") for each in values])


def _textual(kind: Type) -> Type:
    """The type with texts in place of bytes: older writers do not say that bytes are text."""
    match kind:
        case pl.Binary():
            return pl.String()
        case pl.List():
            return pl.List(_textual(kind.inner))
        case pl.Array():
            return pl.List(_textual(kind.inner))
        case pl.Struct():
            return pl.Struct([pl.Field(field.name, _textual(field.dtype)) for field in kind.fields])
        case _:
            return kind


if __name__ == "__main__":
    main()

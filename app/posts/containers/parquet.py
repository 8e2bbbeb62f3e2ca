"""Parquet as JSON Lines in bounded pieces: a row is a line, so nested values and line breaks stay as they are. Pure.

polars reads the file slice by slice. It holds the compressed columns of a row group and one decoded slice; a slice has
as many rows as fit into `_SLICE_BYTES`, going by the slice before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, TypeAlias

import polars as pl

from app.errors import NoRows, ParquetUnreadable
from app.posts.containers.archives import Allowance

_FIRST_ROWS = 500
_MOST_ROWS = 50_000
_SLICE_BYTES = 16 << 20

Type: TypeAlias = Any
"""A type of polars: an instance or its class."""


def json_pieces(file: IO[bytes], *, decoded: Allowance) -> Iterator[bytes]:
    """The rows of a file as JSON Lines, instants in ISO 8601. Raises ParquetUnreadable, NoRows, UploadTooLarge."""
    try:
        columns = _columns(_scan(file).collect_schema())
        rows = int(_scan(file).select(pl.len()).collect().item())
        if not rows or not columns:
            raise NoRows("the Parquet file has no rows. Check that this is the right file.")
        at, step = 0, _FIRST_ROWS
        while at < rows:
            frame = _scan(file).slice(at, step).select(columns).collect()
            at += step
            data = frame.write_ndjson().encode()
            decoded.take(len(data))
            decoded.budget.decode(len(data))
            yield data
            # A slice grows twofold at most: the next rows may be longer than these.
            fitting = frame.height * _SLICE_BYTES // max(1, len(data))
            step = max(1, min(fitting, 2 * step, _MOST_ROWS))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        first = str(error).partition("\n")[0][:200]
        raise ParquetUnreadable(
            f"the Parquet file cannot be read ({first}). Check that it is whole, and write it again."
        ) from error


def _scan(file: IO[bytes]) -> pl.LazyFrame:
    file.seek(0)
    return pl.scan_parquet(file)


def _columns(schema: pl.Schema) -> list[pl.Expr]:
    return [_column(name, kind) for name, kind in schema.items()]


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

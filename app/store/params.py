"""This module turns numpy arrays into binary array parameters of PostgreSQL, without a Python object for each value.

Each array is one-dimensional and has no NULLs. app.store.postgres teaches its connections to send these arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

# PostgreSQL counts timestamps in microseconds from this instant.
_POSTGRES_EPOCH = np.datetime64("2000-01-01", "us")

# The header is the signature, no flags and no extension. The trailer marks the end.
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"


class Array:
    """The binary form of an array (PostgreSQL's array_send): a header, then the length and bytes of each value."""

    def __init__(self, values: np.ndarray[Any, Any], element_oid: int, wire: np.ndarray[Any, Any]) -> None:
        packed = np.empty(len(values), dtype=[("length", ">i4"), ("value", wire.dtype.newbyteorder(">"))])
        packed["length"] = wire.dtype.itemsize
        packed["value"] = wire
        dimensions = 1 if len(values) else 0
        header = np.array([dimensions, 0, element_oid, *([len(values), 1] if dimensions else [])], dtype=">i4")
        self.binary = header.tobytes() + packed.tobytes()


class Int8Array(Array):
    """A bigint[] from int64."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        super().__init__(values, 20, values.astype(np.int64, copy=False))


class Float8Array(Array):
    """A double precision[] from float64."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        super().__init__(values, 701, values.astype(np.float64, copy=False))


class TimestamptzArray(Array):
    """A timestamptz[] from datetime64[us], UTC."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        since_epoch = values.astype("datetime64[us]", copy=False) - _POSTGRES_EPOCH
        super().__init__(values, 1184, since_epoch.astype(np.int64))


class UuidArray(Array):
    """A uuid[] from values of 16 bytes (dtype V16)."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        super().__init__(values, 2950, values)


class TextArray:
    """A text[] from a column of strings without NULLs: the length and the UTF-8 bytes of each value."""

    def __init__(self, values: pl.Series) -> None:
        dimensions = 1 if len(values) else 0
        header = np.array([dimensions, 0, 25, *([len(values), 1] if dimensions else [])], dtype=">i4")
        text = _Text(values)
        packed = np.empty(4 * len(values) + len(text.octets), np.uint8)
        text.put(packed, np.cumsum(text.lengths + 4) - (text.lengths + 4))
        self.binary = header.tobytes() + packed.tobytes()


class _Text:
    """The UTF-8 bytes of a column of strings, one string after another."""

    def __init__(self, values: pl.Series) -> None:
        self.lengths = values.str.len_bytes().to_numpy().astype(np.int64)
        self.octets = np.frombuffer("".join(values.to_list()).encode(), np.uint8)

    def put(self, packed: np.ndarray[Any, Any], at: np.ndarray[Any, Any]) -> None:
        """Write the length and the bytes of each value into `packed`, at the offsets `at`."""
        _put(packed, at, self.lengths.astype(">i4"))
        shift = at + 4 - (np.cumsum(self.lengths) - self.lengths)
        packed[np.repeat(shift, self.lengths) + np.arange(len(self.octets))] = self.octets


def _put(packed: np.ndarray[Any, Any], at: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> None:
    size = values.dtype.itemsize
    packed[(at[:, None] + np.arange(size)).ravel()] = values.view(np.uint8)


def copy_users(ids: np.ndarray[Any, Any], handles: pl.Series, spellings: pl.Series) -> bytes:
    """Returns rows of (bigint, text, text) for COPY … (FORMAT binary), with header and trailer."""
    texts = [_Text(handles), _Text(spellings)]
    sizes = 22 + texts[0].lengths + texts[1].lengths
    at = np.cumsum(sizes) - sizes
    packed = np.empty(int(sizes.sum()), np.uint8)
    _put(packed, at, np.full(len(ids), 3, ">i2"))
    _put(packed, at + 2, np.full(len(ids), 8, ">i4"))
    _put(packed, at + 6, ids.astype(">i8"))
    at = at + 14
    for text in texts:
        text.put(packed, at)
        at = at + 4 + text.lengths
    return _COPY_HEADER + packed.tobytes() + _COPY_TRAILER


def copy_rows(columns: Sequence[np.ndarray[Any, Any]], *, instants: slice) -> bytes:
    """Returns rows for COPY … (FORMAT binary), with header and trailer.

    The columns are int64 or float64, without NULLs. The columns in `instants` count microseconds since 1970.
    """
    fields = [
        part
        for index in range(len(columns))
        for part in ((f"length{index}", ">i4"), (f"value{index}", _wire(columns, index)))
    ]
    rows = np.empty(len(columns[0]), dtype=[("fields", ">i2"), *fields])
    rows["fields"] = len(columns)
    for index, column in enumerate(columns):
        rows[f"length{index}"] = 8
        rows[f"value{index}"] = column
    for index in range(len(columns))[instants]:
        rows[f"value{index}"] -= _POSTGRES_EPOCH.astype(np.int64)
    return _COPY_HEADER + rows.tobytes() + _COPY_TRAILER


def _wire(columns: Sequence[np.ndarray[Any, Any]], index: int) -> str:
    return ">f8" if columns[index].dtype.kind == "f" else ">i8"

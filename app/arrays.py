"""numpy arrays as PostgreSQL binary array parameters, without a Python object a value.

Each is one-dimensional and without NULLs. app.db teaches its connections to send them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

# PostgreSQL counts timestamps in microseconds from this instant.
_POSTGRES_EPOCH = np.datetime64("2000-01-01", "us")


class Array:
    """The binary form of an array (PostgreSQL's array_send): a header, then each value after its length."""

    def __init__(self, values: np.ndarray[Any, Any], element_oid: int, wire: np.ndarray[Any, Any]) -> None:
        packed = np.empty(len(values), dtype=[("length", ">i4"), ("value", wire.dtype.newbyteorder(">"))])
        packed["length"] = wire.dtype.itemsize
        packed["value"] = wire
        dimensions = 1 if len(values) else 0
        header = np.array([dimensions, 0, element_oid, *([len(values), 1] if dimensions else [])], dtype=">i4")
        self.binary = header.tobytes() + packed.tobytes()


class Int8Array(Array):
    """bigint[] from int64."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        super().__init__(values, 20, values.astype(np.int64, copy=False))


class Float8Array(Array):
    """double precision[] from float64."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        super().__init__(values, 701, values.astype(np.float64, copy=False))


class TimestamptzArray(Array):
    """timestamptz[] from datetime64[us], UTC."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        since_epoch = values.astype("datetime64[us]", copy=False) - _POSTGRES_EPOCH
        super().__init__(values, 1184, since_epoch.astype(np.int64))


class TextArray:
    """text[] from a column of strings without NULLs: each value's UTF-8 after its length."""

    def __init__(self, values: pl.Series) -> None:
        dimensions = 1 if len(values) else 0
        header = np.array([dimensions, 0, 25, *([len(values), 1] if dimensions else [])], dtype=">i4")
        lengths = values.str.len_bytes().to_numpy().astype(np.int64)
        octets = np.frombuffer("".join(values.to_list()).encode(), dtype=np.uint8)
        # Where each value's length stands; its bytes follow. Everything else is the values' bytes, in order.
        starts = np.cumsum(lengths + 4) - (lengths + 4)
        at = (starts[:, None] + np.arange(4)).ravel()
        packed = np.empty(len(octets) + 4 * len(values), dtype=np.uint8)
        is_value = np.ones(len(packed), dtype=np.bool_)
        is_value[at] = False
        packed[at] = lengths.astype(">i4").view(np.uint8)
        packed[is_value] = octets
        self.binary = header.tobytes() + packed.tobytes()

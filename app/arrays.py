"""numpy arrays as PostgreSQL binary array parameters, without a Python object a value.

Each is one-dimensional and without NULLs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

# PostgreSQL counts timestamps in microseconds from this instant.
_POSTGRES_EPOCH = np.datetime64("2000-01-01", "us")


class Array:
    """The binary form of an array (PostgreSQL's array_send): a header, then each value after its length."""

    array_oid: int

    def __init__(self, values: np.ndarray[Any, Any], element_oid: int, wire: np.ndarray[Any, Any]) -> None:
        packed = np.empty(len(values), dtype=[("length", ">i4"), ("value", wire.dtype.newbyteorder(">"))])
        packed["length"] = wire.dtype.itemsize
        packed["value"] = wire
        dimensions = 1 if len(values) else 0
        header = np.array([dimensions, 0, element_oid, *([len(values), 1] if dimensions else [])], dtype=">i4")
        self.binary = header.tobytes() + packed.tobytes()


class Int8Array(Array):
    """bigint[] from int64."""

    array_oid = 1016

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        super().__init__(values, 20, values.astype(np.int64, copy=False))


class Float8Array(Array):
    """double precision[] from float64."""

    array_oid = 1022

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        super().__init__(values, 701, values.astype(np.float64, copy=False))


class TimestamptzArray(Array):
    """timestamptz[] from datetime64[us], UTC."""

    array_oid = 1185

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        since_epoch = values.astype("datetime64[us]", copy=False) - _POSTGRES_EPOCH
        super().__init__(values, 1184, since_epoch.astype(np.int64))


class TextArray:
    """text[] from strings, none of them NULL or holding a NUL: the values' UTF-8 with a length before each."""

    array_oid = 1009

    def __init__(self, values: list[str]) -> None:
        dimensions = 1 if values else 0
        header = np.array([dimensions, 0, 25, *([len(values), 1] if dimensions else [])], dtype=">i4").tobytes()
        encoded = [value.encode() for value in values]
        lengths = np.array([len(value) for value in encoded], dtype=">i4").tobytes()
        parts = [header]
        for position, value in enumerate(encoded):
            parts.append(lengths[4 * position : 4 * position + 4])
            parts.append(value)
        self.binary = b"".join(parts)


def _dumper(array_oid: int) -> type[Dumper]:
    class BinaryDumper(Dumper):
        format = Format.BINARY
        oid = array_oid

        def dump(self, obj: Array | TextArray) -> bytes:
            return obj.binary

    return BinaryDumper


def register_arrays(adapters: AdaptersMap) -> None:
    """Teach connections made with `adapters` to send these arrays."""
    for kind in (Int8Array, Float8Array, TimestamptzArray, TextArray):
        adapters.register_dumper(kind, _dumper(kind.array_oid))

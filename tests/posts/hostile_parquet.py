"""Parquet files of a few hundred bytes that become gigabytes. No library writes such files, so this module does."""

from __future__ import annotations

import struct as packing
import sys
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LONG, _INT, _BYTES, _LIST, _STRUCT = 6, 5, 8, 9, 12
"""Types of Thrift's compact protocol."""
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
_PLAIN, _RLE, _RLE_DICTIONARY = 0, 3, 8
_TEXT, _ZSTD, _DATA_PAGE, _DICTIONARY_PAGE = 6, 6, 0, 2


def long_texts(size: int, rows: int) -> bytes:
    """One text that all rows have."""
    return _file([_group(b"schema", children=1), _leaf(b"c")], rows, rows, [b"c"], _same(size, rows))


def long_list(size: int) -> bytes:
    """One row, which is a list of so many short texts."""
    levels = _levels(_run(0, 1) + _run(1, size - 1)) + _levels(_run(1, size))
    schema = [
        _group(b"schema", children=1),
        _group(b"l", children=1, repetition=_REQUIRED, converted=3),
        _group(b"list", children=1, repetition=_REPEATED),
        _leaf(b"element"),
    ]
    return _file(schema, 1, size, [b"l", b"list", b"element"], _same(1, size, levels))


def nothing(rows: int) -> bytes:
    """So many rows without a value."""
    pages = (b"", _page(_DATA_PAGE, _levels(_run(0, rows)), rows, _PLAIN))
    return _file([_group(b"schema", children=1), _leaf(b"c", _OPTIONAL)], rows, rows, [b"c"], pages)


def fewer(rows: int, claimed: int) -> bytes:
    """So many rows without a value, of which the footer says that there are more."""
    pages = (b"", _page(_DATA_PAGE, _levels(_run(0, rows)), rows, _PLAIN))
    schema = [_group(b"schema", children=1), _leaf(b"c", _OPTIONAL)]
    return _file(schema, rows, rows, [b"c"], pages, claimed=claimed)


def without_columns(rows: int) -> bytes:
    """So many rows of nothing at all."""
    group = _struct((1, _LIST, (_STRUCT, [])), (2, _LONG, 0), (3, _LONG, rows))
    schema = [_group(b"schema", children=0)]
    footer = _struct((1, _INT, 1), (2, _LIST, (_STRUCT, schema)), (3, _LONG, rows), (4, _LIST, (_STRUCT, [group])))
    return b"PAR1" + footer + packing.pack("<I", len(footer)) + b"PAR1"


def deep(levels: int) -> bytes:
    """One text below so many groups."""
    schema = [_group(b"schema", children=1)]
    schema += [_group(b"g", children=1, repetition=_REQUIRED)] * levels + [_leaf(b"c")]
    return _file(schema, 1, 1, [b"g"] * levels + [b"c"], _same(1, 1))


def long_page(size: int) -> bytes:
    """One text in a page of so many bytes."""
    pages = (b"", _page(_DATA_PAGE, size.to_bytes(4, "little") + b"a" * size, 1, _PLAIN))
    return _file([_group(b"schema", children=1), _leaf(b"c")], 1, 1, [b"c"], pages)


def _same(size: int, values: int, levels: bytes = b"") -> tuple[bytes, bytes]:
    """The pages of a column that has one text over and over: the text, and a run of its number."""
    text = _page(_DICTIONARY_PAGE, size.to_bytes(4, "little") + b"a" * size, 1, _PLAIN)
    return text, _page(_DATA_PAGE, levels + b"\1" + _run(0, values), values, _RLE_DICTIONARY)


def _file(
    schema: list[bytes],
    rows: int,
    values: int,
    path: list[bytes],
    pages: tuple[bytes, bytes],
    *,
    claimed: int | None = None,
) -> bytes:
    dictionary, data = pages
    size = len(dictionary) + len(data)
    about: list[tuple[int, int, Any]] = [
        (1, _INT, _TEXT),
        (2, _LIST, (_INT, [_PLAIN, _RLE, _RLE_DICTIONARY])),
        (3, _LIST, (_BYTES, path)),
        (4, _INT, _ZSTD),
        (5, _LONG, values),
        (6, _LONG, size),
        (7, _LONG, size),
        (9, _LONG, 4 + len(dictionary)),
    ]
    if dictionary:
        about.append((11, _LONG, 4))
    column = _struct((2, _LONG, 4), (3, _STRUCT, _struct(*about)))
    group = _struct((1, _LIST, (_STRUCT, [column])), (2, _LONG, size), (3, _LONG, rows))
    footer = _struct(
        (1, _INT, 1), (2, _LIST, (_STRUCT, schema)), (3, _LONG, claimed or rows), (4, _LIST, (_STRUCT, [group]))
    )
    return b"PAR1" + dictionary + data + footer + packing.pack("<I", len(footer)) + b"PAR1"


def _group(name: bytes, *, children: int, repetition: int | None = None, converted: int | None = None) -> bytes:
    fields: list[tuple[int, int, Any]] = [] if repetition is None else [(3, _INT, repetition)]
    fields += [(4, _BYTES, name), (5, _INT, children)]
    return _struct(*fields, *([] if converted is None else [(6, _INT, converted)]))


def _leaf(name: bytes, repetition: int = _REQUIRED) -> bytes:
    return _struct((1, _INT, _TEXT), (3, _INT, repetition), (4, _BYTES, name), (6, _INT, 0))


def _page(kind: int, content: bytes, values: int, encoding: int) -> bytes:
    packed = zstd.compress(content, 3)
    about = [(1, _INT, values), (2, _INT, encoding)]
    if kind == _DATA_PAGE:
        about += [(3, _INT, _RLE), (4, _INT, _RLE)]
    place = 5 if kind == _DATA_PAGE else 7
    head = _struct((1, _INT, kind), (2, _INT, len(content)), (3, _INT, len(packed)), (place, _STRUCT, _struct(*about)))
    return head + packed


def _run(value: int, times: int) -> bytes:
    """A value of one bit, so many times."""
    return _varint(times << 1) + bytes([value])


def _levels(runs: bytes) -> bytes:
    return len(runs).to_bytes(4, "little") + runs


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _struct(*fields: tuple[int, int, Any]) -> bytes:
    found, last = bytearray(), 0
    for number, kind, value in fields:
        found.append((number - last) << 4 | kind)
        found += _encoded(kind, value)
        last = number
    return bytes(found) + b"\0"


def _encoded(kind: int, value: Any) -> bytes:
    match kind:
        case 5 | 6:
            return _varint(value << 1)
        case 8:
            return _varint(len(value)) + value
        case 9:
            of, values = value
            head = bytes([len(values) << 4 | of]) if len(values) < 15 else bytes([0xF0 | of]) + _varint(len(values))
            return head + b"".join(_encoded(of, each) for each in values)
        case _:
            return value

"""The grammar of csvscan.py once more, byte by byte and slow: what the fast reader is measured against."""

from __future__ import annotations

import re
from typing import NamedTuple

LINE_ENDS = b"\r\n"
end_of_line = re.compile(b"\r\n|\r|\n")


class SlowRow(NamedTuple):
    line: int
    flaw: str
    fields: list[bytes]
    raw: bytes


class Broken(Exception):
    def __init__(self, at: int) -> None:
        self.at = at


def slow_rows(data: bytes, *, delimiter: bytes, window: int, longest: int) -> list[SlowRow]:
    rows: list[SlowRow] = []
    at, line = 0, 0
    while at < len(data):
        line_end = _end_of_line(data, at)
        flaw, fields, end = "", [], line_end
        if at < line_end:
            try:
                fields, end = _row(data, at, delimiter)
            except Broken as broken:
                flaw = "malformed" if broken.at < line_end else "unclosed"
                end = line_end
            if end - at > window:
                flaw = flaw or "unclosed"
                end = line_end
            if end - at > longest and flaw != "malformed":
                flaw = "long"
            rows.append(SlowRow(line, flaw, [] if flaw else fields, data[at:end]))
        line += len(end_of_line.findall(data, at, end)) + 1
        at = end + (2 if data[end : end + 2] == b"\r\n" else 1)
    return rows


def _end_of_line(data: bytes, at: int) -> int:
    while at < len(data) and data[at] not in LINE_ENDS:
        at += 1
    return at


def _row(data: bytes, at: int, delimiter: bytes) -> tuple[list[bytes], int]:
    fields: list[bytes] = []
    while True:
        field, at = _quoted(data, at, delimiter) if data[at : at + 1] == b'"' else _plain(data, at, delimiter)
        fields.append(field)
        if data[at : at + 1] != delimiter:
            return fields, at
        at += 1


def _plain(data: bytes, at: int, delimiter: bytes) -> tuple[bytes, int]:
    begin = at
    while at < len(data) and data[at] not in LINE_ENDS + delimiter:
        at += 1
    return data[begin:at], at


def _quoted(data: bytes, at: int, delimiter: bytes) -> tuple[bytes, int]:
    field = bytearray()
    at += 1
    while at < len(data):
        if data[at : at + 2] == b'""':
            field += b'"'
            at += 2
        elif data[at] == b'"'[0]:
            if at + 1 < len(data) and data[at + 1] not in LINE_ENDS + delimiter:
                raise Broken(at)
            return bytes(field), at + 1
        else:
            field.append(data[at])
            at += 1
    raise Broken(len(data))

"""This module turns a body's character encoding into UTF-8, piece by piece, in bounded memory.

Bytes that can't be decoded become 0xFF, a byte that UTF-8 never has. So exactly the rows with such bytes are rejected.
A U+FFFD in the body itself is text.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Protocol

from app.errors import UnknownEncoding
from app.visible import quoted

ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "iso-8859-2", "iso-8859-15", "cp1250",
    "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8-r", "koi8-u", "mac-roman", "shift_jis", "cp932",
    "euc-jp", "gb18030", "big5", "euc-kr", "cp949",
)  # fmt: skip
"""The encodings that are read. utf-16: in the order of its byte order mark, little-endian if there is none."""

PIECE_BYTES = 1 << 18
"""The number of bytes transcoded at once. The result is at most three times as long."""

_SUPERSETS = {"utf-8-sig": "utf-8", "gbk": "gb18030", "gb2312": "gb18030"}
"""Encodings that another one of ENCODINGS reads as well."""
_CODECS = {codecs.lookup(name).name: name for name in ENCODINGS} | _SUPERSETS
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_MARK_BYTES = 2
_ESCAPE = "mentiongraph.escape"


class Transcoder(Protocol):
    """Takes a body as it arrives, gives it in UTF-8."""

    @property
    def passes_on(self) -> bool:
        """Whether the bytes are handed on as they are."""
        ...

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> bytes:
        """The bytes that are left once the body is over."""
        ...


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_ESCAPE, _escape)


def transcoder(encoding: str) -> Transcoder:
    """The transcoder of an encoding: one of ENCODINGS, or an alias. UTF-8 turns out to be UTF-16 by its mark.

    Raises UploadRefused (unknown-encoding).
    """
    match named(encoding):
        case "utf-8":
            return _Marked(_AsItIs())
        case "utf-16":
            return _Marked(_Decoded("utf-16-le"))
        case other:
            return _Decoded(other)


def named(encoding: str) -> str:
    """Which of ENCODINGS is meant. Raises UploadRefused (unknown-encoding)."""
    try:
        return _CODECS[codecs.lookup(encoding.strip()).name]
    except (LookupError, ValueError) as error:
        raise UnknownEncoding(
            f"the encoding {quoted(encoding)} is not read; name one of {', '.join(ENCODINGS)}."
        ) from error


class _Decoded:
    passes_on = False

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(_ESCAPE)

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), PIECE_BYTES):
            piece = self._decoder.decode(data[at : at + PIECE_BYTES])
            if piece:
                yield piece.encode("utf-8", "surrogateescape")

    def finish(self) -> bytes:
        return self._decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


class _AsItIs:
    passes_on = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield data

    def finish(self) -> bytes:
        return b""


class _Marked:
    """UTF-16 if it starts with a byte order mark of that; otherwise as `unmarked` has it."""

    def __init__(self, unmarked: Transcoder) -> None:
        self._head: bytes | None = b""
        self._rest = unmarked

    @property
    def passes_on(self) -> bool:
        return self._head is None and self._rest.passes_on

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._head is not None:
            data = self._head + data
            if len(data) < _MARK_BYTES:
                self._head = data
                return
            self._head = None
            if (order := _MARKS.get(data[:_MARK_BYTES])) is not None:
                self._rest = _Decoded(order)
                data = data[_MARK_BYTES:]
        yield from self._rest.feed(data)

    def finish(self) -> bytes:
        return b"".join(self._rest.feed(self._head or b"")) + self._rest.finish()

"""This module decodes compressed bodies in pieces of bounded size, and compresses staged payloads."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Protocol

from app.errors import UndecodableBody, UnsupportedEncoding, UploadRefused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 20
"""The number of decoded bytes in memory at once, however far compressed bytes expand."""

# RFC 8878, 3.1.1.1.2: a decoder should support windows of 8 MiB; `zstd --long` needs up to 128 MiB.
_WINDOW_LOG_MAX = 27
_GZIP = 16 + zlib.MAX_WBITS

ENCODINGS = ("gzip", "zstd", "identity")


class Decoder(Protocol):
    """Takes a body as it arrives, gives it decoded in pieces of at most PIECE_BYTES."""

    def decode(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> None:
        """The body is over. Raises UploadRefused if it was cut off inside a compressed frame."""


def decoder(encoding: str | None) -> Decoder:
    """The decoder of a Content-Encoding: one of ENCODINGS, or None. Raises UploadRefused (415) for any other."""
    match (encoding or "identity").strip().lower():
        case "identity":
            return _Identity()
        case "gzip" | "x-gzip":
            return _Gzip()
        case "zstd":
            return _Zstd()
        case other:
            raise UnsupportedEncoding(
                f"Content-Encoding {other!r} cannot be decoded; send one of {', '.join(ENCODINGS)}."
            )


class _Identity:
    def decode(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        return


class _Gzip:
    """RFC 1952: one member after another."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            self._begun = True
            try:
                piece = self._member.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise _undecodable("gzip", error) from error
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        if self._begun and not self._member.eof:
            raise _cut_off("gzip")


class _Zstd:
    """RFC 8878: one frame after another."""

    def __init__(self) -> None:
        self._frame = self._new_frame()
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._frame.needs_input or self._frame.eof):
            if self._frame.eof:
                self._frame = self._new_frame()
            self._begun = True
            try:
                piece = self._frame.decompress(data, PIECE_BYTES)
            except zstd.ZstdError as error:
                raise _undecodable("zstd", error) from error
            data = self._frame.unused_data if self._frame.eof else b""
            if piece:
                yield piece

    def finish(self) -> None:
        if self._begun and not self._frame.eof:
            raise _cut_off("zstd")

    @staticmethod
    def _new_frame() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX})


def compress(data: bytes) -> bytes:
    """A batch's bytes as they are staged: one Zstandard frame, the fastest level."""
    return zstd.compress(data, 1)


def decompress(data: bytes) -> bytes:
    """What `compress` made."""
    return zstd.decompress(data)


def _undecodable(name: str, error: Exception) -> UploadRefused:
    return UndecodableBody(f"The body says Content-Encoding {name} but is not: {error}.")


def _cut_off(name: str) -> UploadRefused:
    return UndecodableBody(f"The {name} body ends in the middle of a frame: it was cut off. Send it again.")

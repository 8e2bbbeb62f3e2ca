"""This module decodes compressed bodies in pieces of bounded size, and compresses staged payloads.

A body has the compression that its Content-Encoding names, and may have one more, which its first bytes tell. A third
layer is refused, so nobody makes the server unpack without end.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from app.errors import PackedTwice, UndecodableBody, UnsupportedEncoding, UploadRefused
from app.posts.looking import sniffing
from app.posts.looking.sniffing import Container

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 20
"""The number of decoded bytes in memory at once, however far compressed bytes expand."""

# RFC 8878, 3.1.1.1.2: a decoder should support windows of 8 MiB; `zstd --long` needs up to 128 MiB.
_WINDOW_LOG_MAX = 27
# The same window for xz: `xz -9` needs 64 MiB.
_XZ_MEMORY = (1 << _WINDOW_LOG_MAX) + (2 << 20)
_GZIP = 16 + zlib.MAX_WBITS
_MARK_BYTES = 10
"""Bytes that tell every compression from text."""

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
            return _Frames("zstd", _new_zstd)
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


class _Frame(Protocol):
    """A frame or stream of zstd, bzip2 or xz, as Python's modules decode it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Frames:
    """One frame after another: RFC 8878 (zstd), bzip2, xz."""

    def __init__(self, name: str, new_frame: Callable[[], _Frame], *, padding: bytes = b"") -> None:
        self._name = name
        self._new_frame = new_frame
        self._frame = new_frame()
        self._begun = False
        self._padding = padding
        """What may stand between two frames."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._frame.needs_input or self._frame.eof):
            if self._frame.eof:
                data = data.lstrip(self._padding) if self._padding else data
                if not data:
                    return
                self._frame = self._new_frame()
            self._begun = True
            try:
                piece = self._frame.decompress(data, PIECE_BYTES)
            except (zstd.ZstdError, lzma.LZMAError, OSError, ValueError) as error:
                raise _undecodable(self._name, error) from error
            data = self._frame.unused_data if self._frame.eof else b""
            if piece:
                yield piece

    def finish(self) -> None:
        if self._begun and not self._frame.eof:
            raise _cut_off(self._name)


def _new_zstd() -> zstd.ZstdDecompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX})


def _new_xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def layer(kind: Container) -> Decoder | None:
    """The decoder of a compressed file. None: the container is no compression."""
    match kind:
        case Container.GZIP:
            return _Gzip()
        case Container.ZSTD:
            return _Frames("zstd", _new_zstd)
        case Container.BZIP2:
            return _Frames("bzip2", bz2.BZ2Decompressor)
        case Container.XZ:
            return _Frames("xz", _new_xz, padding=b"\0")
        case _:
            return None


class _Deflate:
    """RFC 1951, as the files of a zip have it: one stream, without a head."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data and not self._stream.eof:
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise _undecodable("Deflate", error) from error
            data = self._stream.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        if not self._stream.eof:
            raise _cut_off("Deflate")


def member_decoder(method: int) -> Decoder | None:
    """The decoder of a file in a zip, by the number of its method (APPNOTE.TXT, 4.4.5). None: it is not decoded."""
    match method:
        case 0:
            return _Identity()
        case 8:
            return _Deflate()
        case 12:
            return layer(Container.BZIP2)
        case 93:
            return layer(Container.ZSTD)
        case 95:
            return layer(Container.XZ)
        case _:
            return None


class Peeled:
    """Decodes as `outer` does, and takes off one more layer of compression where the first bytes show one.

    A file that is compressed below that layer, too, is refused (PackedTwice).
    """

    def __init__(self, outer: Decoder) -> None:
        self.kind = Container.NONE
        """The compression that the first bytes show."""
        self._outer = outer
        self._inner: Decoder | None = None
        self._head: bytes | None = b""
        """The first bytes of the file, until there are enough of them."""
        self._below: bytes | None = b""
        """The first bytes below the inner layer."""

    @property
    def slow(self) -> bool:
        """Whether to decode in another thread: bzip2 and xz take some 50 ms for a piece."""
        return self.kind in {Container.BZIP2, Container.XZ}

    def decode(self, data: bytes) -> Iterator[bytes]:
        for piece in self._outer.decode(data):
            if self._head is None:
                yield from self._through(piece)
                continue
            self._head += piece
            if len(self._head) >= _MARK_BYTES:
                yield from self._begin()

    def rest(self) -> Iterator[bytes]:
        """The last bytes, once the body is over: those of a file of a few bytes. Raises UploadRefused if cut off."""
        self._outer.finish()
        if self._head is not None:
            yield from self._begin()
        if self._inner is not None:
            if self._below:
                _refuse_third(self._below)
                yield self._below
            self._inner.finish()

    def _begin(self) -> Iterator[bytes]:
        head, self._head = self._head or b"", None
        self.kind = sniffing.container(head).value
        self._inner = layer(self.kind)
        yield from self._through(head)

    def _through(self, piece: bytes) -> Iterator[bytes]:
        if self._inner is None:
            if piece:
                yield piece
            return
        for found in self._inner.decode(piece):
            if self._below is None:
                yield found
                continue
            self._below += found
            if len(self._below) >= _MARK_BYTES:
                below, self._below = self._below, None
                _refuse_third(below)
                yield below


def _refuse_third(head: bytes) -> None:
    kind = sniffing.container(head).value
    if layer(kind) is not None:
        raise PackedTwice(f"the file is compressed again inside, as {kind}. Decompress it once, and send the result.")


def compress(data: bytes) -> bytes:
    """A batch's bytes as they are staged: one Zstandard frame, the fastest level."""
    return zstd.compress(data, 1)


def decompress(data: bytes) -> bytes:
    """What `compress` made."""
    return zstd.decompress(data)


def decompress_within(data: bytes, most: int) -> bytes | None:
    """What `compress` made, of at most so many bytes. None for anything else, which costs no more than that."""
    frame = _new_zstd()
    try:
        found = frame.decompress(data, most)
    except zstd.ZstdError:
        return None
    return found if frame.eof and not frame.unused_data else None


def _undecodable(name: str, error: Exception) -> UploadRefused:
    return UndecodableBody(
        f"the {name} data cannot be decoded: {error}. Check that the file is whole, and that Content-Encoding names "
        "its format."
    )


def _cut_off(name: str) -> UploadRefused:
    return UndecodableBody(f"the {name} data ends in the middle of a frame: the file was cut off. Send it again.")

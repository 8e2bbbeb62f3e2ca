"""This module decodes compressed bodies in pieces of bounded size, and compresses staged payloads.

A body has the compression that its Content-Encoding names, and may have one more, which its first bytes tell. A third
layer is refused, so nobody makes the server unpack without end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Protocol

from app.errors import PackedTwice, UnsupportedEncoding
from app.posts.containers import frames
from app.posts.containers.budget import Budget
from app.posts.containers.frames import Frames
from app.posts.looking import sniffing
from app.posts.looking.sniffing import Container

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MARK_BYTES = 10
"""Bytes that tell every compression from text."""

ENCODINGS = ("gzip", "zstd", "identity")


class Decoder(Protocol):
    """Takes a body as it arrives, gives it decoded in pieces of at most PIECE_BYTES."""

    budget: Budget
    """What decoding may cost."""

    def decode(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> None:
        """The body is over. Raises UploadRefused if it was cut off inside a compressed frame."""


def decoder(encoding: str | None, budget: Budget | None = None) -> Decoder:
    """The decoder of a Content-Encoding: one of ENCODINGS, or None. Raises UploadRefused (415) for any other."""
    budget = budget or Budget()
    match (encoding or "identity").strip().lower():
        case "identity":
            return _Identity(budget)
        case "gzip" | "x-gzip":
            return Frames(frames.GZIP, budget)
        case "zstd":
            return Frames(frames.ZSTD, budget)
        case other:
            raise UnsupportedEncoding(
                f"Content-Encoding {other!r} cannot be decoded; send one of {', '.join(ENCODINGS)}."
            )


class _Identity:
    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def decode(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        return


def layer(kind: Container, budget: Budget | None = None) -> Decoder | None:
    """The decoder of a compressed file. None: the container is no compression."""
    budget = budget or Budget()
    match kind:
        case Container.GZIP:
            return Frames(frames.GZIP, budget)
        case Container.ZSTD:
            return Frames(frames.ZSTD, budget)
        case Container.BZIP2:
            return Frames(frames.BZIP2, budget)
        case Container.XZ:
            return Frames(frames.XZ, budget)
        case _:
            return None


def member_decoder(method: int, budget: Budget | None = None) -> Decoder | None:
    """The decoder of a file in a zip, by the number of its method (APPNOTE.TXT, 4.4.5). None: it is not decoded."""
    budget = budget or Budget()
    match method:
        case 0:
            return _Identity(budget)
        case 8:
            return Frames(frames.DEFLATE, budget)
        case 12:
            return layer(Container.BZIP2, budget)
        case 93:
            return layer(Container.ZSTD, budget)
        case 95:
            return layer(Container.XZ, budget)
        case _:
            return None


class Peeled:
    """Decodes as `outer` does, and takes off one more layer of compression where the first bytes show one.

    A file that is compressed below that layer, too, is refused (PackedTwice).
    """

    def __init__(self, outer: Decoder) -> None:
        self.kind = Container.NONE
        """The compression that the first bytes show."""
        self.budget = outer.budget
        self._outer = outer
        self._inner: Decoder | None = None
        self._head: bytes | None = b""
        """The first bytes of the file, until there are enough of them."""
        self._below: bytes | None = b""
        """The first bytes below the inner layer."""

    def passes_on(self, data: bytes) -> bool:
        """Whether `decode` hands these bytes on as they are, which takes no time."""
        if not isinstance(self._outer, _Identity) or self._inner is not None:
            return False
        return self._head is None or layer(sniffing.container(self._head + data[:_MARK_BYTES]).value) is None

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
        self._inner = layer(self.kind, self.budget)
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
    frame = zstd.ZstdDecompressor()
    try:
        found = frame.decompress(data, most)
    except zstd.ZstdError:
        return None
    return found if frame.eof and not frame.unused_data else None

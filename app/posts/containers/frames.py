"""Frames of gzip, Deflate, zstd, bzip2 and xz, decoded one after another within a budget. Pure.

A frame says at its beginning how much memory it needs. The budget allows that memory before the frame gets it.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from app.errors import UndecodableBody, UploadRefused
from app.posts.containers.budget import Budget

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 20
"""The number of decoded bytes in memory at once, however far compressed bytes expand."""
_XZ_OVERHEAD = 2 << 20
_FIRST_STEP, _LONGEST_STEP = 512, 64 << 10
"""Bytes of a frame that are decoded at once. What stands behind a frame is copied, so a short frame gets few bytes."""
_GZIP = 16 + zlib.MAX_WBITS


class _Frame(Protocol):
    """A frame or stream of zstd, bzip2 or xz, as Python's modules decode it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Inflate:
    """A member of gzip (RFC 1952), or a stream of Deflate (RFC 1951), in the shape of the other frames."""

    def __init__(self, bits: int) -> None:
        self._stream = zlib.decompressobj(bits)
        self._tail = b""
        self._full = False

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not (self._tail or self._full)

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        piece = self._stream.decompress(self._tail + data if self._tail else data, max_length)
        self._tail = self._stream.unconsumed_tail
        # zlib may keep the end of a piece that is full, though it has taken all the input.
        self._full = len(piece) == max_length
        return piece


class Kind(NamedTuple):
    """A compression: how its frames are decoded."""

    name: str
    new_frame: Callable[[Budget], _Frame]
    window: Callable[[bytes], int | None]
    """Bytes of memory that a frame asks for, by its first bytes. None: more bytes are needed."""
    overhead: int
    """Bytes that a frame takes beside its window."""
    less: str = ""
    """How to compress with a smaller window."""
    whole: bool = False
    """Whether each frame gets all of the window that is allowed, since its later blocks may ask for more."""
    padding: bytes = b""
    """What may stand between two frames."""
    single: bool = False
    """Whether one frame is all there is, and what follows it is ignored."""


class Frames:
    """One frame after another, within a budget. Takes time linear in the bytes, however short the frames are."""

    def __init__(self, kind: Kind, budget: Budget) -> None:
        self.budget = budget
        self._kind = kind
        self._frame: _Frame | None = None
        """The frame that is being decoded, which was not decoded to its end."""
        self._begun = False
        self._mark = b""
        """The first bytes of a frame, until they tell its window."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        at, step = 0, _FIRST_STEP
        while at < len(data) or (self._frame is not None and not self._frame.needs_input):
            if self._frame is None:
                if self._kind.single and self._begun:
                    return
                at, step = self._begin(data, at), _FIRST_STEP
            if (frame := self._frame) is None:
                return
            taken = self._mark or data[at : at + step]
            at += 0 if self._mark else len(taken)
            self._mark = b""
            try:
                piece = frame.decompress(taken, PIECE_BYTES)
            except (zlib.error, zstd.ZstdError, lzma.LZMAError, OSError, ValueError) as error:
                raise _undecodable(self._kind.name, error) from error
            if frame.eof:
                at -= len(frame.unused_data)
                self._frame = None
            step = min(2 * step, _LONGEST_STEP)
            if piece:
                self.budget.decode(len(piece))
                yield piece

    def finish(self) -> None:
        self.budget.memory.hold(self, 0)
        if self._mark or self._frame is not None or (self._kind.single and not self._begun):
            raise _cut_off(self._kind.name)

    def _begin(self, data: bytes, at: int) -> int:
        """Begin a frame, once its first bytes tell what it needs. Returns where the bytes behind these begin."""
        kind = self._kind
        if data[at : at + 1] == kind.padding:
            at = len(data) - len(data[at:].lstrip(kind.padding))
        while at < len(data):
            self._mark += data[at : at + 1]
            at += 1
            window = kind.window(self._mark)
            if window is not None:
                self.budget.allow_window(window, kind.less)
                self.budget.frame()
                window = self.budget.bounds.window if kind.whole else window
                self.budget.memory.hold(self, window + kind.overhead)
                self._frame, self._begun = kind.new_frame(self.budget), True
                break
        return at


def _no_window(_: bytes) -> int:
    return 0


def _zstd_window(head: bytes) -> int | None:
    """The window of a frame (RFC 8878, 3.1.1.1), by its first bytes. Skippable frames, and what is no frame, have 0."""
    if len(head) < _ZSTD_LEAST:
        return None
    if not head.startswith(_ZSTD_MAGIC):
        return 0
    descriptor = head[4]
    if not descriptor & 0x20:
        if len(head) < _ZSTD_LEAST + 1:
            return None
        base = 1 << (10 + (head[5] >> 3))
        return base + (base >> 3) * (head[5] & 7)
    # One segment: the window is the size of the content, which stands behind the number of the dictionary.
    begin = _ZSTD_LEAST + (0, 1, 2, 4)[descriptor & 3]
    size = (1, 2, 4, 8)[descriptor >> 6]
    if len(head) < begin + size:
        return None
    return int.from_bytes(head[begin : begin + size], "little") + (256 if size == 2 else 0)  # noqa: PLR2004


_ZSTD_MAGIC, _ZSTD_LEAST = b"\x28\xb5\x2f\xfd", 5


def _new_zstd(budget: Budget) -> _Frame:
    # A window that is no power of two needs the next one.
    most = max(_ZSTD_LEAST_LOG, (budget.bounds.window - 1).bit_length())
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: min(most, _ZSTD_MOST_LOG)})


_ZSTD_LEAST_LOG, _ZSTD_MOST_LOG = 10, 31


class _Xz:
    """A stream of xz. Its blocks may ask for more memory than the first one, so it has all that is allowed."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=budget.bounds.window + _XZ_OVERHEAD)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return self._stream.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        try:
            return self._stream.decompress(data, max_length)
        except lzma.LZMAError as error:
            if "emory usage limit" in str(error):
                raise self._budget.window_too_large("more", "Compress it with xz -6 or less") from error
            raise


def _new_gzip(_: Budget) -> _Frame:
    return _Inflate(_GZIP)


def _new_deflate(_: Budget) -> _Frame:
    return _Inflate(-zlib.MAX_WBITS)


def _new_bzip2(_: Budget) -> _Frame:
    return bz2.BZ2Decompressor()


GZIP = Kind("gzip", _new_gzip, _no_window, overhead=64 << 10)
DEFLATE = Kind("Deflate", _new_deflate, _no_window, overhead=64 << 10, single=True)
ZSTD = Kind("zstd", _new_zstd, _zstd_window, overhead=512 << 10, less="Compress it without --long and --ultra")
BZIP2 = Kind("bzip2", _new_bzip2, _no_window, overhead=4 << 20)
XZ = Kind("xz", _Xz, _no_window, overhead=_XZ_OVERHEAD, whole=True, padding=b"\0")


def _undecodable(name: str, error: Exception) -> UploadRefused:
    return UndecodableBody(
        f"the {name} data cannot be decoded: {error}. Check that the file is whole, and that Content-Encoding names "
        "its format."
    )


def _cut_off(name: str) -> UploadRefused:
    return UndecodableBody(f"the {name} data ends in the middle of a frame: the file was cut off. Send it again.")

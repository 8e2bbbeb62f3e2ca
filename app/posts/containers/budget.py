"""What reading one request may cost: bytes in, decoded bytes, frames, processor time, memory. Pure.

One Budget goes with a request through every layer of compression, through the files of a zip, and through the rows that
a workbook or Parquet becomes. So a hostile body meets one bound, however it divides its bytes among the layers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol

import msgspec

from app.errors import CostsTooMuch, UploadTooLarge, WindowTooLarge
from app.settings import Settings

_FRAME_BYTES = 64
"""Bytes that a frame or member has on average, beyond the free ones. `bgzip` writes some 20,000 bytes a member."""
_SECONDS_A_BYTE = 2e-6
_SECONDS_A_DECODED_BYTE = 0.5e-6
"""bzip2 takes 0.05 µs, and the cells of a workbook 0.1 µs: this is for machines that are much slower."""
_FRAMES_A_LOOK, _BYTES_A_LOOK = 256, 1 << 16
"""Frames and decoded bytes after which the processor's clock is read again."""


class Bounds(msgspec.Struct, frozen=True):
    """What a request may take."""

    received: int
    """Bytes of the body as it is sent."""
    expansion: int
    """Decoded bytes a received byte."""
    window: int
    """Bytes that a compressed frame may need of what was decoded before."""
    free_bytes: int = 64 << 20
    """Decoded bytes that every request may have, however few bytes it sends."""
    free_frames: int = 10_000
    free_seconds: float = 10.0
    """Of the processor."""

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        # What cannot be compressed grows by less than a hundredth when somebody tries.
        received = settings.max_upload_bytes + settings.max_upload_bytes // 64 + (1 << 20)
        return cls(received, settings.max_expansion, settings.max_window_bytes)


_UNBOUNDED = Bounds(1 << 62, 1, 1 << 27, free_bytes=1 << 62, free_frames=1 << 62, free_seconds=float("inf"))


class Memory(Protocol):
    """Where a request says what it holds in memory."""

    def hold(self, part: object, size: int) -> None:
        """`part` holds so many bytes from now on. Raises ReceivingFull, before they are allocated."""
        ...

    def try_hold(self, part: object, size: int) -> bool:
        """As `hold`. Returns whether there is room."""
        ...

    async def wait_to_hold(self, part: object, size: int, seconds: float) -> None:
        """As `hold`, after waiting for so many seconds at most until there is room."""
        ...


class Unmetered:
    """The memory of somebody who reads a file of their own: as much as there is."""

    def hold(self, part: object, size: int) -> None:
        pass

    def try_hold(self, part: object, size: int) -> bool:  # noqa: ARG002
        return True

    async def wait_to_hold(self, part: object, size: int, seconds: float) -> None:
        pass


class Budget:
    """The costs of one request. Without bounds: those of somebody who reads a file of their own."""

    def __init__(
        self, bounds: Bounds = _UNBOUNDED, memory: Memory | None = None, clock: Callable[[], float] = time.thread_time
    ) -> None:
        self.bounds = bounds
        self.memory: Memory = memory or Unmetered()
        self.received = 0
        self.decoded = 0
        self.frames = 0
        self.seconds = 0.0
        """Processor time that was spent, up to the step that is under way."""
        self._clock = clock
        self._step = threading.local()

    def receive(self, size: int) -> None:
        """Count bytes of the body. Raises UploadTooLarge."""
        self.received += size
        if self.received > self.bounds.received:
            raise UploadTooLarge(
                f"the body is larger than {self.bounds.received} bytes; split the file, or raise "
                "MENTIONGRAPH_MAX_UPLOAD_BYTES."
            )

    def decode(self, size: int) -> None:
        """Count bytes that came out of a decoder. Raises CostsTooMuch."""
        self.decoded += size
        if self.decoded > self.bounds.free_bytes + self.received * self.bounds.expansion:
            raise CostsTooMuch(
                f"the first {self.received} bytes became more than {self.decoded - size} when they were unpacked. The "
                f"bound is {self.bounds.free_bytes} bytes, and {self.bounds.expansion} for each byte that is sent. "
                "Send the file without compression (Parquet as CSV), or raise MENTIONGRAPH_MAX_EXPANSION."
            )
        if (self.decoded - size) // _BYTES_A_LOOK != self.decoded // _BYTES_A_LOOK:
            self.check()

    def frame(self) -> None:
        """Count a frame or member. Raises CostsTooMuch."""
        self.frames += 1
        if self.frames > self.bounds.free_frames + self.received // _FRAME_BYTES:
            raise CostsTooMuch(
                f"the compressed file has more than {self.frames - 1} frames in {self.received} bytes. Decompress it, "
                "and compress it as one, or send it without compression."
            )
        if self.frames % _FRAMES_A_LOOK == 0:
            self.check()

    def allow_window(self, size: int, how: str) -> None:
        """`how` says how to compress the file with less. Raises WindowTooLarge."""
        if size > self.bounds.window:
            raise self.window_too_large(f"{size} bytes", how)

    def window_too_large(self, size: str, how: str) -> WindowTooLarge:
        return WindowTooLarge(
            f"the compressed file needs {size} of memory to be decoded, and {self.bounds.window} bytes is the bound. "
            f"{how}, send it without compression, or raise MENTIONGRAPH_MAX_WINDOW_BYTES (`zstd --long=27` needs "
            "134217728, `xz -9` needs 67108864)."
        )

    @contextmanager
    def working(self) -> Generator[None]:
        """Count the processor time of this thread while the block runs. Raises CostsTooMuch."""
        self._step.began = self._clock()
        try:
            yield
            self.check()
        finally:
            self.seconds += self._clock() - self._step.began
            del self._step.began

    def spend(self, seconds: float) -> None:
        """Count processor time of another process. Raises CostsTooMuch."""
        self.seconds += seconds
        self.check()

    def most_seconds(self) -> float:
        """Seconds of the processor that may still be spent, if all bytes are decoded that may be."""
        bounds = self.bounds
        decoded = bounds.free_bytes + self.received * bounds.expansion
        return max(1.0, self._allowed(decoded) - self.seconds)

    def _allowed(self, decoded: int) -> float:
        return self.bounds.free_seconds + self.received * _SECONDS_A_BYTE + decoded * _SECONDS_A_DECODED_BYTE

    def check(self) -> None:
        """Raises CostsTooMuch once more processor time is spent than the bytes explain."""
        began: float | None = getattr(self._step, "began", None)
        spent = self.seconds + (self._clock() - began if began is not None else 0.0)
        if spent > self._allowed(self.decoded):
            raise CostsTooMuch(
                f"reading {self.received} bytes took {spent:.0f} s of the processor, which is more than files of posts "
                "take. Decompress the file, and send it without compression, as CSV or JSON."
            )

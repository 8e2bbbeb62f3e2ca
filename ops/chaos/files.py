"""The files of a run, made again from their names whenever they are wanted: nothing is kept."""

from __future__ import annotations

import random
import re
import threading
from typing import NamedTuple

from ops.workloads.generate import HEADER, generate

CHUNK_ROWS = 32_768
"""Generated at once; a file is a stretch of it."""
BAD_ROWS = 0.004
SMALLEST, LARGEST = 500, 5_000
"""Lines of a file."""
_LAST_OF_A_ROW = re.compile(rb"[^,]*,[^,\"]+,[A-Za-z0-9_]+$")


class File(NamedTuple):
    """Lines [start, end) of a chunk, under a header."""

    chunk: int
    start: int
    end: int

    @property
    def name(self) -> str:
        return f"{self.chunk}-{self.start}-{self.end}.csv"

    @classmethod
    def named(cls, name: str) -> File:
        return cls(*map(int, name.removesuffix(".csv").split("-")))

    def content(self, lines: list[bytes]) -> bytes:
        """The file, out of its chunk's lines."""
        return HEADER + b"\n".join(lines[self.start : self.end]) + b"\n"


def chunk_lines(seed: int, chunk: int) -> list[bytes]:
    """All lines of a chunk."""
    content = b"".join(generate(CHUNK_ROWS, seed * 100_000 + chunk, bad_rows=BAD_ROWS))
    return content.removeprefix(HEADER).removesuffix(b"\n").split(b"\n")


class Source:
    """Files no two of which are the same, for several threads."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._chunk, self._position = 0, 0
        self._lines = chunk_lines(seed, 0)

    def next(self) -> tuple[File, bytes]:
        with self._lock:
            if self._position >= len(self._lines):
                self._chunk, self._position = self._chunk + 1, 0
                self._lines = chunk_lines(self._seed, self._chunk)
            start = self._position
            end = min(len(self._lines), start + self._random.randint(SMALLEST, LARGEST))
            # A quoted text may have lines of its own.
            while end < len(self._lines) and not _LAST_OF_A_ROW.match(self._lines[end - 1]):
                end += 1
            self._position = end
            file = File(self._chunk, start, end)
            return file, file.content(self._lines)

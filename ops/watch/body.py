"""This module reads a file of a watched folder to send it, and moves it away afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from ops.watch.folder import Found, is_being_written

CHUNK = 256 << 10


class Changed(Exception):
    """A file changed after it was found complete, or is being written."""


class Watcher(Protocol):
    """Whoever shows how much of a stream was read."""

    def sent(self, stream: BinaryIO, total: int | None) -> Iterator[bytes]:
        """Yields the stream in chunks."""
        ...


class Body:
    """The content of a file, in chunks. `sha256` is that of the chunks so far.

    Reading raises Changed in place of ending if the file changed meanwhile. So a request with the content of such a
    file is never complete, and the API drops what came.
    """

    def __init__(self, stream: BinaryIO, found: Found) -> None:
        self._stream = stream
        self._found = found
        self._hash = hashlib.sha256()

    @classmethod
    @contextmanager
    def of(cls, found: Found) -> Generator[Body]:
        """Open a complete file. Raises Changed, OSError."""
        with found.path.open("rb") as stream:
            if is_being_written(stream.fileno()):
                raise Changed
            body = cls(stream, found)
            body._check()
            yield body

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        return self._watched(iter(lambda: self._stream.read(CHUNK), b""))

    def through(self, watcher: Watcher, total: int) -> Iterator[bytes]:
        """Yields the chunks, while `watcher` shows how much was read."""
        return self._watched(watcher.sent(self._stream, total))

    def _watched(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._hash.update(chunk)
            yield chunk
        self._check()

    def _check(self) -> None:
        status = os.fstat(self._stream.fileno())
        if (status.st_size, status.st_mtime_ns) != self._found.signature:
            raise Changed


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def move(found: Found, folder: Path) -> None:
    """Move a file into a folder, under its name, or under another if the folder has that name already.

    A file that changed meanwhile stays, since it is a new file. Raises OSError.
    """
    try:
        status = found.path.stat()
    except FileNotFoundError:
        return
    if (status.st_size, status.st_mtime_ns) != found.signature:
        return
    target = folder / found.name
    target.parent.mkdir(parents=True, exist_ok=True)
    bare, number = target, 1
    while target.exists():
        number += 1
        target = bare.with_name(f"{bare.stem}-{number}{bare.suffix}")
    shutil.move(found.path, target)

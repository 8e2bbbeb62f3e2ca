"""This module looks at a folder again and again, and says which of its files are complete.

The module polls, since notifications do not come over network file systems, and since a file must stand still for a
while in any case. A file is complete if nobody was seen to change it for `settle` seconds, and if no process of this
machine has it open for writing, as far as the operating system tells. What counts is the time that this process has
watched, not the file's own time: clocks of file servers differ, and some programs give a file an old time while they
write it. A file that was seen under a name for unfinished files, and was renamed, is complete at once, unless somebody
may still be writing the file.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

UNFINISHED_STARTS = (".", "~$")
UNFINISHED_ENDS = (
    ".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".tmp", ".temp", ".swp", ".lock", "~",
)  # fmt: skip
"""Names that browsers, editors and copying programs give to files that they have not finished. Any case is meant."""


class Found(NamedTuple):
    """A file as one look at the folder saw it."""

    path: Path
    name: str
    """The path from the folder on, with slashes."""
    size: int
    mtime_ns: int
    inode: int

    @property
    def signature(self) -> tuple[int, int]:
        """What changes with the content: size, and time of the last change."""
        return self.size, self.mtime_ns


class Trouble(NamedTuple):
    """A file or folder that cannot be read."""

    path: Path
    error: OSError


class _Standing(NamedTuple):
    """Since when a file stands still."""

    signature: tuple[int, int]
    since: float


class Folder:
    """The files of a folder whose names match one of the patterns, without those of the folders in `apart`."""

    def __init__(
        self,
        root: Path,
        *,
        settle: float,
        patterns: Iterable[str] = (),
        recursive: bool = False,
        apart: Iterable[Path] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.incomplete: list[Found] = []
        """The files that the latest look found incomplete."""
        self.troubles: list[Trouble] = []
        """What the latest look could not read."""
        self.there: list[Found] = []
        """The files that the latest look found, complete or not."""
        self.settle = settle
        self._patterns = tuple(patterns)
        self._recursive = recursive
        self._apart = frozenset(each.resolve() for each in apart)
        self._clock = clock
        self._standing: dict[str, _Standing] = {}
        self._unfinished: dict[int, tuple[int, int]] = {}
        """The signatures of the files with names for unfinished files, by inode."""

    def look(self) -> list[Found]:
        """The complete files of the folder, the oldest first. Raises OSError if the folder itself cannot be read."""
        now = self._clock()
        self.troubles = []
        found: list[Found] = []
        unfinished: dict[int, tuple[int, int]] = {}
        for each in self._files(self.root):
            if is_unfinished(each.path.name):
                unfinished[each.inode] = each.signature
            elif self._wanted(each.path.name):
                found.append(each)
        whole = [self._is_complete(each, now) for each in found]
        complete = [each for each, is_whole in zip(found, whole, strict=True) if is_whole]
        self._standing = {each.name: self._standing[each.name] for each in found}
        self._unfinished = unfinished
        self.there = found
        self.incomplete = [each for each, is_whole in zip(found, whole, strict=True) if not is_whole]
        return sorted(complete, key=lambda each: (each.mtime_ns, each.name))

    def _is_complete(self, found: Found, now: float) -> bool:
        before = self._standing.get(found.name)
        if before is None and self._was_renamed(found):
            before = _Standing(found.signature, now - self.settle)
        if before is None or before.signature != found.signature:
            before = _Standing(found.signature, now)
        self._standing[found.name] = before
        return now - before.since >= self.settle

    def _was_renamed(self, found: Found) -> bool:
        """Whether the file had a name for unfinished files. A new file may have the inode of one that was deleted."""
        if found.inode not in self._unfinished:
            return False
        if self._unfinished[found.inode] == found.signature:
            return True
        try:
            with found.path.open("rb") as stream:
                return is_being_written(stream.fileno()) is False
        except OSError:
            return False

    def _wanted(self, name: str) -> bool:
        return not self._patterns or any(fnmatch(name, pattern) for pattern in self._patterns)

    def _files(self, folder: Path) -> Iterator[Found]:
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            if folder == self.root:
                raise
            self.troubles.append(Trouble(folder, error))
            return
        for entry in listed:
            path = Path(entry.path)
            try:
                if entry.is_dir():
                    if self._enters(entry):
                        yield from self._files(path)
                    continue
                status = entry.stat()
                if entry.is_file():
                    name = path.relative_to(self.root).as_posix()
                    yield Found(path, name, status.st_size, status.st_mtime_ns, entry.inode())
            except FileNotFoundError:
                continue  # gone since the folder was listed
            except OSError as error:
                self.troubles.append(Trouble(path, error))

    def _enters(self, entry: os.DirEntry[str]) -> bool:
        # No link to a folder is followed, since it may lead in a circle.
        return (
            self._recursive
            and not entry.is_symlink()
            and not entry.name.startswith(UNFINISHED_STARTS)
            and Path(entry.path).resolve() not in self._apart
        )


def is_unfinished(name: str) -> bool:
    """Whether the name is one that programs give to a file that they have not finished, or hide."""
    return name.startswith(UNFINISHED_STARTS) or name.lower().endswith(UNFINISHED_ENDS)


def is_being_written(descriptor: int) -> bool | None:
    """Whether a process of this machine has the open file open for writing. None: the operating system does not tell.

    Linux grants a read lease only for a file that nobody has open for writing. The lease is given back at once. Who
    opens the file meanwhile waits, and this process gets SIGIO, which ends a process that does not ignore the signal.
    """
    if sys.platform != "linux":
        return None
    import fcntl  # noqa: PLC0415 (Windows has none)

    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None  # another user's file, or a file system without leases
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False

"""A disk that can be full: a tmpfs that PostgreSQL keeps the batches on.

It is mounted in a mount namespace of this run's own, so that it is gone with the last of its processes, whatever ended
them. It takes root; elsewhere there is no such disk.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS = 0x20000
MS_REMOUNT, MS_REC, MS_PRIVATE = 32, 16384, 1 << 18
MNT_DETACH = 2
PAGE = 4096
SIZE = 4 << 30
"""Bytes there may be on it; it takes what is used."""


def _mount(source: bytes, target: Path, flags: int, data: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source, os.fsencode(target), b"tmpfs", flags, data.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def unshare() -> bool:
    """Give this process, and what it starts from now on, mounts of its own. False: it may not. Before any thread."""
    with contextlib.suppress(OSError):
        libc = ctypes.CDLL(None, use_errno=True)
        if os.geteuid() != 0 or libc.unshare(CLONE_NEWNS) != 0:
            return False
        _mount(b"none", Path("/"), MS_REC | MS_PRIVATE)
        return True
    return False


class Disk:
    """Mounted on `path`, which is made, until `close`. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        _mount(b"mentiongraph-chaos", path, 0, f"size={SIZE},mode=0700")

    @contextmanager
    def full(self) -> Generator[None]:
        """No room for another page as long as the block lasts."""
        found = os.statvfs(self.path)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        try:
            for pages in (1, 16, 256, 4096):  # it may grow between the look and the call
                with contextlib.suppress(OSError):
                    self._resize(used + pages * PAGE)
                    break
            yield
        finally:
            self._resize(SIZE)

    def _resize(self, size: int) -> None:
        _mount(b"mentiongraph-chaos", self.path, MS_REMOUNT, f"size={size}")

    def close(self) -> None:
        ctypes.CDLL(None).umount2(os.fsencode(self.path), MNT_DETACH)

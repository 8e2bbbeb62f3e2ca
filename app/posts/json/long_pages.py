"""A page of posts that is too long to be read beside other requests: a process of its own reads it.

Python's lock is held while a page is decoded, so a page of 64 MiB would hold up everything else for half a second.
"""

from __future__ import annotations

import pickle
import subprocess
import sys

from app.errors import PageTooLong
from app.posts import apart
from app.posts.json import pages
from app.posts.looking.shapes import Packing, Unpacker

MOST_BYTES = 768 << 20
"""Memory that the process may take, its own start included."""
SECONDS = 60
"""Processor time that it may take."""


def posts_of(line: bytes, packing: Packing, *, most_bytes: int = MOST_BYTES, seconds: int = SECONDS) -> bytes:
    """The posts of a page, a line each. Raises PageTooLong if that takes too much memory or time."""
    with apart.running(__name__, subprocess.PIPE, most_bytes=most_bytes, most_seconds=seconds) as process:
        posts, _ = process.communicate(pickle.dumps(packing) + line)
    if process.returncode != 0:
        raise PageTooLong(
            f"A page of posts of {len(line):,} bytes takes too much memory or time. Write one object a line."
        )
    return posts


def main() -> None:
    """Read packing and page from standard input, and write lines to standard output."""
    apart.limit()
    source = sys.stdin.buffer
    packing: Packing = pickle.load(source)  # noqa: S301 (our own process wrote it)
    sys.stdout.buffer.write(pages.posts_of(source.read(), Unpacker(packing)))


if __name__ == "__main__":
    main()

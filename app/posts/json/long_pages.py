"""A page of posts that is too long to be read beside other requests: a process of its own reads it.

Python's lock is held while a page is decoded, so a page of 64 MiB would hold up everything else for half a second.
"""

from __future__ import annotations

import pickle
import resource
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
_PROGRAM = "from app.posts.json.long_pages import main; main()"


def posts_of(line: bytes, packing: Packing, *, most_bytes: int = MOST_BYTES, seconds: int = SECONDS) -> bytes:
    """The posts of a page, a line each. Raises PageTooLong if that takes too much memory or time."""
    done = subprocess.run(
        [sys.executable, "-P", "-s", "-c", _PROGRAM, str(most_bytes), str(seconds)],
        input=pickle.dumps(packing) + line,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=apart.environment(),
        check=False,
    )
    if done.returncode != 0:
        raise PageTooLong(
            f"A page of posts of {len(line):,} bytes takes too much memory or time. Write one object a line."
        )
    return done.stdout


def main() -> None:
    """Read packing and page from standard input, and write lines to standard output."""
    most_bytes, seconds = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    source = sys.stdin.buffer
    packing: Packing = pickle.load(source)  # noqa: S301 (our own process wrote it)
    sys.stdout.buffer.write(pages.posts_of(source.read(), Unpacker(packing)))

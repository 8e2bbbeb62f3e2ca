"""Programs that read a part of a file in a process of their own: a hostile part ends that process and not the API.

A program is a module whose `main` begins with `limit`. It has bounds of memory and processor time, and no secrets.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

UNBOUNDED = resource.RLIM_INFINITY
_ROOT = Path(__file__).parents[2]
_LIBRARIES = "LD_LIBRARY_PATH"
"""Where the libraries of a Python are that was copied for an account (ops/embedded/placement.py)."""


@contextmanager
def running(
    program: str, source: IO[bytes] | int, *, most_bytes: int, most_seconds: int
) -> Generator[subprocess.Popen[bytes]]:
    """Run a program over a source, and end the program with the block. `UNBOUNDED` is no bound."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-s", "-m", program, str(most_bytes), str(most_seconds)],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def limit() -> None:
    """Keep this process to the bounds that its arguments say."""
    most_bytes, most_seconds = map(int, sys.argv[1:])
    # Where memory is short, the kernel ends this process and not the API.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if most_seconds != UNBOUNDED:
        resource.setrlimit(resource.RLIMIT_CPU, (most_seconds, most_seconds))
    if most_bytes != UNBOUNDED and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def _environment() -> dict[str, str]:
    """What such a process needs to find its packages. It knows nothing else of this one's environment, which has
    secrets."""
    packages = dict.fromkeys((str(Path(msgspec.__file__).parents[1]), str(_ROOT)))
    found = {"POLARS_MAX_THREADS": "1", "PYTHONPATH": os.pathsep.join(packages)}
    return {**found, **{name: os.environ[name] for name in (_LIBRARIES,) if name in os.environ}}

"""Programs that read a part of a file in a process of their own: a hostile part ends that process and not the API."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

_ROOT = Path(__file__).parents[2]
_LIBRARIES = "LD_LIBRARY_PATH"
"""Where the libraries of a Python are that was copied for an account (ops/embedded/placement.py)."""


def environment() -> dict[str, str]:
    """What such a process needs to find its packages. It knows nothing else of this one's environment, which has
    secrets."""
    packages = dict.fromkeys((str(Path(msgspec.__file__).parents[1]), str(_ROOT)))
    found = {"POLARS_MAX_THREADS": "1", "PYTHONPATH": os.pathsep.join(packages)}
    return {**found, **{name: os.environ[name] for name in (_LIBRARIES,) if name in os.environ}}

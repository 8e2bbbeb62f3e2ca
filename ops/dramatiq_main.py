"""Dramatiq's command, with what every worker imports imported before its processes are forked: they share those pages.

Not what starts threads (polars) or opens connections (`workers`): that is each process's own.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module

from dramatiq.cli import main as dramatiq

SHARED = (
    "app.store.broker",
    "app.ledger.bells",
    "app.ledger.fleet",
    "app.log",
    "app.ledger.periods",
    "numpy",
    "periodiq",
)


def main() -> None:
    for name in SHARED:
        import_module(name)
    gc.collect()
    gc.freeze()  # else the first collection in a process would write to each of them
    sys.exit(dramatiq())

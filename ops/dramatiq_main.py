"""This module runs Dramatiq's command, but first sets up logs and imports modules that every worker needs.

Dramatiq forks the worker processes after these imports, so that the processes share the memory pages. Modules that
start threads (polars) or open connections (`workers`) are not imported here, because each process needs its own.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module

from dramatiq.cli import main as dramatiq

from app import log
from app import settings as environment

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
    # Dramatiq would write its own first lines in a form of its own (--skip-logging). The worker processes inherit this.
    log.configure(environment.load())
    for name in SHARED:
        import_module(name)
    gc.collect()
    gc.freeze()  # otherwise the first collection in each process would write to the shared pages
    sys.exit(dramatiq())

"""Every actor: the module that `dramatiq workers.main` loads."""

from __future__ import annotations

from workers import unaided
from workers.audit import audit
from workers.count import count, count_soon, count_urgent
from workers.decay import decay
from workers.merge import merge, merge_soon, merge_urgent
from workers.process import process
from workers.purge import purge
from workers.summarize import summarize, summarize_soon
from workers.sweep import sweep
from workers.upkeep import upkeep

__all__ = [
    "audit",
    "count",
    "count_soon",
    "count_urgent",
    "decay",
    "merge",
    "merge_soon",
    "merge_urgent",
    "purge",
    "summarize",
    "summarize_soon",
    "sweep",
    "upkeep",
]

process.unaided = unaided.work

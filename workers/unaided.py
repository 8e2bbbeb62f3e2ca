"""Work without Redis: while nobody can be rung, the process that swept does the work that the sweep found.

This is slower, since each process sweeps every few seconds only, on one thread; but nothing waits for Redis.
"""

from __future__ import annotations

from app.ledger.sweeping import Sweep
from workers import summarize
from workers.count import count
from workers.merge import merge
from workers.process import process


def work(found: Sweep) -> None:
    """Count the batches, merge the shards, make summaries. Skips what another process has taken."""
    for actor, rings in ((count, found.batches), (merge, found.shards)):
        for ring in rings:
            if process.stopping:
                return
            actor.fn(ring.id)
    summarize.work()

"""Work without Redis: what a sweep finds, the process that swept does by itself, while nobody can be rung.

Slower, since a sweep is made every few seconds only and by one thread of each process; but nothing waits for Redis.
"""

from __future__ import annotations

from app.ledger.sweeping import Sweep
from workers import summarize
from workers.count import count
from workers.merge import merge
from workers.process import process


def work(found: Sweep) -> None:
    """Count the batches, merge the shards, make summaries. What others have in hand is passed over."""
    for actor, rings in ((count, found.batches), (merge, found.shards)):
        for ring in rings:
            if process.stopping:
                return
            actor.fn(ring.id)
    summarize.work()

"""Work without Redis: while nobody can be rung, the process that swept does the work that the sweep found.

This is slower, since each process sweeps every few seconds only, on a thread or two; but nothing waits for Redis.
"""

from __future__ import annotations

import time

from app.ledger.sweeping import Sweep
from workers import summarize
from workers.count import count
from workers.merge import merge
from workers.process import process
from workers.rooms import Room

TURN_SECONDS = 10.0
"""Seconds after which the next graph has its turn. The next sweep finds the rest."""


def work(room: Room, found: Sweep) -> None:
    """Merge the shards, count the batches, make summaries. Skips what another process has taken."""
    ends = time.monotonic() + TURN_SECONDS
    for actor, rings in ((merge, found.shards), (count, found.batches)):
        for ring in rings:
            if process.stopping or room.place.away or time.monotonic() > ends:
                break
            actor.fn(ring.id, room.name)
    if not process.stopping:
        summarize.work(room)

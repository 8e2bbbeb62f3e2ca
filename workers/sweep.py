"""Ring again for work whose message was lost, and end what nobody will end."""

from __future__ import annotations

from app import dispatch
from app.periods import Period
from workers import process
from workers.periodic import MINUTE, periodic


@periodic(dispatch.SWEEP, every=MINUTE)
def sweep(period: Period) -> bool:  # noqa: ARG001 (one sweep is like another)
    process.sweep()
    return True

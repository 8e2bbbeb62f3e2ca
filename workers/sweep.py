"""Ring again for work whose message was lost, and end what nobody will end."""

from __future__ import annotations

from app.ledger import bells
from app.ledger.periods import Period
from workers.periodic import periodic
from workers.process import process


@periodic(bells.SWEEP)
def sweep(period: Period) -> bool:  # noqa: ARG001 (one sweep is like another)
    process.sweep()
    return True

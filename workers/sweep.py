"""Ring again for work whose ring was lost, and end batches and uploads whose process is gone."""

from __future__ import annotations

from app.ledger import bells
from app.ledger.periods import Period
from workers.periodic import periodic
from workers.process import process


@periodic(bells.SWEEP)
def sweep(period: Period) -> bool:  # noqa: ARG001 (one sweep is like another)
    process.sweep()
    return True

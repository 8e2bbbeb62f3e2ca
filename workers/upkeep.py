"""All periodic work of one graph: schedulers ask for each graph every minute.

One message for each graph, so that a graph whose database is slow holds up no other, and so that an idle graph costs
one connection in a minute.
"""

from __future__ import annotations

import dramatiq
import structlog

from app.control.graphs import DEFAULT
from app.ledger import bells
from app.store.messages import GraphName
from workers.decay import decay
from workers.process import process
from workers.purge import purge
from workers.rooms import Room
from workers.summarize import summarize
from workers.sweep import sweep

log = structlog.get_logger(__name__)

ACTORS = (sweep, summarize, decay, purge)


def _work(room: Room) -> None:
    for actor in ACTORS:
        if process.stopping or room.place.away:
            return
        try:
            actor.fn(room.name)
        except Exception:
            # One kind of work that fails does not keep the others from their turn.
            log.exception("periodic_work_failed", graph=room.name, actor=actor.actor_name)


@dramatiq.actor(actor_name=bells.UPKEEP, queue_name=bells.MAINTENANCE_QUEUE)
def upkeep(graph: GraphName = DEFAULT) -> None:
    process.visit(graph, _work)

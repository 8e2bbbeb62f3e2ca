"""Noticing graphs in which something began, though their rings were lost: one question to a server for all its graphs.

PostgreSQL counts what is inserted into each of its databases. A graph whose number has changed is swept at once, and as
often as `default` for a while. So an idle graph costs a row of an answer in each look, and no connection of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.control.graphs import DEFAULT
from app.ledger import sweeping
from workers.rooms import Room

MOST_ASKED = 5
"""Servers that one look asks, beside the server of `default`. The others have their turn in the next looks."""


class Servers:
    """The servers of all graphs, in the order in which they are asked."""

    def __init__(self) -> None:
        self._turn = 0

    def to_ask(self, rooms: Sequence[Room]) -> list[list[Room]]:
        """The graphs of each server that is to be asked now. A server that has `default` alone need not be asked."""
        by_server = dict[str, list[Room]]()
        for room in rooms:
            by_server.setdefault(room.server, []).append(room)
        own = [each for each in by_server.values() if each[0].name == DEFAULT]
        others = [each for each in by_server.values() if each[0].name != DEFAULT]
        self._turn = (self._turn + MOST_ASKED) % len(others) if len(others) > MOST_ASKED else 0
        turn = [*others[self._turn :], *others[: self._turn]][:MOST_ASKED]
        return [each for each in (*own, *turn) if each[-1].name != DEFAULT]


def changed(rooms: Sequence[Room]) -> list[Room]:
    """The graphs of a server in which rows were inserted since the last look. In a first look there are none."""
    asked = next((room for room in rooms if not room.place.away), None)
    if asked is None:
        return []
    with asked.connection() as conn:
        inserted = sweeping.inserted(conn, [room.database for room in rooms])
    found = list[Room]()
    for room in rooms:
        before, room.inserted = room.inserted, inserted.get(room.database)
        if before is not None and room.inserted not in {None, before}:
            found.append(room)
    return found

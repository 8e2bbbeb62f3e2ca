"""How a reader looks at the graph: at which instant, with the archive or without, which page of a list."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from app.graph.parameters import GraphParameters


class Direction(StrEnum):
    """Which of a user's mentions are meant: those the user makes, or receives."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


class View(msgspec.Struct, frozen=True):
    """How the graph is looked at: as it weighs at an instant, with archived edges or without."""

    as_of: datetime
    archived: bool = False


class Position(NamedTuple):
    """A position in a list ordered by weight, and where weights are equal by id: behind this user."""

    weight: float
    user_id: int


FIRST = Position(float("inf"), -(2**63))
"""Before everybody."""


class Page(msgspec.Struct, frozen=True):
    """At most `limit` of a list, from behind a position."""

    limit: int
    after: Position = FIRST


def seen(view: View, parameters: GraphParameters) -> dict[str, object]:
    """The view as the statements take it."""
    return {
        "as_of": view.as_of,
        "archived": view.archived,
        "half_life_seconds": parameters.half_life.total_seconds(),
    }


def paged(page: Page) -> dict[str, object]:
    return {"limit": page.limit, "after_weight": page.after.weight, "after_id": page.after.user_id}

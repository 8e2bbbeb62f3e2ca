"""How a reader looks at the graph: at which instant, with the archive or without, which page of a list."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from app.graph.half_life import in_seconds
from app.graph.parameters import GraphParameters

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Direction(StrEnum):
    """Which of a user's mentions are meant: those the user makes, or receives."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


class View(msgspec.Struct, frozen=True):
    """How the graph is looked at: as it weighs at an instant, with archived edges or without."""

    as_of: datetime
    archived: bool | None = False
    """Whether archived edges are seen. None: those that were not archived yet at the instant, if it is in the past."""
    past: bool = False
    """Whether the instant is in the past."""

    @property
    def archived_after(self) -> datetime | None:
        """The archived edges that are seen were archived later than this. None: no archived edge is seen."""
        if self.archived is None and self.past:
            return self.as_of
        return _EARLIEST if self.archived else None


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
        **archive(view),
        "half_life_seconds": in_seconds(parameters.half_life),
    }


def archive(view: View) -> dict[str, object]:
    """What of the archive the view holds, as the statements take it."""
    after = view.archived_after
    return {"archived": after is not None, "archived_after": after}


def paged(page: Page) -> dict[str, object]:
    return {"limit": page.limit, "after_weight": page.after.weight, "after_id": page.after.user_id}

"""A selection says which edges an export holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

WEIGHTY_HALF_LIVES = 750
"""A weight above 1e-9 is not 0 after so many half-lives. An effective weight is 0 below 1e-250, or about 2^-830."""
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The edges that a request asks for. The default is every edge of the graph, without self-mentions.

    No edge is selected whose effective weight is 0 at the instant `as_of`.
    """

    as_of: datetime
    """The instant of the effective weights."""
    min_weight: float | None = None
    """The smallest effective weight of a selected edge."""
    since: datetime | None = None
    """The earliest `last_seen` of a selected edge."""
    until: datetime | None = None
    """The `first_seen` of a selected edge is earlier than this."""
    around: tuple[int, ...] | None = None
    """Ids of the users whose surroundings are selected. None selects the whole graph."""
    depth: int = 1
    """Largest number of steps, along selected edges, from `around` to a user in the surroundings: 0 to 2."""
    touching: bool = False
    """Whether one end in the surroundings is enough for an edge. Otherwise both ends must be in the surroundings."""
    archived: bool | None = None
    """Whether archived edges are selected too. None: those edges that `archived_after` says, or all if the graph holds
    no other edges."""
    archived_after: datetime | None = None
    """Without `archived`, archived edges are selected if they were archived later than this. None selects none."""
    self_mentions: bool = False
    past: bool = False
    """Whether `as_of` is in the past. Then the graph must hold no later mention."""

    def parameters(self, half_life_seconds: float) -> dict[str, object]:
        """Returns the parameters of the statements in sql/reads/exports."""
        around = None if self.around is None else list(self.around)
        past = self.archived is None and self.archived_after is not None
        return {
            **msgspec.structs.asdict(self),
            "around": around,
            "half_life_seconds": half_life_seconds,
            "archived": bool(self.archived) or past,
            "archived_after": self.archived_after if past else None,
            "weighty_after": _before(self.as_of, WEIGHTY_HALF_LIVES * half_life_seconds),
        }


def _before(instant: datetime, seconds: float) -> datetime:
    """Returns the instant that many seconds earlier, or the first instant that there is."""
    try:
        return instant - timedelta(seconds=seconds)
    except OverflowError:
        return _EARLIEST

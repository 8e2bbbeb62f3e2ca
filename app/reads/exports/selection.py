"""A selection says which edges an export holds."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The edges that a request asks for. The default is every edge of the graph, without self-mentions."""

    as_of: datetime
    """The instant of the effective weights."""
    min_weight: float | None = None
    """The smallest effective weight of a selected edge."""
    since: datetime | None = None
    """The earliest `last_seen` of a selected edge."""
    around: tuple[int, ...] | None = None
    """Ids of the users whose surroundings are selected. None selects the whole graph."""
    depth: int = 1
    """Largest number of steps, along selected edges, from `around` to a user in the surroundings: 0 to 2."""
    touching: bool = False
    """Whether one end in the surroundings is enough for an edge. Otherwise both ends must be in the surroundings."""
    archived: bool = False
    """Whether archived edges are selected too."""
    self_mentions: bool = False

    def parameters(self, half_life_seconds: float) -> dict[str, object]:
        """Returns the parameters of the statements in sql/reads/exports."""
        around = None if self.around is None else list(self.around)
        return {**msgspec.structs.asdict(self), "around": around, "half_life_seconds": half_life_seconds}

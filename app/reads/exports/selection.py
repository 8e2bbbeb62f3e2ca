"""Which edges an export holds."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; by default every edge of the graph but mentions of oneself."""

    as_of: datetime
    """The instant that weights are effective at."""
    min_weight: float | None = None
    """The lightest effective weight."""
    since: datetime | None = None
    """The earliest `last_seen`."""
    around: tuple[int, ...] | None = None
    """Ids of users whose surroundings are asked for; None: everybody's."""
    depth: int = 1
    """How many steps from them, along edges that pass, a user still belongs to these surroundings: 0 to 2."""
    touching: bool = False
    """Whether an edge belongs to them with one of its ends; else with both."""
    archived: bool = False
    """Whether archived edges are among them."""
    self_mentions: bool = False

    def parameters(self, half_life_seconds: float) -> dict[str, object]:
        """For the statements of sql/exports."""
        around = None if self.around is None else list(self.around)
        return {**msgspec.structs.asdict(self), "around": around, "half_life_seconds": half_life_seconds}

"""The time in which a weight halves, or that weights do not halve. Pure.

Without a half-life, the time is endless: whatever divides by it gets 0 half-lives, and the weight stays as it is.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TypeAlias

HalfLife: TypeAlias = timedelta | None
"""None: weights do not decay."""


def in_seconds(half_life: HalfLife) -> float:
    """The half-life in seconds, for SQL's effective_weight and weight_score."""
    return math.inf if half_life is None else half_life.total_seconds()


def in_microseconds(half_life: HalfLife) -> float:
    """The half-life in microseconds, for arrays of instants."""
    return math.inf if half_life is None else half_life / timedelta(microseconds=1)

"""What this process counts of itself: counters and histograms by labels, in memory.

They are own code, and few lines: whatever opens a connection counts, commands as well, and importing prometheus_client
takes a command a tenth of a second. Only who serves metrics needs the library, which writes the exposition.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from app.metrics.table import BY_NAME, Metric

MOST_SERIES = 1_000
"""Label sets of a tally. Further ones are counted together, with `other` for each label."""

Labels: TypeAlias = tuple[str, ...]
"""Values of labels, in the order of the table."""


class Spread(NamedTuple):
    """A histogram's numbers: by upper bound, how many observations are in this bucket alone; and the sum of all."""

    buckets: Mapping[float, float]
    total: float


Value: TypeAlias = float | Spread
Families: TypeAlias = dict[str, dict[Labels, Value]]
"""By name of a metric, its values by labels."""


class _Tally:
    def __init__(self, name: str) -> None:
        self.metric: Metric = BY_NAME[name]
        self._lock = threading.Lock()
        TALLIES.append(self)

    def collect(self) -> dict[Labels, Value]:
        raise NotImplementedError


TALLIES: list[_Tally] = []


class Counter(_Tally):
    """Counts how often something happened."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._values: dict[Labels, float] = {} if self.metric.labels else {(): 0.0}

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Add to the counter with these values of its labels."""
        with self._lock:
            if labels not in self._values and len(self._values) >= MOST_SERIES:
                labels = ("other",) * len(labels)
            self._values[labels] = self._values.get(labels, 0.0) + amount

    def collect(self) -> dict[Labels, Value]:
        with self._lock:
            return dict(self._values)


class Gauge(Counter):
    """A number that rises and falls, such as of what is under way."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._values.clear()  # nothing is known before the first word

    def set(self, value: float, *labels: str) -> None:
        """Set the gauge with these values of its labels."""
        with self._lock:
            self._values[labels] = value


class Histogram(_Tally):
    """Counts durations by the buckets of the table."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._bounds = self.metric.buckets
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        """Count a duration with these values of the labels."""
        bucket = bisect_left(self._bounds, seconds)
        with self._lock:
            series = self._series.get(labels)
            if series is None:
                if len(self._series) >= MOST_SERIES:
                    labels = ("other",) * len(labels)
                series = self._series.setdefault(labels, ([0] * (len(self._bounds) + 1), [0.0]))
            series[0][bucket] += 1
            series[1][0] += seconds

    def collect(self) -> dict[Labels, Value]:
        bounds = (*self._bounds, float("inf"))
        with self._lock:
            return {
                labels: Spread(dict(zip(bounds, counts, strict=True)), total[0])
                for labels, (counts, total) in self._series.items()
            }


def collect() -> Families:
    """Everything that this process counted, without tallies that have nothing to say."""
    found = {tally.metric.name: tally.collect() for tally in TALLIES}
    return {name: values for name, values in found.items() if values}

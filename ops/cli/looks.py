"""What /metrics said at an instant, and what happened between two such looks."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from app.metrics.table import PREFIX

_Labels = frozenset[tuple[str, str]]
_STEPS = ("receive", "count", "merge")
_SERVER_ERROR = "5"


class Row(msgspec.Struct, frozen=True):
    """A graph between two looks. Rates are numbers a second."""

    graph: str
    up: bool
    rows_a_second: float
    mentions_a_second: float
    edges_a_second: float
    uploads_waiting: int
    batches_waiting: int
    batches_failed: int
    backlog_bytes: int
    oldest_seconds: float
    slowest_step: str | None
    """`receive`, `count` or `merge`; null while none was done since the look before."""
    slowest_step_seconds: float | None


class Look:
    """The samples of one scrape."""

    def __init__(self, samples: Mapping[str, Mapping[_Labels, float]], at: float) -> None:
        self._samples = samples
        self.at = at
        """Seconds since 1970."""

    @classmethod
    def of(cls, text: str) -> Look:
        """The look that found this exposition, now."""
        found: dict[str, dict[_Labels, float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
        return cls(found, time.time())

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels, whatever others they have."""
        wanted = set(labels.items())
        return sum(value for at, value in self._samples.get(PREFIX + name, {}).items() if wanted <= at)

    def worst(self, name: str, **labels: str) -> float:
        """The highest of these samples."""
        wanted = set(labels.items())
        found = (value for at, value in self._samples.get(PREFIX + name, {}).items() if wanted <= at)
        return max(found, default=0.0)

    def graphs(self) -> list[str]:
        """The graphs that have a label, `default` first."""
        names = {dict(at)["graph"] for at in self._samples.get(f"{PREFIX}graph_up", {})}
        return sorted(names, key=lambda name: (name != "default", name))

    def service(self) -> dict[str, int]:
        """Workers, schedulers and Redis."""
        healthy = {True: "true", False: "false"}
        return {
            "workers": int(self.total("processes", kind="worker")),
            "workers_unhealthy": int(self.total("processes", kind="worker", healthy=healthy[False])),
            "schedulers": int(self.total("processes", kind="scheduler")),
            "schedulers_unhealthy": int(self.total("processes", kind="scheduler", healthy=healthy[False])),
            "redis_up": int(self.total("redis_up")),
        }

    def requests_since(self, before: Look) -> tuple[int, int, float]:
        """The requests of this API process since another look, those of them that failed here, and their seconds."""
        name = "http_request_duration_seconds"
        count = max(0.0, self.total(f"{name}_count") - before.total(f"{name}_count"))
        seconds = max(0.0, self.total(f"{name}_sum") - before.total(f"{name}_sum"))
        return int(count), max(0, self._failed() - before._failed()), seconds

    def _failed(self) -> int:
        found = self._samples.get(f"{PREFIX}http_request_duration_seconds_count", {})
        return int(sum(value for at, value in found.items() if dict(at)["status"].startswith(_SERVER_ERROR)))


def rows_of(before: Look, now: Look, chosen: str | None = None) -> list[Row]:
    """A row for each graph, or for the chosen one."""
    return [_row(before, now, graph) for graph in now.graphs() if chosen in {None, graph}]


def _row(before: Look, now: Look, graph: str) -> Row:
    span = max(now.at - before.at, 1e-9)

    def rate(name: str) -> float:
        # An API that was started again, or another one behind the same proxy, may know less.
        return max(0.0, now.total(name, graph=graph) - before.total(name, graph=graph)) / span

    averages = {step: _average(before, now, graph, step) for step in _STEPS}
    known = {step: seconds for step, seconds in averages.items() if seconds is not None}
    slowest = max(known, key=lambda step: known[step], default=None)
    return Row(
        graph=graph,
        up=now.total("graph_up", graph=graph) == 1,
        rows_a_second=rate("rows_total"),
        mentions_a_second=rate("mentions_total"),
        edges_a_second=rate("merge_edges_total"),
        uploads_waiting=int(now.total("uploads", graph=graph)),
        batches_waiting=int(now.total("batches", graph=graph) - now.total("batches", graph=graph, state="failed")),
        batches_failed=int(now.total("batches", graph=graph, state="failed")),
        backlog_bytes=int(now.total("backlog_bytes", graph=graph)),
        oldest_seconds=now.worst("oldest_unapplied_seconds", graph=graph),
        slowest_step=slowest,
        slowest_step_seconds=None if slowest is None else known[slowest],
    )


def _average(before: Look, now: Look, graph: str, step: str) -> float | None:
    """Seconds that the step took on average between the looks; None if it was not done."""
    count, total = (
        now.total(f"step_duration_seconds_{each}", graph=graph, step=step)
        - before.total(f"step_duration_seconds_{each}", graph=graph, step=step)
        for each in ("count", "sum")
    )
    return total / count if count > 0 else None

"""Metrics as Prometheus reads them: the text format, written by prometheus_client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from app.metrics import tallies
from app.metrics.table import METRICS, Kind, Metric
from app.metrics.tallies import Families, Labels, Spread, Value

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PROCESS = ProcessCollector(registry=None)
"""What the system says of this process: memory, processor time, open files."""


class Telling(Collector):
    """Collects what this process counted, and what `more` finds at each scrape."""

    def __init__(self, more: Callable[[], Families] = dict) -> None:
        self._more = more

    def collect(self) -> Iterator[Family]:
        found: Families = {**tallies.collect(), "build_info": {(_release(),): 1.0}, **self._more()}
        for metric in METRICS:
            if found.get(metric.name):
                yield _family(metric, found[metric.name])
        yield from _PROCESS.collect()


def registry(more: Callable[[], Families] = dict) -> CollectorRegistry:
    """A registry of prometheus_client that collects what `Telling` does."""
    made = CollectorRegistry(auto_describe=False)
    made.register(Telling(more))
    return made


def text(more: Callable[[], Families] = dict) -> bytes:
    """All metrics of this process, and what `more` finds."""
    return generate_latest(registry(more))


def _family(metric: Metric, values: dict[Labels, Value]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.full_name, metric.help, labels=metric.labels)
        for labels, value in values.items():
            if isinstance(value, Spread):
                histogram.add_metric(labels, list(_cumulated(metric, value)), value.total)
        return histogram
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.full_name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        if not isinstance(value, Spread):
            family.add_metric(labels, value)
    return family


def _cumulated(metric: Metric, spread: Spread) -> Iterator[tuple[str, float]]:
    """By each bound of the table, as text, how many observations are at most this long."""
    for bound in (*metric.buckets, float("inf")):
        yield (
            "+Inf" if bound == float("inf") else repr(bound),
            sum(number for below, number in spread.buckets.items() if below <= bound),
        )


def _release() -> str:
    try:
        return version("mentiongraph")
    except PackageNotFoundError:  # it runs from a checkout that is not installed
        return "unknown"


prometheus_client.disable_created_metrics()

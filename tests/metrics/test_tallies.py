"""Counting in memory, the table of all metrics, and where metrics are served."""

from __future__ import annotations

import re
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

import sql
from app.errors import BadSetting
from app.metrics import exposition, listening, tallies
from app.metrics.table import LABELS, METRICS, Kind
from app.metrics.tallies import MOST_SERIES, Counter, Histogram, Spread


@pytest.fixture(autouse=True)
def own_tallies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test counts is no other test's."""
    monkeypatch.setattr(tallies, "TALLIES", [])


def test_names_follow_the_customs_of_prometheus() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets)
        assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds")
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert set(metric.labels) <= LABELS.keys()
    assert {label for metric in METRICS for label in metric.labels} == LABELS.keys()


def test_the_triggers_have_the_buckets_of_the_table() -> None:
    buckets = {metric.name: metric.buckets for metric in METRICS}
    text = (sql.ROOT / "schema.sql").read_text("utf-8")
    found = re.findall(r"count_seconds\(\s*'([a-z_]+)[.a-z]*',[^{]*'\{([0-9., ]+)\}'", text)

    assert {name for name, _ in found} == {"step_duration_seconds", "upload_to_applied_seconds"}
    for name, bounds in found:
        assert tuple(float(bound) for bound in bounds.split(",")) == buckets[name]


def test_a_histogram_is_told_by_cumulated_buckets() -> None:
    histogram = Histogram("work_duration_seconds")
    for seconds in (0.005, 0.3, 0.3, 99.0):
        histogram.observe(seconds, "count", "read")

    samples = {
        (sample.name, sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(exposition.text().decode())
        for sample in family.samples
    }
    name = "mentiongraph_work_duration_seconds"
    assert samples[f"{name}_bucket", "0.005"] == 1
    assert samples[f"{name}_bucket", "0.25"] == 1
    assert samples[f"{name}_bucket", "0.5"] == 3
    assert samples[f"{name}_bucket", "+Inf"] == samples[f"{name}_count", None] == 4
    assert samples[f"{name}_sum", None] == pytest.approx(99.605)


def test_labels_are_bounded() -> None:
    counter, histogram = Counter("messages_total"), Histogram("db_pool_wait_seconds")
    for number in range(MOST_SERIES + 50):
        counter.add(f"actor-{number}")
        histogram.observe(0.1, f"pool-{number}")

    assert len(counter.collect()) == len(histogram.collect()) == MOST_SERIES + 1
    assert counter.collect()[("other",)] == 50
    spread = histogram.collect()[("other",)]
    assert isinstance(spread, Spread)
    assert sum(spread.buckets.values()) == 50


@pytest.mark.parametrize("text", ["9464", "127.0.0.1", "here:1-", "here:9-1", "h:1-70000", "a b:1", ":80", "h:1-9999"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="THE_VARIABLE"):
        listening.parse(text, "THE_VARIABLE")


def test_an_address_is_read() -> None:
    assert listening.parse("", "X") is None
    assert listening.parse("127.0.0.1:9464", "X") == ("127.0.0.1", range(9464, 9465))
    assert listening.parse("[::1]:9474-9489", "X") == ("::1", range(9474, 9490))


def test_a_process_without_a_free_port_goes_on() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert listening.listen(listening.parse(f"127.0.0.1:{port}", "X")) is None

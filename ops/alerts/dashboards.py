"""The dashboards' panels and their queries: does each of them find something?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ops.processes import ROOT

if TYPE_CHECKING:
    from ops.alerts.prometheus import Prometheus

DASHBOARDS = ROOT / "ops" / "monitoring" / "grafana" / "dashboards"
VARIABLES = {"$graph": "default", "$__rate_interval": "30s"}
"""What Grafana puts in."""


class Panel(NamedTuple):
    """A query of a panel of a dashboard. `found` says what it found."""

    dashboard: str
    title: str
    expr: str
    found: str = ""


def panels() -> Iterator[Panel]:
    """Every query of every panel, with values for Grafana's variables."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = msgspec.json.decode(path.read_bytes())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                expr = target["expr"]
                for variable, value in VARIABLES.items():
                    expr = expr.replace(variable, value)
                yield Panel(dashboard["title"], panel["title"], expr)


def empty_panels(prometheus: Prometheus) -> tuple[int, list[Panel]]:
    """The number of queries, and those that find no series, or one without a number."""
    asked = list(panels())
    answered = [panel._replace(found=_found(prometheus, panel.expr)) for panel in asked]
    return len(asked), [panel for panel in answered if panel.found]


def _found(prometheus: Prometheus, expr: str) -> str:
    samples = prometheus.query(expr)
    if not samples:
        return "no series"
    without = [sample.metric for sample in samples if math.isnan(sample.number)]
    return f"no number: {without}" if without else ""

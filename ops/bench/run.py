"""Every mode that a plan asks for, each with the stack that it needs, and the verdict over each graph."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops.bench import beside, database, decaying, flow, growth, idle, reads, stages
from ops.bench.plan import Plan
from ops.bench.report import Report, Section, machine
from ops.bench.service import Service, Verdict, running, say

Measure = Callable[[Service, Plan], list[Section]]

SERVED: dict[str, Measure] = {
    "flow": flow.measure,
    "stages": stages.measure,
    "latency": beside.latency,
    "priority": beside.priority,
    "memory": beside.memory,
    "reads": reads.measure,
    "decay": decaying.measure,
}
"""Modes that share a running service, in the order in which they go. Decay brings instants forward: it comes last."""


OWN: dict[str, Measure] = {"growth": growth.measure}
"""Those that begin with an empty graph."""


def measure(plan: Plan, directory: Path, command: str) -> Report:
    """Everything that the plan asks for."""
    sections: list[Section] = []
    verdicts: list[Verdict] = []
    versions: set[str] = set()
    for modes in (SERVED, OWN):
        wanted = {mode: way for mode, way in modes.items() if mode in plan.modes}
        if not wanted:
            continue
        with _fresh(directory) as place, running(place, plan) as service:
            versions.add(database.version(service.conn))
            if modes is SERVED:
                flow.preload(service, plan.edges)
            sections += work(service, plan, wanted)
            say("— audit, and a sample against the oracle")
            verdicts.append(service.verdict())
    if "idle" in plan.modes:
        say("— idle")
        with _fresh(directory) as place:
            sections += idle.measure(place, plan)
    return Report(command, machine(", ".join(versions) or "not asked"), sections, verdicts)


def work(service: Service, plan: Plan, modes: Mapping[str, Measure]) -> list[Section]:
    """Some modes, one after another over the same graph."""
    sections: list[Section] = []
    for mode, way in modes.items():
        say(f"— {mode}")
        sections += way(service, plan)
    return sections


@contextmanager
def _fresh(directory: Path) -> Generator[Path]:
    """A directory that a server's unprivileged account can traverse, gone afterwards: the next mode needs the room."""
    place = Path(tempfile.mkdtemp(dir=directory))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)

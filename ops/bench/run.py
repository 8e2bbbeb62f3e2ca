"""Every mode that a plan asks for, each with the stack that it needs, and the verdict over each graph."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from ops.bench import beside, database, decaying, flow, growth, idle, reads, stages
from ops.bench.plan import Plan
from ops.bench.report import Report, Section, Verdict, machine
from ops.bench.service import Service, running, say

SERVED: dict[str, Callable[[Service, Plan], Section]] = {
    "flow": flow.measure,
    "stages": stages.measure,
    "latency": beside.latency,
    "priority": beside.priority,
    "memory": beside.memory,
    "reads": reads.measure,
    "decay": decaying.measure,
    "growth": growth.measure,
}
"""Modes over a running service, in their order. Decay brings instants forward, so it stands last of those that share a
graph; growth begins with an empty one."""


def measure(plan: Plan, command: str, directory: Path | None = None) -> Report:
    """Everything that the plan asks for. Databases and files are in `directory` meanwhile."""
    sections, verdicts, version = list[Section](), list[Verdict](), "not asked"
    wanted = [mode for mode in SERVED if mode in plan.modes]
    shared, own = [mode for mode in wanted if mode != "growth"], [mode for mode in wanted if mode == "growth"]
    for modes, edges in ((shared, plan.edges), (own, 0)):
        if modes:
            with _fresh(directory) as place, running(place, plan) as service:
                version = database.row(service.conn, "version")["version"]
                service.preload(edges)
                sections += work(service, plan, modes)
                say("— audit, and a sample against the oracle")
                verdicts.append(service.verdict())
    if "idle" in plan.modes:
        say("— idle")
        with _fresh(directory) as place:
            sections.append(idle.measure(place, plan))
    return Report(command, machine(version), sections, verdicts)


def work(service: Service, plan: Plan, modes: Iterable[str]) -> list[Section]:
    """Some modes, one after another over the same graph."""
    sections = list[Section]()
    for mode in modes:
        say(f"— {mode}")
        sections.append(SERVED[mode](service, plan))
    return sections


@contextmanager
def _fresh(directory: Path | None) -> Generator[Path]:
    """A directory that is gone afterwards: the next mode needs the room."""
    with tempfile.TemporaryDirectory(prefix="mentiongraph-bench-", dir=directory) as name:
        place = Path(name)
        place.chmod(0o755)  # PostgreSQL may run as another user
        yield place

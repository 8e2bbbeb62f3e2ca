"""The benchmark.

    python -m ops.bench                        # some minutes: a million rows end to end, stage by stage, at rest
    python -m ops.bench --quick                # less than a minute; figures of little worth
    python -m ops.bench --full                 # hours, tens of gigabytes: everything, at 5 to 50 million edges
    python -m ops.bench flow --rows 5000000 --edges 5000000
    python -m ops.bench growth --growth-edges 50000000 --disk-gib 60

Modes: flow (end to end, beside the limit and the reference), stages, latency, memory, reads, screens, decay, growth,
graphs (the same uploads into one and into several), idle. The modes before growth share one graph, in this order; with
--graph NAME it is another one than `default`. At the end the audit runs, and a sample of the graph is
compared with the oracle. The exit code is 1 if something differs. Machines are noisy: compare the ratios.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from app.control.graphs import require_name
from app.errors import BadRequest
from ops.bench import ageing, beside, database, flow, graphs, idle, reads, screens, stages
from ops.bench.plan import DEFAULT, FULL, MODES, QUICK, SHAPES, Plan, numbers
from ops.bench.report import Report, Section, Verdict, command_line, machine
from ops.bench.service import Service, running

SERVED: dict[str, Callable[[Service, Plan], Section]] = {
    "flow": flow.measure,
    "stages": stages.measure,
    "latency": beside.latency,
    "memory": beside.memory,
    "reads": reads.measure,
    "screens": screens.measure,
    "decay": ageing.decays,
    "growth": ageing.growth,
    "graphs": graphs.measure,
}
"""Modes over a running service, in their order. Decay brings instants forward, so it stands last of those that share a
graph."""
ALONE = ("growth", "graphs")
"""Modes that begin with a service of their own and an empty graph."""


def measure(plan: Plan, command: str, directory: Path | None = None) -> Report:
    """Everything that the plan asks for. Databases and files are in `directory` meanwhile."""
    sections, verdicts, version = list[Section](), list[Verdict](), "not asked"
    wanted = [mode for mode in SERVED if mode in plan.modes]
    shared = [mode for mode in wanted if mode not in ALONE]
    for modes, edges in ((shared, plan.edges), *(([mode], 0) for mode in wanted if mode in ALONE)):
        if modes:
            with running(plan, directory) as service:
                version = database.row(service.conn, "version")["version"]
                service.preload(edges)
                sections += [SERVED[mode](service, plan) for mode in modes]
                verdicts.append(service.verdict())
    if "idle" in plan.modes:
        sections.append(idle.measure(plan, directory))
    return Report(command, machine(version), sections, verdicts)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    report = measure(plan_of(options), command_line(arguments or sys.argv[1:]), options.directory)
    print(report.markdown())
    if options.results:
        report.save(options.results)
    return 0 if report.passed else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ops.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modes", nargs="*", metavar="MODE", help=f"one of {', '.join(MODES)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const=QUICK, dest="plan")
    size.add_argument("--full", action="store_const", const=FULL, dest="plan")
    parser.add_argument("--workload", action="append", choices=SHAPES, help="may be repeated; the first has --rows")
    parser.add_argument(
        "--graph", metavar="NAME", help="a graph to create, into which everything is sent (default: default)"
    )
    for name, (kind, description) in numbers().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=description)
    parser.add_argument("--directory", type=Path, help="where databases and files are, meanwhile (default: TMPDIR)")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where results.json, results.md and charts go")
    options = parser.parse_args(arguments)
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"no such mode: {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
    try:
        if options.graph is not None:
            require_name(options.graph)
    except BadRequest as error:
        parser.error(error.detail)
    return options


def plan_of(options: argparse.Namespace) -> Plan:
    given = {name: getattr(options, name) for name in numbers() if getattr(options, name) is not None}
    if options.modes:
        given["modes"] = tuple(options.modes)
    if options.graph:
        given["graph"] = options.graph
    if options.workload:
        given["workloads"] = tuple(options.workload)
    return msgspec.structs.replace(options.plan or DEFAULT, **given)


if __name__ == "__main__":
    sys.exit(main())

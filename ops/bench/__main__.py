"""The benchmark.

    python -m ops.bench                        # some minutes: a million rows end to end, stage by stage, at rest
    python -m ops.bench --quick                # less than a minute; figures of little worth
    python -m ops.bench --full                 # hours, tens of gigabytes: everything, at 5 to 50 million edges
    python -m ops.bench flow --rows 5000000 --edges 5000000
    python -m ops.bench growth --growth-edges 50000000 --disk-gib 60

Modes: flow (end to end, beside the limit and the reference), stages, latency, priority, memory, reads, decay, growth,
idle.
Those before growth share one graph, in this order. At the end: the audit, and a sample of the graph against
the oracle. Exit code 1 if something differs. Machines are noisy: compare the ratios.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ops.bench.plan import DEFAULT, FULL, MODES, QUICK, SHAPES, Plan
from ops.bench.report import command_line
from ops.bench.run import measure
from ops.bench.service import say


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    plan = plan_of(options)
    with tempfile.TemporaryDirectory(prefix="mentiongraph-bench-", dir=options.directory) as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL may run as another user
        report = measure(plan, directory, command_line(sys.argv[1:] if arguments is None else arguments))
    text = report.markdown()
    print(text)
    if options.report:
        options.report.write_text(text, encoding="utf-8")
    if options.results:
        report.save(options.results)
        say(f"written to {options.results}")
    return 0 if report.passed else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ops.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modes", nargs="*", metavar="MODE", help=f"of {', '.join(MODES)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const=QUICK, dest="plan")
    size.add_argument("--full", action="store_const", const=FULL, dest="plan")
    parser.add_argument("--workload", action="append", choices=SHAPES, help="may be repeated; the first has --rows")
    numbers: dict[str, str] = {
        "rows": "of each upload whose rate is measured",
        "edges": "in the graph before anything is measured",
        "runs": "of each measurement; medians are shown",
        "workers": "worker processes (default: as many as processors)",
        "seed": "of the first workload",
        "shape-rows": "of the workloads after the first",
        "reference-rows": "that the reference applies",
        "stage-rows": "that go through each stage",
        "stream-bytes": "of the body in `memory`",
        "short-uploads": "at most, in `latency`",
        "growth-edges": "at which `growth` ends",
        "growth-step": "rows of each upload in `growth`",
        "decay-rows": "of each upload in `decay`",
        "read-edges": "in the graph, at least, in `reads`",
        "read-users": "edges whose ends `reads` asks for",
        "urgent-rows": "of the urgent upload in `priority`",
        "settle-seconds": "of patience with PostgreSQL's counters after an upload",
    }
    for name, text in numbers.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=text)
    parser.add_argument("--disk-gib", type=float, metavar="N", help="that `growth` may use")
    parser.add_argument("--idle-seconds", type=float, metavar="N", help="at rest, before and while `idle` looks")
    parser.add_argument("--read-seconds", type=float, metavar="N", help="for each kind of question in `reads`")
    parser.add_argument("--directory", type=Path, help="where databases and files are, meanwhile (default: TMPDIR)")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where results.json, results.md and charts go")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the tables go, besides standard output")
    options = parser.parse_args(arguments)
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"no such mode: {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
    return options


def plan_of(options: argparse.Namespace) -> Plan:
    given = {
        name: value
        for name, value in vars(options).items()
        if name in Plan.__struct_fields__ and name not in {"modes", "directory"} and value is not None
    }
    if options.modes:
        given["modes"] = tuple(options.modes)
    if options.workload:
        given["workloads"] = tuple(options.workload)
    if options.disk_gib is not None:
        given["disk_bytes"] = int(options.disk_gib * 2**30)
    return msgspec.structs.replace(options.plan or DEFAULT, **given)


if __name__ == "__main__":
    sys.exit(main())

"""Whatever dies, and in whatever order: is every accepted row in the graph exactly once?

    python -m ops.chaos --faults 20                              # a few minutes
    python -m ops.chaos --seed 1 --minutes 20 --faults 200 --report chaos.md
    python -m ops.chaos --graphs 3                               # spread over three graphs, each judged by itself

Starts PostgreSQL, Redis with replicas and Sentinels, two APIs, two workers and two schedulers on loopback, uploads
without a pause, and does what a plan drawn from the seed says: kills, stops, cuts off, fills, locks. Then it waits
until the ledger has nothing left to do, and compares the graph with the audit, with an independent slow count of every
file, and with what the clients were told.

Exit code 0 only if nothing was lost or doubled, nothing is stuck, no request failed while only Redis was at fault, and
work went on within `--max-stall` seconds after the end of each fault.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ops.chaos.faults import KINDS, Kind
from ops.chaos.report import Outcome, table
from ops.chaos.run import Run, Wanted

INTERRUPTED = 130
"""The exit code, as a shell has it."""


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m ops.chaos", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--seed", type=int, default=1, help="of the plan and of the files")
    parser.add_argument("--minutes", type=float, default=0.0, help="go on for at least so long")
    parser.add_argument("--faults", type=int, default=20, help="do at least so many")
    parser.add_argument("--rate", type=float, default=2500.0, help="rows a second to upload, about")
    parser.add_argument("--max-stall", type=float, default=30.0, help="seconds after a fault's end until work goes on")
    parser.add_argument("--scale", type=float, default=1.0, help="how long faults last, times this")
    parser.add_argument("--kinds", default="", help="only these, separated by commas; names as the table has them")
    parser.add_argument("--graphs", type=int, default=1, help="upload into so many graphs, and judge each")
    parser.add_argument("--report", type=Path, help="write the table into this file too")
    parser.add_argument("--directory", type=Path, help="keep everything here, even after a success")
    options = parser.parse_args(arguments)
    wanted = Wanted(
        seed=options.seed,
        minutes=options.minutes,
        faults=options.faults,
        rate=options.rate,
        max_recovery=options.max_stall,
        scale=options.scale,
        kinds=_kinds(options.kinds, parser),
        command=shlex.join(["python", "-m", "ops.chaos", *arguments]),
        graphs=options.graphs,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        outcome = _kept(wanted, options.directory)
    except KeyboardInterrupt:
        return INTERRUPTED
    text = table(outcome)
    print(text)
    if options.report:
        options.report.write_text(text, encoding="utf-8")
    return 0 if outcome.passed else 1


def _kinds(names: str, parser: argparse.ArgumentParser) -> list[Kind]:
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if unknown := wanted - {kind.name for kind in KINDS}:
        parser.error(f"no kind {', '.join(unknown)}; there are: {', '.join(kind.name for kind in KINDS)}")
    return [kind for kind in KINDS if not wanted or kind.name in wanted]


def _kept(wanted: Wanted, directory: Path | None) -> Outcome:
    """The outcome; what was written is kept after a failure, or where a directory was named."""
    place = directory or Path(tempfile.mkdtemp(prefix="mentiongraph-chaos-"))
    place.mkdir(exist_ok=True)
    place.chmod(0o755)  # PostgreSQL's account must get through
    passed = False
    try:
        run = Run(wanted, place)
        try:
            outcome = run.outcome()
        finally:
            run.close()
        passed = outcome.passed
        return outcome
    finally:
        if passed and directory is None:
            shutil.rmtree(place)
        else:
            print(f"the logs are in {place}", file=sys.stderr)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

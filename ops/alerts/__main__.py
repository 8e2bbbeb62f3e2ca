"""Does every fault that breaks a promise raise its own alert within two minutes, and does nothing else raise one?

    python -m ops.alerts
    python -m ops.alerts --only "PostgreSQL is down" --report alerts.md
    python -m ops.alerts --list

Starts PostgreSQL, Redis with replicas and Sentinels, APIs, workers and schedulers on loopback as the chaos run does,
behind HAProxy. Starts a real Prometheus, which asks all of them each second or so, and a real Alertmanager, which tells
a receiver that writes everything down. Small uploads and reads go on all the while. One fault after the other is done,
and ended once its alerts were told. At the end, every panel of the dashboards has to find something.

The promises have their real bounds (60 s, 100 ms), so the machine has to be quick enough to keep them without a fault.

Exit code 0 only if each fault raised its alerts within two minutes, they ended within two minutes after it, no alert
fired that should not have, and no panel is empty.
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

from ops.alerts.cases import CASES, Case
from ops.alerts.report import table
from ops.alerts.run import Outcome, Run
from ops.alerts.shortened import PROMISED_READ

INTERRUPTED = 130
"""The exit code, as a shell has it."""


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m ops.alerts", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--list", action="store_true", help="list what can be done, and the alerts that it raises")
    parser.add_argument("--only", action="append", default=[], help="do this alone; may be given several times")
    parser.add_argument(
        "--read-bound",
        choices=("0.1", "0.25", "0.5", "1.0", "2.5"),
        default=PROMISED_READ,
        help="seconds after which a read is slow: more than the promise's on a machine that is shared",
    )
    parser.add_argument("--report", type=Path, help="write the table into this file too")
    parser.add_argument("--directory", type=Path, help="keep everything here, even after a success")
    options = parser.parse_args(arguments)
    if options.list:
        for case in CASES:
            print(f"{case.name}: {', '.join(sorted(case.raises | case.later)) or 'no alert'}")
        return 0
    if unknown := set(options.only) - {case.name for case in CASES}:
        parser.error(f"--list has no {', '.join(sorted(unknown))}")
    cases = [case for case in CASES if not options.only or case.name in options.only]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        command = shlex.join(["python", "-m", "ops.alerts", *arguments])
        outcome = _kept(cases, options.directory, command, options.read_bound)
    except KeyboardInterrupt:
        return INTERRUPTED
    text = table(outcome)
    print(text)
    if options.report:
        options.report.write_text(text, encoding="utf-8")
    return 0 if outcome.passed else 1


def _kept(cases: Sequence[Case], directory: Path | None, command: str, read_bound: str) -> Outcome:
    """The outcome; what was written is kept after a failure, or where a directory was named."""
    place = directory or Path(tempfile.mkdtemp(prefix="mentiongraph-alerts-"))
    place.mkdir(exist_ok=True)
    place.chmod(0o755)  # PostgreSQL's account must get through
    passed = False
    try:
        run = Run(cases, place, command, read_bound=read_bound)
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

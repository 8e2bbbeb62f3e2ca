"""Does any of the known attacks hurt the service, or a client beside it?

    python -m ops.attacks                                 # all of them, some ten minutes
    python -m ops.attacks --only "slow readers of exports"

Starts PostgreSQL, Valkey, API and workers as `mentiongraph up` does, on loopback and over a new directory. Exit code 0
only if the API's memory ends within 100 MiB of where it began, no process ended, the audit is exact, no accepted upload
was lost, and no request of the client beside the attacks failed or took longer than a second.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ops.attacks.against import ATTACKS
from ops.attacks.run import Outcome, run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.attacks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this attack; repeatable")
    parser.add_argument("--list", action="store_true", help="name the attacks")
    parser.add_argument("--directory", type=Path, help="keep everything here")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(attack.name for attack in ATTACKS))
        return 0
    if unknown := set(options.only) - {attack.name for attack in ATTACKS}:
        parser.error(f"no attack {', '.join(sorted(unknown))}; --list names them")
    wanted = [attack for attack in ATTACKS if not options.only or attack.name in options.only]
    if options.directory:
        options.directory.mkdir(parents=True, exist_ok=True)
        outcome = run(wanted, options.directory)
    else:
        with tempfile.TemporaryDirectory(prefix="mentiongraph-attacks-") as place:
            Path(place).chmod(0o755)  # the servers may run as another user
            outcome = run(wanted, Path(place))
    print(verdict(outcome))
    return 0 if outcome.passed else 1


def verdict(outcome: Outcome) -> str:
    """The result in a few lines."""
    slowest = max((each.slowest for each in outcome.seen), default=0.0)
    failed = sum(len(each.failed) for each in outcome.seen)
    return "\n".join(
        [
            f"{len(outcome.seen)} attacks: {'nothing was hurt' if outcome.passed else 'something was hurt'}",
            f"memory of the API: {outcome.before / 2**20:.0f} MiB before, {outcome.after / 2**20:.0f} MiB after",
            f"the client beside them: slowest request {slowest:.2f} s, {failed} without a good answer",
            f"audit {'exact' if outcome.exact else 'NOT exact'}, {outcome.lost} accepted uploads not applied",
            *outcome.news,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())

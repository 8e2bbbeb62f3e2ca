"""`make fuzz [SECONDS=60] [TARGET=csv] [SEED=1]`: cases per target, and for a failure the smallest input that fails."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.targets import TARGETS, Target

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]
ROUND = 200
"""Cases that Hypothesis makes with one seed."""
HUNG = 20.0
"""Seconds of processor time after which a case counts as hung. Inputs have a few kB, and take milliseconds."""


class Hung(Exception):
    """A case took too long."""


def _give_up(number: int, frame: FrameType | None) -> None:
    raise Hung(f"a case took more than {HUNG:g} s of processor time (signal {number}, {frame})")


def _round(target: Target, number: int, until: float) -> int:
    """Cases that were tried with one seed. Raises what a case raised, after Hypothesis has made the case small."""
    count, failed = 0, False

    @seed(number)
    @settings(max_examples=ROUND, deadline=None, database=None, print_blob=False, suppress_health_check=SLOW)
    @given(target.given)
    def case(arguments: tuple[Any, ...]) -> None:
        nonlocal count, failed
        # A case that failed is made smaller, however long that takes.
        if time.monotonic() > until and not failed:
            return
        count += 1
        signal.setitimer(signal.ITIMER_VIRTUAL, HUNG)
        try:
            target.check(*arguments)
        except Exception:
            failed = True
            raise
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    case()
    return count


def _fuzz(target: Target, first: int, seconds: float, rounds: int | None) -> bool:
    """Try the target for so many seconds, or rounds. Returns whether everything held."""
    until, number, count = time.monotonic() + seconds, first, 0
    while time.monotonic() < until and (rounds is None or number < first + rounds):
        try:
            count += _round(target, number, until)
        except Exception:  # noqa: BLE001 (whatever a case raises is what fuzzers look for)
            traceback.print_exc(file=sys.stdout)
            again = f"make fuzz TARGET={target.name} SEED={number} ROUNDS=1"
            sys.stdout.write(f"FAILED {target.name} after {count} cases. Again: {again}\n")
            return False
        number += 1
    sys.stdout.write(f"{target.name:<12}{count:>8,} cases\n")
    sys.stdout.flush()
    return True


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument("--seed", type=int, help="the first seed; by default a random one, which is printed")
    parser.add_argument("--target", choices=TARGETS, help="this target alone")
    parser.add_argument("--rounds", type=int, help=f"so many seeds for each target, of {ROUND} cases each")
    asked = parser.parse_args()
    first = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    signal.signal(signal.SIGVTALRM, _give_up)
    chosen = [TARGETS[asked.target]] if asked.target else list(TARGETS.values())
    sys.stdout.write(f"seed {first}\n")
    seconds = 3600.0 if asked.rounds else asked.seconds / len(chosen)
    results = [_fuzz(target, first, seconds, asked.rounds) for target in chosen]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()

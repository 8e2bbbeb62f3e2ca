"""`python -m tests.mutants`: see `--help`."""

from __future__ import annotations

import os
import random
import signal
import sys
from fnmatch import fnmatch

import click
import pytest

from tests.mutants import conditions, recording, results, statements
from tests.mutants.mutant import Mutant, changed_since, every

ROOMS = (
    "control",
    "forgetting",
    "graph",
    "http",
    "ledger",
    "posts",
    "proofs",
    "reads",
    "store",
    "summaries",
    "traces",
    "watch",
    "workers",
)
"""The tests that run in one process. What runs in other processes has no mutant in it."""


@click.command()
@click.option("--only", default="", help="Only files whose path has one of these in it, or fits one: sweeping, app/*.")
@click.option("--since", default="", help="Only files that differ from this revision of git.")
@click.option("--sample", type=int, default=0, help="Only so many mutants, the same each time.")
@click.option(
    "--budget", default=120.0, show_default=True, help="Seconds of tests for each mutant, the quickest first."
)
@click.option("--tests", "rooms", default=" ".join(ROOMS), show_default=True, help="The folders of tests to run.")
@click.option("--list", "listing", is_flag=True, help="Show the mutants, and run none.")
def main(*, only: str, since: str, sample: int, budget: float, rooms: str, listing: bool) -> None:
    """Take each guard of a state-changing statement and each condition of a pure module away, and run the tests.

    Ends with 1 if a mutant survives that harmless.toml does not list, or if the list has an entry for no mutant.
    """
    changed = changed_since(since) if since else None

    def asked_for(paths: list[str]) -> list[str]:
        words = only.split() or [""]
        fitting = [path for path in paths if any(word in path or fnmatch(path, word) for word in words)]
        return fitting if changed is None else [path for path in fitting if path in changed]

    mutants = [
        *every(asked_for(statements.paths()), statements.mutants_of),
        *every(asked_for(conditions.paths()), conditions.mutants_of),
    ]
    listed = [entry for entry in results.harmless() if asked_for([entry.file])]
    gone = results.outdated(listed, mutants)
    for entry in gone:
        click.echo(f"harmless.toml lists what is not there any more: {entry.file}: {entry.before} -> {entry.after}")
    if sample and sample < len(mutants):
        mutants = sorted(random.Random(0).sample(mutants, sample), key=lambda mutant: (mutant.path, mutant.start))
    if listing:
        for mutant in mutants:
            click.echo(str(mutant))
        click.echo(f"{len(mutants)} mutants")
        sys.exit(bool(gone))
    outcomes = _run(mutants, budget, [f"tests/{room}" for room in rooms.split()])
    for line in results.table(outcomes, listed):
        click.echo(line)
    lost = [each for each, outcome in outcomes if not outcome.noticed and not any(e.covers(each) for e in listed)]
    sys.exit(bool(lost or gone or len(outcomes) < len(mutants)))


class _Starter:
    """Makes the runner once pytest has its plugins and conftest.py, which it does not want imported before."""

    def __init__(self, mutants: list[Mutant], budget: float) -> None:
        self._mutants, self._budget = mutants, budget
        self.outcomes: list[tuple[Mutant, results.Outcome]] = []
        self._said = os.dup(1)  # pytest captures the standard output

    def pytest_configure(self, config: pytest.Config) -> None:
        from tests.mutants.running import Plan, Runner  # noqa: PLC0415  # see above

        kept = results.Results(recording.FOLDER / "results.jsonl")
        plan = Plan(self._mutants, kept, self._budget, self.outcomes, self._say)
        config.pluginmanager.register(Runner(plan))

    def _say(self, line: str) -> None:
        os.write(self._said, f"{line}\n".encode())


def _end(number: int, _: object) -> None:
    """End as after an error, so that the servers and their files go, too."""
    sys.exit(128 + number)


def _run(mutants: list[Mutant], budget: float, folders: list[str]) -> list[tuple[Mutant, results.Outcome]]:
    recording.FOLDER.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _end)
    starter = _Starter(mutants, budget)
    pytest.main(["-q", "-n0", "-p", "no:randomly", "-p", "no:cacheprovider", *folders], plugins=[starter])
    return starter.outcomes


if __name__ == "__main__":
    main()

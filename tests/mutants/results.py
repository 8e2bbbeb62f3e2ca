"""What became of mutants, kept so that a run can be stopped and taken up again; and the list of harmless ones."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from tests.mutants.mutant import Mutant, digest, plain

LIST = Path(__file__).with_name("harmless.toml")


class Outcome(NamedTuple):
    """`by` is the test that failed or hung, and `tests` is the number of tests that ran."""

    fate: Literal["killed", "hung", "survived", "unreached"]
    by: str = ""
    tests: int = 0

    @property
    def noticed(self) -> bool:
        return self.fate in {"killed", "hung"}

    def __str__(self) -> str:
        return f"{self.fate} by {self.by}" if self.by else f"{self.fate} ({self.tests} tests)"


class Results:
    """The outcomes so far, in a file.

    An outcome holds while the mutated file and the tests that decided the outcome are the same.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._kept: dict[str, list[str | int]] = {}
        self._killers: dict[str, set[str]] = {}
        if place.exists():
            for line in place.read_text().splitlines():
                self._take(json.loads(line))

    def known(self, mutant: Mutant, chosen: list[str]) -> Outcome | None:
        kept = self._kept.get(mutant.key())
        if kept is None:
            return None
        _, _, fate, by, tests, decided = kept
        outcome = Outcome(fate, by, tests)  # pyright: ignore[reportArgumentType]
        return outcome if decided == _decided(outcome, chosen) else None

    def keep(self, mutant: Mutant, outcome: Outcome, chosen: list[str]) -> None:
        line = [mutant.key(), mutant.path, *outcome, _decided(outcome, chosen)]
        self._take(line)
        self._place.parent.mkdir(parents=True, exist_ok=True)
        with self._place.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def killers(self, path: str) -> set[str]:
        """Returns the tests that noticed mutants of this file."""
        return self._killers.get(path, set())

    def _take(self, line: list[str | int]) -> None:
        self._kept[str(line[0])] = line
        if line[3]:
            self._killers.setdefault(str(line[1]), set()).add(str(line[3]))


def _decided(outcome: Outcome, chosen: list[str]) -> str:
    """Returns what changes with the tests on which the outcome rests: the one that failed, or all that ran."""
    rests_on = [outcome.by] if outcome.by else sorted(chosen)
    test_files = sorted({nodeid.partition("::")[0] for nodeid in rests_on})
    texts = [*rests_on, *(digest(file) if Path(file).exists() else "" for file in test_files)]
    return sha256("\n".join(texts).encode()).hexdigest()[:20]


class Harmless(NamedTuple):
    """An entry of harmless.toml. It covers each place of the file that reads like `before` (and is in `within`)."""

    file: str
    before: str
    after: str
    why: str
    within: str = ""

    def covers(self, mutant: Mutant) -> bool:
        return (
            mutant.path == self.file
            and plain(mutant.before) == self.before
            and plain(mutant.after) == self.after
            and mutant.within == self.within
        )


def harmless(text: str | None = None) -> list[Harmless]:
    """Returns the entries of the list."""
    entries = tomllib.loads(LIST.read_text(encoding="utf-8") if text is None else text)
    return [Harmless(**entry) for entry in entries.get("mutant", [])]


def outdated(entries: list[Harmless], mutants: Iterable[Mutant]) -> list[Harmless]:
    """Returns the entries that cover no mutant, since the file has changed."""
    there = {(each.path, plain(each.before), plain(each.after), each.within) for each in mutants}
    return [entry for entry in entries if (entry.file, entry.before, entry.after, entry.within) not in there]


def table(outcomes: list[tuple[Mutant, Outcome]], listed: list[Harmless]) -> Iterator[str]:
    """Yields the summary: a line for each folder, then the mutants that nothing noticed and nobody listed."""
    counts: dict[str, Counter[str]] = {}
    open_ones: list[str] = []
    for mutant, outcome in outcomes:
        is_listed = any(entry.covers(mutant) for entry in listed)
        fate = "listed" if is_listed and not outcome.noticed else outcome.fate
        counts.setdefault(mutant.path.rpartition("/")[0], Counter())[fate] += 1
        if fate in {"survived", "unreached"}:
            open_ones.append(f"{outcome.fate:9} {mutant} ({outcome.tests} tests)")
    fates = ("killed", "hung", "survived", "unreached", "listed")
    yield f"{'':32}" + "".join(f"{fate:>10}" for fate in ("mutants", *fates))
    total = Counter[str]()
    for folder, count in [*sorted(counts.items()), ("all", total)]:
        yield f"{folder:32}" + "".join(f"{number:10}" for number in (count.total(), *(count[fate] for fate in fates)))
        total += count
    yield from open_ones

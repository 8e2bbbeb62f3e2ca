"""A mutant is a file with one place replaced."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """`before`, from `start` to `end` in the file, becomes `after`. `within` is the function around it, or ""."""

    path: str
    line: int
    within: str
    before: str
    after: str
    start: int = field(compare=False)
    end: int = field(compare=False)

    @property
    def is_statement(self) -> bool:
        return self.path.endswith(".sql")

    @property
    def statement(self) -> str:
        """The name of the statement, as `sql.query` takes the name."""
        return self.path.removeprefix("sql/").removesuffix(".sql")

    def source(self) -> str:
        """Returns the text of the mutated file."""
        text = text_of(self.path)
        return text[: self.start] + self.after + text[self.end :]

    def key(self) -> str:
        """Returns what a result is kept under. The key changes with the file, so that the new file is tried anew."""
        return sha256(f"{self.path}\n{self.source()}".encode()).hexdigest()[:20]

    def __str__(self) -> str:
        within = f" in {self.within}" if self.within else ""
        return f"{self.path}:{self.line}{within}: {plain(self.before)} -> {plain(self.after) or 'nothing'}"


def made(path: str, within: str, start: int, end: int, after: str) -> Mutant:
    """Returns the mutant whose lines stay where they are: line breaks that are taken away come back behind `after`."""
    text = text_of(path)
    before = text[start:end]
    after += "\n" * (before.count("\n") - after.count("\n"))
    return Mutant(path, text.count("\n", 0, start) + 1, within, before, after, start, end)


def plain(code: str) -> str:
    """Returns code on one line, with one space in place of several."""
    return " ".join(code.split())


@cache
def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def digest(path: str) -> str:
    return sha256((ROOT / path).read_bytes()).hexdigest()[:20]


def files(*patterns: str) -> list[str]:
    """Returns the project's files that fit one of the patterns, in order."""
    found = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(found)


def changed_since(revision: str) -> set[str]:
    """Returns the files that differ from a revision of git, also those that git does not know yet."""
    changed = ["diff", "--name-only", revision, "--"], ["ls-files", "--others", "--exclude-standard"]
    found = set[str]()
    for asked in changed:
        said = subprocess.run(["git", "-C", ROOT, *asked], check=True, capture_output=True, text=True)  # noqa: S607
        found.update(said.stdout.splitlines())
    return found


def every(paths: list[str], mutants_of: Callable[[str], Iterator[Mutant]]) -> Iterator[Mutant]:
    """Yields the mutants of these files, in the order of their places."""
    for path in paths:
        yield from sorted(mutants_of(path), key=lambda mutant: (mutant.start, mutant.end, mutant.after))

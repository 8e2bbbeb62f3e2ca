"""What a run found: JSON with the facts and the machine, Markdown tables, charts."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import psutil

PATHS = re.compile(r" --(directory|results)[ =]\S+")
"""Options that hold paths of this machine."""
CPU_INFO = Path("/proc/cpuinfo")


class Table(NamedTuple):
    """Titles and rows of a table in Markdown. The first column is text, the others are figures."""

    caption: str
    titles: str
    """Separated by ` | `."""
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        rule = "|---|" + "---:|" * self.titles.count(" | ")
        rows = (f"| {' | '.join(row)} |" for row in self.rows)
        return "\n".join([f"{self.caption}:", "", f"| {self.titles} |", rule, *rows])


class Section(NamedTuple):
    """What a mode found. `facts` go into the JSON. Not `passed`: something is not as it must be."""

    name: str
    title: str
    facts: dict[str, Any]
    tables: Sequence[Table]
    passed: bool = True
    charts: Sequence[tuple[str, str]] = ()
    """(file name, SVG)."""


class Verdict(msgspec.Struct, frozen=True):
    """Whether the graph is what was sent."""

    exact: bool
    audit: dict[str, Any]
    sampled_authors: int
    sampled_edges: int
    differing_edges: int
    restarts: list[str]
    """What the stack had to start again. Figures of that time say little."""

    @property
    def passed(self) -> bool:
        return self.exact and not self.differing_edges

    def __str__(self) -> str:
        found = "exact" if self.exact else f"NOT exact: {self.audit}"
        oracle = f"{self.sampled_edges:,} edges of {self.sampled_authors:,} authors, {self.differing_edges:,} differ"
        return ". ".join([f"Audit: {found}", f"Oracle: {oracle}", *self.restarts]) + "."


class Report(NamedTuple):
    """A whole run."""

    command: str
    machine: dict[str, Any]
    sections: Sequence[Section]
    verdicts: Sequence[Verdict]

    @property
    def passed(self) -> bool:
        return all(part.passed for part in (*self.sections, *self.verdicts))

    def json(self) -> bytes:
        content = self._asdict() | {"passed": self.passed}
        content["sections"] = {section.name: section.facts for section in self.sections}
        return msgspec.json.format(msgspec.json.encode(content), indent=1)

    def markdown(self) -> str:
        parts: list[str] = [f"`{self.command}`", ", ".join(f"{name} {value}" for name, value in self.machine.items())]
        for section in self.sections:
            parts += [f"## {section.title}", *(table.markdown() for table in section.tables)]
        parts += ["## Correct?", *map(str, self.verdicts)]
        parts += [f"{section.title}: NOT as it must be" for section in self.sections if not section.passed]
        return "\n\n".join(parts) + "\n"

    def save(self, directory: Path) -> None:
        """results.json, results.md and the charts."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "results.json").write_bytes(self.json())
        (directory / "results.md").write_text(self.markdown(), encoding="utf-8")
        for name, drawing in (chart for section in self.sections for chart in section.charts):
            (directory / name).write_text(drawing, encoding="utf-8")


def machine(postgresql: str) -> dict[str, Any]:
    """What the figures were measured on."""
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "cores": os.cpu_count(),
        "cpu": model or platform.processor() or platform.machine(),
        "memory": f"{psutil.virtual_memory().total // 1024} kB",
        "kernel": platform.release(),
        "postgresql": postgresql,
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _commit() -> str:
    """The commit of the checkout, with `+` where files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def command_line(arguments: Sequence[str]) -> str:
    """The command, to be typed elsewhere: without paths of this machine."""
    return PATHS.sub("", " ".join(["python -m ops.bench", *arguments]))


def mebi(value: float) -> str:
    return f"{value / 2**20:,.0f}"


def milli(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}"


def spread(values: Iterable[float | None], digits: int = 0) -> str:
    """Median, and from least to most where there are several; empty where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    middle = f"{median(known):,.{digits}f}"
    return middle if len(known) == 1 else f"{middle} ({min(known):,.{digits}f} to {max(known):,.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]

"""What a run found: JSON with the facts of the machine, Markdown tables, a chart."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from ops.bench.service import Verdict

ROOT = Path(__file__).parents[2]
PATHS = ("--directory", "--results", "--report")
"""Options that hold paths."""


class Table(NamedTuple):
    """The first column is text, the others are figures."""

    caption: str
    titles: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        lines = [
            f"{self.caption}:",
            "",
            f"| {' | '.join(self.titles)} |",
            f"|---|{'---:|' * (len(self.titles) - 1)}",
            *(f"| {' | '.join(row)} |" for row in self.rows),
        ]
        return "\n".join(lines)


class Section(NamedTuple):
    """What a mode found. `facts` go into the JSON. Not `passed`: something that must be so is not."""

    name: str
    title: str
    facts: dict[str, Any]
    tables: Sequence[Table]
    passed: bool = True
    charts: Sequence[tuple[str, str]] = ()
    """(file name, SVG)."""


class Report(NamedTuple):
    """A whole run."""

    command: str
    machine: dict[str, Any]
    sections: Sequence[Section]
    verdicts: Sequence[Verdict]

    @property
    def passed(self) -> bool:
        return all(section.passed for section in self.sections) and all(verdict.passed for verdict in self.verdicts)

    def json(self) -> bytes:
        content = {
            "command": self.command,
            "machine": self.machine,
            "sections": {section.name: section.facts for section in self.sections},
            "verdicts": [msgspec.to_builtins(verdict) for verdict in self.verdicts],
            "passed": self.passed,
        }
        return msgspec.json.format(msgspec.json.encode(content), indent=1)

    def markdown(self) -> str:
        parts: list[str] = [f"`{self.command}`", ", ".join(f"{name} {value}" for name, value in self.machine.items())]
        for section in self.sections:
            parts += [f"## {section.title}", *(table.markdown() for table in section.tables)]
        parts.append("## Correct?")
        parts += [_said(verdict) for verdict in self.verdicts]
        parts += [f"{section.title}: NOT as it must be" for section in self.sections if not section.passed]
        return "\n\n".join(parts) + "\n"

    def save(self, directory: Path) -> None:
        """results.json, results.md and the charts."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "results.json").write_bytes(self.json())
        (directory / "results.md").write_text(self.markdown(), encoding="utf-8")
        for section in self.sections:
            for name, drawing in section.charts:
                (directory / name).write_text(drawing, encoding="utf-8")


def _said(verdict: Verdict) -> str:
    restarts = f" {'. '.join(verdict.restarts)}." if verdict.restarts else ""
    found = "exact" if verdict.exact else f"NOT exact: {verdict.audit}"
    return (
        f"Audit: {found}. Oracle: {verdict.sampled_edges:,} edges of {verdict.sampled_authors:,} authors, "
        f"{verdict.differing_edges:,} differ.{restarts}"
    )


def machine(postgresql: str) -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "cores": os.cpu_count(),
        "cpu": _first("/proc/cpuinfo", "model name"),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "postgresql": postgresql,
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _first(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _commit() -> str:
    """Of the checkout, with `+` where files differ from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]  # from wherever git is installed
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def command_line(arguments: Sequence[str]) -> str:
    """To be typed elsewhere: without paths of this machine."""
    words = list(arguments)
    for option in PATHS:
        while option in words:
            at = words.index(option)
            del words[at : at + 2]
    return " ".join(["python -m ops.bench", *words])


def number(value: float) -> str:
    return f"{value:,.0f}"


def millions(value: float) -> str:
    return f"{value / 1e6:.1f}M"


def megabytes(value: float) -> str:
    return f"{value / 2**20:,.0f}"


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median, and from least to most where there are several."""
    middle = f"{median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"

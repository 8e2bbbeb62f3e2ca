"""What a run found: JSON with the facts and the machine, Markdown tables, charts."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import psutil

PATHS = re.compile(r" --(directory|results)[ =]\S+")
"""Options that hold paths of this machine."""


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
        charts = (chart for section in self.sections for chart in section.charts)
        for name, text in (("results.json", self.json().decode()), ("results.md", self.markdown()), *charts):
            (directory / name).write_text(text, encoding="utf-8")


def machine(postgresql: str) -> dict[str, Any]:
    """What the figures were measured on."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text(encoding="utf-8") if info.exists() else "")
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "cores": os.cpu_count(),
        "cpu": model[1] if model else platform.processor() or platform.machine(),
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


# Charts, as SVG text: the same figures give the same bytes

WIDTH, LEFT, RIGHT, TOP, ROW, PLOT = 720, 230, 90, 40, 26, 234
COLOURS = ("#2f6db3", "#c2652a", "#3d8b4f", "#8b5aa8", "#7a7a7a")


def bars(title: str, rows: Mapping[str, Sequence[float]]) -> str:
    """A bar for each label: the median, with a line from the least to the most."""
    scale, parts = (WIDTH - LEFT - RIGHT) / max(map(max, rows.values())), list[str]()
    for number, (label, values) in enumerate(rows.items()):
        y, (least, most) = TOP + ROW * number, (LEFT + find(values) * scale for find in (min, max))
        width, colour = f"{median(values) * scale:.1f}", COLOURS[0]
        parts += [
            _text(LEFT - 8, y + 15, label, "end"),
            f"<rect x='{LEFT}' y='{y}' width='{width}' height='{ROW - 7}' fill='{colour}'/>",
            _line(((least, y + 10), (most, y + 10)), "#222"),
            _text(most + 6, y + 15, f"{median(values):,.0f}"),
        ]
    return _svg(title, TOP + ROW * len(rows) + 12, parts)


def lines(title: str, xs: Sequence[float], rows: Mapping[str, Sequence[float]], *, x_label: str, y_label: str) -> str:
    """One line for each label, both axes from 0."""
    right, top, bottom, parts = max(xs) or 1.0, max(map(max, rows.values())) * 1.1, TOP + PLOT, list[str]()

    def place(x: float, y: float) -> tuple[float, float]:
        return 60 + x / right * (WIDTH - 160), bottom - y / top * PLOT

    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(right * part, top * part)
        parts += [_line(((60, y), (WIDTH - 100, y)), "#ddd"), _text(54, y + 4, f"{top * part:.3g}", "end")]
        parts.append(_text(x, bottom + 16, f"{right * part:.3g}", "middle"))
    for colour, (label, ys) in zip(COLOURS, rows.items(), strict=False):
        points = [place(x, y) for x, y in zip(xs, ys, strict=True)]
        parts.append(_line(points, colour))
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5' fill='{colour}'/>" for x, y in points]
        parts.append(_text(points[-1][0] + 6, points[-1][1] + 4, label))
    return _svg(title, bottom + 46, [*parts, _text(340, bottom + 38, x_label, "middle"), _text(60, TOP - 6, y_label)])


def _svg(title: str, height: int, parts: Iterable[str]) -> str:
    size = f"width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'"
    style = "font-family='system-ui,sans-serif' font-size='12' fill='#333'"
    heading = f"<text x='10' y='22' font-weight='600' font-size='14'>{escape(title)}</text>"
    start = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} {style}>",
        "<rect width='100%' height='100%' fill='#fff'/>",
    ]
    return "\n".join([*start, heading, *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>{escape(text)}</text>"


def _line(points: Iterable[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>"

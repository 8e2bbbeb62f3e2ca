"""Small charts as SVG text: bars, and lines over a shared x."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, LEFT, RIGHT, ROW = 720, 210, 90, 26
HEIGHT, TOP, BOTTOM = 320, 40, 46
COLOURS = ("#2f6db3", "#c2652a", "#3d8b4f", "#8b5aa8", "#7a7a7a")
STYLE = "font-family='system-ui,sans-serif' font-size='12' fill='#333'"
BACKGROUND = "<rect width='100%' height='100%' fill='#fff'/>"


class Bar(NamedTuple):
    """`low` and `high`: the spread, drawn as a line."""

    label: str
    value: float
    low: float
    high: float
    text: str


class Line(NamedTuple):
    """Values over x."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]


def bars(title: str, rows: Sequence[Bar], *, mark: tuple[float, str] | None = None) -> str:
    """Horizontal bars; `mark`: a line at a value, with what it says."""
    most = max([row.high for row in rows] + ([mark[0]] if mark else []) + [1e-9])
    scale = (WIDTH - LEFT - RIGHT) / most
    height = TOP + ROW * len(rows) + (30 if mark else 12)
    parts = [_text(10, 22, title, bold=True)]
    for number, row in enumerate(rows):
        y = TOP + ROW * number
        middle = y + ROW / 2 - 2
        parts += [
            _text(LEFT - 8, middle + 4, row.label, anchor="end"),
            f"<rect x='{LEFT}' y='{y}' width='{row.value * scale:.1f}' height='{ROW - 7}' fill='{COLOURS[0]}'/>",
            _line(LEFT + row.low * scale, middle, LEFT + row.high * scale, middle, "#222"),
            _text(LEFT + row.high * scale + 6, middle + 4, row.text),
        ]
    if mark:
        x = LEFT + mark[0] * scale
        parts += [_line(x, TOP - 6, x, height - 22, COLOURS[1]), _text(x, height - 8, mark[1], anchor="middle")]
    return _svg(height, parts)


def lines(title: str, drawn: Sequence[Line], *, x_label: str, y_label: str) -> str:
    """One line each, both axes from 0."""
    right = max((x for line in drawn for x in line.xs), default=0) or 1.0
    top = (max((y for line in drawn for y in line.ys), default=0) or 1.0) * 1.1
    width, height = WIDTH - 70 - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return 60 + x / right * width, TOP + (1 - y / top) * height

    parts = [_text(10, 22, title, bold=True)]
    for step in range(5):
        x, y = place(right * step / 4, top * step / 4)
        parts += [
            _line(60, y, 60 + width, y, "#ddd"),
            _text(54, y + 4, f"{top * step / 4:.3g}", anchor="end"),
            _text(x, HEIGHT - BOTTOM + 16, f"{right * step / 4:.3g}", anchor="middle"),
        ]
    for number, line in enumerate(drawn):
        points = [place(x, y) for x, y in zip(line.xs, line.ys, strict=True)]
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5' fill='{colour}'/>" for x, y in points]
        if points:
            parts.append(_text(points[-1][0] + 6, points[-1][1] + 4, line.label))
    parts += [_text(60 + width / 2, HEIGHT - 8, x_label, anchor="middle"), _text(60, TOP - 6, y_label)]
    return _svg(HEIGHT, parts)


def _svg(height: float, parts: Sequence[str]) -> str:
    size = f"width='{WIDTH}' height='{height:.0f}' viewBox='0 0 {WIDTH} {height:.0f}'"
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' {size} {STYLE}>", BACKGROUND, *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = " font-weight='600' font-size='14'" if bold else ""
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'{weight}>{escape(text)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"

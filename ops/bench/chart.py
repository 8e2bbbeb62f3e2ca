"""Small charts as SVG text: bars, and lines over a shared x. The same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

WIDTH, LEFT, RIGHT, ROW = 720, 210, 90, 26
HEIGHT, TOP, BOTTOM = 320, 40, 46
COLOURS = ("#2f6db3", "#c2652a", "#3d8b4f", "#8b5aa8", "#7a7a7a")
STYLE = "font-family='system-ui,sans-serif' font-size='12' fill='#333'"


def bars(title: str, rows: Mapping[str, Sequence[float]], *, mark: tuple[float, str]) -> str:
    """A bar for each label: the median, with a line from the least to the most. `mark`: a line at a value."""
    scale = (WIDTH - LEFT - RIGHT) / max(mark[0], *(max(values) for values in rows.values()))
    height = TOP + ROW * len(rows) + 30
    parts = [_title(title)]
    for number, (label, values) in enumerate(rows.items()):
        y, middle = TOP + ROW * number, TOP + ROW * (number + 0.5) - 2
        least, most = LEFT + min(values) * scale, LEFT + max(values) * scale
        width = f"{median(values) * scale:.1f}"
        parts += [
            _text(LEFT - 8, middle + 4, label, "end"),
            f"<rect x='{LEFT}' y='{y}' width='{width}' height='{ROW - 7}' fill='{COLOURS[0]}'/>",
            _line(least, middle, most, middle, "#222"),
            _text(most + 6, middle + 4, f"{median(values):,.0f}"),
        ]
    x = LEFT + mark[0] * scale
    parts += [_line(x, TOP - 6, x, height - 22, COLOURS[1]), _text(x, height - 8, mark[1], "middle")]
    return _svg(height, parts)


def lines(title: str, xs: Sequence[float], rows: Mapping[str, Sequence[float]], *, x_label: str, y_label: str) -> str:
    """One line for each label, both axes from 0."""
    right, top = max(xs) or 1.0, max(max(ys) for ys in rows.values()) * 1.1
    width, height = WIDTH - 70 - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return 60 + x / right * width, TOP + (1 - y / top) * height

    parts = [_title(title)]
    for step in range(5):
        x, y = place(right * step / 4, top * step / 4)
        parts += [
            _line(60, y, 60 + width, y, "#ddd"),
            _text(54, y + 4, f"{top * step / 4:.3g}", "end"),
            _text(x, HEIGHT - BOTTOM + 16, f"{right * step / 4:.3g}", "middle"),
        ]
    for colour, (label, ys) in zip(COLOURS, rows.items(), strict=False):
        points = [place(x, y) for x, y in zip(xs, ys, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5' fill='{colour}'/>" for x, y in points]
        parts.append(_text(points[-1][0] + 6, points[-1][1] + 4, label))
    parts += [_text(60 + width / 2, HEIGHT - 8, x_label, "middle"), _text(60, TOP - 6, y_label)]
    return _svg(HEIGHT, parts)


def _svg(height: float, parts: Sequence[str]) -> str:
    size = f"width='{WIDTH}' height='{height:.0f}' viewBox='0 0 {WIDTH} {height:.0f}'"
    background = "<rect width='100%' height='100%' fill='#fff'/>"
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' {size} {STYLE}>", background, *parts, "</svg>", ""])


def _title(text: str) -> str:
    return f"<text x='10' y='22' font-weight='600' font-size='14'>{escape(text)}</text>"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>{escape(text)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"

"""Small charts as SVG text: bars, and lines over a shared x. The same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from statistics import median

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

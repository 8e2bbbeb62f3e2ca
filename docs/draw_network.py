"""Draws a small network as SVG: the picture in the README, made of the demo's graph.

While `make demo` runs:

    mentiongraph export --data .mentiongraph/demo -o build/demo.graphml
    python -m docs.draw_network build/demo.graphml docs/static/network.svg
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import networkx as nx

WIDTH, HEIGHT = 880, 560
MARGIN = 40
TIES = 1
"""Mentions that a pair needs, in either direction, to be drawn."""
NAMES_A_GROUP = 1
COLOURS = ("#4269d0", "#e8892b", "#3ca951", "#ff725c", "#a463f2", "#0f9f9f", "#9c6b4e", "#c2477f")
OTHERS = "#9498a0"


class Spot(NamedTuple):
    """Where a user is drawn."""

    x: float
    y: float
    radius: float
    colour: str


def main(graphml: str, svg: str) -> None:
    graph = strongest(nx.read_graphml(graphml))
    groups = sorted(nx.community.louvain_communities(graph, weight="weight", seed=1), key=len, reverse=True)
    Path(svg).write_text("\n".join(drawn(graph, groups)) + "\n", "utf-8")


def strongest(mentions: Any) -> Any:  # noqa: ANN401 (networkx has no types)
    """The ties of some strength, undirected, of the largest connected part; `handle` names a user."""
    ties = nx.Graph()
    for source, target, edge in mentions.edges(data=True):
        before = ties.get_edge_data(source, target, {"weight": 0})["weight"]
        ties.add_edge(source, target, weight=before + edge["mention_count"])
    ties.remove_edges_from([(a, b) for a, b, weight in ties.edges(data="weight") if weight < TIES or a == b])
    largest = ties.subgraph(max(nx.connected_components(ties), key=len)).copy()
    nx.set_node_attributes(largest, nx.get_node_attributes(mentions, "label"), "label")
    return largest


def drawn(graph: Any, groups: list[set[str]]) -> Iterator[str]:  # noqa: ANN401 (as above)
    """The lines of the SVG: ties, users, and the names of the best connected in each group."""
    spots = placed(graph, groups)
    degree = dict(graph.degree(weight="weight"))
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    yield ' aria-label="Who mentions whom in the sample of the demo" font-family="sans-serif" font-size="12">'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>'
    for a, b, weight in graph.edges(data="weight"):
        (x1, y1, _, _), (x2, y2, _, colour) = spots[a], spots[b]
        opacity = min(0.7, 0.12 + weight / 60)
        line = f'x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"'
        yield f'<line {line} stroke="{colour}" stroke-opacity="{opacity:.2f}"/>'
    for x, y, radius, colour in spots.values():
        yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:.1f}" fill="{colour}" stroke="#ffffff"/>'
    for group in groups[: len(COLOURS)]:
        for user in sorted(group, key=lambda user: -degree[user])[:NAMES_A_GROUP]:
            x, y, radius, _ = spots[user]
            name = escape(graph.nodes[user]["label"])
            halo = 'paint-order="stroke" stroke="#ffffff" stroke-width="3"'
            yield f'<text x="{x:.0f}" y="{y - radius - 3:.0f}" text-anchor="middle" fill="#1b1e23" {halo}>{name}</text>'
    yield "</svg>"


def placed(graph: Any, groups: list[set[str]]) -> dict[str, Spot]:  # noqa: ANN401 (as above)
    """A force-directed layout, stretched over the picture; the same for the same graph."""
    layout = nx.spring_layout(graph, weight="weight", k=0.6, iterations=300, seed=7)
    colour = {user: tint for group, tint in zip(groups, COLOURS, strict=False) for user in group}
    degree = dict(graph.degree(weight="weight"))
    low, high = layout_bounds(layout.values())
    across, down = (WIDTH - 2 * MARGIN) / (high[0] - low[0]), (HEIGHT - 2 * MARGIN) / (high[1] - low[1])
    return {
        user: Spot(
            MARGIN + (x - low[0]) * across,
            MARGIN + (y - low[1]) * down,
            2 + 0.6 * degree[user] ** 0.5,
            colour.get(user, OTHERS),
        )
        for user, (x, y) in layout.items()
    }


def layout_bounds(points: Any) -> tuple[tuple[float, float], tuple[float, float]]:  # noqa: ANN401 (numpy's pairs)
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys)), (max(xs), max(ys))


if __name__ == "__main__":
    main(*sys.argv[1:])

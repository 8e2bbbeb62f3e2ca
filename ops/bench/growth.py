"""What a row costs as the graph grows: pairs of uploads, one of the flat long tail that makes it grow, one mixed.

And what decay costs: a run that finds nothing stale after each pair, and at the end one that writes down every edge.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable

import msgspec

from app.store import postgres
from ops.bench import chart, database, decaying
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, mebi, milli
from ops.bench.service import Measured, Service, say

SEED = 2000
TAIL_STEPS = 4
"""Uploads of the tail for each mixed one: the graph grows by about five steps a round."""
LEFT_FREE = 4 << 30
"""Bytes of the file system that are not used."""
TITLES = (
    "edges before | {} | mixed WAL B/row | mixed HOT | blocks read/row | table MiB | primary key MiB | by target MiB | "
    "depth | bytes/edge | autovacuums | decay, nothing stale, ms"
)


class Point(msgspec.Struct, frozen=True):
    """One round: edges when its measured uploads began, their figures, and what the graph takes on disk after them."""

    edges: int
    tail: Measured
    mixed: Measured
    sizes: dict[str, int]
    depth: str
    fresh: decaying.Ran
    """A decay run that finds nothing stale."""

    def figures(self) -> dict[str, float]:
        """Seconds for a million rows, by the clock and of CPU."""
        return {
            "tail s/M rows": self.tail.cost(self.tail.upload.applied),
            "tail CPU s/M": self.tail.cpu_cost,
            "mixed s/M rows": self.mixed.cost(self.mixed.upload.applied),
            "mixed CPU s/M": self.mixed.cpu_cost,
        }

    def row(self) -> Iterable[str]:
        mixed, hot, tail = self.mixed.counters, self.mixed.hot_share, self.tail.counters
        rows, after = self.mixed.facts.rows, self.edges + tail["inserted"] + mixed["inserted"]
        yield f"{self.edges / 1e6:.1f}M"
        yield from (f"{figure:.2f}" for figure in self.figures().values())
        yield f"{mixed['wal'] / rows:,.0f}"
        yield "" if hot is None else f"{hot:.0%}"
        yield f"{mixed['reads'] / rows:.2f}"
        yield from (mebi(self.sizes[name]) for name in ("table", "primary_key", "by_target"))
        yield self.depth
        yield f"{self.sizes['edges'] / max(1, after):,.0f}"
        yield f"{tail['autovacuums'] + mixed['autovacuums']:,}"
        yield milli(self.fresh.seconds)


def measure(service: Service, plan: Plan) -> Section:
    """Rounds until the graph holds `growth_edges`, or the disk is used as far as it may be."""
    conn, points = service.conn, list[Point]()
    service.upload("tail", plan.growth_step, SEED - 1)
    while True:
        seed, edges = SEED + 10 * len(points), database.edge_count(conn)
        tail, mixed = (service.measure(name, plan.growth_step, seed) for name in ("tail", "mixed"))
        sizes, free = database.row(conn, "sizes"), shutil.disk_usage(service.directory).free
        fresh = decaying.run(conn, postgres.clock())
        points.append(Point(edges, tail, mixed, sizes, database.depth(conn), fresh))
        say(f"{edges:,} edges: tail {tail.upload.rate:,.0f}, mixed {mixed.upload.rate:,.0f} rows/s")
        if edges >= plan.growth_edges:
            why = "as many edges as were asked for"
            break
        if (used := sizes["database"] + sizes["wal"]) > plan.disk_gib * 2**30 or free < LEFT_FREE:
            why = f"the disk: {used / 2**30:.1f} GiB used, {free / 2**30:.1f} GiB free"
            break
        for step in range(1, TAIL_STEPS):
            service.upload("tail", plan.growth_step, seed + step)
    say("decay of every edge …")
    service.now = (service.now or postgres.clock()) + decaying.stale_after()
    stale = decaying.run(conn, service.now)
    first, last = points[0].figures(), points[-1].figures()
    ratios = {name: last[f"{name} s/M rows"] / first[f"{name} s/M rows"] for name in ("tail", "mixed")}
    over = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    drawing = chart.lines(
        "Cost of a row as the graph grows",
        [point.edges / 1e6 for point in points],
        {name: [point.figures()[name] for point in points] for name in first},
        x_label="million edges in the graph before",
        y_label="seconds for a million rows: by the clock, and of CPU",
    )
    facts = {"points": points, "ended_by": why, "last_over_first": ratios, "all_stale": stale}
    caption = f"Cost of a row as the graph grows (last over first: {over})"
    tables = [
        Table(caption, TITLES.format(" | ".join(first)), [tuple(point.row()) for point in points]),
        Table(
            "Decay of every edge, at the end",
            "written down | s | edges/s",
            [(f"{stale.written_down:,}", f"{stale.seconds:.1f}", stale.rate)],
        ),
    ]
    passed = not any(point.fresh.written_down for point in points)
    passed &= stale.written_down == database.edge_count(conn)
    charts = [("growth.svg", drawing)]
    return Section("growth", f"Growth (ended by {why})", facts, tables, passed=passed, charts=charts)

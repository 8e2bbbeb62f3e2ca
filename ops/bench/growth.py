"""What a row costs as the graph grows: pairs of uploads, one of the flat long tail that makes it grow, one mixed.

And what decay costs: a run that finds nothing stale after each pair, and at the end one that writes down every edge.
"""

from __future__ import annotations

import shutil
from typing import Any

import msgspec

from app.store import postgres
from ops.bench import chart, database, decaying
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, millions, number
from ops.bench.service import Measured, Service, say

SEED = 2000
TAIL_STEPS = 4
"""Uploads of the tail for each mixed one: the graph grows by about five steps a round."""
LEFT_FREE = 4 << 30
"""Bytes of the file system that are not used."""


class Point(msgspec.Struct, frozen=True):
    """One round: edges when its measured uploads began, their figures, and what the graph takes on disk after them."""

    edges: int
    tail: Measured
    mixed: Measured
    sizes: database.Sizes
    depth: database.Depth | None
    fresh: decaying.Ran
    """A decay run that finds nothing stale."""


def measure(service: Service, plan: Plan) -> list[Section]:
    """Rounds until the graph holds `growth_edges`, or the disk is used as far as it may be."""
    points: list[Point] = []
    service.upload("tail", plan.growth_step, SEED - 1)
    while True:
        seed, edges = SEED + 10 * len(points), database.edge_count(service.conn)
        tail, _ = service.measure("tail", plan.growth_step, seed)
        mixed, _ = service.measure("mixed", plan.growth_step, seed)
        sizes, free = database.sizes(service.conn), shutil.disk_usage(service.directory).free
        fresh = decaying.run(service.conn, postgres.clock())
        points.append(Point(edges, tail, mixed, sizes, database.depth(service.conn), fresh))
        say(f"{edges:,} edges: tail {tail.rows_per_second:,.0f}, mixed {mixed.rows_per_second:,.0f} rows/s")
        if edges >= plan.growth_edges:
            why = "as many edges as were asked for"
            break
        if sizes.database + sizes.wal > plan.disk_bytes or free < LEFT_FREE:
            why = f"the disk: {(sizes.database + sizes.wal) / 2**30:.1f} GiB used, {free / 2**30:.1f} GiB free"
            break
        for step in range(1, TAIL_STEPS):
            service.upload("tail", plan.growth_step, seed + step)
    say("decay of every edge …")
    service.now = (service.now or postgres.clock()) + decaying.stale_after()
    stale = decaying.run(service.conn, service.now)
    edges_at_last = database.edge_count(service.conn)
    ratios = {
        "tail": _cost(points[-1].tail) / _cost(points[0].tail),
        "mixed": _cost(points[-1].mixed) / _cost(points[0].mixed),
    }
    facts: dict[str, Any] = {
        "points": [msgspec.to_builtins(point) for point in points],
        "ended_by": why,
        "last_over_first": ratios,
        "all_stale": stale._asdict(),
    }
    drawing = chart.lines(
        "Cost of a row as the graph grows",
        [
            chart.Line(f"{name} {what}", [point.edges / 1e6 for point in points], values)
            for name, those in (("tail", [p.tail for p in points]), ("mixed", [p.mixed for p in points]))
            for what, values in (
                ("s/M rows", [_cost(upload) for upload in those]),
                ("CPU s/M", [upload.cpu_per_million for upload in those]),
            )
        ],
        x_label="million edges in the graph before",
        y_label="seconds for a million rows: by the clock, and of CPU",
    )
    title = f"Growth (ended by {why})"
    tables = [_table(points, ratios), _decay_table(stale)]
    expected = not any(point.fresh.written_down for point in points) and stale.written_down == edges_at_last
    return [Section("growth", title, facts, tables, charts=[("growth.svg", drawing)], passed=expected)]


def _cost(upload: Measured) -> float:
    """Seconds by the clock for a million rows."""
    return upload.applied * 1e6 / upload.rows


def _table(points: list[Point], ratios: dict[str, float]) -> Table:
    costs = ["tail s/M rows", "tail CPU s/M", "mixed s/M rows", "mixed CPU s/M", "mixed WAL B/row", "mixed HOT"]
    disk = ["blocks read/row", "table MiB", "primary key MiB", "by target MiB", "depth", "bytes/edge", "autovacuums"]
    titles = ["edges before", *costs, *disk, "decay, nothing stale, ms"]
    last = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    return Table(f"Cost of a row as the graph grows (last over first: {last})", titles, [_row(p) for p in points])


def _row(point: Point) -> list[str]:
    tail, mixed, sizes = point.tail, point.mixed, point.sizes
    after = point.edges + tail.counters.inserted + mixed.counters.inserted
    hot = mixed.counters.hot_share
    return [
        millions(point.edges),
        f"{_cost(tail):.2f}",
        f"{tail.cpu_per_million:.2f}",
        f"{_cost(mixed):.2f}",
        f"{mixed.cpu_per_million:.2f}",
        number(mixed.counters.wal / mixed.rows),
        f"{hot:.0%}" if hot is not None else "",
        f"{mixed.counters.reads / mixed.rows:.2f}",
        number(sizes.table / 2**20),
        number(sizes.primary_key / 2**20),
        number(sizes.by_target / 2**20),
        f"{point.depth.primary_key}/{point.depth.by_target}" if point.depth else "",
        number(sizes.edges / max(1, after)),
        number(tail.counters.autovacuums + mixed.counters.autovacuums),
        f"{point.fresh.seconds * 1e3:.1f}",
    ]


def _decay_table(stale: decaying.Ran) -> Table:
    row = [number(stale.written_down), f"{stale.seconds:.1f}", decaying.rate(stale)]
    return Table("Decay of every edge, at the end", ["written down", "s", "edges/s"], [row])

"""What age and size cost: decay of a graph, and a row as the graph grows.

What is stale depends on the instant that a decay run is given: a later one is given, and no clock is touched. The
audit's weights are then compared as of that instant.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from app import settings as app_settings
from app.graph import decay
from app.graph.parameters import read_parameters
from app.store import postgres
from app.store.postgres import Connection
from ops.bench import database
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, lines, mebi, milli
from ops.bench.service import Applied, Measured, Service, say

PATIENCE = 600.0


class Ran(NamedTuple):
    """One run."""

    seconds: float
    written_down: int

    @property
    def rate(self) -> str:
        """Edges a second."""
        return f"{self.written_down / self.seconds:,.0f}" if self.written_down else ""


def run(conn: Connection, now: datetime) -> Ran:
    """A decay run as of an instant, as the actor does it; nothing is archived, so that the graph stays as large."""
    settings = msgspec.structs.replace(app_settings.load(), archive_below=0.0)
    parameters, deadline = read_parameters(conn), time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        began = time.perf_counter()
        started = decay.begin(conn, settings=settings, now=now)
        if started and decay.work(conn, started, parameters, clock=postgres.clock) and started.as_of == now:
            return Ran(time.perf_counter() - began, decay.totals(conn, started).written_down)
        time.sleep(0.05)  # the day's own run was under way, or has just ended
    raise TimeoutError(f"no decay run of ours began within {PATIENCE:g} s")


def _stale_after() -> timedelta:
    """The time after which every edge that nobody touches is stale, and a day."""
    return timedelta(days=app_settings.load().stale_after_days + 1)


def decays(service: Service, plan: Plan) -> Section:
    """Runs alone, then an upload alone, then an upload beside runs."""
    conn, later = service.conn, _stale_after()
    if not database.edge_count(conn):
        service.upload("tail", plan.decay_rows, plan.seed + 400)
    edges = database.edge_count(conn)
    say(f"— decay over {edges:,} edges …")
    fresh = run(conn, postgres.clock())
    service.now = postgres.clock() + later
    stale = run(conn, service.now)
    again = run(conn, service.now + timedelta(minutes=1))
    alone = service.upload("mixed", plan.decay_rows, plan.seed + 401)
    together, beside = _beside_runs(service, plan, later)
    runs = {
        "nothing stale": fresh,
        "everything stale": stale,
        "nothing stale any more": again,
        "everything stale, beside an upload": max(beside, key=lambda ran: ran.seconds),
    }
    rows = [(name, milli(ran.seconds), f"{ran.written_down:,}", ran.rate) for name, ran in runs.items()]
    pair = ((alone, "alone", ""), (together, f"beside {len(beside)} runs", f"{1 - together.rate / alone.rate:.0%}"))
    uploads = [(name, f"{each.rows:,}", f"{each.rate:,.0f}", slower) for each, name, slower in pair]
    facts = {"edges": edges, "runs": runs, "beside": beside, "upload_alone": alone, "upload_beside": together}
    tables = [
        Table(f"Decay runs over {edges:,} edges", "run | ms | written down | edges/s", rows),
        Table("Uploads", "upload | rows | rows/s | slower by", uploads),
    ]
    return Section("decay", "Decay", facts, tables, passed=fresh.written_down == 0 and stale.written_down == edges)


def _beside_runs(service: Service, plan: Plan, later: timedelta) -> tuple[Applied, list[Ran]]:
    """An upload, and runs in another process, each later by what makes everything stale once more."""
    start, enough = service.now or postgres.clock(), service.directory / "enough"
    with (
        service.made("mixed", plan.decay_rows, plan.seed + 402) as made,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other,
    ):
        other.submit(time.perf_counter).result()  # it has started
        runs = other.submit(_runs, service.url, start, later, enough)
        together = service.send(made)
        enough.touch()
        service.now = start + later * len(runs.result())
        return together, runs.result()


def _runs(url: str, now: datetime, later: timedelta, enough: Path) -> list[Ran]:
    """Runs, one after another, until a file appears; one at least."""
    runs: list[Ran] = []
    with postgres.connect(url, role="bench decay") as conn:
        while not runs or not enough.exists():
            now += later
            runs.append(run(conn, now))
    return runs


# Growth -------------------------------------------------------------------------------------------------------------

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
    fresh: Ran
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


def growth(service: Service, plan: Plan) -> Section:
    """Rounds until the graph holds `growth_edges`, or the disk is used as far as it may be."""
    conn, points = service.conn, list[Point]()
    database.run(conn, "pageinspect")
    say("— growth")
    service.upload("tail", plan.growth_step, SEED - 1)
    while True:
        seed, edges = SEED + 10 * len(points), database.edge_count(conn)
        tail, mixed = (service.measure(name, plan.growth_step, seed) for name in ("tail", "mixed"))
        sizes, free = database.row(conn, "sizes"), shutil.disk_usage(service.directory).free
        depth, fresh = "{primary_key}/{by_target}".format(**database.row(conn, "depth")), run(conn, postgres.clock())
        points.append(Point(edges, tail, mixed, sizes, depth, fresh))
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
    service.now = (service.now or postgres.clock()) + _stale_after()
    stale = run(conn, service.now)
    first, last = points[0].figures(), points[-1].figures()
    ratios = {name: last[f"{name} s/M rows"] / first[f"{name} s/M rows"] for name in ("tail", "mixed")}
    over = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    drawing = lines(
        "Cost of a row as the graph grows",
        [point.edges / 1e6 for point in points],
        {name: [point.figures()[name] for point in points] for name in first},
        x_label="million edges in the graph before",
        y_label="seconds for a million rows: by the clock, and of CPU",
    )
    facts = {"points": points, "ended_by": why, "last_over_first": ratios, "all_stale": stale}
    caption = f"Cost of a row as the graph grows (last over first: {over})"
    written = (f"{stale.written_down:,}", f"{stale.seconds:.1f}", stale.rate)
    tables = [
        Table(caption, TITLES.format(" | ".join(first)), [tuple(point.row()) for point in points]),
        Table("Decay of every edge, at the end", "written down | s | edges/s", [written]),
    ]
    passed = not any(point.fresh.written_down for point in points)
    passed &= stale.written_down == database.edge_count(conn)
    charts = [("growth.svg", drawing)]
    return Section("growth", f"Growth (ended by {why})", facts, tables, passed=passed, charts=charts)

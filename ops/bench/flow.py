"""End to end: uploads over HTTP until they are applied, beside the limit and the reference, alternating, in one run."""

from __future__ import annotations

from statistics import median
from typing import Any, NamedTuple

import msgspec

from ops.bench import chart, database, reference
from ops.bench.limit import Limit
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, megabytes, millions, number, spread
from ops.bench.service import Measured, Service, say

PRELOAD_ROWS = 2_500_000
PRELOAD_SEED = 1000
PEAK = 143_199
"""Posts in the busiest second of the largest mention network."""
MULTILINE_SHARE = 8
"""Its rows are so many times as long as the others'."""


class Run(msgspec.Struct, frozen=True):
    """One upload, and the same work by others: seconds of the limit; rows a second of the reference, and of it
    without SQLAlchemy."""

    workload: str
    edges_before: int
    upload: Measured
    limit_edges: int
    limit_seconds: float
    reference_rate: float | None
    by_hand_rate: float | None

    @property
    def of_limit(self) -> float:
        """The limit's time over ours, for the same edges into the same graph."""
        return self.limit_seconds / self.upload.applied

    @property
    def times_reference(self) -> float | None:
        return self.upload.rows_per_second / self.reference_rate if self.reference_rate else None

    @property
    def times_by_hand(self) -> float | None:
        return self.upload.rows_per_second / self.by_hand_rate if self.by_hand_rate else None


def preload(service: Service, edges: int) -> None:
    """Let the graph grow to so many edges, by uploads of the flat long tail: the ledger knows of each of them."""
    seed = PRELOAD_SEED
    while (held := database.edge_count(service.conn)) < edges:
        say(f"preloading: {held:,} of {edges:,} edges …")
        service.upload("tail", min(PRELOAD_ROWS, edges - held + 1000), seed)
        seed += 1


def measure(service: Service, plan: Plan) -> list[Section]:
    """Every workload, `runs` times, each time with other rows into a graph that keeps growing."""
    sides = _Sides(service, plan, Limit(service.conn))
    reference.begin(service.conn)
    runs: list[Run] = []
    for workload in plan.workloads:
        for turn in range(plan.runs):
            last = sides.run(workload, turn, with_reference=workload == plan.workloads[0])
            runs.append(last)
            rate = f"{last.upload.rows_per_second:,.0f} rows/s, {last.of_limit:.2f} of the limit"
            say(f"{workload} {turn + 1}/{plan.runs}: {rate}")
    same = sides.limit.holds_the_same()
    sizes, edges = database.sizes(service.conn), database.edge_count(service.conn)
    database.run(service.conn, "drop")
    facts: dict[str, Any] = {
        "runs": [msgspec.to_builtins(run) for run in runs],
        "limit_holds_the_same": same,
        "sizes": msgspec.to_builtins(sizes),
        "edges": edges,
        "bytes_per_edge": sizes.edges / max(1, edges),
    }
    tables = [_rates(runs), _costs(runs), _cpu(runs), _memory(runs), _disk(sizes, edges)]
    return [Section("flow", "End to end", facts, tables, passed=same, charts=[("flow.svg", _chart(runs))])]


class _Sides(NamedTuple):
    """The service, the reference and the limit, in turn."""

    service: Service
    plan: Plan
    limit: Limit

    def run(self, workload: str, turn: int, *, with_reference: bool) -> Run:
        rows = self.plan.rows if with_reference else self.plan.shape_rows
        rows = max(1, rows // MULTILINE_SHARE) if workload == "multiline" else rows
        before = database.edge_count(self.service.conn)
        database.run(self.service.conn, "checkpoint")  # as before the limit
        upload, upload_id = self.service.measure(workload, rows, self.plan.seed + turn)
        reference_rows = min(self.plan.reference_rows, rows) if with_reference else 0
        rates = [
            self._reference(by, workload, reference_rows, self.plan.seed + seed + turn) if reference_rows else None
            for by, seed in ((reference.with_sqlalchemy, 500), (reference.by_hand, 600))
        ]
        edges, seconds = self.limit.apply(upload_id)
        return Run(workload, before, upload, edges, seconds, *rates)

    def _reference(self, by: reference.Apply, workload: str, rows: int, seed: int) -> float:
        path, _, _ = self.service.make(workload, rows, seed)
        settings = self.service.stack.settings
        try:
            return rows / reference.apply(by, settings.database_url, path, rows, settings.worker_processes)
        finally:
            path.unlink()


def _by_workload(runs: list[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.workload, []).append(run)
    return found


def _rates(runs: list[Run]) -> Table:
    rows: list[list[str]] = []
    for workload, those in _by_workload(runs).items():
        uploads = [run.upload for run in those]
        ratios = [run.times_reference for run in those if run.times_reference is not None]
        harder = [run.times_by_hand for run in those if run.times_by_hand is not None]
        rows.append(
            [
                workload,
                number(uploads[0].rows),
                number(uploads[0].mentions),
                number(uploads[0].distinct_edges),
                millions(those[0].edges_before),
                spread([upload.rows_per_second for upload in uploads]),
                f"{median(upload.received for upload in uploads):.1f}",
                spread([run.limit_edges / run.upload.applied for run in those]),
                spread([run.of_limit for run in those], digits=2),
                spread(ratios, digits=1) if ratios else "",
                spread(harder, digits=1) if harder else "",
            ]
        )
    titles = "workload, rows, mentions, distinct edges, edges before, rows/s, received s, edges/s, of the limit"
    others = ["times the reference", "times it without SQLAlchemy"]
    return Table("Rates: median (least to most)", [*titles.split(", "), *others], rows)


def _costs(runs: list[Run]) -> Table:
    rows: list[list[str]] = []
    for workload, those in _by_workload(runs).items():
        uploads = [run.upload for run in those]
        shares = [upload.counters.hot_share for upload in uploads if upload.counters.hot_share is not None]
        rows.append(
            [
                workload,
                f"{uploads[0].bytes / uploads[0].rows:.0f}",
                spread([upload.counters.wal / upload.rows for upload in uploads]),
                spread([upload.cpu_per_million for upload in uploads], digits=2),
                number(median(upload.counters.updated for upload in uploads)),
                f"{median(shares):.0%}" if shares else "",
                number(sum(upload.counters.autovacuums for upload in uploads)),
                number(sum(upload.counters.checkpoints for upload in uploads)),
            ]
        )
    titles = "workload, bytes/row, WAL bytes/row, CPU s/M rows, edges updated, of them HOT, autovacuums, checkpoints"
    return Table("Costs", titles.split(", "), rows)


def _cpu(runs: list[Run]) -> Table:
    roles = sorted({role for run in runs for role in run.upload.cpu})
    rows = [
        [
            workload,
            *(f"{median(run.upload.cpu.get(role, 0) * 1e6 / run.upload.rows for run in those):.2f}" for role in roles),
        ]
        for workload, those in _by_workload(runs).items()
    ]
    return Table("CPU seconds per million rows, by process", ["workload", *roles], rows)


def _memory(runs: list[Run]) -> Table:
    roles = sorted({role for run in runs for role in run.upload.peak})
    rows = [
        [
            workload,
            *(
                f"{max(run.upload.peak.get(role, 0) for run in those) / 2**20:.0f} "
                f"({max(run.upload.together.get(role, 0) for run in those) / 2**20:.0f})"
                for role in roles
            ),
        ]
        for workload, those in _by_workload(runs).items()
    ]
    return Table("Peak memory, MiB: largest process (all of the role, shared pages once)", ["workload", *roles], rows)


def _disk(sizes: database.Sizes, edges: int) -> Table:
    names = ("table", "primary_key", "by_target", "edges", "users", "ledger", "wal")
    found = msgspec.structs.asdict(sizes)
    titles = ["edges", *(f"{name.replace('_', ' ')} MiB" for name in names), "bytes/edge"]
    row = [number(edges), *(megabytes(found[name]) for name in names), number(sizes.edges / max(1, edges))]
    return Table("On disk (edges: table and indexes together)", titles, [row])


def _chart(runs: list[Run]) -> str:
    drawn: list[chart.Bar] = []
    for workload, those in _by_workload(runs).items():
        rates = [run.upload.rows_per_second for run in those]
        drawn.append(_bar(workload, rates))
        of_limit = f"  the limit for {workload}"
        drawn.append(_bar(of_limit, [run.upload.rows / run.limit_seconds for run in those]))
    by_hand = [run.by_hand_rate for run in runs if run.by_hand_rate is not None]
    if by_hand:
        drawn.append(_bar("the reference, without SQLAlchemy", by_hand))
    references = [run.reference_rate for run in runs if run.reference_rate is not None]
    if references:
        drawn.append(_bar("the reference", references))
    return chart.bars("Posts a second, from HTTP to the merged graph", drawn, mark=(PEAK, "record peak: 143,199"))


def _bar(label: str, rates: list[float]) -> chart.Bar:
    return chart.Bar(label, median(rates), min(rates), max(rates), f"{median(rates):,.0f}")

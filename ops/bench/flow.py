"""End to end: uploads over HTTP until they are applied, beside the limit and the reference, alternating, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from statistics import median

import msgspec

from app.graph.deltas import sum_by_edge, unpack
from app.graph.edges import merge_arrays
from app.graph.half_life import in_seconds
from app.graph.parameters import read_parameters
from app.store.postgres import Connection, execute
from ops.bench import database, reference
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, bars, mebi, spread
from ops.bench.service import Measured, Service, say

PEAK = 143_199
"""Posts in the busiest second of the largest mention network."""
MULTILINE_SHARE = 8
"""Rows of `multiline` are so many times as long as the others'."""
PARTS, AT_ONCE = 16, 500_000
"""Parts in which the limit's table is loaded, each sorted; edges sent at once."""


class Run(msgspec.Struct, frozen=True):
    """One upload, and the same work by others. Rates are rows a second."""

    workload: str
    edges_before: int
    measured: Measured
    limit_edges: int
    limit_seconds: float
    reference_rate: float | None
    by_hand_rate: float | None

    @property
    def rate(self) -> float:
        return self.measured.upload.rate

    @property
    def of_limit(self) -> float:
        """The limit's time over ours, for the same edges into the same graph."""
        return self.limit_seconds / self.measured.upload.applied

    def times(self, other: float | None) -> float | None:
        return other and self.rate / other


def measure(service: Service, plan: Plan) -> Section:
    """Every workload, `runs` times, each time with other rows into a graph that keeps growing."""
    say("— flow")
    limit = Limit(service.conn)
    database.run(service.conn, "reference_begin")
    runs: list[Run] = []
    for workload in plan.workloads:
        for turn in range(plan.runs):
            runs.append(last := _run(service, plan, limit, workload, turn))
            say(f"{workload} {turn + 1}/{plan.runs}: {last.rate:,.0f} rows/s, {last.of_limit:.2f} of the limit")
    same = limit.holds_the_same()
    sizes, edges = database.row(service.conn, "sizes"), database.edge_count(service.conn)
    database.run(service.conn, "drop")
    facts = {"runs": runs, "limit_holds_the_same": same, "sizes": sizes, "edges": edges}
    rates, costs = _table("Rates: median (least to most)", RATES, runs, _rates), _table("Costs", COSTS, runs, _costs)
    tables = [rates, costs, *_by_role(runs), _disk(sizes, edges)]
    return Section("flow", "End to end", facts, tables, passed=same, charts=[("flow.svg", _chart(runs))])


def _run(service: Service, plan: Plan, limit: Limit, workload: str, turn: int) -> Run:
    """The service, the references (with the first workload) and the limit, in turn."""
    first = workload == plan.workloads[0]
    rows = plan.rows if first else plan.shape_rows
    rows = max(1, rows // MULTILINE_SHARE) if workload == "multiline" else rows
    before = database.edge_count(service.conn)
    database.run(service.conn, "checkpoint")  # as before the limit
    measured = service.measure(workload, rows, plan.seed + turn)
    rates = _references(service, plan, workload, min(plan.reference_rows, rows), turn) if first else (None, None)
    return Run(workload, before, measured, *limit.apply(measured.upload.id), *rates)


def _references(service: Service, plan: Plan, workload: str, rows: int, turn: int) -> Sequence[float | None]:
    """Rows a second of the reference, and of the same without SQLAlchemy."""
    if not rows:
        return None, None
    processes, rates = service.settings.worker_processes, list[float]()
    with reference.pool_of(processes) as pool:
        for by, seed in ((reference.with_sqlalchemy, 500), (reference.by_hand, 600)):
            with service.made(workload, rows, plan.seed + seed + turn) as made:
                rates.append(reference.rate(pool, processes, by, service.url, made.path, rows))
    return rates


def _by_workload(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs of one workload stand together."""
    return {name: list(those) for name, those in groupby(runs, key=lambda run: run.workload)}


def _table(caption: str, titles: str, runs: Iterable[Run], row: Callable[[list[Run]], Iterable[str]]) -> Table:
    """A row for the runs of each workload."""
    rows = [(name, *row(those)) for name, those in _by_workload(runs).items()]
    return Table(caption, f"workload | {titles}", rows)


RATES = (
    "rows | mentions | distinct edges | edges before | rows/s | received s | edges/s | of the limit | "
    "times the reference | times it without SQLAlchemy"
)


def _rates(runs: list[Run]) -> Iterable[str]:
    facts = runs[0].measured.facts
    yield from (f"{facts.rows:,}", f"{facts.mentions:,}", f"{facts.edges:,}", f"{runs[0].edges_before / 1e6:.1f}M")
    yield spread(run.rate for run in runs)
    yield f"{median(run.measured.upload.received for run in runs):.1f}"
    yield spread(run.limit_edges / run.measured.upload.applied for run in runs)
    yield spread((run.of_limit for run in runs), digits=2)
    yield spread((run.times(run.reference_rate) for run in runs), digits=1)
    yield spread((run.times(run.by_hand_rate) for run in runs), digits=1)


COSTS = "bytes/row | WAL bytes/row | CPU s/M rows | edges updated | of them HOT | autovacuums | checkpoints"


def _costs(runs: list[Run]) -> Iterable[str]:
    those, facts = [run.measured for run in runs], runs[0].measured.facts
    shares = [each.hot_share for each in those if each.hot_share is not None]
    yield f"{facts.bytes / facts.rows:.0f}"
    yield spread(each.counters["wal"] / facts.rows for each in those)
    yield spread((each.cpu_cost for each in those), digits=2)
    yield f"{median(each.counters['updated'] for each in those):,.0f}"
    yield f"{median(shares):.0%}" if shares else ""
    yield f"{sum(each.counters['autovacuums'] for each in those):,}"
    yield f"{sum(each.counters['checkpoints'] for each in those):,}"


def _by_role(runs: list[Run]) -> list[Table]:
    """CPU and memory, with a column for each role."""
    roles = sorted({role for run in runs for role in run.measured.cpu})

    def cpu(those: list[Run]) -> Iterable[str]:
        for role in roles:
            yield f"{median(run.measured.cost(run.measured.cpu.get(role, 0.0)) for run in those):.2f}"

    def memory(those: list[Run]) -> Iterable[str]:
        for role in roles:
            peak = max(run.measured.peak.get(role, 0.0) for run in those)
            yield f"{mebi(peak)} ({mebi(max(run.measured.together.get(role, 0.0) for run in those))})"

    titles, peak = " | ".join(roles), "Peak memory, MiB: largest process (all of the role, shared pages once)"
    return [_table("CPU seconds per million rows, by process", titles, runs, cpu), _table(peak, titles, runs, memory)]


def _disk(sizes: dict[str, int], edges: int) -> Table:
    names = ("table", "primary_key", "by_target", "edges", "users", "ledger", "wal")
    titles = " | ".join(["edges", *(f"{name.replace('_', ' ')} MiB" for name in names), "bytes/edge"])
    row = (f"{edges:,}", *(mebi(sizes[name]) for name in names), f"{sizes['edges'] / max(1, edges):,.0f}")
    return Table("On disk (edges: table and indexes together)", titles, [row])


def _chart(runs: list[Run]) -> str:
    drawn: dict[str, list[float]] = {}
    for workload, those in _by_workload(runs).items():
        drawn[workload] = [run.rate for run in those]
        drawn[f"the limit for {workload}"] = [run.measured.facts.rows / run.limit_seconds for run in those]
    drawn["the reference, without SQLAlchemy"] = [run.by_hand_rate for run in runs if run.by_hand_rate]
    drawn["the reference"] = [run.reference_rate for run in runs if run.reference_rate]
    drawn["record peak of posts"] = [PEAK]
    shown = {label: rates for label, rates in drawn.items() if rates}
    return bars("Posts a second, from HTTP to the merged graph", shown)


class Limit:
    """The same edges as the service merged, by PostgreSQL alone, into a table that held the same ones before.

    One sorted INSERT … ON CONFLICT from a local table, one backend, in one go: no counting, no ledger, no HTTP. `apply`
    follows every upload, or the two do not hold the same any more.
    """

    def __init__(self, conn: Connection) -> None:
        """Copies what the graph holds now."""
        self._conn = conn
        self._half_life = read_parameters(conn).half_life
        database.run(conn, "limit_begin")
        for part in range(PARTS):
            execute(conn, database.query("limit_hold"), {"parts": PARTS, "part": part})

    def apply(self, upload: str) -> tuple[int, float]:
        """Merge an applied upload's edges. Returns how many edges there were, and the seconds that the merge took."""
        payloads = [row["payload"] for row in database.rows_of(self._conn, "upload_deltas", id=upload)]
        edges = sum_by_edge([unpack(payload) for payload in payloads], half_life=self._half_life)
        for start in range(0, len(edges), AT_ONCE):
            given = merge_arrays(edges.slice(start, AT_ONCE), self._half_life)
            execute(self._conn, database.query("limit_source"), given)
        database.run(self._conn, "limit_ready")
        began = time.perf_counter()
        merged = execute(self._conn, database.query("limit"), {"half_life_seconds": in_seconds(self._half_life)})
        took = time.perf_counter() - began
        database.run(self._conn, "limit_clear")
        return merged, took

    def holds_the_same(self) -> bool:
        """Whether the limit's table has as many edges and mentions as the graph."""
        return database.row(self._conn, "limit_same")["same"]

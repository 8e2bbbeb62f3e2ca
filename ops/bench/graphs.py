"""Many graphs: the same uploads into one graph and spread over several, side by side in one run.

A turn sends as many uploads at once as there are graphs: all into the graph of the run, or one into each of the others.
A round is a turn of either kind with the same files, and the next round has them the other way round. A graph is a
database, so an edge that two files have is one row of one graph, or a row in each of two.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import msgspec

from app.store import postgres
from app.summaries import summarizing
from ops.bench import database, procs
from ops.bench.plan import Plan
from ops.bench.procs import Figures
from ops.bench.report import Section, Table, Verdict, mebi, spread
from ops.bench.service import Service, UploadFailed, in_graph, say, until
from ops.workloads.workload import Workload

SEED = 3000
WARMING = 10
"""The round that warms up has one row in so many of the others'."""
LOOK_SECONDS, SUMMARY_SECONDS = 0.1, 1.0
"""Between two looks at the connections, and at what is not summarized: both cost PostgreSQL something."""
PATIENCE = 600.0

Turns = dict[str, list["Turn"]]
"""By kind, round by round."""


class Turn(msgspec.Struct, frozen=True):
    """Uploads at once. Seconds from the first byte until all are received, applied, and summarized."""

    rows: int
    received: float
    applied: float
    summarized: float
    cpu: Figures
    """Processor seconds by role until all is applied."""
    summary_cpu: Figures
    """Processor seconds by role from then on."""
    memory: Figures
    """Bytes by role once all is summarized; what processes share counts once."""
    connections: Figures
    """The most that were `open` to all databases together, and `in_use`."""

    @property
    def rate(self) -> float:
        """Rows a second until they are applied."""
        return self.rows / self.applied

    def cost(self, *roles: str) -> float:
        """Processor seconds for a million rows until they are applied: of these roles, or of all but the client."""
        return sum(self.cpu[role] for role in roles or self.cpu.keys() - {procs.CLIENT}) * 1e6 / self.rows

    @property
    def summary_cost(self) -> float:
        """The same for their summaries."""
        return sum(self.summary_cpu[role] for role in self.summary_cpu.keys() - {procs.CLIENT}) * 1e6 / self.rows


def measure(service: Service, plan: Plan) -> Section:
    """Rounds of turns; then the audit of each of the many graphs, and a sample of it against the oracle."""
    say(f"— graphs: creating {plan.graphs} …")
    with ExitStack() as held:
        began = time.perf_counter()
        names = [f"bench-{number}" for number in range(1, plan.graphs + 1)]
        many = [held.enter_context(in_graph(service.stack, service.directory, plan, name)) for name in names]
        created = (time.perf_counter() - began) / len(many)
        arms = {f"into {service.graph} alone": [service] * len(many), f"into {len(many)} graphs": many}
        turns: Turns = {arm: [] for arm in arms}
        _round(arms, plan, 0, plan.rows // WARMING)
        for round_ in range(1, plan.graph_rounds + 1):
            for arm, turn in _round(arms, plan, round_, plan.rows):
                turns[arm].append(turn)
                say(f"{arm}, {round_}/{plan.graph_rounds}: {turn.rate:,.0f} rows/s, {turn.cost():.1f} CPU s/M rows")
        edges, alone = database.edge_count(service.conn), service.graph
        graphs = {each.graph: (database.edge_count(each.conn), each.verdict()) for each in many}
    facts = {"created_seconds": created, "turns": turns, "graphs": graphs, "edges_alone": edges}
    tables = [*_turns(turns), _graphs(graphs, f"{alone}: {edges:,} edges")]
    title = f"One graph beside {len(many)} (created in {created:.1f} s each)"
    return Section("graphs", title, facts, tables, passed=all(verdict.passed for _, verdict in graphs.values()))


def _round(arms: dict[str, list[Service]], plan: Plan, round_: int, rows: int) -> list[tuple[str, Turn]]:
    first = next(iter(arms.values()))
    rows, seed = rows // plan.graphs, SEED + plan.seed + round_ * plan.graphs
    with ExitStack() as making:
        files = [
            making.enter_context(first[0].made(plan.workloads[0], rows, seed + each)) for each in range(plan.graphs)
        ]
        return [(arm, _turn(arms[arm], files)) for arm in list(arms)[:: -1 if round_ % 2 else 1]]


def _turn(into: Sequence[Service], files: Sequence[Workload]) -> Turn:
    """Send each file into its graph, all at once."""
    root, rows = into[0].root, sum(each.facts.rows for each in files)
    with postgres.connect(into[0].stack.superuser_url, role="bench connections") as conn:
        before, began = procs.by_role(root, procs.seconds), time.perf_counter()
        with procs.sampled(lambda: database.row(conn, "connections"), every=LOOK_SECONDS) as seen:
            with ThreadPoolExecutor(len(files)) as clients:
                uploads = list(clients.map(Service.post_file, into, [made.path for made in files]))
            received = time.perf_counter() - began
            for each, upload, made in zip(into, uploads, files, strict=True):
                each.until_applied(upload, made)
            applied, between = time.perf_counter() - began, procs.by_role(root, procs.seconds)
        for each in into:
            if not until(partial(_is_summarized, each), PATIENCE, every=SUMMARY_SECONDS):
                raise UploadFailed(f"the graph {each.graph} is not summarized after {PATIENCE:g} s")
        summarized, after = time.perf_counter() - began, procs.by_role(root, procs.seconds)
    cpu, summary_cpu = procs.spent(before, between), procs.spent(between, after)
    most = {name: max(each[name] for _, each in seen) for name in ("in_use", "open")}
    return Turn(rows, received, applied, summarized, cpu, summary_cpu, procs.by_role(root, procs.pss), most)


def _is_summarized(service: Service) -> bool:
    service.keep()
    return not summarizing.state(service.conn).waiting


TITLES = (
    "the same uploads | rows/s | received s | CPU s/M rows | of it PostgreSQL | workers | API | "
    "summarized s | CPU s/M rows for that | "
    "connections in use, at most | open, at most | MiB: PostgreSQL | workers | API"
)


def _turns(turns: Turns) -> list[Table]:
    rows = [(arm, *_figures(those)) for arm, those in turns.items()]
    (_, one), (several, many) = turns.items()
    pairs = list(zip(one, many, strict=True))
    ratios = (
        several,
        spread((there.rate / here.rate for here, there in pairs), digits=2),
        spread((there.cost() / here.cost() for here, there in pairs), digits=2),
    )
    caption = f"Turns of {one[0].rows:,} rows, all uploads of a turn at once: median (least to most)"
    titles = f"{next(iter(turns))} = 1, round by round | rows/s | CPU s/M rows"
    return [Table(caption, TITLES, rows), Table("Ratios: median (least to most)", titles, [ratios])]


def _figures(turns: list[Turn]) -> list[str]:
    roles = ("postgres", "worker", "api")
    columns = [
        spread(each.rate for each in turns),
        spread((each.received for each in turns), digits=1),
        spread((each.cost() for each in turns), digits=1),
        *(spread((each.cost(role) for each in turns), digits=1) for role in roles),
        spread((each.summarized for each in turns), digits=1),
        spread((each.summary_cost for each in turns), digits=1),
    ]
    columns += [f"{max(each.connections[name] for each in turns):,}" for name in ("in_use", "open")]
    return columns + [mebi(max(each.memory[role] for each in turns)) for role in roles]


def _graphs(graphs: dict[str, tuple[int, Verdict]], alone: str) -> Table:
    rows = [(name, f"{edges:,}", str(verdict)) for name, (edges, verdict) in graphs.items()]
    together = sum(edges for edges, _ in graphs.values())
    return Table(f"The graphs afterwards ({together:,} edges together; {alone})", "graph | edges | found", rows)

"""Start-up and idle cost of `mentiongraph up` itself, as a process of its own: alone, and with many graphs.

Each idle graph has its turn once a minute, so a look at processes at rest takes a minute or more.
"""

from __future__ import annotations

import http
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from app import settings as app_settings
from app.settings import Settings
from app.store import postgres
from ops import processes
from ops.bench import database, procs
from ops.bench.plan import Plan
from ops.bench.procs import Figures
from ops.bench.report import Section, Table, mebi, spread
from ops.bench.service import UploadFailed, create_graph, fresh, say
from ops.checkup import api_answers
from ops.directory import published
from ops.embedded.children import free_ports

POLL_SECONDS, PATIENCE = 0.02, 600.0
LOOK_SECONDS = 0.5
"""Between two looks at the connections."""
ALONE = "without other graphs"


class Rest(NamedTuple):
    """Processes at rest: bytes by role, processors in use by role, the most connections `open` and `in_use`."""

    memory: Figures
    cpu: Figures
    connections: Figures


def measure(plan: Plan, parent: Path | None) -> Section:
    """Seconds until /health/ready answers: a first start, then warm ones; then memory and CPU at rest."""
    say("— idle: starting `mentiongraph up` …")
    with fresh(parent) as directory:
        data, starts, created = directory / "idle", list[float](), list[float]()
        for _ in range(max(1, plan.runs)):
            with _up(data, plan) as (seconds, _):
                starts.append(seconds)
        with _up(data, plan) as (seconds, root):
            first, *warm = *starts, seconds
            rests = {ALONE: _rest(data, root, plan)}
            for number in range(plan.idle_graphs):
                began = time.perf_counter()
                create_graph(_settings(data), f"idle-{number}")
                created.append(time.perf_counter() - began)
        until_ready = [("first, with a new cluster", f"{first:.2f}"), ("warm", spread(warm, digits=2))]
        if plan.idle_graphs:
            with _up(data, plan) as (seconds, root):
                beside = f"with {plan.idle_graphs} graphs beside"
                until_ready += [(f"warm, {beside}", f"{seconds:.2f}"), ("creating a graph", spread(created, digits=2))]
                rests[beside] = _rest(data, root, plan)
    facts = {"first": first, "warm": warm, "created": created, "at_rest": rests}
    tables = [Table("Seconds until it is ready: median (least to most)", "start | s", until_ready), _table(rests)]
    return Section("idle", f"Start-up and idle ({median(warm):.1f} s)", facts, tables)


def _rest(data: Path, root: int, plan: Plan) -> Rest:
    """Wait, then look."""
    time.sleep(plan.idle_seconds / 2)
    with postgres.connect(_settings(data).database_url, role="bench") as conn:
        before, began = procs.by_role(root, procs.seconds), time.perf_counter()
        with procs.sampled(lambda: database.row(conn, "connections"), every=LOOK_SECONDS) as seen:
            time.sleep(plan.idle_seconds / 2)
        used, took = procs.spent(before, procs.by_role(root, procs.seconds)), time.perf_counter() - began
    sizes = procs.by_role(root, procs.pss)
    most = {name: max(each[name] for _, each in seen) for name in ("in_use", "open")}
    return Rest(sizes, {role: used.get(role, 0.0) / took for role in sizes}, most)


def _settings(data: Path) -> Settings:
    """The settings of the stack over a directory."""
    return app_settings.load(published(data))


def _table(rests: dict[str, Rest]) -> Table:
    rows = list[tuple[str, ...]]()
    for role in next(iter(rests.values())).memory:
        cells = ((mebi(rest.memory.get(role, 0.0)), f"{rest.cpu.get(role, 0.0):.1%}") for rest in rests.values())
        rows.append((role, *(cell for pair in cells for cell in pair)))
    sums = ((mebi(sum(rest.memory.values())), f"{sum(rest.cpu.values()):.1%}") for rest in rests.values())
    rows.append(("in all", *(cell for pair in sums for cell in pair)))
    most = ((f"{rest.connections['open']:,}", f"{rest.connections['in_use']:,}") for rest in rests.values())
    rows.append(("connections at most: open, and of these in use", *(cell for pair in most for cell in pair)))
    titles = " | ".join(["process", *(f"MiB {name} | of one core {name}" for name in rests)])
    return Table("At rest (memory: PSS, what is shared counted once)", titles, rows)


@contextmanager
def _up(data: Path, plan: Plan) -> Generator[tuple[float, int]]:
    """Seconds until it was ready, and its process id. It is stopped as Ctrl-C stops it."""
    (port,) = free_ports(1)
    settings = msgspec.structs.replace(app_settings.load(), port=port)
    workers = ("--workers", str(plan.workers)) if plan.workers else ()
    command = [sys.executable, "-m", "ops.cli", "up", "--data", str(data), "--port", str(port), *workers]
    with (data.parent / "up.log").open("ab") as log:
        began = time.perf_counter()
        up = subprocess.Popen(command, stdout=log, stderr=log, cwd=processes.ROOT)
    try:
        while api_answers(settings, "/health/ready")[0] != http.HTTPStatus.OK:
            if up.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise UploadFailed(f"`up` is not ready: see {data.parent / 'up.log'}")
            time.sleep(POLL_SECONDS)
        yield time.perf_counter() - began, up.pid
    finally:
        up.send_signal(signal.SIGINT)
        up.wait()

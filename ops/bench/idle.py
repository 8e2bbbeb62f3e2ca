"""Start-up and idle cost of `mentiongraph up` itself, as a process of its own."""

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

import msgspec

from app import settings as app_settings
from ops import processes
from ops.bench import procs
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, mebi, spread
from ops.bench.service import UploadFailed, fresh, say
from ops.checkup import api_answers
from ops.embedded.children import free_ports

POLL_SECONDS, PATIENCE = 0.02, 120.0


def measure(plan: Plan, parent: Path | None) -> Section:
    """Seconds until /health/ready answers: a first start, then warm ones; then memory and CPU at rest."""
    say("— idle: starting `mentiongraph up` …")
    with fresh(parent) as directory:
        starts = list[float]()
        for _ in range(max(1, plan.runs)):
            with _up(directory / "idle", plan) as (seconds, _):
                starts.append(seconds)
        with _up(directory / "idle", plan) as (seconds, root):
            first, *warm = *starts, seconds
            time.sleep(plan.idle_seconds / 2)
            before, began = procs.by_role(root, procs.seconds), time.perf_counter()
            time.sleep(plan.idle_seconds / 2)
            used, took = procs.spent(before, procs.by_role(root, procs.seconds)), time.perf_counter() - began
            sizes = procs.by_role(root, procs.pss)
    shares = {role: used.get(role, 0.0) / took for role in sizes}
    facts = {"first": first, "warm": warm, "resident": sizes, "cpu_share": shares}
    until_ready = [("first, with a new cluster", f"{first:.2f}"), ("warm", spread(warm, digits=2))]
    rest = [(role, mebi(size), f"{shares[role]:.1%}") for role, size in sizes.items()]
    rest.append(("in all", mebi(sum(sizes.values())), f"{sum(shares.values()):.1%}"))
    tables = [
        Table("Seconds until it is ready: median (least to most)", "start | s", until_ready),
        Table("At rest (memory: PSS, what is shared counted once)", "process | MiB | of one core", rest),
    ]
    return Section("idle", f"Start-up and idle ({median(warm):.1f} s)", facts, tables)


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

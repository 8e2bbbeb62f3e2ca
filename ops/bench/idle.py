"""Start-up and idle cost of `mentiongraph up` itself, as a process of its own."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from ops import processes
from ops.bench import procs
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, megabytes, spread
from ops.bench.service import UploadFailed, say
from ops.embedded.children import free_ports

POLL_SECONDS = 0.02
PATIENCE = 120.0


def measure(directory: Path, plan: Plan) -> list[Section]:
    """Seconds until /health/ready answers: a first start, then warm ones; then memory and CPU at rest."""
    data = directory / "idle"
    say("starting `mentiongraph up` …")
    with _up(data, plan) as (first, _):
        pass
    warm: list[float] = []
    for _ in range(max(0, plan.runs - 1)):
        with _up(data, plan) as (seconds, _):
            warm.append(seconds)
    with _up(data, plan) as (seconds, root):
        warm.append(seconds)
        time.sleep(plan.idle_seconds / 2)
        before, began = procs.cpu(root), time.perf_counter()
        time.sleep(plan.idle_seconds / 2)
        used = procs.spent(before, procs.cpu(root))
        took = time.perf_counter() - began
        sizes = procs.pss(root)
    facts = {"first": first, "warm": warm, "resident": sizes, "cpu_share": {n: s / took for n, s in used.items()}}
    rest = [[role, megabytes(size), f"{used.get(role, 0) / took:.1%}"] for role, size in sorted(sizes.items())]
    total = ["in all", megabytes(sum(sizes.values())), f"{sum(used.values()) / took:.1%}"]
    tables = [
        Table(
            "Seconds until it is ready: median (least to most)",
            ["start", "s"],
            [["first, with a new cluster", f"{first:.2f}"], ["warm", spread(warm, digits=2)]],
        ),
        Table("At rest (memory: PSS, what is shared counted once)", ["process", "MiB", "of one core"], [*rest, total]),
    ]
    return [Section("idle", f"Start-up and idle ({median(warm):.1f} s)", facts, tables)]


@contextmanager
def _up(data: Path, plan: Plan) -> Generator[tuple[float, int]]:
    """Seconds until it was ready, and its process id. It is stopped as Ctrl-C stops it."""
    (port,) = free_ports(1)
    workers = ("--workers", str(plan.workers)) if plan.workers else ()
    command = [sys.executable, "-m", "ops.cli", "up", "--data", str(data), "--port", str(port), *workers]
    data.parent.mkdir(parents=True, exist_ok=True)
    with (data.parent / "up.log").open("ab") as log:
        began = time.perf_counter()
        up = subprocess.Popen(command, stdout=log, stderr=log, cwd=processes.ROOT, env=dict(os.environ))
    try:
        while not _is_ready(port):
            if up.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise UploadFailed(f"`up` is not ready: see {data.parent / 'up.log'}")
            time.sleep(POLL_SECONDS)
        yield time.perf_counter() - began, up.pid
    finally:
        up.send_signal(signal.SIGINT)
        up.wait()


def _is_ready(port: int) -> bool:
    ask = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        ask.request("GET", "/health/ready")
        return ask.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        ask.close()

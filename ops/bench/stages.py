"""Stage by stage, each alone: which of them bounds the whole? Those behind HTTP are in `stage_run`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import msgspec

from app import settings as app_settings
from ops import processes
from ops.bench import database, procs
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, spread
from ops.bench.service import Client, Service, say
from ops.bench.stage_run import Timed
from ops.directory import port_is_free
from ops.embedded.children import Child, free_ports

ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def measure(service: Service, plan: Plan) -> list[Section]:
    """Receive over HTTP; the rest in a process of its own, over a database of its own beside the service's."""
    path, facts, _ = service.make("mixed", plan.stage_rows, plan.seed + 900)
    try:
        received = [_receive(service, path) for _ in range(plan.runs)]
        timed = _in_a_process(service, path, plan.runs)
    finally:
        path.unlink()
    timed.seconds = {
        "receive (HTTP, decode), server's CPU": [seconds for seconds, _ in received],
        "receive, by the clock": [seconds for _, seconds in received],
        **timed.seconds,
    }
    table = Table(
        f"Stages alone, {facts.rows:,} rows, {facts.edges:,} edges, one process, one thread: median (least to most)",
        ["stage", "rows/s", "s/M rows"],
        [
            [
                name,
                spread([facts.rows / seconds for seconds in those]),
                f"{median(those) * 1e6 / facts.rows:.2f}",
            ]
            for name, those in timed.seconds.items()
        ],
    )
    content = {"rows": facts.rows, "edges": facts.edges, "seconds": timed.seconds, "audit_exact": timed.exact}
    return [Section("stages", "Stage by stage", content, [table], passed=timed.exact)]


def _receive(service: Service, path: Path) -> tuple[float, float]:
    """CPU seconds of a server that only takes the body in, and seconds by the clock."""
    (port,) = free_ports(1)
    settings = msgspec.structs.replace(service.stack.settings, port=port)
    command = processes.api(settings)
    argv = ["ops.bench.sink:app" if word == "app.http.asgi:from_environment" else word for word in command.argv]
    log = service.directory / "sink.log"
    server = Child("sink", argv, env=command.env, log=log, ready=lambda: not port_is_free("127.0.0.1", port), grace=2)
    server.start()
    try:
        before, began = procs.cpu_of(server.pid), time.perf_counter()
        with Client(settings) as client:
            client.send(path)
        return max(1 / procs.TICKS, procs.cpu_of(server.pid) - before), time.perf_counter() - began
    finally:
        server.stop()


def _in_a_process(service: Service, path: Path, runs: int) -> Timed:
    url = database.create_beside(service.conn, service.stack.settings.database_url, "bench_stages")
    environment = {**os.environ, **app_settings.environment(service.stack.settings), **ONE_THREAD}
    command = [sys.executable, "-m", "ops.bench.stage_run", url, str(runs), str(path)]
    say("stage by stage …")
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, cwd=processes.ROOT)
    database.drop_beside(service.conn, "bench_stages")
    return msgspec.json.decode(answer.stdout, type=Timed)

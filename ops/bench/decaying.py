"""Decay: a run that finds nothing stale, runs that write everything down, and uploads beside such runs.

    python -m ops.bench.decaying DATABASE_URL DAYS    # runs, each DAYS later than the last, until a line is read

What is stale depends on the instant that a run is given: a later one is given, and no clock is touched. The audit's
weights are then compared as of that instant.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from app import settings as app_settings
from app.graph import decay
from app.graph.parameters import read_parameters
from app.store import postgres
from app.store.postgres import Connection
from ops import processes
from ops.bench import database
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, number
from ops.bench.service import Service, say

PATIENCE = 600.0
BEYOND = timedelta(days=1)
"""More than what makes an edge stale."""


class Ran(NamedTuple):
    """One run."""

    seconds: float
    written_down: int
    archived: int


def run(conn: Connection, now: datetime) -> Ran:
    """A decay run as of an instant, as the actor does it; nothing is archived, so that the graph stays as large."""
    settings = msgspec.structs.replace(app_settings.load(), archive_below=0.0)
    deadline = time.monotonic() + PATIENCE
    while True:
        began = time.perf_counter()
        started = decay.begin(conn, settings=settings, now=now)
        if started is not None and decay.work(conn, started, read_parameters(conn), clock=postgres.clock):
            totals = decay.totals(conn, started)
            if started.as_of == now:
                return Ran(time.perf_counter() - began, totals.written_down, totals.archived)
        # The day's own run was under way, or has just ended.
        if time.monotonic() > deadline:
            raise TimeoutError(f"no decay run of ours began within {PATIENCE:g} s")
        time.sleep(0.05)


def stale_after() -> timedelta:
    """After which every edge that nobody touches is stale."""
    return timedelta(days=app_settings.load().stale_after_days) + BEYOND


def measure(service: Service, plan: Plan) -> list[Section]:
    """Runs alone, then an upload alone, then uploads beside runs."""
    conn, later = service.conn, stale_after()
    if not database.edge_count(conn):
        service.upload("tail", plan.decay_rows, plan.seed + 400)
    edges = database.edge_count(conn)
    say(f"decay over {edges:,} edges …")
    fresh = run(conn, postgres.clock())
    service.now = postgres.clock() + later
    stale = run(conn, service.now)
    again = run(conn, service.now + timedelta(minutes=1))
    alone = service.upload("mixed", plan.decay_rows, plan.seed + 401)
    with _Beside(service, later) as beside:
        together = service.upload("mixed", plan.decay_rows, plan.seed + 402)
    slow = max(beside.runs, key=lambda ran: ran.seconds)
    rows = [
        ["nothing stale", f"{fresh.seconds * 1e3:,.1f}", number(fresh.written_down), ""],
        ["everything stale", f"{stale.seconds * 1e3:,.1f}", number(stale.written_down), rate(stale)],
        ["nothing stale any more", f"{again.seconds * 1e3:,.1f}", number(again.written_down), ""],
        ["everything stale, beside an upload", f"{slow.seconds * 1e3:,.1f}", number(slow.written_down), rate(slow)],
    ]
    uploads = [
        ["alone", f"{alone.rows:,}", f"{alone.rows / alone.applied:,.0f}", ""],
        [
            f"beside {len(beside.runs)} runs",
            f"{together.rows:,}",
            f"{together.rows / together.applied:,.0f}",
            f"{1 - (together.rows / together.applied) / (alone.rows / alone.applied):.0%}",
        ],
    ]
    facts = {
        "edges": edges,
        "nothing_stale": fresh._asdict(),
        "all_stale": stale._asdict(),
        "nothing_stale_any_more": again._asdict(),
        "beside": [ran._asdict() for ran in beside.runs],
        "upload_alone": alone._asdict(),
        "upload_beside": together._asdict(),
    }
    tables = [
        Table(f"Decay runs over {edges:,} edges", ["run", "ms", "written down", "edges/s"], rows),
        Table("Uploads", ["upload", "rows", "rows/s", "slower by"], uploads),
    ]
    expected = fresh.written_down == 0 and stale.written_down == edges
    return [Section("decay", "Decay", facts, tables, passed=expected)]


def rate(ran: Ran) -> str:
    """Edges a second."""
    return number(ran.written_down / ran.seconds)


class _Beside:
    """Runs in a process of their own, one after another, each later by what makes everything stale once more."""

    def __init__(self, service: Service, later: timedelta) -> None:
        self.runs: list[Ran] = []
        self._service, self._later = service, later
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> _Beside:
        start = self._service.now or postgres.clock()
        url = self._service.stack.settings.database_url
        arguments = [url, str(self._later.total_seconds()), start.isoformat()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ops.bench.decaying", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=processes.ROOT,
        )
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdout.readline()  # it is connected
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None  # noqa: S101
        answer, _error = self._process.communicate("enough\n")
        runs = msgspec.json.decode(answer, type=list[tuple[float, int, int]])
        self.runs = [Ran(*each) for each in runs]
        self._service.now = (self._service.now or postgres.clock()) + self._later * len(runs)


def main(arguments: list[str]) -> int:
    url, later, now = arguments[0], timedelta(seconds=float(arguments[1])), datetime.fromisoformat(arguments[2])
    enough = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        enough.set()

    threading.Thread(target=listen, daemon=True).start()
    runs: list[Ran] = []
    with postgres.connect(url, role="bench decay") as conn:
        print("connected", flush=True)
        while not enough.is_set() or not runs:
            now += later
            runs.append(run(conn, now))
    sys.stdout.write(msgspec.json.encode(runs).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

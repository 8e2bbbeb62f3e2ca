"""Decay: a run that finds nothing stale, runs that write everything down, and uploads beside such runs.

What is stale depends on the instant that a run is given: a later one is given, and no clock is touched. The audit's
weights are then compared as of that instant.
"""

from __future__ import annotations

import multiprocessing
import time
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
from ops.bench.report import Section, Table, milli
from ops.bench.service import Applied, Service, say

PATIENCE = 600.0
BEYOND = timedelta(days=1)
"""More than what makes an edge stale."""


class Ran(NamedTuple):
    """One run."""

    seconds: float
    written_down: int
    archived: int

    @property
    def rate(self) -> str:
        """Edges a second."""
        return f"{self.written_down / self.seconds:,.0f}" if self.written_down else ""


def run(conn: Connection, now: datetime) -> Ran:
    """A decay run as of an instant, as the actor does it; nothing is archived, so that the graph stays as large."""
    settings = msgspec.structs.replace(app_settings.load(), archive_below=0.0)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        began = time.perf_counter()
        started = decay.begin(conn, settings=settings, now=now)
        if started is not None and decay.work(conn, started, read_parameters(conn), clock=postgres.clock):
            totals = decay.totals(conn, started)
            if started.as_of == now:
                return Ran(time.perf_counter() - began, totals.written_down, totals.archived)
        time.sleep(0.05)  # the day's own run was under way, or has just ended
    raise TimeoutError(f"no decay run of ours began within {PATIENCE:g} s")


def stale_after() -> timedelta:
    """The time after which every edge that nobody touches is stale."""
    return timedelta(days=app_settings.load().stale_after_days) + BEYOND


def measure(service: Service, plan: Plan) -> Section:
    """Runs alone, then an upload alone, then an upload beside runs."""
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
    together, beside = _beside_runs(service, plan, later)
    runs = {
        "nothing stale": fresh,
        "everything stale": stale,
        "nothing stale any more": again,
        "everything stale, beside an upload": max(beside, key=lambda ran: ran.seconds),
    }
    rows = [(name, milli(ran.seconds), f"{ran.written_down:,}", ran.rate) for name, ran in runs.items()]
    uploads = [
        ("alone", f"{alone.rows:,}", f"{alone.rate:,.0f}", ""),
        (
            f"beside {len(beside)} runs",
            f"{together.rows:,}",
            f"{together.rate:,.0f}",
            f"{1 - together.rate / alone.rate:.0%}",
        ),
    ]
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
        runs = other.submit(_runs, service.settings.database_url, start, later, enough)
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

"""Rows a second from HTTP to `applied`, over the embedded stack, beside what PostgreSQL itself does in the same run.

    python -m ops.bench.end_to_end                       # 1,000,000 rows, empty graph, then the same file again
    python -m ops.bench.end_to_end --rows 200000 --oracle

Prints one table: each upload's phases and rate, and its ratio to PostgreSQL's own sorted INSERT … ON CONFLICT of the
same edges by one backend. Machines are noisy: the ratio is the figure to compare. `--oracle` compares every edge with
the slow independent count. Exit code 1 if the audit or the oracle finds a difference.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg

from app import db
from app import settings as app_settings
from app.audit import audit
from ops import processes
from ops.bench.generate import generate
from ops.bench.oracle import account
from ops.directory import DataDirectory, choose_port
from ops.stack import Stack

HERE = Path(__file__).parent
POLL_SECONDS = 0.05
CHUNK = 1 << 20
TITLES = ("upload", "rows", "received s", "applied s", "rows/s", "edges/s", "of PostgreSQL's")


class Run(msgspec.Struct, frozen=True):
    """One upload: seconds until it was sealed, and until it was applied, both from the first byte sent."""

    name: str
    rows: int
    edges: int
    received: float
    applied: float


def main() -> int:
    parser = argparse.ArgumentParser(description="Rows a second from HTTP to applied, beside PostgreSQL's own limit.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=None, help="worker processes (default: as many as processors)")
    parser.add_argument("--oracle", action="store_true", help="compare every edge with the slow independent count")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mentiongraph-bench-") as directory:
        Path(directory).chmod(0o755)
        file = Path(directory) / "posts.csv"
        say(f"generating {options.rows:,} rows (seed {options.seed}) …")
        with file.open("wb") as out:
            for chunk in generate(options.rows, options.seed):
                out.write(chunk)
        say(f"{file.stat().st_size:,} bytes")
        with running_stack(Path(directory) / "data", options.workers) as stack:
            return _measure(stack, file, compare=options.oracle)


def _measure(stack: Stack, file: Path, *, compare: bool) -> int:
    url = processes.url_of_api(stack.settings)
    with httpx.Client(base_url=url, timeout=600) as http, db.connect(stack.settings.database_url, role="bench") as conn:
        runs = [_upload(http, stack, file, name) for name in ("empty graph", "full graph")]
        limits = _limit(conn)
        found = audit(conn)
        exact = found.exact and (not compare or _equals_oracle(http, file, times=len(runs)))
    rows = [_row(run, limit) for run, limit in zip(runs, limits, strict=True)]
    _table([TITLES, *rows])
    say(
        f"PostgreSQL alone, one backend: {limits[0]:,.0f} edges/s into an empty table, {limits[1]:,.0f} into a full one"
    )
    say(f"audit: {'exact' if found.exact else found}")
    return 0 if exact else 1


def _upload(http: httpx.Client, stack: Stack, file: Path, name: str) -> Run:
    """Send the file and wait until it is applied, restarting what dies meanwhile."""
    began = time.perf_counter()
    with file.open("rb") as body:
        answer = http.post(
            "/uploads",
            params={"again": True},
            content=_chunks(body.read),
            headers={"Content-Type": "text/csv"},
        )
    answer.raise_for_status()
    received = time.perf_counter() - began
    entry: dict[str, Any] = answer.json()
    while entry["state"] not in {"applied", "failed"}:
        stack.check()
        time.sleep(POLL_SECONDS)
        entry = http.get(f"/uploads/{entry['id']}").raise_for_status().json()
    applied = time.perf_counter() - began
    if entry["state"] == "failed":
        raise SystemExit(f"upload {entry['id']} failed: {entry['error']}")
    batches = http.get(f"/uploads/{entry['id']}/batches", params={"limit": 500}).raise_for_status().json()["batches"]
    return Run(name, entry["rows_received"], sum(batch["edges"] for batch in batches), received, applied)


def _limit(conn: psycopg.Connection[Any]) -> list[float]:
    """Edges a second into an empty and into a full table."""
    for statement in (HERE / "limit_prepare.sql").read_text(encoding="utf-8").split(";"):
        if statement.strip():
            conn.execute(statement.encode())
    rates: list[float] = []
    for _ in range(2):
        began = time.perf_counter()
        edges = conn.execute((HERE / "limit.sql").read_bytes()).rowcount
        rates.append(edges / (time.perf_counter() - began))
    return rates


def _equals_oracle(http: httpx.Client, file: Path, *, times: int) -> bool:
    """Whether the export holds each edge that the slow count finds, that many times, and no other."""
    say("counting with the oracle …")
    counted = account(file.read_bytes())
    wanted = {edge: times * seen.mention_count for edge, seen in counted.edges.items()}
    export = http.get("/export/edges.csv", params={"self_mentions": True}).raise_for_status().text.splitlines()[1:]
    found = {
        (source.lower(), target.lower()): int(count)
        for source, target, count, *_ in (line.split(",") for line in export)
    }
    differing = sum(wanted.get(edge) != found.get(edge) for edge in wanted.keys() | found.keys())
    say(f"oracle: {len(wanted):,} edges, {differing:,} differ")
    return not differing


def _row(run: Run, limit: float) -> tuple[str, ...]:
    edges = run.edges / run.applied
    return (
        run.name,
        f"{run.rows:,}",
        f"{run.received:.2f}",
        f"{run.applied:.2f}",
        f"{run.rows / run.applied:,.0f}",
        f"{edges:,.0f}",
        f"{edges / limit:.2f}",
    )


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(CHUNK):
        yield chunk


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _quiet_step(name: str, detail: str) -> Generator[None]:  # noqa: ARG001 (a step has both)
    yield


@contextmanager
def running_stack(data: Path, workers: int | None) -> Generator[Stack]:
    """The service as `mentiongraph up` runs it, on a data directory of its own."""
    settings = app_settings.load()
    port = choose_port(settings.host, settings.port, insist=False, patience=0)
    settings = msgspec.structs.replace(settings, port=port, worker_processes=workers or settings.worker_processes)
    directory = DataDirectory(data)
    directory.take()
    stack = Stack(directory, settings)
    with contextlib.ExitStack() as cleaning:
        cleaning.callback(directory.release)
        cleaning.callback(stack.stop)
        stack.start(_quiet_step)
        yield stack


if __name__ == "__main__":
    sys.exit(main())

"""What a standby spares the primary: the same questions without the standby and with it, side by side in one run.

    python -m ops.bench.standby [--rows 200000] [--seconds 6] [--rounds 3]

Two processes of the API answer in turns, both with the cache off: one knows the primary alone, the other the standby,
too. `--writing` sends uploads meanwhile, so that versions move on. The figures are processor seconds of each server's
processes for a thousand answers.
"""

from __future__ import annotations

import argparse
import multiprocessing
import threading
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from app.settings import Settings
from app.store import postgres
from app.store.migrations import migrate
from ops import processes
from ops.bench import database, procs, reads, sides
from ops.bench.plan import DEFAULT
from ops.bench.service import say, until, upload_file
from ops.embedded.children import free_ports
from ops.embedded.postgres import Postgres
from ops.workloads.generate import generate

CONNECTIONS = 8
BESIDE_ROWS = 2_000
"""Rows of an upload while questions are asked."""


class Arm(NamedTuple):
    """One way to answer, and its API's settings."""

    name: str
    settings: Settings


class Spent(msgspec.Struct):
    """What the answers of one arm took, all rounds added up."""

    answers: int = 0
    seconds: float = 0.0
    primary: float = 0.0
    standby: float = 0.0
    api: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    failed: int = 0


def measure(directory: Path, options: argparse.Namespace) -> list[str]:
    """Returns the lines of a table."""
    with ExitStack() as stack:
        primary = _server(stack, directory / "primary")
        migrate(primary.dsn())
        redis = sides.valkey(stack, directory)
        base = Settings(database_url=primary.dsn(), redis_url=redis, cache=False, worker_processes=1)
        ports = free_ports(2)
        alone = Arm("primary alone", msgspec.structs.replace(base, port=ports[0]))
        sides.start(stack, directory, "worker", processes.worker(base, patience=1))
        one = sides.api(stack, directory, "alone", alone.settings)
        conn = stack.enter_context(postgres.connect(primary.dsn(), role="bench"))
        _upload(alone.settings, conn, directory, options.rows, seed=1)
        primary.copy_to(directory / "standby", standby=True)
        standby = _server(stack, directory / "standby")
        url = standby.dsn()
        with_standby = Arm("with a standby", msgspec.structs.replace(base, port=ports[1], read_database_url=url))
        other = sides.api(stack, directory, "with", with_standby.settings)
        plan = msgspec.structs.replace(DEFAULT, read_users=200)
        found = reads.questions(conn, alone.settings, plan, database.edge_count(conn))
        paths = [path for name in found for path in islice(cycle(found[name]), 200 * reads.SHARE.get(name, 1))]
        figures = {arm.name: Spent() for arm in (alone, with_standby)}
        pids = {
            alone.name: [primary.pid, standby.pid, one],
            with_standby.name: [primary.pid, standby.pid, other],
        }
        client = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        with _writing(alone.settings, conn, directory, wanted=options.writing):
            for round_ in range(options.rounds):
                for arm in (alone, with_standby) if round_ % 2 else (with_standby, alone):
                    _ask(client, arm, paths, figures[arm.name], processes=pids[arm.name], seconds=options.seconds)
    return _table(figures)


def _server(stack: ExitStack, data: Path) -> Postgres:
    server = Postgres(data, *free_ports(1), durable=False, synchronous_commit="on", max_wal_size="1GB")
    stack.callback(server.stop)
    server.start()
    return server


def _upload(settings: Settings, conn: postgres.Connection, directory: Path, rows: int, *, seed: int) -> None:
    file = directory / f"{seed}.csv"
    with file.open("wb") as out:
        out.writelines(generate(rows, seed))
    upload = upload_file(settings, file, "again=true")
    until(lambda: database.row(conn, "state", id=upload)["state"] == "applied", sides.PATIENCE)


@contextmanager
def _writing(settings: Settings, conn: postgres.Connection, directory: Path, *, wanted: bool) -> Generator[None]:
    over = threading.Event()

    def write() -> None:
        seed = 100
        while not over.is_set():
            _upload(settings, conn, directory, BESIDE_ROWS, seed=seed)
            seed += 1

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write) if wanted else None
        try:
            yield
        finally:
            over.set()
        if writing is not None:
            writing.result()


def _ask(
    client: ProcessPoolExecutor,
    arm: Arm,
    paths: list[str],
    spent: Spent,
    *,
    processes: list[int],
    seconds: float,
) -> None:
    before = [_processor(process) for process in processes]
    found = client.submit(reads.read, [arm.settings.port], paths, CONNECTIONS, seconds, 50).result()
    after = [_processor(process) for process in processes]
    spent.answers += int(found["reads"])
    spent.failed += int(found["failed"])
    spent.seconds += found["seconds"]
    spent.primary, spent.standby, spent.api = (
        sofar + last - first
        for sofar, first, last in zip((spent.primary, spent.standby, spent.api), before, after, strict=True)
    )
    spent.p50, spent.p99 = max(spent.p50, found["p50"]), max(spent.p99, found["p99"])
    say(f"{arm.name}: {found['rate']:,.0f} answers/s")


def _processor(pid: int) -> float:
    """Processor seconds of the process, and of the processes below it, so far."""
    first, total = psutil.Process(pid), 0.0
    for process in (first, *first.children(recursive=True)):
        with suppress(psutil.Error):
            total += procs.seconds(process)
    return total


def _table(figures: dict[str, Spent]) -> list[str]:
    titles = "| | answers | answers/s | p50 ms | p99 ms | primary: ms of processor an answer | standby | API | failed |"
    rows = [titles, "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for name, spent in figures.items():
        rate, each = spent.answers / spent.seconds, 1e3 / max(1, spent.answers)
        rows.append(
            f"| {name} | {spent.answers:,} | {rate:,.0f} | {spent.p50:.1f} | {spent.p99:.1f} "
            f"| {spent.primary * each:.2f} | {spent.standby * each:.2f} | {spent.api * each:.2f} | {spent.failed} |"
        )
    return rows


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=200_000, help="posts in the graph")
    parser.add_argument("--seconds", type=float, default=6.0, help="seconds of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each arm")
    parser.add_argument("--writing", action="store_true", help="send uploads meanwhile")


if __name__ == "__main__":
    raise SystemExit(sides.command("standby", __doc__, add_options, measure))

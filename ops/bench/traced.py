"""What traces cost: the same uploads to a service that sends no spans and to one that does, side by side in one run.

    python -m ops.bench.traced [--rounds 10] [--small 40] [--big-rows 300000]

Two services, each of an API and a worker, take uploads in turns, over a database each of one PostgreSQL. Each turn
sends small uploads over one connection, then a big one. The rate counts until all is applied. The processor time counts
until all is summarized, too, and a collector took every span, which it throws away. Machines are noisy: the processor
time of API, worker and PostgreSQL tells more than the rate. The memory is that of the worker at rest, after all turns.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from app.settings import Settings
from app.store import postgres
from app.store.migrations import migrate
from app.store.postgres import Connection
from ops import processes
from ops.bench import database, procs, sides
from ops.bench.keyed import MARK, SMALL_ROWS, body_of
from ops.bench.service import UploadFailed, connection, post, say, until
from ops.embedded.children import free_ports
from ops.embedded.postgres import Postgres

MIB = 1 << 20
SETTLED = 12.0
"""Seconds that both services get for what is left to do: neither is at rest, or asked, for longer than the other."""


class Arm(NamedTuple):
    """One service."""

    name: str
    settings: Settings
    api: int
    worker: int
    conn: Connection


class Turn(NamedTuple):
    """What a turn took: seconds until all was applied, and seconds of processors."""

    wall: float
    api: float
    worker: float
    database: float


@contextmanager
def collector() -> Generator[str]:
    """Takes spans and throws them away. Yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def measure(directory: Path, options: argparse.Namespace) -> list[str]:
    """Returns the lines of a table."""
    with ExitStack() as stack:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.enter_context(collector())
        server = Postgres(directory / "postgres", *free_ports(1), durable=True, max_wal_size="4GB")
        stack.callback(server.stop)
        server.start()
        redis = sides.valkey(stack, directory)
        admin = stack.enter_context(closing(postgres.connect(server.dsn(), role="bench")))
        arms = [
            _arm(
                stack, directory, stack.enter_context(database.beside(admin, server.dsn(), name)), redis, traces=traces
            )
            for name, traces in (("without_traces", False), ("with_traces", True))
        ]
        bodies = {rows: body_of(rows) for rows in (SMALL_ROWS, options.big_rows)}
        counts = {SMALL_ROWS: options.small, options.big_rows: 1}
        turns: dict[tuple[str, int], list[Turn]] = {(arm.name, rows): [] for arm in arms for rows in bodies}
        for round_ in range(-1, options.rounds):  # the first one warms up
            for rows, body in bodies.items():
                for arm in arms if round_ % 2 else reversed(arms):
                    # Both get the same bytes.
                    first = (round_ + 1) * max(counts.values())
                    turn = take_turn(arm, body, range(first, first + counts[rows]))
                    if round_ >= 0:
                        turns[arm.name, rows].append(turn)
            say(f"— round {round_ + 1} of {options.rounds}")
        memory = [sum(procs.by_role(arm.worker, procs.pss).values()) / MIB for arm in arms]
        return [*table(turns, arms, counts), "", f"Worker at rest: {memory[0]:.0f} MiB without, {memory[1]:.0f} with."]


def _arm(stack: ExitStack, directory: Path, url: str, redis: str, *, traces: bool) -> Arm:
    name = "with traces" if traces else "without traces"
    migrate(url)
    settings = Settings(
        database_url=url, redis_url=redis, namespace=name.split(maxsplit=1)[0], port=free_ports(1)[0], traces=traces,
        worker_processes=1, worker_threads=2,
    )  # fmt: skip
    api = sides.api(stack, directory, f"api {name}", settings)
    worker = sides.start(stack, directory, f"worker {name}", processes.worker(settings, patience=2))
    return Arm(name, settings, api, worker, stack.enter_context(closing(postgres.connect(url, role="bench"))))


def take_turn(arm: Arm, body: bytes, numbers: range) -> Turn:
    """Send uploads that nobody sent to this service before, and wait until nothing is left to do of them."""
    bodies = [body.replace(MARK, b"%0*d" % (len(MARK), number + 1), 1) for number in numbers]
    with closing(connection(arm.settings)) as api:
        before, began = _processor_seconds(arm), time.perf_counter()
        for each in bodies:
            post(api, "/uploads", each)
        _wait(arm, "unapplied")
        wall = time.perf_counter() - began
        time.sleep(SETTLED)
        _wait(arm, "left_to_do")
        after = _processor_seconds(arm)
    return Turn(wall, *(after[role] - before[role] for role in ("api", "worker", "postgres")))


def _wait(arm: Arm, what: str) -> None:
    if not until(lambda: database.row(arm.conn, "left_to_do")[what] == 0, sides.PATIENCE):
        raise UploadFailed(f"{arm.name}: uploads were not done after {sides.PATIENCE:g} s")


def _processor_seconds(arm: Arm) -> procs.Figures:
    """Processor seconds so far, of this service's processes and of PostgreSQL. The other service is at rest."""
    own = {
        role: sum(procs.by_role(pid, procs.seconds).values())
        for role, pid in (("api", arm.api), ("worker", arm.worker))
    }
    return {**own, "postgres": procs.by_role(os.getpid(), procs.seconds)["postgres"]}


def table(turns: dict[tuple[str, int], list[Turn]], arms: Sequence[Arm], counts: dict[int, int]) -> list[str]:
    lines = [
        "| rows | | uploads a second | API, ms an upload | worker, ms an upload | PostgreSQL, ms an upload |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for rows, count in counts.items():
        totals = [[sum(column) for column in zip(*turns[arm.name, rows], strict=True)] for arm in arms]
        for arm, (wall, *used) in zip(arms, totals, strict=True):
            uploads = count * len(turns[arm.name, rows])
            shown = " | ".join(f"{1000 * each / uploads:.2f}" for each in used)
            lines.append(f"| {rows:,} | {arm.name} | {uploads / wall:.2f} | {shown} |")
        ratios = [totals[0][0] / totals[1][0], *(b / a for a, b in zip(totals[0][1:], totals[1][1:], strict=True))]
        together = sum(totals[1][1:]) / sum(totals[0][1:])
        shown = " | ".join(f"{100 * (ratio - 1):+.1f} %" for ratio in ratios)
        lines.append(f"| {rows:,} | difference; of all processor time {100 * (together - 1):+.1f} % | {shown} |")
    return lines


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10, help="of both services in turns")
    parser.add_argument("--small", type=int, default=40, help=f"uploads of {SMALL_ROWS} rows in a turn")
    parser.add_argument("--big-rows", type=int, default=300_000, help="rows of the big upload in a turn")


if __name__ == "__main__":
    raise SystemExit(sides.command("traced", __doc__, add_options, measure))

"""What keys cost uploads: the same uploads to an API without keys and to one that needs them, side by side in one run.

    python -m ops.bench.keyed [--rounds 10] [--small 40] [--big-rows 300000] [--limits]

Two processes of the API take uploads in turns, over one database and without workers: nothing else is at work. The
client of the second sends a key that is for one graph. Each turn sends small uploads over one connection, then a big
one; an upload ends with its answer. Machines are noisy, so the processor time of API and PostgreSQL is shown, too.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from app.control import keys
from app.control.callers import Scope
from app.settings import Settings
from app.store import postgres
from app.store.migrations import migrate
from app.store.postgres import clock
from ops.bench import procs, sides
from ops.bench.service import connection, post, say
from ops.embedded.children import free_ports
from ops.embedded.postgres import Postgres
from ops.workloads.workload import HEADER, Workload

SMALL_ROWS = 1_000
MARK = b"000000000000"
"""In the first row of each body: a number that makes the body another one, and no longer."""


class Arm(NamedTuple):
    """One API."""

    name: str
    settings: Settings
    headers: dict[str, str]


class Turn(NamedTuple):
    """What a turn's uploads of one size took: seconds until they were answered, and of processors."""

    wall: float
    api: float
    database: float


def measure(directory: Path, options: argparse.Namespace) -> list[str]:
    """Returns the lines of a table."""
    with ExitStack() as stack:
        server = Postgres(directory / "postgres", *free_ports(1), durable=True, max_wal_size="4GB")
        stack.callback(server.stop)
        server.start()
        migrate(server.dsn())
        base = Settings(database_url=server.dsn(), redis_url=sides.valkey(stack, directory))
        if options.limits:
            base = msgspec.structs.replace(base, owner_bytes_a_day=1 << 40, owner_requests_a_minute=1_000_000)
        with postgres.connect(server.dsn(), role="bench") as conn:
            made = keys.create(conn, keys.checked("bench", [Scope.UPLOADS_WRITE], ["default"]), now=clock())
        ports = free_ports(2)
        arms = [
            Arm("without keys", msgspec.structs.replace(base, port=ports[0], keys="off"), {}),
            Arm(
                "with keys",
                msgspec.structs.replace(base, port=ports[1], keys="required"),
                {"Authorization": f"Bearer {made.token}"},
            ),
        ]
        for arm in arms:
            sides.api(stack, directory, arm.name, arm.settings)
        bodies = {rows: body_of(rows) for rows in (SMALL_ROWS, options.big_rows)}
        counts = {SMALL_ROWS: options.small, options.big_rows: 1}
        turns: dict[tuple[str, int], list[Turn]] = {(arm.name, rows): [] for arm in arms for rows in bodies}
        sent = 0
        for round_ in range(-1, options.rounds):  # the first one warms up
            for rows, body in bodies.items():
                for arm in arms if round_ % 2 else reversed(arms):
                    turn = take_turn(arm, body, range(sent, sent + counts[rows]))
                    sent += counts[rows]
                    if round_ >= 0:
                        turns[arm.name, rows].append(turn)
            say(f"— round {round_ + 1} of {options.rounds}")
        return table(turns, arms, counts)


def body_of(rows: int) -> bytes:
    """A CSV, whose first row has the mark."""
    return (
        HEADER
        + b"%s,2026-01-15T12:00:00Z,bench\n" % MARK
        + b"".join(Workload("mixed", rows - 1, 7).chunks())[len(HEADER) :]
    )


def take_turn(arm: Arm, body: bytes, numbers: range) -> Turn:
    """Send uploads that nobody sent before."""
    bodies = [body.replace(MARK, b"%0*d" % (len(MARK), number + 1), 1) for number in numbers]
    with closing(connection(arm.settings)) as api:
        before, began = processor_seconds(), time.perf_counter()
        for each in bodies:
            post(api, "/uploads", each, **arm.headers)
        wall, after = time.perf_counter() - began, processor_seconds()
    return Turn(wall, *(after[role] - before[role] for role in ("api", "postgres")))


def processor_seconds() -> procs.Figures:
    """Processor seconds by role so far. The other API is at rest."""
    return procs.by_role(os.getpid(), procs.seconds)


def table(turns: dict[tuple[str, int], list[Turn]], arms: Sequence[Arm], counts: dict[int, int]) -> list[str]:
    lines = [
        "| rows | | uploads a second | API, ms an upload | PostgreSQL, ms an upload |",
        "|---:|---|---:|---:|---:|",
    ]
    for rows, count in counts.items():
        taken = [turns[arm.name, rows] for arm in arms]
        for arm, each in zip(arms, taken, strict=True):
            wall, api, database = (sum(column) / len(each) / count for column in zip(*each, strict=True))
            lines.append(f"| {rows:,} | {arm.name} | {1 / wall:.2f} | {1000 * api:.2f} | {1000 * database:.2f} |")
        totals = [[sum(column) for column in zip(*each, strict=True)] for each in taken]
        rate, *costs = (
            f"{100 * (ratio - 1):+.1f} %"
            for ratio in (
                totals[0][0] / totals[1][0],
                *(b / a for a, b in zip(totals[0][1:], totals[1][1:], strict=True)),
            )
        )
        faster = sum(with_keys.wall < without.wall for without, with_keys in zip(*taken, strict=True))
        said = f"difference; with keys faster in {faster} of {len(taken[0])} rounds"
        lines.append(f"| {rows:,} | {said} | {' | '.join((rate, *costs))} |")
    return lines


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10, help="of both APIs in turns")
    parser.add_argument("--small", type=int, default=40, help=f"uploads of {SMALL_ROWS} rows in a turn")
    parser.add_argument("--big-rows", type=int, default=300_000, help="rows of the big upload in a turn")
    parser.add_argument("--limits", action="store_true", help="with limits of bytes and requests that nobody reaches")


if __name__ == "__main__":
    raise SystemExit(sides.command("keyed", __doc__, add_options, measure))

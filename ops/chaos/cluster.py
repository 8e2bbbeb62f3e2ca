"""The cluster of a run: every process under a supervisor of its own, every link through the proxy, all on loopback."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx
import msgspec
import psutil
import redis
from psycopg.conninfo import make_conninfo

from app.control.graphs import DEFAULT
from app.settings import Settings
from app.store.migrations import migrate
from ops import processes
from ops.chaos.disk import Disk
from ops.chaos.links import Links
from ops.chaos.statements import create_database, execute
from ops.embedded.children import Child, EmbeddedServerError
from ops.embedded.placement import server_account
from ops.embedded.postgres import Postgres
from ops.embedded.supervisor import Process, Supervisor
from ops.embedded.topology import Topology
from ops.embedded.valkey import Monitoring, client
from ops.processes import Command

APIS = WORKERS = SCHEDULERS = 2
REPLICAS = SENTINELS = 3
CHECK_SECONDS = 0.1
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_PORT = 12_000

QUICK = Settings(
    namespace="chaos",
    batch_bytes=64_000,
    claim_seconds=3.0,
    sweep_seconds=1.0,
    ring_again_seconds=5.0,
    backoff_seconds=0.2,
    backoff_limit=5.0,
    receive_timeout=6.0,
    database_patience=10.0,
    heartbeat_seconds=1.0,
    silence_seconds=5.0,
    statement_timeout=60.0,
    worker_processes=1,
    worker_threads=2,
)
"""Many batches a file, and short claims: deaths are noticed soon."""


class Server(Process, Protocol):
    """What a supervisor can run, and a fault can kill."""

    def kill(self) -> None: ...


class _Kept:
    """A server as its supervisor has it; it may have been started already."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def alive(self) -> bool:
        return self._server.alive

    @property
    def exit_code(self) -> int | None:
        return self._server.exit_code

    def start(self) -> None:
        if not self._server.alive:
            self._server.start()

    def stop(self) -> None:
        self._server.stop()


class Unit:
    """One process with its children, restarted when it ends. `pid` of the first of them."""

    def __init__(self, name: str, server: Server, pid: Callable[[], int], say: Callable[[str], None]) -> None:
        self.name = name
        self.server = server
        self._pid = pid
        self._say = say
        self._supervisor = Supervisor()
        self._lock = threading.Lock()
        self._held = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=name)

    def start(self) -> None:
        self._supervisor.start(self.name, _Kept(self.server))
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self.server.alive

    @property
    def group(self) -> int:
        """Its process group."""
        return self._pid()

    def tree(self) -> list[int]:
        """Its processes, parents first. Raises EmbeddedServerError if it does not run."""
        if not self.alive:
            raise EmbeddedServerError(f"{self.name} does not run")
        first = self._pid()
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            return [first, *(process.pid for process in psutil.Process(first).children(recursive=True))]
        return [first]

    def signal(self, number: signal.Signals) -> None:
        """To each of its processes."""
        for pid in self.tree():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL to the first process; its supervisor sees to the others."""
        os.kill(self.tree()[0], signal.SIGKILL)

    def restart(self) -> None:
        """An orderly stop; then its supervisor starts it again."""
        with self._lock:
            self.server.stop()

    @contextmanager
    def held(self) -> Generator[None]:
        """As long as the block lasts, it is not restarted."""
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1

    def _keep(self) -> None:
        while not self._closing.wait(CHECK_SECONDS):
            with self._lock:
                if self._held:
                    continue
                try:
                    self._supervisor.check()
                except Exception as error:  # noqa: BLE001 (it is tried again)
                    self._say(f"{self.name} could not be restarted: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Killed, and not restarted."""
        self._closing.set()
        if self._thread.ident:
            self._thread.join()
        self.server.kill()


class Cluster:
    """PostgreSQL with some graphs, Redis with Sentinels, APIs, workers, schedulers, under `directory`."""

    def __init__(
        self, directory: Path, say: Callable[[str], None], *, mounts: bool, graphs: int = 1, watched: bool = False
    ) -> None:
        """`watched`: each process of ours tells Prometheus about itself, on a port of its own."""
        self.directory = directory
        self.graphs = [DEFAULT, *(f"graph-{number}" for number in range(2, graphs + 1))]
        self.say = say
        self.disk: Disk | None = None
        self._mounts = mounts
        self._units: list[Unit] = []
        ours = [*_names("api", APIS), *_names("worker", WORKERS), *_names("scheduler", SCHEDULERS)]
        servers = 1 + REPLICAS + SENTINELS
        (control, postgres), self.api_ports, links, real, announced, metrics = _ports(
            2, APIS, len(ours), servers, servers, len(ours)
        )
        self._metrics = dict(zip(ours, metrics, strict=True)) if watched else {}
        self.postgres_links = dict(zip(ours, links, strict=True))
        self.postgres = Postgres(directory / "postgres", postgres, timeout=60.0)
        self.topology = Topology(
            directory / "redis",
            replicas=REPLICAS,
            sentinels=SENTINELS,
            monitoring=Monitoring(quorum=2, down_after_ms=2000, failover_timeout_ms=6000),
            ports=real,
            announced=announced,
        )
        self.redis_links = dict(zip((f"redis-{n}" for n in range(1 + REPLICAS)), announced, strict=False))
        pairs = {**dict.fromkeys(links, postgres), **dict(zip(announced, real, strict=True))}
        self.links = Links(pairs, control, directory / "proxy.log")

    @property
    def dsn(self) -> str:
        """PostgreSQL without the proxy."""
        return self.postgres.dsn()

    def dsn_of(self, graph: str) -> str:
        """The database of a graph, without the proxy."""
        return self.dsn if graph == DEFAULT else make_conninfo(self.dsn, dbname=self.database_of(graph))

    @staticmethod
    def database_of(graph: str) -> str:
        """The name of the database of a graph beside `default`."""
        return graph.replace("-", "_")

    @property
    def urls(self) -> list[str]:
        """Of the APIs."""
        return [f"http://127.0.0.1:{port}" for port in self.api_ports]

    def metrics_ports(self) -> dict[str, list[int]]:
        """Where Prometheus asks, by job: our own processes, and the servers of Redis without the proxy."""
        own = {
            f"mentiongraph-{kind}": [port for name, port in self._metrics.items() if name.startswith(kind)]
            for kind in ("api", "worker", "scheduler")
        }
        return {**own, "redis": list(self.topology.nodes), "sentinel": list(self.topology.sentinels)}

    def units(self, prefix: str = "") -> list[Unit]:
        """Those whose name begins like this."""
        return [unit for unit in self._units if unit.name.startswith(prefix)]

    def master(self) -> Unit:
        """The Redis server that the Sentinels call master. Raises EmbeddedServerError if none does."""
        port = self.topology.master_port()
        return next(unit for unit in self.units("redis") if getattr(unit.server, "port", 0) == port)

    def start(self) -> None:
        self.links.child.start()
        self._add(Unit("postgres", self.postgres, lambda: self.postgres.pid, self.say))
        migrate(self.dsn)
        for graph in self.graphs[1:]:
            execute(self.dsn, "create_graph", graph=graph, database=self.database_of(graph))
            create_database(self.dsn, self.database_of(graph))
            migrate(self.dsn_of(graph))
        self._use_disk()
        self.topology.start()
        for number, node in enumerate(self.topology.nodes.values()):
            self._add(Unit(f"redis-{number}", node, lambda node=node: node.child.pid, self.say))
        for number, node in enumerate(self.topology.sentinels.values()):
            self._add(Unit(f"sentinel-{number}", node, lambda node=node: node.child.pid, self.say))
        for name, link in self.postgres_links.items():
            settings = msgspec.structs.replace(
                QUICK,
                database_url=self.dsn.replace(f":{self.postgres.port}/", f":{link}/"),
                redis_url=self.topology.url,
            )
            self._add_our_own(name, self._command(name, settings))

    def _command(self, name: str, settings: Settings) -> Command:
        verb, number = name.split("-")
        if port := self._metrics.get(name):
            listen = "metrics_listen" if verb == "api" else "worker_metrics_listen"
            settings = msgspec.structs.replace(settings, **{listen: f"127.0.0.1:{port}"})
        if verb == "api":
            return processes.api(msgspec.structs.replace(settings, port=self.api_ports[int(number)]), patience=2)
        return processes.worker(settings, patience=2) if verb == "worker" else processes.scheduler(settings)

    def _add_our_own(self, name: str, command: Command) -> None:
        log = self.directory / f"{name}.log"
        child = Child(name, command.argv, env=command.env, cwd=self.directory, log=log, grace=3.0)
        self._add(Unit(name, child, lambda: child.pid, self.say))

    def _add(self, unit: Unit) -> None:
        self._units.append(unit)
        unit.start()

    def _use_disk(self) -> None:
        if not self._mounts:
            return
        try:
            self.disk = Disk(self.directory / "disk")
        except OSError as error:
            self.say(f"no disk that can be full: {error}")
            return
        if account := server_account(self.directory / "postgres"):
            os.chown(self.disk.path, *account)
        for statement in ("small_disk", "use_small_disk"):
            execute(self.dsn, statement, path=str(self.disk.path))

    def ready(self) -> bool:
        """Whether every process runs, both APIs can do their work, and the master has its replicas."""
        return (
            all(unit.alive for unit in self._units)
            and all(_answers(f"{url}/health/ready") for url in self.urls)
            and self._replicas() == REPLICAS
        )

    def missing(self) -> str:
        """What keeps it from being ready."""
        down = [unit.name for unit in self._units if not unit.alive]
        not_ready = [url for url in self.urls if not _answers(f"{url}/health/ready")]
        return f"down: {down}; not ready: {not_ready}; {self._replicas()} of {REPLICAS} replicas"

    def _replicas(self) -> int:
        with (
            contextlib.suppress(EmbeddedServerError, redis.RedisError),
            client(self.topology.master_port()) as master,
        ):
            return int(master.info("replication")["connected_slaves"])
        return 0

    def wait_until_ready(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not (ready := self.ready()) and time.monotonic() < deadline:
            time.sleep(CHECK_SECONDS)
        return ready

    def wipe_redis(self, number: int) -> None:
        """Delete what a Redis server that does not run has on disk, but for its configuration."""
        for path in (self.directory / "redis" / f"valkey-{number}").rglob("*"):
            if path.is_file() and path.suffix not in {".conf", ".log"}:
                path.unlink()

    def close(self) -> None:
        """Everything is killed, the last started first, and unmounted."""
        for unit in reversed(self._units):
            unit.close()
        self.topology.stop()
        self.links.child.kill()
        if self.disk:
            self.disk.close()


def _names(verb: str, count: int) -> list[str]:
    return [f"{verb}-{number}" for number in range(count)]


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=3).is_success
    return False


def _ports(*counts: int) -> list[list[int]]:
    """Free ports below those that the kernel gives to outgoing connections: nobody takes one while its server is down,
    and nobody who connects to one meanwhile is connected to himself."""
    highest = int(EPHEMERAL.read_text().split()[0])
    port = LOWEST_PORT + secrets.randbelow(max(1, highest - LOWEST_PORT - 2000))
    found: list[list[int]] = []
    for count in counts:
        group: list[int] = []
        while len(group) < count:
            port += 1
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
                group.append(port)
        found.append(group)
    return found

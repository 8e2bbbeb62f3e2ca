"""The kinds of faults: how each is done to a cluster, and undone."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple, TypeVar

import redis

from ops.chaos import statements
from ops.chaos.cluster import Cluster, Unit
from ops.embedded.children import EmbeddedServerError
from ops.embedded.valkey import client

T = TypeVar("T")

OURS = ("api", "worker", "scheduler")
TABLES = ("batches", "deltas", "edges")
COMMIT = "COMMIT\0"
"""As psycopg sends it."""

Inject = Callable[[Cluster, float], AbstractContextManager[str]]
"""Does the fault for as long as the block lasts, and says to what. The number, from 0 to 1, chooses among those that it
can be done to. Raises NotNow if it cannot be done."""


class NotNow(Exception):
    """The fault cannot be done at the moment: what it needs is not there."""


class Kind(NamedTuple):
    """A kind of fault: seconds it lasts, at least and at most; how often it is among the others; whether it is done to
    Redis and nothing else; what it needs that not every machine has."""

    name: str
    inject: Inject
    shortest: float = 0.0
    longest: float = 0.0
    weight: int = 2
    redis: bool = False
    needs_disk: bool = False
    needs_graphs: bool = False


def _pick(choice: float, among: Sequence[T]) -> T:
    if not among:
        raise NotNow("nothing to do it to")
    return among[min(int(choice * len(among)), len(among) - 1)]


def _running(cluster: Cluster, *prefixes: str) -> list[Unit]:
    return [unit for prefix in prefixes for unit in cluster.units(prefix) if unit.alive]


# Killed -------------------------------------------------------------------------------------------------------------


@contextmanager
def _dead(*units: Unit) -> Generator[str]:
    """Killed, and held down."""
    with ExitStack() as stack:
        for unit in units:
            stack.enter_context(unit.held())
        for unit in units:
            with contextlib.suppress(EmbeddedServerError, ProcessLookupError):  # it is dead already
                unit.kill()
        yield " ".join(unit.name for unit in units)


def kill(*prefixes: str) -> Inject:
    return lambda cluster, choice: _dead(_pick(choice, _running(cluster, *prefixes)))


@contextmanager
def kill_child(cluster: Cluster, choice: float) -> Generator[str]:
    unit = _pick(choice, _running(cluster, "worker"))
    pid = _pick(choice * 7 % 1, unit.tree()[1:])
    os.kill(pid, signal.SIGKILL)
    yield f"{unit.name} pid {pid}"


@contextmanager
def kill_backend(cluster: Cluster, choice: float) -> Generator[str]:
    """PostgreSQL then ends all its processes and starts over from its log."""
    with statements.connect(cluster.dsn) as conn:
        pid = int(_pick(choice, statements.rows(conn, "backends"))["pid"])
    os.kill(pid, signal.SIGKILL)
    yield f"pid {pid}"


def kill_redis_master(cluster: Cluster, choice: float) -> AbstractContextManager[str]:  # noqa: ARG001
    return _dead(cluster.master())


def kill_redis_replica(cluster: Cluster, choice: float) -> AbstractContextManager[str]:
    return _dead(_pick(choice, _replicas(cluster)))


def kill_sentinels(count: int, *, master: bool = False) -> Inject:
    def inject(cluster: Cluster, choice: float) -> AbstractContextManager[str]:
        sentinels = cluster.units("sentinel")
        first = int(choice * len(sentinels))
        chosen = [sentinels[(first + n) % len(sentinels)] for n in range(count)]
        return _dead(*([cluster.master()] if master else []), *chosen)

    return inject


def _replicas(cluster: Cluster) -> list[Unit]:
    master = cluster.master()
    return [unit for unit in _running(cluster, "redis") if unit is not master]


@contextmanager
def restart_postgres(cluster: Cluster, choice: float) -> Generator[str]:  # noqa: ARG001
    (unit,) = cluster.units("postgres")
    unit.restart()
    yield unit.name


# Stopped ------------------------------------------------------------------------------------------------------------


@contextmanager
def _stopped(unit: Unit) -> Generator[str]:
    """SIGSTOP to all its processes, then SIGCONT: it goes on as if nothing had been."""
    pids = unit.tree()
    try:
        for pid in pids:
            _send(pid, signal.SIGSTOP)
        yield unit.name
    finally:
        for pid in pids:
            _send(pid, signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def stop(*prefixes: str) -> Inject:
    return lambda cluster, choice: _stopped(_pick(choice, _running(cluster, *prefixes)))


@contextmanager
def stop_child(cluster: Cluster, choice: float) -> Generator[str]:
    unit = _pick(choice, _running(cluster, "worker"))
    pid = _pick(choice * 7 % 1, unit.tree()[1:])
    try:
        _send(pid, signal.SIGSTOP)
        yield f"{unit.name} pid {pid}"
    finally:
        _send(pid, signal.SIGCONT)


def stop_redis_master(cluster: Cluster, choice: float) -> AbstractContextManager[str]:  # noqa: ARG001
    return _stopped(cluster.master())


def stop_redis_replica(cluster: Cluster, choice: float) -> AbstractContextManager[str]:
    return _stopped(_pick(choice, _replicas(cluster)))


# Emptied ------------------------------------------------------------------------------------------------------------


@contextmanager
def flush_redis(cluster: Cluster, choice: float) -> Generator[str]:  # noqa: ARG001
    master = cluster.master()
    with client(cluster.topology.master_port()) as connection:
        try:
            connection.flushall()
        except redis.RedisError as error:
            raise NotNow(str(error)) from error
    yield master.name


@contextmanager
def wipe_redis(cluster: Cluster, choice: float) -> Generator[str]:  # noqa: ARG001
    servers = cluster.units("redis")
    with _dead(*servers):
        for number, unit in enumerate(servers):
            unit.server.kill()  # waits for its end
            cluster.wipe_redis(number)
        yield "all servers, files deleted"


# Cut off ------------------------------------------------------------------------------------------------------------


@contextmanager
def stale_master(cluster: Cluster, choice: float) -> Generator[str]:  # noqa: ARG001
    """Cut off from everybody, unaware of it, until another is master; then it is back."""
    master = cluster.master()
    with cluster.links.rule("cut", cluster.redis_links[master.name]):
        yield master.name


@contextmanager
def split_master(cluster: Cluster, choice: float) -> Generator[str]:  # noqa: ARG001
    """Cut off from replicas and Sentinels, while clients still reach it."""
    master = cluster.master()
    others = [unit.group for unit in _running(cluster, "redis", "sentinel") if unit is not master]
    with cluster.links.rule("cut", cluster.redis_links[master.name], groups=others):
        yield master.name


def redis_link(mode: str) -> Inject:
    """Between one of our processes and every Redis server."""

    @contextmanager
    def inject(cluster: Cluster, choice: float) -> Generator[str]:
        unit = _pick(choice, _running(cluster, *OURS))
        with cluster.links.rule(mode, *cluster.redis_links.values(), groups=[unit.group]):
            yield unit.name

    return inject


@contextmanager
def lose_redis_answers(cluster: Cluster, choice: float) -> Generator[str]:
    with cluster.links.rule("lose", *cluster.redis_links.values(), share=0.02 + 0.2 * choice):
        yield f"{2 + 20 * choice:.0f}% of all"


def postgres_link(mode: str, *, needle: str = "", most: float = 1.0) -> Inject:
    """Between one of our processes and PostgreSQL. Up to the share `most` of its requests: at times so few that the
    last of many steps is met too."""

    @contextmanager
    def inject(cluster: Cluster, choice: float) -> Generator[str]:
        unit = _pick(choice, _running(cluster, "api", "worker"))
        share = most * (0.1 + 0.9 * (choice * 11 % 1))
        with cluster.links.rule(mode, cluster.postgres_links[unit.name], needle=needle, share=share):
            yield f"{unit.name}, {share:.0%} of them" if mode == "lose" else unit.name

    return inject


@contextmanager
def slow_postgres(cluster: Cluster, choice: float) -> Generator[str]:
    delay = 0.01 + 0.1 * choice
    with cluster.links.rule("slow", *cluster.postgres_links.values(), delay=delay):
        yield f"{delay * 1000:.0f} ms a packet"


# Kept from working --------------------------------------------------------------------------------------------------


@contextmanager
def lock_table(cluster: Cluster, choice: float) -> Generator[str]:
    graph, table = _pick(choice, [(graph, table) for graph in cluster.graphs for table in TABLES])
    with statements.connect(cluster.dsn_of(graph)) as conn:
        conn.autocommit = False
        conn.execute(statements.statement(f"lock_{table}"))
        yield f"{table} of {graph}"
        with contextlib.suppress(statements.LOST):
            conn.rollback()


@contextmanager
def fill_disk(cluster: Cluster, choice: float) -> Generator[str]:  # noqa: ARG001
    if cluster.disk is None:
        raise NotNow("no disk that can be full")
    with cluster.disk.full():
        yield "batches"


@contextmanager
def use_up_attempts(cluster: Cluster, choice: float) -> Generator[str]:
    graph = _pick(choice, cluster.graphs)
    if statements.execute(cluster.dsn_of(graph), "use_up_attempts") == 0:
        raise NotNow("no batch waits")
    yield f"a batch of {graph}"


@contextmanager
def close_graph(cluster: Cluster, choice: float) -> Generator[str]:
    """The database of one graph takes no connections and loses those that it has, and the others are as before."""
    graph = _pick(choice, cluster.graphs[1:])
    statements.execute(cluster.dsn, "close_graph", database=cluster.database_of(graph))
    try:
        yield graph
    finally:
        database = cluster.database_of(graph)
        statements.steadily(cluster.dsn, "open_graph", seconds=60.0, database=database)


KINDS = (
    Kind("kill API", kill("api"), weight=3),
    Kind("kill worker", kill("worker"), weight=3),
    Kind("kill worker's child", kill_child, weight=3),
    Kind("kill scheduler", kill("scheduler")),
    Kind("kill Redis master", kill_redis_master, 0, 9, weight=4, redis=True),
    Kind("kill Redis replica", kill_redis_replica, 0, 6, redis=True),
    Kind("kill Sentinel", kill_sentinels(1), 0, 6, redis=True),
    Kind("kill quorum of Sentinels", kill_sentinels(2), 2, 8, redis=True),
    Kind("kill all Sentinels", kill_sentinels(3), 2, 8, redis=True),
    Kind("kill all Sentinels and master", kill_sentinels(3, master=True), 2, 8, redis=True),
    Kind("kill PostgreSQL", kill("postgres"), weight=3),
    Kind("kill backend of PostgreSQL", kill_backend, weight=3),
    Kind("restart PostgreSQL", restart_postgres),
    Kind("stop API", stop("api"), 1, 9),
    Kind("stop worker", stop("worker"), 4, 10, weight=3),
    Kind("stop worker's child", stop_child, 4, 10, weight=3),
    Kind("stop scheduler", stop("scheduler"), 1, 6, weight=1),
    Kind("stop Redis master", stop_redis_master, 3, 10, redis=True),
    Kind("stop Redis replica", stop_redis_replica, 2, 6, weight=1, redis=True),
    Kind("stop Sentinel", stop("sentinel"), 2, 6, weight=1, redis=True),
    Kind("stop PostgreSQL", stop("postgres"), 1, 6),
    Kind("empty Redis", flush_redis, redis=True),
    Kind("all Redis servers lose their files", wipe_redis, 0, 4, redis=True),
    Kind("stale Redis master", stale_master, 7, 12, weight=3, redis=True),
    Kind("split Redis master", split_master, 7, 12, redis=True),
    Kind("cut a process from Redis", redis_link("cut"), 1, 6, redis=True),
    Kind("stall a process's Redis", redis_link("stall"), 2, 8, redis=True),
    Kind("lose answers of Redis", lose_redis_answers, 1, 6, redis=True),
    Kind("cut a process from PostgreSQL", postgres_link("cut"), 1, 6, weight=3),
    Kind("stall a process's PostgreSQL", postgres_link("stall"), 3, 9),
    Kind("slow PostgreSQL", slow_postgres, 2, 7),
    Kind("lose answers to COMMIT", postgres_link("lose", needle=COMMIT, most=0.5), 2, 6, weight=5),
    Kind("lose answers of PostgreSQL", postgres_link("lose", most=0.1), 2, 6),
    Kind("lock a table", lock_table, 1, 6, weight=3),
    Kind("full disk", fill_disk, 1, 6, weight=3, needs_disk=True),
    Kind("attempts used up", use_up_attempts),
    Kind("graph away", close_graph, 2, 10, weight=3, needs_graphs=True),
)

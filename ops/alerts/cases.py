"""What is done to the service, and which alerts it has to raise: a row each."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

import httpx

from ops.chaos import faults, statements
from ops.chaos.cluster import Cluster
from ops.chaos.faults import NotNow

Inject = Callable[[Cluster], AbstractContextManager[object]]
"""Does the fault for as long as the block lasts. Raises NotNow if it cannot be done at the moment."""

READY_SECONDS = 60.0


class Case(NamedTuple):
    """A fault, or what only looks like one.

    `raises`: alerts that have to fire, all of them. `later`: alerts that have to fire once the fault is over, since
    what waited is late then. `beside`: alerts that may fire as well. The fault is their cause, too; whether they fire
    depends on how long it lasts. `seconds`: how long the fault lasts at least.
    """

    name: str
    inject: Inject
    raises: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    seconds: float = 5.0
    needs_disk: bool = False

    @property
    def allowed(self) -> frozenset[str]:
        """Every alert that may fire. A share that is high for minutes is too high for days, if days are minutes."""
        found = self.raises | self.later | self.beside
        return found | {f"{alert}ForDays" for alert in found}


@contextmanager
def nothing(cluster: Cluster) -> Generator[None]:  # noqa: ARG001
    yield


def fault(inject: faults.Inject, choice: float = 0.0) -> Inject:
    """A fault of the chaos run, done to the one of many that `choice` says."""
    return lambda cluster: inject(cluster, choice)


def each(inject: Callable[..., faults.Inject], *prefixes: str) -> Inject:
    """A fault of the chaos run, done to all units whose names begin like this."""

    @contextmanager
    def inject_all(cluster: Cluster) -> Generator[None]:
        with ExitStack() as stack:
            for unit in (unit for prefix in prefixes for unit in cluster.units(prefix)):
                stack.enter_context(inject(unit.name)(cluster, 0.0))
            yield

    return inject_all


@contextmanager
def restarted(cluster: Cluster) -> Generator[None]:
    """Workers and schedulers are stopped in order, one after the other, and started again."""
    for unit in (*cluster.units("worker"), *cluster.units("scheduler")):
        unit.restart()
        cluster.wait_until_ready(READY_SECONDS)
    yield


def slow(prefix: str, seconds: float) -> Inject:
    """Each packet between PostgreSQL and these processes takes so much longer."""

    @contextmanager
    def inject(cluster: Cluster) -> Generator[None]:
        links = [link for name, link in cluster.postgres_links.items() if name.startswith(prefix)]
        with cluster.links.rule("slow", *links, delay=seconds):
            yield

    return inject


def locked(table: str) -> Inject:
    """Somebody locks a table, and goes to lunch."""

    @contextmanager
    def inject(cluster: Cluster) -> Generator[None]:
        with statements.connect(cluster.dsn) as conn:
            conn.autocommit = False
            conn.execute(statements.statement(f"lock_{table}"))
            yield
            conn.rollback()

    return inject


@contextmanager
def connections_taken(cluster: Cluster) -> Generator[None]:
    """Somebody opens connections, and forgets to close them."""
    with ExitStack() as stack:
        (room,) = statements.rows(stack.enter_context(statements.connect(cluster.dsn)), "connections")
        for _ in range(int(room["most"] * 0.9) - room["taken"]):
            stack.enter_context(statements.connect(cluster.dsn))
        yield


@contextmanager
def attempts_used_up(cluster: Cluster) -> Generator[None]:
    """A batch has used up its attempts, and is replayed at the end. Workers stand still for a moment, so that it is
    still there to be met."""
    with each(faults.stop, "worker")(cluster):
        deadline = time.monotonic() + READY_SECONDS
        while statements.execute(cluster.dsn, "use_up_attempts") == 0:
            if time.monotonic() > deadline:
                raise NotNow("no batch waits")
            time.sleep(0.1)
    try:
        yield
    finally:
        _replay(cluster.urls[0])


def _replay(url: str) -> None:
    with httpx.Client(base_url=url, timeout=READY_SECONDS) as client:
        for upload in client.get("/uploads", params={"state": "failed"}).raise_for_status().json()["uploads"]:
            client.post(f"/uploads/{upload['id']}/replay").raise_for_status()


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


CASES = (
    Case("nothing", nothing, seconds=30),
    Case("workers and schedulers are restarted, one after the other", restarted, seconds=10),
    Case("a worker is killed, and started again", fault(faults.kill("worker")), seconds=1),
    Case("an API is killed, and started again", fault(faults.kill("api")), seconds=1),
    Case("the Redis master is killed, and started again", fault(faults.kill_redis_master), seconds=1),
    Case(
        "PostgreSQL is down",
        fault(faults.kill("postgres")),
        raises=_names("UploadsFail", "ReadsSlow", "LoadBalancerFails", "PostgresAway"),
        beside=_names("UploadsLate", "UploadsStandStill", "ProcessUnhealthy", "TargetAway", "PoolWaits", "NoWorker"),
    ),
    # A read counts once it is answered. A server that hangs answers none for so long that few may come together.
    Case(
        "PostgreSQL hangs",
        fault(faults.stop("postgres")),
        raises=_names("UploadsFail", "LoadBalancerFails", "PostgresAway"),
        beside=_names(
            "ReadsSlow", "UploadsLate", "UploadsStandStill", "ProcessUnhealthy", "TargetAway", "PoolWaits", "NoWorker"
        ),
    ),
    Case(
        "PostgreSQL is slow for the APIs",
        slow("api", 0.4),
        raises=_names("ReadsSlow"),
    ),
    # An upload is late after 60 s at the earliest, and ten have to be.
    Case(
        "PostgreSQL is slow for the workers",
        slow("worker", 0.15),
        later=_names("UploadsLate"),
        beside=_names("UploadsStandStill", "PoolWaits", "ProcessUnhealthy", "NoWorker", "TargetAway"),
        seconds=100,
    ),
    Case(
        "no API runs",
        each(faults.kill, "api"),
        raises=_names("NoApi", "LoadBalancerFails"),
    ),
    Case("one API is down", fault(faults.kill("api-1")), raises=_names("ApiAway")),
    Case("one API hangs", fault(faults.stop("api-1")), raises=_names("ApiAway"), beside=_names("LoadBalancerFails")),
    Case(
        "no worker runs",
        each(faults.kill, "worker"),
        raises=_names("NoWorker", "UploadsStandStill", "TargetAway"),
        later=_names("UploadsLate"),
        beside=_names("ProcessUnhealthy"),
    ),
    Case(
        "all workers hang",
        each(faults.stop, "worker"),
        raises=_names("NoWorker", "UploadsStandStill", "TargetAway"),
        later=_names("UploadsLate"),
        beside=_names("ProcessUnhealthy"),
    ),
    Case("one worker hangs", fault(faults.stop("worker-1")), raises=_names("ProcessUnhealthy", "TargetAway")),
    Case("one worker is down", fault(faults.kill("worker-1")), raises=_names("ProcessUnhealthy", "TargetAway")),
    Case(
        "no scheduler runs",
        each(faults.kill, "scheduler"),
        raises=_names("NoScheduler", "TargetAway"),
        beside=_names("ProcessUnhealthy"),
    ),
    Case(
        "somebody holds a lock on the edges",
        locked("edges"),
        raises=_names("UploadsStandStill"),
        later=_names("UploadsLate"),
        beside=_names("ReadsSlow", "LoadBalancerFails", "PostgresAway"),
    ),
    Case(
        "somebody holds a lock on the batches",
        locked("batches"),
        raises=_names("UploadsFail", "LoadBalancerFails"),
        beside=_names("ReadsSlow", "UploadsStandStill", "UploadsLate", "PostgresAway", "BatchesFailed"),
    ),
    Case(
        "the disk is full",
        fault(faults.fill_disk),
        raises=_names("UploadsFail", "LoadBalancerFails"),
        beside=_names("UploadsStandStill", "UploadsLate", "BatchesFailed"),
        needs_disk=True,
    ),
    Case("a batch failed for good", attempts_used_up, raises=_names("BatchesFailed")),
    Case(
        "the database of one graph is closed",
        fault(faults.close_graph),
        raises=_names("GraphAway", "UploadsFail", "LoadBalancerFails"),
        beside=_names("ReadsSlow", "UploadsLate"),
    ),
    Case("PostgreSQL has few connections left", connections_taken, raises=_names("ConnectionsShort")),
    Case(
        "Redis and the Sentinels are down",
        each(faults.kill, "redis", "sentinel"),
        raises=_names("RedisAway", "RedisServerAway"),
        beside=_names("SentinelsFew"),
    ),
    Case("a Redis replica is down", fault(faults.kill_redis_replica), raises=_names("RedisServerAway")),
    Case(
        "two Sentinels are down",
        fault(faults.kill_sentinels(2)),
        raises=_names("SentinelsFew", "RedisServerAway"),
    ),
)

"""Redis's fail-over under real API and worker processes and a steady stream of uploads.

A master, three replicas and three Sentinels, whose users may do no more than they must: that runs through here, too.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from app.settings import Settings
from app.store import postgres
from ops import processes
from ops.embedded.access import APP, Access
from ops.embedded.children import free_ports
from ops.embedded.topology import Topology
from ops.embedded.valkey import Monitoring, Valkey, client
from ops.workloads.generate import generate
from tests.conftest import until
from tests.system.test_end_to_end import PATIENCE, Service, assert_exact

pytestmark = pytest.mark.system

ROWS = 40
UPLOADS = 20
ACCESS = Access(
    app="app-pw", replica="replica-pw", watching="watching-pw", asking="asking-pw", among_sentinels="own-pw"
)
ADMIN, ADMIN_PASSWORD = "admin", "admin-pw"


@pytest.fixture
def topology(server_directory: Path) -> Generator[Topology]:
    topology = Topology(
        server_directory,
        replicas=3,
        append_only=False,
        access=ACCESS,
        monitoring=Monitoring(down_after_ms=1000, failover_timeout_ms=5000),
        user=f"{ADMIN} on >{ADMIN_PASSWORD} ~* &* +@all",
    )
    topology.start()
    yield topology
    topology.stop()


@pytest.fixture
def service(settings: Settings, topology: Topology, tmp_path: Path) -> Generator[Service]:
    [port] = free_ports(1)
    behind_sentinels = msgspec.structs.replace(
        settings,
        port=port,
        redis_url=topology.url,
        namespace=APP,
        sweep_seconds=1.0,
        worker_processes=1,
        worker_threads=2,
    )
    service = Service(behind_sentinels, tmp_path)
    with service.children, service.http:
        service.start_api()
        service.start_worker()
        yield service


class Stream:
    """Small uploads, one after the other, from two clients."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.answers: list[int | str] = []
        self.over = threading.Event()
        self._lock = threading.Lock()

    def wait_for(self, more: int) -> None:
        """Until so many more were answered than now."""
        wanted = len(self.answers) + more
        until(lambda: len(self.answers) >= wanted, within=PATIENCE, what=f"{more} more uploads are answered")

    def wait_until_applied(self, service: Service) -> None:
        """Until an upload that is sent after now is."""
        mark = len(self.contents)
        self.wait_for(5)
        with postgres.connect(service.settings.database_url, role="test") as conn:
            applied = "SELECT count(*) FROM uploads WHERE state = 'applied'"
            until(lambda: postgres.scalars(conn, applied) > [mark], within=PATIENCE, what="uploads are applied again")

    def send(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=PATIENCE) as client:
            while not self.over.wait(0.02):
                with self._lock:
                    content = b"".join(generate(ROWS, len(self.contents)))
                    self.contents.append(content)
                try:
                    answer = client.post("/uploads", content=content, headers={"Content-Type": "text/csv"})
                    self.answers.append(answer.status_code)
                except httpx.HTTPError as error:
                    self.answers.append(repr(error))


@contextmanager
def streaming(service: Service) -> Generator[Stream]:
    """Uploads all the while. At its end none has failed, all are applied, and the graph is exact."""
    stream = Stream()
    senders = [threading.Thread(target=stream.send, args=(processes.url_of_api(service.settings),)) for _ in range(2)]
    for sender in senders:
        sender.start()
    try:
        stream.wait_for(10)
        yield stream
    finally:
        stream.over.set()
        for sender in senders:
            sender.join()
    assert set(stream.answers) == {202}
    with postgres.connect(service.settings.database_url, role="test") as conn:
        left = "SELECT count(*) FROM uploads WHERE state <> 'applied'"
        until(lambda: postgres.scalars(conn, left) == [0], within=PATIENCE, what="every upload is applied")
    assert_exact(service, *stream.contents)


def wait_for_another_master(topology: Topology, old: int) -> None:
    until(lambda: topology.master_port() != old, within=PATIENCE, what="the Sentinels have chosen another master")


def test_no_upload_fails_and_each_is_applied_once(service: Service, topology: Topology) -> None:
    """One after the other, since it takes long to start a cluster: the master is killed; it stands still and comes back
    stale; it and every Sentinel are killed."""
    with streaming(service) as stream:
        killed = topology.master_port()
        topology.kill(killed)
        wait_for_another_master(topology, killed)
        topology.restart(killed)
        stream.wait_until_applied(service)

        stale = topology.master_port()
        topology.pause(stale)
        wait_for_another_master(topology, stale)
        topology.resume(stale)  # it takes itself for the master until a Sentinel tells it otherwise
        stream.wait_until_applied(service)

        lost = topology.master_port()
        for port in (*topology.sentinels, lost):
            topology.kill(port)
        stream.wait_for(10)
        for port in topology.sentinels:
            topology.restart(port)
        wait_for_another_master(topology, lost)
        topology.restart(lost)
    for port in topology.nodes:
        with client(port, ADMIN_PASSWORD, ADMIN) as connection:
            assert connection.acl_log() == []


def test_uploads_do_not_wait_for_a_redis_that_stands_still(
    settings: Settings, server_directory: Path, tmp_path: Path
) -> None:
    """Not one of them, and not the threads that they share, though each bell is tried for an hour."""
    valkey = Valkey(server_directory, append_only=False)
    valkey.start()
    [port] = free_ports(1)
    patient = msgspec.structs.replace(settings, port=port, redis_url=valkey.url, enqueue_timeout=3600.0)
    service = Service(patient, tmp_path)
    try:
        with service.children, service.http:
            service.start_api()
            valkey.child.signal(signal.SIGSTOP)
            for number in range(UPLOADS):
                service.upload(b"".join(generate(ROWS, number)))
            valkey.child.signal(signal.SIGCONT)
            with client(valkey.port) as connection:
                queues = [f"{settings.namespace}:{queue}" for queue in ("soon", "bulk")]
                until(
                    lambda: sum(connection.llen(queue) for queue in queues) == UPLOADS,
                    within=PATIENCE,
                    what="every bell is rung",
                )
    finally:
        valkey.stop()

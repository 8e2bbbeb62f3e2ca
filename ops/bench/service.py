"""The service under measurement: real processes over a data directory of its own, uploads over real HTTP, and at the
end the audit, and a sample of the graph against the oracle.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing, contextmanager, nullcontext
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from app import settings as app_settings
from app.control import databases, graphs
from app.control.graphs import DEFAULT, Graph
from app.proofs.audit import audit_with_weights
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from ops import processes
from ops.bench import database, procs
from ops.bench.plan import Plan
from ops.bench.procs import Figures
from ops.bench.report import Verdict
from ops.directory import DataDirectory, choose_port
from ops.oracle.account import Account, account
from ops.stack import Stack
from ops.workloads.workload import Facts, Workload

PATIENCE = 3600.0
POLL_SECONDS, CHECK_SECONDS, MEMORY_SECONDS = 0.05, 1.0, 10.0
"""Between two looks at the ledger, at who died, at the memory of all processes."""
SAMPLED_EDGES = 1000
"""Edges whose weights the audit recounts."""
PRELOAD_ROWS, PRELOAD_SEED = 2_500_000, 1000
DONE = frozenset({"applied", "checked", "cancelled"})


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def until(condition: Callable[[], object], patience: float = PATIENCE, *, every: float = POLL_SECONDS) -> bool:
    """Whether the condition came true within so many seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


class UploadFailed(RuntimeError):
    """An upload of the benchmark was refused, or could not be applied."""


class Applied(NamedTuple):
    """One upload. Seconds from the first byte sent until the answer, and until the upload was applied."""

    id: str
    rows: int
    received: float
    applied: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.applied


class Measured(msgspec.Struct, frozen=True):
    """One upload, and what it cost. CPU in seconds by role. Memory in bytes by role: `peak` of the largest process,
    `together` the most that all of a role had at once. `counters`: what PostgreSQL counted up, see sql/counters.sql."""

    upload: Applied
    facts: Facts
    cpu: Figures
    peak: Figures
    together: Figures
    counters: dict[str, int]
    restarts: list[str]

    def cost(self, seconds: float) -> float:
        """Seconds for a million rows."""
        return seconds * 1e6 / self.facts.rows

    @property
    def cpu_cost(self) -> float:
        """CPU seconds for a million rows, of all roles."""
        return self.cost(sum(self.cpu.values()))

    @property
    def hot_share(self) -> float | None:
        """Share of updates that are HOT; None where there were no updates."""
        return self.counters["hot"] / self.counters["updated"] if self.counters["updated"] else None


class Service:
    """A graph of a running stack, and everything that was sent to it. `conn` leads to `url`, the graph's database."""

    def __init__(  # noqa: PLR0917 (what there is of each)
        self, stack: Stack, conn: Connection, directory: Path, plan: Plan, url: str, graph: str = DEFAULT
    ) -> None:
        self.stack, self.conn, self.directory, self.plan = stack, conn, directory, plan
        self.url, self.graph = url, graph
        self.base = "" if graph == DEFAULT else f"/graphs/{graph}"
        """What the paths of the graph begin with."""
        self.settings = stack.settings
        self.now: datetime | None = None
        """The instant of the audit's weights, where decay was brought forward from the present."""
        self.root = os.getpid()
        self.expected = Account()
        self.restarts: list[str] = []
        self._authors: set[str] = set()
        self._checked = time.monotonic()

    @contextmanager
    def made(self, name: str, rows: int, seed: int) -> Generator[Workload]:
        """A workload as a file, for as long as the block lasts."""
        workload = Workload(name, rows, seed, sample_every=self.plan.sample_every)
        with workload.file(self.directory):
            yield workload

    def upload(self, name: str, rows: int, seed: int) -> Applied:
        """Make a workload, send it, wait until it is applied."""
        with self.made(name, rows, seed) as made:
            return self.send(made)

    def send(self, made: Workload) -> Applied:
        """Send a file and wait until it is applied."""
        began = time.perf_counter()
        upload = self.post_file(made.path)
        received = time.perf_counter() - began
        self.until_applied(upload, made)
        return Applied(upload, made.facts.rows, received, time.perf_counter() - began)

    def post_file(self, path: Path, query: str = "") -> str:
        """Send a file: the upload's id once it is sealed. Raises UploadFailed."""
        return upload_file(self.settings, path, query, base=self.base)

    def until_applied(self, upload: str, made: Workload) -> None:
        """Return when the upload is applied, with all rows of the workload. Raises UploadFailed."""
        self.expect(made)
        self.wait(upload)
        counted = database.row(self.conn, "counted", id=upload)
        if (counted["rows"], counted["rejected"]) != (made.facts.rows, 0):
            raise UploadFailed(f"upload {upload}: {counted} of {made.facts.rows} rows")

    def measure(self, name: str, rows: int, seed: int) -> Measured:
        """Send a workload, and see what it costs."""
        with self.made(name, rows, seed) as made:
            procs.forget_peaks(self.root)
            known, cpu = len(self.restarts), procs.by_role(self.root, procs.seconds)
            counters = database.row(self.conn, "counters")
            with procs.sampled(lambda: procs.by_role(self.root, procs.pss), every=MEMORY_SECONDS) as seen:
                applied = self.send(made)
            used = procs.spent(cpu, procs.by_role(self.root, procs.seconds))
            peak = procs.by_role(self.root, procs.peak, max)

            def since() -> dict[str, int]:
                return {name: value - counters[name] for name, value in database.row(self.conn, "counters").items()}

            # An idle session reports what it did after ten seconds; each edge was touched.
            settled = self.plan.settle_seconds
            until(lambda: (now := since())["inserted"] + now["updated"] >= made.facts.edges, settled)
            together = {role: max(each.get(role, 0.0) for _, each in seen) for role in used}
            return Measured(applied, made.facts, used, peak, together, since(), self.restarts[known:])

    def preload(self, edges: int) -> None:
        """Let the graph grow to so many edges, by uploads of the flat long tail: the ledger knows of each of them."""
        seed = PRELOAD_SEED
        while (held := database.edge_count(self.conn)) < edges:
            say(f"preloading: {held:,} of {edges:,} edges …")
            self.upload("tail", min(PRELOAD_ROWS, edges - held + 1000), seed)
            seed += 1

    def expect(self, workload: Workload) -> None:
        """The workload is in the graph, or will be: the oracle counts its sample."""
        account(bytes(workload.sample), self.expected)
        self._authors |= workload.sampled

    def state(self, upload: str, conn: Connection | None = None) -> str:
        """Raises UploadFailed where the upload came to nothing."""
        row = database.row(conn or self.conn, "state", id=upload)
        if row["state"] in {"failed", "aborted", "duplicate"}:
            raise UploadFailed(f"upload {upload} is {row['state']}: {row['error']}")
        return str(row["state"])

    def wait(self, upload: str) -> None:
        """Return when the upload has ended; restart meanwhile what dies. Raises UploadFailed."""
        if not until(lambda: self.keep() or self.state(upload) in DONE):
            raise UploadFailed(f"upload {upload} has not ended after {PATIENCE:g} s")

    def keep(self) -> None:
        """Restart what died."""
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            self._checked = time.monotonic()
            for line in self.stack.check():
                self.restarts.append(line)
                say(line)

    def verdict(self) -> Verdict:
        """The audit, weights of some edges with it, and every edge of the sampled authors against the oracle."""
        say("— audit, and a sample against the oracle")
        found = audit_with_weights(self.conn, sample=SAMPLED_EDGES, now=self.now or postgres.clock())
        wanted = {key: (e.mention_count, e.first_seen, e.last_seen) for key, e in self.expected.edges.items()}
        authors = sorted(self._authors)
        rows = database.rows_of(self.conn, "sample", handles=authors)
        stored = {(source, target): tuple(facts) for source, target, *facts in (row.values() for row in rows)}
        differing = sum(wanted.get(key) != stored.get(key) for key in wanted.keys() | stored.keys())
        audit = {**msgspec.to_builtins(found), "difference": found.difference}
        return Verdict(found.exact, audit, len(authors), len(wanted), differing, self.restarts)


def connection(settings: Settings) -> HTTPConnection:
    """To the API, and costs the machine next to nothing."""
    place = urlsplit(processes.url_of_api(settings))
    return HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE, blocksize=1 << 20)


def post(api: HTTPConnection, target: str, body: bytes | Iterable[bytes] = b"", **headers: str) -> str:
    """POST: the id in the answer. Raises UploadFailed."""
    api.request("POST", target, body, {"Content-Type": "text/csv", **headers})
    answer = api.getresponse()
    content = answer.read()
    if answer.status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        raise UploadFailed(f"{answer.status}: {content.decode(errors='replace')}")
    return str(json.loads(content)["id"])


def upload_file(settings: Settings, path: Path, query: str = "", *, base: str = "") -> str:
    """Send a file: the upload's id once it is sealed. Raises UploadFailed."""
    with closing(connection(settings)) as api, path.open("rb") as body:
        return post(api, f"{base}/uploads?{query}", body, **{"Content-Length": str(path.stat().st_size)})


@contextmanager
def fresh(parent: Path | None) -> Generator[Path]:
    """A directory that is gone afterwards: the next mode needs the room."""
    with tempfile.TemporaryDirectory(prefix="mentiongraph-bench-", dir=parent) as name:
        Path(name).chmod(0o755)  # PostgreSQL may run as another user
        yield Path(name)


@contextmanager
def running(plan: Plan, parent: Path | None = None) -> Generator[Service]:
    """The service as `mentiongraph up` runs it, fsync on, over a fresh directory, with a connection of ours."""
    settings = app_settings.load()
    port = choose_port(settings.host, settings.port, insist=False, patience=0)
    settings = msgspec.structs.replace(settings, port=port, worker_processes=plan.workers or settings.worker_processes)
    with ExitStack() as cleaning:
        directory = cleaning.enter_context(fresh(parent))
        data = DataDirectory(directory / "data")
        data.take()
        stack = Stack(data, settings)
        cleaning.callback(data.release)
        cleaning.callback(stack.stop)
        stack.start(lambda _name, _detail: nullcontext())
        yield cleaning.enter_context(in_graph(stack, directory, plan, plan.graph))


@contextmanager
def in_graph(stack: Stack, directory: Path, plan: Plan, name: str) -> Generator[Service]:
    """The service with a connection to the graph of this name. The graph is created, if it is not `default`."""
    url = stack.superuser_url
    if name != DEFAULT:
        url = database.url_of(url, create_graph(stack.settings, name).database or "")
    with postgres.connect(url, role="bench") as conn:
        yield Service(stack, conn, directory, plan, url, name)


def create_graph(settings: Settings, name: str) -> Graph:
    """Create a graph as `mentiongraph graphs create` does it."""
    return databases.create(settings, graphs.wanted(name, now=postgres.clock()), clock=postgres.clock)

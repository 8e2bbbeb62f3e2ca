"""The service under measurement: real processes over a data directory of its own, uploads over real HTTP, and at the
end the audit, and a sample of the graph against the oracle.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from app import settings as app_settings
from app.graph.parameters import read_parameters
from app.graph.shards import handle_ids
from app.proofs.audit import Audit, audit_with_weights
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from ops import processes
from ops.bench import database, procs
from ops.bench.oracle import Account, Key, account
from ops.bench.plan import Plan
from ops.bench.workloads import Facts, Workload, write
from ops.directory import DataDirectory, choose_port
from ops.stack import Stack

POLL_SECONDS = 0.05
CHECK_SECONDS = 1.0
PATIENCE = 3600.0
SAMPLED_EDGES = 1000
"""Whose weights the audit recounts."""
DONE = frozenset({"applied", "failed", "checked", "cancelled", "aborted", "duplicate"})


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class UploadFailed(RuntimeError):
    """An upload of the benchmark was refused, or could not be applied."""


class Applied(NamedTuple):
    """One upload. Seconds from the first byte sent until the answer, and until it was applied."""

    id: str
    rows: int
    edges: int
    """Summed over the batches: what was merged."""
    received: float
    applied: float


class Measured(msgspec.Struct, frozen=True):
    """One upload, and what it cost. CPU in seconds by role, memory in bytes by role."""

    rows: int
    bytes: int
    mentions: int
    distinct_edges: int
    edges: int
    received: float
    applied: float
    cpu: dict[str, float]
    peak: dict[str, int]
    """Of the largest process of a role."""
    together: dict[str, int]
    """The most that a role's processes had at once, seen every few seconds."""
    counters: database.Counters
    restarts: list[str]

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.applied

    @property
    def edges_per_second(self) -> float:
        return self.edges / self.applied

    @property
    def cpu_per_million(self) -> float:
        return sum(self.cpu.values()) * 1e6 / self.rows


class Verdict(msgspec.Struct, frozen=True):
    """Whether the graph is what was sent."""

    exact: bool
    audit: dict[str, Any]
    sampled_authors: int
    sampled_edges: int
    differing_edges: int
    restarts: list[str]
    """What the stack had to start again. Figures of that time say little."""

    @property
    def passed(self) -> bool:
        return self.exact and not self.differing_edges


class Service:
    """A running stack, and everything that was sent to it."""

    def __init__(self, stack: Stack, conn: Connection, directory: Path, plan: Plan) -> None:
        self.stack, self.conn, self.directory = stack, conn, directory
        self.sample_every = plan.sample_every
        self._settle_seconds = plan.settle_seconds
        self.now: datetime | None = None
        """Of the audit's weights, where it is not the present: decay was brought forward."""
        self.root = os.getpid()
        self.expected = Account()
        self._authors: set[str] = set()
        self._checked = time.monotonic()
        self.news: list[str] = []

    # Sending

    def make(self, name: str, rows: int, seed: int) -> tuple[Path, Facts, Workload]:
        """A workload as a file, to be sent once by `send_made`."""
        workload = Workload(name, rows, seed, sample_every=self.sample_every)
        path = self.directory / f"{name}-{seed}.csv"
        return path, write(workload, path), workload

    def upload(self, name: str, rows: int, seed: int) -> Applied:
        """Make, send, wait until it is applied."""
        path, _, workload = self.make(name, rows, seed)
        try:
            return self.send_made(path, workload)
        finally:
            path.unlink()

    def send_made(self, path: Path, workload: Workload, **query: object) -> Applied:
        """Send a file and wait until it is applied."""
        began = time.perf_counter()
        with Client(self.stack.settings) as client:
            upload = client.send(path, **query)
        received = time.perf_counter() - began
        self.expect(workload)
        self.wait(upload)
        applied = time.perf_counter() - began
        counted = self.counted(upload)
        if (counted["rows"], counted["rejected"]) != (workload.rows, 0):
            raise UploadFailed(f"upload {upload}: {counted} of {workload.rows} rows")
        return Applied(upload, counted["rows"], counted["edges"], received, applied)

    def measure(self, name: str, rows: int, seed: int) -> tuple[Measured, str]:
        """Send a workload, and what it costs; and the upload's id."""
        path, facts, workload = self.make(name, rows, seed)
        procs.forget_peaks(self.root)
        known = len(self.news)
        cpu, counted = procs.cpu(self.root), database.counters(self.conn)
        sampler = procs.Sampler(self.root)
        sampler.start()
        try:
            applied = self.send_made(path, workload)
        finally:
            together = sampler.stop()
            path.unlink()
        used = procs.spent(cpu, procs.cpu(self.root))
        peak = procs.peaks(self.root)
        return Measured(
            rows=applied.rows,
            bytes=facts.bytes,
            mentions=facts.mentions,
            distinct_edges=facts.edges,
            edges=applied.edges,
            received=applied.received,
            applied=applied.applied,
            cpu=used,
            peak=peak,
            together=together,
            counters=self._settled(counted, facts.edges),
            restarts=self.news[known:],
        ), applied.id

    def _settled(self, before: database.Counters, edges: int) -> database.Counters:
        """The counters since then. An idle session reports what it did after ten seconds; each edge was touched."""
        deadline = time.monotonic() + self._settle_seconds
        while (since := database.counters(self.conn).since(before)).inserted + since.updated < edges:
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        return since

    def expect(self, workload: Workload) -> None:
        """It is in the graph, or will be: the oracle counts its sample."""
        account(bytes(workload.sample), self.expected)
        self._authors |= workload.sampled

    def state(self, upload: str) -> str:
        (row,) = database.rows_of(self.conn, "state", id=upload)
        if row["state"] == "failed":
            raise UploadFailed(f"upload {upload} failed: {row['error']}")
        return str(row["state"])

    def wait(self, upload: str) -> str:
        """Return in which state it ended; restart meanwhile what dies. Raises UploadFailed."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.state(upload)) not in DONE:
            self.keep()
            if time.monotonic() > deadline:
                raise UploadFailed(f"upload {upload} is {state} after {PATIENCE:g} s")
            time.sleep(POLL_SECONDS)
        return state

    def keep(self) -> None:
        """Restart what died."""
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            self._checked = time.monotonic()
            news = self.stack.check()
            self.news += news
            for line in news:
                say(line)

    def counted(self, upload: str) -> dict[str, Any]:
        return database.rows_of(self.conn, "counted", id=upload)[0]

    # Verdict

    def verdict(self) -> Verdict:
        """The audit, weights of some edges with it, and every edge of the sampled authors against the oracle."""
        found = audit_with_weights(self.conn, sample=SAMPLED_EDGES, now=self.now or postgres.clock())
        wanted = {key: (e.mention_count, e.first_seen, e.last_seen) for key, e in self.expected.edges.items()}
        stored = self._stored()
        differing = sum(wanted.get(key) != stored.get(key) for key in wanted.keys() | stored.keys())
        return Verdict(found.exact, _plain(found), len(self._authors), len(wanted), differing, self.news)

    def _stored(self) -> dict[Key, tuple[int, int, int]]:
        authors = sorted(self._authors)
        ids = handle_ids(authors, probe=0, bits=read_parameters(self.conn).handle_bits).tolist() if authors else []
        return {
            (row["source"], row["target"]): (row["mention_count"], row["first_seen"], row["last_seen"])
            for row in database.rows_of(self.conn, "sample", ids=ids, handles=authors)
        }


def _plain(found: Audit) -> dict[str, Any]:
    plain = msgspec.to_builtins(found)
    return {**plain, "difference": found.difference}


class Client:
    """One connection to the API. Bodies go from file to socket inside the kernel: the client costs next to nothing."""

    def __init__(self, settings: Settings) -> None:
        place = urlsplit(processes.url_of_api(settings))
        self._http = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)

    def __enter__(self) -> Client:
        self._http.connect()
        # A short request goes out at once, not when the last answer was acknowledged.
        self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def send(self, path: Path, **query: object) -> str:
        """POST a file; the upload's id once it is sealed. Raises UploadFailed."""
        with path.open("rb") as body:
            self._http.putrequest("POST", _uploads(query))
            self._http.putheader("Content-Type", "text/csv")
            self._http.putheader("Content-Length", str(path.stat().st_size))
            self._http.endheaders()
            self._http.sock.sendfile(body)
            return self._answered()

    def stream(self, body: Iterable[bytes], **query: object) -> str:
        """POST a body as it is made."""
        self._http.request("POST", _uploads(query), body, {"Content-Type": "text/csv"}, encode_chunked=True)
        return self._answered()

    def post(self, body: bytes, **query: object) -> str:
        """POST a short body."""
        self._http.request("POST", _uploads(query), body, {"Content-Type": "text/csv"})
        return self._answered()

    def cancel(self, upload: str) -> None:
        self._http.request("POST", f"/uploads/{upload}/cancel")
        self._answered()

    def _answered(self) -> str:
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status not in {200, 202}:
            raise UploadFailed(f"{answer.status}: {content.decode(errors='replace')}")
        return str(json.loads(content)["id"])


def _uploads(query: Mapping[str, object]) -> str:
    return "/uploads?" + urlencode({name: str(value).lower() for name, value in query.items()})


@contextmanager
def _quiet_step(name: str, detail: str) -> Generator[None]:  # noqa: ARG001 (a step has both)
    yield


@contextmanager
def running_stack(data: Path, workers: int | None) -> Generator[Stack]:
    """The service as `mentiongraph up` runs it, fsync on, on a data directory of its own."""
    settings = app_settings.load()
    port = choose_port(settings.host, settings.port, insist=False, patience=0)
    settings = msgspec.structs.replace(settings, port=port, worker_processes=workers or settings.worker_processes)
    directory = DataDirectory(data)
    directory.take()
    stack = Stack(directory, settings)
    with contextlib.ExitStack() as cleaning:
        cleaning.callback(directory.release)
        cleaning.callback(stack.stop)
        stack.start(_quiet_step)
        yield stack


@contextmanager
def running(directory: Path, plan: Plan) -> Generator[Service]:
    """A stack in `directory`/data, with a connection of ours."""
    with (
        running_stack(directory / "data", plan.workers) as stack,
        postgres.connect(stack.settings.database_url, role="bench") as conn,
    ):
        yield Service(stack, conn, directory, plan)

"""Reading the graph: how long each question takes, alone and beside uploads, worked out and kept; and reads a second.

Questions are about the ends of edges drawn at random, so that users are asked for as often as they are mentioned or
mention others: a few very often. Their answers are worked out by processes of the API that have the cache switched off,
and kept by others of the same stack.
"""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from app.store import postgres
from ops import processes
from ops.bench import database, flow, procs
from ops.bench.plan import Plan
from ops.bench.reader import Answered, Job
from ops.bench.report import Section, Table, number
from ops.bench.service import DONE, POLL_SECONDS, Client, Service, UploadFailed, say
from ops.embedded.children import Child, free_ports

SMALL_ROWS = 1_000
"""Of an upload of the one client that writes steadily."""
BIG_ROWS = 500_000
MINUTE = 60.0
AHEAD = 2
"""Big uploads on their way at once: so the workers always have work."""
CONNECTIONS = 16
"""That ask at once, for reads a second."""
WARMINGS = 3
"""Times that everything is asked for at most, until it was within one minute."""
FEW = 4
"""That ask at once, for what is asked before it is measured."""
SINGLE_USER_MS, LOADED_MS, READS = 10.0, 50.0, 2_000
"""What is aimed at: p99 of questions about one user and of rankings, alone and beside a full load; reads a second."""

_DEEP = ("ego, depth 2", "path")
"""Questions that are not about one user."""
_SHARE = {"user": 6, "outgoing": 4, "incoming": 4, "edge": 2}
"""Of all reads; the others have a share of 1 each."""


class Question(NamedTuple):
    """One kind, and paths of many such questions."""

    name: str
    paths: list[str]


class Point(NamedTuple):
    """One kind of question under one load: worked out, and from the cache."""

    question: str
    load: str
    worked_out: Answered
    kept: Answered


def measure(service: Service, plan: Plan) -> list[Section]:
    """Every kind of question under every load, then all of them as fast as two processes answer."""
    flow.preload(service, plan.read_edges)
    edges = database.edge_count(service.conn)
    with _apis(service) as (without, beside), _Reader() as reader:
        ports = [service.stack.settings.port, beside]
        asked = questions(service, plan, edges)
        points: list[Point] = []
        rates: dict[str, float] = {}
        for load in plan.read_loads:
            say(f"{len(asked)} kinds of questions over {edges:,} edges, write load: {load} …")
            if load == plan.read_loads[0]:
                # The graph has just been written: PostgreSQL's first look at a page is of another kind than later ones.
                for each in asked:
                    reader.read(_once([without[0]], each.paths, FEW))
            with _Writing(service, plan, load) as writing:
                points += [_point(reader, each, load, (without[0], ports[0]), plan) for each in asked]
            rates[load] = writing.rows / writing.seconds
        _settled(ports[0])
        mixed = [
            path for each in asked for path in islice(cycle(each.paths), plan.read_users * _SHARE.get(each.name, 1))
        ]
        say(f"reads a second over {CONNECTIONS} connections …")
        throughput = {
            "cache off": _fast(service, reader, without, mixed, plan),
            "cache warm": _fast(service, reader, ports, mixed, plan),
        }
        caches = [msgspec.json.decode(_get(port, "/health/cache")[1]) for port in ports]
    facts = {
        "edges": edges,
        "points": [point._asdict() | {side: _plain(getattr(point, side)) for side in _SIDES} for point in points],
        "rows_per_second": rates,
        "throughput": {name: _plain(found) | {"cpu": cpu} for name, (found, cpu) in throughput.items()},
        "caches": caches,
    }
    failed = any(getattr(point, side).failed for point in points for side in _SIDES)
    failed = failed or any(found.failed for found, _ in throughput.values())
    tables = [_table(points, load, edges, rates[load]) for load in plan.read_loads]
    return [Section("reads", "Reads", facts, [*tables, _throughput(throughput)], passed=not failed)]


_SIDES = ("worked_out", "kept")


def _plain(found: Answered) -> dict[str, Any]:
    return {**msgspec.to_builtins(found), "rate": found.rate, "hit_rate": found.hit_rate}


def _point(reader: _Reader, question: Question, load: str, ports: tuple[int, int], plan: Plan) -> Point:
    """Warm: every question was asked once."""
    without, cached = ports
    job = Job([without], question.paths, 1, plan.read_seconds, least=plan.read_least)
    worked_out = reader.read(job)
    reader.read(_once([cached], question.paths, FEW))
    return Point(question.name, load, worked_out, reader.read(msgspec.structs.replace(job, ports=[cached])))


def _once(ports: list[int], paths: list[str], connections: int) -> Job:
    """Each of these questions once."""
    return Job(ports, sorted(set(paths)), connections, all=True)


def _fast(
    service: Service, reader: _Reader, ports: list[int], paths: list[str], plan: Plan
) -> tuple[Answered, dict[str, float]]:
    """And the processors that each role used meanwhile."""
    everything = _once(ports, paths, CONNECTIONS)
    job = Job(ports, paths, CONNECTIONS, 2 * plan.read_seconds, least=plan.read_least)
    for _ in range(WARMINGS):
        # Answers as of now are for the minute that has begun: all of it is to be in one.
        began = time.time()
        reader.read(everything)
        left = MINUTE - began % MINUTE - (time.time() - began)
        if left > job.seconds:
            break
        say(f"everything was asked for in {time.time() - began:.0f} s: not within a minute with what is measured")
        time.sleep(MINUTE - time.time() % MINUTE)
    else:
        reader.read(everything)
    before = procs.cpu(service.root)
    found = reader.read(job)
    spent = procs.spent(before, procs.cpu(service.root))
    return found, {role: seconds / found.seconds for role, seconds in spent.items()}


# What is asked --------------------------------------------------------------------------------------------------------


def questions(service: Service, plan: Plan, edges: int) -> list[Question]:
    """Of each kind that this API answers."""
    drawn = min(100.0, 100.0 * 2 * plan.read_users / max(1, edges))
    ends = database.rows_of(service.conn, "edges_at_random", percent=drawn, limit=plan.read_users)
    sources, targets = [row["source"] for row in ends], [row["target"] for row in ends]
    users = [quote(handle, safe="") for handle in (*sources, *targets)]
    fixed = [
        Question("user", [f"/users/{user}" for user in users]),
        Question("outgoing", [f"/users/{user}/outgoing" for user in users]),
        Question("incoming", [f"/users/{user}/incoming" for user in users]),
        Question("reciprocal", [f"/users/{user}/reciprocal" for user in users]),
        Question("edge", [_edge("/edges", *ends) for ends in zip(sources, targets, strict=True)]),
        Question("ego, depth 1", [f"/users/{user}/ego?depth=1" for user in users]),
        Question("ego, depth 2", [f"/users/{user}/ego?depth=2" for user in users]),
        Question("path", [_edge("/paths", *ends) for ends in zip(sources, reversed(targets), strict=True)]),
        Question("prefix", [f"/users?{urlencode({'prefix': handle[:3]})}" for handle in sources]),
    ]
    known = _paths(service)
    lists = [Question(path, [f"{path}?limit={limit}" for limit in (10, 50, 100)]) for path in sorted(known)]
    return [each for each in fixed if _answers(service, each)] + [
        each for each in lists if each.name.startswith("/rankings/") and _answers(service, each)
    ]


def _edge(path: str, source: str, target: str) -> str:
    return f"{path}?{urlencode({'source': source, 'target': target})}"


def _paths(service: Service) -> list[str]:
    document = msgspec.json.decode(_get(service.stack.settings.port, "/doc/openapi.json")[1])
    return [path for path, ways in document["paths"].items() if "get" in ways and "{" not in path]


def _answers(service: Service, question: Question) -> bool:
    return _get(service.stack.settings.port, question.paths[0])[0] == http.client.OK


def _get(port: int, path: str) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


# Who asks, and who answers --------------------------------------------------------------------------------------------


class _Reader:
    """The client, a process of its own."""

    def __enter__(self) -> _Reader:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ops.bench.reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=processes.ROOT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def read(self, job: Job) -> Answered:
        given, answers = self._process.stdin, self._process.stdout
        assert given is not None  # noqa: S101
        assert answers is not None  # noqa: S101
        given.write(msgspec.json.encode(job) + b"\n")
        given.flush()
        return msgspec.json.decode(answers.readline(), type=Answered)


def _settled(port: int, patience: float = 300.0) -> None:
    """Until the summaries are up to date after the uploads: they change the graph's version, too."""
    deadline = time.monotonic() + patience
    while any(_stale(port, path) for path in ("/rankings/mentioned?limit=1", "/rankings/trending?limit=1")):
        if time.monotonic() > deadline:
            say(f"summaries are still stale after {patience:g} s")
            return
        time.sleep(POLL_SECONDS)


def _stale(port: int, path: str) -> bool:
    status, body = _get(port, path)
    return status != http.client.OK or msgspec.json.decode(body)["stale_since"] is not None


@contextmanager
def _apis(service: Service) -> Generator[tuple[list[int], int]]:
    """Further processes of the API: the ports of two without the cache, and of one with it, beside the stack's own."""
    ports = free_ports(3)
    with contextlib.ExitStack() as stopping:
        for port, cached in zip(ports, (False, False, True), strict=True):
            settings = msgspec.structs.replace(service.stack.settings, port=port, cache=cached)
            command = processes.api(settings, patience=1)
            log = service.directory / f"api-{port}.log"
            child = Child(f"api-{port}", command.argv, env=command.env, log=log, grace=3.0)
            stopping.callback(child.stop)
            child.start()
        for port in ports:
            _heard(port)
        yield ports[:2], ports[2]


def _heard(port: int, patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=patience)) as connection:
                connection.request("GET", "/health/live")
                connection.getresponse().read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


class _Writing(threading.Thread):
    """Uploads beside the reads. `one`: a client with short ones, each sent when the last is applied; `full`: as much as
    the workers can do; `none`. The same rows come again and again, to be applied each time."""

    def __init__(self, service: Service, plan: Plan, load: str) -> None:
        super().__init__(name="writing", daemon=True)
        self.rows, self.seconds = 0, 1.0
        self._service, self._load = service, load
        self._size = 0 if load == "none" else min(plan.rows, SMALL_ROWS if load == "one" else BIG_ROWS)
        self._seed = plan.seed + (500 if load == "one" else 501)
        self._ahead = AHEAD if load == "full" else 1
        self._enough = threading.Event()
        self._sent = threading.Event()
        self._failed: Exception | None = None

    def __enter__(self) -> _Writing:
        self._began = time.monotonic()
        if self._size:
            self._path, _, self._workload = self._service.make("mixed", self._size, self._seed)
            self._began = time.monotonic()
            self.start()
            self._sent.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        if self._size:
            self.join()
            self._path.unlink()
        self.seconds = time.monotonic() - self._began
        if self._failed is not None:
            raise UploadFailed(f"an upload beside the reads failed: {self._failed}") from self._failed

    def run(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 (raised where the thread is joined)
            self._failed = error
        finally:
            self._sent.set()

    def _write(self) -> None:
        settings = self._service.stack.settings
        with postgres.connect(settings.database_url, role="bench writer") as conn:
            under_way: list[str] = []
            while under_way or not self._enough.is_set():
                while len(under_way) < self._ahead and not self._enough.is_set():
                    with Client(settings) as client:
                        under_way.append(client.send(self._path, again=True))
                    self._service.expect(self._workload)
                    self.rows += self._size
                    self._sent.set()
                time.sleep(POLL_SECONDS)
                under_way = [upload for upload in under_way if not _applied(conn, upload)]


def _applied(conn: postgres.Connection, upload: str) -> bool:
    (row,) = database.rows_of(conn, "state", id=upload)
    if row["state"] in DONE - {"applied"}:
        raise UploadFailed(f"upload {upload} is {row['state']}: {row['error']}")
    return row["state"] == "applied"


# Tables ---------------------------------------------------------------------------------------------------------------


def _table(points: Sequence[Point], load: str, edges: int, rate: float) -> Table:
    rows = [
        [
            point.question,
            str(point.worked_out.reads),
            f"{point.worked_out.p50:.1f}",
            f"{point.worked_out.p99:.1f}",
            _aim(point),
            str(point.kept.reads),
            f"{point.kept.p50:.1f}",
            f"{point.kept.p99:.1f}",
            f"{point.kept.hit_rate:.0%}",
        ]
        for point in points
        if point.load == load
    ]
    beside = f", beside {rate:,.0f} rows/s of uploads" if rate else ""
    return Table(
        f"Milliseconds until a question is answered over {edges:,} edges, one at a time; write load: {load}{beside}",
        ["question", "asked", "p50", "p99", "aim", "asked, cache warm", "p50", "p99", "hits"],
        rows,
    )


def _aim(point: Point) -> str:
    if point.question in _DEEP or point.load == "one":
        return ""
    most = SINGLE_USER_MS if point.load == "none" else LOADED_MS
    return f"{'<' if point.worked_out.p99 < most else 'not <'} {most:.0f}"


def _throughput(found: dict[str, tuple[Answered, dict[str, float]]]) -> Table:
    base = found["cache off"][0].rate
    rows = [
        [
            name,
            number(answered.rate),
            f"{answered.rate / base:.1f}",
            f"{answered.p50:.1f}",
            f"{answered.p99:.1f}",
            f"{answered.hit_rate:.1%}",
            *(f"{cpu.get(role, 0.0):.2f}" for role in ("api", "postgres", "valkey", "client")),
        ]
        for name, (answered, cpu) in found.items()
    ]
    return Table(
        f"All kinds mixed, {CONNECTIONS} connections, two processes of the API; to be reached: {READS:,} reads/s "
        "with the cache warm",
        ["", "reads/s", "gain", "p50 ms", "p99 ms", "hits", "cores: API", "PostgreSQL", "Valkey", "client"],
        rows,
    )

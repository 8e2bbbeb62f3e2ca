"""Reading the graph: how long each question takes, alone and beside uploads, worked out and cached; and reads a second.

Questions are about the ends of edges drawn at random, so that users are asked for as often as they are mentioned or
mention others: a few very often. Their answers are worked out by processes of the API that have the cache switched off,
and cached by others of the same stack.
"""

from __future__ import annotations

import asyncio
import http
import multiprocessing
import random
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from typing import NamedTuple
from urllib.parse import quote, urlencode

import msgspec
import uvloop

from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from ops import processes
from ops.bench import database, procs
from ops.bench.plan import Plan
from ops.bench.procs import Figures
from ops.bench.report import Section, Table, percentile
from ops.bench.service import POLL_SECONDS, Service, say, until
from ops.checkup import api_answers
from ops.embedded.children import Child, free_ports

ROWS = {"none": 0, "one": 1_000, "full": 500_000}
"""Of each upload beside the reads, by load: none; a client that sends one when the last is applied; all that the
workers can do."""
AHEAD = {"none": 0, "one": 1, "full": 2}
"""Uploads on their way at once: with two big ones the workers always have work."""
AIMS = {"none": 10.0, "full": 50.0}
"""Milliseconds aimed at, by load: p99 of questions about one user and of rankings."""
DEEP = ("ego, depth 2", "path")
"""Questions that are not about one user."""
SHARE = {"user": 6, "outgoing": 4, "incoming": 4, "edge": 2}
"""Of all reads; the others have a share of 1 each."""
READS = 2_000
"""Reads a second aimed at."""
CONNECTIONS, FEW = 16, 4
"""Connections that ask at once: for reads a second, and for what is asked before it is measured."""
MINUTE = 60.0
WARMINGS = 3
"""Times that everything is asked for at most, until it was within one minute."""

TITLES = "question | asked | p50 | p99 | aim | asked, cache warm | p50 | p99 | hits"
Ask = Callable[..., Figures]


class Point(NamedTuple):
    """One kind of question under one load: figures of answers that were worked out, and of cached ones."""

    question: str
    load: str
    worked_out: Figures
    cached: Figures

    def row(self) -> tuple[str, ...]:
        first, warm = self.worked_out, self.cached
        aim = None if self.question in DEEP else AIMS.get(self.load)
        met = f"{'<' if first['p99'] < aim else 'not <'} {aim:.0f}" if aim else ""
        worked_out = (str(first["reads"]), f"{first['p50']:.1f}", f"{first['p99']:.1f}", met)
        cached = (str(warm["reads"]), f"{warm['p50']:.1f}", f"{warm['p99']:.1f}", f"{warm['hit_rate']:.0%}")
        return (self.question, *worked_out, *cached)


def measure(service: Service, plan: Plan) -> Section:
    """Every kind of question under every load, then all of them as fast as two processes answer."""
    say("— reads")
    service.preload(plan.read_edges)
    edges = database.edge_count(service.conn)
    points, tables = list[Point](), list[Table]()
    with (
        apis(service, plan.read_apis) as (without, beside),
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as client,
    ):

        def ask(*job: object) -> Figures:
            return client.submit(read, *job).result()  # pyright: ignore[reportArgumentType]

        cached = [service.settings.port, *beside]
        asked = questions(service.conn, service.settings, plan, edges, base=service.base)
        for paths in asked.values():  # PostgreSQL's first look at a page is of another kind than later ones
            ask(without[:1], paths, FEW)
        for load in plan.read_loads:
            say(f"{len(asked)} kinds of questions over {edges:,} edges, write load: {load} …")
            found = list[Point]()
            with _writing(service, plan, load) as written:
                for name, paths in asked.items():
                    worked_out = ask(without[:1], paths, 1, plan.read_seconds, plan.read_least)
                    ask(cached[:1], paths, FEW)
                    warm = ask(cached[:1], paths, 1, plan.read_seconds, plan.read_least)
                    found.append(Point(name, load, worked_out, warm))
            at = f", beside {written['rows'] / written['seconds']:,.0f} rows/s of uploads" if written else ""
            what = f"over {edges:,} edges, one at a time; write load: {load}{at}"
            rows = [each.row() for each in found]
            tables.append(Table(f"Milliseconds until a question is answered {what}", TITLES, rows))
            points += found
        lists = [f"{service.base}/rankings/{name}?limit=1" for name in ("mentioned", "trending")]
        if not until(
            lambda: all('"stale_since":null' in api_answers(service.settings, path)[1] for path in lists), 300
        ):
            say("summaries are still stale, and change the graph's version")
        mixed = [p for name in asked for p in islice(cycle(asked[name]), plan.read_users * SHARE.get(name, 1))]
        say(f"reads a second over {CONNECTIONS} connections …")
        fast = {"cache off": _fast(service, ask, without, mixed, plan)}
        fast["cache warm"] = _fast(service, ask, cached, mixed, plan)
    figures = [*fast.values(), *(each for point in points for each in (point.worked_out, point.cached))]
    facts = {"edges": edges, "points": points, "throughput": fast}
    passed = not any(each["failed"] for each in figures)
    return Section("reads", "Reads", facts, [*tables, _throughput(fast, plan.read_apis)], passed=passed)


def _throughput(fast: dict[str, Figures], apis: int) -> Table:
    def row(name: str, figures: Figures) -> tuple[str, ...]:
        cores = (f"{figures.get(f'cores {role}', 0.0):.2f}" for role in ("api", "postgres", "valkey", "client"))
        gain, latencies = figures["rate"] / fast["cache off"]["rate"], (f"{figures[p]:.1f}" for p in ("p50", "p99"))
        return (name, f"{figures['rate']:,.0f}", f"{gain:.1f}", *latencies, f"{figures['hit_rate']:.1%}", *cores)

    titles = " | reads/s | gain | p50 ms | p99 ms | hits | cores: API | PostgreSQL | Valkey | client"
    caption = f"All kinds mixed, {CONNECTIONS} connections, {apis} processes of the API"
    caption += f"; to be reached: {READS:,} reads/s with the cache warm"
    return Table(caption, titles, [row(*each) for each in fast.items()])


def _fast(service: Service, ask: Ask, ports: list[int], paths: list[str], plan: Plan) -> Figures:
    """Figures of reads as fast as they go, and the processors that each role used meanwhile."""
    seconds = 2 * plan.read_seconds
    for _ in range(WARMINGS):
        # Answers as of now are for the minute that has begun: all of it is to be in one.
        began = time.time()
        ask(ports, paths, CONNECTIONS)
        took = time.time() - began
        if MINUTE - began % MINUTE - took > seconds:
            break
        say(f"everything was asked for in {took:.0f} s: not within a minute with what is measured")
        time.sleep(MINUTE - time.time() % MINUTE)
    else:
        ask(ports, paths, CONNECTIONS)
    before = procs.by_role(service.root, procs.seconds)
    figures = ask(ports, paths, CONNECTIONS, seconds, plan.read_least)
    used = procs.spent(before, procs.by_role(service.root, procs.seconds))
    return figures | {f"cores {role}": spent / figures["seconds"] for role, spent in used.items()}


def questions(conn: Connection, settings: Settings, plan: Plan, edges: int, *, base: str = "") -> dict[str, list[str]]:
    """Paths of each kind of question that this API answers. `base` is what the paths of the graph begin with."""
    drawn = min(100.0, 100.0 * 2 * plan.read_users / max(1, edges))
    ends = database.rows_of(conn, "edges_at_random", percent=drawn, limit=plan.read_users)
    sources, targets = [row["source"] for row in ends], [row["target"] for row in ends]
    users = [quote(handle, safe="") for handle in (*sources, *targets)]

    def of_users(path: str) -> list[str]:
        return [base + path.format(user) for user in users]

    def of_pairs(path: str, targets: list[str]) -> list[str]:
        return [f"{base}{path}?{urlencode({'source': a, 'target': b})}" for a, b in zip(sources, targets, strict=True)]

    known = msgspec.json.decode(api_answers(settings, "/doc/openapi.json")[1])["paths"]
    rankings = sorted(path for path in known if path.startswith("/rankings/") and "{" not in path)
    asked = {
        "user": of_users("/users/{}"),
        "outgoing": of_users("/users/{}/outgoing"),
        "incoming": of_users("/users/{}/incoming"),
        "reciprocal": of_users("/users/{}/reciprocal"),
        "edge": of_pairs("/edges", targets),
        "ego, depth 1": of_users("/users/{}/ego?depth=1"),
        "ego, depth 2": of_users("/users/{}/ego?depth=2"),
        "path": of_pairs("/paths", targets[::-1]),
        "prefix": [f"{base}/users?{urlencode({'prefix': handle[:3]})}" for handle in sources],
        **{path: [f"{base}{path}?limit={limit}" for limit in (10, 50, 100)] for path in rankings},
    }
    return {name: paths for name, paths in asked.items() if api_answers(settings, paths[0])[0] == http.HTTPStatus.OK}


@contextmanager
def apis(service: Service, count: int) -> Generator[tuple[list[int], list[int]]]:
    """The ports of further processes of the API: of some without the cache, and of those that make as many with it."""
    ports = free_ports(2 * count - 1)
    with ExitStack() as stopping:
        for number, port in enumerate(ports):
            cached = number >= count
            settings = msgspec.structs.replace(service.settings, port=port, cache=cached)
            command, name = processes.api(settings, patience=1), f"api-{port}"
            child = Child(name, command.argv, env=command.env, log=service.directory / f"{name}.log", grace=3.0)
            stopping.callback(child.stop)
            child.start()
            until(lambda at=settings: api_answers(at)[0], 60)
        yield ports[:count], ports[count:]


@contextmanager
def _writing(service: Service, plan: Plan, load: str) -> Generator[Figures]:
    """Uploads beside the reads: the same rows again and again, to be applied each time. The figures are there after
    the block: how many rows in how many seconds. Without a load there are none."""
    written: Figures = {}
    if not (size := min(plan.rows, ROWS[load])):
        yield written
        return
    sent, over = list[str](), threading.Event()

    def write() -> None:
        under_way = list[str]()
        with postgres.connect(service.url, role="bench writer") as conn:
            while under_way or not over.is_set():
                while len(under_way) < AHEAD[load] and not over.is_set():
                    under_way.append(service.post_file(made.path, "again=true"))
                    sent.append(under_way[-1])
                    service.expect(made)
                time.sleep(POLL_SECONDS)
                under_way = [upload for upload in under_way if service.state(upload, conn) != "applied"]

    with service.made("mixed", size, plan.seed + size) as made, ThreadPoolExecutor(1) as thread:
        began, writing = time.monotonic(), thread.submit(write)
        until(lambda: sent or writing.done())
        try:
            yield written
        finally:
            over.set()
        writing.result()
        written |= {"rows": len(sent) * size, "seconds": time.monotonic() - began}


# Asking, over bare sockets and with no more of HTTP than our own answers have: a library's client would need more time
# than the API.

_STATUS = re.compile(rb"HTTP/1.1 (200|404) ")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")
_HIT = re.compile(rb"(?i)\r\ncache-status: mentiongraph; hit")
Answers = list[tuple[float, bytes]]  # seconds until each was there, and its head


def read(ports: list[int], paths: list[str], connections: int, seconds: float = 0.0, least: int = 0) -> Figures:
    """So many connections ask for paths drawn at random, each one at a time, for so many seconds and `least` answers;
    or, with neither, for each path once. Latencies are in milliseconds."""
    answers, began = Answers(), time.perf_counter()
    every = iter(sorted(set(paths)))

    def drawn(number: int) -> Iterator[str]:
        choose, count = random.Random(number).choice, 0
        while count * connections < least or time.perf_counter() < began + seconds:
            yield choose(paths)
            count += 1

    async def all_ask() -> None:
        given = [drawn(number) if least else every for number in range(connections)]
        places = islice(cycle(ports), connections)
        await asyncio.gather(*(_ask(port, asked, answers) for port, asked in zip(places, given, strict=True)))

    uvloop.run(all_ask())
    took, whole = [each for each, _ in answers], time.perf_counter() - began
    return {
        "reads": len(answers),
        "seconds": whole,
        "p50": percentile(took, 0.5) * 1e3,
        "p99": percentile(took, 0.99) * 1e3,
        "rate": len(answers) / whole,
        "hit_rate": sum(_HIT.search(head) is not None for _, head in answers) / len(answers),
        "failed": sum(_STATUS.match(head) is None for _, head in answers),
    }


async def _ask(port: int, paths: Iterator[str], answers: Answers) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in paths:
        began = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        await reader.readexactly(int(found[1]) if found else 0)
        answers.append((time.perf_counter() - began, head))
    writer.close()
    await writer.wait_closed()

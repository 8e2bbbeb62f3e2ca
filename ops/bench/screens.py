"""The page at size: how long the server works for what each screen asks, with many uploads and many edges.

The questions are those of the page's own sources, about users who are mentioned most and about users drawn at random,
to an API that caches nothing. None may take longer than SLOWEST.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from app.store.postgres import Connection
from ops.bench import database, procs
from ops.bench.plan import Plan
from ops.bench.reads import apis
from ops.bench.report import Section, Table, percentile
from ops.bench.service import Service, say

SLOWEST = 300.0
"""Milliseconds that the server may need for a question of the page."""
TURNS = 7
"""Times that each question is asked; the first is not counted."""
DEEP = 40
"""Pages after which a list is asked for once more: a page far down must cost what the first one does."""
TITLES = "screen | question | CPU, ms | median, ms | slowest, ms | kB"


class Question(NamedTuple):
    screen: str
    title: str
    path: str
    method: str = "GET"
    body: bytes | None = None
    stream: bool = False
    """The answer goes on; what counts is its beginning."""


class Point(NamedTuple):
    question: Question
    times: list[float]
    """Milliseconds until each answer was there."""
    used: float
    """Milliseconds of the processor for an answer, of the API and PostgreSQL together. A busy machine does not change
    them much."""
    size: int

    @property
    def median(self) -> float:
        return percentile(self.times, 0.5)

    def row(self) -> tuple[str, ...]:
        screen, title = self.question[:2]
        return (
            screen,
            title,
            f"{self.used:.0f}",
            f"{self.median:.0f}",
            f"{max(self.times):.0f}",
            f"{self.size / 1000:.1f}",
        )


def measure(service: Service, plan: Plan) -> Section:
    """Fill the graph and the ledger, then ask what each screen asks."""
    say("— the page's screens")
    service.preload(plan.screen_edges)
    fill(service.conn, plan.screen_uploads)
    with apis(service, 1) as (without, _):

        def cpu() -> float:
            used = procs.by_role(service.root, procs.seconds)
            return used.get("api", 0.0) + used.get("postgres", 0.0)

        asking = questions(service.conn, without[0], base=service.base)
        points = [asked(without[0], each, cpu) for each in asking]
    return section(points, database.edge_count(service.conn), database.row(service.conn, "upload_count")["uploads"])


def section(points: list[Point], edges: int, uploads: int) -> Section:
    caption = f"What each screen asks of the server, over {edges:,} edges and {uploads:,} uploads"
    facts = {
        "edges": edges,
        "uploads": uploads,
        "questions": [
            {
                "screen": each.question.screen,
                "title": each.question.title,
                "ms": each.times,
                "cpu_ms": each.used,
                "bytes": each.size,
            }
            for each in points
        ],
    }
    quick = all(min(each.median, each.used) <= SLOWEST for each in points)
    return Section(
        "screens", "The page at size", facts, [Table(caption, TITLES, [each.row() for each in points])], quick
    )


def fill(conn: Connection, uploads: int) -> None:
    """Let the ledger have so many uploads at least."""
    missing = uploads - database.row(conn, "upload_count")["uploads"]
    if missing > 0:
        say(f"filling the ledger: {missing:,} uploads …")
        conn.execute(database.query("fill_uploads"), {"uploads": missing})
        database.run(conn, "fill_uploads_seen")


def questions(conn: Connection, port: int, *, base: str = "") -> Iterator[Question]:
    """What the page asks for, screen by screen."""

    def json(path: str) -> dict[str, list[dict[str, str]]]:
        return msgspec.json.decode(_answer(port, Question("", "", base + path))[1])

    def user(handle: str, path: str = "", **query: object) -> str:
        return f"{base}/users/{quote(handle, safe='')}{path}" + (f"?{urlencode(query)}" if query else "")

    yield Question("every screen", "graphs", "/graphs?limit=500")
    yield Question("uploads", "counts by state", f"{base}/uploads/counts")
    yield Question("uploads", "counts, with a text", f"{base}/uploads/counts?text=note+5")
    yield Question("uploads", "first page", f"{base}/uploads?limit=50")
    yield Question("uploads", f"page {DEEP}", _deep(port, f"{base}/uploads?limit=50"))
    yield Question("uploads", "failed ones", f"{base}/uploads?state=failed&limit=50")
    yield Question("uploads", "by a text that few have", f"{base}/uploads?text=note+99950&limit=50")
    yield Question("uploads", "by a text that none has", f"{base}/uploads?text=nothing+of+the+kind&limit=50")
    failed = b'{"filter": {"state": ["failed"]}, "dry_run": true}'
    yield Question("uploads", "what can be done to all that failed", f"{base}/uploads/bulk", "POST", failed)
    largest = str(database.row(conn, "largest_upload")["id"])
    yield Question("upload", "entry", f"{base}/uploads/{largest}")
    yield Question("upload", "batches", f"{base}/uploads/{largest}/batches?limit=200")
    yield Question("upload", "events, the first", f"{base}/uploads/{largest}/events", stream=True)
    yield Question("upload", "retract, forecast", f"{base}/uploads/{largest}/retract?dry_run=true", "POST")
    drawn = min(100.0, 100_000.0 / max(1, database.edge_count(conn)))  # about a thousand edges
    ends = database.row(conn, "edges_at_random", percent=drawn, limit=1)
    best = json("/rankings/mentioned?limit=1")["users"][0]["handle"]
    pair = json("/rankings/edges?limit=1")["edges"][0]
    yield Question("network", "strongest 2,000 ties", f"{base}/network?users=2000&edges=2000")
    yield Question("network", "strongest 10,000 ties", f"{base}/network?users=5000&edges=10000")
    yield Question("network", "days", f"{base}/days?days=35")
    yield Question("find", "prefix of three letters", f"{base}/users?prefix={quote(best[:3])}&limit=8")
    for which, handle in (("mentioned most", best), ("at random", ends["target"])):
        yield Question(
            "network", f"two steps around the user {which}", user(handle, "/ego", depth=2, users=200, edges=5000)
        )
        yield Question(
            "network", f"one step around the user {which}", user(handle, "/ego", depth=1, users=200, edges=5000)
        )
        yield Question("network", f"expand the user {which}", user(handle, "/ego", depth=1, users=40, edges=1000))
        yield Question("user", f"the user {which}", user(handle))
        yield Question("user", f"days of the user {which}", user(handle, "/days", days=35))
        for part in ("outgoing", "incoming", "reciprocal"):
            yield Question("user", f"{part} of the user {which}", user(handle, f"/{part}", limit=100))
    path = urlencode({"source": ends["source"], "target": best})
    yield Question("network", "path to the user mentioned most", f"{base}/paths?{path}")
    path = urlencode({"source": best, "target": ends["source"]})
    yield Question("network", "path to a user at random", f"{base}/paths?{path}")
    for title, source, target in (
        ("the strongest tie", pair["source"], pair["target"]),
        ("a tie at random", ends["source"], ends["target"]),
    ):
        lines = f"{base}/edges/{quote(source, safe='')}/{quote(target, safe='')}/lines"
        yield Question("user", f"lines of {title}", f"{lines}?limit=7")
    for name in ("mentioned", "mentioning", "edges", "trending"):
        yield Question("rankings", name, f"{base}/rankings/{name}?limit=100")
    for path in ("/health/processes", "/health/queues", "/health/decay", "/health/cache", "/audit"):
        yield Question("operate", path.rpartition("/")[2], base + path)
    for path in ("/settings", "/keys?limit=200", "/audit-events?limit=50"):
        yield Question("operate", path.strip("/").partition("?")[0], path)


def _deep(port: int, path: str) -> str:
    """The path of a page far down, by the `next` of each page before."""
    for _ in range(DEEP - 1):
        path = msgspec.json.decode(_answer(port, Question("", "", path))[1])["next"] or path
    return path


def asked(port: int, question: Question, cpu: Callable[[], float]) -> Point:
    """`cpu`: seconds that the server has used so far."""
    times, size, before = list[float](), 0, 0.0
    for turn in range(TURNS):
        before = cpu() if turn == 1 else before
        took, body = _answer(port, question)
        times.append(took * 1e3)
        size = len(body)
    used = 1e3 * (cpu() - before) / (TURNS - 1)
    say(f"   {question.screen}: {question.title}: {percentile(times[1:], 0.5):,.0f} ms, CPU {used:,.0f} ms")
    return Point(question, times[1:], used, size)


def _answer(port: int, question: Question) -> tuple[float, bytes]:
    """Seconds until an answer was there, and its body. Raises ValueError where the page would show a problem."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as api:
        began = time.perf_counter()
        api.request(question.method, question.path, question.body, {"Content-Type": "application/json"})
        answer = api.getresponse()
        body = answer.read(1) if question.stream else answer.read()
        took = time.perf_counter() - began
        if answer.status not in {200, 202, 404, 409}:
            raise ValueError(f"{question.method} {question.path}: {answer.status} {body[:500]!r}")
        return took, body

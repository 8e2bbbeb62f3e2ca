"""What else happens while a big upload is in hand: short ones answered, an urgent one applied, memory of the API."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from statistics import median

import psutil

from ops.bench import database, procs
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, mebi, milli, percentile
from ops.bench.service import DONE, Service, connection, post, say, until, upload_file
from ops.workloads.workload import HEADER, Workload

SHORT_ROWS = 7
"""About 1 kB."""
PAUSE = 0.1
"""Seconds between two short uploads."""
BLOCK_ROWS = 50_000
PIECE = 1 << 18


@contextmanager
def _sending(service: Service, made: Workload) -> Generator[Future[str]]:
    """A big upload on its way; the result is its id, once it is sealed."""
    service.expect(made)
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(upload_file, service.settings, made.path, "priority=bulk")


def latency(service: Service, plan: Plan) -> Section:
    """Milliseconds from the first byte of a 1 kB upload to its answer: calm, and while a big one is worked on."""
    count = plan.calm_uploads + plan.short_uploads
    posts = Workload("tail", SHORT_ROWS * count, plan.seed + 300, sample_every=plan.sample_every)
    lines = b"".join(posts.chunks()).removeprefix(HEADER).splitlines(keepends=True)  # its rows have one line each
    bodies = [HEADER + b"".join(lines[start : start + SHORT_ROWS]) for start in range(0, len(lines), SHORT_ROWS)]
    service.expect(posts)
    uploads: list[str] = []

    def send(more: Callable[[], bool], pause: float = PAUSE) -> list[float]:
        """Seconds of each short upload, one after another over one connection, for as long as there is `more`."""
        took: list[float] = []
        with closing(connection(service.settings)) as api:
            while len(uploads) < len(bodies) and more():
                began = time.perf_counter()
                uploads.append(post(api, "/uploads", bodies[len(uploads)]))
                took.append(time.perf_counter() - began)
                service.keep()
                time.sleep(pause)
        return took

    say(f"{count} short uploads, most of them beside {plan.rows:,} rows …")
    calm = send(lambda: len(uploads) < plan.calm_uploads)
    with service.made("mixed", plan.rows, plan.seed + 301) as made, _sending(service, made) as big:
        saturated = send(lambda: not big.done() or service.state(big.result()) not in DONE)
        service.wait(big.result())
    after = send(lambda: True, pause=0)
    for upload in uploads:
        service.wait(upload)
    rows = [
        (name, str(len(took)), milli(median(took)), milli(percentile(took, 0.99)), milli(max(took)))
        for name, took in (("calm", calm), ("saturated", saturated))
        if took
    ]
    caption = f"An upload of {len(bodies[0])} bytes, until it is answered"
    table = Table(caption, "machine | uploads | median ms | p99 ms | most ms", rows)
    facts = {"bytes": len(bodies[0]), "calm": calm, "saturated": saturated, "after": after}
    return Section("latency", "Latency", facts, [table])


def priority(service: Service, plan: Plan) -> Section:
    """Seconds until an urgent upload is applied that is sent when the first batch of a big one is counted."""
    say(f"an urgent upload beside {plan.rows:,} rows …")
    with (
        service.made("mixed", plan.rows, plan.seed + 320) as big,
        service.made("mixed", plan.urgent_rows, plan.seed + 321) as urgent,
        _sending(service, big) as sending,
    ):
        bulk, began = sending.result(), time.perf_counter()
        until(lambda: service.keep() or database.row(service.conn, "counted", id=bulk)["rows"])
        applied = service.send(urgent, "priority=urgent").applied
        service.wait(bulk)
        whole = time.perf_counter() - began
    facts = {"urgent_seconds": applied, "bulk_seconds": whole}
    rows = [
        ("urgent", f"{urgent.facts.rows:,}", f"{urgent.facts.bytes:,}", f"{applied:.2f}"),
        ("bulk, from its seal", f"{plan.rows:,}", "", f"{whole:.1f}"),
    ]
    caption = "An urgent upload, sent while a big one in bulk was being counted"
    table = Table(caption, "upload | rows | bytes | applied after s", rows)
    return Section("priority", "Urgent among bulk", facts, [table])


def memory(service: Service, plan: Plan) -> Section:
    """Resident memory of the API while a body streams that no file holds. A dry run, cancelled when it is in."""
    block = b"".join(Workload("mixed", BLOCK_ROWS, plan.seed + 340).chunks()).removeprefix(HEADER)
    api = next(process for role, process in procs.tree(service.root) if role == "api")
    say(f"streaming {plan.stream_bytes:,} bytes …")
    with closing(connection(service.settings)) as client:
        post(client, "/uploads?dry_run=true", HEADER + block[: block.index(b"\n") + 1])  # what is made once
        before, began = _resident(api), time.perf_counter()
        with procs.sampled(lambda: {"api": _resident(api)}, every=0.1) as readings:
            upload = post(client, "/uploads?dry_run=true", _body(block, plan.stream_bytes))
        took = time.perf_counter() - began
        if service.state(upload) not in DONE:
            post(client, f"/uploads/{upload}/cancel")
    service.wait(upload)
    seen = [(round(at, 2), reading["api"]) for at, reading in readings]
    # The first tenth fills buffers that every upload has.
    steady = [size for _, size in seen[len(seen) // 10 :]]
    least, most, after = min(steady), max(steady), _resident(api)
    row = ("API", mebi(before), mebi(least), mebi(most), f"{(most - least) / 2 / 2**20:.1f}", mebi(after))
    caption = f"Resident memory of the API while {plan.stream_bytes / 2**20:,.0f} MiB stream ({took:.1f} s)"
    table = Table(caption, " | before MiB | least MiB | most MiB | ± MiB | after MiB", [row])
    sizes = {"before": before, "least": least, "most": most, "after": after}
    facts = {"bytes": plan.stream_bytes, "seconds": took, **sizes, "series": seen}
    return Section("memory", "Memory while a body streams", facts, [table])


def _resident(process: psutil.Process) -> float:
    return process.memory_info().rss


def _body(block: bytes, size: int) -> Iterator[bytes]:
    """The header and whole blocks, `size` bytes or a little more."""
    yield HEADER
    for _ in range(-(-size // len(block))):
        for start in range(0, len(block), PIECE):
            yield block[start : start + PIECE]

"""What else happens while a big upload is in hand: short ones are answered, and the API keeps its size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from statistics import median

from ops.bench import procs
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, mebi, milli, percentile
from ops.bench.service import DONE, Service, connection, post, say
from ops.workloads.workload import HEADER, Workload

SHORT_ROWS, PAUSE = 7, 0.1
"""Rows of a short upload, about 1 kB; seconds between two of them."""
BLOCK_ROWS, PIECE = 50_000, 1 << 18


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
                uploads.append(post(api, f"{service.base}/uploads", bodies[len(uploads)]))
                took.append(time.perf_counter() - began)
                service.keep()
                time.sleep(pause)
        return took

    say(f"— latency: {count} short uploads, most of them beside {plan.rows:,} rows …")
    calm = send(lambda: len(uploads) < plan.calm_uploads)
    with service.made("mixed", plan.rows, plan.seed + 301) as made, ThreadPoolExecutor(1) as thread:
        service.expect(made)
        big = thread.submit(service.post_file, made.path, "priority=bulk")
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


def memory(service: Service, plan: Plan) -> Section:
    """Resident memory of the API while a body streams that no file holds. A dry run, cancelled when it is in."""
    block = b"".join(Workload("mixed", BLOCK_ROWS, plan.seed + 340).chunks()).removeprefix(HEADER)
    api = next(process for role, process in procs.tree(service.root) if role == "api").memory_info
    say(f"— memory: streaming {plan.stream_bytes:,} bytes …")
    with closing(connection(service.settings)) as client:
        post(
            client, f"{service.base}/uploads?dry_run=true", HEADER + block[: block.index(b"\n") + 1]
        )  # what is made once
        before, began = api().rss, time.perf_counter()
        with procs.sampled(lambda: {"api": api().rss}, every=0.1) as readings:
            upload = post(client, f"{service.base}/uploads?dry_run=true", _body(block, plan.stream_bytes))
        took = time.perf_counter() - began
        if service.state(upload) not in DONE:
            post(client, f"{service.base}/uploads/{upload}/cancel")
    service.wait(upload)
    seen = [(round(at, 2), reading["api"]) for at, reading in readings]
    # The first tenth fills buffers that every upload has.
    steady = [size for _, size in seen[len(seen) // 10 :]]
    least, most, after = min(steady), max(steady), api().rss
    row = ("API", mebi(before), mebi(least), mebi(most), f"{(most - least) / 2 / 2**20:.1f}", mebi(after))
    caption = f"Resident memory of the API while {plan.stream_bytes / 2**20:,.0f} MiB stream ({took:.1f} s)"
    table = Table(caption, " | before MiB | least MiB | most MiB | ± MiB | after MiB", [row])
    sizes = {"before": before, "least": least, "most": most, "after": after}
    facts = {"bytes": plan.stream_bytes, "seconds": took, **sizes, "series": seen}
    return Section("memory", "Memory while a body streams", facts, [table])


def _body(block: bytes, size: int) -> Iterator[bytes]:
    """The header and whole blocks, `size` bytes or a little more."""
    yield HEADER
    for _ in range(-(-size // len(block))):
        for start in range(0, len(block), PIECE):
            yield block[start : start + PIECE]

"""What else happens while a big upload is in hand: short ones answered, an urgent one applied, memory of the API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from ops.bench import procs
from ops.bench.generate import HEADER
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, megabytes
from ops.bench.service import DONE, POLL_SECONDS, Client, Service, UploadFailed, say
from ops.bench.workloads import Workload

SHORT_ROWS = 7
"""About 1 kB."""
PAUSE = 0.1
"""Seconds between two short uploads."""
BLOCK_ROWS = 50_000
PIECE = 1 << 18


class BigUpload(threading.Thread):
    """Sends a file, by itself; `uploads` then has its id."""

    def __init__(self, service: Service, path: Path) -> None:
        super().__init__(name="big upload", daemon=True)
        self.upload: str | None = None
        self.failed: Exception | None = None
        self._settings, self._path = service.stack.settings, path

    def run(self) -> None:
        try:
            with Client(self._settings) as client:
                self.upload = client.send(self._path, priority="bulk")
        except (OSError, UploadFailed) as error:
            self.failed = error

    def sent(self) -> str:
        """Its id, once it is sealed. Raises UploadFailed."""
        self.join()
        if self.upload is None:
            raise UploadFailed(f"the big upload failed: {self.failed}")
        return self.upload


def latency(service: Service, plan: Plan) -> list[Section]:
    """Milliseconds from the first byte of a 1 kB upload to its answer: calm, and while a big one is worked on."""
    count = plan.calm_uploads + plan.short_uploads
    posts = Workload("tail", SHORT_ROWS * count, plan.seed + 300, sample_every=service.sample_every)
    bodies = _bodies(posts)
    service.expect(posts)
    path, _, big = service.make("mixed", plan.rows, plan.seed + 301)
    service.expect(big)
    say(f"{count} short uploads, most of them beside {plan.rows:,} rows …")
    short = _Short(service, bodies)
    calm = short.send(lambda: len(short.uploads) < plan.calm_uploads)
    sending = BigUpload(service, path)
    sending.start()
    saturated = short.send(lambda: sending.is_alive() or service.state(sending.sent()) not in DONE)
    service.wait(sending.sent())
    path.unlink()
    after = short.send(lambda: True, pause=0)
    for upload in short.uploads:
        service.wait(upload)
    rows = [
        [
            name,
            str(len(those)),
            f"{median(those) * 1e3:.1f}",
            f"{sorted(those)[int(len(those) * 0.99)] * 1e3:.1f}",
            f"{max(those) * 1e3:.1f}",
        ]
        for name, those in (("calm", calm), ("saturated", saturated))
        if those
    ]
    table = Table(
        f"An upload of {len(bodies[0])} bytes, until it is answered",
        ["machine", "uploads", "median ms", "p99 ms", "most ms"],
        rows,
    )
    facts = {"bytes": len(bodies[0]), "calm": calm, "saturated": saturated, "after": after}
    return [Section("latency", "Latency", facts, [table])]


def _bodies(posts: Workload) -> list[bytes]:
    """The workload in short bodies, each with the header. Its rows have one line each."""
    lines = b"".join(posts.chunks()).removeprefix(HEADER).splitlines(keepends=True)
    return [HEADER + b"".join(lines[start : start + SHORT_ROWS]) for start in range(0, len(lines), SHORT_ROWS)]


class _Short:
    """Sends the short uploads, one after another over one connection."""

    def __init__(self, service: Service, bodies: list[bytes]) -> None:
        self.uploads: list[str] = []
        self._service, self._bodies = service, bodies

    def send(self, more: Callable[[], bool], *, pause: float = PAUSE) -> list[float]:
        """Seconds of each, for as long as there is `more` to be sent, and something left."""
        took: list[float] = []
        with Client(self._service.stack.settings) as client:
            while len(self.uploads) < len(self._bodies) and more():
                began = time.perf_counter()
                self.uploads.append(client.post(self._bodies[len(self.uploads)]))
                took.append(time.perf_counter() - began)
                self._service.keep()
                time.sleep(pause)
        return took


def priority(service: Service, plan: Plan) -> list[Section]:
    """Seconds until an urgent upload is applied that is sent when the first batch of a big one is counted."""
    path, _, big = service.make("mixed", plan.rows, plan.seed + 320)
    urgent_path, urgent_facts, urgent = service.make("mixed", plan.urgent_rows, plan.seed + 321)
    say(f"an urgent upload beside {plan.rows:,} rows …")
    service.expect(big)
    sending = BigUpload(service, path)
    sending.start()
    bulk, began = sending.sent(), time.perf_counter()
    while not service.counted(bulk)["rows"]:
        service.keep()
        time.sleep(POLL_SECONDS)
    share = service.counted(bulk)["rows"] / plan.rows
    applied = service.send_made(urgent_path, urgent, priority="urgent")
    service.wait(bulk)
    whole = time.perf_counter() - began
    path.unlink()
    urgent_path.unlink()
    table = Table(
        "An urgent upload, sent while a big one in bulk was being counted",
        ["upload", "rows", "bytes", "applied after s"],
        [
            ["urgent", f"{urgent_facts.rows:,}", f"{urgent_facts.bytes:,}", f"{applied.applied:.2f}"],
            ["bulk, from its seal", f"{plan.rows:,}", "", f"{whole:.1f}"],
        ],
    )
    facts = {"urgent_seconds": applied.applied, "bulk_seconds": whole, "bulk_share_counted": share}
    return [Section("priority", "Urgent among bulk", facts, [table])]


def memory(service: Service, plan: Plan) -> list[Section]:
    """Resident memory of the API while a body streams that no file holds. A dry run, cancelled when it is in."""
    block = b"".join(Workload("mixed", BLOCK_ROWS, plan.seed + 340).chunks()).removeprefix(HEADER)
    (api,) = procs.pids(service.root, "api")[:1]
    sampler = _Resident(api)
    say(f"streaming {plan.stream_bytes:,} bytes …")
    with Client(service.stack.settings) as client:
        client.post(HEADER + block[: block.index(b"\n") + 1], dry_run=True)  # what is imported or made once
        before, began = procs.rss(api), time.perf_counter()
        sampler.start()
        upload = client.stream(_body(block, plan.stream_bytes), dry_run=True)
        took = time.perf_counter() - began
        seen = sampler.stop()
        if service.state(upload) not in DONE:
            client.cancel(upload)
    service.wait(upload)
    # The first tenth fills buffers that every upload has.
    steady = [size for _, size in seen[len(seen) // 10 :]]
    facts = {
        "bytes": plan.stream_bytes,
        "seconds": took,
        "before": before,
        "least": min(steady),
        "most": max(steady),
        "after": procs.rss(api),
        "series": [(round(at, 2), size) for at, size in seen],
    }
    table = Table(
        f"Resident memory of the API while {plan.stream_bytes / 2**20:,.0f} MiB stream ({took:.1f} s)",
        ["", "before MiB", "least MiB", "most MiB", "± MiB", "after MiB"],
        [
            [
                "API",
                megabytes(before),
                megabytes(min(steady)),
                megabytes(max(steady)),
                f"{(max(steady) - min(steady)) / 2 / 2**20:.1f}",
                megabytes(procs.rss(api)),
            ]
        ],
    )
    return [Section("memory", "Memory while a body streams", facts, [table])]


def _body(block: bytes, size: int) -> Iterator[bytes]:
    """The header and whole blocks, `size` bytes or a little more."""
    yield HEADER
    sent = 0
    while sent < size:
        for start in range(0, len(block), PIECE):
            yield block[start : start + PIECE]
        sent += len(block)


class _Resident(threading.Thread):
    """Reads how large a process is, ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(name="resident", daemon=True)
        self._pid = pid
        self._stopping = threading.Event()
        self._seen: list[tuple[float, int]] = []

    def run(self) -> None:
        began = time.monotonic()
        while True:
            self._seen.append((time.monotonic() - began, procs.rss(self._pid)))
            if self._stopping.wait(0.1):
                return

    def stop(self) -> list[tuple[float, int]]:
        self._stopping.set()
        self.join()
        return self._seen

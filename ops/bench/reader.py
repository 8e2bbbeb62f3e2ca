"""Asks the API in a closed loop, at little cost: `python -m ops.bench.reader`, a job a line on standard input.

Bare sockets and no more of HTTP than our own answers have: a client of a library would need more time than the API.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator

import msgspec
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_CACHE = re.compile(rb"\r\ncache-status: mentiongraph; (hit|fwd)", re.IGNORECASE)


class Job(msgspec.Struct, frozen=True):
    """`connections` ask for paths drawn at random, each one at a time, for so many seconds and `least` answers; or,
    where `all` is set, for each path once."""

    ports: list[int]
    paths: list[str]
    connections: int
    seconds: float = 0.0
    least: int = 1
    all: bool = False
    seed: int = 7


class Answered(msgspec.Struct, frozen=True):
    """What came of a job. Latencies in milliseconds."""

    reads: int
    seconds: float
    p50: float
    p99: float
    most: float
    hits: int
    """Answered from the cache."""
    failed: dict[str, int]
    """Answers by status that are neither 200 nor 404."""

    @property
    def rate(self) -> float:
        return self.reads / self.seconds

    @property
    def hit_rate(self) -> float:
        return self.hits / self.reads


class _Tally:
    def __init__(self) -> None:
        self.took: list[float] = []
        self.hits = 0
        self.failed: Counter[str] = Counter()


async def run(job: Job) -> Answered:
    began = time.perf_counter()
    tally = _Tally()
    if job.all:
        given = [iter(job.paths)] * job.connections
    else:
        given = [_drawn(job, number, began + job.seconds) for number in range(job.connections)]
    await asyncio.gather(*(_ask(job, number, paths, tally) for number, paths in enumerate(given)))
    seconds = time.perf_counter() - began
    took = sorted(tally.took)
    return Answered(
        reads=len(took),
        seconds=seconds,
        p50=took[len(took) // 2] * 1e3,
        p99=took[int(len(took) * 0.99)] * 1e3,
        most=took[-1] * 1e3,
        hits=tally.hits,
        failed=dict(tally.failed),
    )


def _drawn(job: Job, number: int, until: float) -> Iterator[str]:
    choose = random.Random(f"{job.seed} {number}").choice
    count = 0
    while count * job.connections < job.least or time.perf_counter() < until:
        yield choose(job.paths)
        count += 1


async def _ask(job: Job, number: int, paths: Iterator[str], tally: _Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", job.ports[number % len(job.ports)])
    for path in paths:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        await reader.readexactly(int(found[1]) if found else 0)
        tally.took.append(time.perf_counter() - began)
        if (status := head[9:12].decode()) not in {"200", "404"}:
            tally.failed[status] += 1
        if (cache := _CACHE.search(head)) and cache[1] == b"hit":
            tally.hits += 1
    writer.close()
    await writer.wait_closed()


def main() -> int:
    for line in sys.stdin.buffer:
        answered = uvloop.run(run(msgspec.json.decode(line, type=Job)))
        sys.stdout.buffer.write(msgspec.json.encode(answered) + b"\n")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

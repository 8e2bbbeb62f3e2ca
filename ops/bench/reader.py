"""Asks the API in a closed loop, at little cost, in a process of its own.

Bare sockets and no more of HTTP than our own answers have: a client of a library would need more time than the API.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Iterator

import msgspec
import uvloop

from ops.bench.report import percentile

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


class Answered(msgspec.Struct):
    """What came of a job."""

    took: list[float] = []
    """Seconds of each answer."""
    hits: int = 0
    """Answers from the cache."""
    failed: Counter[str] = msgspec.field(default_factory=Counter[str])
    """Answers by status that are neither 200 nor 404."""
    seconds: float = 0.0

    def figures(self) -> dict[str, float]:
        """Latencies are in milliseconds."""
        return {
            "reads": len(self.took),
            "seconds": self.seconds,
            "p50": percentile(self.took, 0.5) * 1e3,
            "p99": percentile(self.took, 0.99) * 1e3,
            "most": max(self.took) * 1e3,
            "rate": len(self.took) / self.seconds,
            "hit_rate": self.hits / len(self.took),
            "failed": self.failed.total(),
        }


def read(job: Job) -> dict[str, float]:
    """Do a job; its figures."""
    return uvloop.run(_read(job)).figures()


async def _read(job: Job) -> Answered:
    answered, began = Answered(), time.perf_counter()
    if job.all:
        given = [iter(job.paths)] * job.connections
    else:
        given = [_drawn(job, number, began + job.seconds) for number in range(job.connections)]
    ports = [job.ports[number % len(job.ports)] for number in range(job.connections)]
    await asyncio.gather(*(_ask(port, paths, answered) for port, paths in zip(ports, given, strict=True)))
    answered.seconds = time.perf_counter() - began
    return answered


def _drawn(job: Job, number: int, until: float) -> Iterator[str]:
    choose = random.Random(f"{job.seed} {number}").choice
    count = 0
    while count * job.connections < job.least or time.perf_counter() < until:
        yield choose(job.paths)
        count += 1


async def _ask(port: int, paths: Iterator[str], answered: Answered) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in paths:
        began = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        await reader.readexactly(int(found[1]) if found else 0)
        answered.took.append(time.perf_counter() - began)
        if (status := head[9:12].decode()) not in {"200", "404"}:
            answered.failed[status] += 1
        answered.hits += (cache := _CACHE.search(head)) is not None and cache[1] == b"hit"
    writer.close()
    await writer.wait_closed()

"""Stage by stage, each alone: which of them bounds the whole? The stages behind HTTP run in a process of their own, on
one thread, as a worker has it."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar
from unittest import mock

import msgspec

from app.graph.counting import count_batch
from app.graph.deltas import by_id, pack, sum_by_edge, unpack
from app.graph.mentions import Counted, count
from app.graph.merging import merge_shard
from app.graph.parameters import GraphParameters, read_parameters
from app.graph.profiles import PROFILES
from app.graph.shards import handle_ids
from app.graph.users import UserIds
from app.ledger import receiving, transitions
from app.ledger.receiving import Arriving
from app.posts.containers.compression import compress, decoder, decompress
from app.posts.options import Options
from app.posts.readers import READERS
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from app.store.migrations import migrate
from app.store.postgres import Connection
from ops.bench import database, procs
from ops.bench.plan import Plan
from ops.bench.report import Section, Table, spread
from ops.bench.service import Service, say

ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TITLES = "stage | rows/s | s/M rows"
CHUNK = 1 << 16
"""Bytes that arrive at once."""
T = TypeVar("T")
Stages = dict[str, list[float]]
"""Seconds of each stage, one entry a run, in the order in which they come first."""


def measure(service: Service, plan: Plan) -> Section:
    """Receive over HTTP; the rest in another process, over a database beside the service's."""
    with (
        service.made("mixed", plan.stage_rows, plan.seed + 900) as made,
        database.beside(service.conn, service.stack.superuser_url, "bench_stages") as url,
        mock.patch.dict(os.environ, ONE_THREAD),
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other,
    ):
        received = [_receive(service, made.path) for _ in range(plan.runs)]
        say("— stages …")
        settings = msgspec.structs.replace(service.settings, database_url=url)
        exact, stages = other.submit(_alone, settings, plan.runs, made.path).result()
    rows, edges = made.facts.rows, made.facts.edges
    seconds = {"receive: HTTP, decode, take in; the API's CPU": received, **stages}
    caption = f"Stages alone, {rows:,} rows, {edges:,} edges, one process, one thread: median (least to most)"
    rate = {name: spread(rows / each for each in took) for name, took in seconds.items()}
    figures = [(name, rate[name], f"{median(took) * 1e6 / rows:.2f}") for name, took in seconds.items()]
    facts, table = {"rows": rows, "edges": edges, "seconds": seconds}, Table(caption, TITLES, figures)
    return Section("stages", "Stage by stage", facts, [table], passed=exact)


def _receive(service: Service, path: Path) -> float:
    """CPU seconds of the API for an upload of which nothing is applied; the kernel tells hundredths."""
    before = procs.by_role(service.root, procs.seconds)
    service.wait(service.post_file(path, "dry_run=true"))
    return max(0.01, procs.spent(before, procs.by_role(service.root, procs.seconds))["api"])


class _Stages:
    """The stages behind HTTP, over a database that nobody else uses."""

    def __init__(self, conn: Connection, settings: Settings, graph: GraphParameters) -> None:
        self.conn, self.settings, self.graph = conn, settings, graph
        self.seconds: Stages = {}

    def timed(self, name: str, work: Callable[[], T]) -> T:
        """Do the work of a stage and note how long it takes."""
        began = time.perf_counter()
        result = work()
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)
        return result

    def run(self, content: bytes) -> None:
        """Every stage once: alone in memory, alone in the database, then a whole upload, step by step as workers do."""
        self._users(self._in_memory(content))
        for name in ("new edges", "the same again"):
            self._upload(content, name)

    def _in_memory(self, content: bytes) -> list[Counted]:
        reader, options, timed, graph = READERS["csv"], Options(), self.timed, self.graph
        header = reader.read_header(content[:4096], final=True, names=options.columns, delimiter=",")
        if header is None:
            raise ValueError("the file has no header")

        how = partial(count, profile=PROFILES[options.profile], clock=options.clock, retweets=options.retweet_rule)
        count_mentions = partial(how, received_at=postgres.clock(), half_life=graph.half_life)
        ids_of = partial(handle_ids, probe=0, bits=graph.handle_bits)
        timed("hash (SHA-256)", lambda: hashlib.sha256(content))
        parts = timed("cut", lambda: list(_cut(content[header.body_offset :], self.settings.batch_bytes)))
        packed = timed("compress", lambda: [compress(part) for part in parts])
        parts = timed("decompress", lambda: [decompress(each) for each in packed])
        posts = timed("read", lambda: [reader.read(part, header.format, first_line=1) for part in parts])
        counted = timed("count mentions", lambda: [count_mentions(each.frame) for each in posts])
        ids = timed("hash handles", lambda: [ids_of(each.users["handle"]) for each in counted])
        by_ids = [(each.edges, own) for each, own in zip(counted, ids, strict=True)]
        deltas = timed("edges by id, sorted", lambda: [by_id(*each) for each in by_ids])
        payloads = timed("pack deltas", lambda: [pack(delta) for delta in deltas])
        sum_up = partial(sum_by_edge, half_life=graph.half_life)
        timed("unpack and sum deltas", lambda: sum_up([unpack(payload) for payload in payloads]))
        return counted

    def _users(self, counted: list[Counted]) -> None:
        """Finding ids: of users that are new, that are in the database, that this process remembers."""

        def find(ids: UserIds) -> None:
            for each in counted:
                ids.of(self.conn, each.users)

        bits, everybody = self.graph.handle_bits, sum(len(each.users) for each in counted)
        for name in ("new", "in the database"):
            self.timed(f"users: {name}", lambda: find(UserIds(bits=bits, memory=0)))
        find(remembering := UserIds(bits=bits, memory=everybody))
        self.timed("users: remembered", lambda: find(remembering))

    def _upload(self, content: bytes, name: str) -> None:
        """A whole upload without HTTP and without workers."""
        conn, graph, take_in = self.conn, self.graph, f"take in: hash, cut, compress, INSERT ({name})"
        upload = self.timed(take_in, lambda: asyncio.run(_take_in(self.settings, content)))
        now = postgres.clock()
        batches = [row["id"] for row in database.rows_of(conn, "batches_of", id=upload)]
        found = [transitions.claim(conn, batch, settings=self.settings, now=now) for batch in batches]
        claims = [claim for claim in found if claim is not None]
        ids = UserIds(bits=graph.handle_bits, memory=self.settings.known_handles)

        def count_all() -> None:
            for claim in claims:
                count_batch(conn, claim, graph, ids, now=now)

        def merge_all() -> None:
            for shard in range(graph.shards):
                while merge_shard(conn, shard, graph, most_edges=self.settings.merge_edges, now=now):
                    pass

        self.timed(f"count: all of it, users known to the database ({name})", count_all)
        self.timed(f"merge ({name})", merge_all)


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    """Batches, as they are cut while a body arrives."""
    while data:
        end = READERS["csv"].cut(data[: size + CHUNK], delimiter=",", final=len(data) <= size).end
        yield data[:end]
        data = data[end:]


async def _take_in(settings: Settings, content: bytes) -> uuid.UUID:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]

    arriving = Arriving(body(), decoder(None), Options(), again=True)
    async with postgres.async_pool(settings.database_url, role="bench", size=3, statement_timeout=300) as pool:
        received = await receiving.receive(pool, arriving, settings=settings, received_by="bench", clock=postgres.clock)
    return received.upload_id


def _alone(settings: Settings, runs: int, path: Path) -> tuple[bool, Stages]:
    """Every run, over an empty database; whether the audit found it exact in the end, and the seconds."""
    migrate(settings.database_url)
    with postgres.connect(settings.database_url, role="bench") as conn:
        stages = _Stages(conn, settings, read_parameters(conn))
        content = path.read_bytes()
        for run in range(runs):
            # Other handles in each run, or nobody would be new after the first.
            stages.run(content.replace(b"@", b"@x%d_" % run) if run else content)
        return audit(conn).exact, stages.seconds

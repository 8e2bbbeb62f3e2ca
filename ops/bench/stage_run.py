"""The stages behind HTTP, in a process of its own on one thread, as a worker has it; prints seconds as JSON.

python -m ops.bench.stage_run DATABASE_URL RUNS FILE    # an empty database
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

import sql
from app import settings as app_settings
from app.graph.counting import count_batch
from app.graph.deltas import by_id, pack, sum_by_edge, unpack
from app.graph.mentions import Counted, count
from app.graph.merging import merge_shard
from app.graph.parameters import GraphParameters, read_parameters
from app.graph.profiles import PROFILES
from app.graph.shards import handle_ids
from app.graph.users import UserIds
from app.ledger import receiving, transitions
from app.ledger.transitions import Claim
from app.posts.compression import compress, decompress
from app.posts.options import Options
from app.posts.readers import READERS
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from app.store.migrations import migrate
from app.store.postgres import Connection, execute
from ops.bench import database

CHUNK = 1 << 16
"""Bytes that arrive at once."""


class Timed(msgspec.Struct):
    """Seconds of each stage, one entry a run, in the order in which they come first."""

    seconds: dict[str, list[float]]
    exact: bool = True

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        began = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)


def main(arguments: list[str]) -> int:
    url, runs, path = arguments[0], int(arguments[1]), Path(arguments[2])
    migrate(url)
    settings = msgspec.structs.replace(app_settings.load(), database_url=url)
    timed = Timed({})
    with postgres.connect(url, role="bench") as conn:
        graph = read_parameters(conn)
        through = _Through(conn, settings, graph, timed)
        for run in range(runs):
            # Other handles in each run, or nobody were new after the first.
            content = path.read_bytes().replace(b"@", b"@x%d_" % run) if run else path.read_bytes()
            counted = _pure(content, settings, graph, timed)
            _users(conn, counted, graph, timed)
            for name in ("new edges", "the same again"):
                through.run(content, name)
        timed.exact = audit(conn).exact
    sys.stdout.buffer.write(msgspec.json.encode(timed))
    return 0


def _pure(content: bytes, settings: Settings, graph: GraphParameters, timed: Timed) -> list[Counted]:
    """What needs no database."""
    reader, options = READERS["csv"], Options()
    header = reader.read_header(content[:4096], final=True, names=options.columns, delimiter=",")
    if header is None:
        raise ValueError("the file has no header")
    with timed.stage("hash (SHA-256)"):
        hashlib.sha256(content)
    with timed.stage("cut"):
        parts = list(_cut(content[header.body_offset :], settings.batch_bytes))
    with timed.stage("compress"):
        packed = [compress(part) for part in parts]
    with timed.stage("decompress"):
        parts = [decompress(each) for each in packed]
    with timed.stage("read"):
        posts = [reader.read(part, header.format, first_line=1) for part in parts]
    with timed.stage("count mentions"):
        counted = [
            count(
                each.frame,
                profile=PROFILES[options.profile],
                clock=options.clock,
                received_at=postgres.clock(),
                half_life=graph.half_life,
                retweets=options.retweet_rule,
            )
            for each in posts
        ]
    with timed.stage("hash handles"):
        ids = [handle_ids(each.users["handle"], probe=0, bits=graph.handle_bits) for each in counted]
    with timed.stage("edges by id, sorted"):
        deltas = [by_id(each.edges, own) for each, own in zip(counted, ids, strict=True)]
    with timed.stage("pack deltas"):
        payloads = [pack(delta) for delta in deltas]
    with timed.stage("unpack and fold deltas"):
        sum_by_edge([unpack(payload) for payload in payloads], half_life=graph.half_life)
    return counted


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    """Batches, as they are cut while a body arrives."""
    reader = READERS["csv"]
    while data:
        final = len(data) <= size
        end = reader.boundary(data[: size + CHUNK], delimiter=",", final=final)
        yield data[:end]
        data = data[end:]


def _users(conn: Connection, counted: list[Counted], graph: GraphParameters, timed: Timed) -> None:
    """Finding ids: of users that are new, that are in the database, that this process remembers."""
    everybody = sum(len(each.users) for each in counted)
    for name in ("new", "in the database"):
        user_ids = UserIds(bits=graph.handle_bits, memory=0)
        with timed.stage(f"users: {name}"):
            for each in counted:
                user_ids.of(conn, each.users)
    user_ids = UserIds(bits=graph.handle_bits, memory=everybody)
    for each in counted:
        user_ids.of(conn, each.users)
    with timed.stage("users: remembered"):
        for each in counted:
            user_ids.of(conn, each.users)


class _Through(NamedTuple):
    """A whole upload without HTTP and without workers: every step as they do it."""

    conn: Connection
    settings: Settings
    graph: GraphParameters
    timed: Timed

    def run(self, content: bytes, name: str) -> None:
        conn, settings, graph = self.conn, self.settings, self.graph
        with self.timed.stage(f"take in: hash, cut, compress, INSERT ({name})"):
            upload = asyncio.run(_take_in(settings, content))
        claims = _claims(conn, settings, upload)
        _stage(conn, claims, self.timed)
        user_ids = UserIds(bits=graph.handle_bits, memory=settings.known_handles)
        with self.timed.stage(f"count: all of it, users known to the database ({name})"):
            for claim in claims:
                count_batch(conn, claim, graph, user_ids, now=postgres.clock())
        with self.timed.stage(f"merge ({name})"):
            for shard in range(graph.shards):
                while merge_shard(conn, shard, graph, most_edges=settings.merge_edges, now=postgres.clock()):
                    pass


def _stage(conn: Connection, claims: list[Claim], timed: Timed) -> None:
    """The INSERT alone, of another upload, which is given up."""
    upload, now = uuid.uuid4(), postgres.clock()
    named = {"filename": None, "options": "{}", "again": False, "received_by": "bench", "received_at": now}
    execute(conn, sql.query("ledger/receiving/insert_upload"), {"id": upload, **named})
    with timed.stage("stage (INSERT)"):
        for ordinal, claim in enumerate(claims):
            batch = {"ordinal": ordinal, "first_line": 2, "size_bytes": len(claim.payload), "payload": claim.payload}
            execute(conn, sql.query("ledger/receiving/insert_batch"), {"upload_id": upload, "now": now, **batch})
    execute(conn, sql.query("ledger/receiving/abort"), {"id": upload, "error": "{}", "now": now})
    execute(conn, sql.query("ledger/transitions/delete_batches"), {"upload_ids": [upload]})


async def _take_in(settings: Settings, content: bytes) -> uuid.UUID:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]

    async with postgres.async_pool(settings.database_url, role="bench", size=3, statement_timeout=300) as pool:
        received = await receiving.receive(
            pool,
            body(),
            options=Options(),
            filename=None,
            encoding=None,
            again=True,
            settings=settings,
            received_by="bench",
            clock=postgres.clock,
        )
    return received.upload_id


def _claims(conn: Connection, settings: Settings, upload: uuid.UUID) -> list[Claim]:
    batches = [row["id"] for row in database.rows_of(conn, "batches_of", id=upload)]
    claims = [transitions.claim(conn, batch, settings=settings, now=postgres.clock()) for batch in batches]
    return [claim for claim in claims if claim is not None]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

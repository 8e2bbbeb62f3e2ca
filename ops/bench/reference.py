"""The reference: what this service replaces. Posts are read with `csv` and `re`, a batch at a time; each takes the
whole table for itself (LOCK TABLE … ACCESS EXCLUSIVE) and upserts in statements of a thousand rows.

As many processes as the service has workers, over tables that hold what the graph holds.
"""

from __future__ import annotations

import csv
import multiprocessing
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg

from app import db
from app.db import Connection
from ops.bench import database

BATCH_ROWS = 10_000
STATEMENT_ROWS = 1000
MENTION = re.compile(r"@(\w{1,20})")

Row = list[str]


def begin(conn: Connection) -> None:
    """Tables that hold what the graph holds now."""
    database.run(conn, "reference_begin")


def apply(database_url: str, path: Path, rows: int, processes: int) -> float:
    """Apply the first `rows` posts of a file: seconds, without the time that its processes take to start."""
    spawn = multiprocessing.get_context("spawn")
    with path.open(encoding="utf-8", newline="") as file, ProcessPoolExecutor(processes, spawn) as pool:
        posts = csv.reader(file)
        next(posts)
        batches = list(_batches(islice(posts, rows)))
        list(pool.map(_warm, [database_url] * 4 * processes))
        began = time.perf_counter()
        list(pool.map(_batch, [database_url] * len(batches), batches))
        return time.perf_counter() - began


def _batches(posts: Iterator[Row]) -> Iterator[str]:
    """As text again: reading it is each batch's own work."""
    while part := list(islice(posts, BATCH_ROWS)):
        yield "".join(f'"{text.replace(chr(34), chr(34) * 2)}",{at},{author}\n' for text, at, author in part)


def _warm(database_url: str) -> None:
    with db.connect(database_url, role="reference"):
        time.sleep(0.01)


def _batch(database_url: str, text: str) -> None:
    edges: Counter[tuple[str, str]] = Counter()
    for post, _, author in csv.reader(text.splitlines(keepends=True)):
        for target in MENTION.findall(post):
            edges[author.lower(), target.lower()] += 1
    now = db.clock()
    with db.connect(database_url, role="reference") as conn, conn.transaction():
        database.run(conn, "reference_lock")
        ids: dict[str, int] = {}
        for part in _parts(sorted({handle for edge in edges for handle in edge})):
            ids |= dict(_upsert(conn, "reference_users", 1, [(handle,) for handle in part]).fetchall())
        rows = [(ids[source], ids[target], weight, now) for (source, target), weight in edges.items()]
        for part in _parts(rows):
            _upsert(conn, "reference_edges", 4, part)


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), STATEMENT_ROWS):
        yield values[start : start + STATEMENT_ROWS]


def _upsert(conn: Connection, name: str, width: int, rows: Sequence[tuple[Any, ...]]) -> psycopg.Cursor[Any]:
    row = f"({', '.join(['%s'] * width)})"
    statement = database.query(name).partition("\n")[2].replace("{values}", ", ".join([row] * len(rows)))
    return conn.execute(cast("LiteralString", statement), [value for values in rows for value in values])

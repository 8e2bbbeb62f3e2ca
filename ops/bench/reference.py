"""The reference: what this service replaces, once as it was and once without its ORM.

A batch is 10,000 posts: read with `csv`, mentions found with `re`, timestamps parsed, counted by author and mentioned
user in a dict (a statement may not meet a row twice). Each batch is one transaction that takes the table for itself:
LOCK TABLE … ACCESS EXCLUSIVE. Users are looked up and the missing ones inserted, edges upserted, all in multi-VALUES
statements of a thousand rows. There are as many processes as the service has workers, each with a connection that stays
open, over tables that hold what the graph holds, with its columns and indexes.

`with_sqlalchemy` makes its statements as that service did, with SQLAlchemy Core, as its documentation has it. `by_hand`
sends the same statements with psycopg, without a layer in between: it is harder to beat. Neither is slowed down, and
neither has the time of HTTP and of a queue in it.
"""

from __future__ import annotations

import csv
import multiprocessing
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, LiteralString, NamedTuple, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.store import postgres
from ops.bench import database

BATCH_ROWS, STATEMENT_ROWS = 10_000, 1000
T = TypeVar("T")
MENTION = re.compile(r"@(\w{1,20})")


class Seen(NamedTuple):
    """What a batch says of an edge."""

    mentions: int
    first: datetime
    last: datetime


Edges = dict[tuple[str, str], Seen]
Apply = Callable[[str, Edges], None]
"""Applies a batch's edges to the database of this URL, in one transaction."""


def pool_of(processes: int) -> ProcessPoolExecutor:
    """Processes that apply batches."""
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))


def rate(  # noqa: PLR0917 (what to do with what)
    pool: ProcessPoolExecutor, processes: int, by: Apply, database_url: str, path: Path, rows: int
) -> float:
    """Rows a second over the first `rows` posts of a file, without the time that the processes take to start."""
    with path.open(encoding="utf-8", newline="") as file:
        posts = csv.reader(file)
        next(posts)
        # As text again: reading it is each batch's own work.
        texts = (f'"{text.replace(chr(34), chr(34) * 2)}",{at},{by}\n' for text, at, by in islice(posts, rows))
        batches = ["".join(part) for part in _parts(texts, BATCH_ROWS)]
        list(pool.map(partial(_warm, by, database_url), range(4 * processes)))
        began = time.perf_counter()
        list(pool.map(partial(_batch, by, database_url), batches))
        return rows / (time.perf_counter() - began)


def _warm(by: Apply, database_url: str, _: int) -> None:
    by(database_url, {})
    time.sleep(0.01)


def _batch(by: Apply, database_url: str, text: str) -> None:
    edges: Edges = {}
    for post, stamp, author in csv.reader(text.splitlines(keepends=True)):
        at = _instant(stamp)
        for target in MENTION.findall(post):
            edge = author.lower(), target.lower()
            seen = edges.get(edge)
            edges[edge] = Seen(seen.mentions + 1, min(seen.first, at), max(seen.last, at)) if seen else Seen(1, at, at)
    by(database_url, edges)


def _instant(stamp: str) -> datetime:
    if stamp.isdecimal():
        return datetime.fromtimestamp(int(stamp) / (1000 if len(stamp) > 10 else 1), UTC)  # noqa: PLR2004 (milliseconds)
    at = datetime.fromisoformat(stamp)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _parts(values: Iterable[T], size: int = STATEMENT_ROWS) -> Iterator[list[T]]:
    every = iter(values)
    while part := list(islice(every, size)):
        yield part


def _handles(edges: Edges) -> Iterator[list[str]]:
    return _parts(sorted({handle for edge in edges for handle in edge}))


def _rows(edges: Edges, ids: dict[str, int]) -> list[tuple[Any, ...]]:
    """A tuple for each edge, in the order of the table's columns."""
    now = postgres.clock()
    return [
        (ids[source], ids[target], seen.mentions, float(seen.mentions), now, seen.first, seen.last)
        for (source, target), seen in edges.items()
    ]


@cache
def _engine(database_url: str) -> tuple[sa.Engine, sa.Table, sa.Table]:
    """The engine of this process, with the tables of users and of edges."""
    engine = sa.create_engine(sa.make_url(database_url).set(drivername="postgresql+psycopg"))
    tables = sa.MetaData(schema="bench")
    tables.reflect(engine, only=["reference_users", "reference_edges"])
    return engine, tables.tables["bench.reference_users"], tables.tables["bench.reference_edges"]


def with_sqlalchemy(database_url: str, edges: Edges) -> None:
    engine, users, table = _engine(database_url)
    with engine.begin() as conn:
        conn.execute(sa.text(_statement("reference_lock")))
        ids: dict[str, int] = {}
        for part in _handles(edges):
            known = sa.select(users.c.handle, users.c.id).where(users.c.handle.in_(part))
            ids |= dict(conn.execute(known).tuples().all())
            if new := [{"handle": handle} for handle in part if handle not in ids]:
                insert = postgresql.insert(users).values(new).returning(users.c.handle, users.c.id)
                ids |= dict(conn.execute(insert).tuples().all())
        for part in _parts(_rows(edges, ids)):
            insert = postgresql.insert(table).values(part)
            old, new = table.c, insert.excluded
            upsert: dict[str, Any] = {name: old[name] + new[name] for name in ("mention_count", "weight")}
            upsert |= {name: sa.func.greatest(old[name], new[name]) for name in ("weighed_at", "last_seen")}
            upsert["first_seen"] = sa.func.least(old.first_seen, new.first_seen)
            conn.execute(insert.on_conflict_do_update(index_elements=["source_id", "target_id"], set_=upsert))


_connection = cache(partial(postgres.connect, role="reference"))


def by_hand(database_url: str, edges: Edges) -> None:
    conn = _connection(database_url)
    with conn.transaction():
        database.run(conn, "reference_lock")
        ids: dict[str, int] = {}
        for part in _handles(edges):
            ids |= dict(conn.execute(database.query("reference_known"), {"handles": part}).fetchall())
            if new := [(handle,) for handle in part if handle not in ids]:
                ids |= dict(conn.execute(*_insert("reference_users", new)).fetchall())
        for part in _parts(_rows(edges, ids)):
            conn.execute(*_insert("reference_edges", part))


def _insert(name: str, rows: Sequence[tuple[Any, ...]]) -> tuple[LiteralString, list[Any]]:
    """A statement with a group of parameters for each row, and the parameters."""
    row = f"({', '.join(['%s'] * len(rows[0]))})"
    statement = _statement(name).replace("{values}", ", ".join([row] * len(rows)))
    return cast("LiteralString", statement), [value for values in rows for value in values]


def _statement(name: str) -> str:
    """The text of a file without its comment."""
    return database.query(name).partition("\n")[2]

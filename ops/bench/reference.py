"""The reference: what this service replaces, once as it was and once without its ORM.

A batch is 10,000 posts: read with `csv`, mentions found with `re`, timestamps parsed, counted by author and mentioned
in a dict (a statement may not meet a row twice). One transaction a batch, and it takes the table for itself: LOCK TABLE
… ACCESS EXCLUSIVE. Users are looked up and those missing inserted, edges upserted, all in multi-VALUES statements of a
thousand rows. As many processes as the service has workers, each with a connection that stays open; over tables that
hold what the graph holds, with its columns and indexes.

`with_sqlalchemy` makes its statements as that service did, with SQLAlchemy Core, as its documentation has it. `by_hand`
sends the same ones with psycopg, without a layer in between: the harder one to beat. Neither is slowed down, and what
HTTP and a queue took is in neither.
"""

from __future__ import annotations

import csv
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, LiteralString, NamedTuple, cast

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.store import postgres
from app.store.postgres import Connection
from ops.bench import database

BATCH_ROWS = 10_000
STATEMENT_ROWS = 1000
MENTION = re.compile(r"@(\w{1,20})")

Row = list[str]
Pair = tuple[str, str]


class Seen(NamedTuple):
    """What a batch says of an edge."""

    mentions: int
    first: datetime
    last: datetime


Apply = Callable[[str, dict[Pair, Seen]], None]
"""Applies a batch's edges to the database of this URL, in one transaction."""


def begin(conn: Connection) -> None:
    """Tables that hold what the graph holds now."""
    database.run(conn, "reference_begin")


def apply(by: Apply, database_url: str, path: Path, rows: int, processes: int) -> float:
    """Apply the first `rows` posts of a file: seconds, without the time that its processes take to start."""
    spawn = multiprocessing.get_context("spawn")
    with path.open(encoding="utf-8", newline="") as file, ProcessPoolExecutor(processes, spawn) as pool:
        posts = csv.reader(file)
        next(posts)
        batches = list(_batches(islice(posts, rows)))
        list(pool.map(partial(_warm, by, database_url), range(4 * processes)))
        began = time.perf_counter()
        list(pool.map(partial(_batch, by, database_url), batches))
        return time.perf_counter() - began


def _batches(posts: Iterator[Row]) -> Iterator[str]:
    """As text again: reading it is each batch's own work."""
    while part := list(islice(posts, BATCH_ROWS)):
        yield "".join(f'"{text.replace(chr(34), chr(34) * 2)}",{at},{author}\n' for text, at, author in part)


def _warm(by: Apply, database_url: str, _: int) -> None:
    by(database_url, {})
    time.sleep(0.01)


def _batch(by: Apply, database_url: str, text: str) -> None:
    edges: dict[Pair, Seen] = {}
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


def _handles(edges: dict[Pair, Seen]) -> list[str]:
    return sorted({handle for edge in edges for handle in edge})


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), STATEMENT_ROWS):
        yield values[start : start + STATEMENT_ROWS]


# With SQLAlchemy ------------------------------------------------------------------------------------------------------

_TABLES = sa.MetaData(schema="bench")
_USERS = sa.Table(
    "reference_users",
    _TABLES,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("handle", sa.Text, nullable=False, unique=True),
)
_EDGES = sa.Table(
    "reference_edges",
    _TABLES,
    sa.Column("source_id", sa.BigInteger, primary_key=True),
    sa.Column("target_id", sa.BigInteger, primary_key=True),
    sa.Column("mention_count", sa.BigInteger, nullable=False),
    sa.Column("weight", sa.Float(53), nullable=False),
    sa.Column("weighed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
    sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
)


@cache
def _engine(database_url: str) -> sa.Engine:
    """Of this process."""
    return sa.create_engine(sa.make_url(database_url).set(drivername="postgresql+psycopg"))


def with_sqlalchemy(database_url: str, edges: dict[Pair, Seen]) -> None:
    now = postgres.clock()
    with _engine(database_url).begin() as conn:
        conn.execute(sa.text(_statement("reference_lock")))
        ids: dict[str, int] = {}
        for part in _parts(_handles(edges)):
            known = sa.select(_USERS.c.handle, _USERS.c.id).where(_USERS.c.handle.in_(part))
            ids |= dict(conn.execute(known).tuples().all())
            if new := [{"handle": handle} for handle in part if handle not in ids]:
                insert = postgresql.insert(_USERS).values(new).returning(_USERS.c.handle, _USERS.c.id)
                ids |= dict(conn.execute(insert).tuples().all())
        rows = [
            {
                "source_id": ids[source],
                "target_id": ids[target],
                "mention_count": seen.mentions,
                "weight": float(seen.mentions),
                "weighed_at": now,
                "first_seen": seen.first,
                "last_seen": seen.last,
            }
            for (source, target), seen in edges.items()
        ]
        for part in _parts(rows):
            insert = postgresql.insert(_EDGES).values(part)
            new = insert.excluded
            conn.execute(
                insert.on_conflict_do_update(
                    index_elements=[_EDGES.c.source_id, _EDGES.c.target_id],
                    set_={
                        "mention_count": _EDGES.c.mention_count + new.mention_count,
                        "weight": _EDGES.c.weight + new.weight,
                        "weighed_at": sa.func.greatest(_EDGES.c.weighed_at, new.weighed_at),
                        "first_seen": sa.func.least(_EDGES.c.first_seen, new.first_seen),
                        "last_seen": sa.func.greatest(_EDGES.c.last_seen, new.last_seen),
                    },
                )
            )


# Without -------------------------------------------------------------------------------------------------------------


@cache
def _connection(database_url: str) -> Connection:
    """Of this process."""
    return postgres.connect(database_url, role="reference")


def by_hand(database_url: str, edges: dict[Pair, Seen]) -> None:
    now = postgres.clock()
    conn = _connection(database_url)
    with conn.transaction():
        database.run(conn, "reference_lock")
        ids: dict[str, int] = {}
        for part in _parts(_handles(edges)):
            ids |= dict(conn.execute(database.query("reference_known"), {"handles": part}).fetchall())
            if new := [(handle,) for handle in part if handle not in ids]:
                ids |= dict(_insert(conn, "reference_users", new).fetchall())
        rows = [
            (ids[source], ids[target], seen.mentions, float(seen.mentions), now, seen.first, seen.last)
            for (source, target), seen in edges.items()
        ]
        for part in _parts(rows):
            _insert(conn, "reference_edges", part)


def _insert(conn: Connection, name: str, rows: Sequence[tuple[Any, ...]]) -> psycopg.Cursor[Any]:
    row = f"({', '.join(['%s'] * len(rows[0]))})"
    statement = _statement(name).replace("{values}", ", ".join([row] * len(rows)))
    return conn.execute(cast("LiteralString", statement), [value for values in rows for value in values])


def _statement(name: str) -> str:
    """Without its comment."""
    return database.query(name).partition("\n")[2]

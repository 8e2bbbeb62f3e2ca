"""PostgreSQL: connections, and running named statements.

Every connection is in autocommit mode: a transaction is a `with conn.transaction():` block that the reader sees.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString, Protocol, TypeVar

import msgspec
import psycopg
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Format
from psycopg.rows import scalar_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import sql
from app.errors import DatabaseUnavailable

Row = TypeVar("Row")
Result = TypeVar("Result")
Params = Mapping[str, Any]
Connection = psycopg.Connection[Any]
AsyncConnection = psycopg.AsyncConnection[Any]


class _Array(Protocol):
    binary: bytes


POOL_TIMEOUT = 3.0
"""Seconds to wait for a connection before PostgreSQL counts as away."""

_ARRAYS = {
    "app.store.params.Int8Array": 1016,
    "app.store.params.Float8Array": 1022,
    "app.store.params.TimestamptzArray": 1185,
    "app.store.params.TextArray": 1009,
}
"""Their types in PostgreSQL. By name: most commands need a connection, and neither numpy nor polars."""

_COMMIT_LATER = sql.query("store/postgres/commit_later")

_LEARNING = threading.Lock()

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two tries of a step whose server failed; the pause doubles."""

RECONNECT_TIMEOUT = 5.0
"""Seconds of vain attempts after which the pool starts over with short pauses; else a long outage ends late."""


Now = Callable[[], datetime]
"""What a process asks for the current instant, UTC."""


def clock() -> datetime:
    """The current instant, UTC. The one clock that processes hand to domain functions."""
    return datetime.now(UTC)


def process_name(role: str) -> str:
    """How a process calls itself in the ledger and in pg_stat_activity (at most 63 bytes)."""
    return f"mentiongraph {role}@{socket.gethostname()[:24]}:{os.getpid()}"[:63]


def connect(database_url: str, *, role: str) -> Connection:
    """One connection. Raises DatabaseUnavailable saying where it was looked for."""
    try:
        return psycopg.connect(
            database_url,
            autocommit=True,
            application_name=process_name(role),
            context=_adapters(),
            connect_timeout=10,
            prepare_threshold=None,  # its statements are few and long; and it may lead to PgBouncer
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{where(database_url)}: {error}".strip()) from error


@contextmanager
def available(database_url: str) -> Generator[None]:
    """Turns a connection that is lost, or cannot be had, into DatabaseUnavailable."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{where(database_url)}: {error}".strip()) from error


def where(database_url: str) -> str:
    """Which server (or servers) and database, for people; never a password."""
    info = conninfo_to_dict(database_url)
    hosts = str(info.get("host", "localhost")).split(",")
    ports = str(info.get("port", 5432)).split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    places = " or ".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=False))
    return f"PostgreSQL at {places}, database {info.get('dbname', '')}"


def require_primary(conn: Connection | AsyncConnection) -> None:
    """Raises psycopg.OperationalError."""
    # PostgreSQL reports both by itself, at the start and at each change. PgBouncer only repeats what its own first
    # connection was told, so it is not asked.
    for parameter in ("in_hot_standby", "default_transaction_read_only"):
        if conn.info.parameter_status(parameter) == "on":
            raise psycopg.OperationalError(f"the server takes no writes ({parameter} is on): it is no primary any more")


def pool(
    database_url: str, *, role: str, size: int, statement_timeout: float, pgbouncer: bool = False
) -> ConnectionPool[Connection]:
    """A closed pool of connections for worker threads; `statement_timeout` in seconds."""

    # Where one is lost, mostly all are. A pool pauses between two checks (1 s, 2 s, …): a request that met its lost
    # connections one by one would have no time left for a new one. Drained, it closes the one that failed, too, however
    # well that one still answers.
    def check(conn: Connection) -> None:
        try:
            conn.execute(b"")
            if not pgbouncer:
                require_primary(conn)
        except psycopg.Error:
            made.drain()
            raise

    made: ConnectionPool[Connection] = ConnectionPool(
        database_url,
        kwargs=_pool_kwargs(role, statement_timeout, pgbouncer=pgbouncer),
        min_size=1,
        max_size=size,
        open=False,
        check=check,
        name=role,
        timeout=POOL_TIMEOUT,
        reconnect_timeout=RECONNECT_TIMEOUT,
    )
    return made


def async_pool(
    database_url: str, *, role: str, size: int, statement_timeout: float, pgbouncer: bool = False, checked: bool = True
) -> AsyncConnectionPool[AsyncConnection]:
    """A closed pool of connections for request handlers; `statement_timeout` in seconds. Connections are checked before
    they are given out, or not: who takes one may find it lost. No statement is run by several processes (behind
    PgBouncer, that is its own setting)."""

    async def check(conn: AsyncConnection) -> None:
        try:
            await conn.execute(b"")
            if not pgbouncer:
                require_primary(conn)
        except psycopg.Error:
            await made.drain()
            raise

    # Starting them takes as long as most questions do, and longer beside a full load.
    made: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        database_url,
        kwargs=_pool_kwargs(role, statement_timeout, "-c max_parallel_workers_per_gather=0", pgbouncer=pgbouncer),
        min_size=1,
        max_size=size,
        open=False,
        check=check if checked else None,
        name=role,
        timeout=POOL_TIMEOUT,
        reconnect_timeout=RECONNECT_TIMEOUT,
    )
    return made


def server_failed(error: BaseException) -> bool:
    """Whether the server is the reason (away, restarting, no primary any more, full), and not what was asked of it."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return False
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.errors.ReadOnlySqlTransaction)


async def steadily(
    pool: AsyncConnectionPool[AsyncConnection],
    patience: float,
    step: Callable[[AsyncConnection], Awaitable[Result]],
) -> Result:
    """One transaction, tried again for `patience` seconds while the server restarts, fails over, or has no room.

    Where the connection is lost at the commit, the commit may have happened: a step finds what it did before, and does
    not do it twice.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    pause = FIRST_PAUSE
    while True:
        try:
            async with pool.connection() as conn, conn.transaction():
                return await step(conn)
        except psycopg.Error as error:
            if not server_failed(error) or loop.time() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)


def _pool_kwargs(role: str, statement_timeout: float, more: str = "", *, pgbouncer: bool) -> dict[str, Any]:
    kwargs: dict[str, Any] = {
        "autocommit": True,
        "application_name": process_name(role),
        "context": _adapters(),
        "connect_timeout": 10,
        # A server whose machine vanished, or that is cut off, says nothing: the kernel notices it.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    if pgbouncer:
        # Each transaction may run on another server connection: nothing may be kept on one.
        return kwargs | {"prepare_threshold": None}
    timeout = int(statement_timeout * 1000)
    return kwargs | {"options": f"-c statement_timeout={timeout} -c timezone=UTC {more}"}


def _adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg.adapters)
    for name, array_oid in _ARRAYS.items():
        adapters.register_dumper(name, _array_dumper(array_oid))
    return adapters


def _array_dumper(array_oid: int) -> type[Dumper]:
    class BinaryDumper(Dumper):
        format = Format.BINARY
        oid = array_oid

        def dump(self, obj: _Array) -> bytes:
            return obj.binary

    return BinaryDumper


def _record(row: type[Row]) -> Any:  # noqa: ANN401 (psycopg's row factory protocol, for both kinds of cursor)
    """A row factory that builds `row` from the columns by name, checked; jsonb becomes the struct it should hold."""
    with _LEARNING:
        # What msgspec knows of a type it learns at the first use, and it crashes the process if two threads are first.
        msgspec.json.Decoder(row)

    def factory(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any]) -> Callable[[Sequence[Any]], Row]:
        names = [column.name for column in cursor.description or ()]
        return lambda values: msgspec.convert(dict(zip(names, values, strict=True)), row)

    return factory


def commit_later(conn: Connection) -> None:
    """The commit of this transaction does not wait for the disk; a crash may take it back."""
    conn.execute(_COMMIT_LATER)


async def async_commit_later(conn: AsyncConnection) -> None:
    """`commit_later` for request handlers."""
    await conn.execute(_COMMIT_LATER)


def execute(conn: Connection, statement: LiteralString, params: Params | None = None) -> int:
    """Run a statement for its effect; the number of rows it touched."""
    return conn.execute(statement, params).rowcount


def rows(conn: Connection, row: type[Row], statement: LiteralString, params: Params | None = None) -> list[Row]:
    """All rows, each as a `row` built from the columns by name."""
    with conn.cursor(row_factory=_record(row)) as cursor:
        return cursor.execute(statement, params).fetchall()


def one(conn: Connection, row: type[Row], statement: LiteralString, params: Params | None = None) -> Row | None:
    """The first row as a `row`, or None."""
    with conn.cursor(row_factory=_record(row)) as cursor:
        return cursor.execute(statement, params).fetchone()


def exactly_one(conn: Connection, row: type[Row], statement: LiteralString, params: Params | None = None) -> Row:
    """The one row of a statement that always has one, as a `row`. Raises LookupError: the database is damaged."""
    return _there(one(conn, row, statement, params), statement)


def scalars(conn: Connection, statement: LiteralString, params: Params | None = None) -> list[Any]:
    """The first column of all rows."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(statement, params).fetchall()


async def async_rows(
    conn: AsyncConnection, row: type[Row], statement: LiteralString, params: Params | None = None
) -> list[Row]:
    """`rows` for request handlers."""
    async with conn.cursor(row_factory=_record(row)) as cursor:
        return await (await cursor.execute(statement, params)).fetchall()


async def async_one(
    conn: AsyncConnection, row: type[Row], statement: LiteralString, params: Params | None = None
) -> Row | None:
    """`one` for request handlers."""
    async with conn.cursor(row_factory=_record(row)) as cursor:
        return await (await cursor.execute(statement, params)).fetchone()


async def async_exactly_one(
    conn: AsyncConnection, row: type[Row], statement: LiteralString, params: Params | None = None
) -> Row:
    """`exactly_one` for request handlers."""
    return _there(await async_one(conn, row, statement, params), statement)


def _there(found: Row | None, statement: LiteralString) -> Row:
    if found is None:
        raise LookupError(f"a statement that always answers a row answered none: {statement}")
    return found


async def async_scalars(conn: AsyncConnection, statement: LiteralString, params: Params | None = None) -> list[Any]:
    """`scalars` for request handlers."""
    async with conn.cursor(row_factory=scalar_row) as cursor:
        return await (await cursor.execute(statement, params)).fetchall()

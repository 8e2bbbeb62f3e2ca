"""This module opens connections to PostgreSQL and runs named statements.

Every connection is in autocommit mode. So each transaction is a `with conn.transaction():` block that a reader can see.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString, Protocol, TypeVar

import msgspec
import psycopg
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format
from psycopg.rows import scalar_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import sql
from app.errors import DatabaseUnavailable
from app.store.addresses import where
from app.store.waits import MeasuredAsyncPool, MeasuredPool

Row = TypeVar("Row")
Result = TypeVar("Result")
Params = Mapping[str, Any]
Connection = psycopg.Connection[Any]
AsyncConnection = psycopg.AsyncConnection[Any]


class Connections(Protocol):
    """A pool, or a part of it."""

    def connection(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


class _Array(Protocol):
    binary: bytes


POOL_TIMEOUT = 3.0
"""Seconds that a caller waits for a connection before PostgreSQL counts as away."""

CHECK_INTERVAL = 2_000
"""Milliseconds after which PostgreSQL looks again whether the client of a running statement is still there."""

_ARRAYS = {
    "app.store.params.Int8Array": 1016,
    "app.store.params.Float8Array": 1022,
    "app.store.params.TimestamptzArray": 1185,
    "app.store.params.TextArray": 1009,
    "app.store.params.UuidArray": 2951,
}
"""The PostgreSQL types of the arrays.

The classes are given by name, because most commands need a connection, but neither numpy nor polars.
"""

_COMMIT_LATER = sql.query("store/postgres/commit_later")

_LEARNING = threading.Lock()

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""The first and the longest pause in seconds before a retry, when the server failed. Each pause doubles."""

RECONNECT_TIMEOUT = 5.0
"""Seconds of failed attempts after which the pool starts again with short pauses.

Without this limit, the pool would notice the end of a long outage late.
"""


Now = Callable[[], datetime]
"""A function that returns the current instant, UTC."""


def clock() -> datetime:
    """Returns the current instant, UTC. Processes hand only this clock to domain functions."""
    return datetime.now(UTC)


def process_name(role: str) -> str:
    """Returns the name of this process in the ledger and in pg_stat_activity, at most 63 bytes."""
    return f"mentiongraph {role}@{socket.gethostname()[:24]}:{os.getpid()}"[:63]


def connect(database_url: str, *, role: str, patience: int = 10) -> Connection:
    """Open one connection. Raises DatabaseUnavailable, which names the server and the database, after `patience`
    seconds."""
    try:
        return psycopg.connect(
            database_url,
            autocommit=True,
            application_name=process_name(role),
            context=_adapters(),
            connect_timeout=patience,
            prepare_threshold=None,  # statements are few and long, and PgBouncer may be in between
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{where(database_url)}: {error}".strip()) from error


async def async_connect(database_url: str, *, role: str, timeout: int) -> AsyncConnection:
    """Open one connection within `timeout` seconds. Raises psycopg.OperationalError."""
    return await psycopg.AsyncConnection.connect(
        database_url,
        autocommit=True,
        application_name=process_name(role),
        context=_adapters(),
        connect_timeout=timeout,
        prepare_threshold=None,
    )


def connect_to_work(database_url: str, *, role: str, statement_timeout: float, pgbouncer: bool = False) -> Connection:
    """Open a connection as those of the pools are. Nobody waits for a server that does not answer for long."""
    kwargs = _pool_kwargs(role, statement_timeout, pgbouncer=pgbouncer)
    kwargs["connect_timeout"] = int(POOL_TIMEOUT)
    return psycopg.connect(database_url, **kwargs)


@contextmanager
def available(database_url: str) -> Generator[None]:
    """Raise DatabaseUnavailable when the block loses a connection or cannot get a connection."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{where(database_url)}: {error}".strip()) from error


def require_primary(conn: Connection | AsyncConnection) -> None:
    """Raises psycopg.OperationalError if the server takes no writes."""
    # PostgreSQL reports both parameters by itself, at the start and at each change. PgBouncer only repeats what its own
    # first connection was told. So callers behind PgBouncer skip this function.
    for parameter in ("in_hot_standby", "default_transaction_read_only"):
        if conn.info.parameter_status(parameter) == "on":
            raise psycopg.OperationalError(f"the server takes no writes ({parameter} is on): it is no primary any more")


def pool(
    database_url: str,
    *,
    role: str,
    size: int,
    statement_timeout: float,
    pgbouncer: bool = False,
    checked: bool = True,
    kind: Callable[..., ConnectionPool[Connection]] = MeasuredPool,
) -> ConnectionPool[Connection]:
    """Returns a closed pool of connections for worker threads. `statement_timeout` is in seconds. See `async_pool`."""

    # If one connection is lost, mostly all connections are lost. A pool pauses between two checks (1 s, 2 s, …). So a
    # request that checked lost connections one by one would have no time left for a new connection. A drained pool also
    # closes the connection that failed the check, even if that connection still answers.
    def check(conn: Connection) -> None:
        try:
            conn.execute(b"")
            if not pgbouncer:
                require_primary(conn)
        except psycopg.Error:
            made.drain()
            raise

    made = kind(
        database_url,
        kwargs=_pool_kwargs(role, statement_timeout, pgbouncer=pgbouncer),
        min_size=1,
        max_size=size,
        open=False,
        check=check if checked else None,
        name=role,
        timeout=POOL_TIMEOUT,
        reconnect_timeout=RECONNECT_TIMEOUT,
    )
    return made


def async_pool(
    database_url: str,
    *,
    role: str,
    size: int,
    statement_timeout: float,
    pgbouncer: bool = False,
    checked: bool = True,
    kind: Callable[..., AsyncConnectionPool[AsyncConnection]] = MeasuredAsyncPool,
) -> AsyncConnectionPool[AsyncConnection]:
    """Returns a closed pool of connections for request handlers. `statement_timeout` is in seconds.

    If `checked`, the pool checks a connection before it gives the connection out. Otherwise a caller may get a lost
    connection. PostgreSQL runs no statement in parallel processes (behind PgBouncer, a setting of PgBouncer decides).
    """

    async def check(conn: AsyncConnection) -> None:
        try:
            await conn.execute(b"")
            if not pgbouncer:
                require_primary(conn)
        except psycopg.Error:
            await made.drain()
            raise

    # PostgreSQL takes as long to start parallel processes as to run most queries, and longer under a full load.
    # A process may die: PostgreSQL looks now and then whether the client of a running statement is still there.
    options = f"-c max_parallel_workers_per_gather=0 -c client_connection_check_interval={CHECK_INTERVAL}"
    made = kind(
        database_url,
        kwargs=_pool_kwargs(role, statement_timeout, options, pgbouncer=pgbouncer),
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
    """Whether the server is the reason for the error, and not the statement.

    The server may be away, restarting, no longer the primary, or full.
    """
    if isinstance(error, psycopg.errors.QueryCanceled):
        return False
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.errors.ReadOnlySqlTransaction)


async def steadily(
    pool: AsyncConnectionPool[AsyncConnection],
    patience: float,
    step: Callable[[AsyncConnection], Awaitable[Result]],
) -> Result:
    """Run one transaction, and retry for `patience` seconds while the server restarts, fails over, or has no room.

    If the connection is lost at the commit, the commit may have happened. So a step must find its earlier work, and
    must not do the work twice.
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
        # A server on a lost machine or behind a cut network sends nothing. These settings make the kernel notice.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    if pgbouncer:
        # Each transaction may run on another server connection. So nothing may be kept on a connection.
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
    """Returns a row factory that builds a `row` from the columns by name, and checks the types.

    A jsonb value becomes the struct that `row` has for the column.
    """
    with _LEARNING:
        # msgspec learns about a type at the first use. Two threads with the first use at once crash the process.
        msgspec.json.Decoder(row)

    def factory(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any]) -> Callable[[Sequence[Any]], Row]:
        names = [column.name for column in cursor.description or ()]
        return lambda values: msgspec.convert(dict(zip(names, values, strict=True)), row)

    return factory


def commit_later(conn: Connection) -> None:
    """Let the commit of this transaction not wait for the disk. A crash may undo the transaction."""
    conn.execute(_COMMIT_LATER)


def execute(conn: Connection, statement: LiteralString, params: Params | None = None) -> int:
    """Run a statement for its effect. Returns the number of rows that the statement touched."""
    return conn.execute(statement, params).rowcount


def rows(conn: Connection, row: type[Row], statement: LiteralString, params: Params | None = None) -> list[Row]:
    """Returns all rows. Each is a `row`, built from the columns by name."""
    with conn.cursor(row_factory=_record(row)) as cursor:
        return cursor.execute(statement, params).fetchall()


def one(conn: Connection, row: type[Row], statement: LiteralString, params: Params | None = None) -> Row | None:
    """Returns the first row as a `row`, or None."""
    with conn.cursor(row_factory=_record(row)) as cursor:
        return cursor.execute(statement, params).fetchone()


def exactly_one(conn: Connection, row: type[Row], statement: LiteralString, params: Params | None = None) -> Row:
    """Returns the row of a statement that always answers one row.

    Raises LookupError if there is no row, because then the database is damaged.
    """
    return _there(one(conn, row, statement, params), statement)


def scalars(conn: Connection, statement: LiteralString, params: Params | None = None) -> list[Any]:
    """Returns the first column of all rows."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(statement, params).fetchall()


async def async_rows(
    conn: AsyncConnection, row: type[Row], statement: LiteralString, params: Params | None = None
) -> list[Row]:
    """Do the same as `rows`, for request handlers."""
    async with conn.cursor(row_factory=_record(row)) as cursor:
        return await (await cursor.execute(statement, params)).fetchall()


async def async_one(
    conn: AsyncConnection, row: type[Row], statement: LiteralString, params: Params | None = None
) -> Row | None:
    """Do the same as `one`, for request handlers."""
    async with conn.cursor(row_factory=_record(row)) as cursor:
        return await (await cursor.execute(statement, params)).fetchone()


async def async_exactly_one(
    conn: AsyncConnection, row: type[Row], statement: LiteralString, params: Params | None = None
) -> Row:
    """Do the same as `exactly_one`, for request handlers."""
    return _there(await async_one(conn, row, statement, params), statement)


def _there(found: Row | None, statement: LiteralString) -> Row:
    if found is None:
        raise LookupError(f"a statement that always answers a row answered none: {statement}")
    return found


async def async_scalars(conn: AsyncConnection, statement: LiteralString, params: Params | None = None) -> list[Any]:
    """Do the same as `scalars`, for request handlers."""
    async with conn.cursor(row_factory=scalar_row) as cursor:
        return await (await cursor.execute(statement, params)).fetchall()

"""Schema migrations: plain SQL files under sql/migrations, run by yoyo."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import psycopg
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI

import sql
from app.errors import NotMigrated
from app.store import locks
from app.store.postgres import Connection, connect, process_name, scalars, where

_TABLE = "_yoyo_migration"
_SET_LOCK_TIMEOUT = sql.query("store/migrations/set_lock_timeout")
_APPLIED = sql.query("store/migrations/applied_migrations")
_HAS_ANY = sql.query("store/migrations/has_migrations")


class _Backend(PostgresqlPsycopgBackend):
    """yoyo's backend over a libpq connection string: yoyo's own URLs know no several hosts and no conninfo strings."""

    def connect(self, dburi: DatabaseURI) -> Connection:
        conninfo = cast("str", dburi.args["conninfo"])
        # Nothing that is kept on the session: it may lead to PgBouncer.
        return psycopg.connect(
            conninfo, autocommit=True, application_name=process_name("migrate"), prepare_threshold=None
        )

    def begin(self) -> None:
        super().begin()
        self.execute(_SET_LOCK_TIMEOUT)

    @contextmanager
    def lock(self, timeout: float = 10) -> Generator[None]:  # noqa: ARG002 (yoyo's signature)
        """yoyo's lock is a row that outlives a killed process; `migrate` holds an advisory lock in its place."""
        yield


def migrate(database_url: str) -> list[str]:
    """Apply the migrations that are missing, in order. Returns their names. Safe when several processes start at
    once.

    The advisory lock is held by a transaction: it goes with its process, and works behind a pooler in transaction mode.
    """
    uri = DatabaseURI("postgresql", None, None, None, None, None, {"conninfo": database_url})
    with connect(database_url, role="migrate") as guard, guard.transaction():
        locks.take(guard, locks.MIGRATIONS)
        backend = _Backend(uri, _TABLE)
        try:
            pending = backend.to_apply(read_migrations(str(sql.MIGRATIONS)))
            names = [str(migration.id) for migration in pending]
            backend.apply_migrations(pending)
        finally:
            backend.connection.close()
        return names


def pending_migrations(database_url: str) -> list[str]:
    """Names of the migrations that `migrate` would apply. Changes nothing."""
    with connect(database_url, role="migrate") as conn:
        applied = set[str](scalars(conn, _APPLIED)) if scalars(conn, _HAS_ANY) == [True] else set[str]()
    return [name for name in sorted(path.stem for path in sql.MIGRATIONS.glob("*.sql")) if name not in applied]


def require_migrated(database_url: str) -> None:
    """Raises NotMigrated, which says what to run, if a migration is missing."""
    if missing := pending_migrations(database_url):
        raise NotMigrated(f"{where(database_url)} lacks {', '.join(missing)}: run `mentiongraph migrate`.")

"""Schema migrations: plain SQL files under sql/migrations, run by yoyo; and whether this release runs on a schema.

The head of a migration's file says what an operator must know: its purpose, then a line each for `oldest-release` (the
oldest release whose processes work on the schema after it), `locks` and `rewrites` (what it does to big tables). The
migration keeps its oldest release in the table `schema_compatibility`. There a process reads whether it may run on a
schema newer than it knows; without a row it may not. docs/explanation/upgrading.md has the rule for operators.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

import msgspec
import psycopg
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration as YoyoMigration

import sql
from app.errors import NotMigrated, SchemaTooNew
from app.store import locks
from app.store.addresses import where
from app.store.postgres import Connection, connect, process_name, rows, scalars

_TABLE = "_yoyo_migration"
_SET_LOCK_TIMEOUT = sql.query("store/migrations/set_lock_timeout")
_APPLIED = sql.query("store/migrations/applied_migrations")
_HAS_ANY = sql.query("store/migrations/has_migrations")
_OLDEST_RELEASES = sql.query("store/migrations/oldest_releases")

FIRST_WITH_COMPATIBILITY = "0003_schema_compatibility"
"""The migration that made the table in which each later one says its oldest release."""

_HEAD = re.compile(r"(?:--.*\n)+")
_FACT = re.compile(r"^-- (?P<name>[a-z-]+):(?P<value>.*)$")


class Migration(msgspec.Struct, frozen=True):
    """A migration, as the head of its file describes it. What the file doesn't say is None."""

    name: str
    purpose: str
    oldest_release: str | None
    """The oldest release whose processes work on the schema after the migration."""
    locks: str | None
    """Which big tables it keeps from being read or written, and for how long."""
    rewrites: str | None
    """Which big tables it rewrites or scans."""


class _OldestRelease(msgspec.Struct, frozen=True):
    migration: str
    oldest_release: str


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

    def apply_one(self, migration: YoyoMigration, force: bool = False, mark: bool = True) -> None:
        """Apply a migration and mark it as applied in one transaction. yoyo takes two: a process killed between them
        would leave a migration that can't be applied again."""
        migration.load()
        if not migration.use_transactions:
            super().apply_one(migration, force, mark)
            return
        self.ensure_internal_schema_updated()
        with self.transaction():
            migration.process_steps(self, "apply", force=force)
            self.log_migration(migration, "apply")
            if mark:
                self.mark_one(migration, log=False)


def migrate(database_url: str) -> list[str]:
    """Apply the migrations that are missing, in order. Returns their names. Safe when several processes start at
    once.

    Raises SchemaTooNew. The advisory lock is held by a transaction: it goes with its process, and works behind a pooler
    in transaction mode.
    """
    uri = DatabaseURI("postgresql", None, None, None, None, None, {"conninfo": database_url})
    with connect(database_url, role="migrate") as guard, guard.transaction():
        locks.take(guard, locks.MIGRATIONS)
        # On a connection of its own: what the guard's transaction had read, it would keep locked against a migration.
        pending_migrations(database_url)
        backend = _Backend(uri, _TABLE)
        try:
            pending = backend.to_apply(read_migrations(str(sql.MIGRATIONS)))
            names = [str(migration.id) for migration in pending]
            backend.apply_migrations(pending)
        finally:
            backend.connection.close()
        return names


def pending_migrations(database_url: str, *, patience: int = 10) -> list[str]:
    """Names of the migrations that `migrate` would apply, in order. Changes nothing. Raises SchemaTooNew, and
    DatabaseUnavailable if a server does not answer within `patience` seconds."""
    with connect(database_url, role="migrate", patience=patience) as conn:
        applied = _applied(conn)
        _require_ours_or_compatible(conn, applied, database_url)
    return [name for name in _names() if name not in applied]


def plan(database_url: str) -> list[Migration]:
    """The migrations that `migrate` would apply, in order. Changes nothing. Raises SchemaTooNew."""
    return [described(sql.MIGRATIONS / f"{name}.sql") for name in pending_migrations(database_url)]


def require_migrated(database_url: str) -> None:
    """Raises NotMigrated where a migration is missing, SchemaTooNew where the schema is of a release that this one does
    not run with. Both say what to do."""
    if missing := pending_migrations(database_url):
        raise NotMigrated(f"{where(database_url)} lacks {', '.join(missing)}: run `mentiongraph migrate`.")


def described(file: Path) -> Migration:
    """A migration, as the head of its file describes it."""
    head = _HEAD.match(file.read_text(encoding="utf-8"))
    purpose, facts = list[str](), dict[str, str]()
    for line in head.group().splitlines() if head else []:
        if fact := _FACT.match(line):
            facts[fact["name"]] = fact["value"].strip()
        elif not facts:
            purpose.append(line.removeprefix("--").strip())
    return Migration(
        file.stem,
        " ".join(purpose),
        facts.get("oldest-release"),
        facts.get("locks"),
        facts.get("rewrites"),
    )


def as_numbers(release: str) -> tuple[int, ...]:
    """A release as numbers to compare: 0.2, 0.2.0 and 0.2.0.dev1 are equal."""
    found = re.match(r"\d+(\.\d+)*", release)
    numbers = [int(number) for number in found.group().split(".")] if found else [0]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _names() -> list[str]:
    return sorted(path.stem for path in sql.MIGRATIONS.glob("*.sql"))


def _applied(conn: Connection) -> set[str]:
    return set[str](scalars(conn, _APPLIED)) if scalars(conn, _HAS_ANY) == [True] else set[str]()


def _require_ours_or_compatible(conn: Connection, applied: set[str], database_url: str) -> None:
    """Raises SchemaTooNew where a migration was applied that this release doesn't know, and that doesn't say that this
    release runs with it."""
    unknown = sorted(applied.difference(_names()))
    if not unknown:
        return
    ours, needed = _release(), dict[str, str]()
    if FIRST_WITH_COMPATIBILITY in applied:
        found = rows(conn, _OldestRelease, _OLDEST_RELEASES, {"migrations": unknown})
        needed = {each.migration: each.oldest_release for each in found}
    refused = [name for name in unknown if name not in needed or as_numbers(needed[name]) > as_numbers(ours)]
    if refused:
        wanted = max((needed[name] for name in refused if name in needed), key=as_numbers, default=None)
        newer = f"release {wanted} or newer" if wanted else "the release that applied it, or a newer one"
        raise SchemaTooNew(
            f"{where(database_url)} has {', '.join(refused)}. This process is of release {ours}, which does not know "
            f"that and cannot work with it. Install {newer}. To go back to {ours}, restore a backup of that time."
        )


def _release() -> str:
    try:
        return version("mentiongraph")
    except PackageNotFoundError:  # a checkout that nobody installed
        return "0"

"""The role that the API and the workers of an embedded stack have in PostgreSQL: it works on rows, no more.

The tables belong to the superuser, who also migrates. So whoever gets hold of the role's password, or makes a statement
of the API do something else, can neither change the schema, nor read files, nor run programs, nor make other roles.
"""

from __future__ import annotations

import contextlib
import time

import psycopg

import sql
from app.errors import DatabaseUnavailable
from app.store import locks
from app.store.migrations import migrate
from app.store.postgres import Connection, connect, execute, require_primary, scalars
from ops.embedded.children import EmbeddedServerError

APP = "mentiongraph"
PAUSE = 0.1

OWNER = "mentiongraph_owner"
"""Creates, owns, migrates and drops the databases of graphs. It has no right in the database of `default`."""

_KEEP_VERIFIER = sql.query("ops/embedded/roles/keep_verifier")
_MAKE_OWNER = sql.query("ops/embedded/roles/make_owner")
_STEPS = (
    sql.query("ops/embedded/roles/make"),
    sql.query("ops/embedded/roles/close_databases"),
    sql.query("ops/embedded/roles/read_tables"),
    sql.query("ops/embedded/roles/write_tables"),
    sql.query("ops/embedded/roles/keep_from_migrations"),
    sql.query("ops/embedded/roles/keep_audit_events"),
    sql.query("ops/embedded/roles/empty_shadow"),
    sql.query("ops/embedded/roles/vacuum_tables"),
    sql.query("ops/embedded/roles/use_sequences"),
)


def prepare(superuser_url: str, app_password: str, owner_password: str) -> None:
    """Bring the database of `default` up to date, and make both roles. Safe to repeat."""
    migrate(superuser_url)
    grant(superuser_url, app_password)
    make_owner(superuser_url, owner_password)


def grant(superuser_url: str, password: str) -> None:
    """Give the role its password and its rights on a migrated database. Safe to repeat: all of it happens, or nothing.

    A directory of an earlier release has no such role. A migration may have made tables that the role can't use yet.
    """
    with connect(superuser_url, role="roles") as conn, conn.transaction():
        locks.take(conn, locks.MIGRATIONS)
        _keep_verifier(conn, APP, password)
        for step in _STEPS:
            execute(conn, step, {})


def make_owner(superuser_url: str, password: str) -> None:
    """Make the role that owns the databases of graphs. Safe to repeat."""
    with connect(superuser_url, role="roles") as conn, conn.transaction():
        locks.take(conn, locks.MIGRATIONS)
        _keep_verifier(conn, OWNER, password)
        execute(conn, _MAKE_OWNER, {})


def _keep_verifier(conn: Connection, role: str, password: str) -> None:
    # The server gets the verifier only, so that the password can stand in no log of statements.
    verifier = conn.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    scalars(conn, _KEEP_VERIFIER, {"verifier": verifier})


def wait_until_writable(url: str, patience: float) -> None:
    """Return once the server takes writes: one that recovers to an instant answers questions before. Raises
    EmbeddedServerError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(psycopg.OperationalError, DatabaseUnavailable), connect(url, role="roles") as conn:
            require_primary(conn)
            return
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"PostgreSQL takes no writes after {patience:g} s: is it a standby?")
        time.sleep(PAUSE)

"""sql/schema.sql is what the migrations add up to; migrations are safe to run at once and again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql as compose
from psycopg.rows import TupleRow

import sql
from app.errors import NotMigrated
from app.store.migrations import migrate, pending_migrations, require_migrated
from app.store.postgres import connect
from tests.conftest import Addresses, database_url

CATALOG = """
SELECT 'column', table_name || '.' || column_name,
       concat_ws(' ', data_type, is_nullable, column_default, identity_generation)
FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%yoyo%'
UNION ALL
SELECT 'storage', c.relname || '.' || a.attname, a.attstorage::text
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND c.relname NOT LIKE '%yoyo%'
UNION ALL
SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE '%yoyo%'
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%'
UNION ALL
SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'comment', objoid::regclass || '.' || objsubid, description FROM pg_description
WHERE classoid = 'pg_class'::regclass AND objoid IN (
  SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE '%yoyo%'
)
UNION ALL
SELECT 'options', relname, reloptions::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
ORDER BY 1, 2, 3
"""


@pytest.fixture
def empty_database(addresses: Addresses) -> str:
    """The URL of a database with nothing in it."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(addresses.postgres, autocommit=True) as conn:
        conn.execute(compose.SQL("create database {name}").format(name=compose.Identifier(name)))
    return database_url(addresses.postgres, name)


def catalog(conn: psycopg.Connection[TupleRow]) -> list[TupleRow]:
    return conn.execute(CATALOG).fetchall()


def test_schema_file_equals_the_migrations(conn: psycopg.Connection[TupleRow], empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as by_file:
        by_file.execute((sql.ROOT / "schema.sql").read_bytes())

        assert catalog(by_file) == catalog(conn)


def test_processes_that_start_at_once_migrate_once(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate, [empty_database] * 4))

    assert sorted(name for names in applied for name in names) == sorted(
        path.stem for path in sql.MIGRATIONS.glob("*.sql")
    )
    assert pending_migrations(empty_database) == []


def test_a_database_without_the_schema_is_named(empty_database: str) -> None:
    with pytest.raises(NotMigrated, match="mentiongraph migrate"):
        require_migrated(empty_database)


def test_connections_say_who_they_are(dsn: str) -> None:
    with connect(dsn, role="worker") as conn:
        name = conn.execute("select current_setting('application_name')").fetchone()

    assert name is not None
    assert str(name[0]).startswith("mentiongraph worker@")

"""Migrations: a released one never changes, each says what it does, a release knows which schemas it works with."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql as compose

import sql
from app import settings as app_settings
from app.errors import SchemaTooNew
from app.http.routes import health
from app.settings import Settings
from app.store import migrations, postgres
from app.store.migrations import (
    FIRST_WITH_COMPATIBILITY,
    Migration,
    described,
    migrate,
    pending_migrations,
    plan,
    require_migrated,
)
from ops.cli import main
from ops.release.check import sums
from tests.conftest import Addresses, database_url
from tests.http.conftest import serving
from tests.system.test_cli import run

FILES = sorted(sql.MIGRATIONS.glob("*.sql"))
FUTURE = "9999_future"

Connection = psycopg.Connection[Any]
Migrate = Callable[[str], None]


@pytest.fixture
def empty_database(addresses: Addresses) -> Generator[str]:
    """The URL of a database with nothing in it."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(addresses.postgres, autocommit=True) as conn:
        conn.execute(compose.SQL("CREATE DATABASE {}").format(compose.Identifier(name)))
        yield database_url(addresses.postgres, name)
        conn.execute(compose.SQL("DROP DATABASE {} WITH (FORCE)").format(compose.Identifier(name)))


@pytest.fixture
def future(settings: Settings, tmp_path: Path) -> Migrate:
    """Migrates the test's database as a later release does: its last migration says this oldest release, or nothing."""

    def apply(oldest_release: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(sql.MIGRATIONS, folder)
        statement = "ALTER TABLE uploads ADD COLUMN of_the_future text;\n"
        if oldest_release:
            statement += f"INSERT INTO schema_compatibility VALUES ('{FUTURE}', '{oldest_release}');\n"  # noqa: S608 (ours)
        (folder / f"{FUTURE}.sql").write_text(f"-- What is to come.\n{statement}", encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sql, "MIGRATIONS", folder)
            assert migrate(settings.database_url) == [FUTURE]

    return apply


def test_a_released_migration_is_as_it_was_sums() -> None:
    """Databases have it already. What must change is for a new migration to change."""
    for name, digest in sums().items():
        file = sql.MIGRATIONS / name
        assert file.exists(), f"{name} is released: put it back, and undo in a new migration what it does."
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest, (
            f"{name} is released, so databases have it as it was: restore the file (git checkout), and make the change "
            "in a new migration, the next number in sql/migrations/."
        )


def test_migrations_are_only_added_at_the_end() -> None:
    """A migration between released ones would never come to a database that has the later ones."""
    released = sums()
    unreleased = [file.name for file in FILES if file.name not in released]

    assert [file.name for file in FILES] == sorted(released) + unreleased


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_migration_says_what_an_operator_must_know(file: Path, conn: Connection) -> None:
    """In its head; and its row in the database is what its head says."""
    found = described(file)
    assert re.fullmatch(r"\d{4}_[a-z0-9_]+", found.name)
    assert found.purpose
    if found.name < FIRST_WITH_COMPATIBILITY:
        return
    assert None not in (found.oldest_release, found.locks, found.rewrites), (
        f"{file.name} needs the lines `-- oldest-release:`, `-- locks:` and `-- rewrites:` in its head, see "
        "docs/explanation/upgrading.md"
    )
    kept = postgres.scalars(
        conn, "SELECT oldest_release FROM schema_compatibility WHERE migration = %(name)s", {"name": found.name}
    )
    assert kept == [found.oldest_release], f"{file.name} has to insert its own row into schema_compatibility"


def test_a_head_is_read() -> None:
    purpose = (
        "Say which releases a schema works for, so that a process can tell whether it may run on a schema newer than "
        "it knows."
    )
    found = described(sql.MIGRATIONS / f"{FIRST_WITH_COMPATIBILITY}.sql")

    assert found == Migration(FIRST_WITH_COMPATIBILITY, purpose, "0.1", "nothing", "nothing")


def test_a_plan_lists_everything_and_changes_nothing(empty_database: str) -> None:
    found = plan(empty_database)

    assert [each.name for each in found] == [file.stem for file in FILES]
    with psycopg.connect(empty_database) as conn:
        assert conn.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchone() == (
            0,
        )
    assert [each.name for each in found] == migrate(empty_database)
    assert plan(empty_database) == []


@pytest.mark.system
def test_the_command_shows_the_plan(empty_database: str, settings: Settings) -> None:
    empty = msgspec.structs.replace(settings, database_url=empty_database)
    shown = run("migrate", "--plan", settings=empty)
    as_json = run("migrate", "--plan", "--json", settings=empty)

    assert (shown.returncode, as_json.returncode) == (0, 0)
    for file in FILES:
        assert file.stem in shown.stdout
        assert described(file).purpose in shown.stdout
    assert [each["name"] for each in msgspec.json.decode(as_json.stdout)["migrations"]] == [file.stem for file in FILES]
    assert len(pending_migrations(empty_database)) == len(FILES)
    done = run("migrate", "--json", settings=empty)
    assert msgspec.json.decode(done.stdout)["applied"] == [file.stem for file in FILES]


def test_a_migration_and_its_mark_are_one_transaction(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed between the two leaves nothing: the next one applies the migration."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(migrations._Backend, "mark_one", die)
        with pytest.raises(Killed):
            migrate(empty_database)

    assert migrate(empty_database) == [file.stem for file in FILES]


@pytest.mark.parametrize("oldest_release", ["0.0.9", "0.1", "0.1.0"])
def test_a_newer_schema_that_says_so_is_worked_with(settings: Settings, future: Migrate, oldest_release: str) -> None:
    future(oldest_release)

    require_migrated(settings.database_url)
    assert migrate(settings.database_url) == []
    assert plan(settings.database_url) == []
    with serving(settings, postgres.clock) as api:
        assert api.http.get("/health/ready").status_code == 200


@pytest.mark.parametrize(("oldest_release", "wanted"), [("", "a newer one"), ("0.1.1", "release 0.1.1"), ("10", "10")])
def test_any_other_newer_schema_is_refused(
    settings: Settings, future: Migrate, oldest_release: str, wanted: str
) -> None:
    future(oldest_release)

    for refuse in (require_migrated, migrate, plan, pending_migrations):
        with pytest.raises(SchemaTooNew, match=f"has {FUTURE}.* release 0.1.0.*{wanted}"):
            refuse(settings.database_url)


@pytest.mark.system
def test_every_process_refuses_a_schema_that_is_too_new(settings: Settings, future: Migrate) -> None:
    future("10")

    with serving(settings, postgres.clock) as api:
        answer = api.http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["postgresql"] == "has a schema of a later release: install that release"
    for command in ("serve", "worker", "scheduler", "audit", "migrate"):
        done = run(command, settings=settings)
        assert done.returncode == 5, command
        assert FUTURE in done.stderr
        assert "Install release 10 or newer" in done.stderr


@pytest.mark.system
def test_a_backup_of_a_newer_release_is_restored_and_the_release_named(
    settings: Settings, future: Migrate, empty_database: str, tmp_path: Path
) -> None:
    future("10")
    archive = tmp_path / "newer.dump"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql, "MIGRATIONS", tmp_path / "migrations")
        made = CliRunner().invoke(main, ["backup", str(archive)], env=app_settings.environment(settings))
        assert made.exit_code == 0, made.output

    refused = run("backup", tmp_path / "another.dump", settings=settings)
    restored = run("restore", archive, settings=msgspec.structs.replace(settings, database_url=empty_database))

    assert refused.returncode == 5
    assert restored.returncode == 0
    assert "newer release" in restored.stderr
    assert "Install release 10 or newer" in restored.stderr


def test_an_api_that_runs_notices_what_a_newer_release_did(
    settings: Settings, future: Migrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SCHEMA_SECONDS", 0.0)
    with serving(settings, postgres.clock) as api:
        assert api.http.get("/health/ready").status_code == 200
        future("10")
        assert api.http.get("/health/ready").status_code == 503


def test_a_schema_from_before_releases_were_told_apart_is_refused_if_it_is_newer(empty_database: str) -> None:
    """It has a migration that nobody knows, and no table that says what works with it."""
    migrate(empty_database)
    with psycopg.connect(empty_database) as conn:
        conn.execute("DROP TABLE schema_compatibility")
        conn.execute(
            "UPDATE _yoyo_migration SET migration_id = %s WHERE migration_id = %s", [FUTURE, FIRST_WITH_COMPATIBILITY]
        )

    with pytest.raises(SchemaTooNew, match=FUTURE):
        require_migrated(empty_database)


@pytest.mark.parametrize(
    ("release", "numbers"),
    [("0.1", (0, 1)), ("0.1.0", (0, 1)), ("1.0.0", (1,)), ("0.12.3.dev4", (0, 12, 3)), ("x", ())],
)
def test_releases_are_compared_as_numbers(release: str, numbers: tuple[int, ...]) -> None:
    assert migrations.as_numbers(release) == numbers

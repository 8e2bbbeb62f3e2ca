"""Users that a worker remembers are in the database, whatever became of PostgreSQL meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import polars as pl
import pytest

from app.graph.users import UserIds
from app.store.migrations import migrate
from app.store.postgres import connect, scalars
from ops.embedded.postgres import Postgres

pytestmark = pytest.mark.system

USERS = pl.DataFrame({"handle": ["ada", "grace", "linus"], "spelling": ["Ada", "Grace", "Linus"]})


def server(place: Path) -> Postgres:
    """One that writes to its log what commits wait for, and the rest only after ten seconds."""
    return Postgres(place, durable=False, synchronous_commit="on", wal_writer_delay="10s")


@pytest.fixture
def primary(server_directory: Path) -> Generator[Postgres]:
    primary = server(server_directory / "primary")
    primary.start()
    migrate(primary.dsn())
    yield primary
    primary.stop()


def ids_of(user_ids: UserIds, postgres: Postgres) -> list[int]:
    with connect(postgres.dsn(), role="test") as conn:
        return user_ids.of(conn, USERS).tolist()


def handles(postgres: Postgres) -> list[str]:
    with connect(postgres.dsn(), role="test") as conn:
        return scalars(conn, "select handle from users order by handle")


def test_a_crash_takes_back_no_user_that_is_remembered(primary: Postgres) -> None:
    user_ids = UserIds(bits=64, memory=100)
    before = ids_of(user_ids, primary)

    primary.kill()
    primary.start()

    assert ids_of(user_ids, primary) == before
    assert handles(primary) == USERS["handle"].to_list()


def test_nobody_is_remembered_beyond_a_fail_over(primary: Postgres, server_directory: Path) -> None:
    """The standby was behind: the latest users never came to it."""
    user_ids = UserIds(bits=64, memory=100)
    primary.copy_to(server_directory / "standby", standby=True)
    before = ids_of(user_ids, primary)
    primary.kill()
    standby = server(server_directory / "standby")
    standby.start()
    try:
        standby.promote()
        assert handles(standby) == []

        assert ids_of(user_ids, standby) == before
        assert handles(standby) == USERS["handle"].to_list()
    finally:
        standby.stop()

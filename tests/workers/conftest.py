"""A second graph beside `default`, and a worker that works on both."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import Databases
from workers.process import Process

MODULES = ("count", "merge", "periodic", "sweep", "summarize", "upkeep", "unaided")


@pytest.fixture
def beside(databases: Databases) -> str:
    """The URL of the database of a graph that is no `default`."""
    return databases.make()


@pytest.fixture
def listed(conn: Connection) -> Callable[[str, str], None]:
    """Puts a graph with this name and address on the list of `default`."""

    def put(name: str, url: str) -> None:
        conn.execute(
            "INSERT INTO graphs (name, state, database_url, shards, created_at) VALUES (%s, 'ready', %s, 8, now())",
            [name, url],
        )

    return put


@pytest.fixture
def worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Generator[Process]:
    """The actors' process, on the test's databases."""
    made = Process(settings)
    for name in MODULES:
        monkeypatch.setattr(f"workers.{name}.process", made)
    yield made
    made.close()

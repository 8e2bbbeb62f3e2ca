"""Commands that go over all graphs: one that is away is told of, and the others are done."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from app.settings import Settings
from app.store.postgres import Connection, connect
from ops import processes
from ops.embedded.children import free_ports
from tests.conftest import Databases
from tests.forgetting.searching import places_of
from tests.graphs import apply_all
from tests.system.test_cli import run
from tests.uploading import posts_csv, upload

pytestmark = pytest.mark.system
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def beside(settings: Settings, conn: Connection, databases: Databases) -> Settings:
    """The settings of the graph `b`; a graph `away` is listed, too."""
    [nobody] = free_ports(1)
    url = databases.make()
    for name, address in (("b", url), ("away", f"postgresql://127.0.0.1:{nobody}/none")):
        conn.execute(
            "INSERT INTO graphs (name, state, database_url, shards, created_at) VALUES (%s, 'ready', %s, 8, now())",
            [name, address],
        )
    return msgspec.structs.replace(settings, database_url=url)


def test_an_audit_tells_of_each_graph(settings: Settings, beside: Settings) -> None:
    for each, mentions in ((settings, 1), (beside, 2)):
        upload(each, posts_csv([("@bob", NOW, "ada")] * mentions), received_at=NOW)
        apply_all(each, now=NOW)

    done = run("audit", "--all-graphs", "--json", settings=settings)

    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert "graph away:" in done.stderr
    assert {name: (each["exact"], each.get("mentions_in_edges")) for name, each in found.items()} == {
        "default": (True, 1),
        "b": (True, 2),
        "away": (None, None),
    }


def test_a_backup_has_a_file_for_each_graph(settings: Settings, beside: Settings, tmp_path: Path) -> None:
    del beside

    done = run("backup", tmp_path / "all", "--all-graphs", settings=settings)

    assert done.returncode == 1
    assert "no backup of away" in done.stderr
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["b.dump", "default.dump"]


def test_a_person_is_forgotten_in_each_graph(settings: Settings, beside: Settings) -> None:
    for each in (settings, beside):
        upload(each, posts_csv([("@quilla77 @bob", NOW, "ada")]), received_at=NOW)
        apply_all(each, now=NOW)

    looked = run("forget", "--dry-run", "quilla77", settings=settings)
    done = run("forget", "--yes", "--all-graphs", "--json", "Quilla77", settings=settings)

    assert "graph default:" in looked.stdout
    assert "--all-graphs asks each" in looked.stderr
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert "graph away:" in done.stderr
    assert {name: (each["graph"], each["mentions"]) for name, each in found.items()} == {
        "default": ("default", 1),
        "b": ("b", 1),
    }
    for each in (settings, beside):
        with connect(each.database_url, role="test") as conn:
            assert places_of(conn, "quilla77") == []


def test_health_has_a_line_for_each_graph_in_trouble(settings: Settings, beside: Settings) -> None:
    del beside

    done = run("health", "graphs", settings=settings)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("graphs: away: ")


def test_only_the_api_knows_the_role_that_creates_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTIONGRAPH_OWNER_URL", "postgresql://owner:secret@db/graph")
    settings = Settings(owner_url="postgresql://owner:secret@db/graph")

    known = {
        command.__name__: any("owner:secret" in value for value in command(settings).env.values())
        for command in (processes.api, processes.worker, processes.scheduler)
    }

    assert known == {"api": True, "worker": False, "scheduler": False}

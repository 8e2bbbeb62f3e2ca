"""Two graphs compared, over HTTP and by the command."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from uuid import uuid4

import click.testing
import psycopg
import pytest
from psycopg import sql

from app.store.postgres import Connection, connect
from ops.cli import main
from tests.conftest import Addresses, database_url
from tests.http.conftest import Api
from tests.http.test_receiving import HEADER
from tests.reads.exports.graphs import Edge, Graph, User, store

POSTS = HEADER + b"@bob @cy,2026-01-10T11:00:00Z,Ada\n@bob,2026-01-10T11:00:00Z,Cy\n@ada,2026-01-10T11:00:00Z,=Dan\n"


@pytest.fixture
def spring(addresses: Addresses, template: str, domain: Connection) -> Generator[str]:
    """A second graph, on the same server, in which Ada mentions Cy."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(addresses.postgres, autocommit=True) as maintenance:
        new = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
        maintenance.execute(sql.SQL("create database {name} template {template}").format(**new))
        with connect(database_url(addresses.postgres, name), role="test") as conn:
            ada, cy = User(1, "ada", "ADA"), User(2, "cy", "Cy")
            at = conn.execute("select timestamptz '2026-01-10 11:00Z'").fetchone()[0]  # pyright: ignore[reportOptionalSubscript]
            store(conn, Graph([ada, cy], [Edge(ada, cy, 4, 4.0, at, at, at, None)]))
        domain.execute(
            "insert into graphs (name, state, database, shards, created_at) values ('spring', 'ready', %s, 1, now())",
            [name],
        )
        yield "spring"
        maintenance.execute(sql.SQL("drop database {name} with (force)").format(**new))


@pytest.fixture
def graph(api: Api, apply: Callable[[], None], spring: str) -> Api:
    assert spring
    assert api.upload(POSTS).status_code == 202
    apply()
    return api


def test_numbers_come_first_then_lists(graph: Api) -> None:
    found = graph.http.get("/comparison", params={"with": "spring"}).json()

    assert found["with"] == "spring"
    assert found["users"] == {"both": 2, "left_only": 2, "right_only": 0, "jaccard": 0.5}
    assert found["ties"] == {"both": 1, "left_only": 3, "right_only": 0, "jaccard": 0.25}
    assert [(user["handle"], user["rank_left"], user["rank_right"]) for user in found["user_lists"]["both"]] == [
        ("cy", 2, 1),
        ("ada", 2, 2),
    ]
    assert [user["handle"] for user in found["user_lists"]["left_only"]] == ["bob", "=dan"]
    (tie,) = found["tie_lists"]["both"]
    assert (tie["source"], tie["target"], tie["mention_count_left"], tie["mention_count_right"]) == ("ada", "cy", 1, 4)


def test_everything_comes_as_csv(graph: Api) -> None:
    users = graph.http.get("/comparison/users.csv", params={"with": "spring"})
    assert users.headers["Content-Type"] == "text/csv; header=present; charset=utf-8"
    assert users.text.splitlines()[0].startswith("handle,in,mentions_received_left,mentions_received_right,")
    assert [line.split(",")[:4] for line in users.text.splitlines()[1:]] == [
        ["'=dan", "left", "0", ""],
        ["ada", "both", "1", "0"],
        ["bob", "left", "2", ""],
        ["cy", "both", "1", "4"],
    ]
    ties = graph.http.get("/comparison/ties.csv", params={"with": "spring", "min_weight": "2"})
    assert len(ties.text.splitlines()) == 2
    assert ties.text.splitlines()[1].startswith("ada,cy,right,,4,,")


@pytest.mark.parametrize(("name", "status"), [("none", 404), ("No", 400), ("", 400), ("default", 400)])
def test_there_is_no_such_graph(graph: Api, name: str, status: int) -> None:
    for path in ("/comparison", "/comparison/users.csv", "/comparison/ties.csv"):
        assert graph.http.get(path, params={"with": name}).status_code == status
    assert graph.services.exports.get_stats()["pool_available"] == graph.services.exports.get_stats()["pool_size"]


def test_the_command_shows_numbers_and_writes_files(graph: Api, tmp_path: Path) -> None:
    def compare(*words: str, code: int = 0) -> str:
        url = f"http://127.0.0.1:{graph.port}"
        done = click.testing.CliRunner().invoke(main, ["--graph", "spring", "compare", "--api", url, "default", *words])
        assert done.exit_code == code, done.output
        return done.output

    users, ties = tmp_path / "users.csv", tmp_path / "ties.csv"
    told = compare("spring", "--users", str(users), "--ties", str(ties))
    assert "0.5000" in told
    assert "Only in default: bob, =dan" in told
    assert len(users.read_text().splitlines()) == len(ties.read_text().splitlines()) == 5
    assert '"jaccard":0.25' in compare("spring", "--json").replace(" ", "")
    assert "exists already" in compare("spring", "--users", str(users), code=2)
    assert "There is no graph" in compare("none", code=4)
    assert "another graph than 'default'" in compare("default", code=2)


@pytest.mark.parametrize("name", ["none?with=default", "none/../default", "none#"])
def test_a_name_is_no_part_of_an_address(graph: Api, name: str) -> None:
    url = f"http://127.0.0.1:{graph.port}"
    done = click.testing.CliRunner().invoke(main, ["compare", "--api", url, name, "default"])

    assert (done.exit_code, "There is no graph 'none" in done.output) == (4, True), done.output

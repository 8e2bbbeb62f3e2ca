"""Every format, read back by the tools it is for, against a plain account of random graphs."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import igraph
import networkx
import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] (it has no stubs)
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from app.posts.tables.formulas import unguarded
from app.reads.exports import parquet
from app.reads.exports.cells import FULL, Style
from app.reads.exports.formats import FORMS, Export, Request
from app.reads.exports.selection import Selection
from app.store import postgres
from app.store.postgres import Connection
from tests.reads.exports.graphs import HALF_LIFE, Edge, Graph, User, graphs, selected, selections, store

GEXF_SCHEMA = Path(__file__).parents[2] / "data" / "gexf-1.3" / "gexf.xsd"
ALL_DIGITS = Style(digits=FULL)
RUN_AS_FORMULAS = tuple("=+-@\t\r\n＝＋－＠")


@pytest.fixture
def pool(dsn: str) -> Generator[ConnectionPool[Connection]]:
    with postgres.pool(dsn, role="export", size=1, statement_timeout=30) as pool:
        pool.wait()  # its threads draw random numbers as it opens, which hypothesis takes for its own
        yield pool


class Files(NamedTuple):
    """All the exports of one selection."""

    contents: dict[str, bytes]
    counts: dict[str, int]


def exported(
    pool: ConnectionPool[Connection], selection: Selection, *, guard: bool = True, style: Style = ALL_DIGITS
) -> Files:
    contents: dict[str, bytes] = {}
    counts: dict[str, int] = {}
    for name, form in FORMS.items():
        export = Export(form, Request(selection, guard, style), HALF_LIFE.total_seconds())
        blocks = [export.begin(pool)]
        while (block := export.next()) is not None:
            blocks.append(block)
        contents[name] = b"".join(blocks)
        counts[name] = export.count
    return Files(contents, counts)


def tied(edges: list[Edge], as_of: datetime) -> dict[tuple[str, str], Any]:
    """What the tables of edges say, by the spelling of both ends."""
    return {
        (edge.source.spelling, edge.target.spelling): (
            edge.mention_count,
            pytest.approx(min(edge.effective(as_of), edge.mention_count), rel=1e-12, abs=1e-300),
            edge.first_seen,
            edge.last_seen,
            edge.archived_at,
        )
        for edge in edges
    }


def made_and_received(edges: list[Edge]) -> dict[User, tuple[int, int]]:
    made, received = Counter[User](), Counter[User]()
    for edge in edges:
        made[edge.source] += edge.mention_count
        received[edge.target] += edge.mention_count
    return {user: (made[user], received[user]) for user in made | received}


def in_xml(text: str) -> str:
    """What XML 1.0 can hold of it (its production 2, Char)."""
    return "".join(c for c in text if c in "\t\n\r" or (ord(c) >= 0x20 and c not in "\ufffe\uffff"))


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def instant(text: str) -> datetime:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    return datetime.fromisoformat(text)


def facts(row: dict[str, Any], weight: str = "weight") -> tuple[Any, ...]:
    return (int(row["mention_count"]), float(row[weight]), instant(row["first_seen"]), instant(row["last_seen"]))


def named(node_id: str) -> str:
    """The spelling that an id is made of."""
    return re.sub(r"_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), unguarded(node_id))


def check_tables(files: Files, edges: list[Edge], as_of: datetime) -> None:
    expected = {ends: values[:4] for ends, values in tied(edges, as_of).items()}
    rows = read_csv(files.contents["edges.csv"])
    gephi = read_csv(files.contents["gephi.csv"])
    nodes = read_csv(files.contents["nodes.csv"])

    assert {(unguarded(row["source"]), unguarded(row["target"])): facts(row) for row in rows} == expected
    assert {(named(row["Source"]), named(row["Target"])): facts(row, "Weight") for row in gephi} == expected
    assert {row["Type"] for row in gephi} <= {"Directed"}
    assert {row["Id"] for row in nodes} == {row[end] for row in gephi for end in ("Source", "Target")}
    assert all(named(row["Id"]) == unguarded(row["Label"]) for row in nodes)
    totals = {unguarded(row["Label"]): (int(row["mentions_made"]), int(row["mentions_received"])) for row in nodes}
    assert totals == {user.spelling: sums for user, sums in made_and_received(edges).items()}
    cells = [cell for row in (*rows, *gephi, *nodes) for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(RUN_AS_FORMULAS)]
    assert len(rows) == len(gephi) == len(edges)


def check_json_lines(files: Files, edges: list[Edge], as_of: datetime) -> None:
    objects = [json.loads(line) for line in files.contents["edges.jsonl"].split(b"\n")[:-1]]
    found = {
        (row["source"], row["target"]): (*facts(row), row["archived_at"] and instant(row["archived_at"]))
        for row in objects
    }
    assert found == tied(edges, as_of)
    assert len(objects) == len(edges)


def check_polars(files: Files, edges: list[Edge], as_of: datetime) -> None:
    names = ["source", "target", "mention_count", "weight", "first_seen", "last_seen", "archived_at"]
    parquet = pl.read_parquet(io.BytesIO(files.contents["edges.parquet"]))
    assert parquet.columns == names
    assert {(row[0], row[1]): row[2:] for row in parquet.iter_rows()} == tied(edges, as_of)
    assert len(parquet) == len(edges)
    if edges:
        lines = pl.read_ndjson(files.contents["edges.jsonl"]).select("source", "target", "mention_count")
        table = pl.read_csv(files.contents["edges.csv"], infer_schema=False)
        rows = zip(*(map(unguarded, table[name]) for name in names[:2]), table["mention_count"].cast(int), strict=True)
        assert sorted(lines.rows()) == sorted(rows) == sorted(parquet.select(names[:3]).rows())


def check_neo4j(files: Files, edges: list[Edge], as_of: datetime) -> None:
    with zipfile.ZipFile(io.BytesIO(files.contents["neo4j.zip"])) as archive:
        assert archive.testzip() is None
        nodes, ties = (read_csv(archive.read(name)) for name in ("nodes.csv", "relationships.csv"))
    users = {
        (row["handle:ID(User)"], row["spelling"], row[":LABEL"]): (
            int(row["mentions_made:long"]),
            int(row["mentions_received:long"]),
        )
        for row in nodes
    }
    assert users == {(user.handle, user.spelling, "User"): sums for user, sums in made_and_received(edges).items()}
    typed = [{name.partition(":")[0]: cell for name, cell in row.items()} for row in ties]
    found = {
        (row[":START_ID(User)"], row[":END_ID(User)"], row[":TYPE"]): facts(told)
        for row, told in zip(ties, typed, strict=True)
    }
    by_ends = tied(edges, as_of)
    assert found == {
        (edge.source.handle, edge.target.handle, "MENTIONS"): by_ends[edge.source.spelling, edge.target.spelling][:4]
        for edge in edges
    }
    assert len(ties) == len(edges)


def check_xml(files: Files, edges: list[Edge], as_of: datetime) -> None:
    gexf, graphml = files.contents["graph.gexf"], files.contents["graph.graphml"]
    etree.XMLSchema(etree.parse(GEXF_SCHEMA)).assertValid(etree.fromstring(gexf))
    users = {
        user.spelling: (in_xml(user.spelling), in_xml(user.handle), *sums)
        for user, sums in made_and_received(edges).items()
    }
    said = f"<!-- complete: {len(users)} users, {len(edges)} edges -->".encode()
    assert said in gexf[-100:]
    assert said in graphml[-100:]
    for graph in (networkx.read_gexf(io.BytesIO(gexf)), networkx.read_graphml(io.BytesIO(graphml))):
        assert graph.is_directed()
        assert set(graph.nodes) == {row["Id"] for row in read_csv(files.contents["nodes.csv"])}
        assert {
            named(node): (told["label"], told["handle"], told["mentions_made"], told["mentions_received"])
            for node, told in graph.nodes(data=True)
        } == users
        ties = {(named(source), named(target)): facts(told) for source, target, told in graph.edges(data=True)}
        assert ties == without_archived_at(edges, as_of)


def check_igraph(files: Files, edges: list[Edge], as_of: datetime, directory: Path) -> None:
    path = directory / "graph.graphml"
    path.write_bytes(files.contents["graph.graphml"])
    graph = igraph.Graph.Read_GraphML(str(path))
    assert graph.is_directed()
    users = {user.spelling: in_xml(user.spelling) for user in made_and_received(edges)}
    # igraph leaves a character reference for `&` in what it reads of an XML attribute.
    names = [named(vertex["id"].replace("&#38;", "&")) for vertex in graph.vs]
    assert dict(zip(names, graph.vs["label"] if names else [], strict=True)) == users
    ties = {(names[edge.source], names[edge.target]): facts(edge.attributes()) for edge in graph.es}
    assert ties == without_archived_at(edges, as_of)


def without_archived_at(edges: list[Edge], as_of: datetime) -> dict[tuple[str, str], Any]:
    return {ends: values[:4] for ends, values in tied(edges, as_of).items()}


@given(data=st.data(), graph=graphs())
@hypothesis.settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_format_holds_what_is_selected(
    data: st.DataObject,
    graph: Graph,
    conn: psycopg.Connection[TupleRow],
    pool: ConnectionPool[Connection],
    tmp_path: Path,
) -> None:
    asked = data.draw(selections(graph))
    store(conn, graph)

    files = exported(pool, asked)

    edges = selected(graph, asked)
    users = len(made_and_received(edges))
    assert files.counts == {name: users if name == "nodes.csv" else len(edges) for name in FORMS}
    check_tables(files, edges, asked.as_of)
    check_json_lines(files, edges, asked.as_of)
    check_polars(files, edges, asked.as_of)
    check_neo4j(files, edges, asked.as_of)
    check_xml(files, edges, asked.as_of)
    check_igraph(files, edges, asked.as_of, tmp_path)


@pytest.fixture
def big(conn: psycopg.Connection[TupleRow], monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection[TupleRow]:
    """A graph that does not fit in the buffers between PostgreSQL and us."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 1000)
    conn.execute(
        "insert into users select n, n || repeat('.', 300), n || repeat('.', 300) from generate_series(1, 300) n"
    )
    conn.execute(
        "insert into edges select s, t, 1, random(), now(), now() - random() * interval '1 day', now() "
        "from generate_series(1, 100) as s, generate_series(1, 300) as t"
    )
    return conn


def everything(name: str, now: datetime) -> Export:
    return Export(FORMS[name], Request(Selection(as_of=now), guard=True), HALF_LIFE.total_seconds())


def test_an_export_that_fails_on_the_way_raises(
    big: psycopg.Connection[TupleRow], pool: ConnectionPool[Connection], now: datetime
) -> None:
    for name in FORMS:
        export = everything(name, now)
        export.begin(pool)
        big.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name like 'mentiongraph export@%'"
        )
        with pytest.raises(psycopg.OperationalError):
            list(iter(export.next, None))
        export.close()


@pytest.mark.usefixtures("big")
def test_an_export_that_is_not_wanted_any_more_gives_its_connection_back(
    pool: ConnectionPool[Connection], now: datetime
) -> None:
    for name in FORMS:
        export = everything(name, now)
        export.begin(pool)

        export.close()

        assert pool.get_stats()["pool_available"] == 1
        assert export.next() is None


def test_an_export_is_one_snapshot(
    big: psycopg.Connection[TupleRow], pool: ConnectionPool[Connection], now: datetime
) -> None:
    export = everything("graph.graphml", now)
    begun = export.begin(pool)
    big.execute("delete from edges where source_id > 1")

    whole = begun + b"".join(iter(export.next, None))

    assert whole.count(b"<edge ") == export.count == 29_900
    assert b"<!-- complete: 300 users, 29900 edges -->" in whole[-100:]

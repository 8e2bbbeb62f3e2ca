"""`mentiongraph export` against the API, and against something that breaks off."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click.testing
import pytest

from app.store.postgres import Connection
from ops.cli import main
from ops.cli.export import KINDS
from tests.http.conftest import Api
from tests.http.test_receiving import HEADER

POSTS = HEADER + b'@bob @cy,2026-01-10T11:00:00Z,"Ada, ""the"" one"\n@cy,2026-01-12T11:00:00Z,bob\n'


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def graph(api: Api, apply: Callable[[], None]) -> str:
    """The API's URL."""
    assert api.upload(POSTS).status_code == 202
    apply()
    return f"http://127.0.0.1:{api.port}"


def export(url: str, *words: str, code: int = 0) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(main, ["export", "--api", url, *words])
    assert done.exit_code == code, done.output
    return done


def test_every_format_is_written(graph: str, directory: Path) -> None:
    for name, kind in KINDS.items():
        done = export(graph, "--format", name)

        size = (directory / kind.name).stat().st_size
        assert done.stdout == f"{kind.name}: 3 {kind.noun}, {size:,} bytes\n"
    assert {path.name for path in directory.iterdir()} == {kind.name for kind in KINDS.values()}


@pytest.mark.parametrize("name", ["graph.xlsx", "graph.csv.gz", "graph.txt"])
def test_a_name_that_no_format_has_is_refused(graph: str, directory: Path, name: str) -> None:
    refused = export(graph, "-o", name, code=2)

    assert "does not write files that end in" in refused.stderr
    assert ".csv, .gexf, .graphml, .parquet, .jsonl, .ndjson, .zip" in refused.stderr
    assert not (directory / name).exists()
    export(graph, "-o", name, "--format", "csv")
    assert (directory / name).read_text(encoding="utf-8").startswith("source,target")


def test_a_name_without_an_ending_is_csv(graph: str, directory: Path) -> None:
    export(graph, "-o", "edges")

    assert (directory / "edges").read_text(encoding="utf-8").startswith("source,target")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--min-weight", "1000"], "weighs less than the least weight asked for. Lower --min-weight"),
        (["--since", "2027-01-01"], "had its last mention before the instant asked for. Set an earlier --since"),
        (["--user", "cy", "--depth", "0"], "in the surroundings of the users asked for. Raise --depth"),
        (["--since", "2027-01-01", "--min-weight", "1000"], "The filters leave out every edge together"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_without_edges_says_why(graph: str, directory: Path, words: list[str], why: str, kind: str) -> None:
    done = export(graph, "--format", kind, "-o", "out", *words)

    assert why in done.stderr
    assert f"warning: out has no {KINDS[kind].noun}." in done.stderr
    assert done.stdout.startswith(f"out: 0 {KINDS[kind].noun}, ")
    if kind in {"gexf", "graphml"}:
        assert b"<!-- no edges: " in (directory / "out").read_bytes()


def test_an_export_of_an_empty_or_archived_graph_says_so(
    api: Api, apply: Callable[[], None], domain: Connection, directory: Path
) -> None:
    assert not list(directory.iterdir())
    url = f"http://127.0.0.1:{api.port}"
    assert "no upload with a mention is applied" in export(url, "-o", "empty.csv").stderr

    api.upload(POSTS)
    apply()
    domain.execute(
        "WITH gone AS (DELETE FROM edges RETURNING *)"
        " INSERT INTO edges_archive SELECT gone.*, '2026-01-20'::timestamptz FROM gone"
    )

    assert "Add --archived." in export(url, "-o", "archived.csv", "--no-archived").stderr
    header = api.http.get("/export/edges.csv?archived=false").headers["mentiongraph-warning"]
    assert header.startswith("all-archived: Every edge")
    assert "archived=true" in header
    assert "mentiongraph-warning" not in api.http.get("/export/edges.csv?archived=true").headers
    assert export(url, "-o", "all.csv", "--archived").stderr == ""


def test_an_export_of_self_mentions_alone_says_so(api: Api, apply: Callable[[], None], directory: Path) -> None:
    api.upload(HEADER + b"@bob,2026-01-10T11:00:00Z,bob\n")
    apply()

    assert "Add --self-mentions." in export(f"http://127.0.0.1:{api.port}", "-o", "own.gexf").stderr
    assert (directory / "own.gexf").exists()


def test_the_name_tells_the_format_and_filters_are_passed_on(graph: str, directory: Path) -> None:
    filters = ["--user", "bob", "--depth", "0", "--touching", "--as-of", "2026-01-20", "--min-weight", "0.1"]
    export(graph, "-o", "bob.jsonl", *filters)

    found = [json.loads(line) for line in (directory / "bob.jsonl").read_text(encoding="utf-8").splitlines()]

    assert sorted((row["source"], row["target"]) for row in found) == [('Ada, "the" one', "bob"), ("bob", "cy")]
    assert all(0 < row["weight"] < 1 for row in found)


def test_a_table_for_excel_and_a_part_of_time(graph: str, directory: Path) -> None:
    style = ["--bom", "--delimiter", ";", "--decimal", ",", "--digits", "2", "--as-of", "2026-01-19"]
    export(graph, *style, "--since", "2026-01-11", "--until", "2026-01-13", "--archived")
    export(graph, "-o", "none.csv", "--until", "2026-01-10", "--no-archived")

    found = (directory / "edges.csv").read_bytes().decode()

    assert found.startswith("\ufeffsource;target;mention_count;weight;")
    assert [line.split(";")[:4] for line in found.splitlines()[1:]] == [["bob", "cy", "1", "0,71"]]
    assert (directory / "none.csv").read_text(encoding="utf-8").count("\n") == 1


def test_a_file_that_is_there_is_kept_unless_forced(graph: str, directory: Path) -> None:
    there = directory / "edges.csv"
    there.write_text("mine", encoding="utf-8")

    refused = export(graph, code=2)

    assert "exists already" in refused.stderr
    assert there.read_text(encoding="utf-8") == "mine"
    export(graph, "--force")
    assert there.read_text(encoding="utf-8").startswith("source,target,")


def test_standard_output(graph: str, directory: Path) -> None:
    done = export(graph, "-o", "-")

    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 3
    assert done.stderr == f"standard output: 3 edges, {len(done.stdout.encode())} bytes\n"
    assert not list(directory.iterdir())


def test_an_unknown_user_is_told(graph: str, directory: Path) -> None:
    done = export(graph, "--user", "zoe", code=4)

    assert "obody called 'zoe'" in done.stderr
    assert not list(directory.iterdir())


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    headers_sent: tuple[tuple[str, str], ...] = ()
    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.headers_sent:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        pass


@contextmanager
def answering(body: bytes, **headers: str) -> Generator[str]:
    """The URL of a server that answers everything with this and hangs up."""
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    handler = type("Answer", (_Answer,), {"headers_sent": given, "body": body})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def chunked(*pieces: bytes) -> bytes:
    """As HTTP/1.1 has it; an empty piece ends the body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


CUT_OFF: dict[str, tuple[str, bytes]] = {
    "the last chunk is missing": ("csv", chunked(b"a,b\n1,2\n", b"1,2\n")),
    "a record is missing": ("csv", chunked(b"a,b\n1,2\n", b"")),
    "a line end in quotes is none of a record": ("gephi", chunked(b'a,b\n1,"\n', b'""2"\n', b"")),
    "a line is missing": ("jsonl", chunked(b'{"a":"\\""}\n', b"")),
    "there is no footer": ("parquet", chunked(b"PAR1", b"abcd", b"")),
    "there is no directory": ("neo4j", chunked(b"PK\x03\x04" + bytes(100), b"")),
    "the comment counts fewer": ("gexf", chunked(b"<!-- complete: 9 users, 1 edges -->\n</gexf>\n", b"")),
    "there is no comment": ("graphml", chunked(b"</graph>\n</graphml>\n", b"")),
}


@pytest.mark.parametrize("what", CUT_OFF)
def test_nothing_is_kept_of_a_file_that_is_not_whole(directory: Path, what: str) -> None:
    kind, body = CUT_OFF[what]
    (directory / KINDS[kind].name).write_text("mine", encoding="utf-8")
    with answering(body, Mentiongraph_Count="2", Transfer_Encoding="chunked") as url:
        done = export(url, "--format", kind, "--force", code=5)

    assert "nothing is kept" in done.stderr
    assert [path.read_text(encoding="utf-8") for path in directory.iterdir()] == ["mine"]

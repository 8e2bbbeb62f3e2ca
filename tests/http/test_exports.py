"""The graph as files, over HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from app.graph import decay
from app.graph.parameters import read_parameters
from app.http.download import Download
from app.http.routes import exports
from app.http.services import EXPORTS
from app.reads.exports.formats import FORMS
from app.settings import Settings
from app.store.postgres import Connection
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import HEADER

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
POSTS = HEADER + (
    b"@Bob @bob @cy,2026-01-10T11:00:00Z,Ada\n"
    b"@BOB and @ada,2026-01-11T11:00:00Z,ADA\n"
    b"@ada,2026-01-12T11:00:00Z,Bob\n"
    b"@eve,2026-01-13T11:00:00Z,cy\n"
)


@pytest.fixture
def graph(api: Api, apply: Callable[[], None]) -> Api:
    assert api.upload(POSTS).status_code == 202
    apply()
    return api


def edges_in(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    found = sorted((row["source"], row["target"]) for row in csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["Mentiongraph-Count"] == str(len(found))
    return found


def test_the_export_holds_every_edge(graph: Api) -> None:
    answer = graph.http.get("/export/edges.csv")

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="edges.csv"'
    header, *lines = csv.reader(io.StringIO(answer.text))
    assert header == ["source", "target", "mention_count", "weight", "first_seen", "last_seen"]
    assert sorted(lines) == [
        ["Ada", "Bob", "3", "3", "2026-01-10T11:00:00.000000Z", "2026-01-11T11:00:00.000000Z"],
        ["Ada", "cy", "1", "1", "2026-01-10T11:00:00.000000Z", "2026-01-10T11:00:00.000000Z"],
        ["Bob", "Ada", "1", "1", "2026-01-12T11:00:00.000000Z", "2026-01-12T11:00:00.000000Z"],
        ["cy", "eve", "1", "1", "2026-01-13T11:00:00.000000Z", "2026-01-13T11:00:00.000000Z"],
    ]
    assert answer.headers["Mentiongraph-Count"] == "4"
    assert answer.headers["Mentiongraph-As-Of"] == "2026-01-15T12:00:00+00:00"


def test_the_export_holds_self_mentions_if_asked(graph: Api) -> None:
    answer = graph.http.get("/export/edges.csv", params={"self_mentions": "true"})

    assert answer.text.count("\n") == 6


def test_the_export_of_nothing_is_a_header(api: Api) -> None:
    assert api.http.get("/export/edges.csv").text == "source,target,mention_count,weight,first_seen,last_seen\n"


ASKED_FOR = {
    "user=ADA": "Ada-Bob Ada-cy Bob-Ada",
    "user=@ada&depth=0": "",
    "user=ada&user=bob&depth=0": "Ada-Bob Bob-Ada",
    "user=cy&depth=0&touching=true": "Ada-cy cy-eve",
    "user=&min_weight=2": "Ada-Bob",
    "since=0001-01-01T00:00:00%2B23:59&until=9999-12-31T23:59:59-23:59&user=eve": "cy-eve",
    "as_of=9999-12-31T23:59:59-23:59": "",
    "until=2026-01-10T11:00:00Z": "",
    "until=2026-01-10T11:00:00.000001Z": "Ada-Bob Ada-cy",
    "since=2026-01-11T00:00:00Z&until=2026-01-12T00:00:00Z": "Ada-Bob",
    "since=2026-01-10T12:00:00Z&until=2026-01-11T11:00:00Z": "Ada-Bob",
    "since=2026-01-12T00:00:00Z&until=2026-01-13T11:00:00Z": "Bob-Ada",
    "user=cy": "Ada-cy cy-eve",
    "user=eve&depth=2": "Ada-cy cy-eve",
    "user=cy&depth=2": "Ada-Bob Ada-cy Bob-Ada cy-eve",
    "min_weight=1.5": "Ada-Bob",
    "min_weight=1.5&as_of=2026-01-22T12:00:00Z": "Ada-Bob",
    "min_weight=1.5&as_of=2026-01-22T12:00:01Z": "",
    "since=2026-01-12T11:00:00Z": "Bob-Ada cy-eve",
    "since=2026-01-12T12:00:00%2B01:00&user=eve&depth=2": "cy-eve",
}


def test_what_is_asked_for(graph: Api) -> None:
    for query, expected in ASKED_FOR.items():
        found = edges_in(graph.http.get(f"/export/edges.csv?{query}"))

        assert ["-".join(ends) for ends in found] == expected.split(), query


def test_archived_edges_if_asked(graph: Api, domain: Connection, now: datetime) -> None:
    domain.execute(
        "with gone as (delete from edges where last_seen < '2026-01-12' returning *) "
        "insert into edges_archive select gone.*, %s::timestamptz from gone",
        [now - timedelta(days=1)],
    )

    assert len(edges_in(graph.http.get("/export/edges.csv"))) == 2
    lines = graph.http.get("/export/edges.jsonl", params={"archived": "true"}).text.splitlines()
    assert sorted(str(msgspec.json.decode(line)["archived_at"]) for line in lines) == [
        *["2026-01-14T12:00:00.000000Z"] * 2,
        *["None"] * 2,
    ]


REFUSED = {
    "user=zoe": (404, "Nobody called 'zoe'"),
    "user=@": (400, "'@' is no handle"),
    "depth=3": (400, "'depth' has to be a whole number from 0 to 2"),
    "as_of=yesterday": (400, "'as_of' has to be an instant"),
    "as_of=2026-01-12T11:00:00": (400, "'as_of' has to be an instant"),
    "since=2026-01-12T11:00:00": (400, "'since' has to be an instant"),
    "until=2026-01-12": (400, "'until' has to be an instant"),
    "since=2026-01-12T11:00:00Z&until=2026-01-12T11:00:00Z": (400, "'until' has to be later than 'since'"),
    "digits=0": (400, "'digits' has to be a whole number from 1 to 17"),
    "bom=true": (400, "There is no query parameter 'bom'"),
    "min_weight=-1": (400, "'min_weight' has to be a number that is not negative"),
}


def test_what_cannot_be_asked_for(graph: Api, problem_of: ProblemOf) -> None:
    for query, (status, said) in REFUSED.items():
        answer = graph.http.get(f"/export/graph.gexf?{query}")

        assert said in problem_of(answer)["detail"]
        assert answer.status_code == status


def test_every_file_says_what_it_is(api: Api) -> None:
    for name, form in FORMS.items():
        answer = api.http.get(f"/export/{name}")

        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(form.media_type)
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert answer.headers["Mentiongraph-Count"] == "0"


def test_formulas_are_harmless_unless_asked_for(api: Api, apply: Callable[[], None]) -> None:
    api.upload(HEADER + b"hi @bob,2026-01-10T11:00:00Z,=1+1\nhi @bob,2026-01-10T11:00:00Z,'=1+1\n")
    apply()

    assert [source for source, _ in edges_in(api.http.get("/export/edges.csv"))] == ["''=1+1", "'=1+1"]
    plain = edges_in(api.http.get("/export/edges.csv", params={"guard": "false"}))
    assert [source for source, _ in plain] == ["'=1+1", "=1+1"]
    assert '"source":"=1+1"' in api.http.get("/export/edges.jsonl").text


def test_a_table_as_a_spreadsheet_wants_it(api: Api, apply: Callable[[], None]) -> None:
    api.upload(HEADER + "hi @bob,2026-01-10T11:00:00Z,Zoë; \n".encode())
    apply()
    asked = {"as_of": "2026-01-16T12:00:00Z", "bom": "true", "delimiter": ";", "decimal": ","}

    answers = {name: api.http.get(f"/export/{name}", params=asked) for name in ("edges.csv", "gephi.csv", "nodes.csv")}

    instant = "2026-01-10T11:00:00.000000Z"
    assert {name: answer.content.decode() for name, answer in answers.items()} == {
        "edges.csv": "\ufeffsource;target;mention_count;weight;first_seen;last_seen\n"
        f'"Zoë;";bob;1;0,9057;{instant};{instant}\n',
        "gephi.csv": "\ufeffSource;Target;Weight;Type;mention_count;first_seen;last_seen\n"
        f'"Zoë;";bob;0,9057;Directed;1;{instant};{instant}\n',
        "nodes.csv": '\ufeffId;Label;mentions_made;mentions_received\n"Zoë;";"Zoë;";1;0\nbob;bob;0;1\n',
    } or answers["nodes.csv"].text.splitlines()[1:] == ["bob;bob;0;1", '"Zoë;";"Zoë;";1;0']


def test_numbers_are_rounded_for_people_alone(graph: Api) -> None:
    def weights(name: str, **asked: str) -> set[str]:
        text = graph.http.get(f"/export/{name}", params={"as_of": "2026-01-16T12:00:00Z", **asked}).text
        return {found for found in re.findall(r"\d\.\d+(?=[,<\"\s])", text) if found not in {"1.0", "1.3"}}

    full = {"0.9057236642639067", "2.7171709927917203"}
    for name in ("edges.csv", "gephi.csv", "graph.gexf"):
        assert weights(name) == {"0.9057", "2.717"}, name
        assert weights(name, digits="17") == full, name
    assert weights("edges.jsonl") == weights("graph.graphml") == full
    assert weights("graph.graphml", digits="2") == {"0.91", "2.7"}


def test_a_comma_is_not_both_delimiter_and_decimal(graph: Api, problem_of: ProblemOf) -> None:
    answer = graph.http.get("/export/edges.csv", params={"decimal": ","})

    assert "'decimal' is the delimiter" in problem_of(answer)["detail"]
    assert graph.http.get("/export/edges.csv?decimal=,&delimiter=tab").text.startswith("source\ttarget\t")


def test_an_archive_is_exported_when_there_is_nothing_else(
    api: Api, apply: Callable[[], None], domain: Connection, settings: Settings, now: datetime
) -> None:
    """Whenever decay has run, and at whatever instant."""
    api.upload(HEADER + b"hi @b,2018-10-10T00:00:00Z,a\nhi @b,2018-10-11T00:00:00Z,a\n", clock="event")
    apply()
    paths = [
        f"{path}?as_of={day}T00:00:00Z"
        for path in ("/export/edges.csv", "/users/a/outgoing", "/users/b/incoming", "/users/a", "/users/a/ego")
        for day in ("2018-10-11", "2018-10-12", "2026-01-15")
    ]
    paths += ["/export/edges.csv", "/paths?source=a&target=b&as_of=2018-10-12T00:00:00Z"]
    before = {path: api.http.get(path).text for path in paths}

    run = decay.begin(domain, settings=settings, now=now)
    assert run is not None
    assert decay.work(domain, run, read_parameters(domain), clock=lambda: now)

    assert decay.totals(domain, run).archived == 1
    assert ",1.726," in before["/export/edges.csv?as_of=2018-10-12T00:00:00Z"]
    told = {path: re.sub(r'"archived_at":"[^"]+"', '"archived_at":null', api.http.get(path).text) for path in paths}
    assert told == before
    assert edges_in(api.http.get("/export/edges.csv?archived=false")) == []

    api.upload(HEADER + b"hi @d,2026-01-15T00:00:00Z,c\n")
    apply()
    assert edges_in(api.http.get("/export/edges.csv")) == [("c", "d")]
    assert edges_in(api.http.get("/export/edges.csv?archived=true")) == [("a", "b"), ("c", "d")]
    assert api.http.get("/export/edges.csv?as_of=2018-10-12T00:00:00Z").status_code == 409


def fill(conn: Connection) -> None:
    """A graph whose export, some 20 MB, fits in no socket's buffers."""
    conn.execute(
        "insert into users select n, 'user' || n, 'user' || n || repeat('.', 300) from generate_series(1, 300) n"
    )
    conn.execute(
        "insert into edges select s, t, 1, random(), now(), now(), now() "
        "from generate_series(1, 100) as s, generate_series(1, 300) as t"
    )


def exporting(conn: Connection) -> int:
    statement = (
        "select count(*) from pg_stat_activity "
        "where datname = current_database() and state <> 'idle' and query like 'COPY%'"
    )
    row = conn.execute(statement).fetchone()
    return row[0] if row else 0


def test_a_download_that_is_broken_off_lets_go_of_its_connection(api: Api, domain: Connection) -> None:
    fill(domain)
    for _ in range(3):
        with api.connect() as client:
            client.sendall(b"GET /export/edges.csv?self_mentions=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(10)
            until(lambda: exporting(domain), within=10, what="the export runs")
        until(lambda: not exporting(domain), within=10, what="the export has ended")

    assert api.http.get("/export/edges.csv", params={"self_mentions": "true"}).text.count("\n") == 30_001


def test_an_export_ends_with_its_client_before_its_first_byte(api: Api, domain: Connection, dsn: str) -> None:
    def waiting() -> bool:
        statement = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        return domain.execute(statement).fetchone() != (0,)

    with psycopg.connect(dsn) as other:
        other.execute("lock table edges in access exclusive mode")
        for _ in range(EXPORTS + 1):
            with api.connect() as client:
                client.sendall(b"GET /export/nodes.csv HTTP/1.1\r\nHost: localhost\r\n\r\n")
                until(waiting, within=10, what="the export waits")
            until(lambda: not waiting(), within=10, what="the export has ended")


def test_a_slow_client_is_given_time_for_each_piece() -> None:
    settings = Settings(receive_timeout=1.0)
    """The limit is for a piece that slow lines carry in seconds, however large a block is."""
    sent: list[int] = []

    async def blocks() -> AsyncGenerator[bytes]:
        yield bytes(5 << 20)
        yield b"end"

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(len(message["body"]))

    async def download() -> None:
        made = await Download.begin(blocks(), receive, media_type="text/csv", filename="a", settings=settings)
        await made.send_body(send, receive)

    asyncio.run(download())

    assert (sum(sent), sent[-2:], max(sent) <= 1 << 16) == ((5 << 20) + 3, [3, 0], True)


def test_a_download_that_stands_still_is_hung_up_on(serve: Serve, settings: Settings, domain: Connection) -> None:
    fill(domain)
    api = serve(msgspec.structs.replace(settings, receive_timeout=0.3))
    with api.connect() as client:
        client.sendall(b"GET /export/edges.csv?self_mentions=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(10)
        until(lambda: exporting(domain), within=10, what="the export runs")

        until(lambda: not exporting(domain), within=10, what="the export was given up")

        received = b""
        while piece := client.recv(1 << 20):
            received = piece[-5:]
    assert received != b"0\r\n\r\n", "an answer that was broken off must not look whole"


@pytest.mark.parametrize(
    "bound", [{"download_rate": 10**9, "receive_timeout": 0.3}, {"download_timeout": 2.0}], ids=["rate", "deadline"]
)
def test_a_slow_download_ends(serve: Serve, settings: Settings, domain: Connection, bound: dict[str, Any]) -> None:
    """Its client takes something every 10 ms, and would need a minute."""
    fill(domain)
    api = serve(msgspec.structs.replace(settings, **bound))
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", api.port))
        client.sendall(b"GET /export/edges.csv?self_mentions=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"

        def ended() -> bool:
            client.recv(500)
            return not exporting(domain)

        until(ended, within=8, what="the export ends")
        assert not any(slots.locked() for slots in api.services.export_slots)


def test_a_download_that_moves_has_a_least_rate_all_the_same(settings: Settings) -> None:
    """Each send ends well within the time after which a client stands still."""
    sent = list[int]()

    async def blocks() -> AsyncGenerator[bytes]:
        for _ in range(100):
            yield b"x"

    async def send(message: Any) -> None:
        sent.append(len(message.get("body", b"")))
        await asyncio.sleep(0.01)

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def run() -> None:
        patient = msgspec.structs.replace(settings, receive_timeout=0.1, download_rate=10**9)
        download = Download(b"", blocks(), media_type="text/csv", filename="x.csv", settings=patient, headers={})
        await download.send_body(send, receive)

    asyncio.run(run())
    assert 0 < len(sent) < 50


def test_an_export_that_fails_on_the_way_does_not_look_whole(api: Api, domain: Connection) -> None:
    fill(domain)
    with api.http.stream("GET", "/export/edges.csv") as answer:
        assert answer.headers["Mentiongraph-Count"] == "29900"
        domain.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name like 'mentiongraph export@%'"
        )
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            answer.read()

    assert api.http.get("/export/edges.csv").status_code == 200


def test_more_exports_than_may_run_at_once_are_refused(
    api: Api, domain: Connection, problem_of: ProblemOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PATIENCE", 0.1)
    fill(domain)
    with ExitStack() as running:
        for _ in range(EXPORTS):
            running.enter_context(api.http.stream("GET", "/export/edges.csv"))

        answer = api.http.get("/export/edges.csv")

        assert problem_of(answer)["type"] == "urn:mentiongraph:problem:too-many-exports"
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    until(lambda: api.http.get("/export/nodes.csv").text.count("\n") == 301, within=10, what="there is room again")

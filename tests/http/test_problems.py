"""Each kind of problem, made by a request to a running API, against what the OpenAPI document says of that route."""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from email.parser import BytesParser
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import msgspec
import pytest

from app.control.callers import Scope
from app.errors import PROBLEM_TYPE_PREFIX, Where, problems
from app.http.keyring import FAILURE_SECONDS
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from tests.calling import by, caller, name_callers
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.keyed import bearer, key
from tests.http.test_idempotency import keyed_head, post
from tests.http.test_receiving import BAD_CONTENT, CSV, CSV_TYPE, HEADER, SAID, request_head, rows, states
from tests.posts.workbooks import parts, row, text, workbook, zipped

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
POST = b'{"data":"hi @bob","timestamp":"2026-01-15T12:00:00Z","username":"ada"}'
ENCRYPTED = (
    zipped({"a.csv": CSV})
    .replace(b"PK\3\4\x14\0\0", b"PK\3\4\x14\0\1")
    .replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1")
)
"""A zip whose file has the mark of a password."""


@dataclass
class Around:
    """What a failure is made with."""

    serve: Serve
    settings: Settings
    domain: Connection
    patch: pytest.MonkeyPatch
    apply: Callable[[], None]
    open: ExitStack
    api: Api = field(init=False)

    def start(self, **changed: Any) -> Api:
        self.api = self.serve(msgspec.structs.replace(self.settings, **changed))
        return self.api

    def send(self, body: bytes, headers: dict[str, str] = CSV_TYPE, **settings: Any) -> httpx.Response:
        return self.start(**settings).http.post("/uploads", content=body, headers=headers)


Made = tuple[str, str, httpx.Response]
"""The method, the route as the document has it, and the answer."""
FAILURES: dict[str, Callable[[Around], Made]] = {}


def answered(api: Api, head: bytes) -> httpx.Response:
    """What the server answers to a head, before it closes the connection."""
    with api.connect() as client:
        client.sendall(head)
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    (line, fields), body = answer.partition(b"\r\n\r\n")[0].split(b"\r\n", 1), answer.partition(b"\r\n\r\n")[2]
    return httpx.Response(int(line.split()[1]), headers=dict(BytesParser().parsebytes(fields)), content=body)


def failing(code: str) -> Callable[[Callable[[Around], Made]], Callable[[Around], Made]]:
    def note(make: Callable[[Around], Made]) -> Callable[[Around], Made]:
        FAILURES[code] = make
        return make

    return note


@failing("backlog-full")
def _(around: Around) -> Made:
    api = around.start(max_backlog_bytes=len(CSV) - len(HEADER))
    assert api.upload(CSV).status_code == 202
    return "post", "/uploads", api.upload(HEADER + rows(10))


@failing("limit-reached")
def _(around: Around) -> Made:
    api = around.start(owner_requests_a_minute=1)
    name_callers(api.app, {"grace": caller("grace")})
    assert api.http.get("/uploads", headers=by("grace")).status_code == 200
    return "get", "/uploads", api.http.get("/uploads", headers=by("grace"))


@failing("no-space")
def _(around: Around) -> Made:
    return "post", "/uploads", around.send(CSV, max_database_bytes=1)


@failing("bad-request")
def _(around: Around) -> Made:
    return "get", "/uploads", around.start().http.get("/uploads?limit=none")


@failing("bad-state")
def _(around: Around) -> Made:
    path = around.start().upload(CSV).headers["location"]
    around.apply()
    return "post", "/uploads/{upload_id}/cancel", around.api.http.post(f"{path}/cancel")


@failing("cross-site")
def _(around: Around) -> Made:
    return "post", "/uploads", around.send(CSV, {**CSV_TYPE, "Sec-Fetch-Site": "cross-site"})


@failing("unknown-host")
def _(around: Around) -> Made:
    return "get", "/uploads", around.start().http.get("/uploads", headers={"Host": "evil.example"})


@failing("no-key")
def _(around: Around) -> Made:
    return "get", "/uploads", around.start(keys="required").http.get("/uploads")


@failing("wrong-key")
def _(around: Around) -> Made:
    return "get", "/uploads", around.start().http.get("/uploads", headers=bearer("mg_x"))


@failing("expired-key")
def _(around: Around) -> Made:
    old = key(around.domain, postgres.clock() - timedelta(days=9999), Scope.ADMIN)
    return "get", "/uploads", around.start().http.get("/uploads", headers=bearer(old.token))


@failing("not-allowed")
def _(around: Around) -> Made:
    reads = key(around.domain, postgres.clock(), Scope.GRAPH_READ)
    return "get", "/uploads", around.start().http.get("/uploads", headers=bearer(reads.token))


@failing("too-many-wrong-keys")
def _(around: Around) -> Made:
    around.patch.setattr("app.http.keyring.FAILURES", 1)
    around.start().http.get("/uploads", headers=bearer("mg_x"))
    refused = around.api.http.get("/uploads", headers=bearer("mg_x"))
    assert refused.headers["Retry-After"] == str(round(FAILURE_SECONDS)), "when one more is looked at"
    return "get", "/uploads", refused


@failing("database-unavailable")
def _(around: Around) -> Made:
    api = around.start(database_url="postgresql://nobody@127.0.0.1:1/none")
    api.services.pool.timeout = 0.2
    return "get", "/uploads", api.http.get("/uploads")


@failing("head-too-large")
def _(around: Around) -> Made:
    return "", "", around.start().http.get("/uploads", headers={f"x-{number}": "x" for number in range(100)})


@failing("head-too-slow")
def _(around: Around) -> Made:
    return "", "", answered(around.start(head_timeout=0.2), b"GET /uploads HTTP/1.1\r\n")


@failing("instant-too-early")
def _(around: Around) -> Made:
    around.start().upload(CSV)
    around.apply()
    return "get", "/rankings/edges", around.api.http.get("/rankings/edges?as_of=2000-01-01T00:00:00Z")


@failing("idempotency-key-in-use")
def _(around: Around) -> Made:
    client = around.open.enter_context(around.start().connect())
    client.sendall(keyed_head(len(CSV)) + CSV[:-1])
    until(lambda: states(around.domain) == ["receiving"], within=10, what="the first is being received")
    return "post", "/uploads", post(around.api, CSV)


@failing("idempotency-key-reused")
def _(around: Around) -> Made:
    post(around.start(), CSV)
    return "post", "/uploads", post(around.api, CSV + rows(1))


@failing("internal-error")
def _(around: Around) -> Made:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    around.patch.setattr("app.ledger.entries.uploads", broken)
    return "get", "/uploads", around.start().http.get("/uploads")


@failing("malformed-form")
def _(around: Around) -> Made:
    return "post", "/uploads", around.send(b"no boundary in here", FORM)


@failing("method-not-allowed")
def _(around: Around) -> Made:
    return "", "", around.start().http.put("/uploads")


@failing("no-file")
def _(around: Around) -> Made:
    return "post", "/uploads", around.start().http.post("/uploads", files={"other": (None, b"x")})


@failing("no-row-end")
def _(around: Around) -> Made:
    around.patch.setattr("app.ledger.staging.LONGEST_ROW_SEARCH", 1000)
    around.patch.setattr("app.ledger.staging.SCAN_AGAIN_BYTES", 100)
    body = POST + b"\n" + b'{"data":"' + b"x" * 5000
    return "post", "/uploads", around.send(body, {"Content-Type": "application/jsonl"}, batch_bytes=100)


@failing("not-found")
def _(around: Around) -> Made:
    return "get", "/uploads/{upload_id}", around.start().http.get(f"/uploads/{uuid4()}")


@failing("not-migrated")
def _(around: Around) -> Made:
    around.domain.execute("drop schema public cascade; create schema public")
    return "get", "/uploads", around.start().http.get("/uploads")


@failing("same-bytes-other-options")
def _(around: Around) -> Made:
    around.start().upload(CSV)
    return "post", "/uploads", around.api.upload(CSV, clock="event")


@failing("several-files")
def _(around: Around) -> Made:
    files = [("file", ("a.csv", CSV)), ("file", ("b.csv", CSV))]
    return "post", "/uploads", around.start().http.post("/uploads", files=files)


@failing("too-many-connections")
def _(around: Around) -> Made:
    api = around.start(max_connections=8)
    for _ in range(6):
        around.open.enter_context(api.connect()).sendall(b"GET")
    until(lambda: len(api.door.connections) == 6, within=5, what="six are there")
    failed = answered(api, b"")
    around.open.close()
    return "", "", failed


@failing("too-many-exports")
def _(around: Around) -> Made:
    around.patch.setattr("app.http.routes.exports.PATIENCE", 0.1)
    path = "/export/edges.csv"
    # None runs, and as many may.
    around.patch.setattr(around.start().services, "export_slots", (asyncio.Semaphore(0),))
    return "get", path, around.api.http.get(path)


@failing("too-many-changes")
def _(around: Around) -> Made:
    around.patch.setattr("app.http.routes.bulk.PATIENCE", 0.1)
    path = "/uploads/bulk"
    # One is under way.
    around.patch.setattr(around.start().services, "bulk_slots", asyncio.Semaphore(0))
    asked = {"action": "cancel", "filter": {}, "expected": 0}
    return "post", path, around.api.http.post(path, json=asked)


@failing("graph-exists")
def _(around: Around) -> Made:
    api = around.start()
    _list_a_graph(around, "ready")
    return "post", "/graphs", api.http.post("/graphs", json={"name": "g"})


@failing("graph-not-ready")
def _(around: Around) -> Made:
    api = around.start()
    _list_a_graph(around, "dropping")
    return "post", "/graphs", api.http.post("/graphs", json={"name": "g"})


@failing("may-not-create")
def _(around: Around) -> Made:
    around.domain.execute("DROP ROLE IF EXISTS mg_no_creator")
    around.domain.execute("CREATE ROLE mg_no_creator LOGIN PASSWORD 'x'")
    there = urlsplit(around.settings.database_url)
    owner = there._replace(netloc=f"mg_no_creator:x@{there.hostname}:{there.port}").geturl()
    return "post", "/graphs", around.start(owner_url=owner).http.post("/graphs", json={"name": "g"})


@failing("too-many-graphs")
def _(around: Around) -> Made:
    around.patch.setattr("app.http.graphs.MOST_OPEN", 0)
    api = around.start()
    _list_a_graph(around, "ready")
    return "get", "/users", api.http.get("/graphs/g/users")


def _list_a_graph(around: Around, state: str) -> None:
    around.domain.execute(
        "INSERT INTO graphs (name, state, database, shards, created_at) VALUES ('g', %s, 'nowhere', 1, now())", [state]
    )


@failing("too-many-listeners")
def _(around: Around) -> Made:
    around.patch.setattr("app.ledger.events.MAX_LISTENERS", 0)
    path = around.start().upload(CSV).headers["location"]
    return "get", "/uploads/{upload_id}/events", around.api.http.get(f"{path}/events")


@failing("too-many-reads")
def _(around: Around) -> Made:
    around.patch.setattr("app.http.expensive.PATIENCE", 0.1)
    around.patch.setattr("app.http.expensive.EXPENSIVE_READS", 0)
    around.start().upload(CSV)
    around.apply()
    return "get", "/users/{handle}/ego", around.api.http.get("/users/ada/ego?depth=2")


@failing("took-too-long")
def _(around: Around) -> Made:
    around.open.enter_context(around.domain.transaction())
    around.domain.execute("lock table uploads in access exclusive mode")
    return "get", "/uploads", around.start(statement_timeout=0.2).http.get("/uploads")


@failing("undecodable-body")
def _(around: Around) -> Made:
    return "post", "/uploads", around.send(b"not gzip", {**CSV_TYPE, "Content-Encoding": "gzip"})


@failing("unsupported-encoding")
def _(around: Around) -> Made:
    return "post", "/uploads", around.send(CSV, {**CSV_TYPE, "Content-Encoding": "br"})


@failing("unsupported-media-type")
def _(around: Around) -> Made:
    return "post", "/uploads", around.send(CSV, {"Content-Type": "image/png"})


@failing("upload-cut-off")
def _(around: Around) -> Made:
    with around.start(receive_timeout=0.2).connect() as client:
        client.sendall(request_head(length=1000) + HEADER)
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    sent = BytesParser().parsebytes(head.partition(b"\r\n")[2])
    return "post", "/uploads", httpx.Response(int(head.split()[1]), headers=sent.items(), content=body)


@failing("upload-too-large")
def _(around: Around) -> Made:
    return (
        "post",
        "/upload_csv",
        around.start(max_upload_bytes=10).http.post("/upload_csv", content=CSV, headers=CSV_TYPE),
    )


for each, body in {
    "archive-encrypted": ENCRYPTED,
    "archive-unreadable": zipped({"a.csv": CSV})[:-30],
    "format-not-read": b"%PDF-1.7\n",
    "json-goes-on": b"[" + POST + b"] and so on",
    "json-not-closed": b"[" + POST + b",",
    "no-posts-in-archive": zipped({"a.txt": b"hello"}),
    "packed-twice": zipped({"a.zip": zipped({"a.csv": CSV})}),
    "parquet-unreadable": b"PAR1\x15" + bytes(700),
    "workbook-unreadable": zipped(parts({}) | {"xl/workbook.xml": b"<workbook"}),
}.items():
    FAILURES[each] = lambda around, body=body: ("post", "/uploads", around.send(body))


@failing("no-such-sheet")
def _(around: Around) -> Made:
    return "post", "/uploads", around.start().upload(workbook(row(text("data"))), sheet="No")


@failing("page-too-long")
def _(around: Around) -> Made:
    around.patch.setattr("app.posts.json.elements.LONGEST_PAGE", 100)
    page = {
        "data": [{"id": "1", "author_id": "7", "created_at": "2026-01-15T12:00:00.000Z", "text": "hi @bob"}],
        "includes": {"users": [{"id": "7", "username": "ada"}]},
    }
    return "post", "/uploads", around.send(msgspec.json.encode(page))


@failing("costs-too-much")
def _(around: Around) -> Made:
    return "post", "/uploads", around.send(gzip.compress(b"") * 20_000)


@failing("receiving-full")
def _(around: Around) -> Made:
    api = around.start()
    assert api.services.admission.take(around.settings.receiving_bytes, 0)
    return "post", "/uploads", api.upload(HEADER + rows(10))


@failing("window-too-large")
def _(around: Around) -> Made:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 24}
    body = zstd.ZstdCompressor(options=options).compress(CSV, zstd.ZstdCompressor.FLUSH_BLOCK)
    return "post", "/uploads", around.send(body, {**CSV_TYPE, "Content-Encoding": "zstd"})


@failing("too-many-members")
def _(around: Around) -> Made:
    around.patch.setattr("app.posts.containers.contents.MAX_MEMBERS", 1)
    return "post", "/uploads", around.send(zipped({"a.csv": CSV, "b.csv": CSV}))


for each in BAD_CONTENT:
    FAILURES[each] = lambda around, code=each: (
        "post",
        "/uploads",
        around.start().upload(BAD_CONTENT[code], **SAID.get(code, {})),
    )


@pytest.fixture
def around(
    serve: Serve,
    settings: Settings,
    domain: Connection,
    monkeypatch: pytest.MonkeyPatch,
    apply: Callable[[], None],
) -> Any:
    with ExitStack() as stack:
        yield Around(serve, settings, domain, monkeypatch, apply, stack)


def documented(document: Any, method: str, path: str, status: int) -> dict[str, Any]:
    """The examples of a route's answer with a status, by their types."""
    (content,) = document["paths"][path][method]["responses"][str(status)]["content"].items()
    assert content[0] == "application/problem+json"
    return {each["value"]["type"]: each["value"] for each in content[1]["examples"].values()}


def rows_of(document: Any) -> set[tuple[str, ...]]:
    """The lines of the document's tables."""
    return {
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in document["info"]["description"].splitlines()
        if line.startswith("| ")
    }


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_a_failure_is_answered_as_it_is_documented(around: Around, code: str) -> None:
    method, path, answer = FAILURES[code](around)

    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    kind = next(each for each in problems() if each.code == code)
    assert found["type"] == PROBLEM_TYPE_PREFIX + code
    assert (answer.status_code, found["status"], found["title"]) == (kind.status, kind.status, kind.title)
    assert re.match(r"[^a-z]", found["detail"]), found["detail"]
    document = around.api.http.get("/doc/openapi.json").json()
    if path:
        example = documented(document, method, path, answer.status_code)[found["type"]]
        assert (example["title"], example["status"]) == (found["title"], found["status"])
        assert example.keys() <= found.keys()
    assert (str(kind.status), code, f"{kind.title}.", kind.to_do) in rows_of(document)


def test_every_kind_of_problem_is_made_and_documented(api: Api) -> None:
    document = api.http.get("/doc/openapi.json").json()
    by_where = {where: {kind.code for kind in problems() if kind.where is where} for where in Where}
    everywhere = {"method-not-allowed", "head-too-large", "head-too-slow", "too-many-connections"}
    never_seen = {"client-gone"}
    shown = {
        example["value"]["type"].removeprefix(PROBLEM_TYPE_PREFIX)
        for item in document["paths"].values()
        for operation in item.values()
        for status, response in operation["responses"].items()
        for example in response.get("content", {}).get("application/problem+json", {}).get("examples", {}).values()
        if status >= "4"
    }

    assert by_where[Where.HTTP] == set(FAILURES) | never_seen
    assert shown == by_where[Where.HTTP] - everywhere - never_seen
    assert by_where[Where.LEDGER] <= {row[0] for row in rows_of(document)}


def test_codes_and_titles_are_of_one_kind_each() -> None:
    for name in ("code", "title", "to_do"):
        kinds = problems()
        assert all(getattr(kind, name) for kind in kinds)
        if name != "to_do":
            assert len({getattr(kind, name) for kind in kinds}) == len(kinds)

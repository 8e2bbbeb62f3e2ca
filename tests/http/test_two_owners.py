"""Owners with a graph each go through every route of the OpenAPI document, and find no way into another's graph.

Each request names what the other graph has: its path, its handles, uploads, batches, keys and owner. The answer has to
be the same as to a request with names that nobody has, and may hold nothing of the other graph. A new route is asked
by itself; a new kind of parameter stops the test until `named` says what fills it.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any, NamedTuple

import httpx
import msgspec
import polars
import pytest
from psycopg import sql

from app.control import databases, graphs
from app.control.callers import Scope
from app.control.graphs import DEFAULT, settings_of
from app.settings import Settings
from app.store.postgres import Connection, clock, connect
from tests.http.conftest import Serve
from tests.http.keyed import bearer, key
from tests.http.test_graphs import mentioning, wanted, work
from tests.http.test_receiving import CSV_TYPE

USER = (Scope.GRAPH_READ, Scope.GRAPH_EXPORT, Scope.UPLOADS_WRITE, Scope.UPLOADS_READ)
GRAPHS = {"homely": DEFAULT, "vaultq": "vaultq", "lodgeq": "lodgeq"}
"""By a word that is in all of a graph's names: the graph."""
ATTACKS = [("homely", "vaultq"), ("vaultq", "homely"), ("lodgeq", "vaultq")]
AWAY = "awayqq"
"""A graph in trouble, of which no owner may hear."""
NAMED = {"user", "owner", "key", "subject", "prefix", "before", "after"}
"""Parameters of queries that may be left out, and name something."""
UNLIKE = {"date", "etag", "ratelimit", "x-request-id", "traceparent"}
"""Headers that are another with each answer."""
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
LOG_PLACE = re.compile(r"write-ahead log before [0-9A-F]+/[0-9A-F]+")
"""How far a database has written, its own or another's: whoever asks later is told of a later place."""


class Names(NamedTuple):
    """What is somebody's own."""

    word: str
    graph: str
    upload: str
    batch: str
    key: str

    def named(self, parameter: str, path: str) -> str:
        """The value of a parameter that names something. Raises KeyError for a kind that is not known here."""
        ann, bea = f"{self.word}_ann", f"{self.word}_bea"
        return {
            **dict.fromkeys(("handle", "source", "user"), ann),
            "target": bea,
            **dict.fromkeys(("graph", "with", "subject"), self.graph),
            "after": self.graph if path == "/graphs" else ann,
            "prefix": self.word,
            "upload_id": self.upload,
            **dict.fromkeys(("batch_id", "erasure_id"), self.batch),
            **dict.fromkeys(("key_id", "key"), self.key),
            "owner": self.word,
            "before": self.key if path == "/keys" else self.upload,
        }[parameter]

    def body(self, path: str) -> dict[str, Any]:
        """What is sent as JSON. Raises KeyError for a route that is not known here."""
        return {
            "/graphs": {"name": self.graph},
            "/graphs/{graph}": {"name": self.graph, "quota_bytes": 1},
            "/keys": {"owner": self.word, "scopes": ["admin"], "graphs": [self.graph]},
            "/uploads/bulk": {"action": "retract", "uploads": [self.upload], "expected": 1},
            "/uploads/{upload_id}": {"note": f"of {self.word}"},
            "/keys/{key_id}/rotate": {"grace_hours": 0},
        }[path]

    def taken_from(self, text: str) -> str:
        """The text without the names, and without ids that are new in each answer."""
        for name in (self.word, self.upload, self.batch, self.key):
            text = text.replace(name, "·")
        text = re.sub(rf"(?<=[/']){self.graph}(?=[/'\"]|$)", "·", text)
        return LOG_PLACE.sub("…", UUID.sub("…", text))


NOBODY = Names("nobody", "nowher", "0199c5b2-0000-7000-8000-000000000000", "7999999", "Nobody00")
"""Names of nothing. Each is as long as one of somebody, so that answers have the same length."""


class Owner(NamedTuple):
    """Somebody who has a graph: with a key for users, with one that may do everything to this graph alone."""

    names: Names
    dsn: str
    headers: dict[str, dict[str, str]]
    """By who asks."""

    @property
    def base(self) -> str:
        return f"/graphs/{self.names.graph}"


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    json: dict[str, Any] | None


@pytest.fixture
def http(serve: Serve, settings: Settings) -> httpx.Client:
    """A client of an API that needs keys."""
    return serve(msgspec.structs.replace(settings, keys="required", owner_requests_a_minute=0)).http


@pytest.fixture
def owners(http: httpx.Client, settings: Settings, domain: Connection, now: datetime) -> Generator[dict[str, Owner]]:
    """The owners, by word. The graph of each has one applied upload."""
    with ExitStack() as stack:
        away = wanted(AWAY, now, database_url="postgresql://nobody@127.0.0.1:1/none", database=None)
        assert graphs.insert(domain, away)
        graphs.set_ready(domain, AWAY, half_life=away.half_life, shards=1)
        own = {DEFAULT: settings}
        for graph in set(GRAPHS.values()) - {DEFAULT}:
            own[graph] = settings_of(settings, databases.create(settings, wanted(graph, now), clock=clock))
            stack.callback(databases.drop, settings, graph, clock=clock)
        found = dict[str, Owner]()
        for number, (word, graph) in enumerate(GRAPHS.items(), 1):
            its = own[graph]
            batch = f"7{number}00017"
            with connect(its.database_url, role="test") as conn:
                for table in ("batches", "erasures"):
                    conn.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {batch}".encode())
                conn.execute("INSERT INTO erasures (began_at, finished_at) VALUES (now(), now())")
            user, admin = (key(domain, now, *each, owner=word, graphs=[graph]) for each in (USER, (Scope.ADMIN,)))
            headers = {"user": bearer(user.token), "admin": bearer(admin.token), "stranger": dict[str, str]()}
            sent = http.post(
                f"/graphs/{graph}/uploads",
                params={"filename": f"{word}.csv"},
                content=mentioning((f"{word}_ann", f"{word}_bea"), (f"{word}_bea", f"{word}_ann")) + b"no,row\n",
                headers=headers["user"] | CSV_TYPE,
            )
            assert sent.status_code == 202, sent.text
            work(its, now)
            names = Names(word, graph, sent.json()["id"], batch, user.key.id)
            found[word] = Owner(names, its.database_url, headers)
        yield found


def requests(document: dict[str, Any], names: Names, *methods: str, all_named: bool = True) -> Iterator[Asked]:
    """A request to each operation with one of the methods. `all_named`: one more for each parameter that names
    something and may be left out."""
    for path, item in document["paths"].items():
        filled = re.sub(r"\{(\w+)\}", lambda found, path=path: names.named(found[1], path), path)
        asking = [*item.items(), *(("head", item["get"]) for _ in range("get" in item))]
        for method, operation in asking:
            if method not in methods:
                continue
            query = [each for each in operation.get("parameters", []) if each["in"] == "query"]
            needed = {each["name"]: names.named(each["name"], path) for each in query if each.get("required")}
            json = names.body(path) if set(operation.get("requestBody", {}).get("content", ())) == {JSON} else None
            yield Asked(method, filled, needed, json)
            for name in sorted(NAMED & {each["name"] for each in query}) if all_named else ():
                yield Asked(method, filled, needed | {name: names.named(name, path)}, json)


JSON = "application/json"
OWN = mentioning(("mine", "me"))


def ask(http: httpx.Client, base: str, asked: Asked, headers: dict[str, str]) -> tuple[int, str]:
    """The status, and everything else that the answer tells."""
    content, kind = (None, {}) if asked.json is not None or asked.method != "post" else (OWN, CSV_TYPE)
    answer = http.request(
        asked.method, base + asked.path, params=asked.query, json=asked.json, content=content, headers=headers | kind
    )
    told = [f"{name}: {value}" for name, value in answer.headers.items() if name not in UNLIKE]
    return answer.status_code, "\n".join([*sorted(told), text_of(answer)])


def text_of(answer: httpx.Response) -> str:
    """The body as text, whatever it is packed in."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if not answer.content or kind.startswith("text/") or kind.endswith(("json", "xml", "/x-ndjson")):
        return answer.text
    if kind == "application/zip":
        with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
            return "".join(each + packed.read(each).decode() for each in packed.namelist())
    assert kind == "application/vnd.apache.parquet", f"say how a test reads {kind}"
    return polars.read_parquet(io.BytesIO(answer.content)).write_csv()


def state_of(dsn: str) -> dict[str, tuple[int, str]]:
    """By table, how many rows it has and their digest. Requests that were denied are the service's own notes."""
    with connect(dsn, role="test") as conn:
        tables = [name for (name,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        found = dict[str, tuple[int, str]]()
        for table in tables:
            statement = sql.SQL(
                "SELECT count(*), md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM {} AS t{}"
            ).format(sql.Identifier(table), sql.SQL(" WHERE action <> 'request'" if table == "audit_events" else ""))
            found[table] = conn.execute(statement).fetchall()[0]
        return found


def test_no_route_leads_into_the_graph_of_another_owner(http: httpx.Client, owners: dict[str, Owner]) -> None:
    document = http.get("/doc/openapi.json").json()
    # All that there is to be told is told to whom it belongs, and is in the caches then.
    for owner in owners.values():
        told = [ask(http, "", each, owner.headers["admin"]) for each in requests(document, owner.names, "get")]
        assert len([text for status, text in told if status == 200 and owner.names.word in text]) > 30, told

    leaks = list[str]()
    for attacker, victim in ((owners[one], owners[other]) for one, other in ATTACKS):
        before = state_of(victim.dsn)
        # Without a prefix, a request is for the graph of its key.
        for who, base in (
            ("user", attacker.base),
            ("admin", ""),
            ("admin", attacker.base),
            *((who, victim.base) for who in victim.headers),
        ):
            leaks += leaks_of(http, document, (who, attacker.headers[who]), base, victim.names)
        leaks += [
            f"{attacker} changed {name} of {victim}" for name, at in state_of(victim.dsn).items() if at != before[name]
        ]
    assert not leaks, f"{len(leaks)} leaks:\n" + "\n".join(leaks)


def leaks_of(
    http: httpx.Client, document: dict[str, Any], attacker: tuple[str, dict[str, str]], base: str, theirs: Names
) -> Iterator[str]:
    """Whatever one attacker is told of another's graph, asking for it by each route behind `base`."""
    who, headers = attacker
    nobody = NOBODY if theirs.graph != DEFAULT else NOBODY._replace(graph="nowhere")
    aside = base == f"/graphs/{theirs.graph}"
    no_base = f"/graphs/{nobody.graph}" if aside else base
    methods = (
        ("get", "head", "post", "patch", "put", "delete")
        if aside and who == "admin"
        else ("get", "post", "patch", "put", "delete")
    )
    secrets = {AWAY, theirs.word, theirs.upload, theirs.batch, theirs.key}
    for asked, no_asked in zip(
        requests(document, theirs, *methods, all_named=not aside),
        requests(document, nobody, *methods, all_named=not aside),
        strict=True,
    ):
        status, text = ask(http, base, asked, headers)
        at = f"{who}: {asked.method} {base}{asked.path} {asked.query} is answered {status} {text}"
        said = f"{base}{asked.path} {asked.query} {asked.json}"
        if status >= 500 or any(each in text and each not in said for each in secrets):
            yield at
        if (base, asked) != (no_base, no_asked):
            no_status, no_text = ask(http, no_base, no_asked, headers)
            if (status, theirs.taken_from(text)) != (no_status, nobody.taken_from(no_text)):
                yield f"{at}, and nobody's: {no_status} {no_text}"


@pytest.mark.usefixtures("owners")
def test_a_key_for_several_graphs_lists_these(http: httpx.Client, domain: Connection, now: datetime) -> None:
    both = bearer(key(domain, now, Scope.GRAPH_READ, graphs=["vaultq", "lodgeq"]).token)

    assert [each["name"] for each in http.get("/graphs", headers=both).json()["graphs"]] == ["lodgeq", "vaultq"]
    asked = {
        name: http.get(f"/graphs/{name}", headers=both).status_code for name in ("lodgeq", "vaultq", AWAY, DEFAULT)
    }
    assert asked == {"lodgeq": 200, "vaultq": 200, AWAY: 404, DEFAULT: 404}
    assert http.get("/users", headers=both).status_code == 403  # of `default`
    assert http.get("/graphs/lodgeq/users", headers=both).status_code == 200

"""/metrics: what Prometheus is told, against the ledger, with graphs that are away, and with keys."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.control.callers import Scope
from app.ledger import retention, totals
from app.metrics.table import BY_NAME, METRICS, PREFIX, Kind, Source
from app.proofs import audits
from app.reads.metrics import graphs, ledger
from app.reads.metrics.ledger import Reading
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection, scalars
from tests.conftest import Databases, until
from tests.http.conftest import Api, Serve
from tests.http.keyed import bearer, key
from tests.http.test_graphs import Make, make
from tests.http.test_receiving import CSV

__all__ = ["make"]

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

REJECTED = b"data,timestamp,username\nhi @bob,2026-01-01T00:00:00Z,ada\nhi @bob,never,ada\n"


def parsed(text: str) -> Samples:
    """The samples of an exposition, each once."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            at = (sample.name, frozenset(sample.labels.items()))
            assert at not in found, f"{at} twice"
            found[at] = sample.value
    return found


def scraped(api: Api) -> Samples:
    """What /metrics says now: nothing that was read for an earlier scrape."""
    api.services.watch.forget()
    answer = api.http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return parsed(answer.text)


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[PREFIX + name, frozenset(labels.items())]


def test_the_table_is_what_is_served(api: Api, apply: Callable[[], None]) -> None:
    api.upload(CSV)
    apply()

    text = api.http.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for metric in METRICS:
        name = metric.full_name.removesuffix("_total") if metric.kind is Kind.COUNTER else metric.full_name
        if name not in families:
            continue
        assert families[name].type == metric.kind
        assert families[name].documentation == metric.help
        for sample in families[name].samples:
            assert sample.labels.keys() - {"le"} == set(metric.labels)
    own = [name.removeprefix(PREFIX) for name in families if name.startswith(PREFIX)]
    assert [name for name in own if name not in BY_NAME and f"{name}_total" not in BY_NAME] == []
    of_ledger = {each.name for each in METRICS if Source.LEDGER in each.source}
    assert {name for name in of_ledger if PREFIX + name.removesuffix("_total") not in families} == {
        "period_last_success_timestamp_seconds",  # no worker has run
        *("audit_last_run_timestamp_seconds", "audit_differences"),  # nobody has asked for an audit
    }


def test_an_audit_tells_prometheus_what_it_found(
    api: Api, apply: Callable[[], None], domain: Connection, now: datetime
) -> None:
    api.upload(CSV)
    apply()
    found = list[tuple[float, float]]()
    for edges_more in (0, 7):
        domain.execute("update edges set mention_count = mention_count + %s", (edges_more,))
        assert api.http.post("/audit?sample=0").status_code == 202
        audits.work(domain, clock=lambda: now)
        families = ledger.read(domain).families
        found.append((families["audit_differences"][()], families["audit_last_run_timestamp_seconds"][()]))  # pyright: ignore[reportArgumentType]

    (exact, at), (wrong, _) = found
    assert (exact, at) == (0, now.timestamp())
    assert wrong > 0


def test_counters_are_what_the_ledger_says(api: Api, apply: Callable[[], None], domain: Connection) -> None:
    before = scraped(api)
    assert value(before, "upload_ends_total", graph="default", state="applied") == 0
    api.upload(CSV)
    api.upload(CSV)
    api.upload(REJECTED)
    waiting = scraped(api)
    assert value(waiting, "uploads", graph="default", state="staged") == 2
    assert value(waiting, "batches", graph="default", state="staged", priority="bulk") == 2
    assert value(waiting, "backlog_bytes", graph="default") == sum(scalars(domain, "SELECT size_bytes FROM batches"))

    apply()
    found = scraped(api)

    accepted, rejected, mentions = domain.execute(
        "SELECT sum(rows_accepted)::integer, sum(rows_rejected)::integer, sum(mentions)::integer FROM batches"
    ).fetchone() or (0, 0, 0)
    assert value(found, "upload_begins_total", graph="default") == 3
    assert value(found, "upload_ends_total", graph="default", state="applied") == 2
    assert value(found, "upload_ends_total", graph="default", state="duplicate") == 1
    assert value(found, "rows_total", graph="default", outcome="counted") == accepted
    assert value(found, "rows_total", graph="default", outcome="rejected") == rejected == 1
    assert value(found, "rejects_total", graph="default", code="unreadable_timestamp") == 1
    assert value(found, "mentions_total", graph="default") == mentions
    assert value(found, "batch_ends_total", graph="default", state="applied") == 2
    edges = scalars(domain, "SELECT count(*)::integer FROM edges")[0]
    assert value(found, "merge_edges_total", graph="default", kind="new") == edges
    assert value(found, "edges", graph="default") == edges
    assert value(found, "upload_to_applied_seconds_count", graph="default") == 2
    assert value(found, "upload_to_applied_seconds_bucket", graph="default", le="1.0") == 2
    assert value(found, "uploads", graph="default", state="staged") == 0
    assert value(found, "oldest_unapplied_seconds", graph="default", priority="bulk") == 0
    with domain.transaction():
        totals.fold(domain)
    assert scalars(domain, "SELECT count(*) FROM metric_counts") == [0]
    again = scraped(api)
    of_ledger = {at: number for at, number in found.items() if "graph" in dict(at[1]) and "_total" in at[0]}
    assert {at: again[at] for at in of_ledger} == of_ledger


def test_counters_stay_when_their_rows_are_purged(
    api: Api, apply: Callable[[], None], domain: Connection, settings: Settings, now: datetime
) -> None:
    api.upload(REJECTED)
    api.http.post("/uploads", content=b"", headers={"Content-Type": "text/csv"})
    apply()
    before = scraped(api)

    later = now + timedelta(days=400)
    retention.purge(domain, settings=settings, now=later)
    found = scraped(api)

    assert scalars(domain, "SELECT count(*) FROM rejects") == [0]
    counters = [at for at in before if at[0].endswith(("_total", "_bucket", "_count")) and "graph" in dict(at[1])]
    assert counters
    assert [at for at in counters if found[at] < before[at]] == []


def test_counters_do_not_fall_when_postgresql_lost_the_last_commits(
    api: Api, apply: Callable[[], None], domain: Connection
) -> None:
    api.upload(CSV)
    apply()
    before = value(scraped(api), "mentions_total", graph="default")
    assert before > 0

    domain.execute("DELETE FROM metric_counts")

    assert value(scraped(api), "mentions_total", graph="default") == before


def test_routes_are_templates_and_streams_are_apart(api: Api, apply: Callable[[], None]) -> None:
    api.upload(CSV)
    apply()
    for _ in range(2):  # the second time from the cache, before the router
        assert api.http.get("/users/ada").status_code == 200
    assert api.http.get("/nowhere/at/all").status_code == 404
    api.http.request("BREW", "/users/ada")
    assert api.http.get("/export/edges.csv").status_code == 200
    found = scraped(api)

    routes = {dict(at[1])["route"] for at in found if at[0].endswith("http_request_duration_seconds_count")}
    assert "/users/{handle}" in routes
    assert "unknown" in routes
    assert not any("ada" in route or "nowhere" in route for route in routes)
    answered = {dict(at[1])["route"] for at in found if dict(at[1]).get("status") == "200" and "route" in dict(at[1])}
    assert not any("export" in route for route in answered)
    counted = value(found, "http_request_duration_seconds_count", method="GET", route="/users/{handle}", status="200")
    assert counted >= 2
    methods = {dict(at[1])["method"] for at in found if at[0].endswith("http_request_duration_seconds_count")}
    assert "BREW" not in methods
    assert value(found, "http_stream_duration_seconds_count", kind="export", status="200") >= 1
    assert value(found, "http_requests_open") == 1


def test_metrics_need_a_key_with_their_scope(
    serve: Serve, settings: Settings, domain: Connection, now: datetime
) -> None:
    closed = serve(msgspec.structs.replace(settings, keys="required"))
    allowed, other = key(domain, now, Scope.METRICS), key(domain, now, Scope.GRAPH_READ)

    assert closed.http.get("/metrics").status_code == 401
    assert closed.http.get("/metrics", headers=bearer(other.token)).status_code == 403
    assert closed.http.get("/metrics", headers=bearer(allowed.token)).status_code == 200


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_port_of_its_own_needs_no_key_and_several_processes_share_a_range(serve: Serve, settings: Settings) -> None:
    first = free_port()
    listen = f"127.0.0.1:{first}-{min(first + 20, 65535)}"
    for _ in range(2):
        serve(msgspec.structs.replace(settings, keys="required", metrics_listen=listen))

    answers = [_ask(port) for port in range(first, min(first + 20, 65535) + 1)]

    served = [text for text in answers if text and "mentiongraph_build_info" in text]
    assert len(served) == 2
    assert all(value(parsed(text), "graph_up", graph="default") == 1 for text in served)


def _ask(port: int) -> str | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    except httpx.HTTPError:
        return None


def test_nothing_listens_unless_it_is_told_to() -> None:
    assert Settings().metrics_listen == Settings().worker_metrics_listen == ""


@pytest.fixture
def silent() -> Any:
    """The port of a server that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield listening.getsockname()[1]


def test_a_graph_whose_server_hangs_hurts_no_other(
    api: Api, domain: Connection, make: Make, now: datetime, silent: int
) -> None:
    make("near")
    domain.execute(
        "INSERT INTO graphs (name, state, database_url, shards, created_at) VALUES ('far', 'ready', %s, 1, %s)",
        [f"postgresql://nobody@127.0.0.1:{silent}/far", now],
    )

    found = eventually(
        lambda: scraped(api),
        lambda seen: value_or(seen, "graph_up", graph="far") == 0,
        what="the graph that hangs is not up",
    )

    assert value(found, "graph_up", graph="default") == value(found, "graph_up", graph="near") == 1
    assert value(found, "mentions_total", graph="near") == 0
    assert value(found, "scrape_duration_seconds") < 60
    assert not [at for at in found if ("graph", "far") in at[1] and at[0] != PREFIX + "graph_up"]


def eventually(scrape: Callable[[], Samples], holds: Callable[[Samples], bool], *, what: str) -> Samples:
    """The first scrape of which something holds."""
    seen: list[Samples] = []

    def look() -> bool:
        seen[:] = [scrape()]
        return holds(seen[0])

    until(look, within=100, what=what)
    return seen[0]


def value_or(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((PREFIX + name, frozenset(labels.items())))


def test_graphs_beyond_the_bound_are_told_as_one(serve: Serve, settings: Settings, make: Make) -> None:
    for name in ("one", "two", "three"):
        make(name)
    api = serve(msgspec.structs.replace(settings, metrics_graphs=2))
    for name in ("one", "two", "three"):
        answer = api.http.post(f"/graphs/{name}/uploads", content=CSV, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 202, answer.text

    found = eventually(
        lambda: scraped(api),
        lambda seen: bool(value_or(seen, "upload_begins_total", graph="_other")),
        what="the other graphs are read",
    )

    labelled = {dict(at[1])["graph"] for at in found if "graph" in dict(at[1])}
    assert len(labelled) == 3
    assert {"default", "_other"} <= labelled
    own = (labelled - {"default", "_other"}).pop()
    assert value(found, "upload_begins_total", graph=own) == 1
    assert value(found, "upload_begins_total", graph="_other") == 2
    assert value(found, "uploads", graph="_other", state="staged") == 2


def test_a_scrape_is_told_again_within_a_second(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    scraped(api)
    asked = list[Connection]()
    read = ledger.read

    def counted(conn: Connection) -> Reading:
        asked.append(conn)
        return read(conn)

    monkeypatch.setattr(graphs, "FRESH_SECONDS", 1000.0)
    monkeypatch.setattr(ledger, "read", counted)
    api.services.watch.forget()
    for _ in range(5):
        assert api.http.get("/metrics").status_code == 200

    assert len(asked) == 1


MANY, OWN = 200, 10


@pytest.mark.timeout(400)
def test_two_hundred_graphs_are_told_within_bounds(
    serve: Serve, settings: Settings, databases: Databases, domain: Connection, now: datetime
) -> None:
    for number in range(MANY):
        name = databases.make().rpartition("/")[2]
        domain.execute(
            "INSERT INTO graphs (name, state, database, shards, created_at) VALUES (%s, 'ready', %s, 8, %s)",
            [f"graph-{number:03}", name, now + timedelta(seconds=number)],
        )
    api = serve(msgspec.structs.replace(settings, metrics_graphs=OWN))

    def all_read(found: Samples) -> bool:
        up = {dict(at[1])["graph"]: number for at, number in found.items() if at[0] == f"{PREFIX}graph_up"}
        return len(up) == OWN + 1 and set(up.values()) == {1.0}

    found = eventually(lambda: parsed(api.http.get("/metrics").text), all_read, what="every graph was read")

    labelled = {dict(at[1])["graph"] for at in found if "graph" in dict(at[1])}
    own = [f"graph-{number:03}" for number in range(OWN - 1)]
    assert labelled == {"default", "_other", *own}
    assert value(found, "graphs", state="ready") == MANY + 1
    ours = {"name": postgres.process_name("metrics")}
    connections = scalars(domain, "SELECT count(*) FROM pg_stat_activity WHERE application_name = %(name)s", ours)
    assert connections[0] <= graphs.MOST_KEPT

"""What an operator's page shows: audits, queues, decay and settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from app.control.callers import Scope
from app.graph import decay
from app.graph.parameters import read_parameters
from app.proofs import audits
from app.settings import Settings, as_text
from app.store import locks, postgres
from app.store.postgres import Connection
from tests.graphs import apply_all
from tests.http.conftest import Api, Serve
from tests.http.keyed import bearer, key
from tests.http.test_receiving import CSV, NOBODY
from workers.audit import _work  # pyright: ignore[reportPrivateUsage]
from workers.process import Process

ProblemOf = Callable[[httpx.Response], dict[str, Any]]


def told(api: Api) -> dict[str, Any]:
    return api.http.get("/audit").json()


@pytest.fixture
def audit(domain: Connection, now: datetime) -> Callable[[], audits.Result | None]:
    """Runs the audit that somebody asked for, as a worker does."""
    return lambda: audits.work(domain, clock=lambda: now + timedelta(seconds=5))


def test_an_audit_is_asked_for_and_its_result_is_kept(
    api: Api, settings: Settings, now: datetime, audit: Callable[[], audits.Result | None], problem_of: ProblemOf
) -> None:
    api.upload(CSV)
    apply_all(settings, now=now)
    assert told(api) == {"unfinished": None, "last": None}

    asked = api.http.post("/audit?sample=50")
    again = api.http.post("/audit")
    result = audit()
    done = told(api)

    assert (asked.status_code, asked.headers["location"]) == (202, "/audit")
    assert asked.json()["unfinished"] == {
        "state": "waiting",
        "sample": 50,
        "asked_at": "2026-01-15T12:00:00Z",
        "asked_by": {"key_id": None, "owner": None, "address": "127.0.0.1"},
        "began_at": None,
        "finished_at": None,
        "process": None,
        "result": None,
        "error": None,
    }
    assert again.status_code == 409
    assert "waits or runs already" in problem_of(again)["detail"]
    assert result is not None
    last = done["last"]
    assert (done["unfinished"], last["state"], last["finished_at"]) == (None, "done", "2026-01-15T12:00:05Z")
    assert last["result"] == msgspec.to_builtins(result)
    assert (result.exact, result.difference) == (True, 0)
    assert result.compared.weights is not None
    assert result.compared.weights.sampled > 0
    assert audit() is None
    assert api.http.post("/audit").status_code == 202
    assert told(api)["last"] == last


def test_an_audit_tells_of_what_is_wrong(
    api: Api,
    settings: Settings,
    domain: Connection,
    now: datetime,
    audit: Callable[[], audits.Result | None],
) -> None:
    api.upload(CSV)
    apply_all(settings, now=now)
    domain.execute("update edges set mention_count = mention_count + 1")
    edges = domain.execute("select count(*) from edges").fetchone()

    api.http.post("/audit?sample=0")
    audit()

    result = told(api)["last"]["result"]
    assert (result["exact"], (result["difference"],)) == (False, edges)
    assert result["compared"]["weights"] is None


def test_an_audit_runs_while_a_worker_holds_the_lock(
    api: Api, settings: Settings, domain: Connection, audit: Callable[[], audits.Result | None]
) -> None:
    api.http.post("/audit")
    with postgres.connect(settings.database_url, role="other worker") as other, other.transaction():
        assert locks.try_take(other, locks.AUDIT)

        assert told(api)["unfinished"]["state"] == "running"
        assert audit() is None  # one at a time
    assert told(api)["unfinished"]["state"] == "waiting"
    assert audits.waiting(domain)
    assert audit() is not None


def test_an_audit_that_takes_too_long_has_failed(
    api: Api, domain: Connection, audit: Callable[[], audits.Result | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled(*_: object, **__: object) -> None:
        raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")

    monkeypatch.setattr("app.proofs.audit.compared", cancelled)
    api.http.post("/audit")

    assert audit() is None

    last = told(api)["last"]
    assert (last["state"], last["result"]) == ("failed", None)
    assert last["error"]["type"] == "urn:mentiongraph:problem:audit-failed"
    assert "MENTIONGRAPH_STATEMENT_TIMEOUT" in last["error"]["detail"]
    assert not audits.waiting(domain)


def test_an_audit_whose_workers_are_lost_is_tried_three_times(
    api: Api, audit: Callable[[], audits.Result | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("the connection is lost")

    api.http.post("/audit")
    with monkeypatch.context() as patch:
        patch.setattr("app.proofs.audit.compared", lost)
        for _ in range(audits.MOST_ATTEMPTS):
            with pytest.raises(psycopg.OperationalError):
                audit()
            assert told(api)["unfinished"]["state"] == "waiting"

    assert audit() is None
    assert "lost" in told(api)["last"]["error"]["detail"]


def test_a_bounded_number_of_results_is_kept(
    api: Api, domain: Connection, audit: Callable[[], audits.Result | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "KEPT", 2)
    for _ in range(4):
        assert api.http.post("/audit?sample=0").status_code == 202
        audit()

    assert domain.execute("select count(*) from audits").fetchone() == (2,)


def test_a_worker_runs_the_audit_of_its_graph(api: Api, settings: Settings) -> None:
    api.http.post("/audit")
    worker = Process(settings)

    _work(worker.rooms.default)
    worker.close()

    assert told(api)["last"]["result"]["exact"]


def test_samples_are_bounded(api: Api, problem_of: ProblemOf) -> None:
    for sample in ("-1", "1001", "x"):
        answer = api.http.post(f"/audit?sample={sample}")
        assert answer.status_code == 400
        problem_of(answer)


# Queues ---------------------------------------------------------------------------------------------------------------


def test_what_waits_to_be_counted_and_merged(api: Api, domain: Connection, now: datetime) -> None:
    assert [each["batches"] for each in api.http.get("/health/queues").json()["staged"]] == [0, 0]
    for priority in ("bulk", "bulk", "urgent"):
        api.upload(CSV, priority=priority, again="true")
    domain.execute(
        "update batches set staged_at = %s where id = (select min(id) from batches)", [now - timedelta(minutes=2)]
    )
    domain.execute(
        "update batches set claim = gen_random_uuid(), claimed_until = %s where id = (select max(id) from batches)",
        [now + timedelta(minutes=1)],
    )
    [(size,)] = domain.execute("select distinct size_bytes from batches").fetchall()

    found = api.http.get("/health/queues").json()

    assert found["staged"] == [
        {
            "priority": "urgent",
            "batches": 1,
            "batches_claimed": 1,
            "bytes": size,
            "oldest": "2026-01-15T12:00:00Z",
            "seconds": 0.0,
        },
        {
            "priority": "bulk",
            "batches": 2,
            "batches_claimed": 0,
            "bytes": 2 * size,
            "oldest": "2026-01-15T11:58:00Z",
            "seconds": 120.0,
        },
    ]
    assert found["unmerged"] == {"batches": 0, "bytes": 0, "oldest": None, "deltas": 0, "mentions": 0}
    assert found["applied"] == {"uploads": 0, "median_seconds": None, "p99_seconds": None}
    assert set(found["messages"]) == {"urgent", "bulk", "soon", "maintenance"}
    assert found["messages"]["urgent"] == 1


def test_what_is_counted_and_waits_to_be_merged(
    api: Api, settings: Settings, domain: Connection, now: datetime, apply: Callable[[], None]
) -> None:
    api.upload(CSV)
    apply()
    domain.execute("update deltas set merged_at = null")
    [(deltas, mentions)] = domain.execute("select count(*), sum(mentions)::int from deltas").fetchall()
    [(size,)] = domain.execute("select size_bytes from batches").fetchall()

    found = api.http.get("/health/queues").json()

    assert found["unmerged"] == {
        "batches": 1,
        "bytes": size,
        "oldest": "2026-01-15T12:00:00Z",
        "deltas": deltas,
        "mentions": mentions,
    }
    domain.execute("update uploads set finished_at = received_at + interval '4 seconds'")
    found = api.http.get("/health/queues").json()
    assert found["applied"] == {"uploads": 1, "median_seconds": 4.0, "p99_seconds": 4.0}
    assert found["max_backlog_bytes"] == settings.max_backlog_bytes
    assert found["as_of"] == now.isoformat().replace("+00:00", "Z")


def test_queues_of_all_graphs_are_shown_to_keys_for_all_graphs_alone(
    serve: Serve, settings: Settings, domain: Connection, now: datetime
) -> None:
    closed = serve(msgspec.structs.replace(settings, keys="required"))
    alone = serve(msgspec.structs.replace(settings, keys="required", redis_url=NOBODY))
    everywhere, here = (key(domain, now, Scope.METRICS, graphs=graphs) for graphs in (None, ["default"]))

    shown = [
        api.http.get("/health/queues", headers=bearer(made.token)).json()["messages"]
        for api, made in ((closed, everywhere), (closed, here), (alone, everywhere))
    ]

    assert [each is None for each in shown] == [False, True, True]


# Decay ----------------------------------------------------------------------------------------------------------------


def test_what_decay_does(api: Api, settings: Settings, domain: Connection, now: datetime) -> None:
    api.upload(CSV)
    apply_all(settings, now=now)
    before = api.http.get("/health/decay").json()
    assert (before["half_life"], before["runs"], before["archived_edges"]) == ("7d", [], 0)
    long_after = now + timedelta(days=400)
    run = decay.begin(domain, settings=settings, now=long_after)
    assert run is not None
    decay.work(domain, run, read_parameters(domain), clock=lambda: long_after)
    domain.execute("update decay_runs set started_at = %s", [now])

    found = api.http.get("/health/decay").json()

    archived = domain.execute("select count(*) from edges_archive").fetchone()
    [ran] = found["runs"]
    assert (found["archived_edges"],) == archived
    assert (ran["archived"], ran["finished_at"] is not None) == (found["archived_today"], True)
    assert found["archived_today"] == found["archived_edges"] > 0
    assert found["every"] == as_text(settings.decay_every)
    domain.execute("update decay_runs set started_at = started_at - interval '1 day'")
    assert api.http.get("/health/decay").json()["archived_today"] == 0


# Settings -------------------------------------------------------------------------------------------------------------


def test_settings_say_which_differ_from_their_defaults(serve: Serve, settings: Settings) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=4096))

    answer = api.http.get("/settings")
    found = {each["name"]: each for each in answer.json()["settings"]}

    assert answer.headers["cache-control"] == "no-store"
    assert set(found) == set(Settings.__struct_fields__)
    assert {name for name, each in found.items() if each["differs"]} == {
        "database_url",
        "redis_url",
        "namespace",
        "batch_bytes",
    }
    batch_bytes = found["batch_bytes"]
    assert (batch_bytes["value"], batch_bytes["default"], batch_bytes["unit"]) == ("4096", "8388608", "bytes")
    assert batch_bytes["variable"] == "MENTIONGRAPH_BATCH_BYTES"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("owner_url", "postgresql://ada:hush@db:5432/graph", "postgresql://ada:***@db:5432/graph"),
        ("owner_url", "postgresql://ada:hu@sh@db/graph?application_name=x", "postgresql://ada:***@db/graph?application_name=x"),
        ("owner_url", "postgresql://db/graph?user=ada&password=hush&x=y", "postgresql://db/graph?user=ada&password=***&x=y"),
        ("owner_url", "host=db password='hu\\'sh hush' user=ada", "host=db password=*** user=ada"),
        ("owner_url", "host=db sslPassword = hush user=ada", "host=db sslPassword = *** user=ada"),
        ("cache_replicas", "redis://a/0 redis://:hush@b/0 rediss://c:hush@d", "redis://a/0 redis://:***@b/0 rediss://c:***@d"),
        ("owner_url", "sentinel://h:1,i:1/s?sentinel_password=hush", "sentinel://h:1,i:1/s?sentinel_password=***"),
        ("redis_password", "hush", "***"),
        ("sentinel_password", "", ""),
    ],
)  # fmt: skip
def test_no_secret_is_shown(api: Api, settings: Settings, name: str, value: str, shown: str) -> None:
    api.services.settings = msgspec.structs.replace(settings, **{name: value})

    answer = api.http.get("/settings")

    assert {each["name"]: each["value"] for each in answer.json()["settings"]}[name] == shown
    assert "hush" not in answer.text

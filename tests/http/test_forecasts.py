"""Dry runs of cancel, retract and replay: each says what the act then does, and changes nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest

from app.control.callers import Scope
from app.graph import counting, merging
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import transitions
from app.reads import forecasts
from app.settings import Settings
from app.store.postgres import Connection
from tests.http.conftest import Api, Serve
from tests.http.keyed import client, key
from tests.http.test_changes import fail_batches
from tests.http.test_receiving import HEADER
from tests.http.test_two_owners import state_of
from tests.http.test_warnings_command import run
from tests.posts.workbooks import zipped

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
Edge = tuple[str, str]


def posts(edges: Iterable[Edge], begin: int = 0) -> bytes:
    """A CSV with a post for each edge, and an id for each post."""
    lines = (f"{begin + n},@{target} hi,2026-01-15T11:00:00Z,{source}\n" for n, (source, target) in enumerate(edges))
    return b"post_id," + HEADER + "".join(lines).encode()


def some(seed: int, count: int, users: int) -> list[Edge]:
    """Edges among few users, many of them several times."""
    chosen = random.Random(seed)
    return [(f"u{chosen.randrange(users)}", f"u{chosen.randrange(users)}") for _ in range(count)]


def graph(conn: Connection) -> dict[tuple[int, int], int]:
    found = conn.execute("SELECT source_id, target_id, mention_count FROM edges").fetchall()
    return {(source, target): mentions for source, target, mentions in found}


def users(edges: Iterable[tuple[int, int]]) -> set[int]:
    return {user for edge in edges for user in edge}


def forecast(api: Api, path: str, verb: str) -> dict[str, Any]:
    """The answer to a dry run, which changed nothing."""
    before = state_of(api.services.settings.database_url)
    answer = api.http.post(f"{path}/{verb}", params={"dry_run": "true"})
    assert answer.status_code == 200, answer.text
    assert state_of(api.services.settings.database_url) == before
    return answer.json()


def require_true(said: dict[str, Any], before: dict[tuple[int, int], int], after: dict[tuple[int, int], int]) -> None:
    """What was said of the graph is what became of it."""
    assert said["exact"]
    assert said["edges_gone"] == len(before.keys() - after.keys())
    assert said["edges_weaker"] == sum(after[edge] < before[edge] for edge in before.keys() & after.keys())
    assert said["mentions_taken_out"] == sum(before.values()) - sum(after.values())
    assert said["users_gone"] == len(users(before) - users(after))


@pytest.mark.parametrize("seed", range(3))
def test_a_retraction_does_what_was_said(
    serve: Serve, settings: Settings, domain: Connection, apply: Callable[[], None], seed: int
) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=10_000))
    # Whoever is alone with oneself, or only mentioned, or only mentions, or in the archive.
    alone = [("solo", "solo"), ("u1", "only_mentioned"), ("only_mentions", "u2"), ("stays", "archived")]
    api.upload(posts([*some(seed, 300, 40), ("stays", "archived")]))
    path = api.upload(posts([*some(seed + 100, 900, 60), *alone], begin=1000)).headers["location"]
    apply()
    domain.execute(
        "WITH gone AS (DELETE FROM edges WHERE source_id IN (SELECT id FROM users WHERE handle = 'stays') RETURNING *)"
        " INSERT INTO edges_archive SELECT *, last_seen FROM gone"
    )
    before = graph(domain)

    said = forecast(api, path, "retract")

    assert said["edges_weaker"] > 50
    assert said["users_gone"] > 3
    assert (said["action"], said["state"], said["detail"]) == ("retract", "applied", None)
    assert said["batches"] == said["batches_taken_out"] > 1
    assert (said["batches_not_counted"], said["rows_taken_out"]) == (0, 904)
    assert api.http.post(f"{path}/retract").status_code == 202
    apply()
    after = graph(domain)
    # The archived edge came back, and is weaker.
    archived = after.keys() - before.keys()
    assert len(archived) == 1
    require_true(said, before | dict.fromkeys(archived, 2), after)


def test_a_cancellation_does_what_was_said(
    serve: Serve, settings: Settings, domain: Connection, now: datetime, apply: Callable[[], None]
) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=10_000))
    api.upload(posts(some(1, 300, 40)))
    apply()
    path = api.upload(posts(some(2, 900, 60), begin=1000)).headers["location"]
    waits = forecast(api, path, "cancel")
    assert [waits[f"batches{rest}"] for rest in ("", "_not_counted", "_taken_out")] == [4, 4, 0]
    assert [waits[f"edges_{rest}"] for rest in ("gone", "weaker")] == [0, 0]
    # Of four batches two are merged, one is counted, and one waits.
    waiting = [row[0] for row in domain.execute("SELECT id FROM batches WHERE state = 'staged' ORDER BY id")]
    count(domain, settings, waiting[:2], now)
    merge(domain, now)
    count(domain, settings, waiting[2:3], now)
    before = graph(domain)

    said = forecast(api, path, "cancel")

    assert (said["action"], said["state"]) == ("cancel", "applying")
    assert [said[f"batches{rest}"] for rest in ("", "_not_counted", "_taken_out")] == [4, 1, 2]
    assert api.http.post(f"{path}/cancel").status_code == 202
    merge(domain, now)
    require_true(said, before, graph(domain))


def count(conn: Connection, settings: Settings, batch_ids: Iterable[int], now: datetime) -> None:
    parameters = read_parameters(conn)
    user_ids = UserIds(bits=parameters.handle_bits, memory=1000)
    for batch_id in batch_ids:
        claim = transitions.claim(conn, batch_id, settings=settings, now=now)
        assert claim is not None
        counting.count_batch(conn, claim, parameters, user_ids, now=now, days_kept=35, rejects_kept=10)


def merge(conn: Connection, now: datetime) -> None:
    parameters = read_parameters(conn)
    for shard in range(parameters.shards):
        while merging.merge_shard(conn, shard, parameters, most_edges=10_000, now=now):
            pass


def test_a_zip_leaves_as_was_said(api: Api, domain: Connection, apply: Callable[[], None]) -> None:
    api.upload(posts(some(1, 100, 20)))
    path = api.upload(zipped({"a.csv": posts(some(2, 200, 30)), "b.csv": posts(some(3, 200, 30))})).headers["location"]
    apply()
    before = graph(domain)

    said = forecast(api, path, "retract")

    assert (said["batches"], said["batches_taken_out"], said["rows_taken_out"]) == (2, 2, 400)
    assert api.http.post(f"{path}/retract").status_code == 202
    apply()
    require_true(said, before, graph(domain))


def test_posts_that_others_hold_are_told_of(api: Api, apply: Callable[[], None]) -> None:
    path = api.upload(posts(some(1, 50, 10)), id="post_id").headers["location"]
    api.upload(posts(some(1, 60, 10)), id="post_id")
    apply()

    said = forecast(api, path, "retract")

    assert said["posts_handed_over"]
    assert "count these posts then, so less goes" in said["detail"]


def test_of_many_edges_a_sample_is_looked_up(
    api: Api, domain: Connection, apply: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.upload(posts(some(1, 3000, 70)))
    path = api.upload(posts(some(2, 6000, 100), begin=10_000)).headers["location"]
    apply()
    whole = forecast(api, path, "retract")
    before = graph(domain)
    deltas = sum(row[0] for row in domain.execute("SELECT d.edges FROM deltas AS d"))

    for looked_up, read in ((500, forecasts.READ), (forecasts.LOOKED_UP, deltas // 4), (500, deltas // 4), (500, 1)):
        monkeypatch.setattr(forecasts, "LOOKED_UP", looked_up)
        monkeypatch.setattr(forecasts, "READ", read)
        said = forecast(api, path, "retract")

        assert (said["exact"], said["users_gone"]) == (False, None)
        assert said["mentions_taken_out"] == whole["mentions_taken_out"] == 6000
        assert "estimated" in said["detail"]
        # Five standard deviations of a sample, and more where whole shards are read.
        for name in ("edges_gone", "edges_weaker"):
            assert said[name] == pytest.approx(whole[name], rel=0.35), (name, looked_up, read)
    monkeypatch.setattr(forecasts, "MOST_READ", 1)
    said = forecast(api, path, "retract")
    assert (said["edges_gone"], said["exact"]) == (None, None)
    assert "too many edges" in said["detail"]
    assert graph(domain) == before


def test_what_a_replay_counts_again(serve: Serve, settings: Settings, domain: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, batch_bytes=10_000))
    upload = api.upload(posts(some(1, 900, 60))).json()
    path = upload["links"]["upload"]
    failed = fail_batches(domain)
    domain.execute("UPDATE batches SET payload = NULL WHERE id = %s", [failed[0]])
    rows = dict(domain.execute("SELECT id, rows_staged FROM batches").fetchall())

    assert forecast(api, path, "replay") == {
        "upload_id": upload["id"],
        "batch_id": None,
        "action": "replay",
        "batches": len(failed) - 1,
        "rows": sum(rows[each] for each in failed[1:]),
        "batches_purged": 1,
    }
    said = forecast(api, f"/batches/{failed[1]}", "replay")
    assert (said["batch_id"], said["batches"], said["rows"]) == (failed[1], 1, rows[failed[1]])
    domain.execute("UPDATE batches SET rows_staged = NULL")
    assert forecast(api, path, "replay")["rows"] is None


def test_a_dry_run_is_refused_as_the_act_is(
    api: Api, domain: Connection, problem_of: ProblemOf, apply: Callable[[], None]
) -> None:
    applied = api.upload(posts(some(1, 10, 10))).headers["location"]
    apply()
    shared = api.upload(posts(some(2, 10, 10), begin=100), id="post_id").headers["location"]
    api.upload(posts(some(2, 11, 10), begin=100), id="post_id")
    apply()
    domain.execute("UPDATE batches SET payload = NULL WHERE rows_received = 11")
    staged = api.upload(posts(some(4, 10, 10), begin=200)).headers["location"]
    unknown = "/uploads/0199c5b2-0000-7000-8000-000000000000"
    asked = [
        (applied, "cancel"), (staged, "retract"), (shared, "retract"), (applied, "replay"), (staged, "replay"),
        (unknown, "cancel"), (unknown, "retract"), (unknown, "replay"), ("/batches/7999999", "replay"),
    ]  # fmt: skip
    for path, verb in asked:
        dry, real = (api.http.post(f"{path}/{verb}", params={"dry_run": each}) for each in ("true", "false"))
        assert problem_of(dry) == problem_of(real)
    domain.execute("DELETE FROM deltas")
    dry, real = (api.http.post(f"{applied}/retract", params={"dry_run": each}) for each in ("true", "false"))
    assert problem_of(dry) == problem_of(real)
    assert "was purged" in dry.json()["detail"]


def test_edges_are_for_those_who_may_ask_about_the_graph(
    serve: Serve, settings: Settings, domain: Connection, now: datetime, apply: Callable[[], None]
) -> None:
    api = serve(msgspec.structs.replace(settings, keys="required"))
    with (
        client(api, key(domain, now, Scope.UPLOADS_WRITE, owner="ada")) as ada,
        client(api, key(domain, now, Scope.UPLOADS_WRITE, Scope.GRAPH_READ, owner="ada")) as reader,
        client(api, key(domain, now, Scope.UPLOADS_WRITE, Scope.GRAPH_READ, owner="eve")) as eve,
    ):
        sent = ada.post("/uploads", content=posts(some(1, 10, 10)), headers={"Content-Type": "text/csv"})
        path = f"{sent.headers['location']}/retract"
        apply()
        said, full, foreign = (http.post(path, params={"dry_run": "true"}) for http in (ada, reader, eve))
    assert foreign.status_code == 404
    assert (said.json()["mentions_taken_out"], full.json()["mentions_taken_out"]) == (10, 10)
    assert {said.json()[name] for name in ("edges_gone", "edges_weaker", "users_gone", "exact")} == {None}
    assert "graph:read" in said.json()["detail"]
    assert full.json()["edges_gone"] > 0


def test_dry_runs_on_the_command_line(api: Api, apply: Callable[[], None]) -> None:
    api.upload(posts([("ada", "bob")]))
    staged = api.upload(posts([("ada", "bob"), ("solo", "solo")], begin=10)).json()["id"]
    assert "1 of 1 batches would not be counted." in run(api, "cancel", "--dry-run", staged).stdout
    run(api, "retract", "--dry-run", staged, code=4)
    apply()

    shown = run(api, "retract", "--dry-run", staged).stdout
    said = json.loads(run(api, "retract", "--dry-run", staged, "--json").stdout)

    assert "2 mentions of 2 rows in 1 batches" in shown
    assert "1 edges would disappear, and 1 would become weaker; 1 users would have no edge left." in shown
    assert (said["mentions"], said["edges_gone"], said["edges_weaker"], said["users_gone"]) == (2, 1, 1, 1)
    run(api, "cancel", "--dry-run", staged, code=4)

"""Weights at an instant: never above a count, and refused where the graph holds later mentions."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as examples

import sql
from app.graph import decay, withdrawal
from app.graph.half_life import in_seconds
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.posts.options import Clock, Options
from app.proofs import rebuild
from app.settings import Settings
from app.store.postgres import Connection
from tests.graphs import apply_all
from tests.http.conftest import Api, serving
from tests.http.test_comparing import spring
from tests.uploading import posts_csv, upload

__all__ = ["spring"]

ProblemOf = Callable[[httpx.Response], dict[str, Any]]
HALF_LIFE = timedelta(days=7)
LAST = datetime(2026, 1, 14, 12, 0, 30, 250_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WEIGHED = (
    "/edges?source=ada&target=bob", "/users/ada", "/users/ada/outgoing", "/users/bob/incoming", "/users/ada/reciprocal",
    "/users/ada/ego", "/users/ada/ego?depth=2", "/paths?source=ada&target=cy", "/network", "/rankings/edges",
    "/rankings/mentioned", "/rankings/mentioning", "/export/edges.csv", "/export/gephi.csv", "/export/nodes.csv",
    "/export/graph.gexf", "/export/graph.graphml", "/export/edges.parquet", "/export/edges.jsonl",
    "/export/neo4j.zip", "/export/edges.csv?user=ada&archived=true", "/comparison?with=spring",
    "/comparison/users.csv?with=spring", "/comparison/ties.csv?with=spring",
)  # fmt: skip
BY_DAY = ("/days", "/users/ada/days", "/edges/days?source=ada&target=bob")
COUNTS = {
    "weight": ("mention_count", "mentions"),
    "weight_made": ("mentions_made",),
    "weight_received": ("mentions_received",),
}


class Clocked:
    """A clock that a test sets."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def post(settings: Settings, *mentions: tuple[str, str, datetime], now: datetime, clock: Clock = Clock.EVENT) -> None:
    """Uploads and applies mentions of a target by a source at an instant."""
    content = posts_csv([(f"@{target}", at, source) for source, target, at in mentions])
    upload(settings, content, options=Options(clock=clock), received_at=now, again=True)
    apply_all(settings, now=now)


@pytest.fixture
def graph(api: Api, settings: Settings, now: datetime) -> Api:
    """Ada and Bob mention each other, and Bob mentions Cy; the last mention counts at LAST."""
    earlier = LAST - timedelta(days=3)
    mentions = [("ada", "bob", earlier), ("bob", "ada", LAST), ("bob", "cy", earlier), ("ada", "bob", earlier - SECOND)]
    post(settings, *mentions, now=now)
    return api


def ask(api: Api, path: str, at: datetime | None = None, **headers: str) -> httpx.Response:
    params = {} if at is None else {"as_of": at.isoformat()}
    return api.http.get(httpx.URL(path).copy_merge_params(params), headers=headers)


@pytest.mark.usefixtures("spring")
@pytest.mark.parametrize("path", WEIGHED)
def test_an_instant_before_the_last_mention_is_refused(graph: Api, problem_of: ProblemOf, path: str) -> None:
    for at in (LAST, LAST + SECOND, datetime(2027, 1, 1, tzinfo=UTC)):
        assert ask(graph, path, at).status_code == 200, at
    for at in (LAST - timedelta(microseconds=1), LAST - timedelta(days=3), datetime(1900, 1, 1, tzinfo=UTC)):
        refused = problem_of(ask(graph, path, at))
        assert (refused["status"], refused["type"].rpartition(":")[2]) == (409, "instant-too-early")
        assert "a mention counts at 2026-01-14T12:00:30.250000Z" in refused["detail"]
        assert "or leave out the instant" in refused["detail"]
    assert ask(graph, path).status_code == 200


def test_every_question_about_an_instant_is_among_these(api: Api) -> None:
    asked = {
        path
        for path, operations in api.http.get("/doc/openapi.json").json()["paths"].items()
        for parameter in operations.get("get", {}).get("parameters", [])
        if parameter["name"] == "as_of"
    }
    for name, value in (("{handle}", "ada"), ("ada/incoming", "bob/incoming")):
        asked = {path.replace(name, value) for path in asked}
    assert asked == {path.partition("?")[0] for path in (*WEIGHED, *BY_DAY)}


@pytest.mark.parametrize("path", BY_DAY)
def test_days_are_told_for_any_instant(graph: Api, path: str) -> None:
    assert ask(graph, path, LAST - timedelta(days=3)).json()["days"][-1]["day"] == "2026-01-11"


def test_an_empty_graph_was_empty_at_any_instant(api: Api) -> None:
    assert ask(api, "/rankings/edges", LAST).json()["edges"] == []


def weights(answer: Any) -> Iterator[tuple[float, int]]:
    """Every weight of an answer, with its count."""
    if isinstance(answer, list):
        for each in answer:
            yield from weights(each)
    elif isinstance(answer, dict):
        for name, counts in COUNTS.items():
            for count in counts:
                if answer.get(name) is not None and answer.get(count) is not None:
                    yield answer[name], answer[count]
        for each in answer.values():
            yield from weights(each)


@pytest.mark.parametrize("clock", Clock)
def test_a_mention_of_this_minute_weighs_one(settings: Settings, now: datetime, clock: Clock) -> None:
    at = now + timedelta(seconds=40)
    post(settings, *[("ada", "bob", at)] * 2, ("bob", "ada", at), ("bob", "cy", at - HALF_LIFE), now=at, clock=clock)
    with serving(settings, lambda: now + timedelta(seconds=50)) as api:
        found = [pair for path in WEIGHED[:12] for pair in weights(ask(api, path).json())]
        rows = [line.split(",") for line in ask(api, "/export/edges.csv?digits=17").text.splitlines()[1:]]
        at_that_instant = ask(api, WEIGHED[0], at).json()["weight"]
    assert len(found) > 20
    assert all(weight <= count for weight, count in found)
    assert sorted(pair for pair in found if pair[1] == 2)[-1] == (2.0, 2)
    assert {(row[0], row[1]): float(row[3]) for row in rows} == pytest.approx(
        {("ada", "bob"): 2.0, ("bob", "ada"): 1.0, ("bob", "cy"): 0.5 if clock is Clock.EVENT else 1.0}, rel=1e-4
    )
    assert all(float(row[3]) <= int(row[2]) for row in rows)
    assert at_that_instant == 2.0


def test_later_pages_are_for_the_instant_of_the_first(settings: Settings, now: datetime) -> None:
    post(settings, *[("ada", f"user{number}", now) for number in range(7)], now=now)
    clock = Clocked(now + timedelta(seconds=20))
    with serving(settings, clock) as api:
        page = ask(api, "/users/ada/outgoing?limit=2").json()
        found = [each["handle"] for each in page["mentions"]]
        post(settings, *[("ada", "user0", now + timedelta(seconds=30))] * 3, now=now + timedelta(minutes=2))
        clock.now = now + timedelta(minutes=5)
        assert ask(api, "/users/ada/outgoing?limit=2", now).status_code == 409
        while page["next"]:
            answer = api.http.get(page["next"])
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert all(weight <= count for weight, count in weights(page))
            found += [each["handle"] for each in page["mentions"]]
    # User0 has moved to a page that was answered before.
    assert len(found) == len(set(found)) >= 6


def test_pages_of_this_minute_have_everybody_once(settings: Settings, now: datetime) -> None:
    """However the weights above a count lie: half of the mentions count after the minute began."""
    mentions = [
        (f"user{number}", "ada", now + timedelta(seconds=number - 20))
        for number in range(40)
        for _ in range(number % 4)
    ]
    post(settings, *mentions, now=now + timedelta(seconds=30))
    with serving(settings, lambda: now + timedelta(seconds=59)) as api:
        page = ask(api, "/users/ada/incoming?limit=3").json()
        found = page["mentions"]
        while page["next"]:
            page = api.http.get(page["next"]).json()
            found += page["mentions"]
    assert sorted(each["handle"] for each in found) == sorted({source for source, _, _ in mentions})
    assert all(weight <= count for weight, count in weights(found))
    counts = [each["mention_count"] for each in found]
    assert counts == sorted(counts, reverse=True)


def test_a_cached_answer_is_refused_once_a_later_mention_is_there(settings: Settings, now: datetime) -> None:
    clock = Clocked(now)
    with serving(settings, clock) as api:
        post(settings, ("ada", "bob", now), now=now)
        first = ask(api, "/users/ada", now)
        tag = first.headers["etag"]
        clock.now = now + timedelta(minutes=3)
        assert ask(api, "/users/ada", now, **{"If-None-Match": tag}).status_code == 304
        assert ask(api, "/users/ada", now).json() == first.json()

        post(settings, ("bob", "cy", now + timedelta(minutes=2)), now=now + timedelta(minutes=2))
        for headers in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
            for _ in range(2):
                assert ask(api, "/users/ada", now, **headers).status_code == 409
        assert ask(api, "/users/ada", now + timedelta(minutes=2)).status_code == 200
        assert ask(api, "/users/ada").status_code == 200


def test_the_minute_that_has_begun_is_answered_by_its_name(settings: Settings, now: datetime) -> None:
    with serving(settings, lambda: now + timedelta(seconds=50)) as api:
        post(settings, ("ada", "bob", now), now=now + timedelta(seconds=10), clock=Clock.ARRIVAL)
        for path in (WEIGHED[0], "/export/edges.csv"):
            assert ask(api, path, now).text == ask(api, path).text
            assert ask(api, path, now - SECOND).status_code == 409


def test_a_rebuild_finds_out_what_the_last_mention_is(
    graph: Api, settings: Settings, domain: Connection, now: datetime
) -> None:
    post(settings, ("ada", "cy", now), now=now)
    assert ask(graph, "/rankings/edges", LAST).status_code == 409
    [(newest,)] = domain.execute("SELECT id FROM uploads ORDER BY received_at DESC, id DESC LIMIT 1").fetchall()
    parameters = read_parameters(domain)
    withdrawal.retract(domain, newest, parameters, now=now)
    apply_all(settings, now=now)
    assert ask(graph, "/rankings/edges", LAST).status_code == 409

    batches = rebuild.count_anew(domain, parameters, UserIds(bits=parameters.handle_bits, memory=1000))
    rebuild.swap(domain, batches, parameters, now=now)

    assert ask(graph, "/rankings/edges", LAST).status_code == 200
    assert ask(graph, "/rankings/edges", LAST - SECOND).status_code == 409


def test_an_upgrade_takes_the_arrival_of_the_last_upload(graph: Api, domain: Connection, now: datetime) -> None:
    domain.execute("ALTER TABLE graph_versions DROP COLUMN last_mention")
    domain.execute("DELETE FROM schema_compatibility WHERE migration = '0018_last_mention'")

    domain.execute((sql.MIGRATIONS / "0018_last_mention.sql").read_bytes())

    assert ask(graph, "/rankings/edges", now).status_code == 200
    assert ask(graph, "/rankings/edges", now - SECOND).status_code == 409


def test_at_every_instant_that_is_answered_the_weights_are_those_of_a_plain_count(
    api: Api, settings: Settings, domain: Connection, now: datetime
) -> None:
    chance = random.Random(7)
    known = defaultdict[tuple[str, str], list[datetime]](list)
    last = now - timedelta(days=40)
    for _ in range(4):
        mentions = [
            (
                f"user{chance.randrange(6)}",
                f"user{chance.randrange(6)}",
                last + timedelta(hours=chance.uniform(-99, 99)),
            )
            for _ in range(40)
        ]
        post(settings, *mentions, now=now)
        for source, target, at in mentions:
            known[source, target].append(at)
        last = max(at for instants in known.values() for at in instants)
        run = decay.begin(domain, settings=settings, now=now)
        if run is not None and chance.random() < 0.5:
            assert decay.work(domain, run, read_parameters(domain), clock=lambda: now)
        for days in (-30, -1, -1e-5, 0, 1e-5, 1, 30):
            at = last + timedelta(days=days)
            answers = [
                ask(api, path, at) for path in ("/rankings/edges?limit=1000", "/export/edges.jsonl?archived=true")
            ]
            if at < last:
                assert {answer.status_code for answer in answers} == {409}
                continue
            wanted = {
                ends: sum(2.0 ** -((at - each) / HALF_LIFE) for each in instants)
                for ends, instants in known.items()
                if ends[0] != ends[1]
            }
            found = answers[0].json()["edges"]
            assert all(each["weight"] <= each["mention_count"] for each in found)
            held = {(each["source"], each["target"]): each["weight"] for each in found}
            assert held == pytest.approx({ends: wanted[ends] for ends in held})


@pytest.fixture
def one_edge(domain: Connection) -> Connection:
    domain.execute("INSERT INTO users (id, handle, spelling) VALUES (1, 'ada', 'ada'), (2, 'bob', 'bob')")
    return domain


@examples(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    before=strategies.lists(strategies.floats(0, 86_400 * 40), min_size=1, max_size=30),
    written_down=strategies.floats(0, 86_400 * 30),
    ahead=strategies.floats(0, 59.9),
    half_life=strategies.sampled_from([60.0, 3_600.0, 7 * 86_400.0, float("inf")]),
)
def test_no_weight_is_above_its_count(
    one_edge: Connection, before: list[float], written_down: float, ahead: float, half_life: float
) -> None:
    """Whenever the mentions were made before this minute or in it, and whatever a write-down rounds."""
    minute = datetime(2026, 1, 15, 12, tzinfo=UTC)
    instants = [minute + timedelta(seconds=ahead - each) for each in before]
    latest = max(instants)
    weight = sum(2.0 ** -((latest - each).total_seconds() / half_life) for each in instants)
    with one_edge.transaction(force_rollback=True):
        one_edge.execute(
            "INSERT INTO edges (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)"
            " SELECT 1, 2, %s, effective_weight(%s, %s, at, %s), at, %s, %s"
            " FROM (SELECT %s::timestamptz AS at) AS written_down",
            [len(before), weight, latest, half_life, min(instants), latest, latest + timedelta(seconds=written_down)],
        )
        asked = {"source_id": 1, "target_id": 2, "as_of": minute, "half_life_seconds": half_life}
        ((count, found, *_),) = one_edge.execute(sql.query("reads/edges/get"), asked).fetchall()
    assert 0 <= found <= count
    if half_life == in_seconds(None):
        assert found == count

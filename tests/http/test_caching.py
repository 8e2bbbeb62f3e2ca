"""Answers that are kept: never a wrong one, whatever happens to the graph meanwhile, or to Redis."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
import redis
import xxhash

from app.graph import versions
from app.http.cached import handlers
from app.http.cached.answers import LONGEST_TARGET, MOST_TARGETS, Key, Question
from app.http.cached.cache import LARGEST, LONGEST, Cache, Together, _ask, _opened, _sealed  # pyright: ignore[reportPrivateUsage]
from app.posts.containers.compression import compress, decompress_within
from app.settings import Settings
from app.store.postgres import Connection
from app.store.seldom import Seldom
from ops.embedded.access import Access
from ops.embedded.valkey import SERVICE, Monitoring, Sentinel, Valkey, sentinel_url
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import HEADER

PATH = "/users/ada/outgoing"
POSTS = HEADER + b"@Bob @cy,2026-01-10T11:00:00Z,Ada\n@ada,2026-01-12T11:00:00Z,Bob\n"
MORE = HEADER + b"@Bob,2026-01-11T11:00:00Z,Ada\n"

Apply = Callable[[], None]


def ask(api: Api, path: str = PATH, *, tag: str | None = None, **params: str) -> httpx.Response:
    headers = {} if tag is None else {"If-None-Match": tag}
    answer = api.http.get(path, params=params, headers=headers)
    assert answer.status_code in {200, 304}, answer.text
    assert answer.headers["Cache-Control"] == "private, no-cache"
    return answer


def status(answer: httpx.Response) -> str:
    return answer.headers["Cache-Status"].removeprefix("mentiongraph; ")


def ready(api: Api) -> Api:
    until(lambda: state(api) == "ready", within=10, what="Redis answers")
    return api


def state(api: Api) -> str:
    return api.http.get("/health/cache").json()["state"]


def kept(api: Api, path: str = PATH, **params: str) -> httpx.Response:
    """The answer, once it comes from Redis."""

    def hit() -> httpx.Response | None:
        answer = ask(api, path, **params)
        return answer if status(answer) == "hit" else None

    found = until(hit, within=10, what="the answer is kept")
    assert found
    return found


def bobs_mentions(answer: httpx.Response) -> int:
    return next(each["mention_count"] for each in answer.json()["mentions"] if each["handle"] == "bob")


@pytest.fixture
def graph(api: Api, apply: Apply) -> Api:
    assert api.upload(POSTS).status_code == 202
    apply()
    return ready(api)


@pytest.fixture
def own_redis(server_directory: Path) -> Generator[Valkey]:
    server = Valkey(server_directory / "valkey", append_only=False)
    server.start()
    yield server
    server.child.signal(signal.SIGCONT)
    server.stop()


@pytest.fixture
def graph_of(serve: Serve, settings: Settings, apply: Apply) -> Callable[..., Api]:
    """A graph that is served with other settings."""

    def start(**changed: Any) -> Api:
        api = serve(msgspec.structs.replace(settings, **changed))
        assert api.upload(POSTS).status_code == 202
        apply()
        return api

    return start


def test_an_answer_serves_until_the_graph_changes(graph: Api, apply: Apply) -> None:
    first = ask(graph)
    assert status(first) == "fwd=miss; stored"
    again = kept(graph)
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert again.headers["Content-Type"] == first.headers["Content-Type"] == "application/json"

    assert graph.upload(MORE).status_code == 202
    assert status(ask(graph)) == "hit"
    apply()

    newer = ask(graph)
    assert status(newer) == "fwd=miss; stored"
    assert (bobs_mentions(first), bobs_mentions(newer)) == (1, 2)
    assert newer.headers["ETag"] != first.headers["ETag"]
    assert kept(graph).content == newer.content


def test_what_means_the_same_is_the_same_question(graph: Api) -> None:
    kept(graph)

    assert status(ask(graph, "/users/@ADA/outgoing", limit="50")) == "hit"
    assert status(ask(graph, as_of="2026-01-15T12:00:00Z")) == "hit"
    assert status(ask(graph, as_of="2026-01-15T13:00:00+01:00")) == "hit"
    assert status(ask(graph, limit="49")) == "fwd=miss; stored"
    assert status(ask(graph, as_of="2026-01-15T12:00:01Z")) == "fwd=miss; stored"
    assert status(ask(graph, "/users/ada/incoming")) == "fwd=miss; stored"


def test_lists_that_no_instant_is_asked_for_serve_until_the_graph_changes(graph: Api, apply: Apply) -> None:
    kept(graph, "/users", prefix="d")
    kept(graph, "/rankings/trending")

    graph.upload(HEADER + b"@Dee,2026-01-14T11:00:00Z,Ada\n")
    apply()

    newer = ask(graph, "/users", prefix="d")
    assert (status(newer), [each["handle"] for each in newer.json()["users"]]) == ("fwd=miss; stored", ["dee"])
    assert status(ask(graph, "/rankings/trending")) == "fwd=miss; stored"


def test_what_was_asked_before_is_answered_before_it_is_routed(graph: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept(graph)

    def parsed(*_: object, **__: object) -> None:
        raise AssertionError("it was routed")

    monkeypatch.setattr(handlers, "_question", parsed)

    again = ask(graph)
    assert (status(again), again.content, again.headers["ETag"]) == ("hit", first.content, first.headers["ETag"])
    assert ask(graph, tag=first.headers["ETag"]).status_code == 304
    assert graph.http.get(f"{PATH}?limit=50").status_code == 500, "in other words it is another target"


def test_without_postgresql_what_was_asked_before_is_unavailable_at_once(
    graph: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(graph)
    asked = list[Question]()

    async def key(question: Question) -> Key:
        asked.append(question)
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(graph.services.answers, "key", key)
    answer = graph.http.get(PATH)

    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert answer.headers["Retry-After"]
    assert len(asked) == 1


def test_all_lines_of_tags_count(graph: Api) -> None:
    tag = kept(graph).headers["ETag"]
    for path in (PATH, f"{PATH}?limit=50"):
        for tags in (['"old"', tag], [tag, '"old"']):
            answer = graph.http.get(path, headers=[("If-None-Match", each) for each in tags])
            assert answer.status_code == 304


def test_redis_is_asked_once_for_what_was_asked_before(
    graph: Api, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(graph)
    graph.upload(MORE)
    apply()
    cache, asked = graph.services.answers.cache, list[str]()

    async def get(key: str) -> bytes | None:
        asked.append(key)
        return await Cache.get(cache, key)

    monkeypatch.setattr(cache, "get", get)

    assert (status(ask(graph)), len(asked)) == ("fwd=miss; stored", 1)
    assert (status(ask(graph)), len(asked)) == ("hit", 2)


def test_no_more_targets_are_remembered_than_there_is_room_for(graph: Api) -> None:
    answers = graph.services.answers
    question = Question(b"", None, timed=False)

    for number in range(MOST_TARGETS + 1):
        answers.note(b"/%d" % number, question)
    answers.note(b"/" + b"a" * LONGEST_TARGET, question)

    assert (answers.asked_by(b"/0"), answers.asked_by(b"/1")) == (None, question)
    assert answers.asked_by(b"/" + b"a" * LONGEST_TARGET) is None


def test_what_failed_is_not_kept(graph: Api) -> None:
    before = set(keys(graph))
    for path, code in (("/users/zoe/outgoing", 404), ("/users/@/outgoing", 400), (f"{PATH}?limit=0", 400)):
        answer = graph.http.get(path)
        assert (answer.status_code, "ETag" in answer.headers) == (code, False)
    assert set(keys(graph)) == before


@pytest.mark.parametrize("cached", [True, False])
def test_a_client_that_has_the_answer_gets_no_other(graph_of: Callable[..., Api], apply: Apply, cached: bool) -> None:
    api = graph_of(cache=cached)
    first = ask(api)
    tag = first.headers["ETag"]
    counted = api.services.answers.counters.misses

    for sent in (tag, tag.removeprefix("W/"), f'"another", {tag}'):
        answer = ask(api, tag=sent)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    assert api.services.answers.counters.misses == counted, "nothing was worked out"
    assert ask(api, tag="*").status_code == 304
    assert ask(api, tag='"another"').content == first.content

    api.upload(MORE)
    apply()
    newer = ask(api, tag=tag)
    assert (newer.status_code, bobs_mentions(newer)) == (200, 2)


def test_the_cache_can_be_off(graph_of: Callable[..., Api]) -> None:
    api = graph_of(cache=False)

    assert [status(ask(api)) for _ in range(3)] == ["fwd=bypass"] * 3
    assert (state(api), keys(api)) == ("off", [])


# Races ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def other(dsn: str) -> Generator[Connection]:
    with psycopg.connect(dsn) as conn:
        yield conn


def waits_for(conn: Connection, table: str, *, number: int = 1) -> None:
    waiting = "select count(*) from pg_locks where not granted and relation = %s::regclass"
    until(
        lambda: conn.execute(waiting, [table]).fetchone() == (number,),
        within=10,
        what=f"{number} wait for {table}",
    )


def test_a_merge_beside_the_work_makes_no_stale_answer(graph: Api, domain: Connection, other: Connection) -> None:
    """Asked and answered at one version, to be kept at the next: locks see to this order."""
    other.execute("lock table users in access exclusive mode")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, graph)
        waits_for(domain, "users")
        with domain.transaction():
            domain.execute("lock table graph_versions in access exclusive mode")
            other.commit()
            waits_for(domain, "graph_versions")
            domain.execute("update edges set mention_count = 7")
            versions.advance(domain, range(8))
        answer = asked.result(timeout=20)

    assert bobs_mentions(answer) == 1, "it was read before the merge"
    assert (status(answer), "ETag" in answer.headers) == ("fwd=miss", False)
    assert bobs_mentions(ask(graph)) == 7
    assert bobs_mentions(kept(graph)) == 7


def test_those_who_ask_the_same_meanwhile_wait_for_one_answer(
    graph: Api, domain: Connection, other: Connection
) -> None:
    other.execute("lock table users in access exclusive mode")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, graph) for _ in range(8)]
        waits_for(domain, "users")
        until(lambda: graph.services.answers.waiting == 7, within=10, what="seven wait for the eighth")
        other.commit()
        answers = [each.result(timeout=20) for each in asked]

    assert len({answer.content for answer in answers}) == 1
    assert sorted(map(status, answers)) == ["fwd=miss; stored", *["hit; detail=shared"] * 7]


def test_if_one_fails_the_others_try_by_themselves(graph: Api, domain: Connection, other: Connection) -> None:
    other.execute("lock table users in access exclusive mode")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, graph) for _ in range(4)]
        waits_for(domain, "users")
        until(lambda: graph.services.answers.waiting == 3, within=10, what="three wait for the fourth")
        domain.execute("select pg_cancel_backend(pid) from pg_locks where not granted and relation = 'users'::regclass")
        until(lambda: graph.services.answers.waiting == 2, within=10, what="two wait for the third")
        waits_for(domain, "users")
        other.commit()
        assert sorted(each.exception(timeout=20) is None for each in asked) == [False, True, True, True]


def test_a_question_is_answered_by_what_began_after_it() -> None:
    began: list[Sequence[str]] = []
    go_on = [asyncio.Event(), asyncio.Event()]

    async def answer(questions: Sequence[str]) -> list[str]:
        began.append(questions)
        await go_on[len(began) - 1].wait()
        if "bad" in questions:
            raise LookupError
        return [f"{each} in {len(began)}" for each in questions]

    async def run() -> None:
        together: Together[str, str] = Together(answer)
        first = asyncio.create_task(together("one"))
        while not began:
            await asyncio.sleep(0)
        later = [asyncio.create_task(together(each)) for each in ("two", "three", "gone")]
        await asyncio.sleep(0)
        later[2].cancel()
        go_on[0].set()
        assert await first == "one in 1"
        go_on[1].set()
        assert await asyncio.gather(*later[:2]) == ["two in 2", "three in 2"]
        assert began == [["one"], ["two", "three", "gone"]]
        go_on.append(go_on[1])
        with pytest.raises(LookupError):
            await together("bad")
        await together.close()

    asyncio.run(run())


# Redis ----------------------------------------------------------------------------------------------------------------


def keys(api: Api) -> list[bytes]:
    """Of the answers kept."""
    settings = api.services.settings
    with redis.Redis.from_url(settings.redis_url) as client:
        found = list(client.scan_iter(f"{settings.namespace}:cache:*"))
    return [key for key in found if b":written:" not in key]


def test_what_is_none_of_ours_is_replaced(graph: Api) -> None:
    right = ask(graph).content
    kept(graph)
    (key,) = keys(graph)
    kept(graph, limit="1")
    (another,) = set(keys(graph)) - {key}
    with redis.Redis.from_url(graph.services.settings.redis_url) as client:
        whole: Any = client.get(key)
        foreign: Any = client.get(another)
        assert client.ttl(key) in range(1, 121)
        plain = whole[17:]
        checksum = xxhash.xxh3_64_digest(key + plain)  # which needs no secret
        for value in (
            b"",
            b"garbage",
            b"3" + bytes(16),
            b"3" + bytes(16) + plain,
            b"4" + whole[1:],
            b"1" + checksum + plain,
            b"3" + checksum * 2 + plain,
            whole[:-1],
            whole.replace(b"bob", b"rob"),
            foreign,
            bytes(LONGEST + 1),
        ):
            client.set(key, value)
            answer = ask(graph)
            assert (status(answer), answer.content) == ("fwd=miss; stored", right)
            assert kept(graph).content == right
        client.delete(key)
        client.rpush(key, b"a list")
        assert (status(ask(graph)), kept(graph).content) == ("fwd=miss; stored", right)
    assert graph.services.answers.counters.damaged == 11


@pytest.mark.parametrize("answer", [b"3 short", b"long " * 1000], ids=["plain", "compressed"])
def test_a_value_belongs_to_its_secret_its_key_and_its_form(answer: bytes) -> None:
    secret, key = b"of the database", b"namespace:cache:1243"
    value = _sealed(secret, key, answer)
    assert _opened(secret, key, value) == answer

    other_form = (b"4" if value[:1] == b"3" else b"3") + value[1:]
    head = value[:17]
    forged = {
        "by another secret": _sealed(b"of another", key, answer),
        "by no secret": _sealed(b"", key, answer),
        "of another key": _sealed(secret, key + b"5", answer),
        "the key's last byte as the form": _sealed(secret, key[:-1], b"3" + answer)[:17] + answer,
        "of another form": other_form,
        "longer": value + b"x",
        "without its head": head,
    }
    forged |= {f"bit {bit}": value[:bit] + bytes([value[bit] ^ 1]) + value[bit + 1 :] for bit in range(len(head) + 1)}
    assert [name for name, each in forged.items() if _opened(secret, key, each) is not None] == []


def test_an_answer_beyond_its_bound_is_none_even_with_the_right_mac() -> None:
    assert _opened(b"secret", b"key", _sealed(b"secret", b"key", bytes(LARGEST + 1))) is None


def test_nothing_longer_than_an_answer_leaves_redis(settings: Settings) -> None:
    key = f"{settings.namespace}:cache:huge"
    with redis.Redis.from_url(settings.redis_url) as client:
        client.setrange(key, LONGEST, b"x")

        async def ask() -> Sequence[bytes | None]:
            cache = Cache(settings)
            try:
                return await _ask(cache._client, [key.encode(), b"missing"])  # pyright: ignore[reportPrivateUsage]
            finally:
                await cache.close()

        assert asyncio.run(ask()) == [b"", None]
        client.delete(key)


def test_no_answer_grows_beyond_its_bound() -> None:
    assert decompress_within(compress(bytes(LARGEST)), LARGEST) == bytes(LARGEST)
    assert decompress_within(compress(bytes(LARGEST + 1)), LARGEST) is None
    assert decompress_within(compress(b"one") + compress(b"two"), LARGEST) is None
    assert decompress_within(b"garbage", LARGEST) is None


def test_without_the_secret_nothing_is_kept(graph: Api, domain: Connection) -> None:
    domain.execute("delete from secrets")
    graph.services.answers._versions.secret = b""  # pyright: ignore[reportPrivateUsage]

    assert [status(ask(graph, limit="7")) for _ in range(2)] == ["fwd=miss"] * 2


def test_values_that_are_none_of_ours_are_logged_seldom() -> None:
    often, again = Seldom(seconds=3600), Seldom(seconds=0)

    assert [often.due() for _ in range(3)] == [1, None, None]
    assert [again.due(), again.due(5)] == [1, 5]


def test_redis_killed_frozen_and_back(graph_of: Callable[..., Api], own_redis: Valkey) -> None:
    """Beside requests that go on all the time; none fails."""
    api = ready(graph_of(redis_url=own_redis.url))
    right = kept(api).content
    over = False

    def go_on_asking() -> int:
        with httpx.Client(base_url=api.http.base_url, timeout=20) as http:
            count = 0
            while not over:
                answer = http.get(PATH)
                assert (answer.status_code, answer.content) == (200, right)
                count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(go_on_asking) for _ in range(3)]
        try:
            own_redis.kill()
            until(lambda: state(api) == "away", within=10, what="it is noticed")
            assert status(ask(api)) in {"fwd=miss", "hit; detail=shared"}
            own_redis.start()
            kept(ready(api))
            own_redis.child.signal(signal.SIGSTOP)
            until(lambda: state(api) == "away", within=10, what="it is noticed")
            own_redis.child.signal(signal.SIGCONT)
            kept(ready(api))
        finally:
            over = True
        assert min(each.result(timeout=20) for each in asking) > 0
    assert api.services.answers.counters.failures >= 2


def test_no_request_fails_when_the_connection_for_the_version_is_lost(graph: Api, domain: Connection) -> None:
    right = kept(graph).content
    lost = domain.execute(
        "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity "
        "where datname = current_database() and application_name like 'mentiongraph version@%'"
    )
    assert lost.fetchone() == (1,)

    assert ask(graph).content == right


def test_a_demoted_master_fails_no_request(graph_of: Callable[..., Api], own_redis: Valkey) -> None:
    """It gives what it has and takes nothing: connections are closed beside requests that use them."""
    api = ready(graph_of(redis_url=own_redis.url))
    with redis.Redis(port=own_redis.port) as admin:
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")

    def ask_much(number: int) -> None:
        with httpx.Client(base_url=api.http.base_url, timeout=20) as http:
            for second in range(30):
                # Each is another question: to be asked for, and to be kept.
                answer = http.get(PATH, params={"as_of": f"20{number + 30}-01-10T12:00:{second:02}Z"})
                assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask_much, range(8)))
    assert api.services.answers.counters.failures >= 1


def test_a_full_redis_gives_what_it_has(graph_of: Callable[..., Api], own_redis: Valkey) -> None:
    api = ready(graph_of(redis_url=own_redis.url))
    kept(api)
    with redis.Redis(port=own_redis.port) as admin:
        admin.config_set("maxmemory", 1)

    assert ask(api, limit="1").status_code == 200
    until(lambda: state(api) == "full", within=10, what="it is noticed")

    assert status(ask(api)) == "hit"
    assert status(ask(api, limit="1")) == "fwd=miss"


def test_the_cache_keeps_to_its_room(graph_of: Callable[..., Api]) -> None:
    api = ready(graph_of(cache_bytes=1000))

    for limit in range(1, 20):
        ask(api, limit=str(limit))
    until(lambda: state(api) == "full", within=10, what="it has written enough")

    assert status(ask(api, limit="30")) == "fwd=miss"
    assert len(keys(api)) < 20


@pytest.mark.parametrize("watched", [False, True])
def test_with_the_rights_of_the_app(graph_of: Callable[..., Api], server_directory: Path, watched: bool) -> None:
    """A server whose users have no more rights than they need, known by its address or by a Sentinel."""
    access = Access("app", "replica", "watching", "asking", "among")
    server = Valkey(server_directory / "valkey", append_only=False, access=access)
    server.start()
    rules = Monitoring(quorum=1)
    sentinel = Sentinel(server_directory / "s", None, {SERVICE: server.port}, monitoring=rules, access=access)
    try:
        url = f"redis://mentiongraph:app@127.0.0.1:{server.port}/0"
        if watched:
            sentinel.start()
            name = "sentinel_username=mentiongraph&sentinel_password=asking"
            url = f"{sentinel_url([sentinel.port], 'app', user='mentiongraph')}?{name}"
        api = ready(graph_of(redis_url=url, namespace="mentiongraph"))
        kept(api)
        assert api.services.answers.counters.failures == 0
    finally:
        sentinel.stop()
        server.stop()

"""Summaries are what a plain count of the merged mentions has, whatever happens to whoever makes them."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from app.graph import counting, decay, delta_days, merging, withdrawal
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import retention, transitions
from app.ledger.retention import Purged
from app.posts.options import Clock, Options
from app.proofs import rebuild
from app.proofs.audit import audit, audit_with_weights
from app.settings import Settings
from app.store import locks, postgres
from app.summaries import days, summarizing, trends, user_totals
from tests import summing
from tests.crashing import Crash, CrashingCursor
from tests.summing import Mention
from tests.uploading import posts_csv, upload

Connection = psycopg.Connection[Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
HANDLES = ["ada", "bob", "cy", "dee"]


class Post(NamedTuple):
    author: str
    mentioned: str
    age: int
    """Hours before its upload is received; of one from the future, less than 0."""


class Step(NamedTuple):
    kind: str
    number: int
    posts: list[Post]
    crash: int
    after: bool


POSTS = strategies.lists(
    strategies.builds(
        Post, strategies.sampled_from(HANDLES), strategies.sampled_from(HANDLES), strategies.integers(-30, 24 * 12)
    ),
    min_size=1,
    max_size=12,
)
STEPS = strategies.lists(
    strategies.builds(
        Step,
        strategies.sampled_from(
            ["upload"] * 3
            + ["retract"] * 2
            + ["summarize"] * 3
            + ["die", "overtaken", "decay", "swap", "tidy", "purge"]
        ),
        strategies.integers(0, 40),
        POSTS,
        strategies.integers(0, 14),
        strategies.booleans(),
    ),
    min_size=1,
    max_size=14,
)


class Graph:
    """Uploads that are counted and merged as they come, and summarized now and then."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = START + 20.5 * DAY
        self.sent: dict[UUID, list[Mention]] = {}
        with self.connect() as conn:
            self.parameters = read_parameters(conn)

    def connect(self) -> Connection:
        return postgres.connect(self.settings.database_url, role="test")

    def upload(self, posts: list[Post], *, clock: Clock = Clock.ARRIVAL, merged: bool = True) -> UUID:
        made = [(post.author, post.mentioned, self.now - timedelta(hours=post.age)) for post in posts]
        content = posts_csv([(f"@{mentioned}", at, author) for author, mentioned, at in made])
        sent = upload(self.settings, content, options=Options(clock=clock), received_at=self.now, again=True)
        self.sent[sent] = [
            Mention(author, mentioned, at, min(at, self.now) if clock is Clock.EVENT else self.now, self.now)
            for author, mentioned, at in made
        ]
        with self.connect() as conn:
            for batch in postgres.scalars(conn, "SELECT id FROM batches WHERE state = 'staged' ORDER BY id"):
                claim = transitions.claim(conn, batch, settings=self.settings, now=self.now)
                assert claim is not None
                user_ids = UserIds(bits=64, memory=100)
                kept = self.settings.days_kept
                counting.count_batch(conn, claim, self.parameters, user_ids, now=self.now, days_kept=kept)
            if merged:
                self.merge(conn)
        return sent

    def merge(self, conn: Connection) -> None:
        for shard in range(self.parameters.shards):
            while merging.merge_shard(conn, shard, self.parameters, most_edges=1000, now=self.now):
                pass

    def retract(self, conn: Connection, number: int, *, merged: bool = True) -> None:
        if self.sent:
            chosen = list(self.sent)[number % len(self.sent)]
            [state] = postgres.scalars(conn, "SELECT state FROM uploads WHERE id = %(id)s", {"id": chosen})
            take_out = withdrawal.retract if state == "applied" else withdrawal.cancel
            take_out(conn, chosen, self.parameters, now=self.now)
            del self.sent[chosen]
            if merged:
                self.merge(conn)

    def summarize(self, conn: Connection) -> int | None:
        return summarizing.summarize(conn, self.parameters, days_kept=self.settings.days_kept, now=self.now)

    def tidy(self, conn: Connection) -> None:
        summarizing.tidy(conn, self.parameters, days_kept=self.settings.days_kept, now=self.now)

    @property
    def mentions(self) -> list[Mention]:
        return [mention for mentions in self.sent.values() for mention in mentions]

    @property
    def first(self) -> date:
        return delta_days.first_day(self.now.date(), self.settings.days_kept)

    def check(self, conn: Connection) -> None:
        """Nothing waits: all is as it is counted one by one."""
        at = self.now + DAY
        summing.assert_same_totals(
            summing.held_totals(conn, at), summing.totals(self.mentions, at, self.parameters.half_life)
        )
        assert summing.held_edge_days(conn, self.first) == summing.edge_days(self.mentions, self.first)
        assert summing.held_user_days(conn, self.first) == summing.user_days(self.mentions, self.first)
        found = audit_with_weights(conn, sample=100, now=at)
        assert found.exact, found
        assert found.weights is not None
        assert found.weights.users == len(summing.held_totals(conn, at))


@pytest.fixture
def graph(settings: Settings) -> Graph:
    return Graph(settings)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks, runs, chunks and lists of a few entries."""
    monkeypatch.setattr(days, "BLOCK_ENTRIES", 2)
    monkeypatch.setattr(days, "FAN_IN", 2)
    monkeypatch.setattr(summarizing, "EDGES_AT_ONCE", 5)
    monkeypatch.setattr(summarizing, "EDGES_IN_MEMORY", 3)
    monkeypatch.setattr(summarizing, "GATHERED", 2)
    monkeypatch.setattr(user_totals, "FEWEST", 1)
    monkeypatch.setattr(user_totals, "KEPT", 2)
    monkeypatch.setattr(user_totals, "MOST", 3)


def overtaken(graph: Graph, conn: Connection, step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """While summaries are made, an upload of theirs is withdrawn, and that merged or not."""
    mark: Callable[..., None] = summarizing._mark

    def late(*args: Any, **kwargs: Any) -> None:
        with graph.connect() as other:
            graph.retract(other, step.number, merged=step.after)
        mark(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(summarizing, "_mark", late)
        graph.summarize(conn)


def die(graph: Graph, step: Step) -> None:
    with suppress(Crash, psycopg.OperationalError), graph.connect() as conn:
        conn.cursor_factory = CrashingCursor
        CrashingCursor.left, CrashingCursor.after = step.crash, step.after
        try:
            graph.summarize(conn)
            graph.tidy(conn)
        finally:
            CrashingCursor.left = None


def take(graph: Graph, conn: Connection, step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.now += timedelta(hours=step.number)
    match step.kind:
        case "upload":
            graph.upload(step.posts, clock=list(Clock)[step.number % 2], merged=step.after)
        case "retract":
            graph.retract(conn, step.number, merged=step.after)
        case "summarize":
            graph.summarize(conn)
        case "die":
            die(graph, step)
        case "overtaken":
            overtaken(graph, conn, step, monkeypatch)
        case "decay":
            graph.now += step.number % 6 * WEEK
            run = decay.begin(conn, settings=graph.settings, now=graph.now)
            assert run is not None
            decay.work(conn, run, graph.parameters, clock=lambda: graph.now)
        case "swap":
            graph.merge(conn)
            with graph.connect() as guard, rebuild.alone(guard, conn):
                ids = rebuild.count_anew(conn, graph.parameters, UserIds(bits=64, memory=0))
                rebuild.swap(conn, ids, graph.parameters, now=graph.now)
        case "purge":
            never = msgspec.structs.replace(graph.settings, retention_days=10_000.0, unapplied_retention_days=10_000.0)
            assert retention.purge(conn, settings=never, now=graph.now) == Purged()
        case _:
            graph.tidy(conn)


@given(steps=STEPS, days_kept=strategies.sampled_from([5, 35]))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=12)
@pytest.mark.usefixtures("small")
def test_summaries_are_what_the_mentions_add_up_to(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, steps: list[Step], days_kept: int
) -> None:
    with postgres.connect(settings.database_url, role="test") as conn:
        conn.execute("TRUNCATE uploads, users, edges, edges_archive, decay_runs CASCADE")
        summing.empty(conn)
        graph = Graph(msgspec.structs.replace(settings, days_kept=days_kept))
        for step in steps:
            take(graph, conn, step, monkeypatch)
            found = audit(conn)
            assert (found.summary_difference, found.received_unlike_made) == (0, 0), step
        graph.merge(conn)
        while graph.summarize(conn):
            pass
        graph.check(conn)
        check_top(graph, conn)
        graph.tidy(conn)
        assert not days.merge_runs(conn, first=graph.first)
        graph.check(conn)


def check_top(graph: Graph, conn: Connection) -> None:
    """Those who are held are the first."""
    at = graph.now + DAY
    wanted = summing.totals(graph.mentions, at, graph.parameters.half_life)
    for direction, side in (("made", 3), ("received", 4)):
        held = summing.held_top(conn, direction)
        weights = sorted((each[side] for each in wanted.values() if each[side - 3]), reverse=True)
        assert [wanted[user][side] for user in held] == pytest.approx(weights[: len(held)], rel=1e-6)
        assert len(held) >= min(user_totals.FEWEST, len(weights))
        assert len(held) <= user_totals.MOST


# Who is first ---------------------------------------------------------------------------------------------------------


def many(count: int, *, repeated: int = 1) -> list[Post]:
    return [Post(f"user{number}", "ada", 1) for number in range(count) for _ in range(repeated)]


def scores(conn: Connection) -> list[tuple[str, int]]:
    return conn.execute(
        "SELECT direction, (SELECT count(*) FROM top_users u WHERE u.direction = f.direction)::int "
        "FROM top_user_floors f ORDER BY direction"
    ).fetchall()


def test_of_many_with_the_same_weight_as_many_are_held_as_are_kept(
    graph: Graph, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_totals, "FEWEST", 5)
    monkeypatch.setattr(user_totals, "KEPT", 10)
    monkeypatch.setattr(user_totals, "MOST", 20)
    graph.upload(many(50))

    graph.summarize(conn)

    held = summing.held_top(conn, "made")
    assert len(held) == 20
    first = conn.execute("SELECT handle FROM users WHERE handle <> 'ada' ORDER BY id LIMIT 20").fetchall()
    assert held == [handle for (handle,) in first]

    later = graph.upload([Post("zoe", "ada", 1)])
    heavy = graph.upload(many(30, repeated=3))
    graph.summarize(conn)
    assert scores(conn) == [("made", 10), ("received", 1)]
    check_top(graph, conn)

    graph.retract(conn, list(graph.sent).index(heavy))
    graph.retract(conn, list(graph.sent).index(later))
    graph.summarize(conn)

    check_top(graph, conn)
    assert len(summing.held_top(conn, "made")) == 10, "looked for anew"


def test_more_at_once_than_are_held_leave_a_floor(
    graph: Graph, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_totals, "FEWEST", 5)
    monkeypatch.setattr(user_totals, "KEPT", 10)
    monkeypatch.setattr(user_totals, "MOST", 20)
    graph.upload([Post(f"heavy{number}", "ada", 1) for number in range(18) for _ in range(3)])
    graph.upload(many(50))
    graph.summarize(conn)

    graph.retract(conn, 0)
    graph.summarize(conn)

    assert len(summing.held_top(conn, "made")) == 10
    check_top(graph, conn)


def test_whoever_comes_to_be_above_the_floor_is_held(
    graph: Graph, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_totals, "FEWEST", 1)
    monkeypatch.setattr(user_totals, "KEPT", 2)
    monkeypatch.setattr(user_totals, "MOST", 4)

    def held(user: str, times: int) -> bool:
        graph.upload([Post(user, "ada", 1)] * times)
        graph.summarize(conn)
        check_top(graph, conn)
        return user in summing.held_top(conn, "made")

    graph.upload(many(9, repeated=10))
    graph.summarize(conn)
    assert not held("light", 9)
    assert held("heavy", 11)
    assert held("light", 3), "twelve by now"
    now, graph.now = graph.now, graph.now + 10 * DAY
    graph.upload([Post("ahead", "ada", 1)] * 5)
    graph.now = now
    graph.summarize(conn)
    assert "ahead" in summing.held_top(conn, "made"), "received by a clock that is ahead"


def test_weights_of_very_different_times_meet(graph: Graph, conn: Connection) -> None:
    """Posts of thirty years: their weights differ by more than a double holds."""
    graph.upload([Post("ada", "bob", 24 * 365 * 30), Post("cy", "bob", 24 * 365 * 30)], clock=Clock.EVENT)
    graph.upload([Post("ada", "bob", 1), Post("ada", "dee", 24 * 365 * 15)], clock=Clock.EVENT)

    graph.summarize(conn)

    graph.check(conn)
    check_top(graph, conn)
    long_ago = graph.now - timedelta(days=365 * 30)
    assert summing.held_totals(conn, long_ago)["cy"].weight_made == pytest.approx(1)


# Days -----------------------------------------------------------------------------------------------------------------


def test_days_are_kept_for_as_long_as_is_said(graph: Graph, conn: Connection) -> None:
    graph.upload([Post("ada", "bob", 24 * age) for age in (0, 0, 34, 35, 100)])
    graph.summarize(conn)

    assert summing.held_edge_days(conn, date.min) == {
        ("ada", "bob", graph.now.date()): 2,
        ("ada", "bob", graph.now.date() - 34 * DAY): 1,
    }

    graph.now += 35 * DAY
    graph.tidy(conn)

    assert postgres.scalars(conn, "SELECT count(*) FROM day_runs") == [0]


@pytest.mark.usefixtures("small")
def test_nothing_is_left_of_what_was_taken_out(graph: Graph, conn: Connection) -> None:
    graph.upload(many(3))
    while graph.summarize(conn):
        pass
    graph.retract(conn, 0)
    while graph.summarize(conn):
        pass

    graph.tidy(conn)

    for table in ("user_totals", "top_users", "day_runs", "day_blocks"):
        assert postgres.scalars(conn, f"SELECT count(*) FROM {table}") == [0], table  # noqa: S608


def test_days_are_switched_off_and_on(graph: Graph, conn: Connection) -> None:
    on = graph.settings
    before = graph.upload([Post("ada", "bob", 1), Post("ada", "bob", 30)])
    graph.summarize(conn)

    graph.settings = msgspec.structs.replace(on, days_kept=0)
    unseen = graph.upload([Post("ada", "bob", 1), Post("ada", "bob", 30)])
    graph.summarize(conn)
    assert postgres.scalars(conn, "SELECT count(*) FROM day_runs") == [0]
    assert postgres.scalars(conn, "SELECT count(*) FROM deltas WHERE days IS NOT NULL") == [1]

    graph.settings = on
    graph.tidy(conn)
    switched, graph.now = graph.now, graph.now + 2 * DAY
    graph.upload([Post("cy", "bob", 1), Post("cy", "bob", 72)])
    graph.summarize(conn)
    for sent in (before, unseen):
        graph.retract(conn, list(graph.sent).index(sent))
    graph.summarize(conn)

    assert summing.held_edge_days(conn, date.min) == {("cy", "bob", graph.now.date()): 1}
    assert summarizing.state(conn).days_from == switched.date() + DAY
    assert audit(conn).exact


def test_more_days_are_kept_as_they_come(graph: Graph, conn: Connection) -> None:
    graph.settings = msgspec.structs.replace(graph.settings, days_kept=5)
    graph.upload([Post("ada", "bob", 1), Post("ada", "bob", 24 * 10)])
    graph.summarize(conn)
    began = graph.now.date() - 4 * DAY

    graph.settings = msgspec.structs.replace(graph.settings, days_kept=20)
    graph.now += DAY
    graph.upload([Post("ada", "bob", 1), Post("ada", "bob", 24 * 10)])
    graph.summarize(conn)

    assert summarizing.state(conn).days_from == began
    assert sum(summing.held_edge_days(conn, date.min).values()) == 2


@pytest.mark.usefixtures("small")
def test_who_is_trending_is_worked_out_of_the_days(graph: Graph, conn: Connection) -> None:
    graph.settings = msgspec.structs.replace(graph.settings, days_kept=14)
    graph.upload([Post("x", "ada", 24 * 8)] * 100 + [Post("x", "ada", 1)] * 200)
    graph.upload([Post("x", "bob", 24 * 8)] * 1 + [Post("x", "bob", 30)] * 3)
    graph.upload([Post("x", "cy", 24 * 8)] * 50 + [Post("x", "cy", 1)] * 20 + [Post("y", "y", 1)] * 9)
    while graph.summarize(conn):
        pass

    graph.tidy(conn)

    def listed(period: int) -> list[tuple[str, int, int, float]]:
        return conn.execute(
            "SELECT handle, mentions::int, mentions_before::int, growth FROM trending_users JOIN users ON id = user_id "
            "WHERE days = %s ORDER BY place",
            [period],
        ).fetchall()

    assert listed(7) == [("ada", 200, 100, 210 / 110), ("bob", 3, 1, 13 / 11)]
    assert listed(1) == [("ada", 200, 0, 21.0), ("cy", 20, 0, 3.0)]
    assert listed(14) == []
    assert summarizing.state(conn).trends_until == graph.now.date()

    graph.settings = msgspec.structs.replace(graph.settings, days_kept=0)
    graph.now += timedelta(hours=1)
    graph.tidy(conn)
    assert listed(7) == listed(1) == [], "days that are not kept any more are not told"


def test_what_is_trending_is_worked_out_anew_each_day_and_no_oftener_than_it_is_worth(
    graph: Graph, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[datetime]()

    def list_anew(*_: Any, **__: Any) -> None:
        made.append(graph.now)

    monkeypatch.setattr(trends, "list_anew", list_anew)

    def tidy(later: timedelta) -> int:
        graph.now += later
        graph.tidy(conn)
        return len(made)

    assert tidy(timedelta(0)) == 1
    assert tidy(timedelta(hours=1)) == 1
    assert tidy(DAY) == 2
    conn.execute("UPDATE summaries SET trends_seconds = 10, trends_stale_since = now()")
    assert tidy(timedelta(seconds=89)) == 2
    assert tidy(timedelta(seconds=2)) == 3


# Who makes them, and when ---------------------------------------------------------------------------------------------


def work(graph: Graph, conn: Connection) -> int:
    return summarizing.work(conn, graph.parameters, days_kept=graph.settings.days_kept, clock=lambda: graph.now)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summarizing, "EDGES_AT_ONCE", 1)


@pytest.mark.usefixtures("small_steps")
def test_two_at_once_add_everything_once(graph: Graph, conn: Connection) -> None:
    graph.upload(many(40))
    graph.upload(many(20))
    graph.retract(conn, 1)
    waiting = summarizing.state(conn).waiting
    barrier = Barrier(3)

    def help_out(_: int) -> int:
        with graph.connect() as own:
            barrier.wait()
            done = work(graph, own)
            while summarizing.state(own).waiting:
                done += work(graph, own)
            return done

    with ThreadPoolExecutor(3) as threads:
        done = list(threads.map(help_out, range(3)))

    assert sum(done) == waiting
    graph.check(conn)


def test_while_somebody_is_at_it_nobody_else_is(graph: Graph, conn: Connection) -> None:
    graph.upload(many(3))
    with graph.connect() as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(%s)", [locks.SUMMARIES])

        assert graph.summarize(conn) is None
        assert work(graph, conn) == 0
    assert work(graph, conn) > 0


def test_nobody_is_waited_for_who_marks_the_same_deltas(graph: Graph, conn: Connection) -> None:
    graph.upload(many(3))
    with graph.connect() as other, other.transaction():
        other.execute("UPDATE deltas SET held = held WHERE shard = (SELECT min(shard) FROM deltas)")

        assert graph.summarize(conn) is None

    assert summing.held_totals(conn, graph.now) == {}
    assert graph.summarize(conn)
    graph.check(conn)


def test_beside_other_work_summaries_wait_and_take_a_small_share_of_the_time(graph: Graph, conn: Connection) -> None:
    graph.upload(many(3))
    merged = graph.now
    upload(graph.settings, posts_csv([("@bob", START, "ada")]), received_at=graph.now)

    graph.now = merged + timedelta(seconds=59)
    assert work(graph, conn) == 0
    conn.execute("UPDATE summaries SET ended_at = %s, seconds = 20", [merged])
    graph.now = merged + timedelta(seconds=179)
    assert work(graph, conn) == 0
    graph.now = merged + timedelta(seconds=181)
    assert work(graph, conn) > 0

    graph.upload(many(2))
    conn.execute("UPDATE summaries SET ended_at = %s, seconds = 20", [graph.now])
    conn.execute("UPDATE uploads SET state = 'failed', finished_at = now() WHERE finished_at IS NULL")
    assert work(graph, conn) > 0, "nothing else is to be done"


def test_what_is_merged_while_they_are_made_is_not_left(
    graph: Graph, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever merged it was told that somebody is at it."""
    graph.upload(many(3))
    steps = iter([lambda: graph.upload(many(5))])
    tidy: Callable[..., None] = summarizing.tidy

    def late(*args: Any, **kwargs: Any) -> None:
        tidy(*args, **kwargs)
        for step in steps:
            step()

    monkeypatch.setattr(summarizing, "tidy", late)

    work(graph, conn)

    assert summarizing.state(conn).waiting == 0
    graph.check(conn)


def test_what_is_not_merged_is_not_summarized(graph: Graph, conn: Connection) -> None:
    graph.upload(many(3), merged=False)

    assert graph.summarize(conn) == 0
    graph.retract(conn, 0)
    assert graph.summarize(conn) == 0

    graph.check(conn)


def test_what_waits_to_be_summarized_is_not_purged(graph: Graph, conn: Connection) -> None:
    graph.upload(many(3))
    later = graph.now + timedelta(days=31)

    assert retention.purge(conn, settings=graph.settings, now=later) == Purged()
    graph.summarize(conn)
    assert retention.purge(conn, settings=graph.settings, now=later).deltas > 0

    assert audit(conn).exact


def test_a_retracted_upload_that_waits_is_not_purged(graph: Graph, conn: Connection) -> None:
    graph.upload(many(3))
    graph.summarize(conn)
    graph.retract(conn, 0)

    assert retention.purge(conn, settings=graph.settings, now=graph.now + timedelta(days=31)) == Purged()
    graph.summarize(conn)
    graph.check(conn)


DAMAGES = {
    "summary_difference": "UPDATE user_totals SET self_mentions = self_mentions + 1",
    "received_unlike_made": "UPDATE user_totals SET mentions_received = mentions_received + 1",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_by_the_audit_and_put_right_by_a_swap(graph: Graph, conn: Connection, damage: str) -> None:
    graph.upload(many(3))
    graph.upload(many(2))
    graph.summarize(conn)
    conn.execute(DAMAGES[damage].encode())
    found = audit(conn)
    assert getattr(found, damage)
    assert not found.exact

    take(graph, conn, Step("swap", 0, [], 0, after=False), pytest.MonkeyPatch())

    graph.check(conn)


@pytest.mark.parametrize("column", ["weight_made", "weight_received"])
def test_a_weight_that_is_off_is_found(graph: Graph, conn: Connection, column: str) -> None:
    graph.upload([Post("ada", "bob", 1), Post("bob", "ada", 1)])
    graph.summarize(conn)
    damage = sql.SQL("UPDATE user_totals SET {column} = {column} * 1.01")
    conn.execute(damage.format(column=sql.Identifier(column)))

    assert audit(conn).exact
    found = audit_with_weights(conn, sample=10, now=graph.now)

    assert not found.exact
    assert found.weights is not None
    assert (found.weights.users, found.weights.differing_users) == (2, 2)

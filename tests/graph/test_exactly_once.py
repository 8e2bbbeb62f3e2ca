"""Any split into batches, any order, any duplicate delivery, any crash point: the same counts and effective weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from psycopg.rows import TupleRow

from app.errors import BadState, Problem, UploadRefused
from app.graph import counting, decay, merging, withdrawal
from app.graph.half_life import HalfLife, in_seconds
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import sweeping, transitions
from app.ledger.transitions import Claim
from app.posts.options import Clock, Options
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from app.summaries import summarizing
from tests import summing
from tests.conftest import until
from tests.crashing import Crash, CrashingCursor
from tests.summing import Mention
from tests.uploading import posts_csv, upload

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)
HANDLES = ["ada", "Ada", "bob", "cy", "dee", "eve_1", "fay", "gus"]
MAX_DRAIN = 1000
WEEK = timedelta(days=7)
PROBLEM = Problem(type="urn:test", title="It failed", status=500, detail="on purpose")
WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Post(NamedTuple):
    author: str
    mentioned: tuple[str, ...]
    minutes: int

    @property
    def at(self) -> datetime:
        return START + timedelta(minutes=self.minutes)


class Sent(NamedTuple):
    """An upload: its posts, its decay clock, and when it was received, in minutes."""

    posts: list[Post]
    clock: Clock
    received: int

    @property
    def content(self) -> bytes:
        return posts_csv(
            [(" ".join(f"@{handle}" for handle in post.mentioned), post.at, post.author) for post in self.posts]
        )


class Delivery(NamedTuple):
    """A message that arrives, and after how many statements its worker dies (None: it lives)."""

    kind: str
    number: int
    crash: int | None
    after: bool


POSTS = strategies.lists(
    strategies.builds(
        Post,
        author=strategies.sampled_from(HANDLES),
        mentioned=strategies.lists(strategies.sampled_from(HANDLES), max_size=3).map(tuple),
        minutes=strategies.integers(0, 60 * 24 * 40),
    ),
    min_size=1,
    max_size=25,
)
UPLOADS = strategies.lists(
    strategies.builds(
        Sent, posts=POSTS, clock=strategies.sampled_from(Clock), received=strategies.integers(0, 60 * 24 * 60)
    ),
    min_size=1,
    max_size=3,
)
DELIVERIES = strategies.lists(
    strategies.builds(
        Delivery,
        kind=strategies.sampled_from(
            ["count"] * 4
            + ["merge"] * 3
            + ["zombie", "sweep", "cancel", "retract", "fail", "replay", "decay", "send the same again"]
            + ["summarize"] * 2
        ),
        number=strategies.integers(0, 40),
        crash=strategies.none() | strategies.integers(0, 14),
        after=strategies.booleans(),
    ),
    max_size=40,
)


class Graph:
    """A worker over a test's database that dies when told to, and what the graph holds in the end."""

    def __init__(self, settings: Settings, bits: int, *, decays: bool = True) -> None:
        self.settings = msgspec.structs.replace(settings, claim_seconds=60.0, max_attempts=1000, days_kept=120)
        self.now = START + timedelta(days=100)
        self.bits = bits
        self.zombies: list[Claim] = []
        self.uploads: dict[UUID, Sent] = {}
        with self.connect() as conn:
            conn.execute("TRUNCATE uploads, ledger_events, users, edges, edges_archive, decay_runs CASCADE")
            summing.empty(conn)
            half_life = timedelta(days=7) if decays else None
            conn.execute("UPDATE graph_parameters SET handle_bits = %s, half_life = %s", [bits, half_life])
            self.parameters = read_parameters(conn)

    def connect(self) -> psycopg.Connection[TupleRow]:
        conn = postgres.connect(self.settings.database_url, role="test")
        conn.cursor_factory = CrashingCursor
        return conn

    def working(self, work: Callable[[psycopg.Connection[TupleRow]], T], crash: int | None, *, after: bool) -> T | None:
        """Run `work` in a process of its own, which may die."""
        conn = self.connect()
        CrashingCursor.left, CrashingCursor.after = crash, after
        try:
            with suppress(Crash, psycopg.OperationalError):
                return work(conn)
            return None
        finally:
            CrashingCursor.left = None
            conn.close()

    def batches(self) -> list[int]:
        with self.connect() as conn:
            return postgres.scalars(conn, "SELECT id FROM batches ORDER BY id")

    def send(self, sent: Sent, *, again: bool) -> None:
        """Upload; sent once more, the ledger may know it already."""
        received_at = START + timedelta(minutes=sent.received)
        options = Options(clock=sent.clock)
        with suppress(UploadRefused):  # the same bytes as another upload, with another clock
            upload_id = upload(self.settings, sent.content, options=options, received_at=received_at, again=again)
            self.uploads.setdefault(upload_id, sent)

    def deliver(self, delivery: Delivery) -> None:
        # Time passes, so that claims of the dead expire.
        self.now += timedelta(seconds=35)
        match delivery.kind:
            case "count":
                batches = self.batches()
                batch = batches[delivery.number % len(batches)]
                self.working(lambda conn: self.count(conn, batch), delivery.crash, after=delivery.after)
            case "merge":
                shard = delivery.number % self.parameters.shards
                most_edges = 1 + delivery.number % 5
                self.working(lambda conn: self.merge(conn, shard, most_edges), delivery.crash, after=delivery.after)
            case "zombie" if self.zombies:
                claim = self.zombies[delivery.number % len(self.zombies)]
                self.working(lambda conn: self.finish(conn, claim), delivery.crash, after=delivery.after)
            case "cancel" | "retract":
                take_out = withdrawal.cancel if delivery.kind == "cancel" else withdrawal.retract
                chosen = list(self.uploads)[delivery.number % len(self.uploads)]
                with suppress(BadState):
                    self.working(
                        lambda conn: take_out(conn, chosen, self.parameters, now=self.now),
                        delivery.crash,
                        after=delivery.after,
                    )
            case "fail":
                batches = self.batches()
                batch = batches[delivery.number % len(batches)]
                self.working(lambda conn: self.fail(conn, batch), delivery.crash, after=delivery.after)
            case "replay":
                self.working(self.replay, delivery.crash, after=delivery.after)
            case "decay":
                self.working(self.decay, delivery.crash, after=delivery.after)
            case "summarize":
                self.working(self.summarize, delivery.crash, after=delivery.after)
            case "send the same again":
                self.send(list(self.uploads.values())[delivery.number % len(self.uploads)], again=False)
            case _:
                self.working(self.sweep, delivery.crash, after=delivery.after)

    def count(self, conn: psycopg.Connection[TupleRow], batch: int) -> None:
        claim = transitions.claim(conn, batch, settings=self.settings, now=self.now)
        if claim is not None:
            self.zombies.append(claim)
            self.finish(conn, claim)

    def finish(self, conn: psycopg.Connection[TupleRow], claim: Claim) -> None:
        user_ids = UserIds(bits=self.bits, memory=100)
        counting.count_batch(conn, claim, self.parameters, user_ids, now=self.now, days_kept=self.settings.days_kept)

    def merge(self, conn: psycopg.Connection[TupleRow], shard: int, most_edges: int) -> int | None:
        return merging.merge_shard(conn, shard, self.parameters, most_edges=most_edges, now=self.now)

    def sweep(self, conn: psycopg.Connection[TupleRow]) -> sweeping.Sweep | None:
        return sweeping.sweep(conn, settings=self.settings, now=self.now, queues_empty=True)

    def fail(self, conn: psycopg.Connection[TupleRow], batch: int) -> None:
        last = msgspec.structs.replace(self.settings, max_attempts=1)
        claim = transitions.claim(conn, batch, settings=last, now=self.now)
        if claim is not None:
            transitions.fail(conn, claim, PROBLEM, settings=last, now=self.now)

    def replay(self, conn: psycopg.Connection[TupleRow]) -> None:
        transitions.replay(conn, [batch.id for batch in transitions.failed_batches(conn)], now=self.now)

    def decay(self, conn: psycopg.Connection[TupleRow]) -> bool:
        """Whether the run was a new one, and not one that had been killed."""
        run = decay.begin(conn, settings=self.settings, now=self.now)
        assert run is not None
        return decay.work(conn, run, self.parameters, clock=lambda: self.now) and run.as_of == self.now

    def summarize(self, conn: psycopg.Connection[TupleRow]) -> int | None:
        return summarizing.summarize(conn, self.parameters, days_kept=self.settings.days_kept, now=self.now)

    def drain(self) -> None:
        """What an operator, the sweeper, and living workers do in the end."""
        with self.connect() as conn:
            self.replay(conn)
        for _ in range(MAX_DRAIN):
            self.now += timedelta(seconds=70)
            with self.connect() as conn:
                found = self.sweep(conn)
                assert found is not None
                for ring in found.batches:
                    self.count(conn, ring.id)
                for ring in found.shards:
                    self.merge(conn, ring.id, 100)
            if not found.batches and not found.shards:
                with self.connect() as conn:
                    self.summarize(conn)
                return
        pytest.fail("the sweeper never came to an end")

    def edges(self, at: datetime) -> dict[tuple[str, str], tuple[int, datetime, datetime, float]]:
        with self.connect() as conn:
            found = conn.execute(
                """
                SELECT s.handle, t.handle, mention_count, first_seen, last_seen,
                       effective_weight(weight, weighed_at, %s, %s)
                FROM (
                  SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen FROM edges
                  UNION ALL
                  SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen
                  FROM edges_archive
                ) AS held JOIN users s ON s.id = source_id JOIN users t ON t.id = target_id
                """,
                [at, in_seconds(self.parameters.half_life)],
            ).fetchall()
        return {(source, target): (count, first, last, weight) for source, target, count, first, last, weight in found}


def expected(
    uploads: Iterable[Sent], at: datetime, half_life: HalfLife
) -> dict[tuple[str, str], tuple[int, datetime, datetime, float]]:
    """The closed form: every mention on its own."""
    made: dict[tuple[str, str], list[tuple[datetime, datetime]]] = {}
    for posts, clock, received in uploads:
        received_at = START + timedelta(minutes=received)
        for post in posts:
            for handle in post.mentioned:
                weighed = min(post.at, received_at) if clock is Clock.EVENT else received_at
                made.setdefault((post.author.lower(), handle.lower()), []).append((post.at, weighed))
    return {
        edge: (
            len(mentions),
            min(at for at, _ in mentions),
            max(at for at, _ in mentions),
            sum(2.0 ** (-((at - weighed).total_seconds() / in_seconds(half_life))) for _, weighed in mentions),
        )
        for edge, mentions in made.items()
    }


def mentions_in(uploads: Iterable[Sent]) -> Iterable[Mention]:
    for posts, clock, received in uploads:
        received_at = START + timedelta(minutes=received)
        for post in posts:
            weighed = min(post.at, received_at) if clock is Clock.EVENT else received_at
            for handle in post.mentioned:
                yield Mention(post.author.lower(), handle.lower(), post.at, weighed, received_at)


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Batches of a few rows."""
    return msgspec.structs.replace(settings, batch_bytes=200)


@given(
    uploads=UPLOADS,
    deliveries=DELIVERIES,
    bits=strategies.sampled_from([5, 64]),
    batch_bytes=strategies.integers(64, 2000),
    decays=strategies.sampled_from([True, True, False]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_graph_is_a_function_of_the_uploads(  # noqa: PLR0917 (what Hypothesis draws)
    quick: Settings,
    uploads: list[Sent],
    deliveries: list[Delivery],
    bits: int,
    batch_bytes: int,
    decays: bool,
) -> None:
    graph = Graph(msgspec.structs.replace(quick, batch_bytes=batch_bytes), bits, decays=decays)
    for sent in uploads:
        graph.send(sent, again=True)

    for delivery in deliveries:
        graph.deliver(delivery)
        with graph.connect() as conn:
            found = audit(conn)
            assert (found.difference, found.summary_difference, found.received_unlike_made) == (0, 0, 0)
    graph.drain()

    at = START + timedelta(days=101)
    with graph.connect() as conn:
        assert audit(conn).exact
        states = dict(conn.execute("SELECT id, state FROM uploads").fetchall())
    assert set(states.values()) <= {"applied", "cancelled", "retracted", "duplicate", "aborted"}
    kept = [sent for upload_id, sent in graph.uploads.items() if states[upload_id] == "applied"]
    wanted = expected(kept, at, graph.parameters.half_life)
    found = graph.edges(at)
    assert {edge: values[0] for edge, values in found.items()} == {edge: values[0] for edge, values in wanted.items()}
    if len(kept) == len(graph.uploads):
        # What is taken out leaves its first_seen and last_seen behind.
        assert {edge: values[1:3] for edge, values in found.items()} == {
            edge: values[1:3] for edge, values in wanted.items()
        }
    assert {edge: values[3] for edge, values in found.items()} == pytest.approx(
        {edge: values[3] for edge, values in wanted.items()}, rel=1e-9
    )
    mentions, first = list(mentions_in(kept)), START.date()
    with graph.connect() as conn:
        summing.assert_same_totals(
            summing.held_totals(conn, at), summing.totals(mentions, at, graph.parameters.half_life)
        )
        assert summing.held_edge_days(conn, first) == summing.edge_days(mentions, first)
        assert summing.held_user_days(conn, first) == summing.user_days(mentions, first)
        while not graph.decay(conn):
            pass
        stale = {"stale": graph.now - timedelta(days=quick.stale_after_days)}
        left = postgres.scalars(conn, "SELECT count(*) FROM edges WHERE weighed_at < %(stale)s", stale)
        assert left == [0] or not decays
        if not decays:  # every mention weighs 1, at every instant
            assert all(values[3] == values[0] for values in graph.edges(at).values())


# The moments of one batch's life at which its worker may die: every statement of count and of merge, before and after.


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("statement", range(16))
def test_a_worker_dies_at_each_statement(quick: Settings, statement: int, *, after: bool) -> None:
    graph = Graph(quick, 64)
    posts = [Post("ada", ("bob", "bob", "cy"), 1), Post("bob", ("ada",), 2), Post("x", (), 3)]
    upload(
        graph.settings,
        posts_csv([(" ".join(f"@{handle}" for handle in post.mentioned), post.at, post.author) for post in posts]),
        received_at=START,
    )
    batches = graph.batches()
    for kind in ("count", "merge"):
        for number in range(max(len(batches), graph.parameters.shards)):
            graph.deliver(Delivery(kind, number, statement, after))

    graph.drain()

    counts = Counter({edge: values[0] for edge, values in graph.edges(START).items()})
    assert counts == {("ada", "bob"): 2, ("ada", "cy"): 1, ("bob", "ada"): 1}
    with graph.connect() as conn:
        assert audit(conn).exact
        assert postgres.scalars(conn, "SELECT state FROM uploads") == ["applied"]


def test_merges_add_up_whatever_comes_first(quick: Settings) -> None:
    """Four uploads, each merged before the next, the posts of the later ones being older."""
    graph = Graph(quick, 64)
    uploads = [Sent([Post("ada", ("bob",), minutes)], Clock.EVENT, 60 * 24 * 50) for minutes in (20000, 300, 40000, 1)]
    for sent in uploads:
        graph.send(sent, again=False)
        graph.drain()

    at = START + timedelta(days=60)
    [(count, first, last, weight)] = graph.edges(at).values()
    [(wanted_count, wanted_first, wanted_last, wanted_weight)] = expected(uploads, at, WEEK).values()
    assert (count, first, last) == (wanted_count, wanted_first, wanted_last)
    assert weight == pytest.approx(wanted_weight, rel=1e-12)


def test_merges_that_meet_flip_their_batch_once(quick: Settings, now: datetime) -> None:
    """Two merges, each with the last-but-one delta of one batch in its hands, commit at the same time."""
    graph = Graph(msgspec.structs.replace(quick, batch_bytes=10_000), 64)
    posts = [(f"@{target}", START, f"author{number}") for number in range(40) for target in ("a", "b")]
    upload(graph.settings, posts_csv(posts), received_at=START)
    with graph.connect() as conn:
        graph.count(conn, graph.batches()[0])
        shards = postgres.scalars(conn, "SELECT shard FROM deltas ORDER BY shard")
    assert len(shards) > 1

    def merge(shard: int) -> int | None:
        with graph.connect() as conn:
            return merging.merge_shard(conn, shard, graph.parameters, most_edges=1000, now=now)

    with ThreadPoolExecutor(len(shards)) as threads:
        merged = list(threads.map(merge, shards))

    assert merged == [1] * len(shards)
    with graph.connect() as conn:
        assert postgres.scalars(conn, "SELECT state FROM batches") == ["applied"]
        assert postgres.scalars(conn, "SELECT state FROM uploads") == ["applied"]
        events = postgres.scalars(conn, "SELECT to_state FROM ledger_events WHERE batch_id IS NOT NULL ORDER BY id")
    assert events == ["staged", "counted", "applied"]


def test_batches_of_bad_rows_only_do_not_stand_in_each_others_way(quick: Settings, now: datetime) -> None:
    """Counts without an edge finish the upload they all write rejects for, all at once."""
    graph = Graph(quick, 64)
    content = b"data,timestamp,username\n" + b"".join(b"@bob,never %d,ada\n" % row for row in range(600))
    upload(graph.settings, content, received_at=START)
    batches = graph.batches()
    assert len(batches) > 20

    def count(batch: int) -> None:
        with graph.connect() as conn:
            graph.count(conn, batch)

    graph.now = now
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, batches))

    with graph.connect() as conn:
        # Nothing of the upload could be read, and every batch is done.
        assert postgres.scalars(conn, "SELECT state FROM uploads") == ["failed"]
        assert postgres.scalars(conn, "SELECT count(*) FROM rejects") == [600]


def test_a_replay_meets_the_merge_that_finishes_its_upload(quick: Settings, now: datetime) -> None:
    """The replay has moved its batch, and not committed; the last merge of the other batch looks at the upload."""
    graph = Graph(quick, 64)
    upload(graph.settings, posts_csv([("@bob", START, f"author{number}") for number in range(12)]), received_at=START)
    failed, *others = graph.batches()
    with graph.connect() as conn:
        for batch in others:
            graph.count(conn, batch)
        last = msgspec.structs.replace(graph.settings, max_attempts=1)
        claim = transitions.claim(conn, failed, settings=last, now=graph.now)
        assert claim is not None
        assert transitions.fail(conn, claim, PROBLEM, settings=last, now=graph.now)
        shards = postgres.scalars(conn, "SELECT DISTINCT shard FROM deltas ORDER BY shard")

    def merge_all() -> None:
        with graph.connect() as conn:
            for shard in shards:
                graph.merge(conn, shard, 1000)

    with graph.connect() as conn, ThreadPoolExecutor(1) as threads:
        with conn.transaction():
            assert transitions.replay(conn, [failed], now=now) == [failed]
            merging = threads.submit(merge_all)
            with psycopg.connect(graph.settings.database_url, autocommit=True) as other:
                until(
                    lambda: merging.done() or other.execute(WAITING).fetchall(),
                    within=20,
                    what="the merge waits for the replay",
                )
        merging.result()
        assert postgres.scalars(conn, "SELECT state FROM uploads") == ["applying"]
    graph.drain()
    with graph.connect() as conn:
        assert postgres.scalars(conn, "SELECT state FROM uploads") == ["applied"]
        assert audit(conn).exact

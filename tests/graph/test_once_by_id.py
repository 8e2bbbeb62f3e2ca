"""Posts with ids: any order of counts, crashes, withdrawals and replays, and each post that is held counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from psycopg.rows import TupleRow

from app.errors import BadState, UploadRefused
from app.graph import counting, withdrawal
from app.graph.half_life import in_seconds
from app.graph.users import UserIds
from app.ledger import limits
from app.ledger.transitions import Claim
from app.posts.options import Clock, Options, RejectLimit
from app.proofs import rebuild
from app.proofs.audit import audit
from app.settings import Settings
from tests import summing
from tests.graph.test_exactly_once import HANDLES, START, Delivery, Graph
from tests.identified import Row, ids_csv, upload_ids
from tests.summing import Mention

Conn = psycopg.Connection[TupleRow]
IDS = [None, *map(str, range(1, 9))]
ALIVE = {"counted", "applied"}
DEAD = {"cancelled", "retracting", "retracted"}


class Post(NamedTuple):
    author: str
    mentioned: tuple[str, ...]
    minutes: int
    id: str | None
    readable: bool

    @property
    def at(self) -> datetime:
        return START + timedelta(minutes=self.minutes)

    @property
    def row(self) -> Row:
        text = " ".join(f"@{handle}" for handle in self.mentioned)
        return Row(text, self.at if self.readable else "never", self.author, self.id)


class Sent(NamedTuple):
    posts: list[Post]
    clock: Clock
    received: int
    """Minutes after START."""
    limited: bool
    """Whether the upload fails with more than one reject."""

    @property
    def received_at(self) -> datetime:
        return START + timedelta(minutes=self.received)

    @property
    def content(self) -> bytes:
        return ids_csv([post.row for post in self.posts])


POSTS = strategies.lists(
    strategies.builds(
        Post,
        author=strategies.sampled_from(HANDLES),
        mentioned=strategies.lists(strategies.sampled_from(HANDLES), max_size=2).map(tuple),
        minutes=strategies.integers(0, 60 * 24 * 40),
        id=strategies.sampled_from(IDS),
        readable=strategies.sampled_from([True] * 9 + [False]),
    ),
    min_size=1,
    max_size=14,
)
UPLOADS = strategies.lists(
    strategies.builds(
        Sent,
        posts=POSTS,
        clock=strategies.sampled_from(Clock),
        received=strategies.integers(0, 60 * 24 * 60),
        limited=strategies.sampled_from([False, False, True]),
    ),
    min_size=2,
    max_size=3,
)
DELIVERIES = strategies.lists(
    strategies.builds(
        Delivery,
        kind=strategies.sampled_from(
            ["count"] * 6
            + ["merge"] * 3
            + ["retract"] * 3
            + ["cancel", "cancel", "zombie", "sweep", "fail", "replay", "decay", "summarize", "summarize", "recount"]
        ),
        number=strategies.integers(0, 40),
        crash=strategies.none() | strategies.integers(0, 40),
        after=strategies.booleans(),
    ),
    max_size=25,
)


class _Batch(NamedTuple):
    id: int
    upload_id: UUID
    rows: list[Post]


class Oracle:
    """Who owns which post, by what the ledger says is counted and withdrawn; in the simplest way there is."""

    def __init__(self) -> None:
        self.counted: dict[int, _Batch] = {}
        """The batches in the graph, or on their way into it."""
        self.owners: dict[str, tuple[int, Post]] = {}

    def see(self, conn: Conn, uploads: dict[UUID, Sent]) -> None:
        """Look at the ledger, in which at most one batch was counted, or one upload withdrawn, since the last look."""
        found = conn.execute(
            "SELECT id, upload_id, state, first_line, rows_staged FROM batches WHERE counted_at IS NOT NULL ORDER BY id"
        ).fetchall()
        for number, upload_id, state, line, staged in found:
            if state in ALIVE and number not in self.counted:
                rows = [post for post in uploads[upload_id].posts[line - 2 : line - 2 + staged] if post.readable]
                self.counted[number] = _Batch(number, upload_id, rows)
                for post in rows:
                    if post.id is not None:
                        self.owners.setdefault(post.id, (number, post))
        for number in [number for number, _, state, *_ in found if state in DEAD]:
            self.counted.pop(number, None)
        for key, (owner, _) in list(self.owners.items()):
            if owner not in self.counted:
                del self.owners[key]
                holders = (batch for _, batch in sorted(self.counted.items()))
                heirs = ((batch.id, post) for batch in holders for post in batch.rows if post.id == key)
                if (heir := next(heirs, None)) is not None:
                    self.owners[key] = heir

    def repeated(self) -> dict[int, int]:
        """By batch the rows that are repeated."""
        owned = Counter(owner for owner, _ in self.owners.values())
        with_ids = {number: sum(post.id is not None for post in batch.rows) for number, batch in self.counted.items()}
        return {number: rows - owned[number] for number, rows in with_ids.items()}

    def mentions(self, uploads: dict[UUID, Sent]) -> Iterator[Mention]:
        rows = [(batch.upload_id, post) for batch in self.counted.values() for post in batch.rows if post.id is None]
        rows += [(self.counted[owner].upload_id, post) for owner, post in self.owners.values()]
        for upload_id, post in rows:
            sent = uploads[upload_id]
            weighed = min(post.at, sent.received_at) if sent.clock is Clock.EVENT else sent.received_at
            for handle in post.mentioned:
                yield Mention(post.author.lower(), handle.lower(), post.at, weighed, sent.received_at)


class GraphOfIds(Graph):
    """As Graph, for uploads whose posts have ids and whose rejects may be limited; an oracle looks at each step."""

    def __init__(self, settings: Settings, bits: int) -> None:
        super().__init__(settings, bits)
        with self.connect() as conn:
            conn.execute("TRUNCATE post_ids, post_repeats, edges_shadow")
        self.sent: dict[UUID, Sent] = {}
        self.oracle = Oracle()
        self.recounted: list[rebuild.Recounted] | None = None

    def send_ids(self, sent: Sent) -> None:
        options = Options(clock=sent.clock, max_rejects=RejectLimit(rows=1) if sent.limited else None)
        with suppress(UploadRefused):
            upload_id = upload_ids(
                self.settings, sent.content, options=options, received_at=sent.received_at, again=True
            )
            self.sent[upload_id] = sent

    def see(self) -> None:
        with self.connect() as conn:
            self.oracle.see(conn, self.sent)

    def finish(self, conn: Conn, claim: Claim) -> None:
        user_ids = UserIds(bits=self.bits, memory=100)
        counting.count_batch(conn, claim, self.parameters, user_ids, now=self.now, days_kept=self.settings.days_kept)
        self.see()
        if claim.options.max_rejects is not None:
            withdrawal.decide(conn, claim.upload_id, self.parameters, now=self.now)
            self.see()

    def deliver_ids(self, delivery: Delivery) -> None:
        match delivery.kind:
            case "cancel" | "retract":
                self.now += timedelta(seconds=35)
                take_out = withdrawal.cancel if delivery.kind == "cancel" else withdrawal.retract
                chosen = list(self.sent)[delivery.number % len(self.sent)]
                with suppress(BadState):
                    self.working(
                        lambda conn: take_out(conn, chosen, self.parameters, now=self.now),
                        delivery.crash,
                        after=delivery.after,
                    )
            case "recount" if self.recounted is None:
                with self.connect() as conn:
                    self.recounted = rebuild.count_anew(conn, self.parameters, UserIds(bits=self.bits, memory=0))
            case "recount" if self.recounted is not None:
                self.assert_same(self.recounted)
            case _:
                self.deliver(delivery)
        self.see()

    def sweep(self, conn: Conn) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for upload_id in limits.undecided(conn):
            withdrawal.decide(conn, upload_id, self.parameters, now=self.now)
        return super().sweep(conn)  # pyright: ignore[reportReturnType]

    def assert_same(self, recounted: list[rebuild.Recounted]) -> None:
        """What was counted anew, corrected by what has happened since, is the graph."""
        with self.connect() as conn:
            held = conn.execute("SELECT count(*) FROM edges_shadow").fetchone()
            found, differences = rebuild.compare(conn, recounted, self.parameters, now=self.now)
            assert found.same, (found, differences, held)
            conn.execute("TRUNCATE edges_shadow")
        self.recounted = None


@given(
    uploads=UPLOADS,
    deliveries=DELIVERIES,
    bits=strategies.sampled_from([5, 64]),
    batch_bytes=strategies.integers(64, 600),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_post_counts_once_whatever_happens(
    settings: Settings, uploads: list[Sent], deliveries: list[Delivery], bits: int, batch_bytes: int
) -> None:
    graph = GraphOfIds(msgspec.structs.replace(settings, batch_bytes=batch_bytes), bits)
    for sent in uploads:
        graph.send_ids(sent)

    for delivery in deliveries:
        graph.deliver_ids(delivery)
        with graph.connect() as conn:
            found = audit(conn)
            assert (found.difference, found.summary_difference, found.received_unlike_made) == (0, 0, 0)
            assert (found.batches_unlike_their_ids, found.batches_unlike_their_deltas, found.orphaned_deltas) == (
                0,
                0,
                0,
            )
            assert repeated(conn) == graph.oracle.repeated()
    graph.drain()
    graph.see()

    at = START + timedelta(days=101)
    mentions = list(graph.oracle.mentions(graph.sent))
    with graph.connect() as conn:
        assert audit(conn).exact
        states = {state for (state,) in conn.execute("SELECT DISTINCT state FROM batches").fetchall()}
        assert states <= {"applied", "cancelled", "retracted"}
        assert repeated(conn) == graph.oracle.repeated()
        assert {edge: values[0] for edge, values in graph.edges(at).items()} == Counter(
            (each.source, each.target) for each in mentions
        )
        weights: dict[tuple[str, str], float] = {}
        for each in mentions:
            weight = 2.0 ** -((at - each.weighed).total_seconds() / in_seconds(graph.parameters.half_life))
            weights[each.source, each.target] = weights.get((each.source, each.target), 0.0) + weight
        found_weights = {edge: values[3] for edge, values in graph.edges(at).items()}
        assert found_weights == pytest.approx(weights, rel=1e-9)
        half_life = graph.parameters.half_life
        summing.assert_same_totals(summing.held_totals(conn, at), summing.totals(mentions, at, half_life))
        assert summing.held_edge_days(conn, START.date()) == summing.edge_days(mentions, START.date())
        assert summing.held_user_days(conn, START.date()) == summing.user_days(mentions, START.date())
    if graph.recounted is not None:
        graph.assert_same(graph.recounted)
    with graph.connect() as conn:
        recounted = rebuild.count_anew(conn, graph.parameters, UserIds(bits=bits, memory=0))
    graph.assert_same(recounted)


def repeated(conn: Conn) -> dict[int, int]:
    return dict(
        conn.execute(
            "SELECT id, rows_repeated FROM batches WHERE state IN ('counted', 'applied') ORDER BY id"
        ).fetchall()
    )

"""Cancel, retract, dry run, and the limit of rejects: what leaves the graph leaves it exactly."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from polars.exceptions import ComputeError

from app.errors import BadState, NotFound, Problem
from app.graph import counting, decay, merging, withdrawal
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import limits, transitions
from app.posts.options import Options, RejectLimit
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from tests.graphs import Held, apply_all, edges
from tests.uploading import posts_csv, upload

Connection = psycopg.Connection[Any]
WEEK = timedelta(days=7)


def send(settings: Settings, *pairs: tuple[str, str], at: datetime, options: Options | None = None) -> UUID:
    """An upload in which each source mentions its target once, in batches of a few rows."""
    small = msgspec.structs.replace(settings, batch_bytes=200)
    content = posts_csv([(f"@{target}", at, source) for source, target in pairs])
    return upload(small, content, received_at=at, again=True, options=options)


def state(conn: Connection, upload_id: UUID) -> str:
    return postgres.scalars(conn, "SELECT state FROM uploads WHERE id = %(id)s", {"id": upload_id})[0]


def batch_states(conn: Connection, upload_id: UUID) -> set[str]:
    return set(postgres.scalars(conn, "SELECT state FROM batches WHERE upload_id = %(id)s", {"id": upload_id}))


def many(count: int, target: str = "bob") -> list[tuple[str, str]]:
    return [(f"author{number}", target) for number in range(count)]


def retract(conn: Connection, settings: Settings, upload_id: UUID, now: datetime) -> None:
    withdrawal.retract(conn, upload_id, read_parameters(conn), now=now)
    apply_all(settings, now=now)


def test_what_is_retracted_leaves_the_graph_as_if_it_had_never_come(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    send(settings, ("ada", "bob"), ("ada", "cy"), at=now)
    apply_all(settings, now=now)
    later = now + 2 * WEEK
    before = edges(conn, later)
    second = send(settings, ("ada", "bob"), ("dee", "ada"), *many(30), at=now + WEEK)
    apply_all(settings, now=now + WEEK)

    retract(conn, settings, second, later)

    after = edges(conn, later)
    assert {edge: held.mention_count for edge, held in after.items()} == {
        edge: held.mention_count for edge, held in before.items()
    }
    assert {edge: held.weight for edge, held in after.items()} == pytest.approx(
        {edge: held.weight for edge, held in before.items()}
    )
    assert state(conn, second) == "retracted"
    assert batch_states(conn, second) == {"retracted"}
    assert audit(conn).exact


@pytest.mark.parametrize("weeks", [50.1, 51.3, 52.7, 54.9, 60.3])
def test_what_rounding_leaves_of_a_weight_is_nothing(
    conn: Connection, settings: Settings, now: datetime, weeks: float
) -> None:
    """Seen from the mention that is left, an error in the last digit of those taken out would be thousands."""
    send(settings, ("ada", "bob"), at=now)
    late = [send(settings, ("ada", "bob"), at=now + (weeks + number / 7) * WEEK) for number in range(3)]
    apply_all(settings, now=now + 61 * WEEK)

    for upload_id in late:
        retract(conn, settings, upload_id, now + 61 * WEEK)

    assert edges(conn, now) == {("ada", "bob"): Held(1, 0.0)}
    assert audit(conn).exact


def test_retracting_reaches_into_the_archive(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, ("ada", "bob"), at=now)
    second = send(settings, ("ada", "bob"), ("ada", "cy"), at=now)
    apply_all(settings, now=now)
    long_after = now + 10 * WEEK
    run = decay.begin(conn, settings=settings, now=long_after)
    assert run is not None
    decay.work(conn, run, read_parameters(conn), clock=lambda: long_after)
    assert edges(conn, now) == {}

    retract(conn, settings, second, long_after)

    [(edge, held)] = edges(conn, long_after).items()
    assert (edge, held.mention_count) == (("ada", "bob"), 1)
    assert held.weight == pytest.approx(2**-10)
    assert edges(conn, now, table="edges_archive") == {}
    assert audit(conn).exact


def test_retracted_bytes_may_come_again(conn: Connection, settings: Settings, now: datetime) -> None:
    content = posts_csv([("@bob", now, "ada")])
    first = upload(settings, content, received_at=now)
    apply_all(settings, now=now)
    retract(conn, settings, first, now)

    second = upload(settings, content, received_at=now)
    apply_all(settings, now=now)

    assert second != first
    assert edges(conn, now) == {("ada", "bob"): Held(1, 1.0)}


def test_a_staged_upload_is_cancelled_before_anything_happens(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    sent = send(settings, *many(30), at=now)

    assert withdrawal.cancel(conn, sent, read_parameters(conn), now=now) == []

    apply_all(settings, now=now)
    assert state(conn, sent) == "cancelled"
    assert batch_states(conn, sent) == {"cancelled"}
    assert edges(conn, now) == {}


@pytest.mark.parametrize("merged_shards", range(0, 9, 2))
def test_an_upload_is_cancelled_in_the_middle(
    conn: Connection, settings: Settings, now: datetime, merged_shards: int
) -> None:
    """Some batches counted, some shards of them merged, some batches not yet looked at, one in a worker's hands."""
    send(settings, ("ada", "bob"), *many(5), at=now)
    apply_all(settings, now=now)
    before = edges(conn, now)
    sent = send(settings, *many(40), at=now)
    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=100)
    batches = postgres.scalars(conn, "SELECT id FROM batches WHERE state = 'staged' ORDER BY id")
    claims = [transitions.claim(conn, batch, settings=settings, now=now) for batch in batches[:-1]]
    for claim in claims[:-1]:
        assert claim is not None
        counting.count_batch(conn, claim, parameters, user_ids, now=now)
    for shard in range(merged_shards):
        merging.merge_shard(conn, shard, parameters, most_edges=20, now=now)

    withdrawal.cancel(conn, sent, parameters, now=now)

    assert claims[-1] is not None
    assert counting.count_batch(conn, claims[-1], parameters, user_ids, now=now) is None
    assert audit(conn).difference == 0
    apply_all(settings, now=now)
    assert state(conn, sent) == "cancelled"
    assert batch_states(conn, sent) <= {"cancelled", "retracted"}
    assert edges(conn, now) == before
    assert audit(conn).exact


def test_only_what_is_under_way_is_cancelled_and_only_what_is_applied_retracted(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    sent = send(settings, ("ada", "bob"), at=now)
    parameters = read_parameters(conn)
    with pytest.raises(BadState, match="staged"):
        withdrawal.retract(conn, sent, parameters, now=now)
    apply_all(settings, now=now)
    with pytest.raises(BadState, match="retracted"):
        withdrawal.cancel(conn, sent, parameters, now=now)
    retract(conn, settings, sent, now)
    with pytest.raises(BadState, match="retracted"):
        withdrawal.retract(conn, sent, parameters, now=now)
    with pytest.raises(NotFound):
        withdrawal.retract(conn, uuid4(), parameters, now=now)


def test_a_dry_run_counts_everything_and_applies_nothing(conn: Connection, settings: Settings, now: datetime) -> None:
    sent = send(settings, *many(30), at=now, options=Options(dry_run=True))

    apply_all(settings, now=now)

    assert state(conn, sent) == "checked"
    assert batch_states(conn, sent) == {"checked"}
    assert postgres.scalars(conn, "SELECT sum(mentions)::int FROM batches") == [30]
    assert edges(conn, now) == {}
    assert audit(conn).exact


LIMITED_CSV = b"data,timestamp,username\n" + b"".join(
    b"@bob,%b,ada\n" % (b"never" if number % 10 == 0 else b"2026-01-01") for number in range(100)
)


@pytest.mark.parametrize(
    ("limit", "applied"),
    [
        (RejectLimit(rows=10), True),
        (RejectLimit(rows=9), False),
        (RejectLimit(share=0.1), True),
        (RejectLimit(share=0.09), False),
    ],
)
def test_a_limit_of_rejects_is_decided_before_anything_is_applied(
    conn: Connection, settings: Settings, now: datetime, limit: RejectLimit, *, applied: bool
) -> None:
    small = msgspec.structs.replace(settings, batch_bytes=200)
    sent = upload(small, LIMITED_CSV, received_at=now, options=Options(max_rejects=limit))
    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=100)

    for batch in postgres.scalars(conn, "SELECT id FROM batches ORDER BY id"):
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        if claim is None:
            continue  # refused already
        counting.count_batch(conn, claim, parameters, user_ids, now=now)
        for shard in range(parameters.shards):
            merging.merge_shard(conn, shard, parameters, most_edges=10_000, now=now)
        if not limits.decide(conn, sent, now=now):
            assert edges(conn, now) == {}
    apply_all(settings, now=now)

    assert state(conn, sent) == ("applied" if applied else "failed")
    assert edges(conn, now) == ({("ada", "bob"): Held(90, 90.0)} if applied else {})
    assert audit(conn).exact


def test_an_undecided_upload_is_found_by_the_sweeper(conn: Connection, settings: Settings, now: datetime) -> None:
    sent = send(settings, ("ada", "bob"), at=now, options=Options(max_rejects=RejectLimit(rows=0)))

    apply_all(settings, now=now)
    assert limits.undecided(conn) == [sent]
    assert edges(conn, now) == {}

    limits.decide(conn, sent, now=now)
    apply_all(settings, now=now)
    assert limits.undecided(conn) == []
    assert state(conn, sent) == "applied"


def test_a_failed_batch_keeps_the_others_held_until_it_is_replayed(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    sent = send(settings, *many(30), at=now, options=Options(max_rejects=RejectLimit(rows=0)))
    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=100)
    failed, *others = postgres.scalars(conn, "SELECT id FROM batches ORDER BY id")
    last = msgspec.structs.replace(settings, max_attempts=1)
    claim = transitions.claim(conn, failed, settings=last, now=now)
    assert claim is not None
    problem = Problem(type="urn:test", title="It failed", status=500, detail="on purpose")
    transitions.fail(conn, claim, problem, settings=last, now=now)
    for batch in others:
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        assert claim is not None
        counting.count_batch(conn, claim, parameters, user_ids, now=now)
        limits.decide(conn, sent, now=now)
    assert state(conn, sent) == "failed"
    assert edges(conn, now) == {}

    transitions.replay(conn, [failed], now=now)
    apply_all(settings, now=now)
    limits.decide(conn, sent, now=now)
    apply_all(settings, now=now)

    assert state(conn, sent) == "applied"
    assert len(edges(conn, now)) == 30


def test_a_refused_upload_may_come_again(conn: Connection, settings: Settings, now: datetime) -> None:
    content = b"data,timestamp,username\n@bob,never,ada\n@bob,2026-01-01,ada\n"
    strict = Options(max_rejects=RejectLimit(rows=0))
    refused = upload(settings, content, received_at=now, options=strict)
    apply_all(settings, now=now)
    assert limits.decide(conn, refused, now=now) == []
    assert state(conn, refused) == "failed"

    second = upload(settings, content, received_at=now)
    apply_all(settings, now=now)

    assert second != refused
    assert state(conn, second) == "applied"


def test_rejects_count_in_an_upload_without_a_mention(conn: Connection, settings: Settings, now: datetime) -> None:
    content = b"data,timestamp,username\n" + b"no one,never,ada\n" * 10 + b"no one,2026-01-01,ada\n"
    for limit, wanted in [(RejectLimit(rows=9), "failed"), (RejectLimit(rows=10), "applied")]:
        sent = upload(settings, content, received_at=now, again=True, options=Options(max_rejects=limit))
        apply_all(settings, now=now)
        assert limits.undecided(conn) == [sent]
        assert audit(conn).exact

        limits.decide(conn, sent, now=now)

        assert state(conn, sent) == wanted
        assert audit(conn).exact


@pytest.mark.parametrize("rejects_first", [False, True])
def test_too_many_rejects_beside_a_failed_batch(
    conn: Connection, settings: Settings, now: datetime, *, rejects_first: bool
) -> None:
    """Whether the batch fails before or after the rejects are counted: the upload is refused, with a reason."""
    small = msgspec.structs.replace(settings, batch_bytes=200, max_attempts=1)
    strict = Options(max_rejects=RejectLimit(rows=0))
    sent = upload(small, LIMITED_CSV, received_at=now, options=strict)
    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=100)
    problem = Problem(type="urn:test", title="It failed", status=500, detail="on purpose")
    batches = postgres.scalars(conn, "SELECT id FROM batches ORDER BY id")
    for batch in batches if rejects_first else reversed(batches):
        claim = transitions.claim(conn, batch, settings=small, now=now)
        if claim is None:
            continue  # refused already
        if batch == batches[-1]:
            transitions.fail(conn, claim, problem, settings=small, now=now)
        else:
            counting.count_batch(conn, claim, parameters, user_ids, now=now)
        limits.decide(conn, sent, now=now)

    assert state(conn, sent) == "failed"
    assert postgres.scalars(conn, "SELECT error ->> 'type' FROM uploads")[0].endswith("too-many-rejects")
    assert edges(conn, now) == {}
    assert audit(conn).exact


def test_a_dry_run_leaves_no_user(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, ("ada", "bob"), at=now, options=Options(dry_run=True))

    apply_all(settings, now=now)

    assert postgres.scalars(conn, "SELECT count(*) FROM users") == [0]


def test_a_delta_that_cannot_be_merged_is_set_aside(conn: Connection, settings: Settings, now: datetime) -> None:
    """The others of its shard go on; its own upload is cancelled, exactly."""
    bad = send(settings, ("ada", "bob"), at=now)
    good = send(settings, ("ada", "cy"), at=now)
    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=100)
    for batch in postgres.scalars(conn, "SELECT id FROM batches ORDER BY id"):
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        assert claim is not None
        counting.count_batch(conn, claim, parameters, user_ids, now=now)
    conn.execute("UPDATE deltas SET payload = 'rubbish' WHERE batch_id = (SELECT min(id) FROM batches)")
    [shard] = postgres.scalars(conn, "SELECT DISTINCT shard FROM deltas")
    with pytest.raises(ComputeError) as failure:
        merging.merge_shard(conn, shard, parameters, most_edges=1, now=now)

    assert merging.set_aside(conn, shard, failure.value)

    apply_all(settings, now=now)
    assert (state(conn, bad), state(conn, good)) == ("applying", "applied")
    assert "Shard" in postgres.scalars(conn, "SELECT error ->> 'detail' FROM batches WHERE error IS NOT NULL")[0]
    withdrawal.cancel(conn, bad, parameters, now=now)
    assert state(conn, bad) == "cancelled"
    assert edges(conn, now) == {("ada", "cy"): Held(1, 1.0)}
    assert audit(conn).exact


def test_the_audit_misses_deltas_that_are_lost(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, ("ada", "bob"), at=now)
    apply_all(settings, now=now)
    assert audit(conn).exact

    conn.execute("DELETE FROM deltas")

    assert audit(conn).batches_unlike_their_deltas == 1

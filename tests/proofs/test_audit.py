"""The audit finds what is wrong: every kind of damage done by hand to a whole graph and ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings

from app.graph import decay, withdrawal
from app.graph.parameters import read_parameters
from app.posts.options import Clock, Options
from app.proofs.audit import Audit, audit, audit_with_weights
from app.settings import Settings
from app.store import postgres
from tests.graphs import apply_all
from tests.uploading import posts_csv, upload

Connection = psycopg.Connection[Any]
WEEK = timedelta(days=7)
DAMAGES = {
    "difference": "UPDATE edges SET mention_count = mention_count + 1 WHERE mention_count = 1",
    "edges_archived_and_not": "INSERT INTO edges_archive SELECT *, weighed_at FROM edges LIMIT 1",
    "batches_with_lost_rejects": "DELETE FROM rejects",
    "orphaned_deltas": "UPDATE deltas SET sign = -1 WHERE shard = (SELECT min(shard) FROM deltas)",
    "batches_unlike_their_deltas": "DELETE FROM deltas WHERE shard = (SELECT min(shard) FROM deltas)",
    "batches_left_counted": "UPDATE batches SET state = 'counted'",
    "uploads_missing_batches": "UPDATE uploads SET batch_count = batch_count + 1",
    "uploads_finished_early": "UPDATE batches SET state = 'staged'",
    "uploads_left_unfinished": "UPDATE uploads SET state = 'applying', finished_at = NULL",
    "uploads_unlike_their_batches": "UPDATE uploads SET state = 'cancelled'",
}


def mention(settings: Settings, *pairs: tuple[str, str], at: datetime, options: Options | None = None) -> Any:
    content = posts_csv(
        [(f"@{target}", at - timedelta(days=index), source) for index, (source, target) in enumerate(pairs)]
    )
    sent = upload(settings, content, received_at=at, again=True, options=options)
    apply_all(settings, now=at)
    return sent


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_found(conn: Connection, settings: Settings, now: datetime, damage: str) -> None:
    upload(
        settings,
        b"data,timestamp,username\n@bob,never,ada\n@bob @cy,2026-01-01,ada\n@ada,2026-01-01,cy\n",
        received_at=now,
    )
    apply_all(settings, now=now)
    assert audit_with_weights(conn, sample=10, now=now).exact

    conn.execute(DAMAGES[damage].encode())

    found = audit(conn)
    assert getattr(found, damage)
    assert not found.exact


def test_a_weight_that_is_off_is_found(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), ("ada", "cy"), ("ada", "bob"), at=now)
    conn.execute("UPDATE edges SET weight = weight * 1.01 WHERE mention_count = 2")

    assert audit(conn).exact
    found = audit_with_weights(conn, sample=10, now=now)

    assert not found.exact
    assert found.weights is not None
    assert (found.weights.sampled, found.weights.differing_counts, found.weights.differing_weights) == (2, 0, 1)
    assert found.weights.largest_deviation == pytest.approx(0.01, rel=0.1)


def test_counts_that_were_moved_to_another_edge_are_found(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), ("ada", "cy"), ("ada", "bob"), at=now)
    conn.execute("UPDATE edges SET mention_count = 3 - mention_count")

    assert audit(conn).exact
    found = audit_with_weights(conn, sample=10, now=now)

    assert not found.exact
    assert found.weights is not None
    assert found.weights.differing_counts == 2


def test_a_sample_is_no_larger_than_asked_for(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, *((f"author{number}", "bob") for number in range(30)), at=now)

    found = audit_with_weights(conn, sample=7, now=now).weights

    assert found is not None
    assert found.sampled == 7


def test_every_number_counts(conn: Connection) -> None:
    """No field of the audit is left out of its verdict."""
    empty = audit(conn)
    assert empty.exact
    for field in msgspec.structs.fields(Audit):
        if field.name != "weights":
            assert not msgspec.structs.replace(empty, **{field.name: 1}).exact, field.name


@given(
    steps=strategies.lists(
        strategies.tuples(
            strategies.sampled_from(["upload", "event", "retract", "decay"]),
            strategies.sampled_from(["ada", "bob"]),
            strategies.sampled_from(["cy", "dee"]),
            strategies.integers(0, 40),
        ),
        min_size=1,
        max_size=8,
    )
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
def test_weights_are_what_the_deltas_say_whatever_happened(
    settings: Settings, now: datetime, steps: list[tuple[str, str, str, int]]
) -> None:
    with postgres.connect(settings.database_url, role="test") as conn:
        conn.execute(
            "TRUNCATE uploads, users, edges, edges_archive, top_edges, top_edge_floors, user_totals, top_users, "
            "decay_runs CASCADE"
        )
        parameters = read_parameters(conn)
        at, sent = now, list[Any]()
        for step, source, target, days in steps:
            at += timedelta(days=days)
            match step:
                case "retract" if sent:
                    withdrawal.retract(conn, sent.pop(days % len(sent)), parameters, now=at)
                    apply_all(settings, now=at)
                case "decay":
                    run = decay.begin(conn, settings=settings, now=at)
                    assert run is not None
                    decay.work(conn, run, parameters, clock=lambda at=at: at)
                case _:
                    clock = Clock.EVENT if step == "event" else Clock.ARRIVAL
                    pairs = ((source, target), (source, "eve"), (source, target))
                    sent.append(mention(settings, *pairs, at=at, options=Options(clock=clock)))
            found = audit_with_weights(conn, sample=100, now=at + WEEK)
            assert found.exact, found

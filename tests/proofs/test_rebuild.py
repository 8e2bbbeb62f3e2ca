"""Rebuild: the graph counted anew from the ledger is the graph; where it is not, that is said, and put right."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from app.errors import BadState
from app.graph import counting, decay, merging, withdrawal
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import retention, transitions
from app.posts.options import Clock, Options
from app.proofs import rebuild
from app.proofs.audit import audit, audit_with_weights
from app.proofs.rebuild import Comparison, Difference, Recounted
from app.settings import Settings
from app.store import postgres
from tests.graphs import apply_all, edges
from tests.uploading import posts_csv, upload

Connection = psycopg.Connection[Any]
WEEK = timedelta(days=7)
PAIRS = [("ada", "bob"), ("ada", "cy"), ("dee", "ada"), ("ada", "bob"), ("bob", "bob")]


@contextmanager
def alone(settings: Settings, conn: Connection) -> Generator[None]:
    with postgres.connect(settings.database_url, role="test") as guard, rebuild.alone(guard, conn):
        yield


def send(settings: Settings, *pairs: tuple[str, str], at: datetime, clock: Clock = Clock.ARRIVAL) -> UUID:
    small = msgspec.structs.replace(settings, batch_bytes=100)
    content = posts_csv([(f"@{target}", at - index * WEEK, source) for index, (source, target) in enumerate(pairs)])
    return upload(small, content, received_at=at, again=True, options=Options(clock=clock))


def filled(conn: Connection) -> list[Recounted]:
    return rebuild.count_anew(conn, read_parameters(conn), UserIds(bits=64, memory=100))


def compared(conn: Connection, batch_ids: list[Recounted], now: datetime) -> Comparison:
    return rebuild.compare(conn, batch_ids, read_parameters(conn), now=now)[0]


def decayed(conn: Connection, settings: Settings, now: datetime) -> None:
    run = decay.begin(conn, settings=settings, now=now)
    assert run is not None
    decay.work(conn, run, read_parameters(conn), clock=lambda: now)


def lived(conn: Connection, settings: Settings, now: datetime) -> datetime:
    """A graph with a past: both clocks, a decay with an archive, a retracted upload. The instant it is now."""
    send(settings, *PAIRS, at=now)
    send(settings, *PAIRS, at=now, clock=Clock.EVENT)
    apply_all(settings, now=now)
    decayed(conn, settings, now + 6 * WEEK)
    assert edges(conn, now, table="edges_archive")
    wrong = send(settings, ("ada", "bob"), ("eve", "bob"), at=now + 7 * WEEK)
    send(settings, ("dee", "cy"), at=now + 7 * WEEK)
    apply_all(settings, now=now + 7 * WEEK)
    withdrawal.retract(conn, wrong, read_parameters(conn), now=now + 8 * WEEK)
    apply_all(settings, now=now + 8 * WEEK)
    return now + 9 * WEEK


def test_the_ledger_makes_the_same_graph_again(
    conn: Connection, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "EDGES_AT_ONCE", 2)
    at = lived(conn, settings, now)
    seen = list[tuple[int, int]]()

    def see(done: int, total: int) -> None:
        seen.append((done, total))

    with alone(settings, conn):
        batch_ids = rebuild.count_anew(conn, read_parameters(conn), UserIds(bits=64, memory=0), progress=see)
        found, different = rebuild.compare(conn, batch_ids, read_parameters(conn), now=at)

    assert found.same
    assert (found.edges, found.rebuilt, different) == (5, 5, [])
    assert found.largest_deviation < 1e-12
    assert seen[-1][0] == seen[-1][1]
    assert postgres.scalars(conn, "SELECT count(*) FROM edges_shadow") == [0]


def test_each_difference_is_counted_and_shown(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, ("ada", "bob"), ("ada", "cy"), ("dee", "bob"), ("dee", "cy"), at=now)
    apply_all(settings, now=now)
    ids = dict(conn.execute("SELECT handle, id FROM users").fetchall())
    conn.execute("UPDATE edges SET mention_count = 7 WHERE source_id = %(ada)s", ids)
    conn.execute("UPDATE edges SET weight = 1.1 WHERE source_id = %(dee)s AND target_id = %(cy)s", ids)
    conn.execute("UPDATE edges SET target_id = source_id WHERE source_id = %(dee)s AND target_id = %(bob)s", ids)

    found, different = rebuild.compare(conn, filled(conn), read_parameters(conn), now=now)

    assert found == Comparison(4, 4, 1, 1, 2, 1, found.largest_deviation)
    assert found.largest_deviation == pytest.approx(0.1 / 1.1)
    assert sorted(different, key=lambda each: (each.source, each.target)) == [
        Difference("ada", "bob", 7, 1, 1.0, 1.0),
        Difference("ada", "cy", 7, 1, 1.0, 1.0),
        Difference("dee", "bob", None, 1, None, 1.0),
        Difference("dee", "cy", 1, 1, 1.1, 1.0),
        Difference("dee", "dee", 1, None, 1.0, None),
    ]


@pytest.mark.parametrize("merged_shards", [0, 3, 8])
def test_work_in_progress_is_no_difference(
    conn: Connection, settings: Settings, now: datetime, merged_shards: int
) -> None:
    """While the shadow was being filled: one upload half merged, one applied, one half taken out."""
    send(settings, *PAIRS, at=now)
    leaving = send(settings, *PAIRS, *((f"author{number}", "bob") for number in range(20)), at=now)
    apply_all(settings, now=now)
    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=100)
    batch_ids = filled(conn)

    send(settings, ("ada", "eve"), ("ada", "bob"), at=now)
    apply_all(settings, now=now)
    withdrawal.retract(conn, leaving, parameters, now=now)
    coming = send(settings, ("bob", "ada"), *((f"author{number}", "cy") for number in range(20)), at=now)
    for batch in postgres.scalars(conn, "SELECT id FROM batches WHERE upload_id = %(id)s", {"id": coming}):
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        assert claim is not None
        counting.count_batch(conn, claim, parameters, user_ids, now=now)
    for shard in range(merged_shards):
        while merging.merge_shard(conn, shard, parameters, most_edges=50, now=now):
            pass

    assert compared(conn, batch_ids, now).same
    with pytest.raises(BadState):
        rebuild.swap(conn, batch_ids, parameters, now=now)


def test_a_swap_puts_a_damaged_graph_right(conn: Connection, settings: Settings, now: datetime) -> None:
    at = lived(conn, settings, now)
    whole = {**edges(conn, at, table="edges_archive"), **edges(conn, at)}
    conn.execute("UPDATE edges SET mention_count = mention_count + 1")
    conn.execute("DELETE FROM edges_archive")
    assert not audit(conn).exact

    with alone(settings, conn):
        swapped = rebuild.swap(conn, filled(conn), read_parameters(conn), now=now)

    assert swapped == len(whole)
    found = edges(conn, at)
    assert {edge: held.mention_count for edge, held in found.items()} == {
        edge: held.mention_count for edge, held in whole.items()
    }
    assert {edge: held.weight for edge, held in found.items()} == pytest.approx(
        {edge: held.weight for edge, held in whole.items()}
    )
    assert edges(conn, at, table="edges_archive") == {}
    assert audit_with_weights(conn, sample=100, now=at).exact


def test_after_a_swap_instants_are_those_of_what_is_left(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, ("ada", "bob"), at=now)
    wrong = send(settings, ("ada", "bob"), at=now + WEEK)
    apply_all(settings, now=now + WEEK)
    withdrawal.retract(conn, wrong, read_parameters(conn), now=now + WEEK)
    apply_all(settings, now=now + WEEK)

    rebuild.swap(conn, filled(conn), read_parameters(conn), now=now)

    assert conn.execute("SELECT first_seen, last_seen FROM edges").fetchall() == [(now, now)]


def test_a_swap_is_refused_when_the_ledger_went_on(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, ("ada", "bob"), at=now)
    apply_all(settings, now=now)
    batch_ids = filled(conn)
    send(settings, ("ada", "cy"), at=now)
    with pytest.raises(BadState, match="once they are finished"):
        rebuild.swap(conn, batch_ids, read_parameters(conn), now=now)
    apply_all(settings, now=now)
    before = edges(conn, now)

    with pytest.raises(BadState, match="start it again"):
        rebuild.swap(conn, batch_ids, read_parameters(conn), now=now)

    assert edges(conn, now) == before


def test_what_was_purged_cannot_be_rebuilt(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, ("ada", "bob"), at=now)
    apply_all(settings, now=now)
    retention.purge(conn, settings=settings, now=now + 5 * WEEK)

    with pytest.raises(BadState, match="purged"):
        filled(conn)


def test_a_batch_of_a_profile_that_is_gone_cannot_be_rebuilt(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    send(settings, ("ada", "bob"), at=now)
    apply_all(settings, now=now)
    conn.execute("UPDATE batches SET profile_version = 99")

    with pytest.raises(BadState, match="version 99"):
        filled(conn)


def test_one_rebuild_at_a_time_and_a_killed_one_is_forgotten(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    send(settings, ("ada", "bob"), at=now)
    apply_all(settings, now=now)
    with postgres.connect(settings.database_url, role="test") as other, alone(settings, other):
        filled(other)
        with pytest.raises(BadState, match="another rebuild"), alone(settings, conn):
            pass
        pid = other.info.backend_pid
        conn.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        with pytest.raises(psycopg.OperationalError):
            filled(other)
    with alone(settings, conn):
        assert compared(conn, filled(conn), now).same

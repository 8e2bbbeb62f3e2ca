"""The sweeper rings what is due, ends what nobody will end, and leaves alone what is in somebody's hands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from app.errors import Problem, UploadRefused
from app.graph import counting, merging
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import sweeping, transitions
from app.ledger.states import Ring
from app.ledger.sweeping import Sweep
from app.posts.options import Clock, Options, Priority
from app.settings import Settings
from app.store import locks, postgres
from tests.graphs import apply_all
from tests.uploading import posts_csv, upload

Connection = psycopg.Connection[Any]
PROBLEM = Problem(type="urn:test", title="It failed", status=500, detail="on purpose")


@pytest.fixture
def batch(settings: Settings, conn: Connection, now: datetime) -> int:
    """The one batch of a sealed upload."""
    upload(settings, posts_csv([("@bob", now, "ada")]), received_at=now)
    return postgres.scalars(conn, "SELECT id FROM batches")[0]


def state(conn: Connection) -> tuple[str, str]:
    """States of the one upload and the one batch."""
    row = conn.execute("SELECT u.state, b.state FROM uploads u JOIN batches b ON b.upload_id = u.id").fetchone()
    assert row is not None
    return row[0], row[1]


def sweep(conn: Connection, settings: Settings, now: datetime, *, queues_empty: bool = True) -> Sweep:
    found = sweeping.sweep(conn, settings=settings, now=now, queues_empty=queues_empty)
    assert found is not None
    return found


def test_a_batch_whose_bell_was_lost_is_rung(conn: Connection, settings: Settings, now: datetime, batch: int) -> None:
    assert sweep(conn, settings, now).batches == [Ring(batch, Priority.BULK)]


def test_a_bell_still_in_the_queue_is_not_rung_again_at_once(
    conn: Connection, settings: Settings, now: datetime, batch: int
) -> None:
    sweep(conn, settings, now)
    soon = now + timedelta(seconds=settings.ring_again_seconds - 1)

    assert sweep(conn, settings, soon, queues_empty=False).batches == []
    assert sweep(conn, settings, soon, queues_empty=True).batches == [Ring(batch, Priority.BULK)]


def test_a_claimed_batch_is_rung_when_its_claim_expires(
    conn: Connection, settings: Settings, now: datetime, batch: int
) -> None:
    assert transitions.claim(conn, batch, settings=settings, now=now)

    assert sweep(conn, settings, now + timedelta(seconds=settings.claim_seconds - 1)).batches == []
    assert sweep(conn, settings, now + timedelta(seconds=settings.claim_seconds + 1)).batches == [
        Ring(batch, Priority.BULK)
    ]


@pytest.mark.usefixtures("batch")
def test_a_batch_in_the_hands_of_another_process_is_not_waited_for(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    conn.execute("SET lock_timeout = '5s'")
    with psycopg.connect(settings.database_url) as other:
        other.execute("SELECT FROM batches FOR NO KEY UPDATE")

        assert sweep(conn, settings, now).batches == []


def test_a_failed_attempt_waits_for_its_back_off(
    conn: Connection, settings: Settings, now: datetime, batch: int
) -> None:
    for attempt in range(1, 4):
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        assert claim is not None
        assert claim.attempts == attempt
        assert not transitions.fail(conn, claim, PROBLEM, settings=settings, now=now)
        wait = timedelta(seconds=settings.backoff_seconds * 2 ** (attempt - 1))
        assert transitions.claim(conn, batch, settings=settings, now=now + wait - timedelta(milliseconds=1)) is None
        now += wait
    assert sweep(conn, settings, now).batches == [Ring(batch, Priority.BULK)]


def test_the_last_failed_attempt_fails_the_batch_and_its_upload(
    conn: Connection, settings: Settings, now: datetime, batch: int
) -> None:
    last = msgspec.structs.replace(settings, max_attempts=1)
    claim = transitions.claim(conn, batch, settings=last, now=now)
    assert claim is not None

    assert transitions.fail(conn, claim, PROBLEM, settings=last, now=now)

    assert state(conn) == ("failed", "failed")
    [failed] = transitions.failed_batches(conn)
    assert failed.error == PROBLEM
    assert failed.replayable


def test_a_poison_batch_runs_out_of_attempts_by_claims(
    conn: Connection, settings: Settings, now: datetime, batch: int
) -> None:
    for _ in range(settings.max_attempts):
        assert transitions.claim(conn, batch, settings=settings, now=now)
        now += timedelta(seconds=settings.claim_seconds + 1)

    assert transitions.claim(conn, batch, settings=settings, now=now) is None
    assert sweep(conn, settings, now).failed_batches == 1
    assert state(conn) == ("failed", "failed")
    assert "worker" in transitions.failed_batches(conn)[0].error.title


def test_a_replayed_batch_is_applied(conn: Connection, settings: Settings, now: datetime, batch: int) -> None:
    test_the_last_failed_attempt_fails_the_batch_and_its_upload(conn, settings, now, batch)

    assert transitions.replay(conn, [batch], now=now) == [batch]

    assert state(conn) == ("applying", "staged")
    apply_all(settings, now=now)
    assert state(conn) == ("applied", "applied")
    assert transitions.replay(conn, [batch], now=now) == []


def test_a_superseded_claim_changes_nothing(conn: Connection, settings: Settings, now: datetime, batch: int) -> None:
    zombie = transitions.claim(conn, batch, settings=settings, now=now)
    later = now + timedelta(seconds=settings.claim_seconds + 1)
    claim = transitions.claim(conn, batch, settings=settings, now=later)
    assert zombie is not None
    assert claim is not None
    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=10)

    assert counting.count_batch(conn, zombie, parameters, user_ids, now=later) is None
    assert not transitions.fail(conn, zombie, PROBLEM, settings=settings, now=later)
    assert state(conn) == ("applying", "staged")

    assert counting.count_batch(conn, claim, parameters, user_ids, now=later)
    assert counting.count_batch(conn, claim, parameters, user_ids, now=later) is None
    assert state(conn) == ("applying", "counted")


def test_an_unsealed_upload_is_not_worked_on(conn: Connection, settings: Settings, now: datetime, batch: int) -> None:
    conn.execute("UPDATE uploads SET state = 'receiving'")

    assert sweep(conn, settings, now).batches == []
    assert transitions.claim(conn, batch, settings=settings, now=now) is None


@pytest.mark.usefixtures("batch")
def test_an_upload_whose_receiver_is_gone_is_aborted(conn: Connection, settings: Settings, now: datetime) -> None:
    conn.execute("UPDATE uploads SET state = 'receiving', sealed_at = NULL")
    silent = now + timedelta(seconds=2 * settings.heartbeat_seconds + settings.database_patience)

    assert sweep(conn, settings, silent).aborted_uploads == 0
    assert sweep(conn, settings, silent + timedelta(seconds=1)).aborted_uploads == 1
    assert postgres.scalars(conn, "SELECT state FROM uploads") == ["aborted"]
    assert postgres.scalars(conn, "SELECT count(*) FROM batches") == [0]


@pytest.mark.usefixtures("batch")
def test_an_upload_that_still_arrives_is_not_aborted(conn: Connection, settings: Settings, now: datetime) -> None:
    conn.execute("UPDATE uploads SET state = 'receiving', received_at = heartbeat_at - interval '1 day'")

    assert sweep(conn, settings, now).aborted_uploads == 0
    assert state(conn) == ("receiving", "staged")


def test_urgent_work_is_rung_as_urgent(conn: Connection, settings: Settings, now: datetime) -> None:
    upload(settings, posts_csv([("@bob", now, "ada")]), received_at=now, options=Options(priority=Priority.URGENT))

    [ring] = sweep(conn, settings, now).batches
    assert ring.priority is Priority.URGENT


def test_one_sweep_at_a_time(conn: Connection, settings: Settings, now: datetime) -> None:
    with psycopg.connect(settings.database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [locks.SWEEP])

        assert sweeping.sweep(conn, settings=settings, now=now, queues_empty=True) is None


def test_urgent_work_is_rung_and_merged_first(conn: Connection, settings: Settings, now: datetime) -> None:
    for number in range(3):
        upload(settings, posts_csv([(f"@bulk{number}", now, "ada")]), received_at=now)
    urgent = Options(priority=Priority.URGENT)
    upload(settings, posts_csv([("@urgent", now, "ada")]), received_at=now, options=urgent)
    last = postgres.scalars(conn, "SELECT max(id) FROM batches")[0]

    due = sweeping.sweep(conn, settings=settings, now=now, queues_empty=True, limit=1)
    assert due is not None
    assert due.batches == [Ring(last, Priority.URGENT)]

    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=10)
    for batch in postgres.scalars(conn, "SELECT id FROM batches ORDER BY id"):
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        assert claim is not None
        assert counting.count_batch(conn, claim, parameters, user_ids, now=now)
    [shard] = postgres.scalars(conn, "SELECT DISTINCT shard FROM deltas")
    assert merging.merge_shard(conn, shard, parameters, most_edges=1, now=now) == 1
    assert postgres.scalars(conn, "SELECT handle FROM edges JOIN users ON id = target_id") == ["urgent"]


def test_an_attempt_that_the_database_spoilt_is_given_back(
    conn: Connection, settings: Settings, now: datetime, batch: int
) -> None:
    last = msgspec.structs.replace(settings, max_attempts=1)
    claim = transitions.claim(conn, batch, settings=last, now=now)
    assert claim is not None

    assert not transitions.fail(conn, claim, PROBLEM, settings=last, now=now, its_own_fault=False)

    assert state(conn) == ("applying", "staged")
    assert transitions.claim(conn, batch, settings=last, now=now + timedelta(seconds=60))


def test_a_renewed_claim_does_not_expire(conn: Connection, settings: Settings, now: datetime, batch: int) -> None:
    claim = transitions.claim(conn, batch, settings=settings, now=now)
    assert claim is not None
    soon = now + timedelta(seconds=settings.claim_seconds - 1)

    transitions.renew(conn, [claim.token], settings=settings, now=soon)

    later = now + timedelta(seconds=settings.claim_seconds + 1)
    assert transitions.claim(conn, batch, settings=settings, now=later) is None


def test_the_same_bytes_are_known_however_they_came(conn: Connection, settings: Settings, now: datetime) -> None:
    content = posts_csv([("@bob", now, "ada")])
    first = upload(settings, content, received_at=now, again=True)

    assert upload(settings, content, received_at=now) == first
    assert upload(settings, content, received_at=now, again=True) != first
    assert postgres.scalars(conn, "SELECT count(*) FROM batches") == [2]


def test_very_short_lines_make_more_batches(conn: Connection, settings: Settings, now: datetime) -> None:
    upload(settings, b"data,timestamp,username\n" + b"x\n" * 600_000, received_at=now)

    sizes = postgres.scalars(conn, "SELECT size_bytes FROM batches ORDER BY ordinal")
    assert len(sizes) >= 3
    assert sum(sizes) == 1_200_000
    apply_all(settings, now=now)
    assert postgres.scalars(conn, "SELECT sum(rows_rejected)::int FROM batches") == [600_000]
    assert postgres.scalars(conn, "SELECT count(*) FROM rejects") == [settings.rejects_kept]


def test_the_same_bytes_with_other_options_are_no_duplicate(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    content = posts_csv([("@bob", now, "ada")])
    first = upload(settings, content, received_at=now)

    with pytest.raises(UploadRefused, match=str(first)):
        upload(settings, content, received_at=now, options=Options(clock=Clock.EVENT))
    assert upload(settings, content, received_at=now, options=Options(priority=Priority.URGENT)) == first
    assert sorted(postgres.scalars(conn, "SELECT state FROM uploads")) == ["aborted", "duplicate", "staged"]

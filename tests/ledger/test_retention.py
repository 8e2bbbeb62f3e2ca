"""Retention: what is purged, what never is, and that what can no longer be done says so."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import psycopg
import pytest

from app.errors import BadState, Problem, UploadRefused
from app.graph import counting, withdrawal
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import retention, transitions
from app.ledger.retention import Purged
from app.posts.options import Options, RejectLimit
from app.proofs import rebuild
from app.proofs.audit import audit, audit_with_weights
from app.settings import Settings
from app.store import postgres
from tests.graphs import apply_all, edges
from tests.identified import Row, ids_csv, upload_ids
from tests.uploading import posts_csv, upload

Connection = psycopg.Connection[Any]
LATER = timedelta(days=31)
REJECTED = b"data,timestamp,username\n@bob,never,ada\n@bob,2026-01-01,ada\n@cy,never,ada\n"


def send(settings: Settings, count: int, *, at: datetime, options: Options | None = None) -> UUID:
    """An upload of several batches."""
    small = msgspec.structs.replace(settings, batch_bytes=200)
    content = posts_csv([(f"@bob {number}", at, f"author{number}") for number in range(count)])
    return upload(small, content, received_at=at, again=True, options=options)


def send_identified(settings: Settings, number: int, *, at: datetime) -> UUID:
    """An upload with one post of its own, and one that each such upload has."""
    content = ids_csv([Row("@bob", at, "ada", "1"), Row("@cy", at, "ada", str(10 + number))])
    return upload_ids(settings, content, received_at=at)


def left(conn: Connection) -> tuple[int, int, int]:
    """Payloads, deltas and rejects that are there."""
    payloads = postgres.scalars(conn, "SELECT count(*) FROM batches WHERE payload IS NOT NULL")[0]
    return (
        payloads,
        postgres.scalars(conn, "SELECT count(*) FROM deltas")[0],
        postgres.scalars(conn, "SELECT count(*) FROM rejects")[0],
    )


def fail_a_batch(conn: Connection, settings: Settings, upload_id: UUID, now: datetime) -> int:
    once = msgspec.structs.replace(settings, max_attempts=1)
    batch: int = postgres.scalars(conn, "SELECT min(id) FROM batches WHERE upload_id = %(id)s", {"id": upload_id})[0]
    claim = transitions.claim(conn, batch, settings=once, now=now)
    assert claim is not None
    problem = Problem(type="urn:test", title="It broke", status=500, detail="on purpose")
    assert transitions.fail(conn, claim, problem, settings=once, now=now)
    return batch


def test_what_is_old_goes_and_the_graph_stays(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, 20, at=now)
    apply_all(settings, now=now)
    payloads, merged, _ = left(conn)
    before = edges(conn, now)
    soon, later = now + timedelta(days=29), now + LATER

    assert retention.purge(conn, settings=settings, now=soon) == Purged()
    assert retention.preview(conn, settings=settings, now=later) == Purged(payloads, merged, 0)
    assert left(conn) == (payloads, merged, 0)
    assert retention.purge(conn, settings=settings, now=later) == Purged(payloads, merged, 0)
    assert retention.purge(conn, settings=settings, now=later) == Purged()
    assert left(conn) == (0, 0, 0)
    assert edges(conn, now) == before
    assert postgres.scalars(conn, "SELECT purged_at FROM uploads") == [later]
    found = audit_with_weights(conn, sample=50, now=later)
    assert found.exact
    assert found.weights is not None
    assert found.weights.purged == 20


def test_what_is_young_keeps_all_while_what_is_old_goes(conn: Connection, settings: Settings, now: datetime) -> None:
    """Also which posts it repeats of other uploads, and that others repeat posts of it."""
    young = [send_identified(settings, number, at=now + LATER) for number in range(2)]
    old = [send(settings, 20, at=now), send(settings, 20, at=now)]
    apply_all(settings, now=now + LATER)
    conn.execute("UPDATE uploads SET finished_at = received_at")
    parts = "SELECT upload_id, count(*) FROM batches WHERE payload IS NOT NULL GROUP BY upload_id"
    kept = {upload: count for upload, count in conn.execute(parts).fetchall() if upload in young}
    links = postgres.scalars(conn, "SELECT count(*) FROM post_repeats")
    assert set(kept) == set(young)
    assert links > [0]

    purged = retention.purge(conn, settings=settings, now=now + LATER)

    assert purged.payloads > 0
    assert dict(conn.execute(parts).fetchall()) == kept
    assert postgres.scalars(conn, "SELECT count(*) FROM post_repeats") == links
    assert postgres.scalars(conn, "SELECT id FROM uploads WHERE purged_at IS NOT NULL ORDER BY id") == sorted(old)
    assert set(postgres.scalars(conn, "SELECT b.upload_id FROM deltas JOIN batches b ON b.id = batch_id")) == set(young)


MEANWHILE: dict[str, LiteralString] = {
    "is worked on again": "UPDATE uploads SET state = 'applying', finished_at = NULL",
    "has finished again": "UPDATE uploads SET finished_at = '2026-02-14'",
    "has failed, and may be replayed": "UPDATE uploads SET state = 'failed', error = NULL",
    "has a delta to merge": "UPDATE deltas SET merged_at = NULL, summarized_at = NULL",
    "has a delta to summarize": "UPDATE deltas SET summarized_at = NULL",
    "has a delta to take out of the summaries": "UPDATE deltas SET sign = -1",
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_a_purge_stops_at_an_upload_that_is_needed_meanwhile(
    conn: Connection, settings: Settings, now: datetime, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step looks at the upload again, under its lock. The list of uploads that are due was made before."""
    monkeypatch.setattr(retention, "BATCHES_AT_ONCE", 1)
    send(settings, 20, at=now)
    apply_all(settings, now=now)
    payloads = left(conn)[0]

    def happen(_: Purged) -> None:
        conn.execute(MEANWHILE[meanwhile])

    purged = retention.purge(conn, settings=settings, now=now + LATER, progress=happen)

    assert purged.payloads == 1
    assert left(conn)[0] == payloads - 1


def test_a_retracted_upload_and_one_without_an_accepted_row_keep_nothing(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    retracted = send(settings, 20, at=now)
    upload(settings, b"data,timestamp,username\n@bob,never,ada\n", received_at=now)
    apply_all(settings, now=now)
    withdrawal.retract(conn, retracted, read_parameters(conn), now=now)
    apply_all(settings, now=now)
    assert sorted(postgres.scalars(conn, "SELECT state FROM uploads")) == ["failed", "retracted"]

    retention.purge(conn, settings=settings, now=now + LATER)

    assert left(conn) == (0, 0, 0)


def test_what_was_purged_cannot_be_retracted(conn: Connection, settings: Settings, now: datetime) -> None:
    sent = send(settings, 20, at=now)
    apply_all(settings, now=now)
    retention.purge(conn, settings=settings, now=now + LATER)

    with pytest.raises(BadState, match="purged"):
        withdrawal.retract(conn, sent, read_parameters(conn), now=now)

    assert audit(conn).exact


def test_what_was_purged_in_part_cannot_be_retracted(
    conn: Connection, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = send(settings, 20, at=now)
    apply_all(settings, now=now)
    monkeypatch.setattr(retention, "BATCHES_AT_ONCE", 1)

    class Killed(Exception):
        pass

    def die(purged: Purged) -> None:
        if purged.payloads == 2:
            raise Killed

    whole = left(conn)
    with pytest.raises(Killed):
        retention.purge(conn, settings=settings, now=now + LATER, progress=die)
    assert 0 < left(conn)[0] < whole[0]

    with pytest.raises(BadState, match="purged"):
        withdrawal.retract(conn, sent, read_parameters(conn), now=now)
    assert audit_with_weights(conn, sample=50, now=now).exact
    retention.purge(conn, settings=settings, now=now + LATER)
    assert left(conn) == (0, 0, 0)


def test_what_is_not_finished_keeps_everything(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, 20, at=now)
    before = left(conn)

    assert retention.purge(conn, settings=settings, now=now + 10 * LATER) == Purged()

    assert left(conn) == before
    apply_all(settings, now=now)
    assert audit(conn).mentions_in_edges == 20


def test_a_failed_upload_keeps_its_payloads_until_it_is_replayed_or_retracted(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    sent = send(settings, 20, at=now)
    batch = fail_a_batch(conn, settings, sent, now)
    apply_all(settings, now=now)

    retention.purge(conn, settings=settings, now=now + LATER)
    assert [each.replayable for each in transitions.failed_batches(conn)] == [True]

    assert transitions.replay(conn, [batch], now=now + LATER) == [batch]
    apply_all(settings, now=now + LATER)
    assert postgres.scalars(conn, "SELECT state FROM uploads") == ["applied"]
    assert audit(conn).exact


def test_pending_deltas_are_never_purged(conn: Connection, settings: Settings, now: datetime) -> None:
    """Those of an upload that failed with some of its batches counted, and held because of its limit of rejects."""
    sent = send(settings, 20, at=now, options=Options(max_rejects=RejectLimit(rows=5)))
    parameters, user_ids = read_parameters(conn), UserIds(bits=64, memory=100)
    for batch in postgres.scalars(conn, "SELECT id FROM batches ORDER BY id OFFSET 1"):
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        assert claim is not None
        counting.count_batch(conn, claim, parameters, user_ids, now=now)
    fail_a_batch(conn, settings, sent, now)
    assert postgres.scalars(conn, "SELECT state FROM uploads") == ["failed"]
    held = left(conn)[1]
    assert held > 0
    assert audit(conn).exact

    retention.purge(conn, settings=settings, now=now + LATER)

    assert left(conn)[1] == held
    assert audit(conn).exact
    withdrawal.retract(conn, sent, parameters, now=now)
    assert left(conn)[1] == 0
    assert audit(conn).exact


@pytest.mark.parametrize("days", [91, 200])
def test_rejects_go_later_and_their_numbers_stay(
    conn: Connection, settings: Settings, now: datetime, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "REJECTS_AT_ONCE", 1)
    upload(settings, REJECTED, received_at=now)
    apply_all(settings, now=now)
    fresh = upload(settings, REJECTED, received_at=now + timedelta(days=days), again=True)
    apply_all(settings, now=now + timedelta(days=days))
    at = now + timedelta(days=days)

    retention.purge(conn, settings=settings, now=now + LATER)
    assert left(conn)[2] == 4
    assert retention.preview(conn, settings=settings, now=at).rejects == 2
    told = list[int]()
    assert (
        retention.purge(conn, settings=settings, now=at, progress=lambda done: told.append(done.rejects)).rejects == 2
    )

    assert [number for number in told if number] == [1, 2]
    assert postgres.scalars(conn, "SELECT DISTINCT upload_id FROM rejects") == [fresh]
    assert postgres.scalars(conn, "SELECT rows_rejected FROM batches") == [2, 2]
    assert postgres.scalars(conn, "SELECT rejects_purged_at FROM uploads ORDER BY received_at") == [at, None]
    assert audit(conn).exact


def test_uploads_that_came_to_nothing_are_passed_by(conn: Connection, settings: Settings, now: datetime) -> None:
    upload(settings, REJECTED, received_at=now)
    upload(settings, REJECTED, received_at=now)
    apply_all(settings, now=now)

    retention.purge(conn, settings=settings, now=now + LATER)

    assert postgres.scalars(conn, "SELECT count(*) FROM uploads WHERE purged_at IS NULL") == [0]


def entries(conn: Connection) -> dict[str, int]:
    """Uploads by state, and the rows of what belongs to uploads."""
    states = conn.execute("select state, count(*)::int from uploads group by state").fetchall()
    events = postgres.scalars(conn, "SELECT count(DISTINCT upload_id) FROM ledger_events")[0]
    return dict(states) | {"events": events}


def refuse(settings: Settings, now: datetime) -> None:
    with pytest.raises(UploadRefused):
        upload(settings, b"data,timestamp,username\n", received_at=now)


def test_uploads_of_which_nothing_is_in_the_graph_are_forgotten(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    kept = send(settings, 20, at=now)
    content = posts_csv([("@bob", now, "ada")])
    first = upload(settings, content, received_at=now)
    assert upload(settings, content, received_at=now) == first  # leaves a duplicate
    upload(settings, content, received_at=now, options=Options(dry_run=True), again=True)
    upload(settings, REJECTED.replace(b"2026-01-01", b"never"), received_at=now)
    refuse(settings, now)
    apply_all(settings, now=now)
    withdrawn = upload(settings, content + content[-10:], received_at=now)
    withdrawal.cancel(conn, withdrawn, read_parameters(conn), now=now)
    before = entries(conn)
    assert before == {
        "applied": 2, "duplicate": 1, "checked": 1, "failed": 1, "aborted": 1, "cancelled": 1, "events": 7
    }  # fmt: skip
    payloads = postgres.scalars(conn, "SELECT count(*) FROM batches WHERE payload IS NOT NULL AND state = 'checked'")
    assert payloads == [0]  # a dry run needs its bytes no more
    graph = edges(conn, now)

    assert retention.purge(conn, settings=settings, now=now + timedelta(days=6)) == Purged()
    later = now + timedelta(days=8)
    assert retention.preview(conn, settings=settings, now=later).uploads == 5
    purged = retention.purge(conn, settings=settings, now=later)

    assert (purged.uploads, purged.rejects) == (5, 3)
    assert entries(conn) == {"applied": 2, "events": 2}
    assert set(postgres.scalars(conn, "SELECT upload_id FROM batches")) == {kept, first}
    assert edges(conn, now) == graph
    assert audit(conn).exact


def test_a_flood_of_refused_uploads_leaves_so_many_entries(conn: Connection, settings: Settings, now: datetime) -> None:
    few = msgspec.structs.replace(settings, unapplied_kept=3)
    for second in range(9):
        refuse(few, now + timedelta(seconds=second))
    newest = postgres.scalars(conn, "SELECT id FROM uploads ORDER BY finished_at DESC LIMIT 3")

    assert retention.forget_unapplied(conn, settings=few, now=now) == 6

    assert set(postgres.scalars(conn, "SELECT id FROM uploads")) == set(newest)
    assert set(postgres.scalars(conn, "SELECT upload_id FROM ledger_events")) == set(newest)
    assert retention.forget_unapplied(conn, settings=few, now=now) == 0


def test_a_zip_is_forgotten_with_its_files(conn: Connection, settings: Settings, now: datetime) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", posts_csv([("@bob", now, "ada")]))
        archive.writestr("b.csv", posts_csv([("@cy", now, "ada")]))
    upload(settings, packed.getvalue(), received_at=now, options=Options(dry_run=True), again=True)
    upload(settings, packed.getvalue(), received_at=now)
    apply_all(settings, now=now)
    assert entries(conn) == {"checked": 3, "applied": 3, "events": 6}

    assert retention.forget_unapplied(conn, settings=settings, now=now + LATER) == 3

    assert entries(conn) == {"applied": 3, "events": 3}
    assert audit(conn).exact


def test_an_upload_that_another_is_a_duplicate_of_waits_for_the_other(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    content = posts_csv([("@bob", now, "ada")])
    first = upload(settings, content, received_at=now)
    upload(settings, content, received_at=now + timedelta(days=9))
    withdrawal.cancel(conn, first, read_parameters(conn), now=now)

    retention.forget_unapplied(conn, settings=settings, now=now + timedelta(days=10))
    assert entries(conn) == {"cancelled": 1, "duplicate": 1, "events": 2}

    retention.forget_unapplied(conn, settings=settings, now=now + LATER)
    assert entries(conn) == {"events": 0}
    assert audit(conn).exact


def test_a_forgotten_upload_frees_its_idempotency_key(conn: Connection, settings: Settings, now: datetime) -> None:
    refuse(settings, now)
    conn.execute("insert into idempotency_keys (key, upload_id, created_at) select 'k', id, received_at from uploads")

    assert retention.forget_unapplied(conn, settings=settings, now=now + LATER) == 1

    assert postgres.scalars(conn, "SELECT count(*) FROM idempotency_keys") == [0]


def test_what_a_killed_rebuild_left_is_cleared(conn: Connection) -> None:
    conn.execute("insert into edges_shadow values (1, 2, 1, 1, now(), now(), now())")
    with postgres.connect(conn.info.dsn + f" password={conn.info.password}", role="test") as other:
        with rebuild.alone(other, conn):
            conn.execute("insert into edges_shadow values (1, 2, 1, 1, now(), now(), now())")
            rebuild.clear_left_over(conn)
            assert postgres.scalars(conn, "SELECT count(*) FROM edges_shadow") == [1]
        conn.execute("insert into edges_shadow values (1, 2, 1, 1, now(), now(), now())")

    rebuild.clear_left_over(conn)

    assert postgres.scalars(conn, "SELECT count(*) FROM edges_shadow") == [0]

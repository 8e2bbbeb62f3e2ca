"""Posts with ids: who counts them, who takes them over, and what happens when two are at it at once."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import polars as pl
import psycopg
import pytest

import sql
from app.errors import BadState
from app.graph import counting, handover, post_ids, withdrawal
from app.graph.counting import Outcome
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import limits, retention, transitions
from app.posts.options import Format, Options, RejectLimit
from app.proofs import rebuild
from app.proofs.audit import audit, audit_with_weights
from app.reads import history, users
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from tests.conftest import until
from tests.crashing import Crash, CrashingCursor
from tests.graphs import apply_all, edges
from tests.identified import Row, ids_csv, upload_ids
from tests.uploading import posts_csv, upload

WEEK = timedelta(days=7)
WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def send(settings: Settings, *rows: Row, at: datetime, options: Options | None = None, scope: str = "test") -> UUID:
    return upload_ids(settings, ids_csv(rows), received_at=at, options=options, again=True, scope=scope)


def retract(conn: Connection, upload_id: UUID, *, now: datetime) -> list[int]:
    return withdrawal.retract(conn, upload_id, read_parameters(conn), now=now)


def count_next(conn: Connection, settings: Settings, upload_id: UUID, *, now: datetime) -> Outcome | None:
    """Count the upload's first staged batch."""
    [batch, *_] = postgres.scalars(
        conn, "SELECT id FROM batches WHERE upload_id = %(id)s AND state = 'staged' ORDER BY id", {"id": upload_id}
    )
    claim = transitions.claim(conn, batch, settings=settings, now=now)
    assert claim is not None
    return counting.count_batch(conn, claim, read_parameters(conn), UserIds(bits=64, memory=100), now=now)


def counts(conn: Connection, now: datetime) -> dict[tuple[str, str], int]:
    return {edge: held.mention_count for edge, held in edges(conn, now).items()}


def repeated(conn: Connection, upload_id: UUID) -> int | None:
    [found] = postgres.scalars(
        conn, "SELECT sum(rows_repeated)::integer FROM batches WHERE upload_id = %(id)s", {"id": upload_id}
    )
    return found


def keys(*ids: str | None, scope: str = "test") -> post_ids.Keys:
    frame = pl.DataFrame({"id": ids}, schema={"id": pl.String})
    found = post_ids.keys_of(frame, Format(",", 4, 0, 1, 2, id_scope=scope))
    assert found is not None
    return found


DAY_1 = [Row("hi @dup_b", "2024-01-01", "dup_a", "1"), Row("hey @dup_b", "2024-01-01", "dup_a", "2")]
DAY_2 = [*DAY_1, Row("yo @dup_c", "2024-01-02", "dup_a", "3")]


def test_two_exports_that_overlap(conn: Connection, settings: Settings, now: datetime) -> None:
    first = send(settings, *DAY_1, at=now)
    apply_all(settings, now=now)
    second = send(settings, *DAY_2, at=now + WEEK)
    apply_all(settings, now=now + WEEK)
    assert counts(conn, now) == {("dup_a", "dup_b"): 2, ("dup_a", "dup_c"): 1}
    assert (repeated(conn, first), repeated(conn, second)) == (0, 2)

    retract(conn, first, now=now + WEEK)

    # Until the second upload's rows are merged in, the ledger says that they are on their way.
    assert (repeated(conn, second), audit(conn).exact) == (0, True)
    with pytest.raises(BadState, match="once they are finished"):
        rebuild.swap(conn, [], read_parameters(conn), now=now)
    apply_all(settings, now=now + WEEK)
    # They weigh what the second upload gives them.
    weights = {edge: held.weight for edge, held in edges(conn, now + WEEK).items()}
    assert weights == pytest.approx({("dup_a", "dup_b"): 2.0, ("dup_a", "dup_c"): 1.0})
    assert counts(conn, now) == {("dup_a", "dup_b"): 2, ("dup_a", "dup_c"): 1}
    assert audit_with_weights(conn, sample=10, now=now + WEEK).exact
    retract(conn, second, now=now + WEEK)
    apply_all(settings, now=now + WEEK)
    assert counts(conn, now) == {}
    assert postgres.scalars(conn, "SELECT count(*) FROM post_ids") == [0]
    assert audit(conn).exact


def test_the_oldest_of_those_left_counts_a_post(conn: Connection, settings: Settings, now: datetime) -> None:
    """Each file has another text for one post, so the graph tells whose text counts."""
    sent = [send(settings, Row(f"@{name}", now, "ada", "1"), at=now) for name in ("b", "c", "d")]
    apply_all(settings, now=now)

    seen = [counts(conn, now)]
    for upload_id in sent:
        retract(conn, upload_id, now=now)
        apply_all(settings, now=now)
        seen.append(counts(conn, now))
        assert audit(conn).exact

    assert seen == [{("ada", "b"): 1}, {("ada", "c"): 1}, {("ada", "d"): 1}, {}]


def test_scopes_keep_ids_apart_and_posts_without_an_id_are_not_told_apart(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    send(settings, Row("@b", now, "ada", "1"), Row("@b", now, "ada"), Row("@b", now, "ada"), at=now, scope="one")
    send(settings, Row("@b", now, "ada", "1"), at=now, scope="another")
    apply_all(settings, now=now)

    assert counts(conn, now) == {("ada", "b"): 4}


def test_values_that_tell_no_posts_apart_are_no_ids() -> None:
    found = keys(None, "nan", "NULL", "None", "-", "0", "1.58066E+18", "1,58E+18", "7", "7.0", "8")

    assert found.rows.size == 2
    assert found.again.tolist() == [9]
    assert keys("7", scope="a").keys.tolist() != keys("7", scope="b").keys.tolist()
    assert post_ids.keys_of(pl.DataFrame({"id": ["1"]}), Format(",", 4, 0, 1, 2)) is None


def test_a_post_that_comes_twice_in_a_file_counts_by_its_first_row(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    sent = send(settings, Row("@b", now, "ada", "1"), Row("@c", now, "ada", "1"), at=now)
    apply_all(settings, now=now)

    assert counts(conn, now) == {("ada", "b"): 1}
    assert repeated(conn, sent) == 1


def test_a_dry_run_says_what_is_repeated_and_claims_nothing(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    dry = send(settings, *DAY_1, DAY_1[0], at=now, options=Options(dry_run=True))
    apply_all(settings, now=now)
    assert repeated(conn, dry) == 1
    assert postgres.scalars(conn, "SELECT count(*) FROM post_ids") == [0]
    send(settings, *DAY_1, at=now)
    apply_all(settings, now=now)

    again = send(settings, *DAY_2, at=now, options=Options(dry_run=True))
    apply_all(settings, now=now)

    assert repeated(conn, again) == 2
    assert conn.execute("SELECT mentions FROM batches WHERE upload_id = %s", [again]).fetchone() == (1,)
    assert counts(conn, now) == {("dup_a", "dup_b"): 2}
    assert audit(conn).exact


def test_a_refused_upload_hands_over_its_posts(conn: Connection, settings: Settings, now: datetime) -> None:
    small = msgspec.structs.replace(settings, batch_bytes=64)
    strict = Options(max_rejects=RejectLimit(rows=0))
    refused = send(small, Row("@b", now, "ada", "1"), Row("@b", "never", "ada", "2"), at=now, options=strict)
    count_next(conn, settings, refused, now=now)
    kept = send(settings, Row("@c", now, "ada", "1"), at=now)
    apply_all(settings, now=now)
    assert repeated(conn, kept) == 1
    with pytest.raises(limits.PostsToHandOver):
        limits.decide(conn, refused, now=now)

    withdrawal.decide(conn, refused, read_parameters(conn), now=now)

    apply_all(settings, now=now)
    assert conn.execute("SELECT state FROM uploads WHERE id = %s", [refused]).fetchone() == ("failed",)
    assert counts(conn, now) == {("ada", "c"): 1}
    assert audit(conn).exact


def test_an_upload_that_is_not_decided_holds_what_it_takes_over(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    owner = send(settings, Row("@b", now, "ada", "1"), at=now)
    apply_all(settings, now=now)
    limited = send(settings, Row("@c", now, "ada", "1"), at=now, options=Options(max_rejects=RejectLimit(rows=0)))
    count_next(conn, settings, limited, now=now)

    assert retract(conn, owner, now=now)
    apply_all(settings, now=now)

    assert counts(conn, now) == {}
    assert audit(conn).exact
    assert withdrawal.decide(conn, limited, read_parameters(conn), now=now)
    apply_all(settings, now=now)
    assert counts(conn, now) == {("ada", "c"): 1}
    assert audit(conn).exact


def test_what_was_handed_over_and_not_merged_goes_with_its_upload(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    first, second = (send(settings, *DAY_1, at=now) for _ in range(2))
    apply_all(settings, now=now)

    retract(conn, first, now=now)
    retract(conn, second, now=now)

    assert audit(conn).exact
    apply_all(settings, now=now)
    assert counts(conn, now) == {}
    assert audit(conn).exact


def test_the_history_of_an_edge_adds_up_the_parts_of_a_batch(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    owners = [send(settings, Row("@b", now + day * WEEK, "ada", str(day)), at=now) for day in range(3)]
    holder = send(settings, *(Row("@b", now + day * WEEK, "ada", str(day)) for day in range(4)), at=now)
    apply_all(settings, now=now)
    for owner in owners:
        retract(conn, owner, now=now)
    apply_all(settings, now=now)

    async def read() -> list[history.Contribution]:
        async with postgres.async_pool(settings.database_url, role="test", size=2, statement_timeout=30) as pool:
            async with pool.connection() as reading:
                ada, b = await users.find_users(reading, ["ada", "b"], read_parameters(conn))
            found = await history.history(pool, ada, b, read_parameters(conn), before=2**60, limit=10)
            return found.contributions

    of_holder, *others = asyncio.run(read())
    assert (of_holder.upload_id, of_holder.mention_count, of_holder.retracted) == (holder, 4, False)
    assert (of_holder.first_seen, of_holder.last_seen) == (now, now + 3 * WEEK)
    assert [(each.mention_count, each.retracted) for each in others] == [(1, True)] * 3


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_retraction_dies_at_each_statement(
    conn: Connection, settings: Settings, now: datetime, *, after: bool
) -> None:
    """Nothing of a retraction is done, or all of it: the owner leaves, and the holder counts its post."""
    parameters = read_parameters(conn)
    for statement in range(100):
        owner, _ = (send(settings, Row(f"@b{statement}", now, "ada", str(statement + 1)), at=now) for _ in range(2))
        apply_all(settings, now=now)
        dying = postgres.connect(settings.database_url, role="test")
        dying.cursor_factory = CrashingCursor
        CrashingCursor.left, CrashingCursor.after = statement, after
        survived = False
        with suppress(Crash, psycopg.OperationalError):
            withdrawal.retract(dying, owner, parameters, now=now)
            survived = True
        CrashingCursor.left = None
        dying.close()

        assert audit(conn).exact
        if survived:
            break
        with suppress(BadState):  # the last statement was done, and its answer lost
            withdrawal.retract(conn, owner, parameters, now=now)
    else:
        pytest.fail("the retraction never came to its end")
    apply_all(settings, now=now)

    assert statement > 20
    assert counts(conn, now) == {("ada", f"b{each}"): 1 for each in range(statement + 1)}
    assert audit(conn).exact


# Two at once ----------------------------------------------------------------------------------------------------------


def test_who_claims_second_waits_for_the_first(settings: Settings, conn: Connection) -> None:
    """If the first gives up, the second owns the posts."""
    for gives_up, wanted in [(True, []), (False, [0, 1, 2])]:
        conn.execute("TRUNCATE post_ids")
        with (
            postgres.connect(settings.database_url, role="test") as one,
            postgres.connect(settings.database_url, role="test") as other,
            ThreadPoolExecutor(1) as thread,
        ):
            claiming: Future[post_ids.Elsewhere]
            with one.transaction(force_rollback=gives_up):
                assert post_ids.claim(one, 1, keys("a", "b", "c")) == post_ids.Elsewhere([], [])
                claiming = thread.submit(post_ids.claim, other, 2, keys("c", "b", "a"))
                until(lambda: conn.execute(WAITING).fetchall(), within=10, what="the second claim waits")
            assert sorted(claiming.result(10).positions) == wanted


def test_claims_of_the_same_posts_in_any_order_never_wait_for_each_other(settings: Settings) -> None:
    """Without one order of keys, two claims would each hold what the other waits for; see graph/post_ids/claim."""
    ids = [str(number) for number in range(1, 3001)]

    def claim(batch: int) -> int:
        own = keys(*random.Random(batch).sample(ids, len(ids)))
        with postgres.connect(settings.database_url, role="test") as conn, conn.transaction():
            return len(ids) - len(post_ids.claim(conn, batch, own).positions)

    with ThreadPoolExecutor(4) as threads:
        owned = list(threads.map(claim, range(1, 9)))

    assert sorted(owned) == [0] * 7 + [3000]


def test_keys_are_sorted_whatever_the_order_of_rows() -> None:
    ids = [str(number) for number in range(100)]

    assert (
        keys(*ids).keys.tobytes() == keys(*reversed(ids)).keys.tobytes() == b"".join(sorted(keys(*ids).keys.tolist()))
    )


def test_a_count_waits_for_whoever_takes_an_upload_out(conn: Connection, settings: Settings, now: datetime) -> None:
    """The count would otherwise be linked to an owner that is leaving, and nobody would count the post."""
    owner = send(settings, *DAY_1, at=now)
    apply_all(settings, now=now)
    send(settings, *DAY_1, at=now)
    with postgres.connect(settings.database_url, role="test") as leaving, ThreadPoolExecutor(1) as thread:
        with leaving.transaction():
            handover.begin(leaving, owner, read_parameters(conn))
            counted = thread.submit(apply_all, settings, now=now)
            until(lambda: conn.execute(WAITING).fetchall(), within=10, what="the count waits")
            retract(leaving, owner, now=now)
        counted.result(20)
    apply_all(settings, now=now)

    assert counts(conn, now) == {("dup_a", "dup_b"): 2}
    assert audit(conn).exact


def test_whoever_takes_an_upload_out_waits_for_a_count(conn: Connection, settings: Settings, now: datetime) -> None:
    owner = send(settings, *DAY_1, at=now)
    apply_all(settings, now=now)
    second = send(settings, *DAY_1, at=now)
    with (
        postgres.connect(settings.database_url, role="test") as other,
        postgres.connect(settings.database_url, role="test") as third,
        ThreadPoolExecutor(1) as thread,
    ):
        with other.transaction():
            count_next(other, settings, second, now=now)
            left = thread.submit(retract, third, owner, now=now)
            until(lambda: conn.execute(WAITING).fetchall(), within=10, what="the retraction waits")
        left.result(20)
    apply_all(settings, now=now)

    assert counts(conn, now) == {("dup_a", "dup_b"): 2}
    assert audit(conn).exact


def test_an_attempt_that_was_superseded_claims_nothing(conn: Connection, settings: Settings, now: datetime) -> None:
    send(settings, *DAY_1, at=now)
    [batch] = postgres.scalars(conn, "SELECT id FROM batches")
    claim = transitions.claim(conn, batch, settings=settings, now=now)
    assert claim is not None
    conn.execute("UPDATE batches SET claim = gen_random_uuid()")

    assert counting.count_batch(conn, claim, read_parameters(conn), UserIds(bits=64, memory=10), now=now) is None
    assert postgres.scalars(conn, "SELECT count(*) FROM post_ids") == [0]


# Retention ------------------------------------------------------------------------------------------------------------


def purge(conn: Connection, settings: Settings, *, now: datetime) -> list[Any]:
    """Purge; the uploads that are purged."""
    retention.purge(conn, settings=settings, now=now)
    return postgres.scalars(conn, "SELECT id FROM uploads WHERE purged_at IS NOT NULL ORDER BY received_at")


def test_what_a_holder_may_have_to_count_is_kept(conn: Connection, settings: Settings, now: datetime) -> None:
    """The holder is older than the owner: its own time is over, and the owner may still be retracted."""
    holder = send(settings, *DAY_1, at=now)
    owner = send(settings, *DAY_1, at=now)
    count_next(conn, settings, owner, now=now)
    apply_all(settings, now=now)
    conn.execute("UPDATE uploads SET finished_at = %s WHERE id = %s", [now + 20 * timedelta(days=1), owner])
    later = now + timedelta(days=31)
    assert retention.preview(conn, settings=settings, now=later).payloads == 0
    assert purge(conn, settings, now=later) == []

    retract(conn, owner, now=later)

    # What it took over is not merged yet: nothing may be purged.
    conn.execute("UPDATE uploads SET finished_at = %s WHERE id = %s", [now, holder])
    assert holder not in purge(conn, settings, now=later)
    apply_all(settings, now=later)
    assert counts(conn, now) == {("dup_a", "dup_b"): 2}
    assert purge(conn, settings, now=later) == [holder]
    assert audit(conn).exact


def test_posts_of_a_purged_upload_are_counted_for_ever(conn: Connection, settings: Settings, now: datetime) -> None:
    owner = send(settings, *DAY_1, at=now)
    apply_all(settings, now=now)
    later = now + timedelta(days=31)
    assert purge(conn, settings, now=later) == [owner]

    again = send(settings, *DAY_2, at=later)
    apply_all(settings, now=later)

    assert repeated(conn, again) == 2
    assert counts(conn, now) == {("dup_a", "dup_b"): 2, ("dup_a", "dup_c"): 1}
    with pytest.raises(BadState, match="purged"):
        retract(conn, owner, now=later)
    retract(conn, again, now=later)
    apply_all(settings, now=later)
    assert counts(conn, now) == {("dup_a", "dup_b"): 2}
    assert audit(conn).exact


def test_an_upload_whose_posts_a_purged_one_holds_stays(conn: Connection, settings: Settings, now: datetime) -> None:
    """Both are due, and the purge ended after the first: nobody could count the posts of the second."""
    owner = send(settings, *DAY_1, at=now)
    holder = send(settings, *DAY_2, at=now)
    apply_all(settings, now=now)
    later = now + timedelta(days=31)
    before = later - timedelta(days=settings.retention_days)
    while retention._batches(conn, holder, before, now=later):  # pyright: ignore[reportPrivateUsage]
        pass

    with pytest.raises(BadState, match=str(holder)):
        retract(conn, owner, now=later)

    assert audit(conn).exact


# Proofs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM post_ids WHERE key = (SELECT min(key::text)::uuid FROM post_ids)",
        "INSERT INTO post_ids VALUES (gen_random_uuid(), 10000)",
        "UPDATE batches SET ids_owned = ids_owned - 1",
    ],
)
def test_the_audit_finds_posts_that_are_not_owned_as_the_ledger_says(
    conn: Connection, settings: Settings, now: datetime, damage: str
) -> None:
    send(settings, *DAY_1, at=now)
    apply_all(settings, now=now)
    assert audit(conn).exact

    conn.execute(damage)  # pyright: ignore[reportArgumentType, reportCallIssue]

    assert audit(conn).batches_unlike_their_ids == 1
    assert not audit(conn).exact


def test_a_rebuild_that_began_before_a_handover_is_refused(conn: Connection, settings: Settings, now: datetime) -> None:
    owner = send(settings, *DAY_1, at=now)
    send(settings, *DAY_2, at=now)
    apply_all(settings, now=now)
    parameters = read_parameters(conn)
    recounted = rebuild.count_anew(conn, parameters, UserIds(bits=64, memory=100))
    retract(conn, owner, now=now)
    apply_all(settings, now=now)

    assert rebuild.compare(conn, recounted, parameters, now=now)[0].same
    with pytest.raises(BadState, match="start it again"):
        rebuild.swap(conn, recounted, parameters, now=now)
    conn.execute("TRUNCATE edges_shadow")
    rebuild.swap(conn, rebuild.count_anew(conn, parameters, UserIds(bits=64, memory=100)), parameters, now=now)
    assert counts(conn, now) == {("dup_a", "dup_b"): 2, ("dup_a", "dup_c"): 1}
    assert audit_with_weights(conn, sample=10, now=now).exact


# Without ids ----------------------------------------------------------------------------------------------------------


class RecordingCursor(psycopg.Cursor[Any]):
    """Remembers the statements that it runs."""

    seen: list[str] = []  # noqa: RUF012

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        self.seen.append(query)
        return super().execute(query, *args, **kwargs)


def test_an_upload_without_ids_runs_the_statements_that_it_ran_before(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    sent = upload(settings, posts_csv([("@bob", now, "ada")]) + b"@cy,never,ada\n", received_at=now)
    by_text = {sql.query(name): name for name in sql.names()}
    with postgres.connect(settings.database_url, role="test") as recorded:
        recorded.cursor_factory = RecordingCursor
        parameters = read_parameters(conn)
        [batch] = postgres.scalars(conn, "SELECT id FROM batches")
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        assert claim is not None
        RecordingCursor.seen.clear()
        counting.count_batch(recorded, claim, parameters, UserIds(bits=64, memory=10), now=now)
        counted = [by_text[query] for query in RecordingCursor.seen if query in by_text]
        apply_all(settings, now=now)
        RecordingCursor.seen.clear()
        withdrawal.retract(recorded, sent, parameters, now=now)
        withdrawn = [by_text[query] for query in RecordingCursor.seen if query in by_text]

    ours = [name for name in counted if not name.startswith("graph/users/") and name != "store/locks/take_part"]
    assert ours == [
        "graph/kept_out/get",  # one for each batch: who is forgotten, or stays out
        "store/postgres/commit_later",
        "graph/counting/set_counted",
        "graph/counting/insert_delta",
        "ledger/limits/rejects_kept",
        "ledger/transitions/lock_upload",
        "ledger/limits/rejects_kept",
        "graph/counting/set_rejects",
        "graph/counting/insert_rejects",
    ]
    assert withdrawn == [
        "graph/withdrawal/members",  # of a zip
        "ledger/transitions/lock_upload",
        *["store/locks/take"] * parameters.shards,
        "ledger/transitions/lock_batches_of",
        "ledger/transitions/lock_upload",
        "graph/withdrawal/withdraw_upload",
        "graph/withdrawal/purged",
        "ledger/transitions/drop_pending_deltas",
        "graph/withdrawal/withdraw_deltas",
        "ledger/transitions/withdraw_batches",
        "ledger/transitions/lock_uploads",
        "ledger/transitions/finish_uploads",
    ]
    assert conn.execute("SELECT rows_repeated, ids_owned FROM batches").fetchall() == [(None, None)]

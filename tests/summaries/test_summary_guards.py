"""A statement about summaries changes the deltas, runs and users that it was given, in its own direction."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection, execute, scalars
from tests.entering import insert_batch, insert_delta, insert_upload

WEEK = timedelta(days=7)
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
DELTAS = {(shard, batch, part) for shard in (0, 1) for batch in (0, 1) for part in (0, 1)}
"""Shard, number of the batch, and part."""

Held = tuple[str, int]
"""A direction, and a user who is held among the heaviest."""


@pytest.fixture
def batches(conn: Connection, now: datetime) -> list[int]:
    """Two batches with a merged delta for each shard and part."""
    upload = insert_upload(conn, UploadState.APPLYING, now)
    found = [insert_batch(conn, upload, "counted", now, ordinal=ordinal) for ordinal in range(2)]
    for shard, number, part in DELTAS:
        insert_delta(conn, found[number], shard=shard, part=part, merged_at=now)
    return found


def of_one(batches: list[int], now: datetime) -> dict[str, Any]:
    return {"shards": [0], "batch_ids": [batches[1]], "parts": [1], "now": now, "days_from": None}


def test_only_what_was_added_is_entered_as_added_and_once(conn: Connection, batches: list[int], now: datetime) -> None:
    where = "SELECT shard, batch_id, part, summarized_at FROM deltas WHERE summarized_at IS NOT NULL"

    assert execute(conn, sql.query("summaries/summarizing/set_added"), of_one(batches, now)) == 1
    assert execute(conn, sql.query("summaries/summarizing/set_added"), of_one(batches, now + WEEK)) == 0
    assert conn.execute(where).fetchall() == [(0, batches[1], 1, now)]


def test_only_what_was_removed_is_entered_as_removed_and_once(
    conn: Connection, batches: list[int], now: datetime
) -> None:
    conn.execute("UPDATE deltas SET summarized_at = %s", [now])

    assert execute(conn, sql.query("summaries/summarizing/set_removed"), of_one(batches, now)) == 1
    assert execute(conn, sql.query("summaries/summarizing/set_removed"), of_one(batches, now)) == 0
    where = "SELECT shard, batch_id, part FROM deltas WHERE summarized_at IS NULL"
    assert conn.execute(where).fetchall() == [(0, batches[1], 1)]


def test_only_the_deltas_of_a_step_are_locked_and_nobody_waits(
    conn: Connection, dsn: str, batches: list[int], now: datetime
) -> None:
    lock = sql.query("summaries/summarizing/lock_deltas")

    with conn.transaction(), psycopg.connect(dsn, autocommit=True) as other:
        assert conn.execute(lock, of_one(batches, now)).fetchall() == [(batches[1],)]
        free = other.execute("SELECT shard, batch_id, part FROM deltas FOR NO KEY UPDATE SKIP LOCKED").fetchall()
        other.execute("SET lock_timeout = '10s'")
        with pytest.raises(psycopg.errors.LockNotAvailable, match="could not obtain lock"):
            other.execute(lock, of_one(batches, now))

    numbered = {(shard, batches.index(batch), part) for shard, batch, part in free}
    assert numbered == DELTAS - {(0, 1, 1)}


def test_runs_of_days_go_by_their_part_and_by_their_last_day(conn: Connection) -> None:
    runs = dict[tuple[int, int], int]()
    for part in (0, 1):
        for day in (1, 2):
            about = {"part": part, "level": 0, "entries": 1, "last_day": date(2026, 1, day)}
            [runs[part, day]] = scalars(conn, sql.query("summaries/days/insert"), about)

    about = {"part": 0, "runs": [runs[0, 1], runs[1, 1]]}
    assert execute(conn, sql.query("summaries/days/delete"), about) == 1
    assert set(scalars(conn, "SELECT run FROM day_runs")) == set(runs.values()) - {runs[0, 1]}
    assert execute(conn, sql.query("summaries/days/expire"), {"first_day": date(2026, 1, 2)}) == 1
    assert set(scalars(conn, "SELECT run FROM day_runs")) == {runs[0, 2], runs[1, 2]}


@pytest.fixture
def users(conn: Connection, now: datetime) -> None:
    """Users 1 to 4, the first the heaviest. Each is held in both directions."""
    for user in range(1, 5):
        total(conn, user, now, made=float(2 ** (9 - user)), received=float(2 ** (9 - user)))
        hold(conn, "made", user, 9.0 - user)
        hold(conn, "received", user, 9.0 - user)


def total(conn: Connection, user: int, now: datetime, *, made: float, received: float) -> None:
    numbers = [user, int(made > 0), int(received > 0), made, received, now]
    conn.execute("INSERT INTO user_totals VALUES (%s, %s, %s, 0, %s, %s, %s)", numbers)


def hold(conn: Connection, direction: str, user: int, score: float) -> None:
    conn.execute("INSERT INTO top_users VALUES (%s, %s, %s)", [direction, user, score])


def set_floor(conn: Connection, direction: str, score: float, user: int) -> None:
    conn.execute("UPDATE top_user_floors SET score = %s, user_id = %s WHERE direction = %s", [score, user, direction])


def held(conn: Connection) -> set[Held]:
    return set(conn.execute("SELECT direction, user_id FROM top_users").fetchall())


def floors(conn: Connection) -> dict[str, tuple[float, int]]:
    found = conn.execute("SELECT direction, score, user_id FROM top_user_floors").fetchall()
    return {direction: (score, user) for direction, score, user in found}


@pytest.mark.usefixtures("users")
def test_one_direction_is_cleared(conn: Connection) -> None:
    execute(conn, sql.query("summaries/user_totals/clear_top"), {"direction": "made"})

    assert held(conn) == {("received", user) for user in range(1, 5)}


@pytest.mark.usefixtures("users")
def test_one_direction_is_trimmed(conn: Connection) -> None:
    before, floors_before = held(conn), floors(conn)
    conn.execute("UPDATE top_users SET score = 6 WHERE user_id = 4 AND direction = 'made'")  # as much as user 3

    execute(conn, sql.query("summaries/user_totals/trim"), {"direction": "made", "keep": 2})

    assert held(conn) == before - {("made", 3), ("made", 4)}
    assert floors(conn) == floors_before | {"made": (6.0, 3)}


def test_of_users_with_the_score_of_the_first_that_is_not_held_those_before_stay(conn: Connection) -> None:
    for user, score in {7: 9.0, 1: 8.0, 2: 6.0, 3: 6.0, 4: 6.0, 0: 5.0}.items():
        hold(conn, "made", user, score)

    execute(conn, sql.query("summaries/user_totals/trim"), {"direction": "made", "keep": 3})

    assert held(conn) == {("made", 7), ("made", 1), ("made", 2)}


@pytest.mark.usefixtures("users")
def test_who_fell_to_the_floor_of_a_direction_or_weighs_nothing_is_held_no_longer(conn: Connection) -> None:
    before = held(conn)
    set_floor(conn, "made", 6.0, 3)  # the score of user 3
    conn.execute("UPDATE user_totals SET weight_received = 0 WHERE user_id = 2")
    conn.execute("UPDATE user_totals SET weight_made = 0 WHERE user_id = 1")

    execute(conn, sql.query("summaries/user_totals/drop_fallen"), {"user_ids": [2, 3]})
    assert held(conn) == before - {("made", 3), ("received", 2)}
    execute(conn, sql.query("summaries/user_totals/drop_fallen"), {"user_ids": [4, 1]})
    assert held(conn) == {("made", 2), ("received", 1), ("received", 3), ("received", 4)}


@pytest.mark.usefixtures("users")
def test_who_is_above_the_floor_is_still_held_whoever_is_on_it(conn: Connection) -> None:
    before = held(conn)
    set_floor(conn, "made", 6.5, 1)

    execute(conn, sql.query("summaries/user_totals/drop_fallen"), {"user_ids": [2]})

    assert held(conn) == before


@pytest.mark.usefixtures("users")
def test_who_has_the_score_of_the_floor_and_comes_before_is_still_held(conn: Connection) -> None:
    before = held(conn)
    set_floor(conn, "made", 6.0, 4)

    execute(conn, sql.query("summaries/user_totals/drop_fallen"), {"user_ids": [3]})

    assert held(conn) == before


def add(
    conn: Connection, now: datetime, made: dict[int, float], *, most: int, received: float = 0.0, light: float = 0.001
) -> None:
    """Add users by what the mentions weigh that they made. Those that they received weigh the same for each user."""
    users = sorted(made)
    columns = {
        "user_ids": users,
        "mentions_made": [1] * len(users),
        "mentions_received": [0] * len(users),
        "self_mentions": [0] * len(users),
        "weights_made": [made[user] for user in users],
        "weights_received": [received] * len(users),
        "weighed_at": [now] * len(users),
    }
    passed_over = {"light_made": 0.0, "light_received": light, "latest": NOON}
    execute(
        conn,
        sql.query("summaries/user_totals/add"),
        {**columns, **passed_over, "half_life_seconds": WEEK.total_seconds(), "most": most},
    )


def test_of_users_who_come_to_the_score_of_the_floor_those_with_lower_ids_are_held(
    conn: Connection, now: datetime
) -> None:
    about = {"now": now, "half_life_seconds": WEEK.total_seconds()}
    (score,) = scalars(
        conn, "SELECT weight_score(1, %(now)s::timestamptz, %(half_life_seconds)s::double precision)", about
    )
    set_floor(conn, "made", score, 5)

    add(conn, now, {4: 1.0, 6: 1.0, 7: 2.0, 1: 0.5}, most=10)

    assert held(conn) == {("made", 4), ("made", 7)}


def test_the_light_are_looked_at_where_they_were_weighed_later_than_was_reckoned_with(conn: Connection) -> None:
    add(conn, NOON, {1: 0.0}, most=10, received=0.5, light=1.0)
    add(conn, NOON + WEEK, {2: 0.0}, most=10, received=0.5, light=1.0)

    assert {user for direction, user in held(conn) if direction == "received"} == {2}


def test_only_the_floor_of_the_direction_rises_that_more_users_came_to_than_are_held(
    conn: Connection, now: datetime
) -> None:
    before = floors(conn)

    add(conn, now, {1: 4.0, 2: 2.0, 3: 1.0}, most=1)

    assert held(conn) == {("made", 1)}
    assert {each for each, floor in floors(conn).items() if floor != before[each]} == {"made"}
    assert floors(conn)["made"][1] == 2


@pytest.mark.usefixtures("users")
def test_only_these_users_are_scored_anew_each_by_its_direction(conn: Connection, now: datetime) -> None:
    conn.execute("UPDATE user_totals SET weight_received = 1, weighed_at = to_timestamp(0)")
    conn.execute("UPDATE user_totals SET weight_made = 0 WHERE user_id = 3")

    about = {"user_ids": [2, 3], "half_life_seconds": WEEK.total_seconds(), "now": now}
    assert execute(conn, sql.query("summaries/user_totals/rescore"), about) == 2

    scores = "SELECT direction, user_id, score FROM top_users WHERE score <> 9 - user_id ORDER BY user_id"
    assert conn.execute(scores).fetchall() == [("received", 2, 0.0), ("received", 3, 0.0)]


def test_totals_of_all_edges_are_of_each_user_and_each_direction(conn: Connection, now: datetime) -> None:
    """User 1 mentions 2 twice and 3 once, user 2 mentions 1, and user 3 mentions themselves."""
    edge = "INSERT INTO edges VALUES (%s, %s, %s, %s, %s, %s, %s)"
    for source, target, count in ((1, 2, 2), (1, 3, 1), (2, 1, 4), (3, 3, 8)):
        conn.execute(edge, [source, target, count, float(count), now, now, now])
    conn.execute("UPDATE edges SET weighed_at = %s WHERE source_id = 1 AND target_id = 3", [now - WEEK])

    execute(conn, sql.query("summaries/user_totals/recount"), {"half_life_seconds": WEEK.total_seconds()})

    found = conn.execute("SELECT * FROM user_totals ORDER BY user_id").fetchall()
    assert found == [
        (1, 3, 4, 0, 2.5, 4.0, now),
        (2, 4, 2, 0, 4.0, 2.0, now),
        (3, 0, 1, 8, 0.0, 0.5, now),
    ]


@pytest.mark.parametrize("keep", [2, 4])
def test_the_first_users_of_a_direction_are_held_and_the_next_one_is_its_floor(
    conn: Connection, now: datetime, keep: int
) -> None:
    """User 5 has no mentions in this direction, so nothing is held of them."""
    for user in range(1, 6):
        total(conn, user, now, made=float(2 ** (9 - user)) if user < 5 else 0.0, received=1.0)
    before = floors(conn)

    weighing = {"half_life_seconds": WEEK.total_seconds()}
    execute(conn, sql.query("summaries/user_totals/refill"), {"direction": "made", "keep": keep, **weighing})

    assert held(conn) == {("made", user) for user in range(1, keep + 1)}
    assert floors(conn)["received"] == before["received"]
    assert floors(conn)["made"][1] == (3 if keep == 2 else before["made"][1])


def test_what_is_taken_out_leaves_nothing_of_the_last_mention(conn: Connection, now: datetime) -> None:
    """User 1 keeps a mention made, user 2 a mention received, and nothing is taken out of user 3's."""
    for user in range(1, 4):
        total(conn, user, now, made=3.0, received=3.0)
    conn.execute("UPDATE user_totals SET mentions_made = 2, mentions_received = 2")
    taken = {
        "user_ids": [1, 2],
        "mentions_made": [1, 2],
        "mentions_received": [2, 1],
        "self_mentions": [0, 0],
        "weights_made": [1.0, 1.0],
        "weights_received": [1.0, 1.0],
        "weighed_at": [now, now],
        "half_life_seconds": WEEK.total_seconds(),
    }

    assert execute(conn, sql.query("summaries/user_totals/subtract"), taken) == 2

    weights = "SELECT mentions_made, mentions_received, weight_made, weight_received FROM user_totals ORDER BY user_id"
    assert conn.execute(weights).fetchall() == [(1, 0, 2.0, 0.0), (0, 1, 0.0, 2.0), (2, 2, 3.0, 3.0)]


def test_totals_go_with_the_last_mention_of_their_user(conn: Connection, now: datetime) -> None:
    for user, (made, received) in enumerate([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.0, 0.0)]):
        total(conn, user, now, made=made, received=received)
    conn.execute("UPDATE user_totals SET self_mentions = 1 WHERE user_id = 3")

    execute(conn, sql.query("summaries/user_totals/delete_empty"), {"user_ids": [0, 1, 2, 3]})

    assert scalars(conn, "SELECT user_id FROM user_totals ORDER BY user_id") == [1, 2, 3, 4]


def test_trends_are_stale_only_since_a_day_changed(conn: Connection, now: datetime) -> None:
    def stale_since(*, days_changed: bool, at: datetime) -> datetime | None:
        ended = {"now": at, "seconds": 1.0, "days_changed": days_changed}
        execute(conn, sql.query("summaries/summarizing/set_ended"), ended)
        (found,) = scalars(conn, "SELECT trends_stale_since FROM summaries")
        return found

    conn.execute("UPDATE summaries SET trends_stale_since = NULL")
    assert stale_since(days_changed=False, at=now) is None
    assert stale_since(days_changed=True, at=now) == now
    assert stale_since(days_changed=True, at=now + WEEK) == now

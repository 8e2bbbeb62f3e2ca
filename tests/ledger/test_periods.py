"""A period is worked once, however many ask; a missed one is caught up, and a killed one taken up by another."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import hypothesis
import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from app.ledger import bells, periods
from app.ledger.periods import Period
from app.ledger.retention import Purged
from app.settings import Settings
from app.store import postgres
from workers import main
from workers.process import Process
from workers.process import process as unused

Connection = psycopg.Connection[Any]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PERIODIC = [bells.SWEEP, bells.DECAY, bells.PURGE, bells.SUMMARIZE]


def begin(conn: Connection, settings: Settings, now: datetime) -> Period | None:
    return periods.begin(conn, "purge", every=HOUR, settings=settings, now=now)


def worked(conn: Connection, settings: Settings, now: datetime) -> Period:
    """A period that was begun and finished at this instant."""
    period = begin(conn, settings, now)
    assert period is not None
    assert periods.finish(conn, period, now=now)
    return period


def test_periods_begin_at_whole_hours_and_at_midnight(now: datetime) -> None:
    late = now + timedelta(minutes=59, seconds=59)

    assert periods.start_of(late, HOUR) == now
    assert periods.start_of(late, DAY) == now.replace(hour=0)


def test_a_period_is_worked_once(conn: Connection, settings: Settings, now: datetime) -> None:
    worked(conn, settings, now)

    assert begin(conn, settings, now + timedelta(minutes=59)) is None
    worked(conn, settings, now + HOUR)


def test_of_many_who_ask_at_one_instant_one_works(settings: Settings, now: datetime) -> None:
    askers = 8
    barrier = Barrier(askers)

    def ask(_: int) -> list[Period]:
        taken = list[Period]()
        with postgres.connect(settings.database_url, role="test") as conn:
            for hour in range(20):
                barrier.wait()
                period = begin(conn, settings, now + hour * HOUR)
                if period is not None:
                    taken.append(period)
                barrier.wait()
                if period is not None:
                    periods.finish(conn, period, now=now)
        return taken

    with ThreadPoolExecutor(askers) as threads:
        taken = [period.start for found in threads.map(ask, range(askers)) for period in found]

    assert sorted(taken) == [now + hour * HOUR for hour in range(20)]


def test_missed_periods_are_caught_up_at_once(conn: Connection, settings: Settings, now: datetime) -> None:
    worked(conn, settings, now)

    caught_up = worked(conn, settings, now + 5.5 * HOUR)

    assert caught_up.start == now + 5 * HOUR
    assert begin(conn, settings, now + 5.6 * HOUR) is None


def test_a_killed_one_is_taken_up_by_another(conn: Connection, settings: Settings, now: datetime) -> None:
    killed = begin(conn, settings, now)
    assert killed is not None
    expired = now + timedelta(seconds=settings.claim_seconds)
    assert begin(conn, settings, expired - timedelta(seconds=1)) is None

    taken_up = begin(conn, settings, expired)

    assert taken_up is not None
    assert (taken_up.start, taken_up.token != killed.token) == (killed.start, True)
    assert not periods.finish(conn, killed, now=expired), "it was only asleep: its claim is superseded"
    assert periods.finish(conn, taken_up, now=expired)
    assert begin(conn, settings, expired) is None


def test_one_that_is_renewed_is_in_good_hands(conn: Connection, settings: Settings, now: datetime) -> None:
    period = begin(conn, settings, now)
    assert period is not None
    soon = now + timedelta(seconds=settings.claim_seconds - 1)

    periods.renew(conn, [period.token], settings=settings, now=soon)

    assert begin(conn, settings, now + timedelta(seconds=settings.claim_seconds + 1)) is None
    assert begin(conn, settings, soon + timedelta(seconds=settings.claim_seconds))


def test_who_renews_a_period_renews_no_other(conn: Connection, settings: Settings, now: datetime) -> None:
    killed = begin(conn, settings, now)
    alive = periods.begin(conn, "sweep", every=HOUR, settings=settings, now=now)
    assert killed is not None
    assert alive is not None

    periods.renew(conn, [alive.token], settings=settings, now=now + timedelta(seconds=settings.claim_seconds - 1))

    assert begin(conn, settings, now + timedelta(seconds=settings.claim_seconds + 1))


def test_a_period_still_being_worked_holds_up_the_next(conn: Connection, settings: Settings, now: datetime) -> None:
    period = begin(conn, settings, now + timedelta(minutes=59, seconds=50))
    assert period is not None

    assert begin(conn, settings, now + HOUR) is None

    periods.finish(conn, period, now=now + HOUR)
    assert begin(conn, settings, now + HOUR)


def test_a_clock_that_is_slow_does_not_work_a_period_again(conn: Connection, settings: Settings, now: datetime) -> None:
    worked(conn, settings, now + HOUR)

    assert begin(conn, settings, now) is None


# Another length -------------------------------------------------------------------------------------------------------


def finished(conn: Connection, settings: Settings, now: datetime, every: timedelta) -> Period | None:
    """The period that was begun and finished at this instant; None if there was nothing to do."""
    period = periods.begin(conn, "purge", every=every, settings=settings, now=now)
    if period is not None:
        assert periods.finish(conn, period, now=now)
    return period


def test_shorter_periods_begin_with_the_present_one(conn: Connection, settings: Settings, now: datetime) -> None:
    assert finished(conn, settings, now.replace(hour=0), DAY)

    at_once = finished(conn, settings, now, HOUR)

    assert at_once is not None
    assert at_once.start == now
    assert finished(conn, settings, now + timedelta(minutes=59), HOUR) is None
    assert finished(conn, settings, now + HOUR, HOUR)


def test_a_longer_period_repeats_nothing_and_the_next_one_is_on_time(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    assert finished(conn, settings, now, HOUR)

    for hours in range(1, 12):
        assert finished(conn, settings, now + hours * HOUR, DAY) is None
    midnight = finished(conn, settings, now + 12 * HOUR, DAY)

    assert midnight is not None
    assert midnight.start == now + 12 * HOUR


@pytest.mark.parametrize(("before", "after"), [(DAY, HOUR), (HOUR, DAY)])
def test_a_period_in_work_is_finished_first_whatever_the_new_length(
    conn: Connection, settings: Settings, now: datetime, before: timedelta, after: timedelta
) -> None:
    working = periods.begin(conn, "purge", every=before, settings=settings, now=now)
    assert working is not None

    assert finished(conn, settings, now + timedelta(seconds=settings.claim_seconds - 1), after) is None

    killed = now + timedelta(seconds=settings.claim_seconds)
    taken_over = finished(conn, settings, killed, after)
    assert taken_over is not None
    assert not periods.finish(conn, working, now=killed)
    assert finished(conn, settings, killed + timedelta(seconds=1), after) is None


LENGTHS = st.sampled_from([timedelta(minutes=1), timedelta(minutes=7), timedelta(minutes=90), HOUR, 5 * HOUR, DAY])
STEPS = st.lists(
    st.tuples(st.integers(0, 30 * 3600), LENGTHS, st.sampled_from(["finish", "die", "go on"])), min_size=1, max_size=25
)


@given(steps=STEPS)
@hypothesis.settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_lengths_the_schedule_says_who_works_and_no_period_has_two_runs(
    steps: list[tuple[int, timedelta, str]], conn: Connection, settings: Settings, now: datetime
) -> None:
    conn.execute("delete from periods")
    last: Period | None = None
    working: Period | None = None
    for seconds, every, then in steps:
        now += timedelta(seconds=seconds)
        asked = msgspec.structs.replace(settings, purge_every=every)
        told = next(each for each in periods.schedules(conn, settings=asked, now=now) if each.actor == "purge")

        begun = periods.begin(conn, "purge", every=every, settings=asked, now=now)

        assert (begun is not None) == (told.next_run == now and not told.running)
        if begun is None:
            assert told.running or (last is not None and periods.start_of(now, every) <= last.start)
            continue
        if last is not None and working is None:
            assert periods.start_of(now, every) > last.start, "a period of the new length with two runs"
        working = begun
        if then == "finish":
            assert periods.finish(conn, begun, now=now)
            last, working = begun, None
        elif then == "go on":
            periods.renew(conn, [begun.token], settings=asked, now=now + HOUR)


def test_a_schedule_tells_what_was_what_is_and_what_will_be(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    def told(at: datetime) -> periods.Schedule:
        return next(each for each in periods.schedules(conn, settings=settings, now=at) if each.actor == "decay")

    assert {each.actor for each in periods.schedules(conn, settings=settings, now=now)} == set(PERIODIC)
    assert (told(now).start, told(now).running, told(now).next_run) == (None, False, now)
    period = periods.begin(conn, "decay", every=DAY, settings=settings, now=now)
    assert period is not None
    tomorrow = now.replace(hour=0) + DAY
    assert (told(now).running, told(now).next_run) == (True, tomorrow)
    expired = now + timedelta(seconds=settings.claim_seconds)
    assert (told(expired).running, told(expired).next_run) == (False, expired)
    assert periods.finish(conn, period, now=now)
    assert (told(expired).running, told(expired).finished_at, told(expired).next_run) == (False, now, tomorrow)
    assert told(now + 3 * DAY).next_run == now + 3 * DAY, "due since midnight"


# The actors -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def process(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Generator[Process]:
    """The actors' process, on the test's database."""
    process = Process(settings)
    for name in ("periodic", "sweep", "summarize"):
        monkeypatch.setattr(f"workers.{name}.process", process)
    yield process
    process.close()


def expire(conn: Connection) -> None:
    """As if a killed worker's claim had run out."""
    conn.execute("update periods set claimed_until = now() - interval '1 second' where claim is not null")


def test_the_actors_of_this_test_are_all_there_are() -> None:
    periodic = {name for name, actor in unused.broker.actors.items() if "periodic" in actor.options}

    assert periodic == set(PERIODIC)


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("verb", PERIODIC)
def test_every_periodic_actor_works_a_period_once(verb: str, conn: Connection) -> None:
    def asked() -> tuple[datetime, datetime]:
        getattr(main, verb).fn()
        found = conn.execute("select period, finished_at from periods where actor = %s", [verb]).fetchone()
        assert found is not None
        return found[0], found[1]

    first, second = asked(), asked()

    # Unless a period has passed between the two.
    assert second == first or second[0] > first[0]


@pytest.mark.usefixtures("process")
def test_however_many_ask_at_once_a_day_has_one_decay(conn: Connection) -> None:
    def ask(_: int) -> None:
        main.decay.fn()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, range(12)))

    main.decay.fn()
    assert postgres.scalars(conn, "select count(*) from decay_runs") == [1]


def test_the_settings_say_how_often_decay_and_purge_work(process: Process, conn: Connection) -> None:
    default = process.rooms.default
    often = msgspec.structs.replace(default.settings, decay_every=timedelta(minutes=1), purge_every=7 * DAY)
    default.settings = often
    before = postgres.clock()

    main.decay.fn()
    main.purge.fn()

    began = dict(conn.execute("select actor, period from periods").fetchall())
    assert began["decay"] >= periods.start_of(before, timedelta(minutes=1))
    assert began["purge"] == periods.start_of(before, 7 * DAY)


@pytest.mark.usefixtures("process")
def test_work_that_failed_is_done_by_the_next_who_asks(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(Exception):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr("app.ledger.retention.purge", die)
        with pytest.raises(Killed):
            main.purge.fn()
    assert postgres.scalars(conn, "select finished_at from periods") == [None]
    expire(conn)

    main.purge.fn()

    assert postgres.scalars(conn, "select finished_at is not null from periods") == [True]


def test_work_that_is_long_keeps_its_period(
    process: Process, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[int]()

    def purge(*_: object, **__: object) -> Purged:
        calls.append(1)
        expire(conn)
        process.rooms.default.renew()
        main.purge.fn()
        return Purged()

    monkeypatch.setattr("app.ledger.retention.purge", purge)

    main.purge.fn()

    assert calls == [1]


@pytest.mark.usefixtures("process")
def test_a_decay_killed_before_midnight_is_not_that_of_the_day_after(conn: Connection) -> None:
    yesterday = postgres.clock() - DAY
    conn.execute(
        "insert into decay_runs (as_of, stale_before, archive_below, started_at) values (%s, %s, 0, %s)",
        [yesterday, yesterday, yesterday],
    )

    main.decay.fn()
    expire(conn)
    main.decay.fn()

    assert postgres.scalars(conn, "select count(*) from decay_runs where finished_at is not null") == [2]

"""A period is worked once, however many ask; a missed one is caught up, and a killed one taken up by another."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest

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


def test_a_period_still_being_worked_holds_up_the_next(conn: Connection, settings: Settings, now: datetime) -> None:
    period = begin(conn, settings, now + timedelta(minutes=59, seconds=50))
    assert period is not None

    assert begin(conn, settings, now + HOUR) is None

    periods.finish(conn, period, now=now + HOUR)
    assert begin(conn, settings, now + HOUR)


def test_a_clock_that_is_slow_does_not_work_a_period_again(conn: Connection, settings: Settings, now: datetime) -> None:
    worked(conn, settings, now + HOUR)

    assert begin(conn, settings, now) is None


# The actors -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def process(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Generator[Process]:
    """The actors' process, on the test's database."""
    process = Process(settings)
    for name in ("periodic", "sweep", "decay", "purge", "summarize"):
        monkeypatch.setattr(f"workers.{name}.process", process)
    process.open()
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
        process._renew_claims()
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

"""Periods: work that recurs is done once in each period, however many schedulers ask for it.

Schedulers ask every minute. One row for each actor says which period began last. So a missed period is caught up at the
next question; several missed periods are caught up together, since the work covers everything up to the present. If a
worker is killed, another takes the period over once the claim has expired. Nobody holds a lock during the work.

Periods of one length begin at multiples of that length since 1970 in UTC, so no change of local time moves them. When
the length changes, no finished work is repeated within a new period and the next new period starts on time.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

import sql
from app.ledger import bells
from app.settings import Settings, as_text
from app.store.postgres import Connection, execute, one, rows

_BEGIN = sql.query("ledger/periods/begin")
_FINISH = sql.query("ledger/periods/finish")
_RENEW = sql.query("ledger/periods/renew")
_LATEST = sql.query("ledger/periods/latest")

MINUTE = timedelta(minutes=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Period(msgspec.Struct, frozen=True):
    """A period that this process has claimed. Only the holder of `token` can finish it."""

    actor: str
    start: datetime
    token: uuid.UUID


class Latest(msgspec.Struct, frozen=True):
    """The latest period of an actor: claimed by a worker, or finished."""

    actor: str
    start: datetime
    claimed_until: datetime | None
    finished_at: datetime | None


class Schedule(msgspec.Struct, frozen=True):
    """When a periodic actor worked, and when a worker is asked for it again."""

    actor: str
    every: str
    """Length of a period, as the settings of the process that answers have it."""
    start: datetime | None
    """Start of the latest period; null before the first one."""
    claimed_until: datetime | None
    """A worker holds the latest period until then, and renews that claim while the work goes on."""
    finished_at: datetime | None
    """End of the latest run; null while one is running."""
    running: bool
    next_run: datetime
    """The next run begins within a minute of this instant."""


def lengths(settings: Settings) -> dict[str, timedelta]:
    """How long a period of each periodic actor is."""
    return {
        bells.SWEEP: MINUTE,
        bells.SUMMARIZE: MINUTE,
        bells.DECAY: settings.decay_every,
        bells.PURGE: settings.purge_every,
    }


def start_of(now: datetime, every: timedelta) -> datetime:
    """The start of the period that `now` lies in. Periods of a day begin at midnight UTC."""
    return now - (now - _EPOCH) % every


def begin(conn: Connection, actor: str, *, every: timedelta, settings: Settings, now: datetime) -> Period | None:
    """Claim the present period; None if it is finished already, or if another worker has claimed one."""
    return one(
        conn,
        Period,
        _BEGIN,
        {
            "actor": actor,
            "period": start_of(now, every),
            "claim": uuid.uuid4(),
            "claimed_until": now + timedelta(seconds=settings.claim_seconds),
            "now": now,
        },
    )


def renew(conn: Connection, tokens: Sequence[uuid.UUID], *, settings: Settings, now: datetime) -> None:
    """Extend the claims with these tokens: their periods are still being worked."""
    claimed_until = now + timedelta(seconds=settings.claim_seconds)
    execute(conn, _RENEW, {"tokens": list(tokens), "claimed_until": claimed_until})


def finish(conn: Connection, period: Period, *, now: datetime) -> bool:
    """Mark a period as finished. False: the claim had expired, and another worker has taken the period over."""
    return execute(conn, _FINISH, {"actor": period.actor, "claim": period.token, "now": now}) == 1


def latest(conn: Connection) -> list[Latest]:
    """The latest period of each actor that was ever asked for."""
    return rows(conn, Latest, _LATEST)


def schedules(conn: Connection, *, settings: Settings, now: datetime) -> list[Schedule]:
    """Every periodic actor with its latest period and its next run."""
    known = {each.actor: each for each in latest(conn)}
    return [_schedule(actor, every, known.get(actor), now) for actor, every in lengths(settings).items()]


def _schedule(actor: str, every: timedelta, last: Latest | None, now: datetime) -> Schedule:
    if last is None:
        return Schedule(actor, as_text(every), None, None, None, running=False, next_run=now)
    running = last.claimed_until is not None and last.claimed_until > now
    killed = last.claimed_until is not None and not running
    following = now if killed else max(now, start_of(last.start, every) + every)
    return Schedule(
        actor, as_text(every), last.start, last.claimed_until, last.finished_at, running=running, next_run=following
    )

"""Periods: what is to be done now and then is done once in each period, whoever asks for it, and how often.

Schedulers ask every minute, however many there are; a row an actor says which period was begun last. So one that was
missed is caught up at the next question (several missed ones together: what is done is up to the present), and one
whose worker was killed is taken up by another once its claim has expired. No lock is held while the work is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

import sql
from app.settings import Settings
from app.store.postgres import Connection, execute, one, rows

_BEGIN = sql.query("ledger/periods/begin")
_FINISH = sql.query("ledger/periods/finish")
_RENEW = sql.query("ledger/periods/renew")
_LATEST = sql.query("ledger/periods/latest")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Period(msgspec.Struct, frozen=True):
    """A period in our hands. Only the holder of `token` can finish it."""

    actor: str
    start: datetime
    token: uuid.UUID


class Latest(msgspec.Struct, frozen=True):
    """The latest period of an actor: in somebody's hands, or finished."""

    actor: str
    start: datetime
    claimed_until: datetime | None
    finished_at: datetime | None


def start_of(now: datetime, every: timedelta) -> datetime:
    """The start of the period that `now` lies in; those of a day begin at midnight UTC."""
    return now - (now - _EPOCH) % every


def begin(conn: Connection, actor: str, *, every: timedelta, settings: Settings, now: datetime) -> Period | None:
    """Take the present period; None if it was worked already, or is in other hands."""
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
    """Keep those alive that are being worked on."""
    claimed_until = now + timedelta(seconds=settings.claim_seconds)
    execute(conn, _RENEW, {"tokens": list(tokens), "claimed_until": claimed_until})


def finish(conn: Connection, period: Period, *, now: datetime) -> bool:
    """The period was worked. False: our claim had expired, and another works on it."""
    return execute(conn, _FINISH, {"actor": period.actor, "claim": period.token, "now": now}) == 1


def latest(conn: Connection) -> list[Latest]:
    """What is known of each periodic actor."""
    return rows(conn, Latest, _LATEST)

"""Audits that somebody asks for over HTTP: a worker runs them, one at a time, and the latest results are kept.

Whoever runs an audit holds the lock AUDIT until its result is committed. So an unfinished audit whose lock nobody holds
waits for a worker, or for another one after its worker was lost. Sweeps ring for it again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
import psycopg

import sql
from app.control.callers import Caller
from app.errors import AuditFailed, BadState, Problem
from app.proofs import audit
from app.proofs.audit import Audit
from app.store import locks
from app.store.acting import async_act_for
from app.store.postgres import (
    AsyncConnection,
    Connection,
    async_rows,
    async_scalars,
    execute,
    one,
    scalars,
)

_ASK = sql.query("proofs/audits/ask")
_FORGET = sql.query("proofs/audits/forget")
_LATEST = sql.query("proofs/audits/latest")
_BEGIN = sql.query("proofs/audits/begin")
_FINISH = sql.query("proofs/audits/finish")
_WAITING = sql.query("proofs/audits/waiting")

SAMPLE, MOST_SAMPLED = 200, 1_000
"""Edges that are recounted at random, unless somebody asks for another number, and at most."""
KEPT = 100
"""Audits whose results are kept."""
MOST_ATTEMPTS = 3
"""Workers that begin an audit. If all of them are lost, the audit has failed."""


class Result(msgspec.Struct, frozen=True):
    """What an audit found."""

    exact: bool
    """Whether nothing is out of step."""
    difference: int
    """Mentions in the graph, or on their way into it, less those in the ledger."""
    summary_difference: int
    """Mentions in the totals of users, or on their way into them, less those in the graph."""
    compared: Audit


class Run(msgspec.Struct, frozen=True):
    """An audit that somebody asked for."""

    id: int
    sample: int
    asked_at: datetime
    began_at: datetime | None
    finished_at: datetime | None
    attempts: int
    process: str | None
    key_id: str | None
    owner: str | None
    address: str | None
    result: Result | None
    error: Problem | None
    running: bool


class _Begun(msgspec.Struct, frozen=True):
    id: int
    sample: int
    attempts: int


# Over HTTP ------------------------------------------------------------------------------------------------------------


async def ask(conn: AsyncConnection, caller: Caller, *, sample: int, now: datetime) -> None:
    """Enter an audit, to be run by a worker. Raises BadState while another one is unfinished."""
    async with conn.transaction():
        await async_act_for(conn, caller)
        if not await async_scalars(conn, _ASK, {"sample": sample, "now": now}):
            raise BadState("an audit waits or runs already; GET /audit says when it has ended.")
        await conn.execute(_FORGET, {"kept": KEPT})


async def latest(conn: AsyncConnection) -> list[Run]:
    """The unfinished audit and the latest finished one, as far as there are any; the newest first."""
    held = await locks.async_is_held(conn, locks.AUDIT)
    return await async_rows(conn, Run, _LATEST, {"held": held})


# In a worker ----------------------------------------------------------------------------------------------------------


def waiting(conn: Connection) -> bool:
    """Whether an audit is unfinished."""
    return scalars(conn, _WAITING) == [True]


def work(conn: Connection, *, clock: Callable[[], datetime]) -> Result | None:
    """Run the unfinished audit. None: there is none, somebody else runs it, or it failed."""
    with conn.transaction():
        if not locks.try_take(conn, locks.AUDIT):
            return None
        begun = one(conn, _Begun, _BEGIN, {"now": clock()})
    if begun is None:
        return None
    if begun.attempts > MOST_ATTEMPTS:
        _finish(conn, begun, clock(), error=f"{MOST_ATTEMPTS} workers that began it were lost; see their logs.")
        return None
    try:
        with audit.snapshot(conn):
            # The result is committed with the lock, so that nobody sees an audit without either.
            if not locks.try_take(conn, locks.AUDIT):
                return None
            found = audit.compared(conn, sample=begun.sample, now=clock())
            result = Result(found.exact, found.difference, found.summary_difference, found)
            _finish(conn, begun, clock(), result=result)
    except psycopg.errors.QueryCanceled:
        _finish(conn, begun, clock(), error="a statement took longer than MENTIONGRAPH_STATEMENT_TIMEOUT allows.")
        return None
    return result


def _finish(
    conn: Connection, begun: _Begun, now: datetime, *, result: Result | None = None, error: str | None = None
) -> None:
    problem = None if error is None else AuditFailed(error).problem()
    columns = {
        name: None if value is None else msgspec.json.encode(value).decode()
        for name, value in (("result", result), ("error", problem))
    }
    execute(conn, _FINISH, {"id": begun.id, "now": now, **columns})

"""Requests that were denied, as audit events: few enough that nobody can fill the disk with them.

The first denial of a kind is written at once, and further ones of this kind are counted for a minute. Clients can
cause denials without a key and from many addresses, so all kinds together are bounded, too.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextvars import Context
from typing import NamedTuple

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from app.control.audit_events import Action, async_record
from app.control.callers import Caller
from app.errors import MentiongraphError
from app.store.postgres import AsyncConnection

log = structlog.get_logger(__name__)

EVENTS_A_MINUTE = 30
"""Audit events of denials that a process writes in a minute."""
MOST_KINDS = 1_000
"""Kinds of denials that a process remembers. Further ones are counted together."""
MINUTE = 60.0
PAUSE = 1.0
"""Seconds between two looks for what is to be written."""


class _Kind(NamedTuple):
    key_id: str | None
    owner: str | None
    address: str | None
    status: int
    problem: str
    graph: str | None


_OTHERS = _Kind(None, None, None, 0, "others", None)


class _Counted:
    """Denials of one kind that no event tells of yet."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.count = 0
        self.written_at = float("-inf")


class Denials:
    """The denials of one process. A task writes them, so that a denial costs its request nothing."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool
        self._kinds: OrderedDict[_Kind, _Counted] = OrderedDict()
        self._written: list[float] = []
        """When the events of the last minute were written."""
        self._task: asyncio.Task[None] | None = None

    def note(self, caller: Caller, error: MentiongraphError, method: str, path: str, *, graph: str | None) -> None:
        """Count a denied request; an event tells of it soon. Call it in the event loop. `graph`: the graph that it was
        for; None for a graph that does not exist."""
        kind = _Kind(caller.key_id, caller.owner, caller.address, error.status, error.code, graph)
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            kind = _OTHERS
        if kind not in self._kinds:
            self._kinds[kind] = _Counted(_subject(method, path))
        self._kinds[kind].count += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write(), context=Context())

    async def close(self) -> None:
        """Write what is counted, as far as the bound allows."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._write_due(asyncio.get_running_loop().time() + MINUTE)

    async def _write(self) -> None:
        """Write what is due until nothing is counted and every kind is a minute old."""
        now = asyncio.get_running_loop().time
        while self._kinds:
            await self._write_due(now())
            await asyncio.sleep(PAUSE)

    async def _write_due(self, now: float) -> None:
        self._written = [at for at in self._written if now - at < MINUTE]
        due = [(kind, each) for kind, each in self._kinds.items() if now - each.written_at >= MINUTE]
        for kind, each in due:
            if not each.count:
                del self._kinds[kind]  # nothing for a minute: the next one is written at once again
        # While PostgreSQL is asked, more requests are denied: these are for the next event.
        counted = [(kind, each, each.count) for kind, each in due if each.count]
        counted = counted[: EVENTS_A_MINUTE - len(self._written)]
        if not counted:
            return
        try:
            async with self._pool.connection() as conn, conn.transaction():
                for kind, each, count in counted:
                    detail = {"status": kind.status, "problem": kind.problem, "graph": kind.graph, "requests": count}
                    who = Caller(frozenset(), None, kind.key_id, kind.owner, kind.address)
                    await async_record(conn, who, Action.REQUEST, each.subject, outcome="denied", detail=detail)
        except psycopg.Error as error:
            log.warning("denials_delayed", error=str(error))
            return
        for kind, each, count in counted:
            each.count, each.written_at = each.count - count, now
            self._kinds.move_to_end(kind)
            self._written.append(now)


def _subject(method: str, path: str) -> str:
    """What was asked for, without anything that a client made up: paths can hold handles and secrets."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return (
        f"{method} /{first[:32]}" if first.isascii() and first.replace("_", "").replace("-", "").isalnum() else method
    )

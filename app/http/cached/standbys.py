"""Standbys of PostgreSQL, which answer questions about the graph so that the primary is spared.

The primary tells each request the graph's version. A standby answers in one snapshot, and only if that snapshot has
everything that the version has. Otherwise the primary answers: also where a standby is away, stalls, or cancels the
statement. A standby that failed is left alone until it has caught up. A task finds that out, so that no request waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, NamedTuple, NoReturn, TypeAlias

import msgspec
import psycopg
import structlog
from psycopg import IsolationLevel
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolClosed, PoolTimeout

from app.errors import NotFound
from app.graph import versions
from app.graph.versions import Behind
from app.http.expensive import EXPENSIVE_READS, ExpensiveReads
from app.settings import Settings
from app.store.addresses import servers, where
from app.store.postgres import AsyncConnection, Connection, async_connect, async_pool, pool
from app.store.seldom import Seldom

log = structlog.get_logger(__name__)

CATCH_UP_SECONDS = 0.02
"""Seconds that a question waits for a standby to catch up. Replay is mostly a few milliseconds behind."""
FIRST_LOOK = 0.001
"""Seconds until a question looks again whether the standby has caught up. Each pause doubles."""
BEGIN_SECONDS = 0.25
"""Seconds in which a standby has to give a connection with a snapshot."""
PLAIN_SECONDS = 2.0
"""Seconds in which a standby has to answer a question that is not expensive."""
GRACE_SECONDS = 1.0
"""Seconds beyond the deadline of expensive questions, in which a standby has to say that the deadline has passed."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two looks whether a standby is back. The pause doubles."""
LOOK_SECONDS = 2
"""Seconds that a look whether a standby is back may take."""
CLOSE_SECONDS = 1.0
EXPORTS = 2
"""Exports that a standby writes at once."""


class Counters(msgspec.Struct):
    """What became of the questions since the process began."""

    answered: int = 0
    """Questions that a standby answered."""
    behind: int = 0
    """Questions for which a standby had not caught up in time."""
    ahead: int = 0
    """Answers thrown away, because the primary did not have yet, or not any more, what the standby had."""
    failed: int = 0
    """Questions for which a standby was away, stalled, or cancelled the statement."""
    busy: int = 0
    """Questions for which a standby had no connection free."""


class Lanes(NamedTuple):
    """What a handler uses in place of the pools of the primary: the snapshot of a standby."""

    pool: Any
    expensive: Any


Work: TypeAlias = Callable[[Lanes | None], Awaitable[object]]
"""Works out an answer, on a standby's lanes or, with None, on the primary."""


class Found(NamedTuple):
    """An answer, and the graph's version that it is from."""

    answer: object
    vector: str


class _Stalled(Exception):
    """A standby did not answer in time."""


class _Expensive(Exception):
    """A handler found out that its question is expensive."""


class _Snapshot:
    """Stands for a pool: gives the one connection whose snapshot is open."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        yield self._conn


class _Slot(_Snapshot):
    """Stands for the slots of expensive questions, where a slot is held already."""

    def __init__(self, conn: AsyncConnection) -> None:
        super().__init__(conn)
        self.pool = _Snapshot(conn)

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        yield


class _NoSlot:
    """Stands for the slots of expensive questions, where none is held: the question is asked again in one."""

    @property
    def pool(self) -> NoReturn:
        raise _Expensive

    def slot(self) -> NoReturn:
        raise _Expensive

    def connection(self) -> NoReturn:
        raise _Expensive


class Pools:
    """The connections to one standby."""

    def __init__(self, url: str, settings: Settings) -> None:
        common: dict[str, Any] = {"pgbouncer": settings.pgbouncer, "checked": False}
        timeout, seconds = settings.statement_timeout, settings.read_timeout
        self.plain = async_pool(url, role="api", size=settings.database_pool, statement_timeout=timeout, **common)
        self.expensive = ExpensiveReads(
            async_pool(url, role="read", size=EXPENSIVE_READS, statement_timeout=seconds, **common), seconds=seconds
        )
        self.exports: ConnectionPool[Connection] = pool(
            url, role="export", size=EXPORTS, statement_timeout=timeout, **common
        )

    async def open(self) -> None:
        for each in (self.plain, self.expensive.pool):
            await each.open(wait=False)
        self.exports.open(wait=False)

    async def close(self) -> None:
        await asyncio.gather(
            self.plain.close(CLOSE_SECONDS),
            self.expensive.pool.close(CLOSE_SECONDS),
            asyncio.to_thread(self.exports.close, CLOSE_SECONDS),
        )


class Standby:
    """One standby: its pools, and whether it is fit to answer."""

    def __init__(self, url: str, settings: Settings, counters: Counters) -> None:
        self.counters = counters
        self._url = url
        self._settings = settings
        self._pools: Pools | None = None
        """None while the standby is away."""
        self._expensive_seconds = settings.read_timeout + GRACE_SECONDS
        self._fit = False
        self._returning: asyncio.Task[None] | None = None
        self._left: set[asyncio.Task[Any]] = set()
        """Tasks that nobody waits for: a standby that is frozen does not even answer that it ends a statement."""
        self._said = Seldom()

    @property
    def pools(self) -> Pools | None:
        """The pools, if the standby is fit to answer."""
        return self._pools if self._fit else None

    def open(self) -> None:
        self._await_return("")

    async def close(self) -> None:
        self._fit = False
        for task in [*self._left, *([self._returning] if self._returning else [])]:
            task.cancel()
        if self._pools is not None:
            await self._pools.close()

    async def answer(self, least: str, work: Work) -> Found | None:
        """The answer from a snapshot with everything that `least` has; None if the primary is to answer.

        Raises what `work` raises, but for NotFound: the primary may know a user who came later.
        """
        pools = self.pools
        if pools is None:
            return None
        try:
            found = await self._answer(pools, least, work)
        except NotFound:
            return None
        except (PoolTimeout, PoolClosed):
            self.counters.busy += 1
            return None
        except Behind:
            self.behind(least)
            return None
        except psycopg.errors.QueryCanceled:
            raise
        except (psycopg.Error, _Stalled) as error:
            self.failed(error, least)
            return None
        self.counters.answered += 1
        return found

    async def _answer(self, pools: Pools, least: str, work: Work) -> Found:
        async def plain(conn: AsyncConnection) -> object:
            return await work(Lanes(_Snapshot(conn), _NoSlot()))

        async def expensive(conn: AsyncConnection) -> object:
            return await work(Lanes(_Snapshot(conn), _Slot(conn)))

        try:
            return await self._in_time(pools.plain, least, plain, PLAIN_SECONDS)
        except _Expensive:
            async with pools.expensive.slot():
                return await self._in_time(pools.expensive.pool, least, expensive, self._expensive_seconds)

    async def _in_time(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        least: str,
        run: Callable[[AsyncConnection], Awaitable[object]],
        seconds: float,
    ) -> Found:
        """Raises _Stalled if the standby gives no snapshot, or no answer, in time."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(_in_snapshot(pool, least, run, begun))
        try:
            await asyncio.wait({task, begun}, timeout=BEGIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if begun.done():
                await asyncio.wait({task}, timeout=seconds)
        finally:
            begun.cancel()
            if not task.done():
                task.cancel()
                self._leave(task)
        if not task.done():
            raise _Stalled("it does not answer")
        return task.result()

    def _leave(self, task: asyncio.Task[Any]) -> None:
        def ended(task: asyncio.Task[Any]) -> None:
            self._left.discard(task)
            if not task.cancelled():
                task.exception()  # seen

        self._left.add(task)
        task.add_done_callback(ended)

    # While it is not fit

    def behind(self, least: str) -> None:
        """The standby has not caught up in time: leave it alone until it has what `least` has."""
        self.counters.behind += 1
        self._leave_alone("it is behind", least)

    def failed(self, error: Exception, least: str) -> None:
        """The standby is away, stalls, or cancels statements: leave it alone until it answers, and has what `least`
        has."""
        self.counters.failed += 1
        self._leave_alone(str(error) or type(error).__name__, least)
        if self._pools is not None:
            # A server that is away takes all of its connections with it. They are not to be found out one by one.
            self._leave(asyncio.create_task(self._pools.close()))
            self._pools = None

    def _leave_alone(self, reason: str, least: str) -> None:
        if self._fit:
            self._fit = False
            if (times := self._said.due()) is not None:
                log.warning("standby_left_alone", standby=where(self._url), reason=reason, times=times)
        self._await_return(least)

    def _await_return(self, least: str) -> None:
        if self._returning is None:
            self._returning = asyncio.create_task(self._return(least), context=Context())

    async def _return(self, least: str) -> None:
        pause = FIRST_PAUSE
        try:
            while not await self._has(least):
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            if self._pools is None:
                self._pools = Pools(self._url, self._settings)
                await self._pools.open()
            self._fit = True
        finally:
            self._returning = None

    async def _has(self, least: str) -> bool:
        """Whether the standby answers, over a new connection, and has what `least` has."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                async with await async_connect(self._url, role="look", timeout=LOOK_SECONDS) as conn:
                    return versions.holds(await versions.vector(conn), least)
        except (psycopg.Error, TimeoutError) as error:
            log.debug("standby_still_away", standby=where(self._url), reason=str(error) or type(error).__name__)
            return False


class Standbys:
    """The standbys that the settings name, each asked in its turn. Without any, the primary answers everything."""

    def __init__(self, settings: Settings) -> None:
        self.counters = Counters()
        self._standbys = [Standby(url, settings, self.counters) for url in servers(settings.read_database_url)]
        self._turn = 0

    def __bool__(self) -> bool:
        return bool(self._standbys)

    def open(self) -> None:
        for standby in self._standbys:
            standby.open()

    async def close(self) -> None:
        await asyncio.gather(*(standby.close() for standby in self._standbys))

    def fit(self) -> Iterator[Standby]:
        """The standbys that may answer now, another one first each time."""
        self._turn += 1
        for place in range(len(self._standbys)):
            standby = self._standbys[(self._turn + place) % len(self._standbys)]
            if standby.pools is not None:
                yield standby

    async def answer(self, least: str, work: Work) -> Found | None:
        """See `Standby.answer`."""
        for standby in self.fit():
            if (found := await standby.answer(least, work)) is not None:
                return found
        return None


async def _in_snapshot(
    pool: AsyncConnectionPool[AsyncConnection],
    least: str,
    run: Callable[[AsyncConnection], Awaitable[object]],
    begun: asyncio.Future[None],
) -> Found:
    """What `run` returns, in one snapshot with everything that `least` has. Raises Behind."""
    loop = asyncio.get_running_loop()
    patient_until, pause = loop.time() + CATCH_UP_SECONDS, FIRST_LOOK
    async with pool.connection(timeout=BEGIN_SECONDS / 2) as conn:
        if conn.isolation_level is None:
            await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await conn.set_read_only(True)
        while True:
            async with conn.transaction():
                vector = await versions.vector(conn)
                if versions.holds(vector, least):
                    if not begun.done():
                        begun.set_result(None)
                    return Found(await run(conn), vector)
            if loop.time() + pause > patient_until:
                raise Behind
            await asyncio.sleep(pause)
            pause *= 2

"""What happens to an upload, told as it happens: the events of the ledger, and the listeners that wait for them.

Whoever changes an upload rings its listeners after the commit (`app.ledger.bells.ring`). A ring is an entry of a Redis
stream that names the upload and nothing else. Listeners then read the ledger. A ring may be lost, so listeners also
look by themselves: now and then, and often while Redis is away.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager, suppress
from contextvars import Context
from datetime import datetime
from typing import Any, cast

import msgspec
import structlog

import sql
from app.errors import Problem, TooManyListeners
from app.ledger import bells
from app.store.broker import FailOverRedisBroker
from app.store.postgres import AsyncConnection, Connection, Connections, async_exactly_one, async_rows, scalars

log = structlog.get_logger(__name__)

MAX_LISTENERS = 200
MAX_OF_ONE = MAX_LISTENERS // 2
"""Listeners from one address: others always find room."""
READ_MILLISECONDS = 1000
"""How long one read waits for a ring: less than the client's time-out."""
MOST_HEARD = 1000
"""Rings that one read returns. Further rings wait for the next read."""
PAUSE_SECONDS = 0.1
"""Between two reads that return rings."""
RETRY_SECONDS = 1.0
WRITERS_PAUSE = 0.05
WRITERS_SECONDS = 2.0
PAGE = 500

_HORIZON = sql.query("ledger/events/horizon")
_BETWEEN = sql.query("ledger/events/between")
_WAITING = sql.query("ledger/events/waiting_uploads")

Pool = Connections


class Event(msgspec.Struct, frozen=True):
    """A change of state: of a batch, or of the upload itself where `batch_id` is null."""

    id: int
    at: datetime
    batch_id: int | None
    from_state: str | None
    to_state: str
    process: str
    """Which process did it."""
    reason: Problem | None
    key_id: str | None = None
    """Key of the request that caused it. None: a worker did it, or the request had no key."""
    owner: str | None = None
    """Owner of the key. For a command: the account of the operating system, as `os:name`."""
    address: str | None = None
    """Address of the client that sent the request."""


class _Horizon(msgspec.Struct, frozen=True):
    newest: int
    writers: list[str]


def waiting(conn: Connection, shard: int, *, limit: int) -> list[uuid.UUID]:
    """The uploads that the shard's next merge will touch, for their listeners to be rung after the merge."""
    return scalars(conn, _WAITING, {"shard": shard, "limit": limit})


class Bell:
    """The bell of one listener. The hub rings it when its upload changed, or may have changed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Wait for a ring, up to so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()


class Hub:
    """The listeners of this process, and one task that reads the stream for them while there are listeners."""

    def __init__(self, broker: FailOverRedisBroker) -> None:
        self._broker = broker
        self._bells: dict[uuid.UUID, set[Bell]] = {}
        self.addresses: Counter[str] = Counter()
        """Listeners by the address of their client."""
        self._reader: asyncio.Task[None] | None = None
        self.connected = False
        """Whether the stream is being read."""
        self.closed = False

    @property
    def listeners(self) -> int:
        return sum(len(each) for each in self._bells.values())

    def check_room(self, upload_id: uuid.UUID, address: str) -> None:
        """Raises TooManyListeners."""
        if self.addresses[address] >= MAX_OF_ONE:
            raise TooManyListeners(
                f"{MAX_OF_ONE} listen from this address already; GET /uploads/{upload_id} says the same."
            )
        if self.listeners >= MAX_LISTENERS:
            raise TooManyListeners(
                f"{MAX_LISTENERS} listen to this process already; GET /uploads/{upload_id} says the same."
            )

    @contextmanager
    def listen(self, upload_id: uuid.UUID, address: str) -> Generator[Bell]:
        """A bell that rings whenever the upload changes. Raises TooManyListeners."""
        self.check_room(upload_id, address)
        bell = Bell()
        self.addresses[address] += 1
        self._bells.setdefault(upload_id, set()).add(bell)
        if self._reader is None and not self.closed:
            self._reader = asyncio.create_task(self._read(), context=Context())
        try:
            yield bell
        finally:
            self.addresses[address] -= 1
            if not self.addresses[address]:
                del self.addresses[address]
            self._bells[upload_id].discard(bell)
            if not self._bells[upload_id]:
                del self._bells[upload_id]
            if not self._bells and self._reader is not None:
                self._reader.cancel()
                self._reader = None
                self.connected = False

    def close(self) -> None:
        """Let every listener go, because the process stops."""
        self.closed = True
        self._ring_all()

    async def _read(self) -> None:
        while True:
            try:
                last = await asyncio.to_thread(self._newest)
                self.connected = True
                self._ring_all()
                while True:
                    last = await self._hear(last)
            except Exception as error:  # noqa: BLE001 (this task outlives whatever a server answers; listeners poll)
                if self.connected:
                    log.warning("listeners_poll", error=str(error))
                self.connected = False
                self._ring_all()
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self, last: str) -> str:
        heard = await asyncio.to_thread(self._after, last)
        for entry, upload_id in heard:
            last = entry
            for bell in self._bells.get(upload_id, ()) if upload_id else ():
                bell.ring()
        if heard:
            # One read then hears all that came meanwhile, so a flood of rings does not keep this process busy.
            await asyncio.sleep(PAUSE_SECONDS)
        return last

    def _newest(self) -> str:
        found = self._broker.client.xrevrange(bells.stream(self._broker), count=1)
        entries = cast("list[tuple[bytes, Any]]", found)
        return entries[0][0].decode() if entries else "0-0"

    def _after(self, last: str) -> list[tuple[str, uuid.UUID | None]]:
        stream = bells.stream(self._broker)
        found: Any = self._broker.client.xread({stream: last}, count=MOST_HEARD, block=READ_MILLISECONDS)
        # redis-py answers, by version and protocol, a mapping or pairs, with entries once or twice in a list.
        lists = [entries for _, entries in (found.items() if isinstance(found, dict) else found or [])]
        flat = [entry for entries in lists for entry in (entries[0] if _nested(entries) else entries)]
        return [(entry.decode(), _upload_of(fields)) for entry, fields in flat]

    def _ring_all(self) -> None:
        for rung in self._bells.values():
            for bell in rung:
                bell.ring()


def _upload_of(fields: Any) -> uuid.UUID | None:  # noqa: ANN401 (of redis-py)
    """The upload that an entry names; None if somebody else wrote the entry."""
    try:
        return uuid.UUID(fields[b"upload"].decode())
    except (KeyError, TypeError, ValueError):
        return None


def _nested(entries: list[Any]) -> bool:
    return (
        bool(entries) and isinstance(entries[0], list) and (not entries[0] or isinstance(entries[0][0], list | tuple))
    )


async def after(pool: Pool, upload_id: uuid.UUID, last: int) -> AsyncGenerator[Event]:
    """The upload's events after the event `last`, in order, up to the present. No event is ever passed over.

    An event gets its number before its transaction commits, so a lower number may appear later. This function therefore
    waits for every transaction that was writing events when it looked. Transactions write events at their end, so the
    wait takes milliseconds.
    """
    async with pool.connection() as conn:
        horizon = await _horizon(conn, upload_id)
        writing = set(horizon.writers)
    deadline = asyncio.get_running_loop().time() + WRITERS_SECONDS
    while writing:
        if asyncio.get_running_loop().time() > deadline:
            return  # a transaction stands still: the caller asks again, after a heartbeat
        await asyncio.sleep(WRITERS_PAUSE)
        async with pool.connection() as conn:
            writing &= set((await _horizon(conn, upload_id)).writers)
    while last < horizon.newest:
        async with pool.connection() as conn:
            params = {"upload_id": upload_id, "after": last, "newest": horizon.newest, "limit": PAGE}
            page = await async_rows(conn, Event, _BETWEEN, params)
        if not page:
            return
        for event in page:
            yield event
        last = page[-1].id


async def _horizon(conn: AsyncConnection, upload_id: uuid.UUID) -> _Horizon:
    return await async_exactly_one(conn, _Horizon, _HORIZON, {"upload_id": upload_id})

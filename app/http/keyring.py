"""The keys that one process has looked up, so that most requests cost no question to PostgreSQL.

A looked-up key is kept for four seconds. So a key that is revoked in any process is refused in all of them within five.
Ids that no key has are kept, too, and both kinds are bounded: whoever makes up ids takes no memory.

The keys of requests under way are looked up again and again, all of them with one question. A download or a stream of
events may last for hours, and must not outlast its key.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import Context
from datetime import datetime
from typing import NamedTuple

import psycopg
import structlog

from app.control import keys, tokens
from app.control.keys import KeyState, Known
from app.errors import ExpiredKey, TooManyWrongKeys, WrongKey
from app.http.cached.cache import Together
from app.store.postgres import FIRST_PAUSE, LONGEST_PAUSE, Connections, server_failed

log = structlog.get_logger(__name__)

KEPT_SECONDS = 4.0
"""Counted from before PostgreSQL was asked. The fifth second is for the answer and for a request's way here."""
LOOK_SECONDS = 0.4
"""Seconds between two looks for requests that last. A request may have begun with a key that was kept for four, and the
second look at a request asks for its key."""
MOST_KEYS, MOST_STRANGERS = 10_000, 1_000
"""Keys, and ids without a key, that are kept at most: some 10 MB."""
FAILURES, FAILURE_SECONDS = 20, 3.0
"""Wrong keys that an address may send at once, and the seconds after which one more may come."""
MOST_ADDRESSES = 10_000
"""Addresses with wrong keys that are remembered at most."""


class _Kept(NamedTuple):
    key: Known | None
    until: float


class _UnderWay:
    """A request that its key allowed."""

    def __init__(self, key: Known, hang_up: Callable[[], None]) -> None:
        self.key = key
        self.hang_up = hang_up
        self.lasts = False
        """Whether an earlier look saw the request."""


class Keyring:
    """Checks tokens. `connections` lead to the database of the graph `default`."""

    def __init__(
        self,
        connections: Connections,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections = connections
        self._now = now
        self._monotonic = monotonic
        self._known: OrderedDict[str, _Kept] = OrderedDict()
        self._strangers: OrderedDict[str, _Kept] = OrderedDict()
        self._look_up: Together[str, Known | None] = Together(self._read)
        self._wrong = WrongKeys(monotonic)
        self._under_way = set[_UnderWay]()
        self._looking: asyncio.Task[None] | None = None

    @property
    def remembered(self) -> tuple[int, int, int]:
        """The number of keys, of ids without a key, and of addresses that this process remembers."""
        return len(self._known), len(self._strangers), len(self._wrong)

    @property
    def under_way(self) -> int:
        """The number of requests under way that have a key."""
        return len(self._under_way)

    async def close(self) -> None:
        """Cancel questions under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._look_up.close()

    async def check(self, token: str, address: str, *, patience: float = 0.0) -> Known:
        """The key of the token. While PostgreSQL is away, asks again for `patience` seconds.

        Raises WrongKey, ExpiredKey; TooManyWrongKeys for an address from which many came; psycopg.Error.
        """
        key_id = tokens.id_in(token)
        if key_id is None:
            self._wrong.count(address)
            raise WrongKey("the token is not whole, or is no token of this service.")
        # An address that guesses costs no question. A key that was good here before is not hindered by its neighbours.
        if key_id not in self._known:
            self._wrong.refuse(address)
        key = await self._get(key_id, patience)
        if key is None or not tokens.is_of(token, key.token_sha256):
            self._wrong.count(address)
            raise WrongKey("the token is of no key that works.")
        state = key.state(self._now())
        if state is KeyState.USABLE:
            return key
        ended = (
            WrongKey(f"key {key_id} was revoked.")
            if state is KeyState.REVOKED
            else ExpiredKey(f"key {key_id} expired at {key.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
        )
        ended.key_id, ended.owner = key.id, key.owner
        raise ended

    @contextmanager
    def allowing(self, key: Known, hang_up: Callable[[], None]) -> Generator[None]:
        """The block is a request that the key allows. `hang_up` is called if the key ends before the block."""
        request = _UnderWay(key, hang_up)
        self._under_way.add(request)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), context=Context())
        try:
            yield
        finally:
            self._under_way.discard(request)

    async def _look(self) -> None:
        """Hang up on requests whose key has ended, until no request is under way."""
        while self._under_way:
            await asyncio.sleep(LOOK_SECONDS)
            lasting = [request for request in self._under_way if request.lasts]
            for request in self._under_way:
                request.lasts = True
            found = await self._found_again(list({request.key.id for request in lasting}))
            now = self._now()
            for request in self._under_way.intersection(lasting):
                key = found.get(request.key.id, request.key)  # which may expire while PostgreSQL is away
                if key is None or key.state(now) is not KeyState.USABLE:
                    self._under_way.discard(request)
                    log.info("hung_up_key_ended", key=request.key.id)
                    request.hang_up()

    async def _found_again(self, ids: Sequence[str]) -> dict[str, Known | None]:
        """The keys as they are now; empty while PostgreSQL is away."""
        try:
            return dict(zip(ids, await self._read(ids), strict=True)) if ids else {}
        except psycopg.Error:
            return {}

    async def _get(self, key_id: str, patience: float) -> Known | None:
        kept = self._known.get(key_id) or self._strangers.get(key_id)
        if kept is not None and kept.until > self._monotonic():
            return kept.key
        deadline, pause = self._monotonic() + patience, FIRST_PAUSE
        while True:
            try:
                return await self._look_up(key_id)
            except psycopg.Error as error:
                if not server_failed(error) or self._monotonic() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _read(self, ids: Sequence[str]) -> Sequence[Known | None]:
        until = self._monotonic() + KEPT_SECONDS
        async with self._connections.connection() as conn:
            found = await keys.looked_up(conn, ids)
        for key_id in ids:
            key = found.get(key_id)
            into, other, most = (
                (self._strangers, self._known, MOST_STRANGERS)
                if key is None
                else (self._known, self._strangers, MOST_KEYS)
            )
            other.pop(key_id, None)
            into[key_id] = _Kept(key, until)
            into.move_to_end(key_id)
            if len(into) > most:
                into.popitem(last=False)
        return [found.get(key_id) for key_id in ids]


class WrongKeys:
    """How many wrong keys came from each address."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._free_at: OrderedDict[str, float] = OrderedDict()
        """By address, the instant at which its wrong keys are forgotten: a bucket that leaks."""

    def __len__(self) -> int:
        return len(self._free_at)

    def count(self, address: str) -> None:
        """Count a wrong key. Raises TooManyWrongKeys if too many came before."""
        self.refuse(address)
        now = self._monotonic()
        self._free_at[address] = max(self._free_at.get(address, now), now) + FAILURE_SECONDS
        self._free_at.move_to_end(address)
        if len(self._free_at) > MOST_ADDRESSES:
            self._free_at.popitem(last=False)

    def refuse(self, address: str) -> None:
        """Raises TooManyWrongKeys if too many wrong keys came from the address."""
        if self._free_at.get(address, 0.0) > self._monotonic() + FAILURE_SECONDS * (FAILURES - 1):
            raise TooManyWrongKeys(
                "too many requests with wrong keys came from your address. One more is looked at every "
                f"{FAILURE_SECONDS:g} seconds."
            )

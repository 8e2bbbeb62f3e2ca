"""Replicas of Redis, from which cached answers are read so that the master is spared.

A replica may lack what the master has, but no answer there is wrong: the key of an answer holds the graph's version.
The master is asked for what a replica lacks, or says too late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import Context
from typing import TypeAlias

import redis
import structlog
from redis import asyncio as asyncio_redis

from app.errors import BadSetting
from app.settings import Settings
from app.store.redis_client import async_forget_master, async_redis_client
from app.store.seldom import Seldom

log = structlog.get_logger(__name__)

OF_SENTINELS = "sentinel"
"""In the setting: the replicas that the Sentinels name."""

Ask: TypeAlias = Callable[[asyncio_redis.Redis, Sequence[bytes]], Awaitable[Sequence[bytes | None]]]


class Replica:
    """A client of one replica, or of one of those that the Sentinels name."""

    def __init__(self, client: asyncio_redis.Redis, ask: Ask, *, timeout: float, pauses: tuple[float, float]) -> None:
        self.there = False
        self._client = client
        self._ask = ask
        self._timeout = timeout
        self._first_pause, self._longest_pause = pauses
        self._returning: asyncio.Task[None] | None = None
        self._said = Seldom()

    def open(self) -> None:
        if self._returning is None:
            self._returning = asyncio.create_task(self._return(), context=Context())

    async def close(self) -> None:
        self.there = False
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.wait({self._returning})
        with suppress(redis.RedisError, OSError):
            await self._client.aclose()

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """The values of the keys; None if the replica does not say."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(self._client, keys)
        except Exception as error:  # noqa: BLE001 (of any kind: redis-py raises RuntimeError, too)
            self.there = False
            if (times := self._said.due()) is not None:
                log.warning("replica_away", error=str(error) or type(error).__name__, times=times)
            await async_forget_master(self._client)
            self.open()
            return None

    async def _return(self) -> None:
        pause = self._first_pause
        try:
            while True:
                try:
                    async with asyncio.timeout(self._longest_pause):
                        await self._ask(self._client, [b""])
                except Exception as error:  # noqa: BLE001 (as above)
                    log.debug("replica_still_away", error=str(error) or type(error).__name__)
                    await async_forget_master(self._client)
                else:
                    self.there = True
                    return
                await asyncio.sleep(pause)
                pause = min(self._longest_pause, 2 * pause)
        finally:
            self._returning = None


class Replicas:
    """The replicas that the settings name, each asked in its turn."""

    def __init__(self, settings: Settings, ask: Ask, *, timeout: float, pauses: tuple[float, float]) -> None:
        self._replicas = [
            Replica(client, ask, timeout=timeout, pauses=pauses) for client in _clients(settings, timeout)
        ]
        self._turn = 0

    def open(self) -> None:
        for each in self._replicas:
            each.open()

    async def close(self) -> None:
        for each in self._replicas:
            await each.close()

    @property
    def there(self) -> bool:
        return any(each.there for each in self._replicas)

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The values of the keys, as far as replicas have them."""
        for replica in self._fit():
            if (found := await replica.read(keys)) is not None:
                return found
        return [None] * len(keys)

    def _fit(self) -> Iterator[Replica]:
        self._turn += 1
        for place in range(len(self._replicas)):
            replica = self._replicas[(self._turn + place) % len(self._replicas)]
            if replica.there:
                yield replica


def _clients(settings: Settings, timeout: float) -> list[asyncio_redis.Redis]:
    named = settings.cache_replicas.split()
    if named == [OF_SENTINELS]:
        if not settings.redis_url.startswith("sentinel"):
            raise BadSetting("MENTIONGRAPH_CACHE_REPLICAS=sentinel goes with a sentinel:// in MENTIONGRAPH_REDIS_URL.")
        return [async_redis_client(settings.redis_url, timeout=timeout, replicas=True)]
    try:
        return [async_redis_client(url, timeout=timeout) for url in named]
    except BadSetting as error:
        raise BadSetting(str(error).replace("MENTIONGRAPH_REDIS_URL", "MENTIONGRAPH_CACHE_REPLICAS")) from None

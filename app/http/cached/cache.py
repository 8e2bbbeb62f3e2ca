"""Answers cached in Redis for a while, so that PostgreSQL is not asked the same again. Nobody waits for a lost Redis.

An answer is cached under a digest of the question and of the graph's version. So a cached answer is never wrong; it
only becomes useless, and then expires. Whatever Redis does, the worst result is that an answer is worked out anew.

Other programs may write to Redis, so nothing that Redis holds is believed. Each value carries a MAC over its key and
its bytes, under a secret that PostgreSQL keeps. A value without the right MAC is passed over before it is decompressed,
and a value that is longer than any answer never leaves Redis.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec
import redis
import structlog
from redis.exceptions import NoScriptError

from app.http.cached.replicas import Replicas
from app.metrics.tallies import Counter
from app.posts.containers.compression import compress, decompress_within
from app.settings import Settings
from app.store.redis_client import async_forget_master, async_redis_client
from app.store.seldom import Seldom

log = structlog.get_logger(__name__)

Question = TypeVar("Question")
Answer = TypeVar("Answer")

TIMEOUT = 0.2
"""Seconds that Redis has for an answer. After them Redis counts as away, and nobody asks it until it answers again."""
CONNECT_TIMEOUT = 3.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two looks whether Redis is back; the pause doubles."""
FULL_SECONDS = 5.0
"""Seconds for which nothing is sent to a Redis that refused to store something."""

LARGEST = 256 << 10
"""Bytes of the largest answer that is cached."""
SHORT = 1 << 10
"""Bytes up to which an answer is not compressed."""
OVERHEAD = 128
"""Bytes that Redis needs for a key and its expiry, roughly."""
WAITING_BYTES = 1 << 20
"""Bytes of answers that may wait to be sent to Redis. Further answers are not cached."""

_PLAIN, _ZSTD = b"3", b"4"
_MAC = 16
"""Bytes of the MAC. Nobody guesses 128 bits."""
_HEAD = 1 + _MAC
"""Bytes before an answer: the answer's form, and the MAC of key, form and answer."""
LONGEST = LARGEST + (4 << 10)
"""Bytes of the longest value: a head and an answer, which compression makes a little longer at worst."""

# KEYS: of answers. ARGV: the length of the longest value. A value that is missing or no string is nil. A longer value
# is an empty string, which is no value of ours. The script needs no right beyond MGET.
_READ = """
local found = redis.call('mget', unpack(KEYS))
for number = 1, #KEYS do
  if found[number] and #found[number] > tonumber(ARGV[1]) then found[number] = '' end
end
return found
"""
_READ_SHA = hashlib.sha1(_READ.encode(), usedforsecurity=False).hexdigest()
"""How Redis names the script."""


class Counters(msgspec.Struct):
    """What became of the questions since the process began."""

    hits: int = 0
    """Answers that came from the cache, or from another request that asked the same."""
    not_modified: int = 0
    """Requests answered with 304, because the client had the answer."""
    misses: int = 0
    """Answers that were worked out."""
    stored: int = 0
    """Answers that were worked out and cached."""
    not_stored: int = 0
    """Answers that were worked out and not cached: too large, no room, or outdated before they were ready."""
    damaged: int = 0
    """Values in Redis that this service did not write. It replaced them."""
    failures: int = 0
    """Times that Redis failed or was late."""

    def count(self, what: str) -> None:
        """Add one to what has this name."""
        setattr(self, what, getattr(self, what) + 1)
        _REQUESTS.add(_RESULTS[what])


_REQUESTS = Counter("cache_requests_total")
_RESULTS = {
    "hits": "hit",
    "not_modified": "not_modified",
    "misses": "miss",
    "stored": "stored",
    "not_stored": "not_stored",
    "damaged": "damaged",
    "failures": "failure",
}
"""How the metric calls what became of a question."""


class Together(Generic[Question, Answer]):
    """Asks in turns. Questions that come during a turn wait, and the next turn asks all of them together."""

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, question: Question) -> Answer:
        """Raises what `ask` does."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._go_on())
        return await answer

    async def _go_on(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._answer(asked)
        finally:
            self._asking = None

    async def _answer(self, asked: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._ask([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 (it is raised where the question was asked)
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(asked, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        finally:
            for _, future in asked:
                future.cancel()

    async def close(self) -> None:
        """Cancel everybody who waits."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()


class Cache:
    """Answers by key, in Redis. To be opened and closed; closed, and until Redis has answered, it keeps nothing."""

    def __init__(self, settings: Settings, graph: str = "") -> None:
        """`graph`: the name, for another graph than `default`. All graphs share the bound on bytes."""
        self.counters = Counters()
        self.enabled = settings.cache
        self._shared = f"{settings.namespace}:cache:".encode()
        self._prefix = self._shared + (f"{graph}:".encode() if graph else b"")
        self._seconds = settings.cache_seconds
        self._room = settings.cache_bytes // 2  # of what two periods write, all is there at once
        self._client = async_redis_client(settings.redis_url, timeout=TIMEOUT)
        self._replicas = Replicas(settings, _ask, timeout=TIMEOUT, pauses=(FIRST_PAUSE, LONGEST_PAUSE))
        self.secret = b""
        """The key of the MACs, once it was read from PostgreSQL. Without it the cache keeps nothing."""
        self._foreign = Seldom()
        self._get = Together(self._read)
        self._there = False
        self._returning: asyncio.Task[None] | None = None
        self._sending: list[tuple[bytes, bytes]] = []
        self._sending_bytes = 0
        self._sender: asyncio.Task[None] | None = None
        self._full_until = 0.0

    @property
    def state(self) -> str:
        """`off`, `away`, `full` or `ready`."""
        if not self.enabled:
            return "off"
        if not self._there:
            return "away"
        return "full" if time.time() < self._full_until else "ready"

    def open(self) -> None:
        if self.enabled:
            self._await_return()
            self._replicas.open()

    async def close(self) -> None:
        self._there = False
        await self._get.close()
        for task in (self._returning, self._sender):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        await self._replicas.close()
        with suppress(redis.RedisError, OSError):
            await self._client.aclose()

    # Asking

    async def get(self, key: str) -> bytes | None:
        """The answer that is cached under the key; None if there is no answer, or Redis does not say."""
        if not (self._there or self._replicas.there) or not self.secret:
            return None
        full_key = self._prefix + key.encode()
        value = await self._get(full_key)
        if value is None:
            return None
        answer = _opened(self.secret, full_key, value)
        if answer is None:
            self.counters.count("damaged")
            if (times := self._foreign.due()) is not None:
                log.warning("Redis holds values that this service did not write; they are replaced", values=times)
        return answer

    async def _read(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        if not self._replicas.there:
            return await self._read_master(keys)
        found = dict(zip(keys, await self._replicas.read(keys), strict=True))
        if missing := [key for key, value in found.items() if value is None]:
            found |= zip(missing, await self._read_master(missing), strict=True)
        return [found[key] for key in keys]

    async def _read_master(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        if self._there:
            try:
                async with asyncio.timeout(TIMEOUT):
                    return await _ask(self._client, keys)
            except Exception as error:  # noqa: BLE001 (see _refused)
                await self._lost(error)
        return [None] * len(keys)

    # Storing

    def put(self, key: str, answer: bytes) -> bool:
        """Cache the answer, in the background so that nobody waits. Returns whether Redis will get the answer."""
        if not self._there or not self.secret or len(answer) > LARGEST or time.time() < self._full_until:
            return False
        full_key = self._prefix + key.encode()
        value = _sealed(self.secret, full_key, answer)
        if self._sending_bytes + len(value) > WAITING_BYTES:
            return False
        self._sending.append((full_key, value))
        self._sending_bytes += len(value)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return True

    async def _send(self) -> None:
        try:
            while self._sending:
                sent, self._sending, self._sending_bytes = self._sending, [], 0
                await self._write(sent)
        except Exception as error:  # noqa: BLE001 (see _refused)
            await self._refused(error)
        finally:
            self._sending, self._sending_bytes, self._sender = [], 0, None

    async def _write(self, sent: list[tuple[bytes, bytes]]) -> None:
        """Write, and count the bytes of the period, which all processes share. They expire within two periods."""
        period = int(time.time() / self._seconds)
        counter = self._shared + b"written:%d" % period
        pipeline = self._client.pipeline(transaction=False)
        for key, value in sent:
            pipeline.set(key, value, px=int(self._seconds * 1000))
        pipeline.incrby(counter, sum(len(key) + len(value) + OVERHEAD for key, value in sent))
        pipeline.expire(counter, int(2 * self._seconds) + 1)
        async with asyncio.timeout(TIMEOUT):
            *_, written, _expires = await pipeline.execute()
        if written > self._room:
            self._full_until = (period + 1) * self._seconds

    async def _refused(self, error: Exception) -> None:
        # Of any kind: redis-py raises RuntimeError or AttributeError where another task closes its connection.
        if isinstance(error, redis.ResponseError) and not isinstance(error, redis.ReadOnlyError):
            # No memory left, or no replica: what it has, it still gives.
            if time.time() >= self._full_until:
                log.warning("Redis takes no answers at present", error=str(error))
            self._full_until = time.time() + FULL_SECONDS
            self.counters.count("failures")
        else:
            await self._lost(error)

    # While Redis is away

    async def _lost(self, error: Exception) -> None:
        self.counters.count("failures")
        if self._there:
            self._there = False
            log.warning("Redis is away; answers are worked out anew", error=str(error) or type(error).__name__)
            await async_forget_master(self._client)
            self._await_return()

    def _await_return(self) -> None:
        if self._returning is None:
            self._returning = asyncio.create_task(self._return())

    async def _return(self) -> None:
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    async with asyncio.timeout(CONNECT_TIMEOUT):
                        # What requests will do: a server may answer a ping, and refuse this.
                        await _ask(self._client, [self._prefix])
                except Exception as error:  # noqa: BLE001 (see _refused)
                    log.debug("Redis is still away", error=str(error) or type(error).__name__)
                    await async_forget_master(self._client)
                else:
                    self._there = True
                    return
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
        finally:
            self._returning = None


async def _ask(client: Any, keys: Sequence[bytes]) -> Sequence[bytes | None]:  # noqa: ANN401 (see below)
    """One round trip, in which Redis holds back what is too long."""
    # Without redis-py's Script, which costs a third of the processor time of a hit. Its types know no such command.
    try:
        return await client.execute_command("EVALSHA", _READ_SHA, len(keys), *keys, LONGEST)
    except NoScriptError:
        await client.script_load(_READ)
        return await client.execute_command("EVALSHA", _READ_SHA, len(keys), *keys, LONGEST)


def _sealed(secret: bytes, key: bytes, answer: bytes) -> bytes:
    form, body = (_PLAIN, answer) if len(answer) <= SHORT else (_ZSTD, compress(answer))
    return form + _mac(secret, key, form, body) + body


def _opened(secret: bytes, key: bytes, value: bytes) -> bytes | None:
    """The answer in the value; None if no process with the secret put the value under this key."""
    form, mac, body = value[:1], value[1:_HEAD], value[_HEAD:]
    if not hmac.compare_digest(mac, _mac(secret, key, form, body)):
        return None
    return body if form == _PLAIN else decompress_within(body, LARGEST)


def _mac(secret: bytes, key: bytes, form: bytes, body: bytes) -> bytes:
    # The length of the key comes first, so that no byte can move between the key and the answer.
    return hmac.digest(secret, b"%d:" % len(key) + key + form + body, "sha256")[:_MAC]

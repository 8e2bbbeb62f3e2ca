"""The answers of one process: at hand, or worked out; told by an ETag from newer ones.

An answer is a function of what was asked, of the minute it was asked for, and of the graph's version. The version is
read from PostgreSQL for every request, after it came: one reading serves all that wait for it, and none is remembered.
So a request never gets an answer that is older than itself, whatever is in Redis. (Users who have no edge make no
version: a list of users may lack them.)
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import psycopg
from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.serialization import encode_json
from litestar.types import Receive, Scope, Send
from psycopg_pool import AsyncConnectionPool, PoolTimeout

import sql
from app.graph import versions
from app.http.cached.cache import Cache, Counters, Together
from app.http.parameters import minute
from app.settings import Settings
from app.store.postgres import AsyncConnection, async_pool, require_primary, server_failed

NAME = "mentiongraph"
"""In Cache-Status (RFC 9211)."""

_TAG_BYTES = 16
MOST_TARGETS, LONGEST_TARGET = 10_000, 512
"""Targets of requests that are remembered, some 20 MB at most, and bytes of such a target."""

Work: TypeAlias = Callable[[], Awaitable[object]]
T = TypeVar("T")


class Version(NamedTuple):
    """The graph's, and which of PostgreSQL's sessions told it: after a fail-over an earlier one may come again."""

    vector: str
    backend: int


class Versions:
    """Reads the version for all who ask meanwhile; none gets one that was read before they asked."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], *, pgbouncer: bool) -> None:
        self._pool = pool
        self._pgbouncer = pgbouncer
        self.current_for: Together[None, Version] = Together(self._read)

    async def current(self) -> Version:
        """Raises psycopg.OperationalError."""
        return await self.current_for(None)

    async def _read(self, asked: Sequence[None]) -> Sequence[Version]:
        try:
            version = await self._ask()
        except psycopg.Error as error:
            if isinstance(error, PoolTimeout) or not server_failed(error):
                raise
            # The connection was lost while nobody used it. To check it each time would take as long as to ask.
            await self._pool.drain()
            version = await self._ask()
        return [version] * len(asked)

    async def _ask(self) -> Version:
        async with self._pool.connection() as conn:
            version = Version(await versions.vector(conn), conn.info.backend_pid)
            if not self._pgbouncer:
                require_primary(conn)
            return version


class _Outcome(NamedTuple):
    """A body, what Cache-Status says of it, and whether it is what the graph says at one version."""

    body: bytes
    status: str
    settled: bool


class Question(NamedTuple):
    """What is asked: the same for every way of asking the same."""

    what: bytes
    as_of: datetime | None
    """The instant that was asked for. None: the minute that has begun."""
    timed: bool
    """Whether the answer depends on an instant."""


class Key(NamedTuple):
    """What an answer is kept under."""

    version: Version
    at: datetime | None
    """The instant that is meant."""
    tag: str


class Answers:
    """The answers of one process. Without Redis each is worked out anew; ETags are the same."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self.cache = Cache(settings)
        self._clock = clock
        # A connection of its own: an answer that is kept does not wait for those that are worked out.
        self._pool: AsyncConnectionPool[AsyncConnection] = async_pool(
            settings.database_url,
            role="version",
            size=1,
            statement_timeout=settings.statement_timeout,
            pgbouncer=settings.pgbouncer,
            checked=False,
        )
        self._versions = Versions(self._pool, pgbouncer=settings.pgbouncer)
        self._release = release()
        self._under_way: dict[str, asyncio.Future[_Outcome]] = {}
        self._known: dict[bytes, Question] = {}
        self.waiting = 0
        """How many wait for an answer that another one's request works out."""

    @property
    def counters(self) -> Counters:
        return self.cache.counters

    async def open(self) -> None:
        await self._pool.open(wait=False)
        self.cache.open()

    async def close(self, seconds: float) -> None:
        await self._versions.current_for.close()
        await self.cache.close()
        await self._pool.close(seconds)

    async def key(self, question: Question) -> Key:
        """Of the answer as of now. Raises psycopg.OperationalError."""
        version = await self._versions.current()
        at = question.as_of or minute(self._clock()) if question.timed else None
        # A digest that nobody can find two questions for: an answer is kept under it.
        digest = hashlib.blake2b(self._release, digest_size=_TAG_BYTES)
        for part in (version.vector.encode(), at.isoformat().encode() if at else b"", question.what):
            digest.update(part)
            digest.update(b"\0")
        return Key(version, at, digest.hexdigest())

    def known(self, target: bytes) -> Question | None:
        """What a request with this target asks, if one was answered."""
        return self._known.get(target)

    def remember(self, target: bytes, question: Question) -> None:
        """A request with this target asks this, whoever sends it."""
        if len(target) <= LONGEST_TARGET:
            self._known[target] = question
            if len(self._known) > MOST_TARGETS:
                del self._known[next(iter(self._known))]

    async def at_hand(self, key: Key, if_none_match: str | None) -> Answer[Any] | None:
        """The answer, if nothing has to be worked out for it."""
        if if_none_match is not None and _matches(if_none_match, key.tag):
            self.counters.not_modified += 1
            return Answer(HTTPStatus.NOT_MODIFIED, b"", key.tag, "hit; detail=not-modified")
        body = await self.cache.get(key.tag)
        if body is None:
            return None
        self.counters.hits += 1
        return _answered(_Outcome(body, "hit", settled=True), key, if_none_match)

    async def answer(self, key: Key, if_none_match: str | None, work: Work) -> Answer[Any]:
        """The answer, which is not at hand, from what `work` returns. Raises what `work` does."""
        return _answered(await self._outcome(key, work), key, if_none_match)

    async def _outcome(self, key: Key, work: Work) -> _Outcome:
        """Of those who ask the same at the same version one works, and the others wait for it."""
        under_way = self._under_way.get(key.tag)
        if under_way is not None:
            self.waiting += 1
            await asyncio.wait({under_way})
            self.waiting -= 1
            if not under_way.cancelled():
                self.counters.hits += 1
                return under_way.result()._replace(status="hit; detail=shared")
            # It failed. What failed there may have been somebody else's patience: everybody tries for himself.
            return await self._work_out(key, work)
        future = asyncio.get_running_loop().create_future()
        self._under_way[key.tag] = future
        try:
            outcome = await self._work_out(key, work)
            if outcome.settled:
                future.set_result(outcome)
            return outcome
        finally:
            del self._under_way[key.tag]
            future.cancel()

    async def _work_out(self, key: Key, work: Work) -> _Outcome:
        self.counters.misses += 1
        body = encode_json(await work())
        # What the work read in several statements was all of this version, if it still is the version afterwards: it
        # changes in the transactions that change the graph, and what one statement sees, the next one sees, too.
        settled = await self._versions.current() == key.version
        stored = settled and self.cache.put(key.tag, body)
        self.counters.stored += stored
        self.counters.not_stored += not stored
        reason = "miss" if self.cache.enabled else "bypass"
        return _Outcome(body, f"fwd={reason}{'; stored' if stored else ''}", settled)


class Answer(Response[T], Generic[T]):
    """A body that is encoded already, with what tells clients to ask again, and how."""

    def __init__(self, status: HTTPStatus, body: bytes, tag: str | None, cache_status: str) -> None:
        # Litestar's own makes a dozen objects of an answer, and this is what the fastest answers are made of.
        self.status_code = int(status)
        self._body = body
        self._headers = [
            (b"cache-control", b"private, no-cache"),
            (b"cache-status", f"{NAME}; {cache_status}".encode()),
        ]
        if tag is not None:
            # Weak: writing weights down may change their last digits, and makes no new version.
            self._headers.append((b"etag", f'W/"{tag}"'.encode()))
        if status is HTTPStatus.OK:
            self._headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    def to_asgi_response(self, *_: object, **__: object) -> ASGIResponse:
        answer: Any = self.send
        return answer

    async def send(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def _answered(found: _Outcome, key: Key, if_none_match: str | None) -> Answer[Any]:
    if found.settled and if_none_match == "*":
        return Answer(HTTPStatus.NOT_MODIFIED, b"", key.tag, found.status)
    return Answer(HTTPStatus.OK, found.body, key.tag if found.settled else None, found.status)


def _matches(if_none_match: str, tag: str) -> bool:
    """RFC 9110, 13.1.2: any of a list, weak or not."""
    return any(each.strip().removeprefix("W/") == f'"{tag}"' for each in if_none_match.split(","))


def release() -> bytes:
    """A digest of the code: another release may answer the same question otherwise."""
    digest = hashlib.blake2b(digest_size=_TAG_BYTES)
    for root, pattern in ((Path(__file__).parents[2], "**/*.py"), (sql.ROOT, "**/*.sql")):
        for file in sorted(root.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.digest()

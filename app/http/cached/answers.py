"""The answers of one process: cached or worked out, each with an ETag that tells it from newer answers.

An answer is a function of the question, of the minute that the question is about, and of the graph's version. Each
request has the version read from PostgreSQL after the request came. One reading serves all requests that wait for it,
and no reading is kept. So no answer is older than its request, whatever is in Redis or on the standbys. (Users without
an edge make no new version: a list of users may lack them.)
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import psycopg
from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.serialization import encode_json
from litestar.types import Receive, Scope, Send
from psycopg_pool import AsyncConnectionPool, PoolTimeout

import sql
from app.errors import TookTooLong, TooManyReads
from app.graph import versions
from app.http.cached.cache import Cache, Counters, Together
from app.http.cached.standbys import Found, Standbys, Work
from app.http.parameters import minute
from app.settings import Settings
from app.store import secrets
from app.store.postgres import AsyncConnection, async_pool, require_primary, server_failed

NAME = "mentiongraph"
"""In Cache-Status (RFC 9211)."""

_TAG_BYTES = 16
MOST_TARGETS, LONGEST_TARGET = 10_000, 512
"""Number of known targets (some 20 MB at most), and bytes of a target that may become known."""

T = TypeVar("T")


class Version(NamedTuple):
    """The graph's version, and the PostgreSQL session that told it: after a fail-over an earlier version may return."""

    vector: str
    backend: int
    last_mention: datetime | None = None
    """The latest instant at which a mention of the graph counts."""


class Versions:
    """Reads the version for all requests that wait. No request gets a version that was read before it asked."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], *, pgbouncer: bool) -> None:
        self._pool = pool
        self._pgbouncer = pgbouncer
        self.secret = b""
        """Of cached values, read with the first version."""
        self.current_for: Together[None, Version] = Together(self._read)

    async def current(self) -> Version:
        """The graph's version now. Raises psycopg.OperationalError."""
        return await self.current_for(None)

    async def _read(self, asked: Sequence[None]) -> Sequence[Version]:
        try:
            version = await self._ask()
        except psycopg.Error as error:
            if isinstance(error, PoolTimeout) or not server_failed(error):
                raise
            # The connection was lost while nobody used it. A check before each use would take as long as the question.
            await self._pool.drain()
            version = await self._ask()
        return [version] * len(asked)

    async def _ask(self) -> Version:
        async with self._pool.connection() as conn:
            if not self.secret:
                self.secret = await secrets.of_cache(conn)
            found = await versions.current(conn)
            version = Version(found.vector, conn.info.backend_pid, found.last_mention)
            if not self._pgbouncer:
                require_primary(conn)
            return version


class _Outcome(NamedTuple):
    """A body, its Cache-Status, and its tag if the whole body is what the graph says at one version."""

    body: bytes
    status: str
    tag: str | None


class _Shared:
    """Work on an answer, and how many requests wait for it."""

    def __init__(self, task: asyncio.Task[_Outcome]) -> None:
        self.task = task
        self.requests = 0


class Question(NamedTuple):
    """What a request asks: equal for all requests that mean the same."""

    what: bytes
    as_of: datetime | None
    """The instant that the request names. None: the minute that has begun."""
    timed: bool
    """Whether the answer depends on an instant."""
    route: str = ""
    """The template of the path."""
    is_told: bool = False
    """Whether the answer has to be what the graph was at `as_of`, without later mentions. A later page of a list is for
    the instant of the first page, whatever was merged meanwhile."""


class Key(NamedTuple):
    """What an answer is cached under."""

    version: Version
    at: datetime | None
    """The instant that the answer is about."""
    tag: str
    what: bytes
    past: bool = False
    """Whether `at` is in the past, and the answer must hold no later mention."""


class Answers:
    """The answers of one process. Without Redis each answer is worked out anew, with the same ETag."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        graph: str = "",
        pool: AsyncConnectionPool[AsyncConnection] | None = None,
    ) -> None:
        """`graph`: the name, for another graph than `default`. `pool`: an open pool, where the caller has one."""
        self.cache = Cache(settings, graph)
        self._clock = clock
        self._is_own = pool is None
        # A connection of its own: a cached answer does not wait for answers that are worked out.
        self._pool: AsyncConnectionPool[AsyncConnection] = pool or async_pool(
            settings.database_url,
            role="version",
            size=1,
            statement_timeout=settings.statement_timeout,
            pgbouncer=settings.pgbouncer,
            checked=False,
        )
        self._versions = Versions(self._pool, pgbouncer=settings.pgbouncer)
        self.standbys = Standbys(settings)
        # An answer holds links, and these have the graph's name.
        self._release = release() + graph.encode()
        self._under_way: dict[str, _Shared] = {}
        self._known: dict[bytes, Question] = {}
        self.waiting = 0
        """Requests that wait for an answer which another request works out."""

    @property
    def counters(self) -> Counters:
        return self.cache.counters

    async def open(self) -> None:
        if self._is_own:
            await self._pool.open(wait=False)
        self.standbys.open()
        self.cache.open()

    async def close(self, seconds: float) -> None:
        await self._versions.current_for.close()
        await self.cache.close()
        await self.standbys.close()
        if self._is_own:
            await self._pool.close(seconds)

    async def key(self, question: Question) -> Key:
        """The key of the question's answer now. Raises psycopg.OperationalError, InstantTooEarly."""
        version = await self._versions.current()
        self.cache.secret = self._versions.secret
        now = minute(self._clock())
        at = question.as_of or now if question.timed else None
        past = question.is_told and at is not None and at < now
        key = Key(version, at, self._tag(version.vector, at, question.what), question.what, past)
        _require_known(key, version)
        return key

    def _tag(self, vector: str, at: datetime | None, what: bytes) -> str:
        # A digest for which nobody can find two questions, since one client's answer serves another client.
        digest = hashlib.blake2b(self._release, digest_size=_TAG_BYTES)
        for part in (vector.encode(), at.isoformat().encode() if at else b"", what):
            digest.update(part)
            digest.update(b"\0")
        return digest.hexdigest()

    async def vector(self) -> str:
        """The graph's version on the primary now. Raises psycopg.OperationalError."""
        return (await self._versions.current()).vector

    def asked_by(self, target: bytes) -> Question | None:
        """What a request with this target asks, if such a request was answered before."""
        return self._known.get(target)

    def note(self, target: bytes, question: Question) -> None:
        """Note what every request with this target asks."""
        if len(target) <= LONGEST_TARGET:
            self._known[target] = question
            if len(self._known) > MOST_TARGETS:
                del self._known[next(iter(self._known))]

    async def cached(self, key: Key, if_none_match: str | None) -> Answer[Any] | None:
        """The answer, if it is cached or the client has it."""
        if if_none_match is not None and _matches(if_none_match, key.tag):
            self.counters.count("not_modified")
            return Answer(HTTPStatus.NOT_MODIFIED, b"", key.tag, "hit; detail=not-modified")
        body = await self.cache.get(key.tag)
        if body is None:
            return None
        self.counters.count("hits")
        return _answered(_Outcome(body, "hit", key.tag), if_none_match)

    async def work_out(self, key: Key, if_none_match: str | None, work: Work) -> Answer[Any]:
        """The answer that is not cached, from what `work` returns. Raises what `work` raises."""
        return _answered(await self._outcome(key, work), if_none_match)

    async def _outcome(self, key: Key, work: Work) -> _Outcome:
        """One task works for all requests that ask the same at the same version, and ends when none of them waits.

        So a client that hangs up takes nothing from the others. What the task read is no older than a request that
        joined: the graph's version was the same when the request came.
        """
        while True:
            shared = self._under_way.get(key.tag)
            first = shared is None
            if shared is None:
                shared = self._begin(key, work)
            self.waiting += not first
            shared.requests += 1
            try:
                await asyncio.wait({shared.task})
            finally:
                shared.requests -= 1
                self.waiting -= not first
                if not shared.requests:
                    shared.task.cancel()
            error = None if shared.task.cancelled() else shared.task.exception()
            if first or isinstance(error, TookTooLong | TooManyReads):
                return shared.task.result()
            if error is None and not shared.task.cancelled():
                self.counters.count("hits")
                return shared.task.result()._replace(status="hit; detail=shared")
            # Another request failed, which may have nothing to do with this one.

    def _begin(self, key: Key, work: Work) -> _Shared:
        shared = _Shared(asyncio.create_task(self._work_out(key, work)))
        self._under_way[key.tag] = shared

        def forget(task: asyncio.Task[_Outcome]) -> None:
            del self._under_way[key.tag]
            if not task.cancelled():
                task.exception()  # seen

        shared.task.add_done_callback(forget)
        return shared

    async def _work_out(self, key: Key, work: Work) -> _Outcome:
        self.counters.count("misses")
        found = await self.standbys.answer(key.version.vector, work)
        if found is not None and await self._reached(found, key):
            tag = self._tag(found.vector, key.at, key.what)
            return self._kept(encode_json(found.answer), tag, "; detail=standby")
        body = encode_json(await work(None))
        # If the version is the same after the work as before, all of the work's statements read this version: the
        # version changes in the transactions that change the graph, and a later statement sees what an earlier one saw.
        version = await self._versions.current()
        _require_known(key, version)  # what was merged meanwhile may be in the answer
        return self._kept(body, key.tag if version == key.version else None)

    async def _reached(self, found: Found, key: Key) -> bool:
        """Whether the primary has what the standby had. After a fail-over, a standby may have what was lost. A standby
        may also be the first to show what is being committed: nobody may see that and then ask the primary in vain."""
        if found.vector == key.version.vector:
            return True
        version = await self._versions.current()
        if versions.holds(version.vector, found.vector):
            _require_known(key, version)
            return True
        self.standbys.counters.ahead += 1
        return False

    def _kept(self, body: bytes, tag: str | None, detail: str = "") -> _Outcome:
        stored = tag is not None and self.cache.put(tag, body)
        self.counters.count("stored" if stored else "not_stored")
        reason = "miss" if self.cache.enabled else "bypass"
        return _Outcome(body, f"fwd={reason}{'; stored' if stored else ''}{detail}", tag)


class Answer(Response[T], Generic[T]):
    """An encoded body, with the headers that tell clients how to ask for it again."""

    def __init__(self, status: HTTPStatus, body: bytes, tag: str | None, cache_status: str) -> None:
        # Litestar's own response makes a dozen objects, which the fastest answers can do without.
        self.status_code = int(status)
        self._body = body
        self._headers = [
            (b"cache-control", b"private, no-cache"),
            (b"cache-status", f"{NAME}; {cache_status}".encode()),
        ]
        if tag is not None:
            # Weak: decay may change a weight's last digits without making a new version.
            self._headers.append((b"etag", f'W/"{tag}"'.encode()))
        if status is HTTPStatus.OK:
            self._headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    def to_asgi_response(self, *_: object, **__: object) -> ASGIResponse:
        answer: Any = self.send
        return answer

    async def send(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def _require_known(key: Key, version: Version) -> None:
    """Raises InstantTooEarly."""
    if key.past and key.at is not None:
        versions.require_known_at(key.at, version.last_mention)


def _answered(found: _Outcome, if_none_match: str | None) -> Answer[Any]:
    if found.tag is not None and if_none_match == "*":
        return Answer(HTTPStatus.NOT_MODIFIED, b"", found.tag, found.status)
    return Answer(HTTPStatus.OK, found.body, found.tag, found.status)


def _matches(if_none_match: str, tag: str) -> bool:
    """Whether the header names the tag: RFC 9110, 13.1.2, weak comparison with each tag of a list."""
    return any(each.strip().removeprefix("W/") == f'"{tag}"' for each in if_none_match.split(","))


@cache
def release() -> bytes:
    """A digest of the code, since another release may answer the same question otherwise."""
    digest = hashlib.blake2b(digest_size=_TAG_BYTES)
    for root, pattern in ((Path(__file__).parents[2], "**/*.py"), (sql.ROOT, "**/*.sql")):
        for file in sorted(root.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.digest()

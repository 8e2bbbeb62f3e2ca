"""Answers about the graph that serve until the graph changes: kept in Redis, and told by an ETag from newer ones.

An answer is a function of what was asked, of the minute it was asked for, and of the graph's version. The version is
read from PostgreSQL for every request, after it came: one reading serves all that wait for it, and none is remembered.
So a request never gets an answer that is older than itself, whatever is in Redis.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar, get_type_hints

import msgspec
import psycopg
from litestar import Response, get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter
from litestar.response.base import ASGIResponse
from litestar.serialization import encode_json
from litestar.types import Receive, Scope, Send
from psycopg_pool import AsyncConnectionPool, PoolTimeout

import sql
from app import versions
from app.cache import Cache, Counters, Together
from app.db import AsyncConnection, async_pool, require_primary, server_failed
from app.http.paging import instant
from app.settings import Settings
from app.shards import fold

NAME = "mentiongraph"
"""In Cache-Status (RFC 9211)."""

_HANDLES = frozenset({"handle", "source", "target"})
"""Parameters that hold a handle: its spelling makes no difference to an answer."""

_TAG_BYTES = 16
_HEADERS = (
    ResponseHeader("ETag", documentation_only=True, description="Of this answer; to be sent back as If-None-Match."),
    ResponseHeader(
        "Cache-Status", documentation_only=True, description="Whether the answer was kept from before (RFC 9211)."
    ),
)
IfNoneMatch: TypeAlias = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", description="The ETag of an answer that is at hand; 304 if it still holds."),
]

Handler: TypeAlias = Callable[..., Awaitable[Any]]
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

    def instant(self, as_of: datetime | None) -> datetime:
        """The instant that is meant."""
        return instant(as_of, self._clock())

    async def answer(self, asked: bytes, if_none_match: str | None, work: Work) -> _Answer[Any]:
        """The answer to what is asked, from what `work` returns, if need be. Raises what `work` does."""
        version = await self._versions.current()
        tag = self._tag(asked, version)
        if if_none_match is not None and _matches(if_none_match, tag):
            self.counters.not_modified += 1
            return _Answer(HTTPStatus.NOT_MODIFIED, b"", tag, "hit; detail=not-modified")
        body, status, settled = await self._outcome(tag, version, work)
        if settled and if_none_match == "*":
            return _Answer(HTTPStatus.NOT_MODIFIED, b"", tag, status)
        return _Answer(HTTPStatus.OK, body, tag if settled else None, status)

    def _tag(self, asked: bytes, version: Version) -> str:
        # A digest that nobody can find two questions for: an answer is kept under it.
        digest = hashlib.blake2b(self._release, digest_size=_TAG_BYTES)
        digest.update(version.vector.encode())
        digest.update(b"\0")
        digest.update(asked)
        return digest.hexdigest()

    async def _outcome(self, tag: str, version: Version, work: Work) -> _Outcome:
        """Of those who ask the same at the same version one works, and the others wait for it."""
        under_way = self._under_way.get(tag)
        if under_way is not None:
            self.waiting += 1
            await asyncio.wait({under_way})
            self.waiting -= 1
            if not under_way.cancelled():
                self.counters.hits += 1
                return under_way.result()._replace(status="hit; detail=shared")
            # It failed. What failed there may have been somebody else's patience: everybody tries for himself.
            return await self._find(tag, version, work)
        future = asyncio.get_running_loop().create_future()
        self._under_way[tag] = future
        try:
            outcome = await self._find(tag, version, work)
            if outcome.settled:
                future.set_result(outcome)
            return outcome
        finally:
            del self._under_way[tag]
            future.cancel()

    async def _find(self, tag: str, version: Version, work: Work) -> _Outcome:
        body = await self.cache.get(tag)
        if body is not None:
            self.counters.hits += 1
            return _Outcome(body, "hit", settled=True)
        self.counters.misses += 1
        body = encode_json(await work())
        # What the work read in several statements was all of this version, if it still is the version afterwards: it
        # changes in the transactions that change the graph, and what one statement sees, the next one sees, too.
        settled = await self._versions.current() == version
        stored = settled and self.cache.put(tag, body)
        self.counters.stored += stored
        self.counters.not_stored += not stored
        reason = "miss" if self.cache.enabled else "bypass"
        return _Outcome(body, f"fwd={reason}{'; stored' if stored else ''}", settled)


class _Answer(Response[T], Generic[T]):
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


def _matches(if_none_match: str, tag: str) -> bool:
    """RFC 9110, 13.1.2: any of a list, weak or not."""
    return any(each.strip().removeprefix("W/") == f'"{tag}"' for each in if_none_match.split(","))


def release() -> bytes:
    """A digest of the code: another release may answer the same question otherwise."""
    digest = hashlib.blake2b(digest_size=_TAG_BYTES)
    for root, pattern in ((Path(__file__).parents[1], "**/*.py"), (sql.ROOT, "**/*.sql")):
        for file in sorted(root.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.digest()


# Handlers -------------------------------------------------------------------------------------------------------------


class _Services(Protocol):
    answers: Answers


def get_cached(
    path: str,
    *,
    responses: Mapping[int, ResponseSpec],
    **options: Any,  # noqa: ANN401 (those of `get`)
) -> Callable[[Handler], HTTPRouteHandler]:
    """`get` for what the graph says: the answer is kept until the graph changes.

    The handler takes `services: Injected` and `as_of: datetime | None`; it gets the instant that is meant where None
    was asked. Its answer, a struct, depends on nothing but its parameters and the edges: the same for every spelling of
    a handle, the same for everybody.
    """
    not_modified = ResponseSpec(None, description="What the client has, by its If-None-Match, still holds.")
    decorate = get(
        path,
        responses={HTTPStatus.NOT_MODIFIED.value: not_modified, **responses},
        response_headers=_HEADERS,
        **options,
    )
    return lambda handler: decorate(_kept(path, handler))


def _kept(path: str, handler: Handler) -> Handler:
    hints = get_type_hints(handler, include_extras=True)
    parameters = inspect.signature(handler).parameters
    if not {"services", "as_of"} <= parameters.keys():
        raise TypeError(f"{handler.__qualname__} takes no `services`, or no `as_of`: its answers cannot be kept")

    async def answer(services: _Services, if_none_match: str | None = None, **asked: Any) -> Response[Any]:  # noqa: ANN401
        answers = services.answers
        asked["as_of"] = answers.instant(asked["as_of"])
        return await answers.answer(_question(path, asked), if_none_match, lambda: handler(services=services, **asked))

    answer.__name__, answer.__qualname__ = handler.__name__, handler.__qualname__
    answer.__module__, answer.__doc__ = handler.__module__, handler.__doc__
    result = Response[hints.pop("return")]
    answer.__annotations__ = {**hints, "if_none_match": IfNoneMatch, "return": result}
    kinds = [each.replace(annotation=hints[name]) for name, each in parameters.items()]
    header = inspect.Parameter(
        "if_none_match",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=answer.__annotations__["if_none_match"],
    )
    signature = inspect.Signature([*kinds, header], return_annotation=result)
    answer.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    return answer


def _question(path: str, asked: Mapping[str, object]) -> bytes:
    """The same for every way of asking the same."""
    plain = {
        name: fold(value) or value if name in _HANDLES and isinstance(value, str) else value
        for name, value in asked.items()
    }
    return msgspec.json.encode([path, plain], order="deterministic")

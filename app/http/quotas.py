"""What one owner may take, so that others find room: so much at once, and so many requests a minute.

An owner is who has a key. Without a key it is the client's address, and clients on this machine have no limits then.
Counts are those of this process, and are forgotten with it; only the bytes of a day come from the ledger. `limited`
puts `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) on the answer to each request that a
limit applies to.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from time import monotonic
from typing import Any, cast

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from psycopg_pool import AsyncConnectionPool

from app.control.callers import Caller
from app.errors import LimitReached
from app.http import problems
from app.http.addresses import address_of
from app.http.calling import CALLER
from app.http.slots import PATIENCE, taken
from app.ledger import allowance
from app.ledger.allowance import Allowance, Allowances
from app.settings import Settings
from app.store.postgres import AsyncConnection, Now, steadily

MINUTE = 60
MOST_COUNTED = 10_000
"""Owners whose requests a process counts. Of more, those are forgotten that asked for nothing for the longest time."""
AGAIN_SECONDS = 5
"""After how long a client may ask again for what it has too many of at once."""
_FREE = ("/health", "/doc", "/guide", "/static", "/page/")
"""Paths whose requests are not counted: probes, and pages with many files."""


class Kind(StrEnum):
    """What an owner may have only so many of at once."""

    UPLOADS = "uploads"
    EXPORTS = "exports"
    STREAMS = "streams"
    READS = "reads"


_WORDS = {
    Kind.UPLOADS: ("uploads and previews", "MENTIONGRAPH_OWNER_UPLOADS"),
    Kind.EXPORTS: ("exports and files of rejects", "MENTIONGRAPH_OWNER_EXPORTS"),
    Kind.STREAMS: ("event streams", "MENTIONGRAPH_OWNER_STREAMS"),
    Kind.READS: ("expensive questions", "MENTIONGRAPH_OWNER_READS"),
}
_PATIENCE = {Kind.EXPORTS: PATIENCE, Kind.READS: PATIENCE}
"""Seconds that a request waits for another one of its owner to end. The others are refused at once."""


class _Slots:
    """The slots of one owner. `users` hold one or wait for one."""

    def __init__(self, most: int) -> None:
        self.free = asyncio.Semaphore(most)
        self.held = 0
        self.users = 0


class AtOnce:
    """Things of one kind that owners have at once."""

    def __init__(self, kind: Kind, most: int) -> None:
        self.kind = kind
        self.most = most
        self._slots: dict[str, _Slots] = {}
        """Only of owners that have such a thing, or wait for it."""

    @asynccontextmanager
    async def one(self, asking: Asking) -> AsyncGenerator[None]:
        """One more for the block. Raises LimitReached."""
        slots = self._slots.setdefault(asking.who, _Slots(self.most))
        slots.users += 1
        try:
            async with taken(slots.free, _PATIENCE.get(self.kind, 0.0), self._refusal(asking)):
                slots.held += 1
                try:
                    self._tell(asking, self.most - slots.held)
                    yield
                finally:
                    slots.held -= 1
        finally:
            slots.users -= 1
            if not slots.users:
                del self._slots[asking.who]

    def check(self, asking: Asking) -> None:
        """Raises LimitReached if the owner has as many as may be."""
        slots = self._slots.get(asking.who)
        if slots is not None and slots.held >= self.most:
            raise self._refusal(asking)

    def _refusal(self, asking: Asking) -> LimitReached:
        self._tell(asking, 0)
        things, setting = _WORDS[self.kind]
        return LimitReached(
            f"{asking.words} may have {self.most} {things} at once, and has that many; ask again when one has ended. "
            f"{setting} is the limit.",
            policy=self.kind,
            seconds=AGAIN_SECONDS,
        )

    def _tell(self, asking: Asking, left: int) -> None:
        asking.told[self.kind] = (f'q={self.most};qu="concurrent-requests"', f"r={left}")


class Requests:
    """Requests of owners, in minutes that begin with the first of them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._counted: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, asking: Asking, now: float) -> None:
        """Count a request. Raises LimitReached."""
        begun, count = self._counted.get(asking.who, (now, 0))
        if now - begun >= MINUTE:
            begun, count = now, 0
        self._counted[asking.who] = (begun, count + 1)
        self._counted.move_to_end(asking.who)
        if len(self._counted) > MOST_COUNTED:
            self._counted.popitem(last=False)
        seconds = max(1, round(begun + MINUTE - now))
        left = max(0, self.most - count - 1)
        asking.told["requests"] = (f"q={self.most};w={MINUTE}", f"r={left};t={seconds}")
        if count >= self.most:
            raise LimitReached(
                f"{asking.words} may send {self.most} requests a minute; ask again in {seconds} s. "
                "MENTIONGRAPH_OWNER_REQUESTS_A_MINUTE is the limit.",
                policy="requests",
                seconds=seconds,
            )


class Quotas:
    """The limits of one process."""

    def __init__(self, settings: Settings) -> None:
        self.requests = Requests(settings.owner_requests_a_minute)
        self.bytes = Allowances(settings.owner_bytes_a_day)
        most = {
            Kind.UPLOADS: settings.owner_uploads,
            Kind.EXPORTS: settings.owner_exports,
            Kind.STREAMS: settings.owner_streams,
            Kind.READS: settings.owner_reads,
        }
        self.at_once = {kind: AtOnce(kind, number) for kind, number in most.items() if number}


@dataclass
class Asking:
    """A request that limits apply to."""

    quotas: Quotas
    who: str
    """What the owner is counted under."""
    words: str
    """The owner in a sentence."""
    told: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """By limit what the headers say: the policy, and what is left of it."""


_ASKING: ContextVar[Asking | None] = ContextVar("asking", default=None)
"""The request that the present task works for, if limits apply to it."""


@asynccontextmanager
async def one(kind: Kind) -> AsyncGenerator[None]:
    """One more of this kind for whom the present request comes from. Raises LimitReached."""
    asking = _ASKING.get()
    limit = None if asking is None else asking.quotas.at_once.get(kind)
    if asking is None or limit is None:
        yield
        return
    async with limit.one(asking):
        yield


async def one_of(kind: Kind, blocks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The blocks of an answer, which is `one` until its last block. Raises LimitReached before the first."""
    async with one(kind), aclosing(blocks):
        async for block in blocks:
            yield block


def check(kind: Kind) -> None:
    """Raises LimitReached if `one` would, for an answer that has begun when it calls `one`."""
    asking = _ASKING.get()
    limit = None if asking is None else asking.quotas.at_once.get(kind)
    if asking is not None and limit is not None:
        limit.check(asking)


@asynccontextmanager
async def upload(
    pool: AsyncConnectionPool[AsyncConnection], caller: Caller, clock: Now, *, graph: str, patience: float
) -> AsyncGenerator[Allowance | None]:
    """One more upload, and what it may take of the owner's bytes of the day in this graph: None where no limit applies.

    `patience`: seconds to wait for a PostgreSQL that restarts. Raises LimitReached.
    """
    asking = _ASKING.get()
    async with one(Kind.UPLOADS), AsyncExitStack() as stack:
        if asking is None or not asking.quotas.bytes.limit:
            yield None
            return
        now = clock()
        sent = await steadily(pool, patience, lambda conn: allowance.sent_today(conn, caller, now=now))
        asking.told[allowance.POLICY] = _of_bytes(asking.quotas.bytes.limit, sent, allowance.until_midnight(now))
        given = stack.enter_context(asking.quotas.bytes.given(f"{asking.who} {graph}", sent, now=now))
        yield given
        asking.told[allowance.POLICY] = _of_bytes(given.limit, given.limit - given.left, given.seconds)


def _of_bytes(limit: int, used: int, seconds: int) -> tuple[str, str]:
    return f'q={limit};qu="content-bytes";w=86400', f"r={max(0, limit - used)};t={seconds}"


def limited(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The app, which keeps each owner within the limits. It comes after whatever finds out who asks."""
    quotas = Quotas(settings)
    requests = quotas.requests

    async def limit(scope: Scope, receive: Receive, send: Send) -> None:
        asking = _asking(scope, quotas) if scope["type"] == "http" else None
        if asking is None:
            await app(scope, receive, send)
            return
        told = asking.told

        async def send_told(message: Message) -> None:
            if told and message["type"] == "http.response.start":
                begun = cast("dict[str, Any]", message)
                begun["headers"] = [*begun["headers"], *_headers(told)]
            await send(message)

        if requests.most and not scope["path"].startswith(_FREE):
            try:
                requests.count(asking, monotonic())
            except LimitReached as error:
                await problems.refuse(scope, receive, send_told, error)
                return
        token = _ASKING.set(asking)
        try:
            await app(scope, receive, send_told)
        finally:
            _ASKING.reset(token)

    return limit


def _asking(scope: Scope, quotas: Quotas) -> Asking | None:
    caller: Caller | None = cast("dict[str, Any]", scope).get(CALLER)
    if caller is not None and caller.owner is not None:
        return Asking(quotas, f"owner {caller.owner}", f"the owner {caller.owner!r}")
    client = scope.get("client")
    address = caller.address if caller is not None else client[0] if client else None
    if address is None or _is_here(address):
        return None
    return Asking(quotas, f"address {address_of((address, 0))}", "your address")


@lru_cache(maxsize=MOST_COUNTED)
def _is_here(address: str) -> bool:
    """Whether it is an address of this machine alone."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _headers(told: dict[str, tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    policies = ", ".join(f'"{name}";{policy}' for name, (policy, _) in told.items())
    left = ", ".join(f'"{name}";{left}' for name, (_, left) in told.items())
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode())]

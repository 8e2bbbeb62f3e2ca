"""The physical lines that made an edge: the posts of the batches that contributed, read again from their payloads."""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import NamedTuple

import msgspec
from psycopg_pool import AsyncConnectionPool

import sql
from app.graph import lines, post_ids
from app.graph.lines import Line, Making
from app.graph.parameters import GraphParameters
from app.graph.profiles import Profile, version_of
from app.posts.containers.compression import decompress
from app.posts.options import Format, Options
from app.posts.readers import READERS
from app.reads import history
from app.reads.history import Contribution
from app.reads.users import User
from app.store.postgres import AsyncConnection, async_one

_PAYLOAD = sql.query("reads/lines/payload")

BYTES_A_PAGE = 32 << 20
"""Bytes of rows that one page reads again at most, but one batch at least."""
SECONDS_A_PAGE = 0.15
"""Seconds of reading after which a page reads no further batch."""


class Position(NamedTuple):
    """A position in the lines of an edge: behind this line of this batch."""

    batch_id: int
    line: int


_LAST_LINE = _LAST_BATCH = 2**53 - 1

START = Position(_LAST_BATCH, _LAST_LINE)
"""Before every line."""


class Why(StrEnum):
    """Why the lines of a batch can't be shown."""

    PURGED = "purged"
    """The payload's retention time is over."""
    ERASED = "erased"
    """The payload was dropped because it held a forgotten person."""
    UNKNOWN_PROFILE = "unknown_profile"
    """This release does not know the version of the profile that counted the batch."""


class LineOf(msgspec.Struct, frozen=True):
    """A post that made the edge, with the batch that holds the post."""

    contribution: Contribution
    line: Line


class Unread(msgspec.Struct, frozen=True):
    """A batch whose lines can't be shown."""

    contribution: Contribution
    why: Why


class Lines(msgspec.Struct, frozen=True):
    """A page of the lines of an edge, the newest batch first, and in a batch the last line first."""

    lines: list[LineOf]
    unread: list[Unread]
    """Batches that the page came to, and whose lines can't be shown."""
    before: Position | None
    """Where the next page begins. None: this page is the last one."""
    purged: bool
    """Whether the graph holds uploads of which nothing is left: their lines are missing."""


class _Payload(msgspec.Struct, frozen=True):
    first_line: int
    payload: bytes | None
    erased: bool
    size_bytes: int
    options: Options
    format: Format


class _Page:
    """A page of lines that is being filled: what it is about, what it has found, and what it has cost so far."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], ends: tuple[User, User], limit: int, owner: str | None
    ) -> None:
        self.lines: list[LineOf] = []
        self.unread: list[Unread] = []
        self._pool = pool
        self._ends = ends
        self._limit = limit
        self._owner = owner
        self._bytes = 0
        self._seconds = 0.0

    async def read(self, contribution: Contribution, *, before: int) -> int | None:
        """Put the lines of a batch on the page that begin before a line.

        Returns the line before which the next page begins, if the page is full.
        """
        room = self._limit - len(self.lines)
        if not room:
            return before
        async with self._pool.connection() as conn:
            params = {"batch_id": contribution.batch_id, "owner": self._owner}
            batch = await async_one(conn, _Payload, _PAYLOAD, params)
        if batch is None:
            return None
        profile = version_of(contribution.profile, contribution.profile_version)
        if batch.payload is None or profile is None:
            why = Why.UNKNOWN_PROFILE if batch.payload else Why.ERASED if batch.erased else Why.PURGED
            self.unread.append(Unread(contribution, why))
            return None
        if self._bytes and (self._bytes + batch.size_bytes > BYTES_A_PAGE or self._seconds > SECONDS_A_PAGE):
            return before
        found, seconds = await asyncio.to_thread(_making, batch, batch.payload, profile, self._ends)
        self._bytes += batch.size_bytes
        self._seconds += seconds
        elsewhere = await self._elsewhere(contribution.batch_id, found)
        chosen = await asyncio.to_thread(lines.shown, found, elsewhere, before=before, limit=room + 1)
        self.lines += [LineOf(contribution, each) for each in chosen[:room]]
        return chosen[room - 1].line if len(chosen) > room else None

    async def _elsewhere(self, batch_id: int, found: Making) -> list[int]:
        """Positions of the posts that other batches own."""
        if found.keys is None or not len(found.keys.keys):
            return []
        async with self._pool.connection() as conn:
            return (await post_ids.async_owned_by_others(conn, batch_id, found.keys)).positions


async def lines_of(
    pool: AsyncConnectionPool[AsyncConnection],
    source: User,
    target: User,
    parameters: GraphParameters,
    *,
    before: Position,
    limit: int,
    owner: str | None = None,
) -> Lines:
    """Up to `limit` lines that made the edge, from behind a position; with an `owner`, of this owner's uploads.

    A page reads a bounded number of batches and bytes, so a page before the last may have fewer lines, or none.
    """
    purged = await history.any_purged(pool)
    page = _Page(pool, (source, target), limit, owner)
    at = min(before.batch_id, _LAST_BATCH) + 1
    for _ in range(history.DELTAS_A_PAGE // history.DELTAS_AT_ONCE):
        contributions, following = await history.looked_into(pool, source, target, parameters, before=at)
        for each in contributions:
            line = before.line if each.batch_id == before.batch_id else _LAST_LINE
            end = await page.read(each, before=line)
            if end is not None:
                return Lines(page.lines, page.unread, Position(each.batch_id, end), purged)
        if following is None:
            return Lines(page.lines, page.unread, None, purged)
        at = following
    return Lines(page.lines, page.unread, Position(at - 1, _LAST_LINE), purged)


def _making(batch: _Payload, payload: bytes, profile: Profile, ends: tuple[User, User]) -> tuple[Making, float]:
    """The posts that make the edge, and the seconds that it took to find them."""
    began = time.perf_counter()
    posts = READERS[batch.options.format].read(decompress(payload), batch.format, first_line=batch.first_line)
    source, target = ends
    found = lines.making(posts.frame, batch.format, source.handle, target.handle, profile, batch.options.retweet_rule)
    return found, time.perf_counter() - began

"""Reading the graph: users and edges. Weights are effective at the instant asked for."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import LiteralString, NamedTuple

import msgspec
import numpy as np
import polars as pl
from psycopg_pool import AsyncConnectionPool

import sql
from app.errors import BadRequest, NotFound, NotMigrated
from app.graph.deltas import unpack
from app.graph.parameters import GraphParameters
from app.graph.shards import handle_ids, shard_of
from app.graph.users import MAX_PROBES
from app.posts.handles import fold
from app.posts.posts import MAX_AUTHOR_CHARACTERS
from app.store.params import Int8Array
from app.store.postgres import AsyncConnection, async_one, async_rows, async_scalars

_PARAMETERS = sql.query("graph/parameters")
_USERS = sql.query("users/get")
_TOTALS = sql.query("users/totals")
_EDGE = sql.query("edges/get")
_RECIPROCAL = sql.query("edges/reciprocal")
_BY_PREFIX = sql.query("users/by_prefix")
_HISTORY = sql.query("deltas/history")
_ANY_PURGED = sql.query("uploads/any_purged")

PROBES_AT_ONCE = 4
"""Hashes of a handle looked up in one query. A second hash is needed once in some 10^9 users, a fifth never."""

MAX_HANDLE_CHARACTERS = 2 * MAX_AUTHOR_CHARACTERS
"""Nobody's handle is longer: folding makes two characters of some."""
_HIGHEST = chr(0x10FFFF)
_LAST_SIGMA = re.compile(r"ς(?=\W*$)")

DELTAS_AT_ONCE = 8
"""Deltas in memory at once while an edge's history is looked for; one may have some hundred kB."""
DELTAS_A_PAGE = 128
"""Deltas that one page of history looks into at most."""


class User(msgspec.Struct, frozen=True):
    """A user by id; `handle` is folded, `spelling` is the first one seen."""

    id: int
    handle: str
    spelling: str


class Totals(msgspec.Struct, frozen=True):
    """A user's mentions in both directions, self-mentions told apart."""

    mentioned_users: int
    mentions_made: int
    weight_made: float
    mentioning_users: int
    mentions_received: int
    weight_received: float
    self_mentions: int


class Edge(msgspec.Struct, frozen=True):
    """How often, how recently and how heavily a source mentions a target."""

    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None


class Mention(msgspec.Struct, frozen=True):
    """One of a user's edges, with the user at its other end."""

    id: int
    handle: str
    spelling: str
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None


class Tie(msgspec.Struct, frozen=True):
    """A user who is mentioned by another and mentions that one. `weight` is that of the lighter direction."""

    id: int
    handle: str
    spelling: str
    weight: float
    mentions_made: int
    weight_made: float
    last_made: datetime
    made_archived_at: datetime | None
    mentions_received: int
    weight_received: float
    last_received: datetime
    received_archived_at: datetime | None


class Contribution(msgspec.Struct, frozen=True):
    """What one batch added to an edge."""

    upload_id: uuid.UUID
    filename: str | None
    batch_id: int
    ordinal: int
    """Which of its upload's batches it is, from 0 on."""
    first_line: int
    """Physical line in the file on which the batch begins."""
    mention_count: int
    first_seen: datetime
    last_seen: datetime
    applied_at: datetime | None
    profile: str
    profile_version: int
    retracted: bool
    """Whether it was, or is just being, taken out again."""


class History(msgspec.Struct, frozen=True):
    """A page of an edge's history, the newest batch first."""

    contributions: list[Contribution]
    before: int | None
    """Where the next page begins; None: this is the last one."""
    purged: bool
    """Whether uploads whose deltas were purged are in the graph: what they added is in the edge, but not in here."""


class _Delta(msgspec.Struct, frozen=True):
    batch_id: int
    sign: int
    payload: bytes
    upload_id: uuid.UUID
    filename: str | None
    ordinal: int
    first_line: int
    applied_at: datetime | None
    profile: str
    profile_version: int


class Direction(StrEnum):
    """Which of a user's mentions are meant: those the user makes, or receives."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


_MENTIONS: Mapping[Direction, LiteralString] = {
    Direction.OUTGOING: sql.query("edges/outgoing"),
    Direction.INCOMING: sql.query("edges/incoming"),
}
_HELD_MENTIONS: Mapping[Direction, LiteralString] = {
    Direction.OUTGOING: sql.query("edges/held_outgoing"),
    Direction.INCOMING: sql.query("edges/held_incoming"),
}

HELD_AT_FIRST, HELD_BEHIND = 50, 1000
"""How many of a user's held edges are looked at beyond a page's number. For a first page: some may weigh the same. For
one behind a place: those before it are looked at, too; as many as some 10 ms are enough for."""


class View(msgspec.Struct, frozen=True):
    """How the graph is looked at: as it weighs at an instant, with archived edges or without."""

    as_of: datetime
    archived: bool = False


class Place(NamedTuple):
    """A place in a list ordered by weight, and where weights are equal by id: behind this user."""

    weight: float
    user_id: int


FIRST = Place(float("inf"), -(2**63))
"""Before everybody."""


class Page(msgspec.Struct, frozen=True):
    """At most `limit` of a list, from behind a place."""

    limit: int
    after: Place = FIRST


async def parameters(conn: AsyncConnection) -> GraphParameters:
    """The parameters of this database's graph. Raises NotMigrated."""
    found = await async_one(conn, GraphParameters, _PARAMETERS)
    if found is None:
        raise NotMigrated("the table graph_parameters holds no row: run `mentiongraph migrate`.")
    return found


async def find_users(conn: AsyncConnection, handles: Sequence[str], parameters: GraphParameters) -> list[User]:
    """The users whose handles these are, however they are spelt. Raises BadRequest for an empty handle, NotFound."""
    wanted = [_folded(handle) for handle in handles]
    found: dict[str, User] = {}
    for first in range(0, MAX_PROBES, PROBES_AT_ONCE):
        left = [handle for handle in wanted if handle not in found]
        if not left:
            break
        probes = range(first, first + PROBES_AT_ONCE)
        candidates = np.array([handle_ids(left, probe=probe, bits=parameters.handle_bits) for probe in probes]).T
        asked = {"ids": Int8Array(candidates.ravel())}
        takers = {user.id: user for user in await async_rows(conn, User, _USERS, asked)}
        for handle, ids in zip(left, candidates.tolist(), strict=True):
            user = _taker(handle, [takers.get(user_id) for user_id in ids])
            if user is not None:
                found[handle] = user
    if missing := next((handle for handle in wanted if handle not in found), None):
        raise _unknown(missing)
    return [found[handle] for handle in wanted]


def _folded(handle: str) -> str:
    folded = fold(handle)
    if not folded:
        raise BadRequest(f"{handle!r} is no handle: nothing is left of it without '@' and white space.")
    return folded


def _taker(handle: str, takers: Sequence[User | None]) -> User | None:
    """Of those who have the handle's ids, in the order of probing, the one whose handle it is. None: all are taken by
    others. Raises NotFound where one is free."""
    for user in takers:
        if user is None:
            raise _unknown(handle)
        if user.handle == handle:
            return user
    return None


def _unknown(handle: str) -> NotFound:
    return NotFound(f"nobody called {handle!r} mentions anybody or is mentioned in a post that was counted.")


def seen(view: View, parameters: GraphParameters) -> dict[str, object]:
    """The view as the statements take it."""
    return {
        "as_of": view.as_of,
        "archived": view.archived,
        "half_life_seconds": parameters.half_life.total_seconds(),
    }


def _shard(source: User, parameters: GraphParameters) -> int:
    return int(shard_of(np.array([source.id], dtype=np.int64), parameters.shards)[0])


def _paged(page: Page) -> dict[str, object]:
    return {"limit": page.limit, "after_weight": page.after.weight, "after_id": page.after.user_id}


async def users(conn: AsyncConnection, prefix: str, *, after: str, limit: int) -> list[User]:
    """Users whose handle begins so, however the prefix is spelt, in the order of handles, from behind one."""
    found: list[User] = []
    for begin in _beginnings(fold(prefix)):
        params = {"prefix": begin, "before": _behind(begin), "after": after, "limit": limit}
        found += await async_rows(conn, User, _BY_PREFIX, params)
    return sorted(found, key=lambda user: user.handle)[:limit]


def _beginnings(folded: str) -> list[str]:
    """How handles with a folded prefix may begin: the sigma that ends a word is another one within it, and a word goes
    on behind a full stop."""
    word, end = _LAST_SIGMA.subn("σ", folded)
    return [folded, word] if end else [folded]


def _behind(prefix: str) -> str:
    """The lowest text that follows every text with this prefix, by code points; surrogates are none."""
    bare = prefix.rstrip(_HIGHEST)
    if not bare:
        return _HIGHEST * (MAX_HANDLE_CHARACTERS + 1)
    last = ord(bare[-1]) + 1
    return bare[:-1] + chr(0xE000 if last == 0xD800 else last)  # noqa: PLR2004


async def edge(conn: AsyncConnection, source: User, target: User, parameters: GraphParameters, view: View) -> Edge:
    """One edge, from the graph or the archive, whatever the view says of that. Raises NotFound."""
    params = {"source_id": source.id, "target_id": target.id, **seen(view, parameters)}
    found = await async_one(conn, Edge, _EDGE, params)
    if found is None:
        raise NotFound(f"{source.handle!r} does not mention {target.handle!r} in any post that was applied.")
    return found


async def totals(conn: AsyncConnection, user: User, parameters: GraphParameters, view: View) -> Totals:
    """What the user's edges add up to."""
    found = await async_one(conn, Totals, _TOTALS, {"user_id": user.id, **seen(view, parameters)})
    if found is None:
        raise LookupError("users/totals answered no row")
    return found


async def mentions(
    conn: AsyncConnection,
    user: User,
    parameters: GraphParameters,
    view: View,
    page: Page,
    *,
    direction: Direction,
    self_mentions: bool,
) -> list[Mention]:
    """Whom the user mentions, or who mentions the user; the heaviest first.

    If edges that are held as the heaviest of the graph fill the page, it does not cost the user's degree.
    """
    params = {
        "user_id": user.id,
        "self_mentions": self_mentions,
        **seen(view, parameters),
        **_paged(page),
    }
    if not view.archived:
        held = {
            "shard": _shard(user, parameters),
            "most": page.limit + (HELD_AT_FIRST if page.after == FIRST else HELD_BEHIND),
        }
        found = await async_rows(conn, Mention, _HELD_MENTIONS[direction], params | held)
        if len(found) == page.limit:
            return found
    return await async_rows(conn, Mention, _MENTIONS[direction], params)


async def reciprocal(
    conn: AsyncConnection, user: User, parameters: GraphParameters, view: View, page: Page
) -> list[Tie]:
    """Users whom the user mentions and who mention the user, the strongest ties first.

    A tie is as strong as its lighter direction: the reciprocated weight of Squartini, Picciolo, Ruzzenenti and
    Garlaschelli (Reciprocity of weighted networks, Scientific Reports 3, 2013).
    """
    return await async_rows(conn, Tie, _RECIPROCAL, {"user_id": user.id, **seen(view, parameters), **_paged(page)})


async def history(
    pool: AsyncConnectionPool[AsyncConnection],
    source: User,
    target: User,
    parameters: GraphParameters,
    *,
    before: int,
    limit: int,
) -> History:
    """Which batches made an edge: up to `limit` of those before the batch `before`, among DELTAS_A_PAGE deltas."""
    shard = _shard(source, parameters)
    found: list[Contribution] = []
    async with pool.connection() as conn:
        purged = await async_scalars(conn, _ANY_PURGED) == [True]
    for _ in range(DELTAS_A_PAGE // DELTAS_AT_ONCE):
        async with pool.connection() as conn:
            params = {"shard": shard, "before": before, "limit": DELTAS_AT_ONCE}
            deltas = await async_rows(conn, _Delta, _HISTORY, params)
        for contribution in await asyncio.to_thread(_look_into, deltas, source.id, target.id):
            found.append(contribution)
            if len(found) == limit:
                return History(found, contribution.batch_id, purged)
        if len(deltas) < DELTAS_AT_ONCE:
            return History(found, None, purged)
        before = deltas[-1].batch_id
    return History(found, before, purged)


def _look_into(deltas: list[_Delta], source_id: int, target_id: int) -> list[Contribution]:
    found: list[Contribution] = []
    for delta in deltas:
        rows = unpack(delta.payload).filter(pl.col("source_id") == source_id, pl.col("target_id") == target_id)
        found += (
            Contribution(
                upload_id=delta.upload_id,
                filename=delta.filename,
                batch_id=delta.batch_id,
                ordinal=delta.ordinal,
                first_line=delta.first_line,
                mention_count=row["mention_count"],
                first_seen=row["first_seen"],
                last_seen=row["last_seen"],
                applied_at=delta.applied_at,
                profile=delta.profile,
                profile_version=delta.profile_version,
                retracted=delta.sign < 0,
            )
            for row in rows.iter_rows(named=True)
        )
    return found

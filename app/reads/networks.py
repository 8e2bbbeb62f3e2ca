"""Users and what is between them: the network around one, and the shortest way from one to another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

import msgspec
import numpy as np
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

import sql
from app.graph.parameters import GraphParameters
from app.reads.users import User, users_by_id
from app.reads.view import Direction, View, archive, seen
from app.store.params import Int8Array
from app.store.postgres import AsyncConnection, async_exactly_one, async_rows

_AROUND = sql.query("reads/networks/around")
_NEIGHBOURS = sql.query("reads/networks/neighbours")
_AMONG = sql.query("reads/networks/among")
_CROWDED = sql.query("reads/networks/crowded")
_AT_ENDS = sql.query("reads/networks/at_ends")
_STEP = sql.query("reads/networks/step")

MOST_FOLLOWED = 1_000
"""A neighbour who makes, or receives, more edges than this is not followed further that way: it would cost seconds, and
half the graph is two steps from a celebrity."""

MOST_VISITED = 20_000
"""Users that a search for a path visits at most, and edges that it reads at most."""

MAX_STEPS = 6


class Member(msgspec.Struct, frozen=True):
    """A user of a network. `distance`: steps from its middle, in either direction. `weight`: that of all ties with
    users one step nearer that were followed."""

    user: User
    distance: int
    weight: float | None


class Between(msgspec.Struct, frozen=True):
    """An edge between two users by id."""

    source_id: int
    target_id: int
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None


class Limits(msgspec.Struct, frozen=True):
    """How much of a network is asked for. The user in its middle counts."""

    users: int
    edges: int


class Network(msgspec.Struct, frozen=True):
    """A user, those around, nearest and strongest ties first, and the edges among them all, the heaviest first."""

    members: list[Member]
    edges: list[Between]
    steps: int
    """The number of steps taken: fewer than asked for where the users of an earlier step did not fit."""
    users_cut: int
    """Users of the last step that did not fit: those with the weakest ties."""
    edges_cut: int
    """Edges among the members that did not fit: the lightest."""
    not_followed: list[User]
    """Members with so many mentions in a direction that those were not followed to the second step."""


class Outcome(StrEnum):
    """How a search for a path ended."""

    FOUND = "found"
    NONE = "none"
    """There is no path of so many steps."""
    GAVE_UP = "gave_up"
    """The search visited as many users as it may."""


class Path(msgspec.Struct, frozen=True):
    """A shortest path, if one was found: its users in order, and the edges from each to the next."""

    outcome: Outcome
    users: list[User]
    edges: list[Between]
    visited: int
    """Users that the search has come to, from both ends."""


class _Neighbour(msgspec.Struct, frozen=True):
    id: int
    handle: str
    spelling: str
    weight: float
    found: int


class _Among(Between, frozen=True, kw_only=True):
    found: int


class _Crowded(msgspec.Struct, frozen=True):
    id: int
    makes: bool
    receives: bool


class _AtEnds(msgspec.Struct, frozen=True):
    made: int
    received: int


class _Step(msgspec.Struct, frozen=True):
    ids: list[int]
    vias: list[int]
    edges: int


@asynccontextmanager
async def _snapshot(conn: AsyncConnection) -> AsyncGenerator[None]:
    """A transaction in which several statements see the same graph: the one that is open already, or a new one."""
    if (
        conn.isolation_level == IsolationLevel.REPEATABLE_READ
        and conn.info.transaction_status != TransactionStatus.IDLE
    ):
        yield
        return
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with conn.transaction():
            yield
    finally:
        if not conn.closed:
            await conn.set_isolation_level(None)


# Around a user ------------------------------------------------------------------------------------------------------


async def ego(
    conn: AsyncConnection, user: User, parameters: GraphParameters, view: View, *, depth: int, limits: Limits
) -> Network:
    """The user, those one step away (or two) in either direction, strongest ties first, and the edges among them.

    A tie weighs what both its directions weigh together; users two steps away are ordered by their ties with members
    one step away.
    """
    params = seen(view, parameters)
    async with _snapshot(conn):
        middle = Member(user, 0, None)
        around, cut = await _around(conn, user, params, limits.users - 1)
        members, not_followed, steps = [middle, *around], list[User](), 1
        if depth > 1 and not cut:
            beyond, cut, not_followed = await _beyond(conn, members, params, view, limits.users - len(members))
            members, steps = members + beyond, 2
        edges, edges_cut = await _among(conn, [member.user.id for member in members], params, limits.edges)
    return Network(members, edges, steps, cut, edges_cut, not_followed)


async def _around(
    conn: AsyncConnection, user: User, params: Mapping[str, object], room: int
) -> tuple[list[Member], int]:
    """Those one step away, as many as there is room for, and how many more there are."""
    # One more than fit: where none fits, it tells how many there are.
    found = await async_rows(conn, _Neighbour, _AROUND, {"user_id": user.id, "limit": room + 1, **params})
    return _members(found[:room], distance=1), _cut(found, room)


async def _beyond(
    conn: AsyncConnection, members: list[Member], params: Mapping[str, object], view: View, room: int
) -> tuple[list[Member], int, list[User]]:
    """Those one step away from the members, as many as there is room for; how many more there are; and the members that
    were not followed in both directions."""
    rim = [member.user for member in members if member.distance == 1]
    crowded = {each.id: each for each in await _crowded(conn, [user.id for user in rim], view)}
    asked = {
        "making": [user.id for user in rim if not (user.id in crowded and crowded[user.id].makes)],
        "receiving": [user.id for user in rim if not (user.id in crowded and crowded[user.id].receives)],
        "seen": [member.user.id for member in members],
        # One more than fit: where none fits, it tells how many there are.
        "limit": room + 1,
    }
    found = await async_rows(conn, _Neighbour, _NEIGHBOURS, {**asked, **params})
    return _members(found[:room], distance=2), _cut(found, room), [user for user in rim if user.id in crowded]


def _cut(found: list[_Neighbour], room: int) -> int:
    """The number of users that did not fit."""
    return max(0, found[0].found - room) if found else 0


def _members(found: Iterable[_Neighbour], *, distance: int) -> list[Member]:
    return [Member(User(each.id, each.handle, each.spelling), distance, each.weight) for each in found]


async def _crowded(conn: AsyncConnection, ids: list[int], view: View) -> list[_Crowded]:
    asked = {"ids": ids, "most": MOST_FOLLOWED, **archive(view)}
    return await async_rows(conn, _Crowded, _CROWDED, asked)


async def is_crowded(conn: AsyncConnection, user: User, view: View) -> bool:
    """Whether the user makes or receives more than MOST_FOLLOWED edges, so that looking at them all is expensive."""
    return bool(await _crowded(conn, [user.id], view))


async def _among(
    conn: AsyncConnection, ids: list[int], params: Mapping[str, object], limit: int
) -> tuple[list[Between], int]:
    """The heaviest edges among some users, and how many more there are."""
    found = await async_rows(conn, _Among, _AMONG, {"ids": ids, "limit": limit, **params})
    return list[Between](found), found[0].found - len(found) if found else 0


# From a user to another ---------------------------------------------------------------------------------------------


class _Side:
    """What a search has come to from one of its ends, and over whom."""

    def __init__(self, start: int, direction: Direction) -> None:
        self.direction = direction
        self.over: dict[int, int | None] = {start: None}
        """By user, the one a step nearer to this end."""
        self.frontier: list[int] = [start]
        """Those the last step has come to first."""
        self.edges = 0
        """How many edges the next step would read, as far as they were counted."""

    def arrive(self, step: _Step) -> None:
        new = {user_id: via for user_id, via in zip(step.ids, step.vias, strict=True) if user_id not in self.over}
        self.over.update(new)
        self.frontier = list(new)

    def way_to(self, user_id: int) -> list[int]:
        """From this end to the user."""
        way = list[int]()
        at: int | None = user_id
        while at is not None:
            way.append(at)
            at = self.over[at]
        return way[::-1]


async def shortest_path(
    conn: AsyncConnection, source: User, target: User, parameters: GraphParameters, view: View, *, max_length: int
) -> Path:
    """Over the fewest mentions from source to target: breadth first from both ends, where there are fewer edges next.

    Of several paths that are as short, the same graph always gives the same one.
    """
    params = seen(view, parameters)
    async with _snapshot(conn):
        outcome, way, visited = await _search(conn, source.id, target.id, view, max_length)
        users = await _named(conn, way)
        edges, _ = await _among(conn, way, params, len(way) ** 2) if len(way) > 1 else ([], 0)
    steps = {(each.source_id, each.target_id): each for each in edges}
    return Path(outcome, users, [steps[step] for step in pairwise(way)], visited)


async def _search(
    conn: AsyncConnection, source_id: int, target_id: int, view: View, max_length: int
) -> tuple[Outcome, list[int], int]:
    """How it ended, the users' ids from source to target, and how many it visited."""
    if source_id == target_id:
        return Outcome.FOUND, [source_id], 1
    ahead, back = _Side(source_id, Direction.OUTGOING), _Side(target_id, Direction.INCOMING)
    for _ in range(max_length):
        visited = len(ahead.over) + len(back.over)
        most = MOST_VISITED - visited
        await _count(conn, ahead, back, view, most + 1)
        side, other = (ahead, back) if ahead.edges <= back.edges else (back, ahead)
        if side.edges == 0:
            return Outcome.NONE, [], visited
        if side.edges > most:
            return Outcome.GAVE_UP, [], visited
        side.arrive(await _step(conn, side, view, most))
        # No shorter way is left: all of those were walked from both ends.
        if met := _met(side.frontier, other.over):
            way = ahead.way_to(met[0]) + back.way_to(met[0])[-2::-1]
            return Outcome.FOUND, way, len(ahead.over) + len(back.over)
    return Outcome.NONE, [], len(ahead.over) + len(back.over)


def _met(frontier: Iterable[int], others: Collection[int]) -> list[int]:
    return sorted(user_id for user_id in frontier if user_id in others)


async def _count(conn: AsyncConnection, ahead: _Side, back: _Side, view: View, most: int) -> None:
    sources, targets = (Int8Array(np.array(side.frontier, np.int64)) for side in (ahead, back))
    params = {"sources": sources, "targets": targets, "most": most, **archive(view)}
    found = await async_exactly_one(conn, _AtEnds, _AT_ENDS, params)
    ahead.edges, back.edges = found.made, found.received


async def _step(conn: AsyncConnection, side: _Side, view: View, most: int) -> _Step:
    params = {
        "ids": Int8Array(np.array(side.frontier, np.int64)),
        "outgoing": side.direction is Direction.OUTGOING,
        "most": most,
        **archive(view),
    }
    return await async_exactly_one(conn, _Step, _STEP, params)


async def _named(conn: AsyncConnection, ids: list[int]) -> list[User]:
    by_id = {user.id: user for user in await users_by_id(conn, Int8Array(np.array(ids, np.int64)))}
    return [by_id[user_id] for user_id in ids]

"""This module finds users by handle or by prefix, and reads the totals of a user's mentions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np

import sql
from app.errors import BadRequest, NotFound
from app.graph.half_life import in_seconds
from app.graph.parameters import GraphParameters
from app.graph.shards import handle_ids
from app.graph.users import MAX_PROBES
from app.posts.handles import fold
from app.posts.screening import MAX_AUTHOR_CHARACTERS
from app.reads.view import View, seen
from app.store.params import Int8Array
from app.store.postgres import AsyncConnection, async_exactly_one, async_rows

_USERS = sql.query("reads/users/get")
_TOTALS = sql.query("reads/users/totals")
_SUMS = sql.query("reads/users/sums")
_BY_PREFIX = sql.query("reads/users/by_prefix")

PROBES_AT_ONCE = 4
"""Hashes of a handle that one query looks up.

A handle needs a second hash about once in 10^9 users, and never needs a fifth hash.
"""

MAX_HANDLE_CHARACTERS = 2 * MAX_AUTHOR_CHARACTERS
"""The most characters of a handle. The factor is 2, because folding turns some characters into two."""

_HIGHEST = chr(0x10FFFF)

_LAST_SIGMA = re.compile(r"ς(?=\W*$)")


class User(msgspec.Struct, frozen=True):
    """A user with the user's id. `handle` is folded, and `spelling` is the first spelling that was seen."""

    id: int
    handle: str
    spelling: str


class Totals(msgspec.Struct, frozen=True):
    """Totals of a user's mentions in both directions. Self-mentions are counted apart."""

    mentioned_users: int
    mentions_made: int
    weight_made: float
    mentioning_users: int
    mentions_received: int
    weight_received: float
    self_mentions: int


class Sums(msgspec.Struct, frozen=True):
    """A user's mentions in both directions, as the summaries have them: archived edges count, self-mentions do not."""

    id: int
    mentions_made: int
    mentions_received: int
    weight_made: float
    weight_received: float


async def find_users(conn: AsyncConnection, handles: Sequence[str], parameters: GraphParameters) -> list[User]:
    """Returns the users with these handles, in any spelling.

    Raises BadRequest for an empty handle, and NotFound for an unknown handle.
    """
    wanted = [_folded(handle) for handle in handles]
    found: dict[str, User] = {}
    for first in range(0, MAX_PROBES, PROBES_AT_ONCE):
        left = [handle for handle in wanted if handle not in found]
        if not left:
            break
        probes = range(first, first + PROBES_AT_ONCE)
        candidates = np.array([handle_ids(left, probe=probe, bits=parameters.handle_bits) for probe in probes]).T
        asked = Int8Array(candidates.ravel())
        takers = {user.id: user for user in await users_by_id(conn, asked)}
        for handle, ids in zip(left, candidates.tolist(), strict=True):
            user = _taker(handle, [takers.get(user_id) for user_id in ids])
            if user is not None:
                found[handle] = user
    if missing := next((handle for handle in wanted if handle not in found), None):
        raise _unknown(missing)
    return [found[handle] for handle in wanted]


async def users_by_id(conn: AsyncConnection, ids: Int8Array) -> list[User]:
    """Returns the users with these ids, in no order."""
    return await async_rows(conn, User, _USERS, {"ids": ids})


async def sums_of(
    conn: AsyncConnection, ids: Int8Array, parameters: GraphParameters, *, as_of: datetime
) -> dict[int, Sums]:
    """Returns the totals of the users with these ids, by id. Users who wait to be summarized are left out."""
    params = {"ids": ids, "as_of": as_of, "half_life_seconds": in_seconds(parameters.half_life)}
    return {each.id: each for each in await async_rows(conn, Sums, _SUMS, params)}


def _folded(handle: str) -> str:
    folded = fold(handle)
    if not folded:
        raise BadRequest(f"{handle!r} is no handle: nothing is left of it without '@' and white space.")
    return folded


def _taker(handle: str, takers: Sequence[User | None]) -> User | None:
    """Returns the user with this handle. `takers` are the users with the handle's ids, in the order of probing.

    Returns None if other users have all of these ids. Raises NotFound at the first id that no user has.
    """
    for user in takers:
        if user is None:
            raise _unknown(handle)
        if user.handle == handle:
            return user
    return None


def _unknown(handle: str) -> NotFound:
    return NotFound(f"nobody called {handle!r} mentions anybody or is mentioned in a post that was counted.")


async def users(conn: AsyncConnection, prefix: str, *, after: str, limit: int) -> list[User]:
    """Returns at most `limit` users whose handles begin with the prefix, in any spelling.

    The users are in the order of handles, and begin behind the handle `after`.
    """
    found: list[User] = []
    for begin in _beginnings(fold(prefix)):
        params = {"prefix": begin, "before": _behind(begin), "after": after, "limit": limit}
        found += await async_rows(conn, User, _BY_PREFIX, params)
    return sorted(found, key=lambda user: user.handle)[:limit]


def _beginnings(folded: str) -> list[str]:
    """Returns the ways in which handles with this folded prefix may begin.

    A sigma is ς at the end of a word and σ within a word. A full stop does not end a word.
    """
    word, end = _LAST_SIGMA.subn("σ", folded)
    return [folded, word] if end else [folded]


def _behind(prefix: str) -> str:
    """Returns the lowest text that follows every text with this prefix, in the order of code points.

    The function skips surrogates, because surrogates are not characters.
    """
    bare = prefix.rstrip(_HIGHEST)
    if not bare:
        return _HIGHEST * (MAX_HANDLE_CHARACTERS + 1)
    last = ord(bare[-1]) + 1
    return bare[:-1] + chr(0xE000 if last == 0xD800 else last)  # noqa: PLR2004


async def totals(conn: AsyncConnection, user: User, parameters: GraphParameters, view: View) -> Totals:
    """Returns the totals of the user's edges."""
    return await async_exactly_one(conn, Totals, _TOTALS, {"user_id": user.id, **seen(view, parameters)})

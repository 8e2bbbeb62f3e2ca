"""Reading one edge, a user's edges, and the ties that go both ways. Weights are effective at the instant asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString

import msgspec

import sql
from app.errors import NotFound
from app.graph.parameters import GraphParameters
from app.graph.shards import shard_of_id
from app.reads.users import User
from app.reads.view import FIRST, Direction, Page, View, paged, seen
from app.store.postgres import AsyncConnection, async_one, async_rows, async_scalars

_EDGE = sql.query("reads/edges/get")
_MENTIONS = sql.query("reads/edges/mentions")
_HELD_MENTIONS: Mapping[Direction, LiteralString] = {
    Direction.OUTGOING: sql.query("reads/edges/held_outgoing"),
    Direction.INCOMING: sql.query("reads/edges/held_incoming"),
}
_ARCHIVED_SINCE = sql.query("reads/edges/archived_since")
_RECIPROCAL = sql.query("reads/edges/reciprocal")

HELD_AT_FIRST, HELD_BEHIND = 50, 1000
"""How many of a user's held edges are looked at beyond a page's number. For a first page: some may weigh the same. For
one behind a place: those before it are looked at, too; as many as some 10 ms are enough for."""


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
    place: float
    """The weight by which the list is ordered. Within a mention's minute, it is a little above the count."""
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None


class Tie(msgspec.Struct, frozen=True):
    """A user who is mentioned by another and mentions that one. `weight` is that of the lighter direction."""

    id: int
    handle: str
    spelling: str
    weight: float
    place: float
    """As in Mention."""
    mentions_made: int
    weight_made: float
    last_made: datetime
    made_archived_at: datetime | None
    mentions_received: int
    weight_received: float
    last_received: datetime
    received_archived_at: datetime | None


async def edge(conn: AsyncConnection, source: User, target: User, parameters: GraphParameters, view: View) -> Edge:
    """One edge, from the graph or the archive, whichever the view asks for. Raises NotFound."""
    params = {"source_id": source.id, "target_id": target.id, **seen(view, parameters)}
    found = await async_one(conn, Edge, _EDGE, params)
    if found is None:
        raise NotFound(f"{source.handle!r} does not mention {target.handle!r} in any post that was applied.")
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

    If the edges held as the heaviest of the graph fill the page, the page does not cost the user's degree. No archived
    edge is among these edges, so a view of the past needs another look if a later run has archived edges.
    """
    params = {
        "user_id": user.id,
        "outgoing": direction is Direction.OUTGOING,
        "self_mentions": self_mentions,
        **seen(view, parameters),
        **paged(page),
    }
    if view.archived_after is None or (
        view.archived is None and await async_scalars(conn, _ARCHIVED_SINCE, params) == [False]
    ):
        held = {
            "shard": shard_of_id(user.id, parameters.shards),
            "most": page.limit + (HELD_AT_FIRST if page.after == FIRST else HELD_BEHIND),
        }
        found = await async_rows(conn, Mention, _HELD_MENTIONS[direction], params | held)
        if len(found) == page.limit:
            return found
    return await async_rows(conn, Mention, _MENTIONS, params)


async def reciprocal(
    conn: AsyncConnection, user: User, parameters: GraphParameters, view: View, page: Page
) -> list[Tie]:
    """Users whom the user mentions and who mention the user, the strongest ties first.

    A tie is as strong as its lighter direction: the reciprocated weight of Squartini, Picciolo, Ruzzenenti and
    Garlaschelli (Reciprocity of weighted networks, Scientific Reports 3, 2013).
    """
    return await async_rows(conn, Tie, _RECIPROCAL, {"user_id": user.id, **seen(view, parameters), **paged(page)})

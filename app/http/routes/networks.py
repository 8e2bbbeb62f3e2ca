"""Networks over HTTP: around a user, and from one user to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, assert_never

import msgspec
import numpy as np
from litestar import Router
from litestar.params import QueryParameter

from app.http import problems
from app.http.cached.handlers import get_cached
from app.http.openapi import graph_examples as examples
from app.http.parameters import Archived, AsOf, view_of
from app.http.routes.edges import Source, Target
from app.http.routes.users import EXPENSIVE, Handle, named, reading
from app.http.services import Injected
from app.http.structs import struct_of
from app.reads import networks
from app.reads.networks import MAX_STEPS, MOST_VISITED, Between, Limits, Network, Outcome, Path
from app.reads.users import Sums, User, sums_of
from app.reads.view import View
from app.store.params import Int8Array

TOTALS = ("mentions_made", "mentions_received", "weight_made", "weight_received")
"""Fields of a user who is drawn."""


class MemberAnswer(msgspec.Struct, frozen=True):
    """A user in the network around a user."""

    handle: str
    spelling: str
    distance: int
    """Steps from the user in the middle, in either direction."""
    weight: float | None
    """Weight of the ties with users one step nearer, both directions added up; null for the user in the middle."""
    mentions_made: int | None
    """Mentions of others by the user, in the whole graph. Null, as the other totals, until the first summary."""
    mentions_received: int | None
    """Mentions of the user by others, in the whole graph."""
    weight_made: float | None
    weight_received: float | None


class EdgeBetween(msgspec.Struct, frozen=True):
    """An edge between two users of the answer, named by their handles."""

    source: str
    target: str
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None


class Cut(msgspec.Struct, frozen=True):
    """What the answer lacks. It lacks nothing where both numbers are 0 and the list is empty."""

    users: int
    """Number of users in the last step that did not fit: those with the weakest ties."""
    edges: int
    """Number of edges between the users of the answer that did not fit: the lightest."""
    not_followed: list[str]
    """Users with too many mentions for the second step to follow. Some of their neighbours may be missing."""


class EgoAnswer(msgspec.Struct, frozen=True):
    """A user, the users around this user, and all edges among them."""

    user: str
    as_of: datetime
    depth: int
    """Steps that the search took: one instead of two where the users of the first step did not fit."""
    users: list[MemberAnswer]
    """The nearest users come first, and among equally near users those with the strongest ties."""
    edges: list[EdgeBetween]
    """The heaviest edges come first."""
    cut: Cut


class UserOnPath(msgspec.Struct, frozen=True):
    """A user on a path."""

    handle: str
    spelling: str


class PathAnswer(msgspec.Struct, frozen=True):
    """A shortest path, or the reason why the answer has no path."""

    source: str
    target: str
    as_of: datetime
    outcome: Outcome
    """`none`: no path of so many steps exists. `gave_up`: the search met too many users, and a path may exist."""
    length: int | None
    """Number of steps; null where the answer has no path."""
    users: list[UserOnPath]
    edges: list[EdgeBetween]
    visited: int
    """Number of users that the search met."""
    detail: str
    """The outcome in words."""


@get_cached(
    "/users/{handle:str}/ego",
    summary="The network around a user",
    example=examples.EGO,
    responses=problems.responses(*EXPENSIVE),
)
async def get_ego(  # noqa: PLR0917 (each is a parameter of the request)
    services: Injected,
    handle: Handle,
    depth: Annotated[int, QueryParameter(description="Steps from the user, in either direction.", ge=1, le=2)] = 1,
    users: Annotated[int, QueryParameter(description="Users in the answer, at most.", ge=1, le=500)] = 50,
    edges: Annotated[int, QueryParameter(description="Edges in the answer, at most.", ge=1, le=5000)] = 500,
    as_of: AsOf = None,
    archived: Archived = None,
) -> EgoAnswer:
    """Finds the users whom the user mentions or who mention the user, and every edge among all of them. `depth=2` also
    finds the users around those.

    The answer keeps the users with the strongest ties, both directions added up, and the heaviest edges. `cut` says
    what did not fit. The second step skips a user's mentions in a direction that has more than a thousand of them.
    """
    view = view_of(as_of, archived, services.clock())
    async with reading(services, handle, view, depth=depth) as (conn, user):
        parameters = await services.parameters(conn)
        found = await networks.ego(conn, user, parameters, view, depth=depth, limits=Limits(users, edges))
        ids = Int8Array(np.array([member.user.id for member in found.members], np.int64))
        sums = await sums_of(conn, ids, parameters, as_of=view.as_of)
    return _ego_answer(user, view, found, sums)


def _ego_answer(user: User, view: View, found: Network, sums: Mapping[int, Sums]) -> EgoAnswer:
    return EgoAnswer(
        user=user.spelling,
        as_of=view.as_of,
        depth=found.steps,
        users=[
            struct_of(MemberAnswer, of.user, distance=of.distance, weight=of.weight, **totals_of(sums.get(of.user.id)))
            for of in found.members
        ],
        edges=edges_between(found.edges, {member.user.id: member.user.handle for member in found.members}),
        cut=Cut(
            users=found.users_cut, edges=found.edges_cut, not_followed=[each.handle for each in found.not_followed]
        ),
    )


@get_cached(
    "/paths",
    summary="The shortest way from one user to another",
    example=examples.PATH,
    responses=problems.responses(*EXPENSIVE),
)
async def get_path(  # noqa: PLR0917 (each is a parameter of the request)
    services: Injected,
    source: Source,
    target: Target,
    max_length: Annotated[int, QueryParameter(description="Steps of the path, at most.", ge=1, le=MAX_STEPS)] = 4,
    as_of: AsOf = None,
    archived: Archived = None,
) -> PathAnswer:
    """Follows mentions from the source, who mentions a user, who mentions a user, and so on, to the target. The answer
    is one of the shortest paths, and always the same path. A search that meets too many users gives up, and says so."""
    view = view_of(as_of, archived, services.clock())
    async with services.pool.connection() as conn:
        from_user, to_user = await named(services, conn, source, target)
        parameters = await services.parameters(conn)
    async with services.expensive.connection() as conn:
        found = await networks.shortest_path(conn, from_user, to_user, parameters, view, max_length=max_length)
    return PathAnswer(
        source=from_user.spelling,
        target=to_user.spelling,
        as_of=view.as_of,
        outcome=found.outcome,
        length=len(found.users) - 1 if found.outcome is Outcome.FOUND else None,
        users=[struct_of(UserOnPath, user) for user in found.users],
        edges=edges_between(found.edges, {user.id: user.handle for user in found.users}),
        visited=found.visited,
        detail=_told(found, from_user, to_user, max_length),
    )


def _told(found: Path, source: User, target: User, max_length: int) -> str:
    match found.outcome:
        case Outcome.FOUND:
            return " → ".join(user.handle for user in found.users)
        case Outcome.NONE:
            return f"No path of up to {max_length} steps leads from {source.handle!r} to {target.handle!r}."
        case Outcome.GAVE_UP:
            return (
                f"Gave up after {found.visited:,} users: the next step would go beyond {MOST_VISITED:,}. "
                f"There may be a path from {source.handle!r} to {target.handle!r}."
            )
        case _:
            assert_never(found.outcome)


def totals_of(sums: Sums | None) -> dict[str, int | float | None]:
    """A user's totals by the names that answers give them; None where nothing was summarized yet."""
    return {name: None if sums is None else getattr(sums, name) for name in TOTALS}


def edges_between(found: Iterable[Between], handles: Mapping[int, str]) -> list[EdgeBetween]:
    """The edges, with handles by the ids of users."""
    return [
        struct_of(EdgeBetween, edge, source=handles[edge.source_id], target=handles[edge.target_id]) for edge in found
    ]


ROUTER = Router("/", tags=["graph"], route_handlers=[get_ego, get_path])

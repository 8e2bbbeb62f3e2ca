"""Networks over HTTP: around a user, and from one user to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, assert_never

import msgspec
from litestar.params import QueryParameter

from app.http import problems
from app.http.cached.handlers import get_cached
from app.http.openapi import graph_examples as examples
from app.http.openapi.examples import answering
from app.http.parameters import Archived, AsOf, instant
from app.http.routes.graph import NO_USER, Handle, Source, Target, named
from app.http.services import Injected
from app.reads import networks
from app.reads.networks import MAX_STEPS, MOST_VISITED, Between, Limits, Network, Outcome, Path
from app.reads.users import User
from app.reads.view import View


class MemberAnswer(msgspec.Struct, frozen=True):
    """A user of the network."""

    handle: str
    spelling: str
    distance: int
    """Steps from the user in its middle, whoever mentions whom."""
    weight: float | None
    """That of all its ties with users one step nearer, both directions added up."""


class EdgeBetween(msgspec.Struct, frozen=True):
    """An edge between two users, who are named by their handles."""

    source: str
    target: str
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None


class Cut(msgspec.Struct, frozen=True):
    """What is missing. Nothing, where the numbers are 0 and the list is empty."""

    users: int
    """Users of the last step that did not fit: those with the weakest ties."""
    edges: int
    """Edges between the users in here that did not fit: the lightest."""
    not_followed: list[str]
    """Users with too many mentions for the second step to follow; some of their neighbours may be missing."""


class EgoAnswer(msgspec.Struct, frozen=True):
    """A user, those around, and all edges among them."""

    user: str
    as_of: datetime
    depth: int
    """Steps that were taken: fewer than asked for where the users of the first did not fit."""
    users: list[MemberAnswer]
    """The nearest first, and of those the ones with the strongest ties."""
    edges: list[EdgeBetween]
    """The heaviest first."""
    cut: Cut


class UserOnPath(msgspec.Struct, frozen=True):
    """A user on a path."""

    handle: str
    spelling: str


class PathAnswer(msgspec.Struct, frozen=True):
    """A shortest path, or why there is none in here."""

    source: str
    target: str
    as_of: datetime
    outcome: Outcome
    """`none`: there is no path of so many steps. `gave_up`: there may be one, the search came to too many users."""
    length: int | None
    users: list[UserOnPath]
    edges: list[EdgeBetween]
    visited: int
    """Users that the search came to."""
    detail: str
    """The outcome, for people."""


@get_cached(
    "/users/{handle:str}/ego",
    tags=["graph"],
    summary="The network around a user",
    operation_class=answering(examples.EGO),
    responses=problems.responses(*NO_USER),
)
async def get_ego(  # noqa: PLR0917 (each is a parameter of the request)
    services: Injected,
    handle: Handle,
    depth: Annotated[int, QueryParameter(description="Steps from the user, in either direction.", ge=1, le=2)] = 1,
    users: Annotated[int, QueryParameter(description="How many users at most.", ge=1, le=500)] = 50,
    edges: Annotated[int, QueryParameter(description="How many edges at most.", ge=1, le=5000)] = 500,
    as_of: AsOf = None,
    archived: Archived = False,
) -> EgoAnswer:
    """The user, those whom the user mentions or who mention the user, with `depth=2` also those around them, and every
    edge among all these.

    Of too many users those with the strongest ties are kept, both directions added up; of too many edges the heaviest.
    `cut` says what is missing. The second step does not follow a user's mentions in a direction in which there are more
    than a thousand.
    """
    view = View(instant(as_of, services.clock()), archived)
    async with services.pool.connection() as conn:
        (user,) = await named(services, conn, handle)
        found = await networks.ego(
            conn, user, await services.parameters(conn), view, depth=depth, limits=Limits(users, edges)
        )
    return _ego_answer(user, view, found)


def _ego_answer(user: User, view: View, found: Network) -> EgoAnswer:
    return EgoAnswer(
        user=user.spelling,
        as_of=view.as_of,
        depth=found.steps,
        users=[MemberAnswer(of.user.handle, of.user.spelling, of.distance, of.weight) for of in found.members],
        edges=_edges(found.edges, {member.user.id: member.user.handle for member in found.members}),
        cut=Cut(found.users_cut, found.edges_cut, [each.handle for each in found.not_followed]),
    )


@get_cached(
    "/paths",
    tags=["graph"],
    summary="The shortest way from one user to another",
    operation_class=answering(examples.PATH),
    responses=problems.responses(*NO_USER),
)
async def get_path(  # noqa: PLR0917 (each is a parameter of the request)
    services: Injected,
    source: Source,
    target: Target,
    max_length: Annotated[int, QueryParameter(description="How many steps at most.", ge=1, le=MAX_STEPS)] = 4,
    as_of: AsOf = None,
    archived: Archived = False,
) -> PathAnswer:
    """From the source along mentions, each made by the one before: whom does the source mention who mentions somebody …
    who mentions the target? One of the shortest such paths, and always the same one. A search that comes to too many
    users gives up, and says so."""
    view = View(instant(as_of, services.clock()), archived)
    async with services.pool.connection() as conn:
        from_user, to_user = await named(services, conn, source, target)
        parameters = await services.parameters(conn)
        found = await networks.shortest_path(conn, from_user, to_user, parameters, view, max_length=max_length)
    return PathAnswer(
        source=from_user.spelling,
        target=to_user.spelling,
        as_of=view.as_of,
        outcome=found.outcome,
        length=len(found.users) - 1 if found.outcome is Outcome.FOUND else None,
        users=[UserOnPath(user.handle, user.spelling) for user in found.users],
        edges=_edges(found.edges, {user.id: user.handle for user in found.users}),
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


def _edges(found: Iterable[Between], handles: Mapping[int, str]) -> list[EdgeBetween]:
    return [
        EdgeBetween(
            handles[edge.source_id],
            handles[edge.target_id],
            edge.mention_count,
            edge.weight,
            edge.first_seen,
            edge.last_seen,
            edge.archived_at,
        )
        for edge in found
    ]

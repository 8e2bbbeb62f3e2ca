"""The graph over HTTP: edges, users, and a user's mentions and ties."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from app.errors import BadRequest, NotFound
from app.http import problems, segments
from app.http.cached.handlers import get_cached
from app.http.openapi import graph_examples as examples
from app.http.openapi.examples import answering
from app.http.parameters import Archived, AsOf, Cursor, Limit, SelfMentions, cursor_of, instant, next_page, position_of
from app.http.services import Injected, Services
from app.reads import edges, users
from app.reads.edges import Mention, Tie
from app.reads.users import MAX_HANDLE_CHARACTERS, User
from app.reads.view import Direction, Page, Position, View
from app.store.postgres import AsyncConnection

NO_USER = (
    BadRequest("'@' is no handle: nothing is left of it without '@' and white space."),
    NotFound("nobody called 'ada' wrote a post or was mentioned in one that was counted."),
    *problems.DATABASE,
)
"""What every endpoint may answer that is about a user."""

Handle: TypeAlias = Annotated[
    str, PathParameter(description="Handle, in any spelling, with or without `@`. A slash within it is `%2F`.")
]
Source: TypeAlias = Annotated[str, QueryParameter(description="Handle of who mentions, in any spelling.")]
Target: TypeAlias = Annotated[str, QueryParameter(description="Handle of who is mentioned, in any spelling.")]

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"


class EdgeLinks(msgspec.Struct, frozen=True):
    """Paths of the users at its ends."""

    source: str
    target: str


class EdgeAnswer(msgspec.Struct, frozen=True):
    """Source mentions target: how often, and with what weight at this instant. Handles are spelt as first seen."""

    source: str
    target: str
    as_of: datetime
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None
    """When it was archived, its weight having become too small; a new mention brings it back."""
    links: EdgeLinks


class UserLinks(msgspec.Struct, frozen=True):
    """Paths of what belongs to the user."""

    user: str
    outgoing: str
    incoming: str
    reciprocal: str
    ego: str


class UserAnswer(msgspec.Struct, frozen=True):
    """A user, and the user's mentions in both directions; mentions of oneself are in `self_mentions` alone."""

    handle: str
    """What identifies the user: in lower case."""
    spelling: str
    """As first seen."""
    as_of: datetime
    mentioned_users: int
    mentions_made: int
    weight_made: float
    mentioning_users: int
    mentions_received: int
    weight_received: float
    self_mentions: int
    links: UserLinks


class UserFound(msgspec.Struct, frozen=True):
    """One of many users."""

    handle: str
    spelling: str
    link: str


class UsersAnswer(msgspec.Struct, frozen=True):
    """A page of users, in the order of handles."""

    users: list[UserFound]
    next: str | None


class MentionAnswer(msgspec.Struct, frozen=True):
    """One of a user's edges, with the user at its other end."""

    handle: str
    spelling: str
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None


class Mentions(msgspec.Struct, frozen=True):
    """A page of a user's edges, the heaviest first."""

    user: str
    as_of: datetime
    mentions: list[MentionAnswer]
    next: str | None


class TieDirection(msgspec.Struct, frozen=True):
    """One of a tie's two edges."""

    mention_count: int
    weight: float
    last_seen: datetime
    archived_at: datetime | None


class TieAnswer(msgspec.Struct, frozen=True):
    """A user who is mentioned by the other and mentions the other."""

    handle: str
    spelling: str
    weight: float
    """That of the lighter direction."""
    made: TieDirection
    received: TieDirection


class Ties(msgspec.Struct, frozen=True):
    """A page of a user's reciprocal ties, the strongest first."""

    user: str
    as_of: datetime
    ties: list[TieAnswer]
    next: str | None


def path_of(user: User) -> str:
    """Path of a user."""
    return f"/users/{segments.segment(user.handle)}"


async def named(services: Services, conn: AsyncConnection, *handles: str) -> list[User]:
    """The users that a request names. Raises BadRequest, NotFound."""
    return await users.find_users(conn, [segments.text(handle) for handle in handles], await services.parameters(conn))


@get_cached(
    "/edges",
    tags=["graph"],
    summary="One edge",
    operation_class=answering(examples.EDGE),
    responses=problems.responses(*NO_USER),
)
async def get_edge(services: Injected, source: Source, target: Target, as_of: AsOf = None) -> EdgeAnswer:
    """How often and how heavily one user mentions another, archived or not."""
    view = View(instant(as_of, services.clock()))
    async with services.pool.connection() as conn:
        from_user, to_user = await named(services, conn, source, target)
        found = await edges.edge(conn, from_user, to_user, await services.parameters(conn), view)
    return EdgeAnswer(
        source=from_user.spelling,
        target=to_user.spelling,
        as_of=view.as_of,
        **msgspec.structs.asdict(found),
        links=EdgeLinks(path_of(from_user), path_of(to_user)),
    )


@get_cached(
    "/users",
    tags=["graph"],
    summary="Users by prefix",
    operation_class=answering(examples.USERS),
    responses=problems.responses(
        BadRequest("query parameter 'limit' has to be a whole number from 1 to 500."), *problems.DATABASE
    ),
)
async def list_users(
    services: Injected,
    prefix: Annotated[
        str,
        QueryParameter(
            description="How the handle begins, in any spelling; all users, if empty.",
            pattern=_NO_CONTROLS,
            max_length=MAX_HANDLE_CHARACTERS,
        ),
    ] = "",
    limit: Limit = 10,
    after: Annotated[
        str,
        QueryParameter(
            description="Only users behind this handle: `next` has it.",
            pattern=_NO_CONTROLS,
            max_length=MAX_HANDLE_CHARACTERS,
        ),
    ] = "",
) -> UsersAnswer:
    """In the order of their handles' code points: for completing what somebody types. Whoever has an edge is among
    them."""
    async with services.pool.connection() as conn:
        found = await users.users(conn, prefix, after=after, limit=limit + 1)
    page = [UserFound(user.handle, user.spelling, path_of(user)) for user in found[:limit]]
    following = next_page("/users", prefix=prefix or None, limit=limit, after=page[-1].handle) if page else None
    return UsersAnswer(page, following if len(found) > limit else None)


@get_cached(
    "/users/{handle:str}",
    tags=["graph"],
    summary="One user",
    operation_class=answering(examples.USER),
    responses=problems.responses(*NO_USER),
)
async def get_user(services: Injected, handle: Handle, as_of: AsOf = None, archived: Archived = False) -> UserAnswer:
    """What the user's mentions add up to, made and received. It takes as long as the user has edges: two seconds for a
    million."""
    view = View(instant(as_of, services.clock()), archived)
    async with services.pool.connection() as conn:
        (user,) = await named(services, conn, handle)
        totals = await users.totals(conn, user, await services.parameters(conn), view)
    path = path_of(user)
    return UserAnswer(
        handle=user.handle,
        spelling=user.spelling,
        as_of=view.as_of,
        **msgspec.structs.asdict(totals),
        links=UserLinks(path, f"{path}/outgoing", f"{path}/incoming", f"{path}/reciprocal", f"{path}/ego"),
    )


def _mentions_handler(direction: Direction, summary: str) -> HTTPRouteHandler:
    @get_cached(
        f"/users/{{handle:str}}/{direction}",
        tags=["graph"],
        summary=summary,
        operation_class=answering(examples.MENTIONS),
        responses=problems.responses(*NO_USER),
    )
    async def list_mentions(  # noqa: PLR0917 (each is a parameter of the request)
        services: Injected,
        handle: Handle,
        limit: Limit = 50,
        cursor: Cursor = None,
        as_of: AsOf = None,
        archived: Archived = False,
        self_mentions: SelfMentions = False,
    ) -> Mentions:
        """By effective weight, the heaviest first."""
        view = View(instant(as_of, services.clock()), archived)
        page = Page(limit + 1, position_of(cursor))
        async with services.pool.connection() as conn:
            (user,) = await named(services, conn, handle)
            parameters = await services.parameters(conn)
            found = await edges.mentions(
                conn, user, parameters, view, page, direction=direction, self_mentions=self_mentions
            )
        following = _following(f"{path_of(user)}/{direction}", found, limit, view, self_mentions=self_mentions)
        return Mentions(user.spelling, view.as_of, [_mention(each) for each in found[:limit]], following)

    return list_mentions


list_outgoing = _mentions_handler(Direction.OUTGOING, "Whom a user mentions")
list_incoming = _mentions_handler(Direction.INCOMING, "Who mentions a user")


@get_cached(
    "/users/{handle:str}/reciprocal",
    tags=["graph"],
    summary="Who mentions a user back",
    operation_class=answering(examples.TIES),
    responses=problems.responses(*NO_USER),
)
async def list_reciprocal(  # noqa: PLR0917 (each is a parameter of the request)
    services: Injected,
    handle: Handle,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_of: AsOf = None,
    archived: Archived = False,
) -> Ties:
    """Users whom the user mentions and who mention the user, with the weights of both directions.

    A tie is as strong as its lighter direction (the reciprocated weight of Squartini et al., *Reciprocity of weighted
    networks*, 2013); the strongest come first. `made` is from the user to the other, `received` the other way.
    """
    view = View(instant(as_of, services.clock()), archived)
    page = Page(limit + 1, position_of(cursor))
    async with services.pool.connection() as conn:
        (user,) = await named(services, conn, handle)
        found = await edges.reciprocal(conn, user, await services.parameters(conn), view, page)
    following = _following(f"{path_of(user)}/reciprocal", found, limit, view)
    return Ties(user.spelling, view.as_of, [_tie(each) for each in found[:limit]], following)


def _following(
    path: str, found: list[Mention] | list[Tie], limit: int, view: View, *, self_mentions: bool = False
) -> str | None:
    """The next page: from behind the last that fits, for the same instant."""
    if len(found) <= limit:
        return None
    last = found[limit - 1]
    return next_page(
        path,
        limit=limit,
        cursor=cursor_of(Position(last.weight, last.id)),
        as_of=view.as_of,
        archived=view.archived,
        self_mentions=self_mentions,
    )


def _mention(found: Mention) -> MentionAnswer:
    return MentionAnswer(
        found.handle,
        found.spelling,
        found.mention_count,
        found.weight,
        found.first_seen,
        found.last_seen,
        found.archived_at,
    )


def _tie(found: Tie) -> TieAnswer:
    return TieAnswer(
        found.handle,
        found.spelling,
        found.weight,
        TieDirection(found.mentions_made, found.weight_made, found.last_made, found.made_archived_at),
        TieDirection(found.mentions_received, found.weight_received, found.last_received, found.received_archived_at),
    )

"""Users over HTTP: their totals, their mentions in both directions, their ties, and their days."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated, TypeAlias

import msgspec
from litestar import Router
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from app.errors import BadRequest, NotFound, TooManyReads
from app.graph.delta_days import day_of
from app.http import problems, segments
from app.http.cached.handlers import get_cached
from app.http.openapi import graph_examples, rankings_examples
from app.http.parameters import (
    TOO_EARLY,
    Archived,
    AsOf,
    Cursor,
    Days,
    Limit,
    SelfMentions,
    cursor_of,
    instant,
    next_page,
    position_of,
    view_of,
)
from app.http.services import Injected, Services
from app.http.signatures import Wanted
from app.http.structs import struct_of
from app.reads import edges, networks, rankings, users
from app.reads.edges import Mention, Tie
from app.reads.rankings import UserDay
from app.reads.users import MAX_HANDLE_CHARACTERS, User
from app.reads.view import Direction, Page, Position, View
from app.store.postgres import AsyncConnection

NO_USER = (
    BadRequest("'@' is no handle: nothing is left of it without '@' and white space."),
    TOO_EARLY,
    NotFound("nobody called 'ada' wrote a post or was mentioned in a post that was counted."),
    *problems.DATABASE,
)
"""The problems of every endpoint that is about a user."""
EXPENSIVE = (
    *NO_USER,
    TooManyReads("as many expensive questions are being answered as may be at once; ask again later."),
)
"""The problems of an endpoint whose answer may be expensive."""

Handle: TypeAlias = Annotated[
    str,
    PathParameter(description="Handle of the user, in any spelling, with or without `@`. A slash within it is `%2F`."),
]
HandlePart: TypeAlias = Annotated[
    str,
    QueryParameter(
        description="The first characters of the handles, in any spelling. Empty: all users.",
        pattern=r"^[^\x00-\x1f\x7f]*$",
        max_length=MAX_HANDLE_CHARACTERS,
    ),
    Wanted(f"up to {MAX_HANDLE_CHARACTERS} characters without control characters"),
]


class UserLinks(msgspec.Struct, frozen=True):
    """Paths of what belongs to the user."""

    user: str
    outgoing: str
    incoming: str
    reciprocal: str
    ego: str


class UserAnswer(msgspec.Struct, frozen=True):
    """A user, and the user's mentions in both directions. Only `self_mentions` counts the mentions of oneself."""

    handle: str
    """The user's handle in lower case, which identifies the user."""
    spelling: str
    """The user's handle as the first post spelt it."""
    as_of: datetime
    """The instant that the weights are for, by default the minute that has begun."""
    mentioned_users: int
    """Number of users whom the user mentions."""
    mentions_made: int
    weight_made: float
    mentioning_users: int
    """Number of users who mention the user."""
    mentions_received: int
    weight_received: float
    self_mentions: int
    links: UserLinks


class UserFound(msgspec.Struct, frozen=True):
    """A user in a list of users."""

    handle: str
    spelling: str
    link: str
    """Path of the user."""


class UsersAnswer(msgspec.Struct, frozen=True):
    """A page of users, in the order of handles."""

    users: list[UserFound]
    next: str | None
    """Path of the next page; null on the last page."""


class MentionAnswer(msgspec.Struct, frozen=True):
    """An edge of a user, with the user at its other end."""

    handle: str
    spelling: str
    mention_count: int
    weight: float
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None
    """When decay archived the edge; null for an edge that is not archived."""


class Mentions(msgspec.Struct, frozen=True):
    """A page of a user's edges, the heaviest first."""

    user: str
    as_of: datetime
    mentions: list[MentionAnswer]
    next: str | None
    """Path of the next page; null on the last page."""


class TieDirection(msgspec.Struct, frozen=True):
    """One of the two edges of a tie."""

    mention_count: int
    weight: float
    last_seen: datetime
    archived_at: datetime | None
    """When decay archived the edge; null for an edge that is not archived."""


class TieAnswer(msgspec.Struct, frozen=True):
    """A user who mentions the other user back."""

    handle: str
    spelling: str
    weight: float
    """Weight of the lighter direction."""
    made: TieDirection
    """The edge from the user to the other."""
    received: TieDirection
    """The edge from the other to the user."""


class Ties(msgspec.Struct, frozen=True):
    """A page of a user's reciprocal ties, the strongest first."""

    user: str
    as_of: datetime
    ties: list[TieAnswer]
    next: str | None
    """Path of the next page; null on the last page."""


class UserDays(msgspec.Struct, frozen=True):
    """How often a user mentions others and others mention the user, by UTC day of the post."""

    user: str
    as_of: datetime
    stale_since: datetime | None
    """When the first mention was merged that the days still lack; null if they lack none."""
    days_from: date | None
    """The first day that the service keeps; null where it keeps no days."""
    made_last_7_days: int | None
    """Mentions in seven days, the day of `as_of` included; null where not all of these days are kept."""
    made_previous_7_days: int | None
    received_last_7_days: int | None
    received_previous_7_days: int | None
    days: list[UserDay]


def path_of(services: Services, user: User) -> str:
    """Path of a user."""
    return f"{services.base}/users/{segments.segment(user.handle)}"


async def named(services: Services, conn: AsyncConnection, *handles: str) -> list[User]:
    """The users that a request names. Raises BadRequest, NotFound."""
    return await users.find_users(conn, [segments.text(handle) for handle in handles], await services.parameters(conn))


@asynccontextmanager
async def reading(
    services: Services, handle: str, view: View, *, depth: int = 1
) -> AsyncGenerator[tuple[AsyncConnection, User]]:
    """A connection for a question that costs as much as the user has edges, and the user.

    A question about a user with many edges, or about more than one step, gets a slot for expensive questions.
    Raises BadRequest, NotFound, TooManyReads, TookTooLong.
    """
    async with services.pool.connection() as conn:
        (user,) = await named(services, conn, handle)
        if depth == 1 and not await networks.is_crowded(conn, user, view):
            yield conn, user
            return
    async with services.expensive.connection() as conn:
        yield conn, user


@get_cached(
    "/",
    summary="Users by prefix",
    example=graph_examples.USERS,
    responses=problems.responses(
        BadRequest("query parameter 'limit' has to be a whole number from 1 to 500."), *problems.DATABASE
    ),
)
async def list_users(
    services: Injected,
    prefix: HandlePart = "",
    limit: Limit = 10,
    after: Annotated[
        str,
        QueryParameter(
            description="Only users behind this handle. `next` has it.",
            pattern=r"^[^\x00-\x1f\x7f]*$",
            max_length=MAX_HANDLE_CHARACTERS,
        ),
        Wanted(f"up to {MAX_HANDLE_CHARACTERS} characters without control characters"),
    ] = "",
) -> UsersAnswer:
    """Lists users who have an edge, in the order of their handles' code points, to complete what somebody types."""
    async with services.pool.connection() as conn:
        found = await users.users(conn, prefix, after=after, limit=limit + 1)
    page = [struct_of(UserFound, user, link=path_of(services, user)) for user in found[:limit]]
    path = f"{services.base}/users"
    following = next_page(path, prefix=prefix or None, limit=limit, after=page[-1].handle) if page else None
    return UsersAnswer(users=page, next=following if len(found) > limit else None)


@get_cached("/{handle:str}", summary="One user", example=graph_examples.USER, responses=problems.responses(*EXPENSIVE))
async def get_user(services: Injected, handle: Handle, as_of: AsOf = None, archived: Archived = None) -> UserAnswer:
    """Adds up the mentions that the user made and received. The answer takes longer the more edges the user has: two
    seconds for a million."""
    view = view_of(as_of, archived, services.clock())
    async with reading(services, handle, view) as (conn, user):
        totals = await users.totals(conn, user, await services.parameters(conn), view)
    path = path_of(services, user)
    return struct_of(
        UserAnswer,
        totals,
        handle=user.handle,
        spelling=user.spelling,
        as_of=view.as_of,
        links=UserLinks(
            user=path,
            outgoing=f"{path}/outgoing",
            incoming=f"{path}/incoming",
            reciprocal=f"{path}/reciprocal",
            ego=f"{path}/ego",
        ),
    )


def _mentions_handler(direction: Direction, summary: str) -> HTTPRouteHandler:
    @get_cached(
        f"/{{handle:str}}/{direction}",
        summary=summary,
        example=graph_examples.MENTIONS,
        responses=problems.responses(*EXPENSIVE),
    )
    async def list_mentions(  # noqa: PLR0917 (each is a parameter of the request)
        services: Injected,
        handle: Handle,
        limit: Limit = 50,
        cursor: Cursor = None,
        as_of: AsOf = None,
        archived: Archived = None,
        self_mentions: SelfMentions = False,
    ) -> Mentions:
        """Lists the user's edges by effective weight, the heaviest first."""
        view = view_of(as_of, archived, services.clock())
        page = Page(limit + 1, position_of(cursor))
        async with reading(services, handle, view) as (conn, user):
            parameters = await services.parameters(conn)
            found = await edges.mentions(
                conn, user, parameters, view, page, direction=direction, self_mentions=self_mentions
            )
        return Mentions(
            user=user.spelling,
            as_of=view.as_of,
            mentions=[struct_of(MentionAnswer, each) for each in found[:limit]],
            next=_following(f"{path_of(services, user)}/{direction}", found, limit, view, self_mentions=self_mentions),
        )

    return list_mentions


@get_cached(
    "/{handle:str}/reciprocal",
    summary="Who mentions a user back",
    example=graph_examples.TIES,
    responses=problems.responses(*EXPENSIVE),
)
async def list_reciprocal(  # noqa: PLR0917 (each is a parameter of the request)
    services: Injected,
    handle: Handle,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_of: AsOf = None,
    archived: Archived = None,
) -> Ties:
    """Lists the users whom the user mentions and who mention the user, with the weights of both directions.

    A tie is as strong as its lighter direction (the reciprocated weight of Squartini et al., *Reciprocity of weighted
    networks*, 2013). The strongest ties come first.
    """
    view = view_of(as_of, archived, services.clock())
    page = Page(limit + 1, position_of(cursor))
    async with reading(services, handle, view) as (conn, user):
        found = await edges.reciprocal(conn, user, await services.parameters(conn), view, page)
    return Ties(
        user=user.spelling,
        as_of=view.as_of,
        ties=[_tie(each) for each in found[:limit]],
        next=_following(f"{path_of(services, user)}/reciprocal", found, limit, view),
    )


@get_cached(
    "/{handle:str}/days",
    summary="One user by day",
    example=rankings_examples.USER_DAYS,
    weighs=False,
    responses=problems.responses(*NO_USER),
)
async def get_user_days(services: Injected, handle: Handle, days: Days = 14, as_of: AsOf = None) -> UserDays:
    """Counts how often a user mentions others and others mention the user, in posts of each day, of the last week and
    of the week before."""
    at = instant(as_of, services.clock())
    async with services.pool.connection() as conn:
        (user,) = await named(services, conn, handle)
        how_stale = await rankings.staleness(conn)
        calendar = rankings.calendar(day_of(at), max(days, 2 * rankings.WEEK), how_stale.days_from)
        found = await rankings.user_days(conn, user, await services.parameters(conn), calendar)
    made, made_before = rankings.weeks([each.made for each in found])
    received, received_before = rankings.weeks([each.received for each in found])
    return UserDays(
        user=user.spelling,
        as_of=at,
        stale_since=how_stale.stale_since,
        days_from=how_stale.days_from,
        made_last_7_days=made,
        made_previous_7_days=made_before,
        received_last_7_days=received,
        received_previous_7_days=received_before,
        days=found[-days:],
    )


def _following(
    path: str, found: list[Mention] | list[Tie], limit: int, view: View, *, self_mentions: bool = False
) -> str | None:
    """The next page: what comes behind the last that fits, for the same instant."""
    if len(found) <= limit:
        return None
    last = found[limit - 1]
    return next_page(
        path,
        limit=limit,
        cursor=cursor_of(Position(last.place, last.id)),
        as_of=view.as_of,
        archived="false" if view.archived is False else view.archived,
        self_mentions=self_mentions,
    )


def _tie(found: Tie) -> TieAnswer:
    return TieAnswer(
        handle=found.handle,
        spelling=found.spelling,
        weight=found.weight,
        made=TieDirection(
            mention_count=found.mentions_made,
            weight=found.weight_made,
            last_seen=found.last_made,
            archived_at=found.made_archived_at,
        ),
        received=TieDirection(
            mention_count=found.mentions_received,
            weight=found.weight_received,
            last_seen=found.last_received,
            archived_at=found.received_archived_at,
        ),
    )


ROUTER = Router(
    "/users",
    tags=["graph"],
    route_handlers=[
        list_users,
        get_user,
        _mentions_handler(Direction.OUTGOING, "Whom a user mentions"),
        _mentions_handler(Direction.INCOMING, "Who mentions a user"),
        list_reciprocal,
        get_user_days,
    ],
)

"""The graph over HTTP: one edge, a user, a user's mentions in both directions, and all edges as CSV."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

import msgspec
from litestar import get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter
from litestar.response.base import ASGIResponse

from app import graph
from app.graph import Mention, Page, User
from app.http import examples, problems
from app.http.download import Download
from app.http.examples import answering
from app.http.paging import Limit, next_page
from app.http.services import Injected, Services

NO_USER = {
    400: "'@' is no handle: nothing is left of it without '@' and white space.",
    404: "nobody called 'ada' wrote a post or was mentioned in one that was counted.",
    **problems.UNAVAILABLE,
}
_EXAMPLE_CSV = """\
source,target,mention_count,weight,first_seen,last_seen
grace,ada,1,0.9057,2026-01-15T12:00:00.000000Z,2026-01-15T12:00:00.000000Z
"""

Handle = Annotated[str, PathParameter(description="Handle, in any spelling, with or without '@'.")]
Offset = Annotated[int, QueryParameter(description="How many to pass over.", ge=0, le=1_000_000)]
SelfMentions = Annotated[bool, QueryParameter(description="Whether mentions of oneself are among them.")]


class EdgeLinks(msgspec.Struct, frozen=True):
    """Paths of the users at its ends."""

    source: str
    target: str


class EdgeAnswer(msgspec.Struct, frozen=True):
    """Source mentions target: how often, and with what weight at this instant. Handles are spelt as first seen."""

    source: str
    target: str
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


class UserAnswer(msgspec.Struct, frozen=True):
    """A user, and the user's mentions in both directions; mentions of oneself are in `self_mentions` alone."""

    handle: str
    """What identifies the user: in lower case."""
    spelling: str
    """As first seen."""
    mentioned_users: int
    mentions_made: int
    weight_made: float
    mentioning_users: int
    mentions_received: int
    weight_received: float
    self_mentions: int
    links: UserLinks


class Mentions(msgspec.Struct, frozen=True):
    """A page of a user's edges, the heaviest first, each with the user at its other end."""

    user: str
    mentions: list[Mention]
    next: str | None


def _path_of(user: User) -> str:
    return f"/users/{quote(user.handle, safe='')}"


@get(
    "/edges",
    tags=["graph"],
    summary="One edge",
    operation_class=answering(examples.EDGE),
    responses=problems.responses(NO_USER),
)
async def get_edge(
    services: Injected,
    source: Annotated[str, QueryParameter(description="Handle of who mentions, in any spelling.")],
    target: Annotated[str, QueryParameter(description="Handle of who is mentioned, in any spelling.")],
) -> EdgeAnswer:
    """How often and how heavily one user mentions another, archived or not."""
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
        from_user = await graph.find_user(conn, source, parameters)
        to_user = await graph.find_user(conn, target, parameters)
        found = await graph.edge(conn, from_user, to_user, parameters, now=services.clock())
    return EdgeAnswer(
        source=from_user.spelling,
        target=to_user.spelling,
        **msgspec.structs.asdict(found),
        links=EdgeLinks(_path_of(from_user), _path_of(to_user)),
    )


@get(
    "/users/{handle:str}",
    tags=["graph"],
    summary="One user",
    operation_class=answering(examples.USER),
    responses=problems.responses(NO_USER),
)
async def get_user(services: Injected, handle: Handle) -> UserAnswer:
    """What the user's mentions add up to, made and received. The handle may be in any spelling, with or without '@'."""
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
        user = await graph.find_user(conn, handle, parameters)
        totals = await graph.totals(conn, user, parameters, now=services.clock())
    path = _path_of(user)
    return UserAnswer(
        handle=user.handle,
        spelling=user.spelling,
        **msgspec.structs.asdict(totals),
        links=UserLinks(user=path, outgoing=f"{path}/outgoing", incoming=f"{path}/incoming"),
    )


@get(
    "/users/{handle:str}/outgoing",
    tags=["graph"],
    summary="Whom a user mentions",
    operation_class=answering(examples.MENTIONS),
    responses=problems.responses(NO_USER),
)
async def list_outgoing(
    services: Injected,
    handle: Handle,
    limit: Limit = 50,
    offset: Offset = 0,
    self_mentions: SelfMentions = False,
) -> Mentions:
    """By effective weight, the heaviest first."""
    return await _mentions(services, graph.outgoing, handle, "outgoing", Page(limit, offset, self_mentions))


@get(
    "/users/{handle:str}/incoming",
    tags=["graph"],
    summary="Who mentions a user",
    operation_class=answering(examples.MENTIONS),
    responses=problems.responses(NO_USER),
)
async def list_incoming(
    services: Injected,
    handle: Handle,
    limit: Limit = 50,
    offset: Offset = 0,
    self_mentions: SelfMentions = False,
) -> Mentions:
    """By effective weight, the heaviest first."""
    return await _mentions(services, graph.incoming, handle, "incoming", Page(limit, offset, self_mentions))


async def _mentions(
    services: Services,
    read: Callable[..., Awaitable[list[Mention]]],
    handle: str,
    direction: str,
    page: Page,
) -> Mentions:
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
        user = await graph.find_user(conn, handle, parameters)
        one_more = msgspec.structs.replace(page, limit=page.limit + 1)
        found = await read(conn, user, parameters, one_more, now=services.clock())
    following = next_page(
        f"{_path_of(user)}/{direction}",
        limit=page.limit,
        offset=page.offset + page.limit,
        self_mentions="true" if page.self_mentions else None,
    )
    return Mentions(user.spelling, found[: page.limit], following if len(found) > page.limit else None)


@get(
    "/export/edges.csv",
    tags=["graph"],
    summary="All edges as CSV",
    responses={
        200: ResponseSpec(
            str,
            media_type="text/csv",
            generate_examples=False,
            description="A header line, then a line an edge, in no particular order.",
            examples=[Example(summary="edges.csv", value=_EXAMPLE_CSV)],
        ),
        **problems.responses({400: "query parameter 'self_mentions' has to be true or false.", **problems.UNAVAILABLE}),
    },
)
async def export_edges(services: Injected, self_mentions: SelfMentions = False) -> ASGIResponse:
    """The whole graph, as it is at one instant, sent as it is read. Archived edges are not in it."""
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
    blocks = graph.export_edges(services.exports, parameters, self_mentions=self_mentions, now=services.clock())
    return await Download.begin(
        blocks,
        media_type="text/csv; header=present",
        filename="edges.csv",
        stalled_after=services.settings.receive_timeout,
    )

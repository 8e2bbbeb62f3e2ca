"""Where an edge comes from."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import PathParameter, QueryParameter

from app.http import problems, segments
from app.http.openapi import examples
from app.http.openapi.examples import answering
from app.http.parameters import MAX_NUMBER, Limit, next_page
from app.http.routes.graph import NO_USER, named
from app.http.services import Injected
from app.reads import history
from app.reads.history import Contribution


class HistoryAnswer(msgspec.Struct, frozen=True):
    """A page of what made an edge, the newest batch first."""

    source: str
    target: str
    contributions: list[Contribution]
    purged: bool
    """Whether what older uploads added was purged after its retention time: it is in the edge, but not in here."""
    next: str | None
    """A page looks into a bounded number of batches: it may be empty, and yet not be the last."""


@get(
    "/edges/{source:str}/{target:str}/history",
    tags=["graph"],
    summary="Where an edge comes from",
    operation_class=answering(examples.HISTORY),
    responses=problems.responses(*NO_USER),
)
async def get_history(
    services: Injected,
    source: Annotated[str, PathParameter(description="Handle of who mentions, in any spelling.")],
    target: Annotated[str, PathParameter(description="Handle of who is mentioned, in any spelling.")],
    limit: Limit = 50,
    before: Annotated[
        int, QueryParameter(description="Only batches before this one: `next` has it.", ge=1, le=MAX_NUMBER)
    ] = MAX_NUMBER,
) -> HistoryAnswer:
    """Which uploads and batches made this edge, with counts; those that were taken out again are marked `retracted`."""
    async with services.pool.connection() as conn:
        parameters = await services.parameters(conn)
        from_user, to_user = await named(services, conn, source, target)
    found = await history.history(services.pool, from_user, to_user, parameters, before=before, limit=limit)
    path = f"/edges/{segments.segment(from_user.handle)}/{segments.segment(to_user.handle)}/history"
    following = next_page(path, before=found.before, limit=limit) if found.before is not None else None
    return HistoryAnswer(from_user.spelling, to_user.spelling, found.contributions, found.purged, following)

"""Dry runs of changes: what a request would change, in place of the change."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import Response
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from app.control.callers import Caller, Scope
from app.http import quotas
from app.http.quotas import Kind
from app.http.services import Services
from app.ledger.states import UploadState
from app.ledger.transitions import FailedBatch
from app.reads import forecasts
from app.reads.forecasts import Forecast

DryRun: TypeAlias = Annotated[
    bool, QueryParameter(description="Only say what would change. The answer has status 200, and nothing is changed.")
]


class WithdrawalForecast(msgspec.Struct, frozen=True):
    """What a cancellation or a retraction would change, as things are now."""

    upload_id: uuid.UUID
    action: Literal["cancel", "retract"]
    state: UploadState
    batches: int
    """Batches of the upload; of a zip, those of its members."""
    batches_not_counted: int
    """Batches that no worker has counted."""
    batches_taken_out: int
    """Batches that have something in the graph."""
    rows_taken_out: int
    """Rows of the applied batches."""
    mentions_taken_out: int
    """Mentions that the graph has from the upload."""
    edges_gone: int | None
    """Edges that only this upload made. They disappear."""
    edges_weaker: int | None
    """Edges that lose mentions and stay."""
    users_gone: int | None
    """Users who have no edge left. Null, too, where edges are estimated."""
    exact: bool | None
    """Whether the edges are counted. False: they are estimated from a sample. Null: their numbers are null."""
    posts_handed_over: bool
    """Whether other uploads hold posts of this upload, by their ids. They count these posts then, so less goes."""
    detail: str | None
    """What is to be known of the numbers."""


class ReplayForecast(msgspec.Struct, frozen=True):
    """What a replay would count again."""

    upload_id: uuid.UUID
    batch_id: int | None
    """The batch that the request named."""
    action: Literal["replay"]
    batches: int
    """Failed batches that get new attempts."""
    rows: int | None
    """Rows of these batches. Null: an earlier release staged one of the batches."""
    batches_purged: int
    """Failed batches that have no rows any more. They stay failed."""


WITHDRAWAL = {
    200: ResponseSpec(
        WithdrawalForecast, generate_examples=False, description="A dry run: what would change. Nothing is changed."
    )
}
REPLAY = {
    200: ResponseSpec(
        ReplayForecast, generate_examples=False, description="A dry run: what would change. Nothing is changed."
    )
}


async def of_withdrawal(services: Services, caller: Caller, upload_id: uuid.UUID, wanted: UploadState) -> Response[Any]:
    """What cancelling or retracting the upload would change. Edges are for callers who may ask about the graph.

    Raises what the change itself would, and TooManyReads, TookTooLong.
    """
    with_edges = caller.may(Scope.GRAPH_READ, services.graph)
    async with quotas.one(Kind.READS), services.expensive.connection() as conn:
        found = await forecasts.of_withdrawal(conn, upload_id, wanted, with_edges=with_edges)
    edges = found.edges
    return Response(
        WithdrawalForecast(
            upload_id=upload_id,
            action="cancel" if wanted is UploadState.CANCELLING else "retract",
            state=found.state,
            batches=found.batches,
            batches_not_counted=found.batches_not_counted,
            batches_taken_out=found.batches_taken_out,
            rows_taken_out=found.rows_taken_out,
            mentions_taken_out=found.mentions_taken_out,
            edges_gone=None if edges is None else edges.gone,
            edges_weaker=None if edges is None else edges.weaker,
            users_gone=None if edges is None else edges.users_gone,
            exact=None if edges is None else edges.exact,
            posts_handed_over=found.handed_over,
            detail=_detail(found, with_edges=with_edges),
        ),
        status_code=200,
    )


def _detail(found: Forecast, *, with_edges: bool) -> str | None:
    said = list[str]()
    if not with_edges:
        said.append("A key with the scope graph:read is told what becomes of edges.")
    elif found.edges is None:
        said.append("The upload has too many edges for an estimate.")
    elif not found.edges.exact:
        said.append("The numbers of edges are estimated from a sample.")
    if found.handed_over:
        said.append("Other uploads hold some of the posts and count these posts then, so less goes.")
    return " ".join(said) or None


def of_replay(upload_id: uuid.UUID, batch_id: int | None, failed: Sequence[FailedBatch]) -> Response[Any]:
    """What a replay of the failed batches would count again."""
    rows = [each.rows for each in failed if each.replayable]
    known = [each for each in rows if each is not None]
    return Response(
        ReplayForecast(
            upload_id=upload_id,
            batch_id=batch_id,
            action="replay",
            batches=len(rows),
            rows=sum(known) if len(known) == len(rows) else None,
            batches_purged=len(failed) - len(rows),
        ),
        status_code=200,
    )

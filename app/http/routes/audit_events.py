"""Audit events over HTTP: who did what, and what was denied."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Router, get
from litestar.params import QueryParameter

from app.control import audit_events
from app.control.audit_events import OF_THE_SERVICE, Action, AuditEvent, Filter
from app.control.callers import Caller, Scope
from app.errors import BadRequest, NotFound
from app.http import problems
from app.http.calling import Calling
from app.http.openapi.examples import answering
from app.http.parameters import INSTANT, MAX_NUMBER, Limit, moment, next_page, storable
from app.http.services import Injected
from app.http.signatures import Wanted

_EXAMPLE = {
    "events": [
        {
            "id": 17,
            "at": "2026-01-15T12:00:00.25Z",
            "action": "upload.retract",
            "outcome": "done",
            "subject": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
            "key_id": "Fq3xT81b",
            "owner": "grace",
            "address": "192.0.2.7",
            "process": "mentiongraph api@host:4711",
            "detail": None,
        }
    ],
    "next": "/audit-events?owner=grace&limit=1&before=17",
}


class AuditEvents(msgspec.Struct, frozen=True):
    """A page of audit events, the newest first."""

    events: list[AuditEvent]
    next: str | None
    """Path of the next page; null on the last page."""


@get(
    "/audit-events",
    summary="Who did what",
    operation_class=answering(_EXAMPLE),
    responses=problems.responses(
        BadRequest("query parameter 'limit' has to be a whole number from 1 to 500."),
        NotFound("there is no audit event 17; GET /audit-events lists what there is."),
        *problems.DATABASE,
    ),
    scope=Scope.ADMIN,
)
async def list_audit_events(  # noqa: PLR0917 (each is a query parameter)
    services: Injected,
    caller: Calling,
    since: Annotated[
        str | None,
        QueryParameter(format="date-time", description="Only events at or after this instant."),
        Wanted(INSTANT),
    ] = None,
    until: Annotated[
        str | None, QueryParameter(format="date-time", description="Only events before this instant."), Wanted(INSTANT)
    ] = None,
    action: Annotated[
        str | None,
        QueryParameter(
            description="Only this action, such as `upload.retract`; or its first part, which stands for all actions "
            "that begin so: `upload`.",
            max_length=64,
        ),
    ] = None,
    outcome: Annotated[
        Literal["done", "denied"] | None, QueryParameter(description="Only what was done, or only what was denied.")
    ] = None,
    owner: Annotated[
        str | None,
        QueryParameter(description="Only acts of this owner. `os:name` is an account of a server.", max_length=64),
    ] = None,
    key: Annotated[str | None, QueryParameter(description="Only acts with the key of this id.", max_length=64)] = None,
    subject: Annotated[
        str | None,
        QueryParameter(description="Only acts on this: the id of an upload, the name of a graph, …", max_length=255),
    ] = None,
    limit: Limit = 50,
    before: Annotated[
        int | None, QueryParameter(description="Only events before this event. `next` has it.", ge=1, le=MAX_NUMBER)
    ] = None,
) -> AuditEvents:
    """Lists the audit events of the graph, the newest first. Those about keys and graphs, and denied requests, are
    those of the graph `default`, and are shown to keys for all graphs alone. `mentiongraph audit-log` lists them, too.
    """
    begin, end = (None if text is None else moment(text, name) for text, name in ((since, "since"), (until, "until")))
    wanted = Filter(
        since=begin,
        until=end,
        action=storable(action),
        outcome=outcome,
        owner=storable(owner),
        key_id=storable(key),
        subject=storable(subject),
        hidden=() if caller.graphs is None else OF_THE_SERVICE,
    )
    async with services.pool.connection() as conn:
        found = await audit_events.async_page(conn, wanted, before=before, limit=limit + 1)
    page = [_shown(event, caller) for event in found[:limit]]
    query = {"since": begin, "until": end, "action": action, "outcome": outcome, "owner": owner, "key": key}
    following = (
        next_page(f"{services.base}/audit-events", **query, subject=subject, limit=limit, before=page[-1].id)
        if len(found) > limit
        else None
    )
    return AuditEvents(page, following)


def _shown(event: AuditEvent, caller: Caller) -> AuditEvent:
    """The event as the caller may see it. It names no graph that the caller may not use, as the event of a comparison
    would, and no host."""
    foreign = event.action == Action.GRAPH_COMPARE and not caller.uses((event.detail or {}).get("with", ""))
    detail = None if foreign else event.detail
    return msgspec.structs.replace(event, detail=detail, process=caller.process_shown(event.process))


ROUTER = Router("/", tags=["audit"], route_handlers=[list_audit_events])

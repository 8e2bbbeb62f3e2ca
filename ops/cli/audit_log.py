"""The command that lists who did what, from PostgreSQL: audit-log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from itertools import islice
from pathlib import Path

import click
import msgspec

from app.control import audit_events
from app.control.audit_events import AuditEvent, Filter, Outcome
from app.errors import BadRequest
from app.store import postgres
from app.store.postgres import Connection
from ops.cli import options
from ops.cli.console import cut, out, plain, print_csv, print_json, say, table, when

PAGE = 500
IN_A_TABLE = 100
"""Events that a table has if the command does not say how many. JSON and CSV then have all."""
_COLUMNS = AuditEvent.__struct_fields__
_DETAIL_WIDTH = 60


@click.command("audit-log")
@click.option("--since", metavar="INSTANT", help="Only events at or after this instant, such as 2026-01-15.")
@click.option("--until", metavar="INSTANT", help="Only events before this instant.")
@click.option(
    "--action", metavar="NAME", help="Only this action: upload.retract; or all that begin with this word: upload."
)
@click.option("--outcome", type=click.Choice(["done", "denied"]), help="Only what was done, or only what was denied.")
@click.option("--owner", metavar="NAME", help="Only acts of this owner; os:NAME is an account of a server.")
@click.option("--key", metavar="ID", help="Only acts with this key.")
@click.option("--subject", metavar="TEXT", help="Only acts on this upload, graph, key or file.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help=f"Events to list. Default: {IN_A_TABLE} in a table, all in JSON and CSV.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with a header line.")
@click.option("--json", "json", is_flag=True, help="Print JSON Lines, an event a line.")
@options.data
def audit_log(  # noqa: PLR0917 (each is an option)
    since: str | None,
    until: str | None,
    action: str | None,
    outcome: Outcome | None,
    owner: str | None,
    key: str | None,
    subject: str | None,
    limit: int | None,
    data: Path | None,
    *,
    as_csv: bool,
    json: bool,
) -> None:
    """List who did what, and what was denied, the newest first.

    The list has exports, retractions, purges, keys and graphs, with the owner, key and address of whoever did it. What
    becomes of each upload is in the ledger, which `mentiongraph status` shows. Events go after
    MENTIONGRAPH_AUDIT_RETENTION_DAYS. Uses MENTIONGRAPH_DATABASE_URL.

    \b
    Examples:
      mentiongraph audit-log
      mentiongraph audit-log --action graph.export --since 2026-01-01
      mentiongraph audit-log --outcome denied --json
      mentiongraph audit-log --owner grace --csv > grace.csv
    """
    if as_csv and json:
        raise BadRequest("give one of --csv and --json.")
    settings = options.migrated(data)
    wanted = Filter(
        since=options.instant(since, "--since"),
        until=options.instant(until, "--until"),
        action=action,
        outcome=outcome,
        owner=owner,
        key_id=key,
        subject=subject,
    )
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="audit-log") as conn:
        events = islice(_events(conn, wanted), limit)
        if json:
            for event in events:
                print_json(event)
        elif as_csv:
            print_csv(_COLUMNS, (list(_cells(event).values()) for event in events))
        else:
            _print_table(list(islice(events, IN_A_TABLE + 1 if limit is None else None)), limit)


def _events(conn: Connection, wanted: Filter) -> Iterator[AuditEvent]:
    """All events that are wanted, page by page."""
    before: int | None = None
    while page := audit_events.page(conn, wanted, before=before, limit=PAGE):
        yield from page
        if len(page) < PAGE:
            return
        before = page[-1].id


def _cells(event: AuditEvent) -> dict[str, object]:
    found = msgspec.structs.asdict(event)
    found["at"] = event.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    found["detail"] = _detail(event)
    return found


def _detail(event: AuditEvent) -> str:
    return "" if event.detail is None else msgspec.json.encode(event.detail).decode()


def _print_table(events: list[AuditEvent], limit: int | None) -> None:
    if not events:
        say("No such events.")
        return
    more = limit is None and len(events) > IN_A_TABLE
    shown = table("at", "action", "subject", "who", "from", "detail")
    for event in events[:IN_A_TABLE] if more else events:
        who = plain(event.owner or "") + (f" ({plain(event.key_id)})" if event.key_id else "")
        action = event.action if event.outcome == "done" else f"{event.action} denied"
        detail = cut(_detail(event), _DETAIL_WIDTH)
        shown.add_row(
            when(event.at), plain(action), plain(event.subject or ""), who, plain(event.address or ""), detail
        )
    out.print(shown)
    if more:
        say(f"There are more than {IN_A_TABLE}: --limit N lists more of them.", err=True)

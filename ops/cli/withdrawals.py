"""Commands that take uploads out of the graph, over the HTTP API: cancel, retract."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from app.errors import BadState
from ops.cli import options
from ops.cli.client import Client, client_of
from ops.cli.console import number, plain, print_json, say
from ops.cli.entries import FAILED, Entry, Forecast
from ops.cli.sending import sending
from ops.cli.status import show_entry

_wait = click.option(
    "--wait/--no-wait",
    default=True,
    help="Wait until the upload is out of the graph (default), or only until the work begins.",
)


@click.command()
@click.argument("upload", type=click.UUID)
@click.option("--dry-run", is_flag=True, help="Only show what a cancellation would take out.")
@_wait
@options.api
@options.data
@options.as_json
def cancel(upload: uuid.UUID, api: str | None, data: Path | None, *, dry_run: bool, wait: bool, json: bool) -> None:
    """Stop an upload that is not applied yet, even while its body arrives. Nothing of the upload stays in the graph.

    Mentions that were merged already are taken out again, exactly. You may upload the same file again afterwards.

    Exits with 0 once the upload is cancelled. Exits with 4 if the upload does not exist or is finished: then use
    `mentiongraph retract`.

    \b
    Examples:
      mentiongraph cancel --dry-run 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2
      mentiongraph cancel 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2
    """
    with client_of(api, data) as client:
        if dry_run:
            _preview(client, upload, "cancel", json=json)
            return
        _withdraw(client, upload, "cancel", wait=wait, json=json)


@click.command()
@click.argument("upload", type=click.UUID)
@click.option("--dry-run", is_flag=True, help="Only show what a retraction would take out.")
@click.option("--yes", is_flag=True, help="Retract without asking.")
@_wait
@options.api
@options.data
@options.as_json
def retract(
    upload: uuid.UUID, api: str | None, data: Path | None, *, dry_run: bool, yes: bool, wait: bool, json: bool
) -> None:
    """Take an applied or failed upload out of the graph. The command asks first.

    The counts of the upload go exactly, and its weight goes as if it had never been there. Edges that nothing else made
    go, too. You may upload the same file again afterwards. A retraction is no longer possible once the data of the
    upload was purged, after MENTIONGRAPH_RETENTION_DAYS.

    Exits with 0 once the upload is retracted, 4 if the upload does not exist or its state does not allow this, and 1 if
    you said no.

    \b
    Examples:
      mentiongraph retract --dry-run 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2
      mentiongraph retract --yes 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2
    """
    with client_of(api, data) as client:
        entry = client.entry(upload)
        if dry_run:
            _preview(client, upload, "retract", json=json)
            return
        _refuse(entry)
        if not yes:
            click.confirm(f"Take {_in_words(entry)} out of the graph?", abort=True, err=True)
        _withdraw(client, upload, "retract", wait=wait, json=json)


def _withdraw(client: Client, upload: uuid.UUID, verb: str, *, wait: bool, json: bool) -> None:
    entry = client.withdraw(upload, verb)
    if wait and not entry.finished:
        with sending(str(upload)) as show:
            entry = client.follow(upload, show.applied)
    show_entry(client, entry, json=json)
    if entry.finished and entry.state not in {"cancelled", "retracted"}:
        raise click.exceptions.Exit(FAILED)


def _refuse(entry: Entry) -> None:
    """Raises BadState for an upload that the API would not retract."""
    if entry.state not in {"applied", "failed"}:
        raise BadState(f"upload {entry.id} is {entry.state}: only an applied or failed upload can be retracted.")
    if entry.purged_at is not None and entry.rows_applied:
        raise BadState(f"upload {entry.id} stays in the graph: its data was purged after the retention time.")


def _preview(client: Client, upload: uuid.UUID, verb: str, *, json: bool) -> None:
    """Show what would change."""
    found = client.send_json("POST", f"/uploads/{upload}/{verb}?dry_run=true", Forecast)
    if json:
        print_json(
            {
                "id": found.upload_id,
                "state": found.state,
                "rows": found.rows_taken_out,
                "mentions": found.mentions_taken_out,
                "batches": found.batches_taken_out,
                "batches_not_counted": found.batches_not_counted,
                "edges_gone": found.edges_gone,
                "edges_weaker": found.edges_weaker,
                "users_gone": found.users_gone,
                "exact": found.exact,
                "detail": found.detail,
                "dry_run": True,
            }
        )
        return
    if found.batches_not_counted:
        say(f"{number(found.batches_not_counted)} of {number(found.batches)} batches would not be counted.")
    say(
        f"{number(found.mentions_taken_out)} mentions of {number(found.rows_taken_out)} rows in "
        f"{number(found.batches_taken_out)} batches of upload {upload} would be taken out; nothing was changed."
    )
    if found.edges_gone is not None:
        about = "" if found.exact else "About "
        left = "" if found.users_gone is None else f"; {number(found.users_gone)} users would have no edge left"
        say(
            f"{about}{number(found.edges_gone)} edges would disappear, and {about.lower()}"
            f"{number(found.edges_weaker)} would become weaker{left}."
        )
    if found.detail:
        say(plain(found.detail))


def _in_words(entry: Entry) -> str:
    name = f" ({plain(entry.filename, 40)})" if entry.filename else ""
    return (
        f"{number(entry.mentions_applied)} mentions of {number(entry.rows_applied)} rows in "
        f"{number(entry.batches.applied)} batches of upload {entry.id}{name}"
    )

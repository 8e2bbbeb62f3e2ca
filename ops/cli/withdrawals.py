"""Commands that take uploads out of the graph, over the HTTP API: cancel, retract."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from app.errors import BadState
from ops.cli import options
from ops.cli.client import Client, client_of
from ops.cli.console import number, plain, print_json, say
from ops.cli.entries import FAILED, Entry
from ops.cli.sending import sending
from ops.cli.status import show_entry

_wait = click.option(
    "--wait/--no-wait",
    default=True,
    help="Wait until the upload is out of the graph (default), or only until the work begins.",
)


@click.command()
@click.argument("upload", type=click.UUID)
@_wait
@options.api
@options.data
@options.as_json
def cancel(upload: uuid.UUID, api: str | None, data: Path | None, *, wait: bool, json: bool) -> None:
    """Stop an upload that is not applied yet, even while its body arrives. Nothing of the upload stays in the graph.

    Mentions that were merged already are taken out again, exactly. You may upload the same file again afterwards.

    Exits with 0 once the upload is cancelled. Exits with 4 if the upload does not exist or is finished: then use
    `mentiongraph retract`.

    \b
    Examples:
      mentiongraph cancel 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2
    """
    with client_of(api, data) as client:
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
            _preview(entry, json=json)
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


def _preview(entry: Entry, *, json: bool) -> None:
    _refuse(entry)
    if json:
        print_json(
            {
                "id": entry.id,
                "state": entry.state,
                "rows": entry.rows_applied,
                "mentions": entry.mentions_applied,
                "batches": entry.batches.applied,
                "dry_run": True,
            }
        )
    else:
        say(f"{_in_words(entry)} would be taken out; nothing was changed.")


def _in_words(entry: Entry) -> str:
    name = f" ({plain(entry.filename, 40)})" if entry.filename else ""
    return (
        f"{number(entry.mentions_applied)} mentions of {number(entry.rows_applied)} rows in "
        f"{number(entry.batches.applied)} batches of upload {entry.id}{name}"
    )

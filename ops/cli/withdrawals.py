"""Commands that take uploads out again, over the HTTP API: cancel, retract."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from app.errors import BadState
from ops.cli import options
from ops.cli.client import Client, Entry
from ops.cli.console import number, plain, print_json
from ops.cli.uploads import FAILED, client_of, sending, show_entry

_wait = click.option("--wait/--no-wait", default=True, help="Wait until it is out (default), or only until it begins.")


@click.command()
@click.argument("upload", type=click.UUID)
@_wait
@options.api
@options.data
@options.as_json
def cancel(upload: uuid.UUID, api: str | None, data: Path | None, *, wait: bool, json: bool) -> None:
    """Stop an upload that is not applied yet, even while its body arrives; nothing of it stays in the graph.

    What of it was merged already is taken out again, exactly. The same file may be uploaded again afterwards.

    Exits with 0 once it is cancelled, 4 if there is none, or it is finished: then `mentiongraph retract` takes it out.

    \b
    Examples:
      mentiongraph cancel 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2
    """
    with client_of(api, data) as client:
        _withdraw(client, upload, "cancel", wait=wait, json=json)


@click.command()
@click.argument("upload", type=click.UUID)
@click.option("--dry-run", is_flag=True, help="Only show what would be taken out.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_wait
@options.api
@options.data
@options.as_json
def retract(
    upload: uuid.UUID, api: str | None, data: Path | None, *, dry_run: bool, yes: bool, wait: bool, json: bool
) -> None:
    """Take an applied (or failed) upload out of the graph again; asks first.

    Its counts go exactly, its weight as if it had never been there, and so do the edges that nothing else made. The
    same file may be uploaded again afterwards. Not possible any more once what it added was purged, after
    MENTIONGRAPH_RETENTION_DAYS.

    Exits with 0 once it is retracted, 4 if there is none, or its state does not allow it, 1 if you said no.

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
    """Raises BadState where the API would refuse it, too."""
    if entry.state not in {"applied", "failed"}:
        raise BadState(f"upload {entry.id} is {entry.state}: only an applied or failed one is retracted.")
    if entry.purged_at is not None and entry.rows_applied:
        raise BadState(f"upload {entry.id}: what it added was purged after its retention time; it stays.")


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
        click.echo(f"{_in_words(entry)} would be taken out; nothing was changed.")


def _in_words(entry: Entry) -> str:
    name = f" ({plain(entry.filename, 40)})" if entry.filename else ""
    return (
        f"{number(entry.mentions_applied)} mentions of {number(entry.rows_applied)} rows in "
        f"{number(entry.batches.applied)} batches of upload {entry.id}{name}"
    )

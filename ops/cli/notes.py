"""The command that writes notes on uploads, over the HTTP API: note."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from app.errors import BadRequest
from ops.cli import options
from ops.cli.client import client_of
from ops.cli.console import plain, print_json, say


@click.command()
@click.argument("upload", type=click.UUID)
@click.argument("text", required=False)
@click.option("--remove", is_flag=True, help="Remove the note.")
@options.api
@options.data
@options.as_json
def note(upload: uuid.UUID, text: str | None, api: str | None, data: Path | None, *, remove: bool, json: bool) -> None:
    """Write a note on an upload, for other people to read. A new note replaces the old note.

    The note has up to 500 characters. Without TEXT, the command prints the note. `mentiongraph status --text WORD`
    finds uploads by their notes.

    Exits with 4 if the upload does not exist.

    \b
    Examples:
      mentiongraph note 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2 "Wrong author column; see the second delivery"
      mentiongraph note 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2
      mentiongraph note 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2 --remove
    """
    if remove and text is not None:
        raise BadRequest("give TEXT or --remove, and not both.")
    with client_of(api, data) as client:
        entry = client.entry(upload) if text is None and not remove else client.change(upload, {"note": text})
    if json:
        print_json({"id": entry.id, "note": entry.note})
    else:
        say(plain(entry.note) if entry.note else "No note.")

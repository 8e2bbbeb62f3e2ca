"""The command that shows uploads, over the HTTP API: status. Other commands show an upload by it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec
from rich.cells import cell_len
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.errors import BadRequest
from ops.cli import options, warnings_shown
from ops.cli.client import Client, client_of
from ops.cli.console import cut, err, facts, number, out, plain, print_json, say, size, state, table, when
from ops.cli.entries import BROKEN, FAILED, ON_THE_WAY, Entry
from ops.cli.sending import sending

WATCH_PAUSE = 1.0
_LEFT_OUT = ("received", "mentions", "rejected", "warnings")
"""Columns that a narrow terminal does without, in this order."""
_SHORTEST_NAME = 12
_GAP = 3
"""Columns of a terminal between two columns of a table."""


@click.command()
@click.argument("upload", required=False, type=click.UUID)
@options.api
@options.data
@click.option("--watch", is_flag=True, help="Follow the uploads until all are finished.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Number of uploads to list.")
@options.filters
@options.as_json
def status(
    upload: uuid.UUID | None,
    api: str | None,
    data: Path | None,
    *,
    watch: bool,
    limit: int,
    json: bool,
    **chosen: str | Sequence[str] | None,
) -> None:
    """Show the state of an upload, or of the latest uploads.

    With UPLOAD, an id, the command shows everything that the ledger knows of the upload. It exits with 1 if the upload
    failed or was cut off. Without UPLOAD, the command shows a table of the latest uploads that match the other options.
    With --watch, it follows the uploads live, and survives a restart of the API. It exits with 1 if one that it follows
    fails. Warnings go to standard error, also if the service has no room for more.

    \b
       Examples:
         mentiongraph status
         mentiongraph status --watch
         mentiongraph status --state failed --state aborted --since 2026-01-15
         mentiongraph status 01997f0e-3c1f-7d0a-b5a8-6a1f5a3ce4d2 --json | jq .rows_rejected
    """
    wanted = options.filter_of(chosen)
    if upload is not None and wanted:
        raise BadRequest(f"--{next(iter(wanted))} is for a list of uploads, not for one upload.")
    with client_of(api, data) as client:
        if (short := client.shortage()) is not None:
            err.print(f"No room: {plain(short)}. Uploads are refused, and batches wait.")
        if upload is None:
            if _list(client, limit, wanted, watch=watch, json=json):
                raise click.exceptions.Exit(FAILED)
            return
        if watch:
            with sending(str(upload)) as show:
                entry = client.follow(upload, show.applied)
        else:
            entry = client.entry(upload)
        show_entry(client, entry, json=json)
    if entry.state in BROKEN:
        raise click.exceptions.Exit(FAILED)


def _list(client: Client, limit: int, wanted: Mapping[str, str | Sequence[str]], *, watch: bool, json: bool) -> bool:
    """Show the latest uploads that match. Returns whether an upload failed while it was watched."""
    entries = client.recent(limit, **wanted)
    watched = {entry.id for entry in entries if not entry.finished}
    if watch and err.is_terminal:
        with Live(listed(entries, err.width), console=err, transient=True) as live:
            while not all(entry.finished for entry in entries):
                time.sleep(WATCH_PAUSE)
                entries = client.recent(limit, **wanted)
                live.update(listed(entries, err.width))
    while watch and not all(entry.finished for entry in entries):
        time.sleep(WATCH_PAUSE)
        entries = client.recent(limit, **wanted)
    if json:
        print_json(client.get("/uploads", msgspec.Raw, limit=limit, **wanted))
    elif entries:
        out.print(listed(entries, out.width))
    else:
        say("No such uploads." if wanted else f"No uploads yet: `{options.hinted('upload FILE')}` makes one.")
    return watch and any(entry.id in watched and entry.state in BROKEN for entry in entries)


def listed(entries: list[Entry], width: int) -> Table:
    """One line an upload, in `width` columns of a terminal: the id whole, to be copied, the file's name cut."""
    cells = [_cells(entry) for entry in entries]
    names = ["upload", "file", "state", "received", "rows", "rejected", "mentions"]
    names += ["owner"] if any(entry.sent_by and entry.sent_by.owner for entry in entries) else []
    names += ["warnings"] if any(entry.warnings for entry in entries) else []
    needed = {name: max(len(name), *(cell_len(str(row[name])) for row in cells)) + _GAP for name in names}
    shortest = min(_SHORTEST_NAME + _GAP, needed["file"])
    for name in _LEFT_OUT:
        if name in names and sum(needed[each] for each in names) - needed["file"] + shortest > width:
            names.remove(name)
    room = width - sum(needed[each] for each in names if each != "file") - _GAP
    shown = table(*names, right=("rows", "rejected", "mentions", "warnings"))
    for column in shown.columns:
        column.no_wrap = True
    shown.columns[0].min_width = needed["upload"] - _GAP
    for row in cells:
        row["file"] = cut(str(row["file"]), max(1, room))
        shown.add_row(*(row[name] for name in names))
    return shown


def _cells(entry: Entry) -> dict[str, str | Text]:
    done = f"{entry.state} {int(100 * entry.progress.share)} %"
    return {
        "upload": str(entry.id),
        "file": plain(entry.filename or "-", 40),
        "state": state(entry.state, done if entry.state in ON_THE_WAY else None),
        "received": when(entry.received_at),
        "rows": number(entry.rows_received),
        "rejected": number(entry.progress.rejects_counted),
        "mentions": number(entry.progress.mentions_counted),
        "owner": plain(entry.sent_by.owner or "" if entry.sent_by else "", 64),
        "warnings": warnings_shown.in_a_cell(entry.warnings),
    }


def show_entry(client: Client, entry: Entry, *, json: bool) -> None:
    """One upload on standard output."""
    if json:
        print_json(client.get(f"/uploads/{entry.id}", msgspec.Raw))
        return
    batches = msgspec.structs.asdict(entry.batches)
    out.print(
        facts(
            {
                "upload": str(entry.id),
                "file": plain(entry.filename or ""),
                "note": plain(entry.note or ""),
                "state": state(entry.state),
                "same bytes as": str(entry.duplicate_of or ""),
                "size": size(entry.size_bytes),
                "rows": _rows(client, entry),
                "mentions": _mentions(entry),
                "read as": _read_as(entry),
                "batches": ", ".join(f"{number(count)} {name}" for name, count in batches.items() if count),
                "received": when(entry.received_at),
                "sent by": _sent_by(entry),
                "finished": when(entry.finished_at),
                "purged": f"{when(entry.purged_at)}: it cannot be replayed or retracted" if entry.purged_at else "",
                "error": plain(f"{entry.error.title}: {entry.error.detail}") if entry.error else "",
                "next": _advice(entry),
            }
        )
    )
    warnings_shown.show(entry.warnings, entry.filename or str(entry.id))


def _sent_by(entry: Entry) -> str:
    """Who sent the upload: with which key, and from where."""
    if entry.sent_by is None:
        return ""
    key = f" with key {plain(entry.sent_by.key_id)}" if entry.sent_by.key_id else ""
    who = f"{plain(entry.sent_by.owner)}{key}" if entry.sent_by.owner else "a client without a key"
    return f"{who}, from {plain(entry.sent_by.address)}" if entry.sent_by.address else who if key else ""


def _rows(client: Client, entry: Entry) -> str:
    """What became of the rows: received = accepted + rejected, once all are counted."""
    if entry.rows_accepted is None:
        said = _rows_so_far(entry)
    else:
        accepted = number(entry.rows_accepted)
        said = f"{number(entry.rows_applied)} applied" if entry.rows_applied else f"{accepted} accepted, none applied"
        if entry.rows_applied not in {0, entry.rows_accepted}:
            said += f" of {accepted} accepted"
    if entry.rows_repeated:
        said += f", {number(entry.rows_repeated)} of them repeated: another row counts their posts"
    if not entry.progress.rejects_counted:
        return said
    return f"{said}, {number(entry.progress.rejects_counted)} rejected ({rejects_there(entry, client.url)})"


def rejects_there(entry: Entry, url: str) -> str:
    """Where the rejected rows of an upload are, and how many of them."""
    if entry.rejects_purged_at:
        return "purged"
    kept, rejected = entry.rejects_kept, entry.progress.rejects_counted
    some = "" if kept is None or kept >= rejected else f"{number(kept)} of them kept; "
    return f"{some}to repair: {url}/uploads/{entry.id}/rejects.csv"


_TOLD = ("sheet", "preset", "format", "delimiter", "encoding", "author", "dates", "profile")
"""What a person is told of how a file is read, unless it is what most files are."""
_USUAL = {"format": "csv", "delimiter": ",", "encoding": "utf-8", "author": "username", "profile": "twitter"}


def _read_as(entry: Entry) -> str:
    """How the file was read, as far as nobody would have known without a look."""
    found = entry.options.detected
    told = {name: found[name].value for name in _TOLD if name in found and found[name].value != _USUAL.get(name)}
    return plain(", ".join(f"{name} {value!r}" for name, value in told.items()), 200)


def _rows_so_far(entry: Entry) -> str:
    known = {"received": entry.rows_received, "counted": entry.progress.rows_counted, "applied": entry.rows_applied}
    return ", ".join(f"{number(count)} {what}" for what, count in known.items() if count)


def _mentions(entry: Entry) -> str:
    if entry.mentions is not None:
        return number(entry.mentions)
    counted = entry.progress.mentions_counted
    return f"{number(counted)} in the rows that are counted" if counted else ""


def _advice(entry: Entry) -> str:
    if entry.state == "failed" and entry.batches.failed and not entry.purged_at:
        return options.hinted(f"replay --upload {entry.id} --dry-run")
    return options.hinted(f"status {entry.id} --watch") if not entry.finished else ""

"""Commands over the HTTP API: upload, status."""

from __future__ import annotations

import io
import sys
import time
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
from rich.cells import cell_len
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from app.errors import BadRequest, MentiongraphError
from ops import processes
from ops.cli import options, trust, warnings_shown
from ops.cli.client import ApiProblem, Client, Entry, Patience, Sent, Step
from ops.cli.console import cut, err, facts, number, out, plain, print_json, say, size, state, table, when

CHUNK = 256 << 10
WATCH_PAUSE = 1.0
FAILED = 1
DONE = frozenset({"applied", "checked"})
"""States in which an upload that was sent came to what was wanted of it."""
BROKEN = frozenset({"failed", "aborted"})


def client_of(api: str | None, data: Path | None, *, graph: bool = True) -> Client:
    """A client of the API that the options or the settings name: for the chosen graph, or without `graph` for all."""
    settings = options.settings(data, nearby=api is None)
    url = api or processes.url_of_api(settings)
    key = options.key(data if api is None else None, nearby=api is None)
    if key is not None:
        trust.require_private(url, settings)
    base = options.api_of_graph(url) if graph else url
    return Client(base, key, verify=trust.verified_by(url, settings, own=api is None))


@click.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@options.api
@options.data
@options.reading
@click.option(
    "--clock",
    type=click.Choice(["arrival", "event"]),
    help="Instant at which a mention counts: the arrival of the file (default), or the post's own timestamp.",
)
@click.option(
    "--priority",
    type=click.Choice(["urgent", "bulk"]),
    help="Urgent uploads are applied before bulk ones. Default: bulk.",
)
@click.option("--dry-run", is_flag=True, help="Have the server read and count the file, and leave the graph as it is.")
@click.option("--again", is_flag=True, help="Apply the file even if the same bytes were applied before.")
@click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Text of your choice. A second command with the same key gets the first answer. For one FILE.",
)
@click.option(
    "--wait/--no-wait", default=True, help="Wait until the file is applied (default), or only until it is staged."
)
@options.as_json
def upload(
    files: Sequence[Path],
    api: str | None,
    data: Path | None,
    idempotency_key: str | None,
    *,
    dry_run: bool,
    again: bool,
    wait: bool,
    json: bool,
    **chosen: str | bool | None,
) -> None:
    """Send files of posts, and wait until their mentions are in the graph.

    The command sends a file as it is, in constant memory. Files whose names end in .gz or .zst are sent compressed.
    FILE - is standard input. Files are CSV, JSON, xlsx or Parquet, also in a zip. Rows that cannot be read are
    kept as rejects; all other rows are applied. The same bytes are applied once, however often you send them: the
    command then shows the earlier upload, unless --again is given. To look at a file without a server,
    use `mentiongraph check`.

    Exits with 0 if all files were applied (with --no-wait: staged; with --dry-run: checked), also with warnings, which
    go to standard error. Exits with 3 if a file was refused, 1 if an upload failed, also because every row was
    rejected, and 5 if the API cannot be reached or has too much to do.

    \b
    Examples:
      mentiongraph upload posts.csv
      mentiongraph upload --text body --author from --timestamp at export.csv.gz
      mentiongraph upload --dry-run --max-rejects 1% posts.csv
      psql -c "copy posts to stdout csv header" | mentiongraph upload -
      mentiongraph upload --no-wait --json *.csv | jq -r .id
    """
    if idempotency_key is not None and len(files) > 1:
        raise BadRequest("--idempotency-key names one request: send the files one by one.")
    params = options.query(chosen)
    params |= ({"again": "true"} if again else {}) | ({"dry_run": "true"} if dry_run else {})
    worst = 0
    with client_of(api, data) as client:
        for file in files:
            try:
                entry = _upload(client, file, params, wait=wait, key=idempotency_key)
            except OSError as error:
                if len(files) == 1 or error.filename is None:
                    raise
                say(f"{file}: {error.strerror}; it was not sent.", err=True)
                worst = worst or MentiongraphError.exit_code
                continue
            except ApiProblem as problem:
                if len(files) == 1:
                    raise
                if json:
                    print_json({"file": str(file), **msgspec.structs.asdict(problem.problem())})
                say(f"{file}: {problem.title}: {problem.detail}", err=True)
                worst = worst or problem.exit_code
                continue
            show_entry(client, entry, json=json)
            if entry.finished and entry.state not in DONE:
                worst = FAILED
    if worst:
        raise click.exceptions.Exit(worst)


def _upload(client: Client, file: Path, params: dict[str, str], *, wait: bool, key: str | None) -> Entry:
    name = "standard input" if str(file) == "-" else file.name
    if str(file) != "-":
        params = {"filename": file.name, **params}
    with sending(name) as show:
        sent = _send(client, file, params, show, key=key)
        if sent.earlier:
            show.say(f"{name}: the ledger has these bytes already, received {when(sent.entry.received_at)}.")
        if not wait or sent.entry.finished:
            return sent.entry
        return client.follow(sent.entry.id, show.applied)


def _send(client: Client, file: Path, params: dict[str, str], show: Sending, *, key: str | None) -> Sent:
    patience = Patience()
    while True:
        try:
            with opened(file) as (stream, total):
                body = show.sent(stream, total)
                return client.send(body, params=params, encoding=options.compression(file), key=key)
        except ApiProblem as problem:
            # Standard input is read once.
            if str(file) == "-" or not patience.waited(problem):
                raise


@contextmanager
def opened(file: Path) -> Generator[tuple[BinaryIO, int | None]]:
    """The stream, and its size if that is known."""
    if str(file) == "-":
        yield sys.stdin.buffer, None
        return
    with file.open("rb") as stream:
        yield stream, file.stat().st_size if file.is_file() else None


_LEFT_OUT = ("received", "mentions", "rejected", "warnings")
"""Columns that a narrow terminal does without, in this order."""
_SHORTEST_NAME = 12
_GAP = 3
"""Columns of a terminal between two columns of a table."""
_ON_THE_WAY = frozenset({"receiving", "staged", "applying", "checking"})


class Sending:
    """A bar that first shows the bytes that were sent, then those that are applied; a few lines where nobody looks."""

    def __init__(self, name: str, progress: Progress, doing: tuple[str, str]) -> None:
        self._name = plain(name, 40)
        self._progress = progress
        self._doing, self._next = doing
        self._task = progress.add_task(self._name, total=None, doing=self._doing, done="")
        self._said = ""

    def sent(self, stream: BinaryIO, total: int | None) -> Iterator[bytes]:
        """The stream, in chunks, watched."""
        count = 0
        # What a pipe has is sent at once: its writer may pause, and the API waits for bytes.
        read = stream.read1 if isinstance(stream, io.BufferedReader) else stream.read
        while chunk := read(CHUNK):
            yield chunk
            count += len(chunk)
            self._progress.update(self._task, completed=count, total=total, done=size(count))
        self._progress.update(self._task, completed=0, total=None, doing=self._next)
        if self._doing == "sending":
            self._line(f"sent {size(count)}")

    def applied(self, step: Step) -> None:
        """What the ledger says."""
        share = step.progress.share
        self._progress.update(self._task, completed=share, total=1, doing=step.state, done=_in_words(step))
        self._line(f"{step.state}, {10 * int(10 * share)} %" if step.state in _ON_THE_WAY else step.state)

    def say(self, line: str) -> None:
        err.print(line)

    def _line(self, line: str) -> None:
        if not err.is_terminal and line != self._said:
            self._said = line
            err.print(f"{self._name}: {line}")


def _in_words(step: Step) -> str:
    """What of it is done: it is counted first and merged then, which are half of the way each."""
    counted, total = step.progress.bytes_counted, step.progress.bytes_total
    said = f"counted {number(step.progress.rows_counted)} rows"
    if step.state in {"staged", "applying", "checking"} and counted < total:
        return f"{said}, {int(100 * counted / total)} %"
    if step.state == "applying":
        return f"{said}, merging" + (f", {number(step.rows_applied)} applied" if step.rows_applied else "")
    return said


@contextmanager
def sending(name: str, doing: str = "sending", then: str = "sealing") -> Generator[Sending]:
    """Progress on standard error while the block runs: what is done with the bytes, and after the last of them."""
    columns = (
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[doing]}", style="cyan"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield Sending(name, progress, (doing, then))


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
        say("No such uploads." if wanted else "No uploads yet: `mentiongraph upload FILE` makes one.")
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
        "state": state(entry.state, done if entry.state in _ON_THE_WAY else None),
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
        return f"mentiongraph replay --upload {entry.id} --dry-run"
    return f"mentiongraph status {entry.id} --watch" if not entry.finished else ""

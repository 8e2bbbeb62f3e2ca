"""The command that sends files over the HTTP API: upload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from app.errors import BadRequest, MentiongraphError
from ops.cli import options
from ops.cli.client import ApiProblem, Client, Patience, client_of
from ops.cli.console import print_json, say, when
from ops.cli.entries import FAILED, GOOD, Entry, Sent
from ops.cli.sending import Sending, opened, sending
from ops.cli.status import show_entry


@click.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@options.api
@options.data
@options.reading
@options.counting
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
    command then shows the earlier upload, unless --again is given. If another owner sent the bytes before, the command
    shows a `duplicate` of which nothing is counted, which is no failure. To look at a file without a server,
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
            if entry.finished and entry.state not in GOOD:
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
            show.say(f"{name}: {_known(sent.entry)}")
        if not wait or sent.entry.finished:
            return sent.entry
        return client.follow(sent.entry.id, show.applied)


def _known(entry: Entry) -> str:
    """What is told of bytes that came before: when they came, unless another owner sent them."""
    if entry.state == "duplicate":
        return "the graph has these bytes already. They count once, so nothing was added."
    return f"the ledger has these bytes already, received {when(entry.received_at)}."


def _send(client: Client, file: Path, params: dict[str, str], show: Sending, *, key: str | None) -> Sent:
    patience = Patience()
    while True:
        try:
            with opened(file) as (stream, total):
                body = show.sent(stream, total)
                sent = client.send(body, params=params, encoding=options.compression(file), key=key)
                show.arrived()
                return sent
        except ApiProblem as problem:
            # Standard input is read once.
            if str(file) == "-" or not patience.waited(problem):
                raise

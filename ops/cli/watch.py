"""The command `watch`: whatever complete file appears in a folder is taken in, once, over the HTTP API."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from ops.cli import options
from ops.cli.client import client_of
from ops.cli.intake import Intake, Wishes
from ops.watch import memory
from ops.watch.folder import Folder
from ops.watch.memory import Memory


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@options.api
@options.data
@options.reading
@options.counting
@click.option("--recursive", is_flag=True, help="Also take in the files of the folders in DIR.")
@click.option(
    "--pattern", metavar="GLOB", multiple=True, help="Only take in files with such names, as '*.csv'. May be repeated."
)
@click.option(
    "--settle",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="A file is complete once it has stood still for so long.",
)
@click.option(
    "--new-only", is_flag=True, help="Leave the files alone that DIR holds when it is watched for the first time."
)
@click.option("--retry", is_flag=True, help="Try the files again that were refused or failed before.")
@click.option(
    "--move-to",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Move each file to `done` or `failed` in this folder afterwards. Default: leave the files where they are.",
)
@click.option("--once", is_flag=True, help="Take in what is there, and exit: for cron.")
@click.option(
    "--wait/--no-wait",
    default=True,
    help="Say what became of a file once it is applied (default), or as soon as it is staged.",
)
@options.as_json
def watch(
    folder: Path,
    api: str | None,
    data: Path | None,
    *,
    pattern: tuple[str, ...],
    move_to: Path | None,
    settle: float,
    recursive: bool,
    new_only: bool,
    retry: bool,
    once: bool,
    wait: bool,
    json: bool,
    **chosen: str | bool | None,
) -> None:
    """Take in whatever complete file appears in a folder, once, and say what became of it.

    A file is complete once nobody has changed it for --settle seconds, and no process of this machine has it open for
    writing. Names that begin with `.` or `~$`, or end in .part, .tmp, .crdownload and the like, are left alone; a file
    that is renamed from such a name is complete at once. A file that changes later is taken in as a new file. The same
    bytes are applied once, whatever the file's name, and however often DIR is watched.

    The command prints one line for each file. It waits for an API that is away. It moves on from a file that the API
    refuses, and tries it again once it has changed. DIR/.mentiongraph-watch remembers what was sent.

    Runs until Ctrl-C or SIGTERM, and exits with 0 then. With --once it exits with 0 if all new files were applied, 3 if
    a file was refused, 1 if an upload failed or a file cannot be read, and 5 if the API cannot be reached.

    \b
    Examples:
      mentiongraph watch exports
      mentiongraph watch exports --pattern '*.csv' --text body --author from --timestamp at
      mentiongraph watch inbox --recursive --move-to taken
      mentiongraph watch --once --json exports | jq -r .state
    """
    apart = [move_to] if move_to is not None else []
    looked_at = Folder(folder, settle=settle, patterns=pattern, recursive=recursive, apart=apart)
    wishes = Wishes(options.query(chosen), wait=wait, json=json, once=once, retry=retry, move_to=move_to)
    with client_of(api, data) as client, _stopping():
        known = Memory(folder / memory.FILE, client.url)
        known.tidy()
        intake = Intake(client, looked_at, known, wishes)
        code = intake.run(skip=new_only and not len(known))
    if code:
        raise click.exceptions.Exit(code)


@contextmanager
def _stopping() -> Generator[None]:
    """SIGTERM stops the block as Ctrl-C does, and no lease on a file does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "SIGIO"):
        signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

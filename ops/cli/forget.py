"""The command that forgets a person: `mentiongraph forget HANDLE`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from app.control.callers import of_operating_system
from app.errors import BadRequest
from app.forgetting import cached, left, people
from app.forgetting.people import Forgotten, Found
from app.graph.parameters import read_parameters
from app.posts.handles import fold
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection
from ops.cli import options
from ops.cli.console import number, out, print_json, say, table
from ops.cli.progress import steps


@click.command()
@click.argument("handle")
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option("--yes", is_flag=True, help="Forget without asking.")
@click.option("--keep-out", is_flag=True, help="Count later uploads without the person, too.")
@click.option("--let-in", is_flag=True, help="End what --keep-out began: count the handle in later uploads again.")
@options.data
@options.all_graphs
@options.as_json
def forget(
    handle: str,
    data: Path | None,
    *,
    dry_run: bool,
    yes: bool,
    keep_out: bool,
    let_in: bool,
    all_graphs: bool,
    json: bool,
) -> None:
    """Forget a person: take them out of one graph, its history, and the bytes of uploads. The command asks first.

    The graph is the one that `mentiongraph --graph` names, else `default`. Other graphs keep the person: use
    --all-graphs to forget them in each.

    Their edges and archived edges go, in both directions. Payloads, deltas, rejects, warnings and file names are
    rewritten without their handle, in any spelling. Posts that they wrote lose their text. Everybody else's counts
    stay exact, and so does `mentiongraph audit`. Uploads may go on meanwhile. If the command is killed, run it again:
    it goes on. Run twice, it waits for the first. No rebuild may run at the same time (4).

    The handle itself is kept nowhere. With --keep-out, a keyed hash of it keeps the person out of later uploads.
    Without --keep-out, a later upload that mentions the handle makes a new user. The logs of a stack nearby are masked,
    too. Backups, exports and other logs are yours to delete: see the guide "Forget a person".

    Uses MENTIONGRAPH_DATABASE_URL and MENTIONGRAPH_REDIS_URL, also for a stack nearby.

    \b
    Examples:
      mentiongraph forget --dry-run alice
      mentiongraph forget --yes --keep-out alice
      mentiongraph forget --yes --all-graphs alice
    """
    if dry_run + let_in > 1 or (let_in and keep_out):
        raise BadRequest("give only one of --dry-run, --keep-out and --let-in.")
    settings = options.migrated(data)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="forget") as conn:
        if let_in:
            people.let_in(conn, handle, of_operating_system())
            say("Later uploads are counted with this handle again.")
            return
        if dry_run:
            _print_preview(_preview(conn, handle), json=json)
            return
        if not yes:
            found = _preview(conn, handle)
            _print_preview(found, json=False, to_come=True)
            click.confirm("Forget this person? Nobody can undo it.", abort=True, err=True)
        with steps("forget") as progress:
            done = _forget(conn, settings, handle, keep_out=keep_out, progress=progress)
            progress("cached answers")
            cleared = cached.clear(settings)
            progress("room of what went")
            people.vacuum(conn)
            holding = left.sentences(conn)
            progress("logs")
            masked = _mask_logs(data, handle)
    if json:
        said = {"cache_cleared": cleared, "logs_masked": masked, "still_held": holding, "dry_run": False}
        print_json({**msgspec.structs.asdict(done), **said})
    else:
        _print(done, settings, cleared=cleared, masked=masked)
        for sentence in holding:
            say(sentence)


def _preview(conn: Connection, handle: str) -> Found:
    with steps("look") as progress:
        return people.preview(conn, handle, read_parameters(conn), progress=progress)


def _forget(
    conn: Connection, settings: Settings, handle: str, *, keep_out: bool, progress: people.Progress
) -> Forgotten:
    with postgres.connect(settings.database_url, role="forget") as guard:
        return people.forget(
            guard,
            conn,
            handle,
            read_parameters(conn),
            of_operating_system(),
            keep_out=keep_out,
            clock=postgres.clock,
            progress=progress,
        )


def _mask_logs(data: Path | None, handle: str) -> int | None:
    """Mask the handle in the logs of the stack that the command works with. None: it works with other servers."""
    from ops.embedded import logmask  # noqa: PLC0415 (brings the embedded servers along)

    directory = options.directory(data, nearby=True)
    return None if directory is None else logmask.mask(directory / "logs", fold(handle))


def _print_preview(found: Found, *, json: bool, to_come: bool = False) -> None:
    if json:
        print_json({**msgspec.structs.asdict(found), "dry_run": True})
        return
    listed = table("would go, or be rewritten", "number", right=("number",))
    for what, count in (
        ("edges from and to the person", found.edges),
        ("mentions of these edges", found.mentions),
        ("deltas of batches", found.deltas),
        ("payloads of batches", found.payloads),
        ("rejected rows", found.rejects),
        ("other entries: file names, warnings, errors, answers", found.texts),
    ):
        listed.add_row(what, number(count))
    out.print(listed)
    if not found.known:
        say("No user of the graph has this handle.")
    if not to_come:
        say("Nothing was changed.")


def _print(done: Forgotten, settings: Settings, *, cleared: bool, masked: int | None) -> None:
    say(
        f"forgotten: {number(done.mentions + done.mentions_purged)} mentions, {number(done.deltas)} deltas, "
        f"{number(done.payloads)} payloads, {number(done.rejects)} rejects, {number(done.texts)} other entries."
    )
    if done.payloads_dropped:
        say(
            f"{number(done.payloads_dropped)} payloads could not be rewritten and were dropped: their batches cannot "
            "be replayed, and the graph cannot be rebuilt any more."
        )
    if done.keep_out:
        say("Later uploads are counted without this person.")
    if not cleared:
        say(f"Redis does not answer: answers that it holds expire within {settings.cache_seconds:g} seconds.")
    if masked is None:
        say("No logs of a stack are here: mask or delete the logs of your processes yourself.")
    else:
        say(f"{number(masked)} places in the logs of the stack were masked.")

"""The command that forgets a person: `mentiongraph forget HANDLE`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
import psycopg

from app.control.callers import of_operating_system
from app.errors import BadRequest, MentiongraphError, NotFound
from app.forgetting import cached, left, people
from app.forgetting.people import Forgotten, Found
from app.graph.parameters import read_parameters
from app.posts.handles import fold
from app.settings import Settings
from app.store import postgres
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
    settings = options.settings(data, nearby=True) if all_graphs else options.migrated(data)
    graphs = options.each_graph(settings) if all_graphs else {options.graph(): settings}
    if let_in:
        _let_in(graphs, handle)
        return
    if dry_run or not yes:
        found, away = _in_each(graphs, lambda name, its: _look(name, its, handle, shown=not json, to_come=not dry_run))
        if dry_run:
            _end(found, away, json=json, all_graphs=all_graphs)
            return
        names = ", ".join(graphs)
        click.confirm(f"Forget this person in {names}? Nobody can undo it.", abort=True, err=True)
    done, away = _in_each(graphs, lambda name, its: _forget(name, its, handle, keep_out=keep_out, shown=not json))
    with steps("forget") as progress:
        progress("logs")
        masked = _mask_logs(data, handle)
    if json:
        done = {name: {**each, "logs_masked": masked} for name, each in done.items()}
    elif masked is None:
        say("No logs of a stack are here: mask or delete the logs of your processes yourself.")
    else:
        say(f"{number(masked)} places in the logs of the stack were masked.")
    _end(done, away, json=json, all_graphs=all_graphs)


def _in_each(
    graphs: dict[str, Settings], work: Callable[[str, Settings], dict[str, Any]]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Work in one graph after another. Returns what came of it, and the graphs of several that failed."""
    if len(graphs) == 1:
        return {name: work(name, its) for name, its in graphs.items()}, []
    done, failed = dict[str, dict[str, Any]](), list[str]()
    for name, its in graphs.items():
        try:
            done[name] = work(name, its)
        except (MentiongraphError, psycopg.Error) as error:
            # A graph that is away does not keep the others from forgetting.
            failed.append(name)
            say(f"graph {name}: {' '.join(str(error).split())}", err=True)
    return done, failed


def _end(done: dict[str, dict[str, Any]], failed: list[str], *, json: bool, all_graphs: bool) -> None:
    if json:
        print_json(done if all_graphs else next(iter(done.values())))
    if failed:
        say(f"Nothing is known of {', '.join(failed)}: run the command again.", err=True)
        raise click.exceptions.Exit(1)
    if not all_graphs:
        say(f"Only the graph {next(iter(done))} was asked. --all-graphs asks each.", err=True)


def _let_in(graphs: dict[str, Settings], handle: str) -> None:
    let, missing = 0, None
    for name, its in graphs.items():
        with postgres.available(its.database_url), postgres.connect(its.database_url, role="forget") as conn:
            try:
                people.let_in(conn, handle, of_operating_system())
            except NotFound as error:
                missing = error
                continue
        let += 1
        say(f"Later uploads to the graph {name} are counted with this handle again.")
    if not let and missing is not None:
        raise missing


def _look(name: str, settings: Settings, handle: str, *, shown: bool, to_come: bool) -> dict[str, Any]:
    url = settings.database_url
    with postgres.available(url), postgres.connect(url, role="forget") as conn, steps("look") as progress:
        found = people.preview(conn, handle, read_parameters(conn), progress=progress)
    if shown or to_come:
        _print_preview(name, found, to_come=to_come)
    return {"graph": name, **msgspec.structs.asdict(found), "dry_run": True}


def _forget(name: str, settings: Settings, handle: str, *, keep_out: bool, shown: bool) -> dict[str, Any]:
    url = settings.database_url
    with postgres.available(url), postgres.connect(url, role="forget") as conn, steps("forget") as progress:
        with postgres.connect(url, role="forget") as guard:
            done = people.forget(
                guard,
                conn,
                handle,
                read_parameters(conn),
                of_operating_system(),
                keep_out=keep_out,
                clock=postgres.clock,
                progress=progress,
            )
        progress("cached answers")
        cleared = cached.clear(settings)
        progress("room of what went")
        people.vacuum(conn)
        holding = left.sentences(conn)
    if shown:
        _print(name, done, settings, cleared=cleared)
        for sentence in holding:
            say(sentence)
    said = {"cache_cleared": cleared, "still_held": holding, "dry_run": False}
    return {"graph": name, **msgspec.structs.asdict(done), **said}


def _mask_logs(data: Path | None, handle: str) -> int | None:
    """Mask the handle in the logs of the stack that the command works with. None: it works with other servers."""
    from ops.embedded import logmask  # noqa: PLC0415 (brings the embedded servers along)

    directory = options.directory(data, nearby=True)
    return None if directory is None else logmask.mask(directory / "logs", fold(handle))


def _print_preview(name: str, found: Found, *, to_come: bool) -> None:
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
    say(f"graph {name}:")
    out.print(listed)
    if not found.known:
        say(f"No user of the graph {name} has this handle.")
    if not to_come:
        say("Nothing was changed.")


def _print(name: str, done: Forgotten, settings: Settings, *, cleared: bool) -> None:
    say(
        f"forgotten in the graph {name}: {number(done.mentions + done.mentions_purged)} mentions, "
        f"{number(done.deltas)} deltas, {number(done.payloads)} payloads, {number(done.rejects)} rejects, "
        f"{number(done.texts)} other entries."
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

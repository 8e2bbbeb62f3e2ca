"""Commands that keep a graph in shape, over PostgreSQL: decay, purge, rebuild."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click
import msgspec
from rich.text import Text

from app.control.audit_events import Action, record
from app.control.callers import of_operating_system
from app.errors import BadRequest, BadState
from app.graph import decay as domain_decay
from app.graph.parameters import GraphParameters, read_parameters
from app.graph.users import UserIds
from app.ledger import retention
from app.ledger.retention import Purged
from app.proofs import rebuild as domain_rebuild
from app.proofs.rebuild import Comparison, Difference
from app.settings import Settings
from app.store import postgres
from app.store.acting import acting
from app.store.postgres import Connection
from ops.cli import options
from ops.cli.console import cut, number, out, print_json, say, size, table
from ops.cli.progress import bar


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count the edges that a run would change.")
@options.data
@options.as_json
def decay(data: Path | None, *, dry_run: bool, json: bool) -> None:
    """Store the present weight of stale edges, and archive the lightest of them.

    An edge is stale after MENTIONGRAPH_STALE_AFTER_DAYS without a mention. The scheduler asks a worker for a decay run
    once in each MENTIONGRAPH_DECAY_EVERY; this command does one now. A run may come at any time, twice, or be killed:
    the next run goes on. A new mention brings an archived edge back.

    Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_STALE_AFTER_DAYS, MENTIONGRAPH_ARCHIVE_BELOW and
    MENTIONGRAPH_DECAY_BATCH_EDGES, also for a stack nearby.

    \b
    Examples:
      mentiongraph decay --dry-run
      MENTIONGRAPH_ARCHIVE_BELOW=0.5 mentiongraph decay
    """
    settings = options.migrated(data)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="decay") as conn:
        if dry_run:
            _preview(conn, settings, json=json)
        else:
            _decay(conn, settings, json=json)


def _preview(conn: Connection, settings: Settings, *, json: bool) -> None:
    found = domain_decay.preview(conn, read_parameters(conn), settings=settings, now=postgres.clock())
    if json:
        print_json(found)
        return
    listed = table("of the graph's edges", number(found.edges), right=(number(found.edges),))
    listed.add_row(f"not touched for {settings.stale_after_days:g} days", number(found.stale))
    listed.add_row(
        f"of these edges, lighter than {settings.archive_below:g}: would be archived", number(found.to_archive)
    )
    listed.add_row("the others: would be written down", number(found.stale - found.to_archive))
    out.print(listed)
    say("Nothing was changed.")


def _decay(conn: Connection, settings: Settings, *, json: bool) -> None:
    parameters = read_parameters(conn)
    caller = of_operating_system()
    with acting(conn, caller):
        run = domain_decay.begin(conn, settings=settings, now=postgres.clock())
        if run is None:
            raise LookupError("a decay run was begun and is not there")
        record(conn, caller, Action.GRAPH_DECAY, str(run.id), detail={"archive_below": settings.archive_below})
    with bar("decay") as progress:

        def show(totals: domain_decay.Totals) -> None:
            done = f"{number(totals.written_down)} written down, {number(totals.archived)} archived"
            progress(completed=totals.looked_at, total=totals.looked_at + totals.to_look_at, done=done)

        batch_edges = settings.decay_batch_edges
        domain_decay.work(conn, run, parameters, clock=postgres.clock, batch_edges=batch_edges, progress=show)
    totals = domain_decay.totals(conn, run)
    if json:
        print_json({"run": run.id, "written_down": totals.written_down, "archived": totals.archived})
    else:
        say(f"run {run.id}: {number(totals.written_down)} edges written down, {number(totals.archived)} archived.")


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count what a purge would delete.")
@options.data
@options.as_json
def purge(data: Path | None, *, dry_run: bool, json: bool) -> None:
    """Delete what finished uploads no longer need: payloads and merged deltas, and later their rejects. Entries of
    uploads of which nothing is in the graph go as a whole: aborted, refused or cancelled ones, duplicates, dry runs.

    The scheduler asks a worker for a purge once in each MENTIONGRAPH_PURGE_EVERY; this command does one now. The graph
    and the numbers of all uploads in the graph stay as they are. An upload without its payloads can no longer be
    replayed, retracted or rebuilt from. A purge touches no unfinished upload and no pending delta. It may be killed at
    any time.

    Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_RETENTION_DAYS, MENTIONGRAPH_REJECT_RETENTION_DAYS,
    MENTIONGRAPH_UNAPPLIED_RETENTION_DAYS, MENTIONGRAPH_UNAPPLIED_KEPT and MENTIONGRAPH_AUDIT_RETENTION_DAYS, also for
    a stack nearby.

    \b
    Examples:
      mentiongraph purge --dry-run
      MENTIONGRAPH_RETENTION_DAYS=7 mentiongraph purge
    """
    settings = options.migrated(data)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="purge") as conn:
        if dry_run:
            purged = retention.preview(conn, settings=settings, now=postgres.clock())
        else:
            with bar("purge") as progress:
                purged = retention.purge(
                    conn,
                    settings=settings,
                    now=postgres.clock(),
                    progress=lambda purged: progress(done=_in_words(purged)),
                    caller=of_operating_system(),
                )
    if json:
        print_json({**msgspec.structs.asdict(purged), "dry_run": dry_run})
        return
    say(f"{_in_words(purged)} {'would be purged; nothing was changed' if dry_run else 'purged'}.")


def _in_words(purged: Purged) -> str:
    return (
        f"{number(purged.payloads)} payloads, {number(purged.deltas)} deltas, {number(purged.rejects)} rejects, "
        f"{number(purged.uploads)} uploads, {number(purged.audit_events)} audit events"
    )


class _Rebuilt(NamedTuple):
    batches: int
    comparison: Comparison | None
    differences: list[Difference]
    swapped: int | None


@click.command()
@click.option("--compare", is_flag=True, help="Compare both graphs, and change nothing.")
@click.option("--swap", is_flag=True, help="Replace the present graph. The command asks first.")
@click.option("--yes", is_flag=True, help="Replace the graph without asking.")
@options.data
@options.as_json
def rebuild(data: Path | None, *, compare: bool, swap: bool, yes: bool, json: bool) -> None:
    """Count the whole graph again from the payloads of all applied batches, beside the present graph.

    Each batch is counted with its own mention profile, clock and instant of arrival. So a rebuild proves more than the
    audit does. It takes about as long as one worker took for all uploads. Uploads go on meanwhile, and cause no false
    alarm.

    --compare exits with 0 if both graphs are the same, and with 1 if not: if edges are missing or surplus, or have
    another count, or another weight (by more than 1e-6). --swap replaces all edges and empties the archive in one
    transaction. The command refuses a swap (4) while an upload is being applied or taken out, and it refuses both (4)
    once a payload was purged. Users stay as they are. You may kill the command at any time: the graph then stays as it
    was. Uses MENTIONGRAPH_DATABASE_URL.

    \b
    Examples:
      mentiongraph rebuild --compare
      mentiongraph rebuild --compare --json | jq .same
      mentiongraph rebuild --swap --yes
    """
    if compare == swap:
        raise BadRequest("give exactly one of --compare and --swap.")
    settings = options.migrated(data)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="rebuild") as conn:
        if swap and (busy := domain_rebuild.in_flight(conn)):
            raise BadState(f"{busy} uploads are being applied or taken out: swap once they are finished.")
        if swap and not yes:
            click.confirm("Replace every edge of the graph by what the ledger makes of it?", abort=True, err=True)
        done = _rebuild(conn, settings, swap=swap)
    if json:
        _print_rebuilt_json(done)
    else:
        _print_rebuilt(done)
    if done.comparison is not None and not done.comparison.same:
        raise click.exceptions.Exit(1)


def _rebuild(conn: Connection, settings: Settings, *, swap: bool) -> _Rebuilt:
    parameters = read_parameters(conn)
    with postgres.connect(settings.database_url, role="rebuild") as guard, domain_rebuild.alone(guard, conn):
        batch_ids = _count_anew(conn, parameters, settings)
        if swap:
            caller = of_operating_system()
            with acting(conn, caller):
                swapped = domain_rebuild.swap(conn, batch_ids, parameters, now=postgres.clock())
                record(conn, caller, Action.GRAPH_REBUILD, None, detail={"edges": swapped})
            return _Rebuilt(len(batch_ids), None, [], swapped)
        comparison, differences = domain_rebuild.compare(conn, batch_ids, parameters, now=postgres.clock())
    return _Rebuilt(len(batch_ids), comparison, differences, None)


def _count_anew(conn: Connection, parameters: GraphParameters, settings: Settings) -> list[domain_rebuild.Recounted]:
    user_ids = UserIds(bits=parameters.handle_bits, memory=settings.known_handles)
    with bar("counting", share=True) as progress:

        def show(done: int, total: int) -> None:
            progress(completed=done, total=total, done=f"{size(done)} of {size(total)}")

        return domain_rebuild.count_anew(conn, parameters, user_ids, progress=show)


def _print_rebuilt_json(done: _Rebuilt) -> None:
    if done.comparison is None:
        print_json({"batches": done.batches, "swapped": done.swapped})
        return
    found = msgspec.structs.asdict(done.comparison)
    print_json({"batches": done.batches, **found, "same": done.comparison.same, "differences": done.differences})


def _print_rebuilt(done: _Rebuilt) -> None:
    if done.comparison is None:
        say(f"{number(done.batches)} batches counted anew; the graph has {number(done.swapped or 0)} edges now.")
        return
    found = done.comparison
    listed = table(f"{number(done.batches)} batches counted anew", "edges", right=("edges",))
    listed.add_row("in the graph and its archive", number(found.edges))
    listed.add_row("rebuilt", number(found.rebuilt), end_section=True)
    listed.add_row("missing in the graph", _verdict(found.missing))
    listed.add_row("surplus in the graph", _verdict(found.surplus))
    listed.add_row("with another count", _verdict(found.differing_counts))
    listed.add_row("with another weight", _verdict(found.differing_weights))
    listed.add_row("largest deviation of a weight", f"{found.largest_deviation:.1e}")
    out.print(listed)
    if done.differences:
        examples = table(
            "source", "target", "graph", "rebuilt", "its weight", "rebuilt weight", title="The first of them"
        )
        for each in done.differences:
            examples.add_row(
                cut(each.source, 30),
                cut(each.target, 30),
                *("-" if value is None else f"{value:g}" for value in (each.found_count, each.wanted_count)),
                *("-" if value is None else f"{value:.9g}" for value in (each.found, each.wanted)),
            )
        out.print(examples)
    out.print(Text("the same", style="bold green") if found.same else Text("NOT the same", style="bold red"))


def _verdict(count: int) -> Text:
    return Text(number(count), style="bold red" if count else "green")

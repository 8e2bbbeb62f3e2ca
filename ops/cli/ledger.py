"""Commands of operation, which talk to PostgreSQL: migrate, replay, audit, decay."""

from __future__ import annotations

import uuid
from pathlib import Path

import click
import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from app import audit as domain_audit
from app import db, dispatch, ledger
from app import decay as domain_decay
from app import migrations as domain_migrations
from app.broker import FailOverRedisBroker, redis_client
from app.db import Connection
from app.errors import BadRequest, NotFound
from app.ledger import FailedBatch, Ring
from app.settings import Settings
from ops.cli import options
from ops.cli.console import err, number, out, plain, print_json, table

RINGS_NEED_SECONDS = 2.0
"""How long a person waits for a Redis that is away."""


@click.command()
@options.data
def migrate(data: Path | None) -> None:
    """Bring the database's schema up to date: create it, or apply the migrations that are missing.

    Safe to run at any time, and from several machines at once: they take turns, and each migration is applied once.
    `mentiongraph up` does it by itself. Uses MENTIONGRAPH_DATABASE_URL.

    \b
    Examples:
      mentiongraph migrate
      MENTIONGRAPH_DATABASE_URL=postgresql://app@db/mentions mentiongraph migrate
    """
    settings = options.settings(data, nearby=True)
    applied = domain_migrations.migrate(settings.database_url)
    for name in applied:
        click.echo(f"applied {name}")
    click.echo(f"{db.where(settings.database_url)}: {'migrated' if applied else 'nothing to do'}.", err=True)


def _migrated(data: Path | None) -> Settings:
    settings = options.settings(data, nearby=True)
    domain_migrations.require_migrated(settings.database_url)
    return settings


@click.command()
@options.data
@options.as_json
def audit(data: Path | None, *, json: bool) -> None:
    """Prove that the graph is what the ledger says: every mention of an applied batch is in it, once.

    Everything is read in one snapshot, so the answer is exact while uploads are being applied. It reads every edge:
    seconds for a million. Exits with 0 if all is exact, with 1 if not. Uses MENTIONGRAPH_DATABASE_URL.

    \b
    Examples:
      mentiongraph audit
      mentiongraph audit --data .mentiongraph    # the stack that `mentiongraph up` runs
      mentiongraph audit --json | jq .difference
    """
    settings = _migrated(data)
    with db.connect(settings.database_url, role="audit") as conn:
        found = domain_audit.audit(conn)
    if json:
        print_json({**msgspec.structs.asdict(found), "difference": found.difference, "exact": found.exact})
    else:
        _print_audit(found)
    if not found.exact:
        raise click.exceptions.Exit(1)


def _print_audit(found: domain_audit.Audit) -> None:
    in_graph = table("mentions in the graph", "", right=("",))
    in_graph.add_row("edges", number(found.mentions_in_edges))
    in_graph.add_row("archived edges", number(found.mentions_in_archive))
    in_graph.add_row("counted, not yet merged", number(found.mentions_pending))
    in_graph.add_row("mentions of batches in the ledger", f"-{number(found.mentions_in_ledger)}", end_section=True)
    in_graph.add_row("difference", _verdict(found.difference))
    out.print(in_graph)
    checks = table("must be none", "", right=("",))
    checks.add_row("batches whose rejects are not all there", _verdict(found.batches_with_lost_rejects))
    checks.add_row("deltas of a batch that is not `counted`", _verdict(found.orphaned_deltas))
    checks.add_row("counted batches without a delta left", _verdict(found.batches_left_counted))
    checks.add_row("uploads with a batch missing", _verdict(found.uploads_missing_batches))
    checks.add_row("uploads finished with work left", _verdict(found.uploads_finished_early))
    out.print(checks)
    out.print(Text("exact", style="bold green") if found.exact else Text("NOT exact", style="bold red"))


def _verdict(count: int) -> Text:
    return Text(number(count), style="bold red" if count else "green")


@click.command()
@click.option("--upload", "upload", metavar="ID", type=click.UUID, help="The failed batches of this upload.")
@click.option("--batch", metavar="N", type=click.IntRange(min=1), help="This batch.")
@click.option("--failed", is_flag=True, help="Every failed batch there is; asks first.")
@click.option("--dry-run", is_flag=True, help="Only show what would be tried again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.data
@options.as_json
def replay(
    upload: uuid.UUID | None,
    batch: int | None,
    data: Path | None,
    *,
    failed: bool,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> None:
    """Try failed batches again, with fresh attempts. What of their upload was applied already is not touched.

    A batch has failed when its attempts (MENTIONGRAPH_MAX_ATTEMPTS) are used up; its error says why. Remove the cause
    first, then replay. Where Redis is away, the workers' sweeper finds the batches within a minute or so.
    Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_REDIS_URL, MENTIONGRAPH_NAMESPACE.

    \b
    Examples:
      mentiongraph replay --failed --dry-run     # what has failed, and why
      mentiongraph replay --batch 17
      mentiongraph replay --failed --yes
    """
    if (upload is not None) + (batch is not None) + failed != 1:
        raise BadRequest("say which batches: exactly one of --upload ID, --batch N, --failed.")
    settings = _migrated(data)
    with db.available(settings.database_url), db.connect(settings.database_url, role="replay") as conn:
        found = ledger.failed_batches(conn, upload_id=upload, batch_id=batch)
        if not found and not failed:
            what = f"batch {batch}" if batch is not None else f"batch of upload {upload}"
            raise NotFound(f"no failed {what}. `mentiongraph status` shows the states of uploads.")
        if not json:
            _print_failed(found)
        ids = [each.id for each in found if each.replayable]
        moved: list[int] = []
        if ids and not dry_run:
            if failed and not yes:
                click.confirm(f"Try {len(ids)} batches again?", abort=True, err=True)
            moved = ledger.replay(conn, ids, now=db.clock())
    rung = _ring(settings, [each for each in found if each.id in moved]) if moved else None
    if json:
        print_json({"failed": found, "replayed": moved, "rung": rung, "dry_run": dry_run})
        return
    _say_what_was_done(found, ids, moved, dry_run=dry_run, rung=rung)


def _ring(settings: Settings, batches: list[FailedBatch]) -> bool:
    """Wake workers; False if Redis is away."""
    broker = FailOverRedisBroker(
        client=redis_client(settings.redis_url),
        namespace=settings.namespace,
        enqueue_timeout=min(RINGS_NEED_SECONDS, settings.enqueue_timeout),
        middleware=[],
    )
    return dispatch.ring_counts(broker, [Ring(batch.id, batch.priority) for batch in batches])


def _print_failed(found: list[FailedBatch]) -> None:
    if not found:
        return
    listed = table("batch", "upload", "part", "attempts", "error", right=("batch", "part", "attempts"))
    for each in found:
        text = plain(f"{each.error.title}: {each.error.detail}", 200)
        error = text if each.replayable else f"(payload purged: cannot be replayed) {text}"
        listed.add_row(str(each.id), str(each.upload_id), str(each.ordinal), str(each.attempts), error)
    out.print(listed)


def _say_what_was_done(
    found: list[FailedBatch], ids: list[int], moved: list[int], *, dry_run: bool, rung: bool | None
) -> None:
    if not ids:
        click.echo("Nothing to replay." if not found else "None of them can be replayed: send the files again.")
    elif dry_run:
        click.echo(f"{len(ids)} would be tried again; nothing was changed.")
    else:
        click.echo(f"{len(moved)} will be tried again.")
    if rung is False:
        click.echo("Redis is away: the workers' sweeper will find them once it is back.", err=True)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count what would be done.")
@options.data
@options.as_json
def decay(data: Path | None, *, dry_run: bool, json: bool) -> None:
    """Write edges that nobody has touched for a while down to the present, and archive the lightest.

    The scheduler has a worker do it once a day; this does it now. It changes no effective weight, so it may run
    at any time, twice, or be killed: it goes on where it was. A new mention brings an archived edge back.
    Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_STALE_AFTER_DAYS, MENTIONGRAPH_ARCHIVE_BELOW, MENTIONGRAPH_DECAY_PAGE.

    \b
    Examples:
      mentiongraph decay --dry-run
      MENTIONGRAPH_ARCHIVE_BELOW=0.5 mentiongraph decay
    """
    settings = _migrated(data)
    with db.available(settings.database_url), db.connect(settings.database_url, role="decay") as conn:
        if dry_run:
            _preview(conn, settings, json=json)
        else:
            _decay(conn, settings, json=json)


def _preview(conn: Connection, settings: Settings, *, json: bool) -> None:
    found = domain_decay.preview(conn, ledger.parameters(conn), settings=settings, now=db.clock())
    if json:
        print_json(found)
        return
    listed = table("of the graph's edges", number(found.edges), right=(number(found.edges),))
    listed.add_row(f"not touched for {settings.stale_after_days:g} days", number(found.stale))
    listed.add_row(f"of these, lighter than {settings.archive_below:g}: would be archived", number(found.to_archive))
    listed.add_row("the others: would be written down", number(found.stale - found.to_archive))
    out.print(listed)
    click.echo("Nothing was changed.")


def _decay(conn: Connection, settings: Settings, *, json: bool) -> None:
    parameters = ledger.parameters(conn)
    run = domain_decay.begin(conn, settings=settings, now=db.clock(), period=None)
    if run is None:
        raise LookupError("a decay run was begun and is not there")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("decay", total=parameters.shards, done="")

        def show(totals: domain_decay.Totals) -> None:
            done = f"{number(totals.written_down)} written down, {number(totals.archived)} archived"
            progress.update(task, completed=totals.shards_done, done=done)

        if not domain_decay.work(conn, run, parameters, page=settings.decay_page, clock=db.clock, progress=show):
            err.print("A worker is at this run, and goes on with it.")
    totals = domain_decay.totals(conn, run)
    if json:
        print_json({"run": run.id, "written_down": totals.written_down, "archived": totals.archived})
    else:
        click.echo(
            f"run {run.id}: {number(totals.written_down)} edges written down, {number(totals.archived)} archived."
        )

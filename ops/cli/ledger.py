"""Commands about the ledger, which talk to PostgreSQL: migrate, audit, replay."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import psycopg
from rich.text import Text

from app.control import callers, databases
from app.control.databases import Migrated, Planned
from app.errors import BadRequest, BadState, DatabaseUnavailable, MentiongraphError, NotFound
from app.ledger import entries, transitions
from app.ledger.states import Ring
from app.ledger.transitions import FailedBatch
from app.settings import Settings
from app.store import addresses, postgres
from app.store import migrations as domain_migrations
from app.store.migrations import Migration
from app.store.postgres import Connection
from ops.cli import options
from ops.cli.console import number, out, plain, print_json, say, table

if TYPE_CHECKING:
    from app.proofs.audit import Audit, Weights

RINGS_NEED_SECONDS = 2.0
"""How long a person waits for a Redis that is away."""
NOT_ALL = 4
"""Exit code where batches can't be replayed: their state does not allow it."""


@click.command()
@click.option("--plan", is_flag=True, help="Print what would be applied, in order, and change nothing.")
@options.data
@options.as_json
def migrate(data: Path | None, *, plan: bool, json: bool) -> None:
    """Bring the database's schema up to date: create it, or apply the migrations that are missing.

    Safe to run at any time, and from several machines at once: they take turns, and each migration is applied once.
    `mentiongraph up` does it by itself. Uses MENTIONGRAPH_DATABASE_URL, and then migrates the databases of all other
    graphs, too. If one of these is away, the command says so, migrates the others, and exits with 5. --plan shows each.

    \b
    Examples:
      mentiongraph migrate
      mentiongraph migrate --plan
      MENTIONGRAPH_DATABASE_URL=postgresql://app@db/mentions mentiongraph migrate
    """
    settings = options.settings(data, nearby=True)
    place = addresses.where(settings.database_url)
    if plan:
        migrations = domain_migrations.plan(settings.database_url)
        others = list(databases.plan_all(settings))
        _print_plan(place, migrations, others, json=json)
        if any(each.error is not None for each in others):
            raise click.exceptions.Exit(DatabaseUnavailable.exit_code)
        return
    applied = domain_migrations.migrate(settings.database_url)
    graphs = list(databases.migrate_all(settings))
    if json:
        print_json({"database": place, "applied": applied, "graphs": [_migrated(each) for each in graphs]})
    else:
        for name in applied:
            say(f"applied {name}")
        say(f"{place}: {'migrated' if applied else 'nothing to do'}.", err=True)
        for each in graphs:
            done = "migrated" if each.applied else "nothing to do"
            say(f"graph {each.graph.name}: {done if each.error is None else each.error.detail}", err=True)
    if any(each.error is not None for each in graphs):
        raise click.exceptions.Exit(DatabaseUnavailable.exit_code)


def _migrated(done: Migrated) -> dict[str, object]:
    problem = None if done.error is None else done.error.problem()
    return {"graph": done.graph.name, "applied": done.applied, "error": problem}


def _print_plan(place: str, migrations: list[Migration], graphs: list[Planned], *, json: bool) -> None:
    if json:
        print_json({"database": place, "migrations": migrations, "graphs": [_planned(each) for each in graphs]})
        return
    for each in migrations:
        say(each.name)
        say(f"  purpose         {each.purpose}")
        say(f"  locks           {each.locks or 'its file does not say'}")
        say(f"  rewrites        {each.rewrites or 'its file does not say'}")
        say(f"  oldest release  {each.oldest_release or 'its file does not say'}")
    say(f"{place}: {_would(migrations)}; nothing was changed.", err=True)
    for graph in graphs:
        names = "".join(f"\n{each.name}" for each in graph.migrations)
        found = _would(graph.migrations) + names if graph.error is None else graph.error.detail
        say(f"graph {graph.graph.name}: {found}", err=True)


def _would(migrations: list[Migration]) -> str:
    return f"`mentiongraph migrate` would apply {len(migrations)}" if migrations else "nothing to do"


def _planned(found: Planned) -> dict[str, object]:
    problem = None if found.error is None else found.error.problem()
    return {"graph": found.graph.name, "migrations": found.migrations, "error": problem}


@click.command()
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Recount the weights of N random edges from every stored delta. 0 recounts none.",
)
@options.data
@options.all_graphs
@options.as_json
def audit(data: Path | None, *, sample: int, all_graphs: bool, json: bool) -> None:
    """Prove that the graph is what the ledger says: every mention of an applied batch is in the graph, once.

    The audit compares all counts, looks for ledger rows and deltas that are out of step, and recounts the weights of a
    sample of edges. It reads everything in one snapshot, so the answer is exact even while uploads are being applied.
    It reads every edge, which takes seconds for a million, and for the sample every delta. Edges whose deltas were
    purged cannot be recounted: the audit shows their number. Exits with 0 if all is exact, and with 1 if not. Uses
    MENTIONGRAPH_DATABASE_URL.

    \b
    Examples:
      mentiongraph audit
      mentiongraph audit --sample 0              # counts only
      mentiongraph audit --data .mentiongraph    # the stack that `mentiongraph up` runs
      mentiongraph audit --json | jq .difference
      mentiongraph audit --all-graphs --json | jq 'map_values(.exact)'
    """
    settings = options.settings(data, nearby=True) if all_graphs else options.migrated(data)
    if not all_graphs:
        found = _audited(settings, sample)
        if json:
            print_json(_as_json(found))
        else:
            _print_audit(found)
        if not found.exact:
            raise click.exceptions.Exit(1)
        return
    audits, failed = dict[str, Any](), False
    for name, its in options.each_graph(settings).items():
        try:
            found = _audited(its, sample)
        except (MentiongraphError, psycopg.Error) as error:
            # A graph that is away does not keep the others from their audit.
            failed = True
            audits[name] = {"exact": None, "error": " ".join(str(error).split())}
            say(f"graph {name}: {audits[name]['error']}", err=True)
            continue
        failed = failed or not found.exact
        audits[name] = _as_json(found)
        if not json:
            out.print(Text(f"graph {name}", style="bold"))
            _print_audit(found)
    if json:
        print_json(audits)
    if failed:
        raise click.exceptions.Exit(1)


def _as_json(found: Audit) -> dict[str, Any]:
    return {**msgspec.structs.asdict(found), "difference": found.difference, "exact": found.exact}


def _audited(settings: Settings, sample: int) -> Audit:
    from app.proofs import audit as domain_audit  # noqa: PLC0415 (imports polars, which the other commands do without)

    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="audit") as conn:
        if sample:
            return domain_audit.audit_with_weights(conn, sample=sample, now=postgres.clock())
        return domain_audit.audit(conn)


def _print_audit(found: Audit) -> None:
    in_graph = table("mentions in the graph", "", right=("",))
    in_graph.add_row("edges", number(found.mentions_in_edges))
    in_graph.add_row("archived edges", number(found.mentions_in_archive))
    in_graph.add_row("counted, not yet merged", number(found.mentions_pending), end_section=True)
    in_graph.add_row("together", number(found.mentions_in_ledger + found.difference))
    in_graph.add_row("in the ledger's batches", number(found.mentions_in_ledger), end_section=True)
    in_graph.add_row("difference", _verdict(found.difference))
    out.print(in_graph)
    checks = table("must be none", "", right=("",))
    checks.add_row(
        "mentions in users' totals, or on their way, less those in the graph", _verdict(found.summary_difference)
    )
    checks.add_row("mentions received in them, less those made", _verdict(found.received_unlike_made))
    checks.add_row("edges in the graph and in the archive", _verdict(found.edges_archived_and_not))
    checks.add_row("batches whose rejects are not all there", _verdict(found.batches_with_lost_rejects))
    checks.add_row("deltas whose batch is elsewhere", _verdict(found.orphaned_deltas))
    checks.add_row("batches that are not the sum of their deltas", _verdict(found.batches_unlike_their_deltas))
    checks.add_row("batches that wait for no delta", _verdict(found.batches_left_counted))
    checks.add_row("uploads with a batch missing", _verdict(found.uploads_missing_batches))
    checks.add_row("uploads finished with work left", _verdict(found.uploads_finished_early))
    checks.add_row("uploads not finished with no work left", _verdict(found.uploads_left_unfinished))
    checks.add_row("uploads that their batches contradict", _verdict(found.uploads_unlike_their_batches))
    out.print(checks)
    if found.weights is not None:
        _print_weights(found.weights)
    out.print(Text("exact", style="bold green") if found.exact else Text("NOT exact", style="bold red"))


def _print_weights(found: Weights) -> None:
    from app.proofs.audit import LARGEST_DEVIATION  # noqa: PLC0415 (as above)

    sample = table("edges recounted, at random", number(found.sampled), right=(number(found.sampled),))
    if found.purged:
        sample.add_row("whose deltas were purged: not comparable", number(found.purged))
    sample.add_row("with another count", _verdict(found.differing_counts))
    sample.add_row(f"with another weight, by more than {LARGEST_DEVIATION:g}", _verdict(found.differing_weights))
    sample.add_row("largest deviation of a weight", f"{found.largest_deviation:.1e}", end_section=True)
    sample.add_row("users compared with their edges, at random", number(found.users))
    sample.add_row("with other totals", _verdict(found.differing_users))
    out.print(sample)


def _verdict(count: int) -> Text:
    return Text(number(count), style="bold red" if count else "green")


@click.command()
@click.option("--upload", "upload", metavar="ID", type=click.UUID, help="Replay the failed batches of this upload.")
@click.option("--batch", metavar="N", type=click.IntRange(min=1), help="Replay this batch.")
@click.option("--failed", is_flag=True, help="Replay every failed batch. The command asks first.")
@click.option("--dry-run", is_flag=True, help="Only show the batches that would be tried again.")
@click.option("--yes", is_flag=True, help="Replay without asking.")
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
    """Try failed batches again, with fresh attempts. Batches of the same upload that are applied stay as they are.

    A batch has failed when its attempts (MENTIONGRAPH_MAX_ATTEMPTS) are used up; the error of the batch says why.
    Remove the cause first, then replay. If Redis cannot be reached, the workers find the batches by their sweep, within
    a minute or so. Exits with 0 if every failed batch is tried again, also if none has failed and --failed is given.
    Exits with 4 if the upload or batch that you name has nothing to replay, or if a batch was purged.

    Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_REDIS_URL and MENTIONGRAPH_NAMESPACE.

    \b
    Examples:
      mentiongraph replay --failed --dry-run     # lists the failed batches with their errors
      mentiongraph replay --batch 17
      mentiongraph replay --failed --yes
    """
    if (upload is not None) + (batch is not None) + failed != 1:
        raise BadRequest("give exactly one of --upload ID, --batch N and --failed.")
    settings = options.migrated(data)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="replay") as conn:
        found = transitions.failed_batches(conn, upload_id=upload, batch_id=batch)
        if not found:
            _refuse_nothing(conn, upload, batch)
        if not json:
            _print_failed(found)
        ids = [each.id for each in found if each.replayable]
        moved: list[int] = []
        if ids and not dry_run:
            if failed and not yes:
                click.confirm(f"Try {len(ids)} batches again?", abort=True, err=True)
            moved = transitions.replay(conn, ids, now=postgres.clock(), caller=callers.of_operating_system())
    rung = _ring(settings, [each for each in found if each.id in moved]) if moved else None
    if json:
        print_json({"failed": found, "replayed": moved, "rung": rung, "dry_run": dry_run})
    else:
        _say_what_was_done(found, ids, moved, dry_run=dry_run, rung=rung)
    if len(ids) < len(found):
        raise click.exceptions.Exit(NOT_ALL)


def _refuse_nothing(conn: Connection, upload: uuid.UUID | None, batch: int | None) -> None:
    """Raises NotFound or BadState where an upload or a batch was named, and nothing of it has failed."""
    if batch is not None:
        raise NotFound(f"no failed batch {batch}. `{options.hinted('status')}` shows the states of uploads.")
    if upload is None:
        return
    if not entries.exists(conn, upload):
        raise NotFound(f"the ledger has no upload {upload}. `{options.hinted('status')}` lists the latest.")
    raise BadState(
        f"no batch of upload {upload} has failed, so there is nothing to replay. "
        f"`{options.hinted(f'status {upload}')}` shows its state. An upload that failed as a whole has to be sent "
        "again."
    )


def _ring(settings: Settings, batches: list[FailedBatch]) -> bool:
    """Ring workers, and whoever listens to the uploads. Returns False if Redis is away."""
    # Only a replay talks to Redis, and its client is slow to import.
    from app.ledger import bells  # noqa: PLC0415
    from app.store.broker import FailOverRedisBroker, redis_client  # noqa: PLC0415

    broker = FailOverRedisBroker(
        client=redis_client(settings.redis_url),
        namespace=settings.namespace,
        enqueue_timeout=min(RINGS_NEED_SECONDS, settings.enqueue_timeout),
        middleware=[],
    )
    return bells.ring(
        broker,
        batches=[Ring(batch.id, batch.priority) for batch in batches],
        uploads={batch.upload_id for batch in batches},
        graph=options.graph(),
    )


def _print_failed(found: list[FailedBatch]) -> None:
    if not found:
        return
    listed = table("batch", "upload", "part", "attempts", "error", right=("batch", "part", "attempts"))
    for each in found:
        text = plain(f"{each.error.title}: {each.error.detail}", 200)
        error = text if each.replayable else f"(payload purged: cannot be replayed) {text}"
        listed.add_row(str(each.id), str(each.upload_id), str(each.ordinal), str(each.attempts), error)
    out.print(listed)


def _with_rows(found: list[FailedBatch]) -> str:
    rows = [each.rows for each in found if each.replayable]
    return f", with {number(sum(row or 0 for row in rows))} rows" if None not in rows else ""


def _say_what_was_done(
    found: list[FailedBatch], ids: list[int], moved: list[int], *, dry_run: bool, rung: bool | None
) -> None:
    if not ids:
        say("Nothing to replay." if not found else "None of them can be replayed: send the files again.")
    elif dry_run:
        say(f"{len(ids)} would be tried again{_with_rows(found)}; nothing was changed.")
    else:
        say(f"{len(moved)} will be tried again.")
    if ids and len(ids) < len(found):
        say(f"{len(found) - len(ids)} can't be replayed, since they were purged: send the files again.", err=True)
    if rung is False:
        say("Redis is away: the workers' sweeper will find them.", err=True)

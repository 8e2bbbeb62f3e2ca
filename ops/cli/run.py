"""Commands that become one of our processes: serve, worker, scheduler."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from app.errors import BadSetting, DatabaseUnavailable
from app.ledger import bells
from app.posts.options import Priority
from app.settings import Settings
from app.store.broker import redis_client
from app.store.migrations import require_migrated
from app.store.postgres import where
from ops import processes
from ops.cli import options

DATABASE_PATIENCE = 30.0
"""Seconds that a process waits for PostgreSQL at its start: machines boot in any order."""
PAUSE = 1.0
QUEUES = (bells.QUEUES[Priority.URGENT], bells.QUEUES[Priority.BULK], bells.MAINTENANCE_QUEUE)


def _checked(settings: Settings) -> Settings:
    """The settings, if those that only turn out wrong later are right. Connects to nothing."""
    try:
        redis_client(settings.redis_url)
    except ValueError as error:
        raise BadSetting(f"MENTIONGRAPH_REDIS_URL: {error}") from error
    return settings


def _wait_for_database(settings: Settings) -> None:
    """Return once PostgreSQL answers and has a schema that this release works with. Raises DatabaseUnavailable after a
    while, NotMigrated, SchemaTooNew."""
    deadline = time.monotonic() + DATABASE_PATIENCE
    said = False
    while True:
        try:
            return require_migrated(settings.database_url)
        except DatabaseUnavailable:
            if time.monotonic() + PAUSE > deadline:
                raise
        if not said:
            said = True
            place = where(settings.database_url)
            click.echo(f"waiting up to {DATABASE_PATIENCE:g} s for {place} …", err=True)
        time.sleep(PAUSE)


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on, in place of MENTIONGRAPH_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, in place of MENTIONGRAPH_PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Run the API in the foreground: one process; start more of them behind a proxy.

    Waits up to 30 s for PostgreSQL, and wants its schema migrated. Redis may be away: uploads are accepted, and
    workers find them by sweeping, more slowly. On SIGTERM, requests under way have 30 s to end. Listens on loopback
    unless told otherwise.
    Uses MENTIONGRAPH_HOST, MENTIONGRAPH_PORT, MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_REDIS_URL and more.

    \b
    Examples:
      mentiongraph serve
      mentiongraph serve --host 0.0.0.0 --port 80
    """
    settings = _checked(options.settings(None))
    settings = msgspec.structs.replace(
        settings, host=host or settings.host, port=settings.port if port is None else port
    )
    _wait_for_database(settings)
    processes.api(settings).replace_this_process()


@click.command()
@click.option(
    "--processes", "count", metavar="N", type=click.IntRange(min=1), help="In place of MENTIONGRAPH_WORKER_PROCESSES."
)
@click.option("--threads", metavar="N", type=click.IntRange(min=1), help="In place of MENTIONGRAPH_WORKER_THREADS.")
@click.option(
    "--queues", multiple=True, type=click.Choice(QUEUES), help="Only this queue; may be repeated. All by default."
)
@options.data
def worker(count: int | None, threads: int | None, queues: Sequence[str], data: Path | None) -> None:
    """Run workers in the foreground, which count uploaded batches and merge them into the graph.

    Start as many as you like, on as many machines. A worker may be killed at any time: what it had in hand is done by
    another. If one of its processes is killed, or ends itself because a part of it hangs, all of them end: have it
    restarted, by systemd or a container's restart policy. On SIGTERM, work under way has 30 s to end.

    \b
    Examples:
      mentiongraph worker
      mentiongraph worker --processes 4 --threads 1
      mentiongraph worker --queues urgent            # never busy with big uploads
      mentiongraph worker --data .mentiongraph       # one more for the stack of `mentiongraph up`
    """
    settings = processes.sized(_checked(options.settings(data)), processes=count, threads=threads)
    _wait_for_database(settings)
    processes.worker(settings, queues=queues).replace_this_process()


@click.command()
@options.data
def scheduler(data: Path | None) -> None:
    """Run the scheduler in the foreground, which tells workers to sweep, to decay and to purge.

    Run two, on two machines, and none is missed: each asks every minute, and PostgreSQL knows what was done already.
    None for a while does no harm: workers sweep by themselves, and what was missed is caught up. Redis and PostgreSQL
    may come and go.

    \b
    Examples:
      mentiongraph scheduler
      mentiongraph scheduler --data .mentiongraph    # one more for the stack of `mentiongraph up`
    """
    settings = _checked(options.settings(data))
    with contextlib.suppress(DatabaseUnavailable):  # the scheduler waits for PostgreSQL itself
        require_migrated(settings.database_url)
    processes.scheduler(settings).replace_this_process()

"""Commands that turn into one of our processes: serve, worker, scheduler."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from app.control import keys
from app.errors import BadSetting, DatabaseUnavailable, NobodyHasAKey
from app.ledger import bells
from app.metrics import listening
from app.posts.options import Priority
from app.settings import Settings, networks
from app.store.addresses import where
from app.store.broker import redis_client
from app.store.migrations import require_migrated
from app.store.postgres import available, clock, connect
from ops import processes
from ops.cli import options
from ops.cli.saying import say

DATABASE_PATIENCE = 30.0
"""Seconds that a process waits for PostgreSQL at its start, since machines boot in any order."""
PAUSE = 1.0
QUEUES = (bells.QUEUES[Priority.URGENT], bells.QUEUES[Priority.BULK], bells.MAINTENANCE_QUEUE)


def _checked(settings: Settings) -> Settings:
    """The settings, once the Redis URL was checked. Connects to nothing. Raises BadSetting."""
    try:
        redis_client(settings.redis_url)
    except ValueError as error:
        raise BadSetting(f"MENTIONGRAPH_REDIS_URL: {error}") from error
    networks(settings.trusted_proxies)
    listening.parse(settings.metrics_listen, "MENTIONGRAPH_METRICS_LISTEN")
    listening.parse(settings.worker_metrics_listen, "MENTIONGRAPH_WORKER_METRICS_LISTEN")
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
            say(f"waiting up to {DATABASE_PATIENCE:g} s for {place} …", err=True)
        time.sleep(PAUSE)


def _require_key(settings: Settings) -> None:
    """Raises NobodyHasAKey if requests need a key and no key works: then nobody could use the API."""
    place = settings.published_on or settings.host
    if keys.needed(settings):
        with available(settings.database_url), connect(settings.database_url, role="keys") as conn:
            if keys.any_usable(conn, now=clock()):
                return
        raise NobodyHasAKey(
            f"requests to the API on {place} need a key, and no key works. Make one with "
            "`mentiongraph keys create --owner NAME --scope admin`."
        )
    if not keys.is_loopback(place):
        say(f"MENTIONGRAPH_KEYS=off: whoever reaches {place} may upload, read and delete.", err=True, colour="yellow")


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on. Default: MENTIONGRAPH_HOST.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on. Default: MENTIONGRAPH_PORT; with --data, a free port above that of the stack's API.",
)
@options.data
def serve(host: str | None, port: int | None, data: Path | None) -> None:
    """Run the API in the foreground, as one process. For more, start several behind a proxy.

    The command waits up to 30 seconds for PostgreSQL, and needs a migrated database. It does without Redis: workers
    then find uploads by their sweep, more slowly. After SIGTERM, running requests have 30 seconds to end. The API
    listens on 127.0.0.1 unless --host or MENTIONGRAPH_HOST says otherwise. On another address, requests need a key
    (MENTIONGRAPH_KEYS), and the command refuses to start while nobody has one: `mentiongraph keys create` makes it.
    With MENTIONGRAPH_TLS_CERTIFICATE and MENTIONGRAPH_TLS_KEY, the API speaks HTTPS.

    Uses MENTIONGRAPH_HOST, MENTIONGRAPH_PORT, MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_REDIS_URL and more.

    \b
    Examples:
      mentiongraph serve
      mentiongraph serve --host 0.0.0.0 --port 80
      mentiongraph serve --data .mentiongraph        # one more for the stack of `mentiongraph up`
      MENTIONGRAPH_TLS_CERTIFICATE=graph.pem MENTIONGRAPH_TLS_KEY=graph.key mentiongraph serve --host 0.0.0.0 --port 443
    """
    settings = _checked(options.settings(data))
    settings = msgspec.structs.replace(settings, host=host or settings.host)
    if port is None and data is not None:
        from ops.directory import free_port_near  # noqa: PLC0415 (brings the embedded servers along)

        port = free_port_near(settings.host, settings.port)
    settings = msgspec.structs.replace(settings, port=settings.port if port is None else port)
    settings = processes.with_certificate(settings)
    _wait_for_database(settings)
    _require_key(settings)
    if data is not None:
        say(f"One more API of the stack over {data}: {processes.url_of_api(settings)}", err=True)
    processes.api(settings).replace_this_process()


@click.command()
@click.option(
    "--processes",
    "count",
    metavar="N",
    type=click.IntRange(min=1),
    help="Number of processes. Default: MENTIONGRAPH_WORKER_PROCESSES.",
)
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1),
    help="Threads of each process. Default: MENTIONGRAPH_WORKER_THREADS.",
)
@click.option(
    "--queues",
    multiple=True,
    type=click.Choice(QUEUES),
    help="Work on this queue only. May be repeated. Default: all queues.",
)
@options.data
def worker(count: int | None, threads: int | None, queues: Sequence[str], data: Path | None) -> None:
    """Run workers in the foreground. They count uploaded batches and merge the results into the graph.

    Start as many as you like, on as many machines. You may kill a worker at any time: another one does its work again.
    If one process of a worker is killed or hangs, all processes of that worker end. Let systemd or a container's
    restart policy start them again. After SIGTERM, running work has 30 seconds to end.

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
    """Run the scheduler in the foreground. It asks workers to sweep, summarize, decay and purge.

    Run two schedulers on two machines, so that one may fail. Each asks every minute, and PostgreSQL knows what is done
    already. Without any scheduler for a while, workers still sweep, and the next scheduler catches up on the rest. The
    scheduler survives restarts of Redis and PostgreSQL.

    \b
    Examples:
      mentiongraph scheduler
      mentiongraph scheduler --data .mentiongraph    # one more for the stack of `mentiongraph up`
    """
    settings = _checked(options.settings(data))
    with contextlib.suppress(DatabaseUnavailable):  # the scheduler waits for PostgreSQL itself
        require_migrated(settings.database_url)
    processes.scheduler(settings).replace_this_process()

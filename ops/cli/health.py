"""Commands that check our processes: health, processes."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import click
import psycopg

from app.errors import DatabaseUnavailable
from app.ledger import fleet
from app.ledger.fleet import FleetMember, Role
from app.settings import Settings
from app.store import postgres
from ops import checkup
from ops.cli import options
from ops.cli.saying import say

API = "api"
GRAPHS = "graphs"
PATIENCE = 5
"""Seconds after which the answer is no, even if a server hangs."""
_OK = 200


class _TookTooLong(BaseException):
    """The check ran out of time. Not an Exception, so that no library takes it for a failure of its own."""


@click.command()
@click.argument("role", type=click.Choice([API, *(role.value for role in Role), GRAPHS]))
@options.data
def health(role: str, data: Path | None) -> None:
    """Check the API, the workers or the scheduler of this machine, for health checks of containers; or all graphs.

    \b
      api        The API answers, and so does PostgreSQL.
      worker     Each worker process has sent a heartbeat lately and polls each of its queues.
      scheduler  Each scheduler has sent a heartbeat lately and ticked within the last minute or so.
      graphs     The database of each graph answers and has the schema. A line for each graph in trouble.

    All of them need PostgreSQL. None needs Redis, since no restart would bring Redis back. Of processes, the command
    looks at those of this host only, and in a container at those of the container. It exits with 0 if all is well.
    Otherwise it prints what is wrong and exits with 1, after 5 seconds at most.

    Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_HOST, MENTIONGRAPH_PORT and MENTIONGRAPH_SILENCE_SECONDS.

    \b
    Examples:
      mentiongraph health worker
      mentiongraph health api || systemctl restart mentiongraph-api
    """
    settings = options.settings(data, nearby=True)
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        wrong = _asked(settings, role)
    except _TookTooLong:
        wrong = f"no answer within {PATIENCE} s"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if wrong is not None:
        for line in wrong.splitlines() or [""]:
            say(f"{role}: {line}", err=True)
        raise click.exceptions.Exit(1)
    say(f"{role}: healthy")


def _asked(settings: Settings, role: str) -> str | None:
    if role == API:
        return _api(settings)
    return _graphs(settings) if role == GRAPHS else _fleet(settings, Role(role))


def _graphs(settings: Settings) -> str | None:
    from app.control import ailing, graphs  # noqa: PLC0415 (the other checks run every few seconds and do without)

    try:
        with postgres.connect(settings.database_url, role="health") as conn:
            listed = graphs.every(conn)
    except (DatabaseUnavailable, psycopg.Error) as error:
        return " ".join(str(error).split())
    found = ailing.ailing(ailing.look(listed, settings))
    return "\n".join(f"{each.graph}: {each.ailment}" for each in found) or None


def _give_up(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a signal handler's signature)
    raise _TookTooLong


def _api(settings: Settings) -> str | None:
    status, said = checkup.api_answers(settings, "/health/ready")
    return None if status == _OK else said


def _fleet(settings: Settings, role: Role) -> str | None:
    try:
        return checkup.ailment(settings, role)
    except DatabaseUnavailable as error:
        return " ".join(str(error).split())
    except psycopg.Error as error:
        return f"PostgreSQL: {' '.join(str(error).split())}"


@click.command("processes")
@options.data
@options.as_json
def list_processes(data: Path | None, *, json: bool) -> None:
    """List all workers and schedulers on all machines, and when periodic work runs.

    Each process sends a heartbeat to PostgreSQL every few seconds. A process that was killed stays listed with the time
    since its last heartbeat: for five minutes if another of its kind has started on its host since, else for a day. The
    second table shows the last and the next run of each kind of periodic
    work. MENTIONGRAPH_DECAY_EVERY and MENTIONGRAPH_PURGE_EVERY set how often decay and purge run: set them for the
    workers and for this command alike.

    Exits with 0 if all is well, and with 1 if a process or the database of a graph is in trouble, or if no worker or no
    scheduler is listed.

    Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_SILENCE_SECONDS, MENTIONGRAPH_DECAY_EVERY and MENTIONGRAPH_PURGE_EVERY.

    \b
    Examples:
      mentiongraph processes
      mentiongraph processes > /dev/null || mail -s 'mentiongraph is in trouble' operator@example.org
      mentiongraph processes --json | jq '.processes[] | select(.ailment)'
      mentiongraph processes --json | jq -r '.periods[] | .actor, .next_run'
    """
    from rich.text import Text  # noqa: PLC0415 (`health` runs every few seconds and does without)

    from app.control import ailing, graphs  # noqa: PLC0415 (as above)
    from app.ledger import periods  # noqa: PLC0415 (as above)
    from app.store.migrations import require_migrated  # noqa: PLC0415 (as above)
    from ops.cli.console import out, print_json, table, when  # noqa: PLC0415 (as above)

    settings = options.settings(data, nearby=True)  # whatever the graph: heartbeats are in the database of `default`
    require_migrated(settings.database_url)
    now = postgres.clock()
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="processes") as conn:
        seen, schedules = fleet.seen(conn), periods.schedules(conn, settings=settings, now=now)
        every = graphs.every(conn)
    in_trouble = ailing.ailing(ailing.look(every, settings))
    missing = [role for role in Role if not any(each.role is role for each in seen)]
    members = [FleetMember.of(each, settings) for each in seen]
    ails = bool(missing or in_trouble or any(each.ailment for each in members))
    if json:
        print_json({"processes": members, "periods": schedules, "graphs": in_trouble})
        raise click.exceptions.Exit(int(ails))
    found = table("role", "host", "pid", "started", "last heartbeat", "health", right=("pid",))
    for each in seen:
        wrong = each.ailment(settings)
        state = Text(wrong, style="bold red") if wrong else Text("well", style="green")
        found.add_row(each.role, each.host, str(each.pid), when(each.started_at), f"{each.silent:.0f} s ago", state)
    if seen:
        out.print(found)
    listed = table("periodic work", "every", "last run ended", "next run")
    for schedule in schedules:
        last = Text("running now", style="cyan") if schedule.running else when(schedule.finished_at) or "not yet"
        # The scheduler asks once a minute.
        due = "after this run" if schedule.running else "within a minute, if a scheduler runs"
        following = when(schedule.next_run) if schedule.next_run > now else due
        listed.add_row(schedule.actor, schedule.every, last, following)
    out.print(listed)
    for role in missing:
        say(f"{role}: {fleet.NONE}", err=True)
    for each in in_trouble:
        say(f"graph {each.graph}: {each.ailment}", err=True)
    raise click.exceptions.Exit(int(ails))

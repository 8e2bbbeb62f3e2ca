"""Commands that say whether our processes are well: health, processes."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import click
import psycopg

from app.errors import DatabaseUnavailable
from app.ledger import fleet, periods
from app.ledger.fleet import FleetMember, Role
from app.settings import Settings
from app.store import postgres
from ops import checkup
from ops.cli import options

API = "api"
PATIENCE = 5
"""Seconds after which the answer is no, whatever hangs."""
_OK = 200


class _TookTooLong(BaseException):
    """No Exception, so that nothing on the way takes it for a failure of its own."""


@click.command()
@click.argument("role", type=click.Choice([API, *(role.value for role in Role)]))
@options.data
def health(role: str, data: Path | None) -> None:
    """Whether the API, the workers or the scheduler of this machine are well: the health check of their container.

    \b
      api        it is ready: it answers, and so does PostgreSQL
      worker     each process has left a sign of life lately and asks each of its queues for messages
      scheduler  it has left a sign of life lately, and so was its last tick

    PostgreSQL must answer for all three; Redis may be away, since no restart would help. Exits with 0, or with 1 and a
    line that says what is wrong, after 5 s at most. Looks at processes of this host (in a container: of this container)
    only. Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_HOST, MENTIONGRAPH_PORT, MENTIONGRAPH_SILENCE_SECONDS.

    \b
    Examples:
      mentiongraph health worker
      mentiongraph health api || systemctl restart mentiongraph-api
    """
    settings = options.settings(data, nearby=True)
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        wrong = _api(settings) if role == API else _fleet(settings, Role(role))
    except _TookTooLong:
        wrong = f"no answer within {PATIENCE} s"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if wrong is not None:
        click.echo(f"{role}: {wrong}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"{role}: healthy")


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
    """List the workers and schedulers that there are, on whatever machine, and what is wrong with them.

    Each leaves a sign of life in PostgreSQL every few seconds. One that was killed stays listed for a day as one that
    is not heard of. Below, what is done now and then, by whoever the schedulers ask: when each period was worked.
    Uses MENTIONGRAPH_DATABASE_URL, MENTIONGRAPH_SILENCE_SECONDS.

    \b
    Examples:
      mentiongraph processes
      mentiongraph processes --json | jq '.processes[] | select(.ailment)'
    """
    from rich.text import Text  # noqa: PLC0415 (`health` does without: it runs every few seconds)

    from ops.cli.console import out, print_json, table, when  # noqa: PLC0415 (as above)

    settings = options.migrated(data)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="processes") as conn:
        seen, latest = fleet.seen(conn), periods.latest(conn)
    if json:
        print_json({"processes": [FleetMember.of(each, settings) for each in seen], "periods": latest})
        return
    found = table("role", "host", "pid", "started", "last seen", "", right=("pid",))
    for each in seen:
        wrong = each.ailment(settings)
        state = Text(wrong, style="bold red") if wrong else Text("well", style="green")
        found.add_row(each.role, each.host, str(each.pid), when(each.started_at), f"{each.silent:.0f} s ago", state)
    out.print(found if seen else "None has been heard of.")
    done = table("now and then", "latest period", "worked")
    for period in latest:
        done.add_row(period.actor, when(period.start), when(period.finished_at) or "in somebody's hands")
    if latest:
        out.print(done)

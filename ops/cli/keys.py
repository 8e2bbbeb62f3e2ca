"""Keys on the command line. The commands work on the database, so they need no key, and work before the API runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click
import msgspec

from app.control import keys as control
from app.control.callers import Scope, of_operating_system
from app.control.keys import GRACE, LIFETIME, Key
from app.store import postgres
from ops.cli import options
from ops.cli.console import out, plain, print_json, table
from ops.cli.saying import say

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

_days = click.option(
    "--days",
    metavar="N",
    type=click.FloatRange(0, 3660, min_open=True),
    help="Days until the key expires. Default: 90.",
)
_never = click.option("--never-expires", "never", is_flag=True, help="The key has no end.")


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke keys. A key says who sends a request to the API, and what the request may do.

    The commands work on the database, so they need no key. A token is shown once, on standard output alone; everything
    else is on standard error. The database keeps a digest of the token.

    Uses MENTIONGRAPH_DATABASE_URL.

    \b
    Examples:
      mentiongraph keys create --owner ada --scope graph:read --scope uploads:write
      mentiongraph keys create --owner monitoring --scope metrics --never-expires > monitoring.key
      mentiongraph keys list
      mentiongraph keys rotate 4fQz81Lk --grace-hours 48
      mentiongraph keys revoke 4fQz81Lk
    """


@keys.command()
@click.option("--owner", required=True, metavar="NAME", help="Whose key it is. An owner may have several keys.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([str(scope) for scope in Scope]),
    help="What the key allows. May be repeated. admin allows everything.",
)
@click.option(
    "--graph",
    "graphs",
    multiple=True,
    metavar="NAME",
    help="The key is for this graph. May be repeated. Default: that of `mentiongraph --graph NAME`, else all.",
)
@_days
@_never
@options.data
@options.as_json
def create(
    owner: str,
    scopes: Sequence[str],
    graphs: Sequence[str],
    days: float | None,
    data: Path | None,
    *,
    never: bool,
    json: bool,
) -> None:
    """Make a key, and print its token. Nobody can show the token again.

    \b
    Examples:
      mentiongraph keys create --owner ada --scope graph:read --scope uploads:write
      mentiongraph keys create --owner ops --scope admin --days 365 > ops.key
    """
    if not graphs and options.graph() != options.DEFAULT_GRAPH:
        # Whoever works with one graph does not mean to let somebody into all.
        graphs = [options.graph()]
    endless, lifetime = _has_no_end(days, never=never), LIFETIME if days is None else days * _DAY
    wanted = control.checked(owner, scopes, graphs or None, None if endless else lifetime)
    settings = options.listing_graphs(data)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="keys") as conn:
        made = control.create(conn, wanted, now=postgres.clock(), caller=of_operating_system())
    _show(made, json=json)


@keys.command(name="list")
@click.option("--owner", metavar="NAME", help="Only keys of this owner.")
@click.option("--all", "everything", is_flag=True, help="Also keys that expired or were revoked.")
@options.data
@options.as_json
def list_keys(owner: str | None, data: Path | None, *, everything: bool, json: bool) -> None:
    """List keys, the newest first: id, owner, scopes, graphs and end. No token is in the list."""
    settings = options.listing_graphs(data)
    now = postgres.clock()
    found: list[Key] = []
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="keys") as conn:
        while page := control.page(conn, owner=owner, before=found[-1].id if found else None, limit=_PAGE):
            found += page
            if len(page) < _PAGE:
                break
    shown = [key for key in found if everything or key.state(now) is control.KeyState.USABLE]
    if json:
        print_json({"keys": [_as_json(key) for key in shown]})
        return
    if not shown:
        say("Nobody has a key that works. `mentiongraph keys create` makes one.", err=True)
        return
    listed = table("id", "owner", "scopes", "graphs", "made", "expires", "state")
    for key in shown:
        listed.add_row(
            key.id,
            plain(key.owner),
            plain(", ".join(key.scopes)),
            plain(", ".join(key.graphs)) if key.graphs else "all",
            f"{key.created_at:%Y-%m-%d %H:%M}",
            f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "never",
            str(key.state(now)),
        )
    out.print(listed)


_PAGE = 500


@keys.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@options.data
@options.as_json
def revoke(ids: Sequence[str], data: Path | None, *, json: bool) -> None:
    """End keys now. Every API process refuses them within five seconds. Safe to repeat."""
    settings = options.listing_graphs(data)
    url, now = settings.database_url, postgres.clock()
    with postgres.available(url), postgres.connect(url, role="keys") as conn, conn.transaction():  # all, or none
        ended = [control.revoke(conn, key_id, now=now, caller=of_operating_system()) for key_id in ids]
    if json:
        print_json({"keys": [_as_json(key) for key in ended]})
        return
    for key in ended:
        if key.revoked_at is not None and key.revoked_at != now:
            say(f"Key {key.id} of {key.owner} was revoked before, at {key.revoked_at:%Y-%m-%d %H:%M} UTC.")
        else:
            say(f"Key {key.id} of {key.owner} is revoked. Every process refuses it within five seconds.")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--grace-hours",
    "grace",
    metavar="N",
    type=click.FloatRange(0, 720),
    default=GRACE / _HOUR,
    help="Hours for which the old token works, too. Default: 24.",
)
@_days
@_never
@options.data
@options.as_json
def rotate(key_id: str, grace: float, days: float | None, data: Path | None, *, never: bool, json: bool) -> None:
    """Make a key with the same owner, scopes and graphs, and print its token. The old key expires after a grace time.

    The new key lasts 90 days, or has no end if the old key has none, unless you say otherwise.

    \b
    Examples:
      mentiongraph keys rotate 4fQz81Lk > new.key
      mentiongraph keys rotate 4fQz81Lk --grace-hours 0 --days 30 > new.key
    """
    endless, lifetime = _has_no_end(days, never=never), None if days is None else days * _DAY
    settings = options.listing_graphs(data)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="keys") as conn:
        who, now = of_operating_system(), postgres.clock()
        made = control.rotate(
            conn, key_id, grace=timedelta(hours=grace), lifetime=lifetime, endless=endless, now=now, caller=who
        )
        old = control.get(conn, key_id)
    _show(made, json=json)
    if not json:
        say(f"Key {key_id} works until {old.expires_at:%Y-%m-%d %H:%M} UTC.", err=True)


def _has_no_end(days: float | None, *, never: bool) -> bool:
    """Whether the key is to have no end. Raises UsageError."""
    if never and days is not None:
        raise click.UsageError("give --days or --never-expires, not both.")
    return never


def _show(made: control.Made, *, json: bool) -> None:
    """The token alone on standard output, so that it can be sent to a file."""
    if json:
        print_json({"token": made.token, "key": _as_json(made.key)})
        return
    say(made.token)
    key = made.key
    until = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "without an end"
    where = f" on {', '.join(key.graphs)}" if key.graphs else ""
    say(f"Key {key.id} of {key.owner}: {', '.join(key.scopes)}{where}, {until}.", err=True)
    say("The token is shown this once.", err=True)


def _as_json(key: Key) -> dict[str, object]:
    return {**msgspec.structs.asdict(key), "state": str(key.state(postgres.clock()))}

"""The command that changes many uploads at once, over the HTTP API: bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from app.errors import BadRequest
from ops.cli import options
from ops.cli.client import Client, client_of
from ops.cli.console import number, out, plain, print_json, say, table

NOT_ALL = 4
"""Exit code where uploads were refused."""
_PATH = "/uploads/bulk"


class _Fit(msgspec.Struct, frozen=True):
    fits: int
    with_zip: int
    unfit: int


class _Counted(msgspec.Struct, frozen=True):
    matching: int
    cancel: _Fit
    retract: _Fit
    replay: _Fit


class _Changed(msgspec.Struct, frozen=True):
    id: str
    outcome: str
    detail: str | None


class _Answer(msgspec.Struct, frozen=True):
    uploads: list[_Changed]
    next: dict[str, Any] | None


@click.command()
@click.argument("action", type=click.Choice(["cancel", "retract", "replay"]))
@options.filters
@click.option("--all", "everything", is_flag=True, help="All uploads, in place of a filter.")
@click.option("--dry-run", is_flag=True, help="Only count the uploads that match, and which of them the actions fit.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@options.api
@options.data
@options.as_json
def bulk(
    action: str,
    api: str | None,
    data: Path | None,
    *,
    everything: bool,
    dry_run: bool,
    yes: bool,
    json: bool,
    **chosen: str | Sequence[str] | None,
) -> None:
    """Cancel, retract or replay all uploads that match. The command counts them and asks first.

    ACTION is one of cancel, retract and replay; each does what the command of that name does. The server changes each
    upload by itself. It changes none if the number of uploads is another one than was counted. The command ends once
    the work begins; `mentiongraph status --watch` follows it.

    Exits with 0 if every upload that the action fits was changed, 4 if some were refused or the number changed, and 1
    if you said no.

    \b
    Examples:
      mentiongraph bulk retract --text radforum --state applied --dry-run
      mentiongraph bulk retract --text radforum --state applied
      mentiongraph bulk replay --state failed --since 2026-01-15 --yes
    """
    wanted = options.filter_of(chosen)
    if bool(wanted) == everything:
        raise BadRequest("say which uploads, for example with --state, or give --all.")
    with client_of(api, data) as client:
        counted = client.send_json("POST", _PATH, _Counted, {"filter": wanted, "dry_run": True})
        fit: _Fit = getattr(counted, action)
        if dry_run:
            _show(counted, json=json)
            return
        if not yes and fit.fits:
            click.confirm(
                f"{action.capitalize()} {_uploads(fit.fits)} of {number(counted.matching)}?", abort=True, err=True
            )
        done = _change(client, {"filter": wanted, "action": action, "expected": fit.fits})
    refused = [each for each in done if each.outcome == "refused"]
    if json:
        numbers = {"done": len(done) - len(refused), "refused": len(refused)}
        print_json({"action": action, "matching": counted.matching, **numbers, "uploads": done})
    else:
        for each in refused:
            say(plain(each.detail or each.id), err=True)
        also = f", and {_uploads(fit.with_zip)} with their zips" if fit.with_zip else ""
        say(f"{action}: {_uploads(len(done) - len(refused))}{also}; {_uploads(fit.unfit)} it does not fit.")
    if refused:
        raise click.exceptions.Exit(NOT_ALL)


def _change(client: Client, body: Mapping[str, Any]) -> list[_Changed]:
    """Send the request until it has come to every upload."""
    done = list[_Changed]()
    while True:
        answer = client.send_json("POST", _PATH, _Answer, body)
        done += answer.uploads
        if answer.next is None:
            return done
        body = {**body, **answer.next}


def _show(counted: _Counted, *, json: bool) -> None:
    if json:
        print_json({**msgspec.structs.asdict(counted), "dry_run": True})
        return
    shown = table("action", "fits", "with its zip", "does not fit", right=("fits", "with its zip", "does not fit"))
    for name in ("cancel", "retract", "replay"):
        fit: _Fit = getattr(counted, name)
        shown.add_row(name, number(fit.fits), number(fit.with_zip), number(fit.unfit))
    out.print(shown)
    say(f"{_uploads(counted.matching)} match; nothing was changed.")


def _uploads(count: int) -> str:
    return f"{number(count)} upload{'' if count == 1 else 's'}"

"""The command `user`: one user with the strongest ties, or users by the beginning of their handles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from app.errors import BadRequest
from ops.cli.asking.questions import (
    Answer,
    about,
    archived,
    as_of,
    ask,
    at,
    entries,
    handle,
    path_of,
    printing,
    require_one_format,
    rows,
    weight,
)
from ops.cli.client import Client, client_of
from ops.cli.console import facts, number, out, plain, print_csv, print_json, say, table

_EDGES = ("list", "source", "target", "mention_count", "weight", "first_seen", "last_seen", "archived_at")
_FOUND = ("handle", "spelling")
_TITLES = {"outgoing": "Mentions most", "incoming": "Is mentioned most by"}
MOST_USERS, MOST_EDGES = 500, 5_000
"""The largest network around a user that the API answers."""


@click.command()
@handle
@click.option("--prefix", metavar="TEXT", help="List users whose handles begin so, instead of one user.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=10, show_default=True, help="Entries of each list."
)
@click.option(
    "--depth",
    type=click.IntRange(1, 2),
    help=f"Also the network around the user: users within so many steps, {MOST_USERS} at most, and all edges among "
    "them.",
)
@as_of
@archived
@click.option("--self-mentions", is_flag=True, help="Include mentions of oneself in the lists.")
@printing
def user(  # noqa: PLR0917 (each is an option)
    handle: str | None,
    prefix: str | None,
    limit: int,
    depth: int | None,
    as_of: str | None,
    archived: bool | None,
    api: str | None,
    data: Path | None,
    *,
    self_mentions: bool,
    as_csv: bool,
    json: bool,
) -> None:
    """Show a user: totals, and the strongest outgoing, incoming and reciprocal ties.

    HANDLE may have any spelling, with or without @. Outgoing: whom the user mentions. Incoming: who mentions the user.
    Reciprocal: who mentions the user back; such a tie weighs what its lighter direction weighs. CSV has an edge a line:
    the column `list` says in which list the edge is.

    Exits with 4 if nobody has this handle, and lists similar handles then.

    \b
    Examples:
      mentiongraph user ada
      mentiongraph user @ada --limit 50 --csv > ada.csv
      mentiongraph user ada --depth 2
      mentiongraph user --prefix ad --limit 100
      mentiongraph user ada --json | jq -r '.reciprocal[].handle'
    """
    require_one_format(as_csv=as_csv, json=json)
    if (handle is None) == (prefix is None):
        raise BadRequest("give one of HANDLE and --prefix.")
    view = {"as_of": as_of, "archived": archived}
    with client_of(api, data) as client:
        if prefix is not None:
            _show_users(client, prefix, limit, as_csv=as_csv, json=json)
            return
        asked = _ask(client, str(handle), limit, depth, view, self_mentions=self_mentions)
    if json:
        print_json(asked)
    elif as_csv:
        print_csv(_EDGES, rows(_EDGES, _edges(asked)))
    else:
        _show(asked)


def _ask(
    client: Client, handle: str, limit: int, depth: int | None, view: Mapping[str, object], *, self_mentions: bool
) -> Answer:
    """Everything about the user, under the names that the API's paths have."""
    path = path_of(handle)
    with about(client, handle):
        asked: Answer = {"user": ask(client, path, view)}
    asked["days"] = ask(client, f"{path}/days", {"as_of": view["as_of"]})
    seen = {**view, "self_mentions": self_mentions}
    asked |= {name: entries(client, f"{path}/{name}", "mentions", limit, seen) for name in _TITLES}
    asked["reciprocal"] = entries(client, f"{path}/reciprocal", "ties", limit, view)
    if depth is not None:
        asked["ego"] = ask(client, f"{path}/ego", {**view, "depth": depth, "users": MOST_USERS, "edges": MOST_EDGES})
    return asked


def _edges(asked: Answer) -> Iterator[Answer]:
    """Every edge of every list."""
    handle = asked["user"]["handle"]
    for each in asked["outgoing"]:
        yield {**each, "list": "outgoing", "source": handle, "target": each["handle"]}
    for each in asked["incoming"]:
        yield {**each, "list": "incoming", "source": each["handle"], "target": handle}
    for each in asked["reciprocal"]:
        yield {**each["made"], "list": "reciprocal", "source": handle, "target": each["handle"]}
        yield {**each["received"], "list": "reciprocal", "source": each["handle"], "target": handle}
    for each in asked["ego"]["edges"] if "ego" in asked else ():
        yield {**each, "list": "ego"}


def _show_users(client: Client, prefix: str, limit: int, *, as_csv: bool, json: bool) -> None:
    found = entries(client, "/users", "users", limit, {"prefix": prefix})
    if json:
        print_json({"users": found})
    elif as_csv:
        print_csv(_FOUND, rows(_FOUND, found))
    elif not found:
        say(f"No handle begins with {prefix!r}.")
    else:
        shown = table("user", "spelling")
        for each in found:
            shown.add_row(plain(each["handle"]), plain(each["spelling"]))
        out.print(shown)


def _show(asked: Answer) -> None:
    found, days = asked["user"], asked["days"]
    out.print(
        facts(
            {
                "user": plain(found["handle"]),
                "spelling": "" if found["spelling"] == found["handle"] else plain(found["spelling"]),
                "mentions made": _mentions(found, "made", f"{number(found['mentioned_users'])} users"),
                "received": _mentions(found, "received", f"from {number(found['mentioning_users'])} users"),
                "of oneself": number(found["self_mentions"]) if found["self_mentions"] else "",
                "last 7 days": _week(days, "last"),
                "7 days before": _week(days, "previous"),
                "weights at": at(found["as_of"]),
            }
        )
    )
    for name, title in _TITLES.items():
        if asked[name]:
            shown = table("user", "mentions", "weight", "last", right=("mentions", "weight"), title=title)
            for each in asked[name]:
                numbers = number(each["mention_count"]), weight(each["weight"])
                shown.add_row(plain(each["handle"]), *numbers, at(each["last_seen"]))
            out.print(shown)
    if asked["reciprocal"]:
        columns = "made", "received", "weight"
        shown = table("user", *columns, right=columns, title="Is mentioned back by")
        for each in asked["reciprocal"]:
            counts = (number(each[way]["mention_count"]) for way in ("made", "received"))
            shown.add_row(plain(each["handle"]), *counts, weight(each["weight"]))
        out.print(shown)
    if "ego" in asked:
        _show_ego(asked["ego"])


def _mentions(found: Answer, way: str, users: str) -> str:
    where = f"of {users}" if way == "made" else users
    return f"{number(found[f'mentions_{way}'])} {where}, weight {weight(found[f'weight_{way}'])}"


def _week(days: Answer, which: str) -> str:
    """What a user made and received in a week. Empty if the service does not keep all of its days."""
    made, received = days[f"made_{which}_7_days"], days[f"received_{which}_7_days"]
    return "" if made is None or received is None else f"{number(made)} made, {number(received)} received"


def _show_ego(ego: Answer) -> None:
    steps = "one step" if ego["depth"] == 1 else f"{ego['depth']} steps"
    say(f"Within {steps}: {number(len(ego['users']))} users, {number(len(ego['edges']))} edges among them")
    columns = "steps", "weight", "made", "received"
    shown = table("user", *columns, right=columns)
    for each in ego["users"]:
        numbers = number(each["mentions_made"]), number(each["mentions_received"])
        tie = "" if each["weight"] is None else weight(each["weight"])
        shown.add_row(plain(each["handle"]), number(each["distance"]), tie, *numbers)
    out.print(shown)
    cut = ego["cut"]
    if cut["users"] or cut["edges"]:
        say(f"Did not fit: {number(cut['users'])} users, {number(cut['edges'])} edges", err=True)
    if cut["not_followed"]:
        crowded = ", ".join(plain(each) for each in cut["not_followed"])
        say(f"These users have too many mentions for a second step: {crowded}", err=True)

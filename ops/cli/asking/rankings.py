"""The commands `rank` and `trending`: who and what is first in the graph."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.asking.questions import Answer, ask, printing, require_one_format, rows, say_stale, weight
from ops.cli.asking.questions import as_of as as_of_option
from ops.cli.client import client_of
from ops.cli.console import number, out, plain, print_csv, print_json, say, table

MOST = 1_000
"""Entries that the API ranks, at most."""
_EDGES = (
    "source", "source_spelling", "target", "target_spelling", "mention_count", "weight", "first_seen", "last_seen",
)  # fmt: skip
_USERS = ("handle", "spelling", "mentions", "weight")
_TRENDING = ("handle", "spelling", "mentions", "mentions_before", "growth")

_limit = click.option(
    "--limit", metavar="N", type=click.IntRange(1, MOST), default=10, show_default=True, help="Entries of the ranking."
)


@click.command()
@click.argument(
    "ranking",
    metavar="[mentioned|mentioning|edges]",
    type=click.Choice(["mentioned", "mentioning", "edges"]),
    default="mentioned",
)
@_limit
@as_of_option
@printing
def rank(
    ranking: str,
    limit: int,
    as_of: str | None,
    api: str | None,
    data: Path | None,
    *,
    as_csv: bool,
    json: bool,
) -> None:
    """Rank users or edges by effective weight, the heaviest first.

    mentioned (default): users by the mentions that they receive. mentioning: users by the mentions that they make.
    edges: who mentions whom most. Mentions of oneself are left out. Archived edges count for users, and are no edges
    here.

    \b
    Examples:
      mentiongraph rank
      mentiongraph rank mentioning --limit 50
      mentiongraph rank edges --limit 1000 --csv > edges.csv
      mentiongraph rank mentioned --as-of 2026-06-01 --json | jq -r '.users[].handle'
    """
    require_one_format(as_csv=as_csv, json=json)
    with client_of(api, data) as client:
        found = ask(client, f"/rankings/{ranking}", {"limit": limit, "as_of": as_of})
    if json:
        print_json(found)
        return
    ranked: list[Answer] = found["edges" if ranking == "edges" else "users"]
    if as_csv:
        columns = _EDGES if ranking == "edges" else _USERS
        print_csv(columns, rows(columns, ranked))
    elif not ranked:
        say("Nobody mentions anybody yet.")
    elif ranking == "edges":
        shown = table("rank", "source", "target", "mentions", "weight", right=("rank", "mentions", "weight"))
        for place, each in enumerate(ranked, 1):
            ends = plain(each["source"]), plain(each["target"])
            shown.add_row(str(place), *ends, number(each["mention_count"]), weight(each["weight"]))
        out.print(shown)
    else:
        shown = table("rank", "user", "mentions", "weight", right=("rank", "mentions", "weight"))
        for place, each in enumerate(ranked, 1):
            shown.add_row(str(place), plain(each["handle"]), number(each["mentions"]), weight(each["weight"]))
        out.print(shown)
    say_stale(found)


@click.command()
@click.option(
    "--days",
    type=click.Choice(["1", "7", "14"]),
    default="7",
    show_default=True,
    help="Days in the period, which ends today.",
)
@_limit
@printing
def trending(days: str, limit: int, api: str | None, data: Path | None, *, as_csv: bool, json: bool) -> None:
    """List users whom others mention more in a period than in the period before.

    Growth is (mentions + 10) / (mentions before + 10). The tens keep small numbers from the top. The service needs the
    days of both periods, which MENTIONGRAPH_DAYS_KEPT keeps.

    \b
    Examples:
      mentiongraph trending
      mentiongraph trending --days 1 --limit 20
      mentiongraph trending --days 14 --csv > trending.csv
    """
    require_one_format(as_csv=as_csv, json=json)
    with client_of(api, data) as client:
        found = ask(client, "/rankings/trending", {"days": days, "limit": limit})
    if json:
        print_json(found)
        return
    if as_csv:
        print_csv(_TRENDING, rows(_TRENDING, found["users"]))
    elif not found["users"]:
        worked_out = found["worked_out_at"] is not None
        say("Nobody is mentioned more than before." if worked_out else "No trends were worked out yet.")
    else:
        shown = table("user", "mentions", "before", "growth", right=("mentions", "before", "growth"))
        for each in found["users"]:
            numbers = number(each["mentions"]), number(each["mentions_before"]), f"{each['growth']:.2f}"
            shown.add_row(plain(each["handle"]), *numbers)
        out.print(shown)
    say_stale(found)

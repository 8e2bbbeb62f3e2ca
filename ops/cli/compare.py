"""The command `compare`: what two graphs have in common, over the HTTP API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from app.errors import BadRequest
from ops.cli import options
from ops.cli.client import Client, client_of
from ops.cli.console import number, out, plain, print_json, say, size, table
from ops.cli.export import Instant, chunks, query, whole_file
from ops.cli.progress import bar


@click.command()
@click.argument("left", metavar="GRAPH")
@click.argument("right", metavar="GRAPH")
@click.option("--users", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write all users here.")
@click.option("--ties", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write all ties here.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--limit", type=click.IntRange(0, 1000), default=10, show_default=True, help="Entries of each list.")
@click.option("--min-weight", type=click.FloatRange(min=0), help="Compare only edges of this effective weight or more.")
@click.option("--archived/--no-archived", default=None, help="Include archived edges, or leave them out.")
@click.option("--self-mentions", is_flag=True, help="Include users' mentions of themselves.")
@click.option(
    "--as-of", type=Instant(), help="Instant of the effective weights, not before the last mention. Default: now."
)
@options.api
@options.data
@options.as_json
def compare(
    left: str,
    right: str,
    api: str | None,
    data: Path | None,
    *,
    users: Path | None,
    ties: Path | None,
    force: bool,
    limit: int,
    json: bool,
    **filters: str | float | bool | None,
) -> None:
    """Compare two graphs: users and ties in both, in only one, and how ranks differ.

    The graph that is there from the start is called default. Users are the ends of the compared edges. A rank is by
    received mentions, or by their weight, from 1 on. Lists begin with the users who are mentioned most, and with the
    heaviest ties. --users and --ties write everything to CSV files, in the order of handles.

    \b
    Examples:
      mentiongraph compare default spring
      mentiongraph compare default spring --min-weight 0.5 --json | jq .users.jaccard
      mentiongraph compare default spring --users users.csv --ties ties.csv
    """
    files = {name: file for name, file in (("users", users), ("ties", ties)) if file is not None}
    for file in files.values():
        if file.exists() and not force:
            raise BadRequest(f"{file} exists already: name another file, or give --force.")
    path = f"{options.path_of_graph(left)}/comparison"
    params = [("with", right), *query(filters)]
    with client_of(api, data, graph=False) as client:  # the arguments name both
        with client.download(path, [*params, ("limit", str(limit))]) as answer:
            found = b"".join(chunks(answer))
        if json:
            print_json(msgspec.json.decode(found))
        else:
            _show(msgspec.json.decode(found), left, right)
        for name, file in files.items():
            _write(client, f"{path}/{name}.csv", params, file, told=not json)


def _write(client: Client, path: str, params: list[tuple[str, str]], file: Path, *, told: bool) -> None:
    total = 0
    with client.download(path, params) as answer, whole_file(file) as out_file, bar(file.name) as progress:
        for chunk in chunks(answer):
            total += out_file.write(chunk)
            progress(done=size(total))
    say(f"{file}: {size(total)}", err=not told)


def _show(found: dict[str, Any], left: str, right: str) -> None:
    names = "both", f"only {left}", f"only {right}", "Jaccard"
    numbers = table("", *names, right=names)
    for what in ("users", "ties"):
        shared = found[what]
        jaccard = "" if shared["jaccard"] is None else f"{shared['jaccard']:.4f}"
        counts = (number(shared[name]) for name in ("both", "left_only", "right_only"))
        numbers.add_row(what, *counts, jaccard)
    out.print(numbers)
    if ranked := found["user_lists"]["both"]:
        names = f"rank in {left}", f"rank in {right}", "change"
        ranks = table("user", *names, right=names)
        for user in ranked:
            change = f"{user['rank_change']:+d}" if user["rank_change"] else ""
            ranks.add_row(plain(user["handle"]), number(user["rank_left"]), number(user["rank_right"]), change)
        out.print(ranks)
    for side, name in (("left_only", left), ("right_only", right)):
        if users := found["user_lists"][side]:
            say(f"Only in {name}: {', '.join(plain(user['handle']) for user in users)}")

"""The commands `edge` and `path`: how one user is tied to another."""

from __future__ import annotations

from collections.abc import Sequence
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
    pages,
    path_of,
    printing,
    require_one_format,
    rows,
    source,
    target,
    weight,
)
from ops.cli.client import Client, client_of
from ops.cli.console import facts, number, out, plain, print_csv, print_json, say, table

MOST_STEPS = 6
"""Steps of the longest path that the API looks for."""
_EDGE = ("source", "target", "mention_count", "weight", "first_seen", "last_seen", "archived_at")
_HISTORY = (
    "upload_id", "filename", "batch_id", "ordinal", "first_line", "mention_count", "first_seen", "last_seen",
    "applied_at", "profile", "profile_version", "retracted",
)  # fmt: skip
_LINES = (
    "upload_id", "filename", "batch_id", "line", "at", "text", "mention_count", "repeated", "retracted",
)  # fmt: skip
_WHY = {
    "purged": "the payload's retention time is over",
    "erased": "the payload held a person who was forgotten",
    "unknown_profile": "another release counted the batch",
}
"""Why the API can't show lines, in words."""


@click.command()
@source
@target
@click.option("--history", is_flag=True, help="Also the uploads and batches that made the edge.")
@click.option("--lines", is_flag=True, help="Also the posts that made the edge, with their lines in the files.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=10, show_default=True, help="Entries of each list."
)
@as_of
@printing
def edge(  # noqa: PLR0917 (each is an option)
    source: str,
    target: str,
    limit: int,
    as_of: str | None,
    api: str | None,
    data: Path | None,
    *,
    history: bool,
    lines: bool,
    as_csv: bool,
    json: bool,
) -> None:
    """Show how often, how heavily and since when SOURCE mentions TARGET, and where the edge comes from.

    Handles may have any spelling, with or without @. --history and --lines need a key with the scope uploads:read, too,
    where the API needs keys. CSV has the edge, or with --history the batches, or with --lines the posts.

    Exits with 4 if nobody has such a handle, or if SOURCE does not mention TARGET.

    \b
    Examples:
      mentiongraph edge ada grace
      mentiongraph edge @ada @grace --history
      mentiongraph edge ada grace --lines --limit 100 --csv > posts.csv
      mentiongraph edge ada grace --json | jq .edge.weight
    """
    require_one_format(as_csv=as_csv, json=json)
    if as_csv and history and lines:
        raise BadRequest("CSV has one table: give one of --history and --lines.")
    ends = {"source": source, "target": target}
    with client_of(api, data) as client, about(client, source, target):
        asked: Answer = {"edge": ask(client, "/edges", {**ends, "as_of": as_of})}
        asked["days"] = ask(client, "/edges/days", {**ends, "as_of": as_of})
        path = f"/edges{path_of(source).removeprefix('/users')}{path_of(target).removeprefix('/users')}"
        if history:
            asked["history"] = _together(client, f"{path}/history", ("contributions",), limit)
        if lines:
            asked["lines"] = _together(client, f"{path}/lines", ("lines", "unread"), limit)
    if json:
        print_json(asked)
    elif as_csv:
        _print_csv(asked)
    else:
        _show(asked)


def _together(client: Client, path: str, names: Sequence[str], limit: int) -> Answer:
    """The pages of where an edge comes from as one page, which is as long as the first of its lists may be."""
    found: Answer = {name: [] for name in names} | {"purged": False}
    for page in pages(client, path, names[0], limit):
        for name in names:
            found[name] += page[name]
        found["purged"] = page["purged"]
    return found


def _print_csv(asked: Answer) -> None:
    if "lines" in asked:
        print_csv(_LINES, rows(_LINES, asked["lines"]["lines"]))
        _say_what_is_missing(asked["lines"])
    elif "history" in asked:
        print_csv(_HISTORY, rows(_HISTORY, asked["history"]["contributions"]))
        _say_what_is_missing(asked["history"])
    else:
        print_csv(_EDGE, rows(_EDGE, [asked["edge"]]))


def _show(asked: Answer) -> None:
    found, days = asked["edge"], asked["days"]
    out.print(
        facts(
            {
                "edge": f"{plain(found['source'])} → {plain(found['target'])}",
                "mentions": number(found["mention_count"]),
                "weight": f"{weight(found['weight'])} at {at(found['as_of'])}",
                "first seen": at(found["first_seen"]),
                "last seen": at(found["last_seen"]),
                "archived": at(found["archived_at"]),
                "last 7 days": "" if days["last_7_days"] is None else number(days["last_7_days"]),
                "7 days before": "" if days["previous_7_days"] is None else number(days["previous_7_days"]),
            }
        )
    )
    if "history" in asked:
        _show_history(asked["history"]["contributions"])
    if "lines" in asked:
        _show_lines(asked["lines"]["lines"])
    _say_what_is_missing(asked.get("history", {}) | asked.get("lines", {}))


def _say_what_is_missing(found: Answer) -> None:
    """Say on standard error what the lists lack of where an edge comes from."""
    for each in found.get("unread", ()):
        counted = f"{number(each['mention_count'])} mentions of batch {each['batch_id']}"
        say(f"The lines of {counted} can't be shown: {_WHY[each['why']]}.", err=True)
    if found.get("purged"):
        say("Older uploads may have added mentions: their retention time is over.", err=True)


def _show_history(found: list[Answer]) -> None:
    if not found:
        return
    columns = "batch", "line", "mentions"
    shown = table("upload", "file", *columns, "first seen", "last seen", "", right=columns, title="Made by")
    for each in found:
        numbers = str(each["batch_id"]), number(each["first_line"]), number(each["mention_count"])
        instants = at(each["first_seen"]), at(each["last_seen"])
        taken_out = "retracted" if each["retracted"] else ""
        shown.add_row(each["upload_id"], plain(each["filename"] or ""), *numbers, *instants, taken_out)
    out.print(shown)


def _show_lines(found: list[Answer]) -> None:
    if not found:
        return
    shown = table("at", "file", "line", "mentions", "text", "", right=("line", "mentions"), title="Posts")
    for each in found:
        numbers = number(each["line"]), number(each["mention_count"])
        notes = ", ".join(name for name in ("repeated", "retracted") if each[name])
        shown.add_row(at(each["at"]), plain(each["filename"] or ""), *numbers, plain(each["text"]), notes)
    out.print(shown)


@click.command()
@source
@target
@click.option(
    "--max-length",
    metavar="N",
    type=click.IntRange(1, MOST_STEPS),
    default=4,
    show_default=True,
    help="Steps of the path, at most.",
)
@as_of
@archived
@printing
def path(  # noqa: PLR0917 (each is an option)
    source: str,
    target: str,
    max_length: int,
    as_of: str | None,
    archived: bool | None,
    api: str | None,
    data: Path | None,
    *,
    as_csv: bool,
    json: bool,
) -> None:
    """Find a shortest path of mentions from SOURCE to TARGET.

    SOURCE mentions a user, who mentions a user, and so on. Handles may have any spelling, with or without @. If there
    is no path of so many steps, or the search meets too many users, the command says so and exits with 0. It exits with
    4 if nobody has such a handle.

    \b
    Examples:
      mentiongraph path ada grace
      mentiongraph path @ada @grace --max-length 6 --archived
      mentiongraph path ada grace --json | jq .length
    """
    require_one_format(as_csv=as_csv, json=json)
    params = {"source": source, "target": target, "max_length": max_length, "as_of": as_of, "archived": archived}
    with client_of(api, data) as client, about(client, source, target):
        found = ask(client, "/paths", params)
    if json:
        print_json(found)
        return
    if as_csv:
        print_csv(_EDGE, rows(_EDGE, found["edges"]))
    if found["outcome"] != "found" or not found["edges"]:
        say(found["detail"], err=as_csv)
    elif not as_csv:
        shown = table("source", "target", "mentions", "weight", "last", right=("mentions", "weight"))
        for each in found["edges"]:
            ends = plain(each["source"]), plain(each["target"])
            shown.add_row(*ends, number(each["mention_count"]), weight(each["weight"]), at(each["last_seen"]))
        out.print(shown)

"""Options that several commands have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from app import log
from app import settings as app_settings
from app.settings import Settings

api = click.option("--api", metavar="URL", help="The API. Default: http://MENTIONGRAPH_HOST:MENTIONGRAPH_PORT.")
data = click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Work with the stack that `mentiongraph up` (or demo) runs over DIR, not with what MENTIONGRAPH_… say. "
    "Default: the one over .mentiongraph in the current directory, if it runs and no MENTIONGRAPH_… says otherwise.",
)
as_json = click.option("--json", "json", is_flag=True, help="Print JSON, for scripts.")

_READING = (
    click.option("--text", metavar="COLUMN", help="Column, or key, of the posts' texts; default: data."),
    click.option("--timestamp", metavar="COLUMN", help="Column, or key, of their instants; default: timestamp."),
    click.option("--author", metavar="COLUMN", help="Column, or key, of their authors; default: username."),
    click.option(
        "--format",
        type=click.Choice(["csv", "jsonl"]),
        help="CSV, or JSON Lines; default: by the name, which ends in .jsonl or .ndjson for JSON Lines.",
    ),
    click.option("--encoding", metavar="NAME", help="utf-8 (default), utf-16 or latin-1."),
    click.option(
        "--delimiter", metavar="CHAR", help="What separates two fields of CSV: a comma (default), tab, …, or auto."
    ),
    click.option("--profile", metavar="NAME", help="What a mention is: twitter (default), mastodon, bluesky, word."),
    click.option("--no-retweets", is_flag=True, help="Leave out mentions in posts that begin with `RT @…`."),
    click.option(
        "--max-rejects",
        metavar="N|P%",
        help="How many rows may be rejected, a number or a share: beyond it nothing of the upload is applied.",
    ),
)
_JSONL_ENDS = (".jsonl", ".ndjson")
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a file is to be read and counted: the options that `check` and `upload` share."""
    return reduce(lambda made, option: option(made), reversed(_READING), command)


def query(chosen: dict[str, str | bool | None]) -> dict[str, str]:
    """What was chosen of them (and of other text options), as the API's query parameters."""
    found = {name: value for name, value in chosen.items() if isinstance(value, str)}
    if found.get("delimiter") in {"tab", r"\t"}:
        found["delimiter"] = "\t"
    return found | ({"retweets": "false"} if chosen.get("no_retweets") else {})


def compression(file: Path) -> str | None:
    """The Content-Encoding that a file's name tells."""
    return _COMPRESSIONS.get(file.suffix.lower())


def format_of(file: Path) -> dict[str, str]:
    """The parameter `format` where the file's name tells that it is no CSV."""
    bare = file.name.lower().removesuffix(file.suffix.lower() if compression(file) else "")
    return {"format": "jsonl"} if bare.endswith(_JSONL_ENDS) else {}


ADDRESSES = ("DATABASE_URL", "REDIS_URL", "HOST", "PORT")


def settings(data: Path | None, *, nearby: bool = False) -> Settings:
    """The settings of a command, and logging as one wants it: errors, to standard error.

    `nearby`: without `data`, take the stack that runs over the current directory's data, unless the environment names
    servers.
    """
    chosen = _named(data) if data is not None else (_nearby() if nearby else None) or app_settings.load()
    log.configure(app_settings.load({"MENTIONGRAPH_LOG_LEVEL": "error"}))
    return chosen


def migrated(data: Path | None) -> Settings:
    """The settings, if their database has our schema. Raises NotMigrated, SchemaTooNew, DatabaseUnavailable."""
    from app.store.migrations import require_migrated  # noqa: PLC0415 (commands over HTTP do without PostgreSQL)

    found = settings(data, nearby=True)
    require_migrated(found.database_url)
    return found


def _named(data: Path) -> Settings:
    from ops.directory import running  # noqa: PLC0415 (brings the embedded servers along, which few commands need)

    return running(data)


def _nearby() -> Settings | None:
    if any(app_settings.PREFIX + name in os.environ for name in ADDRESSES) or not Path(".mentiongraph").is_dir():
        return None
    from ops import directory  # noqa: PLC0415 (as above)

    with contextlib.suppress(directory.StackNotRunning):
        return directory.running(directory.DEFAULT)
    return None

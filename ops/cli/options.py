"""Options that several commands share, and the settings that they work with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial, reduce
from pathlib import Path
from typing import Any

import click
import msgspec

from app import settings as app_settings
from app.settings import FILE_SUFFIX, PREFIX, Settings

api = click.option(
    "--api", metavar="URL", help="Address of the API. Default: http://MENTIONGRAPH_HOST:MENTIONGRAPH_PORT."
)
_data = partial(click.option, "--data", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
data = _data(
    help="Work with the stack that `mentiongraph up` or `demo` runs over DIR. Its servers, its API's address and its "
    "settings are used. Other MENTIONGRAPH_… variables that are set here win over the stack's settings. Default: the "
    "stack over .mentiongraph in the current directory, if there is one and none of MENTIONGRAPH_DATABASE_URL, "
    "_REDIS_URL, _HOST and _PORT is set.",
)
stack = _data(help="List the settings that commands use with the stack over DIR.")
as_json = click.option(
    "--json",
    "json",
    is_flag=True,
    help="Print JSON for scripts. A failure is printed as a problem document (RFC 9457).",
)

_READING = (
    click.option("--text", metavar="COLUMN", help="Column or key that holds the posts' texts. Default: data."),
    click.option(
        "--timestamp", metavar="COLUMN", help="Column or key that holds the posts' instants. Default: timestamp."
    ),
    click.option("--author", metavar="COLUMN", help="Column or key that holds the posts' authors. Default: username."),
    click.option(
        "--format",
        type=click.Choice(["csv", "jsonl"]),
        help="Format of the file. Default: jsonl (JSON Lines) for names that end in .jsonl or .ndjson, else csv.",
    ),
    click.option("--encoding", metavar="NAME", help="Encoding of the file: utf-8 (default), utf-16 or latin-1."),
    click.option(
        "--delimiter", metavar="CHAR", help="Character between two fields of CSV: a comma (default), tab, …, or auto."
    ),
    click.option(
        "--profile",
        metavar="NAME",
        help="Rules that say what a mention is: twitter (default), mastodon, bluesky or word.",
    ),
    click.option("--no-retweets", is_flag=True, help="Count no mentions in posts that begin with `RT @…`."),
    click.option(
        "--max-rejects",
        metavar="N|P%",
        help="Apply nothing of the upload if more rows than this are rejected: a number or a share.",
    ),
)
ADDRESSES = ("DATABASE_URL", "REDIS_URL", "HOST", "PORT")
"""Where the environment sets one of these, no stack nearby is looked for."""
SERVERS = (*ADDRESSES, "DATABASE_PASSWORD", "REDIS_PASSWORD", "SENTINEL_PASSWORD", "PGBOUNCER", "NAMESPACE")
"""With a stack, these are the stack's, whatever the environment says."""
_JSONL_ENDS = (".jsonl", ".ndjson")
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a file is read and counted; `check` and `upload` share them."""
    return reduce(lambda made, option: option(made), reversed(_READING), command)


def query(chosen: dict[str, str | bool | None]) -> dict[str, str]:
    """The chosen options that are text, as the API's query parameters."""
    found = {name: value for name, value in chosen.items() if isinstance(value, str)}
    if found.get("delimiter") in {"tab", r"\t"}:
        found["delimiter"] = "\t"
    return found | ({"retweets": "false"} if chosen.get("no_retweets") else {})


def compression(file: Path) -> str | None:
    """The Content-Encoding that the name of a file tells."""
    return _COMPRESSIONS.get(file.suffix.lower())


def format_of(file: Path) -> dict[str, str]:
    """The parameter `format`, if the name of the file tells JSON Lines."""
    bare = file.name.lower().removesuffix(file.suffix.lower() if compression(file) else "")
    return {"format": "jsonl"} if bare.endswith(_JSONL_ENDS) else {}


def published(data: Path) -> dict[str, str]:
    """The settings of the stack over a directory, as variables. Raises StackNotRunning."""
    from ops import directory  # noqa: PLC0415 (brings the embedded servers along, which few commands need)

    known = {row.variable for row in app_settings.describe()}
    # A stack of another version may have settings that this version does not know.
    return {name: value for name, value in directory.published(data).items() if name in known}


def environ(published: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, on top of what a stack published: see `data`."""
    if not published:
        return os.environ
    given = {name: value for name, value in os.environ.items() if _bare(name) not in SERVERS}
    named = {_bare(name) for name in given}
    return {name: value for name, value in published.items() if _bare(name) not in named} | given


def settings(data: Path | None, *, nearby: bool = False) -> Settings:
    """The settings of a command. Its log shows errors only, on standard error.

    With `nearby` and without `data`, the command works with the stack over .mentiongraph in the current directory, if
    a stack was ever there and the environment names no server. Raises StackNotRunning if nothing runs over it: another
    server, which happens to have the default address, must not get what was meant for the stack.
    """
    from app import log  # noqa: PLC0415 (takes a while to import)

    nobody: dict[str, str] = {}
    base = published(data) if data is not None else (_nearby() if nearby else nobody)
    chosen = app_settings.load(environ(base))
    log.configure(msgspec.structs.replace(Settings(), log_level="error"))
    return chosen


def migrated(data: Path | None) -> Settings:
    """The settings, if their database has our schema. Raises NotMigrated, SchemaTooNew, DatabaseUnavailable."""
    from app.store.migrations import require_migrated  # noqa: PLC0415 (commands over HTTP do without PostgreSQL)

    found = settings(data, nearby=True)
    require_migrated(found.database_url)
    return found


def _nearby() -> dict[str, str]:
    if any(_bare(name) in ADDRESSES for name in os.environ) or not Path(".mentiongraph/lock").exists():
        return {}
    from ops import directory  # noqa: PLC0415 (as above)

    try:
        return published(directory.DEFAULT)
    except directory.StackNotRunning as error:
        raise directory.StackNotRunning(
            f"{error.detail} Or name another server: set MENTIONGRAPH_PORT for its API, MENTIONGRAPH_DATABASE_URL for "
            "its database."
        ) from None


def _bare(variable: str) -> str:
    """A variable's setting, as the tuples above name it; empty for a variable that is not ours."""
    prefix, name = variable[: len(PREFIX)], variable[len(PREFIX) :]
    return name.removesuffix(FILE_SUFFIX) if prefix == PREFIX else ""

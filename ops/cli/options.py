"""Options that several commands share, and the settings that they work with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial, reduce
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec
from click.core import ParameterSource

from app import settings as app_settings
from app.control import tokens
from app.errors import BadRequest, BadSetting, GraphNotReady
from app.settings import FILE_SUFFIX, PREFIX, Settings

API, DATA = PREFIX + "API", PREFIX + "DATA"
"""Variables with an address and a directory, for whoever works with the same service each time. No settings: servers
and workers have no use for them."""
api = click.option(
    "--api",
    metavar="URL",
    envvar=API,
    help="Address of the API. Default: MENTIONGRAPH_API, or http://MENTIONGRAPH_HOST:MENTIONGRAPH_PORT.",
)
_data = partial(click.option, "--data", metavar="DIR", envvar=DATA, type=click.Path(path_type=Path, file_okay=False))
data = _data(
    help="Work with the stack that `mentiongraph up` or `demo` runs over DIR. Its servers, its API's address and its "
    "settings are used. Other MENTIONGRAPH_… variables that are set here win over the stack's settings. Default: "
    "MENTIONGRAPH_DATA, or the stack over .mentiongraph in the current directory, if there is one and none of "
    "MENTIONGRAPH_DATABASE_URL, _REDIS_URL, _HOST, _PORT and _API is set.",
)
stack = _data(help="List the settings that commands use with the stack over DIR.")
all_graphs = click.option("--all-graphs", is_flag=True, help="Do so for every graph, one after the other.")
as_json = click.option(
    "--json",
    "json",
    is_flag=True,
    help="Print JSON for scripts. A failure is printed as a problem document (RFC 9457).",
)

_DETECTED = "Default: the file's first bytes decide."


def _column(name: str, what: str, more: str = "") -> Callable[..., Any]:
    return click.option(f"--{name}", metavar="COLUMN", help=f"Column or path that holds {what}.{more}")


_READING = (
    _column("text", "the posts' texts"),
    _column("timestamp", "the posts' instants"),
    _column("author", "the posts' authors"),
    click.option("--author-is", metavar="HANDLE", help="The author of every post, if no column holds authors."),
    _column("id", "the posts' ids", " A post with an id counts once, in whatever file the post comes."),
    _column("mentions", "the mentioned users, as a list or as text", " Default: the text says who is mentioned."),
    _column("reply", "the user whom a post answers"),
    _column("retweet", "the user whose post a post repeats"),
    _column("quote", "the user whom a post quotes"),
    click.option(
        "--preset",
        metavar="NAME",
        help=f"Tool or service that wrote the file; `mentiongraph presets` lists them. {_DETECTED}",
    ),
    click.option(
        "--format",
        type=click.Choice(["csv", "jsonl", "json-array", "json-pages"]),
        help=f"Format of the file. {_DETECTED}",
    ),
    click.option("--encoding", metavar="NAME", help=f"Encoding of the file, such as utf-8 or cp1252. {_DETECTED}"),
    click.option(
        "--delimiter",
        metavar="CHAR",
        help=f"Character between two fields of CSV: a comma, tab, …, or auto. {_DETECTED}",
    ),
    click.option(
        "--header/--no-header", default=None, help=f"Whether the first row of CSV names the columns. {_DETECTED}"
    ),
    click.option("--columns", metavar="NAMES", help="Names of the columns of CSV without a header: a,b,c."),
    click.option(
        "--skip-lines", metavar="N", type=click.IntRange(0, 1000), help=f"Lines before the header. {_DETECTED}"
    ),
    click.option(
        "--dates",
        type=click.Choice(["day-first", "month-first"]),
        help="Order of day and month in dates such as 01/02/2024. Default: a row such as 31/12/2023 settles the order.",
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of a workbook (.xlsx). Default: the only one with posts."),
    click.option(
        "--timestamp-format",
        metavar="FORMAT",
        help="Format of all instants in strptime's words, such as '%d.%m.%Y %H:%M', or excel for serial numbers.",
    ),
    click.option("--timezone", metavar="NAME", help="Time zone of instants that name none. Default: UTC."),
    click.option(
        "--placeholders", is_flag=True, help="Take words such as NULL, nan or [deleted] as authors, not as rejects."
    ),
    click.option(
        "--profile",
        metavar="NAME",
        help="Rules that say what a mention is; `mentiongraph presets` lists them. Default: those of the file's tool, "
        "or twitter.",
    ),
    click.option(
        "--retweets",
        type=click.Choice(["text", "author", "none"]),
        help="What a retweet counts: each mention in its text, one mention of the repeated author, or nothing. "
        "Default: author where the file's tool names the author, else text.",
    ),
    click.option("--no-retweets", is_flag=True, help="The same as --retweets none."),
    click.option(
        "--max-rejects",
        metavar="N|P%",
        help="Apply nothing of the upload if more rows than this are rejected: a number or a share.",
    ),
)
KEY = PREFIX + "KEY"
"""The variable with the token that a client sends. No setting: servers and workers have no use for it."""
_DEFAULT = Path(".mentiongraph")
_ALONE = f"{__name__}.alone"
"""In the context of a command that found neither a stack nor a variable that names a server."""
ADDRESSES = ("DATABASE_URL", "REDIS_URL", "HOST", "PORT", "API")
"""Where the environment sets one of these, no stack nearby is looked for."""
SERVERS = (
    *ADDRESSES,
    "OWNER_URL",
    "DATABASE_PASSWORD",
    "REDIS_PASSWORD",
    "SENTINEL_PASSWORD",
    "PGBOUNCER",
    "NAMESPACE",
    "TLS_CERTIFICATE",
)
"""With a stack, these are the stack's, whatever the environment says."""
DEFAULT_GRAPH = "default"
_OVER_HTTP = frozenset({"status", "upload"})
"""Commands of hints that take --api."""
_FLAGS = frozenset({"no_retweets", "placeholders", "header"})
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a file is read and counted; `check` and `upload` share them."""
    return reduce(lambda made, option: option(made), reversed(_READING), command)


def counting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --clock and --priority, which say when mentions count, and how soon an upload is applied."""
    clock = click.option(
        "--clock",
        type=click.Choice(["arrival", "event"]),
        help="Instant at which a mention counts: the arrival of the file (default), or the post's own timestamp.",
    )
    priority = click.option(
        "--priority",
        type=click.Choice(["urgent", "bulk"]),
        help="Urgent uploads are applied before bulk ones. Default: bulk.",
    )
    return clock(priority(command))


def instant(text: str | None, option: str) -> datetime | None:
    """The instant that an option names; without an offset, in UTC. Raises BadRequest."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{option} has to be an instant, such as 2026-01-15 or 2026-01-15T12:00:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_FILTERS = (
    click.option(
        "--state", "state", metavar="STATE", multiple=True, help="Only uploads in this state, or in one of several."
    ),
    click.option("--text", metavar="TEXT", help="Only uploads with this text in the file name or the note."),
    click.option(
        "--since", metavar="INSTANT", help="Only uploads received at or after this instant, such as 2026-01-15."
    ),
    click.option("--until", metavar="INSTANT", help="Only uploads received before this instant."),
    click.option("--owner", metavar="NAME", help="Only uploads that keys of this owner sent."),
)


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which uploads are wanted."""
    return reduce(lambda made, option: option(made), reversed(_FILTERS), command)


def filter_of(chosen: Mapping[str, str | Sequence[str] | None]) -> dict[str, str | Sequence[str]]:
    """The chosen filter as the API takes it. Raises BadRequest."""
    found = {name: value for name, value in chosen.items() if value}
    for name in {"since", "until"} & found.keys():
        at = instant(str(found[name]), f"--{name}")
        found |= {name: at.isoformat()} if at else {}
    return found


def query(chosen: Mapping[str, str | int | bool | None]) -> dict[str, str]:
    """The chosen options, as the API's query parameters."""
    if chosen.get("no_retweets"):
        chosen = {**chosen, "retweets": "none"}
    found = {name: str(value) for name, value in chosen.items() if isinstance(value, str | int) and name not in _FLAGS}
    found |= {name: "true" if chosen[name] else "false" for name in ("header",) if chosen.get(name) is not None}
    found |= {"placeholders": "true"} if chosen.get("placeholders") else {}
    if found.get("delimiter") in {"tab", r"\t"}:
        found["delimiter"] = "\t"
    return found


def compression(file: Path) -> str | None:
    """The Content-Encoding that the name of a file tells."""
    return _COMPRESSIONS.get(file.suffix.lower())


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
    if not base and nearby and not any(_bare(name) in ADDRESSES for name in os.environ):
        context = click.get_current_context(silent=True)
        if context is not None:
            context.meta[_ALONE] = True
    chosen = app_settings.load(environ(base))
    log.configure(msgspec.structs.replace(Settings(), log_level="error"))
    return chosen


def advice() -> str:
    """What to do about a server that does not answer: empty if a stack or a variable names the server."""
    context = click.get_current_context(silent=True)
    if context is None or _ALONE not in context.meta:
        return ""
    return (
        "Nothing names a server, and no stack is nearby, so this is the default address. For the stack of "
        f"`mentiongraph up`, name its directory: --data DIR, or {DATA}=DIR for all commands."
    )


def api_or_data(api: str | None, data: Path | None) -> tuple[str | None, Path | None]:
    """The address and the directory that hold: an option wins over a variable, and of two variables the address."""
    context = click.get_current_context(silent=True)
    if context is None or api is None or data is None:
        return api, data
    of_api, of_data = (context.get_parameter_source(name) for name in ("api", "data"))
    if of_data is ParameterSource.ENVIRONMENT:
        return api, None
    return (None, data) if of_api is ParameterSource.ENVIRONMENT else (api, data)


def hinted(words: str, *, into: str | None = None) -> str:
    """A command for a person to run: with the graph, the directory and the API that this command has as options.

    `into`: another graph than the chosen one.
    """
    chosen = into or (DEFAULT_GRAPH if _varies("graph") else graph())
    before = "" if chosen == DEFAULT_GRAPH else f"--graph {shlex.quote(chosen)} "
    context = click.get_current_context(silent=True)
    given: dict[str, Any] = {} if context is None else context.params
    names = ("data", "api") if words.split(maxsplit=1)[0] in _OVER_HTTP else ("data",)
    after = [f"--{name} {shlex.quote(str(given[name]))}" for name in names if given.get(name) and not _varies(name)]
    return " ".join([f"mentiongraph {before}{words}", *after])


def _varies(option: str) -> bool:
    """Whether a variable gives the option of this command: then it holds for the next command, too."""
    context = click.get_current_context(silent=True)
    while context is not None and option not in context.params:
        context = context.parent
    return context is not None and context.get_parameter_source(option) is ParameterSource.ENVIRONMENT


def key(data: Path | None, *, nearby: bool) -> str | None:
    """The token that a client sends: of the stack that `settings` finds, else what the environment gives.

    Raises BadSetting.
    """
    found = directory(data, nearby=nearby)
    if found is not None:
        from ops import admin_key  # noqa: PLC0415 (brings PostgreSQL along, which few clients need)

        if (token := admin_key.read(found)) is not None:
            return token
    return _given_key(os.environ)


def directory(data: Path | None, *, nearby: bool) -> Path | None:
    """The directory of the stack that `settings` finds. None: the command works with other servers."""
    return data or (_DEFAULT if nearby and _is_nearby() else None)


def _given_key(environ: Mapping[str, str]) -> str | None:
    token, file = environ.get(KEY), environ.get(KEY + FILE_SUFFIX)
    if token and file:
        raise BadSetting(f"{KEY} and {KEY}{FILE_SUFFIX} are both set. Unset one of them.")
    if file:
        try:
            token = Path(file).read_text(encoding="ascii")
        except OSError as error:
            raise BadSetting(f"{KEY}{FILE_SUFFIX}={file!r}: the file cannot be read ({error.strerror}).") from error
        except UnicodeDecodeError as error:
            raise BadSetting(f"{KEY}{FILE_SUFFIX}={file!r}: the file is no text, so it holds no token.") from error
    if not token or not token.strip():
        return None
    if tokens.id_in(token.strip()) is None:
        raise BadSetting(f"{KEY}{FILE_SUFFIX if file else ''} has no whole token. A token begins with {tokens.PREFIX}.")
    return token.strip()


def migrated(data: Path | None) -> Settings:
    """The settings for the chosen graph, if its database has our schema. Raises NotMigrated, SchemaTooNew,
    DatabaseUnavailable, NotFound, GraphNotReady."""
    from app.store.migrations import require_migrated  # noqa: PLC0415 (commands over HTTP do without PostgreSQL)

    found = of_graph(settings(data, nearby=True))
    require_migrated(found.database_url)
    return found


def listing_graphs(data: Path | None) -> Settings:
    """The settings for `default`, whose database lists graphs and keys, whichever graph is chosen.

    Raises NotMigrated, SchemaTooNew, DatabaseUnavailable.
    """
    from app.store.migrations import require_migrated  # noqa: PLC0415 (as above)

    found = settings(data, nearby=True)
    require_migrated(found.database_url)
    return found


def _is_nearby() -> bool:
    """Whether a stack was ever over .mentiongraph here, and the environment names no server."""
    return not any(_bare(name) in ADDRESSES for name in os.environ) and (_DEFAULT / "lock").exists()


def graph() -> str:
    """The name of the chosen graph."""
    context = click.get_current_context(silent=True)
    chosen = None if context is None else context.find_root().params.get("graph")
    return str(chosen) if chosen else DEFAULT_GRAPH


def require_no_graph(because: str) -> None:
    """Raises BadRequest if somebody chose a graph."""
    if graph() != DEFAULT_GRAPH:
        raise BadRequest(f"{because}: leave out --graph {graph()} and MENTIONGRAPH_GRAPH.")


def of_graph(found: Settings) -> Settings:
    """The settings for the chosen graph. Raises DatabaseUnavailable, NotFound, GraphNotReady."""
    name = graph()
    if name == DEFAULT_GRAPH:
        return found
    from app.control import graphs  # noqa: PLC0415 (as above)
    from app.store.postgres import available, connect  # noqa: PLC0415

    with available(found.database_url), connect(found.database_url, role="graphs") as conn:
        listed = graphs.find(conn, name)
    if listed.state != "ready":
        raise GraphNotReady(f"the graph {name!r} is {listed.state}, not ready.")
    return graphs.settings_of(found, listed)


def api_of_graph(url: str) -> str:
    """The URL behind which the API of the chosen graph stands."""
    return url.rstrip("/") + path_of_graph(graph())


def path_of_graph(name: str) -> str:
    """The path behind which the API of a graph stands."""
    return "" if name == DEFAULT_GRAPH else f"/graphs/{quote(name, safe='')}"


def each_graph(found: Settings) -> dict[str, Settings]:
    """The settings for each graph, by name, `default` first. Raises DatabaseUnavailable, BadRequest."""
    require_no_graph("--all-graphs is for every graph")
    from app.control import graphs  # noqa: PLC0415 (as above)
    from app.store import postgres  # noqa: PLC0415 (as above)

    with postgres.available(found.database_url), postgres.connect(found.database_url, role="graphs") as conn:
        listed = graphs.ready(conn)
    return {graphs.DEFAULT: found, **{graph.name: graphs.settings_of(found, graph) for graph in listed}}


def _nearby() -> dict[str, str]:
    if not _is_nearby():
        return {}
    from ops import directory  # noqa: PLC0415 (as above)

    try:
        return published(directory.DEFAULT)
    except directory.StackNotRunning as error:
        raise directory.StackNotRunning(
            f"{error.detail} Or name another stack with --data DIR, or another server: set MENTIONGRAPH_API for its "
            "API, MENTIONGRAPH_DATABASE_URL for its database."
        ) from None


def _bare(variable: str) -> str:
    """A variable's setting, as the tuples above name it; empty for a variable that is not ours."""
    prefix, name = variable[: len(PREFIX)], variable[len(PREFIX) :]
    return name.removesuffix(FILE_SUFFIX) if prefix == PREFIX else ""

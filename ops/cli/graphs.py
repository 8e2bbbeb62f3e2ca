"""Commands about graphs, which talk to PostgreSQL: create, list, show, rename, set, drop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import msgspec
import psycopg

from app.control import callers, databases
from app.control import graphs as listing
from app.control.graphs import DEFAULT, Graph, half_life_text, settings_of
from app.errors import BadRequest, DatabaseUnavailable
from app.graph.parameters import read_parameters
from app.graph.profiles import profile_named
from app.reads.sizes import databases as databases_sized
from app.reads.sizes import sizes
from app.settings import Settings
from app.store.addresses import where
from app.store.postgres import Connection, available, clock, connect
from ops.cli import options
from ops.cli.console import facts, number, out, print_json, say, size, table

_UNSET = "default"
_CHANGES: tuple[Callable[..., Any], ...] = (
    click.option("--profile", metavar="NAME", help="Mention profile of uploads that name none."),
    click.option("--days-kept", metavar="N", help="Days for which daily numbers are kept."),
    click.option("--retention", metavar="DAYS", help="Days for which finished uploads can be replayed and retracted."),
    click.option("--quota", metavar="BYTES", help="Refuse uploads while the database is larger than this."),
)


def _changes(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_CHANGES):
        command = option(command)
    return command


class Shown(msgspec.Struct, frozen=True):
    """A graph, as the commands print it."""

    name: str
    state: str
    half_life: str
    shards: int
    profile: str | None
    days_kept: int
    retention_days: float
    quota_bytes: int | None
    database: str
    size_bytes: int | None = None
    edges: int | None = None
    users: int | None = None
    uploads: int | None = None


@click.group()
def graphs() -> None:
    """Create, list, show, rename, change and drop graphs.

    A graph is a database of its own, with its own uploads, users and edges. The graph `default` is there from the
    start. `mentiongraph --graph NAME COMMAND` works with another one.

    \b
    Examples:
      mentiongraph graphs create photos --half-life 30d
      mentiongraph --graph photos upload posts.csv
      mentiongraph graphs list
    """


@graphs.command()
@click.argument("name")
@click.option("--half-life", metavar="TIME", default="7d", help="30d, 12h, … or none. Fixed for ever. Default: 7d.")
@click.option("--shards", metavar="N", type=int, default=8, help="1, 2, 4, … 64. Fixed for ever. Default: 8.")
@_changes
@click.option("--database-url", metavar="URL", help="A database on another server. Default: a new one on this server.")
@click.option("--take-over", is_flag=True, help="The database may be a graph of another service, which is gone.")
@options.data
@options.as_json
def create(  # noqa: PLR0917 (what a graph has)
    name: str,
    half_life: str,
    shards: int,
    profile: str | None,
    days_kept: str | None,
    retention: str | None,
    quota: str | None,
    database_url: str | None,
    data: Path | None,
    *,
    take_over: bool,
    json: bool,
) -> None:
    """Create a graph with a database of its own. If an earlier attempt was cut off, repeat the command.

    The role of MENTIONGRAPH_OWNER_URL, or else of MENTIONGRAPH_DATABASE_URL, needs the right to create databases. The
    role in --database-url has to own that database and its tables.

    \b
    Examples:
      mentiongraph graphs create elections --half-life 30d
      mentiongraph graphs create photos --half-life none --profile instagram
    """
    settings = options.listing_graphs(data)
    given = _given(profile, days_kept, retention, quota)
    wanted = listing.wanted(name, now=clock(), half_life=half_life, shards=shards, database_url=database_url, **given)
    caller = callers.of_operating_system()
    made = _shown(settings, databases.create(settings, wanted, clock=clock, take_over=take_over, caller=caller))
    if json:
        print_json(made)
        return
    say(f"{made.name}: ready, half-life {made.half_life}, {made.shards} shards, {made.database}.")
    say(f"Upload into it with `{options.hinted('upload FILE', into=made.name)}`.", err=True)


@graphs.command(name="list")
@options.data
@options.as_json
def list_graphs(data: Path | None, *, json: bool) -> None:
    """List the graphs, with the size of each database that is on the server of `default`."""
    settings = options.listing_graphs(data)
    with _listed(settings) as conn:
        every = listing.every(conn)
        sized = databases_sized(conn, [conn.info.dbname, *(each.database for each in every if each.database)])
        found = [
            msgspec.structs.replace(_default(settings, conn), size_bytes=sized.get(conn.info.dbname)),
            *(
                msgspec.structs.replace(_shown(settings, graph), size_bytes=sized.get(graph.database or ""))
                for graph in every
            ),
        ]
    if json:
        print_json(found)
        return
    right = "shards", "size", "quota"
    shown = table("graph", "state", "half-life", "shards", "profile", "size", "quota", "database", right=right)
    for each in found:
        sizes_shown = ("" if bytes_ is None else size(bytes_) for bytes_ in (each.size_bytes, each.quota_bytes))
        what = each.name, each.state, each.half_life, str(each.shards), each.profile or ""
        shown.add_row(*what, *sizes_shown, each.database)
    out.print(shown)
    for each in found:
        if each.quota_bytes is not None and (each.size_bytes or 0) >= each.quota_bytes:
            say(f"{each.name}: the quota is reached, so uploads get 507 until there is room.", err=True)


@graphs.command()
@click.argument("name")
@options.data
@options.as_json
def show(name: str, data: Path | None, *, json: bool) -> None:
    """Show a graph, and how large it is."""
    settings = options.listing_graphs(data)
    with _listed(settings) as conn:
        graph = None if name == DEFAULT else listing.find(conn, name)
        found = _default(settings, conn) if graph is None else _shown(settings, graph)
    with (
        suppress(DatabaseUnavailable, psycopg.Error),
        connect(settings_of(settings, graph).database_url, role="graphs") as there,
    ):
        found = msgspec.structs.replace(found, **msgspec.structs.asdict(sizes(there)))
    _print(found, json=json)


@graphs.command()
@click.argument("name")
@click.argument("new")
@options.data
@options.as_json
def rename(name: str, new: str, data: Path | None, *, json: bool) -> None:
    """Give a graph another name. Keys stay good for it; paths of the API change. Its database keeps its name."""
    settings = options.listing_graphs(data)
    with _listed(settings) as conn:
        _print(_shown(settings, listing.rename(conn, name, new, caller=callers.of_operating_system())), json=json)


@graphs.command(name="set")
@click.argument("name")
@_changes
@options.data
@options.as_json
def change(  # noqa: PLR0917 (what may be changed)
    name: str,
    profile: str | None,
    days_kept: str | None,
    retention: str | None,
    quota: str | None,
    data: Path | None,
    *,
    json: bool,
) -> None:
    """Change a graph. The word default takes a value back: the graph is then as the service's settings say.

    Running processes notice within five seconds. Half-life and shards are fixed for ever.

    \b
    Examples:
      mentiongraph graphs set photos --quota 10737418240 --days-kept 90
      mentiongraph graphs set photos --quota default
    """
    given = _given(profile, days_kept, retention, quota)
    if not given:
        raise BadRequest("say what to change: --profile, --days-kept, --retention or --quota.")
    settings = options.listing_graphs(data)
    with _listed(settings) as conn:
        _print(_shown(settings, listing.change(conn, name, caller=callers.of_operating_system(), **given)), json=json)


@graphs.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Drop without asking.")
@click.option("--drop-database", is_flag=True, help="Drop also a database on another server.")
@options.data
@options.as_json
def drop(name: str, data: Path | None, *, yes: bool, drop_database: bool, json: bool) -> None:
    """Drop a graph with everything in it, for ever, whoever works with it. The command asks first.

    A database on another server is only taken off the list, with everything in it, unless you say --drop-database.
    """
    if name == DEFAULT:
        raise BadRequest("the graph 'default' cannot be dropped.")
    settings = options.listing_graphs(data)
    with _listed(settings) as conn:
        graph = listing.find(conn, name)
    stays = graph.database_url is not None and not drop_database
    if not yes:
        what = "off the list? Its database stays" if stays else "with everything in it, for ever?"
        click.confirm(f"{'Take' if stays else 'Drop'} the graph {name} {what}", abort=True, err=True)
    done = databases.drop(settings, name, clock=clock, elsewhere=drop_database, caller=callers.of_operating_system())
    if json:
        print_json(_shown(settings, msgspec.structs.replace(graph, state="dropping")))
    elif done.database_left is None:
        say(f"{name}: dropped.")
    else:
        say(f"{name}: taken off the list. Everything in it stays in its database: {done.database_left}.")
    if not done.told:
        say(
            "The database still counts as a graph, because its server did not answer, or because another service has "
            "taken it over. `graphs create NAME --database-url URL --take-over` makes it a graph here again.",
            err=True,
        )


@contextmanager
def _listed(settings: Settings) -> Generator[Connection]:
    with available(settings.database_url), connect(settings.database_url, role="graphs") as conn:
        yield conn


def _given(profile: str | None, days_kept: str | None, retention: str | None, quota: str | None) -> dict[str, Any]:
    """What was given, by the fields of a graph. Raises BadRequest."""
    texts = {"days_kept": days_kept, "retention_days": retention, "quota_bytes": quota}
    found: dict[str, Any] = {name: _number(name, text) for name, text in texts.items() if text is not None}
    listing.check(**found)
    if profile is not None:
        found["profile"] = None if profile == _UNSET else profile
        if profile != _UNSET:
            profile_named(profile)
    return found


def _number(name: str, text: str) -> int | None:
    if text == _UNSET:
        return None
    if not text.isascii() or not text.isdigit():
        raise BadRequest(f"the field {name!r} has to be a whole number or the word default, not {text!r}.")
    return int(text)


def _default(settings: Settings, conn: Connection) -> Shown:
    parameters = read_parameters(conn)
    return _of(settings, DEFAULT, "ready", half_life_text(parameters.half_life), parameters.shards, None)


def _shown(settings: Settings, graph: Graph) -> Shown:
    its = settings_of(settings, graph)
    return _of(its, graph.name, graph.state, half_life_text(graph.half_life), graph.shards, graph.profile)


def _of(  # noqa: PLR0917 (columns of a table)
    settings: Settings, name: str, state: str, half_life: str, shards: int, profile: str | None
) -> Shown:
    return Shown(
        name=name,
        state=state,
        half_life=half_life,
        shards=shards,
        profile=profile,
        days_kept=settings.days_kept,
        retention_days=settings.retention_days,
        quota_bytes=settings.max_database_bytes or None,
        database=where(settings.database_url),
    )


def _print(found: Shown, *, json: bool) -> None:
    if json:
        print_json(found)
        return
    looked = {} if found.size_bytes is None else {"size": size(found.size_bytes)}
    looked |= {
        name: number(count)
        for name, count in (("edges", found.edges), ("users", found.users), ("uploads", found.uploads))
        if count is not None
    }
    out.print(
        facts(
            {
                "graph": found.name,
                "state": found.state,
                "half-life": found.half_life,
                "shards": str(found.shards),
                "profile": found.profile or "that of each file's tool",
                "daily numbers": f"kept for {number(found.days_kept)} days",
                "retention": f"uploads can be taken back for {found.retention_days:g} days",
                "quota": "none" if found.quota_bytes is None else size(found.quota_bytes),
                "database": found.database,
                **looked,
            }
        )
    )

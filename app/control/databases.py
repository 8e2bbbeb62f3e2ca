"""The databases of graphs: created, restored, migrated and dropped. The list says what is under way, so steps can be
repeated. No database ever gets the name of an earlier one, so whoever still works for a dropped graph meets no other.

A database on the server of `default` belongs to the role of MENTIONGRAPH_OWNER_URL, if that is set. The role of the API
and the workers then reads and changes its rows, and no more. A database on another server belongs to the role that its
address names. If its graph is dropped, it is only taken off the list, unless the caller wants it dropped, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import sql
from app.control import claims, graphs
from app.control.audit_events import Action, record
from app.control.callers import NOBODY, Caller
from app.control.graphs import Graph
from app.errors import BadRequest, DatabaseUnavailable, GraphExists, GraphNotReady, MayNotCreate, MentiongraphError
from app.settings import Settings
from app.store import locks
from app.store.addresses import where
from app.store.migrations import Migration, migrate, pending_migrations, plan
from app.store.postgres import Connection, Now, available, connect, exactly_one, execute, scalars

log = structlog.get_logger(__name__)

_TAKEN = sql.query("control/databases/taken")
_CREATE = sql.query("control/databases/create")
_DROP = sql.query("control/databases/drop")
_KEEP_ROLE = sql.query("control/databases/keep_role")
_CLOSE = sql.query("control/databases/close")
_IS_CLOSED = sql.query("control/databases/is_closed")
_SET_PARAMETERS = sql.query("control/databases/set_parameters")
_PARAMETERS = sql.query("control/databases/parameters")

_MARK_BYTES = 4
"""Random bytes in the name of a database."""
_LONGEST_NAME = 63
"""Bytes of the name of a database."""

_ADDRESS = frozenset(
    {"host", "hostaddr", "port", "dbname", "user", "password", "sslmode", "require_auth", "target_session_attrs"}
)
"""What an address may say: other parameters of libpq name files of the service's machine."""


class _Parameters(msgspec.Struct, frozen=True):
    half_life: timedelta | None
    shards: int


class Migrated(NamedTuple):
    """What `migrate_all` did for one graph."""

    graph: Graph
    applied: list[str]
    error: MentiongraphError | None
    """Why the graph's database could not be migrated."""


class Planned(NamedTuple):
    """What `migrate_all` would do for one graph."""

    graph: Graph
    migrations: list[Migration]
    error: MentiongraphError | None
    """Why nobody can say."""


def create(settings: Settings, wanted: Graph, *, clock: Now, take_over: bool = False, caller: Caller = NOBODY) -> Graph:
    """Create a graph, or finish what was begun under its name. Takes seconds.

    Of `wanted`, state, database and created_at do not matter. `take_over`: a database on another server may belong to
    a graph of another service, or to one that was dropped while its server was away. An attempt that fails before
    there is a database leaves nothing on the list. Raises BadRequest, GraphExists, GraphNotReady, MayNotCreate,
    DatabaseUnavailable.
    """
    graphs.require_name(wanted.name)
    if wanted.database_url is not None:
        require_address(wanted.database_url)
    with _alone(settings, wanted.name) as conn:
        listed = _listed(conn, settings, wanted, clock)
        try:
            made = _finish(settings, conn, listed, caller, take_over=take_over)
        except Exception:
            if not _is_made(conn, listed):
                graphs.withdraw(conn, listed.name)
            raise
    return made


def restore(
    settings: Settings,
    name: str,
    fill: Callable[[str], None],
    *,
    clock: Now,
    caller: Caller = NOBODY,
) -> Graph:
    """Make the database of a graph out of a backup, and list the graph if nobody has. `fill` restores into the empty
    database at an address. Half-life and shards are those of the backup.

    Raises GraphExists if the graph has its database; GraphNotReady, MayNotCreate, DatabaseUnavailable, SchemaTooNew,
    and what `fill` raises.
    """
    graphs.require_name(name)
    with _alone(settings, name) as conn:
        begun = next((each for each in graphs.every(conn) if each.name == name), None)
        fresh = _fresh_name(settings, name)
        if begun is None:
            new = Graph(name=name, state="creating", database=fresh, half_life=None, shards=1, created_at=clock())
            listed = graphs.insert(conn, new)
        else:
            _require_unused(conn, begun)
            if begun.database is not None and _is_made(conn, begun):  # by an attempt that was cut off
                _drop(settings.owner_url or settings.database_url, begun.database)
            listed = graphs.relocate(conn, name, fresh)
        if listed is None:
            raise GraphNotReady(f"the graph {name!r} was just changed: try again.")
        try:
            _make(settings, listed)
            fill(owner_url_of(settings, listed))
            return _finish(settings, conn, listed, caller)
        except BaseException:
            # Nobody has seen this database. If it stays, the next attempt drops it.
            with suppress(MentiongraphError, psycopg.Error):
                _drop(settings.owner_url or settings.database_url, fresh)
                if begun is None:
                    graphs.withdraw(conn, name)
            raise


def _require_unused(conn: Connection, graph: Graph) -> None:
    """Raises GraphExists if the graph has a database that is in use, GraphNotReady if it is being dropped."""
    if graph.state == "dropping":
        raise GraphNotReady(f"the graph {graph.name!r} is being dropped: drop it first.")
    if graph.database_url is not None or (graph.state == "ready" and _is_made(conn, graph)):
        raise GraphExists(
            f"the database of graph {graph.name!r} is not empty. Restore into a graph of another name, or drop it."
        )


def detach_all(conn: Connection, settings: Settings) -> list[Graph]:
    """Let no graph of a list that came out of a backup lead to the database that it had: that may be in use by the
    service of which this is a copy. Returns the graphs as they were; now each waits for a database, as `creating`.
    """
    with conn.transaction():
        found = [each for each in graphs.every(conn) if each.state != "dropping"]
        for graph in graphs.every(conn):
            graphs.relocate(conn, graph.name, _fresh_name(settings, graph.name))
    return found


def require_address(database_url: str) -> None:
    """Raises BadRequest for an address that says more than which database to use, or less."""
    if "\0" in database_url:  # libpq would read no further
        raise BadRequest("database_url is no address of a PostgreSQL database.")
    try:
        said = conninfo_to_dict(database_url)
    except psycopg.ProgrammingError as error:
        raise BadRequest("database_url is no address of a PostgreSQL database.") from error
    if unknown := sorted(said.keys() - _ADDRESS):
        raise BadRequest(f"database_url may not say {unknown[0]!r}. It may say: {', '.join(sorted(_ADDRESS))}.")
    if not (said.get("host") or said.get("hostaddr")) or not said.get("dbname") or not said.get("user"):
        raise BadRequest("database_url has to say server, user and database: postgresql://user@server/database.")


class Dropped(NamedTuple):
    """What `drop` did."""

    graph: Graph
    database_left: str | None
    """Where the graph's database is if it was not dropped."""
    told: bool
    """Whether a database that was left may be another graph now. Otherwise, its server was away, or it is another
    service's."""


def drop(settings: Settings, name: str, *, clock: Now, elsewhere: bool = False, caller: Caller = NOBODY) -> Dropped:
    """Drop a graph and its database, whoever works with it. `elsewhere`: also a database on another server.

    Raises NotFound, GraphNotReady, MayNotCreate, DatabaseUnavailable, and GraphExists if a database on another server
    is to be dropped and is a graph of another service.
    """
    with _alone(settings, name) as conn:
        graph = graphs.find(conn, name)
        if graph.database_url is not None and elsewhere:
            claims.require_ours(conn, graph)
        with conn.transaction():
            graph = graphs.set_dropping(conn, name)
            detail = {"database": graph.database, "database_left": _left(graph, elsewhere=elsewhere)}
            record(conn, caller, Action.GRAPH_DROP, name, detail=detail)
        told = True
        if graph.database is not None:
            _drop(settings.owner_url or settings.database_url, graph.database)
        elif graph.database_url is not None and elsewhere:
            _drop(make_conninfo(graph.database_url, dbname="postgres"), _name_in(graph.database_url))
        elif graph.database_url is not None:
            told = claims.release(conn, graph)
        graphs.forget(conn, name, now=clock())
    return Dropped(graph, _left(graph, elsewhere=elsewhere), told)


def _left(graph: Graph, *, elsewhere: bool) -> str | None:
    return None if graph.database_url is None or elsewhere else where(graph.database_url)


def migrate_all(settings: Settings) -> Iterator[Migrated]:
    """Bring the databases of all graphs but `default` up to date. One that cannot be migrated hurts no other."""
    with available(settings.database_url), connect(settings.database_url, role="migrate") as conn:
        listed = graphs.ready(conn)
    for graph in listed:
        applied, failure = list[str](), None
        try:
            applied = migrate_one(settings, graph)
        except MentiongraphError as error:
            failure = error
        except psycopg.Error as error:
            failure = DatabaseUnavailable(f"{where(owner_url_of(settings, graph))}: {error}".strip())
        yield Migrated(graph, applied, failure)


def plan_all(settings: Settings) -> Iterator[Planned]:
    """What `migrate_all` would apply, graph by graph. Changes nothing."""
    with available(settings.database_url), connect(settings.database_url, role="migrate") as conn:
        try:
            listed = graphs.ready(conn)
        except psycopg.errors.UndefinedTable:  # of a release without a list
            return
    for graph in listed:
        found, failure = list[Migration](), None
        try:
            found = plan(owner_url_of(settings, graph))
        except MentiongraphError as error:
            failure = error
        except psycopg.Error as error:
            failure = DatabaseUnavailable(f"{where(owner_url_of(settings, graph))}: {error}".strip())
        yield Planned(graph, found, failure)


def migrate_one(settings: Settings, graph: Graph) -> list[str]:
    """Bring a graph's database up to date, and close what is new. Returns the names of the migrations."""
    url = owner_url_of(settings, graph)
    applied = migrate(url) if pending_migrations(url) else []
    _close(settings, graph, unless_closed=not applied)
    return applied


def owner_url_of(settings: Settings, graph: Graph) -> str:
    """The address of a graph's database, for whoever migrates it."""
    if graph.database_url is not None or not settings.owner_url:
        return graphs.url_of(settings, graph)
    return make_conninfo(settings.owner_url, dbname=graph.database)


@contextmanager
def _alone(settings: Settings, name: str) -> Generator[Connection]:
    """A connection to the list, while nobody else creates or drops a graph of this name. Raises GraphNotReady."""
    url = settings.database_url
    with available(url), connect(url, role="graphs") as guard, connect(url, role="graphs") as conn, guard.transaction():
        if not locks.try_take(guard, locks.graph_key(name)):
            raise GraphNotReady(f"the graph {name!r} is just being created or dropped.")
        yield conn


# Creating -------------------------------------------------------------------------------------------------------------


def _listed(conn: Connection, settings: Settings, wanted: Graph, clock: Now) -> Graph:
    """The graph as the list has it in the state `creating`. Raises GraphExists, GraphNotReady."""
    begun = next((each for each in graphs.every(conn) if each.name == wanted.name), None)
    if begun is not None:
        if begun.state == "ready":
            raise GraphExists(f"there is a graph {wanted.name!r} already.")
        same = _as_asked(begun) == _as_asked(wanted)
        if begun.state == "dropping" or (not same and _is_made(conn, begun)):
            how = "with other parameters" if begun.state == "creating" else "and is being dropped"
            raise GraphNotReady(f"the graph {wanted.name!r} is in the state {begun.state!r} {how}: drop it first.")
        if same:
            return begun
        graphs.withdraw(conn, begun.name)
    given = msgspec.structs.replace(wanted, state="creating", created_at=clock())
    if given.database_url is None:
        given = msgspec.structs.replace(given, database=_fresh_name(settings, wanted.name))
    listed = graphs.insert(conn, given)
    if listed is None:
        raise GraphExists("another graph has this database.")
    return listed


def _as_asked(graph: Graph) -> dict[str, Any]:
    """What whoever creates a graph can choose."""
    said = msgspec.structs.asdict(graph)
    return {name: value for name, value in said.items() if name not in {"state", "database", "created_at"}}


def _is_made(conn: Connection, graph: Graph) -> bool:
    """Whether there may be something of the graph: its database on this server, or its claim to one elsewhere."""
    if graph.database is not None:
        return scalars(conn, _TAKEN, {"names": [graph.database]}) != []
    try:
        return claims.is_ours(conn, graph)
    except (DatabaseUnavailable, psycopg.Error):
        return False


def _fresh_name(settings: Settings, name: str) -> str:
    """A name that no database ever had, and that tells of service and graph."""
    return _joined(_name_in(settings.database_url), name, f"_{secrets.token_hex(_MARK_BYTES)}")


def _joined(own: str, name: str, suffix: str) -> str:
    end = f"_{name}{suffix}"
    return own.encode()[: _LONGEST_NAME - len(end)].decode(errors="ignore") + end


def _name_in(database_url: str) -> str:
    info = conninfo_to_dict(database_url)
    return str(info.get("dbname") or info.get("user") or "mentiongraph")


def _finish(settings: Settings, conn: Connection, graph: Graph, caller: Caller, *, take_over: bool = False) -> Graph:
    """From `creating` to `ready`, whatever of it was done before."""
    if graph.database is not None and not _is_made(conn, graph):
        _make(settings, graph)
    url = owner_url_of(settings, graph)
    if graph.database_url is not None:
        claims.require_other(conn, graph)
    try:
        migrate(url)
        with available(url), connect(url, role="graphs") as there, there.transaction():
            if graph.database_url is not None:
                claims.claim(conn, there, graph, take_over=take_over)
            execute(there, _SET_PARAMETERS, {"half_life": graph.half_life, "shards": graph.shards})
            found = exactly_one(there, _Parameters, _PARAMETERS)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MayNotCreate(
            f"{where(url)}: {str(error).strip()}. The role in the address has to own the database and its tables."
        ) from error
    _close(settings, graph)
    with conn.transaction():
        record(conn, caller, Action.GRAPH_CREATE, graph.name, detail={"database": graph.database})
        return graphs.set_ready(conn, graph.name, half_life=found.half_life, shards=found.shards)


def _make(settings: Settings, graph: Graph) -> None:
    """Create the empty database. Raises MayNotCreate, GraphExists."""
    url = settings.owner_url or settings.database_url
    with available(url), connect(url, role="graphs") as owner:
        (statement,) = scalars(owner, _CREATE, {"database": graph.database})
        try:
            owner.execute(statement.encode())
        except psycopg.errors.DuplicateDatabase as error:  # somebody else's, made since the name was chosen
            raise GraphExists(f"there is a database {graph.database!r} by now: try again.") from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise MayNotCreate(f"{where(url)}, role {owner.info.user!r}: {str(error).strip()}") from error


def _close(settings: Settings, graph: Graph, *, unless_closed: bool = False) -> None:
    """Let only the role of the API and the workers into a database that this service made.

    `unless_closed`: do it only if whoever migrated before was killed before this step.
    """
    if graph.database is None:
        return
    url = owner_url_of(settings, graph)
    with connect(settings.database_url, role="graphs") as app:
        role = app.info.user
    with available(url), connect(url, role="graphs") as owner, owner.transaction():
        if unless_closed and scalars(owner, _IS_CLOSED, {"role": role}) == [True]:
            return
        locks.take(owner, locks.MIGRATIONS)
        scalars(owner, _KEEP_ROLE, {"role": role})
        execute(owner, _CLOSE, {})


# Dropping -------------------------------------------------------------------------------------------------------------


def _drop(url: str, database: str) -> None:
    """Drop a database from a connection to another one of its server. Raises MayNotCreate."""
    with available(url), connect(url, role="graphs") as owner:
        (statement,) = scalars(owner, _DROP, {"database": database})
        try:
            owner.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise MayNotCreate(f"{where(url)}, role {owner.info.user!r}: {str(error).strip()}") from error

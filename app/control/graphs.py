"""The graphs: a database each. The table `graphs` in the database of the graph `default` lists the others.

`default` has no row: its database is the one that the settings name, and what a row can say of a graph, the settings
say of `default`. So `settings_of(settings, graph)` are the settings of a process for one graph, and whatever takes
settings works for each graph. app/control/databases.py makes and drops the databases.

    creating ──► ready ──► dropping ──► off the list
     │  ▲ └────────┼──────────►┘
     │  └──────────┘ its database is gone, and a backup is restored
     └──► off the list: it could not be created
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

import sql
from app.control.audit_events import Action, record
from app.control.callers import NOBODY, Caller
from app.errors import BadRequest, GraphExists, GraphNotReady, NotFound
from app.settings import Settings, durations
from app.store.postgres import AsyncConnection, Connection, async_rows, execute, one, rows, scalars
from app.visible import cut, quoted

DEFAULT = "default"
"""The graph that is there from the start."""

FRESH_SECONDS = 5.0
"""Seconds for which a process need not read the list again."""

NAME = "[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?"
"""What the name of a graph has to match as a whole."""
_NAME = re.compile(NAME)
_LISTED_CHARACTERS = 1_000
"""Of a message's list of graphs."""

_EVERY = sql.query("control/graphs/every")
_FIND = sql.query("control/graphs/find")
_NAMED = sql.query("control/graphs/named")
_LOCK = sql.query("control/graphs/lock")
_INSERT = sql.query("control/graphs/insert")
_SET_READY = sql.query("control/graphs/set_ready")
_SET_DROPPING = sql.query("control/graphs/set_dropping")
_RELOCATE = sql.query("control/graphs/relocate")
_WITHDRAW = sql.query("control/graphs/withdraw")
_FORGET = sql.query("control/graphs/forget")
_RENAME = sql.query("control/graphs/rename")
_CHANGE = sql.query("control/graphs/change")
_LOCK_KEYS = sql.query("control/graphs/lock_keys")
_RENAME_IN_KEYS = sql.query("control/graphs/rename_in_keys")
_REVOKE_KEYS = sql.query("control/graphs/revoke_keys")
_TAKE_FROM_KEYS = sql.query("control/graphs/take_from_keys")


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A graph as the list has it."""

    name: str
    state: Literal["creating", "ready", "dropping"]
    database: str | None = None
    """Name of a database on the server of `default`. None: the graph has an address."""
    database_url: str | None = None
    """Address of a database on another server. It may hold a password."""
    half_life: timedelta | None
    """None: weights do not decay."""
    shards: int
    profile: str | None = None
    """Mention profile of uploads that name none. None: the service's."""
    days_kept: int | None = None
    retention_days: int | None = None
    quota_bytes: int | None = None
    created_at: datetime


def is_name(text: str) -> bool:
    """Whether a graph can have the name, or is `default`."""
    return _NAME.fullmatch(text) is not None


def require_name(name: str) -> str:
    """The name, if a graph to be created may have it. Raises BadRequest."""
    if not is_name(name) or name == DEFAULT:
        raise BadRequest(
            f"{quoted(name, 60)} cannot be the name of a graph. A name has 1 to 48 characters of a-z, 0-9 and -, "
            f"begins and ends with a letter or digit, and is not {DEFAULT!r}."
        )
    return name


def every(conn: Connection) -> list[Graph]:
    """All graphs but `default`, by name, in every state. `conn` leads to the database of `default`."""
    return rows(conn, Graph, _EVERY)


async def async_every(conn: AsyncConnection) -> list[Graph]:
    """`every` for request handlers."""
    return await async_rows(conn, Graph, _EVERY)


def ready(conn: Connection) -> list[Graph]:
    """The graphs that may be used, without `default`, by name."""
    return [graph for graph in every(conn) if graph.state == "ready"]


def find(conn: Connection, name: str) -> Graph:
    """The graph of this name, in whatever state. Raises NotFound."""
    return _there(one(conn, Graph, _FIND, {"name": name}), name)


def require_all(conn: Connection, names: Iterable[str]) -> None:
    """See that each name is of a graph, and that it stays so until the transaction ends. Raises BadRequest."""
    wanted = sorted(set(names) - {DEFAULT})
    there = set(scalars(conn, _NAMED, {"names": wanted})) if wanted else set[str]()
    if missing := [name for name in wanted if name not in there]:
        known = ", ".join([DEFAULT, *(graph.name for graph in every(conn) if graph.state != "dropping")])
        raise BadRequest(f"there is no graph {quoted(missing[0], 60)}. There are: {cut(known, _LISTED_CHARACTERS)}.")


def no_graph(name: str) -> NotFound:
    """The failure that no graph has the name."""
    return NotFound(
        f"there is no graph {quoted(name, 60)}. GET /graphs or `mentiongraph graphs list` lists the graphs."
    )


def settings_of(settings: Settings, graph: Graph | None) -> Settings:
    """The settings of a process for one graph. None: `default`, whose settings are the process's."""
    if graph is None:
        return settings
    # The standbys are those of `default`, and each would need connections for each graph.
    changes: dict[str, Any] = {"database_url": url_of(settings, graph), "read_database_url": ""}
    if graph.database_url is not None:
        # The disk that the process can see is that of the server of `default`.
        changes["database_directory"] = ""
    if graph.days_kept is not None:
        changes["days_kept"] = graph.days_kept
    if graph.retention_days is not None:
        changes["retention_days"] = float(graph.retention_days)
    if graph.quota_bytes is not None:
        changes["max_database_bytes"] = graph.quota_bytes
    return msgspec.structs.replace(settings, **changes)


def url_of(settings: Settings, graph: Graph) -> str:
    """The address of a graph's database, as the API and the workers use it."""
    if graph.database_url is not None:
        return graph.database_url
    return make_conninfo(settings.database_url, dbname=graph.database)


def insert(conn: Connection, graph: Graph) -> Graph | None:
    """List a graph that is to be created. None: its name, database or address is taken."""
    return one(conn, Graph, _INSERT, msgspec.structs.asdict(graph))


def set_ready(conn: Connection, name: str, *, half_life: timedelta | None, shards: int) -> Graph:
    """The database is made: the graph may be used. Raises GraphNotReady if nobody creates the graph any more."""
    found = one(conn, Graph, _SET_READY, {"name": name, "half_life": half_life, "shards": shards})
    if found is None:
        raise GraphNotReady(f"the graph {name!r} was dropped while it was being created.")
    return found


def set_dropping(conn: Connection, name: str) -> Graph:
    """Nobody may use the graph any more. Raises NotFound."""
    return _there(one(conn, Graph, _SET_DROPPING, {"name": name}), name)


def relocate(conn: Connection, name: str, database: str) -> Graph | None:
    """The graph gets another database, which is still to be made: its own is gone, or another service's. None: no graph
    has the name, or it is being dropped."""
    return one(conn, Graph, _RELOCATE, {"name": name, "database": database})


def withdraw(conn: Connection, name: str) -> None:
    """Take a graph off the list that never was. Keys that name it stay as they are."""
    execute(conn, _WITHDRAW, {"name": name})


def forget(conn: Connection, name: str, *, now: datetime) -> None:
    """Take a dropped graph off the list, and out of the keys: a later graph of the name is another one."""
    with conn.transaction():
        scalars(conn, _LOCK_KEYS, {"name": name})
        execute(conn, _REVOKE_KEYS, {"name": name, "now": now})
        execute(conn, _TAKE_FROM_KEYS, {"name": name})
        execute(conn, _FORGET, {"name": name})


def rename(conn: Connection, name: str, new: str, *, caller: Caller = NOBODY) -> Graph:
    """Give a graph another name, in list and keys. Raises NotFound, GraphNotReady, GraphExists, BadRequest.

    The database keeps its name, so whoever works with it goes on. Messages with the old name are lost, and the sweep
    sends them again.
    """
    require_changeable(name)
    require_name(new)
    try:
        with conn.transaction():
            renamed = one(conn, Graph, _RENAME, {"name": name, "new": new})
            if renamed is None:
                raise _not_ready(conn, name)
            scalars(conn, _LOCK_KEYS, {"name": name})
            execute(conn, _RENAME_IN_KEYS, {"name": name, "new": new})
            record(conn, caller, Action.GRAPH_RENAME, name, detail={"new": new})
    except psycopg.errors.UniqueViolation as error:
        raise GraphExists(f"there is a graph {new!r} already.") from error
    return renamed


def change(conn: Connection, name: str, *, caller: Caller = NOBODY, **changes: str | int | None) -> Graph:
    """Change profile, days_kept, retention_days or quota_bytes. None: the service's. Raises NotFound, GraphNotReady,
    BadRequest."""
    require_changeable(name)
    with conn.transaction():
        # Locked, since fields that nobody changes here are written as they were.
        before = _there(one(conn, Graph, _LOCK, {"name": name}), name)
        changed = one(conn, Graph, _CHANGE, msgspec.structs.asdict(before) | changes)
        if changed is None:
            raise _not_ready(conn, name)
        if changed != before:
            record(conn, caller, Action.GRAPH_CHANGE, name, detail=changes)
    return changed


def require_changeable(name: str) -> None:
    """Raises BadRequest for `default`."""
    if name == DEFAULT:
        raise BadRequest(
            f"the graph {DEFAULT!r} cannot be changed or renamed. It is as the settings of the service say: "
            "MENTIONGRAPH_MAX_DATABASE_BYTES is its quota, MENTIONGRAPH_RETENTION_DAYS its retention, and "
            "MENTIONGRAPH_DAYS_KEPT its days of daily numbers. Uploads name their profile, or a tool names it."
        )


def _not_ready(conn: Connection, name: str) -> GraphNotReady:
    """Raises NotFound."""
    return GraphNotReady(f"the graph {name!r} is {find(conn, name).state}, not ready.")


def _there(found: Graph | None, name: str) -> Graph:
    if found is None:
        raise no_graph(name)
    return found


# What people say of a graph ------------------------------------------------------------------------------------------

NO_HALF_LIFE = "none"
SHARDS = (1, 2, 4, 8, 16, 32, 64)
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=36_500)
_HIGHEST_BYTES = 2**53 - 1


def wanted(
    name: str,
    *,
    now: datetime,
    half_life: str = "7d",
    shards: int = 8,
    profile: str | None = None,
    days_kept: int | None = None,
    retention_days: int | None = None,
    quota_bytes: int | None = None,
    database_url: str | None = None,
) -> Graph:
    """A graph to create, as people describe it. Raises BadRequest. The caller has looked at the profile."""
    if shards not in SHARDS:
        raise BadRequest(f"the field 'shards' has to be one of {', '.join(map(str, SHARDS))}, not {shards}.")
    check(days_kept=days_kept, retention_days=retention_days, quota_bytes=quota_bytes)
    return Graph(
        name=require_name(name),
        state="creating",
        half_life=half_life_named(half_life),
        shards=shards,
        profile=profile,
        days_kept=days_kept,
        retention_days=retention_days,
        quota_bytes=quota_bytes,
        database_url=database_url,
        created_at=now,
    )


def half_life_named(text: str) -> timedelta | None:
    """The half-life in a text such as 30d or none. Raises BadRequest."""
    if text == NO_HALF_LIFE:
        return None
    found = durations.duration(text)
    if found is None or not _SHORTEST <= found <= _LONGEST:
        raise BadRequest(
            f"the half-life has to be none, or a duration from 1m to 36500d such as 30d or 12h, not {quoted(text, 60)}."
        )
    return found


def half_life_text(half_life: timedelta | None) -> str:
    """The text that `half_life_named` reads."""
    return NO_HALF_LIFE if half_life is None else durations.text_of(half_life)


def check(*, days_kept: int | None = None, retention_days: int | None = None, quota_bytes: int | None = None) -> None:
    """Raises BadRequest for a number that no graph can have."""
    for field, value, lowest, highest in (
        ("days_kept", days_kept, 0, 366),
        ("retention_days", retention_days, 1, 36_500),
        ("quota_bytes", quota_bytes, 1, _HIGHEST_BYTES),
    ):
        if value is not None and not lowest <= value <= highest:
            raise BadRequest(f"the field {field!r} has to be a whole number from {lowest} to {highest}, not {value}.")

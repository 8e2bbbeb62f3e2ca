"""How the graphs are: whether their databases answer and have the schema. Few threads ask, for a few seconds.

A process keeps the answer for a while. So whoever asks for it, and however often, the databases are asked seldom.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue

import msgspec
import psycopg

from app.control import graphs
from app.control.graphs import DEFAULT, Graph
from app.errors import DatabaseUnavailable, SchemaTooNew
from app.settings import Settings
from app.store.migrations import pending_migrations

THREADS = 4
SECONDS = 3.0
"""Seconds after which the rest is not asked."""
PATIENCE = 2
"""Seconds that one database may take to answer."""
FRESH_SECONDS = 30.0


READY, NOT_ASKED = "ready", "not asked"


class Condition(msgspec.Struct, frozen=True):
    """How a graph is."""

    graph: str
    state: str
    """`creating`, `ready` or `dropping`, as the list of graphs has it."""
    database: str
    """`ready`, or what is wrong with its database, in a line. `not asked`: there was no time, or the graph's state is
    not `ready`."""


class Ailing(msgspec.Struct, frozen=True):
    """A graph that is in trouble."""

    graph: str
    ailment: str
    """What is wrong with the graph, in a line."""


class Looks:
    """Looks at the graphs of an installation, now and then. One instance a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Condition] = []
        self._until = 0.0

    def conditions(self, listed: Sequence[Graph], settings: Settings) -> list[Condition]:
        """The condition of `default`, and of the listed graphs as they were listed at the last look."""
        with self._lock:
            if time.monotonic() > self._until:
                self._found = look(listed, settings)
                self._until = time.monotonic() + FRESH_SECONDS
            return self._found


def ailing(conditions: Iterable[Condition]) -> list[Ailing]:
    """The graphs in trouble, but for `default`. Of a graph that was not asked, nobody knows of any trouble."""
    return [
        Ailing(each.graph, each.database)
        for each in conditions
        if each.graph != DEFAULT and each.database not in {READY, NOT_ASKED}
    ]


def look(listed: Sequence[Graph], settings: Settings) -> list[Condition]:
    """Ask `default`, and the listed graphs that are ready. Returns conditions in this order."""
    waiting = SimpleQueue[tuple[str, str]]()
    waiting.put((DEFAULT, settings.database_url))
    for graph in listed:
        if graph.state == "ready":
            waiting.put((graph.name, graphs.url_of(settings, graph)))
    found, deadline = dict[str, str](), time.monotonic() + SECONDS

    def ask() -> None:
        while time.monotonic() < deadline:
            try:
                name, url = waiting.get_nowait()
            except Empty:
                return
            found[name] = "does not answer"  # until it does
            found[name] = _ailment(url) or READY

    # Daemons: nobody waits for one that hangs.
    threads = [threading.Thread(target=ask, daemon=True) for _ in range(min(THREADS, 1 + len(listed)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + PATIENCE / 2 - time.monotonic()))
    every = [(DEFAULT, "ready"), *((graph.name, graph.state) for graph in listed)]
    return [Condition(name, state, found.get(name, NOT_ASKED)) for name, state in every]


def _ailment(url: str) -> str | None:
    try:
        missing = pending_migrations(url, patience=PATIENCE)
    except SchemaTooNew as error:
        return error.detail
    except (DatabaseUnavailable, psycopg.Error) as error:
        return " ".join(str(error).split())
    return f"lacks {', '.join(missing)}: run `mentiongraph migrate`" if missing else None

"""Which graphs are in trouble: their database does not answer, or lacks the schema. Few threads ask, for a few seconds.

A process keeps the answer for a while. So whoever asks for it, and however often, the databases are asked seldom.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue

import msgspec
import psycopg

from app.control import graphs
from app.errors import DatabaseUnavailable, SchemaTooNew
from app.settings import Settings
from app.store.migrations import pending_migrations
from app.store.postgres import Connection

THREADS = 4
SECONDS = 3.0
"""Seconds after which the rest is not asked."""
PATIENCE = 2
"""Seconds that one database may take to answer."""
FRESH_SECONDS = 30.0


class Ailing(msgspec.Struct, frozen=True):
    """A graph that is in trouble."""

    graph: str
    ailment: str
    """What is wrong with the graph, in a line."""


class Looks:
    """Looks at the graphs of an installation, now and then. One instance a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Ailing] = []
        self._until = 0.0

    def ailing(self, conn: Connection, settings: Settings) -> list[Ailing]:
        """The graphs in trouble, but for `default`, by name. `conn` leads to the database of `default`."""
        with self._lock:
            if time.monotonic() > self._until:
                self._found = look(conn, settings)
                self._until = time.monotonic() + FRESH_SECONDS
            return self._found


def look(conn: Connection, settings: Settings) -> list[Ailing]:
    """Ask every graph but `default`. A graph that was not asked in time is in no trouble, as far as anybody knows."""
    waiting = SimpleQueue[graphs.Graph]()
    listed = graphs.ready(conn)
    for graph in listed:
        waiting.put(graph)
    found, deadline = dict[str, str | None](), time.monotonic() + SECONDS

    def ask() -> None:
        while time.monotonic() < deadline:
            try:
                graph = waiting.get_nowait()
            except Empty:
                return
            found[graph.name] = "does not answer"  # until it does
            found[graph.name] = _ailment(graphs.url_of(settings, graph))

    # Daemons: nobody waits for one that hangs.
    threads = [threading.Thread(target=ask, daemon=True) for _ in range(min(THREADS, len(listed)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + PATIENCE / 2 - time.monotonic()))
    return [Ailing(name, ailment) for name, ailment in sorted(found.items()) if ailment is not None]


def _ailment(url: str) -> str | None:
    try:
        missing = pending_migrations(url, patience=PATIENCE)
    except SchemaTooNew as error:
        return error.detail
    except (DatabaseUnavailable, psycopg.Error) as error:
        return " ".join(str(error).split())
    return f"lacks {', '.join(missing)}: run `mentiongraph migrate`" if missing else None

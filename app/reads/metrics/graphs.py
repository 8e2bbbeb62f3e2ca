"""The metrics of all graphs: read side by side, within a bound of time, by one thread a server.

A server that hangs holds up its own thread, and so no graph of another server. Whoever scrapes waits `SECONDS` at most,
and is told what is known by then. The threads go on, and the next scrape has what they found.

There may be hundreds of graphs. A graph is read again if rows were inserted into its database since, which one question
to the server tells of all its databases, or after `AGAIN_SECONDS`. So idle graphs cost nearly nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue

import psycopg
import structlog

from app.control import graphs
from app.control.graphs import DEFAULT, Graph
from app.ledger.sweeping import inserted
from app.metrics.tallies import Families
from app.reads.metrics import ledger, servers
from app.reads.metrics.ledger import Reading
from app.settings import Settings
from app.store import addresses, postgres
from app.store.postgres import Connection

log = structlog.get_logger(__name__)

SECONDS = 2.0
"""Seconds that a scrape waits for the servers."""
FRESH_SECONDS = 1.0
"""Seconds for which a scrape is told to whoever else asks."""
AGAIN_SECONDS = 30.0
"""Seconds after which a graph is read again in which nothing seems to happen."""
STATEMENT_SECONDS = 2.0
"""Seconds after which PostgreSQL cancels a statement of a scrape."""
IDLE_SECONDS = 60.0
"""Seconds after which a thread without work ends, with its connections."""
MOST_SERVERS = 16
"""Threads. Servers beyond share the threads of others."""
MOST_KEPT = 2
"""Connections that a thread keeps for the next scrape."""

LATE_SECONDS = 10.0
"""Seconds after which the graphs of a server that still owes an answer are not up."""

OTHER = "_other"
"""The label of the graphs beyond those that have one of their own. No graph has this name."""


class Known:
    """A graph, as the metrics know it."""

    def __init__(self, name: str, url: str, created_at: datetime | None) -> None:
        self.name = name
        self.url = url
        self.created_at = created_at
        self.server, self.database = addresses.parts(url)
        self.own_label = False
        """Whether the graph has a label of its own. Once it shares one, it shares it for ever, since it would take what
        it counted along."""
        self.reading: Reading | None = None
        self.up: bool | None = None
        """Whether its database answered the last time. None: nobody has asked."""
        self.read_at = -AGAIN_SECONDS
        self.inserted: int | None = None


class Lane:
    """The thread of a server, with the connections that it keeps."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: SimpleQueue[Callable[[Lane], None]] = SimpleQueue()
        self._kept: dict[str, Connection] = {}
        self._lock = threading.Lock()
        self._running = False
        self._busy_since: float | None = None

    def is_late(self, read_at: float) -> bool:
        """Whether the thread has been busy for long with what it began after `read_at`."""
        since = self._busy_since
        return since is not None and read_at < since < time.monotonic() - LATE_SECONDS

    def run(self, work: Callable[[Lane], None]) -> None:
        """Do the work after what waits already."""
        with self._lock:
            self._waiting.put(work)
            if not self._running:
                self._running = True
                # A daemon: nobody waits for a server that hangs.
                threading.Thread(target=self._go, name=f"metrics {self._name}", daemon=True).start()

    def _go(self) -> None:
        while True:
            try:
                work = self._waiting.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if not self._waiting.empty():
                        continue
                    self._running = False
                self.close()
                return
            self._busy_since = time.monotonic()
            work(self)
            self._busy_since = None

    def connection(self, url: str, settings: Settings) -> Connection:
        """A connection that works as far as anybody knows. Raises psycopg.Error."""
        conn = self._kept.pop(url, None)
        if conn is None or conn.closed:
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept))).close()
            conn = postgres.connect_to_work(
                url, role="metrics", statement_timeout=STATEMENT_SECONDS, pgbouncer=settings.pgbouncer
            )
        self._kept[url] = conn  # the last one is that used last
        return conn

    def forget(self, url: str) -> None:
        """Close the connection, which failed."""
        conn = self._kept.pop(url, None)
        if conn is not None:
            conn.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._kept:
            self._kept.popitem()[1].close()


class Watch:
    """The metrics of the whole service, as one process tells them. One instance a process, for any thread."""

    def __init__(self, settings: Settings, clock: postgres.Now) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._found: Families = {}
        self._until = 0.0
        default = Known(DEFAULT, settings.database_url, None)
        default.own_label = True
        self._default = default
        self._graphs: dict[tuple[str, datetime | None], Known] = {(default.url, None): default}
        self._states: dict[str, int] = {"ready": 1}
        self._service: Families = {}
        self._service_read = False
        self._lanes: dict[str, Lane] = {}
        self._under_way = set[str]()
        """What the threads still do for an earlier scrape."""
        self._bell = servers.Bell(settings)
        self._redis_up = False
        self._gone: dict[str, dict[tuple[str, ...], ledger.Value]] = {}
        """What graphs without a label of their own had counted before they were dropped."""

    def collect(self) -> Families:
        """The metrics of all graphs and of the service, at most `FRESH_SECONDS` old. Takes about `SECONDS` at most."""
        with self._lock:
            if time.monotonic() > self._until:
                begun = time.monotonic()
                self._read()
                self._found = self._told()
                self._found["scrape_duration_seconds"] = {(): time.monotonic() - begun}
                self._until = time.monotonic() + FRESH_SECONDS
            return self._found

    def forget(self) -> None:
        """Read everything anew at the next scrape."""
        with self._lock:
            self._until = 0.0
            for known in self._graphs.values():
                known.inserted = None

    def close(self) -> None:
        """Close what no thread uses at this moment."""
        for lane in self._lanes.values():
            lane.run(Lane.close)
        self._bell.close()

    # Reading ---------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        deadline = time.monotonic() + SECONDS
        default = self._begin(self._default.server, "default", self._read_default)
        redis = self._begin("redis", "redis", self._ask_redis)
        # The graphs that are known, on other servers than that of the list, need not wait for the list.
        others = self._begin_servers(but={self._default.server})
        default.wait(SECONDS / 2)
        # The others are on the server of the list, or were listed just now.
        rest = self._begin_servers(but=others.keys())
        for each in (default, redis, *others.values(), *rest.values()):
            each.wait(max(0.0, deadline - time.monotonic()))

    def _begin_servers(self, but: Collection[str]) -> dict[str, threading.Event]:
        """Begin to read the graphs of each server. Returns by server an event that tells of the end."""
        by_server: dict[str, list[Known]] = {}
        for known in self._graphs.values():
            if known is not self._default and known.server not in but:
                by_server.setdefault(known.server, []).append(known)
        return {
            server: self._begin(server, f"graphs of {server}", partial(self._read_server, there))
            for server, there in by_server.items()
        }

    def _begin(self, server: str, what: str, work: Callable[[Lane], None]) -> threading.Event:
        """Do the work on the thread of a server. If it is still done for an earlier scrape, this is enough."""
        ended = threading.Event()
        if what in self._under_way:
            return ended
        self._under_way.add(what)

        def run(lane: Lane) -> None:
            try:
                work(lane)
            except Exception as error:  # noqa: BLE001 (the thread goes on)
                log.warning("metrics cannot be read", of=what, error=f"{type(error).__name__}: {error}")
            finally:
                self._under_way.discard(what)
                ended.set()

        self._lane(server).run(run)
        return ended

    def _lane(self, server: str) -> Lane:
        if server not in self._lanes and len(self._lanes) >= MOST_SERVERS:
            server = sorted(self._lanes)[hash(server) % MOST_SERVERS]
        return self._lanes.setdefault(server, Lane(server))

    def _ask_redis(self, _: Lane) -> None:
        self._redis_up = self._bell.up()

    def _read_default(self, lane: Lane) -> None:
        """Read the graph `default`, the list of graphs, and what its server says of the service."""
        conn = self._ask(lane, self._default)
        self._service_read = conn is not None
        if conn is None:
            return
        try:
            self._service = servers.read(conn, self._settings)
            self._list(graphs.every(conn))
        except psycopg.Error as error:
            self._service_read = False
            lane.forget(self._default.url)
            log.debug("the service's metrics cannot be read", error=str(error))

    def _list(self, listed: list[Graph]) -> None:
        found = {(self._default.url, self._default.created_at): self._default}
        own = sum(known.own_label for known in self._graphs.values())
        for graph in sorted(listed, key=lambda each: (each.created_at, each.name)):
            if graph.state != "ready":
                continue
            key = (graphs.url_of(self._settings, graph), graph.created_at)
            known = self._graphs.get(key)
            if known is None:
                known = Known(graph.name, *key)
                known.own_label = own < self._settings.metrics_graphs
                own += known.own_label
            known.name = graph.name  # it may have been renamed
            found[key] = known
        for key in self._graphs.keys() - found.keys():
            self._keep_what_is_gone(self._graphs[key])
        self._graphs = found
        states = {"creating": 0, "ready": 1, "dropping": 0}
        for graph in listed:
            states[graph.state] += 1
        self._states = states

    def _keep_what_is_gone(self, known: Known) -> None:
        if known.own_label or known.reading is None:
            return
        for name, values in known.reading.families.items():
            if ledger.is_monotone(name):
                for labels, value in values.items():
                    there = self._gone.setdefault(name, {})
                    there[labels] = ledger.add(there.get(labels), value)

    def _read_server(self, there: list[Known], lane: Lane) -> None:
        """Read the graphs of a server in which something may have happened since."""
        numbers: dict[str, int] = {}
        asked = there[0] if there[0].up is not False else there[-1]
        try:
            numbers = inserted(lane.connection(asked.url, self._settings), [each.database for each in there])
        except psycopg.Error:
            lane.forget(asked.url)
        for known in there:
            number = numbers.get(known.database)
            quiet = known.up and number is not None and number == known.inserted
            due = not quiet or time.monotonic() > known.read_at + AGAIN_SECONDS
            if due and self._ask(lane, known) is not None:
                known.inserted = number  # as of before the reading: what was inserted meanwhile makes it due again

    def _ask(self, lane: Lane, known: Known) -> Connection | None:
        """Read a graph. Returns the connection; None if its database does not answer, or says no."""
        try:
            conn = lane.connection(known.url, self._settings)
            with conn.transaction():
                reading = ledger.read(conn)
        except (psycopg.Error, OSError) as error:
            lane.forget(known.url)
            if known.up is not False:
                log.warning("a graph's metrics cannot be read", graph=known.name, error=" ".join(str(error).split()))
            known.up = False
            return None
        known.reading = _never_less(reading, known.reading)
        known.up, known.read_at = True, time.monotonic()
        return conn

    # Telling ---------------------------------------------------------------------------------------------------------

    def _told(self) -> Families:
        now = self._clock()
        found: Families = {"graphs": {(state,): float(number) for state, number in self._states.items()}}
        if self._service_read:
            found |= self._service
        found |= servers.free_bytes(self._settings)
        found["redis_up"] = {(): float(self._redis_up and "redis" not in self._under_way)}
        found["graph_up"] = {}
        others: list[Known] = []
        for known in list(self._graphs.values()):
            if not known.own_label:
                others.append(known)
            elif known.up is not None:
                up = self._is_up(known)
                found["graph_up"][(known.name,)] = float(up)
                _add_graph(found, known, now, up=up)
        if others or self._gone:
            self._add_others(found, others, now)
        return found

    def _is_up(self, known: Known) -> bool:
        return known.up is True and not self._lane(known.server).is_late(known.read_at)

    def _add_others(self, found: Families, others: list[Known], now: datetime) -> None:
        """The graphs without a label of their own, as one. What they counted is told once all of them were read, and
        then whatever is away: the sum of what they counted must not fall."""
        found["graph_up"][(OTHER,)] = float(all(self._is_up(known) for known in others))
        all_known = all(known.reading is not None for known in others)
        together: Families = {name: dict(values) for name, values in self._gone.items()} if all_known else {}
        for known in others:
            for name, values in (known.reading.at(now) if known.reading else {}).items():
                counts = ledger.is_monotone(name)
                if not (all_known if counts else self._is_up(known)):
                    continue
                into = together.setdefault(name, {})
                for labels, value in values.items():
                    # Of waits and of instants the worst counts, of all else the sum.
                    into[labels] = _worse(name, into.get(labels), value)
        for name, values in together.items():
            found.setdefault(name, {}).update({(OTHER, *labels): value for labels, value in values.items()})


def _worse(name: str, one: ledger.Value | None, other: ledger.Value) -> ledger.Value:
    if name.endswith("_timestamp_seconds"):
        return other if one is None or isinstance(one, tuple) or isinstance(other, tuple) else min(one, other)
    if name.endswith("_seconds") and not ledger.is_monotone(name):
        return other if one is None or isinstance(one, tuple) or isinstance(other, tuple) else max(one, other)
    return ledger.add(one, other)


def _add_graph(found: Families, known: Known, now: datetime, *, up: bool) -> None:
    """A graph with a label of its own. While its database is away, only what it counted is told, as it was last."""
    if known.reading is None:
        return
    for name, values in known.reading.at(now).items():
        if up or ledger.is_monotone(name):
            found.setdefault(name, {}).update({(known.name, *labels): value for labels, value in values.items()})


def _never_less(reading: Reading, before: Reading | None) -> Reading:
    if before is None:
        return reading
    families: Families = {
        name: {
            labels: ledger.not_less(value, before.families.get(name, {}).get(labels)) for labels, value in each.items()
        }
        if ledger.is_monotone(name)
        else each
        for name, each in reading.families.items()
    }
    return Reading(families, reading.since)

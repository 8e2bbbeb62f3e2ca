"""One room a graph: what a worker process knows of the graph, and its connections.

Each graph is a database. A process opens a room at the first message or sweep for its graph. The rooms share a bounded
number of connections (see app/store/lending.py) and a bounded memory for ids of users, however many graphs there are.

The list of graphs is in the database of `default`. While that is away, a process goes on with the graphs it knows.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple

import psycopg
import structlog

from app.control import graphs
from app.control.graphs import DEFAULT
from app.graph.parameters import GraphParameters, read_parameters
from app.graph.users import UserIds
from app.ledger import periods, transitions
from app.ledger.periods import Period
from app.ledger.space import Space
from app.ledger.transitions import Claim
from app.settings import Settings
from app.store import addresses, postgres
from app.store.lending import LONGEST_AWAY, Lender, Place
from app.store.postgres import Connection

log = structlog.get_logger(__name__)

LONGEST_COUNT_SECONDS = 600.0
"""A claim is not renewed for longer than this: its holder is stuck, and another worker shall try."""

BUSY_SECONDS = 60.0
"""Seconds after its last work for which a graph is swept as often as `default`."""
IDLE_SWEEP_SECONDS = 60.0
"""Each other graph is swept once in this time."""

AGAIN_SECONDS = 1.0
"""Seconds between two looks at the list for a graph that is not on it. Anybody may forge a message."""

DEFAULT_LONGEST_AWAY = 1.0
"""Seconds after which a process tries the database of `default` again that was away."""


class Graph(NamedTuple):
    """What every message needs of the graph."""

    parameters: GraphParameters
    user_ids: UserIds


class Room:
    """A graph, as this process works on it."""

    def __init__(self, name: str, settings: Settings, lender: Lender, *, created_at: datetime | None = None) -> None:
        """`created_at` tells a graph from an earlier graph of its name. None: `default`, which nobody drops."""
        self.name = name
        self.settings = settings
        self.created_at = created_at
        self.server, self.database = addresses.parts(settings.database_url)
        self.inserted: int | None = None
        """Rows that were ever inserted, at the last look. None: nobody has looked, or nobody knows."""
        self._lender = lender
        open_one = partial(
            postgres.connect_to_work,
            settings.database_url,
            role="worker",
            statement_timeout=settings.statement_timeout,
            pgbouncer=settings.pgbouncer,
        )
        longest_away = DEFAULT_LONGEST_AWAY if name == DEFAULT else LONGEST_AWAY
        self.place = Place(open_one, pgbouncer=settings.pgbouncer, longest_away=longest_away)
        self.space = Space(settings)
        """While it is short, batches wait: they are neither rung nor claimed, so no attempt is used up."""
        self._waiting = False
        self._graph: Graph | None = None
        self._claims: dict[uuid.UUID, float] = {}
        self._unwritten: list[Claim] = []
        """Claims whose attempt is to be given back, since the database could not even write down that it failed."""
        self.used = -BUSY_SECONDS
        """When there was work, by `time.monotonic`."""
        self.swept = False
        """Whether this process has swept the graph. Another process that was killed may have left work."""
        self.sweep_at = time.monotonic() + random.uniform(0, settings.sweep_seconds)  # noqa: S311 (spread evenly)

    def become(self, name: str, settings: Settings) -> None:
        """Take another name, or other settings with the same database. Whoever works with the room goes on."""
        self.name = name
        if settings != self.settings:
            self.settings, self.space = settings, Space(settings)

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """A connection for the duration of the block."""
        with self._lender.connection(self.place) as conn:
            yield conn

    def graph(self, conn: Connection) -> Graph:
        """The graph's parameters, and the ids of its users. The parameters are fixed, so they are read once."""
        found = self._graph
        if found is None:
            parameters = read_parameters(conn)
            found = Graph(parameters, UserIds(bits=parameters.handle_bits, memory=self.settings.known_handles))
            self._graph = found
        return found

    @property
    def remembered(self) -> int:
        """How many ids of users this process remembers."""
        return len(self._graph.user_ids) if self._graph else 0

    def forget(self) -> None:
        """Forget the ids of users, and read the parameters anew."""
        self._graph = None

    def may_count(self, conn: Connection) -> bool:
        """Whether there is room for what a count writes. The batches wait otherwise."""
        short = self.space.shortage(conn)
        if (short is not None) is not self._waiting:
            self._waiting = short is not None
            log.warning("batches_wait_for_room" if short else "room_again", reason=short, graph=self.name)
        return short is None

    @contextmanager
    def holding(self, claim: Claim | Period, *, seconds: float = LONGEST_COUNT_SECONDS) -> Generator[None]:
        """Renew a claim while its batch or period is worked on; see `renew`."""
        self._claims[claim.token] = time.monotonic() + seconds
        try:
            yield
        finally:
            self._claims.pop(claim.token, None)

    @property
    def held(self) -> list[uuid.UUID]:
        """The tokens of the claims that are to be renewed."""
        now = time.monotonic()
        return [token for token, until in list(self._claims.items()) if now < until]

    def renew(self) -> None:
        """Renew the claims that this process holds."""
        tokens = self.held
        if tokens:
            with self.connection() as conn:
                transitions.renew(conn, tokens, settings=self.settings, now=postgres.clock())
                periods.renew(conn, tokens, settings=self.settings, now=postgres.clock())

    def give_back_later(self, claim: Claim) -> None:
        """An attempt failed with the database, which cannot write that down now."""
        self._unwritten.append(claim)

    def give_back(self, conn: Connection) -> None:
        """Write down which attempts are not to be counted."""
        claims = list[Claim]()
        with suppress(IndexError):
            while True:  # each claim goes to one thread: an attempt is given back once
                claims.append(self._unwritten.pop())
        try:
            if claims:
                transitions.give_back(conn, claims)
        except BaseException:
            self._unwritten.extend(claims)
            raise

    def worked(self) -> None:
        """There was work."""
        self.used = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether there was work a moment ago, or may be at any moment."""
        return (
            self.name == DEFAULT or bool(self._claims or self._unwritten) or time.monotonic() < self.used + BUSY_SECONDS
        )

    def sweep_is_due(self) -> bool:
        """Whether to sweep now. The answer is yes once, for a graph that is not busy."""
        now = time.monotonic()
        if not self.busy and now < self.sweep_at:
            return False
        self.sweep_at = now + IDLE_SWEEP_SECONDS
        return True


class Rooms:
    """The rooms of this process. `connections` is the most that all of them together open."""

    def __init__(self, settings: Settings, *, connections: int) -> None:
        self.settings = settings
        self.lender = Lender(connections)
        self.default = Room(DEFAULT, settings, self.lender)
        self._rooms = {DEFAULT: self.default}
        self._lock = threading.Lock()
        self._looked = -AGAIN_SECONDS
        self._was_away = False
        """Whether the database of `default` did not answer when the list was to be read last."""

    def all(self) -> list[Room]:
        """Every graph of the list, as it was read last."""
        return list(self._rooms.values())

    def find(self, name: str) -> Room | None:
        """The room of a graph. None: no list that this process could read has the graph."""
        room = self._rooms.get(name)
        if room is None and time.monotonic() > self._looked + AGAIN_SECONDS:
            self.refresh()
            room = self._rooms.get(name)
        return room

    def refresh(self) -> None:
        """Read the list. A list that cannot be read changes nothing."""
        self._looked = time.monotonic()
        try:
            with self.default.connection() as conn:
                listed = graphs.ready(conn)
        except psycopg.Error as error:
            log.debug("graph_list_unreadable", error=str(error))
            self._was_away = True
            return
        if self._was_away:
            # The server is back: graphs on it need not wait until their time away is over.
            self._was_away = False
            for each in listed:
                room = self._rooms.get(each.name)
                if room is not None and each.database_url is None:
                    room.place.again()
        with self._lock:
            before = self._rooms
            # A graph that was renamed or changed keeps its room, with the claims of those who work in it.
            known = {(room.settings.database_url, room.created_at): room for room in before.values()}
            rooms = {DEFAULT: self.default}
            for each in listed:
                settings = graphs.settings_of(self.settings, each)
                room = known.get((settings.database_url, each.created_at))
                if room is None:
                    room = Room(each.name, settings, self.lender, created_at=each.created_at)
                else:
                    room.become(each.name, settings)
                rooms[each.name] = room
            self._rooms = rooms
        stay = {id(room) for room in rooms.values()}
        for room in before.values():
            if id(room) not in stay:
                self.lender.close(room.place)

    def look_after(self) -> None:
        """Close connections that were idle for long, forget ids if they are too many, and let nobody wait for a server
        that does not answer."""
        self.lender.tidy()
        together = 0
        for number, room in enumerate(sorted(self.all(), key=lambda each: each.used, reverse=True)):
            together += room.remembered
            # The room that was used last is bounded by itself.
            if number and together > self.settings.known_handles:
                together -= room.remembered
                room.forget()
        for place in self.lender.look():
            for room in self.all():
                if room.place is place:
                    log.warning("database_not_answering", graph=room.name)

    def close(self) -> None:
        """Close every connection that is not in use."""
        for room in self.all():
            self.lender.close(room.place)

"""Connections to many databases, with one bound on all of them together.

A pool for each database would bound each database alone, and would have threads for each. The lender opens a connection
when a caller needs one and keeps it for the next caller. If the bound is reached, the lender closes the connection that
was idle for the longest time, of whatever database. So the number of databases does not matter.

A database that is away hurts no caller of another one. The first callers try for a few seconds. After that the place
is away: for a while each caller fails at once, and then one caller tries again.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import psycopg
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus

from app.store.postgres import FIRST_PAUSE, LONGEST_PAUSE, POOL_TIMEOUT, Connection, require_primary
from app.store.waits import waited

IDLE_SECONDS = 30.0
"""Seconds after which an idle connection is closed."""
LIFE_SECONDS = 3600.0
"""Seconds after which a connection is not lent again, since a server process grows with its age."""
FIRST_AWAY, LONGEST_AWAY = 0.5, 30.0
"""The first and the longest time in seconds for which a place is away. Each further failure doubles the time."""
LOOK_SECONDS = 5.0
"""Seconds after which the lender asks whether the server of a lent connection still answers."""
SILENT_SECONDS = 15.0
"""Seconds after which a server that does not answer loses its callers."""


class Away(psycopg.OperationalError):
    """The database was away a moment ago, and is not asked again yet."""


class _Held(NamedTuple):
    conn: Connection
    opened: float
    since: float
    """When it was lent, or when it came back."""


class Place:
    """A database, as a lender knows it. `open_one` opens a connection; `pgbouncer` says what is in between."""

    def __init__(
        self, open_one: Callable[[], Connection], *, pgbouncer: bool = False, longest_away: float = LONGEST_AWAY
    ) -> None:
        self.open_one = open_one
        self.pgbouncer = pgbouncer
        self.closed = False
        self._longest_away = longest_away
        self._failures = 0
        self._away_until = 0.0
        self._trying = False
        self.idle: list[_Held] = []
        self.lent: dict[int, _Held] = {}
        self.answered = time.monotonic()
        """When its server last answered, whatever it said."""
        self.reason: str | None = None
        """Why it is away; None while it is not."""

    @property
    def away(self) -> bool:
        """Whether a caller is to fail at once. Of several callers, one tries a place again that was away."""
        return self.was_away and (self._trying or time.monotonic() < self._away_until)

    @property
    def was_away(self) -> bool:
        """Whether the last attempt to open a connection failed."""
        return self._failures > 0

    def again(self) -> None:
        """Its server answers: the next caller tries at once."""
        self._away_until = 0.0

    def trying(self) -> None:
        """Somebody opens a connection."""
        self._trying = self.was_away

    def came(self) -> None:
        """A connection was opened."""
        self._failures, self._trying, self.reason = 0, False, None

    def failed(self, error: BaseException) -> None:
        """No connection could be opened, for as long as a caller waits."""
        now = time.monotonic()
        if now >= self._away_until:  # of several callers that failed together, one counts
            self._away_until = now + min(self._longest_away, FIRST_AWAY * 2**self._failures)
            self._failures = min(self._failures + 1, 16)
        self._trying, self.reason = False, " ".join(str(error).split()) or type(error).__name__


class Lender:
    """Lends connections, at most `most` at once, and keeps no more than these open."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._places: set[Place] = set()
        self._changed = threading.Condition()
        """Whoever wakes may want no connection any more, since its place is away. So all who wait are told."""

    @property
    def open(self) -> int:
        """How many connections are open, or being opened."""
        return self._open

    @contextmanager
    def connection(self, place: Place) -> Generator[Connection]:
        """A connection for the block. Raises Away, or psycopg.OperationalError after POOL_TIMEOUT seconds."""
        begun = time.perf_counter()
        held = self._take(place)
        waited("worker", begun)
        try:
            yield held.conn
        finally:
            self._take_back(place, held)

    def _take(self, place: Place) -> _Held:
        deadline = time.monotonic() + POOL_TIMEOUT
        while True:
            found = self._idle_or_slot(place, deadline)
            if found is None:
                conn = self._opened(place, deadline)
                now = time.monotonic()
                return self._lent(place, _Held(conn, now, now))
            # It is lent from here on, so that nobody waits for ever for a server that stands still.
            held = self._lent(place, found._replace(since=time.monotonic()))
            if self._works(place, held):
                return held
            # If one connection is lost, mostly all connections are lost.
            self.drain(place)

    def _idle_or_slot(self, place: Place, deadline: float) -> _Held | None:
        """An idle connection of the place; or None, and then the caller may open one."""
        with self._changed:
            while True:
                if place.closed:
                    raise Away("the database is not used any more")
                if place.idle:
                    return place.idle.pop()
                if place.away:
                    raise Away(f"away: {place.reason}")
                if self._open < self._most or self._close_longest_idle():
                    self._open += 1
                    place.trying()
                    return None
                if not self._changed.wait(deadline - time.monotonic()):
                    raise psycopg.OperationalError(f"all {self._most} connections of this process are in use")

    def _close_longest_idle(self) -> bool:
        oldest = min((each for each in self._places if each.idle), key=lambda each: each.idle[0].since, default=None)
        if oldest is None:
            return False
        oldest.idle.pop(0).conn.close()
        self._open -= 1
        return True

    def _works(self, place: Place, held: _Held) -> bool:
        try:
            held.conn.execute(b"")
            if not place.pgbouncer:
                require_primary(held.conn)
        except psycopg.Error:
            with self._changed:
                place.lent.pop(id(held.conn), None)
            self._closed(held)
            return False
        return True

    def _opened(self, place: Place, deadline: float) -> Connection:
        pause, patient = FIRST_PAUSE, not place.was_away
        while True:
            conn = None
            try:
                conn = place.open_one()
                if not place.pgbouncer:
                    require_primary(conn)
            except BaseException as error:
                if conn is not None:
                    conn.close()
                late = not patient or time.monotonic() + pause > deadline or place.closed
                if late or not isinstance(error, psycopg.OperationalError):
                    with self._changed:
                        self._open -= 1
                        place.failed(error)
                        self._changed.notify_all()
                    raise
            else:
                with self._changed:
                    place.came()
                    place.answered = time.monotonic()
                return conn
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _lent(self, place: Place, held: _Held) -> _Held:
        with self._changed:
            place.lent[id(held.conn)] = held
            self._places.add(place)
        return held

    def _take_back(self, place: Place, held: _Held) -> None:
        conn = held.conn
        with suppress(psycopg.Error):
            if conn.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
                conn.rollback()
        with self._changed:
            now = time.monotonic()
            there = place.lent.pop(id(conn), None) is not None
            if (
                there
                and not place.closed
                and conn.info.transaction_status == TransactionStatus.IDLE
                and now < held.opened + LIFE_SECONDS
            ):
                place.idle.append(held._replace(since=now))
                self._changed.notify_all()
                return
        self._closed(held)

    def _closed(self, held: _Held) -> None:
        held.conn.close()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def drain(self, place: Place) -> None:
        """Close the idle connections of the place."""
        with self._changed:
            idle, place.idle = place.idle, []
        for held in idle:
            self._closed(held)

    def close(self, place: Place) -> None:
        """Close the place for good. Its lent connections are closed as they come back."""
        place.closed = True
        self.drain(place)
        with self._changed:
            if not place.lent:
                self._places.discard(place)

    def tidy(self) -> None:
        """Close what was idle for long."""
        before = time.monotonic() - IDLE_SECONDS
        late = list[_Held]()
        with self._changed:
            for place in self._places:
                late += [held for held in place.idle if held.since < before]
                place.idle = [held for held in place.idle if held.since >= before]
            self._places = {place for place in self._places if place.idle or place.lent}
        for held in late:
            self._closed(held)

    def look(self) -> list[Place]:
        """Ask the servers whose connections are lent for long whether they still answer. The callers of a server that
        is silent for long lose their connections, so that no thread waits for it. Returns the places that lost some.

        To be called every few seconds, by one thread. A statement may be as long as it likes while its server answers.
        """
        now = time.monotonic()
        with self._changed:
            asked = [
                place for place in self._places if any(held.since < now - LOOK_SECONDS for held in place.lent.values())
            ]
        return [place for place in asked if not self._answers(place)]

    def _answers(self, place: Place) -> bool:
        longest = min((held.since for held in list(place.lent.values())), default=time.monotonic())
        try:
            place.open_one().close()
        except ConnectionTimeout as error:
            # Before its connections were lent, nobody knows whether the server answered.
            if time.monotonic() - max(place.answered, longest) < SILENT_SECONDS:
                return True
            with self._changed:
                lent = list(place.lent.values())
                place.failed(error)
                for held in lent:
                    _hang_up(held.conn)
            self.drain(place)
            return False
        except psycopg.Error:
            pass  # it says no, but it answers
        place.answered = time.monotonic()
        return True


def _hang_up(conn: Connection) -> None:
    """End the connection under the thread that waits for it: that gets an error at once."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(conn.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)

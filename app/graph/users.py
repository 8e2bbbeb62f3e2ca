"""Users: every handle has one id, the first of its hashes that no other handle has.

Users are only ever added, so whoever looks, and whenever, finds the same id. Who adds some takes the lock of their
stretch of ids before it looks, so that nobody else can be adding the same, and copies them in: that costs PostgreSQL
half of what INSERT … ON CONFLICT does. Two handles whose hashes collide get two ids: the row says whose it is.

A forgotten person's row keeps its id and loses its handle. So the row's id is another handle's for whoever looks, and
the same handle gets its next id if it ever comes again. A count that began before somebody was forgotten must not add
the handle once more: so the lock of a stretch also guards the number of the latest erasure.

Ids are remembered, so a user that is once seen must not be lost again: these commits wait for the disk, unlike that of
the count that follows them, and what is remembered ends with the database's timeline and
with each erasure.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

import sql
from app.graph.shards import NOBODY, Ints, handle_ids, shard_of
from app.store import locks
from app.store.locks import Part
from app.store.params import Int8Array, TextArray, copy_users
from app.store.postgres import Connection, one, scalars

_NOT_OURS = sql.query("graph/users/not_ours")
_COPY = sql.query("graph/users/copy")
_TIMELINE = sql.query("graph/users/timeline")

MAX_PROBES = 64
"""Hashes tried for one handle. With 64 bits, two of 10^9 handles share their first hash with a probability of 3 %."""


STRETCHES = 8
"""Stretches of ids, each with a lock of its own for those who add users."""


class ForgottenMeanwhile(Exception):
    """Somebody was forgotten after the caller asked who is left out of counts. The caller asks and counts again."""


class _NotOurs(msgspec.Struct, frozen=True):
    """Positions of handles that do not have their id."""

    free: list[int]
    taken: list[int]
    erasures: int = 0
    """The number of the latest erasure."""


class _Known(NamedTuple):
    """Handles and their ids, by the hashes of the handles: an array each, for a dictionary is as slow as hashing anew,
    and four times as big."""

    timeline: str
    """The timeline of the database that has these users."""
    handles: pl.Series
    ids: Ints
    hashes: npt.NDArray[np.uint64]
    """Sorted."""
    rows: npt.NDArray[np.int64]
    """Whose hash it is."""

    def find(self, handles: pl.Series) -> Ints:
        """The ids of handles; NOBODY where an id is not known."""
        found = np.full(len(handles), NOBODY)
        wanted = handles.hash().to_numpy()
        order = np.argsort(wanted)  # near ones are found near each other
        places = np.searchsorted(self.hashes, wanted[order])
        places[places == len(self.hashes)] = 0
        hits = np.flatnonzero(self.hashes[places] == wanted[order]) if len(self.hashes) else np.array([], np.int64)
        asked, rows = order[hits], self.rows[places[hits]]
        same = (handles.gather(asked) == self.handles.gather(rows)).to_numpy()
        found[asked[same]] = self.ids[rows[same]]
        return found

    def add(self, handles: pl.Series, ids: Ints) -> _Known:
        together = pl.concat([self.handles, handles])
        hashes = np.concatenate([self.hashes, handles.hash().to_numpy()])
        rows = np.concatenate([self.rows, np.arange(len(self.handles), len(together))])
        order = np.argsort(hashes)
        return _Known(self.timeline, together, np.concatenate([self.ids, ids]), hashes[order], rows[order])


def _nobody(timeline: str) -> _Known:
    numbers = np.array([], np.int64)
    return _Known(timeline, pl.Series([], dtype=pl.String), numbers, np.array([], np.uint64), numbers)


class UserIds:
    """Ids of handles, adding those not yet known; remembers about `memory`, since few handles make most mentions."""

    def __init__(self, *, bits: int, memory: int) -> None:
        self._bits = bits
        self._memory = memory
        self._known = _nobody("")

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known.ids)

    def of(self, conn: Connection, users: pl.DataFrame, *, erasures: int | None = None) -> Ints:
        """The id of each of `users` (handle, spelling; handles unique). Commits on its own.

        `erasures` is the latest erasure that the caller knows of. None: nobody can be forgotten meanwhile. Raises
        ForgottenMeanwhile.
        """
        (timeline,) = scalars(conn, _TIMELINE)
        known = self._known
        if known.timeline != timeline:
            known = self._known = _nobody(timeline)
        ids = known.find(users["handle"])
        unknown = rows = np.flatnonzero(ids == NOBODY)
        for probe in range(MAX_PROBES):
            if not rows.size:
                break
            candidates = handle_ids(users["handle"].gather(rows), probe=probe, bits=self._bits)
            taken = _taken(conn, users[rows], candidates, erasures)
            ids[rows[~taken]] = candidates[~taken]
            rows = rows[taken]
        else:
            if rows.size:
                handle = users["handle"][int(rows[0])]
                raise LookupError(f"{handle!r}: {MAX_PROBES} hashes of {self._bits} bits are all taken")
        # Threads share what is remembered: what one overwrites so is looked up again. One that began before a fail-over
        # remembers nothing.
        known = self._known
        if unknown.size and known.timeline == timeline:
            kept = known if len(known.ids) < self._memory else _nobody(timeline)
            self._known = kept.add(users["handle"].gather(unknown), ids[unknown])
        return ids


def known(conn: Connection, handles: pl.Series, *, bits: int) -> Ints:
    """The ids of handles (folded, unique) that were all added before. Adds none, so it fits into any transaction.

    Raises LookupError for a handle that has no id.
    """
    ids = np.full(len(handles), NOBODY)
    rows = np.arange(len(handles))
    for probe in range(MAX_PROBES):
        if not rows.size:
            return ids
        names = handles.gather(rows)
        ids[rows] = handle_ids(names, probe=probe, bits=bits)
        params = {"ids": Int8Array(ids[rows]), "handles": TextArray(names)}
        look = one(conn, _NotOurs, _NOT_OURS, params) or _NotOurs([], [])
        if look.free:
            break
        rows = rows[look.taken]
    raise LookupError(f"{len(rows)} of {len(handles)} handles have no id, {handles[int(rows[0])]!r} for one")


def _taken(conn: Connection, users: pl.DataFrame, ids: Ints, erasures: int | None) -> npt.NDArray[np.bool_]:
    """For each of `users` (handle, spelling) whether another handle has its id. If nobody has it, it is added."""
    taken = np.ones(len(users), np.bool_)
    stretches = shard_of(ids, STRETCHES)
    # Workers that begin in different places are rarely in each other's way.
    for stretch in np.roll(np.arange(STRETCHES), secrets.randbelow(STRETCHES)).tolist():
        rows = np.flatnonzero(stretches == stretch)
        rows = rows[np.argsort(ids[rows])]
        if rows.size:
            taken[rows] = _taken_in(conn, stretch, users[rows], ids[rows], erasures)
    return taken


def _taken_in(
    conn: Connection, stretch: int, users: pl.DataFrame, ids: Ints, erasures: int | None
) -> npt.NDArray[np.bool_]:
    """`_taken`, for ids of one stretch, sorted."""
    taken = np.zeros(len(ids), np.bool_)
    with conn.transaction():
        locks.take_part(conn, Part.USERS, stretch)
        params = {"ids": Int8Array(ids), "handles": TextArray(users["handle"])}
        look = one(conn, _NotOurs, _NOT_OURS, params) or _NotOurs([], [])
        if erasures is not None and look.erasures != erasures:
            raise ForgottenMeanwhile
        taken[look.taken] = True
        # Of those that want the same free id, one gets it.
        free = np.sort(np.array(look.free, np.int64))
        first = np.diff(ids[free], prepend=NOBODY) != 0
        taken[free[~first]] = True
        if len(free):
            new = users[free[first]]
            data = copy_users(ids[free[first]], new["handle"], new["spelling"])
            with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
                copy.write(data)
    return taken

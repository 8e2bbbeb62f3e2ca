"""The fleet: which workers and schedulers there are, and whether each goes on with what it is there for.

Each of them leaves a heartbeat in PostgreSQL every few seconds, which says how long ago it last did what it must
keep doing: a worker asks each of its queues for messages, a scheduler wakes up each minute. A process that hangs leaves
none; a process of which a part hangs leaves heartbeats that say so.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

import sql
from app.settings import Settings
from app.store.postgres import Connection, execute, rows

_HEARTBEAT = sql.query("ledger/fleet/heartbeat")
_LEAVE = sql.query("ledger/fleet/leave")
_FORGET = sql.query("ledger/fleet/forget")
_SEEN = sql.query("ledger/fleet/seen")

TICK = 60.0
"""Seconds between two ticks of a scheduler."""

PROC = Path("/proc")

REMEMBERED = 24 * 3600.0
"""Seconds for which a process that was killed is still listed."""


class Role(StrEnum):
    """What a process is there for."""

    WORKER = "worker"
    SCHEDULER = "scheduler"


class Seen(msgspec.Struct, frozen=True):
    """A process as its last heartbeat has it; `silent` and `idle` in seconds."""

    role: Role
    host: str
    pid: int
    born: int
    started_at: datetime
    seen_at: datetime
    silent: float
    """Since its last heartbeat."""
    idle: float
    """Since it last asked the queue that it asked the longest ago, or ticked."""

    @property
    def here(self) -> bool:
        """Whether it runs on this host, and we see it: a container does not see its neighbours' processes."""
        return self.host == socket.gethostname() and self.born == born(self.pid)

    def ailment(self, settings: Settings) -> str | None:
        """What is wrong with it; None if nothing is."""
        if self.silent > settings.silence_seconds:
            return f"it has not been heard of for {self.silent:.0f} s"
        if self.role is Role.WORKER and self.idle > settings.silence_seconds:
            return f"it has not asked one of its queues for {self.idle:.0f} s"
        if self.role is Role.SCHEDULER and self.idle > TICK + settings.silence_seconds:
            return f"its last tick was {self.idle:.0f} s ago"
        return None


class FleetMember(msgspec.Struct, frozen=True):
    """A worker process or a scheduler, as it is shown. `ailment`: what is wrong with it, null: nothing."""

    role: Role
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    ailment: str | None

    @classmethod
    def of(cls, seen: Seen, settings: Settings) -> FleetMember:
        return cls(seen.role, seen.host, seen.pid, seen.started_at, seen.seen_at, seen.ailment(settings))


class Me:
    """This process, as it is entered."""

    def __init__(self, role: Role) -> None:
        self._key = {"host": socket.gethostname(), "pid": os.getpid(), "born": born(os.getpid()) or 0}
        self._role = role
        self._started = time.monotonic()

    def heartbeat(self, conn: Connection, *, idle: float) -> None:
        """Leave a heartbeat; `idle` as in `Seen`."""
        age = time.monotonic() - self._started
        execute(conn, _HEARTBEAT, {**self._key, "role": self._role, "age": age, "idle": idle})

    def leave(self, conn: Connection) -> None:
        """We end as we should: nobody need miss us."""
        execute(conn, _LEAVE, self._key)


def seen(conn: Connection) -> list[Seen]:
    """Every process that has left a heartbeat and did not end properly since."""
    return rows(conn, Seen, _SEEN)


def forget(conn: Connection) -> int:
    """Forget those that were killed long ago; how many."""
    return execute(conn, _FORGET, {"seconds": REMEMBERED})


def ailment(processes: Iterable[Seen], settings: Settings) -> str | None:
    """What is wrong with these, which must be some; None if nothing is."""
    processes = list(processes)
    if not processes:
        return "none has been heard of"
    for process in processes:
        if (found := process.ailment(settings)) is not None:
            return f"pid {process.pid}: {found}"
    return None


def born(pid: int) -> int | None:
    """When a process of this host started, as the kernel noted it; None if no process has that number.

    Where there is /proc, the number is in clock ticks since boot. Elsewhere (macOS) it is in microseconds since 1970.
    Both stay what they are while the process lives. On Linux, seconds since 1970 would not: they are worked out from
    the clock, and follow its corrections.
    """
    if not (PROC / "self" / "stat").exists():
        return _born_elsewhere(pid)
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything: fields count from the last ")".
    return int(stat.rpartition(")")[2].split()[19])


def _born_elsewhere(pid: int) -> int | None:
    import psutil  # noqa: PLC0415 (where /proc is, no process pays for it)

    try:
        return round(psutil.Process(pid).create_time() * 1e6)
    except psutil.Error:
        return None

"""The fleet: which workers and schedulers there are, and whether each of them is healthy.

Every process leaves a heartbeat in PostgreSQL every few seconds. A heartbeat says how long ago the process last did
its regular work: a worker polls each of its queues, a scheduler ticks each minute. A process that hangs leaves no
heartbeat. If only a part of a process hangs, its heartbeats say so.
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
"""Seconds for which a killed process is still listed, if no other has taken its place."""

REPLACED = 300.0
"""Seconds for which a killed process is still listed although another has taken its place."""


NONE = "none has been heard of"
"""What is wrong where a role has no process."""


class Role(StrEnum):
    """The kind of a process."""

    WORKER = "worker"
    SCHEDULER = "scheduler"


class Seen(msgspec.Struct, frozen=True):
    """A process as its last heartbeat describes the process; `silent` and `idle` are seconds."""

    role: Role
    host: str
    pid: int
    born: int
    started_at: datetime
    seen_at: datetime
    silent: float
    """Seconds since the last heartbeat."""
    idle: float
    """Seconds since the worker polled the queue that waited longest, or since the scheduler ticked."""

    @property
    def here(self) -> bool:
        """Whether we see the process on this host; a container does not see its neighbours' processes."""
        return self.host == socket.gethostname() and self.born == born(self.pid)

    def ailment(self, settings: Settings) -> str | None:
        """What is wrong with the process; None if nothing is."""
        if self.silent > settings.silence_seconds:
            return f"it has not been heard of for {self.silent:.0f} s"
        if self.role is Role.WORKER and self.idle > settings.silence_seconds:
            return f"it has not asked one of its queues for {self.idle:.0f} s"
        if self.role is Role.SCHEDULER and self.idle > TICK + settings.silence_seconds:
            return f"its last tick was {self.idle:.0f} s ago"
        return None


class FleetMember(msgspec.Struct, frozen=True):
    """A worker or scheduler, as it is shown. `ailment` says what is wrong with the process; null: nothing."""

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
    """This process, as the fleet knows it."""

    def __init__(self, role: Role) -> None:
        self._key = {"host": socket.gethostname(), "pid": os.getpid(), "born": born(os.getpid()) or 0}
        self._role = role
        self._started = time.monotonic()

    def heartbeat(self, conn: Connection, *, idle: float) -> None:
        """Leave a heartbeat. `idle` is that of `Seen`."""
        age = time.monotonic() - self._started
        execute(conn, _HEARTBEAT, {**self._key, "role": self._role, "age": age, "idle": idle})

    def leave(self, conn: Connection) -> None:
        """Take this process off the list, because it ends as it should."""
        execute(conn, _LEAVE, self._key)


def seen(conn: Connection) -> list[Seen]:
    """Every process that has left a heartbeat and has not left the list since.

    A process that was killed is left out after `REPLACED` seconds if another process of its role started on its host
    since. Each process takes the place of one only.
    """
    return rows(conn, Seen, _SEEN, {"replaced": REPLACED})


def forget(conn: Connection) -> int:
    """Forget the processes that were killed long ago. Returns their number."""
    return execute(conn, _FORGET, {"seconds": REMEMBERED})


def ailment(processes: Iterable[Seen], settings: Settings) -> str | None:
    """What is wrong with these processes, of which there must be at least one. None if nothing is wrong."""
    processes = list(processes)
    if not processes:
        return NONE
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

"""What the processes of a stack use, from /proc: CPU seconds and memory by role. No privileges needed.

A role is everything below the first process that has it: the postmaster with its backends and helpers, Dramatiq's main
process with its workers. CPU time of processes that have ended is in their parents' figures, so nothing is lost.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")
CLIENT = "client"
ROLES = ("postgres", "valkey", "api", "worker", "scheduler", "launcher")


class Process(NamedTuple):
    """A process now: CPU seconds with those of its children that have ended."""

    pid: int
    parent: int
    seconds: float
    role: str | None
    """Where its command line says one."""


def _read(pid: int) -> Process | None:
    with contextlib.suppress(OSError):
        # The name, in parentheses, may hold anything: fields count from the last ")".
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        command = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        seconds = sum(map(int, fields[11:15])) / TICKS
        return Process(pid, int(fields[1]), seconds, _role(command))
    return None


def _role(command: list[bytes]) -> str | None:
    """What a command line is, where it says so; `launcher`: the processes that keep the others."""
    words = b" ".join(command)
    if b"guard.py" in words or b"ops.cli" in words:
        return "launcher"
    for mark, role in (
        (b"/postgres -D", "postgres"),
        (b"valkey-server", "valkey"),
        (b"uvicorn", "api"),
        (b"dramatiq", "worker"),
        (b"workers.scheduler", "scheduler"),
    ):
        if mark in words:
            return role
    return None


def tree(root: int) -> dict[int, tuple[str, Process]]:
    """Every process below `root`, itself with them, by pid: its role, and its figures. Others are the `client`."""
    everything = {int(entry.name): _read(int(entry.name)) for entry in PROC.glob("[0-9]*")}
    children: dict[int, list[Process]] = defaultdict(list)
    for process in everything.values():
        if process is not None:
            children[process.parent].append(process)
    found: dict[int, tuple[str, Process]] = {}
    start = everything.get(root)
    waiting = [(start.role or CLIENT if start and start.role == "launcher" else CLIENT, start)] if start else []
    while waiting:
        role, process = waiting.pop()
        found[process.pid] = (role, process)
        waiting.extend((_inherited(role, child), child) for child in children[process.pid])
    return found


def _inherited(role: str, child: Process) -> str:
    if role in {CLIENT, "launcher"}:
        return child.role or role
    return role


def cpu(root: int) -> dict[str, float]:
    """CPU seconds by role so far."""
    seconds: dict[str, float] = defaultdict(float)
    for role, process in tree(root).values():
        seconds[role] += process.seconds
    return dict(seconds)


def cpu_of(pid: int) -> float:
    """CPU seconds of one process so far."""
    process = _read(pid)
    return process.seconds if process else 0.0


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds by role between two readings. A role of which a process was restarted meanwhile has too few."""
    return {role: max(0.0, seconds - before.get(role, 0.0)) for role, seconds in sorted(after.items())}


def pids(root: int, role: str) -> list[int]:
    """The processes of a role."""
    return [pid for pid, (found, _) in tree(root).items() if found == role]


def rss(pid: int) -> int:
    """Resident bytes of one process. 0: it is gone."""
    with contextlib.suppress(OSError):
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    return 0


def _field(pid: int, file: str, name: str) -> int:
    """Bytes of a `name: … kB` line."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / file).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def pss(root: int) -> dict[str, int]:
    """Resident bytes by role, what several processes share counted once."""
    sizes: dict[str, int] = defaultdict(int)
    for pid, (role, _) in tree(root).items():
        sizes[role] += _field(pid, "smaps_rollup", "Pss:")
    return dict(sizes)


def forget_peaks(root: int) -> None:
    """Begin anew with the peaks of every process, where the kernel lets us."""
    for pid in tree(root):
        with contextlib.suppress(OSError):
            (PROC / str(pid) / "clear_refs").write_text("5")


def peaks(root: int) -> dict[str, int]:
    """Peak resident bytes of the largest process of each role (VmHWM: a backend's has the shared buffers in it)."""
    sizes: dict[str, int] = defaultdict(int)
    for pid, (role, _) in tree(root).items():
        sizes[role] = max(sizes[role], _field(pid, "status", "VmHWM:"))
    return dict(sizes)


class Sampler(threading.Thread):
    """Looks every `seconds` how much memory each role has (PSS), and keeps the most. To be stopped by `stop`.

    Seldom: a look walks the page tables of all, shared buffers included, in the time of what is measured.
    """

    def __init__(self, root: int, seconds: float = 10.0) -> None:
        super().__init__(name="memory", daemon=True)
        self.most: dict[str, int] = {}
        self._root, self._seconds = root, seconds
        self._stopping = threading.Event()

    def run(self) -> None:
        while True:
            for role, size in pss(self._root).items():
                self.most[role] = max(self.most.get(role, 0), size)
            if self._stopping.wait(self._seconds):
                return

    def stop(self) -> dict[str, int]:
        self._stopping.set()
        self.join()
        return self.most

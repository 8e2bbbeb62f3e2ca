"""CPU seconds and memory of a stack's processes, by role. No privileges are needed.

A role is everything below the first process that has it: the postmaster with its backends and helpers, Dramatiq's main
process with its workers. CPU time of processes that have ended is in the figures of their parents, so none is lost.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

Figures = dict[str, float]
"""Figures by role, or by name."""
CLIENT, LAUNCHER = "client", "launcher"
ROLES = {
    "guard.py": LAUNCHER,
    "ops.cli": LAUNCHER,
    "/postgres -D": "postgres",
    "valkey-server": "valkey",
    "app.http.server": "api",
    "dramatiq": "worker",
    "workers.scheduler": "scheduler",
}
"""What stands in the command line of a role's first process; `launcher`: the processes that keep the others."""


def tree(root: int) -> list[tuple[str, psutil.Process]]:
    """Every process below `root`, itself included, with its role. Processes without one are the client's."""
    found: dict[int, tuple[str, psutil.Process]] = {}
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(root)
        for process in (first, *first.children(recursive=True)):  # parents stand before their children
            with suppress(psutil.Error):  # gone since
                role, _ = found.get(process.ppid(), (CLIENT, None))
                if role in {CLIENT, LAUNCHER}:
                    command = " ".join(process.cmdline())
                    role = next((named for mark, named in ROLES.items() if mark in command), role)
                found[process.pid] = (role, process)
    return list(found.values())


def by_role(
    root: int, figure: Callable[[psutil.Process], float], fold: Callable[[list[float]], float] = sum
) -> Figures:
    """A figure of each process of each role, folded: by default added up."""
    figures: dict[str, list[float]] = defaultdict(list)
    for role, process in tree(root):
        with suppress(psutil.Error, OSError):
            figures[role].append(figure(process))
    return {role: fold(those) for role, those in sorted(figures.items())}


def seconds(process: psutil.Process) -> float:
    """CPU seconds so far, with those of children that have ended."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def spent(before: Figures, after: Figures) -> Figures:
    """CPU seconds by role between two readings. A role of which a process was restarted meanwhile has too few."""
    return {role: max(0.0, used - before.get(role, 0.0)) for role, used in after.items()}


def pss(process: psutil.Process) -> float:
    """Resident bytes, with a share of what several processes have in common (where the kernel says so)."""
    memory = process.memory_full_info()
    return getattr(memory, "pss", memory.uss)


def peak(process: psutil.Process) -> float:
    """Most resident bytes since `forget_peaks`; of a backend, shared buffers included. psutil has no such figure."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def forget_peaks(root: int) -> None:
    """Begin anew with the peaks of every process, where the kernel lets us."""
    for _, process in tree(root):
        with suppress(OSError):
            Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="utf-8")


@contextmanager
def sampled(read: Callable[[], Figures], *, every: float) -> Generator[list[tuple[float, Figures]]]:
    """Readings, one every few seconds for as long as the block lasts, with the seconds since its begin.

    PSS should be read seldom: a look walks all page tables, shared buffers included, in the time of what is measured.
    """
    readings, over, began = list[tuple[float, Figures]](), threading.Event(), time.monotonic()

    def look() -> None:
        while not readings or not over.wait(every):
            readings.append((time.monotonic() - began, read()))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield readings
    finally:
        over.set()
        thread.join()

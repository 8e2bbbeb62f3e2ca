"""Several child processes as one: started in order, restarted when they end, stopped in reverse order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ops.embedded.children import EmbeddedServerError

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
HEALTHY_AFTER = 60.0


class Process(Protocol):
    """What a supervisor can run: a Child, or a server made of one."""

    @property
    def alive(self) -> bool: ...
    @property
    def exit_code(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Status(NamedTuple):
    name: str
    alive: bool
    exit_code: int | None
    restarts: int


class _Entry:
    def __init__(self, name: str, process: Process, *, restart: bool) -> None:
        self.name, self.process, self.restart = name, process, restart
        self.started = 0.0
        self.pause = FIRST_PAUSE
        self.due: float | None = None
        self.restarts = 0


class Supervisor:
    """Not a thread and not a loop: the caller calls `check` a few times a second and stops when it is told to."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: list[_Entry] = []

    def start(self, name: str, process: Process, *, restart: bool = True) -> None:
        """Start one more process and keep it. If it does not start, everything is stopped and its error raised."""
        entry = _Entry(name, process, restart=restart)
        self._entries.append(entry)
        try:
            process.start()
        except BaseException:
            self.stop()
            raise
        entry.started = self._clock()

    def check(self) -> list[str]:
        """Restart what has ended and is due; the names of those that ended and are not to be restarted."""
        for entry in self._entries:
            if entry.restart and not entry.process.alive:
                self._revive(entry)
        return [entry.name for entry in self._entries if not entry.restart and not entry.process.alive]

    def _revive(self, entry: _Entry) -> None:
        now = self._clock()
        if entry.due is None:
            if now - entry.started >= HEALTHY_AFTER:
                entry.pause = FIRST_PAUSE
            entry.due = now + entry.pause
            entry.pause = min(LONGEST_PAUSE, entry.pause * 2)
        if now < entry.due:
            return
        entry.due = None
        entry.restarts += 1
        try:
            entry.process.stop()  # whatever the one that ended still holds
            entry.process.start()
        except EmbeddedServerError:  # it is not alive, so the next check pauses longer
            entry.process.stop()
        entry.started = self._clock()

    def end(self, name: str) -> None:
        """End a process that hangs; the next checks start it again. It has its usual grace, then it is killed."""
        for entry in self._entries:
            if entry.name == name:
                entry.process.stop()

    def status(self) -> list[Status]:
        return [Status(e.name, e.process.alive, e.process.exit_code, e.restarts) for e in self._entries]

    def stop(self) -> None:
        """Stop everything, last started first. Each stop waits, so a process finds what it needs until it has ended."""
        while self._entries:
            self._entries.pop().process.stop()

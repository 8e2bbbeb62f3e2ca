"""Watching the ledger from aside: how much is pending, and when work last went on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime

import msgspec
import psycopg

from ops.chaos import statements

SAMPLE_SECONDS = 0.25


class Pulse(msgspec.Struct, frozen=True):
    """One look at the ledger. Batches `pending`; uploads `unfinished` and `sealed`; times are the server's."""

    pending: int = 0
    unfinished: int = 0
    sealed: int = 0
    rows_applied: int = 0
    moved_at: datetime | None = None
    applied_at: datetime | None = None


def together(pulses: Sequence[Pulse]) -> Pulse:
    """The pulse of several ledgers."""
    return Pulse(
        sum(each.pending for each in pulses),
        sum(each.unfinished for each in pulses),
        sum(each.sealed for each in pulses),
        sum(each.rows_applied for each in pulses),
        max((each.moved_at for each in pulses if each.moved_at), default=None),
        max((each.applied_at for each in pulses if each.applied_at), default=None),
    )


class Watch:
    """Looks a few times a second, on a connection of its own, without the proxy. All times are those of `time.time`."""

    def __init__(self, dsns: Callable[[], Sequence[str]]) -> None:
        self.last = Pulse()
        self.longest_stall = 0.0
        """Seconds with work pending, in which no batch went on, whatever was done to the cluster."""
        self._dsns = dsns
        self._looked = 0.0
        self._applied: list[float] = []
        self._idle: list[float] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def start(self) -> None:
        self._idle.append(time.time())
        self._thread.start()

    def looked_after(self, instant: float) -> bool:
        """Whether `last` was seen after the instant."""
        return self._looked > instant

    def applied_after(self, instant: float) -> float | None:
        """When a batch was first seen to be applied after the instant."""
        return next((at for at in self._applied if at > instant), None)

    def recovery(self, since: float, until: float) -> float:
        """Seconds from `since`, or from when there was something to do after it, until `until`."""
        began = max([since, *(at for at in self._idle if at <= until)])
        return max(0.0, until - began)

    def close(self) -> None:
        self._closing.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(psycopg.Error), ExitStack() as stack:
                conns = [stack.enter_context(statements.connect(dsn)) for dsn in self._dsns()]
                while not self._closing.wait(SAMPLE_SECONDS):
                    began = time.time()
                    found = [msgspec.convert(row, Pulse) for conn in conns for row in statements.rows(conn, "pulse")]
                    self._note(together(found))
                    self._looked = began
            self._note_stall()
            self._closing.wait(SAMPLE_SECONDS)

    def _note(self, pulse: Pulse) -> None:
        now = time.time()
        self.last = pulse
        if not pulse.pending:
            self._idle.append(now)
        if pulse.applied_at and pulse.applied_at.timestamp() > (self._applied or [0.0])[-1]:
            self._applied.append(pulse.applied_at.timestamp())
        self._note_stall()

    def _note_stall(self) -> None:
        moved = self.last.moved_at.timestamp() if self.last.moved_at else 0.0
        if self.last.pending:
            self.longest_stall = max(self.longest_stall, time.time() - max(moved, self._idle[-1]))

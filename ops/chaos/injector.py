"""Doing what the plan says, one wave of faults after the other, and measuring how work goes on after each."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from ops.chaos.cluster import Cluster
from ops.chaos.faults import NotNow
from ops.chaos.plan import Planned, Wave
from ops.chaos.report import Done, Peace
from ops.chaos.watch import Watch
from ops.embedded.children import EmbeddedServerError

TRY_SECONDS = 8.0
"""How long a fault is tried that cannot be done at the moment."""
TRY_PAUSE = 0.2
GIVE_UP_SECONDS = 120.0
"""After which work that does not go on is called stuck, and the next wave begins."""
SETTLE_SECONDS = 30.0
POLL = 0.05


class Injector:
    """Faults `done`; what was `skipped`, and why; and waves in which only Redis was at fault."""

    def __init__(self, cluster: Cluster, watch: Watch, say: Callable[[str], None], stopping: threading.Event) -> None:
        self.done: list[Done] = []
        self.skipped: list[str] = []
        self.redis_only: list[Peace] = []
        self.current: dict[int, str] = {}
        self._cluster, self._watch, self._say, self._stopping = cluster, watch, say, stopping
        self._numbers = itertools.count(1)

    def inject(self, wave: Wave) -> None:
        """One wave, from its pause to its recovery."""
        self._stopping.wait(wave.pause)
        # Whose processes are not yet back from the wave before may fail through that.
        counts = wave.only_redis and self._cluster.wait_until_ready(SETTLE_SECONDS)
        began = time.time()
        found: list[tuple[Planned, str, float, float]] = []
        threads = [threading.Thread(target=self._do, args=(n, fault, found)) for n, fault in enumerate(wave.faults)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not found:
            return
        applied = self._wait(max(ended for *_, ended in found))
        for fault, target, start, end in found:
            recovery = None if applied is None else self._recovery(end, applied, [each[3] for each in found])
            self.done.append(Done(fault.kind.name, target, fault.kind.redis, start, end, recovery))
            shown = "never" if recovery is None else f"{recovery:.1f} s"
            self._say(f"    {fault.kind.name}: work went on after {shown}")
        if counts:
            self.redis_only.append(Peace(began, time.time()))

    def _do(self, number: int, fault: Planned, found: list[tuple[Planned, str, float, float]]) -> None:
        self._stopping.wait(fault.after)
        with ExitStack() as stack:
            target = self._begin(fault, stack)
            if target is None:
                return
            start = time.time()
            self.current[number] = fault.kind.name
            lasting = f", {fault.seconds:.1f} s" if fault.kind.longest else ""
            self._say(f"fault {next(self._numbers)}: {fault.kind.name}: {target}{lasting}")
            self._stopping.wait(fault.seconds)
        self.current.pop(number, None)
        found.append((fault, target, start, time.time()))

    def _begin(self, fault: Planned, stack: ExitStack) -> str | None:
        deadline = time.monotonic() + TRY_SECONDS
        while True:
            try:
                return stack.enter_context(fault.kind.inject(self._cluster, fault.choice))
            except (NotNow, EmbeddedServerError, OSError, psycopg.Error) as error:
                if time.monotonic() > deadline or self._stopping.is_set():
                    self.skipped.append(f"{fault.kind.name}: {error}")
                    self._say(f"    {fault.kind.name} could not be done: {error}")
                    return None
            self._stopping.wait(TRY_PAUSE)

    def _wait(self, ended: float) -> float | None:
        """When a batch was applied after that."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while (applied := self._watch.applied_after(ended)) is None:
            if time.monotonic() > deadline or self._stopping.is_set():
                return None
            time.sleep(POLL)
        return applied

    def _recovery(self, end: float, applied: float, ends: list[float]) -> float:
        """Seconds from the fault's end until a batch was applied, less what the others of its wave kept it."""
        first = self._watch.applied_after(end) or applied
        return self._watch.recovery(max(each for each in ends if each < first), first)

"""One run from the start of its cluster to the verdict."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ops.chaos import disk
from ops.chaos.cluster import Cluster
from ops.chaos.faults import Kind
from ops.chaos.injector import Injector
from ops.chaos.plan import waves
from ops.chaos.report import Outcome
from ops.chaos.traffic import Traffic
from ops.chaos.verdict import judge_all
from ops.chaos.watch import Watch
from ops.embedded.children import EmbeddedServerError

START_SECONDS = 60.0
ANSWERS_SECONDS = 90.0
DRAIN_SECONDS = 180.0
PROGRESS_SECONDS = 10.0
POLL = 0.1
SHOWN = 30
"""Complaints."""


class Wanted(NamedTuple):
    """What the command line says."""

    seed: int
    minutes: float
    faults: int
    rate: float
    max_recovery: float
    scale: float
    kinds: Sequence[Kind]
    command: str
    graphs: int = 1


class Progress:
    """Lines on standard error, each with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        print(f"[{self.seconds:7.1f}] {text}", file=sys.stderr, flush=True)


class Run:
    """A cluster, those who upload to it, those who harm it, and those who watch; `close` ends all of them."""

    def __init__(self, wanted: Wanted, directory: Path) -> None:
        self._wanted = wanted
        self._progress = Progress()
        self.say = self._progress.say
        self._stack = ExitStack()
        self._ending = threading.Event()
        # Before any thread, and before anything is started.
        self.cluster = Cluster(directory, self.say, mounts=disk.unshare(), graphs=wanted.graphs)
        self._stack.callback(self.cluster.close)
        self._traffic = Traffic(self.cluster.urls, wanted.seed, wanted.rate, self.cluster.graphs)
        self._watch = Watch(lambda: list(self._dsns().values()))
        self._injector = Injector(self.cluster, self._watch, self.say, self._ending)

    def close(self) -> None:
        self._ending.set()
        self._stack.close()

    def outcome(self) -> Outcome:
        """All of it. Raises EmbeddedServerError if the cluster does not come up."""
        self._start()
        several = len(self.cluster.graphs) > 1
        kinds = [
            kind
            for kind in self._wanted.kinds
            if (self.cluster.disk or not kind.needs_disk) and (several or not kind.needs_graphs)
        ]
        self._inject(kinds)
        self.say("no more faults; waiting for the last answers, and until the ledger has nothing left to do …")
        drained = self._drain()
        self.say("comparing …")
        faults, traffic = self._injector.done, self._traffic
        made_to_fail = sum(fault.kind == "attempts used up" for fault in faults)
        verdict = judge_all(self._dsns(), self._wanted.seed, traffic.sent, made_to_fail=made_to_fail)
        for complaint in verdict.complaints[:SHOWN]:
            self.say(complaint)
        return Outcome(
            command=self._wanted.command,
            seconds=self._progress.seconds,
            faults=faults,
            left_out=[kind.name for kind in self._wanted.kinds if kind.needs_disk and kind not in kinds],
            redis_only=self._injector.redis_only,
            attempts=traffic.failures.attempts,
            tried=traffic.failures.tried,
            waits=traffic.waits(),
            longest_stall=self._watch.longest_stall,
            drained=drained,
            verdict=verdict,
            max_recovery=self._wanted.max_recovery,
        )

    def _dsns(self) -> dict[str, str]:
        return {graph: self.cluster.dsn_of(graph) for graph in self.cluster.graphs}

    def _start(self) -> None:
        self.say(f"starting a cluster in {self.cluster.directory} …")
        self.cluster.start()
        if not self.cluster.wait_until_ready(START_SECONDS):
            raise EmbeddedServerError(f"the cluster was not ready after {START_SECONDS:g} s")
        self._stack.callback(self._watch.close)
        self._watch.start()
        self._stack.callback(self._traffic.close)
        self._traffic.start()

    def _inject(self, kinds: Sequence[Kind]) -> None:
        """Waves until there were enough of them."""
        told = threading.Event()
        teller = threading.Thread(target=self._tell, args=(told,), daemon=True)
        teller.start()
        until = self._progress.seconds + self._wanted.minutes * 60
        try:
            for wave in waves(self._wanted.seed, kinds, scale=self._wanted.scale):
                if self._progress.seconds >= until and len(self._injector.done) >= self._wanted.faults:
                    break
                self._injector.inject(wave)
        finally:
            told.set()
            teller.join()

    def _tell(self, told: threading.Event) -> None:
        while not told.wait(PROGRESS_SECONDS):
            pulse, now = self._watch.last, ", ".join(self._injector.current.values()) or "none"
            self.say(
                f"{len(self._injector.done)} faults, {len(self._traffic.waits())} uploads accepted, "
                f"{pulse.rows_applied:,} rows applied, {pulse.pending} batches pending; faults now: {now}"
            )

    def _drain(self) -> bool:
        """Whether everything comes to its end now, by itself: uploads, and processes."""
        self._traffic.finish(ANSWERS_SECONDS)
        deadline, tended = time.monotonic() + DRAIN_SECONDS, 0.0
        # What was seen before the last retraction was asked for says nothing about it.
        while not (tended and self._watch.looked_after(tended) and not self._watch.last.unfinished):
            if self._traffic.tended and not tended:
                tended = time.time()
            if time.monotonic() > deadline:
                self.say(f"still unfinished after {DRAIN_SECONDS:g} s: {self._watch.last}")
                break
            time.sleep(POLL)
        self._traffic.close()
        settled = self.cluster.wait_until_ready(START_SECONDS)
        if not settled:
            self.say(f"not every process is back: {self.cluster.missing()}")
        return settled and not self._watch.last.unfinished

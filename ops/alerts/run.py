"""One run: a cluster under steady traffic, watched by a real Prometheus; one fault after the other; who was told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg

from ops.alerts.cases import READY_SECONDS, Case
from ops.alerts.dashboards import Panel, empty_panels
from ops.alerts.prometheus import Prometheus
from ops.alerts.receiver import Receiver
from ops.alerts.traffic import Traffic
from ops.chaos import disk
from ops.chaos.cluster import Cluster
from ops.chaos.faults import NotNow
from ops.chaos.run import Progress
from ops.chaos.traffic import base
from ops.embedded.children import EmbeddedServerError

PROMISED = 120.0
"""Seconds from the begin of a fault until its alerts were told, and from its end until all of them had ended."""
QUIET_SECONDS = 5.0
"""For so long nothing may hold before the next fault begins, so that no alert is put down to the wrong one."""
WARM_UP_SECONDS = 20.0
TRY_SECONDS = 20.0
POLL = 0.2


class Result(NamedTuple):
    """What became of a case. Seconds from the begin of the fault until each alert was told, and from its end until the
    last alert had ended; None: it had not in time."""

    case: Case
    told: dict[str, float]
    missing: frozenset[str]
    """Alerts that were not told, or not in time."""
    wrong: frozenset[str]
    ended: float | None
    problem: str = ""

    @property
    def right(self) -> bool:
        return not (self.missing or self.wrong or self.problem) and self.ended is not None


class Outcome(NamedTuple):
    """What a report is made of."""

    command: str
    seconds: float
    results: Sequence[Result]
    left_out: Sequence[str]
    asked: int
    failed: int
    panels: int
    empty: Sequence[Panel]

    @property
    def passed(self) -> bool:
        return all(result.right for result in self.results) and not self.empty


class Run:
    """Everything that runs, until `close`."""

    def __init__(self, cases: Sequence[Case], directory: Path, command: str, *, read_bound: str) -> None:
        self._cases, self._command = cases, command
        self._progress = Progress()
        self.say = self._progress.say
        self._stack = ExitStack()
        self.cluster = Cluster(directory, self.say, mounts=disk.unshare(), graphs=2, watched=True)
        self._stack.callback(self.cluster.close)
        self.receiver = Receiver()
        self.prometheus = Prometheus(
            directory / "monitoring",
            self.cluster.metrics_ports(),
            self.cluster.api_ports,
            self.receiver.port,
            read_bound=read_bound,
        )
        self.traffic = Traffic(
            f"http://127.0.0.1:{self.prometheus.door}", [base(graph) for graph in self.cluster.graphs]
        )

    def close(self) -> None:
        self._stack.close()

    def outcome(self) -> Outcome:
        """All of it. Raises EmbeddedServerError if the cluster does not come up."""
        self._start()
        cases = [case for case in self._cases if self.cluster.disk or not case.needs_disk]
        results = [self._result(number, case) for number, case in enumerate(cases, start=1)]
        self._settle()
        panels, empty = empty_panels(self.prometheus)
        for panel in empty:
            self.say(f"    {panel}")
        return Outcome(
            self._command,
            self._progress.seconds,
            results,
            [case.name for case in self._cases if case not in cases],
            self.traffic.asked,
            self.traffic.failed,
            panels,
            empty,
        )

    def _start(self) -> None:
        self.say(f"starting a cluster in {self.cluster.directory} …")
        self.cluster.start()
        if not self.cluster.wait_until_ready(READY_SECONDS):
            raise EmbeddedServerError(f"the cluster was not ready after {READY_SECONDS:g} s")
        for each in (self.receiver, self.prometheus, self.traffic):
            self._stack.callback(each.close)
            each.start()
        self.say("warming up …")
        began = time.monotonic()
        self._until(lambda: time.monotonic() > began + WARM_UP_SECONDS, WARM_UP_SECONDS + 1)

    def _result(self, number: int, case: Case) -> Result:
        if not self._settle():
            held = ", ".join(sorted(self._held()))
            self.say(f"{number}. {case.name}: not tried, because these alerts do not end: {held}")
            return Result(case, {}, frozenset(), frozenset(), None, f"before it, these did not end: {held}")
        expected = ", ".join(sorted(case.raises | case.later)) or "no alert"
        self.say(f"{number}. {case.name}: {expected} is expected")
        try:
            began, ended = self._do(case)
        except (NotNow, EmbeddedServerError, OSError, psycopg.Error) as error:
            return Result(case, {}, frozenset(), frozenset(), None, str(error))
        over = self._until(lambda: not self._held() and case.later <= self._named(began), PROMISED)
        last = time.time()
        # What is told late is told within the next settling, and belongs to this case.
        self._settle()
        told = {each.alert: each.at - began for each in reversed(self.receiver.since(began)) if each.firing}
        in_time = {alert for alert, at in told.items() if at <= PROMISED or alert not in case.raises}
        result = Result(
            case,
            dict(sorted(told.items(), key=lambda item: item[1])),
            missing=(case.raises | case.later) - in_time,
            wrong=frozenset(told) - case.allowed,
            ended=self._ended(began, ended) if over else None,
        )
        self.say(f"    {_shown(result)} ({last - began:.0f} s)")
        return result

    def _do(self, case: Case) -> tuple[float, float]:
        """When the fault began and ended."""
        with ExitStack() as stack:
            began = time.time()
            deadline = time.monotonic() + TRY_SECONDS
            while True:
                try:
                    stack.enter_context(case.inject(self.cluster))
                    break
                except (NotNow, EmbeddedServerError, OSError, psycopg.Error):
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(POLL)
            self._until(lambda: time.time() > began + case.seconds, case.seconds + 1)
            if case.raises:
                self._until(lambda: case.raises <= self._named(began), PROMISED - case.seconds)
            ended = time.time()
        return began, ended

    def _named(self, since: float) -> set[str]:
        return {told.alert for told in self.receiver.since(since) if told.firing}

    def _ended(self, began: float, ended: float) -> float:
        """Seconds from the end of the fault until the last alert had ended."""
        last = max((told.at for told in self.receiver.since(began) if not told.firing), default=ended)
        return max(0.0, last - ended)

    def _held(self) -> set[str]:
        """Alerts that are told to fire, or whose condition holds."""
        with contextlib.suppress(httpx.TransportError):
            return self.receiver.firing() | self.prometheus.pending_or_firing()
        return {"Prometheus does not answer"}

    def _settle(self) -> bool:
        """Until everything runs, and nothing has held for a while. False: something does not end."""
        quiet = [time.monotonic()]

        def settled() -> bool:
            if self._held():
                quiet[0] = time.monotonic()
            return time.monotonic() > quiet[0] + QUIET_SECONDS

        return self.cluster.wait_until_ready(READY_SECONDS) and self._until(settled, PROMISED + QUIET_SECONDS)

    @staticmethod
    def _until(condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True


def _shown(result: Result) -> str:
    told = ", ".join(f"{alert} after {seconds:.0f} s" for alert, seconds in result.told.items()) or "nobody was told"
    parts = [told]
    if result.missing:
        parts.append(f"MISSING: {', '.join(sorted(result.missing))}")
    if result.wrong:
        parts.append(f"WRONG: {', '.join(sorted(result.wrong))}")
    parts.append("NOT ENDED" if result.ended is None else f"ended after {result.ended:.0f} s")
    return "; ".join(parts)

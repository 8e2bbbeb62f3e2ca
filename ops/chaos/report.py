"""The table of a run, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from app.proofs.audit import Audit
from ops.chaos.client import KEY_IN_USE, Attempt
from ops.chaos.verdict import Verdict

AFTERMATH = 5.0
"""Seconds after a fault for which a failed request is put down to it."""


class Done(NamedTuple):
    """A fault that was done: when it began and ended (seconds since 1970), and seconds from its end until a batch was
    applied again. `redis`: it is done to nothing else."""

    kind: str
    target: str
    redis: bool
    began: float
    ended: float
    recovery: float | None


class Peace(NamedTuple):
    """A wave during which nothing but Redis was at fault, from when to when."""

    began: float
    ended: float


class Outcome(NamedTuple):
    """What a report is made of."""

    command: str
    seconds: float
    faults: Sequence[Done]
    left_out: Sequence[str]
    """Kinds that this machine does not allow."""
    redis_only: Sequence[Peace]
    attempts: Sequence[Attempt]
    """Requests that failed."""
    tried: int
    waits: Sequence[Attempt]
    """Accepted uploads, from the first request to the answer."""
    longest_stall: float
    drained: bool
    verdict: Verdict
    max_recovery: float

    @property
    def recovered(self) -> bool:
        return all(fault.recovery is not None and fault.recovery <= self.max_recovery for fault in self.faults)

    @property
    def passed(self) -> bool:
        return self.drained and self.verdict.exact and self.recovered and not failed_by_redis(self)


def failed_by_redis(run: Outcome) -> list[Attempt]:
    """Requests that failed while only Redis was at fault; not those told that an earlier one still holds their key."""
    return [
        attempt
        for attempt in run.attempts
        if KEY_IN_USE not in attempt.what
        and any(peace.began <= attempt.began <= peace.ended for peace in run.redis_only)
    ]


def table(run: Outcome) -> str:
    """Faults by kind, then the totals."""
    lines = [
        "| fault | times | longest recovery, s | failed requests | slowest upload, s |",
        "|---|---:|---:|---:|---:|",
        *(_row(run, kind) for kind in sorted({fault.kind for fault in run.faults})),
        *(f"| {kind} | not on this machine | | | |" for kind in run.left_out),
        "",
        "Requests and uploads are those from a fault's begin until a few seconds after it; of faults of Redis, where",
        "nothing else was at fault.",
        "",
        "| in all | |",
        "|---|---:|",
        *(f"| {name} | {value} |" for name, value in _totals(run)),
        "",
        f"`{run.command}`",
    ]
    return "\n".join(lines) + "\n"


def _row(run: Outcome, kind: str) -> str:
    faults = [fault for fault in run.faults if fault.kind == kind]
    never = any(fault.recovery is None for fault in faults)
    longest = "never" if never else f"{max(fault.recovery or 0.0 for fault in faults):.1f}"
    windows = [window for fault in faults if (window := _window(run, fault))]
    failed = sum(_within(attempt, windows) for attempt in run.attempts)
    slowest = max((wait.ended - wait.began for wait in run.waits if _within(wait, windows)), default=0.0)
    http = f"{failed} | {slowest:.1f}" if windows else "– | –"
    return f"| {kind} | {len(faults)} | {longest} | {http} |"


def _window(run: Outcome, fault: Done) -> Peace | None:
    """When what happens may be due to this fault. None: never to this one alone."""
    if fault.redis:
        return next((peace for peace in run.redis_only if peace.began <= fault.began <= peace.ended), None)
    return Peace(fault.began, fault.ended + max(fault.recovery or 0.0, AFTERMATH))


def _within(attempt: Attempt, windows: Sequence[Peace]) -> bool:
    return any(window.began <= attempt.ended and attempt.began <= window.ended for window in windows)


def _totals(run: Outcome) -> list[tuple[str, object]]:
    verdict, difference = run.verdict, run.verdict.difference
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(verdict.uploads.items()))
    longest = max((fault.recovery or 0.0 for fault in run.faults), default=0.0)
    slowest = max((wait.ended - wait.began for wait in run.waits), default=0.0)
    return [
        ("duration, s", f"{run.seconds:,.0f}"),
        ("faults", len(run.faults)),
        ("of these in times when only Redis was at fault", sum(bool(_window(run, f)) for f in run.faults if f.redis)),
        ("uploads accepted", f"{len(run.waits):,}"),
        ("uploads in the ledger", states),
        ("rows applied or rejected", f"{verdict.rows_applied:,}"),
        *((f"of these in the graph {graph}", f"{rows:,}") for graph, rows in verdict.rows_by_graph.items()),
        ("requests", f"{run.tried:,}"),
        ("of these failed, and were sent again", _counted(run.attempts)),
        ("requests that failed while only Redis was at fault", _counted(failed_by_redis(run))),
        ("longest until an upload was accepted, s", f"{slowest:.1f}"),
        ("longest from accepted to applied, s", f"{verdict.longest_upload:.1f}"),
        ("longest recovery after the end of a fault, s", f"{longest:.1f}" if run.recovered else "too long"),
        ("longest stall, faults included, s", f"{run.longest_stall:.1f}"),
        ("uploads stuck at the end", "none" if run.drained else "some"),
        ("rows lost", difference.lost),
        ("rows doubled", difference.doubled),
        ("edges that differ from the oracle's", difference.edges),
        ("audit", _audited(verdict.audit)),
        ("ledger and clients disagree", len(verdict.complaints)),
    ]


def _counted(attempts: Sequence[Attempt]) -> str:
    kinds = Counter(attempt.what for attempt in attempts).most_common()
    return f"{len(attempts):,}" + (f" ({', '.join(f'{what}: {count}' for what, count in kinds)})" if kinds else "")


def _audited(audit: Audit) -> str:
    """What is out of step, if anything."""
    wrong = {"difference": audit.difference, "summary_difference": audit.summary_difference} | {
        name: value for name, value in msgspec.structs.asdict(audit).items() if not name.startswith("mentions_")
    }
    return "exact" if audit.exact else ", ".join(f"{name}: {value}" for name, value in wrong.items() if value)

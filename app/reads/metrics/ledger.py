"""The metrics of one graph, read from its database. Each statement costs the same, however many rows the ledger has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

import sql
from app.ledger import periods, totals
from app.ledger.states import UNFINISHED, UploadState
from app.metrics.table import BY_NAME, Kind
from app.metrics.tallies import Families, Labels, Spread, Value
from app.posts.options import Priority
from app.posts.screening import Reason
from app.reads.sizes import sizes
from app.store.postgres import Connection, rows, scalars

_UPLOADS = sql.query("reads/metrics/ledger/uploads")
_BATCHES = sql.query("reads/metrics/ledger/batches")
_STALE = sql.query("reads/metrics/ledger/stale")
_TABLES = sql.query("reads/metrics/ledger/tables")

MOST = 10_000
"""Rows of each kind that are looked at, so that a scrape beside a flood costs no more than another one."""

BATCH_ENDS = ("applied", "failed", "checked", "cancelled", "retracted")
STEPS = ("receive", "count", "merge")

_KNOWN: Mapping[str, tuple[str, ...]] = {
    "upload_begins_total": ("",),
    "upload_ends_total": tuple(sorted(state.value for state in UploadState if state not in UNFINISHED)),
    "sealed_bytes_total": ("",),
    "batch_ends_total": BATCH_ENDS,
    "rows_total": ("counted", "repeated", "rejected"),
    "rejects_total": tuple(reason.value for reason in Reason),
    "mentions_total": ("",),
    "merges_total": ("",),
    "merge_edges_total": ("new", "updated", "unarchived", "removed"),
}
"""The counters, with the values that the label of each can have. They are told from 0 on, since Prometheus does not see
the first increase of a series that was not there."""


class Uploads(msgspec.Struct, frozen=True):
    """Uploads of a state and a priority."""

    state: str
    priority: str
    uploads: int
    sealed_since: datetime | None


class Batches(msgspec.Struct, frozen=True):
    """Batches of a state and a priority."""

    state: str
    priority: str
    batches: int
    size_bytes: int


class Table(msgspec.Struct, frozen=True):
    """A table with its dead rows."""

    name: str
    dead_rows: int


class Reading(msgspec.Struct, frozen=True):
    """What a database said. Ages are kept as instants, so that a reading tells the right ages later on."""

    families: Families
    """Without ages, and without the label `graph`."""
    since: dict[tuple[str, Labels], datetime | None]
    """By name and labels, since when something waits. None: nothing waits."""

    def at(self, now: datetime) -> Families:
        """The metrics of the graph at an instant, without the label `graph`."""
        found = {name: dict(values) for name, values in self.families.items()}
        for (name, labels), since in self.since.items():
            age = 0.0 if since is None else max(0.0, (now - since).total_seconds())
            found.setdefault(name, {})[labels] = age
        return found


def read(conn: Connection) -> Reading:
    """Read the metrics of the graph whose database `conn` leads to."""
    families: Families = dict(_counted(totals.read(conn)))
    uploads = rows(conn, Uploads, _UPLOADS, {"most": MOST})
    states = Counter({state.value: 0 for state in UNFINISHED})
    states.update(_by_state(uploads))
    families["uploads"] = {(state,): float(number) for state, number in sorted(states.items())}
    batches = rows(conn, Batches, _BATCHES, {"most": MOST})
    families["batches"] = {(state, priority): 0.0 for state in ("staged", "counted", "failed") for priority in Priority}
    families["batches"] |= {(each.state, each.priority): float(each.batches) for each in batches}
    families["backlog_bytes"] = {(): float(sum(each.size_bytes for each in batches))}
    families["period_last_success_timestamp_seconds"] = {
        (each.actor,): each.finished_at.timestamp() for each in periods.latest(conn) if each.finished_at
    }
    size = sizes(conn)
    families |= {"edges": {(): size.edges}, "users": {(): size.users}, "database_bytes": {(): size.size_bytes}}
    families["postgres_dead_rows"] = {(each.name,): float(each.dead_rows) for each in rows(conn, Table, _TABLES)}
    since: dict[tuple[str, Labels], datetime | None] = {
        ("oldest_unapplied_seconds", (priority.value,)): _oldest(uploads, priority) for priority in Priority
    }
    since["summaries_stale_seconds", ()] = scalars(conn, _STALE)[0]
    return Reading(families, since)


def _by_state(uploads: list[Uploads]) -> Counter[str]:
    found = Counter[str]()
    for each in uploads:
        found[each.state] += each.uploads
    return found


def _oldest(uploads: list[Uploads], priority: Priority) -> datetime | None:
    """Since when the oldest upload is sealed that is to be applied."""
    waiting = [
        each.sealed_since
        for each in uploads
        if each.priority == priority and each.sealed_since is not None and each.state in {"staged", "applying"}
    ]
    return min(waiting, default=None)


def _counted(found: Mapping[str, float]) -> Iterator[tuple[str, dict[Labels, Value]]]:
    """The counters and histograms, from totals by `name/label` or `histogram.step/bucket`."""
    for name, known in _KNOWN.items():
        labels = len(BY_NAME[name].labels) - 1
        there = {label: found.get(f"{name}/{label}", 0.0) for label in known}
        yield name, {(label,)[:labels]: total for label, total in there.items()}
    yield "upload_to_applied_seconds", {(): _spread("upload_to_applied_seconds", found)}
    yield (
        "step_duration_seconds",
        {(step,): _spread(f"step_duration_seconds.{step}", found) for step in STEPS},
    )


def _spread(name: str, found: Mapping[str, float]) -> Spread:
    own = {each.rpartition("/")[2]: total for each, total in found.items() if each.startswith(f"{name}/")}
    total = own.pop("sum", 0.0)
    return Spread({float(bound): number for bound, number in own.items()}, total)


def is_monotone(name: str) -> bool:
    """Whether a metric never falls."""
    return BY_NAME[name].kind is not Kind.GAUGE


def not_less(new: Value, before: Value | None) -> Value:
    """A counter's value, or that of an earlier reading if PostgreSQL lost the last commits in a crash or a fail-over.
    Prometheus would take a counter that falls for one that began anew, and add all of it once more."""
    if isinstance(new, Spread):
        if not isinstance(before, Spread):
            return new
        bounds = new.buckets.keys() | before.buckets.keys()
        kept = {bound: max(new.buckets.get(bound, 0.0), before.buckets.get(bound, 0.0)) for bound in bounds}
        return Spread(kept, max(new.total, before.total))
    return new if before is None or isinstance(before, Spread) else max(new, before)


def add(one: Value | None, other: Value) -> Value:
    """The sum of two values of a metric."""
    if one is None:
        return other
    if isinstance(one, Spread) and isinstance(other, Spread):
        bounds = one.buckets.keys() | other.buckets.keys()
        together = {bound: one.buckets.get(bound, 0.0) + other.buckets.get(bound, 0.0) for bound in bounds}
        return Spread(together, one.total + other.total)
    numbers: list[Any] = [one, other]
    return float(sum(numbers))

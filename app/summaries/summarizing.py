"""Summaries: what the merged deltas add up to by user, who is first, and mentions by day.

Made some time after the merge, from many deltas at once: what takes a merge a row an edge takes this a row a user. One
transaction adds deltas and says in their rows that they are in; what was taken out of the graph is taken out here in
the same way. So they are exact for what is in them, and say since when something waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import LiteralString

import msgspec
import polars as pl
from psycopg.errors import LockNotAvailable

import sql
from app.graph import delta_days, versions
from app.graph.deltas import unpack
from app.graph.parameters import GraphParameters
from app.metrics.laps import Laps
from app.store import locks
from app.store.postgres import Connection, exactly_one, execute, rows
from app.summaries import days, trends, user_totals

_STATE = sql.query("summaries/summarizing/state")
_TAKE = sql.query("summaries/summarizing/take")
_PAYLOADS = sql.query("summaries/summarizing/payloads")
_SET_ADDED = sql.query("summaries/summarizing/set_added")
_SET_REMOVED = sql.query("summaries/summarizing/set_removed")
_SET_ENDED = sql.query("summaries/summarizing/set_ended")
_ADD_SECONDS = sql.query("summaries/summarizing/add_seconds")
_SET_DAYS_KEPT = sql.query("summaries/summarizing/set_days_kept")
_LOCK_DELTAS = sql.query("summaries/summarizing/lock_deltas")
_SET_TRENDS_ENDED = sql.query("summaries/summarizing/set_trends_ended")

EDGES_AT_ONCE = 8_000_000
"""Edges of the deltas of one transaction. The more, the fewer rows a mention costs."""
EDGES_IN_MEMORY = 500_000
"""Edges of the deltas that are unpacked at once, about 100 MB."""
GATHERED = 1_000_000
"""Users' sums of such parts that are gathered before they are added up, about 60 MB."""
SHARE = 0.1
"""The share of one thread's time that summaries may take beside other work, and that trends may take at any time."""
PATIENCE = timedelta(minutes=1)
"""Merged deltas wait at most this long for other work to end."""


class State(msgspec.Struct, frozen=True):
    """When summaries were made the last time, what waits, and whether there is other work."""

    ended_at: datetime | None
    seconds: float
    """The seconds that the last summary took."""
    days_kept: int
    days_from: date | None
    """The first day that is kept whole. None: days are not told apart."""
    days_since: datetime | None
    """Since when days are told apart."""
    trends_ended_at: datetime | None
    trends_seconds: float
    trends_until: date | None
    trends_stale_since: datetime | None
    waiting: int
    """The number of deltas that wait to be summarized."""
    stale_since: datetime | None
    """When the first of the waiting deltas was merged."""
    busy: bool


class _Taken(msgspec.Struct, frozen=True):
    shard: int
    batch_id: int
    part: int
    sign: int
    edges: int
    received_day: date
    summarized_at: datetime | None
    days_from: date | None


class _Payload(msgspec.Struct, frozen=True):
    batch_id: int
    part: int
    payload: bytes
    days: bytes | None


class _Read(msgspec.Struct, frozen=True):
    """A delta with what it holds."""

    taken: _Taken
    edges: pl.DataFrame
    days: bytes | None


def state(conn: Connection) -> State:
    """The state of the summaries."""
    return exactly_one(conn, State, _STATE)


def work(
    conn: Connection,
    parameters: GraphParameters,
    *,
    days_kept: int,
    clock: Callable[[], datetime],
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Summarize what waits, if it is time; how many deltas. Whoever else is at it sees what was merged before it ends.

    While there is other work, it is time after PATIENCE, and after a pause as long as SHARE has it: beside a backlog
    summaries are few and big.
    """
    done = 0
    while not stopping():
        if not _due(state(conn), clock()):
            tidy(conn, parameters, days_kept=days_kept, now=clock(), stopping=stopping)
            if not _due(state(conn), clock()):
                break
        laps = Laps("summarize")
        added = summarize(conn, parameters, days_kept=days_kept, now=clock())
        if added is None:
            break
        laps.end("all")
        done += added
    return done


def _due(found: State, now: datetime) -> bool:
    if found.stale_since is None or not found.busy:
        return found.stale_since is not None
    return now - found.stale_since >= PATIENCE and _rested(found.ended_at, found.seconds, now)


def _rested(ended_at: datetime | None, seconds: float, now: datetime) -> bool:
    return ended_at is None or now - ended_at >= timedelta(seconds=seconds * (1 / SHARE - 1))


def summarize(conn: Connection, parameters: GraphParameters, *, days_kept: int, now: datetime) -> int | None:
    """Add merged deltas to the summaries, and take withdrawn ones out, up to EDGES_AT_ONCE edges but at least one; how
    many. None: somebody else is at it."""
    try:
        with conn.transaction():
            if not locks.try_take(conn, locks.SUMMARIES):
                return None
            return _summarize(conn, parameters, days_kept=days_kept, now=now)
    except LockNotAvailable:
        return None


def _summarize(conn: Connection, parameters: GraphParameters, *, days_kept: int, now: datetime) -> int:
    began = time.monotonic()
    found = _keep_days(conn, days_kept, now)
    taken = rows(conn, _Taken, _TAKE, {"most_edges": EDGES_AT_ONCE})
    if not taken:
        return 0
    days_changed = _apply(conn, taken, parameters, found, now=now)
    _mark(conn, taken, days_from=found.days_from, now=now)
    versions.advance(conn, [versions.SUMMARIES])
    seconds = time.monotonic() - began
    ended = {"now": now + timedelta(seconds=seconds), "seconds": seconds}
    execute(conn, _SET_ENDED, {**ended, "days_changed": days_changed})
    return len(taken)


def _keep_days(conn: Connection, days_kept: int, now: datetime) -> State:
    """Keep so many days, of which the present one is the last, and forget those before."""
    found = state(conn)
    days_from = _days_from(found, days_kept, delta_days.day_of(now))
    if (found.days_kept, found.days_from) == (days_kept, days_from):
        return found
    if days_from is None:
        days.clear(conn)  # what is taken out again later must have been added since
    else:
        days.expire(conn, first=days_from)
    since = (found.days_since or now) if days_kept else None
    kept = {"days_kept": days_kept, "days_from": days_from, "days_since": since}
    execute(conn, _SET_DAYS_KEPT, {**kept, "now": now})
    versions.advance(conn, [versions.SUMMARIES])
    return msgspec.structs.replace(found, **kept)


def _days_from(found: State, days_kept: int, today: date) -> date | None:
    """The first day that is kept whole."""
    if not days_kept:
        return None
    first = delta_days.first_day(today, days_kept)
    if found.days_from is not None:
        return max(first, found.days_from)  # more are kept than before: in time
    # Of what was summarized while days were not told apart they know nothing: they begin with the next one.
    return first if found.ended_at is None else today + timedelta(days=1)


def _apply(
    conn: Connection, taken: Sequence[_Taken], parameters: GraphParameters, found: State, *, now: datetime
) -> bool:
    """Change users' totals and days by what these deltas hold; whether days were changed."""
    half_life = parameters.half_life
    added, removed, of_users = list[pl.DataFrame](), list[pl.DataFrame](), list[pl.DataFrame]()
    for shard, of_shard in groupby(taken, key=lambda delta: delta.shard):
        of_edges = list[pl.DataFrame]()
        for chunk in _chunks(list(of_shard)):
            deltas = _read(conn, shard, chunk)
            for sign, totals in ((1, added), (-1, removed)):
                if edges := [delta.edges for delta in deltas if delta.taken.sign == sign]:
                    totals.append(user_totals.by_user(edges, half_life))
                if sum(map(len, totals)) > GATHERED:
                    totals[:] = [user_totals.meet(totals, half_life)]
            entries = [_entries(delta, found) for delta in deltas]
            entries = [each for each in entries if not each.is_empty()]
            of_edges += entries
            of_users += [days.of_users(pl.concat(entries))] if entries else []
            if sum(map(len, of_users)) > GATHERED:
                of_users[:] = [days.summed(of_users)]
        if of_edges:
            days.add_edges(conn, shard, of_edges)
    if of_users:
        days.add_users(conn, of_users, parameters.shards)
    in_all, out_again = (user_totals.meet(totals, half_life) for totals in (added, removed))
    user_totals.apply(conn, in_all, out_again, half_life, now=now)
    return bool(of_users)


def _chunks(taken: list[_Taken]) -> Iterator[list[_Taken]]:
    """Deltas that are unpacked together."""
    chunk, edges = list[_Taken](), 0
    for delta in taken:
        if chunk and edges + delta.edges > EDGES_IN_MEMORY:
            yield chunk
            chunk, edges = [], 0
        chunk.append(delta)
        edges += delta.edges
    yield chunk


def _read(conn: Connection, shard: int, chunk: list[_Taken]) -> list[_Read]:
    by_part = {(delta.batch_id, delta.part): delta for delta in chunk}
    batch_ids, parts = ([delta.batch_id for delta in chunk], [delta.part for delta in chunk])
    found = rows(conn, _Payload, _PAYLOADS, {"shard": shard, "batch_ids": batch_ids, "parts": parts})
    if len(found) != len(chunk):
        raise LookupError(f"shard {shard}: {len(chunk) - len(found)} deltas were dropped before they were summarized")
    return [_Read(by_part[each.batch_id, each.part], unpack(each.payload), each.days) for each in found]


def _entries(delta: _Read, found: State) -> pl.DataFrame:
    """What a delta adds to the days, or takes out of them: the entries that were added and are not too old by now."""
    taken, begin = delta.taken, found.days_from
    if taken.sign < 0:
        since = found.days_since
        added = taken.summarized_at is not None and since is not None and taken.summarized_at >= since
        begin = max(begin, taken.days_from) if begin and taken.days_from and added else None
    if begin is None or delta.days is None:
        return pl.DataFrame(schema=delta_days.SCHEMA)
    entries = delta_days.of_delta(delta.edges, delta.days, first=begin, last=taken.received_day)
    return entries.with_columns(pl.col("mentions") * pl.lit(taken.sign, pl.Int32))


def _mark(conn: Connection, taken: Sequence[_Taken], *, days_from: date | None, now: datetime) -> None:
    """Say in the deltas' rows whether they are in the summaries."""
    execute(conn, _LOCK_DELTAS, _keys(taken))
    statements: tuple[tuple[int, LiteralString], ...] = ((1, _SET_ADDED), (-1, _SET_REMOVED))
    for sign, statement in statements:
        marked = [delta for delta in taken if delta.sign == sign]
        if (touched := execute(conn, statement, {**_keys(marked), "now": now, "days_from": days_from})) != len(marked):
            raise LookupError(f"{len(marked) - touched} deltas were summarized twice, or dropped")


def _keys(deltas: Sequence[_Taken]) -> dict[str, list[int]]:
    return {
        "shards": [delta.shard for delta in deltas],
        "batch_ids": [delta.batch_id for delta in deltas],
        "parts": [delta.part for delta in deltas],
    }


def tidy(
    conn: Connection,
    parameters: GraphParameters,
    *,
    days_kept: int,
    now: datetime,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Merge runs of days, forget old ones, and list anew who is trending, if it is time. Each step is a transaction."""
    more = True
    while more and not stopping():
        began = time.monotonic()
        with conn.transaction():
            if not locks.try_take(conn, locks.SUMMARIES):
                return
            days_from = _keep_days(conn, days_kept, now).days_from
            more = days_from is not None and days.merge_runs(conn, first=days_from)
            if more:
                seconds = time.monotonic() - began
                execute(conn, _ADD_SECONDS, {"now": now + timedelta(seconds=seconds), "seconds": seconds})
    began = time.monotonic()
    with conn.transaction():
        if stopping() or not locks.try_take(conn, locks.SUMMARIES):
            return
        found = state(conn)
        if not _trends_due(found, now):
            return
        trends.list_anew(conn, shards=parameters.shards, today=delta_days.day_of(now), days_from=found.days_from)
        versions.advance(conn, [versions.SUMMARIES])
        seconds = time.monotonic() - began
        execute(conn, _SET_TRENDS_ENDED, {"now": now, "seconds": seconds, "until": delta_days.day_of(now)})


def _trends_due(found: State, now: datetime) -> bool:
    changed = found.trends_until != delta_days.day_of(now) or found.trends_stale_since is not None
    return changed and _rested(found.trends_ended_at, found.trends_seconds, now)


def recount(conn: Connection, parameters: GraphParameters, *, now: datetime) -> None:
    """Make users' totals anew of all edges, which were replaced. In their transaction; every shard is locked, and
    nothing is on its way into the graph or out of it."""
    locks.take(conn, locks.SUMMARIES)
    found = state(conn)
    if found.ended_at is None:
        return  # all waits still
    while _summarize(conn, parameters, days_kept=found.days_kept, now=now):
        pass  # days are not in the edges
    user_totals.recount(conn, parameters.half_life)
    versions.advance(conn, [versions.SUMMARIES])

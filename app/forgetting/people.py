"""Forgetting a person, step by step.

1. Under the locks of all users' ids, the handle's hash is entered. From then on no count counts the person, and a count
   that began before adds no user. Whoever hands over posts at that moment is waited for.
2. Payloads are rewritten. Who counts one of them loses the claim, so no count with the person commits after this.
3. Deltas are rewritten, and with each the graph, the totals and the batch's numbers.
4. Edges that are left are of purged deltas. They go, and the erasure says how many mentions they had: the audit takes
   these out of what the ledger counts.
5. Days, rejects and other texts follow. At last the user's row is blanked, and the erasure is finished.

A rebuild would bring back what it read before, so the lock of rebuilds is held from the first step to the last. People
are forgotten one after another: whoever is next has entered the hash, and waits. A second request for the same person
waits for the first, and finds the work done. Whoever is killed leaves an unfinished erasure, by which counts go on
leaving the person out. The same command finishes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

import sql
from app.control import audit_events
from app.control.audit_events import Action
from app.control.callers import Caller
from app.errors import BadRequest, BadState, NotFound
from app.forgetting import payloads, remains, shares, texts
from app.graph import kept_out
from app.graph.parameters import GraphParameters
from app.graph.users import STRETCHES
from app.posts.erasing import Name
from app.store import locks
from app.store.acting import act_for
from app.store.locks import Part
from app.store.postgres import AsyncConnection, Connection, async_rows, exactly_one, execute, one, scalars

_IDS = sql.query("forgetting/people/ids")
_BEGIN = sql.query("forgetting/people/begin")
_NOTE = sql.query("forgetting/people/note")
_BLANK = sql.query("forgetting/people/blank")
_MOVE = sql.query("forgetting/people/move")
_FINISHED = sql.query("forgetting/people/finished")
STATE = sql.query("forgetting/people/state")
_FINISH = sql.query("forgetting/people/finish")
_EDGES = sql.query("forgetting/people/edges")
_LET_IN = sql.query("forgetting/people/let_in")
_VACUUM = sql.query("forgetting/people/vacuum")

MOVE_SECONDS = 1.0
"""Seconds between two notes in the erasure's row on how much of a step is done."""

Progress = Callable[[str, int, int], None]
"""Gets the step, and how much of it is done of how much."""


def silent(_step: str, _done: int, _total: int) -> None:
    """Progress that nobody sees."""


class Found(msgspec.Struct, frozen=True):
    """What forgetting a person would take or rewrite."""

    known: bool
    """Whether the handle is a user of the graph."""
    edges: int
    """Edges from and to the person, archived ones included."""
    mentions: int
    """Mentions of these edges."""
    deltas: int
    payloads: int
    """Batches with a payload that holds the person."""
    rejects: int
    texts: int
    """Other rows of the ledger that hold the handle."""


class Forgotten(msgspec.Struct, frozen=True):
    """What was taken or rewritten, over all attempts to forget the person."""

    keep_out: bool
    mentions: int
    """Mentions that were taken out of batches and their deltas."""
    mentions_purged: int
    """Mentions that were taken out of the graph alone, since the deltas of their batches were purged."""
    deltas: int
    payloads: int
    """Payloads that were rewritten."""
    payloads_dropped: int
    """Payloads that could not be rewritten. Their batches cannot be replayed or rebuilt from."""
    rejects: int
    texts: int


class Erasure(msgspec.Struct, frozen=True):
    """How far forgetting a person is. It never holds the handle."""

    id: int
    state: Literal["running", "finished", "stopped"]
    """`running`: somebody works on it, or waits while another person is forgotten. `stopped`: whoever worked on it is
    gone. Counts leave the person out all the same; forget the person again to finish it."""
    keep_out: bool
    """Whether later uploads are counted without the person."""
    began_at: datetime
    finished_at: datetime | None
    step: str | None
    """What is being rewritten, in this order: payloads, deltas, edges, texts. Null before the first step."""
    step_done: int
    """How much of the step is done."""
    step_total: int
    """How much there is to do in the step: batches, or parts of the graph."""
    moved_at: datetime | None
    """When the step and its numbers were written last."""
    mentions: int
    """Mentions that went so far."""
    deltas: int
    """Deltas that were rewritten so far."""
    payloads: int
    """Payloads of batches that were rewritten so far."""
    payloads_dropped: int
    """Payloads that could not be rewritten, so far."""
    rejects: int
    """Rejected rows that were rewritten so far."""
    texts: int
    """Other entries of the ledger that were rewritten so far."""


class _Edges(msgspec.Struct, frozen=True):
    edges: int
    mentions: int


def preview(conn: Connection, handle: str, parameters: GraphParameters, *, progress: Progress = silent) -> Found:
    """What forgetting the person would change. Changes nothing, and reads every payload and delta."""
    name = _name(handle)
    ids = scalars(conn, _IDS, {"handle": name.handle})
    edges = exactly_one(conn, _Edges, _EDGES, {"ids": ids})
    batch_ids = payloads.holding(conn, name, progress=lambda done, total: progress("payloads", done, total))
    held = sum(payloads.holds(conn, batch_id, name) for batch_id in batch_ids)
    deltas = 0
    for shard in range(parameters.shards):
        progress("deltas", shard, parameters.shards)
        deltas += sum(map(len, shares.holding(conn, shard, ids))) if ids else 0
    progress("texts", 0, 1)
    return Found(
        known=bool(ids),
        edges=edges.edges,
        mentions=edges.mentions,
        deltas=deltas,
        payloads=held,
        rejects=texts.erase_rejects(conn, name, change=False),
        texts=texts.erase(conn, name, change=False),
    )


def forget(
    guard: Connection,
    conn: Connection,
    handle: str,
    parameters: GraphParameters,
    caller: Caller,
    *,
    keep_out: bool,
    clock: Callable[[], datetime],
    progress: Progress = silent,
    begun: Callable[[int], object] | None = None,
) -> Forgotten:
    """Forget a person. `guard` is a connection of its own, which does nothing else meanwhile.

    People who are being forgotten are waited for: of the same person, the one that waited finds the work done. `begun`
    gets the id of the erasure once no count counts the person any more. Raises BadRequest for no handle, BadState while
    a rebuild runs.
    """
    name = _name(handle)
    with guard.transaction():
        if not locks.try_take_shared(guard, locks.REBUILD):
            raise BadState("a rebuild is running; wait for the end of it.")
        erasure = _begin(conn, name, caller, keep_out=keep_out, now=clock())
        if begun is not None:
            begun(erasure)
        progress = _Recorded(conn, erasure, clock, progress)
        locks.take_part(guard, Part.ERASURE, erasure)
        locks.take(guard, locks.FORGET)
        if done := one(conn, Forgotten, _FINISHED, {"id": erasure}):
            return done
        ids: list[int] = scalars(conn, _IDS, {"handle": name.handle})
        read = _payloads(conn, erasure, name, clock, progress)
        for shard in range(parameters.shards):
            progress("deltas", shard, parameters.shards)
            _shares(conn, erasure, name, shard, ids, parameters, clock, read)
        for shard in range(parameters.shards):
            progress("edges", shard, parameters.shards)
            with conn.transaction():
                left = remains.take_edges(conn, shard, ids, parameters, now=clock())
                _note(conn, erasure, mentions_purged=left)
            with conn.transaction():
                remains.take_days(conn, shard, ids, parameters)
        with conn.transaction():
            remains.drop_trending(conn, ids)
        _texts(conn, erasure, name, progress)
        return _finish(conn, erasure, name, caller, now=clock())


async def async_state(conn: AsyncConnection, erasure: int) -> Erasure:
    """How far an erasure is. Raises NotFound."""
    found = await async_rows(conn, Erasure, STATE, {"id": erasure, "part": int(Part.ERASURE)})
    if not found:
        raise NotFound(f"there is no erasure {erasure} in this graph.")
    return found[0]


def let_in(conn: Connection, handle: str, caller: Caller) -> None:
    """Let a forgotten handle come again with later uploads. Raises NotFound if it is not kept out."""
    name = _name(handle)
    with conn.transaction():
        act_for(conn, caller)
        hashed = kept_out.read(conn).hash_of(name.handle)
        if not scalars(conn, _LET_IN, {"hash": hashed}):
            raise NotFound("the handle is not kept out, or is being forgotten at this moment.")
        audit_events.record(conn, caller, Action.USER_LET_IN, None)


def vacuum(conn: Connection) -> None:
    """Give back the room of what was deleted or replaced, so that new rows overwrite it."""
    execute(conn, _VACUUM)


def _name(handle: str) -> Name:
    name = Name(handle)
    if not name.handle:
        raise BadRequest("name the handle of the person to forget.")
    return name


class _Recorded:
    """Progress that the erasure's row has, too: each step, and what is done of it about once a second."""

    def __init__(self, conn: Connection, erasure: int, clock: Callable[[], datetime], progress: Progress) -> None:
        self._conn, self._erasure, self._clock, self._progress = conn, erasure, clock, progress
        self._step, self._again = "", 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        if step != self._step or time.monotonic() >= self._again:
            self._step, self._again = step, time.monotonic() + MOVE_SECONDS
            moved = {"id": self._erasure, "step": step, "done": done, "total": total, "now": self._clock()}
            execute(self._conn, _MOVE, moved)
        self._progress(step, done, total)


def _begin(conn: Connection, name: Name, caller: Caller, *, keep_out: bool, now: datetime) -> int:
    """Enter the erasure. From the commit on, no count counts the person."""
    with conn.transaction():
        act_for(conn, caller)
        for stretch in range(STRETCHES):
            locks.take_part(conn, Part.USERS, stretch)
        hashed = kept_out.read(conn).hash_of(name.handle)
        (erasure,) = scalars(conn, _BEGIN, {"hash": hashed, "keep_out": keep_out, "now": now})
        audit_events.record(conn, caller, Action.USER_FORGET, f"erasure {erasure}", detail={"keep_out": keep_out})
    with conn.transaction():
        locks.take(conn, locks.POST_IDS)  # whoever hands over posts now began before, and may count the person
    return int(erasure)


def _payloads(
    conn: Connection, erasure: int, name: Name, clock: Callable[[], datetime], progress: Progress
) -> set[int]:
    """Returns the batches whose payloads were counted, and hold the person no more."""
    read = set[int]()
    for batch_id in payloads.holding(conn, name, progress=lambda done, total: progress("payloads", done, total)):
        _payload(conn, erasure, batch_id, name, clock())
        read.add(batch_id)
    return read


def _payload(conn: Connection, erasure: int, batch_id: int, name: Name, now: datetime) -> None:
    with conn.transaction():
        done = payloads.erase(conn, batch_id, name, now=now)
        if done.rewritten or done.dropped:
            _note(conn, erasure, payloads=int(done.rewritten), payloads_dropped=int(done.dropped))


def _shares(  # noqa: PLR0917 (one step of `forget`)
    conn: Connection,
    erasure: int,
    name: Name,
    shard: int,
    ids: list[int],
    parameters: GraphParameters,
    clock: Callable[[], datetime],
    read: set[int],
) -> None:
    """`read`: batches whose payloads need no look. Those that get one are added."""
    if not ids:
        return
    for found in shares.holding(conn, shard, ids):
        if not found:
            continue
        # A payload may spell the handle so that only a count finds it, so those of deltas with the person are read.
        for batch_id in sorted({each.batch_id for each in found} - read):
            _payload(conn, erasure, batch_id, name, clock())
            read.add(batch_id)
        with conn.transaction():
            taken = shares.take_out(conn, shard, found, ids, parameters, now=clock())
            _note(conn, erasure, deltas=taken.deltas, mentions=taken.mentions)


def _texts(conn: Connection, erasure: int, name: Name, progress: Progress) -> None:
    """Twice, for what was written from the old texts meanwhile."""
    for look in range(2):
        progress("texts", look, 2)
        texts.erase_rejects(conn, name, note=lambda done: _note(conn, erasure, rejects=done))
        texts.erase(conn, name, note=lambda done: _note(conn, erasure, texts=done))


def _finish(conn: Connection, erasure: int, name: Name, caller: Caller, *, now: datetime) -> Forgotten:
    with conn.transaction():
        act_for(conn, caller)
        for stretch in range(STRETCHES):
            locks.take_part(conn, Part.USERS, stretch)
        execute(conn, _BLANK, {"handle": name.handle})
        done = exactly_one(conn, Forgotten, _FINISH, {"id": erasure, "now": now})
        audit_events.record(conn, caller, Action.USER_FORGOTTEN, f"erasure {erasure}", detail=msgspec.to_builtins(done))
    return done


def _note(conn: Connection, erasure: int, **numbers: int) -> None:
    """Add to the erasure's numbers."""
    names = ("mentions", "mentions_purged", "deltas", "payloads", "payloads_dropped", "rejects", "texts")
    execute(conn, _NOTE, {"id": erasure, **dict.fromkeys(names, 0), **numbers})

"""A rebuild counts every applied batch anew from its payload into a shadow, which is compared or swapped in.

A rebuild proves more than the deltas prove, because the deltas are the results of the first count. A rebuild takes no
lock while it counts. Until the one transaction of the swap, a rebuild writes only to the shadow. So a rebuild that is
killed at any point leaves the graph unchanged.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime

import msgspec
import polars as pl

import sql
from app.errors import BadState
from app.graph import decay_ranges, kept_out, post_ids, top_edges, versions
from app.graph.deltas import DELTA_SCHEMA, by_id, sum_by_edge, unpack
from app.graph.edges import merge_arrays
from app.graph.half_life import in_seconds
from app.graph.mentions import count
from app.graph.parameters import GraphParameters
from app.graph.profiles import version_of
from app.graph.users import UserIds
from app.posts.containers.compression import decompress
from app.posts.options import Format, Options
from app.posts.readers import READERS
from app.proofs.audit import LARGEST_DEVIATION, LIGHT, snapshot
from app.store import locks
from app.store.postgres import Connection, exactly_one, execute, one, rows, scalars
from app.summaries import summarizing

_CLEAR = sql.query("proofs/rebuild/clear")
_LEFT_OVER = sql.query("proofs/rebuild/left_over")
_BATCHES = sql.query("proofs/rebuild/batches")
_PAYLOAD = sql.query("proofs/rebuild/payload")
_ADD = sql.query("proofs/rebuild/add")
_MOVED = sql.query("proofs/rebuild/moved_deltas")
_COMPARE = sql.query("proofs/rebuild/compare")
_DIFFERENCES = sql.query("proofs/rebuild/differences")
_IN_FLIGHT = sql.query("proofs/rebuild/in_flight")
_EMPTY_EDGES = sql.query("proofs/rebuild/empty_edges")
_EMPTY_ARCHIVE = sql.query("proofs/rebuild/empty_archive")
_SWAP_IN = sql.query("proofs/rebuild/swap_in")

EDGES_AT_ONCE = 500_000
"""Edges that are gathered, about 100 MB, before a rebuild sums the edges and adds them to the shadow."""
DELTAS_AT_ONCE = 64


class Batch(msgspec.Struct, frozen=True):
    """An applied batch to count anew. If `purged`, the payload of the batch is gone."""

    id: int
    upload_id: uuid.UUID
    size_bytes: int
    purged: bool
    part: int
    """The latest part of its deltas: a batch gets one whenever it takes over posts of another."""


class Recounted(msgspec.Struct, frozen=True):
    """A batch in the shadow: it was counted with the posts that it had with this part of its deltas."""

    id: int
    part: int


class Difference(msgspec.Struct, frozen=True):
    """An edge in which the graph and the rebuild differ.

    `found…` are the values in the graph, and `wanted…` the values in the rebuild. None: that side lacks the edge.
    """

    source: str
    target: str
    found_count: int | None
    wanted_count: int | None
    found: float | None
    wanted: float | None
    """`found` and `wanted` are effective weights."""


class Comparison(msgspec.Struct, frozen=True):
    """The graph, with its archive, against the rebuilt graph. The counts are numbers of edges."""

    edges: int
    rebuilt: int
    missing: int
    surplus: int
    differing_counts: int
    differing_weights: int
    largest_deviation: float
    """Largest relative deviation between the effective weights of an edge, among edges with equal counts."""

    @property
    def same(self) -> bool:
        """Whether the graph is the same as the graph that the payloads of the ledger give."""
        return not (self.missing or self.surplus or self.differing_counts or self.differing_weights)


class _Payload(msgspec.Struct, frozen=True):
    id: int
    upload_id: uuid.UUID
    state: str
    first_line: int
    payload: bytes | None
    profile: str
    profile_version: int
    options: Options
    format: Format
    received_at: datetime
    part: int


class _Moved(msgspec.Struct, frozen=True):
    batch_id: int
    part: int
    shard: int
    payload: bytes
    effect: int


@contextmanager
def alone(guard: Connection, conn: Connection) -> Generator[None]:
    """Be the only rebuild. The shadow is empty before and after. Raises BadState while another rebuild runs.

    A transaction on `guard` holds the lock. `guard` is a connection of its own, which does nothing else meanwhile.
    """
    with guard.transaction():
        if not locks.try_take(guard, locks.REBUILD):
            raise BadState("another rebuild, or forgetting a person, is running; wait for it to end.")
        execute(conn, _CLEAR)
        try:
            yield
        finally:
            if not conn.broken:
                execute(conn, _CLEAR)


def clear_left_over(conn: Connection) -> None:
    """Empty the shadow, unless a rebuild is running: one that was killed has left a graph there."""
    with conn.transaction():
        if scalars(conn, _LEFT_OVER) and locks.try_take(conn, locks.REBUILD):
            execute(conn, _CLEAR)


def count_anew(
    conn: Connection,
    parameters: GraphParameters,
    user_ids: UserIds,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Recounted]:
    """Fill the shadow with every batch that is applied now. Returns these batches. A batch with post ids that was taken
    out since has no posts of its own any more, so it is left out.

    `progress` gets the number of bytes done and the number of all bytes. Raises BadState if a payload was purged, or if
    this program does not know the version of the profile that counted a payload.
    """
    batches = rows(conn, Batch, _BATCHES)
    purged = [batch for batch in batches if batch.purged]
    if purged:
        raise BadState(
            f"{len(purged)} of {len(batches)} applied batches were purged after their retention time, or held a person "
            f"who was forgotten (batch {purged[0].id} of upload {purged[0].upload_id} first): the ledger alone no "
            "longer makes the graph."
        )
    total, done = sum(batch.size_bytes for batch in batches), 0
    gathered, size, recounted = list[pl.DataFrame](), 0, list[Recounted]()
    for batch in batches:
        found = _edges_of(conn, batch.id, parameters, user_ids)
        if found is not None:
            edges, part = found
            recounted.append(Recounted(batch.id, part))
            gathered.append(edges)
            size += len(edges)
        if size >= EDGES_AT_ONCE:
            _add(conn, sum_by_edge(gathered, half_life=parameters.half_life), parameters)
            gathered, size = [], 0
        done += batch.size_bytes
        if progress is not None:
            progress(done, total)
    _add(conn, sum_by_edge(gathered, half_life=parameters.half_life), parameters)
    return recounted


def compare(
    conn: Connection, batches: list[Recounted], parameters: GraphParameters, *, now: datetime, examples: int = 20
) -> tuple[Comparison, list[Difference]]:
    """Compare the graph with the shadow, which holds `batches`. Returns the result and the first different edges.

    The comparison reads one snapshot, in which edges and deltas agree. The deltas of batches that were merged or taken
    out in the meantime correct the shadow. So uploads may go on meanwhile.
    """
    weighing = {
        "now": now,
        "half_life_seconds": in_seconds(parameters.half_life),
        "largest_deviation": LARGEST_DEVIATION,
        "light": LIGHT,
    }
    with snapshot(conn):
        _follow(conn, batches, parameters)
        found = exactly_one(conn, Comparison, _COMPARE, weighing)
        different = [] if found.same else rows(conn, Difference, _DIFFERENCES, {**weighing, "limit": examples})
    return found, different


def swap(conn: Connection, batches: list[Recounted], parameters: GraphParameters, *, now: datetime) -> int:
    """Replace edges and archive by the shadow, which holds `batches`, in one transaction.

    Returns the number of edges swapped in. The swap computes users' totals anew from these edges. Raises BadState if
    uploads are being applied or taken out, or were applied or taken out since the shadow was filled.
    """
    with conn.transaction():
        # A withdrawal takes the same locks. So no merge, decay or withdrawal works on the edges, or is half done.
        for shard in range(parameters.shards):
            locks.take_shard(conn, shard)
        in_flight = scalars(conn, _IN_FLIGHT)[0]
        if in_flight:
            raise BadState(f"{in_flight} uploads are being applied or taken out: swap once they are finished.")
        if [Recounted(batch.id, batch.part) for batch in rows(conn, Batch, _BATCHES)] != batches:
            raise BadState("uploads were applied or taken out since the rebuild began: start it again.")
        execute(conn, _EMPTY_ARCHIVE)
        execute(conn, _EMPTY_EDGES)
        decay_ranges.forget(conn)
        swapped = execute(conn, _SWAP_IN)
        for shard in range(parameters.shards):
            top_edges.refill(conn, shard, parameters)
        versions.advance(conn, range(parameters.shards))
        versions.settle(conn)
        summarizing.recount(conn, parameters, now=now)
    return swapped


def in_flight(conn: Connection) -> int:
    """Returns the number of uploads that are being applied or taken out.

    `swap` refuses to work while there are such uploads.
    """
    return int(scalars(conn, _IN_FLIGHT)[0])


def _edges_of(
    conn: Connection, batch_id: int, parameters: GraphParameters, user_ids: UserIds
) -> tuple[pl.DataFrame, int] | None:
    """Returns a batch's edges by id, counted anew with the batch's own profile, clock and instant of arrival; and the
    latest part that they have in them. None: the batch has post ids, and left the graph."""
    with snapshot(conn):  # the posts that the batch owns, and its parts, are of one instant
        batch = one(conn, _Payload, _PAYLOAD, {"batch_id": batch_id})
        frame = None if batch is None else _posts_of(conn, batch)
    if batch is None or batch.payload is None:
        raise BadState(f"batch {batch_id} was purged while the rebuild was running.")
    profile = version_of(batch.profile, batch.profile_version)
    if profile is None:
        raise BadState(
            f"batch {batch_id} was counted by version {batch.profile_version} of the profile {batch.profile!r}, which "
            "this version of the program does not know."
        )
    if frame is None:
        return None
    counted = count(
        frame,
        profile=profile,
        clock=batch.options.clock,
        received_at=batch.received_at,
        half_life=parameters.half_life,
        retweets=batch.options.retweet_rule,
    )
    counted = kept_out.read(conn).without(counted)
    edges = by_id(counted.edges, user_ids.of(conn, counted.users))
    return edges.select(DELTA_SCHEMA.names()), batch.part


def _posts_of(conn: Connection, batch: _Payload) -> pl.DataFrame | None:
    """The posts that a batch counts: all, but for those with an id that another row counts. None: the payload was
    purged, or the batch has post ids, and left the graph."""
    if batch.payload is None:
        return None
    reader = READERS[batch.options.format]
    frame = reader.read(decompress(batch.payload), batch.format, first_line=batch.first_line).frame
    keys = post_ids.keys_of(frame, batch.format)
    if keys is None:
        return frame
    if batch.state != "applied":
        return None
    return frame.filter(keys.rows_but(post_ids.owned_by_others(conn, batch.id, keys).positions, len(frame)))


def _follow(conn: Connection, batches: list[Recounted], parameters: GraphParameters) -> None:
    """Add the batches of the graph beyond `batches` to the shadow, and take out the batches that left the graph."""
    known = {"batch_ids": [batch.id for batch in batches], "parts": [batch.part for batch in batches]}
    after = {"after_batch": 0, "after_part": 0, "after_shard": -1}
    while page := rows(conn, _Moved, _MOVED, {**after, **known, "limit": DELTAS_AT_ONCE}):
        changes = [
            unpack(moved.payload).with_columns(pl.col("mention_count", "weight") * moved.effect) for moved in page
        ]
        _add(conn, sum_by_edge(changes, half_life=parameters.half_life), parameters)
        last = page[-1]
        after = {"after_batch": last.batch_id, "after_part": last.part, "after_shard": last.shard}


def _add(conn: Connection, edges: pl.DataFrame, parameters: GraphParameters) -> None:
    if edges.is_empty():
        return
    execute(conn, _ADD, merge_arrays(edges, parameters.half_life))

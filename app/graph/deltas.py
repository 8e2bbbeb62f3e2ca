"""Count, then merge: a batch becomes deltas, one a shard; a shard's pending deltas become edges.

Both are one transaction that flips the ledger with the work it records. Two merges never touch the same edge: each
works under its shard's advisory lock. A backlog makes merges bigger, and cheaper per edge.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np
import polars as pl

import sql
from app.errors import Problem
from app.graph import decay_ranges, versions
from app.graph.edges import add_edges, key_arrays, subtract_edges
from app.graph.groups import Groups
from app.graph.mentions import PROFILES, Counted, count
from app.graph.parameters import GraphParameters
from app.graph.shards import Ints, shard_lock_key, shard_of, shard_range
from app.graph.users import UserIds
from app.ledger import transitions
from app.ledger.transitions import Claim
from app.posts.compression import decompress
from app.posts.posts import Posts
from app.posts.readers import READERS
from app.store.params import Int8Array
from app.store.postgres import Connection, execute, rows, scalars
from app.summaries import days

_SET_COUNTED = sql.query("batches/set_counted")
_INSERT_REJECTS = sql.query("rejects/insert")
_COMMIT_LATER = sql.query("session/commit_later")
_INSERT_DELTA = sql.query("deltas/insert")
_TRY_MERGE_LOCK = sql.query("deltas/try_merge_lock")
_LOCK_SHARD = sql.query("edges/lock_shard")
_TAKE = sql.query("deltas/take")
_SET_MERGED = sql.query("deltas/set_merged")
_SET_ASIDE = sql.query("deltas/set_aside")
_NOTE_ERROR = sql.query("batches/note_error")
_PENDING = sql.query("deltas/pending")
_ARCHIVE_HOLDS = sql.query("archive/holds")
_TAKE_BACK = sql.query("archive/take_back")

MERGE_LOCK_CLASS = 0x6D67
"""First half of the two-part advisory lock keys of which a shard's one merge holds one; the second is the shard."""

_KEYS = ["source_id", "target_id"]

_INSTANT = pl.Datetime("us", "UTC")
DELTA_SCHEMA = pl.Schema(
    {
        "source_id": pl.Int64,
        "target_id": pl.Int64,
        "mention_count": pl.Int64,
        "weight": pl.Float64,
        "weighed_at": _INSTANT,
        "first_seen": _INSTANT,
        "last_seen": _INSTANT,
    }
)
"""A delta's columns; sorted by the first two."""


class Outcome(msgspec.Struct, frozen=True):
    """What a count found, and the shards that have a delta of it now."""

    rows_received: int
    rows_rejected: int
    mentions: int
    edges: int
    shards: list[int]


class _DeltaRow(msgspec.Struct):
    batch_id: int
    sign: int
    payload: bytes


class _EdgeRow(msgspec.Struct):
    source_id: int
    target_id: int
    mention_count: int
    weight: float
    weighed_at: datetime
    first_seen: datetime
    last_seen: datetime


# Count ----------------------------------------------------------------------------------------------------------------


def count_batch(
    conn: Connection,
    claim: Claim,
    parameters: GraphParameters,
    user_ids: UserIds,
    *,
    now: datetime,
    days_kept: int = 0,
) -> Outcome | None:
    """Count a claimed batch and flip it to `counted` with its deltas and rejects. None if the claim was superseded.
    The days of mentions are told apart as far back as `days_kept`; 0: they are not.

    Its users are added first, in transactions of their own: they are the same whoever adds them.
    """
    reader = READERS[claim.options.format]
    posts = reader.read(decompress(claim.payload), claim.format, first_line=claim.first_line)
    counted = count(
        posts.frame,
        profile=PROFILES[claim.options.profile],
        clock=claim.options.clock,
        received_at=claim.received_at,
        half_life=parameters.half_life,
        retweets=claim.options.retweets,
        days_from=days.first_day(days.day_of(claim.received_at), days_kept) if days_kept else None,
    )
    by_shard: dict[int, pl.DataFrame] = {}
    on_days: dict[int, bytes] = {}
    if not claim.options.dry_run:
        ids = user_ids.of(conn, counted.users)
        by_shard = _split(by_id(counted.edges, ids), parameters.shards)
        on_days = days.by_shard(counted.days, ids, parameters.shards)
    outcome = Outcome(
        rows_received=posts.rows,
        rows_rejected=len(posts.rejects),
        mentions=counted.mentions,
        edges=len(counted.edges),
        shards=[] if claim.options.max_rejects else list(by_shard),
    )
    with conn.transaction():
        if by_shard:
            execute(conn, _COMMIT_LATER)  # a lost count is counted again; the merge waits for the disk
        if not _set_counted(conn, claim, counted, posts, now=now):
            return None
        for shard, edges in by_shard.items():
            execute(
                conn,
                _INSERT_DELTA,
                {
                    "shard": shard,
                    "batch_id": claim.batch_id,
                    "edges": len(edges),
                    "mentions": int(edges["mention_count"].sum()),
                    "payload": pack(edges),
                    "days": on_days.get(shard, None if counted.days is None else b""),
                    "held": claim.options.max_rejects is not None,
                },
            )
        _insert_rejects(conn, claim, posts.rejects)
        if claim.options.dry_run:
            transitions.finish_uploads(conn, [claim.upload_id], now=now)
        elif not by_shard and claim.options.max_rejects is None:
            transitions.finish_batches(conn, [claim.batch_id], now=now)
    return outcome


def _set_counted(conn: Connection, claim: Claim, counted: Counted, posts: Posts, *, now: datetime) -> bool:
    profile = PROFILES[claim.options.profile]
    return bool(
        execute(
            conn,
            _SET_COUNTED,
            {
                "batch_id": claim.batch_id,
                "claim": claim.token,
                "state": "checked" if claim.options.dry_run else "counted",
                "profile": profile.name,
                "profile_version": profile.version,
                "rows_received": posts.rows,
                "rows_accepted": len(posts.frame),
                "rows_rejected": len(posts.rejects),
                "mentions": counted.mentions,
                "edges": len(counted.edges),
                "now": now,
            },
        )
    )


def _insert_rejects(conn: Connection, claim: Claim, rejects: pl.DataFrame) -> None:
    if rejects.is_empty():
        return
    execute(
        conn,
        _INSERT_REJECTS,
        {
            "upload_id": claim.upload_id,
            "batch_id": claim.batch_id,
            "lines": Int8Array(rejects["line"].to_numpy()),
            "columns": rejects["column"].to_list(),
            "values": rejects["value"].to_list(),
            "codes": rejects["code"].to_list(),
            "messages": rejects["message"].to_list(),
            "raws": rejects["raw"].to_list(),
        },
    )


def by_id(edges: pl.DataFrame, ids: Ints) -> pl.DataFrame:
    """Edges with source and target as rows of `ids`, by id: sorted by (source_id, target_id), instants as they are."""
    ends = ids[edges["source"].to_numpy()], ids[edges["target"].to_numpy()]
    order = np.lexsort(ends[::-1])
    keys = {name: end[order] for name, end in zip(_KEYS, ends, strict=True)}
    rest = edges.select("mention_count", "weight", "weighed_at", "first_seen", "last_seen")[order]
    return pl.DataFrame(keys).hstack(rest)


def _split(edges: pl.DataFrame, shards: int) -> dict[int, pl.DataFrame]:
    """Edges by shard. Shards are ranges of source ids and the edges are sorted, so each is a slice."""
    numbers = shard_of(edges["source_id"].to_numpy(), shards)
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]]) if len(numbers) else np.array([], dtype=np.int64)
    ends = np.r_[starts[1:], len(numbers)].astype(np.int64)
    return {
        int(numbers[start]): edges.slice(int(start), int(end - start)) for start, end in zip(starts, ends, strict=False)
    }


def pack(edges: pl.DataFrame) -> bytes:
    """A delta's payload: an Arrow IPC stream, compressed with Zstandard."""
    out = io.BytesIO()
    edges.write_ipc_stream(out, compression="zstd")
    return out.getvalue()


def unpack(payload: bytes) -> pl.DataFrame:
    """The edges of a delta's payload."""
    return pl.read_ipc_stream(io.BytesIO(payload))


# Merge ----------------------------------------------------------------------------------------------------------------


def merge_shard(
    conn: Connection, shard: int, parameters: GraphParameters, *, most_edges: int, now: datetime
) -> int | None:
    """Merge a shard's pending deltas, up to `most_edges` together but at least one; how many. None: another is at it.

    That one goes on until `has_pending`, asked after its lock is released, says no: a delta committed by a worker that
    found the shard's merge running is never left behind.
    """
    with conn.transaction():
        if scalars(conn, _TRY_MERGE_LOCK, {"merge_class": MERGE_LOCK_CLASS, "shard": shard}) != [True]:
            return None
        execute(conn, _LOCK_SHARD, {"key": shard_lock_key(shard)})
        taken = rows(conn, _DeltaRow, _TAKE, {"shard": shard, "most_edges": most_edges})
        if not taken:
            return 0
        half_life = parameters.half_life
        added = fold([unpack(delta.payload) for delta in taken if delta.sign > 0], half_life=half_life)
        removed = fold([unpack(delta.payload) for delta in taken if delta.sign < 0], half_life=half_life)
        keys = pl.concat([added.select(_KEYS), removed.select(_KEYS)])
        merged = _with_archived(conn, shard, added, keys, parameters)
        add_edges(conn, shard, merged, half_life)
        subtract_edges(conn, shard, removed, parameters)
        _note_old(conn, merged, removed, now=now)
        versions.advance(conn, [shard])
        batch_ids = [delta.batch_id for delta in taken]
        execute(conn, _SET_MERGED, {"shard": shard, "batch_ids": batch_ids, "now": now})
        transitions.finish_batches(conn, batch_ids, now=now)
    return len(taken)


def _note_old(conn: Connection, merged: pl.DataFrame, removed: pl.DataFrame, *, now: datetime) -> None:
    """For decay: what came in long after it was weighed, and what taking out may have moved, as old as it is."""
    old = pl.concat(
        [merged.filter(pl.col("weighed_at") < now - decay_ranges.LATE).select(_KEYS), removed.select(_KEYS)]
    )
    if not old.is_empty():
        decay_ranges.note(conn, **key_arrays(old), now=now)


def set_aside(conn: Connection, shard: int, error: Exception) -> int | None:
    """The shard's next delta cannot be merged: hold it, and say why at its batch. None: another merge is at it.

    Its upload can then be cancelled or retracted, and sent again; the other uploads go on.
    """
    with conn.transaction():
        if scalars(conn, _TRY_MERGE_LOCK, {"merge_class": MERGE_LOCK_CLASS, "shard": shard}) != [True]:
            return None
        execute(conn, _LOCK_SHARD, {"key": shard_lock_key(shard)})
        taken = rows(conn, _DeltaRow, _TAKE, {"shard": shard, "most_edges": 1})
        if not taken:
            return None
        batch_id = taken[0].batch_id
        problem = Problem(
            type="urn:mentiongraph:problem:merge-failed",
            title="What the batch adds to a shard cannot be merged",
            status=500,
            detail=f"shard {shard}: {type(error).__name__}: {error}. Cancel or retract the upload, and send it again.",
        )
        execute(conn, _SET_ASIDE, {"shard": shard, "batch_id": batch_id})
        execute(conn, _NOTE_ERROR, {"batch_id": batch_id, "error": msgspec.json.encode(problem).decode()})
    return batch_id


def has_pending(conn: Connection, shard: int) -> bool:
    """Whether the shard has deltas."""
    return scalars(conn, _PENDING, {"shard": shard}) == [True]


def fold(deltas: Sequence[pl.DataFrame], *, half_life: timedelta) -> pl.DataFrame:
    """Sum deltas by edge, sorted by (source_id, target_id): counts add up, weights meet at their latest instant."""
    if not deltas:
        return pl.DataFrame(schema=DELTA_SCHEMA)
    if len(deltas) == 1:
        return deltas[0]
    values = {name: column.to_physical().to_numpy() for name, column in pl.concat(deltas).to_dict().items()}
    groups = Groups.of(*(values[key] for key in _KEYS))
    latest = groups.max(values["weighed_at"])
    half_lives = (groups.spread(latest) - values["weighed_at"]) / (half_life / timedelta(microseconds=1))
    folded = {
        **{key: groups.first(values[key]) for key in _KEYS},
        "mention_count": groups.sum(values["mention_count"]),
        "weight": groups.sum(values["weight"] * np.exp2(-half_lives)),
        "weighed_at": latest,
        "first_seen": groups.min(values["first_seen"]),
        "last_seen": groups.max(values["last_seen"]),
    }
    return pl.DataFrame(folded).cast(DELTA_SCHEMA)


def _with_archived(
    conn: Connection, shard: int, edges: pl.DataFrame, keys: pl.DataFrame, parameters: GraphParameters
) -> pl.DataFrame:
    """The edges, with what the archive held of these keys, taken out of it."""
    lowest, highest = shard_range(shard, parameters.shards)
    if scalars(conn, _ARCHIVE_HOLDS, {"lowest_id": lowest, "highest_id": highest}) != [True]:
        return edges
    archived = rows(conn, _EdgeRow, _TAKE_BACK, key_arrays(keys))
    if not archived:
        return edges
    back = pl.DataFrame([msgspec.structs.asdict(row) for row in archived], schema=DELTA_SCHEMA)
    return fold([edges, back], half_life=parameters.half_life)

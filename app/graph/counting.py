"""Count a batch: its payload becomes deltas, one a shard, in the transaction that flips it to `counted`."""

from __future__ import annotations

from datetime import datetime

import msgspec
import numpy as np
import polars as pl

import sql
from app.errors import RowsDiffer
from app.graph import delta_days, noticing
from app.graph.deltas import by_id, pack
from app.graph.mentions import Counted, count
from app.graph.parameters import GraphParameters
from app.graph.profiles import PROFILES
from app.graph.shards import shard_of
from app.graph.users import UserIds
from app.ledger import transitions
from app.ledger.transitions import Claim
from app.ledger.warnings import Notes
from app.posts.compression import decompress
from app.posts.readers import READERS
from app.posts.screening import Posts
from app.store.params import Int8Array
from app.store.postgres import Connection, commit_later, execute

_SET_COUNTED = sql.query("graph/counting/set_counted")
_INSERT_REJECTS = sql.query("graph/counting/insert_rejects")
_INSERT_DELTA = sql.query("graph/counting/insert_delta")


class Outcome(msgspec.Struct, frozen=True):
    """What a count found, and the shards that have a delta of it now."""

    rows_received: int
    rows_rejected: int
    mentions: int
    edges: int
    shards: list[int]


def count_batch(
    conn: Connection,
    claim: Claim,
    parameters: GraphParameters,
    user_ids: UserIds,
    *,
    now: datetime,
    days_kept: int = 0,
) -> Outcome | None:
    """Count a claimed batch and flip it to `counted` with its deltas and rejects. Returns None if another claim
    superseded this one. Mentions are told apart by day as far back as `days_kept`; with 0 they are not.

    The batch's users are added first, in transactions of their own: they are the same for every worker that adds them.
    Raises RowsDiffer.
    """
    reader = READERS[claim.options.format]
    posts = reader.read(decompress(claim.payload), claim.format, first_line=claim.first_line)
    if claim.rows_staged not in {None, posts.rows}:
        raise RowsDiffer(
            f"batch {claim.batch_id} has {posts.rows} rows, and {claim.rows_staged} when it was staged. Nothing of it "
            "was counted: do the API and the workers run the same release?"
        )
    counted = count(
        posts.frame,
        profile=PROFILES[claim.options.profile],
        clock=claim.options.clock,
        received_at=claim.received_at,
        half_life=parameters.half_life,
        retweets=claim.options.retweet_rule,
        days_from=delta_days.first_day(delta_days.day_of(claim.received_at), days_kept) if days_kept else None,
    )
    by_shard: dict[int, pl.DataFrame] = {}
    on_days: dict[int, bytes] = {}
    if not claim.options.dry_run:
        ids = user_ids.of(conn, counted.users)
        by_shard = _split(by_id(counted.edges, ids), parameters.shards)
        on_days = delta_days.by_shard(counted.days, ids, parameters.shards)
    notes = noticing.notes_of(
        noticing.Batch(
            posts.frame, posts.rejects, counted, PROFILES[claim.options.profile], claim.received_at,
            placeholders=claim.format.placeholders,
        )
    )  # fmt: skip
    outcome = Outcome(
        rows_received=posts.rows,
        rows_rejected=len(posts.rejects),
        mentions=counted.mentions,
        edges=len(counted.edges),
        shards=[] if claim.options.max_rejects else list(by_shard),
    )
    with conn.transaction():
        if by_shard:
            commit_later(conn)  # a lost count is counted again; the merge waits for the disk
        if not _set_counted(conn, claim, counted, posts, notes, now=now):
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


def _set_counted(
    conn: Connection, claim: Claim, counted: Counted, posts: Posts, notes: Notes, *, now: datetime
) -> bool:
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
                "warnings": msgspec.json.encode(notes).decode() if notes else None,
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


def _split(edges: pl.DataFrame, shards: int) -> dict[int, pl.DataFrame]:
    """Edges by shard. Shards are ranges of source ids and the edges are sorted, so each is a slice."""
    numbers = shard_of(edges["source_id"].to_numpy(), shards)
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]]) if len(numbers) else np.array([], dtype=np.int64)
    ends = np.r_[starts[1:], len(numbers)].astype(np.int64)
    return {
        int(numbers[start]): edges.slice(int(start), int(end - start)) for start, end in zip(starts, ends, strict=False)
    }

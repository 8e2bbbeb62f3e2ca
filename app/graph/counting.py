"""Count a batch: its payload becomes deltas, one a shard, in the transaction that flips it to `counted`."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

import sql
from app.errors import RowsDiffer
from app.graph import delta_days, kept_out, noticing, post_ids
from app.graph.deltas import by_id, pack
from app.graph.kept_out import KeptOut
from app.graph.mentions import Counted, count
from app.graph.parameters import GraphParameters
from app.graph.post_ids import Keys
from app.graph.profiles import PROFILES
from app.graph.shards import Ints, shard_of
from app.graph.users import ForgottenMeanwhile, UserIds
from app.ledger import limits, transitions
from app.ledger.transitions import Claim
from app.ledger.warnings import Notes
from app.metrics.laps import Laps
from app.posts.containers.compression import decompress
from app.posts.readers import READERS
from app.posts.screening import Posts
from app.store.params import Int8Array
from app.store.postgres import Connection, commit_later, execute

_SET_COUNTED = sql.query("graph/counting/set_counted")
_INSERT_REJECTS = sql.query("graph/counting/insert_rejects")
_SET_REJECTS = sql.query("graph/counting/set_rejects")
_INSERT_DELTA = sql.query("graph/counting/insert_delta")


REJECTS_KEPT = 10_000
"""Rejects of a file whose rows are kept, unless a setting says otherwise."""


class Outcome(msgspec.Struct, frozen=True):
    """What a count found, and the shards that have a delta of it now."""

    rows_received: int
    rows_rejected: int
    mentions: int
    edges: int
    shards: list[int]


class _Shares(NamedTuple):
    """What was counted, and what of it goes to which shard: edges, and the packed days of some."""

    counted: Counted
    edges: dict[int, pl.DataFrame]
    days: dict[int, bytes]


def count_batch(
    conn: Connection,
    claim: Claim,
    parameters: GraphParameters,
    user_ids: UserIds,
    *,
    now: datetime,
    days_kept: int = 0,
    rejects_kept: int = REJECTS_KEPT,
) -> Outcome | None:
    """Count a claimed batch and flip it to `counted` with its deltas and rejects. Returns None if another claim
    superseded this one. Mentions are told apart by day as far back as `days_kept`; with 0 they are not. The rows of
    `rejects_kept` rejects of the file are kept, and the others are only counted.

    Nobody who is being forgotten, or is to stay out, is counted. The batch's users are added first, in transactions of
    their own: they are the same for every worker that adds them.
    Raises RowsDiffer.
    """
    laps = Laps("count")
    reader = READERS[claim.options.format]
    posts = reader.read(decompress(claim.payload), claim.format, first_line=claim.first_line)
    if claim.rows_staged not in {None, posts.rows}:
        raise RowsDiffer(
            f"batch {claim.batch_id} has {posts.rows} rows, and {claim.rows_staged} when it was staged. Nothing of it "
            "was counted: do the API and the workers run the same release?"
        )
    laps.end("read")
    left_out = kept_out.read(conn)
    plainly = partial(
        count,
        profile=PROFILES[claim.options.profile],
        clock=claim.options.clock,
        received_at=claim.received_at,
        half_life=parameters.half_life,
        retweets=claim.options.retweet_rule,
        days_from=delta_days.first_day(delta_days.day_of(claim.received_at), days_kept) if days_kept else None,
    )
    keys = post_ids.keys_of(posts.frame, claim.format)
    counted = left_out.without(plainly(posts.frame))
    laps.end("mentions")
    if claim.options.dry_run:
        ids, shares = None, _Shares(counted, {}, {})
    else:
        left_out, counted, ids = _identified(conn, left_out, counted, user_ids)
        laps.end("users")
        shares = _shares(counted, ids, parameters)
    laps.end("split")
    frame = posts.frame
    with conn.transaction():
        if keys is not None:
            counts = _claim_posts(conn, claim, keys, rows=len(posts.frame))
            if counts is None:
                return None
            if not counts.all():
                # What users there are is known from the first count, so nothing but numbers changes.
                frame = frame.filter(counts)
                shares = _counted_again(left_out.without(plainly(frame)), counted.users, ids, parameters)
        notes = noticing.notes_of(
            noticing.Batch(
                frame, posts.rejects, shares.counted, PROFILES[claim.options.profile], claim.received_at,
                placeholders=claim.format.placeholders,
            )
        )  # fmt: skip
        if shares.edges:
            commit_later(conn)  # a lost count is counted again; the merge waits for the disk
        if not _set_counted(conn, claim, shares.counted, posts, notes, now=now):
            return None
        _insert_deltas(conn, claim, shares)
        _insert_rejects(conn, claim, posts.rejects, most=rejects_kept)
        if claim.options.dry_run:
            transitions.finish_uploads(conn, [claim.upload_id], now=now)
        elif not shares.edges and claim.options.max_rejects is None:
            transitions.finish_batches(conn, [claim.batch_id], now=now)
    laps.end("write")
    return Outcome(
        rows_received=posts.rows,
        rows_rejected=len(posts.rejects),
        mentions=shares.counted.mentions,
        edges=len(shares.counted.edges),
        shards=[] if claim.options.max_rejects else list(shares.edges),
    )


def _identified(
    conn: Connection, left_out: KeptOut, counted: Counted, user_ids: UserIds
) -> tuple[KeptOut, Counted, Ints]:
    """The ids of the users of a count, which leaves out who was forgotten since it began."""
    while True:
        try:
            return left_out, counted, user_ids.of(conn, counted.users, erasures=left_out.erasures)
        except ForgottenMeanwhile:
            left_out = kept_out.read(conn)
            counted = left_out.without(counted)


def _shares(counted: Counted, ids: Ints, parameters: GraphParameters) -> _Shares:
    return _Shares(
        counted,
        split(by_id(counted.edges, ids), parameters.shards),
        delta_days.by_shard(counted.days, ids, parameters.shards),
    )


def _counted_again(again: Counted, users: pl.DataFrame, ids: Ints | None, parameters: GraphParameters) -> _Shares:
    """The shares of a part of the posts, whose users are among `users`, which have these ids."""
    if ids is None:
        return _Shares(again, {}, {})
    known = users.select("handle", id=pl.Series(ids))
    ids = again.users.join(known, on="handle", how="left", maintain_order="left")["id"].to_numpy()
    return _shares(again, ids, parameters)


def _claim_posts(conn: Connection, claim: Claim, keys: Keys, *, rows: int) -> pl.Series | None:
    """Which of the batch's posts count, now that the batch owns what nobody owned; a dry run only looks. None: another
    claim superseded this one."""
    if not post_ids.lock_claimed(conn, claim):
        return None
    if claim.options.dry_run:
        elsewhere = post_ids.owned_by_others(conn, None, keys)
    else:
        elsewhere = post_ids.claim(conn, claim.batch_id, keys)
    counts = keys.rows_but(elsewhere.positions, rows)
    owned = 0 if claim.options.dry_run else len(keys.rows) - len(elsewhere.positions)
    post_ids.set_repeated(conn, claim.batch_id, rows_repeated=rows - int(counts.sum()), ids_owned=owned)
    return counts


def _insert_deltas(conn: Connection, claim: Claim, shares: _Shares) -> None:
    for shard, edges in shares.edges.items():
        execute(
            conn,
            _INSERT_DELTA,
            {
                "shard": shard,
                "batch_id": claim.batch_id,
                "edges": len(edges),
                "mentions": int(edges["mention_count"].sum()),
                "payload": pack(edges),
                "days": shares.days.get(shard, None if shares.counted.days is None else b""),
                "held": claim.options.max_rejects is not None,
            },
        )


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


def _insert_rejects(conn: Connection, claim: Claim, rejects: pl.DataFrame, *, most: int) -> None:
    """Write down the first rejects for which there is room, and count all of them by code."""
    if rejects.is_empty():
        return
    kept = rejects.head(limits.room_for_rejects(conn, claim.upload_id, claim.parent_id, most=most))
    codes = dict(rejects["code"].value_counts(sort=True).iter_rows())
    execute(
        conn,
        _SET_REJECTS,
        {"batch_id": claim.batch_id, "kept": len(kept), "codes": msgspec.json.encode(codes).decode()},
    )
    if kept.is_empty():
        return
    execute(
        conn,
        _INSERT_REJECTS,
        {
            "upload_id": claim.upload_id,
            "batch_id": claim.batch_id,
            "lines": Int8Array(kept["line"].to_numpy()),
            "columns": kept["column"].to_list(),
            "values": kept["value"].to_list(),
            "codes": kept["code"].to_list(),
            "messages": kept["message"].to_list(),
            "raws": kept["raw"].to_list(),
        },
    )


def split(edges: pl.DataFrame, shards: int) -> dict[int, pl.DataFrame]:
    """Edges by shard. Shards are ranges of source ids and the edges are sorted, so each is a slice."""
    numbers = shard_of(edges["source_id"].to_numpy(), shards)
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]]) if len(numbers) else np.array([], dtype=np.int64)
    ends = np.r_[starts[1:], len(numbers)].astype(np.int64)
    return {
        int(numbers[start]): edges.slice(int(start), int(end - start)) for start, end in zip(starts, ends, strict=False)
    }

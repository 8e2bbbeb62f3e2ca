"""Handing over: what a withdrawn upload owned is counted for others that hold it.

When an upload leaves the graph, each of its posts passes to the oldest batch of another upload that holds the post. In
the same transaction that batch gets a further part of its deltas, counted from its own rows. A post that nobody else
holds is forgotten. So at every commit a post is counted once if an upload in the graph holds it, and else not at all.

Whoever hands over holds the lock POST_IDS alone, so no batch claims posts, and no other upload leaves, meanwhile. A
batch that holds a post of an upload that may still be withdrawn keeps its payload (see app/ledger/retention.py).
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import NamedTuple

import msgspec
import polars as pl

import sql
from app.errors import BadState
from app.graph import delta_days, kept_out, post_ids, users
from app.graph.counting import split
from app.graph.deltas import by_id, pack
from app.graph.mentions import count
from app.graph.parameters import GraphParameters
from app.graph.profiles import version_of
from app.ledger import transitions
from app.posts.containers.compression import decompress
from app.posts.options import Format, Options
from app.posts.readers import READERS
from app.store import locks
from app.store.params import UuidArray
from app.store.postgres import Connection, exactly_one, execute, rows, scalars

_OWNERS = sql.query("graph/handover/owners")
_HOLDERS = sql.query("graph/handover/holders")
_PAYLOAD = sql.query("graph/handover/payload")
_TAKE_OVER = sql.query("graph/handover/take_over")
_DROP_LINKS_OF_HOLDER = sql.query("graph/handover/drop_links_of_holder")
_INSERT_PART = sql.query("graph/handover/insert_part")
_FORGET_POSTS = sql.query("graph/handover/forget_posts")
_DROP_LINKS = sql.query("graph/handover/drop_links")
_BATCHES_OF = sql.query("graph/handover/batches_of")
_SET_GAINED = sql.query("graph/handover/set_gained")
_RELEASE_PARTS = sql.query("graph/handover/release_parts")

_EVERY_DAY = date(1, 1, 1)
"""A part has all of its days: the summaries take those that are kept."""


class _Holder(msgspec.Struct, frozen=True):
    id: int
    upload_id: uuid.UUID
    purged: bool


class _Payload(msgspec.Struct, frozen=True):
    id: int
    first_line: int
    payload: bytes
    profile: str
    profile_version: int
    options: Options
    format: Format
    received_at: datetime
    part: int


class Gain(NamedTuple):
    """What a batch counts since it took over posts: the part of its deltas, and numbers."""

    batch_id: int
    part: int
    posts: int
    mentions: int
    edges: int


def begin(conn: Connection, upload_id: uuid.UUID, parameters: GraphParameters) -> list[Gain]:
    """Hand over the posts of an upload that is about to leave the graph, in the caller's transaction.

    The caller calls `lock_batches` and `end` in the same transaction. No row of a batch is changed before, so the
    caller may take the locks of shards in between.

    Raises BadState if a purged upload holds such a post, for it can't count the post any more.
    """
    locks.take(conn, locks.POST_IDS)
    owners = scalars(conn, _OWNERS, {"upload_id": upload_id})
    holders = rows(conn, _Holder, _HOLDERS, {"owner_ids": owners}) if owners else []
    for holder in holders:
        if holder.purged:
            raise purged_holder(upload_id, holder.upload_id)
    gains = [gain for holder in holders if (gain := _take_over(conn, holder.id, owners, parameters))]
    execute(conn, _FORGET_POSTS, {"owner_ids": owners})
    execute(conn, _DROP_LINKS, {"upload_id": upload_id})
    return gains


def purged_holder(upload_id: uuid.UUID, holder_id: uuid.UUID) -> BadState:
    """Why an upload stays whose posts a purged upload holds."""
    return BadState(
        f"upload {upload_id} counts posts that upload {holder_id} has, too, and that upload was purged after its "
        "retention time: it cannot count them any more, so this one cannot be taken out."
    )


def lock_batches(conn: Connection, upload_id: uuid.UUID, gains: list[Gain]) -> None:
    """Lock the batches of an upload, and those that took over posts, together in the order of id."""
    transitions.lock_batches(
        conn, sorted([*scalars(conn, _BATCHES_OF, {"upload_id": upload_id}), *(gain.batch_id for gain in gains)])
    )


def end(conn: Connection, gains: list[Gain]) -> set[int]:
    """Enter into the ledger what batches gained. The caller has locked them. Returns the shards with something to
    merge."""
    if not gains:
        return set()
    columns = {
        "batch_ids": [gain.batch_id for gain in gains],
        "posts": [gain.posts for gain in gains],
        "mentions": [gain.mentions for gain in gains],
        "edges": [gain.edges for gain in gains],
        "parts": [gain.part for gain in gains],
    }
    execute(conn, _SET_GAINED, columns)
    return set(scalars(conn, _RELEASE_PARTS, columns))


def _take_over(conn: Connection, holder_id: int, owners: list[int], parameters: GraphParameters) -> Gain | None:
    """Make a batch the owner of those of its posts that these batches own, and count these posts for it."""
    batch = exactly_one(conn, _Payload, _PAYLOAD, {"batch_id": holder_id})
    frame = (
        READERS[batch.options.format].read(decompress(batch.payload), batch.format, first_line=batch.first_line).frame
    )
    keys = post_ids.keys_of(frame, batch.format)
    if keys is None:
        return None
    taken = scalars(conn, _TAKE_OVER, {"holder_id": holder_id, "owner_ids": owners, "keys": UuidArray(keys.keys)})
    # Others may own further posts of this batch, which an older batch has just taken over.
    execute(conn, _DROP_LINKS_OF_HOLDER, {"holder_id": holder_id})
    post_ids.link(conn, holder_id, post_ids.owned_by_others(conn, holder_id, keys).owners)
    if not taken:
        return None
    return _count(conn, batch, frame[keys.only(taken)], parameters)


def _count(conn: Connection, batch: _Payload, posts: pl.DataFrame, parameters: GraphParameters) -> Gain:
    """Count a few posts of a batch with its own profile, clock and instant of arrival, as a part of its deltas."""
    profile = version_of(batch.profile, batch.profile_version)
    if profile is None:
        raise BadState(
            f"batch {batch.id} was counted by version {batch.profile_version} of the profile {batch.profile!r}, which "
            "this version of the program does not know, so it cannot take over posts."
        )
    counted = count(
        posts,
        profile=profile,
        clock=batch.options.clock,
        received_at=batch.received_at,
        half_life=parameters.half_life,
        retweets=batch.options.retweet_rule,
        days_from=_EVERY_DAY,
    )
    counted = kept_out.read(conn).without(counted)
    # The count of the batch added its users, those of repeated posts, too.
    ids = users.known(conn, counted.users["handle"], bits=parameters.handle_bits)
    days = delta_days.by_shard(counted.days, ids, parameters.shards)
    edges = split(by_id(counted.edges, ids), parameters.shards)
    for shard, of_shard in edges.items():
        execute(
            conn,
            _INSERT_PART,
            {
                "shard": shard,
                "batch_id": batch.id,
                "part": batch.part,
                "edges": len(of_shard),
                "mentions": int(of_shard["mention_count"].sum()),
                "payload": pack(of_shard),
                "days": days.get(shard, b""),
            },
        )
    return Gain(batch.id, batch.part, len(posts), counted.mentions, sum(map(len, edges.values())))

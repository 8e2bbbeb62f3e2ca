"""Payloads without a person: rewritten so that everybody else counts the same, which is looked at; else dropped.

Whoever counts a batch at this moment loses the claim: the count began with the person's rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

import sql
from app.errors import PayloadErased
from app.graph import post_ids, profiles
from app.graph.mentions import mentions_of
from app.graph.profiles import PROFILES, Profile, version_of
from app.ledger import transitions
from app.posts import erasing
from app.posts.containers.compression import compress, decompress
from app.posts.erasing import How, Name
from app.posts.handles import folded
from app.posts.options import Format, Options
from app.posts.readers import READERS
from app.posts.screening import Posts
from app.store import locks
from app.store.postgres import Connection, exactly_one, execute, one, rows

_NEXT = sql.query("forgetting/payloads/next")
_LAST = sql.query("forgetting/payloads/last")
_LOCK = sql.query("forgetting/payloads/lock")
_SET = sql.query("forgetting/payloads/set")
_DROP = sql.query("forgetting/payloads/drop")
_FAIL = sql.query("forgetting/payloads/fail")

AT_ONCE = 4
"""Payloads that are read at once, some 2 MB each."""
_UNCOUNTED = {"staged", "failed"}


class _Next(msgspec.Struct, frozen=True):
    id: int
    state: str
    payload: bytes


class _Last(msgspec.Struct, frozen=True):
    last: int
    payloads: int


class _Batch(msgspec.Struct, frozen=True):
    id: int
    upload_id: uuid.UUID
    state: str
    first_line: int
    payload: bytes
    profile: str | None
    profile_version: int | None
    options: Options
    format: Format
    received_at: datetime

    @property
    def counted(self) -> bool:
        return self.state not in _UNCOUNTED

    def read(self, data: bytes, form: Format) -> Posts:
        return READERS[self.options.format].read(data, form, first_line=self.first_line)

    def counts_by(self) -> Profile | None:
        """The profile that counts the batch, or counted it. None: this release does not know it."""
        if self.profile is None or self.profile_version is None:
            return PROFILES.get(self.options.profile)
        return version_of(self.profile, self.profile_version)


class Erased(NamedTuple):
    """What became of one payload. Neither: the person is not in it."""

    rewritten: bool = False
    dropped: bool = False


def holding(conn: Connection, name: Name, *, progress: Callable[[int, int], None]) -> Iterator[int]:
    """The batches there are now whose payload may hold the person. Decompresses every payload."""
    found = exactly_one(conn, _Last, _LAST)
    after, done = 0, 0
    while page := rows(conn, _Next, _NEXT, {"after": after, "last": found.last, "limit": AT_ONCE}):
        for batch in page:
            # A count finds handles that are written in any way, so a batch that waits to be counted is always read.
            if batch.state in _UNCOUNTED or name.may_be_in(decompress(batch.payload)):
                yield batch.id
        after, done = page[-1].id, done + len(page)
        progress(done, found.payloads)


def holds(conn: Connection, batch_id: int, name: Name) -> bool:
    """Whether the payload of a batch holds the person. Changes nothing."""
    with conn.transaction():
        batch = one(conn, _Batch, _LOCK, {"batch_id": batch_id})
    if batch is None:
        return False
    data = decompress(batch.payload)
    return _without(batch, data, name) != data


def erase(conn: Connection, batch_id: int, name: Name, *, now: datetime) -> Erased:
    """Rewrite or drop the payload of a batch, in the caller's transaction, if the person is in it.

    A batch that nobody has counted, and whose payload cannot be rewritten, fails for good.
    """
    locks.take_shared(conn, locks.POST_IDS)  # nobody hands over posts, and reads payloads, meanwhile
    batch = one(conn, _Batch, _LOCK, {"batch_id": batch_id})
    if batch is None:
        return Erased()
    data = decompress(batch.payload)
    new = _without(batch, data, name)
    if new == data:
        return Erased()
    if new is not None:
        execute(conn, _SET, {"batch_id": batch_id, "payload": compress(new)})
        return Erased(rewritten=True)
    if batch.counted:
        execute(conn, _DROP, {"batch_id": batch_id, "now": now})
    else:
        problem = PayloadErased(
            f"batch {batch_id} held a person who was forgotten, and could not be rewritten without them. Its rows are "
            "gone; send them again without the person."
        ).problem()
        execute(conn, _FAIL, {"batch_id": batch_id, "now": now, "error": msgspec.json.encode(problem).decode()})
        transitions.finish_uploads(conn, [batch.upload_id], now=now)
    return Erased(dropped=True)


class _Counting(NamedTuple):
    """What a count finds: who mentions whom on which line, and the posts' ids."""

    posts: Posts
    mentions: pl.DataFrame
    """line, author, at, handle: as they are counted; without the person."""
    with_person: list[int]
    """The lines on which the person writes or is mentioned."""


def _without(batch: _Batch, data: bytes, name: Name) -> bytes | None:
    """The batch's rows without the person. None: no way is known that counts the same for everybody else."""
    profile = batch.counts_by()
    if profile is None:
        return None
    form = erasing.without_author(batch.format, name)
    before = _count(batch, data, batch.format, profile, name)
    frame = before.posts.frame
    written = set(frame.filter(pl.col("author") == name.handle)["line"].to_list())
    posts = frozenset(frame["line"].to_list())
    joiners = erasing.NO_JOINER + "".join(each for each in erasing.JOINERS if _joins(each, profile))
    careful, blank = set[int](), set[int]()
    while True:
        how = How(written, careful, joiners, blank, frozenset(before.with_person), posts)
        new = erasing.rewritten(data, form, batch.options.format, name, how, first_line=batch.first_line)
        if new == data:
            return data
        after = _count(batch, new, form, profile, name)
        if not _same_rows(before.posts, after.posts):
            return None
        wrong = _differing(before.mentions, after.mentions) | set(after.with_person)
        if not wrong:
            break
        # First spare longer handles, then empty the row, which loses nothing if nobody else is mentioned there. So a
        # payload is counted four times at most, however many rows the person is in.
        lines = wrong & careful
        if lines & blank or (batch.counted and lines and not lines.isdisjoint(before.mentions["line"].to_list())):
            return None
        blank |= lines
        careful |= wrong
    if not _same_ids(before, after, batch.format):
        return None
    return new


def _differing(before: pl.DataFrame, after: pl.DataFrame) -> set[int]:
    """The lines on which two counts find other mentions, or the same in another order."""
    if before.equals(after):
        return set()
    place = pl.int_range(pl.len()).over("line").alias("place")
    first, second = before.with_columns(place), after.with_columns(place)
    pairs = ((first, second), (second, first))
    return {line for one, other in pairs for line in one.join(other, on=one.columns, how="anti")["line"].to_list()}


def _joins(sign: str, profile: Profile) -> bool:
    """Whether the profile reads two words with this sign in between as one handle."""
    handles = [f"ann{sign}bob", f"ann{sign}bob.example"]
    found = profiles.find(pl.Series([f"@{each}" for each in handles]), profile).mentions
    return any(each in handles for each in found["handle"].to_list())


def _count(batch: _Batch, data: bytes, form: Format, profile: Profile, name: Name) -> _Counting:
    posts = batch.read(data, form)
    frame = posts.frame
    found, _ = mentions_of(frame, profile, batch.options.retweet_rule)
    at = frame.select("line", "author", "at")[found["row"]]
    mentions = at.with_columns(found.select(folded(pl.col("handle"))).to_series().alias("handle"))
    hits = (pl.col("author") == name.handle) | (pl.col("handle") == name.handle)
    authored = frame.filter(pl.col("author") == name.handle)["line"].to_list()
    return _Counting(posts, mentions.filter(~hits), sorted({*authored, *mentions.filter(hits)["line"].to_list()}))


def _same_rows(before: Posts, after: Posts) -> bool:
    return (
        before.rows == after.rows
        and before.frame["line"].equals(after.frame["line"])
        and before.rejects["line"].equals(after.rejects["line"])
    )


def _same_ids(before: _Counting, after: _Counting, form: Format) -> bool:
    """Whether the posts that mention somebody have the ids that they had."""
    lines = before.mentions["line"].unique()
    keys = [
        post_ids.keys_of(each.posts.frame.filter(pl.col("line").is_in(lines.implode())), form)
        for each in (before, after)
    ]
    if keys[0] is None or keys[1] is None:
        return keys[0] is keys[1]
    return bool(np.array_equal(keys[0].keys, keys[1].keys))

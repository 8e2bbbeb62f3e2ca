"""The heaviest ties of the whole graph and their users, and how many ties have how many mentions. Bounded, at any size.

Merges hold the heaviest edges of each shard (see app.graph.top_edges), so nothing here reads a large graph as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec
import numpy as np

import sql
from app.graph.half_life import in_seconds
from app.graph.parameters import GraphParameters
from app.reads.networks import Between
from app.reads.users import Sums, User, sums_of, users_by_id
from app.store.params import Int8Array
from app.store.postgres import AsyncConnection, async_exactly_one, async_rows

_TIES = sql.query("reads/heaviest/ties")
_SIZE = sql.query("reads/heaviest/size")
_HISTOGRAM = sql.query("reads/heaviest/histogram")

MOST_EDGES, MOST_USERS = 20_000, 10_000
"""What can be asked for at most."""
LOOKED_AT = MOST_EDGES
"""The heaviest edges among which those that pass are looked for. Each costs some 10 µs."""
SPARE = 2
"""Without filters, so many times the edges of an answer are looked at: some are not between its users."""
BLOCKS = 1_000
"""About so many blocks of the table of edges make a histogram, 58,000 edges."""
SMALL_BYTES = BLOCKS * 8192
"""Of a graph whose table of edges is no larger, every edge is looked at: some 150 ms."""
BOUNDS = sorted({round(2 ** (half / 2)) for half in range(63)})
"""The lower bounds of a histogram's buckets. Two buckets double the number of mentions."""


class Wanted(msgspec.Struct, frozen=True):
    """Which ties are wanted, and how many."""

    as_of: datetime
    edges: int
    users: int
    min_mentions: int = 1
    min_weight: float | None = None
    since: datetime | None = None
    """Only ties that were mentioned at this instant or later."""
    until: datetime | None = None
    """Only ties that were mentioned before this instant."""

    @property
    def looked_at(self) -> int:
        """The number of the heaviest edges to look at."""
        is_filtered = self.min_mentions > 1 or self.min_weight is not None or self.since or self.until
        return LOOKED_AT if is_filtered else min(LOOKED_AT, SPARE * self.edges)


class Heaviest(msgspec.Struct, frozen=True):
    """The heaviest ties of the graph that were wanted, and their users. Both are in the order of weight."""

    users: list[tuple[User, Sums | None]]
    """The totals are None while a user waits to be summarized."""
    edges: list[Between]
    looked_at: int
    """The heaviest edges of the graph, among which these were looked for."""
    is_all: bool
    """Whether these are all edges of the graph."""
    edges_cut: int
    """Edges that passed and did not fit."""
    users_cut: int
    edges_in_graph: int
    """The number of edges of the graph: estimated, unless these are all."""
    estimated: bool


class _Size(msgspec.Struct, frozen=True):
    is_small: bool
    edges: int


class Bucket(msgspec.Struct, frozen=True):
    """Edges with so many mentions."""

    least: int
    """The fewest mentions of an edge in this bucket."""
    most: int
    edges: int


class Histogram(msgspec.Struct, frozen=True):
    """Edges by number of mentions."""

    buckets: list[Bucket]
    share: float
    """The share of the graph that was counted; the numbers are those of the whole graph."""


class _Ties(msgspec.Struct, frozen=True):
    source_ids: list[int]
    target_ids: list[int]
    mention_counts: list[int]
    weights: list[float]
    first_seen: list[datetime]
    last_seen: list[datetime]
    looked: int
    passing: int
    users_passing: int
    more: bool


class _Counted(msgspec.Struct, frozen=True):
    bucket: int
    edges: int
    share: float


async def heaviest(conn: AsyncConnection, parameters: GraphParameters, wanted: Wanted) -> Heaviest:
    """The heaviest ties that pass, and their users. Archived edges and mentions of oneself are left out."""
    size = await async_exactly_one(conn, _Size, _SIZE, {"small_bytes": SMALL_BYTES})
    params = {
        **msgspec.structs.asdict(wanted),
        "half_life_seconds": in_seconds(parameters.half_life),
        "everything": size.is_small,
        "looked": wanted.looked_at,
    }
    found = await async_exactly_one(conn, _Ties, _TIES, params)
    ids = list(dict.fromkeys(_alternating(found.source_ids, found.target_ids)))
    asked = Int8Array(np.array(ids, np.int64))
    users = {user.id: user for user in await users_by_id(conn, asked)}
    sums = await sums_of(conn, asked, parameters, as_of=wanted.as_of)
    columns = zip(
        found.source_ids, found.target_ids, found.mention_counts, found.weights, found.first_seen, found.last_seen,
        strict=True,
    )  # fmt: skip
    return Heaviest(
        users=[(users[each], sums.get(each)) for each in ids],
        edges=[Between(*each, archived_at=None) for each in columns],
        looked_at=found.looked,
        is_all=not found.more,
        edges_cut=found.passing - len(found.source_ids),
        users_cut=found.users_passing - len(ids),
        edges_in_graph=size.edges,
        estimated=not size.is_small,
    )


def _alternating(sources: Sequence[int], targets: Sequence[int]) -> Iterator[int]:
    for source, target in zip(sources, targets, strict=True):
        yield source
        yield target


async def histogram(conn: AsyncConnection) -> Histogram:
    """How many edges of the graph have how many mentions. Of a large graph a part is counted, at random."""
    found = await async_rows(conn, _Counted, _HISTOGRAM, {"bounds": BOUNDS, "blocks": BLOCKS})
    share = found[0].share if found else 1.0
    ranges = list(pairwise([*BOUNDS, BOUNDS[-1] * 2]))
    buckets = [
        Bucket(least, following - 1, round(each.edges / share))
        for each in found
        for least, following in [ranges[each.bucket - 1]]
    ]
    return Histogram(buckets, share)

"""This module counts the edges in posts. The module is pure: any cut into batches gives the same edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import polars as pl

from app.graph.groups import Groups, Numbers
from app.graph.half_life import HalfLife, in_microseconds
from app.graph.kinds import KINDS, mentions_of
from app.graph.profiles import Profile
from app.posts.handles import folded
from app.posts.options import Clock, Retweets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CUT_ROWS = 5
"""Rows of posts with a cut handle that a count names."""


class Counted(msgspec.Struct, frozen=True):
    """The counted mentions, edges, users and days of a batch's posts."""

    mentions: int
    edges: pl.DataFrame
    """The columns are source, target: UInt32 (rows of `users`); mention_count: Int64; first_seen, last_seen:
    Datetime(us, UTC), from the posts; weight: Float64, the weight at weighed_at: Datetime(us, UTC).

    Each edge has one row. The rows are in no order.

    replies, retweets, quotes: UInt32 are the mentions of these kinds among mention_count. These columns are absent
    while all mentions are plain.
    """
    users: pl.DataFrame
    """The columns are handle: String (folded, unique) and spelling: String, the first spelling that was seen.

    A user's own spelling comes before spellings by others. The frame has every user who makes or receives a mention.
    """
    days: pl.DataFrame | None = None
    """The days of edges with mentions on several days, as far as the caller asked for these days.

    The columns are source, target: UInt32; day: Date (UTC); mentions: Int32. The other edges have their one day in
    first_seen. None: the caller asked for no days.
    """
    cut: int = 0
    """The number of posts whose last handle was cut off, so that nobody knows the handle."""
    first_cut: list[int] = []
    """The rows of the first of these posts."""

    def named(self) -> pl.DataFrame:
        """Returns `edges` with handles as source and target."""
        handles = self.users["handle"]
        ends = {end: handles.gather(self.edges[end]) for end in ("source", "target")}
        return self.edges.with_columns(**ends)


def count(
    frame: pl.DataFrame,
    *,
    profile: Profile,
    clock: Clock,
    received_at: datetime,
    half_life: HalfLife,
    retweets: Retweets = Retweets.TEXT,
    days_from: date | None = None,
) -> Counted:
    """Count the edges in posts. `frame` holds the posts as a reader of `app.posts.readers` returns them.

    `retweets` says what a retweet counts. Days are counted from `days_from` to the day on which the posts arrived.
    """
    if half_life is not None and half_life <= timedelta(0):
        raise ValueError(f"a half-life is longer than nothing, not {half_life}")
    found, cut = mentions_of(frame, profile, retweets)
    mentioning = frame.select("author", "author_spelling", "at")[found["row"]]
    # Authors come before targets. So an author of a post with a mention gets the spelling that the author uses.
    handles = pl.concat([mentioning["author"], found.select(folded(pl.col("handle"))).to_series()])
    spellings = pl.concat([mentioning["author_spelling"], found["handle"]])
    numbers, firsts = number(handles)
    users = pl.DataFrame({"handle": handles.gather(firsts), "spelling": spellings.gather(firsts)})
    ends = numbers[: len(found)], numbers[len(found) :]
    groups = Groups.of(ends[0].astype(np.uint64) << np.uint64(32) | ends[1])
    edges = _edges(groups, *ends, mentioning["at"], clock, received_at, half_life).with_columns(_by_kind(groups, found))
    days = _days(groups, edges, mentioning["at"], days_from, received_at.astimezone(UTC).date()) if days_from else None
    return Counted(len(found), edges, users, days, len(cut), cut.head(CUT_ROWS).to_list())


def number(handles: pl.Series) -> tuple[Numbers, Numbers]:
    """Number the distinct handles in the order in which the handles first appear.

    Returns the number of each row, and the first row of each number.
    """
    hashes = handles.hash().to_numpy()
    groups = Groups.of_hashes(hashes)
    firsts = groups.min(np.arange(len(handles)))
    if not _is_one_each(handles, groups, firsts):
        # Here two handles have the same bits of their hashes.
        groups = Groups.of(handles.rank("dense").to_numpy())
        firsts = groups.min(np.arange(len(handles)))
    is_first = np.zeros(len(handles), np.bool_)
    is_first[firsts] = True
    numbers = (np.cumsum(is_first, dtype=np.uint32) - np.uint32(1))[firsts]
    return groups.spread(numbers), np.flatnonzero(is_first)


def _is_one_each(handles: pl.Series, groups: Groups, firsts: Numbers) -> bool:
    """Whether each group has one handle."""
    return bool((handles == handles.gather(groups.spread(firsts))).all())


def _by_kind(groups: Groups, found: pl.DataFrame) -> list[pl.Series]:
    """Of each edge the mentions of each kind but the plain one; nothing where all are plain."""
    kinds = found["kind"].to_numpy()
    if not kinds.any():
        return []
    none = np.zeros(len(groups.starts), np.uint32)
    of_kind = {name: (kinds == kind).astype(np.uint32) for name, kind in KINDS.items()}
    return [pl.Series(name, groups.sum(each) if each.any() else none) for name, each in of_kind.items()]


def _edges(  # noqa: PLR0917 (the function has one caller)
    groups: Groups,
    sources: Numbers,
    targets: Numbers,
    at: pl.Series,
    clock: Clock,
    received_at: datetime,
    half_life: HalfLife,
) -> pl.DataFrame:
    made = at.to_physical().to_numpy()
    arrival = np.int64((received_at - _EPOCH) // timedelta(microseconds=1))
    counts = groups.sizes
    match clock:
        case Clock.ARRIVAL:
            weighed_at, weights = np.full(len(counts), arrival), counts.astype(np.float64)
        case Clock.EVENT:
            counted = np.minimum(made, arrival)
            weighed_at = groups.max(counted)
            half_lives = (groups.spread(weighed_at) - counted) / in_microseconds(half_life)
            weights = groups.sum(np.exp2(-half_lives))
    columns = {
        "source": groups.first(sources),
        "target": groups.first(targets),
        "mention_count": counts,
        "first_seen": groups.min(made),
        "last_seen": groups.max(made),
        "weight": weights,
        "weighed_at": weighed_at,
    }
    instants = pl.col("first_seen", "last_seen", "weighed_at").cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(columns).with_columns(instants)


def _days(groups: Groups, edges: pl.DataFrame, at: pl.Series, first: date, last: date) -> pl.DataFrame:
    """Returns the days of the edges with mentions on several days.

    `edges` has one row an edge, in the order of `groups`.
    """
    first_seen, last_seen = edges["first_seen"].dt.date(), edges["last_seen"].dt.date()
    several = ((first_seen != last_seen) & (last_seen >= first) & (first_seen <= last)).to_numpy()
    of_mention = groups.spread(np.arange(len(edges)))
    rows = np.flatnonzero(several[of_mention])
    numbers, made = of_mention[rows], at[rows].dt.date().to_physical().to_numpy()
    days = Groups.of(numbers, made)
    found = edges[days.first(numbers)].select("source", "target")
    counted = pl.DataFrame({"day": days.first(made), "mentions": days.sizes}).cast(
        {"day": pl.Date, "mentions": pl.Int32}
    )
    return found.hstack(counted).filter(pl.col("day").is_between(first, last))

"""Posts → counted edges. Pure: the same posts give the same edges, however they are cut into batches."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import polars as pl

from app.graph.groups import Groups, Numbers
from app.graph.kinds import KINDS, mentions_of
from app.graph.profiles import Profile
from app.posts.handles import folded
from app.posts.options import Clock, Retweets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Counted(msgspec.Struct, frozen=True):
    """What a batch's posts come to."""

    mentions: int
    edges: pl.DataFrame
    """source, target: UInt32 (rows of `users`); mention_count: Int64; first_seen, last_seen: Datetime(us, UTC), the
    posts' own; weight: Float64, as it is at weighed_at: Datetime(us, UTC). One row an edge, in no order. replies,
    retweets, quotes: UInt32, mentions of these kinds among mention_count; the columns are there if any mention is."""
    users: pl.DataFrame
    """handle: String (folded, unique), spelling: String, the first seen, its own before others'. All that take part."""
    days: pl.DataFrame | None = None
    """Of edges mentioned on several days those asked for: source, target: UInt32; day: Date (UTC); mentions: Int32. Of
    the others first_seen says the day. None: none were asked for."""
    cut: int = 0
    """Posts whose last handle was cut off, and is unknown."""

    def named(self) -> pl.DataFrame:
        """`edges`, with handles as source and target."""
        handles = self.users["handle"]
        ends = {end: handles.gather(self.edges[end]) for end in ("source", "target")}
        return self.edges.with_columns(**ends)


def count(
    frame: pl.DataFrame,
    *,
    profile: Profile,
    clock: Clock,
    received_at: datetime,
    half_life: timedelta,
    retweets: Retweets = Retweets.TEXT,
    days_from: date | None = None,
) -> Counted:
    """The edges in posts, which are a frame as the readers give it. `retweets` says what a retweet counts. Days are told
    apart from `days_from` until the posts arrived."""
    if half_life <= timedelta(0):
        raise ValueError(f"a half-life is longer than nothing, not {half_life}")
    found, cut = mentions_of(frame, profile, retweets)
    mentioning = frame[found["row"]]
    # Authors before targets: the first spelling of a handle is then its own, if it wrote a post with a mention.
    handles = pl.concat([mentioning["author"], found.select(folded(pl.col("handle"))).to_series()])
    spellings = pl.concat([mentioning["author_spelling"], found["handle"]])
    numbers, firsts = number(handles)
    users = pl.DataFrame({"handle": handles.gather(firsts), "spelling": spellings.gather(firsts)})
    ends = numbers[: len(found)], numbers[len(found) :]
    groups = Groups.of(ends[0].astype(np.uint64) << np.uint64(32) | ends[1])
    edges = _edges(groups, *ends, mentioning["at"], clock, received_at, half_life).with_columns(_by_kind(groups, found))
    days = _days(groups, edges, mentioning["at"], days_from, received_at.astimezone(UTC).date()) if days_from else None
    return Counted(len(found), edges, users, days, len(cut))


def number(handles: pl.Series) -> tuple[Numbers, Numbers]:
    """Number the distinct handles in the order in which they come: each row's number, each number's first row."""
    groups = Groups.of(handles.hash().to_numpy())
    firsts = groups.min(np.arange(len(handles)))
    if len(groups.starts) and not (handles == handles.gather(groups.spread(firsts))).all():
        # Two handles have one hash.
        groups = Groups.of(handles.rank("dense").to_numpy())
        firsts = groups.min(np.arange(len(handles)))
    by_appearance = np.argsort(firsts)
    numbers = np.empty(len(firsts), np.uint32)
    numbers[by_appearance] = np.arange(len(firsts), dtype=np.uint32)
    return groups.spread(numbers), firsts[by_appearance]


def _by_kind(groups: Groups, found: pl.DataFrame) -> list[pl.Series]:
    """Of each edge the mentions of each kind but the plain one; nothing where all are plain."""
    kinds = found["kind"].to_numpy()
    if not kinds.any():
        return []
    return [pl.Series(name, groups.sum((kinds == kind).astype(np.uint32))) for name, kind in KINDS.items()]


def _edges(  # noqa: PLR0917 (it has the one caller)
    groups: Groups,
    sources: Numbers,
    targets: Numbers,
    at: pl.Series,
    clock: Clock,
    received_at: datetime,
    half_life: timedelta,
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
            half_lives = (groups.spread(weighed_at) - counted) / (half_life / timedelta(microseconds=1))
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
    """The days of those edges whose mentions are of several; a row an edge, as `groups` has them."""
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

"""This module counts the edges in posts. The module is pure: any cut into batches gives the same edges.

Regular expressions of polars have no lookaround. So a profile states its rule twice if the text after a mention
matters. Expressions of polars find the mentions in all plain texts at once. One exact pattern serves the few other
texts.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import polars as pl

from app.errors import BadRequest
from app.graph.groups import Groups, Numbers
from app.posts.handles import folded
from app.posts.options import Clock
from app.posts.screening import MAX_AUTHOR_CHARACTERS


class Profile(msgspec.Struct, frozen=True):
    """A rule that says what a mention is.

    A changed rule is a new version, and a batch keeps the version that counted the batch.
    """

    name: str
    version: int
    signs: str
    """A cheap pattern. A text without a match has no mention."""
    mention: str
    """A pattern for a mention, with the text that must come before the mention.

    Matches follow each other from left to right, without overlaps.
    """
    handle: str
    """A pattern whose first group is the handle within a match of `mention`.

    If this pattern does not match, the text is no mention after all.
    """
    longest: int
    """The most characters of a handle. A longer name is no handle."""
    lookahead: str | None = None
    """A pattern for the texts in which only `exact` can find the mentions."""
    exact: re.Pattern[str] | None = None
    """A pattern like `mention`, with the handle as its first group.

    If another group takes part in a match, the match is no mention after all.
    """


# This is twitter-text's rule (github.com/twitter/twitter-text), as its conformance suite tests the rule. The slug of a
# list belongs to the match, but @user/list is no mention of the user. The text that must not follow is outside of the
# match, because the next mention may need this text before it.
_BEFORE = r"(?:^|[^A-Za-z0-9_!#$%&*@＠]|(?:^|[^A-Za-z0-9_+~.\-])[Rr][Tt]:?)"
_NAME = r"[@＠]([A-Za-z0-9_]{1,20})"
_LIST = r"/[A-Za-z][A-Za-z0-9_\-]{0,24}"
_ACCENTED = (
    r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b"
    r"\u02bb\u0300-\u036f\u1e00-\u1eff"
)
_AFTER = rf"[@＠{_ACCENTED}]|://"
_TWITTER = Profile(
    name="twitter",
    version=1,
    signs="[@＠]",
    mention=f"{_BEFORE}{_NAME}(?:{_LIST})?",
    handle=f"{_NAME}$",
    longest=20,
    lookahead=f"{_NAME}(?:{_LIST})?(?:{_AFTER})",
    exact=re.compile(f"{_BEFORE}{_NAME}({_LIST})?(?=({_AFTER})?)"),
)

# This is Mastodon's rule (github.com/mastodon/mastodon, app/models/account.rb, USERNAME_RE and MENTION_RE). A mention
# is @user or @user@domain. No letter, mark, digit or underscore (a word) and no slash or equals sign (a URL) stands
# before a mention. Dots and hyphens stand only inside names. The domain belongs to the handle, so @ann and
# @ann@example.social are two handles.
_WORD = r"[\p{L}\p{M}\p{Nd}\p{Pc}]"
_USERNAME = r"[A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*"
_ACCOUNT = rf"@({_USERNAME}(?:@{_WORD}+(?:[.-]+{_WORD}+)*)?)"
_MASTODON = Profile(
    name="mastodon",
    version=1,
    signs="@",
    mention=rf"(?:^|[^\p{{L}}\p{{M}}\p{{Nd}}\p{{Pc}}/=]){_ACCOUNT}",
    handle=f"{_ACCOUNT}$",
    longest=MAX_AUTHOR_CHARACTERS,
)

# This is Bluesky's rule (github.com/bluesky-social/atproto, packages/api/src/rich-text, MENTION_REGEX). A mention is at
# the start of the text, or behind white space or an opening parenthesis. A mention takes all characters that a handle
# may have, up to the last letter or digit. The result must be a handle by the syntax of the AT Protocol
# (atproto.com/specs/handle). Labels have up to 63 letters, digits and hyphens, and the last label starts with a letter.
# Bluesky also checks a list of top-level domains. This rule does without the list, because a list grows old.
_BLUESKY = Profile(
    name="bluesky",
    version=1,
    signs="@",
    mention=r"(?:^|[\s(])@[A-Za-z0-9.-]+(?-u:\b)",
    handle=(r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)$"),
    longest=253,
)

# This rule is for networks without a rule above. Any word behind any sign is a mention, even in a mail address. A word
# consists of letters, marks, digits, underscores and joiners (Unicode's definition, UTS #18 annex C).
_PLAIN = Profile(name="word", version=1, signs="@", mention=r"@\w+", handle=r"@(\w+)$", longest=MAX_AUTHOR_CHARACTERS)

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (_TWITTER, _MASTODON, _BLUESKY, _PLAIN)}


def profile_named(name: str) -> Profile:
    """The profile of this name. Raises BadRequest if there is none."""
    if name not in PROFILES:
        raise BadRequest(f"there is no mention profile {name!r}. Choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]


_RETWEET = r"^\s*[Rr][Tt]\s+[@＠]"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Counted(msgspec.Struct, frozen=True):
    """The counted mentions, edges, users and days of a batch's posts."""

    mentions: int
    edges: pl.DataFrame
    """The columns are source, target: UInt32 (rows of `users`); mention_count: Int64; first_seen, last_seen:
    Datetime(us, UTC), from the posts; weight: Float64, the weight at weighed_at: Datetime(us, UTC).

    Each edge has one row. The rows are in no order.
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
    half_life: timedelta,
    retweets: bool = True,
    days_from: date | None = None,
) -> Counted:
    """Count the edges in posts. `frame` holds the posts as a reader of `app.posts.readers` returns them.

    Without `retweets`, a post that begins with `RT @`, in capitals or not, has no mentions. Days are counted from
    `days_from` to the day on which the posts arrived.
    """
    if half_life <= timedelta(0):
        raise ValueError(f"a half-life is longer than nothing, not {half_life}")
    if not retweets:
        frame = frame.filter(~pl.col("text").str.contains(_RETWEET))
    found = find(frame["text"], profile)
    mentioning = frame[found["row"]]
    # Authors come before targets. So an author of a post with a mention gets the spelling that the author uses.
    handles = pl.concat([mentioning["author"], found.select(folded(pl.col("handle"))).to_series()])
    spellings = pl.concat([mentioning["author_spelling"], found["handle"]])
    numbers, firsts = number(handles)
    users = pl.DataFrame({"handle": handles.gather(firsts), "spelling": spellings.gather(firsts)})
    ends = numbers[: len(found)], numbers[len(found) :]
    groups = Groups.of(ends[0].astype(np.uint64) << np.uint64(32) | ends[1])
    edges = _edges(groups, *ends, mentioning["at"], clock, received_at, half_life)
    days = _days(groups, edges, mentioning["at"], days_from, received_at.astimezone(UTC).date()) if days_from else None
    return Counted(len(found), edges, users, days)


def number(handles: pl.Series) -> tuple[Numbers, Numbers]:
    """Number the distinct handles in the order in which the handles first appear.

    Returns the number of each row, and the first row of each number.
    """
    groups = Groups.of(handles.hash().to_numpy())
    firsts = groups.min(np.arange(len(handles)))
    if len(groups.starts) and not (handles == handles.gather(groups.spread(firsts))).all():
        # Here two handles have the same hash.
        groups = Groups.of(handles.rank("dense").to_numpy())
        firsts = groups.min(np.arange(len(handles)))
    by_appearance = np.argsort(firsts)
    numbers = np.empty(len(firsts), np.uint32)
    numbers[by_appearance] = np.arange(len(firsts), dtype=np.uint32)
    return groups.spread(numbers), firsts[by_appearance]


def find(texts: pl.Series, profile: Profile) -> pl.DataFrame:
    """Returns each mention once, in order.

    The columns are row: Int64 (index in `texts`) and handle: String, in the spelling of the post.
    """
    numbered = texts.alias("text").to_frame().select(pl.int_range(pl.len()).alias("row"), "text")
    signed = numbered.filter(pl.col("text").str.contains(profile.signs))
    exact, delicate = profile.exact, pl.Series([False])
    if exact is not None and profile.lookahead is not None:
        delicate = signed["text"].str.contains(profile.lookahead)
    plain = signed.filter(~delicate) if delicate.any() else signed
    found = (
        plain.select("row", handle=pl.col("text").str.extract_all(profile.mention))
        .explode("handle")
        .with_columns(pl.col("handle").str.extract(profile.handle))
        .drop_nulls()
        .filter(pl.col("handle").str.len_chars() <= profile.longest)
    )
    if exact is None or plain.height == signed.height:
        return found
    return pl.concat([found, _find_exactly(signed.filter(delicate), exact)]).sort("row", maintain_order=True)


def _find_exactly(texts: pl.DataFrame, exact: re.Pattern[str]) -> pl.DataFrame:
    found = [
        (row, match[1])
        for row, text in texts.iter_rows()
        for match in exact.finditer(text)
        if not any(match.groups()[1:])
    ]
    return pl.DataFrame(found, schema={"row": pl.Int64, "handle": pl.String}, orient="row")


def _edges(  # noqa: PLR0917 (the function has one caller)
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

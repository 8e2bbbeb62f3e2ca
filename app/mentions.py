"""Posts → counted edges. Pure: the same posts give the same edges, however they are cut into batches.

Expressions of polars have no lookaround. A profile in which it matters what follows a mention therefore says its rule
twice: as expressions that find the mentions of all plain texts at once, and as one exact pattern for the few others.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec
import polars as pl

from app import shards
from app.posts import MAX_AUTHOR_CHARACTERS
from app.reading import Clock


class Profile(msgspec.Struct, frozen=True):
    """A rule for what a mention is. A changed rule is a new version: batches keep the version that counted them."""

    name: str
    version: int
    signs: str
    """A text that does not match has no mention. Cheap."""
    mention: str
    """A mention, with whatever must stand before it; matches follow each other from left to right, none overlap."""
    handle: str
    """The handle in what `mention` matched, as its first group; no match: no mention after all."""
    longest: int
    """Characters of a handle; a longer one is none."""
    lookahead: str | None = None
    """A text that matches is left to `exact`."""
    exact: re.Pattern[str] | None = None
    """As `mention`, with the handle as its first group; if another group took part, it is no mention after all."""


# twitter-text's rule (github.com/twitter/twitter-text), as its conformance suite has it. The slug of a list belongs to
# the match, but @user/list is no mention of the user. What must not follow takes no part in the match: it may be what
# stands before the next mention.
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

# Mastodon's rule (github.com/mastodon/mastodon, app/models/account.rb, USERNAME_RE and MENTION_RE): @user or
# @user@domain, not behind a letter, mark, digit or underscore (a word), a slash or an equals sign (a URL). Dots and
# hyphens are inside names only. The domain belongs to the handle: @ann and @ann@example.social are two.
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

# Bluesky's rule (github.com/bluesky-social/atproto, packages/api/src/rich-text, MENTION_REGEX): at the start, behind
# white space or an opening parenthesis; of all that may be in a handle, up to the last letter or digit. It has to be a
# handle by the syntax of the AT Protocol (atproto.com/specs/handle): labels of up to 63 letters, digits and hyphens,
# the last one starting with a letter. Bluesky asks a list of top-level domains too; this rule needs none that ages.
_BLUESKY = Profile(
    name="bluesky",
    version=1,
    signs="@",
    mention=r"(?:^|[\s(])@[A-Za-z0-9.-]+(?-u:\b)",
    handle=(r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)$"),
    longest=253,
)

# Any word behind any sign, addresses of mail included: for networks that have no rule of their own here. A word is of
# letters, marks, digits, underscores and joiners (Unicode's, UTS #18 annex C).
_PLAIN = Profile(name="word", version=1, signs="@", mention=r"@\w+", handle=r"@(\w+)$", longest=MAX_AUTHOR_CHARACTERS)

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (_TWITTER, _MASTODON, _BLUESKY, _PLAIN)}

_RETWEET = r"^\s*[Rr][Tt]\s+[@＠]"


class Counted(msgspec.Struct, frozen=True):
    mentions: int
    edges: pl.DataFrame
    """source, target: String (folded); mention_count: Int64; first_seen, last_seen: Datetime(us, UTC), the posts' own;
    weight: Float64, as it is at weighed_at: Datetime(us, UTC). One row an edge, in no order."""
    users: pl.DataFrame
    """handle: String (folded, unique), spelling: String, the first seen, its own before others'. All that take part."""


def count(
    frame: pl.DataFrame,
    *,
    profile: Profile,
    clock: Clock,
    received_at: datetime,
    half_life: timedelta,
    retweets: bool = True,
) -> Counted:
    """The edges in posts, which are a frame as `posts.read` gives it. Without `retweets`, a post that begins with
    `RT @`, in capitals or not, counts no mention."""
    if half_life <= timedelta(0):
        raise ValueError(f"a half-life is longer than nothing, not {half_life}")
    if not retweets:
        frame = frame.filter(~pl.col("text").str.contains(_RETWEET))
    found = find(frame["text"], profile)
    targets = found.select("row", shards.folded(pl.col("handle")).alias("handle"), spelling="handle")
    mentioning = frame[targets["row"]]
    authors = mentioning.select(targets["row"], handle="author", spelling="author_spelling")
    mentions = mentioning.select("at", source="author").with_columns(target=targets["handle"])
    edges = _edges(mentions, clock, received_at, half_life)
    return Counted(mentions.height, edges, _users(authors, targets))


def find(texts: pl.Series, profile: Profile) -> pl.DataFrame:
    """row: Int64 (index in `texts`), handle: String, as it is spelled; each mention once, in order."""
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


def _edges(mentions: pl.DataFrame, clock: Clock, received_at: datetime, half_life: timedelta) -> pl.DataFrame:
    key = ("source", "target")
    seen = (
        pl.len().cast(pl.Int64).alias("mention_count"),
        pl.col("at").min().alias("first_seen"),
        pl.col("at").max().alias("last_seen"),
    )
    arrival = pl.lit(received_at).dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    match clock:
        case Clock.ARRIVAL:
            edges = mentions.group_by(key).agg(seen)
            return edges.with_columns(weight=pl.col("mention_count").cast(pl.Float64), weighed_at=arrival)
        case Clock.EVENT:
            made = mentions.with_columns(made=pl.min_horizontal("at", arrival))
            age = pl.col("made").max().over(key) - pl.col("made")
            half_lives = age.dt.total_microseconds() / (half_life / timedelta(microseconds=1))
            weighed = made.with_columns(weight=pl.lit(2.0).pow(-half_lives))
            return weighed.group_by(key).agg(*seen, pl.col("weight").sum(), pl.col("made").max().alias("weighed_at"))


def _users(authors: pl.DataFrame, targets: pl.DataFrame) -> pl.DataFrame:
    """Each handle with the first spelling of its own, or else the first that somebody else gave it."""
    both = pl.concat([authors.select("handle", "spelling"), targets.select("handle", "spelling")])
    return both.unique("handle", keep="first", maintain_order=True)

"""What a counted batch shows that its sender should know: notes for app/ledger/warnings.py. Pure.

A note costs a batch in order next to nothing: a few passes over its users, its edges and its first posts decide whether
to look closely. Only what is noted is looked at post by post.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl

from app.graph import profiles
from app.graph.mentions import Counted
from app.graph.profiles import PROFILES, Profile
from app.ledger.warnings import FIRST_LINES, Code, Notes, Noticed
from app.posts.screening import PLACEHOLDERS

SAMPLE = 256
"""Posts at the start of a batch in which to look for signs of another platform, where the batch has mentions."""
CLOSELY = 2000
"""Posts, at most, with which profiles are compared."""
SHARE = 20
"""Mentions that another profile reads are noted from one for so many that were counted."""
CUT_SHARE = 100
"""The same for names that were cut."""
MOST_PROFILES = 3
AHEAD = timedelta(days=1)
"""How far a clock or a time zone may be wrong without a note."""
EARLY = datetime(1990, 1, 1, tzinfo=UTC)

_CUTTING = ".-·"
"""Characters of names at which some profiles end a name and others do not."""
_TAGS = r"<(?:p|br|a|span|div)[ />]"
_ELSEWHERE = r"\b[uU]/[A-Za-z0-9_-]{3}|[@＠](?:[^\x00-\x7f]|[A-Za-z0-9_.-]+@[A-Za-z0-9-]+\.[A-Za-z])"


class _Platform(NamedTuple):
    """How a platform writes what others do not read."""

    profile: str
    probe: str
    """A mention; a profile that finds none in it does not read the platform's mentions."""
    its_own: str
    """What handles match that are certainly of this platform."""


_PLATFORMS = (
    _Platform("reddit", "u/name_x", ""),
    _Platform("mastodon", "@name@server.example", "@"),
    _Platform("weibo", "@王小明", r"[^\x00-\x7f]"),
)


class Batch(NamedTuple):
    """A batch that was counted, for those who look at it."""

    frame: pl.DataFrame
    """The posts that were counted, as the readers give them."""
    rejects: pl.DataFrame
    counted: Counted
    profile: Profile
    received_at: datetime
    placeholders: bool = False
    """Whether placeholders are authors."""

    def lines(self, rows: pl.Series | list[int]) -> list[int]:
        """The lines of the first of these rows of the frame."""
        return self.frame["line"].gather(rows[:FIRST_LINES]).to_list()

    def where(self, found: pl.Series) -> Noticed:
        """A note of the posts for which `found` is true."""
        return Noticed(int(found.sum()), self.lines(found.arg_true()))


def notes_of(batch: Batch) -> Notes:
    """What there is to note of the batch; empty for one in order."""
    found: Notes = {}

    def note(code: Code, noticed: Noticed | None) -> None:
        if noticed is not None:
            found[code] = noticed

    note(Code.MOST_REJECTED, _most_rejected(batch))
    if batch.frame.is_empty():
        return found
    note(Code.HANDLES_CUT, _handles_cut(batch))
    found |= _instants(batch) | _authors(batch)
    note(Code.NAMES_CUT, _names_cut(batch))
    note(Code.HTML_TEXT, html := _html(batch))
    if html is None or not html.profiles:
        note(Code.ANOTHER_PROFILE, _read_elsewhere(batch))
    return found


def _most_rejected(batch: Batch) -> Noticed | None:
    rejects = batch.rejects
    if len(rejects) <= len(batch.frame):
        return None
    return Noticed(len(rejects), rejects["line"].head(FIRST_LINES).to_list())


def _handles_cut(batch: Batch) -> Noticed | None:
    counted = batch.counted
    if not counted.cut:
        return None
    return Noticed(counted.cut, batch.lines(counted.first_cut))


def _instants(batch: Batch) -> Notes:
    at, latest = batch.frame["at"], batch.received_at + AHEAD
    found: Notes = {}
    first, last = at.min(), at.max()
    # The column has instants alone, so that min and max are instants.
    if isinstance(last, datetime) and last > latest:
        found[Code.FUTURE_INSTANTS] = _with_instant(batch, at > latest)
    if isinstance(first, datetime) and first < EARLY:
        found[Code.EARLY_INSTANTS] = _with_instant(batch, at < EARLY)
    return found


def _with_instant(batch: Batch, found: pl.Series) -> Noticed:
    noticed = batch.where(found)
    example = batch.frame["at"].filter(found).dt.strftime("%Y-%m-%dT%H:%M:%SZ")[0]
    return Noticed(noticed.count, noticed.lines, str(example))


# Authors and those whom they mention ---------------------------------------------------------------------------------


def _authors(batch: Batch) -> Notes:
    """Whether authors and mentioned users are the same kind of names."""
    found: Notes = {}
    handles, edges = batch.counted.users["handle"], batch.counted.edges
    made, received = np.zeros(len(handles), np.bool_), np.zeros(len(handles), np.bool_)
    made[edges["source"].to_numpy()] = True
    received[edges["target"].to_numpy()] = True
    authors = batch.frame["author"]
    if batch.placeholders and handles.is_in(PLACEHOLDERS).any() and (bad := authors.is_in(PLACEHOLDERS)).any():
        noticed = batch.where(bad)
        found[Code.PLACEHOLDER_AUTHORS] = Noticed(
            noticed.count, noticed.lines, str(batch.frame["author_spelling"].filter(bad)[0])
        )
    if (made & received).any():
        return found
    mentioned = handles.filter(pl.Series(received))
    if _is_number(authors.head(1)).all() and _is_number(authors).all() and not _is_number(mentioned).any():
        first = batch.frame["line"].head(FIRST_LINES).to_list()
        found[Code.NUMERIC_AUTHORS] = Noticed(len(authors), first, str(batch.frame["author_spelling"][0]))
    elif not authors.is_in(mentioned.implode()).any():
        found[Code.AUTHOR_NEVER_MENTIONED] = Noticed(
            len(authors), example=str(batch.frame["author_spelling"][0]), users=int(min(made.sum(), received.sum()))
        )
    return found


def _is_number(handles: pl.Series) -> pl.Series:
    return handles.str.contains(r"^[0-9]+$")


# Names that the profile cuts -----------------------------------------------------------------------------------------


def _names_cut(batch: Batch) -> Noticed | None:
    """Mentions that go on behind their end, with a character that authors' names contain."""
    cutting = _cutting(batch.profile.name, batch.profile.version)
    handles = batch.counted.users["handle"]
    # Authors are the first users.
    if not cutting or not handles.head(CLOSELY).str.contains(f"[{cutting}]").any():
        return None
    named = _sources(batch).filter(pl.col("handle").str.contains(f"[{cutting}]"))["handle"]
    used = "".join(each for each in _CUTTING if each in cutting and named.str.contains(each, literal=True).any())
    if not used:
        return None
    inside = _class_of(used)
    # Not within an address, be it of mail or of another server.
    pattern = rf"(?:^|[^A-Za-z0-9_@＠.])[@＠][A-Za-z0-9_]+[{inside}]+[\p{{L}}\p{{N}}_]"
    rows = batch.frame["text"].str.contains(pattern).arg_true()
    if not len(rows):
        return None
    posts = batch.frame[rows].select("text", "author_spelling", "line")
    fitting = _fitting(posts.head(CLOSELY), named, batch.profile, inside)
    whole = _whole(posts, PROFILES[fitting[0]], inside) if fitting else _by_pattern(posts, pattern)
    if not len(whole) or len(whole) * CUT_SHARE < batch.counted.mentions:
        return None
    lines = posts["line"].gather(whole["row"].unique(maintain_order=True).head(FIRST_LINES)).to_list()
    return Noticed(len(whole), lines, f"@{whole['handle'][0]}", fitting[:MOST_PROFILES])


def _sources(batch: Batch) -> pl.DataFrame:
    users = batch.counted.users
    return users[batch.counted.edges["source"].unique()]


@cache
def _cutting(name: str, version: int) -> str:
    """The characters at which the profile ends a name, as a class of a regular expression; empty: none."""
    profile = profiles.version_of(name, version)
    if profile is None or "@" not in profile.signs:
        return ""
    texts = pl.Series([f"@name{each}name" for each in _CUTTING])
    found = profiles.find(texts, profile).mentions.filter(pl.col("handle") == "name")
    return _class_of("".join(_CUTTING[row] for row in found["row"]))


def _class_of(characters: str) -> str:
    """The characters as they stand in a class of a regular expression: a hyphen comes last."""
    return characters.replace("-", "") + ("-" if "-" in characters else "")


def _fitting(posts: pl.DataFrame, named: pl.Series, profile: Profile, inside: str) -> list[str]:
    """The profiles that hold most of the authors' names, if they find mentions that the present profile cuts."""
    names = named.head(CLOSELY)
    shares = {
        name: _held(names, PROFILES[name])
        for name in _candidates(names)
        if name != profile.name and len(_whole(posts, PROFILES[name], inside))
    }
    best = max(shares.values(), default=0.0)
    return [name for name, share in shares.items() if share == best and share > _held(names, profile)]


def _candidates(names: pl.Series) -> list[str]:
    """The profiles whose handles may hold such names, the most probable first."""
    if names.str.contains("@", literal=True).any():
        return ["mastodon"]
    if names.str.contains(r"\.bsky\.social$").any():
        return ["bluesky"]
    if not names.str.contains(r"[.·]").any():
        return ["github", "youtube", "weibo", "mastodon"]
    return ["instagram", "tiktok", "youtube", "mastodon"]


def _held(names: pl.Series, profile: Profile) -> float:
    """The share of names that are handles of the profile as a whole."""
    found = profiles.find(pl.Series("@" + names), profile).mentions
    return float((found["handle"] == names.gather(found["row"])).sum()) / max(1, len(names))


def _whole(posts: pl.DataFrame, profile: Profile, inside: str) -> pl.DataFrame:
    """The mentions that a profile finds with one of the characters inside, before any domain."""
    found = profiles.find(posts["text"], profile).mentions
    return found.filter(pl.col("handle").str.contains(f"^[^@]*[{inside}]"))


def _by_pattern(posts: pl.DataFrame, pattern: str) -> pl.DataFrame:
    """What looks like longer names, where no profile holds them."""
    found = posts.with_row_index("row").select("row", handle=pl.col("text").str.extract_all(pattern))
    return found.explode("handle").drop_nulls().with_columns(pl.col("handle").str.extract("[@＠](.+)$"))


# Mentions as other platforms write them ------------------------------------------------------------------------------


def _html(batch: Batch) -> Noticed | None:
    if batch.profile.html and batch.counted.mentions:
        return None
    texts = batch.frame["text"]
    if not texts.head(SAMPLE).str.contains(_TAGS).any():
        return None
    tagged = texts.str.contains(_TAGS)
    if int(tagged.sum()) * SHARE < len(texts):
        return None
    missed = _missed(batch, PROFILES["mastodon"], "@") if not batch.profile.html else _NOTHING
    noticed = batch.where(tagged)
    reads_them = len(missed) * SHARE > batch.counted.mentions
    return Noticed(noticed.count, noticed.lines, profiles=["mastodon"] if reads_them else [])


_NOTHING = pl.DataFrame(schema={"row": pl.Int64, "handle": pl.String})


def _read_elsewhere(batch: Batch) -> Noticed | None:
    """Mentions that another profile reads and this one does not."""
    if not batch.counted.mentions:
        return _any_other(batch)
    texts = batch.frame["text"].head(SAMPLE)
    if not texts.str.contains(_ELSEWHERE).any():
        return None
    best = _NOTHING
    fits = ""
    for platform in _PLATFORMS:
        if not _reads(batch.profile.name, batch.profile.version, platform.probe):
            missed = _missed(batch, PROFILES[platform.profile], platform.its_own)
            best, fits = (missed, platform.profile) if len(missed) > len(best) else (best, fits)
    if len(best) * SHARE <= batch.counted.mentions:
        return None
    return _elsewhere(batch, best, [fits])


@cache
def _reads(name: str, version: int, probe: str) -> bool:
    profile = profiles.version_of(name, version)
    return profile is not None and not profiles.find(pl.Series([probe]), profile).mentions.is_empty()


def _any_other(batch: Batch) -> Noticed | None:
    """Of a batch without a mention: the profiles that find any. The narrower ones are asked first."""
    posts = batch.frame.filter(pl.col("text").str.contains(r"[@＠]|\b[uU]/"))
    if posts.is_empty():
        return None
    sample = posts.head(CLOSELY)
    narrow = [name for name in PROFILES if name not in {batch.profile.name, "word"}]
    found = {name: len(profiles.find(sample["text"], PROFILES[name]).mentions) for name in narrow}
    most = max(found.values())
    if not most:
        return None
    ranked = sorted((name for name in found if found[name] == most), key=lambda name: -_authors_held(sample, name))
    return _elsewhere(batch, _missed(batch, PROFILES[ranked[0]], ""), ranked[:MOST_PROFILES])


def _authors_held(posts: pl.DataFrame, name: str) -> int:
    """The number of authors whose names are handles of the profile."""
    authors = posts["author_spelling"].unique().sort()
    sign = "u/" if name == "reddit" else "@"
    found = profiles.find(pl.Series(sign + authors), PROFILES[name]).mentions
    return int((found["handle"] == authors.gather(found["row"])).sum())


def _missed(batch: Batch, other: Profile, its_own: str) -> pl.DataFrame:
    """The mentions that the other profile finds, if their handles match."""
    found = profiles.find(batch.frame["text"], other).mentions
    return found.filter(pl.col("handle").str.contains(its_own)) if its_own else found


def _elsewhere(batch: Batch, missed: pl.DataFrame, fitting: list[str]) -> Noticed:
    sign = "u/" if fitting[0] == "reddit" else "@"
    rows = missed["row"].unique(maintain_order=True)
    return Noticed(len(missed), batch.lines(rows), f"{sign}{missed['handle'][0]}", fitting)

"""The posts of a batch that make one edge, and where in their texts the mentions stand. Pure.

The posts are read and searched as a count does it. So their mentions add up to what the batch counted for the edge.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from app.graph import post_ids
from app.graph.kinds import Kind, mentions_of
from app.graph.post_ids import Keys
from app.graph.previews import Mark
from app.graph.profiles import Profile
from app.graph.shards import Ints
from app.posts.handles import folded
from app.posts.options import Format, Retweets

TEXT_CHARACTERS = 400
"""Characters of a post's text that are shown."""
LEAD_CHARACTERS = 120
"""Characters that are shown before the first mention in a text that is cut."""
MARKS = 20
"""Mentions that are marked in a text."""
_NO_MENTION_BEHIND = re.compile(r"[A-Za-z0-9_/]$")


class Line(msgspec.Struct, frozen=True):
    """A post that mentions the target."""

    line: int
    """Physical line of the file on which the post begins."""
    at: datetime
    text: str
    """Up to TEXT_CHARACTERS of the post's text, with the first mention of the target among them."""
    cut_before: bool
    """Whether the post's text begins before `text`."""
    cut_after: bool
    mention_count: int
    """The number of times that the post mentions the target."""
    mentions: list[Mark]
    """The mentions of the target that are in `text`, or in no text at all."""
    repeated: bool
    """Whether another row counts the post, so that its mentions add nothing here."""


class Making(NamedTuple):
    """The posts of a batch in which the source mentions the target."""

    posts: pl.DataFrame
    """As a reader of `app.posts.readers` gives them, in the order of the file."""
    mentions: list[list[tuple[str, int]]]
    """Of each post, the mentions of the target: the handle as it is spelled, and its kind."""
    again: list[bool]
    """Of each post, whether another row of the batch counts it."""
    keys: Keys | None
    """The keys of the other posts; their rows are those of `posts`. None: the batch has no ids of posts."""


def making(  # noqa: PLR0917 (the function has one caller)
    posts: pl.DataFrame, form: Format, source: str, target: str, profile: Profile, retweets: Retweets
) -> Making:
    """The posts in which the source mentions the target. Both are folded handles, `posts` all posts of a batch."""
    own = np.flatnonzero((posts["author"] == source).to_numpy())
    written = posts[own]
    found = mentions_of(written, profile, retweets).found.filter(folded(pl.col("handle")) == target)
    by_row: dict[int, list[tuple[str, int]]] = {}
    for row, handle, kind in found.iter_rows():
        by_row.setdefault(row, []).append((handle, kind))
    chosen = np.array(sorted(by_row), np.int64)
    rows = own[chosen]
    keys = post_ids.keys_of(posts, form) if len(rows) else None
    again = np.isin(rows, keys.again).tolist() if keys is not None else [False] * len(rows)
    return Making(
        written[chosen],
        [by_row[row] for row in chosen.tolist()],
        again,
        None if keys is None else _keys_among(keys, rows),
    )


def _keys_among(keys: Keys, rows: Ints) -> Keys:
    """The keys whose first row is among these sorted rows; the rows are numbered anew."""
    among = np.isin(keys.rows, rows)
    return Keys(keys.keys[among], np.searchsorted(rows, keys.rows[among]), np.array([], np.int64))


def shown(found: Making, elsewhere: list[int], *, before: int, limit: int) -> list[Line]:
    """Up to `limit` of the posts that begin before a line, the last of the file first.

    `elsewhere`: positions of the keys that other batches own.
    """
    repeated = set[int]() if found.keys is None else set(found.keys.rows[elsewhere].tolist())
    lines = found.posts["line"].to_list()
    chosen = [row for row in reversed(range(len(lines))) if lines[row] < before][:limit]
    return [
        _line(
            found.posts["text"][row],
            found.mentions[row],
            line=lines[row],
            at=found.posts["at"][row],
            repeated=found.again[row] or row in repeated,
        )
        for row in chosen
    ]


def _line(text: str, mentions: list[tuple[str, int]], *, line: int, at: datetime, repeated: bool) -> Line:
    marks = _marks(text, mentions[:MARKS])
    begin = _begin(text, marks)
    end = begin + TEXT_CHARACTERS
    inside = [
        Mark(each.handle, each.kind, each.start - begin, each.end - begin)
        if each.start is not None and each.end is not None
        else each
        for each in marks
        if each.start is None or each.end is None or (begin <= each.start and each.end <= end)
    ]
    return Line(line, at, text[begin:end], begin > 0, end < len(text), len(mentions), inside, repeated)


def _begin(text: str, marks: list[Mark]) -> int:
    """Where the part of the text begins that is shown."""
    first = min((each.start for each in marks if each.start is not None), default=0)
    return max(0, min(first - LEAD_CHARACTERS, len(text) - TEXT_CHARACTERS))


def _marks(text: str, mentions: list[tuple[str, int]]) -> list[Mark]:
    """The mentions of one user with their places in the text, as far as they can be told."""
    places = iter(_places(text, [handle for handle, _ in mentions]))
    marks: list[Mark] = []
    for handle, kind in mentions:
        start, end = next(places, (None, None))
        marks.append(Mark(handle, Kind(kind).name.lower(), start, end))
    return marks


def _places(text: str, handles: list[str]) -> list[tuple[int, int]]:
    """Where these spellings of one handle stand in the text, as often as there are spellings; the likeliest places, in
    order."""
    likely, unlikely = list[tuple[int, int]](), list[tuple[int, int]]()
    for found in _signed(handles).finditer(text):
        # As in an address of mail, or in a URL.
        doubtful = _NO_MENTION_BEHIND.search(text[max(0, found.start() - 1) : found.start()])
        if not doubtful:
            likely.append(found.span())
        elif len(unlikely) < len(handles):
            unlikely.append(found.span())
        if len(likely) == len(handles):
            break
    return sorted((likely + unlikely)[: len(handles)])


def _signed(handles: list[str]) -> re.Pattern[str]:
    """Any of the handles behind the sign of a mention."""
    names = {re.escape(each) for each in handles}
    # A profile may add the author's server to a bare name.
    names |= {re.escape(each.partition("@")[0]) + "(?!@)" for each in handles if "@" in each}
    either = "|".join(sorted(names, key=len, reverse=True))
    return re.compile(rf"(?:[@＠]|(?<!\w)u/)(?:{either})(?![A-Za-z0-9_])", re.IGNORECASE)

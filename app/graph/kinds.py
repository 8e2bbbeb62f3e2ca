"""The mentions that posts make, and their kinds: from the text, and from what the source itself says of a post. Pure.

A post mentions a user once for each time its text does. Whom it answers or quotes, it mentions as well: a user whom its
text mentions, too, is mentioned by that answer and not once more. Whoever answers themselves mentions nobody. A retweet
may count as one mention, of its author.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import polars as pl

from app.graph import profiles
from app.graph.profiles import Profile
from app.posts.handles import folded
from app.posts.options import Retweets

_RETWEET = r"^\s*[Rr][Tt]\s+[@＠]"
_ANSWER = r"^\s*\.?[@＠]"
_EITHER = r"^\s*(?:[Rr][Tt]\s+|\.?)[@＠]"


class Kind(IntEnum):
    """What a mention is part of."""

    MENTION = 0
    REPLY = 1
    RETWEET = 2
    QUOTE = 3


KINDS = {"replies": Kind.REPLY, "retweets": Kind.RETWEET, "quotes": Kind.QUOTE}
"""The columns that count mentions of each kind but the plain one."""


class Mentions(NamedTuple):
    """The mentions of some posts."""

    found: pl.DataFrame
    """row: Int64 (of the posts' frame), handle: String, as it is spelled; kind: UInt8. By row, in the text's order."""
    cut: pl.Series
    """Int64: rows whose last handle was cut off, and so is unknown."""


def mentions_of(posts: pl.DataFrame, profile: Profile, retweets: Retweets) -> Mentions:
    """The mentions of posts: a frame as the readers give it.

    Columns that need not be there: `mentioned` (List of String: whom the source says that the post mentions; null or
    empty: only the text tells), `reply`, `retweet`, `quote` (String: whom the post answers, repeats, quotes).
    """
    rows = posts.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    repeated = rows.clear()
    if retweets is not Retweets.TEXT and (repeats := _is_retweet(posts)).any():
        repeated, rows = rows.filter(repeats), rows.filter(~repeats)
    told, texts = _told(rows)
    in_text = profiles.find(texts["text"], profile, authors=texts["author_spelling"])
    number = texts["row"]
    at = in_text.mentions["row"]
    kinds = _kinds(at, texts["text"], retweets, answers="reply" not in posts.columns)
    found = in_text.mentions.with_columns(number.gather(at), kind=kinds)
    if told.height:
        found = pl.concat([found, told])
    for column, kind in (("reply", Kind.REPLY), ("quote", Kind.QUOTE)):
        if column in posts.columns:
            found = _also(found, rows.select("row", "author", handle=pl.col(column)), kind)
    if retweets is Retweets.AUTHOR and repeated.height:
        found = pl.concat([found, _repeated(repeated, profile)])
    if not found["row"].is_sorted():
        found = found.sort("row", maintain_order=True)
    cut = number.gather(in_text.cut) if len(in_text.cut) else in_text.cut
    return Mentions(found.select("row", "handle", "kind"), cut)


def _is_retweet(posts: pl.DataFrame) -> pl.Series:
    repeats = posts["text"].str.contains(_RETWEET)
    return repeats | posts["retweet"].is_not_null() if "retweet" in posts.columns else repeats


def _told(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The mentions that the source names itself, and the posts of which only the text tells."""
    nothing = pl.DataFrame(schema={"row": pl.Int64, "handle": pl.String, "kind": pl.UInt8})
    if "mentioned" not in rows.columns:
        return nothing, rows
    named = pl.Series(rows["mentioned"].list.len().fill_null(0) > 0)
    told = rows.filter(named).select("row", handle=pl.col("mentioned")).explode("handle").drop_nulls()
    kind = pl.lit(int(Kind.MENTION), pl.UInt8)
    return told.with_columns(kind=kind) if told.height else nothing, rows.filter(~named)


def _kinds(at: pl.Series, texts: pl.Series, retweets: Retweets, *, answers: bool) -> pl.Series:
    """The kinds of the mentions at these places of texts: the first of a retweet, or of an answer, says what it is."""
    kinds = np.full(len(at), int(Kind.MENTION), np.uint8)
    places = at.to_numpy()
    first = np.flatnonzero(np.diff(places, prepend=-1))
    heads = texts.gather(places[first])
    marked = heads.str.contains(_EITHER).arg_true()
    heads, first = heads.gather(marked), first[marked.to_numpy()]
    repeats = heads.str.contains(_RETWEET).to_numpy()
    if retweets is Retweets.TEXT:
        kinds[first[repeats]] = int(Kind.RETWEET)
    if answers:
        kinds[first[~repeats]] = int(Kind.REPLY)
    return pl.Series("kind", kinds)


def _also(found: pl.DataFrame, named: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """The mentions, with one of each user named: a mention of the user that is there already becomes of this kind.

    Answers to oneself, which make a thread, are no mentions unless the text says so.
    """
    named = named.drop_nulls().filter(pl.col("handle").str.len_chars() > 0)
    if not named.height:
        return found
    keyed = found.with_columns(key=folded(pl.col("handle")))
    wanted = named.with_columns(key=folded(pl.col("handle"))).unique("row", keep="first", maintain_order=True)
    is_named = keyed.join(wanted.select("row", "key", named=pl.lit(value=True)), on=["row", "key"], how="left",
                          maintain_order="left")["named"].fill_null(value=False)  # fmt: skip
    first = keyed.select(pl.struct("row", "key").is_first_distinct()).to_series() & is_named
    changed = found.with_columns(kind=pl.when(first).then(pl.lit(int(kind), pl.UInt8)).otherwise(pl.col("kind")))
    others = wanted.filter(pl.col("key") != pl.col("author"))  # whoever goes on with a thread mentions nobody
    missing = others.join(keyed.select("row", "key"), on=["row", "key"], how="anti")
    return pl.concat([changed, missing.select("row", "handle", kind=pl.lit(int(kind), pl.UInt8))])


def _repeated(rows: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """One mention a retweet: of the author whom the source names, or whom its text begins with."""
    text = profiles.find(rows["text"], profile).mentions
    first = text.unique("row", keep="first", maintain_order=True)
    in_text = pl.DataFrame({"row": rows["row"].gather(first["row"]), "in_text": first["handle"]})
    named = rows.select("row", handle=pl.col("retweet") if "retweet" in rows.columns else pl.lit(None, pl.String))
    author = pl.coalesce("handle", "in_text")
    return (
        named.join(in_text, on="row", how="left", maintain_order="left")
        .select("row", handle=author, kind=pl.lit(int(Kind.RETWEET), pl.UInt8))
        .drop_nulls()
    )

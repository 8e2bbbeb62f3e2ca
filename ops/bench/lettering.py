"""Drawn numbers to bytes: the tables that posts are put together from, and the putting together, a chunk at a time.

The tables are those of `generate`; here they are columns, so that a million rows take less than a second.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.random import PCG64

from ops.bench.generate import FIRST, FORMS, SECOND, TAILS, Instants, Phrases
from ops.bench.oracle import mentioned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ops.bench.generate import Words

CASES: Final = (str.lower, str.title, str.upper)
LONG_TEXTS: Final = 512
LONG_LINES: Final = 12


class Draw(NamedTuple):
    """One chunk of posts as numbers; mentions are in one array, `mentions` of each row."""

    author: Words
    author_case: Words
    mentions: Words
    target: Words
    target_case: Words
    form: Words
    head: Words
    tail: Words
    """Below `TAILS` plain, from there on quoted."""
    seconds: Words
    stamp_form: Words


class Names:
    """Handle number to spelling, and to the lowest number of the same handle: two ways to one spelling are one user."""

    def __init__(self, users: int, *, cased: bool) -> None:
        self.users = users
        pairs, first = np.divmod(np.arange(users), len(FIRST))
        number, second = np.divmod(pairs, len(SECOND))
        numbers = pl.Series(["", *(str(n) for n in range(1, int(number.max(initial=0)) + 1))])
        joint = pl.Series(["_", ""])[number & 1]
        tables = [
            pl.select(
                pl.concat_str(
                    pl.Series([case(name) for name in FIRST])[first],
                    joint,
                    pl.Series([case(name) for name in SECOND])[second],
                    numbers[number],
                )
            ).to_series()
            for case in (CASES if cased else CASES[:1])
        ]
        self.spelled = pl.concat(tables)
        lower = pl.DataFrame({"name": tables[0], "user": np.arange(users)})
        self.user = lower.select(pl.col("user").min().over("name")).to_series().to_numpy()

    def spell(self, users: Words, case: Words) -> pl.Series:
        return self.spelled[(users + case * np.uint64(self.users)).astype(np.int64)]

    def find(self, handle: str) -> int | None:
        """The user of a handle, if it is one of these."""
        return self.spelled.head(self.users).index_of(handle.lower())


class Texts:
    """What stands around the mentions, and who is mentioned in it."""

    def __init__(self, seed: int, names: Names, *, long: bool) -> None:
        phrases = Phrases(PCG64([seed, 1]))
        tails = phrases.tails
        if long:
            tails = tails[:TAILS] + [_long_text(phrases) for _ in range(LONG_TEXTS)]
        self.heads = pl.Series(phrases.heads)
        self.tails = pl.Series(tails)
        found = [[handle.lower() for handle in mentioned(tail.replace('""', '"'))] for tail in tails]
        self.handles = sorted({handle for handles in found for handle in handles})
        self.mentions = np.array([[handles.count(handle) for handle in self.handles] for handles in found])
        """Texts × handles: how often each text mentions each of them by itself."""
        users = [names.find(handle) for handle in self.handles]
        self.users = [names.users + n if user is None else int(names.user[user]) for n, user in enumerate(users)]


def _long_text(phrases: Phrases) -> str:
    lines = [phrases.words(9, 16) for _ in range(LONG_LINES - 4 + phrases.below(9))]
    lines[1] += f', ""{phrases.words(2, 3)}""'
    lines.insert(3, "")
    return "\n".join(lines)


class Lettering:
    """Puts rows together."""

    def __init__(self, names: Names, texts: Texts) -> None:
        self.names, self.texts = names, texts
        self.instants = Instants()
        self.minutes = pl.Series(self.instants.minutes)
        self.seconds = pl.Series(self.instants.seconds)
        self.before = pl.Series([before for before, _ in FORMS])
        self.behind = pl.Series([f"{behind} " for _, behind in FORMS])
        self.quote = pl.Series(["", '"'])

    def rows(self, draw: Draw) -> pl.Series:
        """The rows, without their terminators."""
        quoted = self.quote[(draw.tail >= np.uint64(TAILS)).astype(np.int64)]
        stamps = self._stamps(draw)
        return pl.select(
            pl.concat_str(
                quoted,
                self.texts.heads[draw.head.astype(np.int64)],
                *self._mentions(draw),
                self.texts.tails[draw.tail.astype(np.int64)],
                quoted,
                pl.lit(","),
                stamps,
                pl.lit(","),
                self.names.spell(draw.author, draw.author_case),
            )
        ).to_series()

    def _mentions(self, draw: Draw) -> list[pl.Series]:
        """The first mention of each row, the second, …; empty where it has none."""
        form = draw.form.astype(np.int64)
        spelled = self.names.spell(draw.target, draw.target_case)
        flat = pl.select(pl.concat_str(self.before[form], spelled, self.behind[form])).to_series()
        flat = pl.concat([flat.cast(pl.String), pl.Series([""])])
        count = draw.mentions.astype(np.int64)
        start = np.cumsum(count) - count
        return [
            flat[np.where(count > place, start + place, len(flat) - 1)] for place in range(int(count.max(initial=0)))
        ]

    def _stamps(self, draw: Draw) -> pl.Series:
        minute, second = np.divmod(draw.seconds.astype(np.int64), 60)
        stamps = pl.select(pl.concat_str(self.minutes[minute], self.seconds[second])).to_series()
        other = np.flatnonzero(draw.stamp_form < np.uint64(8))
        if not len(other):
            return stamps
        chosen = zip(
            stamps[other].to_list(), draw.seconds[other].tolist(), draw.stamp_form[other].tolist(), strict=True
        )
        others = pl.Series([self.instants.other_form(*one) for one in chosen])
        position = np.arange(len(stamps))
        position[other] = len(stamps) + np.arange(len(other))
        return pl.concat([stamps, others])[position]


def joined(rows: pl.Series) -> bytes:
    """The rows, each with its terminator."""
    out = io.BytesIO()
    rows.to_frame().write_csv(out, include_header=False, quote_style="never")
    return out.getvalue()


def own_mentions(texts: Texts, draw: Draw) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(row, user) of each mention that stands in the texts themselves."""
    mentions = texts.mentions[draw.tail.astype(np.int64)]
    rows, handles = np.nonzero(mentions)
    times = mentions[rows, handles]
    return np.repeat(rows, times), np.repeat(np.array(texts.users, dtype=np.int64)[handles], times)

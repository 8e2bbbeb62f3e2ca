"""The parts of invented posts (handles, texts, timestamps) as columns, and putting rows together from them.

The same bytes come out everywhere. The only randomness is the raw 64-bit stream of numpy's PCG64, which numpy
guarantees for a fixed seed. Everything drawn from the stream is integer arithmetic of our own: numpy's distributions
and Python's `random` may change between versions, and floating-point powers between processors.
"""

from __future__ import annotations

import io
import tomllib
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.random import PCG64

from ops.oracle.account import mentioned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

VOCABULARY: Final = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8"))
FIRST, SECOND, HASHTAGS = (str(VOCABULARY[name]).split() for name in ("first", "second", "hashtags"))
LANGUAGES: Final = [text.split() for text in VOCABULARY["languages"]]
FORMS: Final = (*(("@", ""),) * 7, (".@", ""), ("＠", ""), ("(@", ")"), ("cc @", ""), ("-@", "!"),
                ("RT @", ":"), ("RT @", ":"), ("rt@", ""), ("RT:@", ""))  # fmt: skip
"""Text before and after a handle: sixteen forms, so that four random bits choose one."""
RETWEET: Final = 12
"""From this form on, a mention can only open a post."""
CASES: Final = (str.lower, str.title, str.upper)
HEADS, TAILS, QUOTED_TAILS, LONG_TEXTS, LONG_LINES = 1_024, 4_096, 1_024, 512, 12
FIRST_DAY: Final = datetime(2026, 8, 22, tzinfo=UTC)
DAYS: Final = 90


class Draw(NamedTuple):
    """One chunk of posts as numbers. The mentions of all rows are in one array; each row has `mentions` of them."""

    author: Words
    author_case: Words
    mentions: Words
    target: Words
    target_case: Words
    form: Words
    head: Words
    tail: Words
    """Numbers below `TAILS` are plain texts, the others are quoted."""
    seconds: Words
    stamp_form: Words


class Phrases:
    """The texts around the mentions. Heads end in a space; quoted tails are escaped for a quoted field."""

    def __init__(self, seed: int, *, long: bool) -> None:
        self._stream = PCG64([seed, 1])
        self.heads = ["" if n % 2 else self._words(2, 3) + " " for n in range(HEADS)]
        self.tails = [self._tail() for _ in range(TAILS)]
        quoted = [self._quoted_tail(n) for n in range(QUOTED_TAILS)]
        self.tails += [self._long_text() for _ in range(LONG_TEXTS)] if long else quoted

    def _below(self, limit: int) -> int:
        return int(self._stream.random_raw()) % limit

    def _one(self, choices: list[str]) -> str:
        return choices[self._below(len(choices))]

    def _words(self, least: int, most: int) -> str:
        language = LANGUAGES[self._below(len(LANGUAGES))]
        return " ".join(self._one(language) for _ in range(least + self._below(most - least + 1)))

    def _tail(self) -> str:
        text, kind = self._words(6, 11), self._below(32)
        if kind == 0:
            return f"{text} {self._one(VOCABULARY['oddities'])} {self._words(1, 3)}"
        for name, upto in (("mail", 2), ("links", 6)):
            if kind < upto:
                return f"{text} {self._one(VOCABULARY[name])}"
        if kind < 11:  # noqa: PLR2004 (of 32, as the others)
            return f"{text} {self._one(HASHTAGS)}"
        return f"{text} {self._one(VOCABULARY['emoji'])}" if kind < 15 else text  # noqa: PLR2004

    def _quoted_tail(self, number: int) -> str:
        match number % 4:
            case 0:
                return f"{self._words(3, 5)}, {self._words(3, 5)}"
            case 1:
                return f'{self._words(3, 5)} ""{self._words(2, 3)}"" {self._words(1, 2)}'
            case 2:
                return f"{self._words(3, 5)}\n{self._words(3, 5)}"
            case _:
                return f'{self._words(2, 4)},\n\n""{self._words(2, 3)}"" {HASHTAGS[number % len(HASHTAGS)]}'

    def _long_text(self) -> str:
        lines = [self._words(9, 16) for _ in range(LONG_LINES - 4 + self._below(9))]
        lines[1] += f', ""{self._words(2, 3)}""'
        lines.insert(3, "")
        return "\n".join(lines)


class Names:
    """Numbers to handles, and to the lowest number of the same handle: two ways to one spelling are one user."""

    def __init__(self, users: int, *, cased: bool) -> None:
        self.users = users
        pairs, first = np.divmod(np.arange(users), len(FIRST))
        number, second = np.divmod(pairs, len(SECOND))
        numbers = pl.Series(["", *(str(n) for n in range(1, int(number.max(initial=0)) + 1))])[number]
        joint = pl.Series(["_", ""])[number & 1]
        spellings = [
            _joined_columns(
                pl.Series([case(name) for name in FIRST])[first],
                joint,
                pl.Series([case(name) for name in SECOND])[second],
                numbers,
            )
            for case in (CASES if cased else CASES[:1])
        ]
        self.spelled = pl.concat(spellings)
        lower = pl.DataFrame({"name": spellings[0], "user": np.arange(users)})
        self.user = lower.select(pl.col("user").min().over("name")).to_series().to_numpy()

    def spell(self, users: Words, case: Words) -> pl.Series:
        return self.spelled[(users + case * self.users).astype(np.int64)]

    def find(self, handle: str) -> int | None:
        """The user of a handle, or None if these names do not have it."""
        return self.spelled.head(self.users).index_of(handle.lower())


@cache
def _minutes() -> pl.Series:
    """Every minute of every day, as a timestamp begins. Made once a process."""
    days = [f"{FIRST_DAY + timedelta(days=day):%Y-%m-%d}" for day in range(DAYS)]
    return pl.Series([f"{day}T{n // 60:02}:{n % 60:02}" for day in days for n in range(24 * 60)])


class Lettering:
    """Turns draws into rows of CSV."""

    def __init__(self, seed: int, names: Names, *, long: bool) -> None:
        self.names = names
        phrases = Phrases(seed, long=long)
        self._heads, self._tails = pl.Series(phrases.heads), pl.Series(phrases.tails)
        self._before = pl.Series([before for before, _ in FORMS])
        self._behind = pl.Series([f"{behind} " for _, behind in FORMS])
        self._minutes, self._seconds = _minutes(), pl.Series([f":{n:02}Z" for n in range(60)])
        found = [[handle.lower() for handle in mentioned(tail.replace('""', '"'))] for tail in phrases.tails]
        handles = sorted({handle for those in found for handle in those})
        self._own = np.array([[those.count(handle) for handle in handles] for those in found])
        """Texts × handles: how often each text itself mentions each of them."""
        known = [names.find(handle) for handle in handles]
        self._own_users = np.array(
            [names.users + n if user is None else names.user[user] for n, user in enumerate(known)], dtype=np.int64
        )

    def rows(self, draw: Draw) -> pl.Series:
        """The rows, without line ends."""
        quote = pl.Series(["", '"'])[(draw.tail >= TAILS).astype(np.int64)]
        return _joined_columns(
            quote,
            self._heads[draw.head.astype(np.int64)],
            *self._mentions(draw),
            self._tails[draw.tail.astype(np.int64)],
            quote,
            pl.lit(","),
            self._stamps(draw),
            pl.lit(","),
            self.names.spell(draw.author, draw.author_case),
        )

    def own_mentions(self, draw: Draw) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(row, user) of each mention that the texts themselves hold."""
        mentions = self._own[draw.tail.astype(np.int64)]
        rows, handles = np.nonzero(mentions)
        times = mentions[rows, handles]
        return np.repeat(rows, times), np.repeat(self._own_users[handles], times)

    def _mentions(self, draw: Draw) -> list[pl.Series]:
        """The first mention of each row, the second, and so on; empty where a row has no more."""
        form, count = draw.form.astype(np.int64), draw.mentions.astype(np.int64)
        spelled = self.names.spell(draw.target, draw.target_case)
        flat = _joined_columns(self._before[form], spelled, self._behind[form]).cast(pl.String)
        flat = pl.concat([flat, pl.Series([""])])
        start, nothing = np.cumsum(count) - count, len(flat) - 1
        return [flat[np.where(count > place, start + place, nothing)] for place in range(int(count.max(initial=0)))]

    def _stamps(self, draw: Draw) -> pl.Series:
        """ISO 8601 with T and Z; one timestamp in 32 has another form that is read as well."""
        minute, second = np.divmod(draw.seconds.astype(np.int64), 60)
        stamps = _joined_columns(self._minutes[minute], self._seconds[second])
        other = np.flatnonzero(draw.stamp_form < 8)  # noqa: PLR2004 (of 256)
        if not len(other):
            return stamps
        chosen = (stamps[other].to_list(), draw.seconds[other].tolist(), draw.stamp_form[other].tolist())
        position = np.arange(len(stamps))
        position[other] = len(stamps) + np.arange(len(other))
        return pl.concat([stamps, pl.Series([_other_form(*one) for one in zip(*chosen, strict=True)])])[position]


def _other_form(stamp: str, seconds: int, form: int) -> str:
    bare, unix = stamp.removesuffix("Z"), int(FIRST_DAY.timestamp()) + seconds
    return (
        bare.replace("T", " "),
        bare[:-3] + "Z",
        f"{bare}.{seconds % 1000:03}Z",
        f"{bare}.{seconds % 999_983:06}+00:00",
        f"{bare}+02:00",
        f"{bare}-0530",
        str(unix),
        str(unix * 1000 + seconds % 1000),
    )[form]


def _joined_columns(*columns: pl.Series | pl.Expr) -> pl.Series:
    return pl.select(pl.concat_str(*columns)).to_series()


def as_lines(rows: pl.Series) -> bytes:
    """The rows, each with its line end."""
    out = io.BytesIO()
    rows.to_frame().write_csv(out, include_header=False, quote_style="never")
    return out.getvalue()

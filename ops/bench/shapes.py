"""The shapes of workloads: whom a post is by and whom it mentions, from random words. Whole numbers only, see generate.

pairs       few heavy pairs: nearly every mention is of an edge that is there
tail        flat long tail: nearly every mention is a new edge
celebrity   bursts: everybody mentions the same one, then the next one
retweets    RT @a: RT @b: … chains that lead to the popular
multiline   long quoted posts of many lines
mixed       what `generate` makes, byte for byte
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ops.bench.generate import (
    DAYS,
    HEADS,
    MENTIONS,
    MOST,
    RETWEET,
    TAILS,
    USERS,
    WORDS_A_ROW,
    Popularity,
    bits,
    permuted,
    scaled,
)
from ops.bench.lettering import LONG_TEXTS, Draw

if TYPE_CHECKING:
    from ops.bench.generate import Words

TAIL_USERS: Final = 2_000_000
PAIR_AUTHORS: Final = 64
PAIR_TARGETS: Final = 16
BURST: Final = 20_000
"""Rows that mention one celebrity, nearly all of them."""
AUTHOR_PERMUTATION: Final = (7_919, 13)
TARGET_PERMUTATION: Final = (149_993, 7)
"""Those of `generate`: rank to user."""
GUIDES: Final = 1 << 20
CHAIN: Final = np.searchsorted(np.array([128, 192, 230]), np.arange(256), side="right").astype(np.uint64) + np.uint64(1)
"""Links of a chain of retweets by eight random bits."""


class Guided(Popularity):
    """The same ranks for the same words, found from a table of where to begin."""

    def __init__(self, ranks: int, flatness: int) -> None:
        super().__init__(ranks, flatness)
        self.shift = max(0, self.total.bit_length() - GUIDES.bit_length() + 1)
        starts = np.arange((self.total >> self.shift) + 1, dtype=np.uint64) << np.uint64(self.shift)
        self.guide = np.searchsorted(self.upto, starts, side="right").astype(np.uint32)

    def draw(self, words: Words, start: int) -> Words:
        value = scaled(words, start, self.total)
        rank = self.guide[value >> np.uint64(self.shift)].astype(np.int64)
        behind = np.flatnonzero(self.upto[rank] <= value)
        while len(behind):
            rank[behind] += 1
            behind = behind[self.upto[rank[behind]] <= value[behind]]
        return rank.astype(np.uint64)


class Tables:
    """Popularities, made once."""

    def __init__(self) -> None:
        self.authors = Guided(USERS, 200)
        self.targets = Guided(USERS, 5)
        self.friends = Guided(60, 1)


Draws = Callable[[Tables, "Words", int], Draw]


class Shape(NamedTuple):
    """How a chunk is drawn from its words and the number of its first row; of how many users; with which texts."""

    draw: Draws
    users: int = USERS
    cased: bool = True
    """Whether handles are spelled in several ways."""
    long: bool = False


def _case(spelling: Words) -> Words:
    """Three quarters lower case, most others title case."""
    return (spelling >= np.uint64(192)).astype(np.uint64) + (spelling >= np.uint64(243)).astype(np.uint64)


def _draw(words: Words, author: Words, count: Words, target: Words, **other: Words) -> Draw:
    """What no shape has of its own; `target` and the mentions' words are flat."""
    zeros = np.zeros(len(words), dtype=np.uint64)
    flat = np.zeros(len(target), dtype=np.uint64)
    given: dict[str, Words] = {
        "author_case": zeros,
        "target_case": flat,
        "form": flat,
        "head": bits(words[:, 1], 0, 10) % np.uint64(HEADS),
        "tail": bits(words[:, 1], 18, 12),
        "seconds": scaled(words[:, 2], 0, DAYS * 86_400),
        "stamp_form": zeros + np.uint64(255),
    } | other
    return Draw(author=author, mentions=count, target=target, **given)


def _ones(words: Words) -> Words:
    return np.ones(len(words), dtype=np.uint64)


def _pairs(tables: Tables, words: Words, first: int) -> Draw:  # noqa: ARG001 (a shape is drawn from all three)
    author = permuted(scaled(words[:, 0], 0, PAIR_AUTHORS), *AUTHOR_PERMUTATION)
    target = (author * np.uint64(31) + scaled(words[:, 3], 0, PAIR_TARGETS)) % np.uint64(USERS)
    return _draw(words, author, _ones(words), target)


def _tail(tables: Tables, words: Words, first: int) -> Draw:  # noqa: ARG001
    return _draw(words, scaled(words[:, 0], 0, TAIL_USERS), _ones(words), scaled(words[:, 3], 0, TAIL_USERS))


def _celebrity(tables: Tables, words: Words, first: int) -> Draw:
    burst = (np.arange(len(words), dtype=np.uint64) + np.uint64(first)) // np.uint64(BURST)
    famous = permuted(burst % np.uint64(64), *TARGET_PERMUTATION)
    others = permuted(tables.targets.draw(words[:, 3], 0), *TARGET_PERMUTATION)
    target = np.where(bits(words[:, 4], 0, 4) == 0, others, famous)
    return _draw(words, scaled(words[:, 0], 0, USERS), _ones(words), target)


def _retweets(tables: Tables, words: Words, first: int) -> Draw:  # noqa: ARG001
    count = CHAIN[bits(words[:, 0], 32, 8)]
    rank = tables.targets.draw(words[:, 3], 0)
    chain = np.stack([permuted(rank >> np.uint64(2 * place), *TARGET_PERMUTATION) for place in range(MOST)], axis=1)
    target = chain[_used(count)]
    author = permuted(tables.authors.draw(words[:, 0], 0), *AUTHOR_PERMUTATION)
    form = np.full(len(target), RETWEET, dtype=np.uint64)
    return _draw(words, author, count, target, form=form, head=_ones(words))


def _multiline(tables: Tables, words: Words, first: int) -> Draw:
    drawn = _mixed(tables, words, first)
    return drawn._replace(tail=np.uint64(TAILS) + bits(words[:, 1], 18, 32) % np.uint64(LONG_TEXTS))


def _used(count: Words) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Rows × MOST: which mentions there are."""
    return np.arange(MOST, dtype=np.uint64)[None, :] < count[:, None]


def _mixed(tables: Tables, words: Words, first: int) -> Draw:  # noqa: ARG001
    author = permuted(tables.authors.draw(words[:, 0], 0), *AUTHOR_PERMUTATION)
    count = MENTIONS[bits(words[:, 0], 32, 8)]
    used = _used(count)
    whom, how = words[:, 3 : 3 + MOST][used], words[:, 3 + MOST :][used]
    form = bits(how, 24, 4)
    opens = np.broadcast_to(np.arange(MOST) == 0, used.shape)[used]
    form[~opens] %= np.uint64(RETWEET)
    retweet = np.zeros(len(words), dtype=np.bool_)
    retweet[count > 0] = form[opens] >= np.uint64(RETWEET)
    quoted = bits(words[:, 1], 10, 8) < np.uint64(26)
    return _draw(
        words,
        author,
        count,
        _mixed_targets(tables, author, used, whom, how),
        author_case=_case(bits(words[:, 2], 40, 8)),
        target_case=_case(bits(how, 16, 8)),
        form=form,
        head=np.where(retweet, np.uint64(1), bits(words[:, 1], 0, 10)),
        tail=np.where(quoted, np.uint64(TAILS) + bits(words[:, 1], 18, 10), bits(words[:, 1], 18, 12)),
        stamp_form=bits(words[:, 2], 32, 8),
    )


def _mixed_targets(
    tables: Tables, author: Words, used: np.ndarray[tuple[int, int], np.dtype[np.bool_]], whom: Words, how: Words
) -> Words:
    """As `generate.draw_targets`, of those mentions only that there are."""
    by = np.broadcast_to(author[:, None], used.shape)[used]
    choice = bits(how, 0, 8)
    famed = choice < np.uint64(128)
    flat = np.empty(len(whom), dtype=np.uint64)
    flat[famed] = permuted(tables.targets.draw(whom[famed], 0), *TARGET_PERMUTATION)
    circle = by[~famed] * np.uint64(31) + tables.friends.draw(whom[~famed], 32)
    flat[~famed] = circle % np.uint64(USERS)
    target = np.zeros(used.shape, dtype=np.uint64)
    target[used] = np.where(choice == np.uint64(255), by, flat)
    again = np.zeros(used.shape, dtype=np.bool_)
    again[used] = bits(how, 8, 6) == 0
    for place in range(1, MOST):
        target[:, place] = np.where(again[:, place], target[:, place - 1], target[:, place])
    return target[used]


SHAPES: Final[dict[str, Shape]] = {
    "mixed": Shape(_mixed),
    "pairs": Shape(_pairs),
    "tail": Shape(_tail, users=TAIL_USERS, cased=False),
    "celebrity": Shape(_celebrity),
    "retweets": Shape(_retweets),
    "multiline": Shape(_multiline, long=True),
}
WORDS: Final = WORDS_A_ROW

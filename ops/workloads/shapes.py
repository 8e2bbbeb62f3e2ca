"""The shapes of workloads: who writes a post and whom the post mentions, drawn from random words in whole numbers.

pairs       few heavy pairs: nearly every mention is of an edge that exists
tail        flat long tail: nearly every mention is a new edge
celebrity   bursts: everybody mentions the same user, then the next one
retweets    RT @a: RT @b: … chains that lead to the popular users
multiline   long quoted posts of many lines
mixed       something of everything, as a social network might export it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ops.workloads.texts import DAYS, HEADS, LONG_TEXTS, RETWEET, TAILS, Draw

if TYPE_CHECKING:
    from ops.workloads.texts import Words

    Mask = np.ndarray[tuple[int, int], np.dtype[np.bool_]]

USERS: Final = 330_000
"""Number of handles. A million rows at these popularities meet about 300 thousand of them."""
TAIL_USERS, PAIR_AUTHORS, PAIR_TARGETS = 2_000_000, 64, 16
BURST: Final = 20_000
"""Rows that mention one celebrity, nearly all of them."""
AUTHOR, TARGET = (7_919, 13), (149_993, 7)
"""Permutations from rank to user, so that the most talkative users are not the most talked about."""
MENTIONS: Final = np.searchsorted(np.array([77, 190, 230, 246]), np.arange(256), side="right").astype(np.uint64)
"""Mentions in a post by eight random bits: 0 in 30%, 1 in 44%, 2 in 16%, 3 in 6%, 4 in 4%."""
CHAIN: Final = np.searchsorted(np.array([128, 192, 230]), np.arange(256), side="right").astype(np.uint64) + np.uint64(1)
"""Links of a chain of retweets by eight random bits."""
MOST: Final = 4
WORDS_A_ROW: Final = 3 + 2 * MOST
GUIDES: Final = 1 << 20


def bits(words: Words, start: int, width: int) -> Words:
    """`width` bits of each word, counted from the low end."""
    return (words >> np.uint64(start)) & np.uint64((1 << width) - 1)


def scaled(words: Words, start: int, below: int) -> Words:
    """An even draw from [0, below) out of 32 bits of each word; `below` is under 2**32."""
    return (bits(words, start, 32) * np.uint64(below)) >> np.uint64(32)


def permuted(rank: Words, factor: int, shift: int) -> Words:
    """Rank to user, one to one."""
    return (rank * factor + shift) % USERS


class Popularity:
    """Ranks drawn with a weight of 1 / (rank + flatness), in whole numbers; a table says where a search begins."""

    def __init__(self, ranks: int, flatness: int) -> None:
        self._upto = np.cumsum(300_000_000 // (np.arange(ranks, dtype=np.uint64) + flatness))
        self._total = int(self._upto[-1])
        self._shift = max(0, self._total.bit_length() - GUIDES.bit_length() + 1)
        starts = np.arange((self._total >> self._shift) + 1, dtype=np.uint64) << self._shift
        self._guide = np.searchsorted(self._upto, starts, side="right").astype(np.uint32)

    def draw(self, words: Words, start: int) -> Words:
        value = scaled(words, start, self._total)
        rank = self._guide[value >> self._shift].astype(np.int64)
        behind = np.flatnonzero(self._upto[rank] <= value)
        while len(behind):
            rank[behind] += 1
            behind = behind[self._upto[rank[behind]] <= value[behind]]
        return rank.astype(np.uint64)


class Tables:
    """Popularities, made once."""

    def __init__(self) -> None:
        self.authors, self.targets, self.friends = Popularity(USERS, 200), Popularity(USERS, 5), Popularity(60, 1)


class Shape(NamedTuple):
    """How a chunk is drawn from its tables, its words and the number of its first row, and what it is drawn of."""

    draw: Callable[[Tables, Words, int], Draw]
    users: int = USERS
    cased: bool = True
    """Whether handles are spelled in several ways."""
    long: bool = False


def _case(spelling: Words) -> Words:
    """Three quarters lower case, most others title case."""
    return (spelling >= 192).astype(np.uint64) + (spelling >= 243).astype(np.uint64)  # noqa: PLR2004 (of 256)


def _draw(words: Words, author: Words, count: Words, target: Words, **other: Words) -> Draw:
    """A draw in which each column that is not given has a common value."""
    zeros, flat = np.zeros(len(words), dtype=np.uint64), np.zeros(len(target), dtype=np.uint64)
    given: dict[str, Words] = {
        "author_case": zeros,
        "target_case": flat,
        "form": flat,
        "head": bits(words[:, 1], 0, 10) % HEADS,
        "tail": bits(words[:, 1], 18, 12),
        "seconds": scaled(words[:, 2], 0, DAYS * 86_400),
        "stamp_form": zeros + 255,
    } | other
    return Draw(author=author, mentions=count, target=target, **given)


def _ones(words: Words) -> Words:
    return np.ones(len(words), dtype=np.uint64)


def _pairs(_tables: Tables, words: Words, _first: int) -> Draw:
    author = permuted(scaled(words[:, 0], 0, PAIR_AUTHORS), *AUTHOR)
    return _draw(words, author, _ones(words), (author * 31 + scaled(words[:, 3], 0, PAIR_TARGETS)) % USERS)


def _tail(_tables: Tables, words: Words, _first: int) -> Draw:
    return _draw(words, scaled(words[:, 0], 0, TAIL_USERS), _ones(words), scaled(words[:, 3], 0, TAIL_USERS))


def _celebrity(tables: Tables, words: Words, first: int) -> Draw:
    burst = (np.arange(len(words), dtype=np.uint64) + first) // BURST
    others = permuted(tables.targets.draw(words[:, 3], 0), *TARGET)
    target = np.where(bits(words[:, 4], 0, 4) == 0, others, permuted(burst % 64, *TARGET))
    return _draw(words, scaled(words[:, 0], 0, USERS), _ones(words), target)


def _retweets(tables: Tables, words: Words, _first: int) -> Draw:
    count = CHAIN[bits(words[:, 0], 32, 8)]
    rank = tables.targets.draw(words[:, 3], 0)
    target = np.stack([permuted(rank >> np.uint64(2 * place), *TARGET) for place in range(MOST)], axis=1)[_used(count)]
    author = permuted(tables.authors.draw(words[:, 0], 0), *AUTHOR)
    return _draw(words, author, count, target, form=np.full_like(target, RETWEET), head=_ones(words))


def _multiline(tables: Tables, words: Words, first: int) -> Draw:
    return _mixed(tables, words, first)._replace(tail=TAILS + bits(words[:, 1], 18, 32) % LONG_TEXTS)


def _used(count: Words) -> Mask:
    """Rows × MOST: True for each mention that a row has."""
    return np.arange(MOST, dtype=np.uint64)[None, :] < count[:, None]


def _mixed(tables: Tables, words: Words, _first: int) -> Draw:
    author = permuted(tables.authors.draw(words[:, 0], 0), *AUTHOR)
    count = MENTIONS[bits(words[:, 0], 32, 8)]
    used = _used(count)
    whom, how = words[:, 3 : 3 + MOST][used], words[:, 3 + MOST :][used]
    form = bits(how, 24, 4)
    opens = np.broadcast_to(np.arange(MOST) == 0, used.shape)[used]
    form[~opens] %= RETWEET
    retweet = np.zeros(len(words), dtype=np.bool_)
    retweet[count > 0] = form[opens] >= RETWEET
    quoted = bits(words[:, 1], 10, 8) < 26  # noqa: PLR2004 (of 256)
    return _draw(
        words,
        author,
        count,
        _mixed_targets(tables, author, used, whom, how),
        author_case=_case(bits(words[:, 2], 40, 8)),
        target_case=_case(bits(how, 16, 8)),
        form=form,
        head=np.where(retweet, 1, bits(words[:, 1], 0, 10)).astype(np.uint64),
        tail=np.where(quoted, TAILS + bits(words[:, 1], 18, 10), bits(words[:, 1], 18, 12)),
        stamp_form=bits(words[:, 2], 32, 8),
    )


def _mixed_targets(tables: Tables, author: Words, used: Mask, whom: Words, how: Words) -> Words:
    """Half the mentions go by fame, half to the author's own circle; one in 256 means the author, one in 64 the
    previous target again."""
    by = np.broadcast_to(author[:, None], used.shape)[used]
    choice = bits(how, 0, 8)
    famed = choice < 128  # noqa: PLR2004 (of 256)
    flat = np.empty(len(whom), dtype=np.uint64)
    flat[famed] = permuted(tables.targets.draw(whom[famed], 0), *TARGET)
    flat[~famed] = (by[~famed] * 31 + tables.friends.draw(whom[~famed], 32)) % USERS
    target, again = np.zeros(used.shape, dtype=np.uint64), np.zeros(used.shape, dtype=np.bool_)
    target[used] = np.where(choice == 255, by, flat)  # noqa: PLR2004 (of 256)
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

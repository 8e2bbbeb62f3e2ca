"""What is done when: waves of faults, drawn from a seed, the same for the same seed and kinds."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ops.chaos.faults import Kind

SIZES = (1, 1, 1, 2, 2, 3)
"""Faults in a wave: half of the waves are of one."""
OVERLAP = 4.0
"""Seconds after the first in which the others of a wave begin."""
LONGEST_PAUSE = 2.0


class Planned(NamedTuple):
    """One fault: seconds it begins after its wave, seconds it lasts, and which of the possible ones it is done to."""

    kind: Kind
    after: float
    seconds: float
    choice: float


class Wave(NamedTuple):
    """Faults that overlap, and the seconds of peace before them."""

    pause: float
    faults: list[Planned]

    @property
    def only_redis(self) -> bool:
        return all(fault.kind.redis for fault in self.faults)


def waves(seed: int, kinds: Sequence[Kind], *, scale: float = 1.0) -> Iterator[Wave]:
    """Without end. Kinds are dealt as cards are, so that each comes up as often as its weight says, and soon. All times
    are multiplied by `scale`."""
    source = random.Random(seed)
    deck: list[Kind] = []
    while True:
        faults: list[Planned] = []
        for number in range(source.choice(SIZES)):
            if not deck:
                deck = [kind for kind in kinds for _ in range(kind.weight)]
                source.shuffle(deck)
            kind = deck.pop()
            seconds = source.uniform(kind.shortest, kind.longest) * scale
            after = source.uniform(0, OVERLAP) * scale if number else 0.0
            faults.append(Planned(kind, after, seconds, source.random()))
        yield Wave(source.uniform(0.2, LONGEST_PAUSE) * scale, faults)

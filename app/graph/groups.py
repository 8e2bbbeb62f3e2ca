"""Sums by key over numpy arrays: sort once, then reduce each stretch of equal keys. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[Any]


class Groups(NamedTuple):
    """Rows of equal keys, in the order of the keys."""

    order: npt.NDArray[np.int64]
    """The rows in an order in which the rows of a group stand together."""
    starts: npt.NDArray[np.int64]
    """Where in `order` each group begins."""

    @classmethod
    def of(cls, *keys: Numbers) -> Groups:
        """By `keys`, of as many rows each; the first decides before the second."""
        order = np.argsort(keys[0]) if len(keys) == 1 else np.lexsort(keys[::-1])
        size = len(order)
        differs = np.zeros(max(0, size - 1), np.bool_)
        for key in keys:
            ordered = key[order]
            differs |= ordered[1:] != ordered[:-1]
        starts = np.flatnonzero(np.concatenate([[size > 0], differs])[:size])
        return cls(order, starts)

    @classmethod
    def of_hashes(cls, hashes: npt.NDArray[np.uint64]) -> Groups:
        """By the upper bits of hashes, so that a group may hold several hashes. The rows of a group keep their order.

        Each number that is sorted holds its row in its lower bits. Such a sort is faster than one that tells an order.
        """
        bits = np.uint64(max(1, (len(hashes) - 1).bit_length()))
        keys = hashes >> bits << bits | np.arange(len(hashes), dtype=np.uint64)
        keys.sort()
        differs = np.diff(keys >> bits, prepend=~np.uint64(0)) != 0
        order = keys & ((np.uint64(1) << bits) - np.uint64(1))
        return cls(order.astype(np.int64), np.flatnonzero(differs))

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """The number of rows in each group."""
        return np.diff(self.starts, append=len(self.order))

    def first(self, values: Numbers) -> Numbers:
        """For each group the value of one of its rows, for values that are the same in the whole group."""
        return values[self.order[self.starts]]

    def sum(self, values: Numbers) -> Numbers:
        return self._reduce(np.add, values)

    def min(self, values: Numbers) -> Numbers:
        return self._reduce(np.minimum, values)

    def max(self, values: Numbers) -> Numbers:
        return self._reduce(np.maximum, values)

    def spread(self, values: Numbers) -> Numbers:
        """For each row the value of its group, in the order of the rows."""
        spread = np.empty(len(self.order), values.dtype)
        spread[self.order] = np.repeat(values, self.sizes)
        return spread

    def _reduce(self, how: np.ufunc, values: Numbers) -> Numbers:
        ordered = values[self.order]
        if len(self.starts) == len(ordered):
            return ordered
        return how.reduceat(ordered, self.starts)

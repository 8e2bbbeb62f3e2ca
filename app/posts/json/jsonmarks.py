"""Where brackets, braces and commas of JSON stand outside of strings, and how deep, however the bytes arrive. Pure."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Octets: TypeAlias = npt.NDArray[np.uint8]

_QUOTE, _BACKSLASH, _COMMA, _CASE = b'"'[0], b"\\"[0], b","[0], np.uint8(0x20)
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


class Marks:
    """Goes through a text piece by piece."""

    def __init__(self) -> None:
        self.depth = 0
        """Brackets and braces that are open behind the last piece."""
        self._in_string = False
        self._escaped = False

    def of(self, octets: Octets) -> tuple[Ints, Ints]:
        """Places of the marks in the next piece, and the depth behind each of them."""
        cased = octets | _CASE  # brackets become braces
        wanted = (cased == ord("{")) | (cased == ord("}")) | (octets == _COMMA) | (octets == _QUOTE)
        places = np.flatnonzero(wanted)
        kinds = octets[places]
        quotes = kinds == _QUOTE
        backslashes = np.flatnonzero(octets == _BACKSLASH)
        if backslashes.size or self._escaped:
            quotes &= ~self._are_escaped(octets, places, backslashes)
        inside = np.logical_xor.accumulate(quotes) ^ self._in_string
        outside = ~(inside | (kinds == _QUOTE))
        if inside.size:
            self._in_string = bool(inside[-1])
        places = places[outside]
        depths = np.cumsum(_STEPS[kinds[outside]], dtype=np.int64) + self.depth
        if depths.size:
            self.depth = int(depths[-1])
        return places, depths

    def _are_escaped(self, octets: Octets, places: Ints, backslashes: Ints) -> npt.NDArray[np.bool_]:
        """Whether an odd number of backslashes stands before each place; keeps what the next piece needs to know."""
        first = np.diff(backslashes, prepend=-2) != 1
        starts = backslashes[np.maximum.accumulate(np.where(first, np.arange(backslashes.size), 0))]
        # Of each backslash the length of the run up to it. A run may have begun in the piece before.
        run = backslashes - starts + 1 + (self._escaped & (starts == 0))
        odd = np.zeros(octets.size + 1, np.bool_)
        odd[0] = self._escaped
        odd[backslashes + 1] = run % 2 == 1
        if octets.size:
            self._escaped = bool(odd[octets.size])
        return odd[places]

"""This module is the exact walk behind csvscan.py, for data in which quotes close badly. The module is pure.

`fates_of` reads the runs of quotes once, from the last run to the first. So `fates_of` learns for every physical line
where a row that started there would end. The walk takes time linear in the bytes.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Octets: TypeAlias = npt.NDArray[np.uint8]
Bools: TypeAlias = npt.NDArray[np.bool_]


class Runs(NamedTuple):
    """Runs of adjacent quotes."""

    start: Ints
    length: Ints
    before: Ints
    """Quotes before the run."""
    opens: Bools
    """The run stands at the start of a field, if outside quotes."""
    closes: Bools
    """The run is followed by delimiter, line end or the end of the data."""


class Lines(NamedTuple):
    """Physical lines; the last one may lack a line end."""

    start: Ints
    end: Ints


# What becomes of a row, as one number: the line at whose end it ends (≥ 0), or
UNDECIDED = -1  # the data ends first, or
BAD = -2  # minus the number of the run that closes badly.

_STAYS_OUT, _GOES_IN, _IS_BAD = 0, 1, 2


class Moves(NamedTuple):
    """What each run does to a row that reaches it outside or inside quotes."""

    outside: list[int]
    inside: list[int]


def moves_of(runs: Runs) -> Moves:
    odd = (runs.length & 1).astype(np.bool_)
    close = np.where(runs.closes, _STAYS_OUT, _IS_BAD)
    outside = np.where(runs.opens, np.where(odd, _GOES_IN, close), _STAYS_OUT)
    inside = np.where(odd, close, _GOES_IN)
    return Moves(outside.tolist(), inside.tolist())


def fates_of(octets: Octets, runs: Runs, lines: Lines, moves: Moves, *, final: bool) -> tuple[Ints, Ints]:
    """For each line, what becomes of a row that starts there, and the number of the first run behind its start."""
    limit = np.append(runs.start[1:], octets.size + 1)
    behind = np.searchsorted(lines.end, runs.start + runs.length)
    reached = np.append(lines.end, octets.size + 1)[behind] < limit
    line_ends: list[int] = np.where(reached, behind, UNDECIDED).tolist()
    fates = [UNDECIDED] * (runs.start.size + 1)
    outside = inside = UNDECIDED
    for run in range(runs.start.size - 1, -1, -1):
        left = outside if line_ends[run] < 0 else line_ends[run]
        choices = (left, inside, BAD - run)
        outside, inside = choices[moves.outside[run]], choices[moves.inside[run]]
        if not final and run == runs.start.size - 1 and int(runs.start[run] + runs.length[run]) == octets.size:
            outside = inside = UNDECIDED  # More quotes may follow.
        fates[run] = outside
    first_run = np.searchsorted(runs.start, lines.start)
    plain = lines.end < np.append(runs.start, octets.size + 1)[first_run]
    return np.where(plain, np.arange(lines.end.size), np.array(fates)[first_run]), first_run


def chain_of(following: Ints) -> Ints:
    """The lines on which a row starts, if the first line does and `following` tells the next for each."""
    starts = np.ones(following.size, np.bool_)
    leaps = np.flatnonzero(following != np.arange(1, following.size + 1))
    reached = 0
    for line, landing in zip(leaps.tolist(), following[leaps].tolist(), strict=True):
        if line >= reached:
            starts[line + 1 : landing] = False
            reached = landing
    return np.flatnonzero(starts)


def inside_of(moves: Moves, first: list[int], behind: list[int]) -> Bools:
    """For each run, whether it leads inside quotes; for rows that reach from the run `first` to before `behind`."""
    inside = bytearray(len(moves.outside) + 1)  # One more, never set: what is before the first run.
    for begin, stop in zip(first, behind, strict=True):
        state = _STAYS_OUT
        for run in range(begin, stop):
            state = moves.inside[run] if state == _GOES_IN else moves.outside[run]
            inside[run] = state
    return np.frombuffer(inside, np.bool_)

"""This module finds where rows and fields begin and end in CSV bytes.

One grammar serves the cutter of a stream and the reader of a batch:

- A physical line ends with LF, CR LF or a lone CR, also inside quotes. A row ends with the same bytes, outside quotes.
  An empty line is no row.
- A field is quoted only if its very first byte is a quote. Inside a quoted field, two quotes mean one. The delimiter,
  a line end or the end of the data follows the closing quote. A quote elsewhere in an unquoted field is a literal.
- A row is broken if one of its quotes closes badly, or if the row does not end within `QUOTE_WINDOW` bytes. The reader
  drops only the physical line on which a broken row starts. Reading continues with the next physical line, so that
  neighbours are not lost.

The result for a row depends only on the bytes of the row, and never on where a batch was cut. For a broken row these
bytes end with its first physical line. So any `cut` gives the same rows with the same flaws, and the cutter counts as
many rows as `scan` finds.

Two ways lead to one result. Quoting is sane if every quote stands where the grammar wants a quote, except for literals
in unquoted fields. With sane quoting, the parity of the quotes shows what is inside quotes, and a few passes of numpy
do the work. Otherwise csvwalk.py reads the runs of quotes once, from the last run to the first. So csvwalk.py learns
for every physical line where a row that started there would end. Both ways take time linear in the bytes, whatever the
bytes are.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from app.posts.tables.csvwalk import (
    BAD,
    UNDECIDED,
    Bools,
    Ints,
    Lines,
    Octets,
    Runs,
    chain_of,
    fates_of,
    inside_of,
    moves_of,
)

Bytes: TypeAlias = bytes | bytearray | memoryview

QUOTE_WINDOW = 4 << 20
"""A row that does not end within so many bytes is broken: a stray quote must not swallow the rest of a file."""
MAX_ROW_BYTES = 1 << 20

_STEP = 1 << 20
QUOTE, LF, CR = b'"'[0], b"\n"[0], b"\r"[0]


class Flaw(IntEnum):
    NONE = 0
    MALFORMED_QUOTE = 1
    """On the row's first physical line a closing quote is followed by something else than delimiter or end."""
    UNCLOSED_QUOTE = 2
    """A field opened by a quote on the row's first physical line is not closed properly in what follows."""
    TOO_LONG = 3


class Rows(msgspec.Struct, frozen=True):
    """The rows of some bytes, in order, without the empty lines. All arrays but `marks` have one element a row."""

    data: Octets
    start: Ints
    end: Ints
    """Offset behind the last byte, without the line end."""
    line: Ints
    """Physical line on which the row starts, counted from 0."""
    flaw: npt.NDArray[np.uint8]
    marks: Ints
    """Ascending offsets of the delimiters between fields and of the row ends."""
    first: Ints
    """Index in `marks` of the end of the row's first field."""
    last: Ints
    """Index in `marks` of the row's end."""

    @property
    def fields(self) -> Ints:
        """How many fields each row has; means nothing for a row with a flaw in its quotes."""
        return self.last - self.first + 1

    def field(self, index: int, rows: Ints) -> tuple[Ints, Ints]:
        """Offset and length of the field `index` (with its quotes) in each of `rows`, which must have that field."""
        marks = self.first[rows] + index
        begin = self.start[rows] if index == 0 else self.marks[marks - 1] + 1
        return begin, self.marks[marks] - begin


def scan(data: Bytes, delimiter: str) -> Rows:
    """All rows of `data`, which starts at the start of a row and ends at the end of one."""
    octets = np.frombuffer(data, np.uint8)
    mark = _delimiter(delimiter)
    positions = find(octets, mark, LF, CR, QUOTE)
    kinds = octets[positions]
    runs = _runs(octets, positions[kinds == QUOTE], mark)
    lines = _lines(octets, positions, kinds)
    told = _tell(runs, whole=True)
    if told is not None:
        quotes = np.flatnonzero(kinds == QUOTE)
        counted = np.ones(kinds.size, np.bool_)
        counted[quotes[~np.repeat(told, runs.length)]] = False
        if not counted.all():
            positions, kinds = positions[counted], kinds[counted]
        rows = _rows_by_parity(octets, positions, kinds, lines)
        if rows.start.size == 0 or int((rows.end - rows.start).max()) <= QUOTE_WINDOW:
            return rows
    return _rows_by_fate(octets, positions[kinds == mark], runs, lines)


class Cut(NamedTuple):
    """Where a batch may end, and how much it then holds."""

    end: int
    """Offset behind the last row that is certainly complete; 0 if there is none."""
    lines: int
    """Line ends in the batch, inside and outside quotes: what it adds to the number of its first physical line."""
    rows: int
    """Rows in the batch, broken ones among them, as the reader of the batch will find them."""


def cut(data: Bytes, *, delimiter: str, final: bool) -> Cut:
    """The longest batch at the start of `data`, which starts at the start of a row.

    Final data is complete as it is. Otherwise the batch ends before the first row whose end depends on bytes still to
    come. A line without an end is complete only when its end comes: the caller bounds how long it waits for that.
    """
    if not data:
        return Cut(0, 0, 0)
    octets = np.frombuffer(data, np.uint8)
    runs = _runs(octets, find(octets, QUOTE), _delimiter(delimiter))
    positions = find(octets, LF, CR)
    lines = _lines(octets, positions, octets[positions])
    told = _tell(runs, whole=final)
    found = None if told is None else _cut_by_parity(octets, _only(runs, told), lines, final=final)
    return found or _cut_by_fate(octets, runs, lines, final=final)


def _delimiter(delimiter: str) -> int:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise ValueError(f"a delimiter is one ASCII character and no quote, line end or NUL, not {delimiter!r}")
    return ord(delimiter)


def find(octets: Octets, *wanted: int) -> Ints:
    """Where these bytes stand, in order. In steps, since an array as large as `octets` is slow to allocate."""
    found: list[Ints] = []
    for at in range(0, octets.size, _STEP):
        part = octets[at : at + _STEP]
        matches = part == wanted[0]
        for byte in wanted[1:]:
            matches |= part == byte
        found.append(np.flatnonzero(matches) + at)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _runs(octets: Octets, quotes: Ints, mark: int) -> Runs:
    first = np.flatnonzero(np.diff(quotes, prepend=-2) != 1)
    start = quotes[first]
    length = np.diff(first, append=quotes.size)
    edge = np.zeros(256, np.bool_)
    edge[[mark, LF, CR]] = True
    after = start + length
    opens = edge[octets[start - 1]] | (start == 0)
    closes = edge[octets[np.minimum(after, octets.size - 1)]] | (after == octets.size)
    return Runs(start, length, first, opens, closes)


def _lines(octets: Octets, positions: Ints, kinds: Octets) -> Lines:
    line_ends = (kinds == LF) | (kinds == CR)
    end = positions[line_ends]
    has_cr = bool((kinds == CR).any())
    if has_cr:
        is_second = (octets[end] == LF) & (octets[end - 1] == CR) & (end > 0)
        end = end[~is_second] if is_second.any() else end
    following = end + 1
    if has_cr:
        following += (
            (octets[end] == CR) & (octets[np.minimum(following, octets.size - 1)] == LF) & (following < octets.size)
        )
    start = np.concatenate([np.zeros(1, np.int64), following])
    if int(start[-1]) == octets.size:
        return Lines(start[:-1], end)
    return Lines(start, np.append(end, octets.size))


def _is_sane(runs: Runs, *, whole: bool) -> bool:
    """Whether the parity of the quotes alone tells what is inside quotes. Data that is not whole may end inside."""
    odd = (runs.length & 1).astype(np.bool_)
    inside = (runs.before & 1).astype(np.bool_)
    wrong = np.where(inside, odd & ~runs.closes, np.where(runs.opens, ~odd & ~runs.closes, odd))
    return not wrong.any() and not (whole and int(runs.length.sum()) & 1)


def _tell(runs: Runs, *, whole: bool) -> Bools | None:
    """Which runs have the parity that tells what is inside quotes: all, or all but literals. None: it does not tell.

    Whichever are taken for literals, that they stand outside, as the others have it, proves that they are.
    """
    told = np.ones(runs.start.size, np.bool_)
    if _is_sane(runs, whole=whole):
        return told
    told = ~_literals(runs)
    inside = np.cumsum(np.where(told, runs.length, 0)) & 1
    return told if not inside[~told].any() and _is_sane(_only(runs, told), whole=whole) else None


def _literals(runs: Runs) -> Bools:
    """Runs that are probably literals, if there is no flaw: odd ones that neither open nor close, and those that close
    where the last one did not open."""
    odd = (runs.length & 1).astype(np.bool_)
    literals = odd & ~runs.opens & ~runs.closes
    edges = np.flatnonzero(odd & (runs.opens | runs.closes))
    opened = np.concatenate([np.zeros(1, np.bool_), runs.opens[edges[:-1]]])[: edges.size]
    literals[edges[~runs.opens[edges] & ~opened]] = True
    return literals


def _only(runs: Runs, kept: Bools) -> Runs:
    if kept.all():
        return runs
    length = runs.length[kept]
    return Runs(runs.start[kept], length, np.cumsum(length) - length, runs.opens[kept], runs.closes[kept])


def _rows_by_parity(octets: Octets, positions: Ints, kinds: Octets, lines: Lines) -> Rows:
    quotes = kinds == QUOTE
    if quotes.any():
        outside = ~quotes & ~np.logical_xor.accumulate(quotes)
        positions, kinds = positions[outside], kinds[outside]
    ends = (kinds == LF) | (kinds == CR)
    if (kinds == CR).any():
        # The LF of a CR LF is no mark; its CR is.
        keep = ~((kinds == LF) & (octets[positions - 1] == CR) & (positions > 0))
        positions, ends = positions[keep], ends[keep]
    last = np.flatnonzero(ends)
    if lines.end.size and int(lines.end[-1]) == octets.size:
        positions = np.append(positions, octets.size)
        last = np.append(last, positions.size - 1)
    end = positions[last]
    if end.size == lines.end.size:
        line = np.arange(end.size)
    else:
        line = np.concatenate([np.zeros(1, np.int64), np.searchsorted(lines.end, end[:-1]) + 1])
    start = lines.start[line]
    first = np.concatenate([np.zeros(1, np.int64), last[:-1] + 1])[: last.size]
    flaw = np.where(end - start > MAX_ROW_BYTES, Flaw.TOO_LONG, Flaw.NONE).astype(np.uint8)
    if (start == end).any():
        full = start < end
        start, end, line, flaw, first, last = start[full], end[full], line[full], flaw[full], first[full], last[full]
    return Rows(octets, start, end, line, flaw, positions, first, last)


def _ends_in_time(lines: Lines, fates: Ints) -> Bools:
    return (fates >= 0) & (lines.end[np.maximum(fates, 0)] - lines.start <= QUOTE_WINDOW)


def _rows_by_fate(octets: Octets, delimiters: Ints, runs: Runs, lines: Lines) -> Rows:
    moves = moves_of(runs)
    fates, first_run = fates_of(octets, runs, lines, moves, final=True)
    sound = _ends_in_time(lines, fates)
    numbers = np.arange(fates.size)
    following = np.where(sound, fates, numbers) + 1
    line = chain_of(following)
    line = line[lines.start[line] < lines.end[line]]
    sound = sound[line]
    start, line_end, fate = lines.start[line], lines.end[line], fates[line]
    end = np.where(sound, lines.end[np.maximum(fate, 0)], line_end)
    bad = fate <= BAD
    bad_at = np.append(runs.start, 0)[np.where(bad, BAD - fate, runs.start.size)]
    flaw = np.where(end - start > MAX_ROW_BYTES, Flaw.TOO_LONG, np.where(sound, Flaw.NONE, Flaw.UNCLOSED_QUOTE))
    flaw[bad & (bad_at < line_end)] = Flaw.MALFORMED_QUOTE
    behind = np.append(first_run, runs.start.size)[following[line]]
    inside = inside_of(moves, first_run[line[sound]].tolist(), behind[sound].tolist())
    delimiters = delimiters[~inside[np.searchsorted(runs.start, delimiters) - 1]]
    marks = np.sort(np.concatenate([_within(delimiters, start[sound], end[sound]), end]))
    last = np.searchsorted(marks, end)
    first = np.searchsorted(marks, start)
    return Rows(octets, start, end, line, flaw.astype(np.uint8), marks, first, last)


def _within(positions: Ints, start: Ints, end: Ints) -> Ints:
    """Those of `positions` that lie in one of the stretches from `start` to `end`, which are ascending and disjoint."""
    stretch = np.searchsorted(start, positions, side="right") - 1
    return positions[(stretch >= 0) & (positions < np.append(end, 0)[stretch])]


def _cut_by_parity(octets: Octets, runs: Runs, lines: Lines, *, final: bool) -> Cut | None:
    """The cut, if quoting is sane. None if a row may exceed the window."""
    certain = _certain(octets, final=final)
    inside = np.append((runs.before + runs.length) & 1, 0).astype(np.bool_)  # behind each run; the last one: before all
    ends_row = ~inside[np.searchsorted(runs.start, lines.end) - 1] & (lines.end < certain)
    last = np.flatnonzero(ends_row)
    end = 0 if last.size == 0 else int(np.append(lines.start, octets.size)[last[-1] + 1])
    stretches = np.diff(lines.end[last], prepend=-1, append=end if final else octets.size)
    if int(stretches.max()) > QUOTE_WINDOW:
        return None
    rows = int(np.count_nonzero(ends_row & (lines.start < lines.end)))
    return Cut(end, int(np.searchsorted(lines.end, end)), rows)


def _cut_by_fate(octets: Octets, runs: Runs, lines: Lines, *, final: bool) -> Cut:
    certain = _certain(octets, final=final)
    begin = np.append(lines.start, octets.size)
    if int(lines.end[-1]) >= certain:
        # The last line is not known to be over: it has no end yet, or a CR that an LF may follow.
        begin, lines = lines.start, Lines(lines.start[:-1], lines.end[:-1])
    fates, _ = fates_of(octets, runs, lines, moves_of(runs), final=final)
    following = np.where(_ends_in_time(lines, fates), fates, np.arange(fates.size)) + 1
    undecided = (fates == UNDECIDED) & (certain - lines.start <= QUOTE_WINDOW) & (not final)
    chain = chain_of(np.where(undecided, fates.size, following))
    if chain.size == 0:
        return Cut(0, 0, 0)
    stop = fates.size
    if undecided[chain[-1]]:
        stop, chain = int(chain[-1]), chain[:-1]
    end = int(begin[stop])
    rows = int(np.count_nonzero(lines.start[chain] < lines.end[chain]))
    return Cut(end, int(np.searchsorted(lines.end, end)), rows)


def _certain(octets: Octets, *, final: bool) -> int:
    """Offset from which a line end does not count: a CR as the last byte may be followed by an LF."""
    return octets.size + 1 if final else octets.size - int(octets[-1] == CR)

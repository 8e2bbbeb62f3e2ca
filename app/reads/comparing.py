"""Comparing two graphs: which users and ties both have, which only one of them has, and how ranks differ.

Each graph sends its users and edges in the order of handles, from one snapshot of its own. Both streams are joined
block by block, so memory does not grow with the graphs. They are joined by handle: the id of a user is a hash, but the
graphs may have moved ids that collided.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, LiteralString, NamedTuple

import msgspec
import polars as pl

import sql
from app.posts.tables.formulas import guarded_column
from app.reads.exports.cells import csv_cells
from app.reads.exports.selection import Selection
from app.reads.exports.snapshot import Blocks, Snapshot, snapshot, unescaped
from app.store.postgres import Connection

_TIES = sql.query("reads/comparing/ties")
_USERS = sql.query("reads/comparing/users")


What = Literal["users", "ties"]

_SEPARATOR = "\0"
"""Between two handles of a key. PostgreSQL's texts do not hold it, so keys sort as the pairs of handles do."""
_WHOSE = {"both": "both", "left": "left_only", "right": "right_only"}
"""The lists of a comparison, by what the column `in` says."""
_OF_TIES: dict[str, pl.DataType] = {"mention_count": pl.Int64(), "weight": pl.Float64()}
_OF_USERS: dict[str, pl.DataType] = {
    "mentions_received": pl.Int64(),
    "weight_received": pl.Float64(),
    "rank": pl.Int64(),
    "weight_rank": pl.Int64(),
}
_HANDLES: dict[What, tuple[str, ...]] = {"users": ("handle",), "ties": ("source", "target")}
_NUMBERS: dict[What, dict[str, pl.DataType]] = {"users": _OF_USERS, "ties": _OF_TIES}
_STATEMENTS: dict[What, LiteralString] = {"users": _USERS, "ties": _TIES}
_HEAVIEST: dict[What, str] = {"users": "mentions_received", "ties": "weight"}
"""By which column a list of a comparison is ordered, the largest first."""


class Side(NamedTuple):
    """One of the two graphs: a connection to its database, and its half-life."""

    conn: Connection
    half_life_seconds: float


class Shared(msgspec.Struct):
    """How many users or ties both graphs have, and how many only one of them has."""

    both: int = 0
    left_only: int = 0
    right_only: int = 0

    @property
    def jaccard(self) -> float | None:
        """The share of what both have in what any of them has; None if neither has anything."""
        every = self.both + self.left_only + self.right_only
        return self.both / every if every else None


class Compared(msgspec.Struct):
    """What a comparison found: the numbers, and of each list its first entries."""

    shared: Shared
    both: list[dict[str, Any]]
    left_only: list[dict[str, Any]]
    right_only: list[dict[str, Any]]


class Comparison:
    """Two graphs, each as of one moment."""

    def __init__(self, left: Snapshot, right: Snapshot) -> None:
        self._left = left
        self._right = right

    def blocks(self, what: What) -> Blocks:
        """Yields all users or ties in the order of handles, with the numbers of both graphs.

        The numbers of a graph that lacks the user or tie are null. The column `in` says who has it.
        """
        handles, numbers = _HANDLES[what], _NUMBERS[what]
        streams = [_Stream(_read(graph, what)) for graph in (self._left, self._right)]
        for left, right in _steps(*streams):
            joined = left.join(right, on="key", how="full", coalesce=True, suffix="_right").sort("key")
            parts = joined["key"].str.split_exact(_SEPARATOR, len(handles) - 1)
            first, second = (pl.col(f"{next(iter(numbers))}{side}").is_null() for side in ("", "_right"))
            whose = pl.when(first).then(pl.lit("right")).when(second).then(pl.lit("left")).otherwise(pl.lit("both"))
            yield joined.select(
                *(parts.struct.field(f"field_{place}").alias(name) for place, name in enumerate(handles)),
                whose.alias("in"),
                *(
                    pl.col(f"{name}{suffix}").alias(f"{name}_{side}")
                    for name in numbers
                    for side, suffix in (("left", ""), ("right", "_right"))
                ),
            )

    def compared(self, what: What, *, most: int) -> Compared:
        """The numbers, and the first `most` entries of each list: those with the most mentions or weight."""
        shared, kept = Shared(), dict[str, pl.DataFrame]()
        for block in self.blocks(what):
            for whose, name in _WHOSE.items():
                found = block.filter(pl.col("in") == whose)
                setattr(shared, name, getattr(shared, name) + len(found))
                kept[whose] = _first(pl.concat([kept[whose], found]) if whose in kept else found, what, most)
        lists = {name: _entries(kept.get(whose), what) for whose, name in _WHOSE.items()}
        return Compared(shared, **lists)

    def table(self, what: What, *, guard: bool = True) -> Generator[bytes]:
        """Yields all users or ties as CSV, with a header line. `guard` makes handles harmless to spreadsheets."""
        head = True
        for block in self.blocks(what):
            names = ((guarded_column(block[name]) if guard else block[name]) for name in _HANDLES[what])
            told = block.with_columns(csv_cells(each) for each in names)
            yield told.write_csv(include_header=head, quote_style="never").encode()
            head = False
        if head:
            sides = [f"{name}_{side}" for name in _NUMBERS[what] for side in ("left", "right")]
            yield (",".join([*_HANDLES[what], "in", *sides]) + "\n").encode()


@contextmanager
def comparing(left: Side, right: Side, selection: Selection) -> Generator[Comparison]:
    """Open a snapshot of each graph. Both hold the edges that the selection asks for."""
    with ExitStack() as stack:
        yield Comparison(
            *(stack.enter_context(snapshot(side.conn, selection, side.half_life_seconds)) for side in (left, right))
        )


class _Stream:
    """One graph's blocks, with what of the last block is still to be joined."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._held = next(blocks, None)
        self._next = next(blocks, None)

    @property
    def bound(self) -> str | None:
        """The last key of the block; None after the last block."""
        return None if self._held is None or self._next is None else self._held["key"][-1]

    @property
    def empty(self) -> bool:
        return self._held is None

    def take(self, bound: str | None) -> pl.DataFrame | None:
        """What has keys up to the bound. None: all that is held."""
        if self._held is None:
            return None
        number = len(self._held) if bound is None else int((self._held["key"] <= bound).sum())
        taken, rest = self._held[:number], self._held[number:]
        if len(rest):
            self._held = rest
        else:
            self._held, self._next = self._next, next(self._blocks, None)
        return taken


def _steps(left: _Stream, right: _Stream) -> Generator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yields pairs of blocks: whatever is in one of them is in no other pair."""
    while not (left.empty and right.empty):
        bounds = [each.bound for each in (left, right) if each.bound is not None]
        bound = min(bounds, key=str.encode) if bounds else None
        first, second = left.take(bound), right.take(bound)
        if first is not None:
            yield first, first.clear() if second is None else second
        elif second is not None:
            yield second.clear(), second


def _read(graph: Snapshot, what: What) -> Blocks:
    handles, numbers = _HANDLES[what], _NUMBERS[what]
    for block in graph.copied(_STATEMENTS[what], (*numbers, *handles)):
        key = pl.concat_str([unescaped(block[name]) for name in handles], separator=_SEPARATOR)
        yield block.select(key.alias("key"), *(pl.col(name).cast(kind) for name, kind in numbers.items()))


def _first(block: pl.DataFrame, what: What, most: int) -> pl.DataFrame:
    largest = pl.max_horizontal(f"{_HEAVIEST[what]}_left", f"{_HEAVIEST[what]}_right")
    return block.sort(largest, *_HANDLES[what], descending=[True, *(False for _ in _HANDLES[what])]).head(most)


def _entries(found: pl.DataFrame | None, what: What) -> list[dict[str, Any]]:
    if found is None:
        return []
    if what == "users":
        found = found.with_columns(
            rank_change=pl.col("rank_left") - pl.col("rank_right"),
            weight_rank_change=pl.col("weight_rank_left") - pl.col("weight_rank_right"),
        )
    return found.drop("in").to_dicts()

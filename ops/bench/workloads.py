"""Workloads by name and seed, a million rows in less than a second, the same bytes everywhere; what each one holds.

    python -m ops.bench.workloads tail --rows 1000000 --seed 7 posts.csv

A shorter one of the same name and seed is a prefix of a longer one. Beside the rows there is a sample: every row of
some authors, for the oracle to count.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import polars as pl
from numpy.random import PCG64

from ops.bench.generate import HEADER, permuted
from ops.bench.lettering import Draw, Lettering, Names, Texts, joined, own_mentions
from ops.bench.shapes import AUTHOR_PERMUTATION, SHAPES, WORDS, Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK: Final = 1 << 17
"""Rows put together at once."""
_BUSIEST: Final = permuted(np.arange(4, dtype=np.uint64), *AUTHOR_PERMUTATION).astype(np.int64)


class Facts(msgspec.Struct, frozen=True):
    """What a workload holds."""

    rows: int
    bytes: int
    mentions: int
    edges: int
    """Distinct pairs of author and mentioned."""


@cache
def names(users: int, *, cased: bool) -> Names:
    """Made once a process: two million names take a while."""
    return Names(users, cased=cased)


class Workload:
    """`rows` posts of a shape. `chunks` gives their bytes; after it, `facts` and `sample` are known.

    `sample_every`: of so many users one is in the sample, whatever the workload; 0: none.
    """

    def __init__(self, name: str, rows: int, seed: int, *, sample_every: int = 0) -> None:
        self.name, self.rows, self.seed = name, rows, seed
        self._shape = SHAPES[name]
        self._every = sample_every
        self._names = names(self._shape.users, cased=self._shape.cased)
        self._texts = Texts(seed, self._names, long=self._shape.long)
        self._pairs: list[NDArray[np.int64]] = []
        self._bytes = 0
        self.sample = bytearray(HEADER)
        """A CSV of every row by an author of the sample."""
        self.sampled: set[str] = set()
        """Those authors, in lower case."""

    def chunks(self) -> Iterator[bytes]:
        """The header, then some megabytes of whole rows at a time."""
        tables, lettering = Tables(), Lettering(self._names, self._texts)
        stream = PCG64([self.seed, 2])
        self._bytes = len(HEADER)
        yield HEADER
        for start in range(0, self.rows, CHUNK):
            size = min(CHUNK, self.rows - start)
            words = stream.random_raw(size * WORDS).reshape(size, WORDS)
            draw = self._shape.draw(tables, words, start)
            rows = lettering.rows(draw)
            self._note(draw, rows)
            data = joined(rows)
            self._bytes += len(data)
            yield data

    def _note(self, draw: Draw, rows: pl.Series) -> None:
        user = self._names.user
        author = user[draw.author.astype(np.int64)]
        by = np.repeat(author, draw.mentions.astype(np.int64))
        self._pairs.append((by << 32) | user[draw.target.astype(np.int64)])
        row, mentioned = own_mentions(self._texts, draw)
        self._pairs.append((author[row] << 32) | mentioned)
        if self._every:
            chosen = np.flatnonzero(_sampled(author, self._every))
            self.sample += joined(rows[chosen])
            self.sampled.update(self._names.spelled[np.unique(author[chosen])].to_list())

    @property
    def facts(self) -> Facts:
        pairs = np.concatenate(self._pairs)
        return Facts(self.rows, self._bytes, len(pairs), len(np.unique(pairs)))


def _sampled(users: NDArray[np.int64], every: int) -> NDArray[np.bool_]:
    """Which users are in the sample, the same ones in every workload: one of so many, and some of the busiest."""
    scattered = (users.astype(np.uint64) * np.uint64(0x9E3779B1)) & np.uint64(0xFFFFFFFF)
    return (scattered < np.uint64(2**32 // every)) | np.isin(users, _BUSIEST)


def write(workload: Workload, path: Path) -> Facts:
    """The workload as a file."""
    with path.open("wb") as out:
        for chunk in workload.chunks():
            out.write(chunk)
    return workload.facts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.workloads", description="Write a CSV of invented posts.")
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("out", metavar="OUT.csv", help="- for standard output")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    workload, began = Workload(options.name, options.rows, options.seed), time.perf_counter()
    with nullcontext(sys.stdout.buffer) if options.out == "-" else Path(options.out).open("wb") as out:
        for chunk in workload.chunks():
            out.write(chunk)
    took = time.perf_counter() - began
    facts = workload.facts
    print(
        f"{options.name}: {facts.rows:,} rows, {facts.bytes:,} bytes, {facts.mentions:,} mentions, "
        f"{facts.edges:,} edges, {took:.1f} s ({options.rows / took:,.0f} rows/s)",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Workloads by shape and seed, a million rows in less than a second, and what each workload holds.

A shorter workload of the same shape and seed is a prefix of a longer one. Beside the rows there is a sample: every row
of some authors, for the oracle to count.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from numpy.random import PCG64

from ops.workloads.shapes import AUTHOR, SHAPES, WORDS_A_ROW, Tables, permuted
from ops.workloads.texts import Lettering, Names, as_lines

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from ops.workloads.texts import Draw

HEADER: Final = b"data,timestamp,username\n"
CHUNK: Final = 1 << 17
"""Rows made at once."""
_BUSIEST: Final = permuted(np.arange(4, dtype=np.uint64), *AUTHOR).astype(np.int64)


class Facts(msgspec.Struct, frozen=True):
    """What a workload holds."""

    rows: int
    bytes: int
    mentions: int
    edges: int
    """Distinct pairs of author and mentioned user."""


@cache
def names(users: int, *, cased: bool) -> Names:
    """Made once a process: two million names take a while."""
    return Names(users, cased=cased)


@cache
def _tables() -> Tables:
    return Tables()


class Workload:
    """`rows` posts of a shape. `chunks` gives their bytes; `facts` and `sample` are known after it.

    `sample_every`: one user in so many is in the sample, whatever the workload; 0: no sample.
    """

    def __init__(self, name: str, rows: int, seed: int, *, sample_every: int = 0) -> None:
        self.name, self.rows, self.seed = name, rows, seed
        self._shape, self._every = SHAPES[name], sample_every
        self._names = names(self._shape.users, cased=self._shape.cased)
        self._pairs: list[NDArray[np.int64]] = []
        self._bytes = 0
        self.sample = bytearray(HEADER)
        """A CSV of every row by an author of the sample."""
        self.path = Path()
        self.sampled: set[str] = set()
        """Those authors, in lower case."""

    def series(self) -> Iterator[pl.Series]:
        """The rows without line ends, up to CHUNK at a time."""
        tables, lettering = _tables(), Lettering(self.seed, self._names, long=self._shape.long)
        stream = PCG64([self.seed, 2])
        for start in range(0, self.rows, CHUNK):
            size = min(CHUNK, self.rows - start)
            words = stream.random_raw(size * WORDS_A_ROW).reshape(size, WORDS_A_ROW)
            draw = self._shape.draw(tables, words, start)
            rows = lettering.rows(draw)
            self._note(draw, rows, lettering)
            yield rows

    def chunks(self) -> Iterator[bytes]:
        """The header, then some megabytes of whole rows at a time."""
        self._bytes = len(HEADER)
        yield HEADER
        for rows in self.series():
            data = as_lines(rows)
            self._bytes += len(data)
            yield data

    def _note(self, draw: Draw, rows: pl.Series, lettering: Lettering) -> None:
        user = self._names.user
        author = user[draw.author.astype(np.int64)]
        by = np.repeat(author, draw.mentions.astype(np.int64))
        self._pairs.append((by << 32) | user[draw.target.astype(np.int64)])
        row, mentioned = lettering.own_mentions(draw)
        self._pairs.append((author[row] << 32) | mentioned)
        if self._every:
            chosen = np.flatnonzero(_sampled(author, self._every))
            self.sample += as_lines(rows[chosen])
            self.sampled.update(self._names.spelled[np.unique(author[chosen])].to_list())

    @cached_property
    def facts(self) -> Facts:
        pairs = np.concatenate(self._pairs)
        return Facts(self.rows, self._bytes, len(pairs), len(np.unique(pairs)))

    @contextmanager
    def file(self, directory: Path) -> Generator[None]:
        """The workload as the file `path`, for as long as the block lasts."""
        self.path = directory / f"{self.name}-{self.seed}.csv"
        try:
            with self.path.open("wb") as out:
                out.writelines(self.chunks())
            yield
        finally:
            self.path.unlink(missing_ok=True)


def _sampled(users: NDArray[np.int64], every: int) -> NDArray[np.bool_]:
    """Which users are in the sample, the same ones in every workload: one in so many, and some of the busiest."""
    scattered = (users.astype(np.uint64) * 0x9E3779B1) & 0xFFFFFFFF
    return (scattered < 2**32 // every) | np.isin(users, _BUSIEST)

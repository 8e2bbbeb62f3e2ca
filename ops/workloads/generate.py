"""Invented posts as a CSV, by the million, the same bytes for the same arguments everywhere.

python -m ops.workloads.generate --rows 1000000 --seed 7 posts.csv
python -m ops.workloads.generate --shape tail --rows 1000000 posts.csv
python -m ops.workloads.generate --rows 1000 --bad-rows 0.01 -
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import numpy as np
from numpy.random import PCG64

from ops.workloads.shapes import SHAPES, bits
from ops.workloads.workload import HEADER, Workload

__all__ = ["HEADER", "generate"]

BAD_ROWS: Final = (
    "one field too few @nora_fox,{stamp}",
    "one field, too many @nora_fox,{stamp},{author}",
    "no such day @nora_fox,2026-13-45T25:61:00Z,{author}",
    "when? @nora_fox,yesterday,{author}",
    "nobody says @nora_fox,{stamp},",
    "a sign is no name @nora_fox,{stamp}, @ ",
    "\udcc3( is no UTF-8 @nora_fox,{stamp},{author}",
    "a NUL \0 @nora_fox,{stamp},{author}",
    '"closed" too early @nora_fox,{stamp},{author}',
    '"never closed @nora_fox,{stamp},{author}',
)


def generate(rows: int, seed: int, *, shape: str = "mixed", bad_rows: float = 0.0) -> Iterator[bytes]:
    """The header, then whole rows, some megabytes at a time. About `bad_rows` of the rows must be rejected."""
    workload, stream = Workload(shape, rows, seed), PCG64([seed, 3])
    if not bad_rows:
        yield from workload.chunks()
        return
    yield HEADER
    for series in workload.series():
        lines, words = series.to_list(), stream.random_raw(len(series))
        for index in np.flatnonzero(bits(words, 32, 32) < int(bad_rows * 2**32)).tolist():
            template = BAD_ROWS[int(words[index]) % 65_536 % len(BAD_ROWS)]
            lines[index] = template.format(stamp="2026-11-01T12:00:00Z", author="nora_fox")
        yield ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.workloads.generate", description="Write invented posts.")
    parser.add_argument("out", metavar="OUT.csv", help="- for standard output")
    parser.add_argument("--shape", choices=SHAPES, default="mixed")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--bad-rows", type=float, default=0.0, metavar="SHARE", help="share of rows to be rejected")
    options = parser.parse_args(arguments)
    if options.rows < 0 or options.seed < 0 or not 0.0 <= options.bad_rows <= 1.0:
        parser.error("rows and seed are not negative, SHARE is between 0 and 1")
    size, began = 0, time.perf_counter()
    with nullcontext(sys.stdout.buffer) if options.out == "-" else Path(options.out).open("wb") as out:
        for chunk in generate(options.rows, options.seed, shape=options.shape, bad_rows=options.bad_rows):
            size += out.write(chunk)
    took = time.perf_counter() - began
    print(f"{options.rows:,} rows, {size:,} bytes, {took:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

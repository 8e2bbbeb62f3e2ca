"""This module writes Parquet, one row group at a time.

polars writes the file on threads of its own, and this module hands out the bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Queue

import polars as pl
from polars.io.plugins import register_io_source

from app.reads.exports.snapshot import Blocks, Snapshot

ROW_GROUP = 131_072
"""Rows of a row group, about 5 MB compressed.

Memory holds one row group, and the part of the next row group that polars has read.
"""

_PIECES = 4
_INSTANT = pl.Datetime("us", "UTC")
_SCHEMA = pl.Schema(
    {
        "source": pl.String(),
        "target": pl.String(),
        "mention_count": pl.Int64(),
        "weight": pl.Float64(),
        "first_seen": _INSTANT,
        "last_seen": _INSTANT,
        "archived_at": _INSTANT,
    }
)


class _Stopped(Exception):
    """The reader does not want the rest of the file."""


class _Pipe:
    """The file that polars writes to, and whose pieces the reader takes. The pipe holds `_PIECES` pieces at most."""

    def __init__(self) -> None:
        self._pieces: Queue[bytes | None] = Queue(_PIECES)
        self._stopped = threading.Event()

    def write(self, data: bytes) -> int:
        if self._stopped.is_set():
            raise _Stopped
        self._pieces.put(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def end(self) -> None:
        self._pieces.put(None)

    def stop(self) -> None:
        self._stopped.set()
        # The writer may be waiting for room. So `stop` takes all pieces that are left, until the end.
        while self._pieces.get() is not None:
            pass

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            yield piece


def edges_parquet(graph: Snapshot) -> Generator[bytes]:
    """Write the edges. `archived_at` is null for an edge of the graph."""
    blocks = graph.edges()
    pipe = _Pipe()
    failures: list[BaseException] = []
    thread = threading.Thread(target=_write, args=(blocks, pipe, failures), name="parquet")
    thread.start()
    whole = False
    try:
        yield from pipe
        whole = True
    finally:
        if not whole:
            pipe.stop()
        thread.join()
        blocks.close()
    if failures:
        raise failures[0]


def _write(blocks: Blocks, pipe: _Pipe, failures: list[BaseException]) -> None:
    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del with_columns, predicate, n_rows, batch_size  # polars asks for all columns and rows
        try:
            for block in blocks:
                yield _typed(block)
        except BaseException as error:  # polars raises an error of its own instead
            failures.append(error)
            raise

    try:
        frame = register_io_source(source, schema=_SCHEMA)
        frame.sink_parquet(
            pipe,  # pyright: ignore[reportArgumentType] (the pipe can be written to, and polars does not seek)
            row_group_size=ROW_GROUP,
            compression="zstd",
            compression_level=1,
            engine="streaming",
        )
    except BaseException as error:  # noqa: BLE001 (the reader raises the error)
        failures.append(error)
    finally:
        pipe.end()


def _typed(block: pl.DataFrame) -> pl.DataFrame:
    return block.select(
        "source",
        "target",
        pl.col("mention_count").cast(pl.Int64),
        pl.col("weight").cast(pl.Float64),
        *(
            pl.col(name).replace("", None).str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us", time_zone="UTC")
            for name in ("first_seen", "last_seen", "archived_at")
        ),
    )

"""Parquet, a row group at a time. polars writes it on threads of its own; what it has written is handed out here."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Queue

import polars as pl
from polars.io.plugins import register_io_source

from app.reads.exports.snapshot import Blocks, Snapshot

ROW_GROUP = 131_072
"""Rows: some 5 MB, compressed. One is in memory at a time, and what polars has taken of the next."""

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
    """Nobody wants the rest."""


class _Pipe:
    """A file for polars, and what it wrote for the reader; holds a few pieces at most."""

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
        # The writer may be waiting for room: it takes what is left, until the end.
        while self._pieces.get() is not None:
            pass

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            yield piece


def edges_parquet(graph: Snapshot) -> Generator[bytes]:
    """The edges; `archived_at` is null for what is in the graph."""
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
        del with_columns, predicate, n_rows, batch_size  # nothing is asked of it but everything
        try:
            for block in blocks:
                yield _typed(block)
        except BaseException as error:  # polars makes an error of its own of it
            failures.append(error)
            raise

    try:
        frame = register_io_source(source, schema=_SCHEMA)
        frame.sink_parquet(
            pipe,  # pyright: ignore[reportArgumentType] (it writes, and does without seeking)
            row_group_size=ROW_GROUP,
            compression="zstd",
            compression_level=1,
            engine="streaming",
        )
    except BaseException as error:  # noqa: BLE001 (told to the reader)
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

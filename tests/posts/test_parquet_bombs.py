"""Parquet that becomes gigabytes, or makes polars crash, ends the process that reads it and nothing else."""

from __future__ import annotations

import io
import resource
import signal
import sys
from tempfile import TemporaryFile

import polars as pl
import pytest

from app.errors import CostsTooMuch, NoRows, ParquetUnreadable
from app.posts import apart
from app.posts.containers import parquet, parquet_rows
from app.posts.containers.archives import Allowance
from app.posts.containers.budget import Bounds, Budget
from app.settings import Settings
from tests.posts import hostile_parquet as hostile

BOMBS = {
    "a long text over and over": lambda: hostile.long_texts(1 << 20, 500),
    "a long list": lambda: hostile.long_list(30_000_000),
    "long pages": lambda: hostile.long_page(300 << 20),
    "a deep schema": lambda: hostile.deep(2000),
    "a schema that overflows the stack": lambda: hostile.deep(50_000),
}


def read(data: bytes, budget: Budget, most: int = 1 << 40) -> int:
    return sum(map(len, parquet.json_pieces(io.BytesIO(data), decoded=Allowance(most, "it has", budget))))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_the_writer_writes_parquet() -> None:
    assert pl.read_parquet(hostile.long_texts(3, 2))["c"].to_list() == ["aaa", "aaa"]
    assert pl.read_parquet(hostile.long_list(3))["l"].to_list() == [["a", "a", "a"]]
    assert pl.read_parquet(hostile.nothing(3))["c"].to_list() == [None, None, None]
    assert pl.read_parquet(hostile.deep(2)).to_dicts() == [{"g": {"g": {"c": "a"}}}]


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels bound no memory")
@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_grows_without_bound_is_refused(name: str) -> None:
    data = BOMBS[name]()
    before = peak()
    with pytest.raises(ParquetUnreadable):
        read(data, Budget())
    assert peak() - before < 64 << 20


def test_many_rows_of_few_bytes_meet_the_budget() -> None:
    data = hostile.nothing(1 << 30)
    budget = Budget(Bounds.of(Settings()))
    budget.receive(len(data))
    with pytest.raises(CostsTooMuch, match="MENTIONGRAPH_MAX_EXPANSION"):
        read(data, budget)


def test_processor_time_of_the_reading_process_is_counted() -> None:
    data = hostile.nothing(1)
    budget = Budget(Bounds.of(Settings()), clock=lambda: 0.0)
    read(data, budget)
    assert budget.seconds > parquet.START_SECONDS

    spent = Budget(Bounds(1 << 30, 250, 1 << 20, free_seconds=0.0), clock=lambda: 0.0)
    with pytest.raises(CostsTooMuch, match="of the processor"):
        read(data, spent)


def test_the_kernel_ends_a_reading_process_that_takes_too_long() -> None:
    with TemporaryFile() as file:
        file.write(hostile.nothing(1 << 30))
        file.seek(0)
        name = parquet_rows.__name__
        with apart.running(name, file, most_bytes=apart.UNBOUNDED, most_seconds=1) as process:
            process.communicate(timeout=60)
    assert process.returncode in {-signal.SIGXCPU, -signal.SIGKILL}


def test_a_zip_of_many_files_without_rows_meets_the_budget() -> None:
    """Each starts a process and has no row, so the next file follows."""
    budget = Budget(Bounds.of(Settings()), clock=lambda: 0.0)
    data = io.BytesIO()
    pl.DataFrame({"text": []}).write_parquet(data)
    with pytest.raises(NoRows):
        read(data.getvalue(), budget)

    budget.seconds = 10.0
    with pytest.raises(CostsTooMuch, match="of the processor"):
        read(data.getvalue(), budget)

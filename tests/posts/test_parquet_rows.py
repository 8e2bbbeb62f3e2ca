"""What the program that reads Parquet says, message by message. It runs in this process here, and not in its own."""

from __future__ import annotations

import io
import math
import os
import resource
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

import polars as pl
import pytest

from app.posts import apart
from app.posts.containers import parquet, parquet_rows
from app.posts.containers.archives import Allowance
from app.posts.containers.budget import Bounds, Budget
from app.posts.containers.parquet_rows import DATA, END, HEAD, MESSAGE_BYTES, NO_ROWS, SPENT, UNREADABLE
from tests.posts import hostile_parquet as hostile

Said = list[tuple[bytes, bytes]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bytes], Said]:
    """The messages about a file, without the processor time. The bounds of this process stay as they are."""
    monkeypatch.setattr(sys, "argv", ["program", str(apart.UNBOUNDED), str(apart.UNBOUNDED)])

    def leave(*_: object) -> None:
        pass

    def the_score(_path: str) -> Path:
        return tmp_path / "score"

    monkeypatch.setattr(resource, "setrlimit", leave)
    monkeypatch.setattr(apart, "Path", the_score)

    def read(data: bytes) -> Said:
        with TemporaryFile() as source, TemporaryFile() as told:
            source.write(data)
            source.seek(0)
            kept = os.dup(0), os.dup(1)
            try:
                os.dup2(source.fileno(), 0)
                os.dup2(told.fileno(), 1)
                parquet_rows.main()
            finally:
                for number, descriptor in enumerate(kept):
                    os.dup2(descriptor, number)
                    os.close(descriptor)
            told.seek(0)
            return [message for message in messages(told.read()) if message[0] != SPENT]

    return read


def messages(data: bytes) -> Said:
    found: Said = []
    while data:
        kind, size = HEAD.unpack(data[: HEAD.size])
        found.append((kind, data[HEAD.size : HEAD.size + size]))
        data = data[HEAD.size + size :]
    return found


def written(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def test_each_type_becomes_what_a_reader_takes(said: Callable[[bytes], Said]) -> None:
    instant = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "text": ["@a", None],
            "at": [instant, None],
            "raw": ["grüße".encode(), None],
            "deep": [[b"x"], None],
            "within": [{"raw": b"y", "at": 5}, None],
            "likes": [3, None],
        }
    ).with_columns(pair=pl.Series([[b"p", b"q"], None], dtype=pl.Array(pl.Binary(), 2)))

    assert said(written(frame)) == [
        (
            DATA,
            '{"text":"@a","at":"2024-01-02T03:04:05.000000+00:00","raw":"grüße","deep":["x"],'
            '"within":{"raw":"y","at":5},"likes":3,"pair":["p","q"]}\n'
            '{"text":null,"at":null,"raw":null,"deep":null,"within":null,"likes":null,"pair":null}\n'.encode(),
        ),
        (END, b""),
    ]


@pytest.mark.parametrize("rows", [499, 500, 501, 3000])
def test_each_row_is_told_once(rows: int, said: Callable[[bytes], Said]) -> None:
    found = said(written(pl.DataFrame({"n": range(rows)})))
    assert b"".join(data for _, data in found) == b"".join(b'{"n":%d}\n' % each for each in range(rows))
    assert {kind for kind, _ in found[:-1]} == {DATA}
    assert found[-1] == (END, b"")


def test_a_message_is_bounded(said: Callable[[bytes], Said]) -> None:
    found = said(written(pl.DataFrame({"text": ["x" * (5 << 19)]})))
    assert [len(data) for kind, data in found if kind == DATA] == [MESSAGE_BYTES] * 2 + [(1 << 19) + 12]


@pytest.mark.parametrize("columns", [{"text": []}, {}], ids=["no rows", "no columns"])
def test_a_file_without_rows_is_told_apart(columns: dict[str, list[str]], said: Callable[[bytes], Said]) -> None:
    assert said(written(pl.DataFrame(columns))) == [(NO_ROWS, b"")]


def test_rows_of_nothing_are_none(said: Callable[[bytes], Said]) -> None:
    assert said(hostile.without_columns(5)) == [(NO_ROWS, b"")]


def test_bytes_that_are_no_text_are_read_as_far_as_they_are(said: Callable[[bytes], Said]) -> None:
    found = said(written(pl.DataFrame({"raw": [b"@a \xff", None]})))
    assert found == [(DATA, '{"raw":"@a \ufffd"}\n{"raw":null}\n'.encode()), (END, b"")]


def test_why_a_file_is_not_read_is_told_in_a_line(said: Callable[[bytes], Said]) -> None:
    [(kind, words)] = said(b"PAR1" + bytes(20))
    assert kind == UNREADABLE
    assert b"parquet" in words.lower()
    assert b"\n" not in words
    assert len(words) <= 200


def test_a_file_of_fewer_rows_than_its_footer_says_is_not_read(said: Callable[[bytes], Said]) -> None:
    assert [kind for kind, _ in said(hostile.fewer(5, claimed=2000))] == [UNREADABLE]


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels show no limits of other processes")
@pytest.mark.parametrize(
    ("budget", "seconds"),
    [
        (Budget(Bounds(1 << 20, 1, 1 << 20, free_bytes=1 << 20, free_seconds=5.2), clock=lambda: 0.0), 6),
        (Budget(), apart.UNBOUNDED),
    ],
    ids=["bounded", "unbounded"],
)
def test_the_kernel_bounds_what_a_request_may_still_spend(budget: Budget, seconds: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_CPU)[0]
    pieces = parquet.json_pieces(io.BytesIO(hostile.nothing(1)), decoded=Allowance(1 << 20, "it has", budget))
    next(pieces)
    [child] = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()[-1:]
    bound = resource.prlimit(int(child), resource.RLIMIT_CPU)[0]
    list(pieces)
    assert bound == (before if math.isinf(budget.bounds.free_seconds) else seconds)

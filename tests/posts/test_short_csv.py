"""Each short text of letters, delimiters, quotes and line ends, and what the grammar of CSV makes of the text."""

from __future__ import annotations

import itertools
from functools import cache

import pytest

from app.posts.tables import csvscan
from app.posts.tables.csvscan import Cut
from app.posts.tables.header import count_lines
from tests.posts.slow_csv import SlowRow, slow_rows
from tests.posts.test_csv import limits, scanned

LETTERS = b'a,"\n\r'
WINDOWS = [4, 100]
BROKEN = b'""a\n'
"""Behind a row that closes badly, rows are found by the exact walk, and not by the parity of quotes."""


def texts(longest: int) -> list[bytes]:
    return [bytes(each) for size in range(longest + 1) for each in itertools.product(LETTERS, repeat=size)]


TEXTS = [*texts(5), *(BROKEN + each for each in texts(4))]


@cache
def rows_of(data: bytes, window: int) -> list[SlowRow]:
    return slow_rows(data, delimiter=b",", window=window, longest=window - 1)


@cache
def settled(data: bytes, window: int) -> int:
    """Returns the end of the last row that no further bytes change, nor the rows before."""
    return next((end for end in range(len(data), 0, -1) if is_settled(data, end, window)), 0)


def is_settled(data: bytes, end: int, window: int) -> bool:
    if data[end - 1] not in b"\r\n":
        return False
    before, lines = rows_of(data[:end], window), count_lines(data[:end])
    for further in texts(2):
        behind = [row._replace(line=row.line + lines) for row in rows_of(data[end:] + further, window)]
        if rows_of(data + further, window) != before + behind:
            return False
    return True


@pytest.mark.parametrize("window", WINDOWS)
def test_each_short_text_has_the_rows_of_the_slow_reader(window: int) -> None:
    with limits(window=window, longest=window - 1):
        for data in TEXTS:
            assert scanned(data) == [tuple(row) for row in rows_of(data, window)], data


@pytest.mark.parametrize("window", WINDOWS)
def test_each_short_text_is_cut_behind_the_last_row_that_is_certain(window: int) -> None:
    with limits(window=window, longest=window - 1):
        for data in texts(4):
            cut = csvscan.cut(data, delimiter=",", final=False)
            # The cutter may wait for two bytes more until a row has certainly outgrown the window.
            earliest = settled(data[:-2] if window == WINDOWS[0] else data, window)
            assert earliest <= cut.end <= settled(data, window), data
            assert cut == Cut(cut.end, count_lines(data[: cut.end]), len(rows_of(data[: cut.end], window))), data


@pytest.mark.parametrize("window", WINDOWS)
def test_each_short_text_that_is_final_is_one_batch(window: int) -> None:
    with limits(window=window, longest=window - 1):
        for data in TEXTS:
            expected = Cut(len(data), count_lines(data), len(rows_of(data, window)))
            assert csvscan.cut(data, delimiter=",", final=True) == expected, data

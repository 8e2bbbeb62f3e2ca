"""A long page is read in a process of its own, as a short page is read here, within bounds of memory and time."""

from __future__ import annotations

import sys

import msgspec
import pytest

from app.errors import PageTooLong
from app.posts.json import elements, long_pages, pages
from app.posts.looking.shapes import Packing, Unpacker

PACKING = Packing(rows="data")
PAGE = msgspec.json.encode({"data": [{"text": f"hi @user{number}", "id": str(number)} for number in range(500)]})


def test_a_long_page_is_read_as_a_short_one() -> None:
    assert long_pages.posts_of(PAGE, PACKING) == pages.posts_of(PAGE, Unpacker(PACKING))


def test_only_a_long_page_is_read_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    apart = list[bytes]()

    def read_apart(line: bytes, _: object) -> bytes:
        apart.append(line)
        return b""

    monkeypatch.setattr(long_pages, "posts_of", read_apart)
    monkeypatch.setattr(elements, "_APART", len(PAGE))
    reader = elements.Pages(PACKING)
    longer = PAGE.replace(b"hi", b"hello", 1)

    list(reader.feed(PAGE + b"\n" + longer + b"\n"))

    assert apart == [longer]


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels bound no memory")
def test_a_page_that_takes_too_much_memory_is_refused() -> None:
    with pytest.raises(PageTooLong):
        long_pages.posts_of(b"[" * (64 << 20), PACKING, most_bytes=96 << 20)


def test_a_page_that_takes_too_long_is_refused() -> None:
    with pytest.raises(PageTooLong):
        long_pages.posts_of(PAGE, PACKING, seconds=0)

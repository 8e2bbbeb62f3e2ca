"""Memory goes back to the system after uploads, once for many of them."""

from __future__ import annotations

import ctypes
import sys
import threading

import pytest

from app.http import trimming
from app.http.trimming import Trimmer
from tests.conftest import until


@pytest.fixture
def trims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the C library was asked for."""
    asked = list[int]()

    def trim(pad: int) -> int:
        asked.append(pad)
        return 1

    monkeypatch.setattr(trimming, "_found", lambda: trim)
    return asked


def test_uploads_that_end_together_need_one_trim(trims: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "PAUSE_SECONDS", 0.2)
    trimmer = Trimmer()
    for _ in range(3):
        trimmer()
    until(lambda: trims == [0], within=5, what="one trim")

    trimmer()

    until(lambda: trims == [0, 0], within=5, what="another trim for a later upload")
    trimmer.close()


def test_nothing_is_trimmed_once_it_is_closed(trims: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "PAUSE_SECONDS", 3600)
    before = set(threading.enumerate())
    closed, waiting = Trimmer(), Trimmer()
    closed.close()
    closed()
    assert set(threading.enumerate()) <= before, "a timer would be there"

    waiting()
    assert len(set(threading.enumerate()) - before) == 1, "a timer waits"
    waiting.close()
    until(lambda: set(threading.enumerate()) <= before, within=20, what="the timer is gone")
    assert not trims


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has malloc_trim")
def test_the_c_library_is_found() -> None:
    found = trimming._found()  # pyright: ignore[reportPrivateUsage]
    assert (found is not None) == hasattr(ctypes.CDLL(None), "malloc_trim")
